package lake

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"shitpost-alpha/lake/delta"
)

// DefaultCacheBytes is the size limit of a cache whose options name none.
const DefaultCacheBytes = 2 << 30

// cache keeps data files of a remote store in a folder, one file each, named by their content.
// Several processes may share the folder: files appear whole (written beside and renamed), an open
// file stays readable when another process throws it out, and the time of last use is the file's
// modification time. A crash leaves at most a temporary file, which a later look at the size sweeps.
type cache struct {
	dir   string
	limit int64
	now   func() time.Time
	log   *slog.Logger

	mu      sync.Mutex
	checked map[string]bool // names whose bytes this process has seen to be right; guarded by mu
	size    int64           // as far as this process knows, -1 before the first look; guarded by mu
	adds    int             // files added since the last look; guarded by mu
}

func newCache(o Options) *cache {
	if o.CacheDir == "" {
		return nil
	}
	return &cache{dir: o.CacheDir, limit: cmp.Or(o.CacheBytes, DefaultCacheBytes), now: o.Now, log: o.Log, checked: map[string]bool{}, size: -1}
}

// DataFile is an open data file. Reading it at several places at once is safe.
type DataFile interface {
	io.ReaderAt
	io.ReadSeekCloser
}

// memoryFile is a data file held in memory.
type memoryFile struct{ *bytes.Reader }

func (memoryFile) Close() error { return nil }

// cacheName names a data file by its content, or where the log does not tell that, by its place.
func cacheName(tableID string, add *delta.Add) string {
	if sum := add.Tags[tagSHA256]; len(sum) == 2*sha256.Size && !strings.ContainsFunc(sum, func(r rune) bool { return !strings.ContainsRune("0123456789abcdef", r) }) {
		return sum + ".parquet"
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %d %d", tableID, add.Path, add.Size, add.ModificationTime))
	return "place-" + hex.EncodeToString(sum[:]) + ".parquet"
}

func (c *cache) path(name string) string { return filepath.Join(c.dir, name) }

// open returns a data file, fetched when it is not there or is damaged. A cache that cannot be
// written is no reason to fail: then the file is served from memory.
func (c *cache) open(ctx context.Context, name string, add *delta.Add, fetch func(context.Context) ([]byte, error)) (DataFile, error) {
	if f := c.lookup(name, add); f != nil {
		return f, nil
	}
	data, err := fetch(ctx)
	if err != nil {
		return nil, err
	}
	f, err := c.put(name, data)
	if err != nil {
		c.log.Warn("cache not written", "folder", c.dir, "error", err)
		return memoryFile{bytes.NewReader(data)}, nil
	}
	return f, nil
}

// lookup returns the cached file, or nil when there is none that is right.
func (c *cache) lookup(name string, add *delta.Add) *os.File {
	f, err := os.Open(c.path(name))
	if err != nil {
		return nil
	}
	c.mu.Lock()
	known := c.checked[name]
	c.mu.Unlock()
	st, err := f.Stat()
	if err == nil && st.Size() == add.Size && (known || checkSHA256(f, add.Tags[tagSHA256]) == nil) {
		c.mu.Lock()
		c.checked[name] = true
		c.mu.Unlock()
		now := c.now()
		_ = os.Chtimes(c.path(name), now, now) // at worst it is thrown out too early
		return f
	}
	f.Close()
	c.log.Warn("cached file is damaged and is fetched again", "file", c.path(name))
	c.mu.Lock()
	delete(c.checked, name)
	c.mu.Unlock()
	return nil
}

// checkSHA256 reads a file and compares its hash; "" as the hash wanted is always right.
func checkSHA256(f io.ReaderAt, want string) error {
	if want == "" {
		return nil
	}
	h := sha256.New()
	if _, err := io.CopyBuffer(struct{ io.Writer }{h}, io.NewSectionReader(f, 0, 1<<62), make([]byte, 256<<10)); err != nil {
		return err
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != want {
		return fmt.Errorf("its SHA-256 is %s, the log says %s", got, want)
	}
	return nil
}

// checkedMode is the mode of a cached file whose bytes were compared with the log's hash and are on
// disk since: only then a process trusts what another has checked. Without it, as after a crash that
// lost what was written, a file is checked again.
const checkedMode = 0o444

// markChecked marks an open file of the cache whose bytes are right. Where that fails it is only checked again.
func (c *cache) markChecked(f DataFile) {
	if file, onDisk := f.(*os.File); onDisk && file.Sync() == nil {
		_ = file.Chmod(checkedMode)
	}
}

// linkChecked gives a cached file that is marked a second name and reports whether it did.
func (c *cache) linkChecked(name string, add *delta.Add, path string) bool {
	st, err := os.Stat(c.path(name))
	if err != nil || st.Size() != add.Size || st.Mode().Perm() != checkedMode {
		return false
	}
	now := c.now()
	_ = os.Chtimes(c.path(name), now, now)
	err = os.Link(c.path(name), path)
	return err == nil || errors.Is(err, fs.ErrExist)
}

// put writes a file and makes room for it.
func (c *cache) put(name string, data []byte) (*os.File, error) {
	f, err := writeWhole(c.path(name), data)
	if err != nil {
		return nil, err
	}
	now := c.now()
	_ = os.Chtimes(c.path(name), now, now)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.checked[name] = true
	c.adds++
	if c.size >= 0 {
		c.size += int64(len(data))
	}
	// Others may be adding too, so the folder is looked at now and then even below the limit.
	if c.size < 0 || c.size > c.limit || c.adds >= 64 {
		c.evict(name)
	}
	return f, nil
}

// staleTemp is the age at which a temporary file has no writer any more.
const staleTemp = time.Hour

// evict looks at the folder and, over the limit, removes the files that were not used for longest,
// down to nine tenths of it; never the one just added. The caller holds mu.
func (c *cache) evict(keep string) {
	c.size, c.adds = 0, 0
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		c.log.Warn("cache not measured", "folder", c.dir, "error", err)
		return
	}
	var files []fs.FileInfo
	for _, e := range entries {
		st, err := e.Info()
		if err != nil || !st.Mode().IsRegular() {
			continue // gone meanwhile, or not ours
		}
		switch {
		case strings.HasPrefix(st.Name(), tempPrefix) && c.now().Sub(st.ModTime()) > staleTemp:
			os.Remove(c.path(st.Name()))
		case strings.HasSuffix(st.Name(), ".parquet"):
			c.size += st.Size()
			files = append(files, st)
		}
	}
	if c.size <= c.limit {
		return
	}
	slices.SortFunc(files, func(a, b fs.FileInfo) int { return a.ModTime().Compare(b.ModTime()) })
	for _, st := range files {
		if c.size <= c.limit/10*9 {
			return
		}
		if st.Name() == keep {
			continue
		}
		if err := os.Remove(c.path(st.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			c.log.Warn("cached file not removed", "file", c.path(st.Name()), "error", err)
			continue
		}
		c.size -= st.Size()
		delete(c.checked, st.Name())
	}
}

const tempPrefix = ".tmp-"

// writeWhole writes a file by way of a temporary one, so that a crash leaves no half of it, and
// returns it open for reading: it stays so even when somebody removes it at once.
func writeWhole(path string, data []byte) (f *os.File, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	f, err = os.CreateTemp(filepath.Dir(path), tempPrefix+"*")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if _, err = f.Write(data); err != nil {
		return nil, err
	}
	return f, os.Rename(f.Name(), path)
}

package objects

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
)

// Folder keeps every object as a file below a root folder. A Put writes a temporary file beside
// the target and syncs it, then links (IfAbsent) or renames it into place and syncs the folder: a
// crash leaves at most a file whose name begins with ".tmp-", which List does not show.
type Folder struct {
	root string
	// match orders the IfMatch Puts of this process; a lock file orders those of several.
	match sync.Mutex
}

const tempPrefix = ".tmp-"

// NewFolder returns a store in the folder root, which Put creates when it is missing.
func NewFolder(root string) *Folder { return &Folder{root: root} }

// Path returns the file that holds the object key.
func (f *Folder) Path(key string) string { return filepath.Join(f.root, filepath.FromSlash(key)) }

// Get implements Store.
func (f *Folder) Get(ctx context.Context, key string) ([]byte, Info, error) {
	if err := errors.Join(ctx.Err(), CheckKey(key)); err != nil {
		return nil, Info{}, err
	}
	data, err := os.ReadFile(f.Path(key))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil, Info{}, fmt.Errorf("get %q: %w", key, ErrNotFound)
	}
	if err != nil {
		return nil, Info{}, fmt.Errorf("get %q: %w", key, err)
	}
	stat, err := os.Stat(f.Path(key))
	if err != nil {
		return nil, Info{}, fmt.Errorf("get %q: %w", key, err)
	}
	return data, Info{Key: key, Size: int64(len(data)), ETag: etagOf(data), Modified: stat.ModTime().UTC()}, nil
}

// Put implements Store.
func (f *Folder) Put(ctx context.Context, key string, data []byte, cond Condition) (Info, error) {
	if err := errors.Join(ctx.Err(), CheckKey(key)); err != nil {
		return Info{}, err
	}
	target := f.Path(key)
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return Info{}, fmt.Errorf("put %q: %w", key, err)
	}
	temp, err := writeTemp(filepath.Dir(target), data)
	if err != nil {
		return Info{}, fmt.Errorf("put %q: %w", key, err)
	}
	defer os.Remove(temp)
	switch {
	case cond.Absent():
		err = os.Link(temp, target)
		if errors.Is(err, fs.ErrExist) {
			err = ErrPrecondition
		}
	case cond.ETag() != "":
		err = f.replaceIfMatch(temp, target, cond.ETag())
	default:
		err = os.Rename(temp, target)
	}
	if err == nil {
		err = syncDir(filepath.Dir(target))
	}
	if err != nil {
		return Info{}, fmt.Errorf("put %q: %w", key, err)
	}
	return Info{Key: key, Size: int64(len(data)), ETag: etagOf(data)}, nil
}

func (f *Folder) replaceIfMatch(temp, target, etag string) error {
	f.match.Lock()
	defer f.match.Unlock()
	lock, err := os.OpenFile(filepath.Join(f.root, tempPrefix+"lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return err
	}
	defer lock.Close() // releases the lock, as does the end of the process
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return err
	}
	data, err := os.ReadFile(target)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err != nil || etagOf(data) != etag {
		return ErrPrecondition
	}
	return os.Rename(temp, target)
}

// List implements Store. It walks the folder that the prefix names and sorts what it found, because
// the order of a walk is not the order of keys ("a/b" is walked before "a-b").
func (f *Folder) List(ctx context.Context, prefix, after string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		var infos []Info
		dir, _ := filepath.Split(filepath.FromSlash(prefix))
		err := filepath.WalkDir(filepath.Join(f.root, dir), func(file string, d fs.DirEntry, err error) error {
			if err = errors.Join(err, ctx.Err()); errors.Is(err, fs.ErrNotExist) {
				return nil // no such folder, or removed since
			} else if err != nil || d.IsDir() || strings.HasPrefix(d.Name(), tempPrefix) {
				return err
			}
			rel, err := filepath.Rel(f.root, file)
			key := filepath.ToSlash(rel)
			if err != nil || !strings.HasPrefix(key, prefix) || key <= after {
				return err
			}
			stat, err := d.Info()
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			} else if err != nil {
				return err
			}
			infos = append(infos, Info{Key: key, Size: stat.Size(), Modified: stat.ModTime().UTC()})
			return nil
		})
		if err != nil {
			yield(Info{}, fmt.Errorf("list %q: %w", prefix, err))
			return
		}
		slices.SortFunc(infos, func(a, b Info) int { return strings.Compare(a.Key, b.Key) })
		for _, info := range infos {
			if !yield(info, nil) {
				return
			}
		}
	}
}

// Delete implements Store.
func (f *Folder) Delete(ctx context.Context, key string) error {
	if err := errors.Join(ctx.Err(), CheckKey(key)); err != nil {
		return err
	}
	if err := os.Remove(f.Path(key)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("delete %q: %w", key, err)
	}
	return nil
}

// Leftovers returns the temporary files below the prefix, which List does not show: those of Puts
// under way, and those that crashes left. Delete takes their keys.
func (f *Folder) Leftovers(ctx context.Context, prefix string) ([]Info, error) {
	var infos []Info
	root := f.Path(prefix)
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err = errors.Join(err, ctx.Err()); errors.Is(err, fs.ErrNotExist) {
			return nil
		} else if err != nil || d.IsDir() || !strings.HasPrefix(d.Name(), tempPrefix) {
			return err
		}
		rel, err := filepath.Rel(f.root, file)
		stat, statErr := d.Info()
		if errors.Is(statErr, fs.ErrNotExist) {
			return err
		}
		if err = errors.Join(err, statErr); err == nil {
			infos = append(infos, Info{Key: filepath.ToSlash(rel), Size: stat.Size(), Modified: stat.ModTime().UTC()})
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list temporary files of %q: %w", prefix, err)
	}
	return infos, nil
}

func writeTemp(dir string, data []byte) (string, error) {
	file, err := os.CreateTemp(dir, tempPrefix+"*")
	if err != nil {
		return "", err
	}
	_, err = file.Write(data)
	err = errors.Join(err, file.Chmod(0o644), file.Sync(), file.Close())
	if err != nil {
		os.Remove(file.Name())
		return "", err
	}
	return file.Name(), nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func etagOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:16])
}

package lake

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"shitpost-alpha/lake/delta"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/objects"
)

// fetchCounter counts the data files that are fetched.
type fetchCounter struct {
	objects.Store
	mu   sync.Mutex
	gets int // guarded by mu
}

func (c *fetchCounter) Get(ctx context.Context, key string) ([]byte, objects.Info, error) {
	if filepath.Ext(key) == ".parquet" {
		c.mu.Lock()
		c.gets++
		c.mu.Unlock()
	}
	return c.Store.Get(ctx, key)
}

// cachedBars makes n commits of a bar each in a store that is read through a cache.
func cachedBars(t *testing.T, n int, o Options) (*fetchCounter, func() *Snapshot[event.Price]) {
	t.Helper()
	store := &fetchCounter{Store: &objects.Memory{}}
	l, head := open(t, store), int64(-1)
	for day := 1; day <= n; day++ {
		b := bar("AAPL", day, 100)
		event.Seal(&b, "")
		var err error
		if head, err = l.Prices.Append(t.Context(), head, []event.Price{b}); err != nil {
			t.Fatal(err)
		}
	}
	return store, func() *Snapshot[event.Price] {
		snap, err := New(store, "test", o).Prices.Snapshot(t.Context(), -1)
		if err != nil {
			t.Fatal(err)
		}
		return snap
	}
}

func rowsIn(t *testing.T, s *Snapshot[event.Price]) (n int) {
	t.Helper()
	for events, err := range s.Batches(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		n += len(events)
	}
	return n
}

func TestCacheFetchesOnceAndMendsItself(t *testing.T) {
	dir := t.TempDir()
	store, snapshot := cachedBars(t, 6, Options{CacheDir: dir})
	for range 3 {
		if n := rowsIn(t, snapshot()); n != 6 {
			t.Fatalf("%d events, want 6", n)
		}
	}
	if store.gets != 6 {
		t.Errorf("%d fetches of 6 files", store.gets)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.parquet"))
	if err != nil || len(files) != 6 {
		t.Fatalf("%v, %v", files, err)
	}
	for i, damage := range []func([]byte) []byte{
		func(b []byte) []byte { return b[:len(b)/2] },
		func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
		func([]byte) []byte { return nil },
	} {
		b, err := os.ReadFile(files[i])
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(files[i], damage(b), 0o644); err != nil {
			t.Fatal(err)
		}
		if n := rowsIn(t, snapshot()); n != 6 || store.gets != 7+i {
			t.Errorf("damage %d: %d events, %d fetches", i, n, store.gets)
		}
	}
	// What is damaged in the store itself stays refused, and is not kept.
	snap := snapshot()
	snap.Files[0].Tags = map[string]string{tagSHA256: hex.EncodeToString(make([]byte, 32))}
	if _, err := snap.stream.readFile(t.Context(), snap.Files[0]); !errors.Is(err, ErrDamaged) {
		t.Errorf("another hash in the log: %v", err)
	}
}

func TestCacheKeepsItsLimit(t *testing.T) {
	dir, now := t.TempDir(), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	c := newCache(Options{CacheDir: dir, CacheBytes: 1000, Now: func() time.Time { now = now.Add(time.Second); return now }, Log: slog.New(slog.DiscardHandler)})
	get := func(i int) bool {
		t.Helper()
		data := bytes.Repeat([]byte{byte(i)}, 100)
		sum := sha256.Sum256(data)
		fetched := false
		f, err := c.open(t.Context(), fmt.Sprintf("f%02d.parquet", i), &delta.Add{Size: 100, Tags: map[string]string{tagSHA256: hex.EncodeToString(sum[:])}},
			func(context.Context) ([]byte, error) { fetched = true; return data, nil })
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if got, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<20)); err != nil || !bytes.Equal(got, data) {
			t.Fatalf("file %d: %d bytes, %v", i, len(got), err)
		}
		return fetched
	}
	old := filepath.Join(dir, tempPrefix+"crashed")
	if err := errors.Join(os.WriteFile(old, nil, 0o644), os.Chtimes(old, now.Add(-2*staleTemp), now.Add(-2*staleTemp))); err != nil {
		t.Fatal(err)
	}
	for i := range 30 {
		if get(0) != (i == 0) {
			t.Errorf("file 0, which is always in use, was thrown out by file %d", i)
		}
		get(i + 1)
		files, err := filepath.Glob(filepath.Join(dir, "*.parquet"))
		if err != nil || len(files) > 10 {
			t.Fatalf("the cache holds %d files of 100 bytes over a limit of 1000, %v", len(files), err)
		}
	}
	if !get(1) {
		t.Error("file 1 was not used for longest and is still there")
	}
	if _, err := os.Stat(old); err == nil {
		t.Error("what a crash left is still there")
	}
}

// TestCacheSharedByMany: several caches, as of several processes, on one folder too small for them all.
func TestCacheSharedByMany(t *testing.T) {
	dir := t.TempDir()
	_, snapshot := cachedBars(t, 12, Options{CacheDir: dir, CacheBytes: 20_000})
	var wg sync.WaitGroup
	for range 6 {
		snap := snapshot()
		local := t.TempDir()
		wg.Go(func() {
			for range 3 {
				n := 0
				for events, err := range snap.Batches(t.Context()) {
					if err != nil {
						t.Error(err)
						return
					}
					n += len(events)
				}
				if n != 12 {
					t.Errorf("%d events, want 12", n)
				}
			}
			paths, err := snap.LocalFiles(t.Context(), local)
			if err != nil || len(paths) != 12 {
				t.Errorf("%d local files, %v", len(paths), err)
			}
			for _, p := range paths {
				if _, err := os.Stat(p); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func TestCacheThatCannotBeWritten(t *testing.T) {
	notAFolder := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(notAFolder, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	_, snapshot := cachedBars(t, 3, Options{CacheDir: notAFolder})
	if n := rowsIn(t, snapshot()); n != 3 {
		t.Errorf("%d events, want 3", n)
	}
	if paths, err := snapshot().LocalFiles(t.Context(), t.TempDir()); err != nil || len(paths) != 3 {
		t.Errorf("%v, %v", paths, err)
	}
}

// TestLocalFilesAreCheckedOnce: what one process has compared with the log is trusted by the next, what is
// not marked so, as after a power cut, is compared again and fetched when it is wrong.
func TestLocalFilesAreCheckedOnce(t *testing.T) {
	dir := t.TempDir()
	store, snapshot := cachedBars(t, 2, Options{CacheDir: dir})
	whole := map[string]string{}
	for use := range 3 {
		paths, err := snapshot().LocalFiles(t.Context(), t.TempDir())
		if err != nil || len(paths) != 2 {
			t.Fatal(paths, err)
		}
		for _, p := range paths {
			b, err := os.ReadFile(p)
			st, err2 := os.Stat(p)
			if err != nil || err2 != nil || use > 0 && st.Mode().Perm() != checkedMode {
				t.Fatal(st, err, err2)
			}
			whole[filepath.Base(p)] = string(b)
		}
	}
	if store.gets != 2 {
		t.Errorf("%d fetches of 2 files", store.gets)
	}
	for name, bytes := range whole {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), make([]byte, len(bytes)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	paths, err := snapshot().LocalFiles(t.Context(), t.TempDir())
	if err != nil || store.gets != 4 {
		t.Errorf("after the cache was spoilt: %d fetches, %v", store.gets, err)
	}
	for _, p := range paths {
		if b, err := os.ReadFile(p); err != nil || string(b) != whole[filepath.Base(p)] {
			t.Errorf("%s: %d bytes or others, %v", p, len(b), err)
		}
	}
}

func TestAsOf(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	l := New(&objects.Memory{}, "test", Options{Producer: "test@1", Now: func() time.Time { return now }})
	head := int64(-1)
	for day := 1; day <= 9; day++ {
		b := bar("AAPL", day, 100)
		event.Seal(&b, "")
		var err error
		if head, err = l.Prices.Append(t.Context(), head, []event.Price{b}); err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Hour)
	}
	for hours, want := range map[float64]int64{-1: 0, 0: 1, 0.5: 1, 1: 2, 7.9: 8, 8: 9, 1000: 9} {
		snap, err := l.Prices.AsOf(t.Context(), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(hours*float64(time.Hour))))
		if err != nil || int64(rowsIn(t, snap)) != want || hours >= 0 && snap.Version != want {
			t.Errorf("after %v hours: version %d, want %d events, %v", hours, snap.Version, want, err)
		}
	}
	empty, err := l.Posts.AsOf(t.Context(), now)
	if err != nil || empty.Version != -1 || empty.Rows() != 0 {
		t.Errorf("a stream that is not there: %+v, %v", empty, err)
	}
}

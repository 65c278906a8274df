package lake

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"shitpost-alpha/lake/delta"
	"shitpost-alpha/lake/objects"
)

// LocalFiles returns the snapshot's data files as paths on this machine, for readers that want
// files: those of a folder where they lie, those of a bucket from cacheDir, fetched when they are
// not there yet. Data files never change, so a cached one is good for ever. An empty snapshot is one
// file without rows, so that a reader still learns the columns.
func (p *Snapshot[E]) LocalFiles(ctx context.Context, cacheDir string) ([]string, error) {
	s := p.stream
	if len(p.Files) == 0 {
		data, err := encode[E](nil)
		if err != nil {
			return nil, err
		}
		path := filepath.Join(cacheDir, s.Name()+"-empty.parquet")
		return []string{path}, writeWhole(path, data)
	}
	paths := make([]string, len(p.Files))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for i, f := range p.Files {
		key, err := delta.Key(f.Path)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		if folder, ok := s.store.(*objects.Folder); ok {
			paths[i] = folder.Path(s.Name() + "/" + key)
			continue
		}
		paths[i] = filepath.Join(cacheDir, p.TableID, filepath.FromSlash(key))
		g.Go(func() error {
			if st, err := os.Stat(paths[i]); err == nil && st.Size() == f.Size {
				return nil
			} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			data, err := s.readBytes(ctx, f)
			if err != nil {
				return err
			}
			return writeWhole(paths[i], data)
		})
	}
	return paths, g.Wait()
}

// writeWhole writes a file by way of a temporary one, so that a crash leaves no half of it.
func writeWhole(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(path), ".tmp-*")
	if err != nil {
		return err
	}
	_, err = temp.Write(data)
	if err = errors.Join(err, temp.Close()); err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		os.Remove(temp.Name())
	}
	return err
}

package lake

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"shitpost-alpha/lake/delta"
)

// localStore is a store whose objects are files on this machine.
type localStore interface{ Path(key string) string }

// openFile opens a data file where it lies, in a folder or in the cache, else in memory. The first
// time that this process opens it, its bytes are compared with the log's SHA-256.
func (s *Stream[E]) openFile(ctx context.Context, add *delta.Add) (DataFile, error) {
	key, err := delta.Key(add.Path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if folder, ok := s.store.(localStore); ok {
		return s.openLocal(folder.Path(s.Name()+"/"+key), add)
	}
	if s.cache == nil {
		data, err := s.fetch(ctx, add)
		if err != nil {
			return nil, err
		}
		return memoryFile{bytes.NewReader(data)}, nil
	}
	return s.cache.open(ctx, cacheName(s.tableID(), add), add, func(ctx context.Context) ([]byte, error) { return s.fetch(ctx, add) })
}

func (s *Stream[E]) openLocal(path string, add *delta.Add) (DataFile, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: file %s/%s is missing", ErrDamaged, s.Name(), add.Path)
	}
	if err != nil {
		return nil, err
	}
	if _, known := s.verified.Load(add.Path); !known {
		if err := checkSHA256(f, add.Tags[tagSHA256]); err != nil {
			f.Close()
			return nil, fmt.Errorf("%w: file %s/%s has other bytes than were written: %w", ErrDamaged, s.Name(), add.Path, err)
		}
		s.verified.Store(add.Path, true)
	}
	return f, nil
}

// tableID is the identity of the table as far as this process has seen it.
func (s *shared) tableID() (id string) {
	s.table.Peek(func(st *delta.State) { id = st.MetaData.ID })
	return id
}

// readBytes reads one data file whole, by way of the cache where there is one.
func (s *Stream[E]) readBytes(ctx context.Context, add *delta.Add) ([]byte, error) {
	if _, local := s.store.(localStore); local || s.cache == nil {
		return s.fetch(ctx, add)
	}
	f, err := s.openFile(ctx, add)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.NewSectionReader(f, 0, 1<<62))
}

// LocalFiles returns the snapshot's data files as paths on this machine, for readers that want
// files: those of a folder where they lie, those of a bucket in dir, a folder of the caller's own
// that the caller removes. There they are links to the cache, where the lake has one: so nothing is
// fetched twice, and nobody can throw them out while they are read.
func (p *Snapshot[E]) LocalFiles(ctx context.Context, dir string) ([]string, error) {
	s := p.stream
	paths := make([]string, len(p.Files))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for i, f := range p.Files {
		key, err := delta.Key(f.Path)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		if folder, ok := s.store.(localStore); ok {
			paths[i] = folder.Path(s.Name() + "/" + key)
			continue
		}
		paths[i] = filepath.Join(dir, cacheName(p.TableID, f))
		g.Go(func() error { return s.bring(ctx, f, paths[i]) })
	}
	return paths, g.Wait()
}

// ColumnsFile writes a data file without rows into dir and returns its path. It has all the columns that
// there are by now: a reader of LocalFiles learns from it those that all files lack.
func (p *Snapshot[E]) ColumnsFile(dir string) (string, error) {
	columns, err := encode[E](nil)
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, p.stream.Name()+"-columns.parquet")
	return path, writeAndClose(path, columns)
}

// bring makes path the data file. The bytes of a cached one are compared with the log's hash by the second
// process that wants it and not by every further one: a query would take less time than that.
func (s *Stream[E]) bring(ctx context.Context, add *delta.Add, path string) error {
	if s.cache == nil {
		data, err := s.fetch(ctx, add)
		if err != nil {
			return err
		}
		return writeAndClose(path, data)
	}
	name := cacheName(s.tableID(), add)
	for {
		if s.cache.linkChecked(name, add, path) {
			return nil
		}
		_, missing := os.Stat(s.cache.path(name))
		f, err := s.openFile(ctx, add)
		if err != nil {
			return err
		}
		if missing == nil {
			s.cache.markChecked(f)
		} // else it was fetched just now, and waiting for the disk is left to the next
		err = linkOrCopy(f, s.cache.path(name), path)
		f.Close()
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		} // else another process has just thrown it out of the cache: once more
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// linkOrCopy gives an open file of the cache a second name. Where that is not possible, because it
// is in memory only or on a file system without links, the second name is a copy.
func linkOrCopy(f DataFile, cached, path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if _, onDisk := f.(*os.File); onDisk {
		err := os.Link(cached, path)
		if err == nil || errors.Is(err, fs.ErrExist) {
			return nil
		}
		if errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	data, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<62))
	if err != nil {
		return err
	}
	return writeAndClose(path, data)
}

func writeAndClose(path string, data []byte) error {
	f, err := writeWhole(path, data)
	if err != nil {
		return err
	}
	return f.Close()
}

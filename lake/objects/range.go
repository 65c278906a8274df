package objects

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// Ranger is a Store that can also read a part of an object.
type Ranger interface {
	Store
	// GetRange returns length bytes from offset on, fewer where the object ends before, or
	// ErrNotFound.
	GetRange(ctx context.Context, key string, offset, length int64) ([]byte, error)
}

// GetRange implements Ranger.
func (f *Folder) GetRange(ctx context.Context, key string, offset, length int64) ([]byte, error) {
	if err := errors.Join(ctx.Err(), CheckKey(key)); err != nil {
		return nil, err
	}
	file, err := os.Open(f.Path(key))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("get %q: %w", key, ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("get %q: %w", key, err)
	}
	defer file.Close()
	buf := bytes.NewBuffer(make([]byte, 0, min(max(length, 0), 64<<20)))
	if _, err := io.Copy(buf, io.NewSectionReader(file, offset, length)); err != nil {
		return nil, fmt.Errorf("get %q from %d: %w", key, offset, err)
	}
	return buf.Bytes(), nil
}

// GetRange implements Ranger.
func (m *Memory) GetRange(ctx context.Context, key string, offset, length int64) ([]byte, error) {
	data, _, err := m.Get(ctx, key)
	if err != nil {
		return nil, err
	}
	size := int64(len(data))
	from := min(max(offset, 0), size)
	return data[from:min(from+max(length, 0), size)], nil
}

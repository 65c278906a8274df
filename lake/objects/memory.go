package objects

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
)

// Memory is a Store for tests. Its zero value is empty and ready.
type Memory struct {
	mu      sync.Mutex
	objects map[string][]byte // guarded by mu; values are never changed
}

// Get implements Store.
func (m *Memory) Get(ctx context.Context, key string) ([]byte, Info, error) {
	if err := errors.Join(ctx.Err(), CheckKey(key)); err != nil {
		return nil, Info{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	data, ok := m.objects[key]
	if !ok {
		return nil, Info{}, fmt.Errorf("get %q: %w", key, ErrNotFound)
	}
	return bytes.Clone(data), Info{Key: key, Size: int64(len(data)), ETag: etagOf(data)}, nil
}

// Put implements Store.
func (m *Memory) Put(ctx context.Context, key string, data []byte, cond Condition) (Info, error) {
	if err := errors.Join(ctx.Err(), CheckKey(key)); err != nil {
		return Info{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	old, ok := m.objects[key]
	if cond.Absent() && ok || cond.ETag() != "" && (!ok || etagOf(old) != cond.ETag()) {
		return Info{}, fmt.Errorf("put %q: %w", key, ErrPrecondition)
	}
	if m.objects == nil {
		m.objects = map[string][]byte{}
	}
	m.objects[key] = bytes.Clone(data)
	return Info{Key: key, Size: int64(len(data)), ETag: etagOf(data)}, nil
}

// List implements Store.
func (m *Memory) List(ctx context.Context, prefix, after string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		m.mu.Lock()
		var infos []Info
		for key, data := range m.objects {
			if strings.HasPrefix(key, prefix) && key > after {
				infos = append(infos, Info{Key: key, Size: int64(len(data))})
			}
		}
		m.mu.Unlock()
		slices.SortFunc(infos, func(a, b Info) int { return strings.Compare(a.Key, b.Key) })
		for _, info := range infos {
			if err := ctx.Err(); err != nil {
				yield(Info{}, err)
				return
			}
			if !yield(info, nil) {
				return
			}
		}
	}
}

// Clone returns a copy that later changes of m do not reach.
func (m *Memory) Clone() *Memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	return &Memory{objects: maps.Clone(m.objects)}
}

// Delete implements Store.
func (m *Memory) Delete(ctx context.Context, key string) error {
	if err := errors.Join(ctx.Err(), CheckKey(key)); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.objects, key)
	return nil
}

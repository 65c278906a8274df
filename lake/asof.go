package lake

import (
	"context"
	"sort"
	"time"
)

// AsOf returns the stream as it was at a time: at the newest version that was committed at or before
// it by the writer's clock. Before the first commit it is empty. The log is searched, not read: it
// takes as many requests as its length has binary digits.
func (s *Stream[E]) AsOf(ctx context.Context, t time.Time) (*Snapshot[E], error) {
	head, err := s.Head(ctx)
	if err != nil {
		return nil, err
	}
	var failed error
	after := sort.Search(int(head)+1, func(v int) bool {
		if failed != nil {
			return true
		}
		actions, err := s.table.Read(ctx, int64(v))
		failed = err
		return err != nil || describe(int64(v), actions).Time.After(t)
	})
	if failed != nil {
		return nil, failed
	}
	if after == 0 {
		return &Snapshot[E]{Version: -1, stream: s}, nil
	}
	return s.Snapshot(ctx, int64(after-1))
}

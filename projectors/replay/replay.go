// Package replay reads the events of a snapshot sorted, whatever the size of the lake, in bounded memory.
//
// Events merges runs: sources of events that are in the order of lake.Compare. A data file that compaction
// wrote is a run as it lies there. All others are sorted, a bounded number of events at a time, into
// temporary Parquet files, which are runs too. Where there are more runs than may be open at a time, some
// are merged into one first. So the events of one key come together, which is what a projection needs.
//
// Select reads in no order and only what a condition on kind and key leaves: the other columns of all other
// events are not decoded.
package replay

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"iter"
	"os"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/event"
)

// Limits bound the memory of one reading.
type Limits struct {
	// SortBytes is about how much is sorted in memory at a time.
	SortBytes int
	// Open is how many runs are merged at a time; each takes a few megabytes.
	Open int
}

// DefaultLimits keep a reading under some 150 MB.
func DefaultLimits() Limits { return Limits{SortBytes: 48 << 20, Open: 12} }

// Events yields the events of the snapshot in the order of lake.Compare: key, occurred_at, recorded_at,
// event_id. An event stays valid. It ends after an error; lake.ErrDamaged and lake.ErrRetired name the file.
// Temporary files go to the system's folder for such, are about as large as the files that no compaction
// has sorted, and are removed at the end; a crash leaves them.
func Events[E event.Event](ctx context.Context, snap *lake.Snapshot[E], l Limits) iter.Seq2[*E, error] {
	return func(yield func(*E, error) bool) {
		r := &reading[E]{snap: snap, limits: l}
		defer r.close()
		if err := r.sort(ctx); err != nil {
			yield(nil, fmt.Errorf("read %s in order: %w", snap.Stream(), err))
			return
		}
		for e, err := range merged(ctx, r.runs) {
			if err != nil {
				yield(nil, fmt.Errorf("read %s in order: %w", snap.Stream(), err))
				return
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

// Select yields the events that match says to, in no order.
func Select[E event.Event](ctx context.Context, snap *lake.Snapshot[E], match func(kind event.Kind, key string) bool) iter.Seq2[*E, error] {
	return func(yield func(*E, error) bool) {
		for _, f := range snap.Files {
			if err := selectIn(ctx, snap, f, match, func(e *E) bool { return yield(e, nil) }); err != nil {
				if !errors.Is(err, errStopped) {
					yield(nil, fmt.Errorf("read %s: %w", snap.Stream(), err))
				}
				return
			}
		}
	}
}

// errStopped: the caller of an iterator wants no more.
var errStopped = errors.New("stopped")

// run is a source of events in order.
type run[E event.Event] struct {
	open func(context.Context) (*file[E], error)
	file *file[E] // nil before it is opened
	rows []E      // decoded and not merged yet, the next first
}

// next makes rows[0] the next event; false at the end.
func (r *run[E]) next(ctx context.Context) (more bool, err error) {
	if len(r.rows) > 0 {
		r.rows = r.rows[1:]
	}
	if r.file == nil {
		if r.file, err = r.open(ctx); err != nil {
			return false, err
		}
	}
	if len(r.rows) == 0 {
		r.rows, err = r.file.next()
	}
	return len(r.rows) > 0, err
}

func (r *run[E]) close() {
	if r.file != nil {
		r.file.close()
		r.file = nil
	}
	r.rows = nil
}

// merger is a heap of runs, the one whose event stands first on top.
type merger[E event.Event] []*run[E]

// Len, Less, Swap, Push and Pop implement heap.Interface.
func (m merger[E]) Len() int           { return len(m) }
func (m merger[E]) Less(i, j int) bool { return lake.Compare(&m[i].rows[0], &m[j].rows[0]) < 0 }
func (m merger[E]) Swap(i, j int)      { m[i], m[j] = m[j], m[i] }

// Push implements heap.Interface.
func (m *merger[E]) Push(x any) { *m = append(*m, x.(*run[E])) }

// Pop implements heap.Interface.
func (m *merger[E]) Pop() any {
	old := *m
	last := old[len(old)-1]
	*m = old[:len(old)-1]
	return last
}

// merged yields the events of all runs in order and closes them.
func merged[E event.Event](ctx context.Context, runs []*run[E]) iter.Seq2[*E, error] {
	return func(yield func(*E, error) bool) {
		defer func() {
			for _, r := range runs {
				r.close()
			}
		}()
		var m merger[E]
		for _, r := range runs {
			more, err := r.next(ctx)
			if err != nil {
				yield(nil, err)
				return
			}
			if more {
				m = append(m, r)
			}
		}
		heap.Init(&m)
		for len(m) > 0 {
			top := m[0]
			if !yield(&top.rows[0], nil) {
				return
			}
			before := &top.rows[0]
			more, err := top.next(ctx)
			if err == nil && more && lake.Compare(before, &top.rows[0]) > 0 {
				err = fmt.Errorf("%w: file %s is said to be in order and is not", lake.ErrDamaged, top.file.name)
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if more {
				heap.Fix(&m, 0)
			} else {
				heap.Pop(&m)
				top.close()
			}
		}
	}
}

// reading is one run through a snapshot.
type reading[E event.Event] struct {
	snap   *lake.Snapshot[E]
	limits Limits
	runs   []*run[E]
	temps  []string // files of ours

	pending []*E
	bytes   int // of pending, about
}

func (r *reading[E]) close() {
	for _, t := range r.temps {
		os.Remove(t) // one that stays is in the system's folder for such
	}
}

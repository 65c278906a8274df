package replay

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"slices"
	"unsafe"

	"github.com/parquet-go/parquet-go"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/event"
)

// sort makes the runs, no more of them than may be open.
func (r *reading[E]) sort(ctx context.Context) error {
	for _, f := range r.snap.Files {
		open := func(ctx context.Context) (*file[E], error) { return openFile[E, E](ctx, r.snap, f) }
		if lake.InOrder(f) {
			r.runs = append(r.runs, &run[E]{open: open})
			continue
		}
		if err := r.take(ctx, open); err != nil {
			return err
		}
	}
	slices.SortFunc(r.pending, lake.Compare) // what is left stays in memory
	rest := r.pending
	r.runs = append(r.runs, &run[E]{open: func(context.Context) (*file[E], error) { return inMemory(rest), nil }})
	for len(r.runs) > r.limits.Open {
		n := min(r.limits.Open, len(r.runs)-r.limits.Open+1)
		first := r.runs[:n]
		r.runs = slices.Clone(r.runs[n:])
		if err := r.write(ctx, merged(ctx, first)); err != nil {
			return err
		}
	}
	return nil
}

// take sorts the events of a file that is in no order, with those of others.
func (r *reading[E]) take(ctx context.Context, open func(context.Context) (*file[E], error)) error {
	f, err := open(ctx)
	if err != nil {
		return err
	}
	defer f.close()
	for {
		rows, err := f.next()
		if err == nil {
			err = ctx.Err()
		}
		if err != nil || len(rows) == 0 {
			return err
		}
		for i := range rows {
			r.pending = append(r.pending, &rows[i])
			r.bytes += sizeOf(&rows[i])
		}
		if r.bytes >= r.limits.SortBytes {
			if err := r.spill(ctx); err != nil {
				return err
			}
		}
	}
}

// sizeOf is about how much memory an event takes.
func sizeOf[E event.Event](e *E) int {
	n := int(unsafe.Sizeof(*e)) + 400 + len(event.EnvelopeOf(e).Payload)
	if p, ok := any(e).(*event.Post); ok {
		n += len(p.Text) + len(p.HTML)
	}
	return n
}

// spill moves what is pending, sorted, into a temporary file.
func (r *reading[E]) spill(ctx context.Context) error {
	if len(r.pending) == 0 {
		return nil
	}
	slices.SortFunc(r.pending, lake.Compare)
	pending := r.pending
	r.pending, r.bytes = nil, 0
	return r.write(ctx, func(yield func(*E, error) bool) {
		for _, e := range pending {
			if !yield(e, nil) {
				return
			}
		}
	})
}

// tempPage is how large a page of a temporary file is: one of every column is in memory while it is read.
const tempPage = 32 << 10

// write makes a run of events in order.
func (r *reading[E]) write(ctx context.Context, events iter.Seq2[*E, error]) (err error) {
	f, err := os.CreateTemp("", "projector-*.parquet")
	if err != nil {
		return fmt.Errorf("sort events: %w", err)
	}
	name := f.Name()
	r.temps = append(r.temps, name)
	// By way of rows: the library's Write makes values of some nulls (v0.32.0).
	w := parquet.NewGenericWriter[E](f, parquet.Compression(&parquet.Snappy), parquet.PageBufferSize(tempPage), parquet.MaxRowsPerRowGroup(20_000))
	schema, rows := w.Schema(), make([]parquet.Row, 0, 64)
	flush := func() error {
		_, err := w.WriteRows(rows)
		rows = rows[:0]
		return err
	}
	for e, failed := range events {
		if err = failed; err != nil {
			break
		}
		rows = rows[:len(rows)+1]
		rows[len(rows)-1] = schema.Deconstruct(rows[len(rows)-1][:0], e)
		if len(rows) == cap(rows) {
			if err = errors.Join(flush(), ctx.Err()); err != nil {
				break
			}
		}
	}
	if err == nil {
		err = flush()
	}
	if err = errors.Join(err, w.Close(), f.Close()); err != nil {
		return fmt.Errorf("sort events: %w", err)
	}
	r.runs = append(r.runs, &run[E]{open: func(context.Context) (*file[E], error) {
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("sort events: %w", err)
		}
		return newFile[E](f, name)
	}})
	return nil
}

// Package scan reads a snapshot of a stream as columns: Apache Arrow record batches, or one of the
// formats of Export made of them.
//
// New plans a scan: which columns, and of which events. The statistics of the log say which files need
// not be opened; which events are seen does not depend on them. Records fetches and decodes several files
// at a time, from a folder, a bucket or the lake's cache by the same path, and holds a bounded number of
// batches whatever the size of the lake. Events that were retracted are not seen unless asked for.
//
// Arrow adds some 20 MB to a binary. So this is a package of its own, for commands that people run.
package scan

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"golang.org/x/sync/errgroup"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/delta"
	"shitpost-alpha/lake/event"
)

// Options say which columns and events a scan yields. The zero value is every column of every event
// that was not retracted.
type Options struct {
	// Columns by name, in the order wanted; nil means all of the table. A column that a file lacks
	// because it was added later is null.
	Columns []string
	// Kinds and Keys, where not empty, are the only ones to be seen.
	Kinds []event.Kind
	Keys  []string
	// KeyFrom <= key < KeyTo, compared as bytes; "" is no bound.
	KeyFrom, KeyTo string
	// From <= occurred_at < To; the zero time is no bound.
	From, To time.Time
	// Retracted yields what was retracted too. The retractions themselves are always seen.
	Retracted bool
	// Ordered yields the events in the order of lake.Compare: key, occurred_at, recorded_at, event_id.
	// What compaction has not sorted yet is sorted by way of temporary files, about as large as the data
	// files. Without it events come in no order.
	Ordered bool
	// Workers is how many files are fetched and decoded at a time; 0 means one per processor, up to 4.
	Workers int
}

// Targets of a scan's memory: a batch is about batchBytes of decoded values and at most batchRows,
// whatever the size of a row.
const (
	batchBytes = 2 << 20
	batchRows  = 8 << 10
	maxWorkers = 4
)

// Scan is a plan to read a snapshot. It may be carried out several times, also at once.
type Scan struct {
	stream  string
	options Options
	table   columns       // all there are
	out     []arrow.Field // those to yield
	filter  filter        // of the options; what was retracted is found when the scan runs
	all     []*delta.Add  // the files of the snapshot
	rows    int64         // of the snapshot, as far as its statistics say
	open    func(context.Context, *delta.Add) (lake.DataFile, error)
}

// New plans a scan. It reads nothing. The error names a column that the table does not have, or that
// is of a type which a scan cannot read (lake.ErrSchemaDrift).
func New[E event.Event](snap *lake.Snapshot[E], o Options) (*Scan, error) {
	s := &Scan{stream: snap.Stream(), options: o, filter: newFilter(o), all: snap.Files, rows: snap.Rows(), open: snap.OpenFile}
	schema, err := snap.Schema()
	if err == nil {
		err = s.plan(schema)
	}
	if err != nil {
		return nil, fmt.Errorf("scan %s: %w", s.stream, err)
	}
	return s, nil
}

func (s *Scan) plan(schema string) (err error) {
	if s.table, err = columnsOf(schema); err != nil {
		return err
	}
	s.out, err = s.table.fields(s.options.Columns)
	return err
}

// Schema returns the columns that Records yields.
func (s *Scan) Schema() *arrow.Schema { return arrow.NewSchema(s.out, nil) }

// Records yields the events as record batches, none of them empty. A record is valid until the next one
// is asked for: Retain what is kept longer. It ends with the context's error when that ends, and after
// any error: lake.ErrDamaged and lake.ErrRetired name the file.
func (s *Scan) Records(ctx context.Context) iter.Seq2[arrow.Record, error] {
	return func(yield func(arrow.Record, error) bool) {
		fail := func(err error) { yield(nil, fmt.Errorf("scan %s: %w", s.stream, err)) }
		r, err := s.start(ctx)
		if err != nil {
			fail(err)
			return
		}
		records := r.unordered
		if s.options.Ordered {
			records = r.ordered
		}
		out := s.Schema()
		for rec, err := range records(ctx) {
			if err != nil {
				fail(err)
				return
			}
			rec = trim(rec, out)
			more := yield(rec, nil)
			rec.Release()
			if !more {
				return
			}
		}
	}
}

// reading is one run of a scan.
type reading struct {
	*Scan
	read   *arrow.Schema // the columns to yield and behind them those that the filter or the order look at
	filter filter
	files  []*delta.Add // those that may hold a match
	work   int
}

// start finds what was retracted, and with that says what to read.
func (s *Scan) start(ctx context.Context) (*reading, error) {
	r := &reading{Scan: s, filter: s.filter, work: cmp.Or(s.options.Workers, min(runtime.GOMAXPROCS(0), maxWorkers))}
	if !s.options.Retracted {
		var err error
		if r.filter.gone, err = s.retracted(ctx); err != nil {
			return nil, err
		}
	}
	need := r.filter.columns()
	if s.options.Ordered {
		need = append(need, orderColumns...)
	}
	read := slices.Clone(s.out)
	for _, name := range need {
		if !slices.ContainsFunc(read, func(f arrow.Field) bool { return f.Name == name }) {
			more, err := s.table.fields([]string{name})
			if err != nil {
				return nil, err
			}
			read = append(read, more...)
		}
	}
	r.read = arrow.NewSchema(read, nil)
	for _, f := range s.all {
		if r.filter.mayMatch(f.Stats) {
			r.files = append(r.files, f)
		}
	}
	return r, nil
}

// unordered reads several files at a time.
func (r *reading) unordered(ctx context.Context) iter.Seq2[arrow.Record, error] {
	return func(yield func(arrow.Record, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		records := make(chan arrow.Record)
		failed := make(chan error, 1)
		go func() {
			g, all := errgroup.WithContext(ctx) // one that fails ends all
			g.SetLimit(r.work)
			for _, f := range r.files {
				if all.Err() != nil {
					break
				}
				g.Go(func() error { return r.send(all, f, records) })
			}
			failed <- errors.Join(g.Wait(), ctx.Err())
			close(records)
		}()
		defer func() { // the workers must be gone before the caller goes on
			cancel()
			for rec := range records {
				rec.Release()
			}
		}()
		for rec := range records {
			if !yield(rec, nil) {
				return
			}
		}
		if err := <-failed; err != nil {
			yield(nil, err)
		}
	}
}

func (r *reading) send(ctx context.Context, f *delta.Add, to chan<- arrow.Record) error {
	for rec, err := range r.records(ctx, f, batchBytes) {
		if err != nil {
			return err
		}
		select {
		case to <- rec:
		case <-ctx.Done():
			rec.Release()
			return ctx.Err()
		}
	}
	return nil
}

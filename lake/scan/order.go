package scan

import (
	"cmp"
	"container/heap"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/ipc"

	"shitpost-alpha/lake"
)

// An ordered scan merges runs: sequences of records that are in order. A file that compaction wrote is
// a run. All others are sorted, a bounded number of bytes at a time, into runs in temporary files. Where
// there are too many runs to hold a batch of each, some are merged into one first.

// orderColumns are the columns of lake.Compare, the first counting most.
var orderColumns = []string{"key", "occurred_at", "recorded_at", "event_id"}

const (
	// sortBytes is how much is sorted in memory at a time.
	sortBytes = 24 << 20
	// runBytes is about how much of a run in a temporary file is in memory.
	runBytes = 256 << 10
	// mergeWeight bounds the runs that are merged at a time. One in a temporary file weighs 1; one in a
	// data file has a page of each column in memory, and weighs fileWeight.
	mergeWeight, fileWeight = 128, 24
)

// place is where a row stands in the order.
type place struct {
	key                string
	occurred, recorded arrow.Timestamp
	id                 string
}

func (a *place) compare(b *place) int {
	return cmp.Or(strings.Compare(a.key, b.key), cmp.Compare(a.occurred, b.occurred), cmp.Compare(a.recorded, b.recorded), strings.Compare(a.id, b.id))
}

// places reads the order columns of a record.
type places struct {
	key, id            *array.String
	occurred, recorded *array.Timestamp
}

func placesOf(rec arrow.Record) places {
	at := func(name string) arrow.Array { return rec.Column(rec.Schema().FieldIndices(name)[0]) }
	return places{at("key").(*array.String), at("event_id").(*array.String), at("occurred_at").(*array.Timestamp), at("recorded_at").(*array.Timestamp)}
}

func (p places) at(i int) place {
	return place{p.key.Value(i), p.occurred.Value(i), p.recorded.Value(i), p.id.Value(i)}
}

// ordered merges the runs.
func (r *reading) ordered(ctx context.Context) iter.Seq2[arrow.Record, error] {
	return func(yield func(arrow.Record, error) bool) {
		s := &sorter{schema: r.read}
		defer s.remove() // a crash leaves the temporary files
		if err := r.sort(ctx, s); err != nil {
			yield(nil, err)
			return
		}
		for rec, err := range merged(ctx, r.read, s.runs) {
			if !yield(rec, err) || err != nil {
				return
			}
		}
	}
}

// run is records in order, none of them before the key from.
type run struct {
	from    string
	weight  int
	records iter.Seq2[arrow.Record, error]
}

// sort makes the runs of the files.
func (r *reading) sort(ctx context.Context, s *sorter) error {
	for _, f := range r.files {
		if lake.InOrder(f) {
			from, _ := text(boundsOf(f.Stats).Min, "key")
			s.runs = append(s.runs, run{from, fileWeight, r.records(ctx, f, batchBytes/8)})
			continue
		}
		for rec, err := range r.records(ctx, f, batchBytes) {
			if err == nil {
				err = s.add(rec)
			}
			if err != nil {
				return err
			}
		}
	}
	return s.finish(ctx)
}

// sorter makes runs of records that are in no order.
type sorter struct {
	schema  *arrow.Schema
	pending []arrow.Record
	bytes   uint64
	temps   []string
	runs    []run
}

func (s *sorter) remove() {
	for _, t := range s.temps {
		os.Remove(t)
	}
}

// add takes over rec.
func (s *sorter) add(rec arrow.Record) error {
	s.pending = append(s.pending, rec)
	for _, c := range rec.Columns() {
		s.bytes += c.Data().SizeInBytes()
	}
	if s.bytes < sortBytes {
		return nil
	}
	return s.spill()
}

// spill moves what is pending, sorted, into a temporary file.
func (s *sorter) spill() error {
	if len(s.pending) == 0 {
		return nil
	}
	records := s.sorted()
	s.pending, s.bytes = nil, 0
	return s.write(records)
}

// write writes records in order to a temporary file, which becomes a run.
func (s *sorter) write(records iter.Seq2[arrow.Record, error]) error {
	f, err := os.CreateTemp("", "lake-scan-*.arrow")
	if err != nil {
		return fmt.Errorf("sort events: %w", err)
	}
	s.temps = append(s.temps, f.Name())
	w := ipc.NewWriter(f, ipc.WithSchema(s.schema), ipc.WithLZ4())
	for rec, err2 := range records {
		if err2 == nil {
			err2 = writePieces(w, rec)
			rec.Release()
		}
		if err = err2; err != nil {
			break
		}
	}
	if err = errors.Join(err, w.Close(), f.Close()); err != nil {
		return fmt.Errorf("sort events: %w", err)
	}
	s.runs = append(s.runs, run{"", 1, readRun(f.Name())})
	return nil
}

// writePieces writes a record as records of about runBytes: each is read back whole.
func writePieces(w *ipc.Writer, rec arrow.Record) error {
	var bytes uint64
	for _, c := range rec.Columns() {
		bytes += c.Data().SizeInBytes()
	}
	rows := rec.NumRows()
	step := max(rows*runBytes/max(int64(bytes), 1), 1)
	for from := int64(0); from < rows; from += step {
		piece := rec.NewSlice(from, min(from+step, rows))
		err := w.Write(piece)
		piece.Release()
		if err != nil {
			return err
		}
	}
	return nil
}

// finish sorts the rest and leaves no more runs than can be merged at a time.
func (s *sorter) finish(ctx context.Context) error {
	if err := s.spill(); err != nil {
		return err
	}
	for {
		total, n := 0, 0 // the first n fit
		for _, r := range s.runs {
			if total += r.weight; total <= mergeWeight {
				n++
			}
		}
		if total <= mergeWeight {
			return nil
		}
		group := s.runs[:n]
		s.runs = slices.Clone(s.runs[n:])
		if err := s.write(merged(ctx, s.schema, group)); err != nil {
			return err
		}
	}
}

// merged yields the records of several runs as one.
func merged(ctx context.Context, schema *arrow.Schema, runs []run) iter.Seq2[arrow.Record, error] {
	return func(yield func(arrow.Record, error) bool) {
		m := &merger{schema: schema}
		defer m.close()
		for _, r := range runs {
			m.cursors = append(m.cursors, &cursor{run: r.records, at: place{key: r.from, occurred: -1 << 62}})
		}
		heap.Init(m)
		for {
			rec, err := m.batch()
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if rec == nil || !yield(rec, nil) {
				return
			}
		}
	}
}

// sorted yields what is pending, in order.
func (s *sorter) sorted() iter.Seq2[arrow.Record, error] {
	pending := s.pending
	return func(yield func(arrow.Record, error) bool) {
		var picks []pick
		at := make([]places, len(pending))
		for r, rec := range pending {
			at[r] = placesOf(rec)
			for i := range int(rec.NumRows()) {
				picks = append(picks, pick{r, i})
			}
		}
		slices.SortFunc(picks, func(a, b pick) int {
			x, y := at[a.record].at(a.row), at[b.record].at(b.row)
			return cmp.Or(x.compare(&y), cmp.Compare(a.record, b.record), cmp.Compare(a.row, b.row))
		})
		defer func() {
			for _, rec := range pending {
				rec.Release()
			}
		}()
		for part := range slices.Chunk(picks, mergeRows) {
			rec, err := gather(s.schema, pending, part)
			if !yield(rec, err) || err != nil {
				return
			}
		}
	}
}

// readRun yields the records of a temporary file.
func readRun(path string) iter.Seq2[arrow.Record, error] {
	return func(yield func(arrow.Record, error) bool) {
		f, err := os.Open(path)
		if err != nil {
			yield(nil, err)
			return
		}
		defer f.Close()
		r, err := ipc.NewReader(f)
		if err != nil {
			yield(nil, err)
			return
		}
		defer r.Release()
		for {
			rec, err := r.Read()
			if errors.Is(err, io.EOF) {
				return
			}
			if err == nil {
				rec.Retain()
			}
			if !yield(rec, err) || err != nil {
				return
			}
		}
	}
}

package scan

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"

	"shitpost-alpha/lake/event"
)

// filter is the conditions of a scan.
type filter struct {
	kinds, keys    map[string]bool // nil: all
	keyFrom, keyTo string
	from, to       time.Time
	gone           map[string]bool // ids of events and of batches that were retracted
}

func newFilter(o Options) filter {
	return filter{kinds: setOf(o.Kinds), keys: setOf(o.Keys), keyFrom: o.KeyFrom, keyTo: o.KeyTo, from: o.From, to: o.To}
}

// setOf returns nil for no names.
func setOf[S ~string](names []S) map[string]bool {
	if len(names) == 0 {
		return nil
	}
	set := map[string]bool{}
	for _, n := range names {
		set[string(n)] = true
	}
	return set
}

func (f *filter) byKey() bool  { return f.keys != nil || f.keyFrom != "" || f.keyTo != "" }
func (f *filter) byTime() bool { return !f.from.IsZero() || !f.to.IsZero() }

// columns returns the columns that the filter looks at.
func (f *filter) columns() []string {
	var names []string
	if f.kinds != nil || len(f.gone) > 0 {
		names = append(names, "kind")
	}
	if f.byKey() {
		names = append(names, "key")
	}
	if f.byTime() {
		names = append(names, "occurred_at")
	}
	if len(f.gone) > 0 {
		names = append(names, "event_id", "batch_id")
	}
	return names
}

// retracted returns the ids of the events and of the batches that were retracted.
func (s *Scan) retracted(ctx context.Context) (map[string]bool, error) {
	look := *s
	look.options = Options{Kinds: []event.Kind{event.Retracted}, Columns: []string{"retracted_events", "retracted_batch"}, Retracted: true, Workers: s.options.Workers}
	look.filter = newFilter(look.options)
	var err error
	if look.out, err = s.table.fields(look.options.Columns); err != nil {
		return nil, err
	}
	r, err := look.start(ctx)
	if err != nil {
		return nil, err
	}
	gone := map[string]bool{}
	note := func(ids *array.String, i int) {
		if id := ids.Value(i); ids.IsValid(i) && id != "" {
			gone[strings.Clone(id)] = true // it points into the record
		}
	}
	for rec, err := range r.unordered(ctx) {
		if err != nil {
			return nil, err
		}
		events, batches := rec.Column(0).(*array.List), rec.Column(1).(*array.String)
		for i := range int(rec.NumRows()) {
			note(batches, i)
			if from, to := events.ValueOffsets(i); events.IsValid(i) {
				for j := from; j < to; j++ {
					note(events.ListValues().(*array.String), int(j))
				}
			}
		}
		rec.Release()
	}
	return gone, nil
}

// bounds is what the statistics of a file say that a scan can use.
type bounds struct {
	Min map[string]json.RawMessage `json:"minValues"`
	Max map[string]json.RawMessage `json:"maxValues"`
}

// boundsOf reads an add's statistics. They are hints: where they are malformed nothing is known.
func boundsOf(stats string) (b bounds) {
	if json.Unmarshal([]byte(stats), &b) != nil {
		return bounds{}
	}
	return b
}

func text(values map[string]json.RawMessage, column string) (string, bool) {
	var s *string
	if values[column] == nil || json.Unmarshal(values[column], &s) != nil || s == nil {
		return "", false
	}
	return *s, true
}

func instant(values map[string]json.RawMessage, column string) (time.Time, bool) {
	s, ok := text(values, column)
	if !ok {
		return time.Time{}, false
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	return t, err == nil
}

// mayMatch reports whether a file with these statistics can hold an event that matches. Where they
// say nothing, or nothing that makes sense, it can.
func (f *filter) mayMatch(stats string) bool {
	if f.kinds == nil && !f.byKey() && !f.byTime() {
		return true
	}
	b := boundsOf(stats)
	if !within(b, "kind", f.kinds, "", "") || !within(b, "key", f.keys, f.keyFrom, f.keyTo) {
		return false
	}
	lo, hasLo := instant(b.Min, "occurred_at")
	hi, hasHi := instant(b.Max, "occurred_at")
	if !f.byTime() || hasLo && hasHi && lo.After(hi) {
		return true
	}
	// Writers cut a time to milliseconds, and some the maximum too.
	early := !f.from.IsZero() && hasHi && hi.Add(time.Millisecond).Before(f.from)
	late := !f.to.IsZero() && hasLo && !lo.Before(f.to)
	return !early && !late
}

// within reports whether a column of a file with these bounds can hold one of the names, nil meaning
// any, in from <= name < to.
func within(b bounds, column string, names map[string]bool, from, to string) bool {
	lo, hasLo := text(b.Min, column)
	hi, hasHi := text(b.Max, column)
	if hasLo && hasHi && lo > hi {
		return true // malformed
	}
	if from != "" && hasHi && hi < from || to != "" && hasLo && lo >= to {
		return false
	}
	for name := range names {
		if !(hasLo && name < lo || hasHi && name > hi) {
			return true
		}
	}
	return names == nil
}

// conditions returns what must hold for a row of the record.
func (f *filter) conditions(rec arrow.Record) (all []func(row int) bool) {
	texts := func(name string) *array.String { return rec.Column(rec.Schema().FieldIndices(name)[0]).(*array.String) }
	if f.kinds != nil {
		kind := texts("kind")
		all = append(all, func(i int) bool { return f.kinds[kind.Value(i)] && kind.IsValid(i) })
	}
	if f.byKey() {
		key := texts("key")
		all = append(all, func(i int) bool {
			k := key.Value(i)
			return key.IsValid(i) && (f.keys == nil || f.keys[k]) && k >= f.keyFrom && (f.keyTo == "" || k < f.keyTo)
		})
	}
	if f.byTime() {
		occurred := rec.Column(rec.Schema().FieldIndices("occurred_at")[0]).(*array.Timestamp)
		from, to := ceilMicro(f.from), ceilMicro(f.to) // a bound may lie between two microseconds
		all = append(all, func(i int) bool {
			us := int64(occurred.Value(i))
			return occurred.IsValid(i) && (f.from.IsZero() || us >= from) && (f.to.IsZero() || us < to)
		})
	}
	if len(f.gone) > 0 {
		kind, id, batch := texts("kind"), texts("event_id"), texts("batch_id")
		all = append(all, func(i int) bool { // a retraction itself cannot be retracted
			return kind.Value(i) == string(event.Retracted) || !f.gone[id.Value(i)] && !f.gone[batch.Value(i)]
		})
	}
	return all
}

// rows returns which rows of the record match, in order; all is true when every one does.
func (f *filter) rows(rec arrow.Record) (rows []pick, all bool) {
	conditions := f.conditions(rec)
	if len(conditions) == 0 {
		return nil, true
	}
	n := int(rec.NumRows())
row:
	for i := range n {
		for _, holds := range conditions {
			if !holds(i) {
				continue row
			}
		}
		rows = append(rows, pick{0, i})
	}
	return rows, len(rows) == n
}

// ceilMicro returns the first whole microsecond at or after t, since 1970.
func ceilMicro(t time.Time) int64 {
	us := t.UnixMicro()
	if time.UnixMicro(us).Before(t) {
		us++
	}
	return us
}

// apply returns the rows of rec that match, or nil when none does. It takes over rec.
func (f *filter) apply(rec arrow.Record) (arrow.Record, error) {
	rows, all := f.rows(rec)
	if all {
		return rec, nil
	}
	defer rec.Release()
	if len(rows) == 0 {
		return nil, nil
	}
	// A slice keeps all of the record in memory: of a few rows a copy is smaller.
	if first, last := rows[0].row, rows[len(rows)-1].row; last-first+1 == len(rows) && 2*len(rows) > int(rec.NumRows()) {
		return rec.NewSlice(int64(first), int64(last+1)), nil
	}
	return gather(rec.Schema(), []arrow.Record{rec}, rows)
}

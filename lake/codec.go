package lake

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"shitpost-alpha/lake/event"
)

// encode writes events as one Parquet file: zstd, V1 data pages, row groups of 100,000 rows.
func encode[E event.Event](events []E) ([]byte, error) {
	var b bytes.Buffer
	w := parquet.NewGenericWriter[E](&b, parquet.DataPageVersion(1), parquet.Compression(&parquet.Zstd),
		parquet.MaxRowsPerRowGroup(100_000), parquet.CreatedBy("shitpost-alpha", "1", ""))
	if _, err := w.Write(events); err != nil {
		return nil, fmt.Errorf("encode %s: %w", event.StreamOf[E](), err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("encode %s: %w", event.StreamOf[E](), err)
	}
	return b.Bytes(), nil
}

// decode reads a Parquet file of any schema version: columns that it lacks are empty. Times are UTC.
func decode[E event.Event](data []byte) (events []E, err error) {
	// The Parquet library panics on some damaged files; to the caller that is one more damaged file.
	defer func() {
		if r := recover(); r != nil {
			events, err = nil, fmt.Errorf("decode %s: %v", event.StreamOf[E](), r)
		}
	}()
	file, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return nil, fmt.Errorf("decode %s: %w", event.StreamOf[E](), err)
	}
	r := parquet.NewGenericReader[E](file)
	defer r.Close()
	// The footer's row count is a claim: room is made as rows really come.
	const chunk = 4096
	n := file.NumRows()
	events = make([]E, 0, min(max(n, 0), chunk))
	for int64(len(events)) < n {
		buf := make([]E, min(n-int64(len(events)), chunk))
		k, err := r.Read(buf)
		events = append(events, buf[:k]...)
		if int64(len(events)) < n && (err != nil || k == 0) {
			return nil, fmt.Errorf("decode %s: row %d of %d: %w", event.StreamOf[E](), len(events), n, cmp.Or(err, io.ErrUnexpectedEOF))
		}
	}
	return events, nil
}

// schemaString renders the columns of E as a Delta schema. Every column is nullable, because a
// column added later is null in the files before it.
func schemaString[E event.Event]() string {
	s := structType(parquet.SchemaOf(*new(E)))
	out, err := json.Marshal(s)
	if err != nil {
		panic(err) // maps of strings and slices always marshal
	}
	return string(out)
}

type deltaField struct {
	Name     string            `json:"name"`
	Type     any               `json:"type"`
	Nullable bool              `json:"nullable"`
	Metadata map[string]string `json:"metadata"`
}

type deltaStruct struct {
	Type   string       `json:"type"`
	Fields []deltaField `json:"fields"`
}

type deltaArray struct {
	Type         string `json:"type"`
	ElementType  any    `json:"elementType"`
	ContainsNull bool   `json:"containsNull"`
}

func structType(n parquet.Node) deltaStruct {
	s := deltaStruct{Type: "struct", Fields: []deltaField{}}
	for _, f := range n.Fields() {
		s.Fields = append(s.Fields, deltaField{f.Name(), deltaType(f), true, map[string]string{}})
	}
	return s
}

// deltaType maps the Parquet types that the event structs use; docs and names per the Delta
// protocol, "Schema Serialization Format".
func deltaType(n parquet.Node) any {
	if !n.Leaf() {
		if _, ok := logical(n).(*format.ListType); ok {
			return deltaArray{"array", deltaType(n.Fields()[0].Fields()[0]), true}
		}
		return structType(n)
	}
	switch logical(n).(type) {
	case *format.TimestampType:
		return "timestamp"
	case *format.DateType:
		return "date"
	case *format.StringType:
		return "string"
	}
	switch n.Type().Kind() {
	case parquet.Boolean:
		return "boolean"
	case parquet.Int32:
		return "integer"
	case parquet.Int64:
		return "long"
	case parquet.Double:
		return "double"
	}
	panic(fmt.Sprintf("column of type %s has no place in the lake", n.Type()))
}

func logical(n parquet.Node) any {
	if lt := n.Type().LogicalType(); lt != nil {
		return lt.Value
	}
	return nil
}

// ErrSchemaDrift: a table's column is of another type than this code's.
var ErrSchemaDrift = errors.New("schema drift")

// mergeSchema adds the columns of ours that the table lacks, at its end. changed is false when the
// table has them all. A column of another type is refused by name.
func mergeSchema(table, ours string) (merged string, changed bool, err error) {
	type field struct {
		Name     string          `json:"name"`
		Type     json.RawMessage `json:"type"`
		Nullable bool            `json:"nullable"`
		Metadata json.RawMessage `json:"metadata"`
	}
	type schema struct {
		Type   string  `json:"type"`
		Fields []field `json:"fields"`
	}
	var have, want schema
	if err := json.Unmarshal([]byte(table), &have); err != nil {
		return "", false, fmt.Errorf("read table schema: %w", err)
	}
	if err := json.Unmarshal([]byte(ours), &want); err != nil {
		return "", false, fmt.Errorf("read schema: %w", err)
	}
	known := map[string]field{}
	for _, f := range have.Fields {
		known[strings.ToLower(f.Name)] = f
	}
	for _, f := range want.Fields {
		k, ok := known[strings.ToLower(f.Name)]
		if !ok {
			have.Fields, changed = append(have.Fields, f), true
			continue
		}
		if k.Name != f.Name || !bytes.Equal(k.Type, f.Type) {
			return "", false, fmt.Errorf("%w: column %q is %s in the table, %s here", ErrSchemaDrift, f.Name, k.Type, f.Type)
		}
	}
	out, err := json.Marshal(have)
	return string(out), changed, err
}

// fileStats is the statistics of a data file as Delta keeps them, a JSON string in add.stats.
type fileStats struct {
	NumRecords int64             `json:"numRecords"`
	MinValues  map[string]string `json:"minValues"`
	MaxValues  map[string]string `json:"maxValues"`
	NullCount  map[string]int64  `json:"nullCount"`
}

const (
	statsTime   = "2006-01-02T15:04:05.000Z"
	statsPrefix = 32 // runes of a string that the statistics keep
)

// stats computes the statistics of the columns by which readers prune.
func stats[E event.Event](events []E) string {
	s := fileStats{NumRecords: int64(len(events)), MinValues: map[string]string{}, MaxValues: map[string]string{}, NullCount: map[string]int64{}}
	text := func(col string, of func(*event.Envelope) string) {
		lo, hi := "", ""
		for i := range events {
			v := of(event.EnvelopeOf(&events[i]))
			if i == 0 || v < lo {
				lo = v
			}
			if i == 0 || v > hi {
				hi = v
			}
		}
		s.NullCount[col] = 0
		s.MinValues[col] = cutMin(lo)
		if hi, ok := cutMax(hi); ok {
			s.MaxValues[col] = hi
		}
	}
	instant := func(col string, of func(*event.Envelope) time.Time) {
		var lo, hi time.Time
		for i := range events {
			v := of(event.EnvelopeOf(&events[i]))
			if i == 0 || v.Before(lo) {
				lo = v
			}
			if i == 0 || v.After(hi) {
				hi = v
			}
		}
		s.NullCount[col] = 0
		s.MinValues[col] = lo.UTC().Truncate(time.Millisecond).Format(statsTime)
		s.MaxValues[col] = hi.UTC().Add(time.Millisecond - 1).Truncate(time.Millisecond).Format(statsTime)
	}
	text("kind", func(v *event.Envelope) string { return string(v.Kind) })
	text("key", func(v *event.Envelope) string { return v.Key })
	instant("occurred_at", func(v *event.Envelope) time.Time { return v.OccurredAt })
	instant("recorded_at", func(v *event.Envelope) time.Time { return v.RecordedAt })
	out, err := json.Marshal(s)
	if err != nil {
		panic(err) // strings and integers always marshal
	}
	return string(out)
}

// cutMin and cutMax cut a string to the prefix that statistics keep; a cut maximum is rounded up so
// that it stays an upper bound, and left out where that is impossible.
func cutMin(s string) string {
	if utf8.RuneCountInString(s) <= statsPrefix {
		return s
	}
	return string([]rune(s)[:statsPrefix])
}

func cutMax(s string) (string, bool) {
	if utf8.RuneCountInString(s) <= statsPrefix {
		return s, true
	}
	r := []rune(s)[:statsPrefix]
	for i := len(r) - 1; i >= 0; i-- {
		if next := r[i] + 1; utf8.ValidRune(next) {
			r[i] = next
			return string(r[:i+1]), true
		}
	}
	return "", false
}

// rowsOf returns numRecords of an add's statistics, or -1 where they do not say.
func rowsOf(stats string) int64 {
	s := struct {
		NumRecords *int64 `json:"numRecords"`
	}{}
	if json.Unmarshal([]byte(stats), &s) != nil || s.NumRecords == nil || *s.NumRecords < 0 {
		return -1
	}
	return *s.NumRecords
}

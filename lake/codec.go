package lake

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/footer"
)

// encode writes events as one Parquet file: zstd, V1 data pages, row groups of 100,000 rows.
func encode[E event.Event](events []E) ([]byte, error) {
	data, _, err := newEncoder[E](len(events)).encode(events, stamp{})
	return data, err
}

// writerOptions is how every data file is written.
func writerOptions() []parquet.WriterOption {
	return []parquet.WriterOption{parquet.DataPageVersion(1), parquet.Compression(&parquet.Zstd),
		parquet.MaxRowsPerRowGroup(100_000), parquet.CreatedBy("shitpost-alpha", "1", "")}
}

// encodeChunk is how many events are copied, stamped and written at a time: few enough to stay in
// the processor's cache, where a copy of the whole batch would not.
const encodeChunk = 256

// encoder writes one file. To make one takes a third of the time that a small file takes, so a stream
// keeps one ready (see Stream.encode).
type encoder[E event.Event] struct {
	buf bytes.Buffer
	w   *parquet.GenericWriter[E]
}

// newEncoder returns an encoder of about so many events.
func newEncoder[E event.Event](events int) *encoder[E] {
	e := &encoder[E]{}
	e.buf.Grow(64*events + 16<<10)
	// Each file has a writer of its own: parquet-go's Reset loses part of the footer.
	options := append(writerOptions(), parquet.WriteBufferSize(0)) // buf is a buffer already
	if events < encodeChunk {
		options = append(options, parquet.PageBufferSize(16<<10)) // room is made for it in each column
	}
	e.w = parquet.NewGenericWriter[E](&e.buf, options...)
	return e
}

// encode writes copies of the events that carry what the commit decides, and returns the statistics
// of what it wrote too. A zero stamp leaves the events as they are. It can be called once.
func (e *encoder[E]) encode(events []E, by stamp) ([]byte, *statistics, error) {
	chunk := make([]E, min(len(events), encodeChunk))
	optional := optionalFields(reflect.TypeFor[E](), nil)
	sums := &statistics{}
	for from := 0; from < len(events); from += len(chunk) {
		chunk = chunk[:copy(chunk, events[from:])]
		for i := range chunk {
			v := event.EnvelopeOf(&chunk[i])
			by.set(v, from+i)
			sums.add(v)
		}
		if err := writeAlike(e.w, chunk, optional); err != nil {
			return nil, nil, fmt.Errorf("encode %s: %w", event.StreamOf[E](), err)
		}
	}
	if err := e.w.Close(); err != nil {
		return nil, nil, fmt.Errorf("encode %s: %w", event.StreamOf[E](), err)
	}
	return e.buf.Bytes(), sums, nil
}

// writeAlike is writeRows, and faster where many events in a row have values in the same columns, as
// those of one kind have: what writeRows works around needs a null after a value.
func writeAlike[E event.Event](w *parquet.GenericWriter[E], events []E, optional [][]int) error {
	if _, ok := any(events).([]event.Prediction); ok {
		return writeRows(w, events) // lists of structs have optional columns of their own
	}
	for len(events) > 0 {
		n, first := 1, filled(&events[0], optional)
		for n < len(events) && filled(&events[n], optional) == first {
			n++
		}
		if _, err := w.Write(events[:n]); err != nil {
			return err
		}
		events = events[n:]
	}
	return nil
}

// optionalFields returns the indexes of the fields of a struct that are optional columns.
func optionalFields(t reflect.Type, at []int) (fields [][]int) {
	for i := range t.NumField() {
		f, index := t.Field(i), append(slices.Clone(at), i)
		if f.Anonymous {
			fields = append(fields, optionalFields(f.Type, index)...)
		} else if slices.Contains(strings.Split(f.Tag.Get("parquet"), ","), "optional") {
			fields = append(fields, index)
		}
	}
	return fields
}

// filled says which of the fields have a value, a bit each; of an instant also by its own rule.
func filled[E event.Event](e *E, fields [][]int) (bits [2]uint64) {
	v := reflect.ValueOf(e).Elem()
	for i, index := range fields {
		f := v.FieldByIndex(index)
		if !f.IsZero() {
			bits[0] |= 1 << i
		}
		if f.Kind() == reflect.Struct {
			if t, ok := f.Addr().Interface().(*time.Time); ok && !t.IsZero() {
				bits[1] |= 1 << i
			}
		}
	}
	return bits
}

// decode reads a Parquet file of any schema version: columns that it lacks are empty. Times are UTC.
func decode[E event.Event](data []byte) (events []E, err error) {
	// The Parquet library panics on some damaged files; to the caller that is one more damaged file.
	defer func() {
		if r := recover(); r != nil {
			events, err = nil, fmt.Errorf("decode %s: %v", event.StreamOf[E](), r)
		}
	}()
	if err := footer.Check(data); err != nil {
		return nil, fmt.Errorf("decode %s: %w", event.StreamOf[E](), err)
	}
	file, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return nil, fmt.Errorf("decode %s: %w", event.StreamOf[E](), err)
	}
	for _, column := range ours() {
		if _, ok := file.Schema().Lookup(column); !ok {
			return nil, fmt.Errorf("decode %s: %w: it has no column %q, so another program wrote it", event.StreamOf[E](), ErrNotLake, column)
		}
	}
	r := parquet.NewGenericReader[E](file)
	defer r.Close()
	empty := emptyMissing[E](file.Schema())
	// The footer's row count is a claim: room is made as rows really come.
	const chunk = 4096
	n := file.NumRows()
	events = make([]E, 0, min(max(n, 0), chunk))
	for int64(len(events)) < n {
		buf := make([]E, min(n-int64(len(events)), chunk))
		k, err := r.Read(buf)
		empty(buf[:k])
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
		if k.Name != f.Name || !sameJSON(k.Type, f.Type) {
			return "", false, fmt.Errorf("%w: column %q is %s in the table, %s here", ErrSchemaDrift, f.Name, k.Type, f.Type)
		}
	}
	out, err := json.Marshal(have)
	return string(out), changed, err
}

// sameJSON compares by meaning: others write the keys of a type in another order.
func sameJSON(a, b json.RawMessage) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
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
	var s statistics
	for i := range events {
		s.add(event.EnvelopeOf(&events[i]))
	}
	return s.String()
}

// statistics gathers the bounds of a file's events one by one. The zero value has seen none.
type statistics struct {
	rows               int64
	kind, key          bounds[string]
	occurred, recorded bounds[int64] // µs since 1970
}

func (s *statistics) add(v *event.Envelope) {
	first := s.rows == 0
	s.rows++
	s.kind.add(string(v.Kind), first)
	s.key.add(v.Key, first)
	s.occurred.add(v.OccurredAt.UnixMicro(), first)
	s.recorded.add(v.RecordedAt.UnixMicro(), first)
}

type bounds[T cmp.Ordered] struct{ lo, hi T }

func (b *bounds[T]) add(v T, first bool) {
	if first || v < b.lo {
		b.lo = v
	}
	if first || v > b.hi {
		b.hi = v
	}
}

// String renders the statistics as Delta keeps them. Instants are cut to milliseconds, a maximum
// rounded up.
func (s *statistics) String() string {
	out := fileStats{NumRecords: s.rows, MinValues: map[string]string{}, MaxValues: map[string]string{}, NullCount: map[string]int64{}}
	text := func(col string, b bounds[string]) {
		out.NullCount[col] = 0
		out.MinValues[col] = cutMin(b.lo)
		if hi, ok := cutMax(b.hi); ok {
			out.MaxValues[col] = hi
		}
	}
	instant := func(col string, b bounds[int64]) {
		out.NullCount[col] = 0
		out.MinValues[col] = time.UnixMicro(b.lo).UTC().Truncate(time.Millisecond).Format(statsTime)
		out.MaxValues[col] = time.UnixMicro(b.hi).UTC().Add(time.Millisecond - 1).Truncate(time.Millisecond).Format(statsTime)
	}
	text("kind", s.kind)
	text("key", s.key)
	instant("occurred_at", s.occurred)
	instant("recorded_at", s.recorded)
	data, err := json.Marshal(out)
	if err != nil {
		panic(err) // strings and integers always marshal
	}
	return string(data)
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

// Package pgrow writes Go structs as rows of Postgres's binary COPY format and reads rows back in the
// same encoding, by one table of types instead of one function per table.
//
// A Codec is made once per struct type: every field with a tag `db:"name"` is a column, embedded
// structs are columns of the outer one. What a Go value means in SQL:
//
//	string (and types made from it)  text      "" is NULL, unless the tag says `db:"name,keep"`
//	time.Time                        timestamptz, the zero time is NULL; microseconds
//	event.Date                       date, the zero date is NULL
//	int, int32                       integer
//	int64, *int64                    bigint
//	float64, *float64                double precision; NaN and infinities are NULL
//	Decimal, *Decimal                numeric with six decimals
//	bool, *bool                      boolean
//	[]string                         text[], nil is {}
//	JSON                             jsonb
//
// Postgres cannot hold U+0000 or bytes that are no UTF-8: Clean replaces them, so that one bad text
// never stops a batch. The format is that of the Postgres manual, COPY, "Binary Format"; numeric is
// that of its numeric_send.
package pgrow

import (
	"encoding/binary"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"shitpost-alpha/lake/event"
)

// Decimal is a number with six decimals, stored exactly.
type Decimal float64

// JSON is a JSON document.
type JSON string

// Codec renders and reads rows of type T. It never changes and is safe for concurrent use.
type Codec[T any] struct {
	columns []column
}

type column struct {
	name, sqlType string
	index         []int
	keep          bool
}

// New returns the codec of a struct type. It panics when a tagged field has a type that is not in the
// package's table: that is a mistake in the program.
func New[T any]() *Codec[T] {
	c := &Codec[T]{}
	c.add(reflect.TypeFor[T](), nil)
	return c
}

func (c *Codec[T]) add(t reflect.Type, at []int) {
	for i := range t.NumField() {
		f := t.Field(i)
		index := append(append([]int(nil), at...), i)
		if f.Anonymous {
			c.add(f.Type, index)
			continue
		}
		tag, ok := f.Tag.Lookup("db")
		if !ok {
			continue
		}
		name, option, _ := strings.Cut(tag, ",")
		c.columns = append(c.columns, column{name: name, sqlType: sqlType(f.Type), index: index, keep: option == "keep"})
	}
}

func sqlType(t reflect.Type) string {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t {
	case reflect.TypeFor[time.Time]():
		return "timestamptz"
	case reflect.TypeFor[event.Date]():
		return "date"
	case reflect.TypeFor[Decimal]():
		return "numeric"
	case reflect.TypeFor[JSON]():
		return "jsonb"
	case reflect.TypeFor[[]string]():
		return "text[]"
	}
	switch t.Kind() {
	case reflect.String:
		return "text"
	case reflect.Int, reflect.Int32:
		return "integer"
	case reflect.Int64:
		return "bigint"
	case reflect.Float64:
		return "double precision"
	case reflect.Bool:
		return "boolean"
	}
	panic("no SQL type for " + t.String())
}

// Columns returns the names of the columns, in the order of the fields.
func (c *Codec[T]) Columns() []string {
	names := make([]string, len(c.columns))
	for i, col := range c.columns {
		names[i] = col.name
	}
	return names
}

// Type returns the SQL type of a column, "" when there is none of that name.
func (c *Codec[T]) Type(name string) string {
	for _, col := range c.columns {
		if col.name == name {
			return col.sqlType
		}
	}
	return ""
}

// Keys returns, for each of the named columns, the values of all rows as text that Postgres can cast
// back to the column's type.
func (c *Codec[T]) Keys(rows []T, names []string) [][]string {
	out := make([][]string, len(names))
	for i, name := range names {
		for _, col := range c.columns {
			if col.name != name {
				continue
			}
			for r := range rows {
				v := reflect.ValueOf(&rows[r]).Elem().FieldByIndex(col.index)
				if col.sqlType == "text" {
					out[i] = append(out[i], v.String())
				} else {
					out[i] = append(out[i], fmt.Sprint(v.Interface())) // a date as YYYY-MM-DD, a number in digits
				}
			}
		}
	}
	return out
}

// Header begins a binary COPY, Trailer ends it.
const (
	Header  = "PGCOPY\n\377\r\n\000\000\000\000\000\000\000\000\000"
	Trailer = "\xff\xff"
)

// Append appends the row to buf.
func (c *Codec[T]) Append(buf []byte, row *T) []byte {
	buf = binary.BigEndian.AppendUint16(buf, uint16(len(c.columns)))
	v := reflect.ValueOf(row).Elem()
	for i := range c.columns {
		col := &c.columns[i]
		start := len(buf)
		buf = append(buf, 0, 0, 0, 0)
		var null bool
		buf, null = appendValue(buf, v.FieldByIndex(col.index), col.keep)
		size := uint32(len(buf) - start - 4)
		if null {
			size, buf = math.MaxUint32, buf[:start+4] // -1
		}
		binary.BigEndian.PutUint32(buf[start:], size)
	}
	return buf
}

func appendValue(buf []byte, v reflect.Value, keep bool) (_ []byte, null bool) {
	switch p := v.Addr().Interface().(type) {
	case *time.Time:
		if p.IsZero() {
			return buf, true
		}
		return binary.BigEndian.AppendUint64(buf, uint64(p.UnixMicro()-epochMicros)), false
	case *event.Date:
		if *p == 0 {
			return buf, true
		}
		return binary.BigEndian.AppendUint32(buf, uint32(int32(*p)-epochDays)), false
	case *Decimal:
		return appendNumeric(buf, float64(*p))
	case *[]string:
		return appendTexts(buf, *p), false
	case *JSON:
		return append(append(buf, 1), Clean(string(*p))...), false
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return buf, true
		}
		return appendValue(buf, v.Elem(), keep)
	case reflect.String:
		s := v.String()
		if s == "" && !keep {
			return buf, true
		}
		return append(buf, Clean(s)...), false
	case reflect.Int, reflect.Int32:
		return binary.BigEndian.AppendUint32(buf, uint32(int32(v.Int()))), false
	case reflect.Int64:
		return binary.BigEndian.AppendUint64(buf, uint64(v.Int())), false
	case reflect.Float64:
		f := v.Float()
		return binary.BigEndian.AppendUint64(buf, math.Float64bits(f)), math.IsNaN(f) || math.IsInf(f, 0)
	case reflect.Bool:
		if v.Bool() {
			return append(buf, 1), false
		}
		return append(buf, 0), false
	}
	panic("no encoding for " + v.Type().String())
}

// Postgres counts from 2000-01-01.
const (
	epochDays   = 10957
	epochMicros = epochDays * 86400 * 1_000_000
)

const textOID = 25

// appendTexts renders an array of text: dimensions, a flag for nulls, the element type, then per
// dimension its length and lower bound, then the elements.
func appendTexts(buf []byte, list []string) []byte {
	dims := uint32(1)
	if len(list) == 0 {
		dims = 0
	}
	buf = binary.BigEndian.AppendUint32(buf, dims)
	buf = binary.BigEndian.AppendUint32(buf, 0)
	buf = binary.BigEndian.AppendUint32(buf, textOID)
	if dims == 0 {
		return buf
	}
	buf = binary.BigEndian.AppendUint32(buf, uint32(len(list)))
	buf = binary.BigEndian.AppendUint32(buf, 1)
	for _, s := range list {
		s = Clean(s)
		buf = binary.BigEndian.AppendUint32(buf, uint32(len(s)))
		buf = append(buf, s...)
	}
	return buf
}

// appendNumeric renders f rounded to six decimals: the number of base-10000 digits, the weight of the
// first, the sign, the number of decimals shown, the digits.
func appendNumeric(buf []byte, f float64) (_ []byte, null bool) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return buf, true
	}
	s := strconv.FormatFloat(math.Abs(f), 'f', 6, 64)
	whole, frac, _ := strings.Cut(s, ".")
	whole = strings.Repeat("0", (4-len(whole)%4)%4) + whole
	digits := whole + frac + "00" // the fraction fills two groups of four
	groups := make([]uint16, 0, len(digits)/4)
	weight := len(whole)/4 - 1
	for ; digits != ""; digits = digits[4:] {
		n, _ := strconv.Atoi(digits[:4])
		groups = append(groups, uint16(n))
	}
	for len(groups) > 0 && groups[0] == 0 {
		groups, weight = groups[1:], weight-1
	}
	for len(groups) > 0 && groups[len(groups)-1] == 0 {
		groups = groups[:len(groups)-1]
	}
	sign := uint16(0)
	switch {
	case len(groups) == 0:
		weight = 0
	case f < 0:
		sign = 0x4000
	}
	for _, n := range []uint16{uint16(len(groups)), uint16(int16(weight)), sign, 6} {
		buf = binary.BigEndian.AppendUint16(buf, n)
	}
	for _, n := range groups {
		buf = binary.BigEndian.AppendUint16(buf, n)
	}
	return buf, false
}

// Clean returns s with U+0000 and bytes that are no UTF-8 replaced by U+FFFD.
func Clean(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if strings.IndexByte(s, 0) < 0 {
		return s
	}
	return strings.ReplaceAll(s, "\x00", "\uFFFD")
}

package interop

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"time"

	"shitpost-alpha/lake/event"
)

// column is one top-level column of a stream's table.
type column struct {
	name     string
	optional bool // the zero value is written as null
	field    reflect.StructField
	index    []int
}

// columnsOf returns the columns of E in their order, by the Parquet tags alone.
func columnsOf[E event.Event]() []column {
	var out []column
	var walk func(reflect.Type, []int)
	walk = func(t reflect.Type, at []int) {
		for i := range t.NumField() {
			f := t.Field(i)
			index := append(slices.Clone(at), i)
			if f.Anonymous {
				walk(f.Type, index)
				continue
			}
			name, options, _ := strings.Cut(f.Tag.Get("parquet"), ",")
			out = append(out, column{name, slices.Contains(strings.Split(options, ","), "optional"), f, index})
		}
	}
	walk(reflect.TypeFor[E](), nil)
	return out
}

// canonical renders the columns of an event that keep names (nil: all), in the form of readers/judge.py:
// nulls and empty lists are left out.
func canonical(e any, columns []column, keep map[string]bool) string {
	v := reflect.ValueOf(e)
	sorted := slices.SortedFunc(slices.Values(columns), func(a, b column) int { return strings.Compare(a.name, b.name) })
	var b bytes.Buffer
	for _, c := range sorted {
		f := v.FieldByIndex(c.index)
		if keep != nil && !keep[c.name] || c.optional && f.IsZero() || f.Kind() == reflect.Slice && f.Len() == 0 {
			continue
		}
		b.WriteString(c.name + "=")
		encode(&b, f)
		b.WriteByte(';')
	}
	return b.String()
}

func encode(b *bytes.Buffer, v reflect.Value) {
	if t, ok := v.Interface().(time.Time); ok {
		fmt.Fprintf(b, "i%d", t.UnixMicro())
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		encode(b, v.Elem())
	case reflect.Bool:
		b.WriteString(map[bool]string{true: "t", false: "f"}[v.Bool()])
	case reflect.Int32, reflect.Int64:
		fmt.Fprintf(b, "i%d", v.Int())
	case reflect.Float64:
		fmt.Fprintf(b, "d%016x", math.Float64bits(v.Float()))
	case reflect.String:
		fmt.Fprintf(b, "s%d:%s", v.Len(), v.String())
	case reflect.Slice:
		b.WriteByte('[')
		for i := range v.Len() {
			encode(b, v.Index(i))
		}
		b.WriteByte(']')
	case reflect.Struct:
		b.WriteByte('{')
		for _, i := range sortedFields(v.Type()) {
			name, options, _ := strings.Cut(v.Type().Field(i).Tag.Get("parquet"), ",")
			if strings.Contains(options, "optional") && v.Field(i).IsZero() {
				continue
			}
			b.WriteString(name + "=")
			encode(b, v.Field(i))
			b.WriteByte(';')
		}
		b.WriteByte('}')
	default:
		panic("no canonical form for " + v.Type().String())
	}
}

func sortedFields(t reflect.Type) []int {
	out := make([]int, t.NumField())
	for i := range out {
		out[i] = i
	}
	slices.SortFunc(out, func(a, b int) int {
		return strings.Compare(t.Field(a).Tag.Get("parquet"), t.Field(b).Tag.Get("parquet"))
	})
	return out
}

// hashOf returns the order-free hash of rows: the sum modulo 2^64 of the first 8 bytes of each row's
// SHA-256.
func hashOf(rows []string) string {
	var total uint64
	for _, r := range rows {
		sum := sha256.Sum256([]byte(r))
		total += binary.BigEndian.Uint64(sum[:8])
	}
	return hex.EncodeToString(binary.BigEndian.AppendUint64(nil, total))
}

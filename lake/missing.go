package lake

import (
	"reflect"
	"strings"

	"github.com/parquet-go/parquet-go"

	"shitpost-alpha/lake/event"
)

// emptyMissing returns what empties, in decoded events, the columns that their file lacks. The
// Parquet library leaves a missing column empty too, but for a list of structs: it makes up one
// element without values, an asset that nobody named.
func emptyMissing[E event.Event](file *parquet.Schema) func([]E) {
	var missing [][]int
	eachColumn(reflect.TypeFor[E](), nil, func(name string, index []int) {
		for _, f := range file.Fields() {
			if f.Name() == name {
				return
			}
		}
		missing = append(missing, index)
	})
	return func(events []E) {
		if missing == nil {
			return
		}
		for i := range events {
			v := reflect.ValueOf(&events[i]).Elem()
			for _, index := range missing {
				v.FieldByIndex(index).SetZero()
			}
		}
	}
}

// eachColumn calls f for every top-level column of an event struct with the field that holds it.
func eachColumn(t reflect.Type, at []int, f func(name string, index []int)) {
	for i := range t.NumField() {
		field := t.Field(i)
		index := append(at[:len(at):len(at)], i)
		if field.Anonymous {
			eachColumn(field.Type, index, f)
			continue
		}
		name, _, _ := strings.Cut(field.Tag.Get("parquet"), ",")
		f(name, index)
	}
}

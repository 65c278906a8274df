package scan

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"shitpost-alpha/lake"
)

// columns are the columns of a table, as a Delta schema has them.
type columns []column

type column struct {
	Name string          `json:"name"`
	Type json.RawMessage `json:"type"`
}

// columnsOf reads a Delta schema.
func columnsOf(schema string) (columns, error) {
	var s struct {
		Fields columns `json:"fields"`
	}
	if err := json.Unmarshal([]byte(schema), &s); err != nil {
		return nil, fmt.Errorf("read table schema: %w", err)
	}
	return s.Fields, nil
}

// fields returns the named columns in that order, nil naming all, as Arrow fields, all nullable. A
// name that the table does not have is refused with those that it has.
func (c columns) fields(names []string) ([]arrow.Field, error) {
	if names == nil {
		return arrowFields(c)
	}
	picked := make(columns, 0, len(names))
	for _, name := range names {
		found := false
		for _, have := range c {
			if have.Name == name {
				picked, found = append(picked, have), true
			}
		}
		if !found {
			known := make([]string, len(c))
			for i := range c {
				known[i] = c[i].Name
			}
			return nil, fmt.Errorf("no column %q: there are %s", name, strings.Join(known, ", "))
		}
	}
	return arrowFields(picked)
}

func arrowFields(in columns) ([]arrow.Field, error) {
	out := make([]arrow.Field, len(in))
	for i, f := range in {
		t, err := arrowType(f.Type)
		if err != nil {
			return nil, fmt.Errorf("column %q: %w", f.Name, err)
		}
		out[i] = arrow.Field{Name: f.Name, Type: t, Nullable: true}
	}
	return out, nil
}

// primitives are the Delta types that a scan reads (Delta protocol, "Primitive Types"); a timestamp is
// in µs, UTC.
var primitives = map[string]arrow.DataType{
	"string": arrow.BinaryTypes.String, "binary": arrow.BinaryTypes.Binary, "boolean": arrow.FixedWidthTypes.Boolean,
	"byte": arrow.PrimitiveTypes.Int8, "short": arrow.PrimitiveTypes.Int16, "integer": arrow.PrimitiveTypes.Int32, "long": arrow.PrimitiveTypes.Int64,
	"float": arrow.PrimitiveTypes.Float32, "double": arrow.PrimitiveTypes.Float64, "date": arrow.FixedWidthTypes.Date32,
	"timestamp": &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"},
}

func arrowType(raw json.RawMessage) (arrow.DataType, error) {
	var name string
	if json.Unmarshal(raw, &name) == nil {
		if t, ok := primitives[name]; ok {
			return t, nil
		}
		return nil, unreadable(name)
	}
	var nested struct {
		Type        string          `json:"type"`
		Fields      columns         `json:"fields"`
		ElementType json.RawMessage `json:"elementType"`
	}
	if err := json.Unmarshal(raw, &nested); err != nil {
		return nil, fmt.Errorf("read type: %w", err)
	}
	switch nested.Type {
	case "struct":
		fields, err := arrowFields(nested.Fields)
		if err != nil {
			return nil, err
		}
		return arrow.StructOf(fields...), nil
	case "array":
		elem, err := arrowType(nested.ElementType)
		if err != nil {
			return nil, err
		}
		return arrow.ListOf(elem), nil
	}
	return nil, unreadable(nested.Type)
}

func unreadable(typ string) error {
	return fmt.Errorf("%w: a scan cannot read type %q: name the columns that you want, without it", lake.ErrSchemaDrift, typ)
}

// conform returns the data of a as type t, without copying: files differ from the table in which
// columns are nullable, in the names of list elements, and old ones lack fields that were added
// later, which are null. A column that really is of another type is refused.
func conform(a arrow.ArrayData, t arrow.DataType) (arrow.ArrayData, error) {
	switch t := t.(type) {
	case *arrow.ListType:
		if _, ok := a.DataType().(*arrow.ListType); !ok {
			break
		}
		elem, err := conform(a.Children()[0], t.Elem())
		if err != nil {
			return nil, err
		}
		return array.NewData(t, a.Len(), a.Buffers(), []arrow.ArrayData{elem}, a.NullN(), a.Offset()), nil
	case *arrow.StructType:
		have, ok := a.DataType().(*arrow.StructType)
		if !ok {
			break
		}
		children := make([]arrow.ArrayData, t.NumFields())
		for i, f := range t.Fields() {
			j, ok := have.FieldIdx(f.Name)
			if !ok {
				children[i] = array.MakeArrayOfNull(memory.DefaultAllocator, f.Type, a.Offset()+a.Len()).Data()
				continue
			}
			child, err := conform(a.Children()[j], f.Type)
			if err != nil {
				return nil, fmt.Errorf("field %q: %w", f.Name, err)
			}
			children[i] = child
		}
		return array.NewData(t, a.Len(), a.Buffers(), children, a.NullN(), a.Offset()), nil
	default:
		if arrow.TypeEqual(a.DataType(), t) {
			return a, nil
		}
	}
	return nil, fmt.Errorf("%w: it is %s in the file, %s in the table", lake.ErrSchemaDrift, a.DataType(), t)
}

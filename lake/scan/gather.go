package scan

import (
	"fmt"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"shitpost-alpha/lake"
)

// pick names one row of one of several records.
type pick struct{ record, row int }

// gather copies the picked rows into a new record.
func gather(schema *arrow.Schema, records []arrow.Record, picks []pick) (arrow.Record, error) {
	columns := make([]arrow.Array, schema.NumFields())
	from := make([]arrow.Array, len(records))
	for c := range columns {
		b := array.NewBuilder(memory.DefaultAllocator, schema.Field(c).Type)
		b.Reserve(len(picks))
		for i, r := range records {
			from[i] = r.Column(c)
		}
		for _, p := range picks {
			if err := appendValue(b, from[p.record], p.row); err != nil {
				return nil, fmt.Errorf("column %q: %w", schema.Field(c).Name, err)
			}
		}
		columns[c] = b.NewArray()
	}
	return array.NewRecord(schema, columns, int64(len(picks))), nil
}

// appendValue appends value i of an array to a builder of the same type: one of those of arrowType.
func appendValue(b array.Builder, a arrow.Array, i int) error {
	if a.IsNull(i) {
		b.AppendNull()
		return nil
	}
	switch b := b.(type) {
	case *array.StringBuilder:
		b.Append(a.(*array.String).Value(i))
	case *array.TimestampBuilder:
		b.Append(a.(*array.Timestamp).Value(i))
	case *array.Int64Builder:
		b.Append(a.(*array.Int64).Value(i))
	case *array.Int32Builder:
		b.Append(a.(*array.Int32).Value(i))
	case *array.Float64Builder:
		b.Append(a.(*array.Float64).Value(i))
	case *array.BooleanBuilder:
		b.Append(a.(*array.Boolean).Value(i))
	case *array.Date32Builder:
		b.Append(a.(*array.Date32).Value(i))
	case *array.Int16Builder:
		b.Append(a.(*array.Int16).Value(i))
	case *array.Int8Builder:
		b.Append(a.(*array.Int8).Value(i))
	case *array.Float32Builder:
		b.Append(a.(*array.Float32).Value(i))
	case *array.BinaryBuilder:
		b.Append(a.(*array.Binary).Value(i))
	case *array.ListBuilder:
		b.Append(true)
		list := a.(*array.List)
		from, to := list.ValueOffsets(i)
		for j := from; j < to; j++ {
			if err := appendValue(b.ValueBuilder(), list.ListValues(), int(j)); err != nil {
				return err
			}
		}
	case *array.StructBuilder:
		b.Append(true)
		s := a.(*array.Struct)
		for f := range s.NumField() {
			if err := appendValue(b.FieldBuilder(f), s.Field(f), i); err != nil {
				return err
			}
		}
	default:
		return fmt.Errorf("%w: a scan cannot copy type %s", lake.ErrSchemaDrift, a.DataType())
	}
	return nil
}

// trim returns rec with the columns of out alone, which are its first. It takes over rec.
func trim(rec arrow.Record, out *arrow.Schema) arrow.Record {
	if int(rec.NumCols()) == out.NumFields() {
		return rec
	}
	defer rec.Release()
	return array.NewRecord(out, rec.Columns()[:out.NumFields()], rec.NumRows())
}

package scan

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"strconv"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
)

// appendObject renders row i of the columns as a JSON object, without those that are null.
func appendObject(b []byte, fields []arrow.Field, columns []arrow.Array, i int) []byte {
	b = append(b, '{')
	empty := true
	for c, col := range columns {
		if col.IsNull(i) {
			continue
		}
		if !empty {
			b = append(b, ',')
		}
		empty = false
		b = append(appendString(b, fields[c].Name), ':')
		b = appendJSON(b, col, i)
	}
	return append(b, '}')
}

// appendJSON renders value i of an array of one of the types of arrowType.
func appendJSON(b []byte, a arrow.Array, i int) []byte {
	if a.IsNull(i) {
		return append(b, "null"...)
	}
	switch a := a.(type) {
	case *array.String:
		return appendString(b, a.Value(i))
	case *array.Binary:
		return appendString(b, base64.StdEncoding.EncodeToString(a.Value(i)))
	case *array.Timestamp:
		return append(time.UnixMicro(int64(a.Value(i))).UTC().AppendFormat(append(b, '"'), "2006-01-02T15:04:05.999999Z"), '"')
	case *array.Date32:
		return append(a.Value(i).ToTime().AppendFormat(append(b, '"'), time.DateOnly), '"')
	case *array.Boolean:
		return strconv.AppendBool(b, a.Value(i))
	case *array.Int64:
		return strconv.AppendInt(b, a.Value(i), 10)
	case *array.Int32:
		return strconv.AppendInt(b, int64(a.Value(i)), 10)
	case *array.Int16:
		return strconv.AppendInt(b, int64(a.Value(i)), 10)
	case *array.Int8:
		return strconv.AppendInt(b, int64(a.Value(i)), 10)
	case *array.Float64:
		return appendFloat(b, a.Value(i), 64)
	case *array.Float32:
		return appendFloat(b, float64(a.Value(i)), 32)
	case *array.List:
		b = append(b, '[')
		from, to := a.ValueOffsets(i)
		for j := from; j < to; j++ {
			if j > from {
				b = append(b, ',')
			}
			b = appendJSON(b, a.ListValues(), int(j))
		}
		return append(b, ']')
	case *array.Struct:
		columns := make([]arrow.Array, a.NumField())
		for f := range columns {
			columns[f] = a.Field(f)
		}
		return appendObject(b, a.DataType().(*arrow.StructType).Fields(), columns, i)
	}
	return appendString(b, a.ValueStr(i))
}

func appendFloat(b []byte, f float64, bits int) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(b, "null"...)
	}
	return strconv.AppendFloat(b, f, 'g', -1, bits)
}

func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= 0x7f {
			quoted, err := json.Marshal(s)
			if err != nil {
				panic(err) // strings always marshal
			}
			return append(b, quoted...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

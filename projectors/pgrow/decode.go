package pgrow

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"reflect"
	"time"

	"shitpost-alpha/lake/event"
)

// Decode reads the values of one row, in the order of Columns and in binary format, as Postgres sends
// them when a query asks for that. Numeric columns cannot be read back: nothing needs them. Times are
// UTC.
func (c *Codec[T]) Decode(values [][]byte, row *T) error {
	if len(values) != len(c.columns) {
		return fmt.Errorf("decode row: %d values for %d columns", len(values), len(c.columns))
	}
	v := reflect.ValueOf(row).Elem()
	for i := range c.columns {
		if err := decodeValue(values[i], v.FieldByIndex(c.columns[i].index)); err != nil {
			return fmt.Errorf("decode column %s: %w", c.columns[i].name, err)
		}
	}
	return nil
}

var errSize = errors.New("the value has a wrong size")

func decodeValue(b []byte, v reflect.Value) error {
	if b == nil {
		v.SetZero()
		return nil
	}
	switch p := v.Addr().Interface().(type) {
	case *time.Time:
		if len(b) != 8 {
			return errSize
		}
		*p = time.UnixMicro(int64(binary.BigEndian.Uint64(b)) + epochMicros).UTC()
		return nil
	case *event.Date:
		if len(b) != 4 {
			return errSize
		}
		*p = event.Date(int32(binary.BigEndian.Uint32(b)) + epochDays)
		return nil
	case *[]string:
		return decodeTexts(b, p)
	case *JSON:
		if len(b) < 1 || b[0] != 1 {
			return errors.New("not version 1 of jsonb")
		}
		*p = JSON(b[1:])
		return nil
	case *Decimal:
		return errors.New("numeric cannot be read back")
	}
	return decodeKind(b, v)
}

func decodeKind(b []byte, v reflect.Value) error {
	if size := sizeOf(v.Kind()); size > 0 && len(b) != size {
		return errSize
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return decodeValue(b, v.Elem())
	case reflect.String:
		v.SetString(string(b))
	case reflect.Int, reflect.Int32:
		v.SetInt(int64(int32(binary.BigEndian.Uint32(b))))
	case reflect.Int64:
		v.SetInt(int64(binary.BigEndian.Uint64(b)))
	case reflect.Float64:
		v.SetFloat(math.Float64frombits(binary.BigEndian.Uint64(b)))
	case reflect.Bool:
		v.SetBool(b[0] != 0)
	default:
		return fmt.Errorf("no decoding for %s", v.Type())
	}
	return nil
}

func decodeTexts(b []byte, to *[]string) error {
	*to = nil
	if len(b) < 12 {
		return errSize
	}
	if binary.BigEndian.Uint32(b) == 0 {
		return nil
	}
	if len(b) < 20 {
		return errSize
	}
	n := binary.BigEndian.Uint32(b[12:])
	b = b[20:]
	for range n {
		if len(b) < 4 {
			return errSize
		}
		size := int32(binary.BigEndian.Uint32(b))
		b = b[4:]
		if size < 0 || int(size) > len(b) {
			return errSize
		}
		*to = append(*to, string(b[:size]))
		b = b[size:]
	}
	return nil
}

// sizeOf returns the length of the values of a kind, 0 when they have any length.
func sizeOf(k reflect.Kind) int {
	switch k {
	case reflect.Bool:
		return 1
	case reflect.Int, reflect.Int32:
		return 4
	case reflect.Int64, reflect.Float64:
		return 8
	}
	return 0
}

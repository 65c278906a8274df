package lake

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"

	"shitpost-alpha/lake/event"
)

// JSON renders an event as one JSON object with its columns' names, in their order. Columns that are
// null in the table are left out.
func JSON[E event.Event](e *E) ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	if err := jsonFields(&b, reflect.ValueOf(e).Elem()); err != nil {
		return nil, fmt.Errorf("render event %s: %w", event.EnvelopeOf(e).EventID, err)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

func jsonFields(b *bytes.Buffer, v reflect.Value) error {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		name, options, _ := strings.Cut(field.Tag.Get("parquet"), ",")
		if field.Anonymous {
			if err := jsonFields(b, v.Field(i)); err != nil {
				return err
			}
			continue
		}
		f := v.Field(i)
		if strings.Contains(options, "optional") && f.IsZero() || f.Kind() == reflect.Slice && f.Len() == 0 {
			continue
		}
		if b.Bytes()[b.Len()-1] != '{' {
			b.WriteByte(',')
		}
		fmt.Fprintf(b, "%q:", name)
		if err := jsonValue(b, f); err != nil {
			return fmt.Errorf("column %s: %w", name, err)
		}
	}
	return nil
}

func jsonValue(b *bytes.Buffer, f reflect.Value) error {
	if f.Kind() == reflect.Slice && f.Type().Elem().Kind() == reflect.Struct {
		b.WriteByte('[')
		for i := range f.Len() {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteByte('{')
			if err := jsonFields(b, f.Index(i)); err != nil {
				return err
			}
			b.WriteByte('}')
		}
		b.WriteByte(']')
		return nil
	}
	value := f.Interface()
	if t, ok := value.(time.Time); ok {
		value = t.UTC().Format("2006-01-02T15:04:05.999999Z")
	}
	var tmp bytes.Buffer
	enc := json.NewEncoder(&tmp)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(value); err != nil {
		return err
	}
	b.Write(bytes.TrimSpace(tmp.Bytes()))
	return nil
}

package footer_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/parquet-go/parquet-go"

	"shitpost-alpha/lake/footer"
)

// schemaOf writes rows as Parquet and returns the part of the footer that says which columns there are.
func schemaOf[T any](t *testing.T, rows []T) []byte {
	t.Helper()
	var b bytes.Buffer
	w := parquet.NewGenericWriter[T](&b)
	if _, err := w.Write(rows); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	file := b.Bytes()
	size := int(binary.LittleEndian.Uint32(file[len(file)-8:]))
	schema, err := footer.Schema(file[len(file)-8-size : len(file)-8])
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func TestSchema(t *testing.T) {
	type one struct {
		A string   `parquet:"a"`
		B []string `parquet:"b,list"`
	}
	type other struct {
		A string   `parquet:"a"`
		C []string `parquet:"c,list"`
	}
	empty, full := schemaOf[one](t, nil), schemaOf(t, []one{{"x", nil}, {"y", []string{"z"}}})
	if !bytes.Equal(empty, full) || len(full) < 20 {
		t.Errorf("the same columns: %x and %x", empty, full)
	}
	if bytes.Equal(full, schemaOf[other](t, nil)) {
		t.Error("other columns, the same bytes")
	}
	for n := range full {
		if _, err := footer.Schema(full[:n]); !errors.Is(err, footer.ErrDamaged) {
			t.Fatalf("cut at %d of %d: %v", n, len(full), err)
		}
	}
	if _, err := footer.Schema([]byte{0x15, 0x04, 0x16, 0x02}); !errors.Is(err, footer.ErrDamaged) {
		t.Errorf("no schema: %v", err)
	}
}

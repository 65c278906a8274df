package lake

import (
	"bytes"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"shitpost-alpha/lake/event"
)

// TestMissingColumnsAreEmpty: a file of an older schema has no assets, not one without a symbol.
func TestMissingColumnsAreEmpty(t *testing.T) {
	type older struct {
		event.Envelope
		PredictionID string `parquet:"prediction_id,optional"`
	}
	row := older{PredictionID: "p"}
	row.EventID, row.Key = "e", "p"
	var b bytes.Buffer
	w := parquet.NewGenericWriter[older](&b)
	if _, err := w.Write([]older{row}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := decode[event.Prediction](b.Bytes())
	if err != nil || len(whole) != 1 {
		t.Fatalf("decode: %d rows, %v", len(whole), err)
	}
	r, err := openRows[event.Prediction](b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	pieces, err := r.next()
	if err != nil || len(pieces) != 1 {
		t.Fatalf("next: %d rows, %v", len(pieces), err)
	}
	for _, e := range append(whole, pieces...) {
		if e.PredictionID != "p" || len(e.Assets) != 0 || len(e.Dropped) != 0 || len(e.Requeues) != 0 {
			t.Errorf("the file lacks lists, decoded: %+v", e)
		}
	}
}

// TestSchemaInAnotherOrder: a foreign writer may render the same type with its keys in another order.
func TestSchemaInAnotherOrder(t *testing.T) {
	ours := schemaString[event.Price]()
	theirs := strings.ReplaceAll(ours, `{"type":"array","elementType":"string","containsNull":true}`, `{"containsNull":true,"elementType":"string","type":"array"}`)
	if theirs == ours {
		t.Fatal("the schema has no list of strings")
	}
	if _, changed, err := mergeSchema(theirs, ours); err != nil || changed {
		t.Errorf("the same schema in another order: changed %v, %v", changed, err)
	}
}

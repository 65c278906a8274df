package lake

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/parquet-go/parquet-go"
	"pgregory.net/rapid"

	"shitpost-alpha/lake/event"
)

// TestEmptyIsNull: a column without a value is null in the file, in whatever order rows with and
// without one come.
func TestEmptyIsNull(t *testing.T) {
	masks := [][]bool{{false, true, false}, {false, false, true, true, false, true}} // what the library gets wrong
	for _, mask := range masks {
		emptyIsNull(t, mask)
	}
	rapid.Check(t, func(t *rapid.T) {
		emptyIsNull(t, rapid.SliceOfN(rapid.Bool(), 1, 200).Draw(t, "mask"))
	})
}

func emptyIsNull(t fataler, mask []bool) {
	t.Helper()
	prices := make([]event.Price, len(mask))
	predictions := make([]event.Prediction, len(mask))
	for i, set := range mask {
		if set {
			prices[i].Payload, prices[i].SessionDate, prices[i].FetchedAt = "x", 1, prices[i].FetchedAt.AddDate(2000, 0, 0)
			predictions[i].Thesis = "x"
		}
		a := event.Asset{Symbol: "A"}
		if set {
			a.Named = "x"
		}
		predictions[0].Assets = append(predictions[0].Assets, a)
	}
	for _, c := range []struct {
		column string
		got    string
	}{
		{"payload", nulls(t, prices, "payload")}, {"session_date", nulls(t, prices, "session_date")}, {"fetched_at", nulls(t, prices, "fetched_at")},
		{"thesis", nulls(t, predictions, "thesis")}, {"assets", nulls(t, predictions[:1], "assets", "list", "element", "named")},
	} {
		if want := fmt.Sprint(mask); c.got != want {
			t.Fatalf("%s has values in %s, want %s", c.column, c.got, want)
		}
	}
}

type fataler interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

// nulls returns which values of a column of the encoded events are not null.
func nulls[E event.Event](t fataler, events []E, column ...string) string {
	t.Helper()
	data, err := encode(events)
	if err != nil {
		t.Fatal(err)
	}
	file, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	leaf, ok := file.Schema().Lookup(column...)
	if !ok {
		t.Fatalf("no column %v", column)
	}
	var present []bool
	rows := file.RowGroups()[0].Rows()
	defer rows.Close()
	buf := make([]parquet.Row, len(events))
	n, _ := rows.ReadRows(buf)
	for _, row := range buf[:n] {
		for _, v := range row {
			if v.Column() == leaf.ColumnIndex {
				present = append(present, !v.IsNull())
			}
		}
	}
	return fmt.Sprint(present)
}

package scan

import (
	"bytes"
	"encoding/csv"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"

	"shitpost-alpha/lake/objects"
)

// TestExportRoundTrip: every format says what the scan says.
func TestExportRoundTrip(t *testing.T) {
	snap := barsOf(t, open(t, &objects.Memory{}), 300, 3)
	o := Options{Columns: []string{"key", "occurred_at", "session_date", "close", "volume", "synthetic", "payload", "asked_sources", "ratio"}, Ordered: true}
	want := scanned(t, snap, o)
	read := map[string]func(data []byte) []string{
		"jsonl": func(data []byte) (rows []string) {
			for _, line := range strings.Split(strings.TrimSpace(string(data)), "\n") {
				rows = append(rows, only(t, line, nil))
			}
			return rows
		},
		"arrow": func(data []byte) (rows []string) {
			r, err := ipc.NewReader(bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			return rendered(t, r)
		},
		"parquet": func(data []byte) (rows []string) {
			table, err := pqarrow.ReadTable(t.Context(), bytes.NewReader(data), parquet.NewReaderProperties(memory.DefaultAllocator), pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
			if err != nil {
				t.Fatal(err)
			}
			return rendered(t, array.NewTableReader(table, 0))
		},
	}
	for format, f := range read {
		var b bytes.Buffer
		if n, err := plan(t, snap, o).Export(t.Context(), &b, format, nil); err != nil || n != 300 {
			t.Fatalf("%s: %d, %v", format, n, err)
		}
		if got := f(b.Bytes()); !slices.Equal(got, want) {
			t.Errorf("%s: %d rows, want %d, or others: %v", format, len(got), len(want), got[:1])
		}
	}
	var b bytes.Buffer
	if _, err := plan(t, snap, o).Export(t.Context(), &b, "csv", nil); err != nil {
		t.Fatal(err)
	}
	records, err := csv.NewReader(&b).ReadAll()
	if err != nil || len(records) != 301 || records[0][1] != "occurred_at" || records[1][2] != "2025-01-01" || records[1][1] != "2025-01-01T21:00:00Z" || records[1][7] != "[]" || records[1][8] != "" {
		t.Errorf("csv: %v, %v", err, records[:2])
	}
	if _, err := plan(t, snap, o).Export(t.Context(), &b, "xml", nil); err == nil {
		t.Error("format xml was taken")
	}
	full := &failing{after: 100}
	if _, err := plan(t, snap, Options{}).Export(t.Context(), full, "jsonl", nil); err == nil {
		t.Error("a full disk went unnoticed")
	}
}

type failing struct{ after int }

func (f *failing) Write(p []byte) (int, error) {
	if f.after -= len(p); f.after < 0 {
		return 0, errors.New("no space left on device")
	}
	return len(p), nil
}

func rendered(t *testing.T, r array.RecordReader) (rows []string) {
	for r.Next() {
		rec := r.Record()
		for i := range int(rec.NumRows()) {
			rows = append(rows, only(t, string(appendObject(nil, rec.Schema().Fields(), rec.Columns(), i)), nil))
		}
	}
	return rows
}

package scan

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/objects"
)

// TestScanSpills: more than fits is sorted in parts on disk, too many parts are merged first, the rows
// are those of a sort in memory, and nothing is left of the files.
func TestScanSpills(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	snap := barsOf(t, open(t, &objects.Memory{}), 900, 3*mergeWeight)
	scan := plan(t, snap, Options{Columns: []string{"key", "close"}, Ordered: true})
	r, err := scan.start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s := &sorter{schema: r.read}
	for i, f := range r.files {
		for rec, err := range r.records(t.Context(), f, batchBytes) {
			if err != nil {
				t.Fatal(err)
			}
			if i%50 == 0 {
				s.runs = append(s.runs, run{"", fileWeight, (&sorter{schema: r.read, pending: []arrow.Record{rec}}).sorted()})
				continue
			}
			if s.bytes = sortBytes; s.add(rec) != nil {
				t.Fatal(err)
			}
		}
	}
	before := len(s.runs)
	if err := s.finish(t.Context()); err != nil || before != 3*mergeWeight || len(s.runs) > mergeWeight {
		t.Fatalf("%d runs, then %d, %v", before, len(s.runs), err)
	}
	var got []string
	for rec, err := range merged(t.Context(), r.read, s.runs) {
		if err != nil {
			t.Fatal(err)
		}
		for i := range int(rec.NumRows()) {
			got = append(got, only(t, string(appendObject(nil, rec.Schema().Fields(), rec.Columns(), i)), []string{"key", "close"}))
		}
		rec.Release()
	}
	if want := scanned(t, snap, Options{Columns: []string{"key", "close"}, Ordered: true}); !slices.Equal(got, want) || len(got) != 900 {
		t.Errorf("merged %d rows, in memory %d, or others", len(got), len(want))
	}
	s.remove()
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left over: %v, %v", left, err)
	}
}

// TestScanOfCompactedFiles: sorted files and those appended behind them are merged.
func TestScanOfCompactedFiles(t *testing.T) {
	l := open(t, objects.NewFolder(t.TempDir()))
	barsOf(t, l, 400, 4)
	if done, err := l.Prices.Compact(t.Context(), lake.CompactOptions{}); err != nil || done.FilesOut == 0 {
		t.Fatalf("%+v, %v", done, err)
	}
	snap := barsOf(t, l, 100, 2)
	if len(snap.Files) != 3 || !lake.InOrder(snap.Files[0]) && !lake.InOrder(snap.Files[1]) && !lake.InOrder(snap.Files[2]) {
		t.Fatalf("%d files, none in order", len(snap.Files))
	}
	o := Options{Columns: []string{"key", "occurred_at", "recorded_at", "event_id"}}
	want := scanned(t, snap, o)
	slices.SortFunc(want, func(a, b string) int { return strings.Compare(sortable(t, a), sortable(t, b)) })
	o.Ordered = true
	if got := scanned(t, snap, o); len(got) != 500 || !slices.Equal(got, want) {
		t.Errorf("%d rows, want %d, or in another order", len(got), len(want))
	}
}

// sortable renders the order columns such that texts compare as events do.
func sortable(t *testing.T, row string) string {
	t.Helper()
	var r struct {
		Key      string    `json:"key"`
		Occurred time.Time `json:"occurred_at"`
		Recorded time.Time `json:"recorded_at"`
		ID       string    `json:"event_id"`
	}
	if err := json.Unmarshal([]byte(row), &r); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s %020d %020d %s", r.Key, r.Occurred.UnixMicro(), r.Recorded.UnixMicro(), r.ID)
}

package scan

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/objects"
	"shitpost-alpha/lake/objects/s3"
	"shitpost-alpha/lake/objects/s3/s3test"
)

func bar(symbol string, day int, close float64) event.Price {
	d := event.NewDate(2025, time.January, day)
	high, low, volume := close*1.01, close*0.99, 1e6
	return event.Price{
		Envelope: event.Envelope{Kind: event.BarRecorded, Key: symbol, Source: "simulator", OccurredAt: d.Time().Add(21 * time.Hour), Synthetic: true},
		Symbol:   symbol, SessionDate: d, Interval: "1d", Open: &close, High: &high, Low: &low, Close: &close, Volume: &volume,
		Currency: "USD", Adjustment: event.AdjustedSplit, AdjustedThrough: d, FetchID: "test",
	}
}

// barsOf appends n bars in k commits and returns the snapshot.
func barsOf(t testing.TB, l *lake.Lake, n, k int) *lake.Snapshot[event.Price] {
	t.Helper()
	head, err := l.Prices.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for part := range k {
		var batch []event.Price
		for i := part; i < n; i += k { // interleaved, so that every file covers all keys
			b := bar(fmt.Sprintf("S%02d", i%17), i%28+1, float64(100+i))
			b.SetPayload([]byte(strings.Repeat("x", i%200)))
			event.Seal(&b, "")
			batch = append(batch, b)
		}
		if head, err = l.Prices.Append(t.Context(), head, batch); err != nil {
			t.Fatal(err)
		}
	}
	snap, err := l.Prices.Snapshot(t.Context(), -1)
	if err != nil {
		t.Fatal(err)
	}
	return snap
}

// TestScanFolderBucketMemory: one path of code, the same rows, with the cache and without.
func TestScanFolderBucketMemory(t *testing.T) {
	server := s3test.Start(t)
	cached := lake.New(s3.New(server.Client, server.Bucket, "cached"), "test", lake.Options{Producer: "test@1", CacheDir: t.TempDir()})
	o := Options{Columns: []string{"key", "session_date", "close"}, KeyFrom: "S03", KeyTo: "S11", Ordered: true}
	var want []string
	for i, l := range []*lake.Lake{open(t, objects.NewFolder(t.TempDir())), open(t, &objects.Memory{}), open(t, s3.New(server.Client, server.Bucket, "plain")), cached, cached} {
		var snap *lake.Snapshot[event.Price]
		if i < 4 {
			snap = barsOf(t, l, 500, 4)
		} else {
			snap, _ = l.Prices.Snapshot(t.Context(), -1)
		}
		got := scanned(t, snap, o)
		if i == 0 {
			want = got
		}
		if len(got) < 100 || !slices.Equal(got, want) {
			t.Errorf("lake %d gives %d rows, the first %d, or others", i, len(got), len(want))
		}
	}
}

// TestScanStatisticsAreHints: whatever stands in a file's statistics that cannot be, the file is read.
func TestScanStatisticsAreHints(t *testing.T) {
	snap := barsOf(t, open(t, &objects.Memory{}), 100, 2)
	o := Options{Columns: []string{"event_id"}, Kinds: []event.Kind{event.BarRecorded}, KeyFrom: "S05", From: time.Date(2025, 1, 3, 0, 0, 0, 0, time.UTC), Ordered: true}
	want := scanned(t, snap, o)
	if len(want) < 20 {
		t.Fatalf("%d rows", len(want))
	}
	for _, stats := range []string{"", "nonsense", "{}", `{"minValues":7}`, `{"minValues":{"key":7,"kind":null,"occurred_at":"soon"},"maxValues":{"key":[1]}}`,
		`{"minValues":{"key":"Z"},"maxValues":{"key":"A"}}`, `{"minValues":{"occurred_at":"2030-01-01T00:00:00Z"},"maxValues":{"occurred_at":"2020-01-01T00:00:00Z"}}`} {
		for _, f := range snap.Files {
			f.Stats = stats
		}
		if got := scanned(t, snap, o); !slices.Equal(got, want) {
			t.Errorf("with statistics %s: %d rows, want %d", stats, len(got), len(want))
		}
	}
}

// TestScanPrunes: files whose statistics exclude a match are not even opened.
func TestScanPrunes(t *testing.T) {
	dir := t.TempDir()
	l := open(t, objects.NewFolder(dir))
	head := int64(-1)
	for day := 1; day <= 5; day++ {
		b := bar("AAPL", day, 100)
		event.Seal(&b, "")
		var err error
		if head, err = l.Prices.Append(t.Context(), head, []event.Price{b}); err != nil {
			t.Fatal(err)
		}
	}
	snap, err := l.Prices.Snapshot(t.Context(), -1)
	if err != nil {
		t.Fatal(err)
	}
	third := event.NewDate(2025, time.January, 3).Time()
	for _, f := range snap.Files {
		if !strings.Contains(f.Stats, "2025-01-03") {
			if err := os.Remove(filepath.Join(dir, "prices", f.Path)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := scanned(t, snap, Options{Columns: []string{"key"}, From: third, To: third.AddDate(0, 0, 1)}); len(got) != 1 {
		t.Errorf("%d rows of the third, want 1", len(got))
	}
	var failed error
	for _, err := range plan(t, snap, Options{}).Records(t.Context()) {
		failed = err
	}
	if !errors.Is(failed, lake.ErrDamaged) || !strings.Contains(failed.Error(), "is missing") {
		t.Errorf("files are missing: %v", failed)
	}
}

// TestScanColumnAddedLater: an older file gives null in columns and nested fields that it lacks.
func TestScanColumnAddedLater(t *testing.T) {
	snap := barsOf(t, open(t, &objects.Memory{}), 10, 1)
	schema, err := snap.Schema()
	if err != nil {
		t.Fatal(err)
	}
	schema = strings.Replace(schema, `"fields":[`, `"fields":[{"name":"added","type":"string","nullable":true,"metadata":{}},`+
		`{"name":"odd","type":"decimal(10,2)","nullable":true,"metadata":{}},`+
		`{"name":"nested","type":{"type":"array","elementType":{"type":"struct","fields":[{"name":"x","type":"double","nullable":true,"metadata":{}}]},"containsNull":true},"nullable":true,"metadata":{}},`, 1)
	for _, o := range []Options{{Columns: []string{"added", "nested"}}, {Columns: []string{"added", "key"}, Keys: []string{"S03"}}, {Columns: []string{"nested"}, Ordered: true}} {
		scan := plan(t, snap, Options{})
		scan.options, scan.filter = o, newFilter(o)
		if err := scan.plan(schema); err != nil {
			t.Fatal(err)
		}
		rows := int64(0)
		for rec, err := range scan.Records(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			if rows += rec.NumRows(); rec.Column(0).NullN() != int(rec.NumRows()) {
				t.Errorf("%v: column %s is not null", o.Columns, rec.ColumnName(0))
			}
		}
		if want := int64(10); o.Keys == nil && rows != want || rows == 0 {
			t.Errorf("%v: %d rows", o.Columns, rows)
		}
	}
	if _, err := New(snap, Options{Columns: []string{"nonsense"}}); err == nil || !strings.Contains(err.Error(), `no column "nonsense": there are event_id, kind, key`) {
		t.Errorf("an unknown column: %v", err)
	}
	for _, names := range [][]string{nil, {"odd"}} {
		scan := plan(t, snap, Options{})
		scan.options.Columns = names
		if err := scan.plan(schema); !errors.Is(err, lake.ErrSchemaDrift) || !strings.Contains(err.Error(), `"odd"`) {
			t.Errorf("columns %v of a type that a scan cannot read: %v", names, err)
		}
	}
}

// TestScanStops: a scan ends when its context does, when its reader has enough, and at a damaged file.
func TestScanStops(t *testing.T) {
	dir := t.TempDir()
	snap := barsOf(t, open(t, objects.NewFolder(dir)), 600, 6)
	for _, ordered := range []bool{false, true} {
		ctx, cancel := context.WithCancel(t.Context())
		var last error
		for rec, err := range plan(t, snap, Options{Ordered: ordered, Workers: 1}).Records(ctx) {
			if last = err; rec != nil {
				cancel()
			}
		}
		if cancel(); !ordered && !errors.Is(last, context.Canceled) {
			t.Errorf("after the context ended: %v", last)
		}
		for range plan(t, snap, Options{Ordered: ordered}).Records(t.Context()) {
			break
		}
	}
	file := filepath.Join(dir, "prices", snap.Files[3].Path)
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	// Other bytes than the log says are refused; and without a hash in the log, whatever the Parquet library does with them.
	for i := range 40 {
		broken := bytes.Clone(whole)
		at := len(broken) * i / 40
		copy(broken[at:], "damaged damaged damaged")
		if err := os.WriteFile(file, broken, 0o644); err != nil {
			t.Fatal(err)
		}
		var last error
		fresh, err := open(t, objects.NewFolder(dir)).Prices.Snapshot(t.Context(), -1)
		if err != nil {
			t.Fatal(err)
		}
		if i%2 == 1 {
			fresh.Files[3].Tags = nil
		}
		for _, err := range plan(t, fresh, Options{}).Records(t.Context()) {
			last = err
		}
		if i%2 == 0 && !errors.Is(last, lake.ErrDamaged) {
			t.Errorf("damaged at byte %d: %v", at, last)
		}
	}
}

// TestRetracted: what was retracted, by event or by batch, is not there unless it is asked for, whatever
// else the scan leaves out.
func TestRetracted(t *testing.T) {
	l := open(t, &objects.Memory{})
	snap := barsOf(t, l, 30, 3)
	ids := scanned(t, snap, Options{Columns: []string{"event_id"}, Ordered: true})
	first, err := l.Prices.Read(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	gone := event.Price{Envelope: event.Envelope{Kind: event.Retracted, Key: "wrong", Source: "operator", OccurredAt: time.Date(2025, 3, 1, 0, 0, 0, 0, time.UTC)}}
	gone.RetractedBatch = first.Events[0].BatchID
	one := gone
	one.RetractedBatch, one.RetractedEvents = "", []string{first.Events[0].EventID, "not there"}
	for _, id := range ids {
		if !strings.Contains(id, first.Events[0].EventID) {
			one.RetractedEvents = append(one.RetractedEvents, strings.Split(id, `"`)[3])
			break
		}
	}
	for i, e := range []event.Price{gone, one} {
		event.Seal(&e, "")
		if _, err := l.Prices.Append(t.Context(), int64(3+i), []event.Price{e}); err != nil {
			t.Fatal(err)
		}
	}
	if snap, err = l.Prices.Snapshot(t.Context(), -1); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		o    Options
		want int
	}{
		"all":         {Options{Columns: []string{"close"}}, 30 - 10 - 1 + 2},
		"bars":        {Options{Columns: []string{"close"}, Kinds: []event.Kind{event.BarRecorded}}, 30 - 10 - 1},
		"asked for":   {Options{Retracted: true}, 32},
		"retractions": {Options{Kinds: []event.Kind{event.Retracted}}, 2},
		"in order":    {Options{Columns: []string{"close"}, Ordered: true}, 21},
	} {
		if got := len(scanned(t, snap, c.o)); got != c.want {
			t.Errorf("%s: %d events, want %d", name, got, c.want)
		}
	}
	if snap, err = l.Prices.Snapshot(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	if got := len(scanned(t, snap, Options{})); got != 30 {
		t.Errorf("before the retraction: %d events, want 30", got)
	}
}

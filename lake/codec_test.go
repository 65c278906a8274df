package lake

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"pgregory.net/rapid"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/objects"
)

func TestSchemaString(t *testing.T) {
	s := schemaString[event.Prediction]()
	for _, want := range []string{
		`{"name":"event_id","type":"string","nullable":true,"metadata":{}}`,
		`{"name":"recorded_at","type":"timestamp","nullable":true,"metadata":{}}`,
		`{"name":"confidence","type":"double","nullable":true,"metadata":{}}`,
		`{"name":"attempt","type":"integer","nullable":true,"metadata":{}}`,
		`{"name":"cost_micros","type":"long","nullable":true,"metadata":{}}`,
		`{"name":"terminal","type":"boolean","nullable":true,"metadata":{}}`,
		`{"name":"requeues","type":{"type":"array","elementType":"string","containsNull":true},"nullable":true,"metadata":{}}`,
		`{"name":"assets","type":{"type":"array","elementType":{"type":"struct","fields":[{"name":"symbol","type":"string"`,
	} {
		if !strings.Contains(s, want) {
			t.Errorf("schema lacks %s:\n%s", want, s)
		}
	}
	if !strings.Contains(schemaString[event.Price](), `{"name":"session_date","type":"date"`) {
		t.Error("session_date is no date")
	}
}

// TestColumnNames: names must be unique ignoring case, or delta-kernel refuses the table.
func TestColumnNames(t *testing.T) {
	for _, s := range []*parquet.Schema{parquet.SchemaOf(event.Post{}), parquet.SchemaOf(event.Prediction{}), parquet.SchemaOf(event.Price{})} {
		seen := map[string]bool{}
		for _, f := range s.Fields() {
			if n := strings.ToLower(f.Name()); seen[n] {
				t.Errorf("%s: column %q stands twice", s.Name(), f.Name())
			} else {
				seen[n] = true
			}
		}
	}
}

func TestMergeSchema(t *testing.T) {
	ours := schemaString[event.Price]()
	if merged, changed, err := mergeSchema(ours, ours); err != nil || changed || merged == "" {
		t.Errorf("the same schema: changed %v, %v", changed, err)
	}
	older := strings.Replace(ours, `{"name":"ratio","type":"double","nullable":true,"metadata":{}},`, "", 1)
	merged, changed, err := mergeSchema(older, ours)
	if err != nil || !changed || !strings.HasSuffix(merged, `{"name":"ratio","type":"double","nullable":true,"metadata":{}}]}`) {
		t.Errorf("a new column: changed %v, %v, %s", changed, err, merged)
	}
	newer := strings.Replace(ours, `"fields":[`, `"fields":[{"name":"from_the_future","type":"string","nullable":true,"metadata":{}},`, 1)
	if merged, changed, err := mergeSchema(newer, ours); err != nil || changed || !strings.Contains(merged, "from_the_future") {
		t.Errorf("a column that we do not know: changed %v, %v", changed, err)
	}
	drifted := strings.Replace(ours, `{"name":"close","type":"double"`, `{"name":"close","type":"string"`, 1)
	if _, _, err := mergeSchema(drifted, ours); err == nil || !strings.Contains(err.Error(), `"close"`) {
		t.Errorf("another type: %v, want a refusal naming the column", err)
	}
}

func TestStatsAreBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		keys := rapid.SliceOfN(rapid.StringN(0, 60, -1), 1, 6).Draw(t, "keys")
		us := rapid.SliceOfN(rapid.Int64Range(1e15, 2e15), len(keys), len(keys)).Draw(t, "µs")
		events := make([]event.Price, len(keys))
		for i := range events {
			events[i].Key, events[i].OccurredAt, events[i].RecordedAt = keys[i], time.UnixMicro(us[i]), time.UnixMicro(us[i])
		}
		var s fileStats
		if err := json.Unmarshal([]byte(stats(events)), &s); err != nil {
			t.Fatal(err)
		}
		if s.NumRecords != int64(len(events)) || rowsOf(stats(events)) != s.NumRecords {
			t.Fatalf("numRecords = %d", s.NumRecords)
		}
		lo, err1 := time.Parse(statsTime, s.MinValues["occurred_at"])
		hi, err2 := time.Parse(statsTime, s.MaxValues["occurred_at"])
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		maxKey, bounded := s.MaxValues["key"]
		for _, e := range events {
			if e.Key < s.MinValues["key"] && validUTF8(e.Key) || bounded && e.Key > maxKey && validUTF8(e.Key) || e.OccurredAt.Before(lo) || e.OccurredAt.After(hi) {
				t.Fatalf("event %q at %v is outside %v", e.Key, e.OccurredAt, s)
			}
		}
	})
}

func validUTF8(s string) bool { return strings.ToValidUTF8(s, "") == s }

func TestRowsOfForeignStats(t *testing.T) {
	for s, want := range map[string]int64{`{"numRecords":3}`: 3, ``: -1, `{}`: -1, `{"numRecords":-1}`: -1, `nonsense`: -1, `{"numRecords":"3"}`: -1} {
		if got := rowsOf(s); got != want {
			t.Errorf("rowsOf(%q) = %d, want %d", s, got, want)
		}
	}
}

// update writes the frozen sample of a new schema version. An existing one is never overwritten.
var update = flag.Bool("freeze", false, "write the frozen sample file of this schema version, if there is none")

// TestFrozenSamples: every file that was ever written must decode for ever, to the same events.
func TestFrozenSamples(t *testing.T) {
	frozen(t, "posts-v1", []event.Post{samplePost()})
	frozen(t, "predictions-v1", []event.Prediction{samplePrediction()})
	frozen(t, "prices-v1", []event.Price{bar("AAPL", 9, 242.7)})
}

func frozen[E event.Event](t *testing.T, name string, events []E) {
	t.Helper()
	file := filepath.Join("testdata", name+".parquet")
	if _, err := os.Stat(file); os.IsNotExist(err) && *update {
		for i := range events {
			event.Seal(&events[i], "")
			v := event.EnvelopeOf(&events[i])
			v.RecordedAt, v.Producer, v.BatchID = time.UnixMicro(1_736_000_000_000_001).UTC(), "test@1", "batch"
		}
		data, err := encode(events)
		if err != nil {
			t.Fatal(err)
		}
		golden, err := json.MarshalIndent(events, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		for path, content := range map[string][]byte{file: data, file + ".golden.json": append(golden, '\n')} {
			if err := os.WriteFile(path, content, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	got, err := decode[E](data)
	if err != nil {
		t.Fatal(err)
	}
	golden, err := os.ReadFile(file + ".golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var want []E
	if err := json.Unmarshal(golden, &want); err != nil {
		t.Fatal(err)
	}
	a, _ := json.Marshal(got)
	b, _ := json.Marshal(want)
	// An empty list reads as [], in the golden file it may be null.
	if norm := func(j []byte) string { return strings.ReplaceAll(string(j), "[]", "null") }; norm(a) != norm(b) {
		t.Errorf("%s decodes to\n%s\nwant\n%s", file, a, b)
	}
}

func samplePost() event.Post {
	n, yes := int64(12), true
	p := event.Post{Envelope: event.Envelope{Kind: event.PostObserved, Key: "113796110000000000", Source: "simulator", Synthetic: true},
		PostID: "113796110000000000", Text: "Tariffs — beautiful!", HTML: "<p>Tariffs — beautiful!</p>", Favourites: &n, AccountVerified: &yes,
		MediaURLs: []string{"https://example.com/a.jpg"}, Tags: []string{"tariffs"}}
	at, _ := event.PublishedAt(p.PostID)
	p.PublishedAt, p.OccurredAt, p.SourceCreatedAt = at, at, at
	p.SetPayload([]byte(`{"id":"113796110000000000"}`))
	return p
}

func samplePrediction() event.Prediction {
	c, zero := 0.75, int64(0)
	at := time.Date(2025, 1, 9, 15, 0, 0, 123456000, time.UTC)
	id := event.PredictionID("113796110000000000", "rules", "builtin", "m", "v")
	return event.Prediction{Envelope: event.Envelope{Kind: event.PredictionMade, Key: id, Source: "rules", OccurredAt: at}, PredictionID: id,
		PostID: "113796110000000000", PublishedAt: at, Analyzer: "rules", Provider: "builtin", Model: "m", PromptVersion: "v", Confidence: &c,
		Thesis: "t", CostMicros: &zero, Assets: []event.Asset{{Symbol: "FXI", Sentiment: event.Bearish, Rationale: "r"}, {Symbol: "SPY"}},
		Dropped: []event.Drop{{Symbol: "GOLD", Reason: "concept"}}}
}

func FuzzDecodeParquet(f *testing.F) {
	e := bar("A", 1, 10)
	event.Seal(&e, "")
	data, err := encode([]event.Price{e})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add(data[:len(data)-5])
	f.Add(bytes.Repeat([]byte("PAR1"), 4))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _ = decode[event.Price](data) // must neither panic nor ask for unbounded memory
	})
}

func TestJSONLeavesOutNulls(t *testing.T) {
	p := samplePrediction()
	event.Seal(&p, "")
	line, err := JSON(&p)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(line, &got); err != nil {
		t.Fatalf("%v in %s", err, line)
	}
	if got["cost_micros"] != 0.0 || got["confidence"] != 0.75 || got["key"] != p.Key {
		t.Errorf("columns are wrong: %s", line)
	}
	if _, ok := got["bypass_reason"]; ok {
		t.Errorf("a null column is printed: %s", line)
	}
	if a := got["assets"].([]any)[1].(map[string]any); len(a) != 1 {
		t.Errorf("second asset = %v, want a symbol alone", a)
	}
}

func TestOpenStoreURLs(t *testing.T) {
	for _, bad := range []string{"", "s3://", "http://x/y", "file://host/x", "gs://b/p"} {
		if _, _, err := OpenStore(t.Context(), bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	store, canonical, err := OpenStore(t.Context(), "data/lake")
	if _, ok := store.(*objects.Folder); !ok || err != nil || !strings.HasPrefix(canonical, "file:///") || !strings.HasSuffix(canonical, "/data/lake") {
		t.Errorf("a folder: %T, %q, %v", store, canonical, err)
	}
	if again, _, err := OpenStore(t.Context(), canonical); err != nil || again.(*objects.Folder).Path("x") != store.(*objects.Folder).Path("x") {
		t.Errorf("the canonical URL opens another place: %v", err)
	}
}

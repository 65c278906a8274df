package scan

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/objects"
)

func open(t testing.TB, store objects.Store) *lake.Lake {
	t.Helper()
	return lake.New(store, "test", lake.Options{Producer: "test@1"})
}

func plan[E event.Event](t testing.TB, s *lake.Snapshot[E], o Options) *Scan {
	t.Helper()
	scan, err := New(s, o)
	if err != nil {
		t.Fatal(err)
	}
	return scan
}

// scanned renders the rows of a scan as JSON texts.
func scanned[E event.Event](t testing.TB, s *lake.Snapshot[E], o Options) (rows []string) {
	t.Helper()
	for rec, err := range plan(t, s, o).Records(t.Context()) {
		if err != nil {
			t.Fatalf("scan %+v: %v", o, err)
		}
		if rec.NumRows() == 0 {
			t.Error("an empty record")
		}
		for i := range int(rec.NumRows()) {
			rows = append(rows, only(t, string(appendObject(nil, rec.Schema().Fields(), rec.Columns(), i)), o.Columns))
		}
	}
	return rows
}

// randomPrediction is an event of one of three kinds, with nested columns filled or not.
func randomPrediction(rt *rapid.T, i int) event.Prediction {
	at := time.UnixMicro(rapid.Int64Range(1.7e15, 1.7e15+5e6).Draw(rt, "at")).UTC()
	key := fmt.Sprintf("%s%d", strings.Repeat("p", rapid.IntRange(0, 40).Draw(rt, "long")), rapid.IntRange(0, 6).Draw(rt, "key"))
	p := event.Prediction{Envelope: event.Envelope{Key: key, Source: "rules", OccurredAt: at}, PredictionID: key, PostID: "1", PublishedAt: at}
	switch rapid.IntRange(0, 2).Draw(rt, "kind") {
	case 0:
		conf := rapid.Float64Range(0, 1).Draw(rt, "confidence")
		p.Kind, p.Analyzer, p.Confidence, p.Thesis = event.PredictionMade, "rules", &conf, rapid.StringN(0, 8, 20).Draw(rt, "thesis")
		for n := range rapid.IntRange(0, 3).Draw(rt, "assets") {
			p.Assets = append(p.Assets, event.Asset{Symbol: fmt.Sprint("S", n), Sentiment: rapid.SampledFrom([]string{"", event.Bullish, event.Neutral}).Draw(rt, "sentiment")})
		}
	case 1:
		p.Kind, p.BypassReason = event.PostBypassed, "Retruth"
	case 2:
		p.Kind, p.FailureClass, p.Attempt = event.AnalysisFailed, "timeout", int32(i+1)
	}
	event.Seal(&p, "")
	return p
}

// TestScanEqualsBatches: whatever is asked for, a scan yields what folding the events one by one does,
// in one codec (arrow) as in the other (parquet-go).
func TestScanEqualsBatches(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		l := open(t, &objects.Memory{})
		head := int64(-1)
		var ids []string // of events and batches, to be retracted
		for n := range rapid.IntRange(0, 4).Draw(rt, "appends") {
			var batch []event.Prediction
			for i := range rapid.IntRange(1, 12).Draw(rt, "events") {
				batch = append(batch, randomPrediction(rt, i))
				ids = append(ids, batch[i].EventID)
			}
			if n > 0 && rapid.Bool().Draw(rt, "retract") {
				batch = append(batch, retraction(rt, ids))
			}
			var err error
			if head, err = l.Predictions.Append(t.Context(), head, batch); err != nil {
				rt.Fatal(err)
			}
			c, err := l.Predictions.Read(t.Context(), head)
			if err != nil {
				rt.Fatal(err)
			}
			ids = append(ids, c.Events[0].BatchID)
		}
		snap, err := l.Predictions.Snapshot(t.Context(), -1)
		if err != nil {
			rt.Fatal(err)
		}
		o := randomOptions(rt)
		want := folded(t, snap, o)
		ordered := o
		ordered.Ordered = true
		if got := scanned(t, snap, ordered); !slices.Equal(got, want) {
			rt.Fatalf("ordered scan %+v:\n%s\nwant\n%s", o, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		got := scanned(t, snap, o)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			rt.Fatalf("scan %+v:\n%s\nwant\n%s", o, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}

// retraction takes back some of the events and at most one of the batches.
func retraction(rt *rapid.T, ids []string) event.Prediction {
	p := event.Prediction{Envelope: event.Envelope{Kind: event.Retracted, Key: "wrong", Source: "operator", OccurredAt: time.UnixMicro(1.7e15).UTC()}}
	p.RetractedEvents = rapid.SliceOfNDistinct(rapid.SampledFrom(ids), 1, 4, rapid.ID[string]).Draw(rt, "retracted")
	if rapid.Bool().Draw(rt, "by batch") {
		p.RetractedBatch, p.RetractedEvents = rapid.SampledFrom(ids).Draw(rt, "batch"), nil
	}
	event.Seal(&p, "")
	return p
}

func randomOptions(rt *rapid.T) (o Options) {
	columns := []string{"event_id", "kind", "key", "occurred_at", "assets", "confidence", "thesis", "attempt", "terminal", "requeues", "published_at", "dropped"}
	for _, c := range rapid.SliceOfDistinct(rapid.SampledFrom(columns), rapid.ID[string]).Draw(rt, "columns") {
		o.Columns = append(o.Columns, c)
	}
	if len(o.Columns) == 0 {
		o.Columns = nil
	}
	o.Kinds = rapid.SliceOfN(rapid.SampledFrom([]event.Kind{event.PredictionMade, event.PostBypassed, event.AnalysisFailed, "nothing"}), 0, 2).Draw(rt, "kinds")
	key := rapid.Custom(func(rt *rapid.T) string {
		return strings.Repeat("p", rapid.IntRange(0, 40).Draw(rt, "long")) + fmt.Sprint(rapid.IntRange(0, 6).Draw(rt, "key"))
	})
	o.Retracted = rapid.Bool().Draw(rt, "retracted too")
	if rapid.Bool().Draw(rt, "by key") {
		o.Keys = rapid.SliceOfN(key, 0, 3).Draw(rt, "keys")
	}
	if rapid.Bool().Draw(rt, "by range") {
		o.KeyFrom, o.KeyTo = key.Draw(rt, "from"), key.Draw(rt, "to")
	}
	bound := rapid.Custom(func(rt *rapid.T) time.Time {
		return time.Unix(0, rapid.Int64Range(1.7e18, 1.7e18+5e9).Draw(rt, "bound"))
	})
	if rapid.Bool().Draw(rt, "by time") {
		o.From = bound.Draw(rt, "from time")
	}
	if rapid.Bool().Draw(rt, "to time") {
		o.To = bound.Draw(rt, "to time")
	}
	return o
}

// folded filters the events of Batches by the plain words of Options, and renders what a scan of
// a table with these events alone, without any filter, says.
func folded(t testing.TB, s *lake.Snapshot[event.Prediction], o Options) []string {
	t.Helper()
	var all, events []event.Prediction
	gone := map[string]bool{}
	for batch, err := range s.Batches(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, batch...)
	}
	for _, e := range all {
		for _, id := range append(e.RetractedEvents, e.RetractedBatch) {
			gone[id] = id != "" && !o.Retracted
		}
	}
	for _, e := range all {
		if !gone[e.EventID] && !gone[e.BatchID] || e.Kind == event.Retracted {
			if (len(o.Kinds) == 0 || slices.Contains(o.Kinds, e.Kind)) && (len(o.Keys) == 0 || slices.Contains(o.Keys, e.Key)) &&
				e.Key >= o.KeyFrom && (o.KeyTo == "" || e.Key < o.KeyTo) &&
				(o.From.IsZero() || !e.OccurredAt.Before(o.From)) && (o.To.IsZero() || e.OccurredAt.Before(o.To)) {
				events = append(events, e)
			}
		}
	}
	slices.SortFunc(events, func(a, b event.Prediction) int {
		return cmp.Or(strings.Compare(a.Key, b.Key), a.OccurredAt.Compare(b.OccurredAt), a.RecordedAt.Compare(b.RecordedAt), strings.Compare(a.EventID, b.EventID))
	})
	rows := make([]string, len(events))
	for i := range events {
		b, err := lake.JSON(&events[i])
		if err != nil {
			t.Fatal(err)
		}
		rows[i] = only(t, string(b), o.Columns)
	}
	return rows
}

// only renders a JSON object again with the columns asked for, and without what is zero or empty: such
// a value of an optional column is the same as null, and the encoder writes now one and now the other.
func only(t testing.TB, object string, columns []string) string {
	t.Helper()
	all := map[string]any{}
	if err := json.Unmarshal([]byte(object), &all); err != nil {
		t.Fatalf("%v: %s", err, object)
	}
	maps.DeleteFunc(all, func(name string, v any) bool {
		list, isList := v.([]any)
		zero := v == nil || !isList && slices.Contains([]any{"", 0.0, false, "0001-01-01T00:00:00Z", "1970-01-01"}, v)
		return zero || isList && len(list) == 0 || columns != nil && !slices.Contains(columns, name)
	})
	b, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

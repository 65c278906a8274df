package replay

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/event"
)

func openLake(t *testing.T) (l *lake.Lake, folder string) {
	t.Helper()
	folder = t.TempDir()
	l, err := lake.Open(t.Context(), folder, lake.Options{Producer: "test@1"})
	if err != nil {
		t.Fatal(err)
	}
	return l, folder
}

// predictions have every kind of column: lists of structs, pointers, times, texts.
func prediction(rng *rand.Rand, i int) event.Prediction {
	at := time.Date(2025, 1, 1, 0, 0, rng.IntN(1000), 0, time.UTC)
	e := event.Prediction{PredictionID: fmt.Sprintf("p%03d", rng.IntN(80)), PostID: "1", PublishedAt: at}
	e.Kind, e.Key, e.Source, e.OccurredAt = event.PostBypassed, e.PredictionID, "rules", at
	e.BypassReason = fmt.Sprint("reason ", i)
	if i%3 > 0 {
		confidence, cost := rng.Float64(), rng.Int64N(1000)
		e.Kind, e.Analyzer, e.Confidence, e.BypassReason = event.PredictionMade, "llm", &confidence, ""
		e.Thesis = fmt.Sprint("thesis ", i)
		if i%2 == 0 {
			e.CostMicros = &cost
		}
		for a := range rng.IntN(4) {
			e.Assets = append(e.Assets, event.Asset{Symbol: fmt.Sprint("S", a), Sentiment: []string{"", event.Bullish}[rng.IntN(2)]})
		}
	}
	e.SetPayload(fmt.Appendf(nil, "{%d}", i))
	event.Seal(&e, "")
	return e
}

func appendAll(t *testing.T, s *lake.Stream[event.Prediction], batches ...[]event.Prediction) {
	t.Helper()
	for _, b := range batches {
		head, err := s.Head(t.Context())
		if err == nil {
			_, err = s.Append(t.Context(), head, b)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func snapshot(t *testing.T, l *lake.Lake) *lake.Snapshot[event.Prediction] {
	t.Helper()
	snap, err := l.Predictions.Snapshot(t.Context(), -1)
	if err != nil {
		t.Fatal(err)
	}
	return snap
}

// Whatever is compacted and whatever fits into memory, the events are those of the snapshot, sorted, and no
// temporary file stays.
func TestEventsAreSorted(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	rng := rand.New(rand.NewPCG(1, 2))
	l, _ := openLake(t)
	for round := range 3 {
		var batches [][]event.Prediction
		for range 9 {
			var b []event.Prediction
			for range 1 + rng.IntN(300) {
				b = append(b, prediction(rng, rng.IntN(1000)))
			}
			batches = append(batches, b)
		}
		appendAll(t, l.Predictions, batches...)
		snap := snapshot(t, l)
		var want []event.Prediction
		for events, err := range snap.Batches(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, events...)
		}
		slices.SortFunc(want, func(a, b event.Prediction) int { return lake.Compare(&a, &b) })
		for _, limits := range []Limits{DefaultLimits(), {SortBytes: 1, Open: 2}, {SortBytes: 200_000, Open: 3}} {
			var got []event.Prediction
			for e, err := range Events(t.Context(), snap, limits) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, *e)
			}
			slices.SortStableFunc(got, func(a, b event.Prediction) int { return lake.Compare(&a, &b) }) // equal ones only
			compare(t, fmt.Sprintf("round %d, limits %+v", round, limits), got, want)
		}
		if left, _ := filepath.Glob(temp + "/projector-*"); left != nil {
			t.Errorf("left behind: %v", left)
		}
		if _, err := l.Predictions.Compact(t.Context(), lake.CompactOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}

func compare(t *testing.T, what string, got, want []event.Prediction) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d events, want %d", what, len(got), len(want))
	}
	for i := range got {
		a, b := got[i], want[i]
		if len(a.Assets)+len(b.Assets) == 0 { // nil and empty are one
			a.Assets, b.Assets = nil, nil
		}
		a.Dropped, b.Dropped, a.Requeues, b.Requeues, a.RetractedEvents, b.RetractedEvents = nil, nil, nil, nil, nil, nil
		if !reflect.DeepEqual(a, b) {
			t.Fatalf("%s: event %d is\n%+v\nwant\n%+v", what, i, a, b)
		}
	}
}

func TestEventsComeInOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	l, _ := openLake(t)
	for range 5 {
		var b []event.Prediction
		for range 700 {
			b = append(b, prediction(rng, rng.IntN(1000)))
		}
		appendAll(t, l.Predictions, b)
	}
	var last *event.Prediction
	n := 0
	for e, err := range Events(t.Context(), snapshot(t, l), Limits{SortBytes: 300_000, Open: 2}) {
		if err != nil {
			t.Fatal(err)
		}
		if last != nil && lake.Compare(last, e) > 0 {
			t.Fatalf("event %d stands before the one ahead of it", n)
		}
		last, n = e, n+1
	}
	if n != 3500 {
		t.Errorf("%d events, want 3500", n)
	}
}

// Select finds every match and nothing else, in files of several pieces and row groups.
func TestSelect(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	l, _ := openLake(t)
	want := map[string]int{}
	for range 3 {
		var b []event.Prediction
		for i := range 4000 {
			e := prediction(rng, 3)
			if i%1700 == 77 || i/600 == 3 {
				e.Key, e.PredictionID = "wanted", "wanted"
				event.Seal(&e, "")
				want[e.EventID]++
			}
			b = append(b, e)
		}
		appendAll(t, l.Predictions, b)
	}
	for range 2 {
		got := map[string]int{}
		for e, err := range Select(t.Context(), snapshot(t, l), func(kind event.Kind, key string) bool { return key == "wanted" && kind == event.PostBypassed }) {
			if err != nil {
				t.Fatal(err)
			}
			got[e.EventID]++
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%d different events, want %d", len(got), len(want))
		}
		if _, err := l.Predictions.Compact(t.Context(), lake.CompactOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	for range Select(t.Context(), snapshot(t, l), func(event.Kind, string) bool { return true }) {
		break // an early end is no error
	}
}

func TestDamageIsNamed(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for name, spoil := range map[string]func([]byte) []byte{
		"cut":       func(b []byte) []byte { return b[:len(b)/2] },
		"no footer": func(b []byte) []byte { return append(b[:len(b)-8:len(b)-8], "\xff\xff\xff\xffPAR1"...) },
		"flipped":   func(b []byte) []byte { b[len(b)/3] ^= 0x40; return b },
		"empty":     func([]byte) []byte { return nil },
	} {
		l, folder := openLake(t)
		appendAll(t, l.Predictions, []event.Prediction{prediction(rng, 1), prediction(rng, 2), prediction(rng, 3)})
		snap := snapshot(t, l)
		path := filepath.Join(folder, "predictions", snap.Files[0].Path)
		data, err := os.ReadFile(path)
		if err == nil {
			err = os.WriteFile(path, spoil(data), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
		fresh, err := lake.Open(t.Context(), folder, lake.Options{ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		if err := first(Events(t.Context(), snapshot(t, fresh), DefaultLimits())); !errors.Is(err, lake.ErrDamaged) {
			t.Errorf("%s: Events says %v, want lake.ErrDamaged", name, err)
		}
		if err := first(Select(t.Context(), snapshot(t, fresh), func(event.Kind, string) bool { return true })); !errors.Is(err, lake.ErrDamaged) {
			t.Errorf("%s: Select says %v, want lake.ErrDamaged", name, err)
		}
	}
}

func first(events func(func(*event.Prediction, error) bool)) (err error) {
	for _, err = range events {
		break
	}
	return err
}

func TestCancelled(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 9))
	l, _ := openLake(t)
	var b []event.Prediction
	for range 3000 {
		b = append(b, prediction(rng, 1))
	}
	appendAll(t, l.Predictions, b)
	snap := snapshot(t, l)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := first(Events(ctx, snap, DefaultLimits())); !errors.Is(err, context.Canceled) {
		t.Errorf("Events says %v, want context.Canceled", err)
	}
}

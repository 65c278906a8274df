package prices_test

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/producers/prices"
	"shitpost-alpha/producers/prices/simulator"
)

// TestManySteps prices simulated symbols day by day through their splits, and compares the newest bars
// with what the simulator says at the end, over the splits after them: the same.
func TestManySteps(t *testing.T) {
	b := newBench(t, "2025-06-02T21:00:00Z")
	source := simulator.New(1, calendar, b.clock)
	symbols := splitting(t, 3, day(t, "2025-06-05"), day(t, "2025-07-10"))
	b.predict("2025-06-02T14:00:00Z", symbols...)
	p := b.pricer(source)
	for i := range 16 {
		b.now = b.now.Add(time.Duration(min(i, 1)) * 4 * 24 * time.Hour)
		if _, err := p.Step(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	b.step(p, 0)

	type bar struct {
		symbol string
		day    event.Date
	}
	newest := map[bar]event.Price{}
	corrected := 0
	for _, e := range b.kind(event.BarRecorded) {
		k := bar{e.Symbol, e.SessionDate}
		old, again := newest[k]
		if again {
			corrected++
		}
		if !again || e.After(&old.Envelope) {
			newest[k] = e
		}
	}
	if corrected < 3*200 {
		t.Errorf("%d bars were recorded again, want all those before three splits", corrected)
	}
	through, _ := calendar.LastFinal("SPY", b.now)
	for _, symbol := range symbols {
		drafts, err := source.Bars(context.Background(), symbol, calendar.First(), through)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range drafts {
			e, ok := newest[bar{symbol, d.SessionDate}]
			if d.Kind != event.BarRecorded || !ok {
				continue
			}
			ratio := 1.0
			for _, s := range drafts {
				if s.Kind == event.SplitRecorded && s.SessionDate > e.AdjustedThrough {
					ratio *= s.Ratio
				}
			}
			if math.Abs(*e.Close/ratio-*d.Close) > 0.0002 {
				t.Fatalf("%s %s: %v through %s in the lake, %v at the end", symbol, d.SessionDate, *e.Close, e.AdjustedThrough, *d.Close)
			}
		}
	}
}

// splitting returns n symbols that the simulator splits between the two days.
func splitting(t *testing.T, n int, from, to event.Date) (symbols []string) {
	t.Helper()
	source := simulator.New(1, calendar, func() time.Time { return to.Time().Add(48 * time.Hour) })
	for i := range 5000 {
		symbol := fmt.Sprintf("S%d", i)
		drafts, _ := source.Bars(context.Background(), symbol, from, from)
		for _, e := range drafts {
			if e.Kind == event.SplitRecorded && e.SessionDate >= from && e.SessionDate <= to {
				symbols = append(symbols, symbol)
			}
		}
		if len(symbols) == n {
			return symbols
		}
	}
	t.Fatalf("the simulator splits only %v", symbols)
	return nil
}

// TestDryRun reports what the real run then appends, and appends nothing.
func TestDryRun(t *testing.T) {
	b := newBench(t, "2025-12-11T21:30:00Z")
	b.predict("2025-12-01T14:00:00Z", "NVDA", "NOPE")
	config := prices.Config{Lake: b.lake, Calendar: calendar, Sources: []prices.Source{simulator.New(1, calendar, b.clock)}, Now: b.clock, DryRun: true}
	dry := prices.New(config)
	n, err := dry.Step(context.Background())
	if err != nil || n == 0 || len(b.events()) != 0 {
		t.Fatalf("%d, %v, %d events in the lake", n, err, len(b.events()))
	}
	config.DryRun = false
	real := prices.New(config)
	b.step(real, n)
	if dry.Report() != real.Report() {
		t.Errorf("the dry run reported %+v, the real one %+v", dry.Report(), real.Report())
	}
	for _, e := range b.events() {
		if !e.Synthetic {
			t.Fatalf("%s %s is made up and does not say so", e.Kind, e.Key)
		}
	}
}

// TestRetraction: what a retracted prediction needed is needed no more.
func TestRetraction(t *testing.T) {
	b := newBench(t, "2025-12-11T21:30:00Z")
	id := b.predict("2025-12-01T14:00:00Z", "NVDA")
	var r event.Prediction
	r.Kind, r.Key, r.Source, r.OccurredAt, r.RetractedEvents = event.Retracted, id, "test", b.now, []string{id}
	if _, err := lake.NewRecorder(b.lake.Predictions, nil).Record(context.Background(), func() ([]event.Prediction, error) { return []event.Prediction{r}, nil }); err != nil {
		t.Fatal(err)
	}
	b.step(b.pricer(simulator.New(1, calendar, b.clock)), 0)
}

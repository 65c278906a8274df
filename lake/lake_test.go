package lake

import (
	"testing"
	"time"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/objects"
)

// bar returns a draft bar of a symbol on the nth day of 2025 with the given close.
func bar(symbol string, day int, close float64) event.Price {
	d := event.NewDate(2025, time.January, day)
	hi, lo, vol := close*1.01, close*0.99, 1e6
	return event.Price{
		Envelope: event.Envelope{Kind: event.BarRecorded, Key: symbol, Source: "simulator", OccurredAt: d.Time().Add(21 * time.Hour), Synthetic: true},
		Symbol:   symbol, SessionDate: d, Interval: "1d", Open: &close, High: &hi, Low: &lo, Close: &close, Volume: &vol,
		Currency: "USD", Adjustment: event.AdjustedSplit, AdjustedThrough: d, FetchID: "test",
	}
}

func open(t testing.TB, store objects.Store) *Lake {
	t.Helper()
	return New(store, "test", Options{Producer: "test@1"})
}

type collector struct {
	seen   map[string]event.Price
	resets int
}

func (c *collector) Reset() { c.seen = map[string]event.Price{}; c.resets++ }
func (c *collector) Apply(e *event.Price) {
	c.seen[e.EventID] = *e
}

func TestRecordReadSnapshot(t *testing.T) {
	ctx := t.Context()
	store := objects.NewFolder(t.TempDir())
	l := open(t, store)
	r := NewRecorder(l.Prices, nil)
	drafts := func() (out []event.Price) {
		for i := 1; i <= 10; i++ {
			out = append(out, bar("AAPL", i, 100+float64(i)))
		}
		return out
	}
	n, err := r.Record(ctx, func() ([]event.Price, error) { return drafts(), nil })
	if err != nil || n != 10 {
		t.Fatalf("record: %d, %v", n, err)
	}
	again := NewRecorder(open(t, store).Prices, nil)
	if n, err := again.Record(ctx, func() ([]event.Price, error) { return drafts(), nil }); err != nil || n != 0 {
		t.Fatalf("record the same again: %d, %v; want nothing", n, err)
	}
	corrected := bar("AAPL", 3, 250)
	if n, err := again.Record(ctx, func() ([]event.Price, error) { return []event.Price{corrected}, nil }); err != nil || n != 1 {
		t.Fatalf("record a correction: %d, %v", n, err)
	}
	back := bar("AAPL", 3, 103)
	if n, err := r.Record(ctx, func() ([]event.Price, error) { return []event.Price{back}, nil }); err != nil || n != 1 {
		t.Fatalf("record a change back: %d, %v; it is a fact of its own", n, err)
	}
	c := &collector{}
	f := Follow(open(t, store).Prices, View[event.Price](c))
	if n, err := f.CatchUp(ctx); err != nil || n != 12 || len(c.seen) != 12 {
		t.Fatalf("follow: %d events, %d distinct, %v; want 12", n, len(c.seen), err)
	}
	v, err := l.Prices.Verify(ctx, nil)
	if err != nil || !v.OK() || v.Rows != 12 || v.Version != 3 {
		t.Fatalf("verify: %+v, %v", v, err)
	}
}

package prices_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/producers/prices"
	"shitpost-alpha/producers/prices/format"
)

// year is how many sessions there are from 2024-04-28, 400 days before 2025-06-02, to 2025-06-10.
const year = 280

// remote is a source over a network, as a script: every bar closes at 100, brought onto the basis of
// the splits so far, but for the sessions that it does not have.
type remote struct {
	name   string
	now    func() time.Time
	lacks  func(symbol string, d event.Date) bool
	splits []format.Split
	fails  func(symbol string) error
	asked  []string // "symbol from to"
}

func (r *remote) Name() string      { return r.name }
func (r *remote) Origins() []string { return []string{r.name} }
func (r *remote) Local() bool       { return false }

func (r *remote) Bars(_ context.Context, symbol string, from, to event.Date) ([]event.Price, error) {
	r.asked = append(r.asked, fmt.Sprintf("%s %s %s", symbol, from, to))
	if r.fails != nil {
		if err := r.fails(symbol); err != nil {
			return nil, err
		}
	}
	through, _ := calendar.LastFinal(symbol, r.now())
	fetch := prices.Fetch{Calendar: calendar, Symbol: symbol, Source: r.name, Adjustment: event.AdjustedSplit, Through: through, ID: r.name + through.String(), At: r.now()}
	var out []event.Price
	for _, s := range calendar.Sessions() {
		if s.Date < from || s.Date > to || !fetch.Final(s.Date) || r.lacks != nil && r.lacks(symbol, s.Date) {
			continue
		}
		price := 100.0
		for _, split := range r.splits {
			if split.Symbol == symbol && split.Date > s.Date && split.Date <= through {
				price /= split.Ratio
			}
		}
		out = append(out, fetch.Bar(format.Bar{Date: s.Date, Open: price, High: price, Low: price, Close: price, Volume: 1, AdjClose: math.NaN()}))
	}
	for _, split := range r.splits {
		if split.Symbol == symbol && split.Date >= from && split.Date <= to && fetch.Effective(split.Date) {
			out = append(out, fetch.Split(split))
		}
	}
	return out, nil
}

// wants compares what was asked since the last look.
func (r *remote) wants(t *testing.T, asked ...string) {
	t.Helper()
	if !slices.Equal(r.asked, asked) {
		t.Errorf("%s was asked %v, want %v", r.name, r.asked, asked)
	}
	r.asked = nil
}

// TestRemoteGaps: a source over a network is asked for what the lake lacks, with a week's overlap;
// by another process too.
func TestRemoteGaps(t *testing.T) {
	b := newBench(t, "2025-06-10T21:00:00Z")
	r := &remote{name: "yahoo", now: b.clock}
	b.predict("2025-06-02T14:00:00Z", "SPY")
	p := b.pricer(r)
	if n, err := p.Step(context.Background()); err != nil || n != year {
		t.Fatalf("%d, %v", n, err)
	}
	r.wants(t, "SPY 2024-04-29 2025-06-10")
	b.step(p, 0)
	r.wants(t)
	b.set("2025-06-11T21:00:00Z")
	b.step(b.pricer(r), 1)
	r.wants(t, "SPY 2025-06-04 2025-06-11")
	b.step(p, 0) // finds the other's
	r.wants(t)
	b.predict("2025-05-02T14:00:00Z", "SPY") // an older post: earlier bars
	if n, err := p.Step(context.Background()); err != nil || n == 0 {
		t.Fatalf("%d, %v", n, err)
	}
	r.wants(t, "SPY 2024-03-28 2024-04-26")
}

// TestRemoteLate: a session that is missing is asked for hourly, and once given up no more.
func TestRemoteLate(t *testing.T) {
	b := newBench(t, "2025-07-21T21:00:00Z")
	last := day(t, "2025-07-11")
	r := &remote{name: "yahoo", now: b.clock, lacks: func(symbol string, d event.Date) bool { return symbol == "GONE" && d > last }}
	b.predict("2025-06-02T14:00:00Z", "GONE") // 30 sessions: to 2025-07-16
	p := b.pricer(r)
	if _, err := p.Step(context.Background()); err != nil {
		t.Fatal(err)
	}
	r.wants(t, "GONE 2024-04-29 2025-07-16", "SPY 2024-04-29 2025-07-21")
	b.now = b.now.Add(time.Hour) // a session that is five days old is asked for after a quarter of that
	b.step(p, 0)
	r.wants(t)
	b.set("2025-07-23T20:00:00Z")
	b.step(p, 1)
	r.wants(t, "GONE 2025-07-05 2025-07-16", "SPY 2025-07-15 2025-07-22")
	b.set("2025-07-26T20:21:00Z") // ten days after the 16th was final
	b.step(p, 3+1)
	r.wants(t, "GONE 2025-07-05 2025-07-16", "SPY 2025-07-16 2025-07-25")
	gone := b.kind(event.RecordRejected)
	if len(gone) != 1 || gone[0].RejectedReason != prices.NoBars || gone[0].Key != "GONE 2025-07-14..2025-07-16" || p.Report().GivenUp != 1 {
		t.Fatalf("given up: %+v", gone)
	}
	// It is asked again after a day and after a month, then never, by another process neither.
	at := b.now
	for _, c := range []struct {
		hours int
		again bool
	}{{23, false}, {25, true}, {26, false}, {29 * 24, false}, {32 * 24, true}, {33 * 24, false}, {100 * 24, false}} {
		b.now = at.Add(time.Duration(c.hours) * time.Hour)
		r.asked = nil
		if _, err := b.pricer(r).Step(context.Background()); err != nil {
			t.Fatal(err)
		}
		if again := slices.ContainsFunc(r.asked, func(q string) bool { return strings.HasPrefix(q, "GONE") }); again != c.again {
			t.Errorf("after %d hours asked %v", c.hours, r.asked)
		}
	}
}

// TestRemoteHole: an answer that was cut short leaves a hole, which is asked for again.
func TestRemoteHole(t *testing.T) {
	b := newBench(t, "2025-06-10T21:00:00Z")
	hole := map[event.Date]bool{day(t, "2024-05-02"): true, day(t, "2025-01-15"): true, day(t, "2025-01-16"): true, day(t, "2025-06-03"): true}
	r := &remote{name: "yahoo", now: b.clock, lacks: func(_ string, d event.Date) bool { return hole[d] }}
	b.predict("2025-06-02T14:00:00Z", "SPY")
	b.step(b.pricer(r), year-4+2)
	r.wants(t, "SPY 2024-04-29 2025-06-10")
	delete(hole, day(t, "2024-05-02"))
	delete(hole, day(t, "2025-06-03"))
	b.step(b.pricer(r), 1) // that of last week is not given up
	r.wants(t, "SPY 2025-06-03 2025-06-03")
	b.now = b.now.Add(24*time.Hour - time.Second)
	b.step(b.pricer(r), 1)
	r.wants(t, "SPY 2025-06-04 2025-06-11")
	b.now = b.now.Add(time.Second)
	b.step(b.pricer(r), 2) // one is there now, the others are given up for a month
	r.wants(t, "SPY 2024-05-02 2024-05-02", "SPY 2025-01-15 2025-01-16")
	b.now = b.now.Add(time.Hour)
	b.step(b.pricer(r), 0)
	r.wants(t)
}

// TestSplit: the answer that tells of a split has everything asked for again in the same step, and
// split and bars are recorded together.
func TestSplit(t *testing.T) {
	b := newBench(t, "2025-06-10T21:00:00Z")
	r := &remote{name: "yahoo", now: b.clock}
	b.predict("2025-06-02T14:00:00Z", "A")
	p := b.pricer(r)
	if _, err := p.Step(context.Background()); err != nil {
		t.Fatal(err)
	}
	r.splits = []format.Split{{Symbol: "A", Date: day(t, "2025-06-11"), Ratio: 4}}
	r.asked = nil
	b.set("2025-06-11T21:00:00Z")
	b.step(p, year+1+1+1) // A's bars again, its new bar, the split, SPY's new bar
	r.wants(t, "A 2025-06-04 2025-06-11", "A 2024-04-28 2025-06-11", "SPY 2025-06-04 2025-06-11")
	newest := map[event.Date]event.Price{}
	for _, e := range b.kind(event.BarRecorded) {
		if old, ok := newest[e.SessionDate]; e.Symbol == "A" && (!ok || e.After(&old.Envelope)) {
			newest[e.SessionDate] = e
		}
	}
	for d, e := range newest {
		if want := map[bool]float64{true: 25, false: 100}[d < day(t, "2025-06-11")]; *e.Close != want || e.AdjustedThrough != day(t, "2025-06-11") {
			t.Fatalf("%s closes at %v through %s, want %v", d, *e.Close, e.AdjustedThrough, want)
		}
	}
	b.step(p, 0)
	b.step(b.pricer(r), 0)
	r.wants(t)
}

// TestSplitToldByAnother: a split in the lake that a source's bars do not include has all of them asked
// for again, once.
func TestSplitToldByAnother(t *testing.T) {
	b := newBench(t, "2025-06-10T21:00:00Z")
	r := &remote{name: "yahoo", now: b.clock}
	b.predict("2025-06-02T14:00:00Z", "A")
	p := b.pricer(r)
	if _, err := p.Step(context.Background()); err != nil {
		t.Fatal(err)
	}
	r.asked = nil
	fetch := prices.Fetch{Calendar: calendar, Symbol: "A", Source: "stooq", At: b.now}
	b.append(fetch.Split(format.Split{Symbol: "A", Date: day(t, "2025-06-12"), Ratio: 4}))
	b.step(p, 0) // not effective yet
	r.wants(t)
	b.set("2025-06-12T21:00:00Z")
	b.step(p, 4) // two new bars each; the source, it turns out, does not adjust for it
	r.wants(t, "A 2024-04-28 2025-06-12", "SPY 2025-06-04 2025-06-12")
	b.step(p, 0)
	r.wants(t)
}

// TestSplitToldTwice: two sources tell of one split, a day apart: it is one. The source's own bars are on
// the new basis from its own day on.
func TestSplitToldTwice(t *testing.T) {
	b := newBench(t, "2025-06-10T21:00:00Z")
	r := &remote{name: "yahoo", now: b.clock, splits: []format.Split{{Symbol: "A", Date: day(t, "2025-06-12"), Ratio: 4}}}
	b.predict("2025-06-02T14:00:00Z", "A")
	p := b.pricer(r)
	b.step(p, 2*year)
	fetch := prices.Fetch{Calendar: calendar, Symbol: "A", Source: "file:splits.csv", At: b.now}
	b.append(fetch.Split(format.Split{Symbol: "A", Date: day(t, "2025-06-11"), Ratio: 4}))
	for _, at := range []string{"2025-06-11T21:00:00Z", "2025-06-12T21:00:00Z"} {
		b.set(at)
		if _, err := p.Step(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	if s := b.kind(event.SplitRecorded); len(s) != 1 {
		t.Errorf("%d splits", len(s))
	}
	for d, e := range b.newest("A", "yahoo") {
		if want := map[bool]float64{true: 25, false: 100}[d < day(t, "2025-06-12")]; *e.Close != want || e.AdjustedThrough != day(t, "2025-06-12") {
			t.Fatalf("%s closes at %v through %s, want %v", d, *e.Close, e.AdjustedThrough, want)
		}
	}
	b.step(p, 0)
	b.step(b.pricer(r), 0)
}

// TestFailure: an outage costs its own answer, is an error, and never makes a symbol unknown.
func TestFailure(t *testing.T) {
	b := newBench(t, "2025-06-10T21:00:00Z")
	down := errors.New("502")
	r := &remote{name: "yahoo", now: b.clock, fails: func(symbol string) error {
		return map[string]error{"A": down, "B": prices.ErrUnknown}[symbol]
	}}
	b.predict("2025-06-02T14:00:00Z", "A", "B", "C")
	p := b.pricer(r)
	n, err := p.Step(context.Background())
	if !errors.Is(err, down) || n == 0 || p.Report().Failed != 1 {
		t.Fatalf("%d, %v, %+v", n, err, p.Report())
	}
	r.wants(t, "A 2024-04-29 2025-06-10", "B 2024-04-29 2025-06-10", "SPY 2025-05-27 2025-06-10", // does it know anybody?
		"C 2024-04-29 2025-06-10", "SPY 2024-04-29 2025-06-10")
	if u := b.kind(event.SymbolUnknown); len(u) != 1 || u[0].Symbol != "B" {
		t.Errorf("unknown: %v", u)
	}
	r.fails = nil
	b.step(p, 0) // left alone for a minute
	b.now = b.now.Add(prices.FailPause)
	b.step(p, year)
	r.wants(t, "A 2024-04-29 2025-06-10")
}

// TestUnavailable: a source that answers nobody is asked once and left alone for a while; the next one
// stands in, and what none of them serves is an error.
func TestUnavailable(t *testing.T) {
	b := newBench(t, "2025-06-10T21:00:00Z")
	limited := fmt.Errorf("%w: 429", prices.ErrUnavailable)
	noB := func(symbol string) error {
		if symbol == "B" {
			return prices.ErrUnknown
		}
		return nil
	}
	yahoo := &remote{name: "yahoo", now: b.clock, fails: func(string) error { return limited }}
	stooq := &remote{name: "stooq", now: b.clock, fails: noB}
	b.predict("2025-06-02T14:00:00Z", "A", "B")
	p := b.pricer(yahoo, stooq)
	n, err := p.Step(context.Background())
	if !errors.Is(err, prices.ErrUnavailable) || n != 2*year || len(b.kind(event.SymbolUnknown)) != 0 || p.Report().Failed != 1 {
		t.Fatalf("%d, %v, %+v", n, err, p.Report())
	}
	yahoo.wants(t, "A 2024-04-29 2025-06-10")
	stooq.wants(t, "A 2024-04-29 2025-06-10", "B 2024-04-29 2025-06-10", "SPY 2024-04-29 2025-06-10")
	if _, err := p.Step(context.Background()); !errors.Is(err, prices.ErrUnavailable) {
		t.Errorf("B is still not served: %v", err)
	}
	yahoo.wants(t)
	yahoo.fails = noB
	b.now = b.now.Add(prices.FailPause)
	b.step(p, 2*year+1) // yahoo's bars, and now both say that there is no B
	stooq.wants(t)
	if u := b.kind(event.SymbolUnknown); len(u) != 1 || !slices.Equal(u[0].AskedSources, []string{"stooq", "yahoo"}) {
		t.Errorf("unknown: %+v", u)
	}
	third := &remote{name: "third", now: b.clock}
	b.step(b.pricer(yahoo, third, stooq), year+1) // asked again, for third was not asked; yahoo has none of B
	third.wants(t, "B 2024-04-29 2025-06-10")
}

// TestServedByAnother: an outage that costs nobody anything is no error of the step.
func TestServedByAnother(t *testing.T) {
	b := newBench(t, "2025-06-10T21:00:00Z")
	yahoo := &remote{name: "yahoo", now: b.clock, fails: func(string) error { return prices.ErrUnavailable }}
	stooq := &remote{name: "stooq", now: b.clock}
	b.predict("2025-06-02T14:00:00Z", "A")
	p := b.pricer(yahoo, stooq)
	b.step(p, 2*year)
	if r := p.Report(); r.Failed != 0 || r.Failures != 1 {
		t.Errorf("report %+v", r)
	}
	for range 100 { // the pauses double, from one minute up to an hour: after 1, 3, 7, 15, 31, 63
		b.now = b.now.Add(time.Minute)
		b.step(p, 0)
	}
	if n := len(yahoo.asked); n != 7 {
		t.Errorf("yahoo was asked %d times: %v", n, yahoo.asked)
	}
}

// TestNobodyKnown: a source that says of every symbol that it does not exist, the benchmark included,
// is out of order: nothing becomes unknown.
func TestNobodyKnown(t *testing.T) {
	b := newBench(t, "2025-06-10T21:00:00Z")
	yahoo := &remote{name: "yahoo", now: b.clock, fails: func(string) error { return prices.ErrUnknown }}
	b.predict("2025-06-02T14:00:00Z", "A", "B")
	n, err := b.pricer(yahoo).Step(context.Background())
	if !errors.Is(err, prices.ErrUnavailable) || n != 0 || len(b.events()) != 0 {
		t.Fatalf("%d, %v", n, err)
	}
	yahoo.wants(t, "A 2024-04-29 2025-06-10", "SPY 2025-05-27 2025-06-10")
}

// TestPricedIsNotUnknown: bars from elsewhere, an import say, end a symbol's being unknown.
func TestPricedIsNotUnknown(t *testing.T) {
	b := newBench(t, "2025-06-10T21:00:00Z")
	r := &remote{name: "yahoo", now: b.clock, fails: func(symbol string) error { return map[string]error{"B": prices.ErrUnknown}[symbol] }}
	b.predict("2025-06-02T14:00:00Z", "B")
	b.step(b.pricer(r), year+1)
	r.asked = nil
	b.step(b.pricer(r), 0)
	r.wants(t)
	fetch := prices.Fetch{Calendar: calendar, Symbol: "B", Source: "legacy", Adjustment: event.AdjustedNone, ID: "import", At: b.now}
	b.append(fetch.Bar(format.Bar{Date: day(t, "2025-06-03"), Open: 1, High: 1, Low: 1, Close: 1, Volume: 1, AdjClose: 1}))
	b.step(b.pricer(r), 1) // that yahoo has no bars of it
	r.wants(t, "B 2024-04-29 2025-06-10", "SPY 2025-05-27 2025-06-10")
}

// append writes a draft past the pricers.
func (b *bench) append(e event.Price) {
	b.t.Helper()
	event.Seal(&e, "")
	head, err := b.lake.Prices.Head(context.Background())
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.lake.Prices.Append(context.Background(), head, []event.Price{e}); err != nil {
		b.t.Fatal(err)
	}
}

// TestNextSource: a later source is asked only for symbols of which the one before lacks the newest
// session; at once when it has none at all, else when the session is two hours old.
func TestNextSource(t *testing.T) {
	b := newBench(t, "2025-06-10T21:00:00Z")
	yahoo := &remote{name: "yahoo", now: b.clock, lacks: func(symbol string, _ event.Date) bool { return symbol == "A" }}
	stooq := &remote{name: "stooq", now: b.clock}
	b.predict("2025-06-02T14:00:00Z", "A")
	p := b.pricer(yahoo, stooq)
	b.step(p, 2*year+1) // and that yahoo has none of A
	stooq.wants(t, "A 2024-04-29 2025-06-10")
	b.step(p, 0)
	stooq.wants(t)
	stooq.asked = nil
	yahoo.lacks = func(symbol string, d event.Date) bool { return symbol == "A" || d == day(t, "2025-06-11") }
	b.set("2025-06-11T21:00:00Z")
	if _, err := p.Step(context.Background()); err != nil {
		t.Fatal(err)
	}
	stooq.wants(t, "A 2025-06-04 2025-06-11") // SPY's bar may only be late
	b.set("2025-06-11T22:20:00Z")
	if _, err := p.Step(context.Background()); err != nil {
		t.Fatal(err)
	}
	stooq.wants(t, "SPY 2024-04-29 2025-06-11")
}

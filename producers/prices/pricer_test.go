package prices_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/market"
	"shitpost-alpha/lake/objects"
	"shitpost-alpha/producers/prices"
	"shitpost-alpha/producers/prices/files"
	"shitpost-alpha/producers/prices/pricestest"
	"shitpost-alpha/producers/prices/simulator"
)

var (
	calendar = market.NYSE()
	day      = pricestest.Date
)

// bench is a lake and a clock that the test sets.
type bench struct {
	t    *testing.T
	lake *lake.Lake
	now  time.Time
}

func newBench(t *testing.T, now string) *bench {
	t.Helper()
	b := &bench{t: t, lake: lake.New(&objects.Memory{}, "memory", lake.Options{Producer: prices.Producer})}
	b.set(now)
	return b
}

func (b *bench) set(now string) {
	b.t.Helper()
	at, err := time.Parse(time.RFC3339, now)
	if err != nil {
		b.t.Fatal(err)
	}
	b.now = at
}

func (b *bench) clock() time.Time { return b.now }

// predict appends a prediction that names the symbols, and returns its event id.
func (b *bench) predict(published string, symbols ...string) string {
	b.t.Helper()
	at, err := time.Parse(time.RFC3339, published)
	if err != nil {
		b.t.Fatal(err)
	}
	confidence := 0.7
	p := event.Prediction{PostID: fmt.Sprint(uint64(at.UnixMilli()) << 16), PublishedAt: at, Analyzer: "rules", Confidence: &confidence}
	p.PredictionID = event.PredictionID(p.PostID, "rules", "", "", strings.Join(symbols, " "))
	p.Kind, p.Key, p.Source, p.OccurredAt = event.PredictionMade, p.PredictionID, "rules", at
	for _, s := range symbols {
		p.Assets = append(p.Assets, event.Asset{Symbol: s, Sentiment: event.Bullish})
	}
	event.Seal(&p, "")
	n, err := lake.NewRecorder(b.lake.Predictions, nil).Record(context.Background(), func() ([]event.Prediction, error) { return []event.Prediction{p}, nil })
	if err != nil || n != 1 {
		b.t.Fatalf("append prediction: %d, %v", n, err)
	}
	return p.EventID
}

func (b *bench) pricer(sources ...prices.Source) *prices.Pricer {
	return prices.New(prices.Config{Lake: b.lake, Calendar: calendar, Sources: sources, Now: b.clock, Batch: 500})
}

func (b *bench) files(names ...string) *files.Source {
	b.t.Helper()
	var paths []string
	for _, name := range names {
		if !filepath.IsAbs(name) {
			name = pricestest.Path(b.t, name)
		}
		paths = append(paths, name)
	}
	s, err := files.Open(paths, calendar, b.clock)
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

// step runs one step and wants it to append n events.
func (b *bench) step(p *prices.Pricer, n int) {
	b.t.Helper()
	got, err := p.Step(context.Background())
	if err != nil {
		b.t.Fatal(err)
	}
	if got != n || p.Report().Appended != n {
		b.t.Fatalf("appended %d events (report %+v), want %d", got, p.Report(), n)
	}
}

// events returns all events of stream prices, and fails when two have one id.
func (b *bench) events() []event.Price {
	b.t.Helper()
	snap, err := b.lake.Prices.Snapshot(context.Background(), -1)
	if err != nil {
		b.t.Fatal(err)
	}
	var out []event.Price
	seen := map[string]bool{}
	for batch, err := range snap.Batches(context.Background()) {
		if err != nil {
			b.t.Fatal(err)
		}
		for _, e := range batch {
			if seen[e.EventID] {
				b.t.Fatalf("recorded twice: %s %s %s %s", e.Kind, e.Source, e.Key, e.SessionDate)
			}
			seen[e.EventID] = true
			out = append(out, e)
		}
	}
	return out
}

func (b *bench) kind(k event.Kind) []event.Price {
	return slices.DeleteFunc(b.events(), func(e event.Price) bool { return e.Kind != k })
}

func ids(events []event.Price) map[string]bool {
	out := map[string]bool{}
	for _, e := range events {
		out[e.EventID] = true
	}
	return out
}

// TestExactlyWhatIsNeeded prices two calls from the real files and compares the lake with what the
// files hold for the needed days, file by file: nothing less, nothing more.
func TestExactlyWhatIsNeeded(t *testing.T) {
	b := newBench(t, "2026-11-24T12:00:00Z")
	source := b.files("prices")
	first := b.predict("2025-10-17T14:00:00Z", "XLE", "BTC-USD")
	b.predict("2025-11-17T14:00:00Z", "XLE")
	want := map[string]int{}
	total := 0
	for symbol, in := range map[string][2]string{
		// 400 days before the first post, to 30 sessions after the last; SPY to the end.
		"XLE": {"2024-09-12", "2025-12-31"}, "BTC-USD": {"2024-09-12", "2025-12-01"}, "SPY": {"2024-09-12", "2026-11-23"},
	} {
		drafts, err := source.Bars(context.Background(), symbol, day(t, in[0]), day(t, in[1]))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range drafts {
			want[fmt.Sprint(e.Kind, e.Source, e.Key, e.SessionDate)]++
			total++
		}
	}
	p := b.pricer(source)
	b.step(p, total)
	got := map[string]int{}
	for _, e := range b.events() {
		got[fmt.Sprint(e.Kind, e.Source, e.Key, e.SessionDate)]++
		if e.CausationID != first {
			t.Fatalf("%s %s is caused by %q, want the first prediction", e.Key, e.SessionDate, e.CausationID)
		}
		if _, closes := calendar.Bar(e.Symbol, e.SessionDate); e.Kind == event.BarRecorded && !e.OccurredAt.Equal(closes) {
			t.Fatalf("%s %s occurred at %v", e.Key, e.SessionDate, e.OccurredAt)
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("%d kinds of events in the lake, want %d", len(got), len(want))
	}
	if r := p.Report(); r.Symbols != 3 || r.Asked != 3 || r.Bars != total-1 || r.Splits != 1 || r.Unknown != 0 || r.Failed != 0 {
		t.Errorf("report %+v", r)
	}
	b.step(p, 0)
	b.step(b.pricer(b.files("prices")), 0) // another process
	if r := p.Report(); r.Asked != 0 {
		t.Errorf("a second step asked again: %+v", r)
	}
	b.predict("2025-11-18T14:00:00Z", "NKE") // a symbol that only a dividend-adjusted file has
	n, err := p.Step(context.Background())
	if err != nil || n == 0 || p.Report().Asked != 1 {
		t.Errorf("after a new prediction: %d, %v, %+v", n, err, p.Report())
	}
}

func TestNothingNeeded(t *testing.T) {
	b := newBench(t, "2026-01-02T12:00:00Z")
	b.step(b.pricer(simulator.New(1, calendar, b.clock)), 0)
	b.predict("2025-06-02T14:00:00Z") // no asset: no call
	b.step(b.pricer(simulator.New(1, calendar, b.clock)), 0)
}

// TestUnknownSymbol: unknown is recorded once, stands 30 days, and ends when another file has it.
func TestUnknownSymbol(t *testing.T) {
	b := newBench(t, "2026-01-02T12:00:00Z")
	spy, folder := "prices/etf_crypto/SPY.csv", t.TempDir()
	b.predict("2025-06-02T14:00:00Z", "NOPE")
	p := b.pricer(b.files(spy))
	if n, err := p.Step(context.Background()); err != nil || p.Report().Unknown != 1 {
		t.Fatalf("appended %d, %v, %+v", n, err, p.Report())
	}
	u := b.kind(event.SymbolUnknown)
	if len(u) != 1 || u[0].Symbol != "NOPE" || !slices.Equal(u[0].AskedSources, []string{"file:SPY.csv", "file:splits.csv"}) || !u[0].OccurredAt.Equal(b.now) {
		t.Fatalf("recorded as %+v", u)
	}
	b.step(p, 0)
	b.step(b.pricer(b.files(spy)), 0)
	b.now = b.now.Add(prices.AskAgain - time.Second)
	for _, q := range []*prices.Pricer{p, b.pricer(b.files(spy))} {
		if _, err := q.Step(context.Background()); err != nil || q.Report().Unknown != 0 {
			t.Fatalf("asked again too early: %v, %+v", err, q.Report())
		}
	}
	b.now = b.now.Add(time.Second)
	if _, err := p.Step(context.Background()); err != nil || p.Report().Unknown != 1 {
		t.Fatalf("not asked again after 30 days: %v, %+v", err, p.Report())
	}
	path := filepath.Join(folder, "NOPE.csv")
	if err := os.WriteFile(path, []byte("date,open,high,low,close\n2025-06-03,1,1,1,1\n2025-06-04,2,1,1,1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	p = b.pricer(b.files(spy, path))
	b.step(p, 2)
	if r := p.Report(); r.Bars != 1 || r.Rejected != 1 {
		t.Errorf("the new file gave %+v", r)
	}
	b.now = b.now.Add(prices.AskAgain)
	if _, err := b.pricer(b.files(spy)).Step(context.Background()); err != nil {
		t.Fatal(err)
	}
	if u := b.kind(event.SymbolUnknown); len(u) != 2 {
		t.Errorf("a symbol with bars was called unknown: %d times", len(u))
	}
}

// meanwhile has something happen while it is asked.
type meanwhile struct {
	prices.Source
	happens func()
}

func (m *meanwhile) Bars(ctx context.Context, symbol string, from, to event.Date) ([]event.Price, error) {
	m.happens()
	return m.Source.Bars(ctx, symbol, from, to)
}

// TestUnknownMeanwhile: two pricers find at different times that a symbol is unknown; one says so.
func TestUnknownMeanwhile(t *testing.T) {
	b := newBench(t, "2026-01-02T12:00:00Z")
	b.predict("2025-06-02T14:00:00Z", "NOPE")
	source := b.files("prices/etf_crypto/SPY.csv")
	p := b.pricer(&meanwhile{source, func() {
		b.now = b.now.Add(time.Minute)
		if _, err := b.pricer(source).Step(context.Background()); err != nil {
			t.Fatal(err)
		}
	}})
	b.step(p, 0)
	if u := b.kind(event.SymbolUnknown); len(u) != 1 {
		t.Errorf("unknown %d times", len(u))
	}
}

// TestInProgress: the day's bar comes 20 minutes after the close, and nothing else then.
func TestInProgress(t *testing.T) {
	b := newBench(t, "2025-12-11T21:19:59Z")
	b.predict("2025-12-01T14:00:00Z", "NVDA")
	p := b.pricer(b.files("prices/yf_daily_68tickers_2024-07_2026-03.csv"))
	if _, err := p.Step(context.Background()); err != nil {
		t.Fatal(err)
	}
	for _, e := range b.kind(event.BarRecorded) {
		if e.OccurredAt.Add(market.Delay).After(b.now) {
			t.Fatalf("in progress: %s %s", e.Symbol, e.SessionDate)
		}
	}
	b.set("2025-12-11T21:20:00Z")
	b.step(p, 2)
	b.step(p, 0)
}

// stopAfter ends the step's context after some answers.
type stopAfter struct {
	prices.Source
	answers int
	cancel  context.CancelFunc
}

func (s *stopAfter) Bars(ctx context.Context, symbol string, from, to event.Date) ([]event.Price, error) {
	if s.answers--; s.answers == 0 {
		s.cancel()
	}
	return s.Source.Bars(ctx, symbol, from, to)
}

// TestStoppedMidway stops a step after 9 symbols and takes it up again, with another pricer: the
// lake ends with the very events that one step makes.
func TestStoppedMidway(t *testing.T) {
	whole, parts := newBench(t, "2026-11-24T12:00:00Z"), newBench(t, "2026-11-24T12:00:00Z")
	source := whole.files("prices")
	for _, b := range []*bench{whole, parts} {
		b.predict("2025-10-17T14:00:00Z", source.Symbols()[:12]...)
	}
	if _, err := whole.pricer(source).Step(context.Background()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	stopped := parts.pricer(&stopAfter{source, 9, cancel})
	n, err := stopped.Step(ctx)
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("stopped with %v", err)
	}
	left := len(parts.events())
	if left == 0 || left != n {
		t.Fatalf("%d events after the stop, %d reported", left, n)
	}
	rest, err := parts.pricer(source).Step(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	a, b := ids(whole.events()), ids(parts.events())
	if left+rest != len(b) || !maps.Equal(a, b) {
		t.Errorf("%d + %d events in parts, %d at once: not the same", left, rest, len(a))
	}
	t.Logf("%d events at once; %d, then %d in parts", len(a), left, rest)
}

// TestTwoPricers run at once on one lake: no fact is recorded twice.
func TestTwoPricers(t *testing.T) {
	b := newBench(t, "2025-12-11T21:30:00Z")
	b.predict("2025-12-01T14:00:00Z", "NVDA", "AAPL", "NOPE")
	source := b.files("prices/yf_daily_68tickers_2024-07_2026-03.csv")
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if _, err := b.pricer(source).Step(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	subjects := map[string]bool{}
	for _, e := range b.events() {
		if subjects[event.SubjectOf(&e)] {
			t.Errorf("twice: %s", event.SubjectOf(&e))
		}
		subjects[event.SubjectOf(&e)] = true
	}
	if len(b.kind(event.SymbolUnknown)) != 1 {
		t.Error("want NOPE unknown once")
	}
}

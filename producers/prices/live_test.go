package prices_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/producers"
	"shitpost-alpha/producers/fakes"
	"shitpost-alpha/producers/prices"
	"shitpost-alpha/producers/prices/pricestest"
	"shitpost-alpha/producers/prices/stooq"
	"shitpost-alpha/producers/prices/yahoo"
)

// live is a bench whose sources are the fake Yahoo and Stooq, over HTTP, under the bench's clock.
type live struct {
	*bench
	fake *fakes.Server
	url  string
}

func newLive(t *testing.T, now string, symbols ...string) *live {
	t.Helper()
	b := newBench(t, now)
	return b.goLive(fakes.Options{Seed: 1, Symbols: append(symbols, "SPY"), Now: b.clock})
}

func (b *bench) goLive(o fakes.Options) *live {
	t := b.t
	t.Helper()
	fake, err := fakes.New(o)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	return &live{b, fake, server.URL}
}

func (l *live) yahoo(c *producers.Client) prices.Source {
	return &yahoo.Source{URL: l.url, Client: c, Calendar: calendar, Now: l.clock}
}

func (l *live) stooq(c *producers.Client) prices.Source {
	return &stooq.Source{URL: l.url, Client: c, Calendar: calendar, Now: l.clock}
}

// asked returns which symbols a service was asked for since the last look.
func (l *live) asked(e fakes.Endpoint) []string {
	var out []string
	for _, c := range l.fake.Calls(e) {
		name := c.Path[strings.LastIndex(c.Path, "/")+1:]
		if e == fakes.Stooq {
			name, _, _ = strings.Cut(strings.TrimPrefix(c.Query, "s="), "&")
		}
		out = append(out, name)
	}
	l.fake.Forget()
	return out
}

// newest returns the newest word on each bar of the symbol by the source.
func (b *bench) newest(symbol, source string) map[event.Date]event.Price {
	out := map[event.Date]event.Price{}
	for _, e := range b.kind(event.BarRecorded) {
		old, ok := out[e.SessionDate]
		if e.Symbol == symbol && e.Source == source && (!ok || e.After(&old.Envelope)) {
			out[e.SessionDate] = e
		}
	}
	return out
}

// agrees compares the newest bars of the symbol by yahoo with what the fake shows by now, from the day
// on, all of the sessions up to the last.
func (l *live) agrees(symbol string, from, to event.Date) {
	l.t.Helper()
	got, n := l.newest(symbol, yahoo.Name), 0
	for _, b := range l.fake.Market.Bars(symbol) {
		if _, session := calendar.Session(b.Date); b.Date < from || b.Date > to || !session {
			continue
		}
		n++
		e, ok := got[b.Date]
		if !ok {
			l.t.Errorf("%s %s is missing", symbol, b.Date)
		} else if math.Abs(*e.Close/b.Close-1) > 1e-9 {
			l.t.Errorf("%s %s closes at %v in the lake, at %v with Yahoo", symbol, b.Date, *e.Close, b.Close)
		}
	}
	if n == 0 {
		l.t.Errorf("nothing to compare of %s", symbol)
	}
}

func (l *live) run(p *prices.Pricer) {
	l.t.Helper()
	if _, err := p.Step(context.Background()); err != nil {
		l.t.Fatal(err)
	}
}

// TestSplitOverHTTP: a split is noticed on its very day, while the old bars are already adjusted, and
// everything is brought onto the new basis; nothing is asked for twice.
func TestSplitOverHTTP(t *testing.T) {
	l := newLive(t, "2025-06-10T21:00:00Z", "X")
	l.predict("2025-06-02T14:00:00Z", "X")
	p := l.pricer(l.yahoo(pricestest.Client()))
	l.step(p, 2*year)
	l.fake.Market.Split("X", day(t, "2025-06-12"), 4)
	l.set("2025-06-12T15:00:00Z")
	l.asked(fakes.Yahoo)
	l.run(p)
	if got := l.asked(fakes.Yahoo); !slices.Equal(got, []string{"SPY", "X", "X"}) {
		t.Errorf("asked for %v", got)
	}
	l.agrees("X", day(t, "2024-04-28"), day(t, "2025-06-11"))
	for d, e := range l.newest("X", yahoo.Name) {
		if e.AdjustedThrough != day(t, "2025-06-12") {
			t.Fatalf("%s is adjusted through %s", d, e.AdjustedThrough)
		}
	}
	l.set("2025-06-12T21:00:00Z")
	l.step(p, 2)
	l.step(l.pricer(l.yahoo(pricestest.Client())), 0)
	l.agrees("X", day(t, "2024-04-28"), day(t, "2025-06-12"))
	if s := l.kind(event.SplitRecorded); len(s) != 1 || s[0].Ratio != 4 || s[0].SessionDate != day(t, "2025-06-12") {
		t.Errorf("splits %+v", s)
	}
}

// TestCorrections: what changes within a week is a new event; when it changes much, everything older is
// doubted and asked for again.
func TestCorrections(t *testing.T) {
	l := newLive(t, "2025-06-10T21:00:00Z", "X")
	l.predict("2025-06-02T14:00:00Z", "X")
	p := l.pricer(l.yahoo(pricestest.Client()))
	l.run(p)
	old := l.newest("X", yahoo.Name)[day(t, "2025-06-09")]
	l.fake.Market.Correct("X", day(t, "2025-06-09"), *old.Close*1.003)
	l.set("2025-06-11T21:00:00Z")
	l.step(p, 3)
	if e := l.newest("X", yahoo.Name)[day(t, "2025-06-09")]; e.Supersedes != old.EventID || *e.Close == *old.Close {
		t.Errorf("the correction is %+v", e)
	}
	// Yahoo finds out about a split of last year, and does not tell.
	for _, b := range l.fake.Market.Bars("X") {
		l.fake.Market.Correct("X", b.Date, b.Close/3)
	}
	l.set("2025-06-12T21:00:00Z")
	l.run(p)
	l.agrees("X", day(t, "2024-04-28"), day(t, "2025-06-12"))
}

// TestFallback: while Yahoo is down Stooq stands in, each time with one fetch over all days that must be
// comparable; when Yahoo is back it gives what it owes.
func TestFallback(t *testing.T) {
	l := newLive(t, "2025-06-10T21:00:00Z", "X")
	l.predict("2025-06-02T14:00:00Z", "X")
	l.fake.Fault(fakes.Yahoo, fakes.Fault{Kind: fakes.Down})
	c := pricestest.Client()
	p := l.pricer(l.yahoo(c), l.stooq(c))
	l.run(p)
	l.set("2025-06-11T21:00:00Z")
	l.run(p)
	fetches := map[string]bool{}
	for d, e := range l.newest("X", stooq.Name) {
		if d >= day(t, "2025-05-30") { // the call's first base
			fetches[e.FetchID] = true
		}
	}
	if len(fetches) != 1 {
		t.Errorf("a call's days come from %d fetches: %v", len(fetches), fetches)
	}
	if r := p.Report(); r.Failed != 0 || r.Failures != 1 || r.Unknown != 0 {
		t.Errorf("report %+v", r)
	}
	l.fake.Heal()
	l.set("2025-06-12T21:00:00Z")
	l.fake.Forget()
	l.run(p)
	l.agrees("X", day(t, "2024-04-28"), day(t, "2025-06-12"))
	if got := l.asked(fakes.Stooq); len(got) != 0 {
		t.Errorf("stooq was asked for %v although Yahoo is back", got)
	}
}

// TestUnknownEverywhere: only what all sources disown is unknown, and an outage of one defers that.
func TestUnknownEverywhere(t *testing.T) {
	l := newLive(t, "2025-06-10T21:00:00Z", "X")
	l.predict("2025-06-02T14:00:00Z", "X", "NOPE")
	l.fake.Fault(fakes.Stooq, fakes.Fault{Kind: fakes.HitsLimit})
	c := pricestest.Client()
	p := l.pricer(l.yahoo(c), l.stooq(c))
	if _, err := p.Step(context.Background()); !errors.Is(err, prices.ErrUnavailable) || len(l.kind(event.SymbolUnknown)) != 0 {
		t.Fatalf("%v, %d unknown", err, len(l.kind(event.SymbolUnknown)))
	}
	l.fake.Heal()
	l.now = l.now.Add(time.Hour)
	l.step(p, 1)
	l.asked(fakes.Yahoo)
	l.now = l.now.Add(20 * time.Hour)
	l.step(l.pricer(l.yahoo(c), l.stooq(c)), 0)
	if got := l.asked(fakes.Yahoo); len(got) != 0 {
		t.Errorf("asked again for %v", got)
	}
	l.now = l.now.Add(prices.AskAgain)
	l.run(p)
	if got := l.asked(fakes.Yahoo); !slices.Contains(got, "NOPE") || len(l.kind(event.SymbolUnknown)) != 2 {
		t.Errorf("after 30 days asked for %v", got)
	}
}

// TestCurrencies: prices in another currency than USD are kept, and said.
func TestCurrencies(t *testing.T) {
	l := newLive(t, "2025-06-10T21:00:00Z", "SAP.DE")
	l.fake.Market.Currency("SAP.DE", "EUR")
	l.predict("2025-06-02T14:00:00Z", "SAP.DE")
	p := l.pricer(l.yahoo(pricestest.Client()))
	l.step(p, 2*year)
	if r := p.Report(); r.Foreign != year {
		t.Errorf("report %+v", r)
	}
	for d, e := range l.newest("SAP.DE", yahoo.Name) {
		if e.Currency != "EUR" {
			t.Fatalf("%s is in %s", d, e.Currency)
		}
	}
}

// TestCalendarEnds: it is warned of, and its end is an error.
func TestCalendarEnds(t *testing.T) {
	l := newLive(t, "2027-12-30T22:00:00Z", "X")
	l.predict("2027-12-20T14:00:00Z", "X")
	p := l.pricer(l.yahoo(pricestest.Client()))
	l.run(p)
	if d := p.Report().CalendarDays; d != 1 {
		t.Errorf("%d days left", d)
	}
	l.set("2028-01-03T22:00:00Z")
	n, err := p.Step(context.Background())
	if !errors.Is(err, prices.ErrCalendar) || !strings.Contains(err.Error(), "2027-12-31") || n != 2 {
		t.Errorf("%d, %v", n, err)
	}
}

// stopping ends a context after some requests.
type stopping struct {
	left atomic.Int64
	stop context.CancelFunc
}

func (s *stopping) RoundTrip(req *http.Request) (*http.Response, error) {
	if s.left.Add(-1) == 0 {
		s.stop()
	}
	return http.DefaultTransport.RoundTrip(req)
}

// TestKilledAgainstFaults kills pricers at random between and within requests, and starts new ones,
// while Yahoo misbehaves in every way, splits and corrects. In the end every needed bar is there, as
// Yahoo has it, no fact stands twice, and nobody was called unknown.
func TestKilledAgainstFaults(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	var symbols []string
	for i := range 8 {
		symbols = append(symbols, fmt.Sprintf("S%d", i))
	}
	l := newLive(t, "2025-06-02T15:00:00Z", symbols...)
	l.fake.Fault(fakes.Yahoo, fakes.Common(0.06)...)
	l.fake.Fault(fakes.Yahoo, fakes.Fault{Kind: fakes.Gaps, P: 0.06}, fakes.Fault{Kind: fakes.Repeated, P: 0.06}, fakes.Fault{Kind: fakes.NoRows, P: 0.06},
		fakes.Fault{Kind: fakes.Hostile, P: 0.06}, fakes.Fault{Kind: fakes.Cloudflare, P: 0.06})
	const rounds = 100
	kills := 0
	l.predict("2025-06-02T14:00:00Z", symbols...)
	for round := range rounds {
		if round%20 == 19 { // older posts: more to ask for
			l.predict(fmt.Sprintf("2025-05-%02dT14:00:00Z", 30-round/20), symbols...)
		}
		if round == 50 {
			l.fake.Market.Split("S1", event.DateOf(l.now)-1, 3)
		}
		ctx, cancel := context.WithCancel(context.Background())
		trip := &stopping{stop: cancel}
		trip.left.Store(1 + rng.Int64N(12))
		c := pricestest.Client()
		c.HTTP = &http.Client{Transport: trip}
		p := l.pricer(l.yahoo(c))
		p.Batch = 1 + rng.IntN(600)
		if _, err := p.Step(ctx); errors.Is(err, context.Canceled) {
			kills++
		}
		cancel()
		l.now = l.now.Add(time.Duration(rng.IntN(600)) * time.Minute)
	}
	l.fake.Heal()
	for range 3 { // holes are asked for again
		l.now = l.now.Add(2 * time.Hour)
		l.run(l.pricer(l.yahoo(pricestest.Client())))
	}
	last, _ := calendar.LastFinal("SPY", l.now)
	for _, symbol := range append(symbols, "SPY") {
		l.agrees(symbol, day(t, "2024-04-28"), last)
	}
	l.step(l.pricer(l.yahoo(pricestest.Client())), 0)
	if u := l.kind(event.SymbolUnknown); len(u) != 0 {
		t.Errorf("unknown: %v", u)
	}
	heads := map[string]string{}
	for _, e := range l.events() { // fails itself when an event stands twice
		if heads[event.SubjectOf(&e)+e.Supersedes] != "" {
			t.Errorf("two events supersede one: %s", event.SubjectOf(&e))
		}
		heads[event.SubjectOf(&e)+e.Supersedes] = e.EventID
	}
	t.Logf("%d rounds, %d killed, %d requests, %d events", rounds, kills, l.fake.Count(fakes.Yahoo), len(heads))
	if kills < 10 {
		t.Errorf("only %d rounds were killed", kills)
	}
}

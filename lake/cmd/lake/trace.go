package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/cli"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/market"
)

type traceCmd struct {
	PostID    string `arg:"" help:"Id of the post."`
	Benchmark string `default:"SPY" help:"Symbol that the outcomes are compared with."`
}

// Run prints what followed from a post: its versions, the analyses that they led to, the price requests
// that those led to, and the bars that the outcomes are computed from.
func (c *traceCmd) Run(e *environment) error {
	if _, err := event.PublishedAt(c.PostID); err != nil {
		return fmt.Errorf("%w: trace: %w", cli.ErrUsage, err)
	}
	l, err := e.open()
	if err != nil {
		return err
	}
	t, err := traceOf(e.ctx, l, c.PostID, c.Benchmark)
	if err != nil {
		return err
	}
	if e.json {
		return e.line(t)
	}
	t.print(e.stdout)
	return nil
}

// trace is the chain of one post.
type trace struct {
	PostID    string     `json:"post_id"`
	Versions  []link     `json:"versions"` // of the post, by every source, and its deletions
	Analyses  []analysis `json:"analyses"`
	Benchmark string     `json:"benchmark"`
}

// link is an event in the chain.
type link struct {
	EventID     string     `json:"event_id"`
	CausationID string     `json:"causation_id,omitempty"`
	Kind        event.Kind `json:"kind"`
	Source      string     `json:"source"`
	OccurredAt  time.Time  `json:"occurred_at"`
	RecordedAt  time.Time  `json:"recorded_at"`
	// Says is the text of a post, or the reason of a bypass or failure.
	Says string `json:"says,omitempty"`
}

type analysis struct {
	link
	Analyzer string `json:"analyzer,omitempty"` // with provider, model and prompt version
	Calls    []call `json:"calls,omitempty"`
}

type call struct {
	Symbol    string    `json:"symbol"`
	Sentiment string    `json:"sentiment,omitempty"`
	Requests  []request `json:"requests"`
	Inputs    []input   `json:"inputs"`
}

// request is one fetch from a price source. CausationID is the prediction that first needed the symbol:
// Own says that it is the one at hand. Those of others are named where one of their bars is an input.
type request struct {
	FetchID     string     `json:"fetch_id"`
	Symbol      string     `json:"symbol"`
	Source      string     `json:"source"`
	CausationID string     `json:"causation_id,omitempty"`
	Own         bool       `json:"own"`
	FetchedAt   time.Time  `json:"fetched_at"`
	From        event.Date `json:"from"`
	To          event.Date `json:"to"`
	Bars        int        `json:"bars"`
}

// input is what the outcome of one basis and horizon is computed from: the newest bars of each source
// of the base and target sessions, of the symbol and of the benchmark. What is not there yet is empty.
type input struct {
	Basis           market.Basis `json:"basis"`
	Horizon         int          `json:"horizon"`
	Base            event.Date   `json:"base_session"`
	Target          event.Date   `json:"target_session"`
	BaseBars        []bar        `json:"base_bars"`
	TargetBars      []bar        `json:"target_bars"`
	BenchmarkBase   []bar        `json:"benchmark_base_bars"`
	BenchmarkTarget []bar        `json:"benchmark_target_bars"`
}

type bar struct {
	EventID    string    `json:"event_id"`
	Source     string    `json:"source"`
	FetchID    string    `json:"fetch_id"`
	Open       *float64  `json:"open"`
	Close      *float64  `json:"close"`
	RecordedAt time.Time `json:"recorded_at"`
}

// pick is a lake.View that keeps the events wanted, once each.
type pick[E event.Event] struct {
	want func(*E) bool
	all  map[string]E
}

func (p *pick[E]) Reset() { p.all = map[string]E{} }

func (p *pick[E]) Apply(e *E) {
	if p.want(e) {
		p.all[event.EnvelopeOf(e).EventID] = *e
	}
}

// picked returns the events of a stream that are wanted, in the order of recording. What was retracted
// is not among them.
func picked[E event.Event](ctx context.Context, s *lake.Stream[E], want func(*E) bool) ([]E, error) {
	p := &pick[E]{want: want}
	p.Reset()
	if _, err := lake.Follow(s, p).CatchUp(ctx); err != nil {
		return nil, err
	}
	return slices.SortedFunc(maps.Values(p.all), func(a, b E) int {
		x, y := event.EnvelopeOf(&a), event.EnvelopeOf(&b)
		return cmp.Or(x.RecordedAt.Compare(y.RecordedAt), strings.Compare(x.EventID, y.EventID))
	}), nil
}

// traceOf reads the chain of a post. Each of the three streams is read once.
func traceOf(ctx context.Context, l *lake.Lake, postID, benchmark string) (*trace, error) {
	t := &trace{PostID: postID, Versions: []link{}, Analyses: []analysis{}, Benchmark: benchmark}
	posts, err := picked(ctx, l.Posts, func(e *event.Post) bool { return e.PostID == postID })
	if err != nil {
		return nil, err
	}
	if len(posts) == 0 {
		return nil, fmt.Errorf("trace %s: no such post in %s", postID, l.URL)
	}
	for i := range posts {
		t.Versions = append(t.Versions, linkOf(&posts[i].Envelope, posts[i].Text))
	}
	predictions, err := picked(ctx, l.Predictions, func(e *event.Prediction) bool { return e.PostID == postID })
	if err != nil {
		return nil, err
	}
	symbols, causes := map[string]bool{benchmark: true}, map[string]bool{}
	for i := range predictions {
		causes[predictions[i].EventID] = true
		for _, a := range predictions[i].Assets {
			symbols[a.Symbol] = true
		}
	}
	prices, err := picked(ctx, l.Prices, func(e *event.Price) bool {
		return e.Kind == event.BarRecorded && (symbols[e.Symbol] || causes[e.CausationID])
	})
	if err != nil {
		return nil, err
	}
	chain := &chain{calendar: market.NYSE(), benchmark: benchmark}
	chain.index(prices)
	for i := range predictions {
		t.Analyses = append(t.Analyses, chain.analysis(&predictions[i]))
	}
	return t, nil
}

func linkOf(v *event.Envelope, says string) link {
	return link{EventID: v.EventID, CausationID: v.CausationID, Kind: v.Kind, Source: v.Source, OccurredAt: v.OccurredAt.UTC(), RecordedAt: v.RecordedAt.UTC(), Says: says}
}

// chain finds bars and requests for the analyses.
type chain struct {
	calendar  *market.Calendar
	benchmark string
	bars      map[session]map[string]bar // newest by source
	requests  map[string]*request        // by symbol and fetch
}

type session struct {
	symbol string
	date   event.Date
}

func requestKey(symbol, source, fetchID string) string { return symbol + " " + source + " " + fetchID }

// index takes bars in the order of recording: the later of one source stands.
func (c *chain) index(bars []event.Price) {
	c.bars, c.requests = map[session]map[string]bar{}, map[string]*request{}
	for i := range bars {
		e := &bars[i]
		at := session{e.Symbol, e.SessionDate}
		if c.bars[at] == nil {
			c.bars[at] = map[string]bar{}
		}
		c.bars[at][e.Source] = bar{EventID: e.EventID, Source: e.Source, FetchID: e.FetchID, Open: e.Open, Close: e.Close, RecordedAt: e.RecordedAt.UTC()}
		key := requestKey(e.Symbol, e.Source, e.FetchID)
		r := c.requests[key]
		if r == nil {
			r = &request{FetchID: e.FetchID, Symbol: e.Symbol, Source: e.Source, CausationID: e.CausationID, FetchedAt: e.FetchedAt.UTC(), From: e.SessionDate, To: e.SessionDate}
			c.requests[key] = r
		}
		r.From, r.To, r.Bars = min(r.From, e.SessionDate), max(r.To, e.SessionDate), r.Bars+1
	}
}

func (c *chain) analysis(p *event.Prediction) analysis {
	a := analysis{link: linkOf(&p.Envelope, p.BypassReason+p.FailureMessage+p.Thesis)}
	if p.Analyzer != "" {
		a.Analyzer = strings.TrimSpace(fmt.Sprintf("%s %s/%s %s", p.Analyzer, p.Provider, p.Model, p.PromptVersion))
	}
	for _, asset := range p.Assets {
		a.Calls = append(a.Calls, c.call(p, asset))
	}
	return a
}

func (c *chain) call(p *event.Prediction, asset event.Asset) call {
	out := call{Symbol: asset.Symbol, Sentiment: asset.Sentiment, Requests: []request{}, Inputs: []input{}}
	used := map[string]bool{}
	at := func(symbol string, date event.Date) []bar {
		bars := slices.SortedFunc(maps.Values(c.bars[session{symbol, date}]), func(a, b bar) int { return strings.Compare(a.Source, b.Source) })
		for _, b := range bars {
			used[requestKey(symbol, b.Source, b.FetchID)] = true
		}
		return append([]bar{}, bars...)
	}
	for _, basis := range market.Bases() {
		for _, horizon := range market.Horizons() {
			span, ok := c.calendar.Span(asset.Symbol, basis, p.PublishedAt, horizon)
			if !ok {
				continue // outside the calendar: it has no inputs
			}
			out.Inputs = append(out.Inputs, input{Basis: basis, Horizon: horizon, Base: span.Base, Target: span.Target,
				BaseBars: at(asset.Symbol, span.Base), TargetBars: at(asset.Symbol, span.Target),
				BenchmarkBase: at(c.benchmark, span.Base), BenchmarkTarget: at(c.benchmark, span.Target)})
		}
	}
	for key, r := range c.requests {
		own := r.CausationID == p.EventID && r.Symbol == asset.Symbol
		if own || used[key] {
			found := *r
			found.Own = own
			out.Requests = append(out.Requests, found)
		}
	}
	slices.SortFunc(out.Requests, func(a, b request) int {
		return cmp.Or(a.FetchedAt.Compare(b.FetchedAt), strings.Compare(a.Symbol, b.Symbol), strings.Compare(a.Source, b.Source), strings.Compare(a.FetchID, b.FetchID))
	})
	return out
}

// print writes the chain for a reader.
func (t *trace) print(w io.Writer) {
	fmt.Fprintf(w, "post %s\n", t.PostID)
	for _, v := range t.Versions {
		fmt.Fprintf(w, "  %-17s %s  by %s, recorded %s%s\n", v.Kind, v.EventID, v.Source, v.RecordedAt.Format(time.RFC3339), quoted(v.Says))
	}
	for _, a := range t.Analyses {
		fmt.Fprintf(w, "\n%s %s  of %s, recorded %s\n  %s%s\n", a.Kind, a.EventID, cmp.Or(a.CausationID, "no known version"), a.RecordedAt.Format(time.RFC3339),
			cmp.Or(a.Analyzer, "the bypass rules"), quoted(a.Says))
		for _, c := range a.Calls {
			c.print(w, t.Benchmark)
		}
	}
	if len(t.Analyses) == 0 {
		fmt.Fprintln(w, "\nnot analysed yet")
	}
}

func (c call) print(w io.Writer, benchmark string) {
	fmt.Fprintf(w, "  %s %s\n", c.Symbol, cmp.Or(c.Sentiment, "without a sentiment"))
	for _, r := range c.Requests {
		cause := "of this call"
		if !r.Own {
			cause = "of " + cmp.Or(r.CausationID, "an unknown cause")
		}
		fmt.Fprintf(w, "    asked %-12s for %s: %d bars from %s to %s, fetched %s, because %s\n", r.Source, r.Symbol, r.Bars, r.From, r.To, r.FetchedAt.Format(time.RFC3339), cause)
	}
	for _, in := range c.Inputs {
		base := func(b bar) *float64 { return b.Close }
		if in.Basis == market.NextOpen {
			base = func(b bar) *float64 { return b.Open }
		}
		last := func(b bar) *float64 { return b.Close }
		fmt.Fprintf(w, "    %-11s T+%-2d  %s %s → %s %s; %s %s → %s\n", in.Basis, in.Horizon, in.Base, shown(in.BaseBars, base), in.Target, shown(in.TargetBars, last),
			benchmark, shown(in.BenchmarkBase, base), shown(in.BenchmarkTarget, last))
	}
}

// shown prints the price of each source with its event.
func shown(bars []bar, price func(bar) *float64) string {
	if len(bars) == 0 {
		return "(no bar)"
	}
	var parts []string
	for _, b := range bars {
		if v := price(b); v != nil {
			parts = append(parts, fmt.Sprintf("%g [%s %.8s]", *v, b.Source, b.EventID))
		}
	}
	return strings.Join(parts, ", ")
}

func quoted(says string) string {
	line := []rune(strings.Join(strings.Fields(says), " "))
	if len(line) == 0 {
		return ""
	}
	if len(line) > 80 {
		line = append(line[:79], '…')
	}
	return fmt.Sprintf("  %q", string(line))
}

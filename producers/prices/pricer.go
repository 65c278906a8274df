package prices

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/market"
	"shitpost-alpha/producers"
)

const (
	// AskAgain is how long an unknown symbol is left alone.
	AskAgain = 30 * 24 * time.Hour
	// GiveUp is how long after its session was final a missing bar is still asked for.
	GiveUp = 10 * 24 * time.Hour
	// AskPause is how long a source that is not local is spared the same question.
	AskPause = time.Hour
	// overlap is how many days behind the newest bar a source that is not local is read again, for corrections.
	overlap = 7
	// most is how many drafts one append holds at most.
	most = 20_000
)

// Config is what a Pricer works with. Lake, Calendar, Sources and Now must be set.
type Config struct {
	Lake     *lake.Lake
	Calendar *market.Calendar
	// Sources in order of preference. A later one is asked when those before it lack the newest
	// session that is needed, failed, or do not know the symbol.
	Sources  []Source
	Now      func() time.Time
	Log      *slog.Logger
	Progress producers.Progress
	// Batch is how many drafts are gathered, of whole symbols, before they are recorded; 10,000 when zero.
	Batch int
	// DryRun asks the sources and reports what would be appended, and appends nothing.
	DryRun bool
}

// Pricer follows the predictions and records the prices that they need. It is not safe for
// concurrent use; several Pricers on one lake are, the later finds everything there.
type Pricer struct {
	Config
	predictions *lake.Follower[event.Prediction]
	prices      *lake.Recorder[event.Price]
	calls       *calls
	known       *known
	origins     []string // of all sources
	asked       map[question]answer
	report      Report
}

// question is one symbol put to one source, by its name; answer is what this process remembers of it.
type question struct{ source, symbol string }

type answer struct {
	intervals []Interval // asked for, all told
	at        time.Time  // of the last asking
	unknown   bool
	split     event.Date // everything was asked for again because of the splits up to this date
}

// Report says what one step did. Bars, Splits, Unknown and Rejected are the events appended, by kind.
type Report struct {
	Symbols  int `json:"symbols"` // needed
	Asked    int `json:"asked"`   // of them, put to a source
	Bars     int `json:"bars"`
	Splits   int `json:"splits"`
	Unknown  int `json:"unknown"`
	Rejected int `json:"rejected"`
	Failed   int `json:"failed"` // symbols of which a source could not be asked
	// Appended is how many events were appended; of a dry run, how many would have been.
	Appended int `json:"appended"`
}

// New returns a Pricer that has read nothing yet.
func New(c Config) *Pricer {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Batch == 0 {
		c.Batch = 10_000
	}
	p := &Pricer{Config: c, calls: &calls{}, known: &known{}, asked: map[question]answer{}}
	p.calls.Reset()
	p.predictions = lake.Follow(c.Lake.Predictions, lake.View[event.Prediction](p.calls))
	p.prices = lake.NewRecorder(c.Lake.Prices, lake.View[event.Price](p.known))
	for _, s := range c.Sources {
		p.origins = append(p.origins, s.Origins()...)
	}
	slices.Sort(p.origins)
	p.origins = slices.Compact(p.origins)
	return p
}

// Wait returns when there are new predictions.
func (p *Pricer) Wait(ctx context.Context) error { return p.predictions.Wait(ctx) }

// Report returns what the last step did.
func (p *Pricer) Report() Report { return p.report }

// round is one step on its way.
type round struct {
	now     time.Time
	down    map[string]bool // sources that are unavailable
	pending []event.Price
	answers map[question]answer // remembered once pending is recorded
	err     error               // the first failure of a source
}

// Step records all that is needed now and not yet there, and returns how many events it appended. A
// source that fails costs its own answer: the rest is recorded, then its error is returned. Symbols
// are recorded whole, in batches: a crash leaves the batches before it, and the next step appends
// what is missing.
func (p *Pricer) Step(ctx context.Context) (int, error) {
	p.report = Report{}
	if _, err := p.predictions.CatchUp(ctx); err != nil {
		return 0, fmt.Errorf("price: %w", err)
	}
	if err := p.prices.CatchUp(ctx); err != nil {
		return 0, fmt.Errorf("price: %w", err)
	}
	r := &round{now: p.Now(), down: map[string]bool{}, answers: map[question]answer{}}
	needs := Needs(p.calls.all(), p.Calendar, r.now)
	var due []string
	for _, symbol := range slices.Sorted(maps.Keys(needs)) {
		if p.due(symbol, needs[symbol], r.now) {
			due = append(due, symbol)
		}
	}
	p.report.Symbols, p.report.Asked = len(needs), len(due)
	for i, symbol := range due {
		if err := p.ask(ctx, r, symbol, needs[symbol]); err != nil {
			return p.report.Appended, err
		}
		if len(r.pending) >= p.Batch {
			if err := p.flush(ctx, r); err != nil {
				return p.report.Appended, err
			}
		}
		p.Progress.Report("symbols priced", i+1, len(due))
	}
	if err := p.flush(ctx, r); err != nil {
		return p.report.Appended, err
	}
	if r.err != nil {
		return p.report.Appended, fmt.Errorf("ask sources: %d of %d symbols failed, first: %w", p.report.Failed, len(due), r.err)
	}
	return p.report.Appended, nil
}

// due says whether some source is to be asked about the symbol.
func (p *Pricer) due(symbol string, need Need, now time.Time) bool {
	if p.known.isUnknown(symbol, p.origins, now) {
		return false
	}
	for _, s := range p.Sources {
		if len(p.gaps(s, symbol, need, now)) > 0 {
			return true
		}
		if p.satisfied(s, symbol, need, nil) {
			return false
		}
	}
	return false
}

// gaps returns what to ask the source for. A local one: what was not asked yet. Another: what lies
// outside the bars that the lake has of it, and was not asked for within AskPause, or, once given up,
// ever by this process. After a split that its bars do not include: everything.
func (p *Pricer) gaps(s Source, symbol string, need Need, now time.Time) []Interval {
	m := p.asked[question{s.Name(), symbol}]
	if m.unknown && now.Sub(m.at) >= AskAgain {
		m = answer{}
	}
	if p.stale(s, symbol, now) > m.split {
		return need.Intervals
	}
	if s.Local() {
		return subtract(need.Intervals, m.intervals)
	}
	asked := m.intervals
	if now.Sub(m.at) >= AskPause {
		givenUp, _ := p.Calendar.LastFinal(symbol, now.Add(-GiveUp))
		asked = until(asked, givenUp)
	}
	return p.sessions(subtract(subtract(need.Intervals, p.known.reach(symbol, s.Origins())), asked))
}

// sessions trims the intervals to sessions: a source is not asked for a Sunday alone.
func (p *Pricer) sessions(in []Interval) []Interval {
	var out []Interval
	for _, i := range in {
		from, ok := p.Calendar.OnOrAfter(i.From)
		to, also := p.Calendar.OnOrBefore(i.To)
		if ok && also && from.Date <= to.Date {
			out = append(out, Interval{from.Date, to.Date})
		}
	}
	return out
}

func (p *Pricer) stale(s Source, symbol string, now time.Time) event.Date {
	last, _ := p.Calendar.LastFinal(symbol, now)
	return p.known.staleSplit(symbol, s.Origins(), last)
}

// satisfied says whether the source has, in the lake or in these drafts, the newest session of every
// interval needed: then no further source is asked.
func (p *Pricer) satisfied(s Source, symbol string, need Need, drafts []event.Price) bool {
	for _, in := range need.Intervals {
		drafted := slices.ContainsFunc(drafts, func(e event.Price) bool {
			return e.Kind == event.BarRecorded && e.SessionDate == in.To
		})
		if !drafted && !p.known.has(symbol, s.Origins(), in.To) {
			return false
		}
	}
	return true
}

// ask puts the symbol to the sources until one satisfies. Only the end of ctx is an error.
func (p *Pricer) ask(ctx context.Context, r *round, symbol string, need Need) error {
	unknown, failed := true, false
	for _, s := range p.Sources {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("price %s: %w", symbol, err)
		}
		q := question{s.Name(), symbol}
		var drafts []event.Price
		gaps := p.gaps(s, symbol, need, r.now)
		switch {
		case len(gaps) == 0:
			unknown = unknown && p.asked[q].unknown
		case r.down[s.Name()]:
			unknown, failed = false, true
		default:
			got, m, err := p.fetch(ctx, s, symbol, need, gaps, r.now)
			if err != nil {
				unknown, failed = false, true
				p.fail(r, s, symbol, err)
				break
			}
			drafts, r.answers[q] = got, m
			unknown = unknown && m.unknown
		}
		r.pending = append(r.pending, drafts...)
		if p.satisfied(s, symbol, need, drafts) {
			break
		}
	}
	if failed {
		p.report.Failed++
	}
	if unknown && len(p.origins) > 0 {
		e := event.Price{Symbol: symbol, AskedSources: p.origins}
		e.Kind, e.Key, e.Source, e.OccurredAt = event.SymbolUnknown, symbol, "pricer", r.now
		e.CausationID, e.Synthetic = need.CausedBy, slices.Equal(p.origins, []string{Simulator})
		r.pending = append(r.pending, e)
	}
	return nil
}

// fail notes that a source could not be asked.
func (p *Pricer) fail(r *round, s Source, symbol string, err error) {
	p.Log.Warn("ask source failed", "producer", "pricer", "source", s.Name(), "symbol", symbol, "error", err)
	if errors.Is(err, ErrUnavailable) {
		r.down[s.Name()] = true
	}
	if r.err == nil {
		r.err = fmt.Errorf("ask %s for %s: %w", s.Name(), symbol, err)
	}
}

// fetch asks for the gaps. If the answer tells of a split that the lake does not know, the older bars
// of the source are on another basis: then everything needed is asked for again, at once, so that
// split and bars are recorded together.
func (p *Pricer) fetch(ctx context.Context, s Source, symbol string, need Need, gaps []Interval, now time.Time) ([]event.Price, answer, error) {
	m := p.asked[question{s.Name(), symbol}]
	m.at, m.intervals, m.split = now, union(append(slices.Clone(gaps), m.intervals...)), max(m.split, p.stale(s, symbol, now))
	reach := p.known.reach(symbol, s.Origins())
	if !s.Local() && len(reach) > 0 {
		gaps = slices.Clone(gaps)
		for i := range gaps {
			if next := p.sessions([]Interval{{reach[0].To + 1, gaps[i].To}}); len(next) > 0 && gaps[i].From == next[0].From {
				gaps[i].From = max(reach[0].From, reach[0].To+1-overlap)
			}
		}
	}
	drafts, unknown, err := askAll(ctx, s, symbol, gaps)
	if err != nil {
		return nil, m, err
	}
	m.unknown = unknown
	if split := p.newSplit(symbol, drafts); split > m.split && len(reach) > 0 && reach[0].From < split {
		m.split = split
		if !slices.Equal(gaps, need.Intervals) {
			if drafts, _, err = askAll(ctx, s, symbol, need.Intervals); err != nil {
				return nil, m, err
			}
		}
	}
	for i := range drafts {
		drafts[i].CausationID = need.CausedBy
	}
	return drafts, m, nil
}

// newSplit returns the newest split among the drafts that the lake does not know, or none.
func (p *Pricer) newSplit(symbol string, drafts []event.Price) event.Date {
	var newest event.Date
	for i := range drafts {
		if e := &drafts[i]; e.Kind == event.SplitRecorded && !p.known.splits[symbol][e.SessionDate] {
			newest = max(newest, e.SessionDate)
		}
	}
	return newest
}

func askAll(ctx context.Context, s Source, symbol string, gaps []Interval) (drafts []event.Price, unknown bool, err error) {
	for _, in := range gaps {
		got, err := s.Bars(ctx, symbol, in.From, in.To)
		if errors.Is(err, ErrUnknown) {
			return nil, true, nil
		}
		if err != nil {
			return nil, false, err
		}
		drafts = append(drafts, got...)
	}
	return drafts, false, nil
}

// flush records what is pending and then remembers the answers that it came with: if the append
// fails they are asked for again.
func (p *Pricer) flush(ctx context.Context, r *round) error {
	for part := range slices.Chunk(r.pending, most) {
		var fresh []event.Price
		decide := func() ([]event.Price, error) {
			fresh = p.prices.New(p.stillTrue(part, r.now))
			return fresh, nil
		}
		n, err := 0, error(nil)
		if p.DryRun {
			_, err = decide()
			n = len(fresh)
		} else {
			n, err = p.prices.Record(ctx, decide)
		}
		p.report.Appended += n
		if err != nil {
			return fmt.Errorf("record prices: %w", err)
		}
		p.report.count(fresh)
	}
	maps.Copy(p.asked, r.answers)
	clear(r.answers)
	r.pending = nil
	return nil
}

// stillTrue leaves out that a symbol is unknown where it has bars, or another pricer said so meanwhile.
func (p *Pricer) stillTrue(drafts []event.Price, now time.Time) []event.Price {
	return slices.DeleteFunc(slices.Clone(drafts), func(e event.Price) bool {
		return e.Kind == event.SymbolUnknown && (p.known.priced[e.Symbol] || p.known.isUnknown(e.Symbol, p.origins, now))
	})
}

func (r *Report) count(events []event.Price) {
	for i := range events {
		switch events[i].Kind {
		case event.BarRecorded:
			r.Bars++
		case event.SplitRecorded:
			r.Splits++
		case event.SymbolUnknown:
			r.Unknown++
		case event.RecordRejected:
			r.Rejected++
		}
	}
}

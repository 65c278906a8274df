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
	// AskPause is how long at least a source that is not local is spared the same question; a quarter of
	// the age of the newest session needed when that is longer.
	AskPause = time.Hour
	// FallbackAfter is how long the next source is not asked for a session that the one before, which
	// has the symbol, lacks only because it is late.
	FallbackAfter = 2 * time.Hour
	// FailPause is how long a source that failed is spared, or one that failed for a symbol with that
	// symbol; it doubles with each further failure, up to AskPause.
	FailPause = time.Minute
	// CalendarWarning is how many days before its end the market calendar is warned of.
	CalendarWarning = 60
	// overlap is how many days behind the newest bar a source that is not local is read again, for corrections.
	overlap = 7
	// oneQuestion is how many days at most lie between two gaps that one question is asked for.
	oneQuestion = 60
	// most is how many drafts one append holds at most.
	most = 20_000
)

// ErrCalendar: the market calendar has ended, and no later session can be told.
var ErrCalendar = errors.New("market calendar ended")

// Config is what a Pricer works with. Lake, Calendar, Sources and Now must be set.
type Config struct {
	Lake     *lake.Lake
	Calendar *market.Calendar
	// Sources in order of preference. A later one is asked when those before it failed, do not know the
	// symbol, or lack the newest session that is needed.
	Sources  []Source
	Now      func() time.Time
	Log      *slog.Logger
	Progress producers.Progress
	// Metrics may be nil.
	Metrics *producers.Metrics
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
	// What follows only saves work and is forgotten with the process.
	asked  map[question]answer
	down   map[string]failures // sources that answer nobody, by name
	said   map[string]bool     // what was logged once
	report Report
}

// question is one symbol put to one source, by its name; answer is what this process remembers of it.
type question struct{ source, symbol string }

type answer struct {
	intervals []Interval // asked for, all told
	at        time.Time  // of the last asking
	unknown   bool
	split     event.Date // everything was asked for again because of the splits up to this date
	failures
}

// failures in a row, and until when not to ask again.
type failures struct {
	count int
	until time.Time
}

func (f failures) next(now time.Time, atLeast time.Duration) failures {
	pause := min(FailPause<<min(f.count, 10), AskPause)
	return failures{f.count + 1, now.Add(max(pause, atLeast))}
}

// New returns a Pricer that has read nothing yet.
func New(c Config) *Pricer {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Batch == 0 {
		c.Batch = 10_000
	}
	p := &Pricer{Config: c, calls: &calls{}, known: &known{}, asked: map[question]answer{}, down: map[string]failures{}, said: map[string]bool{}}
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

// Reachable asks for the newest version of what the pricer writes, and for nothing else.
func (p *Pricer) Reachable(ctx context.Context) error {
	_, err := p.Lake.Prices.Head(ctx)
	return err
}

// Report returns what the last step did.
func (p *Pricer) Report() Report { return p.report }

// round is one step on its way.
type round struct {
	now     time.Time
	alive   map[string]bool // sources that gave a bar of anything
	pending []event.Price
	answers map[question]answer // remembered once pending is recorded
	err     error               // the first failure of a source that left a symbol unserved
}

// Step records all that is needed now and not yet there, and returns how many events it appended. A
// source that fails costs its own answer: the rest is recorded, and the error is returned when no other
// source served the symbol. Symbols are recorded whole, in batches: a crash leaves the batches before
// it, and the next step appends what is missing.
func (p *Pricer) Step(ctx context.Context) (int, error) {
	r := &round{now: p.Now(), alive: map[string]bool{}, answers: map[question]answer{}}
	p.report = Report{CalendarDays: int(p.Calendar.Last() - event.DateOf(r.now.UTC()))}
	if _, err := p.predictions.CatchUp(ctx); err != nil {
		return 0, fmt.Errorf("price: %w", err)
	}
	if err := p.prices.CatchUp(ctx); err != nil {
		return 0, fmt.Errorf("price: %w", err)
	}
	needs := Needs(p.calls.all(), p.Calendar, r.now)
	var due []string
	for _, symbol := range slices.Sorted(maps.Keys(needs)) {
		if p.due(symbol, needs[symbol], r.now) {
			due = append(due, symbol)
		}
	}
	p.report.Symbols, p.report.Asked = len(needs), len(due)
	for i, symbol := range due {
		p.Metrics.Queue(len(due) - i)
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
	p.Metrics.Queue(p.report.Failed)
	p.Metrics.Newest(p.known.newest)
	return p.report.Appended, p.verdict(r)
}

// verdict returns the error of the step, and warns of the calendar's end.
func (p *Pricer) verdict(r *round) error {
	var errs []error
	if r.err != nil {
		errs = append(errs, fmt.Errorf("ask sources: %d of %d symbols failed, first: %w", p.report.Failed, p.report.Asked, r.err))
	}
	switch left := p.report.CalendarDays; {
	case left < 0:
		errs = append(errs, fmt.Errorf("%w on %s: no session after it is priced or scored: install a version whose calendar goes on", ErrCalendar, p.Calendar.Last()))
	case left < CalendarWarning:
		p.once(fmt.Sprintf("calendar %d", left), func() {
			p.Log.Warn("market calendar ends soon: install a version whose calendar goes on", "producer", "pricer", "last_day", p.Calendar.Last().String(), "days_left", left)
		})
	}
	return errors.Join(errs...)
}

// once calls f unless this process did so for the name before.
func (p *Pricer) once(name string, f func()) {
	if !p.said[name] {
		p.said[name] = true
		f()
	}
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
		if !p.DryRun {
			for _, e := range fresh {
				p.Metrics.Appended(string(e.Kind), 1)
			}
		}
	}
	maps.Copy(p.asked, r.answers)
	clear(r.answers)
	r.pending = nil
	return nil
}

// stillTrue leaves out what somebody else said meanwhile: that a symbol is unknown, when it has bars
// or another pricer said so; a split that another source told of.
func (p *Pricer) stillTrue(drafts []event.Price, now time.Time) []event.Price {
	return slices.DeleteFunc(slices.Clone(drafts), func(e event.Price) bool {
		switch e.Kind {
		case event.SymbolUnknown:
			return p.known.priced[e.Symbol] || p.known.isUnknown(e.Symbol, p.origins, now)
		case event.SplitRecorded:
			old, told := p.known.told(e.Symbol, market.Split{Date: e.SessionDate, Ratio: e.Ratio})
			return told && old.Date != e.SessionDate
		}
		return false
	})
}

// Report says what one step did. Bars, Splits, Unknown, GivenUp and Rejected are the events appended,
// by kind.
type Report struct {
	Symbols  int `json:"symbols"` // needed
	Asked    int `json:"asked"`   // of them, put to a source
	Bars     int `json:"bars"`
	Splits   int `json:"splits"`
	Unknown  int `json:"unknown"`
	GivenUp  int `json:"given_up"` // ranges of which a source has no bars
	Rejected int `json:"rejected"`
	// Foreign is how many of the bars are in another currency than USD.
	Foreign int `json:"foreign"`
	// Failed is how many symbols no source served; Failures how many answers failed, all told.
	Failed   int `json:"failed"`
	Failures int `json:"failures"`
	// CalendarDays is for how many days more the market calendar knows the sessions.
	CalendarDays int `json:"calendar_days"`
	// Appended is how many events were appended; of a dry run, how many would have been.
	Appended int `json:"appended"`
}

func (r *Report) count(events []event.Price) {
	for i := range events {
		switch e := &events[i]; e.Kind {
		case event.BarRecorded:
			r.Bars++
			if e.Currency != "USD" {
				r.Foreign++
			}
		case event.SplitRecorded:
			r.Splits++
		case event.SymbolUnknown:
			r.Unknown++
		case event.RecordRejected:
			if e.RejectedReason == NoBars {
				r.GivenUp++
			} else {
				r.Rejected++
			}
		}
	}
}

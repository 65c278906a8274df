package rows

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/market"
	"shitpost-alpha/projectors/outcomes"
	"shitpost-alpha/projectors/pgrow"
)

// Outcome is one call on one basis and horizon.
type Outcome struct {
	PredictionID    string         `db:"prediction_id"`
	Symbol          string         `db:"symbol"`
	Basis           string         `db:"basis"`
	Horizon         int            `db:"horizon"`
	BaseSession     event.Date     `db:"base_session"`
	BasePrice       *float64       `db:"base_price"`
	TargetSession   event.Date     `db:"target_session"`
	TargetPrice     *float64       `db:"target_price"`
	ReturnPct       *pgrow.Decimal `db:"return_pct"`
	BenchmarkPct    *pgrow.Decimal `db:"benchmark_pct"`
	AbnormalPct     *pgrow.Decimal `db:"abnormal_pct"`
	Correct         *bool          `db:"correct"`
	CorrectAbnormal *bool          `db:"correct_abnormal"`
	PnlLong         *pgrow.Decimal `db:"pnl_long"`
	Pnl             *pgrow.Decimal `db:"pnl"`
	Source          string         `db:"source"`
	BenchmarkSource string         `db:"benchmark_source"`
	Suspect         bool           `db:"suspect"`
	DueAt           time.Time      `db:"due_at"`
	FirstPricedAt   time.Time      `db:"first_priced_at"`
}

// Session is a session of the market.
type Session struct {
	SessionDate event.Date `db:"session_date"`
	OpensAt     time.Time  `db:"opens_at"`
	ClosesAt    time.Time  `db:"closes_at"`
	IsEarly     bool       `db:"is_early"`
}

// Sessions returns the rows of a calendar.
func Sessions(cal *market.Calendar) []Session {
	var rows []Session
	for _, s := range cal.Sessions() {
		rows = append(rows, Session{SessionDate: s.Date, OpensAt: s.Open, ClosesAt: s.Close, IsEarly: s.Early})
	}
	return rows
}

// Daily is the interval that outcomes are computed from.
const Daily = "1d"

// Scorer computes outcomes symbol by symbol.
type Scorer struct {
	Calendar *market.Calendar
	Settings outcomes.Settings
}

// Series returns the prices of one symbol in the form that outcomes are computed from.
func Series(bars []Bar, splits []Split) *outcomes.Series {
	b := make([]outcomes.Bar, 0, len(bars))
	for i := range bars {
		r := &bars[i]
		if r.Interval != Daily {
			continue
		}
		b = append(b, outcomes.Bar{Date: r.SessionDate, Source: r.Source, Rank: r.SourceRank, Adjustment: event.Adjustment(r.Adjustment),
			AdjustedThrough: r.AdjustedThrough, FetchID: r.FetchID, Open: r.Open, Close: r.Close, FirstRecordedAt: r.FirstRecordedAt})
	}
	s := make([]outcomes.Split, len(splits))
	for i := range splits {
		s[i] = outcomes.Split{Date: splits[i].SessionDate, Ratio: splits[i].Ratio}
	}
	return outcomes.NewSeries(b, s)
}

// Scored is what became of some calls.
type Scored struct {
	Calls    int
	Outcomes []Outcome
	Scores   []Score
}

// scoredCalls is how many calls are handed on at a time: large enough for few COPYs, small enough to be
// nothing in memory.
const scoredCalls = 2000

// Score calls yield with the outcomes and scores of all calls, part by part, ordered by symbol.
// predictions holds the prediction of every call by its id. bars and splits may hold those of
// other symbols too and must hold those of the calls' symbols and of the benchmark, at least within
// Window of the calls.
func (s Scorer) Score(calls []Call, predictions map[string]*Prediction, bars []Bar, splits []Split, yield func(Scored) bool) {
	slices.SortFunc(calls, func(a, b Call) int {
		return cmp.Or(strings.Compare(a.Symbol, b.Symbol), strings.Compare(a.PredictionID, b.PredictionID))
	})
	barsOf := group(bars, func(b *Bar) string { return b.Symbol })
	splitsOf := group(splits, func(p *Split) string { return p.Symbol })
	benchmark := Series(barsOf[s.Settings.Benchmark], splitsOf[s.Settings.Benchmark])
	var series *outcomes.Series
	part := Scored{}
	for i := range calls {
		c := &calls[i]
		if i == 0 || calls[i-1].Symbol != c.Symbol {
			series = Series(barsOf[c.Symbol], splitsOf[c.Symbol])
		}
		list := s.score(*c, series, benchmark)
		part.Calls++
		part.Outcomes = append(part.Outcomes, list...)
		if p := predictions[c.PredictionID]; p != nil {
			part.Scores = append(part.Scores, s.scoresOf(c, p, list)...)
		}
		if part.Calls == scoredCalls || i == len(calls)-1 {
			if !yield(part) {
				return
			}
			part = Scored{}
		}
	}
}

// group returns the runs of rows with the same name. Rows of one name need not stand together.
func group[T any](rows []T, name func(*T) string) map[string][]T {
	out := map[string][]T{}
	for start := 0; start < len(rows); {
		end := start + 1
		for end < len(rows) && name(&rows[end]) == name(&rows[start]) {
			end++
		}
		n := name(&rows[start])
		if out[n] == nil {
			out[n] = rows[start:end:end] // no copy where they do stand together
		} else {
			out[n] = append(out[n], rows[start:end]...)
		}
		start = end
	}
	return out
}

func (s Scorer) score(c Call, series, benchmark *outcomes.Series) []Outcome {
	computed := outcomes.Compute(outcomes.Call{PredictionID: c.PredictionID, Symbol: c.Symbol, Sentiment: c.Sentiment, PublishedAt: c.PublishedAt},
		series, benchmark, s.Calendar, s.Settings)
	out := make([]Outcome, len(computed))
	for i, o := range computed {
		out[i] = Outcome{PredictionID: o.PredictionID, Symbol: o.Symbol, Basis: string(o.Basis), Horizon: o.Horizon,
			BaseSession: o.BaseSession, BasePrice: o.BasePrice, TargetSession: o.TargetSession, TargetPrice: o.TargetPrice,
			ReturnPct: (*pgrow.Decimal)(o.ReturnPct), BenchmarkPct: (*pgrow.Decimal)(o.BenchmarkPct), AbnormalPct: (*pgrow.Decimal)(o.AbnormalPct),
			Correct: o.Correct, CorrectAbnormal: o.CorrectAbnormal, PnlLong: (*pgrow.Decimal)(o.PnlLong), Pnl: (*pgrow.Decimal)(o.Pnl),
			Source: o.Source, BenchmarkSource: o.BenchmarkSource, Suspect: o.Suspect, DueAt: o.DueAt, FirstPricedAt: o.FirstPricedAt}
	}
	return out
}

// reach is how many sessions a bar lies at most from a post that it matters to: the longest horizon, and
// a few for weekends, holidays and bars that close after midnight.
const reach, slack = 30, 6

// Window returns the dates whose bars can matter to a post published at t, both ends included.
func (s Scorer) Window(t time.Time) (from, through event.Date) {
	return s.shift(event.DateOf(t.UTC()), -slack), s.shift(event.DateOf(t.UTC()), reach+slack)
}

// Published returns the times between which a post must have been published for a bar of one of the
// dates from..through to matter to it: the converse of Window.
func (s Scorer) Published(from, through event.Date) (after, before time.Time) {
	return s.shift(from, -reach-slack).Time(), (s.shift(through, slack) + 1).Time()
}

// shift moves a date by n sessions, to the calendar's ends at most, and beyond them by calendar days.
func (s Scorer) shift(d event.Date, n int) event.Date {
	cal := s.Calendar
	inside := min(max(d, cal.First()), cal.Last())
	session, ok := cal.OnOrBefore(inside)
	if n > 0 || !ok {
		session, ok = cal.OnOrAfter(inside)
	}
	if ok {
		session, ok = cal.Add(session.Date, n)
	}
	switch {
	case ok && n < 0:
		return min(session.Date, d)
	case ok:
		return max(session.Date, d)
	case n < 0:
		return min(d, cal.First())
	default:
		return max(d, cal.Last())
	}
}

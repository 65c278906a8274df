package rows

import (
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

// Score returns the outcomes and scores of calls of one symbol. predictions holds the prediction of every call
// by its id, series the prices of the symbol and benchmark those of the benchmark, both at least within Window
// of the calls.
func (s Scorer) Score(calls []Call, predictions map[string]*Prediction, series, benchmark *outcomes.Series) ([]Outcome, []Score) {
	list := make([]Outcome, 0, 12*len(calls))
	scores := make([]Score, 0, 12*len(calls))
	for i := range calls {
		c := &calls[i]
		from := len(list)
		list = s.score(list, c, series, benchmark)
		if p := predictions[c.PredictionID]; p != nil {
			scores = s.scoresOf(scores, c, p, list[from:])
		}
	}
	return list, scores
}

// BySymbol returns the rows of each symbol. Rows of one symbol need not stand together.
func BySymbol[T any](rows []T, symbol func(*T) string) map[string][]T {
	out := map[string][]T{}
	for start := 0; start < len(rows); {
		end := start + 1
		for end < len(rows) && symbol(&rows[end]) == symbol(&rows[start]) {
			end++
		}
		n := symbol(&rows[start])
		if out[n] == nil {
			out[n] = rows[start:end:end] // no copy where they do stand together
		} else {
			out[n] = append(out[n], rows[start:end]...)
		}
		start = end
	}
	return out
}

// score appends the outcomes of a call to out.
func (s Scorer) score(out []Outcome, c *Call, series, benchmark *outcomes.Series) []Outcome {
	computed := outcomes.Compute(outcomes.Call{PredictionID: c.PredictionID, Symbol: c.Symbol, Sentiment: c.Sentiment, PublishedAt: c.PublishedAt},
		series, benchmark, s.Calendar, s.Settings)
	for i := range computed {
		o := &computed[i]
		out = append(out, Outcome{PredictionID: o.PredictionID, Symbol: o.Symbol, Basis: string(o.Basis), Horizon: o.Horizon,
			BaseSession: o.BaseSession, BasePrice: o.BasePrice, TargetSession: o.TargetSession, TargetPrice: o.TargetPrice,
			ReturnPct: (*pgrow.Decimal)(o.ReturnPct), BenchmarkPct: (*pgrow.Decimal)(o.BenchmarkPct), AbnormalPct: (*pgrow.Decimal)(o.AbnormalPct),
			Correct: o.Correct, CorrectAbnormal: o.CorrectAbnormal, PnlLong: (*pgrow.Decimal)(o.PnlLong), Pnl: (*pgrow.Decimal)(o.Pnl),
			Source: o.Source, BenchmarkSource: o.BenchmarkSource, Suspect: o.Suspect, DueAt: o.DueAt, FirstPricedAt: o.FirstPricedAt})
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

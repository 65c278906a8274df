// Package outcomes scores a call against what the market did. It is a pure function of the call, the
// bars and splits of its symbol and of the benchmark, the calendar and the settings: the same input
// gives the same rows to the bit, whatever order it arrived in.
//
// A Call is one asset of one prediction. A Series holds all that is known of one symbol's prices, from
// every source. Compute gives the twelve outcomes of a call, one per basis and horizon (domain.md 4);
// the source order, splits and suspect prices follow domain.md 3.
//
// Percent values are percentage points and money is US dollars, both with exactly six decimals: they
// are computed as whole millionths (Micro) and are the float64 nearest to that decimal. return_pct and
// benchmark_pct are rounded, once; everything else is whole-number arithmetic on the rounded values,
// so sums of Micro are exact in any order.
package outcomes

import (
	"math"
	"strings"
	"time"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/market"
)

// Settings are the choices that a score depends on.
type Settings struct {
	// Band is how far a return must go to count as a move, in percentage points, six decimals.
	Band float64
	// Benchmark is the symbol that abnormal returns are measured against.
	Benchmark string
	// SourceOrder names price sources ("file:prices.csv") or families ("file") that come before all
	// others, best first, whatever their adjustment.
	SourceOrder []string
}

// DefaultSettings returns a band of 0.5 percentage points, SPY, and the source order of domain.md 3.
func DefaultSettings() Settings { return Settings{Band: 0.5, Benchmark: "SPY"} }

// Call is one asset that one prediction names.
type Call struct {
	PredictionID, Symbol string
	// Sentiment is bullish, bearish or neutral; empty where the answer gave none.
	Sentiment string
	// PublishedAt is the post's time, the anchor of every outcome.
	PublishedAt time.Time
}

// Outcome is one call on one basis and horizon. Nil is SQL null; the pointers of one Compute share
// memory and must not be written through.
type Outcome struct {
	PredictionID, Symbol string
	Basis                market.Basis
	Horizon              int // in sessions
	// BaseSession and TargetSession are 0 when one of them lies outside the calendar.
	BaseSession, TargetSession event.Date
	// BasePrice and TargetPrice come from Source, on the later split basis of the two bars. Where no
	// source has both bars, BasePrice is that of the first source that has the base bar.
	BasePrice, TargetPrice *float64
	// ReturnPct is (target - base) / base × 100, present only when evaluated.
	ReturnPct *float64
	// BenchmarkPct is the same for the benchmark on the same sessions and price columns. It does not
	// need ReturnPct, and for the benchmark's own rows it equals ReturnPct.
	BenchmarkPct *float64
	// AbnormalPct is ReturnPct - BenchmarkPct; nil for the benchmark itself.
	AbnormalPct *float64
	// Correct and CorrectAbnormal are nil without a sentiment; see Correct.
	Correct, CorrectAbnormal *bool
	// PnlLong is the profit in dollars of $1,000 held long, Pnl that of following the sentiment.
	PnlLong, Pnl *float64
	// Source gave the prices, BenchmarkSource the benchmark's; empty where there are none.
	Source, BenchmarkSource string
	// Suspect says that the prices are there but are not believed: an unadjusted source jumped by a
	// usual split ratio with no known split, or the return is beyond a hundred million percent.
	Suspect bool
	// DueAt is when the target bar is final, FirstPricedAt when both bars were first in the lake, UTC.
	// DueAt is zero outside the calendar, FirstPricedAt unless evaluated.
	DueAt, FirstPricedAt time.Time
}

// Compute returns the twelve outcomes of a call: bases in the order of market.Bases, horizons
// ascending. series holds the prices of the call's symbol and benchmark those of s.Benchmark; either
// may be nil, which means that nothing is known.
func Compute(c Call, series, benchmark *Series, cal *market.Calendar, s Settings) []Outcome {
	bases, horizons := market.Bases(), market.Horizons()
	rows := make([]Outcome, 0, len(bases)*len(horizons))
	cells := make([]values, cap(rows))
	for _, basis := range bases {
		for _, n := range horizons {
			o := Outcome{PredictionID: c.PredictionID, Symbol: c.Symbol, Basis: basis, Horizon: n}
			if span, ok := cal.Span(c.Symbol, basis, c.PublishedAt, n); ok {
				o.BaseSession, o.TargetSession = span.Base, span.Target
				_, closes := cal.Bar(c.Symbol, span.Target)
				o.DueAt = closes.Add(market.Delay)
				score(&o, &cells[len(rows)], c.Sentiment, series, benchmark, s)
			}
			rows = append(rows, o)
		}
	}
	return rows
}

// values is the memory that the pointers of one outcome point into: one allocation per call instead
// of nine per row.
type values struct {
	basePrice, targetPrice, returnPct, benchmarkPct, abnormalPct, pnlLong, pnl float64
	correct, correctAbnormal                                                   bool
}

// score fills in what follows from the sessions of o.
func score(o *Outcome, v *values, sentiment string, series, benchmark *Series, s Settings) {
	span, open := market.Span{Base: o.BaseSession, Target: o.TargetSession}, o.Basis == market.NextOpen
	own := series.quote(span, open, s.SourceOrder)
	ret, evaluated := own.percent()
	bench := own
	if o.Symbol != s.Benchmark {
		bench = benchmark.quote(span, open, s.SourceOrder)
	}
	benchRet, benchmarked := bench.percent()

	if own.source != "" {
		o.Source = own.source
		o.BasePrice = put(&v.basePrice, own.base)
	}
	if own.target > 0 {
		o.TargetPrice = put(&v.targetPrice, own.target)
		o.Suspect = !evaluated
	}
	if benchmarked {
		o.BenchmarkSource = bench.source
		o.BenchmarkPct = put(&v.benchmarkPct, fromMicro(benchRet))
	}
	if !evaluated {
		return
	}
	o.FirstPricedAt = own.pricedAt
	o.ReturnPct = put(&v.returnPct, fromMicro(ret))
	// return/100 × 1000 dollars: ten micro-dollars for a micro-percent.
	o.PnlLong = put(&v.pnlLong, fromMicro(ret*10))
	if sign, ok := signOf(sentiment); ok {
		o.Pnl = put(&v.pnl, fromMicro(sign*ret*10))
		o.Correct = put(&v.correct, correct(sign, ret, Micro(s.Band)))
	}
	if benchmarked && o.Symbol != s.Benchmark {
		o.AbnormalPct = put(&v.abnormalPct, fromMicro(ret-benchRet))
		if sign, ok := signOf(sentiment); ok {
			o.CorrectAbnormal = put(&v.correctAbnormal, correct(sign, ret-benchRet, Micro(s.Band)))
		}
	}
}

func put[T any](to *T, value T) *T {
	*to = value
	return to
}

// maxPct is the greatest return in percent that is believed: a hundred million percent. It keeps every
// figure a whole number of millionths below 2^53, where float64 is exact.
const maxPct = 1e8

// percent returns the return of the quote in micro-percent. It is false without both prices and for
// prices that are not believed.
func (q quote) percent() (int64, bool) {
	pct := (q.target - q.base) / q.base * 100
	if q.target <= 0 || q.suspect || !(math.Abs(pct) <= maxPct) {
		return 0, false
	}
	return Micro(pct), true
}

// Micro returns x in whole millionths, half away from zero: the form in which rollups add up percent
// and dollars. NaN is 0, and what does not fit becomes the greatest int64 or its negative.
func Micro(x float64) int64 {
	switch m := math.Round(x * 1e6); {
	case math.IsNaN(m):
		return 0
	case m >= math.MaxInt64:
		return math.MaxInt64
	case m <= -math.MaxInt64:
		return -math.MaxInt64
	default:
		return int64(m)
	}
}

// fromMicro returns the float64 nearest to the decimal: a division of two exact numbers.
func fromMicro(m int64) float64 { return float64(m) / 1e6 }

// signOf returns +1 for bullish, -1 for bearish, 0 for neutral, and false for no sentiment.
func signOf(sentiment string) (int64, bool) {
	switch sentiment {
	case event.Bullish:
		return 1, true
	case event.Bearish:
		return -1, true
	case event.Neutral:
		return 0, true
	}
	return 0, false
}

// correct compares whole millionths, so that a return of exactly the band is one.
func correct(sign, pct, band int64) bool {
	if sign == 0 {
		return -band <= pct && pct <= band
	}
	return sign*pct > band
}

// Correct reports whether a move of pct percentage points is what the sentiment said: bullish above
// the band, bearish below minus the band, neutral within it, its edges included (domain.md 4). Both are
// compared at six decimals. It is nil for no sentiment.
func Correct(sentiment string, pct, band float64) *bool {
	sign, ok := signOf(sentiment)
	if !ok {
		return nil
	}
	result := correct(sign, Micro(pct), Micro(band))
	return &result
}

// Origins of a call.
const (
	Live          = "live"          // answered before the open of E: somebody could have acted on it
	Retrospective = "retrospective" // answered later: a model may have known the outcome
	Imported      = "imported"      // from the Python system
)

// legacyPrompt begins the prompt version of every imported prediction (domain.md 2.1).
const legacyPrompt = "legacy:"

// Origin says how the answer to a call relates to what it predicts. predictedAt is when the answer
// came. The answer is retrospective after the open of E, the first session whose bar opens after the
// post (domain.md 4), and where E is outside the calendar.
func Origin(c Call, predictedAt time.Time, promptVersion string, cal *market.Calendar) string {
	if strings.HasPrefix(promptVersion, legacyPrompt) {
		return Imported
	}
	span, ok := cal.Span(c.Symbol, market.NextOpen, c.PublishedAt, 1)
	if !ok {
		return Retrospective
	}
	if opens, _ := cal.Bar(c.Symbol, span.Base); predictedAt.After(opens) {
		return Retrospective
	}
	return Live
}

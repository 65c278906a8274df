package prices

import (
	"fmt"
	"strings"
	"time"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/market"
	"shitpost-alpha/producers/prices/format"
)

// Reasons of rows that are refused although their prices are possible.
const (
	// NoSession: a day on which the market was closed.
	NoSession = "no session"
	// Spike: a close ten times, or a tenth of, both the close before and the one after.
	Spike = "spike"
)

// Answer returns drafts of what a source over a network told of the fetch's symbol: the finished bars
// in from..to, all splits that have happened, and what was refused. The fetch takes over the
// currency, and reaches through the newest split of the answer: a source that tells of a split has
// adjusted for it, even on its day.
//
// The newest bar is refused for a day while the source's newest trade is older than the bar's close:
// then the answer was made while the bar was in progress. sessions says that the symbol has bars on
// sessions only.
func (f *Fetch) Answer(doc *format.Document, from, to event.Date, sessions bool) []event.Price {
	var out []event.Price
	for _, s := range doc.Splits {
		if s.Symbol == f.Symbol && f.Effective(s.Date) {
			f.Through = max(f.Through, s.Date)
			out = append(out, f.Split(s))
		}
	}
	answer := doc.Series[f.Symbol]
	if answer == nil {
		answer = &format.Series{}
	}
	f.Currency = answer.Currency
	for i, b := range answer.Bars {
		if b.Date < from || b.Date > to || !f.Final(b.Date) || i == len(answer.Bars)-1 && f.inProgress(answer.LastTrade, b.Date) {
			continue
		}
		row := format.Reject{Symbol: f.Symbol, Date: b.Date, Raw: fmt.Sprintf("%+v", b)}
		if _, ok := f.Calendar.Session(b.Date); sessions && !ok {
			row.Reason, row.Detail = NoSession, "the market was closed on "+b.Date.String()
		} else if spike(answer.Bars, i) {
			row.Reason, row.Detail = Spike, fmt.Sprintf("close %v between %v and %v", b.Close, answer.Bars[i-1].Close, answer.Bars[i+1].Close)
		} else {
			out = append(out, f.Bar(b))
			continue
		}
		out = append(out, f.refuse(row))
	}
	for _, r := range doc.Rejects {
		if r.Date == 0 || r.Date >= from && r.Date <= to && f.Final(r.Date) {
			out = append(out, f.refuse(r))
		}
	}
	return out
}

// inProgress says whether the source had not seen the close of the bar when it answered.
func (f *Fetch) inProgress(lastTrade time.Time, d event.Date) bool {
	_, closes := f.Calendar.Bar(f.Symbol, d)
	return !lastTrade.IsZero() && lastTrade.Before(closes) && f.At.Before(closes.Add(24*time.Hour))
}

// spike says whether the close of bar i is far from both its neighbours, which are near each other.
func spike(bars []format.Bar, i int) bool {
	if i == 0 || i == len(bars)-1 {
		return false
	}
	far := func(a, b float64) bool { return a > 10*b || b > 10*a }
	before, here, after := bars[i-1].Close, bars[i].Close, bars[i+1].Close
	return far(before, here) && far(here, after) && before < 2*after && after < 2*before
}

// refuse returns the draft of a row that was not taken. Its key holds the day, or the row itself where
// that has none, so that the same row of a later answer is the same event.
func (f *Fetch) refuse(r format.Reject) event.Price {
	place := r.Date.String()
	if r.Date == 0 {
		place = "row " + event.Hash(r.Raw)[:8]
	}
	r.Symbol = f.Symbol
	return f.Reject(f.Symbol+" "+place, r, fmt.Sprintf("%s of %s by %s: %s", place, f.Symbol, f.Source, r.Detail))
}

// SharesOnly says whether the symbol has bars on sessions only, as far as its name tells: not
// round-the-clock ones, futures and currencies.
func SharesOnly(symbol string) bool {
	return !strings.HasSuffix(symbol, "-USD") && !strings.HasSuffix(symbol, "=F") && !strings.HasSuffix(symbol, "=X")
}

// NewFetch returns the fetch of a split- or dividend-adjusting source over a network at now: its
// prices include all splits up to the last finished session. ok is false before the calendar's first
// session is finished.
func NewFetch(cal *market.Calendar, symbol, source string, adjustment event.Adjustment, now time.Time) (f Fetch, ok bool) {
	through, ok := cal.LastFinal(symbol, now)
	return Fetch{Calendar: cal, Symbol: symbol, Source: source, Adjustment: adjustment, Through: through, At: now.UTC(),
		ID: source + "@" + now.UTC().Format("2006-01-02T15:04:05.000000Z")}, ok
}

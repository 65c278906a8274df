package prices

import (
	"slices"
	"sort"
	"time"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/market"
)

// Lookback is how many days of bars before a post are kept for its symbols.
const Lookback = 400

// Call is one asset named by one prediction, as far as prices are concerned.
type Call struct {
	EventID     string // of the prediction_made
	Symbol      string
	PublishedAt time.Time // of the post, UTC
}

// Interval is a range of session dates, both ends included.
type Interval struct{ From, To event.Date }

// Need is what is needed of one symbol.
type Need struct {
	// Intervals ascend, without overlap.
	Intervals []Interval
	// CausedBy is the event id of the prediction that first needed the symbol: the earliest by
	// publication, then by event id.
	CausedBy string
}

// Needs says which bars the calls need at now (domain.md 3): for every call from Lookback days before
// the post to the last target session of any basis and horizon, as far as that is final; of the
// Benchmark everything from the earliest call on. It depends on the set of calls and on now alone;
// more calls never need less, and without calls nothing is needed.
func Needs(calls []Call, cal *market.Calendar, now time.Time) map[string]Need {
	type first struct {
		at time.Time
		id string
	}
	firsts := map[string]first{}
	intervals := map[string][]Interval{}
	add := func(symbol string, c Call, until event.Date) {
		final, ok := cal.LastFinal(symbol, now)
		in := Interval{max(event.DateOf(c.PublishedAt.UTC())-Lookback, cal.First()), min(until, final)}
		if !ok || in.From > in.To {
			return
		}
		intervals[symbol] = append(intervals[symbol], in)
		f, seen := firsts[symbol]
		if !seen || c.PublishedAt.Before(f.at) || c.PublishedAt.Equal(f.at) && c.EventID < f.id {
			firsts[symbol] = first{c.PublishedAt, c.EventID}
		}
	}
	for _, c := range calls {
		if until, ok := lastTarget(c, cal); ok {
			add(c.Symbol, c, until)
			add(Benchmark, c, cal.Last())
		}
	}
	needs := make(map[string]Need, len(intervals))
	for symbol, in := range intervals {
		needs[symbol] = Need{Intervals: union(in), CausedBy: firsts[symbol].id}
	}
	return needs
}

// lastTarget returns the latest session that any outcome of the call is measured at; the calendar's
// end where that lies behind it; false when the calendar knows no session of the call.
func lastTarget(c Call, cal *market.Calendar) (event.Date, bool) {
	day := event.DateOf(c.PublishedAt.UTC())
	if day < cal.First() || day > cal.Last() {
		return 0, false
	}
	longest := slices.Max(market.Horizons())
	next, ok := cal.OnOrAfter(day)
	if ok {
		_, ok = cal.Add(next.Date, longest+1) // no basis looks further
	}
	if !ok {
		return cal.Last(), true
	}
	var until event.Date
	for _, basis := range market.Bases() {
		if span, ok := cal.Span(c.Symbol, basis, c.PublishedAt, longest); ok {
			until = max(until, span.Target)
		}
	}
	return until, until != 0
}

// union returns the days of all intervals as ascending intervals that neither overlap nor touch.
func union(in []Interval) []Interval {
	in = slices.Clone(in)
	sort.Slice(in, func(i, j int) bool { return in[i].From < in[j].From })
	var out []Interval
	for _, i := range in {
		if n := len(out); n > 0 && i.From <= out[n-1].To+1 {
			out[n-1].To = max(out[n-1].To, i.To)
			continue
		}
		out = append(out, i)
	}
	return out
}

// subtract returns the days of in that are in none of minus. in must ascend without overlap.
func subtract(in, minus []Interval) []Interval {
	var out []Interval
	for _, i := range in {
		for _, m := range union(minus) {
			if m.To < i.From || m.From > i.To {
				continue
			}
			if m.From > i.From {
				out = append(out, Interval{i.From, m.From - 1})
			}
			i.From = m.To + 1
		}
		if i.From <= i.To {
			out = append(out, i)
		}
	}
	return out
}

// until returns the days of in up to and including last.
func until(in []Interval, last event.Date) []Interval {
	var out []Interval
	for _, i := range in {
		if i.From <= last {
			out = append(out, Interval{i.From, min(i.To, last)})
		}
	}
	return out
}

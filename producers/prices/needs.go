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
	// Spans are the days from the earliest base to the latest target of the calls, ascending, without
	// overlap: the bars of one span must be comparable with each other.
	Spans []Interval
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
	intervals, spans := map[string][]Interval{}, map[string][]Interval{}
	finals := map[string]event.Date{}
	add := func(symbol string, c Call, span Interval, until event.Date) {
		final, ok := finals[symbol]
		if !ok {
			final, _ = cal.LastFinal(symbol, now)
			finals[symbol] = final
		}
		in := Interval{max(event.DateOf(c.PublishedAt.UTC())-Lookback, cal.First()), min(until, final)}
		if in.From > in.To {
			return
		}
		intervals[symbol] = append(intervals[symbol], in)
		spans[symbol] = append(spans[symbol], span)
		f, seen := firsts[symbol]
		if !seen || c.PublishedAt.Before(f.at) || c.PublishedAt.Equal(f.at) && c.EventID < f.id {
			firsts[symbol] = first{c.PublishedAt, c.EventID}
		}
	}
	for _, c := range calls {
		if span, ok := spanOf(c, cal); ok {
			add(c.Symbol, c, span, span.To)
			add(Benchmark, c, span, cal.Last())
		}
	}
	needs := make(map[string]Need, len(intervals))
	for symbol, in := range intervals {
		needs[symbol] = Need{Intervals: union(in), Spans: union(spans[symbol]), CausedBy: firsts[symbol].id}
	}
	return needs
}

// spanOf returns the days from the earliest base to the latest target session of all outcomes of the
// call, to the calendar's end where the target lies behind it; false when the calendar knows no
// session of the call.
func spanOf(c Call, cal *market.Calendar) (Interval, bool) {
	day := event.DateOf(c.PublishedAt.UTC())
	if day < cal.First() || day > cal.Last() {
		return Interval{}, false
	}
	longest := slices.Max(market.Horizons())
	out := Interval{From: day}
	for _, basis := range market.Bases() {
		if span, ok := cal.Span(c.Symbol, basis, c.PublishedAt, longest); ok {
			out.From, out.To = min(out.From, span.Base), max(out.To, span.Target)
		}
	}
	next, ok := cal.OnOrAfter(day)
	if ok {
		_, ok = cal.Add(next.Date, longest+1) // no basis looks further
	}
	if !ok {
		out.To = cal.Last()
	}
	return out, out.To != 0
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

// reaching widens the interval to the left, so that its beginning cuts no span. spans must not overlap.
func reaching(in Interval, spans []Interval) Interval {
	for _, s := range spans {
		if s.From < in.From && s.To >= in.From {
			return Interval{s.From, in.To}
		}
	}
	return in
}

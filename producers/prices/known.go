package prices

import (
	"math"
	"slices"
	"strings"
	"time"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/market"
)

// calls is the view of stream predictions: every call ever made, whichever answer stands.
type calls struct{ byEvent map[string][]Call }

func (v *calls) Reset() { v.byEvent = map[string][]Call{} }

func (v *calls) Apply(e *event.Prediction) {
	if e.Kind != event.PredictionMade || len(e.Assets) == 0 {
		return
	}
	made := make([]Call, 0, len(e.Assets))
	for _, a := range e.Assets {
		made = append(made, Call{EventID: e.EventID, Symbol: a.Symbol, PublishedAt: e.PublishedAt})
	}
	v.byEvent[e.EventID] = made
}

func (v *calls) all() []Call {
	var out []Call
	for _, made := range v.byEvent {
		out = append(out, made...)
	}
	return out
}

// origin is one symbol from one origin.
type origin struct{ symbol, source string }

// series is what the lake has of one symbol from one origin.
type series struct {
	bars        map[event.Date]stored
	first, last event.Date
	dividend    bool // some bar is dividend-adjusted
	// nothing holds the days of which the origin had no bars when it was asked, in any order: see NoBars.
	nothing []nothing
}

// nothing are days of which an origin had no bars at a time.
type nothing struct {
	Interval
	at time.Time
}

// stored is the newest word on a bar.
type stored struct {
	close    float64
	recorded int64      // µs since 1970
	through  event.Date // 0 where the source does not adjust
}

// known is the view of stream prices: which bars, splits and unknown symbols the lake has.
type known struct {
	series  map[origin]*series
	splits  map[string]map[market.Split]time.Time // by symbol: when it was recorded
	unknown map[string]*event.Price               // the newest symbol_unknown
	priced  map[string]bool                       // symbols with a bar of any origin
	newest  time.Time                             // of all events, by OccurredAt
}

func (v *known) Reset() {
	v.series = map[origin]*series{}
	v.splits = map[string]map[market.Split]time.Time{}
	v.unknown = map[string]*event.Price{}
	v.priced = map[string]bool{}
}

func (v *known) of(symbol, source string) *series {
	k := origin{symbol, source}
	s := v.series[k]
	if s == nil {
		s = &series{bars: map[event.Date]stored{}}
		v.series[k] = s
	}
	return s
}

func (v *known) Apply(e *event.Price) {
	if e.OccurredAt.After(v.newest) {
		v.newest = e.OccurredAt
	}
	switch e.Kind {
	case event.BarRecorded:
		v.applyBar(e)
	case event.SplitRecorded:
		if v.splits[e.Symbol] == nil {
			v.splits[e.Symbol] = map[market.Split]time.Time{}
		}
		if told := (market.Split{Date: e.SessionDate, Ratio: e.Ratio}); e.RecordedAt.After(v.splits[e.Symbol][told]) {
			v.splits[e.Symbol][told] = e.RecordedAt
		}
	case event.SymbolUnknown:
		if old := v.unknown[e.Symbol]; old == nil || e.After(&old.Envelope) {
			kept := *e
			v.unknown[e.Symbol] = &kept
		}
	case event.RecordRejected:
		if n, ok := parseNothing(e); ok {
			if s := v.of(e.Symbol, e.Source); !slices.Contains(s.nothing, n) {
				s.nothing = append(s.nothing, n)
			}
		}
	}
}

// applyBar keeps the newest word on the bar. No two events of a stream were recorded in one microsecond.
func (v *known) applyBar(e *event.Price) {
	s := v.of(e.Symbol, e.Source)
	b := stored{close: *e.Close, recorded: e.RecordedAt.UnixMicro(), through: e.AdjustedThrough}
	if e.Adjustment == event.AdjustedNone {
		b.through = 0
	}
	if old, ok := s.bars[e.SessionDate]; !ok || b.recorded >= old.recorded {
		s.bars[e.SessionDate] = b
	}
	if s.first == 0 || e.SessionDate < s.first {
		s.first = e.SessionDate
	}
	s.last = max(s.last, e.SessionDate)
	s.dividend = s.dividend || e.Adjustment == event.AdjustedDividend
	v.priced[e.Symbol] = true
}

// has returns what says whether any of the origins has the bar of a day.
func (v *known) has(symbol string, origins []string) func(event.Date) bool {
	var all []*series
	for _, o := range origins {
		if s := v.series[origin{symbol, o}]; s != nil {
			all = append(all, s)
		}
	}
	return func(d event.Date) bool {
		for _, s := range all {
			if _, ok := s.bars[d]; ok {
				return true
			}
		}
		return false
	}
}

// reach returns from the first to the last bar that the origins have, ok false when they have none.
func (v *known) reach(symbol string, origins []string) (in Interval, ok bool) {
	for _, o := range origins {
		s := v.series[origin{symbol, o}]
		if s == nil || s.last == 0 {
			continue
		}
		if !ok || s.first < in.From {
			in.From = s.first
		}
		in.To, ok = max(in.To, s.last), true
	}
	return in, ok
}

// without returns the days of which the origins have no bars, as far as they are believed at now: see
// NoBars.
func (v *known) without(symbol string, origins []string, now time.Time) []Interval {
	var out []Interval
	for _, o := range origins {
		s := v.series[origin{symbol, o}]
		if s == nil {
			continue
		}
		for _, n := range s.nothing {
			said := 0
			for _, other := range s.nothing {
				if other.at.Before(n.at) && other.From <= n.To && other.To >= n.From {
					said++
				}
			}
			if said >= 2 || now.Before(n.at.Add([]time.Duration{24 * time.Hour, AskAgain}[said])) {
				out = append(out, n.Interval)
			}
		}
	}
	return union(out)
}

// dividend says whether the origins' bars of the symbol are dividend-adjusted: then only those of one
// fetch can be compared.
func (v *known) dividend(symbol string, origins []string) bool {
	return slices.ContainsFunc(origins, func(o string) bool {
		s := v.series[origin{symbol, o}]
		return s != nil && s.dividend
	})
}

// differs says whether some draft is of a bar that the lake has with a close more than a hundredth
// away, on a basis that includes splits: then older bars, too, may be on another basis by now.
func (v *known) differs(drafts []event.Price) bool {
	return slices.ContainsFunc(drafts, func(e event.Price) bool {
		s := v.series[origin{e.Symbol, e.Source}]
		if e.Kind != event.BarRecorded || e.Adjustment != event.AdjustedSplit || s == nil {
			return false
		}
		old, ok := s.bars[e.SessionDate]
		return ok && old.through != 0 && math.Abs(*e.Close/old.close-1) > 0.01
	})
}

// told returns the split that the lake has in place of this one, by whatever source.
func (v *known) told(symbol string, s market.Split) (market.Split, bool) {
	for old := range v.splits[symbol] {
		if old.Same(s) {
			return old, true
		}
	}
	return market.Split{}, false
}

// staleSplit returns the newest split, effective by last and recorded since, that some bar of the
// origins does not include although its source adjusts for splits; none when all do. An older telling
// is not stale: a source that gave the same prices for so long does not adjust for that split.
func (v *known) staleSplit(symbol string, origins []string, last event.Date, since time.Time) event.Date {
	var newest event.Date
	for split, recorded := range v.splits[symbol] {
		if split.Date > last || split.Date <= newest || recorded.Before(since) {
			continue
		}
		for _, o := range origins {
			s := v.series[origin{symbol, o}]
			if s == nil {
				continue
			}
			for day, b := range s.bars {
				if b.through != 0 && day < split.Date && b.through < split.Date {
					newest = max(newest, split.Date)
				}
			}
		}
	}
	return newest
}

// isUnknown says whether the symbol counts as unknown at now for these origins: every one of them was
// asked, less than AskAgain ago, and no bar has ever come.
func (v *known) isUnknown(symbol string, origins []string, now time.Time) bool {
	u := v.unknown[symbol]
	if u == nil || v.priced[symbol] || now.Sub(u.OccurredAt) >= AskAgain {
		return false
	}
	for _, o := range origins {
		if !slices.Contains(u.AskedSources, o) {
			return false
		}
	}
	return true
}

// NoBars is the reason of a record_rejected that says: this source was asked for the bars of these days,
// GiveUp or more after they were final, and had none. It is believed for a day, for AskAgain when it says
// so again, and then for good: answers are cut short, and symbols unknown for an hour. The key names
// symbol and days, "X 2025-06-18..2025-08-01".
const NoBars = "no bars"

func nothingDraft(symbol, source string, in Interval, causedBy string, now time.Time) event.Price {
	var e event.Price
	e.Kind, e.Source, e.OccurredAt, e.CausationID = event.RecordRejected, source, now, causedBy
	e.Key = symbol + " " + in.From.String() + ".." + in.To.String()
	e.Symbol, e.SessionDate, e.RejectedReason = symbol, in.From, NoBars
	e.RejectedDetail = source + " had no bars of " + symbol + " from " + in.From.String() + " to " + in.To.String() +
		" on " + event.DateOf(now.UTC()).String() // the day makes a later asking a fact of its own
	return e
}

// parseNothing reads what nothingDraft wrote.
func parseNothing(e *event.Price) (n nothing, ok bool) {
	_, days, _ := strings.Cut(e.Key, " ")
	from, to, _ := strings.Cut(days, "..")
	var errFrom, errTo error
	n.at = e.OccurredAt
	n.From, errFrom = event.ParseDate(from)
	n.To, errTo = event.ParseDate(to)
	return n, e.RejectedReason == NoBars && errFrom == nil && errTo == nil && n.From <= n.To
}

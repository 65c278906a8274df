package prices

import (
	"slices"
	"time"

	"shitpost-alpha/lake/event"
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

// series is the bars of one symbol from one origin.
type series struct{ symbol, origin string }

// known is the view of stream prices: which bars, splits and unknown symbols the lake has.
type known struct {
	// bars holds how far each bar is adjusted, by session date; 0 where the source does not adjust.
	bars    map[series]map[event.Date]event.Date
	splits  map[string]map[event.Date]bool // by symbol
	unknown map[string]*event.Price        // the newest symbol_unknown
	priced  map[string]bool                // symbols with a bar of any origin
}

func (v *known) Reset() {
	v.bars = map[series]map[event.Date]event.Date{}
	v.splits = map[string]map[event.Date]bool{}
	v.unknown = map[string]*event.Price{}
	v.priced = map[string]bool{}
}

// Apply does not need the newest bar to win: of two fetches the later reaches further, or as far.
func (v *known) Apply(e *event.Price) {
	switch e.Kind {
	case event.BarRecorded:
		k := series{e.Symbol, e.Source}
		if v.bars[k] == nil {
			v.bars[k] = map[event.Date]event.Date{}
		}
		through := e.AdjustedThrough
		if e.Adjustment == event.AdjustedNone {
			through = 0
		}
		v.bars[k][e.SessionDate] = max(v.bars[k][e.SessionDate], through)
		v.priced[e.Symbol] = true
	case event.SplitRecorded:
		if v.splits[e.Symbol] == nil {
			v.splits[e.Symbol] = map[event.Date]bool{}
		}
		v.splits[e.Symbol][e.SessionDate] = true
	case event.SymbolUnknown:
		if old := v.unknown[e.Symbol]; old == nil || e.After(&old.Envelope) {
			kept := *e
			v.unknown[e.Symbol] = &kept
		}
	}
}

// has says whether any of the origins has the bar.
func (v *known) has(symbol string, origins []string, d event.Date) bool {
	for _, o := range origins {
		if _, ok := v.bars[series{symbol, o}][d]; ok {
			return true
		}
	}
	return false
}

// reach returns from the first to the last bar that the origins have.
func (v *known) reach(symbol string, origins []string) []Interval {
	var in Interval
	for _, o := range origins {
		for d := range v.bars[series{symbol, o}] {
			if in.From == 0 || d < in.From {
				in.From = d
			}
			in.To = max(in.To, d)
		}
	}
	if in.From == 0 {
		return nil
	}
	return []Interval{in}
}

// staleSplit returns the newest split, effective by last, that some bar of the origins does not
// include although its source adjusts for splits; none when all do.
func (v *known) staleSplit(symbol string, origins []string, last event.Date) event.Date {
	var newest event.Date
	for split := range v.splits[symbol] {
		if split > last || split <= newest {
			continue
		}
		for _, o := range origins {
			for day, through := range v.bars[series{symbol, o}] {
				if through != 0 && day < split && through < split {
					newest = max(newest, split)
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

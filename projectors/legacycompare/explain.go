package legacycompare

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/market"
)

// comparer decides. It is pure.
type comparer struct {
	bars  oldBars
	model *model
	cal   *market.Calendar
}

// lookBack is how many days before a day the old system took a close for that day's.
const lookBack = 14

// row compares one old row with ours.
func (c *comparer) row(o *oldOutcome) *Row {
	r := &Row{PredictionID: o.predictionID, Symbol: o.symbol, Date: o.date, Equal: true}
	ours := c.model.find(o.predictionID, o.symbol)
	var whole Reason // of the whole row
	if ours == nil {
		whole = Unexplained
		if c.model.dropped[o.predictionID][strings.ToUpper(strings.TrimSpace(o.symbol))] {
			whole = NotASymbol
		} else if why := c.model.refusedRow(o.predictionID); why != "" {
			whole, r.Detail = NotImported, why
		}
	}
	for i, h := range horizons {
		cell := Cell{Horizon: h, Old: o.returns[i], Reasons: []Reason{}}
		if whole != "" {
			cell.Reasons = append(cell.Reasons, whole)
		} else {
			cell.Ours = ours.outcomes[i].pct
			cell.Reasons, r.Detail = c.cell(o, ours, i, r.Detail)
		}
		r.Equal = r.Equal && len(cell.Reasons) == 0
		r.Cells = append(r.Cells, cell)
	}
	return r
}

// cell returns why an old row and ours differ at one horizon.
func (c *comparer) cell(o *oldOutcome, ours *call, i int, detail string) ([]Reason, string) {
	reasons := []Reason{}
	mine := &ours.outcomes[i]
	old := o.returns[i]
	switch {
	case old == nil && mine.pct == nil:
		return reasons, detail
	case old == nil:
		return append(reasons, NeverFilled), detail
	case mine.pct != nil && sameReturn(*old, *mine.pct, o.base):
	case mine.pct != nil && sameReturn(*old*100, *mine.pct, o.base):
		reasons = append(reasons, AsFraction)
	default:
		found, why := c.explain(o, ours, i)
		reasons, detail = append(reasons, found...), cmp.Or(why, detail)
	}
	if mine.pct == nil {
		return reasons, detail
	}
	if o.sentiment != ours.sentiment {
		return append(reasons, WrongSentiment), detail
	}
	if len(reasons) == 0 && o.correct[i] != nil && mine.correct != nil && *o.correct[i] != *mine.correct {
		reasons = append(reasons, OtherRule)
	}
	return reasons, detail
}

// sameReturn compares percentage points: ours have six decimals, the old ones four at least, and the
// prices that they come from may each be off by what samePrice allows.
func sameReturn(a, b float64, base *float64) bool {
	near := 0.0002
	if base != nil && *base > 0 {
		near += 0.02 / *base
	}
	return math.Abs(a-b) <= near
}

// samePrice compares prices that were written with four decimals or more.
func samePrice(a, b float64) bool { return math.Abs(a-b) <= 0.0001+1e-6*math.Abs(b) }

// weak is how many defects are rather believed than one that is only possible.
const weak = 10

// way is one way in which the old system may have come to a price: from the bar of a day, by a defect.
type way struct {
	day    event.Date
	within bool // the price lies between that day's low and high, and need not be its close
	reason Reason
}

// explain returns the fewest defects that give the old row's prices, and which row the import refused.
func (c *comparer) explain(o *oldOutcome, ours *call, i int) (best []Reason, detail string) {
	if o.base == nil || o.prices[i] == nil {
		return []Reason{Unexplained}, ""
	}
	posted := event.DateOf(ours.publishedAt.UTC())
	bestCost := math.MaxInt
	for _, anchor := range slices.Compact([]event.Date{posted, o.date}) {
		base, okBase := c.match(o.symbol, *o.base, c.baseWays(o.symbol, anchor))
		target, okTarget := c.match(o.symbol, *o.prices[i], c.targetWays(o.symbol, anchor, horizons[i], c.byDays(o, anchor)))
		if !okBase || !okTarget {
			continue
		}
		found := []Reason{}
		if anchor != posted {
			found = append(found, AnalysisAnchor)
		}
		for _, w := range []way{base, target} {
			if w.reason != "" && !slices.Contains(found, w.reason) {
				found = append(found, w.reason)
			}
		}
		if len(found) == 0 { // the old system was right by its own prices: so ours are others
			var reason Reason
			reason, detail = c.otherPrices(o, ours, i, base, target)
			found = append(found, reason)
		}
		cost := len(found)
		if base.within || target.within { // lying between low and high proves less than being a close
			cost += weak
		}
		if cost < bestCost {
			best, bestCost = found, cost
		}
	}
	if best == nil {
		return []Reason{Unexplained}, ""
	}
	return best, detail
}

// match returns the first of the ways that gives the price.
func (c *comparer) match(symbol string, price float64, ways []way) (way, bool) {
	for _, w := range ways {
		b, ok := c.bars[symbol][w.day]
		if !ok {
			continue
		}
		exact := samePrice(price, b.close)
		if exact || w.within && b.low <= price && price <= b.high {
			if c.model.refused(symbol, w.day) == string(BarInProgress) {
				w.reason = BarInProgress
			}
			return w, true
		}
	}
	return way{}, false
}

// baseWays returns how a base price may have been found, rightly first.
func (c *comparer) baseWays(symbol string, anchor event.Date) []way {
	session, ok := c.cal.OnOrBefore(anchor)
	if !ok {
		return nil
	}
	ways := []way{{day: session.Date}}
	if anchor != session.Date {
		ways = append(ways, way{day: anchor, reason: WeekendBar})
	}
	if day, ok := c.lastBar(symbol, anchor); ok {
		ways = append(ways, way{day: day, reason: StalePrice})
	}
	return append(ways, way{day: session.Date, within: true, reason: BarInProgress})
}

// byDays reports whether all prices of the row are those of calendar days: a row was counted in one way,
// and at a single horizon of a Friday the two cannot be told apart from a price that is too early.
func (c *comparer) byDays(o *oldOutcome, anchor event.Date) bool {
	for i, n := range horizons {
		if o.prices[i] == nil {
			continue
		}
		day, ok := c.lastBar(o.symbol, anchor+event.Date(n))
		if !ok || !samePrice(*o.prices[i], c.bars[o.symbol][day].close) {
			return false
		}
	}
	return true
}

// targetWays returns how a target price may have been found, rightly first. byDays says that the row
// was counted in calendar days as a whole.
func (c *comparer) targetWays(symbol string, anchor event.Date, horizon int, byDays bool) []way {
	first, ok := c.cal.OnOrAfter(anchor)
	if !ok {
		return nil
	}
	session, ok := c.cal.Add(first.Date, horizon)
	if !ok {
		return nil
	}
	ways := []way{{day: session.Date}}
	_, priced := c.bars[symbol][session.Date]
	if day, ok := c.lastBar(symbol, session.Date); ok && !priced {
		ways = append(ways, way{day: day, reason: StalePrice})
	}
	calendar, ok := c.lastBar(symbol, anchor+event.Date(horizon))
	if ok && byDays {
		ways = append(ways, way{day: calendar, reason: CalendarDays})
	}
	if priced {
		for day := session.Date - 1; day >= anchor-lookBack; day-- {
			ways = append(ways, way{day: day, reason: TooEarly})
		}
	}
	if ok && !byDays {
		ways = append(ways, way{day: calendar, reason: CalendarDays})
	}
	return append(ways, way{day: session.Date, within: true, reason: BarInProgress})
}

// lastBar returns the day of the last bar on or before d that the old system would have taken for d's.
func (c *comparer) lastBar(symbol string, d event.Date) (event.Date, bool) {
	for day := d; day >= d-lookBack; day-- {
		if _, ok := c.bars[symbol][day]; ok {
			return day, true
		}
	}
	return 0, false
}

// otherPrices says why we differ from an old row that is right by its own prices.
func (c *comparer) otherPrices(o *oldOutcome, ours *call, i int, base, target way) (Reason, string) {
	for _, w := range []way{base, target} {
		if why := c.model.refused(o.symbol, w.day); why != "" {
			return RefusedBar, o.symbol + " " + w.day.String() + ": " + why
		}
	}
	mine := &ours.outcomes[i]
	switch {
	case mine.pct != nil && c.splitApart(ours.symbol, *o.prices[i] / *o.base, 1+*mine.pct/100):
		return Split, ""
	case mine.pct != nil && mine.source != "legacy":
		return OtherPrices, mine.source
	}
	return Unexplained, ""
}

// splitApart reports whether two moves of the symbol's price are a known split's ratio apart.
func (c *comparer) splitApart(symbol string, a, b float64) bool {
	return slices.ContainsFunc(c.model.splits[symbol], func(ratio float64) bool {
		return math.Abs(a/b/ratio-1) < 1e-3 || math.Abs(b/a/ratio-1) < 1e-3
	})
}

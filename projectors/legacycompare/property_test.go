package legacycompare

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/market"
)

// TestNothingIsUnexplained: however the known defects come together, on prices with holes, each old row
// is found equal or explained; and what is found equal has our return.
func TestNothingIsUnexplained(t *testing.T) {
	cal := market.NYSE()
	rapid.Check(t, func(t *rapid.T) {
		first := event.NewDate(2025, time.March, 3)
		bars := map[event.Date]oldBar{}
		price := 100.0
		for d := first; d < first+90; d++ {
			if _, ok := cal.Session(d); !ok {
				continue
			}
			price *= 1 + rapid.Float64Range(-0.05, 0.05).Draw(t, "move")
			if rapid.IntRange(0, 5).Draw(t, "hole") > 0 {
				bars[d] = oldBar{price * 0.99, price * 1.01, price}
			}
		}
		c := &comparer{bars: oldBars{"XYZ": bars}, cal: cal, model: &model{calls: map[int64][]*call{}}}
		posted := first + event.Date(rapid.IntRange(15, 35).Draw(t, "posted"))
		o := &oldOutcome{predictionID: 1, symbol: "XYZ", sentiment: "bullish", date: posted}
		if rapid.Bool().Draw(t, "from the analysis") {
			o.date += event.Date(rapid.IntRange(0, 9).Draw(t, "later"))
		}
		byDays := rapid.Bool().Draw(t, "calendar days")
		mine := &call{predictionID: 1, symbol: "XYZ", sentiment: "bullish", publishedAt: posted.Time().Add(15 * time.Hour)}
		exact := func(d event.Date) *float64 {
			if b, ok := bars[d]; ok {
				return &b.close
			}
			return nil
		}
		before := func(d event.Date) *float64 {
			if day, ok := c.lastBar("XYZ", d); ok {
				return exact(day)
			}
			return nil
		}
		o.base = before(o.date)
		for i, n := range horizons {
			anchor, _ := cal.OnOrAfter(o.date)
			target, _ := cal.Add(anchor.Date, n)
			day := target.Date
			if byDays {
				day = o.date + event.Date(n)
			}
			o.prices[i] = before(day)
			o.returns[i] = percentOf(o.base, o.prices[i])
			span, _ := cal.Span("XYZ", market.Legacy, mine.publishedAt, n)
			mine.outcomes[i] = outcome{pct: percentOf(exact(span.Base), exact(span.Target)), source: "legacy"}
		}
		c.model.calls[1] = []*call{mine}
		for _, cell := range c.row(o).Cells {
			if join(cell.Reasons) == string(Unexplained) {
				t.Fatalf("T+%d of %s, counted from %s by days %t: unexplained", cell.Horizon, posted, o.date, byDays)
			}
			if equal := cell.Old == nil && cell.Ours == nil || cell.Old != nil && cell.Ours != nil && sameReturn(*cell.Old, *cell.Ours, o.base); equal != (len(cell.Reasons) == 0) {
				t.Fatalf("T+%d is equal: %t, and has the reasons %q", cell.Horizon, equal, join(cell.Reasons))
			}
		}
	})
}

func percentOf(base, target *float64) *float64 {
	if base == nil || target == nil {
		return nil
	}
	return ptr((*target - *base) / *base * 100)
}

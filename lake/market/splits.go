package market

import (
	"cmp"
	"math"
	"slices"

	"shitpost-alpha/lake/event"
)

// Split is one telling of a split: the date from whose open prices are on the new basis, and the ratio,
// 10 for 10-for-1.
type Split struct {
	Date  event.Date
	Ratio float64
}

// sameSplitDays is how far two sources' dates of one split may lie apart: they differ by a session or
// two about when it took effect, and no symbol splits alike twice in a week.
const sameSplitDays = 5

// Same reports whether both tell of one split: of about the same ratio, within days of each other.
func (s Split) Same(other Split) bool {
	days := int(s.Date) - int(other.Date)
	return days <= sameSplitDays && days >= -sameSplitDays && math.Abs(s.Ratio/other.Ratio-1) < 0.001
}

// FoldSplits returns each split of a symbol once, by its earliest date and there its larger ratio,
// ascending, whatever the order and number of the tellings. It keeps not the slice that it is given.
// Ratios must be positive and finite.
func FoldSplits(told []Split) []Split {
	sorted := slices.Clone(told)
	slices.SortFunc(sorted, func(a, b Split) int { return cmp.Or(cmp.Compare(a.Date, b.Date), cmp.Compare(b.Ratio, a.Ratio)) })
	var out []Split
	for _, s := range sorted {
		if !slices.ContainsFunc(out, s.Same) {
			out = append(out, s)
		}
	}
	return out
}

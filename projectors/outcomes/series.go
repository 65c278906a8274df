package outcomes

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/market"
)

// Bar is the current daily bar of one symbol, session and source. Prices are in the bar's currency.
type Bar struct {
	Date   event.Date
	Source string
	// Rank orders the sources of one family (files), from 0.
	Rank       int32
	Adjustment event.Adjustment
	// AdjustedThrough: the prices include all splits effective on or before that date.
	AdjustedThrough event.Date
	// FetchID names the one fetch that the bar came with.
	FetchID     string
	Open, Close float64
	// FirstRecordedAt is when the lake first held a bar of that source and session, UTC.
	FirstRecordedAt time.Time
}

// Split is a split of the symbol, effective from the open of Date: a 10-for-1 split has ratio 10.
type Split = market.Split

// Series is everything known of one symbol's prices: the current bar per source and date, and its
// splits. It never changes and is safe for concurrent use.
type Series struct {
	bars []Bar // by (Date, Source), each pair once
	// dates are the distinct dates of bars; those of dates[i] are bars[starts[i]:starts[i+1]].
	dates  []event.Date
	starts []int32
	splits []Split // by Date, each date once
	// jumps holds, per source, the steps between neighbouring closes that look like a split nobody told of.
	jumps map[string][]market.Span
}

// NewSeries takes bars and splits in any order and as often as they come; it keeps neither slice.
// Bars and splits with prices or ratios that are not positive and finite are left out: the event that
// brought them is refused elsewhere. Of two bars of one source and date the one adjusted through the
// later date stands, and of two splits of one date the larger ratio, so that order never decides. A split
// that two sources tell of with dates some days apart is one (market.FoldSplits).
func NewSeries(bars []Bar, splits []Split) *Series {
	s := &Series{bars: slices.Clone(bars), splits: slices.Clone(splits)}
	s.bars = slices.DeleteFunc(s.bars, func(b Bar) bool { return !positive(b.Open) || !positive(b.Close) })
	slices.SortFunc(s.bars, compareBars)
	s.bars = lastBars(s.bars)
	for i, b := range s.bars {
		if i == 0 || b.Date != s.bars[i-1].Date {
			s.dates = append(s.dates, b.Date)
			s.starts = append(s.starts, int32(i))
		}
	}
	s.starts = append(s.starts, int32(len(s.bars)))

	s.splits = slices.DeleteFunc(s.splits, func(p Split) bool { return !positive(p.Ratio) })
	s.splits = slices.CompactFunc(market.FoldSplits(s.splits), func(a, b Split) bool { return a.Date == b.Date })
	s.findJumps()
	return s
}

func positive(x float64) bool { return x > 0 && !math.IsInf(x, 1) }

func compareBars(a, b Bar) int {
	return cmp.Or(
		cmp.Compare(a.Date, b.Date),
		strings.Compare(a.Source, b.Source),
		cmp.Compare(a.AdjustedThrough, b.AdjustedThrough),
		strings.Compare(a.FetchID, b.FetchID),
		cmp.Compare(a.Close, b.Close),
		cmp.Compare(a.Open, b.Open),
		strings.Compare(string(a.Adjustment), string(b.Adjustment)),
		cmp.Compare(a.Rank, b.Rank),
	)
}

// lastBars keeps the last bar of each (Date, Source) of sorted bars; a correction does not move when
// the bar was first recorded.
func lastBars(bars []Bar) []Bar {
	kept := bars[:0]
	for _, b := range bars {
		n := len(kept)
		if n == 0 || kept[n-1].Date != b.Date || kept[n-1].Source != b.Source {
			kept = append(kept, b)
			continue
		}
		if first := kept[n-1].FirstRecordedAt; first.Before(b.FirstRecordedAt) {
			b.FirstRecordedAt = first
		}
		kept[n-1] = b
	}
	return kept
}

// findJumps looks at each pair of neighbouring bars of one source of which one is unadjusted.
func (s *Series) findJumps() {
	previous := map[string]*Bar{}
	for i := range s.bars {
		b := &s.bars[i]
		a := previous[b.Source]
		previous[b.Source] = b
		if a == nil || a.Adjustment != event.AdjustedNone && b.Adjustment != event.AdjustedNone {
			continue
		}
		if looksLikeSplit(b.Close/a.Close) && !s.splitWithin(a.Date, b.Date) {
			if s.jumps == nil {
				s.jumps = map[string][]market.Span{}
			}
			s.jumps[b.Source] = append(s.jumps[b.Source], market.Span{Base: a.Date, Target: b.Date})
		}
	}
}

// looksLikeSplit reports whether a close moved by a usual split ratio or its inverse, within 2 %
// (domain.md 3).
func looksLikeSplit(move float64) bool {
	const within = 0.02 + 1e-9 // the sum and the quotients are not exact; 2 % itself counts
	for _, ratio := range [...]float64{2, 3, 4, 5, 10, 20} {
		// float64 keeps the product from being fused with the difference on some machines.
		if math.Abs(move/ratio-1) <= within || math.Abs(float64(move*ratio)-1) <= within {
			return true
		}
	}
	return false
}

// splitWithin reports whether a split is effective after the first and up to the last date.
func (s *Series) splitWithin(after, through event.Date) bool {
	return slices.ContainsFunc(s.splits, func(p Split) bool { return after < p.Date && p.Date <= through })
}

// ratio returns the product of the ratios of the splits effective after the first and up to the last
// date, multiplied in the order of their dates so that it is the same to the bit everywhere.
func (s *Series) ratio(after, through event.Date) float64 {
	product := 1.0
	for _, p := range s.splits {
		if after < p.Date && p.Date <= through {
			product *= p.Ratio
		}
	}
	return product
}

// on returns the bars of a date, by source.
func (s *Series) on(d event.Date) []Bar {
	i, ok := slices.BinarySearch(s.dates, d)
	if !ok {
		return nil
	}
	return s.bars[s.starts[i]:s.starts[i+1]]
}

// quote is what one source says of a span.
type quote struct {
	source string // "" when no source has the base bar
	// base and target are on the later basis of the two bars (domain.md 3); target is 0 when no
	// source has both.
	base, target float64
	// pricedAt is when both bars were first in the lake, UTC.
	pricedAt time.Time
	suspect  bool
}

// quote returns the prices of the first source in order that has both bars, and where none has both
// the base price of the first that has that.
func (s *Series) quote(span market.Span, open bool, explicit []string) quote {
	if s == nil {
		return quote{}
	}
	var first, base, target *Bar // the best base bar, and the best pair
	var firstKey, pairKey preference
	bases, targets := s.on(span.Base), s.on(span.Target)
	for i := range bases {
		b := &bases[i]
		key := preferenceOf(b, classOf(b.Adjustment), explicit)
		if first == nil || key.before(&firstKey) {
			first, firstKey = b, key
		}
		for len(targets) > 0 && targets[0].Source < b.Source {
			targets = targets[1:]
		}
		if len(targets) == 0 || targets[0].Source != b.Source {
			continue
		}
		t := &targets[0]
		// One source may have changed how it adjusts: then the lesser of its two bars counts.
		key.class = max(key.class, classOf(t.Adjustment))
		if key.class == dividend && (b.FetchID != t.FetchID || b.Adjustment != t.Adjustment) {
			continue // dividends between the two fetches would pass for a return
		}
		if base == nil || key.before(&pairKey) {
			base, target, pairKey = b, t, key
		}
	}
	switch {
	case base != nil:
		return s.pair(base, target, open, pairKey.class)
	case first != nil:
		return quote{source: first.Source, base: first.price(open)}
	}
	return quote{}
}

func (b *Bar) price(open bool) float64 {
	if open {
		return b.Open
	}
	return b.Close
}

// pair brings two bars of one source onto the later of their two split bases.
func (s *Series) pair(base, target *Bar, open bool, class int) quote {
	q := quote{source: base.Source, base: base.price(open), target: target.Close, pricedAt: base.FirstRecordedAt}
	if target.FirstRecordedAt.After(q.pricedAt) {
		q.pricedAt = target.FirstRecordedAt
	}
	switch a, b := base.AdjustedThrough, target.AdjustedThrough; {
	case a < b:
		q.base /= s.ratio(a, b)
	case b < a:
		q.target /= s.ratio(b, a)
	}
	if class == unadjusted {
		q.suspect = slices.ContainsFunc(s.jumps[base.Source], func(j market.Span) bool {
			return base.Date <= j.Base && j.Target <= target.Date
		})
	}
	return q
}

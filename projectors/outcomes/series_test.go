package outcomes

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/market"
)

// fridayT1 is Thursday's close to Friday's: prior close at T+1 of a post on Friday 2025-07-11, 10:00.
func fridayT1(t *testing.T, bars, splits string, s Settings) Outcome {
	t.Helper()
	c := Call{Symbol: "XYZ", Sentiment: event.Bullish, PublishedAt: ny("2025-07-11 10:00:00")}
	rows := Compute(c, NewSeries(parseBars(bars), parseSplits(splits)), nil, market.NYSE(), s)
	return row(t, rows, market.PriorClose, 1)
}

// TestSplits: 10 for 1 on Friday 2025-07-11, and the price went from 100 to 10.2 on the new basis:
// +2 %, however the two bars were fetched.
func TestSplits(t *testing.T) {
	const split = "2025-07-11 10"
	for _, tt := range []struct{ name, bars, splits, want string }{
		{"both bars fetched after it", "yahoo 2025-07-10 9 10 through=2025-07-11\nyahoo 2025-07-11 9 10.2 through=2025-07-11", split, "10>10.2 2"},
		{"base before, target after", "yahoo 2025-07-10 9 100 through=2025-07-10\nyahoo 2025-07-11 9 10.2 through=2025-07-11", split, "10>10.2 2"},
		{"base after, target before", "yahoo 2025-07-10 9 10 through=2025-07-14\nyahoo 2025-07-11 9 102 through=2025-07-10", split, "10>10.2 2"},
		{"both bars before it", "yahoo 2025-07-10 9 100 through=2025-07-10\nyahoo 2025-07-11 9 102 through=2025-07-10", split, "100>102 2"},
		{"unadjusted", "file:raw 2025-07-10 9 100 none\nfile:raw 2025-07-11 9 10.2 none", split, "10>10.2 2"},
		{"reverse split 1 for 4", "file:raw 2025-07-10 9 5 none\nfile:raw 2025-07-11 9 20.4 none", "2025-07-11 0.25", "20>20.4 2"},
		{"two splits between", "yahoo 2025-07-10 9 120 through=2025-07-10\nyahoo 2025-07-11 9 20.4 through=2025-09-30", "2025-09-30 3, 2025-08-01 2", "20>20.4 2"},
		{"a split on the base session's own date is already in it", "file:raw 2025-07-10 9 100 none\nfile:raw 2025-07-11 9 102 none", "2025-07-10 10", "100>102 2"},
		{"a split after both", "yahoo 2025-07-10 9 100 through=2025-07-11\nyahoo 2025-07-11 9 102 through=2025-07-14", "2025-07-15 10", "100>102 2"},
		{"told twice, two days apart", "file:raw 2025-07-10 9 100 none\nfile:raw 2025-07-11 9 10.2 none", split + ",2025-07-13 10", "10>10.2 2"},
		{"told twice", "file:raw 2025-07-10 9 100 none\nfile:raw 2025-07-11 9 10.2 none", split + "," + split, "10>10.2 2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := fridayT1(t, tt.bars, tt.splits, DefaultSettings())
			if got := fmt.Sprintf("%s>%s %s", num(o.BasePrice), num(o.TargetPrice), num(o.ReturnPct)); got != tt.want || o.Suspect {
				t.Errorf("%s (suspect %v), want %s", got, o.Suspect, tt.want)
			}
		})
	}
}

// TestNextOpenSplit: the split is effective at Monday's open, so base and target are both after it.
func TestNextOpenSplit(t *testing.T) {
	bars := parseBars("file:raw 2025-07-11 99 100 none\nfile:raw 2025-07-14 50 51 none")
	c := Call{Symbol: "XYZ", Sentiment: event.Bullish, PublishedAt: ny("2025-07-11 10:00:00")}
	for _, splits := range []string{"2025-07-14 2", ""} {
		o := row(t, Compute(c, NewSeries(bars, parseSplits(splits)), nil, market.NYSE(), DefaultSettings()), market.NextOpen, 1)
		if got := num(o.ReturnPct); got != "2" || o.Suspect {
			t.Errorf("splits %q: return %s, suspect %v, want 2", splits, got, o.Suspect)
		}
	}
}

func TestSourceOrder(t *testing.T) {
	both := func(source, options string) string {
		return fmt.Sprintf("%s 2025-07-10 9 100 %s\n%s 2025-07-11 9 101 %s\n", source, options, source, options)
	}
	for _, tt := range []struct {
		name, bars string
		explicit   []string
		want       string
	}{
		{"families", both("simulator", "") + both("legacy", "") + both("file:a", "") + both("stooq", "") + both("yahoo", ""), nil, "yahoo"},
		{"families without yahoo", both("simulator", "") + both("legacy", "") + both("file:a", "") + both("stooq", ""), nil, "stooq"},
		{"files before legacy", both("simulator", "") + both("legacy", "") + both("file:a", ""), nil, "file:a"},
		{"legacy before simulator", both("simulator", "") + both("legacy", ""), nil, "legacy"},
		{"a family nobody named comes last", both("simulator", "") + both("acme", ""), nil, "simulator"},
		{"split-adjusted before unadjusted", both("yahoo", "none") + both("simulator", ""), nil, "simulator"},
		{"unadjusted before dividend-adjusted", both("yahoo", "dividend") + both("simulator", "none"), nil, "simulator"},
		{"the lesser of a source's two bars counts", "yahoo 2025-07-10 9 100\nyahoo 2025-07-11 9 101 none\n" + both("stooq", ""), nil, "stooq"},
		{"files in the order given", both("file:a", "rank=2") + both("file:z", "rank=1"), nil, "file:z"},
		{"files of one rank by name", both("file:z", "rank=1") + both("file:a", "rank=1"), nil, "file:a"},
		{"explicit name before all", both("yahoo", "") + both("file:a", "dividend rank=7"), []string{"file:a"}, "file:a"},
		{"explicit family", both("yahoo", "") + both("file:b", "rank=2") + both("file:a", "rank=3"), []string{"file"}, "file:b"},
		{"explicit order", both("yahoo", "") + both("stooq", "") + both("legacy", ""), []string{"legacy", "stooq"}, "legacy"},
		{"explicit source without both bars", both("yahoo", "") + "stooq 2025-07-10 9 100", []string{"stooq"}, "yahoo"},
		{"explicit source that is not there", both("yahoo", ""), []string{"nobody"}, "yahoo"},
		{"base alone, in the same order", "stooq 2025-07-10 9 100\nyahoo 2025-07-10 9 101 none", nil, "stooq"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := DefaultSettings()
			s.SourceOrder = tt.explicit
			if o := fridayT1(t, tt.bars, "", s); o.Source != tt.want {
				t.Errorf("served by %q, want %q", o.Source, tt.want)
			}
		})
	}
}

func TestDividendAdjusted(t *testing.T) {
	for _, tt := range []struct{ name, bars, want string }{
		{"one fetch", "file:d 2025-07-10 9 100 dividend fetch=a\nfile:d 2025-07-11 9 102 dividend fetch=a", "file:d 100>102 2"},
		{"two fetches: a dividend between them would be a return", "file:d 2025-07-10 9 100 dividend fetch=a\nfile:d 2025-07-11 9 102 dividend fetch=b", "file:d 100>- -"},
		{"two fetches, and another source has both",
			"file:d 2025-07-10 9 100 dividend fetch=a\nfile:d 2025-07-11 9 102 dividend fetch=b\nsimulator 2025-07-10 9 10 dividend fetch=s\nsimulator 2025-07-11 9 10.3 dividend fetch=s",
			"simulator 10>10.3 3"},
		{"the source changed how it adjusts", "file:d 2025-07-10 9 100 dividend fetch=a\nfile:d 2025-07-11 9 102 fetch=a", "file:d 100>- -"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := fridayT1(t, tt.bars, "", DefaultSettings())
			if got := fmt.Sprintf("%s %s>%s %s", o.Source, num(o.BasePrice), num(o.TargetPrice), num(o.ReturnPct)); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

func TestSuspect(t *testing.T) {
	for _, tt := range []struct{ name, bars, splits, want string }{
		{"halved", "file:raw 2025-07-10 9 100 none\nfile:raw 2025-07-11 9 50 none", "", "suspect -"},
		{"halved, within 2 %", "file:raw 2025-07-10 9 100 none\nfile:raw 2025-07-11 9 49.01 none", "", "suspect -"},
		{"doubled, at exactly 2 %", "file:raw 2025-07-10 9 100 none\nfile:raw 2025-07-11 9 204 none", "", "suspect -"},
		{"doubled, beyond 2 %", "file:raw 2025-07-10 9 100 none\nfile:raw 2025-07-11 9 204.1 none", "", "trusted 104.1"},
		{"a twentieth", "file:raw 2025-07-10 9 100 none\nfile:raw 2025-07-11 9 5 none", "", "suspect -"},
		{"a seventh is no usual ratio", "file:raw 2025-07-10 9 70 none\nfile:raw 2025-07-11 9 10 none", "", "trusted -85.714286"},
		{"halved, with the split known", "file:raw 2025-07-10 9 100 none\nfile:raw 2025-07-11 9 50 none", "2025-07-11 2", "trusted 0"},
		{"halved, and the only split known is already in the base", "file:raw 2025-07-10 9 100 none\nfile:raw 2025-07-11 9 50 none", "2025-07-10 2", "suspect -"},
		{"halved between an unadjusted and an adjusted bar", "file:raw 2025-07-10 9 100 none\nfile:raw 2025-07-11 9 50", "", "suspect -"},
		{"halved on the base session itself", "file:raw 2025-07-09 9 200 none\nfile:raw 2025-07-10 9 100 none\nfile:raw 2025-07-11 9 101 none", "", "trusted 1"},
		{"halved after the target", "file:raw 2025-07-10 9 100 none\nfile:raw 2025-07-11 9 101 none\nfile:raw 2025-07-14 9 50 none", "", "trusted 1"},
		{"a split-adjusted source may halve", "yahoo 2025-07-10 9 100\nyahoo 2025-07-11 9 50", "", "trusted -50"},
		{"a bad unadjusted source does not taint a good one",
			"file:raw 2025-07-10 9 100 none\nfile:raw 2025-07-11 9 50 none\nyahoo 2025-07-10 9 100\nyahoo 2025-07-11 9 101", "", "trusted 1"},
		{"no return is that large", "yahoo 2025-07-10 9 0.000001\nyahoo 2025-07-11 9 100000", "", "suspect -"},
		{"no return is infinite", "yahoo 2025-07-10 9 1e-300\nyahoo 2025-07-11 9 1e300", "", "suspect -"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := fridayT1(t, tt.bars, tt.splits, DefaultSettings())
			got := "trusted "
			if o.Suspect {
				got = "suspect "
				if o.Correct != nil || o.Pnl != nil || o.PnlLong != nil || o.AbnormalPct != nil || !o.FirstPricedAt.IsZero() {
					t.Errorf("a suspect row is scored: %s", describe(o))
				}
				if o.BasePrice == nil || o.TargetPrice == nil || o.Source == "" {
					t.Errorf("a suspect row does not show its prices: %s", describe(o))
				}
			}
			if got += num(o.ReturnPct); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

// TestSuspectInside: the jump lies between base and target, at neither of them.
func TestSuspectInside(t *testing.T) {
	bars := "file:raw 2025-07-10 9 100 none\nfile:raw 2025-07-11 9 50 none\nfile:raw 2025-07-14 9 51 none\nfile:raw 2025-07-15 9 52 none"
	c := Call{Symbol: "XYZ", Sentiment: event.Bullish, PublishedAt: ny("2025-07-11 10:00:00")}
	rows := Compute(c, NewSeries(parseBars(bars), nil), NewSeries(parseBars(bars), nil), market.NYSE(), DefaultSettings())
	if o := row(t, rows, market.PriorClose, 3); !o.Suspect || o.ReturnPct != nil || o.BenchmarkPct != nil {
		t.Errorf("prior close T+3 is %s, want it and its benchmark suspect", describe(o))
	}
	if o := row(t, rows, market.Legacy, 1); o.Suspect || num(o.ReturnPct) != "2" || num(o.BenchmarkPct) != "2" {
		t.Errorf("legacy T+1 is %s, want 2 and no suspicion", describe(o))
	}
}

// TestSuspectNeighbour: a source whose two bars are adjusted is trusted, whatever an unadjusted bar
// between them says.
func TestSuspectNeighbour(t *testing.T) {
	bars := "file:x 2025-07-10 9 100\nfile:x 2025-07-11 9 50 none\nfile:x 2025-07-15 9 102"
	c := Call{Symbol: "XYZ", PublishedAt: ny("2025-07-11 10:00:00")}
	o := row(t, Compute(c, NewSeries(parseBars(bars), nil), nil, market.NYSE(), DefaultSettings()), market.PriorClose, 3)
	if o.Suspect || num(o.ReturnPct) != "2" {
		t.Errorf("%s, want a return of 2", describe(o))
	}
}

// TestContradictions: the same bar or split in two versions gives one answer, whichever comes first.
func TestContradictions(t *testing.T) {
	c := Call{Symbol: "XYZ", PublishedAt: ny("2025-07-11 10:00:00")}
	for _, tt := range []struct{ name, bars, splits, want, pricedAt string }{
		{"closes", "yahoo 2025-07-11 9 101\nyahoo 2025-07-11 9 102\nyahoo 2025-07-10 9 100", "", "2", "2025-07-12 17:00"},
		{"adjusted further", "yahoo 2025-07-11 9 101 through=2026-07-01\nyahoo 2025-07-11 9 102\nyahoo 2025-07-10 9 100", "", "1", "2025-07-12 17:00"},
		{"a correction does not move the first sight", "yahoo 2025-07-11 9 101 seen=2025-07-14T00:00:00Z\nyahoo 2025-07-11 9 102 seen=2025-07-20T00:00:00Z\nyahoo 2025-07-10 9 100", "", "2", "2025-07-14 00:00"},
		{"nor does an older version seen later", "yahoo 2025-07-11 9 101 seen=2025-07-20T00:00:00Z\nyahoo 2025-07-11 9 102 seen=2025-07-14T00:00:00Z\nyahoo 2025-07-10 9 100", "", "2", "2025-07-14 00:00"},
		{"ratios", "file:r 2025-07-10 9 100 none\nfile:r 2025-07-11 9 34 none", "2025-07-11 2, 2025-07-11 3", "2", "2025-07-12 17:00"},
	} {
		bars, splits := parseBars(tt.bars), parseSplits(tt.splits)
		for range 2 {
			o := row(t, Compute(c, NewSeries(bars, splits), nil, market.NYSE(), DefaultSettings()), market.PriorClose, 1)
			if num(o.ReturnPct) != tt.want || o.FirstPricedAt.Format("2006-01-02 15:04") != tt.pricedAt {
				t.Errorf("%s: %s, first priced at %s, want %s and %s", tt.name, describe(o), o.FirstPricedAt, tt.want, tt.pricedAt)
			}
			slices.Reverse(bars)
			slices.Reverse(splits)
		}
	}
}

// TestImpossiblePrices: what event.Check refuses never makes a figure here either.
func TestImpossiblePrices(t *testing.T) {
	c := Call{Symbol: "XYZ", PublishedAt: ny("2025-07-11 10:00:00")}
	for _, price := range []float64{0, -1, math.NaN(), math.Inf(1)} {
		bars := parseBars(week)
		bars[1].Close = price
		if o := row(t, Compute(c, NewSeries(bars, nil), nil, market.NYSE(), DefaultSettings()), market.PriorClose, 1); o.ReturnPct != nil || o.TargetPrice != nil {
			t.Errorf("close %v gives %s", price, describe(o))
		}
		splits := []Split{{Date: date("2025-07-11"), Ratio: price}}
		raw := parseBars("file:raw 2025-07-10 9 100 none\nfile:raw 2025-07-11 9 101 none")
		if o := row(t, Compute(c, NewSeries(raw, splits), nil, market.NYSE(), DefaultSettings()), market.PriorClose, 1); num(o.ReturnPct) != "1" {
			t.Errorf("ratio %v gives %s", price, describe(o))
		}
	}
}

func TestMicro(t *testing.T) {
	for _, tt := range []struct {
		x    float64
		want int64
	}{
		{0, 0}, {1.5, 1_500_000}, {-0.5, -500_000}, {0.0000004, 0}, {0.0000006, 1}, {-0.0000006, -1},
		{math.NaN(), 0}, {math.Inf(1), math.MaxInt64}, {math.Inf(-1), -math.MaxInt64}, {1e300, math.MaxInt64},
	} {
		if got := Micro(tt.x); got != tt.want {
			t.Errorf("Micro(%v) is %d, want %d", tt.x, got, tt.want)
		}
	}
}

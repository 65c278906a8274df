package outcomes

import (
	"encoding/csv"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/market"
	"shitpost-alpha/lake/realdata"
)

// realBars reads the daily bars of a symbol from a CSV file with a header that names the columns.
func realBars(t testing.TB, file, symbol, symbolColumn string, like Bar) []Bar {
	t.Helper()
	f, err := os.Open(realdata.Path(t, file))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	records, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatalf("read %s: %v", file, err)
	}
	column := func(name string) int { return slices.Index(records[0], name) }
	var bars []Bar
	for _, r := range records[1:] {
		if r[column(symbolColumn)] != symbol {
			continue
		}
		b := like
		b.Date, b.Open, b.Close = date(r[column("date")]), f64(r[column("open")]), f64(r[column("close")])
		if b.Adjustment == event.AdjustedNone {
			b.AdjustedThrough = b.Date
		}
		bars = append(bars, b)
	}
	if len(bars) < 400 {
		t.Fatalf("%s holds %d bars of %s: too few to mean anything", file, len(bars), symbol)
	}
	return bars
}

func realSplits(t testing.TB, symbol string) []Split {
	t.Helper()
	doc, err := os.ReadFile(realdata.Path(t, "prices/splits.csv"))
	if err != nil {
		t.Fatal(err)
	}
	var splits []Split
	for line := range strings.Lines(string(doc)) {
		if words := strings.Split(strings.TrimSpace(line), ","); words[0] == symbol {
			splits = append(splits, Split{Date: date(words[1]), Ratio: f64(words[2])})
		}
	}
	return splits
}

const yfFile = "prices/yf_daily_68tickers_2024-07_2026-03.csv"

// TestRealSplit: XLE and XLK were split 2 for 1 on 2025-12-05. Their unadjusted prices and the split
// must give the returns that the adjusted prices give, over every session around it; without the split
// they must be suspect, and never -50 %.
func TestRealSplit(t *testing.T) {
	cal := market.NYSE()
	for _, symbol := range []string{"XLE", "XLK"} {
		raw := realBars(t, "prices/etf_crypto/"+symbol+".csv", symbol, "symbol", Bar{Source: "file:raw", Adjustment: event.AdjustedNone, FetchID: "r"})
		yf := realBars(t, yfFile, symbol, "ticker", Bar{Source: "file:yf", Adjustment: event.AdjustedSplit, AdjustedThrough: date("2026-08-22"), FetchID: "y"})
		splits := realSplits(t, symbol)
		if len(splits) != 1 {
			t.Fatalf("splits.csv holds %v for %s, want one", splits, symbol)
		}
		known, unknown, adjusted := NewSeries(raw, splits), NewSeries(raw, nil), NewSeries(yf, splits)
		compared, across, suspects, worst := 0, 0, 0, 0.0
		for d := date("2025-10-01"); d < date("2026-02-01"); d++ {
			c := Call{Symbol: symbol, Sentiment: event.Bullish, PublishedAt: d.Time().Add(15 * time.Hour)}
			a := Compute(c, known, nil, cal, DefaultSettings())
			b := Compute(c, adjusted, nil, cal, DefaultSettings())
			without := Compute(c, unknown, nil, cal, DefaultSettings())
			for i := range a {
				if a[i].TargetSession > date("2026-03-31") {
					continue
				}
				if a[i].ReturnPct == nil || b[i].ReturnPct == nil {
					t.Fatalf("%s from %s: no return: %s, adjusted %s", symbol, d, describe(a[i]), describe(b[i]))
				}
				compared++
				diff := math.Abs(*a[i].ReturnPct - *b[i].ReturnPct)
				worst = max(worst, diff)
				if diff > 0.1 || math.Abs(*a[i].ReturnPct) > 30 {
					t.Errorf("%s from %s: %s, adjusted %s", symbol, d, describe(a[i]), describe(b[i]))
				}
				crosses := a[i].BaseSession < splits[0].Date && splits[0].Date <= a[i].TargetSession
				if crosses {
					across++
				}
				if without[i].Suspect {
					suspects++
				}
				if without[i].Suspect != crosses {
					t.Errorf("%s from %s without the split: %s", symbol, d, describe(without[i]))
				}
			}
		}
		if across == 0 {
			t.Fatalf("%s: no row lies across the split", symbol)
		}
		t.Logf("%s: %d rows, %d across the split (%d suspect without it), greatest difference %.6f points", symbol, compared, across, suspects, worst)
	}
}

// BenchmarkCompute scores one call against three sources of 450 to 1,064 real bars each.
func BenchmarkCompute(b *testing.B) {
	cal := market.NYSE()
	series := func(symbol string) *Series {
		bars := realBars(b, "prices/etf_crypto/"+symbol+".csv", symbol, "symbol", Bar{Source: "file:raw", Adjustment: event.AdjustedNone, FetchID: "r"})
		bars = append(bars, realBars(b, yfFile, symbol, "ticker", Bar{Source: "file:yf", Adjustment: event.AdjustedSplit, AdjustedThrough: date("2026-08-22"), FetchID: "y"})...)
		bars = append(bars, realBars(b, yfFile, symbol, "ticker", Bar{Source: "yahoo", Adjustment: event.AdjustedSplit, AdjustedThrough: date("2026-08-22"), FetchID: "y"})...)
		return NewSeries(bars, realSplits(b, symbol))
	}
	own, spy := series("XLE"), series("SPY")
	c := Call{PredictionID: "p", Symbol: "XLE", Sentiment: event.Bullish, PublishedAt: ny("2025-10-10 10:57:00")}
	b.ReportAllocs()
	for b.Loop() {
		Compute(c, own, spy, cal, DefaultSettings())
	}
}

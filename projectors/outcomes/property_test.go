package outcomes

import (
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/market"
)

// Everything below happens in the 90 days from this one, so that bars, splits and calls often meet.
const (
	start = "2025-06-02"
	days  = 90
)

func days90() *rapid.Generator[event.Date] {
	return rapid.Custom(func(t *rapid.T) event.Date {
		return date(start) + event.Date(rapid.IntRange(0, days-1).Draw(t, "day"))
	})
}

func splitsGen() *rapid.Generator[[]Split] {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Split {
		return Split{Date: days90().Draw(t, "date"), Ratio: rapid.SampledFrom([]float64{2, 3, 10, 0.1, 1.5}).Draw(t, "ratio")}
	}), 0, 4)
}

// anyBars draws bars without sense between them, several to a source and date.
func anyBars() *rapid.Generator[[]Bar] {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Bar {
		return Bar{
			Date:            days90().Draw(t, "date"),
			Source:          rapid.SampledFrom([]string{"yahoo", "stooq", "file:a", "file:b", "legacy"}).Draw(t, "source"),
			Rank:            rapid.Int32Range(0, 2).Draw(t, "rank"),
			Adjustment:      rapid.SampledFrom([]event.Adjustment{event.AdjustedNone, event.AdjustedSplit, event.AdjustedDividend}).Draw(t, "adjustment"),
			AdjustedThrough: days90().Draw(t, "through"),
			FetchID:         rapid.SampledFrom([]string{"f", "g"}).Draw(t, "fetch"),
			Open:            float64(rapid.IntRange(1, 400).Draw(t, "open")),
			Close:           float64(rapid.IntRange(1, 400).Draw(t, "close")),
			FirstRecordedAt: time.Unix(int64(rapid.IntRange(0, 1000).Draw(t, "seen")), 0).UTC(),
		}
	}), 150, 400)
}

func calls(symbols ...string) *rapid.Generator[Call] {
	return rapid.Custom(func(t *rapid.T) Call {
		seconds := rapid.Int64Range(0, days*86400).Draw(t, "at")
		return Call{
			PredictionID: "p",
			Symbol:       rapid.SampledFrom(symbols).Draw(t, "symbol"),
			Sentiment:    rapid.SampledFrom([]string{event.Bullish, event.Bearish, event.Neutral, ""}).Draw(t, "sentiment"),
			PublishedAt:  date(start).Time().Add(time.Duration(seconds) * time.Second),
		}
	})
}

// TestOrderAndDuplicates: the rows depend on the set of bars and splits alone.
func TestOrderAndDuplicates(t *testing.T) {
	cal := market.NYSE()
	evaluated := 0
	rapid.Check(t, func(t *rapid.T) {
		bars, splits := anyBars().Draw(t, "bars"), splitsGen().Draw(t, "splits")
		c := calls("XYZ", "BTC-USD", "SPY").Draw(t, "call")
		want := Compute(c, NewSeries(bars, splits), NewSeries(bars, splits), cal, DefaultSettings())

		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		moreBars, moreSplits := slices.Clone(bars), slices.Clone(splits)
		for _, b := range bars {
			if r.IntN(3) == 0 {
				moreBars = append(moreBars, b)
			}
		}
		moreSplits = append(moreSplits, splits...)
		r.Shuffle(len(moreBars), func(i, j int) { moreBars[i], moreBars[j] = moreBars[j], moreBars[i] })
		r.Shuffle(len(moreSplits), func(i, j int) { moreSplits[i], moreSplits[j] = moreSplits[j], moreSplits[i] })
		before := slices.Clone(moreBars)
		got := Compute(c, NewSeries(moreBars, moreSplits), NewSeries(moreBars, moreSplits), cal, DefaultSettings())
		if !slices.Equal(moreBars, before) {
			t.Fatal("NewSeries changed its input")
		}
		for i := range want {
			if !reflect.DeepEqual(got[i], want[i]) {
				t.Fatalf("row %d is %s, in another order %s", i, describe(want[i]), describe(got[i]))
			}
			if want[i].ReturnPct != nil {
				evaluated++
			}
		}
	})
	if evaluated < 100 {
		t.Errorf("%d rows were evaluated: the property says next to nothing", evaluated)
	}
	t.Logf("%d rows evaluated", evaluated)
}

// TestRowsHoldTogether: whatever comes in, the columns of each row follow from one another.
func TestRowsHoldTogether(t *testing.T) {
	cal := market.NYSE()
	rapid.Check(t, func(t *rapid.T) {
		own := NewSeries(anyBars().Draw(t, "bars"), splitsGen().Draw(t, "splits"))
		bench := NewSeries(anyBars().Draw(t, "benchmark"), nil)
		c := calls("XYZ", "BTC-USD", "SPY", "CL=F").Draw(t, "call")
		rows := Compute(c, own, bench, cal, DefaultSettings())
		if len(rows) != 12 {
			t.Fatalf("%d rows, want 12", len(rows))
		}
		for _, o := range rows {
			if why := contradiction(o, c); why != "" {
				t.Fatalf("%s: %s", why, describe(o))
			}
		}
	})
}

func contradiction(o Outcome, c Call) string {
	has := o.ReturnPct != nil
	switch {
	case has != (o.PnlLong != nil), has == o.FirstPricedAt.IsZero():
		return "return, pnl_long and first_priced_at do not come together"
	case (o.Pnl != nil) != (has && c.Sentiment != ""), (o.Correct != nil) != (has && c.Sentiment != ""):
		return "pnl and correct need a return and a sentiment"
	case (o.AbnormalPct != nil) != (has && o.BenchmarkPct != nil && c.Symbol != "SPY"):
		return "abnormal needs both returns"
	case (o.CorrectAbnormal != nil) != (o.AbnormalPct != nil && c.Sentiment != ""):
		return "correct_abnormal needs an abnormal return and a sentiment"
	case (o.BasePrice != nil) != (o.Source != ""), (o.BenchmarkPct != nil) != (o.BenchmarkSource != ""):
		return "a price without a source"
	case o.TargetPrice != nil && has == o.Suspect, o.TargetPrice == nil && (has || o.Suspect):
		return "two prices give a return or a suspicion"
	}
	if !has {
		return ""
	}
	ret := Micro(*o.ReturnPct)
	switch {
	case float64(ret)/1e6 != *o.ReturnPct:
		return "the return has more than six decimals"
	case Micro(*o.PnlLong) != 10*ret:
		return "pnl_long is not ten dollars a percent"
	case o.AbnormalPct != nil && Micro(*o.AbnormalPct) != ret-Micro(*o.BenchmarkPct):
		return "abnormal is not the difference"
	case c.Symbol == "SPY" && *o.BenchmarkPct != *o.ReturnPct:
		return "the benchmark differs from itself"
	case o.Correct != nil && *o.Correct != *Correct(c.Sentiment, *o.ReturnPct, 0.5):
		return "correct is not what Correct says"
	}
	want := map[string]int64{event.Bullish: 10 * ret, event.Bearish: -10 * ret, event.Neutral: 0}
	if o.Pnl != nil && (Micro(*o.Pnl) != want[c.Sentiment] || math.Signbit(*o.Pnl) != (want[c.Sentiment] < 0)) {
		return "pnl does not follow the sentiment"
	}
	return ""
}

// TestSplitNeverMakesReturn: prices that know all splits give the returns; bars of the same prices
// fetched at any time, each on the basis of its day, and unadjusted ones, give the same.
func TestSplitNeverMakesReturn(t *testing.T) {
	cal := market.NYSE()
	evaluated := 0
	rapid.Check(t, func(t *rapid.T) {
		splits := splitsGen().Draw(t, "splits")
		slices.SortFunc(splits, func(a, b Split) int { return int(a.Date - b.Date) })
		splits = slices.CompactFunc(splits, func(a, b Split) bool { return a.Date == b.Date })
		splits = market.FoldSplits(splits) // no symbol splits alike twice within days
		told := slices.Clone(splits)
		for _, s := range splits { // but another source may say that it was some days later
			if late := rapid.IntRange(0, 5).Draw(t, "told later"); late > 0 {
				told = append(told, Split{Date: s.Date + event.Date(late), Ratio: s.Ratio})
			}
		}
		unadjusted := rapid.Bool().Draw(t, "unadjusted")
		var plain, fetched []Bar
		price := 100.0
		for d := date(start); d < date(start)+days; d++ {
			price *= 1 + float64(rapid.IntRange(-80, 80).Draw(t, "move"))/1000
			b := Bar{Date: d, Source: "yahoo", Adjustment: event.AdjustedSplit, AdjustedThrough: date(start) + days, FetchID: "f", Open: price * 0.99, Close: price}
			plain = append(plain, b)
			b.AdjustedThrough = d + event.Date(rapid.IntRange(0, days).Draw(t, "fetched after"))
			if unadjusted {
				b.Adjustment, b.AdjustedThrough = event.AdjustedNone, d
			}
			for _, s := range splits {
				if s.Date > b.AdjustedThrough { // not yet in the fetched price
					b.Open, b.Close = b.Open*s.Ratio, b.Close*s.Ratio
				}
			}
			fetched = append(fetched, b)
		}
		c := calls("XYZ", "BTC-USD").Draw(t, "call")
		want := Compute(c, NewSeries(plain, nil), nil, cal, DefaultSettings())
		got := Compute(c, NewSeries(fetched, told), nil, cal, DefaultSettings())
		for i, o := range got {
			if (o.ReturnPct == nil) != (want[i].ReturnPct == nil) || o.Suspect {
				t.Fatalf("row %d is %s, without splits %s", i, describe(o), describe(want[i]))
			}
			if o.ReturnPct == nil {
				continue
			}
			evaluated++
			if diff := Micro(*o.ReturnPct) - Micro(*want[i].ReturnPct); diff < -1 || diff > 1 {
				t.Fatalf("row %d is %s, without splits %s", i, describe(o), describe(want[i]))
			}
		}
	})
	if evaluated < 100 {
		t.Errorf("%d rows were evaluated: the property says next to nothing", evaluated)
	}
	t.Logf("%d rows evaluated", evaluated)
}

// FuzzMicro: what fits comes back unchanged, and Correct agrees with the plain inequality away from the
// rounding.
func FuzzMicro(f *testing.F) {
	for _, x := range []float64{0, 0.5, -0.5, 1.2345678, -99.999999, 1e8, 1e300, math.NaN(), math.Inf(-1), 0.0000005, 1093750.0671875} {
		f.Add(x)
	}
	f.Fuzz(func(t *testing.T, x float64) {
		m := Micro(x)
		if math.Abs(x) <= maxPct {
			if again := Micro(fromMicro(m)); again != m {
				t.Errorf("Micro(%v) is %d, and %d when taken again", x, m, again)
			}
			if off := math.Abs(fromMicro(m) - x); off > 0.5e-6+math.Abs(x)*0x1p-51 {
				t.Errorf("Micro(%v) is %d: off by %v", x, m, off)
			}
		}
		if math.Abs(math.Abs(x)-0.5) > 1e-6 {
			bullish, bearish, neutral := *Correct(event.Bullish, x, 0.5), *Correct(event.Bearish, x, 0.5), *Correct(event.Neutral, x, 0.5)
			if !math.IsNaN(x) && (bullish != (x > 0.5) || bearish != (x < -0.5) || neutral != (math.Abs(x) < 0.5)) {
				t.Errorf("a move of %v is bullish %v, bearish %v, neutral %v", x, bullish, bearish, neutral)
			}
		}
	})
}

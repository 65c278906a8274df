package outcomes

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"shitpost-alpha/lake/event"
)

func near(a, b, within float64) bool { return math.Abs(a-b) <= within }

func TestWilson(t *testing.T) {
	for _, tt := range []struct {
		correct, n int
		lo, hi     float64
	}{
		// n = 10, p = 0.5, z² = 3.8414588: middle (0.5 + 0.19207294)/1.38414588 = 0.5,
		// half 1.9599640·√(0.025 + 0.0096036470)/1.38414588 = 0.2634069.
		{5, 10, 0.2365931, 0.7634069},
		// n = 10, p = 1: lo = n/(n + z²) = 10/13.8414588 = 0.7224672.
		{10, 10, 0.7224672, 1},
		// n = 10, p = 0: hi = z²/(n + z²) = 3.8414588/13.8414588 = 0.2775328.
		{0, 10, 0, 0.2775328},
		// n = 100, p = 0.55: middle (0.55 + 0.01920729)/1.03841459 = 0.5481503,
		// half 1.9599640·√(0.002475 + 0.00009603647)/1.03841459 = 0.0957041.
		{55, 100, 0.4524462, 0.6438544},
		{0, 0, 0, 1},
	} {
		lo, hi := Wilson(tt.correct, tt.n)
		if !near(lo, tt.lo, 1e-6) || !near(hi, tt.hi, 1e-6) {
			t.Errorf("Wilson(%d, %d) is %.7f to %.7f, want %.7f to %.7f", tt.correct, tt.n, lo, hi, tt.lo, tt.hi)
		}
	}
}

// TestWilsonProperties: the interval holds the share, lies in 0..1 and narrows with n.
func TestWilsonProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 100_000).Draw(t, "n")
		k := rapid.IntRange(0, n).Draw(t, "correct")
		lo, hi := Wilson(k, n)
		p := float64(k) / float64(n)
		if !(0 <= lo && lo <= p+1e-12 && p-1e-12 <= hi && hi <= 1) {
			t.Fatalf("Wilson(%d, %d) is %v to %v", k, n, lo, hi)
		}
		if lo2, hi2 := Wilson(2*k, 2*n); hi2-lo2 >= hi-lo {
			t.Fatalf("Wilson(%d, %d) is wider with twice the calls", k, n)
		}
	})
}

func TestCompareWith(t *testing.T) {
	for _, tt := range []struct {
		name string
		rows []Scored
		want Baselines
	}{
		{"no rows", nil, Baselines{}},
		{"none with a sentiment", []Scored{{"", 3}}, Baselines{}},
		{
			"mixed", []Scored{{event.Bullish, 2}, {event.Neutral, 0}, {event.Bearish, -3}, {event.Bullish, 0.5}, {"", 9}},
			// +0.5 is a neutral move: bullish would be right on 1 of 4, bearish on 1, neutral on 2.
			// Same mix: 2/4·1/4 + 1/4·1/4 + 1/4·2/4 = 0.125 + 0.0625 + 0.125 = 0.3125.
			Baselines{N: 4, Accuracy: 0.75, AlwaysBullish: 0.25, SameMix: 0.3125},
		},
		{
			// All bullish: both baselines are the calls themselves.
			"all bullish", []Scored{{event.Bullish, 2}, {event.Bullish, -2}, {event.Bullish, 1}, {event.Bullish, 0}},
			Baselines{N: 4, Accuracy: 0.5, AlwaysBullish: 0.5, SameMix: 0.5},
		},
		{
			// Always the wrong way round. Same mix: 1/2·1/2 + 1/2·1/2 = 0.5.
			"contrary", []Scored{{event.Bearish, 2}, {event.Bullish, -2}},
			Baselines{N: 2, Accuracy: 0, AlwaysBullish: 0.5, SameMix: 0.5},
		},
	} {
		if got := CompareWith(tt.rows, 0.5); got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

// TestSameMixIsTheMeanOfShuffles: dealing the sentiments out to the rows in every rotation gives, on
// average, exactly the closed form.
func TestSameMixIsTheMeanOfShuffles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Scored {
			return Scored{
				Sentiment: rapid.SampledFrom([]string{event.Bullish, event.Bearish, event.Neutral}).Draw(t, "sentiment"),
				Pct:       float64(rapid.IntRange(-20, 20).Draw(t, "tenths")) / 10,
			}
		}), 1, 30).Draw(t, "rows")
		var sum float64
		for shift := range rows {
			right := 0
			for i, r := range rows {
				if *Correct(rows[(i+shift)%len(rows)].Sentiment, r.Pct, 0.5) {
					right++
				}
			}
			sum += float64(right) / float64(len(rows))
		}
		if got := CompareWith(rows, 0.5).SameMix; !near(got, sum/float64(len(rows)), 1e-9) {
			t.Fatalf("closed form %v, mean of the rotations %v", got, sum/float64(len(rows)))
		}
	})
}

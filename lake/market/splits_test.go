package market_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/market"
)

func TestFoldSplits(t *testing.T) {
	d := event.NewDate(2024, 6, 10)
	for name, c := range map[string]struct{ told, want []market.Split }{
		"none":              {nil, nil},
		"twice alike":       {[]market.Split{{d, 10}, {d, 10}}, []market.Split{{d, 10}}},
		"a session apart":   {[]market.Split{{d + 3, 10}, {d, 10}}, []market.Split{{d, 10}}},
		"ratio as a float":  {[]market.Split{{d, 10}, {d + 1, 10.000001}}, []market.Split{{d, 10}}},
		"other ratio":       {[]market.Split{{d, 10}, {d + 1, 2}}, []market.Split{{d, 10}, {d + 1, 2}}},
		"a week apart":      {[]market.Split{{d, 2}, {d + 7, 2}}, []market.Split{{d, 2}, {d + 7, 2}}},
		"told thrice, late": {[]market.Split{{d + 5, 2}, {d + 2, 2}, {d, 2}}, []market.Split{{d, 2}}},
		"reverse":           {[]market.Split{{d, 0.1}, {d + 1, 0.1}}, []market.Split{{d, 0.1}}},
	} {
		if got := market.FoldSplits(c.told); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// Order and repetition change nothing; what is left is not the same as each other, and everything told
// is the same as something that is left.
func TestFoldSplitsProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		split := rapid.Custom(func(t *rapid.T) market.Split {
			return market.Split{Date: event.Date(rapid.IntRange(20000, 20040).Draw(t, "date")), Ratio: rapid.SampledFrom([]float64{2, 2.0001, 3, 0.5}).Draw(t, "ratio")}
		})
		told := rapid.SliceOf(split).Draw(t, "told")
		folded := market.FoldSplits(told)
		again := append(slices.Clone(told), told...)
		rand.Shuffle(len(again), func(i, j int) { again[i], again[j] = again[j], again[i] })
		if got := market.FoldSplits(again); !slices.Equal(got, folded) {
			t.Fatalf("%v folds to %v, in another order to %v", told, folded, got)
		}
		for i, a := range folded {
			if slices.ContainsFunc(folded[i+1:], a.Same) {
				t.Fatalf("%v is left beside what is the same in %v", a, folded)
			}
		}
		for _, s := range told {
			if !slices.ContainsFunc(folded, s.Same) {
				t.Fatalf("%v is lost in %v", s, folded)
			}
		}
	})
}

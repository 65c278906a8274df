package outcomes

import "math"

// Wilson returns the 95 % Wilson score interval of a share, as fractions of 1: where the true accuracy
// may lie when correct of n calls were right. Without calls it is everything, 0 to 1.
// (E. B. Wilson 1927, without continuity correction.)
func Wilson(correct, n int) (lo, hi float64) {
	if n <= 0 {
		return 0, 1
	}
	const z = 1.959963984540054 // the 97.5 % quantile of the normal distribution
	total := float64(n)
	p := float64(correct) / total
	middle := p + z*z/(2*total)
	half := z * math.Sqrt(p*(1-p)/total+z*z/(4*total*total))
	scale := 1 + z*z/total
	return max(0, (middle-half)/scale), min(1, (middle+half)/scale)
}

// Scored is what the baselines need of an evaluated outcome.
type Scored struct {
	Sentiment string
	// Pct is the return in percentage points; the abnormal one for the edge on abnormal returns.
	Pct float64
}

// Baselines are the accuracies, as fractions of 1, that calls are compared with over N rows
// (domain.md 5). All are 0 where N is 0.
type Baselines struct {
	N int
	// Accuracy is that of the calls themselves.
	Accuracy float64
	// AlwaysBullish is that of calling every one of the rows bullish.
	AlwaysBullish float64
	// SameMix is what random calls with the same mix of sentiments would reach on average:
	// Σ share(s) · P(correct | s), where P(correct | s) is the share of the rows, all of them, on
	// which sentiment s would have been correct.
	SameMix float64
}

// CompareWith returns the baselines on the very rows given, for a band in percentage points. Rows
// without a sentiment are in no figure.
func CompareWith(rows []Scored, band float64) Baselines {
	var n, right int64
	var calls, would [3]int64 // by sign + 1
	limit := Micro(band)
	for _, r := range rows {
		sign, ok := signOf(r.Sentiment)
		if !ok {
			continue
		}
		n++
		calls[sign+1]++
		pct := Micro(r.Pct)
		for s := range would {
			if correct(int64(s)-1, pct, limit) {
				would[s]++
				if int64(s)-1 == sign {
					right++
				}
			}
		}
	}
	if n == 0 {
		return Baselines{}
	}
	// Whole numbers up to the one division, so that the order of the rows never shows.
	var mix int64
	for s := range calls {
		mix += calls[s] * would[s]
	}
	total := float64(n)
	return Baselines{
		N:             int(n),
		Accuracy:      float64(right) / total,
		AlwaysBullish: float64(would[2]) / total,
		SameMix:       float64(mix) / (total * total),
	}
}

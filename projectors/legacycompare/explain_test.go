package legacycompare

import (
	"testing"
	"time"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/market"
)

func day(s string) event.Date {
	d, err := event.ParseDate(s)
	if err != nil {
		panic(err)
	}
	return d
}

func ptr[T any](v T) *T { return &v }

// TestExplain: cases computed by hand around Friday 2025-07-11: closes of 100 on Thursday, 102 on
// Friday, 104 on Monday, 110 on Tuesday. Right at T+1 is Friday to Monday, 1.960784 %.
func TestExplain(t *testing.T) {
	const right = 1.960784
	bars := oldBars{"XYZ": {
		day("2025-07-10"): {99, 101, 100}, day("2025-07-11"): {101, 103, 102}, day("2025-07-14"): {103, 105, 104}, day("2025-07-15"): {109, 111, 110},
	}}
	friday := time.Date(2025, 7, 11, 14, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name         string
		date         string
		base, target float64
		ours         *float64
		source       string
		rejected     string // key of a refused bar
		reason       string
		split        float64
		without      string // a day without a bar
		want         string
	}{
		{name: "equal", date: "2025-07-11", base: 102, target: 104, ours: ptr(right), source: "legacy", want: ""},
		{name: "rounded", date: "2025-07-11", base: 102, target: 104, ours: ptr(1.9609), source: "legacy", want: ""},
		{name: "Friday plus a day", date: "2025-07-11", base: 102, target: 102, ours: ptr(right), source: "legacy", want: "calendar days"},
		{name: "the target's bar is missing", date: "2025-07-11", base: 102, target: 102, without: "2025-07-14", want: "stale price"},
		{name: "from the analysis on Monday", date: "2025-07-14", base: 104, target: 110, ours: ptr(right), source: "legacy", want: "analysis-time anchor"},
		{name: "both, Saturday's analysis", date: "2025-07-12", base: 102, target: 102, ours: ptr(right), source: "legacy", want: "calendar days"},
		{name: "an older close", date: "2025-07-11", base: 102, target: 100, ours: ptr(right), source: "legacy", want: "too early"},
		{name: "a price of the day", date: "2025-07-11", base: 102, target: 103.5, ours: ptr(right), source: "legacy", want: "bar in progress"},
		{name: "a refused bar", date: "2025-07-11", base: 102, target: 104, rejected: "2025-07-14", reason: "impossible bar", want: "refused bar"},
		{name: "a bar refused in progress", date: "2025-07-11", base: 102, target: 104, rejected: "2025-07-14", reason: "bar in progress", want: "bar in progress"},
		{name: "a better source", date: "2025-07-11", base: 102, target: 104, ours: ptr(3.0), source: "yahoo", want: "other prices"},
		{name: "a split", date: "2025-07-11", base: 102, target: 104, ours: ptr(-79.607843), source: "legacy", split: 5, want: "split"},
		{name: "from nowhere", date: "2025-07-11", base: 102, target: 300, ours: ptr(right), source: "legacy", want: "unexplained"},
		{name: "a base from nowhere", date: "2025-07-11", base: 7, target: 104, ours: ptr(right), source: "legacy", want: "unexplained"},
		{name: "right, and yet not ours", date: "2025-07-11", base: 102, target: 104, ours: ptr(3.0), source: "legacy", want: "unexplained"},
	} {
		t.Run(c.name, func(t *testing.T) {
			theirs := oldBars{"XYZ": {}}
			for d, b := range bars["XYZ"] {
				if c.without == "" || d != day(c.without) {
					theirs["XYZ"][d] = b
				}
			}
			m := &model{calls: map[int64][]*call{}, rejected: map[string]string{}, splits: map[string][]float64{"XYZ": {c.split}}}
			mine := &call{predictionID: 1, symbol: "XYZ", sentiment: "bullish", publishedAt: friday}
			mine.outcomes[0] = outcome{pct: c.ours, source: c.source}
			m.calls[1] = []*call{mine}
			if c.rejected != "" {
				m.rejected["legacy:market_prices:XYZ "+c.rejected] = c.reason
			}
			o := oldOutcome{predictionID: 1, symbol: "XYZ", sentiment: "bullish", date: day(c.date), base: &c.base}
			o.prices[0], o.returns[0] = &c.target, ptr((c.target-c.base)/c.base*100)
			got := (&comparer{bars: theirs, model: m, cal: market.NYSE()}).row(&o)
			if reasons := join(got.Cells[0].Reasons); reasons != c.want {
				t.Errorf("%q, want %q (%s)", reasons, c.want, got)
			}
		})
	}
}

// A verdict that differs although return and sentiment are the same, and one with another's sentiment.
func TestExplainVerdicts(t *testing.T) {
	for _, c := range []struct {
		sentiment string
		correct   *bool
		old       float64
		want      string
	}{
		{"bullish", ptr(true), 1.5, ""},
		{"bullish", nil, 1.5, ""},
		{"bullish", ptr(false), 1.5, "other correctness rule"},
		{"bearish", ptr(false), 1.5, "wrong sentiment"},
		{"", nil, 1.5, "wrong sentiment"},
		{"bullish", ptr(true), 0.015, "percent as fraction"},
		{"bearish", ptr(true), 0.015, "percent as fraction and wrong sentiment"},
	} {
		mine := &call{predictionID: 1, symbol: "XYZ", sentiment: "bullish"}
		mine.outcomes[2] = outcome{pct: ptr(1.5), correct: ptr(true)}
		o := oldOutcome{predictionID: 1, symbol: "XYZ", sentiment: c.sentiment}
		o.returns[2], o.correct[2] = &c.old, c.correct
		got := (&comparer{model: &model{calls: map[int64][]*call{1: {mine}}}, cal: market.NYSE()}).row(&o)
		if reasons := join(got.Cells[2].Reasons); reasons != c.want || got.Equal != (c.want == "") {
			t.Errorf("%q %v: %q, want %q", c.sentiment, c.old, reasons, c.want)
		}
	}
}

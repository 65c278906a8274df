package outcomes

import (
	"testing"
	"time"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/market"
)

// One week around Friday 2025-07-11, in round figures. The benchmark rises by 1 % on Friday and falls
// by 1 % on Monday; Monday opens at 505.
const (
	week = `
		yahoo 2025-07-10  99 100
		yahoo 2025-07-11 101 102
		yahoo 2025-07-14 104 105.06
		yahoo 2025-07-15 105 110`
	spy = `
		yahoo 2025-07-09 500 500
		yahoo 2025-07-10 500 500
		yahoo 2025-07-11 500 505
		yahoo 2025-07-14 505 499.95
		yahoo 2025-07-15 500 500`
)

// hand is a case computed by hand: a post, the prices around it, and one row as describe writes it.
type hand struct {
	name, symbol, sentiment string
	at                      time.Time
	bars, splits, benchmark string
	basis                   market.Basis
	horizon                 int
	want                    string
}

func check(t *testing.T, cases []hand) {
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			c := Call{PredictionID: "p", Symbol: tt.symbol, Sentiment: tt.sentiment, PublishedAt: tt.at}
			rows := Compute(c, NewSeries(parseBars(tt.bars), parseSplits(tt.splits)), NewSeries(parseBars(tt.benchmark), nil), market.NYSE(), DefaultSettings())
			if got := describe(row(t, rows, tt.basis, tt.horizon)); got != tt.want {
				t.Errorf("%s T+%d is\n\t%s, want\n\t%s", tt.basis, tt.horizon, got, tt.want)
			}
		})
	}
}

// TestSessions: the post's time against the sessions.
func TestSessions(t *testing.T) {
	check(t, []hand{
		{"Friday 10:00, prior close: Thursday to Friday", "XYZ", "bullish", ny("2025-07-11 10:00:00"), week, "", spy, market.PriorClose, 1,
			"2025-07-10>2025-07-11 100>102 2/1/1 yes/yes 20/20 yahoo/yahoo"},
		{"Friday 10:00, next open: Monday's open to Monday's close", "XYZ", "bullish", ny("2025-07-11 10:00:00"), week, "", spy, market.NextOpen, 1,
			"2025-07-14>2025-07-14 104>105.06 1.019231/-1/2.019231 yes/yes 10.19231/10.19231 yahoo/yahoo"},
		{"Friday 10:00, legacy: T+1 of a Friday is Monday", "XYZ", "bullish", ny("2025-07-11 10:00:00"), week, "", spy, market.Legacy, 1,
			"2025-07-11>2025-07-14 102>105.06 3/-1/4 yes/yes 30/30 yahoo/yahoo"},
		{"Saturday, prior close", "XYZ", "bullish", ny("2025-07-12 11:00:00"), week, "", spy, market.PriorClose, 1,
			"2025-07-11>2025-07-14 102>105.06 3/-1/4 yes/yes 30/30 yahoo/yahoo"},
		{"Saturday, legacy: anchored on Monday", "XYZ", "bullish", ny("2025-07-12 11:00:00"), week, "", spy, market.Legacy, 1,
			"2025-07-11>2025-07-15 102>110 7.843137/-0.990099/8.833236 yes/yes 78.43137/78.43137 yahoo/yahoo"},
		{"Friday 17:00, after the close", "XYZ", "bullish", ny("2025-07-11 17:00:00"), week, "", spy, market.PriorClose, 1,
			"2025-07-11>2025-07-14 102>105.06 3/-1/4 yes/yes 30/30 yahoo/yahoo"},
		{"Friday 22:00 New York, Saturday UTC, legacy", "XYZ", "bullish", ny("2025-07-11 22:00:00"), week, "", spy, market.Legacy, 1,
			"2025-07-11>2025-07-15 102>110 7.843137/-0.990099/8.833236 yes/yes 78.43137/78.43137 yahoo/yahoo"},
		{"Thursday 22:00 New York, Friday UTC, next open", "XYZ", "bullish", ny("2025-07-10 22:00:00"), week, "", spy, market.NextOpen, 1,
			"2025-07-11>2025-07-11 101>102 0.990099/1/-0.009901 yes/no 9.90099/9.90099 yahoo/yahoo"},
		{"Independence Day", "XYZ", "bearish", ny("2025-07-04 12:00:00"), "yahoo 2025-07-03 50 50\nyahoo 2025-07-07 50 49", "", "", market.PriorClose, 1,
			"2025-07-03>2025-07-07 50>49 -2/-/- yes/- -20/20 yahoo/-"},
		{"early close 13:30: that day's close is known", "XYZ", "bullish", ny("2025-07-03 13:30:00"), "yahoo 2025-07-03 50 50\nyahoo 2025-07-07 50 51", "", "", market.PriorClose, 1,
			"2025-07-03>2025-07-07 50>51 2/-/- yes/- 20/20 yahoo/-"},
		{"one-off closure 2025-01-09", "XYZ", "bullish", ny("2025-01-09 12:00:00"), "yahoo 2025-01-08 80 80\nyahoo 2025-01-10 81 82", "", "", market.PriorClose, 1,
			"2025-01-08>2025-01-10 80>82 2.5/-/- yes/- 25/25 yahoo/-"},
		{"crypto on Friday 17:00: Friday's bar is still open", "BTC-USD", "bullish", ny("2025-07-11 17:00:00"), week, "", spy, market.PriorClose, 1,
			"2025-07-10>2025-07-11 100>102 2/1/1 yes/yes 20/20 yahoo/yahoo"},
		{"crypto on Saturday: the weekend's bars are not used", "BTC-USD", "bearish", ny("2025-07-12 11:00:00"),
			week + "\nyahoo 2025-07-12 1 1\nyahoo 2025-07-13 2 2", "", spy, market.PriorClose, 1,
			"2025-07-11>2025-07-14 102>105.06 3/-1/4 no/no 30/-30 yahoo/yahoo"},
		{"three sessions after the base", "XYZ", "bullish", ny("2025-07-11 10:00:00"), week, "", spy, market.PriorClose, 3,
			"2025-07-10>2025-07-15 100>110 10/0/10 yes/yes 100/100 yahoo/yahoo"},
		{"outside the calendar", "XYZ", "bullish", ny("2027-12-31 17:00:00"), week, "", spy, market.PriorClose, 1,
			"->- ->- -/-/- -/- -/- -/-"},
	})
}

// TestVerdict: sentiment and band.
func TestVerdict(t *testing.T) {
	check(t, []hand{
		{"bearish, and the price fell", "XYZ", "bearish", ny("2025-07-11 10:00:00"), "yahoo 2025-07-10 9 100\nyahoo 2025-07-11 9 98", "", spy, market.PriorClose, 1,
			"2025-07-10>2025-07-11 100>98 -2/1/-3 yes/yes -20/20 yahoo/yahoo"},
		{"neutral, within the band but not against the benchmark", "XYZ", "neutral", ny("2025-07-11 10:00:00"), "yahoo 2025-07-10 9 100\nyahoo 2025-07-11 9 100.4", "", spy, market.PriorClose, 1,
			"2025-07-10>2025-07-11 100>100.4 0.4/1/-0.6 yes/no 4/0 yahoo/yahoo"},
		{"no sentiment: no verdict, no profit of its own", "XYZ", "", ny("2025-07-11 10:00:00"), week, "", spy, market.PriorClose, 1,
			"2025-07-10>2025-07-11 100>102 2/1/1 -/- 20/- yahoo/yahoo"},
		{"bullish at exactly the band is wrong", "XYZ", "bullish", ny("2025-07-11 10:00:00"), "yahoo 2025-07-10 9 100\nyahoo 2025-07-11 9 100.5", "", "", market.PriorClose, 1,
			"2025-07-10>2025-07-11 100>100.5 0.5/-/- no/- 5/5 yahoo/-"},
		{"neutral at exactly the band is right", "XYZ", "neutral", ny("2025-07-11 10:00:00"), "yahoo 2025-07-10 9 100\nyahoo 2025-07-11 9 99.5", "", "", market.PriorClose, 1,
			"2025-07-10>2025-07-11 100>99.5 -0.5/-/- yes/- -5/0 yahoo/-"},
		// In binary, 1.1 - 0.6 is more than 0.5.
		{"abnormal at exactly the band", "XYZ", "bullish", ny("2025-07-11 10:00:00"), "yahoo 2025-07-10 9 1000\nyahoo 2025-07-11 9 1011", "", "yahoo 2025-07-10 9 500\nyahoo 2025-07-11 9 503", market.PriorClose, 1,
			"2025-07-10>2025-07-11 1000>1011 1.1/0.6/0.5 yes/no 11/11 yahoo/yahoo"},
		{"nothing moved", "XYZ", "bearish", ny("2025-07-11 10:00:00"), "yahoo 2025-07-10 9 100\nyahoo 2025-07-11 9 100", "", "", market.PriorClose, 1,
			"2025-07-10>2025-07-11 100>100 0/-/- no/- 0/0 yahoo/-"},
	})
}

// TestBenchmark: the benchmark.
func TestBenchmark(t *testing.T) {
	check(t, []hand{
		{"the benchmark itself: no abnormal return", "SPY", "bullish", ny("2025-07-11 10:00:00"), spy, "", spy, market.PriorClose, 1,
			"2025-07-10>2025-07-11 500>505 1/1/- yes/- 10/10 yahoo/yahoo"},
		{"the benchmark lacks a bar", "XYZ", "bullish", ny("2025-07-11 10:00:00"), week, "", "yahoo 2025-07-10 500 500", market.PriorClose, 1,
			"2025-07-10>2025-07-11 100>102 2/-/- yes/- 20/20 yahoo/-"},
		{"the benchmark takes its own source", "XYZ", "bullish", ny("2025-07-11 10:00:00"), week, "", "stooq 2025-07-10 1 400\nstooq 2025-07-11 1 402\nyahoo 2025-07-10 1 500", market.PriorClose, 1,
			"2025-07-10>2025-07-11 100>102 2/0.5/1.5 yes/yes 20/20 yahoo/stooq"},
	})
}

// TestMissingPrices: missing bars and sources.
func TestMissingPrices(t *testing.T) {
	check(t, []hand{
		{"unknown symbol", "XYZ", "bullish", ny("2025-07-11 10:00:00"), "", "", spy, market.PriorClose, 1,
			"2025-07-10>2025-07-11 ->- -/1/- -/- -/- -/yahoo"},
		{"no target bar: the base is shown, nothing is filled in from the days around", "XYZ", "bullish", ny("2025-07-11 10:00:00"), "yahoo 2025-07-10 9 100\nyahoo 2025-07-14 9 103", "", spy, market.PriorClose, 1,
			"2025-07-10>2025-07-11 100>- -/1/- -/- -/- yahoo/yahoo"},
		{"no base bar", "XYZ", "bullish", ny("2025-07-11 10:00:00"), "yahoo 2025-07-09 9 100\nyahoo 2025-07-11 9 103", "", spy, market.PriorClose, 1,
			"2025-07-10>2025-07-11 ->- -/1/- -/- -/- -/yahoo"},
		{"only the second source has both bars", "XYZ", "bullish", ny("2025-07-11 10:00:00"), "yahoo 2025-07-10 9 100\nstooq 2025-07-10 9 200\nstooq 2025-07-11 9 202", "", spy, market.PriorClose, 1,
			"2025-07-10>2025-07-11 200>202 1/1/0 yes/no 10/10 stooq/yahoo"},
		{"two halves make no whole: sources are never mixed", "XYZ", "bullish", ny("2025-07-11 10:00:00"), "yahoo 2025-07-10 9 100\nstooq 2025-07-11 9 202", "", spy, market.PriorClose, 1,
			"2025-07-10>2025-07-11 100>- -/1/- -/- -/- yahoo/yahoo"},
	})
}

// TestComputeRows: twelve rows in their order, with or without prices and sessions.
func TestComputeRows(t *testing.T) {
	for _, at := range []time.Time{ny("2025-07-11 10:00:00"), ny("2030-01-01 10:00:00"), {}} {
		rows := Compute(Call{PredictionID: "p", Symbol: "XYZ", PublishedAt: at}, nil, nil, market.NYSE(), DefaultSettings())
		if len(rows) != 12 {
			t.Fatalf("%s: %d rows, want 12", at, len(rows))
		}
		for i, o := range rows {
			basis, n := market.Bases()[i/4], market.Horizons()[i%4]
			if o.PredictionID != "p" || o.Symbol != "XYZ" || o.Basis != basis || o.Horizon != n {
				t.Errorf("row %d is %+v, want %s T+%d", i, o, basis, n)
			}
			if o.DueAt.IsZero() != (o.TargetSession == 0) || (o.BaseSession == 0) != (o.TargetSession == 0) {
				t.Errorf("row %d: sessions %s and %s, due at %s", i, o.BaseSession, o.TargetSession, o.DueAt)
			}
		}
	}
}

func TestDueAtAndFirstPricedAt(t *testing.T) {
	bars := `
		yahoo 2025-07-02 9 100 seen=2025-07-10T09:00:00Z
		yahoo 2025-07-03 9 101 seen=2025-07-03T18:00:00Z
		stooq 2025-07-02 9 100 seen=2025-07-01T00:00:00Z
		stooq 2025-07-03 9 100 seen=2025-07-01T00:00:00Z`
	for _, tt := range []struct{ symbol, bars, dueAt, pricedAt string }{
		{"XYZ", bars, "2025-07-03T17:20:00Z", "2025-07-10T09:00:00Z"}, // early close; the later of the two, of the serving source
		{"BTC-USD", bars, "2025-07-04T00:20:00Z", "2025-07-10T09:00:00Z"},
		{"CL=F", bars, "2025-07-03T21:20:00Z", "2025-07-10T09:00:00Z"},
		{"XYZ", "yahoo 2025-07-02 9 100", "2025-07-03T17:20:00Z", "0001-01-01T00:00:00Z"}, // not evaluated
	} {
		c := Call{Symbol: tt.symbol, PublishedAt: ny("2025-07-03 10:00:00")}
		o := row(t, Compute(c, NewSeries(parseBars(tt.bars), nil), nil, market.NYSE(), DefaultSettings()), market.PriorClose, 1)
		if got := o.DueAt.Format(time.RFC3339); got != tt.dueAt {
			t.Errorf("%s is due at %s, want %s", tt.symbol, got, tt.dueAt)
		}
		if got := o.FirstPricedAt.Format(time.RFC3339); got != tt.pricedAt {
			t.Errorf("%s is first priced at %s, want %s", tt.symbol, got, tt.pricedAt)
		}
	}
}

func TestOrigin(t *testing.T) {
	friday := ny("2025-07-11 10:00:00")
	for _, tt := range []struct {
		name, symbol, prompt string
		at, predicted        time.Time
		want                 string
	}{
		{"minutes later", "XYZ", "v3", friday, ny("2025-07-11 10:02:00"), Live},
		{"on Sunday", "XYZ", "v3", friday, ny("2025-07-13 10:00:00"), Live},
		{"at Monday's open", "XYZ", "v3", friday, ny("2025-07-14 09:30:00"), Live},
		{"after Monday's open", "XYZ", "v3", friday, ny("2025-07-14 09:30:01"), Retrospective},
		{"crypto: Monday's bar opens on Sunday evening", "BTC-USD", "v3", friday, ny("2025-07-13 20:00:01"), Retrospective},
		{"no next session known", "XYZ", "v3", ny("2028-02-01 10:00:00"), ny("2028-02-01 10:01:00"), Retrospective},
		{"the last sessions: E is known, T+30 is not", "XYZ", "v3", ny("2027-12-30 10:00:00"), ny("2027-12-30 10:01:00"), Live},
		{"imported", "XYZ", "legacy:17", friday, ny("2025-07-11 10:02:00"), Imported},
	} {
		c := Call{Symbol: tt.symbol, PublishedAt: tt.at}
		if got := Origin(c, tt.predicted, tt.prompt, market.NYSE()); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestCorrect(t *testing.T) {
	for _, tt := range []struct {
		sentiment string
		pct, band float64
		want      string
	}{
		{event.Bullish, 0.500001, 0.5, "yes"},
		{event.Bullish, 0.5, 0.5, "no"},
		{event.Bullish, 0.1 + 0.2, 0.3, "no"}, // equal at six decimals
		{event.Bullish, -3, 0.5, "no"},
		{event.Bearish, -0.500001, 0.5, "yes"},
		{event.Bearish, -0.5, 0.5, "no"},
		{event.Neutral, 0.5, 0.5, "yes"},
		{event.Neutral, -0.5, 0.5, "yes"},
		{event.Neutral, 0.500001, 0.5, "no"},
		{event.Bullish, 0.000001, 0, "yes"},
		{event.Neutral, 0, 0, "yes"},
		{event.Bullish, 1.5, 2, "no"},
		{"", 3, 0.5, "-"},
		{"Bullish", 3, 0.5, "-"},
	} {
		if got := yes(Correct(tt.sentiment, tt.pct, tt.band)); got != tt.want {
			t.Errorf("Correct(%q, %v, %v) is %s, want %s", tt.sentiment, tt.pct, tt.band, got, tt.want)
		}
	}
}

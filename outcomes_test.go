package main

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/projectors"
	"shitpost-alpha/readmodel/readmodeltest"
)

// outcomeCase is one post with one call, the bars that exist, and the rows that domain.md 4 demands,
// all computed by hand. Times are New York's.
type outcomeCase struct {
	name      string
	post      string // New York time
	symbol    string // made unique by the case's number unless it means something: SPY, BTC-USD
	sentiment string
	bars      string // lines "date open close [source [adjustment [through [fetch]]]]"
	splits    string // lines "date ratio"
	unknown   bool
	want      string // lines "basis horizon base target return correct pnl status [abnormal]"; - is null
}

// Sessions used below: 2025-01-02 Thu, 03 Fri, 06 Mon, 07, 08, (09 closed), 10 Fri, 13 Mon … 17 Fri,
// (20 Martin Luther King Day), 21 Tue. 2025-11-26 Wed, (27 Thanksgiving), 28 Fri until 13:00,
// 12-01 Mon. SPY stands at 500 but for 505 on 2025-01-03 and 510 at the open of 2025-01-06.
const january = `
2025-01-02 99 100
2025-01-03 101 102
2025-01-06 103 105
2025-01-07 100 99
2025-01-08 98 101
2025-01-10 102 104
2025-01-13 104 106
2025-01-14 106 107
2025-01-15 107 110`

var outcomeCases = []outcomeCase{
	{name: "Friday 10:00", post: "2025-01-03 10:00:00", symbol: "FRI", sentiment: "bullish", bars: january, want: `
prior_close 1 2025-01-02 2025-01-03 2.000000 t 20 evaluated 1.000000
prior_close 3 2025-01-02 2025-01-07 -1.000000 f -10 evaluated -1.000000
next_open 1 2025-01-06 2025-01-06 1.941748 t 19.41748 evaluated 3.902532
next_open 3 2025-01-06 2025-01-08 -1.941748 f -19.41748 evaluated 0.019036
next_open 7 2025-01-06 2025-01-15 6.796117 t 67.96117 evaluated 8.756901
legacy 1 2025-01-03 2025-01-06 2.941176 t 29.41176 evaluated 3.931275`},
	{name: "Saturday", post: "2025-01-04 12:00:00", symbol: "SAT", sentiment: "bullish", bars: january, want: `
prior_close 1 2025-01-03 2025-01-06 2.941176 t 29.41176 evaluated
next_open 1 2025-01-06 2025-01-06 1.941748 t 19.41748 evaluated
legacy 1 2025-01-03 2025-01-07 -2.941176 f -29.41176 evaluated`},
	{name: "Friday after the close", post: "2025-01-03 17:00:00", symbol: "AFT", sentiment: "bullish", bars: january, want: `
prior_close 1 2025-01-03 2025-01-06 2.941176 t 29.41176 evaluated
next_open 1 2025-01-06 2025-01-06 1.941748 t 19.41748 evaluated
legacy 1 2025-01-03 2025-01-06 2.941176 t 29.41176 evaluated`},
	{name: "UTC date is the next day", post: "2025-01-02 20:00:00", symbol: "UTC", sentiment: "bullish", bars: january, want: `
prior_close 1 2025-01-02 2025-01-03 2.000000 t 20 evaluated
next_open 1 2025-01-03 2025-01-03 0.990099 t 9.90099 evaluated
legacy 1 2025-01-03 2025-01-06 2.941176 t 29.41176 evaluated`},
	{name: "exactly at the close", post: "2025-01-06 16:00:00", symbol: "ATC", sentiment: "bullish", bars: january, want: `
prior_close 1 2025-01-06 2025-01-07 -5.714286 f -57.14286 evaluated`},
	{name: "a millisecond before the close", post: "2025-01-06 15:59:59.999", symbol: "BTC", sentiment: "bullish", bars: january, want: `
prior_close 1 2025-01-03 2025-01-06 2.941176 t 29.41176 evaluated`},
	{name: "exactly at the open", post: "2025-01-06 09:30:00", symbol: "ATO", sentiment: "bullish", bars: january, want: `
next_open 1 2025-01-07 2025-01-07 -1.000000 f -10 evaluated`},
	{name: "a second before the open", post: "2025-01-06 09:29:59", symbol: "BTO", sentiment: "bullish", bars: january, want: `
next_open 1 2025-01-06 2025-01-06 1.941748 t 19.41748 evaluated`},
	{name: "holiday", post: "2025-01-20 11:00:00", symbol: "MLK", sentiment: "bullish", bars: `
2025-01-17 49 50
2025-01-21 51 52
2025-01-22 50 49`, want: `
prior_close 1 2025-01-17 2025-01-21 4.000000 t 40 evaluated
next_open 1 2025-01-21 2025-01-21 1.960784 t 19.60784 evaluated
legacy 1 2025-01-17 2025-01-22 -2.000000 f -20 evaluated`},
	{name: "day of mourning 2025-01-09", post: "2025-01-09 12:00:00", symbol: "NDM", sentiment: "bearish", bars: `
2025-01-08 199 200
2025-01-10 202 198
2025-01-13 200 206`, want: `
prior_close 1 2025-01-08 2025-01-10 -1.000000 t 10 evaluated
next_open 1 2025-01-10 2025-01-10 -1.980198 t 19.80198 evaluated
legacy 1 2025-01-08 2025-01-13 3.000000 f -30 evaluated`},
	{name: "after an early close", post: "2025-11-28 14:00:00", symbol: "ECA", sentiment: "bullish", bars: `
2025-11-26 77 78
2025-11-28 79 80
2025-12-01 82 84`, want: `
prior_close 1 2025-11-28 2025-12-01 5.000000 t 50 evaluated
next_open 1 2025-12-01 2025-12-01 2.439024 t 24.39024 evaluated
legacy 1 2025-11-28 2025-12-01 5.000000 t 50 evaluated`},
	{name: "before an early close", post: "2025-11-28 12:30:00", symbol: "ECB", sentiment: "bullish", bars: `
2025-11-26 77 78
2025-11-28 79 80
2025-12-01 82 84`, want: `
prior_close 1 2025-11-26 2025-11-28 2.564103 t 25.64103 evaluated`},
	{name: "split between, raw source", post: "2025-12-04 17:00:00", symbol: "RAW", sentiment: "bullish", splits: "2025-12-05 2", bars: `
2025-12-04 88 90 file:raw none
2025-12-05 45.5 46 file:raw none`, want: `
prior_close 1 2025-12-04 2025-12-05 2.222222 t 22.22222 evaluated
next_open 1 2025-12-05 2025-12-05 1.098901 t 10.98901 evaluated`},
	{name: "split between, both fetched after it", post: "2025-12-04 17:00:00", symbol: "AFA", sentiment: "bullish", splits: "2025-12-05 2", bars: `
2025-12-04 44 45 file:adj split 2025-12-10
2025-12-05 45.5 46 file:adj split 2025-12-10`, want: `
prior_close 1 2025-12-04 2025-12-05 2.222222 t 22.22222 evaluated`},
	{name: "split between, base fetched before it", post: "2025-12-04 17:00:00", symbol: "BFB", sentiment: "bullish", splits: "2025-12-05 2", bars: `
2025-12-04 88 90 yahoo split 2025-12-04
2025-12-05 45.5 46 yahoo split 2025-12-05`, want: `
prior_close 1 2025-12-04 2025-12-05 2.222222 t 22.22222 evaluated`},
	{name: "split later, only the target fetched after it", post: "2025-12-01 17:00:00", symbol: "LAT", sentiment: "bullish", splits: "2025-12-05 2", bars: `
2025-12-01 87 88 yahoo split 2025-12-01
2025-12-02 44 45 yahoo split 2025-12-08`, want: `
prior_close 1 2025-12-01 2025-12-02 2.272727 t 22.72727 evaluated`},
	{name: "split later, only the base fetched after it", post: "2025-12-01 17:00:00", symbol: "LAB", sentiment: "bullish", splits: "2025-12-05 2", bars: `
2025-12-01 43.5 44 yahoo split 2025-12-08
2025-12-02 88 90 yahoo split 2025-12-02`, want: `
prior_close 1 2025-12-01 2025-12-02 2.272727 t 22.72727 evaluated`},
	{name: "adjusted before raw", post: "2025-01-03 10:00:00", symbol: "ABR", sentiment: "bullish", bars: `
2025-01-02 100 100 file:a-raw none
2025-01-03 100 110 file:a-raw none
2025-01-02 50 50 file:z-adj split 2025-02-01
2025-01-03 50 56 file:z-adj split 2025-02-01`, want: `
prior_close 1 2025-01-02 2025-01-03 12.000000 t 120 evaluated`},
	{name: "the source that has both bars", post: "2025-01-03 10:00:00", symbol: "SHB", sentiment: "bullish", bars: `
2025-01-02 100 100 file:a-raw none
2025-01-03 100 110 file:a-raw none
2025-01-02 50 50 file:z-adj split 2025-02-01`, want: `
prior_close 1 2025-01-02 2025-01-03 10.000000 t 100 evaluated`},
	{name: "dividend-adjusted of one fetch", post: "2025-01-03 10:00:00", symbol: "DIV", sentiment: "bullish", bars: `
2025-01-02 100 100 stooq dividend 2025-02-01 one
2025-01-03 100 103 stooq dividend 2025-02-01 one`, want: `
prior_close 1 2025-01-02 2025-01-03 3.000000 t 30 evaluated`},
	{name: "dividend-adjusted of two fetches", post: "2025-01-03 10:00:00", symbol: "DV2", sentiment: "bullish", bars: `
2025-01-02 100 100 stooq dividend 2025-02-01 one
2025-01-03 100 103 stooq dividend 2025-03-01 two`, want: `
prior_close 1 2025-01-02 2025-01-03 - - - no_bar`},
	{name: "missing target", post: "2025-01-03 10:00:00", symbol: "MIS", sentiment: "bullish", bars: "2025-01-02 100 100", want: `
prior_close 1 2025-01-02 2025-01-03 - - - no_bar
next_open 1 2025-01-06 2025-01-06 - - - no_bar`},
	{name: "no look-back over a gap", post: "2025-01-06 10:00:00", symbol: "GAP", sentiment: "bullish", bars: `
2025-01-02 100 100
2025-01-06 100 120`, want: `
prior_close 1 2025-01-03 2025-01-06 - - - no_bar`},
	{name: "bearish is right", post: "2025-01-06 17:00:00", symbol: "BEA", sentiment: "bearish", bars: january, want: `
prior_close 1 2025-01-06 2025-01-07 -5.714286 t 57.14286 evaluated
next_open 1 2025-01-07 2025-01-07 -1.000000 t 10 evaluated`},
	{name: "bearish is wrong", post: "2025-01-03 10:00:00", symbol: "BEW", sentiment: "bearish", bars: january, want: `
prior_close 1 2025-01-02 2025-01-03 2.000000 f -20 evaluated`},
	{name: "neutral at the edge of the band", post: "2025-01-03 10:00:00", symbol: "NEU", sentiment: "neutral", bars: `
2025-01-02 100 100
2025-01-03 100 100.5
2025-01-06 100 99.4`, want: `
prior_close 1 2025-01-02 2025-01-03 0.500000 t 0 evaluated
next_open 1 2025-01-06 2025-01-06 -0.600000 f 0 evaluated`},
	{name: "bullish at the edge of the band", post: "2025-01-03 10:00:00", symbol: "BUE", sentiment: "bullish", bars: `
2025-01-02 100 100
2025-01-03 100 100.5
2025-01-06 100 100.6`, want: `
prior_close 1 2025-01-02 2025-01-03 0.500000 f 5 evaluated
next_open 1 2025-01-06 2025-01-06 0.600000 t 6 evaluated`},
	{name: "no sentiment", post: "2025-01-03 10:00:00", symbol: "NUL", sentiment: "", bars: january, want: `
prior_close 1 2025-01-02 2025-01-03 2.000000 - - evaluated`},
	{name: "bitcoin on a weekend", post: "2025-01-04 12:00:00", symbol: "BTC-USD", sentiment: "bullish", bars: `
2025-01-02 96000 97000
2025-01-03 97000 98000
2025-01-04 98000 98200
2025-01-05 98200 98300
2025-01-06 98300 102000
2025-01-07 102000 96900`, want: `
prior_close 1 2025-01-03 2025-01-06 4.081633 t 40.81633 evaluated
next_open 1 2025-01-06 2025-01-06 3.763988 t 37.63988 evaluated
legacy 1 2025-01-03 2025-01-07 -1.122449 f -11.22449 evaluated`},
	{name: "a coin on Friday 17:00", post: "2025-01-03 17:00:00", symbol: "ETH-USD", sentiment: "bullish", bars: `
2025-01-02 96000 97000
2025-01-03 97000 98000
2025-01-06 98300 102000`, want: `
prior_close 1 2025-01-02 2025-01-03 1.030928 t 10.30928 evaluated
legacy 1 2025-01-03 2025-01-06 4.081633 t 40.81633 evaluated`},
	{name: "SPY itself", post: "2025-01-03 10:00:00", symbol: "SPY", sentiment: "bullish", want: `
prior_close 1 2025-01-02 2025-01-03 1.000000 t 10 evaluated -
next_open 1 2025-01-06 2025-01-06 -1.960784 f -19.60784 evaluated -`},
	{name: "unknown symbol", post: "2025-01-03 10:00:00", symbol: "UNK", sentiment: "bullish", unknown: true, want: `
next_open 1 2025-01-06 2025-01-06 - - - unpriceable`},
	{name: "jump like a split that nobody told of", post: "2025-01-03 10:00:00", symbol: "SUS", sentiment: "bullish", bars: `
2025-01-02 100 100 file:raw none
2025-01-03 50 50 file:raw none`, want: `
prior_close 1 2025-01-02 2025-01-03 - - - suspect`},
	{name: "outside the calendar", post: "2027-12-31 17:00:00", symbol: "OUT", sentiment: "bullish", want: `
next_open 1 - - - - - outside_calendar`},
	{name: "not due yet", post: "2027-06-01 10:00:00", symbol: "PEN", sentiment: "bullish", want: `
next_open 1 2027-06-02 2027-06-02 - - - pending`},
}

// TestOutcomesByHand drives every case through the lake and the projector into Postgres.
func TestOutcomesByHand(t *testing.T) {
	ctx := t.Context()
	l, err := lake.Open(ctx, t.TempDir(), lake.Options{Producer: "test@1"})
	if err != nil {
		t.Fatal(err)
	}
	var predictions []event.Prediction
	prices := spyBars(t)
	for i, c := range outcomeCases {
		predictions = append(predictions, prediction(t, i, c))
		for _, line := range nonEmpty(c.bars) {
			prices = append(prices, barOf(t, c.symbol, line))
		}
		for _, line := range nonEmpty(c.splits) {
			f := strings.Fields(line)
			prices = append(prices, splitOf(t, c.symbol, f[0], f[1]))
		}
		if c.unknown {
			prices = append(prices, event.Price{Envelope: event.Envelope{Kind: event.SymbolUnknown, Key: c.symbol, Source: "files", OccurredAt: time.Unix(1.7e9, 0)},
				Symbol: c.symbol, AskedSources: []string{"files"}})
		}
	}
	record(t, l.Predictions, predictions)
	record(t, l.Prices, prices)
	databaseURL, conn := readmodeltest.Open(t)
	if err := projectors.New(projectors.Options{Lake: l, DatabaseURL: databaseURL}).Once(ctx); err != nil {
		t.Fatal(err)
	}
	for i, c := range outcomeCases {
		t.Run(c.name, func(t *testing.T) { c.check(t, conn, predictions[i].PredictionID) })
	}
}

func (c outcomeCase) check(t *testing.T, conn *pgx.Conn, id string) {
	var rows int
	if err := conn.QueryRow(t.Context(), `SELECT count(*) FROM readmodel.outcomes WHERE prediction_id = $1`, id).Scan(&rows); err != nil || rows != 12 {
		t.Errorf("%d rows, %v; a call has twelve, always", rows, err)
	}
	for _, want := range nonEmpty(c.want) {
		f := strings.Fields(want)
		var got []string
		for _, column := range []string{"base_session::text", "target_session::text", "round(return_pct, 6)::text", "left(correct::text, 1)", "trim_scale(pnl)::text", "status", "round(abnormal_pct, 6)::text"}[:len(f)-2] {
			var v *string
			sql := `SELECT ` + column + ` FROM readmodel.outcomes_status WHERE prediction_id = $1 AND symbol = $2 AND basis = $3 AND horizon = $4`
			if err := conn.QueryRow(t.Context(), sql, id, c.symbol, f[0], must(strconv.Atoi(f[1]))).Scan(&v); err != nil {
				t.Fatalf("%s: %v", want, err)
			}
			if v == nil {
				v = new(string)
				*v = "-"
			}
			got = append(got, *v)
		}
		if line := strings.Join(append(f[:2:2], got...), " "); line != strings.Join(f, " ") {
			t.Errorf("got  %s\nwant %s", line, strings.Join(f, " "))
		}
	}
}

func prediction(t *testing.T, i int, c outcomeCase) event.Prediction {
	t.Helper()
	at := newYork(t, c.post)
	postID := strconv.FormatInt(at.UnixMilli()<<16|int64(i), 10)
	conf := 0.6
	id := event.PredictionID(postID, "rules", "builtin", "test", "test")
	return event.Prediction{
		Envelope:     event.Envelope{Kind: event.PredictionMade, Key: id, Source: "rules", OccurredAt: at.Add(time.Second)},
		PredictionID: id, PostID: postID, PublishedAt: at, Analyzer: "rules", Provider: "builtin", Model: "test", PromptVersion: "test",
		Confidence: &conf, Assets: []event.Asset{{Symbol: c.symbol, Sentiment: c.sentiment}},
	}
}

func spyBars(t *testing.T) []event.Price {
	var out []event.Price
	for day := event.NewDate(2025, 1, 2); day <= event.NewDate(2025, 1, 31); day++ {
		open, shut := 500, 500
		switch day.String() {
		case "2025-01-03":
			shut = 505
		case "2025-01-06":
			open = 510
		}
		out = append(out, barOf(t, "SPY", fmt.Sprintf("%s %d %d", day, open, shut)))
	}
	return out
}

func barOf(t *testing.T, symbol, line string) event.Price {
	t.Helper()
	f := strings.Fields(line)
	day := must(event.ParseDate(f[0]))
	open, shut := must(strconv.ParseFloat(f[1], 64)), must(strconv.ParseFloat(f[2], 64))
	high, low := max(open, shut), min(open, shut)
	p := event.Price{Envelope: event.Envelope{Kind: event.BarRecorded, Key: symbol, Source: "yahoo", OccurredAt: day.Time().Add(21 * time.Hour)},
		Symbol: symbol, SessionDate: day, Interval: "1d", Open: &open, High: &high, Low: &low, Close: &shut, Currency: "USD",
		Adjustment: event.AdjustedSplit, AdjustedThrough: day, FetchID: "f"}
	if len(f) > 3 {
		p.Source = f[3]
	}
	if len(f) > 4 {
		p.Adjustment = event.Adjustment(f[4])
	}
	if len(f) > 5 {
		p.AdjustedThrough = must(event.ParseDate(f[5]))
	}
	if len(f) > 6 {
		p.FetchID = f[6]
	}
	return p
}

func splitOf(t *testing.T, symbol, day, ratio string) event.Price {
	t.Helper()
	d := must(event.ParseDate(day))
	return event.Price{Envelope: event.Envelope{Kind: event.SplitRecorded, Key: symbol, Source: "yahoo", OccurredAt: d.Time().Add(14 * time.Hour)},
		Symbol: symbol, SessionDate: d, Ratio: must(strconv.ParseFloat(ratio, 64))}
}

func record[E event.Event](t *testing.T, s *lake.Stream[E], drafts []E) {
	t.Helper()
	n, err := lake.NewRecorder(s, nil).Record(t.Context(), func() ([]E, error) { return drafts, nil })
	if err != nil || n != len(drafts) {
		t.Fatalf("record %d drafts: %d appended, %v", len(drafts), n, err)
	}
}

func newYork(t *testing.T, clock string) time.Time {
	t.Helper()
	return must(time.ParseInLocation("2006-01-02 15:04:05", clock, must(time.LoadLocation("America/New_York"))))
}

func nonEmpty(s string) (out []string) {
	for _, line := range strings.Split(s, "\n") {
		if line = strings.TrimSpace(line); line != "" {
			out = append(out, line)
		}
	}
	return out
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

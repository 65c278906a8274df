package projectors

import (
	"context"
	"math"
	"testing"
	"time"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/readmodel/readmodeltest"
)

// The view accuracy on four calls whose figures are worked out by hand.
func TestAccuracyView(t *testing.T) {
	url, db := readmodeltest.Open(t)
	l := openLake(t)
	monday := event.NewDate(2025, 3, 3)
	var predictions []event.Prediction
	for i, c := range []struct{ symbol, sentiment string }{{"UP", event.Bullish}, {"UP", event.Bearish}, {"FLAT", event.Neutral}, {"UP", ""}} {
		post := observed(postID(monday.Time().Add(time.Duration(i)*time.Hour)), "truthsocial", "x")
		predictions = append(predictions, answer(&post, "gpt", 0.5, event.Asset{Symbol: c.symbol, Sentiment: c.sentiment}))
	}
	appendAll(t, l.Predictions, predictions...)
	appendAll(t, l.Prices, bar("UP", monday, "yahoo", 100, 101, monday, ""), bar("FLAT", monday, "yahoo", 100, 100.2, monday, ""))
	p := open(t, l, url)
	once(t, p)
	var n, correct, posts int
	var accuracy, low, high, bullish, mix, ret, pnl float64
	var abnormal *float64
	scan(t, db, `SELECT n, correct, posts, accuracy_pct, wilson_low_pct, wilson_high_pct, always_bullish_pct, random_mix_pct, avg_return_pct, avg_abnormal_pct, total_pnl
		FROM readmodel.accuracy WHERE basis = 'next_open' AND horizon = 1 AND origin = 'live'`, &n, &correct, &posts, &accuracy, &low, &high, &bullish, &mix, &ret, &abnormal, &pnl)
	near := func(what string, got, want float64) {
		t.Helper()
		if math.Abs(got-want) > 1e-3 {
			t.Errorf("%s is %v, want %v", what, got, want)
		}
	}
	if n != 3 || correct != 2 || posts != 3 || abnormal != nil {
		t.Errorf("n %d, correct %d, posts %d, abnormal %v; want 3, 2, 3, null", n, correct, posts, abnormal)
	}
	near("accuracy", accuracy, 200.0/3)
	near("Wilson low", low, 20.7655)
	near("Wilson high", high, 93.8508)
	near("always bullish", bullish, 200.0/3)         // two of the three rose above the band
	near("random mix", mix, 100*(2.0/9+0.0/9+1.0/9)) // a third each of bullish, bearish, neutral
	near("average return", ret, 2.2/3)
	near("P&L", pnl, 10-10+0)

	var answers, cost, total int
	scan(t, db, "SELECT answers, cost_micros, (SELECT completed FROM readmodel.pipeline) FROM readmodel.spending", &answers, &cost, &total)
	if answers != 4 || cost != 4800 || total != 4 {
		t.Errorf("%d answers for %d micro-dollars, %d completed; want 4, 4800, 4", answers, cost, total)
	}
}

// Every status has a row, and every row that is not evaluated says why.
func TestOutcomeStatus(t *testing.T) {
	url, db := readmodeltest.Open(t)
	l := openLake(t)
	now := time.Now().UTC()
	recent := observed(postID(now.Add(-24*time.Hour)), "truthsocial", "x")
	old := observed(postID(time.Date(2025, 3, 3, 12, 0, 0, 0, time.UTC)), "truthsocial", "x")
	ancient := observed(postID(time.Date(2021, 3, 3, 12, 0, 0, 0, time.UTC)), "truthsocial", "x")
	monday := event.NewDate(2025, 3, 3)
	unadjusted := func(d event.Date, closes float64) event.Price {
		e := bar("SPLIT", d, "file:raw.csv", closes, closes, d, "")
		e.Adjustment = event.AdjustedNone
		event.Seal(&e, "")
		return e
	}
	appendAll(t, l.Predictions, answer(&recent, "gpt", 0.5, event.Asset{Symbol: "AAPL"}),
		answer(&old, "gpt", 0.5, event.Asset{Symbol: "AAPL"}, event.Asset{Symbol: "GONE"}, event.Asset{Symbol: "SPLIT"}, event.Asset{Symbol: "DONE", Sentiment: event.Bullish}),
		answer(&ancient, "gpt", 0.5, event.Asset{Symbol: "AAPL"}))
	appendAll(t, l.Prices, unknown("GONE", now), bar("DONE", monday, "yahoo", 1, 2, monday, ""), unadjusted(monday-3, 100), unadjusted(monday, 50))
	p := open(t, l, url)
	once(t, p)
	// A row whose target was due a day ago: whether there is such a session depends on the calendar, so by hand.
	if _, err := db.Exec(context.Background(), "UPDATE readmodel.outcomes SET due_at = now() - interval '1 day' WHERE symbol = 'AAPL' AND basis = 'legacy' AND horizon = 7 AND target_session IS NOT NULL"); err != nil {
		t.Fatal(err)
	}
	for status, where := range map[string]string{
		"evaluated":        "symbol = 'DONE' AND basis = 'next_open' AND horizon = 1",
		"unpriceable":      "symbol = 'GONE' AND horizon = 3",
		"outside_calendar": "published_at < '2022-01-01'",
		"suspect":          "symbol = 'SPLIT' AND basis = 'prior_close' AND horizon = 1",
		"pending":          "symbol = 'AAPL' AND published_at > now() - interval '2 days' AND basis = 'next_open' AND horizon = 30",
		"awaiting_price":   "symbol = 'AAPL' AND basis = 'legacy' AND horizon = 7 AND published_at > '2022-01-01'",
		"no_bar":           "symbol = 'AAPL' AND published_at BETWEEN '2025-03-01' AND '2025-04-01' AND basis = 'next_open' AND horizon = 1",
	} {
		var rows, wrong, unexplained int
		scan(t, db, "SELECT count(*), count(*) FILTER (WHERE status <> '"+status+"'), count(*) FILTER (WHERE (why IS NULL) <> (status = 'evaluated')) FROM readmodel.outcomes_status WHERE "+where, &rows, &wrong, &unexplained)
		if rows == 0 || wrong > 0 || unexplained > 0 {
			t.Errorf("%s: %d rows, %d with another status, %d unexplained", status, rows, wrong, unexplained)
		}
	}
}

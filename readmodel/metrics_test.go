package readmodel_test

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"shitpost-alpha/readmodel"
)

// fiveScores are five rows of four posts, small enough to work every metric out by hand:
//
//	post  symbol  call     return  P&L  confidence  target
//	A     X       bullish    +2     20    0.90      Mon 3 March 2025   right
//	A     Y       bearish    +1    -10    0.90      Mon 3              wrong
//	B     X       bullish    -1    -10    0.55      Tue 4              wrong
//	C     Z       neutral    +0.2    0    0.65      Thu 6              right
//	D     X       bearish    -3     30    0.75      Thu 6              right
//
// and rows that no figure of (next_open, 1) may count: another basis, horizon, analyzer.
const fiveScores = `INSERT INTO readmodel.scores (prediction_id, post_id, symbol, sentiment, return_micros, abnormal_micros, pnl_micros, confidence, target_session, published_at,
		correct, correct_abnormal, move, weekday, phase, basis, horizon, origin, is_primary, synthetic, model, analyzer, predicted_at)
	SELECT 'p' || post, post, symbol, sentiment, r * 1e6, a * 1e6, pnl * 1e6, confidence, target::date, published::timestamptz, correct, a > 0.5, move, 1, phase, basis, horizon, origin, model = 'm', false, model, 'llm', published::timestamptz
	FROM (VALUES ('A', 'X', 'bullish', 2, 1, 20, 0.90, '2025-03-03', '2025-03-02', true, 1, 'closed', 'next_open', 1, 'live', 'm'),
		('A', 'Y', 'bearish', 1, NULL, -10, 0.90, '2025-03-03', '2025-03-02', false, 1, 'closed', 'next_open', 1, 'live', 'm'),
		('B', 'X', 'bullish', -1, -2, -10, 0.55, '2025-03-04', '2025-03-03', false, -1, 'pre', 'next_open', 1, 'live', 'm'),
		('C', 'Z', 'neutral', 0.2, 0, 0, 0.65, '2025-03-06', '2025-03-04', true, 0, 'post', 'next_open', 1, 'live', 'm'),
		('D', 'X', 'bearish', -3, -1, 30, 0.75, '2025-03-06', '2025-03-05', true, -1, 'pre', 'next_open', 1, 'retrospective', 'm'),
		('E', 'X', 'bullish', 9, 9, 90, 0.99, '2025-03-06', '2025-03-05', true, 1, 'pre', 'legacy', 1, 'live', 'm'),
		('E', 'X', 'bullish', 9, 9, 90, 0.99, '2025-03-06', '2025-03-05', true, 1, 'pre', 'next_open', 3, 'live', 'm'),
		('F', 'X', 'bullish', 9, 9, 90, 0.99, '2025-03-06', '2025-03-05', true, 1, 'pre', 'next_open', 1, 'live', 'other'))
		AS v (post, symbol, sentiment, r, a, pnl, confidence, target, published, correct, move, phase, basis, horizon, origin, model);
	INSERT INTO readmodel.sessions SELECT d, d + interval '14 hours', d + interval '21 hours', false FROM generate_series(date '2025-02-24', date '2025-03-14', '1 day') d WHERE extract(isodow FROM d) < 6`

// rowsOf returns what a query shows, one line per row: numbers rounded to four decimals, null as -.
func rowsOf(t *testing.T, db *pgx.Conn, sql string) string {
	t.Helper()
	found, err := db.Query(context.Background(), sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	var lines []string
	for found.Next() {
		values, err := found.Values()
		if err != nil {
			t.Fatal(err)
		}
		var cells []string
		for _, v := range values {
			switch v := v.(type) {
			case nil:
				cells = append(cells, "-")
			case float64:
				cells = append(cells, strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.4f", v), "0"), "."))
			default:
				cells = append(cells, fmt.Sprint(v))
			}
		}
		lines = append(lines, strings.Join(cells, " "))
	}
	if err := found.Err(); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return strings.Join(lines, "\n")
}

func TestMetricsByHand(t *testing.T) {
	_, db := makeSchema(t)
	runAll(t, db, fiveScores)
	p := fmt.Sprintf("%.4f", math.Erfc(1.0227961/math.Sqrt2))
	for sql, want := range map[string]string{
		// (2+1-1+0.2-3)/5; by post: accuracies 0.5 0 1 1, returns 1.5 -1 0.2 -3, P&L 5 -10 0 30
		"SELECT n, correct, accuracy_pct, wilson_low_pct, wilson_high_pct, always_bullish_pct, random_mix_pct, avg_return_pct, total_pnl, posts FROM readmodel.figures('next_open', 1)":          "5 3 60 23.0724 88.2379 40 36 -0.16 30 4",
		"SELECT n_abnormal, avg_abnormal_pct, accuracy_abnormal_pct, accuracy_by_post_pct, avg_return_by_post_pct, avg_abnormal_by_post_pct, pnl_by_post FROM readmodel.figures('next_open', 1)": "4 -0.5 25 62.5 -0.575 -0.5 25",
		"SELECT n, correct, total_pnl, posts FROM readmodel.figures('next_open', 1, ARRAY['live'])":                                                                                              "4 2 0 3",
		"SELECT n, correct FROM readmodel.figures('next_open', 1, since => '2025-03-03', until => '2025-03-04')":                                                                                 "2 1",
		"SELECT n, correct FROM readmodel.figures('next_open', 1, model => 'other')":                                                                                                             "1 1",
		"SELECT n, correct FROM readmodel.figures('next_open', 1, model => 'llm/other')":                                                                                                         "1 1",
		"SELECT n, correct FROM readmodel.figures('next_open', 1, min_confidence => 0.7, sentiments => ARRAY['bearish'])":                                                                        "2 1",
		"SELECT trades FROM readmodel.backtest('next_open', 1, min_confidence => 0.8, sentiments => ARRAY['bullish'])":                                                                           "1",
		"SELECT readmodel.model_name('llm', NULL, 'm'), readmodel.model_name('rules', 'builtin', 'words'), readmodel.model_name(NULL, NULL, NULL)":                                               "llm/m rules/builtin/words -",
		"SELECT readmodel.sparkline('{1,2,8}'), readmodel.sparkline('{3,3}'), readmodel.sparkline('{}'), readmodel.running_total('{1,-2,4}')::text":                                              "▁▂█ ▄▄ - {1,-1,3}",
		"SELECT n, correct FROM readmodel.figures('next_open', 1, symbols => ARRAY['X'])":                                                                                                        "3 2",
		"SELECT n, correct, accuracy_pct, total_pnl FROM readmodel.figures('prior_close', 30)":                                                                                                   "0 0 - 0",
		"SELECT origin, n, correct, posts, accuracy_by_post_pct FROM readmodel.accuracy WHERE basis = 'next_open' AND horizon = 1 ORDER BY 1":                                                    "live 4 2 3 50\nretrospective 1 1 1 100",
		"SELECT n, correct FROM readmodel.accuracy_by_model WHERE basis = 'next_open' AND horizon = 1 AND model = 'other'":                                                                       "1 1",
		// always bullish by post: -0.5 0 1 1: mean 0.375, sd 0.75; random mix: 0.1 -0.4 0.8 0.6: mean 0.275, sd 0.537742
		"SELECT baseline, n, posts, accuracy_pct, baseline_pct, edge_pct, edge_by_post_pct, standard_error_pct, z, p_value, low_pct, high_pct FROM readmodel.edge('next_open', 1)": "always_bullish 5 4 60 40 20 37.5 37.5 1 0.3173 -35.9986 110.9986\n" +
			"random_mix 5 4 60 36 24 27.5 26.8871 1.0228 " + p + " -25.1978 80.1978",
		"SELECT baseline, n, posts, z, p_value FROM readmodel.edge('next_open', 1, symbols => ARRAY['Z'])":                                    "always_bullish 1 1 - -\nrandom_mix 1 1 - -",
		"SELECT confidence_from, n, correct, mean_confidence_pct, accuracy_pct, brier FROM readmodel.calibration('next_open', 1) WHERE n > 0": "0.5 1 0 55 0 0.3025\n0.6 1 1 65 100 0.1225\n0.7 1 1 75 100 0.0625\n0.9 2 1 90 50 0.41",
		"SELECT count(*) FROM readmodel.calibration('next_open', 1)":                                                                          "10",
		"SELECT * FROM readmodel.brier('next_open', 1)":                                                                                       "5 75 60 0.2615",
		"SELECT target_session::text, n, pnl, equity, drawdown FROM readmodel.equity('next_open', 1)":                                         "2025-03-03 2 10 10 0\n2025-03-04 1 -10 0 -10\n2025-03-06 2 30 30 0",
		// four sessions 10 -10 0 30: mean 7.5, sample deviation 17.0783
		"SELECT n, sessions, total_pnl, mean_daily_pnl, deviation_daily_pnl, sharpe, max_drawdown FROM readmodel.performance('next_open', 1)": "5 4 30 7.5 17.0783 6.9714 -10",
		"SELECT target_session::text, n, correct, accuracy_pct FROM readmodel.rolling_accuracy('next_open', 1) ORDER BY 1":                    "2025-03-03 2 1 50\n2025-03-04 3 1 33.3333\n2025-03-06 5 3 60",
		"SELECT * FROM readmodel.streaks('next_open', 1)":                        "5 2 2 2",
		"SELECT * FROM readmodel.streaks('next_open', 1, until => '2025-03-03')": "3 -2 1 2",
		"SELECT * FROM readmodel.streaks('prior_close', 1)":                      "0 0 0 0",
		// a trade costs 1,000 x 5 basis points x 2 sides = 1 dollar; neutral is no trade
		"SELECT target_session::text, trades, wins, pnl, costs, capital_after, drawdown FROM readmodel.backtest('next_open', 1, threshold => 0.6)":    "2025-03-03 2 1 10 2 10008 0\n2025-03-06 1 1 30 1 10037 0",
		"SELECT trades, capital_after FROM readmodel.backtest('next_open', 1, capital => 100, threshold => 0.6, cost_bps => 10, shorts => false)":     "1 118",
		"SELECT trades, capital_after, drawdown FROM readmodel.backtest('next_open', 1, cost_bps => 0) WHERE target_session = '2025-03-04'":           "1 10000 -10",
		"SELECT symbol, n, correct, total_pnl, last_returns::text FROM readmodel.screener('next_open', 1) ORDER BY 1":                                 "X 3 2 40 {2,-1,-3}\nY 1 0 -10 {1}\nZ 1 1 0 {0.2}",
		"SELECT value, n, correct FROM readmodel.breakdown('confidence', 'next_open', 1) ORDER BY place":                                              "< 0.60 1 0\n0.60-0.75 1 1\n>= 0.75 3 2",
		"SELECT value, n, correct, posts FROM readmodel.breakdown('sentiment', 'next_open', 1) ORDER BY 1":                                            "bearish 2 1 2\nbullish 2 1 2\nneutral 1 1 1",
		"SELECT value, n, total_pnl FROM readmodel.breakdown('phase', 'next_open', 1) ORDER BY place":                                                 "pre 2 20\npost 1 0\nclosed 2 10",
		"SELECT value, n FROM readmodel.breakdown('weekday', 'next_open', 1)":                                                                         "Monday 5",
		"SELECT value, n FROM readmodel.breakdown('model', 'next_open', 1)":                                                                           "llm/m 5",
		"SELECT value, n, origin FROM readmodel.breakdowns WHERE dimension = 'month' AND basis = 'next_open' AND horizon = 1 ORDER BY 3":              "2025-03 4 live\n2025-03 1 retrospective",
		"SELECT value, n FROM readmodel.breakdowns WHERE dimension = 'symbol' AND basis = 'next_open' AND horizon = 1 AND origin = 'live' ORDER BY 1": "X 2\nY 1\nZ 1",
	} {
		if got := rowsOf(t, db, sql); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", sql, got, want)
		}
	}
}

// The tail of the normal distribution against the standard library.
func TestTwoSided(t *testing.T) {
	_, db := makeSchema(t)
	for _, z := range []float64{-40, -3.2905, -1, -0.1, 0, 0.5, 1.959963984540054, 5, 8} {
		var got float64
		if err := db.QueryRow(context.Background(), "SELECT readmodel.two_sided($1)", z).Scan(&got); err != nil {
			t.Fatal(err)
		}
		if want := math.Erfc(math.Abs(z) / math.Sqrt2); math.Abs(got-want) > 2e-7*want+1e-300 {
			t.Errorf("two-sided p of z = %v is %v, want %v", z, got, want)
		}
	}
}

func TestLegacyColumns(t *testing.T) {
	_, db := makeSchema(t)
	runAll(t, db, `INSERT INTO readmodel.posts (post_id, published_at, text, is_repost, text_missing, text_repaired, media_urls, mentions, tags, is_deleted, is_redacted, versions, sources, first_recorded_at, event_id, source, synthetic, recorded_at, favourites)
			VALUES ('114098012160000000', '2025-03-03 15:00Z', 'Apple!', false, false, false, '{}', '{}', '{}', false, false, 1, 1, '2025-03-03 15:05Z', 'e', 'truthsocial', false, '2025-03-03 15:05Z', 7);
		INSERT INTO readmodel.predictions (prediction_id, post_id, published_at, status, provider, model, prompt_version, confidence, thesis, is_primary, attempts, calls, dropped, predicted_at, event_id, source, synthetic, recorded_at)
			VALUES ('aa', '114098012160000000', '2025-03-03 15:00Z', 'completed', 'openai', 'gpt-4', 'legacy:4711', 0.8, 'because', true, 1, 2, '[]', '2025-03-03 15:10Z', 'e', 'legacy', false, '2025-03-03 15:10Z'),
			('bb', '114098012160000001', '2025-03-03 16:00Z', 'failed', 'openai', 'gpt-4', 'v1', NULL, NULL, true, 1, 0, '[]', NULL, 'f', 'openai', false, '2025-03-03 16:10Z');
		INSERT INTO readmodel.calls VALUES ('aa', 'TSLA', 1, 'bearish', NULL, NULL, '114098012160000000', '2025-03-03 15:00Z', 0.8, 'imported', '2025-03-03 15:10Z'),
			('aa', 'AAPL', 0, 'bullish', NULL, NULL, '114098012160000000', '2025-03-03 15:00Z', 0.8, 'imported', '2025-03-03 15:10Z');
		INSERT INTO readmodel.outcomes (prediction_id, symbol, basis, horizon, base_price, target_price, return_pct, correct, pnl_long, suspect)
			SELECT 'aa', 'AAPL', 'legacy', h, 100, 100 + h, CASE WHEN h < 30 THEN h END, h > 0, CASE WHEN h < 30 THEN h * 10 END, false FROM unnest(ARRAY[1, 3, 7, 30]) h;
		INSERT INTO readmodel.bars (symbol, session_date, "interval", source, open, high, low, close, volume, adjustment, adjusted_through, source_rank, fetch_id, first_recorded_at, event_id, superseded, occurred_at, synthetic, recorded_at)
			SELECT 'AAPL', '2025-03-03', '1d', s, 1, 2, 0.5, c, 10, 'split', '2025-03-03', 0, 'f', '2025-03-03 21:00Z', s, '{}', '2025-03-03 21:00Z', false, '2025-03-03 21:20Z' FROM (VALUES ('stooq', 1.2), ('yahoo', 1.5)) v (s, c);
		SET search_path = readmodel; `+"\n"+readmodel.LegacySQL()+"\nSET search_path = legacy_next")
	for sql, want := range map[string]string{
		"SELECT shitpost_id, text, timestamp, favourites_count FROM truth_social_shitposts WHERE timestamp >= '2025-03-03'": "114098012160000000 Apple! 2025-03-03 15:00:00 +0000 UTC 7",
		"SELECT signal_id, likes_count, is_repost FROM signals WHERE published_at::date = '2025-03-03'":                     "114098012160000000 7 false",
		"SELECT s.body, s.analyzed, s.bypassed, s.s3_location FROM shitposts s":                                             "Apple! true false truth-social/raw/2025/03/03/114098012160000000.json",
		`SELECT p.id, p.assets::text, p.market_impact->>'TSLA', p.confidence, p.analysis_status, p.llm_model, p.sentiment FROM predictions p
			JOIN truth_social_shitposts t ON t.shitpost_id = p.shitpost_id WHERE p.analysis_status = 'completed'`: `4711 ["AAPL","TSLA"] bearish 0.8 completed gpt-4 bullish`,
		"SELECT asset.value FROM predictions p, json_array_elements_text(p.assets) AS asset (value) WHERE p.analysis_status = 'completed' ORDER BY 1":                                                                          "AAPL\nTSLA",
		"SELECT analysis_status, count(*) FROM predictions GROUP BY 1 ORDER BY 1":                                                                                                                                              "completed 1\nerror 1",
		"SELECT symbol, asset, close, volume, source FROM market_prices WHERE date = '2025-03-03'":                                                                                                                             "AAPL AAPL 1.5 10 yahoo",
		"SELECT o.symbol, o.prediction_sentiment, o.price_at_prediction, o.price_t3, o.return_t7, o.return_t30, o.correct_t1, o.pnl_t7, o.is_complete FROM prediction_outcomes o JOIN predictions p ON p.id = o.prediction_id": "AAPL bullish 100 103 7 - true 70 false",
		"SELECT round(avg(CASE WHEN correct_t7 THEN 1.0 ELSE 0.0 END)::numeric, 2)::text, sum(pnl_t7) FROM prediction_outcomes WHERE return_t7 IS NOT NULL":                                                                    "1.00 70",
	} {
		if got := rowsOf(t, db, sql); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", sql, got, want)
		}
	}
}

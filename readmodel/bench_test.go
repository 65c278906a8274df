package readmodel_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"shitpost-alpha/readmodel"
	"shitpost-alpha/readmodel/readmodeltest"
)

var benchLines = flag.Bool("bench-lines", false, "measure and print JSON lines, as make bench does")

// synthetic fills the tables with rows of two calls per prediction, all outcomes evaluated: 24 a prediction.
const synthetic = `SELECT setseed(0.5);
CREATE TEMP TABLE c AS SELECT i AS p, 'prediction-of-a-post-' || i AS prediction_id, (113000000000000000 + i::bigint * 7919)::text AS post_id,
	'S' || (i * 7 + k * 13) %% 190 AS symbol, k, timestamptz '2022-02-01' + i * interval '1000 days' / %[1]d AS published_at,
	(ARRAY['bullish', 'bearish', 'neutral'])[1 + (i + k) %% 3] AS sentiment, (ARRAY['live', 'live', 'retrospective'])[1 + i %% 3] AS origin, random() AS confidence
	FROM generate_series(1, %[1]d) i, generate_series(0, 1) k;
INSERT INTO sessions SELECT d, d + interval '14 hours', d + interval '21 hours', false FROM generate_series(date '2022-01-03', date '2026-12-31', '1 day') d WHERE extract(isodow FROM d) < 6;
INSERT INTO posts (post_id, published_at, text, is_repost, text_missing, text_repaired, media_urls, mentions, tags, is_deleted, is_redacted, versions, sources, first_recorded_at, event_id, source, synthetic, recorded_at)
	SELECT post_id, published_at, repeat('word ', 40), false, false, false, '{}', '{}', '{}', false, false, 1, 1, published_at + interval '5 minutes', 'event' || p, 'truthsocial', true, published_at FROM c WHERE k = 0;
INSERT INTO analysis_attempts (event_id, kind, prediction_id, post_id, published_at, analyzer, provider, model, prompt_version, confidence, thesis, tokens_in, tokens_out, cost_micros, attempt, terminal, requeues, assets, dropped, occurred_at, source, synthetic, recorded_at)
	SELECT 'event' || p, 'prediction_made', prediction_id, post_id, published_at, 'llm', 'openai', 'gpt-' || p %% 2, 'v1', confidence, repeat('thesis ', 20), 900, 120, 1200, 1, false, '{}', '[]', '[]', published_at + interval '1 minute', 'openai', true, published_at FROM c WHERE k = 0;
INSERT INTO predictions (prediction_id, post_id, published_at, status, analyzer, provider, model, prompt_version, confidence, thesis, is_primary, attempts, calls, dropped, predicted_at, event_id, source, synthetic, recorded_at)
	SELECT prediction_id, post_id, published_at, 'completed', 'llm', 'openai', 'gpt-' || p %% 2, 'v1', confidence, repeat('thesis ', 20), true, 1, 2, '[]', published_at + interval '1 minute', 'event' || p, 'openai', true, published_at FROM c WHERE k = 0;
INSERT INTO calls SELECT prediction_id, symbol, k, sentiment, 'rationale', symbol, post_id, published_at, confidence, origin, published_at FROM c;
INSERT INTO outcomes (prediction_id, symbol, basis, horizon, base_session, base_price, target_session, target_price, return_pct, correct, pnl, source, suspect, due_at, first_priced_at)
	SELECT prediction_id, symbol, basis, horizon, published_at::date, 100, published_at::date + horizon, 101, 1, true, 10, 'yahoo', false, published_at, published_at
	FROM c, unnest(ARRAY['prior_close', 'next_open', 'legacy']) basis, unnest(ARRAY[1, 3, 7, 30]) horizon;
INSERT INTO scores SELECT prediction_id, symbol, basis, horizon, (published_at + horizon * interval '1 day')::date, published_at, r, r / 2, r * 10, confidence, r > 500000, r > 900000,
	CASE WHEN r > 500000 THEN 1 WHEN r < -500000 THEN -1 ELSE 0 END, sentiment, origin, true, true, post_id, extract(isodow FROM published_at)::int,
	(ARRAY['pre', 'regular', 'post', 'closed'])[1 + p %% 4], 'llm', 'openai', 'gpt-' || p %% 2, 'v1', published_at
	FROM c, unnest(ARRAY['prior_close', 'next_open', 'legacy']) basis, unnest(ARRAY[1, 3, 7, 30]) horizon, LATERAL (SELECT ((random() - 0.5) * 1e7 + horizon - horizon)::bigint AS r) r;
DROP TABLE c;`

// metricQueries is one query per metric, as a dashboard asks it.
func metricQueries() map[string]string {
	one := "('next_open', 7)"
	q := map[string]string{
		"accuracy":          "SELECT * FROM readmodel.accuracy WHERE basis = 'next_open' AND horizon = 7",
		"accuracy_by_model": "SELECT * FROM readmodel.accuracy_by_model WHERE basis = 'next_open' AND horizon = 7",
		"backtest":          "SELECT * FROM readmodel.backtest('next_open', 7, threshold => 0.6)",
		"analysis_states":   "SELECT * FROM readmodel.analysis_states()",
		"model_costs":       "SELECT * FROM readmodel.model_costs",
		"latencies":         "SELECT * FROM readmodel.latencies('2024-01-01')",
		"lag":               "SELECT * FROM readmodel.lag",
		"spending":          "SELECT * FROM readmodel.spending WHERE day > '2024-01-01'",
		"pipeline":          "SELECT * FROM readmodel.pipeline",
	}
	for _, f := range []string{"figures", "edge", "calibration", "brier", "equity", "performance", "rolling_accuracy", "streaks", "screener"} {
		q[f] = "SELECT * FROM readmodel." + f + one
	}
	for _, d := range []string{"confidence", "sentiment", "symbol", "weekday", "phase", "origin", "model", "month"} {
		q["breakdown by "+d] = "SELECT * FROM readmodel.breakdown('" + d + "', 'next_open', 7)"
		q["breakdowns by "+d] = "SELECT * FROM readmodel.breakdowns WHERE dimension = '" + d + "' AND basis = 'next_open' AND horizon = 7"
	}
	return q
}

// fillSynthetic fills a database with the rows of so many predictions.
func fillSynthetic(t testing.TB, db *pgx.Conn, predictions int) {
	t.Helper()
	for _, sql := range []string{readmodel.RolesSQL(), readmodel.OpsSQL(), "CREATE SCHEMA readmodel; SET search_path = readmodel", readmodel.TablesSQL(),
		fmt.Sprintf(synthetic, predictions), readmodel.IndexesSQL(), readmodel.ViewsSQL(), readmodel.GrantsSQL(), "ANALYZE"} {
		if _, err := db.PgConn().Exec(context.Background(), sql).ReadAll(); err != nil {
			t.Fatalf("%.60s…: %v", sql, err)
		}
	}
}

// TestBench prints the 95th percentile of 20 rounds of every metric through the read-only role, in
// milliseconds, with 100,000 predictions and, where BENCH_PREDICTIONS says so, with as many as that. It asserts
// nothing about speed.
func TestBench(t *testing.T) {
	if !*benchLines {
		t.Skip("measures only: run by make bench")
	}
	sizes := []int{100_000}
	if s := os.Getenv("BENCH_PREDICTIONS"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			t.Fatalf("BENCH_PREDICTIONS is %q, want a number of predictions", s)
		}
		sizes = append(sizes, n)
	}
	for _, n := range sizes {
		benchMetrics(t, n)
	}
}

func benchMetrics(t *testing.T, predictions int) {
	ctx := context.Background()
	url, db := readmodeltest.Open(t)
	fillSynthetic(t, db, predictions)
	reader := readmodeltest.Connect(t, url)
	for _, sql := range []string{"SET ROLE grafana", "SET work_mem = '64MB'", "SET default_transaction_read_only = on"} { // as that role logs in
		if _, err := reader.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	queries := metricQueries()
	for _, name := range slices.Sorted(maps.Keys(queries)) {
		var took []float64
		for range 20 {
			begun := time.Now()
			if _, err := reader.Exec(ctx, queries[name]); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			took = append(took, float64(time.Since(begun).Microseconds())/1000)
		}
		slices.Sort(took)
		line, _ := json.Marshal(map[string]any{"name": fmt.Sprintf("metric_%d %s", predictions, name), "value": took[18], "unit": "ms, 95th percentile",
			"median": took[10], "least": took[0], "ratio": took[18] / 200, "ratio_to": "200 ms"})
		fmt.Println(string(line))
	}
}

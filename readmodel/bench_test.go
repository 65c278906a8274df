package readmodel_test

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"shitpost-alpha/readmodel"
	"shitpost-alpha/readmodel/readmodeltest"
)

var benchPredictions = flag.Int("bench-predictions", 100_000, "completed predictions, of two calls each, that BenchmarkMetrics measures with")

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

// Every metric through the read-only role: the 95th percentile of 20 rounds, in milliseconds.
func BenchmarkMetrics(b *testing.B) {
	ctx := context.Background()
	url, db := readmodeltest.Open(b)
	for _, sql := range []string{readmodel.RolesSQL(), readmodel.OpsSQL(), "CREATE SCHEMA readmodel; SET search_path = readmodel", readmodel.TablesSQL(),
		fmt.Sprintf(synthetic, *benchPredictions), readmodel.IndexesSQL(), readmodel.ViewsSQL(), readmodel.GrantsSQL(), "ANALYZE"} {
		if _, err := db.PgConn().Exec(ctx, sql).ReadAll(); err != nil {
			b.Fatalf("%.60s…: %v", sql, err)
		}
	}
	reader := readmodeltest.Connect(b, url)
	if _, err := reader.Exec(ctx, "SET ROLE grafana"); err != nil {
		b.Fatal(err)
	}
	queries := metricQueries()
	for _, name := range slices.Sorted(maps.Keys(queries)) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				var took []time.Duration
				for range 20 {
					begun := time.Now()
					if _, err := reader.Exec(ctx, queries[name]); err != nil {
						b.Fatal(err)
					}
					took = append(took, time.Since(begun))
				}
				slices.Sort(took)
				b.ReportMetric(float64(took[18].Microseconds())/1000, "p95_ms")
			}
		})
	}
}

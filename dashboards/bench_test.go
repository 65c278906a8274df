package dashboards_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"shitpost-alpha/dashboards"
	"shitpost-alpha/dashboards/check"
	"shitpost-alpha/dashboards/macro"
)

var (
	benchLines = flag.Bool("bench-lines", false, "measure and print JSON lines, as make bench does")
	benchPlans = flag.Bool("bench-plans", false, "print the plans of the five slowest statements too")
)

// many are so many predictions of the primary analyzer on as many posts over a thousand days, two calls each, all
// outcomes evaluated, a second model on every tenth post, and bars of 190 assets.
const many = `SELECT setseed(0.5);
CREATE TEMP TABLE c AS SELECT i AS p, 'prediction-of-a-post-' || i || m AS prediction_id, (113000000000000000 + i::bigint * 7919)::text AS post_id, m,
	'S' || (i * 7 + k * 13) %% 190 AS symbol, k, timestamptz '2023-02-01' + i * interval '1000 days' / %[1]d AS at,
	(ARRAY['bullish', 'bearish', 'neutral'])[1 + (i + k + length(m)) %% 3] AS sentiment, (ARRAY['live', 'live', 'retrospective'])[1 + i %% 3] AS origin, random() AS confidence
	FROM generate_series(1, %[1]d) i, generate_series(0, 1) k, unnest(ARRAY['', 'x']) m WHERE m = '' OR i %% 10 = 0;
INSERT INTO sessions SELECT d, d + interval '14 hours', d + interval '21 hours', false FROM generate_series(date '2022-01-03', date '2026-12-31', '1 day') d WHERE extract(isodow FROM d) < 6;
INSERT INTO posts (post_id, published_at, text, url, is_repost, text_missing, text_repaired, media_urls, mentions, tags, is_deleted, is_redacted, versions, sources, first_recorded_at, event_id, source, synthetic, recorded_at)
	SELECT post_id, at, repeat('word ', 40), 'https://example.org/' || p, false, false, false, '{}', '{}', '{}', false, false, 1, 1, at + interval '5 minutes', 'event' || p, 'truthsocial', true, at FROM c WHERE k = 0 AND m = '';
INSERT INTO post_versions (event_id, kind, post_id, published_at, text, is_repost, text_missing, text_repaired, media_urls, mentions, tags, content_hash, occurred_at, source, synthetic, recorded_at)
	SELECT 'event' || p, 'post_observed', post_id, at, repeat('word ', 40), false, false, false, '{}', '{}', '{}', '', at, 'truthsocial', true, at FROM c WHERE k = 0 AND m = '';
INSERT INTO analysis_attempts (event_id, kind, prediction_id, post_id, published_at, analyzer, provider, model, prompt_version, confidence, thesis, tokens_in, tokens_out, cost_micros, latency_ms, attempt, terminal, requeues, assets, dropped, occurred_at, source, synthetic, recorded_at)
	SELECT 'event' || p || m, 'prediction_made', prediction_id, post_id, at, 'llm', 'openai', 'gpt' || m, 'v1', confidence, repeat('thesis ', 20), 900, 120, 1200, 800, 1, false, '{}', '[]', '[]', at + interval '1 minute', 'openai', true, at FROM c WHERE k = 0;
INSERT INTO predictions (prediction_id, post_id, published_at, status, analyzer, provider, model, prompt_version, confidence, thesis, is_primary, attempts, calls, dropped, predicted_at, event_id, source, synthetic, recorded_at)
	SELECT prediction_id, post_id, at, 'completed', 'llm', 'openai', 'gpt' || m, 'v1', confidence, repeat('thesis ', 20), m = '', 1, 2, '[]', at + interval '1 minute', 'event' || p || m, 'openai', true, at FROM c WHERE k = 0;
INSERT INTO calls SELECT prediction_id, symbol, k, sentiment, 'rationale', symbol, post_id, at, confidence, origin, at FROM c;
INSERT INTO outcomes (prediction_id, symbol, basis, horizon, base_session, base_price, target_session, target_price, return_pct, correct, pnl, source, suspect, due_at, first_priced_at)
	SELECT prediction_id, symbol, basis, horizon, at::date, 100, at::date + horizon, 101, 1, true, 10, 'yahoo', false, at, at
	FROM c, unnest(ARRAY['prior_close', 'next_open', 'legacy']) basis, unnest(ARRAY[1, 3, 7, 30]) horizon;
INSERT INTO scores SELECT prediction_id, symbol, basis, horizon, (at + horizon * interval '1 day')::date, at, r, r / 2, r * 10, confidence, r > 500000, r > 900000,
	CASE WHEN r > 500000 THEN 1 WHEN r < -500000 THEN -1 ELSE 0 END, sentiment, origin, m = '', true, post_id, extract(isodow FROM at)::int,
	(ARRAY['pre', 'regular', 'post', 'closed'])[1 + p %% 4], 'llm', 'openai', 'gpt' || m, 'v1', at
	FROM c, unnest(ARRAY['prior_close', 'next_open', 'legacy']) basis, unnest(ARRAY[1, 3, 7, 30]) horizon, LATERAL (SELECT ((random() - 0.5) * 1e7 + horizon - horizon)::bigint AS r) r;
INSERT INTO bars (symbol, session_date, "interval", source, open, high, low, close, volume, adjustment, adjusted_through, source_rank, fetch_id, first_recorded_at, event_id, superseded, occurred_at, synthetic, recorded_at)
	SELECT 'S' || s, session_date, '1d', 'yahoo', 100, 102, 98, 101, 1000, 'split', session_date, 0, 'f', opens_at, 'b' || s || session_date, '{}', closes_at, true, closes_at FROM sessions, generate_series(0, 189) s WHERE session_date < '2025-12-01';
DROP TABLE c; ANALYZE`

// TestBench prints the 95th percentile of 20 rounds of every statement of every dashboard through the read-only
// role, in milliseconds: of the slowest as a line of make bench, of all in the log. With 100,000 predictions and,
// where BENCH_PREDICTIONS says so, with as many as that. It asserts nothing about speed.
func TestBench(t *testing.T) {
	if !*benchLines {
		t.Skip("measures only: run by make bench")
	}
	sizes := []int{100_000}
	if n, err := strconv.Atoi(os.Getenv("BENCH_PREDICTIONS")); err == nil && n > 0 {
		sizes = append(sizes, n)
	}
	for _, n := range sizes {
		url, conn := modelURL(t)
		fill(t, url, n)
		benchStatements(t, conn, n)
	}
}

// fill writes as the owner of the database.
func fill(t *testing.T, url string, predictions int) {
	t.Helper()
	owner, err := pgconn.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close(t.Context())
	for _, sql := range []string{"SET search_path = readmodel, pg_temp", fmt.Sprintf(many, predictions)} {
		if _, err := owner.Exec(t.Context(), sql).ReadAll(); err != nil {
			t.Fatal(err)
		}
	}
}

type timed struct {
	query dashboards.Query
	env   macro.Env
	p50   float64 // ms
	p95   float64
}

// p95 asks 20 times.
func p95(t *testing.T, conn *pgconn.PgConn, q dashboards.Query, env macro.Env) timed {
	t.Helper()
	var took []float64
	for range 20 {
		a, err := check.Ask(t.Context(), conn, q, env)
		if err != nil {
			t.Fatal(err)
		}
		took = append(took, float64(a.Took.Microseconds())/1000)
	}
	slices.Sort(took)
	return timed{q, env, took[9], took[18]}
}

func benchStatements(t *testing.T, conn *pgconn.PgConn, predictions int) {
	queries, err := dashboards.Queries()
	if err != nil {
		t.Fatal(err)
	}
	env := macro.Env{From: time.Date(2023, 1, 1, 0, 0, 0, 0, time.UTC), To: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Interval: time.Hour}
	var all []timed
	for _, q := range queries {
		if env.Variables, err = check.Values(t.Context(), conn, q.Dashboard, nil, env); err != nil {
			t.Fatal(err)
		}
		all = append(all, p95(t, conn, q, env))
	}
	const bare = "SELECT s.post_id, count(*), sum(s.return_micros), sum(s.pnl_micros) FROM readmodel.scores s WHERE s.basis = 'next_open' AND s.horizon = 7 GROUP BY s.post_id"
	yardstick := p95(t, conn, dashboards.Query{Name: "yardstick", SQL: "SELECT count(*) FROM (" + bare + ") x"}, env)
	slices.SortFunc(all, func(a, b timed) int { return int(1000 * (b.p95 - a.p95)) })
	for _, s := range all[:10] {
		t.Logf("%d predictions: %7.1f ms p50 %7.1f ms p95  %s", predictions, s.p50, s.p95, s.query.Name)
	}
	line, _ := json.Marshal(map[string]any{"name": fmt.Sprintf("slowest panel at %d predictions: %s", predictions, all[0].query.Name), "value": all[0].p95, "unit": "ms p95",
		"ratio": yardstick.p95 / all[0].p95, "ratio_to": "grouping the scores of one basis and horizon by post, in the same run"})
	fmt.Println(string(line))
	if !*benchPlans {
		return
	}
	for _, s := range all[:5] {
		s.query.SQL = "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) " + s.query.SQL
		a, err := check.Ask(t.Context(), conn, s.query, s.env)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s\n%s", s.query.Name, strings.Join(a.Lines(), "\n"))
	}
}

package alerting

import (
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"
)

var benchPredictions = flag.Int("bench-predictions", 100_000, "predictions, of two live calls each, that BenchmarkRules measures with")

// many fills what rules read: predictions spread over a thousand days that end at $1, all outcomes evaluated.
const many = `CREATE TEMP TABLE c AS SELECT i AS p, 'prediction' || i AS prediction_id, i::text AS post_id, 'S' || (i * 7 + k * 13) %% 190 AS symbol, k,
	timestamptz '%[2]s' - i * interval '1000 days' / %[1]d AS at, (ARRAY['bullish', 'bearish', 'neutral'])[1 + (i + k) %% 3] AS sentiment FROM generate_series(1, %[1]d) i, generate_series(0, 1) k;
INSERT INTO post_versions (event_id, kind, post_id, published_at, text, is_repost, text_missing, text_repaired, media_urls, mentions, tags, content_hash, occurred_at, source, synthetic, recorded_at)
	SELECT 'v' || p, 'post_observed', post_id, at, repeat('word ', 40), false, false, false, '{}', '{}', '{}', '', at, 'truthsocial', false, at FROM c WHERE k = 0;
INSERT INTO posts (post_id, published_at, text, is_repost, text_missing, text_repaired, media_urls, mentions, tags, is_deleted, is_redacted, versions, sources, first_recorded_at, event_id, source, synthetic, recorded_at)
	SELECT post_id, at, repeat('word ', 40), false, false, false, '{}', '{}', '{}', false, false, 1, 1, at, 'v' || p, 'truthsocial', false, at FROM c WHERE k = 0;
INSERT INTO analysis_attempts (event_id, kind, prediction_id, post_id, published_at, analyzer, provider, model, cost_micros, attempt, terminal, requeues, assets, dropped, occurred_at, source, synthetic, recorded_at)
	SELECT 'a' || p, 'prediction_made', prediction_id, post_id, at, 'llm', 'openai', 'gpt', 1200, 1, false, '{}', '[]', '[]', at, 'openai', false, at FROM c WHERE k = 0;
INSERT INTO predictions (prediction_id, post_id, published_at, status, confidence, thesis, is_primary, attempts, calls, dropped, causation_id, predicted_at, event_id, source, synthetic, recorded_at)
	SELECT prediction_id, post_id, at, 'completed', 0.8, repeat('thesis ', 20), true, 1, 2, '[]', 'v' || p, at, 'a' || p, 'openai', false, at FROM c WHERE k = 0;
INSERT INTO calls SELECT prediction_id, symbol, k, sentiment, '', symbol, post_id, at, 0.8, 'live', at FROM c;
INSERT INTO outcomes (prediction_id, symbol, basis, horizon, base_session, target_session, return_pct, correct, pnl, suspect, due_at, first_priced_at)
	SELECT prediction_id, symbol, basis, horizon, at::date, at::date + horizon, 1, true, 10, false, at + horizon * interval '1 day', at + horizon * interval '1 day'
	FROM c, unnest(ARRAY['prior_close', 'next_open', 'legacy']) basis, unnest(ARRAY[1, 3, 7, 30]) horizon;
DROP TABLE c; ANALYZE`

// Every rule, for a subscriber of everything, through the read-only role on the Saturday morning on which all rules
// have rows: the 95th percentile of 20 rounds, in milliseconds.
func BenchmarkRules(b *testing.B) {
	db, g := model(b)
	at := newYork(b, "2025-06-07 09:10")
	execute(b, db, "INSERT INTO positions VALUES ('posts', 't', 0)")
	caughtUp(b, db, at)
	if _, err := db.PgConn().Exec(b.Context(), fmt.Sprintf(many, *benchPredictions, at.Format(time.RFC3339))).ReadAll(); err != nil {
		b.Fatal(err)
	}
	for _, group := range build(b, everyone()).Groups {
		for _, r := range group.Rules {
			when := at
			if r.Labels["kind"] == DailyBriefing {
				when = at.Add(-45 * time.Minute) // still Friday's
			}
			b.Run(r.UID, func(b *testing.B) {
				rows := 0
				for b.Loop() {
					var took []time.Duration
					for range 20 {
						begun := time.Now()
						rows = len(g.rule(r, when))
						took = append(took, time.Since(begun))
					}
					slices.Sort(took)
					b.ReportMetric(float64(took[18].Microseconds())/1000, "p95_ms")
				}
				b.ReportMetric(float64(rows), "rows")
			})
		}
	}
}

-- A history small enough to work every figure out by hand (history_test.go). Basis next_open, horizon 7, band 0.5 %:
--
--   post  New York          call            return  abnormal  P&L   confidence  target    verdict  origin
--   1     Sun 2 March 10:00  X bullish          +2        +1   +20         0.90  12 March  right    live
--                            Y bearish          +1         -   -10         0.90  12 March  wrong    live
--   2     Mon 3 March 07:00  X bullish          -1        -2   -10         0.55  13 March  wrong    live
--   3     Tue 4 March 16:30  Z neutral        +0.2         0     0         0.65  14 March  right    live
--   4     Wed 5 March 10:00  X bearish          -3        -1   +30         0.75  14 March  right    retrospective
--                            W no sentiment     +5         -     -         0.75  14 March  -        retrospective
--   5     Thu 6 March        bypassed: Retruth
--   6     Fri 7 March        failed: bad_output
--   7     Sat 8 March        waiting
--
-- by model rules/builtin/words, the primary one. A second model, llm/openai/gpt, calls X bearish on post 1 (P&L -20, wrong,
-- confidence 0.80) and X bullish on post 2 (-10, wrong, 0.50), answers post 3 without an asset, and costs 1, 2 and 3 cents.
INSERT INTO ops.settings (band_pct, benchmark, source_order, primary_analyzer, projection_version, schema_hash, build_id) VALUES (0.5, 'SPY', '{}', 'rules', 1, '', 1);
INSERT INTO ops.builds (state, reason, producer, projection_version, schema_hash, started_at, finished_at, row_count, seconds) VALUES ('done', 'first', 'projector@1', 1, '', '2025-03-20Z', '2025-03-20Z', 100, 1.5);
INSERT INTO ops.health VALUES ('posts', 5, 'e', '2025-03-08 12:00Z', '2025-03-08 12:00:02Z', now());
INSERT INTO sessions SELECT d, (d + time '09:30') AT TIME ZONE 'America/New_York', (d + time '16:00') AT TIME ZONE 'America/New_York', false
  FROM generate_series(timestamp '2025-02-24', timestamp '2025-03-28', '1 day') g, LATERAL (SELECT g::date AS d) x WHERE extract(isodow FROM d) < 6;
INSERT INTO posts (post_id, published_at, text, url, is_repost, text_missing, text_repaired, media_urls, mentions, tags, is_deleted, is_redacted, versions, sources, first_recorded_at, event_id, source, synthetic, recorded_at)
  SELECT id, at, E'Post  number\n' || id, 'https://example.org/' || id, false, false, false, '{}', '{}', '{}', false, false, 1, 1, at + interval '60 s', 'e' || id, 'archive:a.csv', false, at + interval '60 s'
  FROM (VALUES ('1', timestamptz '2025-03-02 15:00Z'), ('2', '2025-03-03 12:00Z'), ('3', '2025-03-04 21:30Z'), ('4', '2025-03-05 15:00Z'), ('5', '2025-03-06 15:00Z'), ('6', '2025-03-07 15:00Z'), ('7', '2025-03-08 12:00Z')) v (id, at);
INSERT INTO post_versions (event_id, kind, post_id, published_at, text, is_repost, text_missing, text_repaired, media_urls, mentions, tags, content_hash, occurred_at, source, synthetic, recorded_at)
  SELECT event_id, 'post_observed', post_id, published_at, text, false, false, false, '{}', '{}', '{}', 'h', published_at, source, false, recorded_at FROM posts;
INSERT INTO predictions (prediction_id, post_id, published_at, status, reason, message, analyzer, provider, model, prompt_version, confidence, thesis, tokens_in, tokens_out, cost_micros, latency_ms, is_primary, attempts, calls, dropped, predicted_at, event_id, source, synthetic, recorded_at)
  SELECT 'p' || v.id || v.by, v.id, q.published_at, v.status, v.reason, CASE v.status WHEN 'failed' THEN 'no JSON' END, CASE v.by WHEN 'r' THEN 'rules' WHEN 'g' THEN 'llm' END, CASE v.by WHEN 'r' THEN 'builtin' WHEN 'g' THEN 'openai' END,
    CASE v.by WHEN 'r' THEN 'words' WHEN 'g' THEN 'gpt' END, CASE WHEN v.by <> '' THEN 'v1' END, v.confidence, CASE v.status WHEN 'completed' THEN 'because ' || v.id END,
    CASE v.by WHEN 'g' THEN 100 END, CASE v.by WHEN 'g' THEN 10 END, v.cents * 10000, v.cents * 1000, v.by = 'r', 1, v.calls, '[]', CASE v.status WHEN 'completed' THEN q.published_at + interval '120 s' END,
    'x' || v.id || v.by, 'test', false, q.published_at + interval '120 s'
  FROM (VALUES ('1', 'r', 'completed', NULL, 0.90, NULL::integer, 2), ('2', 'r', 'completed', NULL, 0.55, NULL, 1), ('3', 'r', 'completed', NULL, 0.65, NULL, 1), ('4', 'r', 'completed', NULL, 0.75, NULL, 2),
    ('5', '', 'bypassed', 'Retruth', NULL, NULL, 0), ('6', 'r', 'failed', 'bad_output', NULL, NULL, 0),
    ('1', 'g', 'completed', NULL, 0.80, 1, 1), ('2', 'g', 'completed', NULL, 0.50, 2, 1), ('3', 'g', 'completed', NULL, 0.40, 3, 0)) v (id, by, status, reason, confidence, cents, calls)
  JOIN posts q ON q.post_id = v.id;
INSERT INTO analysis_attempts (event_id, kind, prediction_id, post_id, published_at, analyzer, provider, model, prompt_version, confidence, thesis, tokens_in, tokens_out, cost_micros, latency_ms, bypass_reason, failure_class, failure_message,
    attempt, terminal, requeues, assets, dropped, occurred_at, source, synthetic, recorded_at)
  SELECT event_id, CASE status WHEN 'completed' THEN 'prediction_made' WHEN 'bypassed' THEN 'post_bypassed' ELSE 'analysis_failed' END, prediction_id, post_id, published_at, analyzer, provider, model, prompt_version, confidence, thesis,
    tokens_in, tokens_out, cost_micros, latency_ms, CASE status WHEN 'bypassed' THEN reason END, CASE status WHEN 'failed' THEN reason END, message, 1, status = 'failed', '{}', '[]', '[]', recorded_at, source, false, recorded_at FROM predictions;
CREATE TEMP TABLE said (id text, by text, symbol text, position integer, sentiment text, r numeric, a numeric, pnl numeric, correct boolean, target date, weekday integer, phase text, origin text);
INSERT INTO said VALUES ('1', 'r', 'X', 0, 'bullish', 2, 1, 20, true, '2025-03-12', 7, 'closed', 'live'), ('1', 'r', 'Y', 1, 'bearish', 1, NULL, -10, false, '2025-03-12', 7, 'closed', 'live'),
  ('2', 'r', 'X', 0, 'bullish', -1, -2, -10, false, '2025-03-13', 1, 'pre', 'live'), ('3', 'r', 'Z', 0, 'neutral', 0.2, 0, 0, true, '2025-03-14', 2, 'post', 'live'),
  ('4', 'r', 'X', 0, 'bearish', -3, -1, 30, true, '2025-03-14', 3, 'regular', 'retrospective'), ('4', 'r', 'W', 1, NULL, 5, NULL, NULL, NULL, '2025-03-14', 3, 'regular', 'retrospective'),
  ('1', 'g', 'X', 0, 'bearish', 2, 1, -20, false, '2025-03-12', 7, 'closed', 'live'), ('2', 'g', 'X', 0, 'bullish', -1, -2, -10, false, '2025-03-13', 1, 'pre', 'live');
INSERT INTO calls (prediction_id, symbol, position, sentiment, rationale, post_id, published_at, confidence, origin, predicted_at)
  SELECT q.prediction_id, s.symbol, s.position, s.sentiment, 'as said', q.post_id, q.published_at, q.confidence, s.origin, q.predicted_at FROM said s JOIN predictions q ON q.prediction_id = 'p' || s.id || s.by;
INSERT INTO outcomes (prediction_id, symbol, basis, horizon, base_session, base_price, target_session, target_price, return_pct, abnormal_pct, correct, pnl, suspect, due_at)
  SELECT 'p' || s.id || s.by, s.symbol, b, h, s.target - 7, 100, CASE h WHEN 7 THEN s.target ELSE s.target + 100 END, 100 + s.r, CASE h WHEN 7 THEN s.r END, CASE h WHEN 7 THEN s.a END, CASE h WHEN 7 THEN s.correct END, CASE h WHEN 7 THEN s.pnl END, false, '2025-03-14 20:20Z'
  FROM said s, unnest(ARRAY['next_open', 'prior_close', 'legacy']) b, unnest(ARRAY[1, 3, 7, 30]) h WHERE b = 'next_open' OR h <> 7;
INSERT INTO scores (prediction_id, symbol, basis, horizon, target_session, published_at, return_micros, abnormal_micros, pnl_micros, confidence, correct, correct_abnormal, move, sentiment, origin, is_primary, synthetic, post_id, weekday, phase, analyzer, provider, model, prompt_version, predicted_at)
  SELECT q.prediction_id, s.symbol, 'next_open', 7, s.target, q.published_at, s.r * 1e6, s.a * 1e6, s.pnl * 1e6, q.confidence, s.correct, s.a > 0.5, CASE WHEN s.r > 0.5 THEN 1 WHEN s.r < -0.5 THEN -1 ELSE 0 END, s.sentiment, s.origin, q.is_primary, false, q.post_id, s.weekday, s.phase, q.analyzer, q.provider, q.model, q.prompt_version, q.predicted_at
  FROM said s JOIN predictions q ON q.prediction_id = 'p' || s.id || s.by WHERE s.correct IS NOT NULL;
INSERT INTO splits (symbol, session_date, ratio, event_id, superseded, source, synthetic, recorded_at) VALUES ('X', '2025-03-04', 2, 's', '{}', 'file:splits', false, '2025-03-05Z');
INSERT INTO bars (symbol, session_date, "interval", source, open, high, low, close, volume, adjustment, adjusted_through, source_rank, fetch_id, first_recorded_at, event_id, superseded, occurred_at, synthetic, recorded_at)
  SELECT 'X', day, '1d', source, o, o + 2, o - 2, o + 1, 1000, 'none', day, rank, 'f', day, source || day, '{}', (day + time '16:00') AT TIME ZONE 'America/New_York', false, day
  FROM (VALUES (date '2025-02-28', 79.0), (date '2025-03-03', 80.0), ('2025-03-04', 40.0)) v (day, o), (VALUES ('worse', 2), ('better', 1)) s (source, rank);
UPDATE bars SET open = 999, high = 999, low = 999, close = 999 WHERE source = 'worse';
INSERT INTO unknown_symbols (symbol, is_unknown, asked_sources, noticed_at, event_id, superseded, source, synthetic, recorded_at) VALUES ('W', true, '{yahoo,stooq}', '2025-03-05Z', 'u', '{}', 'yahoo', false, '2025-03-05Z');
INSERT INTO producers VALUES ('posts', 'harvester@1', '2025-03-08 12:01Z', 'e7');
INSERT INTO rejected (event_id, stream, key, reason, detail, occurred_at, source, synthetic, recorded_at) VALUES ('r', 'posts', '9', 'bad number', 'replies is many', '2025-03-09Z', 'archive:a.csv', false, '2025-03-09Z');
INSERT INTO dead_letters (dead_letter_id, stream, version, event_id, kind, key, reason, recorded_at) VALUES ('d', 'prices', 3, 'q', 'bar_recorded', 'X', 'no session', '2025-03-10Z');

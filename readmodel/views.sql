-- Functions and views, made after the indexes. Whatever depends on the time of asking is here.

-- Wilson score interval, 95 % (z = 1.959963984540054), of k successes in n, in percentage points; null
-- for n = 0. Wilson, J. Am. Stat. Assoc. 22 (1927) 209-212.
CREATE FUNCTION wilson_low(k bigint, n bigint) RETURNS double precision LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN n > 0 THEN 100 * greatest(0, (k::float8 / n + 1.9207294103470627 / n
    - 1.959963984540054 * sqrt(k::float8 / n * (1 - k::float8 / n) / n + 0.9603647051735313 / n / n)) / (1 + 3.8414588206941254 / n)) END;

CREATE FUNCTION wilson_high(k bigint, n bigint) RETURNS double precision LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN n > 0 THEN 100 * least(1, (k::float8 / n + 1.9207294103470627 / n
    + 1.959963984540054 * sqrt(k::float8 / n * (1 - k::float8 / n) / n + 0.9603647051735313 / n / n)) / (1 + 3.8414588206941254 / n)) END;

-- Accuracy in percentage points of random calls with the same mix of sentiments on the same rows: the
-- sum over sentiments of share(s) x P(correct | s) (domain.md 5); null without rows. ups, downs and
-- flats are the rows whose return is above the band, below minus the band, and within it.
CREATE FUNCTION random_mix(bullish bigint, bearish bigint, neutral bigint, ups bigint, downs bigint, flats bigint)
RETURNS double precision LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN 100 * (bullish::float8 * ups + bearish::float8 * downs + neutral::float8 * flats)
    / nullif((bullish + bearish + neutral)::float8 * (ups + downs + flats), 0);

COMMENT ON FUNCTION wilson_low IS 'Lower end of the 95 % Wilson interval of k in n, percentage points.';
COMMENT ON FUNCTION wilson_high IS 'Upper end of the 95 % Wilson interval of k in n, percentage points.';
COMMENT ON FUNCTION random_mix IS 'Accuracy of random calls with the same mix of sentiments on the same rows, percentage points.';

CREATE VIEW outcomes_status AS
SELECT o.*, c.position, c.sentiment, c.origin, c.post_id, c.published_at, c.confidence, c.predicted_at,
    p.analyzer, p.provider, p.model, p.prompt_version, p.is_primary, p.synthetic, s.status,
    CASE s.status
        WHEN 'unpriceable' THEN 'no price source knows ' || o.symbol || ': asked ' || array_to_string(u.asked_sources, ', ')
        WHEN 'outside_calendar' THEN 'a session of this horizon lies outside the calendar'
        WHEN 'suspect' THEN 'the prices jump like a split that no source told of'
        WHEN 'pending' THEN 'the bar of ' || o.target_session || ' is final at ' || to_char(o.due_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') || ' UTC'
        WHEN 'awaiting_price' THEN 'no source has the bars of both ' || o.base_session || ' and ' || o.target_session || ' yet'
        WHEN 'no_bar' THEN 'no source has the bars of both ' || o.base_session || ' and ' || o.target_session || ', ten days past due: halted, delisted or not listed yet'
    END AS why
FROM outcomes o
JOIN calls c USING (prediction_id, symbol)
JOIN predictions p USING (prediction_id)
LEFT JOIN unknown_symbols u ON u.symbol = o.symbol AND u.is_unknown
CROSS JOIN LATERAL (SELECT CASE
    WHEN o.return_pct IS NOT NULL THEN 'evaluated'
    WHEN u.symbol IS NOT NULL THEN 'unpriceable'
    WHEN o.target_session IS NULL THEN 'outside_calendar'
    WHEN o.suspect THEN 'suspect'
    WHEN now() < o.due_at THEN 'pending'
    WHEN now() < o.due_at + interval '10 days' THEN 'awaiting_price'
    ELSE 'no_bar' END AS status) s;
COMMENT ON VIEW outcomes_status IS 'Outcomes with their call, the status at the time of asking and why a row is not evaluated.';
COMMENT ON COLUMN outcomes_status.status IS 'evaluated, unpriceable, outside_calendar, suspect, pending (before due_at), awaiting_price (due, no bar) or no_bar (ten days past due).';
COMMENT ON COLUMN outcomes_status.why IS 'Why the row is not evaluated; null when it is.';

-- The rows of scores with all columns of their outcome. Postgres leaves the join out of a query that asks
-- for none of them, so metrics may read this view as cheaply as the table.
CREATE VIEW scored AS
SELECT s.prediction_id, s.symbol, s.basis, s.horizon, o.base_session, o.base_price, s.target_session, o.target_price,
    s.return_micros * 0.000001 AS return_pct, o.benchmark_pct, s.abnormal_micros * 0.000001 AS abnormal_pct, s.correct, s.correct_abnormal,
    s.return_micros * 0.00001 AS pnl_long, s.pnl_micros * 0.000001 AS pnl, o.source, o.benchmark_source, o.suspect, o.due_at, o.first_priced_at,
    s.sentiment, s.origin, s.post_id, s.published_at, s.confidence, s.predicted_at,
    s.analyzer, s.provider, s.model, s.prompt_version, s.is_primary, s.synthetic,
    s.move = 1 AS up, s.move = -1 AS down, s.move = 0 AS flat, s.weekday, s.phase
FROM scores s
LEFT JOIN outcomes o USING (prediction_id, symbol, basis, horizon);
COMMENT ON VIEW scored IS 'The rows that every metric counts: evaluated outcomes of calls that have a sentiment (domain.md 5).';
COMMENT ON COLUMN scored.up IS 'The return is above the correctness band.';
COMMENT ON COLUMN scored.down IS 'The return is below minus the correctness band.';
COMMENT ON COLUMN scored.flat IS 'The return is within the correctness band.';

CREATE VIEW posts_status AS
SELECT p.post_id, p.published_at, p.text, p.url, p.source, p.is_repost, p.is_deleted, p.is_redacted, p.versions, p.synthetic,
    coalesce(a.status, 'none') AS analysis, a.prediction_id, a.reason, a.confidence, a.thesis, a.analyzer, a.model, coalesce(a.calls, 0) AS calls
FROM posts p
LEFT JOIN LATERAL (
    SELECT q.* FROM predictions q WHERE q.post_id = p.post_id AND (q.is_primary OR q.status = 'bypassed')
    ORDER BY array_position(ARRAY['completed', 'bypassed', 'failed', 'retrying'], q.status), q.prediction_id LIMIT 1) a ON true;
COMMENT ON VIEW posts_status IS 'Every post with its analysis by the primary analyzer.';
COMMENT ON COLUMN posts_status.analysis IS 'completed, bypassed, failed, retrying, or none when the post was not taken up yet.';

CREATE VIEW analysis_dead_letters AS
SELECT a.prediction_id, a.post_id, a.published_at, p.text, a.analyzer, a.provider, a.model, a.prompt_version,
    a.reason, a.message, a.attempts, a.recorded_at
FROM predictions a LEFT JOIN posts p USING (post_id)
WHERE a.status = 'failed';
COMMENT ON VIEW analysis_dead_letters IS 'Posts whose analysis was given up, with the class and message of the last failure.';

CREATE VIEW spending AS
SELECT (occurred_at AT TIME ZONE 'UTC')::date AS day, analyzer, provider, model, count(*) AS answers,
    coalesce(sum(tokens_in), 0)::bigint AS tokens_in, coalesce(sum(tokens_out), 0)::bigint AS tokens_out,
    coalesce(sum(cost_micros), 0)::bigint AS cost_micros
FROM analysis_attempts
WHERE kind IN ('prediction_made', 'analysis_failed')
GROUP BY 1, 2, 3, 4;
COMMENT ON VIEW spending IS 'Tokens and dollars per UTC day and model, failed attempts and repeated answers included.';
COMMENT ON COLUMN spending.day IS 'UTC day of the answers.';
COMMENT ON COLUMN spending.answers IS 'Answers and failures of that day.';

-- Each table is read once, and the largest not at all: a call has twelve outcomes (domain.md 4), so those without a
-- return, which have an index of their own, tell how many have one. Symbols are found one by one by the key of bars.
CREATE VIEW pipeline AS
SELECT p.posts, p.reposts, p.deleted, a.completed, a.bypassed, a.failed, a.retrying, c.calls,
    (SELECT count(*) FROM bars) AS bars,
    (WITH RECURSIVE s AS ((SELECT symbol FROM bars ORDER BY symbol LIMIT 1)
        UNION ALL SELECT (SELECT b.symbol FROM bars b WHERE b.symbol > s.symbol ORDER BY b.symbol LIMIT 1) FROM s WHERE s.symbol IS NOT NULL)
        SELECT count(symbol) FROM s) AS symbols,
    12 * c.calls - (SELECT count(*) FROM outcomes WHERE return_pct IS NULL) AS evaluated,
    (SELECT count(*) FROM rejected) AS rejected,
    (SELECT count(*) FROM dead_letters) AS dead_letters
FROM (SELECT count(*) AS posts, count(*) FILTER (WHERE is_repost) AS reposts, count(*) FILTER (WHERE is_deleted) AS deleted FROM posts) p,
    (SELECT count(*) FILTER (WHERE status = 'completed') AS completed, count(*) FILTER (WHERE status = 'bypassed') AS bypassed,
        count(*) FILTER (WHERE status = 'failed') AS failed, count(*) FILTER (WHERE status = 'retrying') AS retrying FROM predictions) a,
    (SELECT count(*) AS calls FROM calls) c;
COMMENT ON VIEW pipeline IS 'One row with how much of everything there is.';
DO $$
DECLARE
    c record;
BEGIN
    FOR c IN SELECT * FROM (VALUES ('posts', 'Posts.'), ('reposts', 'Posts that only repeat another.'), ('deleted', 'Posts that were deleted.'),
        ('completed', 'Analyses with an answer.'), ('bypassed', 'Posts bypassed by a rule.'), ('failed', 'Analyses given up.'),
        ('retrying', 'Analyses that failed and will be tried again.'), ('calls', 'Assets named by all answers.'), ('bars', 'Current bars of all sources.'),
        ('symbols', 'Symbols that have a bar.'), ('evaluated', 'Outcomes that have a return.'), ('rejected', 'Records that a producer could not take.'),
        ('dead_letters', 'Events that the projector could not apply.')) AS t (name, said) LOOP
        EXECUTE format('COMMENT ON COLUMN pipeline.%I IS %L', c.name, c.said);
    END LOOP;
END $$;

CREATE VIEW lag AS
SELECT h.stream, h.next_version, h.last_recorded_at, h.applied_at, h.checked_at,
    extract(epoch FROM now() - h.checked_at)::float8 AS seconds_unseen,
    extract(epoch FROM h.applied_at - h.last_recorded_at)::float8 AS last_delay_seconds,
    t.p50_seconds, t.p95_seconds
FROM ops.health h
LEFT JOIN (SELECT stream,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM applied_at - newest_recorded_at)::float8) AS p50_seconds,
        percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM applied_at - newest_recorded_at)::float8) AS p95_seconds
    FROM ops.transactions WHERE applied_at > now() - interval '7 days' GROUP BY stream) t USING (stream);
COMMENT ON VIEW lag IS 'How far the read model is behind the lake, per stream.';
COMMENT ON COLUMN lag.last_recorded_at IS 'When the newest applied event was recorded in the lake, UTC.';
COMMENT ON COLUMN lag.applied_at IS 'When it was applied, UTC.';
COMMENT ON COLUMN lag.checked_at IS 'When the projector last looked for news, UTC.';
COMMENT ON COLUMN lag.seconds_unseen IS 'Seconds since the projector last looked for news.';
COMMENT ON COLUMN lag.last_delay_seconds IS 'Seconds from the recording of the newest event to its appearance here.';
COMMENT ON COLUMN lag.p50_seconds IS 'Median of that delay over the last seven days.';
COMMENT ON COLUMN lag.p95_seconds IS '95th percentile of that delay over the last seven days.';

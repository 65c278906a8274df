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

-- The rows that every metric counts: evaluated and with a sentiment. up, down and flat say how the
-- return lies to the correctness band.
CREATE VIEW scored AS
SELECT o.*, c.sentiment, c.origin, c.post_id, c.published_at, c.confidence, c.predicted_at,
    p.analyzer, p.provider, p.model, p.prompt_version, p.is_primary, p.synthetic,
    o.return_pct > b.band AS up, o.return_pct < -b.band AS down, abs(o.return_pct) <= b.band AS flat
FROM outcomes o
JOIN calls c USING (prediction_id, symbol)
JOIN predictions p USING (prediction_id)
CROSS JOIN (SELECT band_pct::numeric AS band FROM ops.settings) b
WHERE o.correct IS NOT NULL;
COMMENT ON VIEW scored IS 'The rows that every metric counts: evaluated outcomes of calls that have a sentiment (domain.md 5).';
COMMENT ON COLUMN scored.up IS 'The return is above the correctness band.';
COMMENT ON COLUMN scored.down IS 'The return is below minus the correctness band.';
COMMENT ON COLUMN scored.flat IS 'The return is within the correctness band.';

CREATE VIEW accuracy_by_model AS
SELECT analyzer, provider, model, prompt_version, is_primary, basis, horizon, origin, count(*) AS n,
    count(*) FILTER (WHERE correct) AS correct,
    100.0::float8 * count(*) FILTER (WHERE correct) / count(*) AS accuracy_pct,
    wilson_low(count(*) FILTER (WHERE correct), count(*)) AS wilson_low_pct,
    wilson_high(count(*) FILTER (WHERE correct), count(*)) AS wilson_high_pct,
    100.0::float8 * count(*) FILTER (WHERE up) / count(*) AS always_bullish_pct,
    random_mix(count(*) FILTER (WHERE sentiment = 'bullish'), count(*) FILTER (WHERE sentiment = 'bearish'),
        count(*) FILTER (WHERE sentiment = 'neutral'), count(*) FILTER (WHERE up), count(*) FILTER (WHERE down),
        count(*) FILTER (WHERE flat)) AS random_mix_pct,
    avg(return_pct)::float8 AS avg_return_pct,
    avg(abnormal_pct)::float8 AS avg_abnormal_pct,
    sum(pnl)::float8 AS total_pnl,
    count(DISTINCT post_id) AS posts
FROM scored
GROUP BY analyzer, provider, model, prompt_version, is_primary, basis, horizon, origin;
COMMENT ON VIEW accuracy_by_model IS 'Accuracy of every configuration per basis, horizon and origin, beside two baselines on the very same rows.';

CREATE VIEW accuracy AS
SELECT basis, horizon, origin, count(*) AS n,
    count(*) FILTER (WHERE correct) AS correct,
    100.0::float8 * count(*) FILTER (WHERE correct) / count(*) AS accuracy_pct,
    wilson_low(count(*) FILTER (WHERE correct), count(*)) AS wilson_low_pct,
    wilson_high(count(*) FILTER (WHERE correct), count(*)) AS wilson_high_pct,
    100.0::float8 * count(*) FILTER (WHERE up) / count(*) AS always_bullish_pct,
    random_mix(count(*) FILTER (WHERE sentiment = 'bullish'), count(*) FILTER (WHERE sentiment = 'bearish'),
        count(*) FILTER (WHERE sentiment = 'neutral'), count(*) FILTER (WHERE up), count(*) FILTER (WHERE down),
        count(*) FILTER (WHERE flat)) AS random_mix_pct,
    avg(return_pct)::float8 AS avg_return_pct,
    avg(abnormal_pct)::float8 AS avg_abnormal_pct,
    sum(pnl)::float8 AS total_pnl,
    count(DISTINCT post_id) AS posts
FROM scored
WHERE is_primary
GROUP BY basis, horizon, origin;
COMMENT ON VIEW accuracy IS 'Accuracy of the primary analyzer per basis, horizon and origin, beside two baselines on the very same rows (domain.md 5).';

DO $$
DECLARE
    v text;
BEGIN
    FOREACH v IN ARRAY ARRAY['accuracy', 'accuracy_by_model'] LOOP
        EXECUTE format('COMMENT ON COLUMN %I.n IS %L', v, 'Evaluated calls with a sentiment.');
        EXECUTE format('COMMENT ON COLUMN %I.correct IS %L', v, 'Those that were right.');
        EXECUTE format('COMMENT ON COLUMN %I.accuracy_pct IS %L', v, 'correct / n in percentage points.');
        EXECUTE format('COMMENT ON COLUMN %I.wilson_low_pct IS %L', v, 'Lower end of the 95 % Wilson interval of the accuracy.');
        EXECUTE format('COMMENT ON COLUMN %I.wilson_high_pct IS %L', v, 'Upper end of the 95 % Wilson interval of the accuracy.');
        EXECUTE format('COMMENT ON COLUMN %I.always_bullish_pct IS %L', v, 'Accuracy of always saying bullish on the same rows.');
        EXECUTE format('COMMENT ON COLUMN %I.random_mix_pct IS %L', v, 'Accuracy of random calls with the same mix of sentiments on the same rows.');
        EXECUTE format('COMMENT ON COLUMN %I.avg_return_pct IS %L', v, 'Mean return in percentage points.');
        EXECUTE format('COMMENT ON COLUMN %I.avg_abnormal_pct IS %L', v, 'Mean return above the benchmark in percentage points, of the rows that have one.');
        EXECUTE format('COMMENT ON COLUMN %I.total_pnl IS %L', v, 'Dollars made by 1,000 in the direction of every call.');
        EXECUTE format('COMMENT ON COLUMN %I.posts IS %L', v, 'Posts that the calls come from.');
    END LOOP;
END $$;

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

CREATE VIEW pipeline AS
SELECT (SELECT count(*) FROM posts) AS posts,
    (SELECT count(*) FROM posts WHERE is_repost) AS reposts,
    (SELECT count(*) FROM posts WHERE is_deleted) AS deleted,
    (SELECT count(*) FROM predictions WHERE status = 'completed') AS completed,
    (SELECT count(*) FROM predictions WHERE status = 'bypassed') AS bypassed,
    (SELECT count(*) FROM predictions WHERE status = 'failed') AS failed,
    (SELECT count(*) FROM predictions WHERE status = 'retrying') AS retrying,
    (SELECT count(*) FROM calls) AS calls,
    (SELECT count(*) FROM bars) AS bars,
    (SELECT count(DISTINCT symbol) FROM bars) AS symbols,
    (SELECT count(*) FROM outcomes WHERE return_pct IS NOT NULL) AS evaluated,
    (SELECT count(*) FROM rejected) AS rejected,
    (SELECT count(*) FROM dead_letters) AS dead_letters;
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

-- A column of a view that is named like a table's column and has no comment of its own means the same.
DO $$
DECLARE
    c record;
BEGIN
    FOR c IN
        SELECT DISTINCT ON (v.oid, a.attnum) v.relname AS view, a.attname AS name, d.description
        FROM pg_class v
        JOIN pg_attribute a ON a.attrelid = v.oid AND a.attnum > 0
        JOIN pg_class t ON t.relnamespace = v.relnamespace AND t.relkind = 'r'
        JOIN pg_attribute b ON b.attrelid = t.oid AND b.attname = a.attname AND b.attnum > 0
        JOIN pg_description d ON d.objoid = t.oid AND d.objsubid = b.attnum AND d.classoid = 'pg_class'::regclass
        WHERE v.relkind = 'v' AND v.relnamespace = current_schema()::regnamespace AND col_description(v.oid, a.attnum) IS NULL
        ORDER BY v.oid, a.attnum, t.relname
    LOOP
        EXECUTE format('COMMENT ON COLUMN %I.%I IS %L', c.view, c.name, c.description);
    END LOOP;
END $$;

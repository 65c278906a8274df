-- What only the dashboards ask for, after all metrics: names and pictures in text, models against each other on the
-- very same posts, and how complete the prices are. The filters are those of metrics.sql.

CREATE FUNCTION sparkline(numbers float8[]) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (SELECT string_agg(CASE WHEN e.high > e.low THEN substr('▁▂▃▄▅▆▇█', 1 + least(7, floor((u.v - e.low) / (e.high - e.low) * 8)::integer), 1) ELSE '▄' END, '' ORDER BY u.place)
    FROM unnest(numbers) WITH ORDINALITY u (v, place), (SELECT min(w) AS low, max(w) AS high FROM unnest(numbers) w) e WHERE u.v IS NOT NULL);
COMMENT ON FUNCTION sparkline IS 'Numbers as a line of eight heights, from the least to the greatest of them; null without any.';

CREATE FUNCTION running_total(numbers float8[]) RETURNS float8[] LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ARRAY(SELECT sum(u.v) OVER (ORDER BY u.place) FROM unnest(numbers) WITH ORDINALITY u (v, place) ORDER BY u.place);
COMMENT ON FUNCTION running_total IS 'Each number and all before it, added up.';

-- The models that have answered, and which of them the headlines count.
CREATE VIEW models AS
SELECT model_name(p.analyzer, p.provider, p.model) AS name, bool_or(p.is_primary) AS is_primary, count(*) AS predictions, sum(p.calls)::bigint AS calls,
    max(p.predicted_at) AS last_predicted_at
FROM predictions p WHERE p.status = 'completed' AND model_name(p.analyzer, p.provider, p.model) IS NOT NULL
GROUP BY 1;
COMMENT ON VIEW models IS 'Every model that has answered, whatever its prompt.';
COMMENT ON COLUMN models.name IS 'As model_name writes it.';
COMMENT ON COLUMN models.predictions IS 'Completed predictions.';
COMMENT ON COLUMN models.calls IS 'Assets that they name.';
COMMENT ON COLUMN models.last_predicted_at IS 'Newest answer, UTC.';

-- Two models on the same posts, and on the rows (post x asset) that both of them called and that are evaluated.
CREATE FUNCTION model_pairs(basis text, horizon integer, origins text[] DEFAULT NULL, since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL,
    symbols text[] DEFAULT NULL, min_confidence float8 DEFAULT NULL, sentiments text[] DEFAULT NULL)
RETURNS TABLE (model text, other text, posts bigint, same_assets bigint, calls bigint, agreements bigint, agreement_pct float8,
    n bigint, accuracy_pct float8, other_accuracy_pct float8) LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    WITH several AS MATERIALIZED (
        SELECT a.post_id FROM predictions a WHERE a.status = 'completed' AND ($4 IS NULL OR a.published_at >= $4) AND ($5 IS NULL OR a.published_at <= $5)
        GROUP BY a.post_id HAVING count(*) > 1
    ), p AS MATERIALIZED (
        SELECT q.prediction_id, q.post_id, model_name(q.analyzer, q.provider, q.model) AS model, q.calls
        FROM several v JOIN predictions q ON q.post_id = v.post_id WHERE q.status = 'completed'
    ), c AS MATERIALIZED (
        SELECT p.model, k.post_id, k.symbol, k.sentiment, s.correct FROM calls k JOIN p ON p.prediction_id = k.prediction_id
        LEFT JOIN scores s ON s.basis = $1 AND s.horizon = $2 AND s.prediction_id = k.prediction_id AND s.symbol = k.symbol
        WHERE k.sentiment IS NOT NULL AND ($3 IS NULL OR k.origin = ANY ($3)) AND ($6 IS NULL OR k.symbol = ANY ($6))
            AND ($7 IS NULL OR coalesce(k.confidence, 0) >= $7) AND ($8 IS NULL OR k.sentiment = ANY ($8))
    ), together AS (
        SELECT a.model, b.model AS other, count(DISTINCT a.post_id) AS posts, count(DISTINCT a.post_id) FILTER (WHERE a.calls = 0 AND b.calls = 0) AS silent
        FROM p a JOIN p b ON b.post_id = a.post_id AND b.model > a.model GROUP BY 1, 2
    ), shared AS (
        SELECT a.model, b.model AS other, count(DISTINCT a.post_id) AS posts, count(*) AS calls, count(*) FILTER (WHERE a.sentiment = b.sentiment) AS agreements,
            count(a.correct) FILTER (WHERE b.correct IS NOT NULL) AS n, count(*) FILTER (WHERE a.correct AND b.correct IS NOT NULL) AS k, count(*) FILTER (WHERE b.correct AND a.correct IS NOT NULL) AS other_k
        FROM c a JOIN c b ON b.post_id = a.post_id AND b.symbol = a.symbol AND b.model > a.model GROUP BY 1, 2
    )
    SELECT t.model, t.other, t.posts, coalesce(s.posts, 0) + t.silent, coalesce(s.calls, 0), coalesce(s.agreements, 0), 100 * s.agreements / nullif(s.calls, 0)::float8,
        coalesce(s.n, 0), 100 * s.k / nullif(s.n, 0)::float8, 100 * s.other_k / nullif(s.n, 0)::float8
    FROM together t LEFT JOIN shared s ON s.model = t.model AND s.other = t.other;
END;
COMMENT ON FUNCTION model_pairs IS 'For every two models the posts that both answered, those on which both name a common asset or none, the assets that both called, how often with the same sentiment, and the accuracy of each on the rows that both called and that are evaluated.';

-- Whether the prices that calls wait for are there. A session's bar is due 20 minutes after its close.
CREATE VIEW price_coverage AS
SELECT c.symbol, c.calls, c.last_published_at, coalesce(b.bars, 0) AS bars, b.first_session, b.last_session, b.sources,
    CASE WHEN b.symbol IS NOT NULL THEN (SELECT count(*) FROM sessions s WHERE s.session_date > b.last_session AND s.closes_at + interval '20 minutes' < now()) END AS sessions_behind,
    CASE WHEN b.symbol IS NOT NULL THEN 'priced' WHEN u.symbol IS NOT NULL THEN 'unpriceable' ELSE 'awaiting_price' END AS state
FROM (SELECT k.symbol, count(*) AS calls, max(k.published_at) AS last_published_at FROM calls k GROUP BY k.symbol) c
LEFT JOIN (SELECT a.symbol, count(*) AS bars, min(a.session_date) AS first_session, max(a.session_date) AS last_session, count(DISTINCT a.source) AS sources
    FROM bars a WHERE a."interval" = '1d' GROUP BY a.symbol) b ON b.symbol = c.symbol
LEFT JOIN unknown_symbols u ON u.symbol = c.symbol AND u.is_unknown;
COMMENT ON VIEW price_coverage IS 'Every asset that was called, and the bars that there are of it.';
COMMENT ON COLUMN price_coverage.calls IS 'Calls that name it, of all models.';
COMMENT ON COLUMN price_coverage.last_published_at IS 'Newest post that it was called of, UTC.';
COMMENT ON COLUMN price_coverage.bars IS 'Daily bars of all sources.';
COMMENT ON COLUMN price_coverage.first_session IS 'Session of the oldest bar.';
COMMENT ON COLUMN price_coverage.last_session IS 'Session of the newest bar.';
COMMENT ON COLUMN price_coverage.sources IS 'Sources that have bars of it.';
COMMENT ON COLUMN price_coverage.sessions_behind IS 'Sessions whose bar is due and that are newer than the newest bar; an asset whose horizons are all closed rests.';
COMMENT ON COLUMN price_coverage.state IS 'priced, unpriceable (no source knows the symbol) or awaiting_price (no bar yet).';

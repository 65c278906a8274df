-- How the work itself goes (domain.md 5, pipeline): views and functions after views.sql.

-- is_complete: all horizons of a basis are evaluated (domain.md 4).
CREATE VIEW completeness AS
SELECT prediction_id, symbol, basis, count(return_pct)::integer AS evaluated, count(*)::integer AS horizons, count(return_pct) = count(*) AS is_complete
FROM outcomes GROUP BY prediction_id, symbol, basis;
COMMENT ON VIEW completeness IS 'For every call and basis, how many of its horizons are evaluated.';
COMMENT ON COLUMN completeness.evaluated IS 'Horizons that have a return.';
COMMENT ON COLUMN completeness.horizons IS 'All horizons.';
COMMENT ON COLUMN completeness.is_complete IS 'All horizons of this basis are evaluated.';

-- Every post is in exactly one state. In scope (domain.md 2.1) is what has an analysis, and what was
-- published since the launch date and not withdrawn before it was taken up.
CREATE FUNCTION analysis_states(since timestamptz DEFAULT '2025-01-01T00:00:00Z')
RETURNS TABLE (state text, reason text, in_scope boolean, posts bigint) LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    WITH a AS (
        SELECT p.post_id, min(CASE p.status WHEN 'completed' THEN '1' WHEN 'bypassed' THEN '2' || p.reason WHEN 'failed' THEN '3' || coalesce(p.reason, '')
            ELSE '4' || coalesce(p.reason, '') END) AS best
        FROM predictions p WHERE p.is_primary OR p.status = 'bypassed' GROUP BY p.post_id
    )
    SELECT x.state, x.reason, x.in_scope, count(*)
    FROM (SELECT CASE WHEN a.best IS NOT NULL THEN (ARRAY['completed', 'bypassed', 'failed', 'retrying'])[left(a.best, 1)::integer]
            WHEN q.published_at < $1 THEN 'before_launch' WHEN q.is_deleted OR q.is_redacted THEN 'withdrawn' ELSE 'waiting' END AS state,
            nullif(substr(a.best, 2), '') AS reason, a.best IS NOT NULL OR q.published_at >= $1 AND NOT q.is_deleted AND NOT q.is_redacted AS in_scope
        FROM posts q LEFT JOIN a ON a.post_id = q.post_id) x
    GROUP BY x.state, x.reason, x.in_scope;
END;
COMMENT ON FUNCTION analysis_states IS 'Posts by the state of their analysis by the primary analyzer: completed, bypassed and failed with the reason, retrying, waiting, before_launch, withdrawn.';

CREATE VIEW model_costs AS
SELECT a.analyzer, a.provider, a.model, a.prompt_version, count(*) FILTER (WHERE a.kind = 'prediction_made') AS answers,
    count(*) FILTER (WHERE a.kind = 'analysis_failed') AS failures, coalesce(sum(a.tokens_in), 0)::bigint AS tokens_in, coalesce(sum(a.tokens_out), 0)::bigint AS tokens_out,
    coalesce(sum(a.cost_micros), 0)::bigint AS cost_micros, max(p.predictions) AS predictions, max(p.calls) AS calls,
    (coalesce(sum(a.cost_micros), 0) / 1e6 / nullif(max(p.predictions), 0))::float8 AS dollars_per_prediction,
    (coalesce(sum(a.cost_micros), 0) / 1e6 / nullif(max(p.calls), 0))::float8 AS dollars_per_call
FROM analysis_attempts a
LEFT JOIN (SELECT analyzer, provider, model, prompt_version, count(*) AS predictions, sum(calls)::bigint AS calls
    FROM predictions WHERE status = 'completed' GROUP BY 1, 2, 3, 4) p
    ON (p.analyzer, p.provider, p.model, p.prompt_version) IS NOT DISTINCT FROM (a.analyzer, a.provider, a.model, a.prompt_version)
WHERE a.kind IN ('prediction_made', 'analysis_failed')
GROUP BY a.analyzer, a.provider, a.model, a.prompt_version;
COMMENT ON VIEW model_costs IS 'What every configuration has cost, failed attempts and repeated answers included.';
COMMENT ON COLUMN model_costs.answers IS 'Answers, repeated ones included.';
COMMENT ON COLUMN model_costs.failures IS 'Failed attempts.';
COMMENT ON COLUMN model_costs.predictions IS 'Completed predictions.';
COMMENT ON COLUMN model_costs.calls IS 'Assets that they name.';
COMMENT ON COLUMN model_costs.dollars_per_prediction IS 'Cost of a completed prediction in dollars.';
COMMENT ON COLUMN model_costs.dollars_per_call IS 'Cost of a call in dollars.';

-- A transaction applied exactly the events of its stream from oldest to newest recorded_at. Posts that
-- came with a rebuild, or before the 30 days that transactions are kept, have no such delay.
CREATE FUNCTION latencies(since timestamptz DEFAULT NULL)
RETURNS TABLE (step text, n bigint, p50_seconds float8, p95_seconds float8) LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT x.step, count(*), percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM x.took)::float8), percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM x.took)::float8)
    FROM (SELECT 'post to harvest' AS step, p.first_recorded_at - p.published_at AS took FROM posts p
            WHERE p.published_at >= coalesce($1, now() - interval '7 days')
        UNION ALL
        SELECT 'post to prediction', q.predicted_at - q.published_at FROM predictions q
            WHERE q.status = 'completed' AND q.is_primary AND q.published_at >= coalesce($1, now() - interval '7 days')
        UNION ALL
        SELECT 'post to read model', t.applied_at - p.published_at FROM posts p
            JOIN ops.transactions t ON t.stream = 'posts' AND p.first_recorded_at BETWEEN t.oldest_recorded_at AND t.newest_recorded_at
            WHERE p.published_at >= coalesce($1, now() - interval '7 days')) x
    GROUP BY x.step;
END;
COMMENT ON FUNCTION latencies IS 'Median and 95th percentile of the seconds from a post''s publication to its harvest, its prediction and its appearance here, of posts published since then (default: the last 7 days).';

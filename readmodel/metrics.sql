-- The metrics of domain.md 5, over table scores: n is always beside a figure, percent values are percentage
-- points, money is US dollars. Views show everything there is; functions take what a reader filters by:
--
--   basis, horizon   one of each, always
--   origins          live, retrospective, imported; null means all
--   since, until     publication of the post, both ends included; null means without end
--   model            one model, by its name alone or as model_name writes it; null means the primary analyzer
--   symbols          assets; null means all
--   min_confidence   from this confidence on; none counts as 0; null means all
--   sentiments       bullish, bearish, neutral; null means all
--
-- Every aggregate exists per row (one asset of one prediction) and by post: the rows of one post are
-- averaged first, so that a post that names ten assets weighs as much as one that names one.

-- Complementary error function, relative error below 1.2e-7. W. H. Press et al., Numerical Recipes in C,
-- 2nd edition, 6.2 (erfcc); erfc of Postgres itself is there from version 16 on only.
CREATE FUNCTION error_tail(x double precision) RETURNS double precision LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (SELECT CASE WHEN x >= 0 THEN e ELSE 2 - e END FROM (SELECT t * exp(greatest(-700, -x * x - 1.26551223 + t * (1.00002368 + t * (0.37409196 + t * (0.09678418
    + t * (-0.18628806 + t * (0.27886807 + t * (-1.13520398 + t * (1.48851587 + t * (-0.82215223 + t * 0.17087277)))))))))) AS e
    FROM (SELECT 1 / (1 + 0.5 * abs(x)) AS t) a) b);
COMMENT ON FUNCTION error_tail IS 'Complementary error function erfc.';

CREATE FUNCTION two_sided(z double precision) RETURNS double precision LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN error_tail(abs(z) / sqrt(2::float8));
COMMENT ON FUNCTION two_sided IS 'Two-sided p-value of a z statistic under the normal distribution.';

CREATE FUNCTION weekday_name(weekday integer) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (ARRAY['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'])[weekday];
COMMENT ON FUNCTION weekday_name IS 'English name of a weekday, 1 is Monday.';

-- One name for what answers, whatever its prompt: what a reader chooses a model by.
CREATE FUNCTION model_name(analyzer text, provider text, model text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN nullif(ltrim(coalesce(analyzer, '') || coalesce('/' || provider, '') || coalesce('/' || model, ''), '/'), '');
COMMENT ON FUNCTION model_name IS 'analyzer/provider/model, of what there is of them; null for a bypass, which is no model''s.';

CREATE FUNCTION selected(basis text, horizon integer, origins text[] DEFAULT NULL, since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL,
    model text DEFAULT NULL, symbols text[] DEFAULT NULL, min_confidence float8 DEFAULT NULL, sentiments text[] DEFAULT NULL)
RETURNS SETOF scores LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT s.* FROM scores s
    WHERE s.basis = $1 AND s.horizon = $2 AND ($3 IS NULL OR s.origin = ANY ($3)) AND ($4 IS NULL OR s.published_at >= $4)
        AND ($5 IS NULL OR s.published_at <= $5) AND ($6 IS NULL AND s.is_primary OR s.model = $6 OR model_name(s.analyzer, s.provider, s.model) = $6) AND ($7 IS NULL OR s.symbol = ANY ($7))
        AND ($8 IS NULL OR coalesce(s.confidence, 0) >= $8) AND ($9 IS NULL OR s.sentiment = ANY ($9));
END;
COMMENT ON FUNCTION selected IS 'The scores of one basis and horizon that the filters leave; all metric functions read it.';

-- What the figures are made of, per key and post, and the figures themselves: written once and used for every view and
-- function with figures. Sums of whole millionths are exact in float8 up to 2^53, and three times as fast as in numeric.
DO $$
DECLARE
    by_post text := 'post_id, count(*)::integer AS n, count(*) FILTER (WHERE s.correct)::integer AS k, count(*) FILTER (WHERE s.correct_abnormal)::integer AS ka,
        count(s.abnormal_micros)::integer AS na, count(*) FILTER (WHERE s.move = 1)::integer AS ups, count(*) FILTER (WHERE s.move = -1)::integer AS downs,
        count(*) FILTER (WHERE s.sentiment = ''bullish'')::integer AS bulls, count(*) FILTER (WHERE s.sentiment = ''bearish'')::integer AS bears,
        sum(s.return_micros::float8) AS r, sum(s.abnormal_micros::float8) AS a, sum(s.pnl_micros::float8) AS p';
    figures text := 'coalesce(sum(x.n), 0) AS n, coalesce(sum(x.k), 0) AS correct,
        100 * sum(x.k) / sum(x.n)::float8 AS accuracy_pct, wilson_low(sum(x.k), sum(x.n)) AS wilson_low_pct,
        wilson_high(sum(x.k), sum(x.n)) AS wilson_high_pct, 100 * sum(x.ups) / sum(x.n)::float8 AS always_bullish_pct,
        random_mix(sum(x.bulls), sum(x.bears), sum(x.n) - sum(x.bulls) - sum(x.bears),
            sum(x.ups), sum(x.downs), sum(x.n) - sum(x.ups) - sum(x.downs)) AS random_mix_pct,
        sum(x.r) / sum(x.n) / 1e6::float8 AS avg_return_pct, sum(x.a) / nullif(sum(x.na), 0) / 1e6::float8 AS avg_abnormal_pct,
        coalesce(sum(x.p), 0) / 1e6::float8 AS total_pnl, count(x.post_id) AS posts,
        coalesce(sum(x.na), 0) AS n_abnormal, 100 * sum(x.ka) / nullif(sum(x.na), 0)::float8 AS accuracy_abnormal_pct,
        100 * avg(x.k / x.n::float8) AS accuracy_by_post_pct, avg(x.r / x.n) / 1e6::float8 AS avg_return_by_post_pct,
        avg(x.a / nullif(x.na, 0)) / 1e6::float8 AS avg_abnormal_by_post_pct, coalesce(sum(x.p / x.n), 0) / 1e6::float8 AS pnl_by_post';
    filters text := 'basis text, horizon integer, origins text[] DEFAULT NULL, since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL,
        model text DEFAULT NULL, symbols text[] DEFAULT NULL, min_confidence float8 DEFAULT NULL, sentiments text[] DEFAULT NULL';
    columns text := 'n bigint, correct bigint, accuracy_pct float8, wilson_low_pct float8, wilson_high_pct float8, always_bullish_pct float8,
        random_mix_pct float8, avg_return_pct float8, avg_abnormal_pct float8, total_pnl float8, posts bigint, n_abnormal bigint,
        accuracy_abnormal_pct float8, accuracy_by_post_pct float8, avg_return_by_post_pct float8, avg_abnormal_by_post_pct float8, pnl_by_post float8';
    -- dimension, what rows are grouped by, the value and the order that follow from it
    dimensions text[] := ARRAY['confidence', 'CASE WHEN s.confidence < 0.6 THEN 1 WHEN s.confidence < 0.75 THEN 2 WHEN s.confidence >= 0.75 THEN 3 ELSE 4 END',
            '(ARRAY[''< 0.60'', ''0.60-0.75'', ''>= 0.75'', ''none''])[x.key]', 'x.key',
        'sentiment', 's.sentiment', 'x.key', '0', 'symbol', 's.symbol', 'x.key', '0', 'weekday', 's.weekday', 'weekday_name(x.key)', 'x.key',
        'phase', 's.phase', 'x.key', 'array_position(ARRAY[''pre'', ''regular'', ''post'', ''closed''], x.key)', 'origin', 's.origin', 'x.key', '0',
        'model', 'concat_ws(''/'', s.analyzer, s.provider, s.model, s.prompt_version)', 'x.key', '0',
        'month', 'date_trunc(''month'', s.published_at AT TIME ZONE ''UTC'')', 'to_char(x.key, ''YYYY-MM'')', '0'];
    branches text := '';
    parts text := '';
    i integer;
BEGIN
    EXECUTE format('CREATE VIEW accuracy AS SELECT x.basis, x.horizon, x.origin, %s FROM (SELECT s.basis, s.horizon, s.origin, s.%s FROM scores s
        WHERE s.is_primary GROUP BY s.basis, s.horizon, s.origin, s.post_id) x GROUP BY x.basis, x.horizon, x.origin', figures, by_post);
    EXECUTE format('CREATE VIEW accuracy_by_model AS SELECT x.analyzer, x.provider, x.model, x.prompt_version, x.is_primary, x.basis, x.horizon, x.origin, %s
        FROM (SELECT s.analyzer, s.provider, s.model, s.prompt_version, s.is_primary, s.basis, s.horizon, s.origin, s.%s FROM scores s
        GROUP BY s.analyzer, s.provider, s.model, s.prompt_version, s.is_primary, s.basis, s.horizon, s.origin, s.post_id) x
        GROUP BY x.analyzer, x.provider, x.model, x.prompt_version, x.is_primary, x.basis, x.horizon, x.origin', figures, by_post);
    EXECUTE format('CREATE FUNCTION figures(%s) RETURNS TABLE (%s) LANGUAGE sql STABLE PARALLEL SAFE BEGIN ATOMIC
        SELECT %s FROM (SELECT s.%s FROM selected($1, $2, $3, $4, $5, $6, $7, $8, $9) s GROUP BY s.post_id) x; END', filters, columns, figures, by_post);
    FOR i IN 1..array_length(dimensions, 1) BY 4 LOOP
        branches := branches || format('%s SELECT %L::text AS dimension, %s AS value, %s AS place, x.basis, x.horizon, x.origin, %s
            FROM (SELECT %s AS key, s.basis, s.horizon, s.origin, s.%s FROM scores s WHERE s.is_primary
            GROUP BY 1, s.basis, s.horizon, s.origin, s.post_id) x GROUP BY x.key, x.basis, x.horizon, x.origin',
            CASE WHEN i > 1 THEN ' UNION ALL' ELSE '' END, dimensions[i], dimensions[i + 2], dimensions[i + 3], figures, dimensions[i + 1], by_post);
        parts := parts || format('%s SELECT %s, %s, %s FROM (SELECT %s AS key, s.%s FROM selected($2, $3, $4, $5, $6, $7, $8, $9, $10) s
            WHERE $1 = %L GROUP BY 1, s.post_id) x GROUP BY x.key',
            CASE WHEN i > 1 THEN ' UNION ALL' ELSE '' END, dimensions[i + 2], dimensions[i + 3], figures, dimensions[i + 1], by_post, dimensions[i]);
    END LOOP;
    EXECUTE 'CREATE VIEW breakdowns AS' || branches;
    EXECUTE format('CREATE FUNCTION breakdown(dimension text, %s) RETURNS TABLE (value text, place integer, %s) LANGUAGE sql STABLE PARALLEL SAFE BEGIN ATOMIC %s; END',
        filters, columns, parts);
END $$;
COMMENT ON VIEW accuracy IS 'Accuracy of the primary analyzer per basis, horizon and origin, beside two baselines on the very same rows (domain.md 5).';
COMMENT ON VIEW accuracy_by_model IS 'Accuracy of every configuration per basis, horizon and origin, beside two baselines on the very same rows.';
COMMENT ON VIEW breakdowns IS 'The figures of the primary analyzer by one dimension at a time: ask for one dimension, basis and horizon.';
COMMENT ON COLUMN breakdowns.dimension IS 'confidence, sentiment, symbol, weekday, phase, origin, model or month (of publication, UTC).';
COMMENT ON COLUMN breakdowns.value IS 'Value of the dimension.';
COMMENT ON COLUMN breakdowns.place IS 'Order of the values, where they have one of their own.';
COMMENT ON FUNCTION figures IS 'n, accuracy with its Wilson interval and baselines, returns and P&L, per row and by post, of what the filters leave.';
COMMENT ON FUNCTION breakdown IS 'The figures by one dimension: confidence, sentiment, symbol, weekday, phase, origin, model or month, of what the filters leave.';

DO $$
DECLARE
    v text;
    c record;
BEGIN
    FOREACH v IN ARRAY ARRAY['accuracy', 'accuracy_by_model', 'breakdowns'] LOOP
        FOR c IN SELECT * FROM (VALUES ('n', 'Evaluated calls with a sentiment.'), ('correct', 'Those that were right.'),
            ('accuracy_pct', 'correct / n in percentage points.'), ('wilson_low_pct', 'Lower end of the 95 % Wilson interval of the accuracy.'),
            ('wilson_high_pct', 'Upper end of the 95 % Wilson interval of the accuracy.'), ('always_bullish_pct', 'Accuracy of always saying bullish on the same rows.'),
            ('random_mix_pct', 'Accuracy of random calls with the same mix of sentiments on the same rows.'), ('avg_return_pct', 'Mean return in percentage points.'),
            ('avg_abnormal_pct', 'Mean return above the benchmark in percentage points, of the rows that have one.'),
            ('total_pnl', 'Dollars made by 1,000 in the direction of every call.'), ('posts', 'Posts that the calls come from.'),
            ('n_abnormal', 'Rows that have a return above the benchmark.'), ('accuracy_abnormal_pct', 'Share of those that were right by that return, percentage points.'),
            ('accuracy_by_post_pct', 'Mean over posts of the accuracy of a post''s rows, percentage points.'),
            ('avg_return_by_post_pct', 'Mean over posts of the mean return of a post''s rows.'),
            ('avg_abnormal_by_post_pct', 'Mean over posts of the mean abnormal return of a post''s rows.'),
            ('pnl_by_post', 'Sum over posts of the mean P&L of a post''s rows, dollars.')) AS t (name, said) LOOP
            EXECUTE format('COMMENT ON COLUMN %I.%I IS %L', v, c.name, c.said);
        END LOOP;
    END LOOP;
END $$;

-- The edge over a baseline on the very same rows. By post: d is the mean over a post's rows of (right minus
-- what the baseline would have been right), z = mean(d) / (sd(d) / sqrt(posts)), two-sided.
CREATE FUNCTION edge(basis text, horizon integer, origins text[] DEFAULT NULL, since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL,
    model text DEFAULT NULL, symbols text[] DEFAULT NULL, min_confidence float8 DEFAULT NULL, sentiments text[] DEFAULT NULL)
RETURNS TABLE (baseline text, n bigint, posts bigint, accuracy_pct float8, baseline_pct float8, edge_pct float8, edge_by_post_pct float8,
    standard_error_pct float8, z float8, p_value float8, low_pct float8, high_pct float8) LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    WITH p AS MATERIALIZED (
        SELECT count(*)::float8 AS n, count(*) FILTER (WHERE s.correct)::float8 AS k, count(*) FILTER (WHERE s.move = 1)::float8 AS ups,
            count(*) FILTER (WHERE s.move = -1)::float8 AS downs, count(*) FILTER (WHERE s.sentiment = 'bullish')::float8 AS bulls,
            count(*) FILTER (WHERE s.sentiment = 'bearish')::float8 AS bears
        FROM selected($1, $2, $3, $4, $5, $6, $7, $8, $9) s GROUP BY s.post_id
    ), t AS (
        SELECT sum(p.n) AS n, sum(p.k) AS k, sum(p.ups) AS ups, sum(p.downs) AS downs, sum(p.bulls) AS bulls, sum(p.bears) AS bears FROM p
    ), d AS (
        SELECT count(*) AS posts, avg((p.k - p.ups) / p.n) AS bullish, stddev_samp((p.k - p.ups) / p.n) AS bullish_sd,
            avg((p.k - (t.bulls * p.ups + t.bears * p.downs + (t.n - t.bulls - t.bears) * (p.n - p.ups - p.downs)) / t.n) / p.n) AS mix,
            stddev_samp((p.k - (t.bulls * p.ups + t.bears * p.downs + (t.n - t.bulls - t.bears) * (p.n - p.ups - p.downs)) / t.n) / p.n) AS mix_sd
        FROM p CROSS JOIN t
    ), b AS (
        SELECT 'always_bullish' AS baseline, t.ups / t.n AS share, d.bullish AS mean, d.bullish_sd / sqrt(d.posts) AS se FROM t, d
        UNION ALL
        SELECT 'random_mix', (t.bulls * t.ups + t.bears * t.downs + (t.n - t.bulls - t.bears) * (t.n - t.ups - t.downs)) / t.n / t.n, d.mix, d.mix_sd / sqrt(d.posts) FROM t, d
    )
    SELECT b.baseline, coalesce(t.n, 0)::bigint, d.posts, 100 * t.k / t.n, 100 * b.share, 100 * (t.k / t.n - b.share), 100 * b.mean, 100 * b.se,
        b.mean / nullif(b.se, 0), two_sided(b.mean / nullif(b.se, 0)), 100 * (b.mean - 1.959963984540054 * b.se), 100 * (b.mean + 1.959963984540054 * b.se)
    FROM b, t, d;
END;
COMMENT ON FUNCTION edge IS 'Accuracy minus that of two baselines (always_bullish, random_mix) on the same rows; standard error, z, two-sided p-value and 95 % interval by post.';

CREATE FUNCTION calibration(basis text, horizon integer, origins text[] DEFAULT NULL, since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL,
    model text DEFAULT NULL, symbols text[] DEFAULT NULL, min_confidence float8 DEFAULT NULL, sentiments text[] DEFAULT NULL)
RETURNS TABLE (confidence_from float8, confidence_to float8, n bigint, correct bigint, mean_confidence_pct float8, accuracy_pct float8,
    wilson_low_pct float8, wilson_high_pct float8, brier float8) LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT bin / 10.0::float8, (bin + 1) / 10.0::float8, coalesce(x.n, 0), coalesce(x.k, 0), 100 * x.mean, 100 * x.k / x.n::float8,
        wilson_low(x.k, x.n), wilson_high(x.k, x.n), x.brier
    FROM generate_series(0, 9) bin LEFT JOIN (
        SELECT least(9, floor(s.confidence * 10 + 1e-9))::integer AS bin, count(*) AS n, count(*) FILTER (WHERE s.correct) AS k,
            avg(s.confidence) AS mean, avg((s.confidence - s.correct::integer) ^ 2) AS brier
        FROM selected($1, $2, $3, $4, $5, $6, $7, $8, $9) s WHERE s.confidence IS NOT NULL GROUP BY 1) x USING (bin)
    ORDER BY bin;
END;
COMMENT ON FUNCTION calibration IS 'Ten bins of confidence, 0.1 each (1.0 in the last): mean confidence against accuracy, and the Brier score of each.';

CREATE FUNCTION brier(basis text, horizon integer, origins text[] DEFAULT NULL, since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL,
    model text DEFAULT NULL, symbols text[] DEFAULT NULL, min_confidence float8 DEFAULT NULL, sentiments text[] DEFAULT NULL)
RETURNS TABLE (n bigint, mean_confidence_pct float8, accuracy_pct float8, brier float8) LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT count(*), 100 * avg(s.confidence), 100.0::float8 * count(*) FILTER (WHERE s.correct) / nullif(count(*), 0), avg((s.confidence - s.correct::integer) ^ 2)
    FROM selected($1, $2, $3, $4, $5, $6, $7, $8, $9) s WHERE s.confidence IS NOT NULL;
END;
COMMENT ON FUNCTION brier IS 'Brier score: mean of (confidence - right)^2, 0 is perfect, of the rows that have a confidence.';

CREATE FUNCTION equity(basis text, horizon integer, origins text[] DEFAULT NULL, since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL,
    model text DEFAULT NULL, symbols text[] DEFAULT NULL, min_confidence float8 DEFAULT NULL, sentiments text[] DEFAULT NULL)
RETURNS TABLE (target_session date, n bigint, pnl float8, equity float8, drawdown float8) LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT e.target_session, e.n, (e.p / 1e6)::float8, (e.total / 1e6)::float8, ((e.total - greatest(0, max(e.total) OVER (ORDER BY e.target_session))) / 1e6)::float8
    FROM (SELECT s.target_session, count(*) AS n, sum(s.pnl_micros) AS p, sum(sum(s.pnl_micros)) OVER (ORDER BY s.target_session) AS total
        FROM selected($1, $2, $3, $4, $5, $6, $7, $8, $9) s GROUP BY s.target_session) e
    ORDER BY e.target_session;
END;
COMMENT ON FUNCTION equity IS 'P&L by target session, added up, and how far that is below its highest point so far (the start, 0, included; never above 0).';

CREATE FUNCTION performance(basis text, horizon integer, origins text[] DEFAULT NULL, since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL,
    model text DEFAULT NULL, symbols text[] DEFAULT NULL, min_confidence float8 DEFAULT NULL, sentiments text[] DEFAULT NULL)
RETURNS TABLE (n bigint, sessions bigint, first_target date, last_target date, total_pnl float8, mean_daily_pnl float8, deviation_daily_pnl float8,
    sharpe float8, max_drawdown float8) LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    WITH e AS MATERIALIZED (SELECT q.* FROM equity($1, $2, $3, $4, $5, $6, $7, $8, $9) q), span AS (SELECT min(e.target_session) AS a, max(e.target_session) AS z FROM e)
    SELECT coalesce(sum(e.n), 0)::bigint, count(*), min(d.session_date), max(d.session_date), coalesce(sum(e.pnl), 0), avg(coalesce(e.pnl, 0)),
        stddev_samp(coalesce(e.pnl, 0)), avg(coalesce(e.pnl, 0)) / nullif(stddev_samp(coalesce(e.pnl, 0)), 0) * sqrt(252::float8), coalesce(min(e.drawdown), 0)
    FROM span JOIN sessions d ON d.session_date BETWEEN span.a AND span.z LEFT JOIN e ON e.target_session = d.session_date;
END;
COMMENT ON FUNCTION performance IS 'Sharpe ratio (mean / sample deviation of daily P&L over the sessions from first to last target, zero where none, x sqrt(252)) and greatest drawdown.';

-- The order of rows in time is that of target session, post time, prediction and symbol, for everything that counts the last ones or runs of them.
CREATE FUNCTION rolling_accuracy(basis text, horizon integer, origins text[] DEFAULT NULL, since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL,
    model text DEFAULT NULL, symbols text[] DEFAULT NULL, min_confidence float8 DEFAULT NULL, sentiments text[] DEFAULT NULL)
RETURNS TABLE (target_session date, n bigint, correct bigint, accuracy_pct float8) LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT x.target_session, x.n, x.k, 100 * x.k / x.n::float8
    FROM (SELECT s.target_session, count(*) OVER last AS n, count(*) FILTER (WHERE s.correct) OVER last AS k,
            lead(s.target_session) OVER (ORDER BY s.target_session, s.published_at, s.prediction_id COLLATE "C", s.symbol COLLATE "C") IS DISTINCT FROM s.target_session AS closes
        FROM selected($1, $2, $3, $4, $5, $6, $7, $8, $9) s
        WINDOW last AS (ORDER BY s.target_session, s.published_at, s.prediction_id COLLATE "C", s.symbol COLLATE "C" ROWS 29 PRECEDING)) x
    WHERE x.closes;
END;
COMMENT ON FUNCTION rolling_accuracy IS 'Accuracy of the last 30 evaluated rows, as it stood after each target session.';

CREATE FUNCTION streaks(basis text, horizon integer, origins text[] DEFAULT NULL, since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL,
    model text DEFAULT NULL, symbols text[] DEFAULT NULL, min_confidence float8 DEFAULT NULL, sentiments text[] DEFAULT NULL)
RETURNS TABLE (n bigint, current bigint, longest_win bigint, longest_loss bigint) LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    WITH x AS (
        SELECT s.correct, row_number() OVER (ORDER BY s.target_session, s.published_at, s.prediction_id COLLATE "C", s.symbol COLLATE "C") AS place
        FROM selected($1, $2, $3, $4, $5, $6, $7, $8, $9) s
    ), y AS (SELECT x.correct, x.place, x.place - row_number() OVER (PARTITION BY x.correct ORDER BY x.place) AS run FROM x),
    r AS (SELECT y.correct, max(y.place) AS ends, count(*) AS length FROM y GROUP BY y.correct, y.run)
    SELECT coalesce(sum(r.length), 0)::bigint,
        coalesce((SELECT CASE WHEN l.correct THEN l.length ELSE -l.length END FROM r l ORDER BY l.ends DESC LIMIT 1), 0),
        coalesce(max(r.length) FILTER (WHERE r.correct), 0), coalesce(max(r.length) FILTER (WHERE NOT r.correct), 0)
    FROM r;
END;
COMMENT ON FUNCTION streaks IS 'Runs of right and wrong rows in the order (target session, post time, prediction, symbol): the current one (negative: losses), the longest of each.';

CREATE FUNCTION backtest(basis text, horizon integer, capital float8 DEFAULT 10000, threshold float8 DEFAULT 0, cost_bps float8 DEFAULT 5, shorts boolean DEFAULT true,
    origins text[] DEFAULT NULL, since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL, model text DEFAULT NULL, symbols text[] DEFAULT NULL, min_confidence float8 DEFAULT NULL, sentiments text[] DEFAULT NULL)
RETURNS TABLE (target_session date, trades bigint, wins bigint, pnl float8, costs float8, capital_after float8, drawdown float8) LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT y.target_session, y.trades, y.wins, y.pnl, y.costs, y.after, y.after - greatest($3, max(y.after) OVER (ORDER BY y.target_session))
    FROM (SELECT x.target_session, x.trades, x.wins, x.pnl, x.trades * $5 * 0.2 AS costs, $3 + sum(x.pnl - x.trades * $5 * 0.2) OVER (ORDER BY x.target_session) AS after
        FROM (SELECT s.target_session, count(*) AS trades, count(*) FILTER (WHERE s.pnl_micros / 1e6 > $5 * 0.2) AS wins, (sum(s.pnl_micros) / 1e6)::float8 AS pnl
            FROM selected($1, $2, $7, $8, $9, $10, $11, $12, $13) s
            WHERE s.confidence >= $4 AND (s.sentiment = 'bullish' OR s.sentiment = 'bearish' AND $6) GROUP BY s.target_session) x) y
    ORDER BY y.target_session;
END;
COMMENT ON FUNCTION backtest IS 'Trading 1,000 dollars on every row with confidence >= threshold: capital after each target session. cost_bps basis points per side, two sides a trade; neutral is no trade; bearish rows only with shorts. wins are after costs. The last row is the result.';

CREATE FUNCTION screener(basis text, horizon integer, origins text[] DEFAULT NULL, since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL,
    model text DEFAULT NULL, symbols text[] DEFAULT NULL, min_confidence float8 DEFAULT NULL, sentiments text[] DEFAULT NULL)
RETURNS TABLE (symbol text, n bigint, correct bigint, accuracy_pct float8, wilson_low_pct float8, wilson_high_pct float8, avg_return_pct float8,
    avg_abnormal_pct float8, total_pnl float8, last_published_at timestamptz, last_returns float8[]) LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT x.symbol, x.n, x.k, 100 * x.k / x.n::float8, wilson_low(x.k, x.n), wilson_high(x.k, x.n), x.r / x.n / 1e6::float8, x.a / nullif(x.na, 0) / 1e6::float8,
        x.p / 1e6::float8, x.newest, ARRAY(SELECT l.v / 1e6::float8 FROM unnest(x.last) WITH ORDINALITY l (v, place) ORDER BY l.place DESC)
    FROM (SELECT s.symbol COLLATE "C" AS symbol, count(*) AS n, count(*) FILTER (WHERE s.correct) AS k, count(s.abnormal_micros) AS na, sum(s.return_micros::float8) AS r,
            sum(s.abnormal_micros::float8) AS a, sum(s.pnl_micros::float8) AS p, max(s.published_at) AS newest,
            (array_agg(s.return_micros ORDER BY s.target_session DESC, s.published_at DESC, s.prediction_id COLLATE "C" DESC))[1:30] AS last
        FROM selected($1, $2, $3, $4, $5, $6, $7, $8, $9) s GROUP BY s.symbol COLLATE "C") x;
END;
COMMENT ON FUNCTION screener IS 'Every asset with its figures and its last 30 returns (percentage points), oldest first.';

-- Every outcome (domain.md 4) straight from the lake: what the projector computes, as one SQL statement that
-- both DuckDB and Spark run. It is equal to the read model's table outcomes on the default settings (tested).
--
-- It needs four views: events_prices (all events of that stream), calls (one row per asset of a prediction:
-- prediction_id, symbol, sentiment, published_at, predicted_at, prompt_version, post_id), sessions (the rows of
-- sessions.csv, all text) and settings (benchmark, band).
CREATE OR REPLACE TEMPORARY VIEW lake_outcomes AS
WITH taken_back AS (
    SELECT retracted_events, retracted_batch FROM events_prices WHERE kind = 'retracted'),
valid AS (
    SELECT * FROM events_prices e WHERE NOT EXISTS (
        SELECT 1 FROM taken_back r WHERE array_contains(r.retracted_events, e.event_id) OR r.retracted_batch = e.batch_id)),
-- of a fact the newest word counts
bars AS (
    SELECT symbol, session_date, source, open, close, adjustment, adjusted_through, coalesce(source_rank, 0) AS source_rank, fetch_id,
        CASE adjustment WHEN 'split' THEN 0 WHEN 'none' THEN 1 ELSE 2 END AS class
    FROM (SELECT *, row_number() OVER (PARTITION BY symbol, session_date, source ORDER BY recorded_at DESC, event_id DESC) AS age
        FROM valid WHERE kind = 'bar_recorded') b WHERE age = 1),
told AS (
    SELECT symbol, session_date, ratio
    FROM (SELECT *, row_number() OVER (PARTITION BY symbol, session_date ORDER BY recorded_at DESC, event_id DESC) AS age
        FROM valid WHERE kind = 'split_recorded') s WHERE age = 1),
-- sources differ by days about when a split took effect; its earliest date counts
splits AS (
    SELECT * FROM told t WHERE NOT EXISTS (
        SELECT 1 FROM told e WHERE e.symbol = t.symbol AND abs(e.ratio / t.ratio - 1) < 0.001
            AND e.session_date < t.session_date AND e.session_date >= t.session_date - 5)),
numbered AS (
    SELECT row_number() OVER (ORDER BY session_date) AS i, CAST(session_date AS DATE) AS session_date,
        CAST(concat(session_date, ' ', opens, ':00') AS TIMESTAMP) AS opens_at, CAST(concat(session_date, ' ', closes, ':00') AS TIMESTAMP) AS closes_at
    FROM sessions),
-- when a bar opens and closes (domain.md 3): with the session; at 00:00 UTC; at 18:00 New York the evening before
-- and 17:00, which are 930 minutes before and 450 after 09:30
opening AS (
    SELECT 'share' AS market, i, session_date, opens_at, closes_at FROM numbered
    UNION ALL SELECT 'crypto', i, session_date, CAST(session_date AS TIMESTAMP), CAST(session_date AS TIMESTAMP) + INTERVAL '24' HOUR FROM numbered
    UNION ALL SELECT 'futures', i, session_date, opens_at - INTERVAL '930' MINUTE, opens_at + INTERVAL '450' MINUTE FROM numbered),
called AS (
    SELECT *, CAST(published_at AS DATE) AS day, CASE WHEN symbol LIKE '%-USD' THEN 'crypto'
        WHEN symbol LIKE '%=F' OR symbol LIKE '%=X' THEN 'futures' ELSE 'share' END AS market
    FROM calls),
places AS (
    SELECT c.prediction_id, c.symbol, max(CASE WHEN o.closes_at <= c.published_at AND o.session_date <= c.day THEN o.i END) AS closed,
        min(CASE WHEN o.opens_at > c.published_at AND o.session_date >= c.day THEN o.i END) AS opens,
        min(CASE WHEN o.opens_at > c.published_at AND o.session_date >= c.day THEN o.opens_at END) AS first_chance,
        max(CASE WHEN o.session_date <= c.day THEN o.i END) AS on_or_before, min(CASE WHEN o.session_date >= c.day THEN o.i END) AS on_or_after
    FROM called c JOIN opening o ON o.market = c.market
        AND o.opens_at > c.published_at - INTERVAL '20' DAY AND o.opens_at < c.published_at + INTERVAL '20' DAY
    GROUP BY c.prediction_id, c.symbol),
spans AS (
    SELECT p.prediction_id, p.symbol, b.basis, h.horizon, p.first_chance,
        CASE b.basis WHEN 'prior_close' THEN closed WHEN 'next_open' THEN opens ELSE on_or_before END AS base,
        CASE b.basis WHEN 'prior_close' THEN closed + horizon WHEN 'next_open' THEN opens + horizon - 1 ELSE on_or_after + horizon END AS target
    FROM places p CROSS JOIN (SELECT 'prior_close' AS basis UNION ALL SELECT 'next_open' UNION ALL SELECT 'legacy') b
    CROSS JOIN (SELECT 1 AS horizon UNION ALL SELECT 3 UNION ALL SELECT 7 UNION ALL SELECT 30) h),
dated AS (
    SELECT s.*, b.session_date AS base_session, t.session_date AS target_session, s.basis = 'next_open' AS at_open
    FROM spans s JOIN numbered b ON b.i = s.base JOIN numbered t ON t.i = s.target),
wanted AS (
    SELECT symbol, base_session, target_session, at_open FROM dated
    UNION SELECT s.benchmark, base_session, target_session, at_open FROM dated CROSS JOIN settings s),
-- both bars of an outcome come from one source, dividend-adjusted ones of one fetch
pairs AS (
    SELECT w.*, b.source, greatest(b.class, t.class) AS class, b.source_rank, b.open AS base_open, b.close AS base_close, t.close AS target_close,
        b.adjusted_through AS base_through, t.adjusted_through AS target_through,
        CASE split_part(b.source, ':', 1) WHEN 'yahoo' THEN 0 WHEN 'stooq' THEN 1 WHEN 'file' THEN 2 WHEN 'legacy' THEN 3 WHEN 'simulator' THEN 4 ELSE 5 END AS family
    FROM wanted w JOIN bars b ON b.symbol = w.symbol AND b.session_date = w.base_session
    JOIN bars t ON t.symbol = w.symbol AND t.session_date = w.target_session AND t.source = b.source
    WHERE greatest(b.class, t.class) < 2 OR b.fetch_id = t.fetch_id AND b.adjustment = t.adjustment),
chosen AS (
    SELECT * FROM (SELECT *, row_number() OVER (PARTITION BY symbol, base_session, target_session, at_open
        ORDER BY class, family, source_rank, source) AS place FROM pairs) p WHERE place = 1),
-- splits between the dates up to which the two prices are adjusted
ratios AS (
    SELECT c.symbol, c.base_session, c.target_session, c.at_open,
        CASE count(s.ratio) WHEN 1 THEN max(s.ratio) ELSE round(exp(sum(ln(s.ratio))), 12) END AS ratio
    FROM chosen c JOIN splits s ON s.symbol = c.symbol AND s.session_date > least(c.base_through, c.target_through)
        AND s.session_date <= greatest(c.base_through, c.target_through)
    GROUP BY c.symbol, c.base_session, c.target_session, c.at_open),
-- steps of an unadjusted source that look like a split nobody told of
steps AS (
    SELECT symbol, source, session_date AS after_jump, lag(session_date) OVER by_day AS before_jump, close / lag(close) OVER by_day AS move,
        adjustment = 'none' OR lag(adjustment) OVER by_day = 'none' AS unadjusted
    FROM bars WINDOW by_day AS (PARTITION BY symbol, source ORDER BY session_date)),
jumps AS (
    SELECT DISTINCT j.symbol, j.source, j.before_jump, j.after_jump FROM steps j
    JOIN (SELECT 2 AS r UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5 UNION ALL SELECT 10 UNION ALL SELECT 20) n
        ON abs(j.move / n.r - 1) <= CAST(0.020000001 AS DOUBLE) OR abs(j.move * n.r - 1) <= CAST(0.020000001 AS DOUBLE)
    WHERE j.unadjusted AND NOT EXISTS (SELECT 1 FROM splits s
        WHERE s.symbol = j.symbol AND s.session_date > j.before_jump AND s.session_date <= j.after_jump)),
suspects AS (
    SELECT DISTINCT c.symbol, c.base_session, c.target_session, c.at_open FROM chosen c
    JOIN jumps j ON j.symbol = c.symbol AND j.source = c.source AND c.base_session <= j.before_jump AND j.after_jump <= c.target_session
    WHERE c.class = 1),
moves AS (
    SELECT c.symbol, c.base_session, c.target_session, c.at_open, c.source,
        CASE WHEN c.at_open THEN base_open ELSE base_close END / CASE WHEN base_through < target_through THEN coalesce(r.ratio, 1) ELSE 1 END AS base_price,
        target_close / CASE WHEN target_through < base_through THEN coalesce(r.ratio, 1) ELSE 1 END AS target_price
    FROM chosen c
    LEFT JOIN ratios r ON r.symbol = c.symbol AND r.base_session = c.base_session AND r.target_session = c.target_session AND r.at_open = c.at_open
    LEFT JOIN suspects x ON x.symbol = c.symbol AND x.base_session = c.base_session AND x.target_session = c.target_session AND x.at_open = c.at_open
    WHERE x.symbol IS NULL),
-- whole millionths of a percentage point, rounded once
quotes AS (
    SELECT *, CAST(round((target_price - base_price) / base_price * 100 * 1000000) AS BIGINT) AS micros FROM moves
    WHERE abs((target_price - base_price) / base_price * 100) <= 100000000),
scored AS (
    SELECT d.prediction_id, d.symbol, d.basis, d.horizon, d.base_session, d.target_session, q.source, q.micros,
        CASE WHEN d.symbol <> s.benchmark THEN q.micros - m.micros END AS abnormal_micros,
        CASE c.sentiment WHEN 'bullish' THEN 1 WHEN 'bearish' THEN -1 WHEN 'neutral' THEN 0 END AS sign,
        CAST(round(s.band * 1000000) AS BIGINT) AS band, c.sentiment, c.post_id,
        CASE WHEN c.prompt_version LIKE 'legacy:%' THEN 'imported' WHEN c.predicted_at <= d.first_chance THEN 'live' ELSE 'retrospective' END AS origin
    FROM dated d CROSS JOIN settings s
    JOIN calls c ON c.prediction_id = d.prediction_id AND c.symbol = d.symbol
    JOIN quotes q ON q.symbol = d.symbol AND q.base_session = d.base_session AND q.target_session = d.target_session AND q.at_open = d.at_open
    LEFT JOIN quotes m ON m.symbol = s.benchmark AND m.base_session = d.base_session AND m.target_session = d.target_session AND m.at_open = d.at_open)
SELECT prediction_id, symbol, basis, horizon, base_session, target_session, source, micros / CAST(1000000 AS DOUBLE) AS return_pct,
    abnormal_micros / CAST(1000000 AS DOUBLE) AS abnormal_pct, sign * micros / CAST(100000 AS DOUBLE) AS pnl, sentiment, origin, post_id,
    CASE WHEN sign = 0 THEN micros BETWEEN -band AND band WHEN sign <> 0 THEN sign * micros > band END AS correct,
    CASE WHEN micros > band THEN 1 WHEN micros < -band THEN -1 ELSE 0 END AS move
FROM scored;

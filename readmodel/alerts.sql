-- What Grafana's alert rules ask for: functions after pipeline.sql. Each takes the time of asking as "at", so that a
-- test can ask for any. A row is one message: text columns become its labels, the one number its value, and a row whose
-- labels change is another message. So labels hold what does not change any more: the version of the post that was
-- analysed, the answer that stands. A row stays for 24 hours, so that a reader or a projector that was down for less loses none.
--
-- Only calls that are live, by the primary analyzer, not made up, and whose post was under 24 hours old when
-- the answer came, are ever told of: a first start and a backfill of history tell nothing.

-- Rules ask twice a minute for the last hours: by when something was recorded.
CREATE INDEX ON analysis_attempts (occurred_at);
CREATE INDEX ON predictions (recorded_at);

-- The room is counted as Telegram and Grafana count: UTF-16 units after the template's html has escaped the text.
CREATE FUNCTION alert_text(said text, room integer) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    WITH s AS (SELECT left(btrim(regexp_replace(coalesce($1, ''), '[\s\u00a0\u200b\u2028\u2029\ufeff]+', ' ', 'g')), $2 + 1) AS t),
    c AS (SELECT x.ch, x.place, sum(CASE WHEN x.ch IN ('&', '"', '''') THEN 5 WHEN x.ch IN ('<', '>') THEN 4 WHEN ascii(x.ch) > 65535 THEN 2 ELSE 1 END)
            OVER (ORDER BY x.place) AS used
        FROM s CROSS JOIN LATERAL regexp_split_to_table(s.t, '') WITH ORDINALITY x (ch, place))
    SELECT CASE WHEN coalesce(max(c.used), 0) <= $2 THEN coalesce(string_agg(c.ch, '' ORDER BY c.place), '')
        ELSE btrim(string_agg(c.ch, '' ORDER BY c.place) FILTER (WHERE c.used < $2)) || '…' END
    FROM c;
END;
COMMENT ON FUNCTION alert_text IS 'A text for an alert: white space as single spaces, cut with … to the room, counted in UTF-16 units after escaping for HTML.';

CREATE FUNCTION alert_link(url text, post_id text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN length(url) <= 300 AND url ~ '^https?://[^\s"''<>]+$' THEN url ELSE 'https://truthsocial.com/@realDonaldTrump/' || post_id END;
COMMENT ON FUNCTION alert_link IS 'Address of a post for an alert: the source''s, where it is one, else the one that its id gives.';

CREATE FUNCTION alert_confidence(confidence double precision) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN coalesce(round((confidence * 100)::numeric)::text || ' %', 'unknown');
COMMENT ON FUNCTION alert_confidence IS 'Confidence (0 to 1) as whole percent.';

-- The calls that may be told of, and that the filters leave; null assets or sentiments leave all.
CREATE FUNCTION alert_calls(min_confidence double precision, of_assets text[], of_sentiments text[])
RETURNS TABLE (prediction_id text, symbol text, "position" integer, sentiment text, confidence double precision, post_id text,
    published_at timestamptz, predicted_at timestamptz, recorded_at timestamptz, thesis text, causation_id text) LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT c.prediction_id, c.symbol, c.position, c.sentiment, c.confidence, c.post_id, c.published_at, c.predicted_at, p.recorded_at, p.thesis, p.causation_id
    FROM calls c JOIN predictions p ON p.prediction_id = c.prediction_id
    WHERE c.origin = 'live' AND p.is_primary AND NOT p.synthetic AND c.predicted_at < c.published_at + interval '24 hours'
        AND coalesce(c.confidence, 0) >= coalesce($1, 0) AND ($2 IS NULL OR c.symbol = ANY ($2)) AND ($3 IS NULL OR c.sentiment = ANY ($3));
END;
COMMENT ON FUNCTION alert_calls IS 'The calls that alerts may tell of: live, primary, not made up, of a post under 24 hours old when the answer came, and left by the filters.';

CREATE FUNCTION new_call_alerts(at timestamptz, min_confidence double precision DEFAULT 0, of_assets text[] DEFAULT NULL, of_sentiments text[] DEFAULT NULL)
RETURNS TABLE (prediction_id text, post_id text, published text, assets text, sentiment text, confidence text, text text, thesis text, link text, value double precision)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT a.prediction_id, a.post_id, to_char(a.published_at AT TIME ZONE 'America/New_York', 'Dy DD Mon YYYY HH24:MI') || ' New York',
        alert_text(a.assets, 600), a.sentiment, alert_confidence(a.confidence), alert_text(v.text, 1600), alert_text(a.thesis, 800), alert_link(v.url, a.post_id), 1::float8
    FROM (SELECT c.prediction_id, c.post_id, c.published_at, c.confidence, c.thesis, c.causation_id,
            string_agg(CASE c.sentiment WHEN 'bullish' THEN '▲ ' WHEN 'bearish' THEN '▼ ' ELSE '◆ ' END || c.symbol || ' ' || coalesce(c.sentiment, 'without sentiment'), ', '
                ORDER BY c.position) AS assets,
            CASE WHEN count(DISTINCT coalesce(c.sentiment, 'none')) = 1 THEN coalesce(min(c.sentiment), 'none') ELSE 'mixed' END AS sentiment
        FROM alert_calls($2, NULL, NULL) c
        WHERE c.published_at > $1 - interval '24 hours' AND c.published_at <= $1
        GROUP BY c.prediction_id, c.post_id, c.published_at, c.confidence, c.thesis, c.causation_id
        HAVING bool_or(($3 IS NULL OR c.symbol = ANY ($3)) AND ($4 IS NULL OR c.sentiment = ANY ($4)))) a
    JOIN post_versions v ON v.event_id = a.causation_id
    JOIN posts q ON q.post_id = a.post_id AND NOT q.is_redacted;
END;
COMMENT ON FUNCTION new_call_alerts IS 'A row for every prediction whose post is under 24 hours old and that has a call which the filters leave; it tells all its live calls. The text is that of the version that was analysed.';

-- A late price is no news: what was due over three days ago is not told.
CREATE FUNCTION follow_up_alerts(at timestamptz, min_confidence double precision DEFAULT 0, of_assets text[] DEFAULT NULL, of_sentiments text[] DEFAULT NULL)
RETURNS TABLE (prediction_id text, symbol text, horizon text, post_id text, published text, sentiment text, confidence text, verdict text, base_session text,
    target_session text, text text, link text, value double precision) LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT c.prediction_id, alert_text(c.symbol, 60), o.horizon::text, c.post_id, to_char(c.published_at AT TIME ZONE 'America/New_York', 'Dy DD Mon YYYY HH24:MI') || ' New York',
        coalesce(c.sentiment, 'without sentiment'), alert_confidence(c.confidence), CASE o.correct WHEN true THEN 'right' WHEN false THEN 'wrong' ELSE 'not scored' END,
        o.base_session::text, o.target_session::text, alert_text(v.text, 500), alert_link(v.url, c.post_id), o.return_pct::float8
    FROM outcomes o
    JOIN alert_calls($2, $3, $4) c ON c.prediction_id = o.prediction_id AND c.symbol = o.symbol
    JOIN post_versions v ON v.event_id = c.causation_id
    JOIN posts q ON q.post_id = c.post_id AND NOT q.is_redacted
    WHERE o.basis = 'next_open' AND o.horizon IN (1, 7) AND o.return_pct IS NOT NULL
        AND o.first_priced_at > $1 - interval '24 hours' AND o.first_priced_at <= $1 AND o.due_at > $1 - interval '72 hours';
END;
COMMENT ON FUNCTION follow_up_alerts IS 'A row for every call of which horizon 1 or 7 (basis next_open) was evaluated in the last 24 hours and was due in the last 72; its value is the return in percentage points, which is no label: a corrected price is not told again unless the verdict changes.';

-- A moment of a day in New York, right on both sides of a change of its clocks.
CREATE FUNCTION new_york(day date, clock time) RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE
RETURN (day + clock) AT TIME ZONE 'America/New_York';
COMMENT ON FUNCTION new_york IS 'The instant at which clocks in New York show this time on this day.';

-- Everything recorded before as_of is applied: a projector looked for news two minutes later and had none left. Until then
-- a summary would still change.
CREATE FUNCTION applied_through(as_of timestamptz) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT coalesce(min(h.checked_at) > $1 + interval '2 minutes', false) FROM ops.health h;
END;
COMMENT ON FUNCTION applied_through IS 'Whether the projector has applied everything that was recorded before this instant.';

-- The bounds of ten days are wider than those of s and of w below, and say the planner, which does not know those, how little is read.
CREATE FUNCTION daily_briefing_alerts(at timestamptz, min_confidence double precision DEFAULT 0, of_assets text[] DEFAULT NULL, of_sentiments text[] DEFAULT NULL)
RETURNS TABLE (session text, opens text, calls text, evaluated text, due text, value double precision) LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    WITH s AS (
        SELECT d.session_date, d.opens_at, d.is_early, new_york(d.session_date, '08:30') AS as_of,
            (SELECT new_york(max(e.session_date), '08:30') FROM sessions e WHERE e.session_date < d.session_date) AS since
        FROM sessions d
        WHERE d.session_date BETWEEN ($1 AT TIME ZONE 'America/New_York')::date - 1 AND ($1 AT TIME ZONE 'America/New_York')::date
            AND $1 >= new_york(d.session_date, '08:30') AND $1 < new_york(d.session_date, '08:30') + interval '24 hours'
            AND applied_through(new_york(d.session_date, '08:30'))
    ), n AS (
        SELECT count(*) AS calls, count(DISTINCT c.prediction_id) AS predictions, alert_text(string_agg(c.symbol || ' ' || coalesce(c.sentiment, 'without sentiment') || ' ' || alert_confidence(c.confidence), ', '
            ORDER BY c.confidence DESC NULLS LAST, c.published_at, c.prediction_id COLLATE "C", c.position), 1200) AS list
        FROM s JOIN alert_calls($2, $3, $4) c ON c.recorded_at > s.since AND c.recorded_at <= s.as_of
        WHERE c.recorded_at > $1 - interval '10 days' AND c.recorded_at <= $1
    ), e AS (
        SELECT count(*) AS n, count(*) FILTER (WHERE o.correct) AS correct, sum(o.pnl) AS pnl
        FROM s JOIN outcomes o ON o.first_priced_at > s.since AND o.first_priced_at <= s.as_of JOIN alert_calls($2, $3, $4) c ON c.prediction_id = o.prediction_id AND c.symbol = o.symbol
        WHERE o.basis = 'next_open' AND o.horizon IN (1, 7) AND o.correct IS NOT NULL AND o.due_at > s.since - interval '72 hours' AND c.recorded_at <= s.as_of
            AND o.first_priced_at > $1 - interval '10 days' AND o.first_priced_at <= $1
    ), d AS (
        SELECT count(*) AS n, alert_text(string_agg(c.symbol || ' after ' || o.horizon, ', ' ORDER BY o.horizon, c.symbol COLLATE "C", c.prediction_id COLLATE "C"), 600) AS list
        FROM s JOIN outcomes o ON o.target_session = s.session_date JOIN alert_calls($2, $3, $4) c ON c.prediction_id = o.prediction_id AND c.symbol = o.symbol
        WHERE o.basis = 'next_open' AND o.horizon IN (1, 7) AND c.recorded_at <= s.as_of
            AND o.target_session BETWEEN ($1 AT TIME ZONE 'America/New_York')::date - 1 AND ($1 AT TIME ZONE 'America/New_York')::date
    )
    SELECT s.session_date::text, to_char(s.opens_at AT TIME ZONE 'America/New_York', 'HH24:MI') || ' New York' || CASE WHEN s.is_early THEN ', closes early at 13:00' ELSE '' END,
        CASE n.calls WHEN 0 THEN 'none' ELSE n.calls || ' on ' || n.predictions || CASE n.predictions WHEN 1 THEN ' post: ' ELSE ' posts: ' END || n.list END,
        CASE e.n WHEN 0 THEN 'none' ELSE e.correct || ' of ' || e.n || ' right, P&L ' || to_char(round(e.pnl, 2), 'FMSG999999990.00') || ' $' END,
        CASE d.n WHEN 0 THEN 'none' ELSE d.n || ': ' || d.list END, n.calls + e.n + d.n
    FROM s, n, e, d
    WHERE n.calls + e.n + d.n > 0;
END;
COMMENT ON FUNCTION daily_briefing_alerts IS 'One row from 08:30 New York of every session, an hour before its open, for 24 hours: calls recorded since the last briefing, what was evaluated since (horizons 1 and 7, basis next_open), what is due at this close. As it stood at 08:30; none when there is nothing to tell.';

CREATE FUNCTION weekly_scorecard_alerts(at timestamptz, min_confidence double precision DEFAULT 0, of_assets text[] DEFAULT NULL, of_sentiments text[] DEFAULT NULL)
RETURNS TABLE (week text, calls text, after_1 text, after_7 text, best text, worst text, value double precision) LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    WITH w AS (
        SELECT x.monday, new_york(x.monday + 5, '09:00') AS as_of, new_york(x.monday - 2, '09:00') AS since
        FROM (SELECT date_trunc('week', $1 AT TIME ZONE 'America/New_York')::date AS monday) x
        WHERE $1 >= new_york(x.monday + 5, '09:00') AND $1 < new_york(x.monday + 5, '09:00') + interval '24 hours' AND applied_through(new_york(x.monday + 5, '09:00'))
    ), n AS (
        SELECT count(*) AS calls, count(DISTINCT c.prediction_id) AS predictions FROM w JOIN alert_calls($2, $3, $4) c ON c.recorded_at > w.since AND c.recorded_at <= w.as_of
        WHERE c.recorded_at > $1 - interval '10 days' AND c.recorded_at <= $1
    ), o AS MATERIALIZED (
        SELECT o.horizon, o.correct, o.pnl, c.symbol || ' ' || c.sentiment || ' ' || to_char(round(o.return_pct, 2), 'FMSG999999990.00') || ' % after ' || o.horizon AS said,
            row_number() OVER (ORDER BY o.pnl, o.horizon, c.symbol COLLATE "C", c.prediction_id COLLATE "C") AS place
        FROM w JOIN outcomes o ON o.first_priced_at > w.since AND o.first_priced_at <= w.as_of JOIN alert_calls($2, $3, $4) c ON c.prediction_id = o.prediction_id AND c.symbol = o.symbol
        WHERE o.basis = 'next_open' AND o.horizon IN (1, 7) AND o.correct IS NOT NULL AND o.due_at > w.since - interval '72 hours' AND c.recorded_at <= w.as_of
            AND o.first_priced_at > $1 - interval '10 days' AND o.first_priced_at <= $1
    ), f AS (
        SELECT h.horizon, CASE count(o.pnl) WHEN 0 THEN 'none' ELSE count(*) FILTER (WHERE o.correct) || ' of ' || count(o.pnl) || ' right ('
            || round(100.0 * count(*) FILTER (WHERE o.correct) / nullif(count(o.pnl), 0), 1) || ' %, 95 % interval ' || round(wilson_low(count(*) FILTER (WHERE o.correct), count(o.pnl))::numeric, 1)
            || ' to ' || round(wilson_high(count(*) FILTER (WHERE o.correct), count(o.pnl))::numeric, 1) || ' %), P&L ' || to_char(round(sum(o.pnl), 2), 'FMSG999999990.00') || ' $' END AS said
        FROM (VALUES (1), (7)) h (horizon) LEFT JOIN o ON o.horizon = h.horizon GROUP BY h.horizon
    ), t AS (SELECT count(*) AS n FROM o)
    SELECT w.monday::text, CASE n.calls WHEN 0 THEN 'none' ELSE n.calls || ' on ' || n.predictions || CASE n.predictions WHEN 1 THEN ' post' ELSE ' posts' END END,
        (SELECT f.said FROM f WHERE f.horizon = 1), (SELECT f.said FROM f WHERE f.horizon = 7),
        coalesce((SELECT o.said FROM o ORDER BY o.place DESC LIMIT 1), 'none'), coalesce((SELECT o.said FROM o ORDER BY o.place LIMIT 1), 'none'), n.calls + t.n
    FROM w, n, t
    WHERE n.calls + t.n > 0;
END;
COMMENT ON FUNCTION weekly_scorecard_alerts IS 'One row from Saturday 09:00 New York for 24 hours: calls recorded and horizons 1 and 7 (basis next_open) evaluated since the Saturday before, with accuracy, its 95 % Wilson interval and P&L, best and worst. As it stood on Saturday at 09:00; none when there is nothing to tell.';

-- Problems of the pipeline itself. Labels name the problem and what has it, never a number that moves, so a problem that
-- lasts is one message. A dead letter and a budget are told once per UTC day.
CREATE FUNCTION operations_alerts(at timestamptz, daily_budget double precision DEFAULT 1)
RETURNS TABLE (problem text, subject text, detail text, value double precision) LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT 'pipeline_stale', 'projector', 'It has not looked for news in the lake for over ten minutes: the read model is old.', extract(epoch FROM $1 - min(h.checked_at))::float8 / 60
    FROM ops.health h HAVING min(h.checked_at) < $1 - interval '10 minutes'
    UNION ALL -- a harvester that reads a live source says so at least once an hour; one that stopped a week ago was stopped
    SELECT 'pipeline_stale', 'harvester', 'No live source of posts was read to its end for over two hours.', extract(epoch FROM $1 - max(w.occurred_at))::float8 / 60
    FROM windows_read w WHERE w.is_complete AND NOT w.synthetic
    HAVING max(w.occurred_at) BETWEEN $1 - interval '7 days' AND $1 - interval '2 hours'
    UNION ALL -- where an analyzer has worked in the last week
    SELECT 'pipeline_stale', 'analyzer', 'Posts have waited for their analysis for over an hour.', count(*)
    FROM posts p
    WHERE p.published_at > $1 - interval '24 hours' AND p.first_recorded_at < $1 - interval '1 hour' AND NOT p.synthetic AND NOT p.is_deleted AND NOT p.is_redacted
        AND EXISTS (SELECT FROM analysis_attempts a WHERE a.published_at > $1 - interval '7 days' AND a.occurred_at > $1 - interval '7 days' AND a.kind = 'prediction_made')
        AND NOT EXISTS (SELECT FROM predictions q WHERE q.post_id = p.post_id AND (q.is_primary OR q.status = 'bypassed'))
    HAVING count(*) > 0
    UNION ALL -- three failures within six hours and no answer after the first of them
    SELECT 'producer_failing', 'analyzer ' || concat_ws('/', f.analyzer, f.provider, f.model), 'Its last attempts all failed: see readmodel.analysis_attempts.', count(*)
    FROM analysis_attempts f
    WHERE f.kind = 'analysis_failed' AND f.occurred_at > $1 - interval '6 hours' AND f.occurred_at <= $1 AND NOT f.synthetic
        AND NOT EXISTS (SELECT FROM analysis_attempts a WHERE a.kind = 'prediction_made' AND a.occurred_at >= f.occurred_at AND a.occurred_at <= $1
            AND (a.analyzer, a.provider, a.model) IS NOT DISTINCT FROM (f.analyzer, f.provider, f.model))
    GROUP BY f.analyzer, f.provider, f.model HAVING count(*) >= 3
    UNION ALL -- the benchmark is always fetched: its bar of a session is there three hours after it is final, or the pricer fails
    SELECT 'producer_failing', 'pricer', 'There is no bar of ' || b.benchmark || ' for the session of ' || d.session_date || '.', extract(epoch FROM $1 - d.closes_at)::float8 / 60
    FROM ops.settings b
    JOIN LATERAL (SELECT s.session_date, s.closes_at FROM sessions s WHERE s.closes_at + interval '3 hours 20 minutes' < $1 ORDER BY s.session_date DESC LIMIT 1) d ON true
    WHERE NOT EXISTS (SELECT FROM bars x WHERE x.symbol = b.benchmark AND x.session_date >= d.session_date)
        AND EXISTS (SELECT FROM bars x WHERE x.symbol = b.benchmark AND x.session_date >= d.session_date - 10 AND NOT x.synthetic)
    UNION ALL
    SELECT 'dead_letters', d.stream || ' on ' || (d.recorded_at AT TIME ZONE 'UTC')::date, 'The projector could not apply events of this stream: see readmodel.dead_letters.', count(*)
    FROM dead_letters d WHERE d.recorded_at > $1 - interval '24 hours' AND d.recorded_at <= $1
    GROUP BY d.stream, (d.recorded_at AT TIME ZONE 'UTC')::date
    UNION ALL
    SELECT 'dead_letters', 'analyses on ' || (p.recorded_at AT TIME ZONE 'UTC')::date, 'Analyses were given up: see readmodel.analysis_dead_letters.', count(*)
    FROM predictions p WHERE p.status = 'failed' AND p.recorded_at > $1 - interval '24 hours' AND p.recorded_at <= $1 AND NOT p.synthetic
    GROUP BY (p.recorded_at AT TIME ZONE 'UTC')::date
    UNION ALL -- the analyzer stops before the call that could exceed the budget, so the last few percent stay unspent
    SELECT 'budget_reached', 'analyses on ' || ($1 AT TIME ZONE 'UTC')::date, 'The daily budget for language models is spent: the next analyses wait for the next UTC day.', sum(a.cost_micros)::float8 / 1e6
    FROM analysis_attempts a
    WHERE a.occurred_at >= date_trunc('day', $1, 'UTC') AND a.occurred_at <= $1 AND NOT a.synthetic
    HAVING sum(a.cost_micros) >= 0.95 * $2 * 1e6
    UNION ALL -- of the calls due in the last week, against the four weeks before
    SELECT 'price_coverage', 'prices', 'Under 90 % of the calls due in the last week have their price, less than before.', 100 * c.recent::float8 / c.recent_n
    FROM (SELECT count(*) FILTER (WHERE o.due_at > $1 - interval '8 days') AS recent_n, count(o.return_pct) FILTER (WHERE o.due_at > $1 - interval '8 days') AS recent,
            count(*) FILTER (WHERE o.due_at <= $1 - interval '8 days') AS before_n, count(o.return_pct) FILTER (WHERE o.due_at <= $1 - interval '8 days') AS before
        FROM outcomes o JOIN calls c ON c.prediction_id = o.prediction_id AND c.symbol = o.symbol JOIN predictions p ON p.prediction_id = o.prediction_id
        WHERE o.basis = 'next_open' AND o.horizon = 1 AND o.target_session > ($1 AT TIME ZONE 'UTC')::date - 40 AND o.due_at > $1 - interval '36 days' AND o.due_at <= $1 - interval '1 day'
            AND c.origin = 'live' AND p.is_primary AND NOT p.synthetic
            AND NOT EXISTS (SELECT FROM unknown_symbols u WHERE u.symbol = o.symbol AND u.is_unknown)) c
    WHERE c.recent_n >= 10 AND c.recent < 0.9 * c.recent_n AND (c.before_n = 0 OR c.recent::float8 / c.recent_n < c.before::float8 / c.before_n);
END;
COMMENT ON FUNCTION operations_alerts IS 'A row for every problem of the pipeline: pipeline_stale, producer_failing, dead_letters, budget_reached (daily_budget in dollars, as the analyzer has it), price_coverage.';

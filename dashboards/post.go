package dashboards

import (
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
	"github.com/grafana/grafana-foundation-sdk/go/units"
)

// post shows one post whole. Links from tables choose it and set the time range around it.
func post() *dashboard.DashboardBuilder {
	return shared(page("Post", "One post whole: text, versions, analyses, outcomes, prices. Choose it from any table, or type its id; without one, the newest post with a call in the time range.", "now-2y"), false).
		WithVariable(typed("post", "Post id", "", "Decimal id of Truth Social; empty: the newest post with a call in the time range.")).
		Annotation(dashboard.NewAnnotationQueryBuilder().Name("The post").Enable(true).IconColor(colorCaution).Datasource(dataSource()).
			Filter(dashboard.NewAnnotationPanelFilterBuilder().Exclude(false).Ids([]uint8{4})).Target(rows("Anno", thePostSQL))).
		WithPanel(postText()).
		WithPanel(postAnalyses()).
		WithPanel(postOutcomes()).
		WithPanel(postPrices()).
		WithPanel(postVersions()).
		WithPanel(postAttempts()).
		WithPanel(morePosts())
}

// thePost is the id that is shown.
const thePost = `coalesce(nullif(${post:sqlstring}, ''), (SELECT c.post_id FROM readmodel.calls c JOIN readmodel.predictions a USING (prediction_id)
  WHERE ` + callFilter + ` ORDER BY c.published_at DESC, c.post_id COLLATE "C" DESC LIMIT 1))`

// thePostSQL is its annotation.
const thePostSQL = `SELECT p.published_at AS "time", left(p.text, 200) AS "text", 'post' AS "tags" FROM readmodel.posts p WHERE p.post_id = ` + thePost

const noPost = "There is no such post: choose one below, or widen the time range."

func postText() *table.PanelBuilder {
	const sql = `SELECT x.what AS "What", x.said AS "Content" FROM readmodel.posts p
CROSS JOIN LATERAL (VALUES (1, 'Text', CASE WHEN p.is_redacted THEN '(redacted)' WHEN p.text = '' THEN '(no text)' ELSE p.text END),
  (2, 'Published', to_char(p.published_at AT TIME ZONE 'America/New_York', 'Dy YYYY-MM-DD HH24:MI:SS') || ' New York, ' || to_char(p.published_at AT TIME ZONE 'UTC', 'HH24:MI:SS') || ' UTC'),
  (3, 'Address', p.url), (4, 'Author', coalesce(p.account_display_name || ' ', '') || coalesce('@' || p.account_username, '')),
  (5, 'Counts', concat_ws(', ', p.replies || ' replies', p.reblogs || ' reblogs', p.favourites || ' favourites')),
  (6, 'Link', concat_ws(' ', p.card_title, p.card_url)), (7, 'Media', array_to_string(p.media_urls, ' ')),
  (8, 'State', concat_ws(', ', CASE WHEN p.is_repost THEN 'repost' END, CASE WHEN p.in_reply_to_id IS NOT NULL THEN 'reply to ' || p.in_reply_to_id END,
    CASE WHEN p.quote_id IS NOT NULL THEN 'quotes ' || p.quote_id END, CASE WHEN p.versions > 1 THEN 'edited' END, CASE WHEN p.is_deleted THEN 'deleted' END,
    CASE WHEN p.is_redacted THEN 'redacted' END, CASE WHEN p.synthetic THEN 'made up by the simulator' END)),
  (9, 'Found at', p.source || ', ' || p.sources || CASE p.sources WHEN 1 THEN ' source' ELSE ' sources' END || ', in the lake since ' || to_char(p.first_recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') || ' UTC'),
  (10, 'Id', p.post_id)) x (place, what, said)
WHERE p.post_id = ` + thePost + ` AND x.said <> '' ORDER BY x.place`
	return list(frame{1, "Post", "The current version: of the first source in the order of sources, there the newest.", noPost, 24, 10}, sql,
		as("What", width(110)), as("Content", wrapped(900))).Filterable(false)
}

func postAnalyses() *table.PanelBuilder {
	const sql = `SELECT coalesce(readmodel.model_name(a.analyzer, a.provider, a.model), 'bypass rules') AS "Model", a.prompt_version AS "Prompt", a.status AS "Status", a.reason AS "Reason",
  string_agg(c.symbol || ' ' || coalesce(c.sentiment, 'none'), ', ' ORDER BY c.position) AS "Calls", a.confidence AS "Confidence", a.thesis AS "Thesis",
  string_agg(c.symbol || ': ' || c.rationale, E'\n' ORDER BY c.position) AS "Rationale", min(c.origin) AS "Origin",
  extract(epoch FROM a.predicted_at - a.published_at)::float8 AS "After the post", a.latency_ms / 1000.0::float8 AS "Latency", a.tokens_in + a.tokens_out AS "Tokens", a.cost_micros / 1e6::float8 AS "Cost"
FROM readmodel.predictions a LEFT JOIN readmodel.calls c USING (prediction_id)
WHERE a.post_id = ` + thePost + `
GROUP BY a.prediction_id ORDER BY a.is_primary DESC, a.prediction_id COLLATE "C"`
	return list(frame{2, "Analyses, model by model", "Every model's answer on this post, the primary analyzer's first. After the post = answer received - published.", "This post was not analysed: it waits, or lies before the launch date.", 24, 7}, sql,
		as("Model", width(200)), as("Prompt", width(90)), as("Status", width(110), statuses()), as("Reason", width(140)), as("Calls", wrapped(200)), as("Confidence", width(90), confidence()),
		as("Thesis", wrapped(300)), as("Rationale", wrapped(260)), as("After the post", width(110), unit(units.Seconds, 0)), as("Latency", width(90), seconds()),
		as("Tokens", width(80), count()), as("Cost", width(90), unit(units.Dollars, 4)))
}

func postOutcomes() *table.PanelBuilder {
	const sql = `SELECT o.symbol AS "Asset", coalesce(o.sentiment, 'none') AS "Sentiment", coalesce(readmodel.model_name(o.analyzer, o.provider, o.model), '') AS "Model", o.basis AS "Basis",
  min(o.base_session)::text AS "From", max(o.base_price) FILTER (WHERE o.horizon = 1) AS "Base price",
  max(o.return_pct) FILTER (WHERE o.horizon = 1)::float8 AS "T+1", max(o.return_pct) FILTER (WHERE o.horizon = 3)::float8 AS "T+3",
  max(o.return_pct) FILTER (WHERE o.horizon = 7)::float8 AS "T+7", max(o.return_pct) FILTER (WHERE o.horizon = 30)::float8 AS "T+30",
  sum(o.pnl) FILTER (WHERE o.horizon = ${horizon:sqlstring}::int)::float8 AS "P&L",
  CASE bool_or(o.correct) FILTER (WHERE o.horizon = ${horizon:sqlstring}::int) WHEN true THEN 'right' WHEN false THEN 'wrong' ELSE 'not scored' END AS "Verdict",
  max(o.status) FILTER (WHERE o.horizon = ${horizon:sqlstring}::int) AS "Status", max(o.why) FILTER (WHERE o.horizon = ${horizon:sqlstring}::int) AS "Why not evaluated"
FROM readmodel.outcomes_status o
WHERE o.post_id = ` + thePost + `
GROUP BY o.prediction_id, o.symbol, o.position, o.basis, o.sentiment, o.analyzer, o.provider, o.model, o.is_primary
ORDER BY o.is_primary DESC, o.prediction_id COLLATE "C", o.position, array_position(ARRAY['next_open', 'prior_close', 'legacy'], o.basis)`
	return list(frame{3, "Outcomes of every asset", "T+N = (target - base) / base × 100 after N sessions, for all bases and horizons. P&L, Verdict and Status at the chosen horizon.", "Nothing was called of this post.", 24, 9}, sql,
		as("Asset", width(90), assetLink()), as("Sentiment", width(100), sentiments()), as("Model", width(170)), as("Basis", width(100)), as("Base price", unit(units.NoUnit, 2)),
		as("T+1", gain()), as("T+3", gain()), as("T+7", gain()), as("T+30", gain()), as("P&L", profit()), as("Verdict", verdicts()), as("Status", statuses()), as("Why not evaluated", width(280)))
}

func postPrices() *timeseries.PanelBuilder {
	sql := `WITH called AS (
  SELECT DISTINCT x.symbol, x.published_at FROM readmodel.calls x WHERE x.post_id = ` + thePost + `
), chosen AS (
  SELECT k.symbol, k.published_at, b.source FROM called k CROSS JOIN LATERAL (SELECT y.source FROM readmodel.bars y
    WHERE y.symbol = k.symbol AND y."interval" = '1d' AND $__timeFilter(y.session_date) ORDER BY y.source_rank, y.source COLLATE "C" LIMIT 1) b
), priced AS (
  SELECT k.symbol, k.published_at, b.session_date, b.occurred_at, b.close / ` + laterSplits + ` AS close
  FROM chosen k JOIN readmodel.bars b ON b.symbol = k.symbol AND b.source = k.source AND b."interval" = '1d' AND $__timeFilter(b.session_date)
), based AS (
  SELECT q.symbol, q.session_date, q.close, first_value(q.close) OVER (PARTITION BY q.symbol ORDER BY q.occurred_at > q.published_at, CASE WHEN q.occurred_at > q.published_at THEN q.session_date END, q.session_date DESC) AS base
  FROM priced q)
SELECT z.session_date::timestamp AT TIME ZONE 'UTC' AS "time", z.symbol AS metric, (100 * (z.close / z.base - 1))::float8 AS value
FROM based z ORDER BY 1, z.symbol COLLATE "C"`
	return lines(frame{4, "Prices around the post", "Closes of the assets named, in % above the last close before the post (the first after it where there is none before), splits taken out. The line marks the post.",
		"No prices of these assets in this time range.", 24, 9}, units.Percent, sql)
}

func postVersions() *table.PanelBuilder {
	const sql = `SELECT v.recorded_at AS "In the lake", v.kind AS "What", v.source AS "Source", v.text AS "Text", v.edited_at AS "Edited", v.event_id AS "Event"
FROM readmodel.post_versions v WHERE v.post_id = ` + thePost + ` ORDER BY v.recorded_at, v.event_id COLLATE "C"`
	return list(frame{5, "Versions", "Every version that any source showed, deletions and redactions, in the order of the lake.", noPost, 12, 8}, sql,
		as("In the lake", width(150)), as("What", width(120)), as("Source", width(160)), as("Text", wrapped(360)), as("Edited", width(150)))
}

func postAttempts() *table.PanelBuilder {
	const sql = `SELECT t.occurred_at AS "Time", t.kind AS "What", coalesce(readmodel.model_name(t.analyzer, t.provider, t.model), '') AS "Model", t.attempt AS "Attempt",
  coalesce(t.bypass_reason, t.failure_class) AS "Reason", t.failure_message AS "Message", t.cost_micros / 1e6::float8 AS "Cost"
FROM readmodel.analysis_attempts t WHERE t.post_id = ` + thePost + ` ORDER BY t.occurred_at, t.event_id COLLATE "C"`
	return list(frame{6, "Attempts", "Every answer, bypass, failure and requeue of this post, repeated answers too: all that was paid for.", "This post was not taken up yet.", 12, 8}, sql,
		as("Time", width(150)), as("What", width(140)), as("Model", width(160)), as("Attempt", width(70), count()), as("Message", wrapped(240)), as("Cost", unit(units.Dollars, 4)))
}

func morePosts() *table.PanelBuilder {
	sql := `SELECT p.published_at AS "Time", left(regexp_replace(p.text, '\s+', ' ', 'g'), 160) AS "Post", p.calls AS "Calls", p.analysis AS "Status", p.post_id, p.url,
  ` + around("p.published_at") + `
FROM (SELECT s.* FROM readmodel.posts_status s WHERE $__timeFilter(s.published_at) AND s.calls > 0 ORDER BY s.published_at DESC, s.post_id COLLATE "C" LIMIT 100) p
ORDER BY p.published_at DESC, p.post_id COLLATE "C"`
	return list(frame{7, "Other posts with calls", "The newest 100 in the time range, by the primary analyzer: choose one to show it.", emptyCalls, 24, 9}, sql,
		append([]column{as("Time", width(150)), as("Post", width(700), postLinks()), as("Calls", width(70), count()), as("Status", width(120), statuses())}, linkColumns()...)...)
}

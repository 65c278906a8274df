package dashboards

import (
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
	"github.com/grafana/grafana-foundation-sdk/go/units"
)

// signals is the feed: every post, what was made of it, and what became of that.
func signals() *dashboard.DashboardBuilder {
	return shared(page("Signals", "Every post with what was said of it and what the market did. Panel menu, Inspect, Data downloads any table as CSV.", "now-90d"), false).
		WithVariable(choice("status", "Status", "completed,bypassed,failed,retrying,waiting : none", "$__all").Multi(true).IncludeAll(true)).
		WithPanel(feedCounts()).
		WithPanel(feed()).
		WithPanel(callsByDay()).
		WithPanel(bypassReasons())
}

// feedFilter says which posts p, with their analysis a and, where there is one, its call c, the feed
// shows. A model's posts are those that it analysed or that were bypassed, and all that wait for one.
const feedFilter = postFilter + `
  AND coalesce(a.status, 'none') IN (${status:sqlstring}) AND coalesce(c.symbol, '` + noAsset + `') IN (${asset:sqlstring})
  AND coalesce(c.sentiment, 'none') IN (${sentiment:sqlstring}) AND coalesce(a.confidence, 0) >= ${confidence:sqlstring}::float8
  AND (c.origin IS NULL OR c.origin IN (${origin:sqlstring}))`

const feedJoins = `FROM readmodel.posts p
LEFT JOIN readmodel.predictions a ON a.post_id = p.post_id AND (a.status = 'bypassed' OR ` + modelFilter + `)
LEFT JOIN readmodel.calls c ON c.prediction_id = a.prediction_id`

// newestFirst are the same joins, post by post from the newest on, so that a limit ends them early.
const newestFirst = `FROM readmodel.posts p
  LEFT JOIN LATERAL (SELECT a.prediction_id, a.status, a.reason, a.confidence, a.thesis FROM readmodel.predictions a
    WHERE a.post_id = p.post_id AND (a.status = 'bypassed' OR ` + modelFilter + `) OFFSET 0) a ON true
  LEFT JOIN LATERAL (SELECT c.prediction_id, c.symbol, c.position, c.sentiment, c.origin FROM readmodel.calls c WHERE c.prediction_id = a.prediction_id OFFSET 0) c ON true`

func feedCounts() *stat.PanelBuilder {
	const sql = `SELECT count(*) AS "Posts", count(*) FILTER (WHERE x.completed) AS "Completed", count(*) FILTER (WHERE x.bypassed) AS "Bypassed",
  count(*) FILTER (WHERE x.failed) AS "Failed, retrying", count(*) FILTER (WHERE x.waiting) AS "Waiting", coalesce(sum(x.calls), 0)::bigint AS "Calls"
FROM (SELECT bool_or(a.status = 'completed') AS completed, bool_or(a.status = 'bypassed') AS bypassed, bool_or(a.status IN ('failed', 'retrying')) AS failed, bool_and(a.status IS NULL) AS waiting, count(c.symbol) AS calls
  ` + feedJoins + `
  WHERE ` + feedFilter + `
  GROUP BY p.post_id) x`
	return figures(frame{1, "Posts by analysis", "Posts that the choices above leave, by what became of their analysis; Calls: the assets named.", "none", 24, 4}, sql,
		as("Posts", count()), as("Completed", count()), as("Bypassed", count()), as("Failed, retrying", count(), steps(colorPlain, step{1, colorBad})), as("Waiting", count()), as("Calls", count()))
}

func feed() *table.PanelBuilder {
	sql := `WITH shown AS (
  SELECT p.post_id, p.published_at, p.text, p.url, a.status, a.reason, a.confidence, a.thesis, c.prediction_id, c.symbol, c.position, c.sentiment, c.origin
  ` + newestFirst + `
  WHERE ` + feedFilter + `
  ORDER BY p.published_at DESC, p.post_id COLLATE "C", a.prediction_id COLLATE "C", c.position LIMIT 500)
SELECT k.published_at AS "Time", left(regexp_replace(k.text, '\s+', ' ', 'g'), 280) AS "Post", k.symbol AS "Asset", coalesce(k.sentiment, 'none') AS "Sentiment", k.confidence AS "Confidence",
  o.r1 AS "T+1", o.r3 AS "T+3", o.r7 AS "T+7", o.r30 AS "T+30",
  CASE o.correct WHEN true THEN 'right' WHEN false THEN 'wrong' ELSE 'not scored' END AS "Verdict",
  coalesce(k.status, 'none') AS "Status", k.reason AS "Reason", k.thesis AS "Thesis", k.origin AS "Origin", k.post_id, k.url,
  ` + around("k.published_at") + `
FROM shown k
LEFT JOIN LATERAL (SELECT max(x.return_pct) FILTER (WHERE x.horizon = 1)::float8 AS r1, max(x.return_pct) FILTER (WHERE x.horizon = 3)::float8 AS r3,
    max(x.return_pct) FILTER (WHERE x.horizon = 7)::float8 AS r7, max(x.return_pct) FILTER (WHERE x.horizon = 30)::float8 AS r30,
    bool_or(x.correct) FILTER (WHERE x.horizon = ${horizon:sqlstring}::int) AS correct
  FROM readmodel.outcomes x WHERE x.prediction_id = k.prediction_id AND x.symbol = k.symbol AND x.basis = ${basis:sqlstring}) o ON true
ORDER BY k.published_at DESC, k.post_id COLLATE "C", k.prediction_id COLLATE "C", k.position`
	return list(frame{2, "Feed", "The newest 500 rows: one per post and asset, one for a post that names none. T+N = return after N sessions of the chosen basis; Verdict at the chosen horizon. A bypassed post says by which rule.",
		"No posts for these choices in this time range.", 24, 18}, sql,
		append([]column{as("Time", width(150)), as("Post", wrapped(420), postLinks()), as("Asset", width(90), assetLink()), as("Sentiment", width(100), sentiments()),
			as("Confidence", width(90), confidence()), as("T+1", width(80), gain()), as("T+3", width(80), gain()), as("T+7", width(80), gain()), as("T+30", width(80), gain()),
			as("Verdict", width(100), verdicts()), as("Status", width(110), statuses()), as("Reason", width(150)), as("Thesis", wrapped(300))}, linkColumns()...)...)
}

func callsByDay() *timeseries.PanelBuilder {
	const sql = `SELECT date_trunc('week', c.published_at AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' AS "time",
  count(*) FILTER (WHERE c.sentiment = 'bullish') AS "bullish", count(*) FILTER (WHERE c.sentiment = 'bearish') AS "bearish",
  count(*) FILTER (WHERE c.sentiment IS DISTINCT FROM 'bullish' AND c.sentiment IS DISTINCT FROM 'bearish') AS "neutral or none"
FROM readmodel.calls c JOIN readmodel.predictions a USING (prediction_id)
WHERE ` + callFilter + `
GROUP BY 1 ORDER BY 1`
	return stacks(frame{3, "Calls by week", "Calls (posts × assets) by sentiment and week of publication, weeks from Monday, UTC.", emptyCalls, 12, 8}, units.NoUnit, sql,
		as("bullish", fixed(colorBullish)), as("bearish", fixed(colorBearish)), as("neutral or none", fixed(colorNeutral)))
}

func bypassReasons() *table.PanelBuilder {
	const sql = `SELECT a.reason AS "Reason", a.status AS "Status", count(*) AS "Posts", (100.0 * count(*) / sum(count(*)) OVER ())::float8 AS "Share"
FROM readmodel.predictions a
WHERE $__timeFilter(a.published_at) AND a.status <> 'completed' AND (a.status = 'bypassed' OR ` + modelFilter + `)
GROUP BY 1, 2 ORDER BY 3 DESC, 1`
	return list(frame{4, "Not analysed, and why", "Posts in the time range that a rule bypassed before any model was asked, or whose analysis failed.", "Every post in this time range was analysed.", 12, 8}, sql,
		as("Reason", width(200)), as("Status", width(120), statuses()), as("Posts", count()), as("Share", percent(), gauge(0, 100)))
}

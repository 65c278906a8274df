package dashboards

import (
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
	"github.com/grafana/grafana-foundation-sdk/go/units"
)

// Why there may be nothing to see.
const (
	emptyScores = "Nothing evaluated yet for these choices: no call, or its horizon is not over, or its prices are missing (see Pipeline)."
	emptyCalls  = "No calls for these choices in this time range."
)

// overview answers the first questions: how much is there, is it right, is that more than chance, does
// it pay, what was said last, and is all of it fresh.
func overview() *dashboard.DashboardBuilder {
	return shared(page("Overview", "Posts, calls and what the market did, of the posts published in the time range. Basis: where a return begins (Next open: all of it after the post). Horizon: sessions to its end.", "now-2y"), false).
		WithPanel(keyFigures()).
		WithPanel(edgePanel()).
		WithPanel(resultFigures()).
		WithPanel(equityCurve(2)).
		WithPanel(freshness()).
		WithPanel(latestCalls()).
		WithPanel(extremes(8, "Best calls", extremesSQL("DESC"))).
		WithPanel(extremes(9, "Worst calls", extremesSQL("ASC")))
}

func keyFigures() *stat.PanelBuilder {
	const sql = `WITH ` + chosenAnswers + `
SELECT
  (SELECT count(*) FROM readmodel.posts p WHERE ` + postFilter + `) AS "Posts",
  (SELECT count(*) FROM chosen) AS "Predictions",
  (SELECT count(*) FROM readmodel.calls c JOIN chosen USING (prediction_id) WHERE ` + callFilterAllModels + `) AS "Calls",
  f.n AS "Evaluated (n)", f.accuracy_pct AS "Accuracy", f.wilson_low_pct AS "95 % from", f.wilson_high_pct AS "95 % to"
FROM readmodel.figures(` + scoreFilters + `) f`
	return figures(frame{1, "Key figures", "Accuracy = right calls / evaluated calls (n), with its 95 % Wilson interval. Right: bullish and return > +0.5 %, bearish and < -0.5 %, neutral and within. n is grey under 30: too few to say anything.",
		"none yet", 24, 4}, sql,
		as("Evaluated (n)", rowCount()), as("Accuracy", percent()), as("95 % from", percent()), as("95 % to", percent()))
}

func edgePanel() *table.PanelBuilder {
	const sql = `SELECT CASE e.baseline WHEN 'always_bullish' THEN 'Always bullish' ELSE 'Random, same mix' END AS "Baseline", e.n AS "n", e.posts AS "Posts",
  e.baseline_pct AS "Its accuracy", e.edge_pct AS "Edge", e.edge_by_post_pct AS "By post", e.low_pct AS "95 % from", e.high_pct AS "95 % to", e.p_value AS "p-value"
FROM readmodel.edge(` + scoreFilters + `) e WHERE e.n > 0 ORDER BY e.baseline`
	return list(frame{5, "Edge over baselines", "Edge = accuracy - accuracy of the baseline on the very same rows. By post: mean over posts of the mean difference of their rows; interval and two-sided p-value: z with SE = sd / sqrt(posts).",
		emptyScores, 12, 5}, sql,
		as("Baseline", width(140)), as("n", rowCount()), as("Its accuracy", percent()), as("Edge", edgePoints()), as("By post", edgePoints()),
		as("95 % from", percent()), as("95 % to", percent()), as("p-value", pValue()))
}

func resultFigures() *stat.PanelBuilder {
	const sql = `SELECT f.avg_return_pct AS "Average return", f.avg_abnormal_pct AS "Abnormal", f.total_pnl AS "Total P&L", p.sharpe AS "Sharpe", p.max_drawdown AS "Greatest drawdown"
FROM readmodel.figures(` + scoreFilters + `) f
CROSS JOIN readmodel.performance(` + scoreFilters + `) p WHERE f.n > 0`
	return figures(frame{6, "Return and P&L", "Average return: mean of the assets' returns, without sign. Abnormal: minus SPY's on the same sessions. P&L: $1,000 in the direction of each call (bearish: short; neutral: nothing), no costs. Sharpe = mean / sample deviation of daily P&L × √252.",
		"none yet", 12, 5}, sql,
		as("Average return", gain()), as("Abnormal", gain()), as("Total P&L", profit()), as("Sharpe", unit(units.NoUnit, 2)), as("Greatest drawdown", profit()))
}

// equityCurve adds up what 1,000 dollars in the direction of every call made.
func equityCurve(id uint32) *timeseries.PanelBuilder {
	const sql = `SELECT e.target_session::timestamp AT TIME ZONE 'UTC' AS "time", e.equity AS "P&L", e.drawdown AS "Drawdown"
FROM readmodel.equity(` + scoreFilters + `) e ORDER BY 1`
	return lines(frame{id, "Equity curve", "P&L = Σ of sign × return × $1,000 of the evaluated calls, by target session, no costs. Drawdown = P&L - its highest value so far (the start included).",
		emptyScores, 12, 9}, units.Dollars, sql, as("P&L", fixed(colorGood)), as("Drawdown", filled(colorBad))).
		LineInterpolation(common.LineInterpolationStepAfter)
}

func freshness() *table.PanelBuilder {
	const sql = `SELECT 'Newest post' AS "What", max(p.published_at) AS "When", extract(epoch FROM now() - max(p.published_at))::float8 AS "Age" FROM readmodel.posts p
UNION ALL SELECT 'Newest answer', max(a.predicted_at), extract(epoch FROM now() - max(a.predicted_at))::float8 FROM readmodel.predictions a
UNION ALL SELECT 'Newest evaluated session', max(s.target_session)::timestamptz, extract(epoch FROM now() - max(s.target_session)::timestamptz)::float8 FROM readmodel.scores s
  WHERE s.basis = ${basis:sqlstring} AND s.horizon = ${horizon:sqlstring}::int
UNION ALL SELECT 'Projector looked at ' || l.stream, l.checked_at, l.seconds_unseen FROM readmodel.lag l`
	return list(frame{7, "Freshness", "Age = now - when. The projector looks every few seconds: an age of minutes there means that it does not run. A silent author makes old posts, not a fault.",
		"The read model is empty: the projector has not run.", 12, 9}, sql,
		as("What", width(220)), as("When", width(170)), as("Age", unit(units.Seconds, 0)))
}

// callsSQL lists newest calls first. They are chosen before their outcomes are looked up, so the cost
// does not grow with the history.
func callsSQL() string {
	return `WITH chosen AS (
  SELECT c.prediction_id, c.symbol, a.thesis FROM readmodel.calls c JOIN readmodel.predictions a USING (prediction_id)
  WHERE ` + callFilter + `
  ORDER BY c.published_at DESC, c.prediction_id COLLATE "C", c.position LIMIT 200)
SELECT o.published_at AS "Time", left(regexp_replace(coalesce(p.text, ''), '\s+', ' ', 'g'), 120) AS "Post", o.symbol AS "Asset",
  coalesce(o.sentiment, 'none') AS "Sentiment", o.confidence AS "Confidence", o.return_pct::float8 AS "Return", o.abnormal_pct::float8 AS "Abnormal", o.pnl::float8 AS "P&L",
  CASE o.correct WHEN true THEN 'right' WHEN false THEN 'wrong' ELSE 'not scored' END AS "Verdict", o.status AS "Status", o.why AS "Why not evaluated",
  o.origin AS "Origin", o.post_id, p.url, ` + around("o.published_at") + `
FROM chosen k
JOIN readmodel.outcomes_status o ON o.prediction_id = k.prediction_id AND o.symbol = k.symbol AND o.basis = ${basis:sqlstring} AND o.horizon = ${horizon:sqlstring}::int
LEFT JOIN readmodel.posts p ON p.post_id = o.post_id
ORDER BY o.published_at DESC, o.prediction_id COLLATE "C", o.position`
}

func callColumns() []column {
	return append([]column{as("Time", width(150)), as("Post", width(420), postLinks()), as("Asset", width(90), assetLink()), as("Sentiment", width(100), sentiments()),
		as("Confidence", width(90), confidence()), as("Return", width(90), gain()), as("Abnormal", width(90), gain()), as("P&L", width(90), profit()),
		as("Verdict", width(100), verdicts()), as("Status", width(120), statuses()), as("Why not evaluated", width(260))}, linkColumns()...)
}

func latestCalls() *table.PanelBuilder {
	return list(frame{3, "Latest calls", "The newest 200 calls. Return = (target - base) / base × 100; Abnormal = return - SPY's on the same sessions; P&L of $1,000 in the call's direction.",
		emptyCalls, 24, 10}, callsSQL(), callColumns()...)
}

// extremesSQL are the calls that made most (order DESC) or lost most (ASC).
func extremesSQL(order string) string {
	return `SELECT o.published_at AS "Time", o.symbol AS "Asset", coalesce(o.sentiment, 'none') AS "Sentiment", o.return_pct::float8 AS "Return", o.pnl::float8 AS "P&L",
  left(regexp_replace(coalesce(p.text, ''), '\s+', ' ', 'g'), 90) AS "Post", o.post_id, p.url, ` + around("o.published_at") + `
FROM (SELECT s.prediction_id, s.symbol, s.basis, s.horizon FROM readmodel.selected(` + scoreFilters + `) s
  ORDER BY s.pnl_micros ` + order + `, s.published_at, s.prediction_id COLLATE "C", s.symbol COLLATE "C" LIMIT 5) k
JOIN readmodel.scored o ON o.prediction_id = k.prediction_id AND o.symbol = k.symbol AND o.basis = k.basis AND o.horizon = k.horizon
LEFT JOIN readmodel.posts p ON p.post_id = o.post_id
ORDER BY o.pnl ` + order + `, o.published_at, o.prediction_id COLLATE "C", o.symbol COLLATE "C"`
}

func extremes(id uint32, title, sql string) *table.PanelBuilder {
	return list(frame{id, title, "The five evaluated calls with the greatest (best) or least (worst) P&L = sign × return × $1,000.", emptyScores, 12, 7}, sql,
		append([]column{as("Time", width(150)), as("Asset", width(80), assetLink()), as("Sentiment", width(100), sentiments()), as("Return", width(80), gain()),
			as("P&L", width(90), profit()), as("Post", width(300), postLinks())}, linkColumns()...)...)
}

// sorted orders a table by one of its columns until the reader does.
func sorted(t *table.PanelBuilder, name string, desc bool) *table.PanelBuilder {
	return t.SortBy([]cog.Builder[common.TableSortByFieldState]{common.NewTableSortByFieldStateBuilder().DisplayName(name).Desc(desc)})
}

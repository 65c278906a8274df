package dashboards

import (
	"github.com/grafana/grafana-foundation-sdk/go/barchart"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
	"github.com/grafana/grafana-foundation-sdk/go/units"
)

// scoreWhere are the filters of scores s for every model alike: these panels compare models, so the
// choice of one does not narrow them.
const scoreWhere = `s.basis = ${basis:sqlstring} AND s.horizon = ${horizon:sqlstring}::int AND $__timeFilter(s.published_at) AND s.origin IN (${origin:sqlstring})
  AND s.symbol IN (${asset:sqlstring}) AND s.sentiment IN (${sentiment:sqlstring}) AND coalesce(s.confidence, 0) >= ${confidence:sqlstring}::float8`

// models compares what answers: language models and the built-in rules.
func models() *dashboard.DashboardBuilder {
	return shared(page("Models", "Language models and the built-in rules beside each other, all of them whatever the choice of model. A call made after the fact (origin retrospective) may be a model's knowledge, not its judgement.", "now-2y"), false).
		WithPanel(modelAccuracy()).
		WithPanel(modelBars()).
		WithPanel(modelCosts()).
		WithPanel(samePosts()).
		WithPanel(disagreements()).
		WithPanel(costByDay()).
		WithPanel(failuresByModel())
}

func modelAccuracy() *table.PanelBuilder {
	const sql = `SELECT x.model AS "Model", x.n AS "n", x.posts AS "Posts", 100.0::float8 * x.k / x.n AS "Accuracy", readmodel.wilson_low(x.k, x.n) AS "95 % from", readmodel.wilson_high(x.k, x.n) AS "95 % to",
  100.0::float8 * x.ups / x.n AS "Always bullish", readmodel.random_mix(x.bulls, x.bears, x.n - x.bulls - x.bears, x.ups, x.downs, x.n - x.ups - x.downs) AS "Random, same mix",
  (x.r / x.n / 1e6)::float8 AS "Average return", (x.a / 1e6)::float8 AS "Abnormal", (x.p / 1e6)::float8 AS "P&L", x.brier AS "Brier score"
FROM (SELECT coalesce(readmodel.model_name(s.analyzer, s.provider, s.model), 'unknown') AS model, count(*) AS n, count(DISTINCT s.post_id) AS posts, count(*) FILTER (WHERE s.correct) AS k,
    count(*) FILTER (WHERE s.move = 1) AS ups, count(*) FILTER (WHERE s.move = -1) AS downs, count(*) FILTER (WHERE s.sentiment = 'bullish') AS bulls, count(*) FILTER (WHERE s.sentiment = 'bearish') AS bears,
    sum(s.return_micros) AS r, avg(s.abnormal_micros) AS a, sum(s.pnl_micros) AS p, avg((s.confidence - s.correct::integer) ^ 2) AS brier
  FROM readmodel.scores s WHERE ` + scoreWhere + ` GROUP BY 1) x
ORDER BY 2 DESC, 1`
	return list(frame{1, "Accuracy of every model", "Each model on its own calls: accuracy = right / evaluated (n) with its 95 % Wilson interval, beside two baselines on the same rows. For the same posts see below.", emptyScores, 24, 7}, sql,
		as("Model", width(220)), as("n", rowCount()), as("Posts", count()), as("Accuracy", percent()), as("95 % from", percent()), as("95 % to", percent()), as("Always bullish", percent()), as("Random, same mix", percent()),
		as("Average return", gain()), as("Abnormal", gain()), as("P&L", profit()), as("Brier score", unit(units.NoUnit, 3)))
}

func modelBars() *barchart.PanelBuilder {
	const sql = `SELECT coalesce(readmodel.model_name(s.analyzer, s.provider, s.model), 'unknown') || ' (n ' || count(*) || ')' AS "Model", (100.0 * count(*) FILTER (WHERE s.correct) / count(*))::float8 AS "Accuracy",
  readmodel.random_mix(count(*) FILTER (WHERE s.sentiment = 'bullish'), count(*) FILTER (WHERE s.sentiment = 'bearish'), count(*) FILTER (WHERE s.sentiment = 'neutral'),
    count(*) FILTER (WHERE s.move = 1), count(*) FILTER (WHERE s.move = -1), count(*) FILTER (WHERE s.move = 0)) AS "Random, same mix"
FROM readmodel.scores s WHERE ` + scoreWhere + `
GROUP BY readmodel.model_name(s.analyzer, s.provider, s.model) ORDER BY count(*) DESC, 1`
	return bars(frame{2, "Accuracy against chance", "Accuracy of every model beside random calls with its own mix of sentiments on the same rows.", emptyScores, 12, 9}, "Model", units.Percent, sql,
		as("Accuracy", fixed(colorGood), unit(units.Percent, 0)), as("Random, same mix", fixed(colorBaseline), unit(units.Percent, 0))).Min(0).Max(100)
}

func modelCosts() *table.PanelBuilder {
	const sql = `SELECT coalesce(readmodel.model_name(t.analyzer, t.provider, t.model), 'unknown') AS "Model", count(*) FILTER (WHERE t.kind = 'prediction_made') AS "Answers", count(*) FILTER (WHERE t.kind = 'analysis_failed') AS "Failures",
  (100.0 * count(*) FILTER (WHERE t.kind = 'analysis_failed') / count(*))::float8 AS "Failed", coalesce(sum(t.tokens_in), 0)::bigint AS "Tokens in", coalesce(sum(t.tokens_out), 0)::bigint AS "Tokens out",
  coalesce(sum(t.cost_micros), 0) / 1e6::float8 AS "Cost", coalesce(sum(t.cost_micros), 0) / 1e6::float8 / nullif(count(*) FILTER (WHERE t.kind = 'prediction_made'), 0) AS "Cost per answer",
  percentile_cont(0.5) WITHIN GROUP (ORDER BY t.latency_ms) FILTER (WHERE t.kind = 'prediction_made') / 1000 AS "Latency p50", percentile_cont(0.95) WITHIN GROUP (ORDER BY t.latency_ms) FILTER (WHERE t.kind = 'prediction_made') / 1000 AS "Latency p95"
FROM readmodel.analysis_attempts t WHERE t.kind IN ('prediction_made', 'analysis_failed') AND $__timeFilter(t.published_at)
GROUP BY 1 ORDER BY 2 DESC, 1`
	return list(frame{3, "Cost, latency, tokens, failures", "Everything asked of every model about the posts in the time range, repeated answers included. Failed = failures / (answers + failures). Latency: time until the answer.", "No model was asked about posts of this time range.", 12, 9}, sql,
		as("Model", width(200)), as("Answers", count()), as("Failures", count()), as("Failed", percent(), steps(colorPlain, step{5, colorCaution}, step{20, colorBad}), props{colored()}), as("Tokens in", count()), as("Tokens out", count()),
		as("Cost", unit(units.Dollars, 2)), as("Cost per answer", unit(units.Dollars, 5)), as("Latency p50", seconds()), as("Latency p95", seconds()))
}

func samePosts() *table.PanelBuilder {
	const sql = `SELECT x.model AS "Model", x.other AS "Other model", x.posts AS "Common posts", x.same_assets AS "Common asset or none", x.calls AS "Common calls", x.agreement_pct AS "Same sentiment",
  x.n AS "n", x.accuracy_pct AS "Accuracy", x.other_accuracy_pct AS "Accuracy of the other", x.accuracy_pct - x.other_accuracy_pct AS "Difference"
FROM readmodel.model_pairs(` + basisAndHorizon + `, origins => ARRAY[${origin:sqlstring}], since => $__timeFrom()::timestamptz, until => $__timeTo()::timestamptz,
  symbols => ARRAY[${asset:sqlstring}], min_confidence => ${confidence:sqlstring}::float8, sentiments => ARRAY[${sentiment:sqlstring}]) x
ORDER BY x.n DESC, x.model, x.other`
	return list(frame{4, "Two models on the same posts", "Posts that both answered; assets that both called; Same sentiment = equal calls / common calls; accuracy of each on the common calls that are evaluated (n).", "Only one model has answered: nothing to compare. Run a second analyzer on the same lake.", 24, 7}, sql,
		as("Model", width(200)), as("Other model", width(200)), as("Common posts", count()), as("Common asset or none", count()), as("Common calls", count()), as("Same sentiment", percent(), gauge(0, 100)),
		as("n", rowCount()), as("Accuracy", percent()), as("Accuracy of the other", percent()), as("Difference", edgePoints()))
}

func disagreements() *table.PanelBuilder {
	sql := `WITH several AS MATERIALIZED (
  SELECT a.post_id FROM readmodel.predictions a WHERE a.status = 'completed' AND $__timeFilter(a.published_at) GROUP BY a.post_id HAVING count(*) > 1
), said AS MATERIALIZED (
  SELECT c.post_id, c.published_at, c.symbol, c.sentiment, c.prediction_id, readmodel.model_name(a.analyzer, a.provider, a.model) AS model
  FROM several v JOIN readmodel.calls c ON c.post_id = v.post_id JOIN readmodel.predictions a USING (prediction_id)
  WHERE ` + callFilterAllModels + `
), newest AS MATERIALIZED (
  SELECT x.post_id, x.published_at, x.symbol, x.model, x.sentiment, x.prediction_id, y.model AS other, y.sentiment AS other_sentiment
  FROM said x JOIN said y ON y.post_id = x.post_id AND y.symbol = x.symbol AND y.model > x.model AND y.sentiment <> x.sentiment
  ORDER BY x.published_at DESC, x.post_id COLLATE "C", x.symbol COLLATE "C", x.model, y.model LIMIT 100)
SELECT n.published_at AS "Time", left(regexp_replace(p.text, '\s+', ' ', 'g'), 120) AS "Post", n.symbol AS "Asset", n.model AS "Model", n.sentiment AS "Says", n.other AS "Other model", n.other_sentiment AS "Other says",
  o.return_pct::float8 AS "Return", n.post_id, p.url, ` + around("n.published_at") + `
FROM newest n LEFT JOIN readmodel.posts p ON p.post_id = n.post_id
LEFT JOIN readmodel.outcomes o ON o.prediction_id = n.prediction_id AND o.symbol = n.symbol AND o.basis = ${basis:sqlstring} AND o.horizon = ${horizon:sqlstring}::int
ORDER BY n.published_at DESC, n.post_id COLLATE "C", n.symbol COLLATE "C", n.model, n.other`
	return list(frame{5, "Where they disagree", "The newest 100 assets that two models called with different sentiments, and what the market did.", "No two models disagree on an asset in this time range, or only one has answered.", 24, 9}, sql,
		append([]column{as("Time", width(150)), as("Post", width(380), postLinks()), as("Asset", width(80), assetLink()), as("Model", width(180)), as("Says", width(100), sentiments()), as("Other model", width(180)),
			as("Other says", width(100), sentiments()), as("Return", width(90), gain())}, linkColumns()...)...)
}

func costByDay() *timeseries.PanelBuilder {
	const sql = `SELECT s.day::timestamp AT TIME ZONE 'UTC' AS "time", coalesce(readmodel.model_name(s.analyzer, s.provider, s.model), 'unknown') AS metric, (sum(s.cost_micros) / 1e6)::float8 AS value
FROM readmodel.spending s WHERE $__timeFilter(s.day) GROUP BY 1, 2 ORDER BY 1, 2`
	return stacks(frame{6, "Cost by day and model", "Dollars of answers and failures by the UTC day on which they came, not that of the post.", "No model was asked in this time range.", 12, 8}, units.Dollars, sql)
}

func failuresByModel() *table.PanelBuilder {
	const sql = `SELECT coalesce(readmodel.model_name(t.analyzer, t.provider, t.model), 'unknown') AS "Model", t.failure_class AS "Class", count(*) AS "Failures", count(*) FILTER (WHERE t.terminal) AS "Given up", max(t.occurred_at) AS "Last",
  (array_agg(t.failure_message ORDER BY t.occurred_at DESC))[1] AS "Last message"
FROM readmodel.analysis_attempts t WHERE t.kind = 'analysis_failed' AND $__timeFilter(t.published_at) GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2`
	return list(frame{7, "Failures by class", "Failed attempts about the posts in the time range; Given up: a dead letter after the last attempt.", "No failures in this time range.", 12, 8}, sql,
		as("Model", width(180)), as("Class", width(110)), as("Failures", count()), as("Given up", count(), steps(colorPlain, step{1, colorBad}), props{colored()}), as("Last", width(150)), as("Last message", wrapped(260)))
}

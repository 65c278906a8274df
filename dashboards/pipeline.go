package dashboards

import (
	"slices"

	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
	"github.com/grafana/grafana-foundation-sdk/go/units"
)

// pipeline shows whether the work itself goes on: from post to lake to answer to read model.
func pipeline() *dashboard.DashboardBuilder {
	return shared(page("Pipeline", "Is everything running: delays, newest events, states of analyses, prices, failures, money.", "now-30d"), false).
		WithVariable(typed("budget", "Daily budget ($)", "1.00", "What the analyzer may spend a day; the read model does not know it.")).
		WithPanel(howMuch()).
		WithPanel(lagTable()).
		WithPanel(delays()).
		WithPanel(delayByDay()).
		WithPanel(throughput()).
		WithPanel(analysisStates()).
		WithPanel(outcomeStates()).
		WithPanel(spend()).
		WithPanel(spendToday()).
		WithPanel(priceCoverage()).
		WithPanel(producersTable()).
		WithPanel(deadLetters()).
		WithPanel(builds())
}

func howMuch() *stat.PanelBuilder {
	const sql = `SELECT v.posts AS "Posts", v.completed AS "Completed", v.bypassed AS "Bypassed", v.failed AS "Given up", v.retrying AS "Retrying", v.calls AS "Calls", v.bars AS "Bars", v.symbols AS "Symbols",
  v.rejected AS "Rejected", v.dead_letters AS "Dead letters" FROM readmodel.pipeline v`
	trouble := steps(colorPlain, step{1, colorBad})
	return figures(frame{1, "How much there is", "Everything in the read model, whatever the choices above. Rejected: input that a producer could not take. Dead letters: events that the projector could not apply.", "none", 24, 4}, sql,
		as("Posts", count()), as("Completed", count()), as("Bypassed", count()), as("Given up", count(), trouble), as("Retrying", count(), steps(colorPlain, step{1, colorCaution})), as("Calls", count()), as("Bars", count()),
		as("Symbols", count()), as("Rejected", count()), as("Dead letters", count(), trouble))
}

func lagTable() *table.PanelBuilder {
	const sql = `SELECT l.stream AS "Stream", l.next_version AS "Next version", x.newest AS "Newest event", extract(epoch FROM now() - x.newest)::float8 AS "Its age", l.seconds_unseen AS "Unseen",
  l.last_delay_seconds AS "Last delay", l.p50_seconds AS "Delay p50", l.p95_seconds AS "Delay p95"
FROM readmodel.lag l CROSS JOIN LATERAL (SELECT greatest(l.last_recorded_at, max(p.last_recorded_at)) AS newest FROM readmodel.producers p WHERE p.stream = l.stream) x ORDER BY l.stream`
	late := slices.Concat(unit(units.Seconds, 1), steps(colorPlain, step{60, colorCaution}, step{600, colorBad}), props{colored()})
	return list(frame{2, "Lake to read model", "Unseen = now - when the projector last looked for news. Delay = applied - recorded, of the newest event and over the last seven days (tailing only).", "The projector has not run on this database.", 12, 6}, sql,
		as("Stream", width(110)), as("Next version", count()), as("Newest event", width(150)), as("Its age", unit(units.Seconds, 0)), as("Unseen", late), as("Last delay", seconds()), as("Delay p50", seconds()), as("Delay p95", seconds()))
}

func delays() *table.PanelBuilder {
	const sql = `SELECT l.step AS "Way", l.n AS "n", l.p50_seconds AS "p50", l.p95_seconds AS "p95" FROM readmodel.latencies($__timeFrom()::timestamptz) l
ORDER BY array_position(ARRAY['post to harvest', 'post to prediction', 'post to read model'], l.step)`
	return list(frame{3, "From the post on", "Median and 95th percentile of the time since publication, of posts published since the begin of the time range. Posts of a backfill count too and look old.", "No posts were published since then.", 12, 6}, sql,
		as("Way", width(160)), as("n", rowCount()), as("p50", unit(units.Seconds, 0)), as("p95", unit(units.Seconds, 0)))
}

func delayByDay() *timeseries.PanelBuilder {
	const sql = `SELECT date_trunc('day', x.at AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' AS "time",
  percentile_cont(0.5) WITHIN GROUP (ORDER BY x.harvest) AS "Post to harvest", percentile_cont(0.5) WITHIN GROUP (ORDER BY x.answer) AS "Post to answer"
FROM (SELECT p.published_at AS at, greatest(0, extract(epoch FROM p.first_recorded_at - p.published_at))::float8 AS harvest, NULL::float8 AS answer FROM readmodel.posts p WHERE ` + postFilter + `
  UNION ALL SELECT a.published_at, NULL, greatest(0, extract(epoch FROM a.predicted_at - a.published_at))::float8 FROM readmodel.predictions a
    WHERE a.status = 'completed' AND $__timeFilter(a.published_at) AND ` + modelFilter + `) x
GROUP BY 1 ORDER BY 1`
	return lines(frame{4, "Delays by day", "Median time since publication by day of publication, UTC; a logarithmic scale. A backfill shows the age of what it found.", "No posts in this time range.", 12, 8}, units.Seconds, sql,
		as("Post to harvest", fixed(colorBaseline)), as("Post to answer", fixed(colorGood))).
		ScaleDistribution(common.NewScaleDistributionConfigBuilder().Type(common.ScaleDistributionLog).Log(10))
}

func throughput() *timeseries.PanelBuilder {
	const sql = `SELECT $__timeGroupAlias(x.at, '1d'), count(*) FILTER (WHERE x.what = 1) AS "Posts", count(*) FILTER (WHERE x.what = 2) AS "Answers", count(*) FILTER (WHERE x.what = 3) AS "Bypassed", count(*) FILTER (WHERE x.what = 4) AS "Failures"
FROM (SELECT p.first_recorded_at AS at, 1 AS what FROM readmodel.posts p WHERE $__timeFilter(p.first_recorded_at)
  UNION ALL SELECT t.occurred_at, CASE t.kind WHEN 'prediction_made' THEN 2 WHEN 'post_bypassed' THEN 3 WHEN 'analysis_failed' THEN 4 END FROM readmodel.analysis_attempts t WHERE $__timeFilter(t.occurred_at)) x
GROUP BY 1 ORDER BY 1`
	return stacks(frame{5, "Throughput by day", "What was recorded on each UTC day: posts first seen, answers, bypasses, failures.", "Nothing was recorded in this time range.", 12, 8}, units.NoUnit, sql,
		as("Posts", fixed(colorBaseline)), as("Answers", fixed(colorGood)), as("Bypassed", fixed(colorNeutral)), as("Failures", fixed(colorBad)))
}

func analysisStates() *table.PanelBuilder {
	const sql = `SELECT s.state AS "Status", s.reason AS "Reason", s.posts AS "Posts", (100.0 * s.posts / sum(s.posts) OVER ())::float8 AS "Share" FROM readmodel.analysis_states() s ORDER BY 3 DESC, 1, 2`
	return list(frame{6, "Analysis states", "Every post in exactly one state, by the primary analyzer: posts before the launch date (2025-01-01) count only once analysed.", "There are no posts yet.", 12, 8}, sql,
		as("Status", width(150), statuses()), as("Reason", width(180)), as("Posts", count()), as("Share", percent(), gauge(0, 100)))
}

func outcomeStates() *table.PanelBuilder {
	// Only what is not scored is looked up in the view, which costs far more than counting scores.
	const sql = `WITH evaluated AS MATERIALIZED (
  SELECT s.prediction_id, s.symbol FROM readmodel.selected(` + scoreFilters + `) s
), ` + chosenAnswers + `, rest AS MATERIALIZED (
  SELECT c.prediction_id, c.symbol FROM readmodel.calls c JOIN chosen USING (prediction_id) LEFT JOIN evaluated e ON e.prediction_id = c.prediction_id AND e.symbol = c.symbol
  WHERE e.symbol IS NULL AND ` + callFilterAllModels + `)
SELECT x.status AS "Status", sum(x.n)::bigint AS "Outcomes", (100 * sum(x.n) / sum(sum(x.n)) OVER ())::float8 AS "Share"
FROM (SELECT 'evaluated' AS status, count(*) AS n FROM evaluated
  UNION ALL SELECT v.status, count(*) FROM rest k JOIN readmodel.outcomes_status v ON v.prediction_id = k.prediction_id AND v.symbol = k.symbol
    AND v.basis = ${basis:sqlstring} AND v.horizon = ${horizon:sqlstring}::int GROUP BY v.status) x
WHERE x.n > 0 GROUP BY x.status ORDER BY 2 DESC, 1`
	return list(frame{7, "Outcomes by status", "Every call at the chosen basis and horizon: evaluated, or why not yet or never.", emptyCalls, 12, 8}, sql,
		as("Status", width(170), statuses()), as("Outcomes", count()), as("Share", percent(), gauge(0, 100)))
}

// typedBudget is the budget as a number: what is typed and is none counts as the default.
const typedBudget = `coalesce(substring(${budget:sqlstring} FROM '^[0-9]{1,6}(?:[.][0-9]{1,4})?$'), '1')::float8`

func spend() *timeseries.PanelBuilder {
	const sql = `SELECT d.day AT TIME ZONE 'UTC' AS "time", coalesce(sum(s.cost_micros), 0) / 1e6::float8 AS "Spent", ` + typedBudget + ` AS "Budget"
FROM generate_series(date_trunc('day', $__timeFrom()::timestamptz AT TIME ZONE 'UTC'), least(now(), $__timeTo()::timestamptz) AT TIME ZONE 'UTC', interval '1 day') AS d (day)
LEFT JOIN readmodel.spending s ON s.day = d.day::date
GROUP BY d.day ORDER BY 1`
	return lines(frame{8, "Spent against the budget", "Dollars by UTC day, all models, failed attempts included. At the budget the analyzer waits for the next day.", "The time range lies in the future.", 12, 8}, units.Dollars, sql,
		as("Spent", filled(colorBaseline)), as("Budget", dashed(colorCaution))).LineInterpolation(common.LineInterpolationStepAfter)
}

func spendToday() *stat.PanelBuilder {
	const sql = `SELECT t.spent AS "Today", ` + typedBudget + ` AS "Budget", 100 * t.spent / nullif(` + typedBudget + `, 0) AS "Used", t.tokens AS "Tokens today", t.month AS "Last 30 days"
FROM (SELECT coalesce(sum(s.cost_micros) FILTER (WHERE s.day = (now() AT TIME ZONE 'UTC')::date), 0) / 1e6::float8 AS spent, coalesce(sum(s.tokens_in + s.tokens_out) FILTER (WHERE s.day = (now() AT TIME ZONE 'UTC')::date), 0)::bigint AS tokens,
    coalesce(sum(s.cost_micros), 0) / 1e6::float8 AS month FROM readmodel.spending s WHERE s.day > (now() AT TIME ZONE 'UTC')::date - 30) t`
	return figures(frame{9, "Spent today", "Since 00:00 UTC, all models, whatever the time range. Used = today / budget.", "none", 12, 8}, sql,
		as("Today", unit(units.Dollars, 4)), as("Budget", dollars()), as("Used", percent(), steps(colorGood, step{80, colorCaution}, step{100, colorBad})), as("Tokens today", count()), as("Last 30 days", unit(units.Dollars, 2)))
}

func priceCoverage() *table.PanelBuilder {
	const sql = `SELECT v.symbol AS "Asset", v.state AS "Status", v.calls AS "Calls", v.bars AS "Bars", v.sources AS "Sources", v.first_session::text AS "First session", v.last_session::text AS "Last session", v.sessions_behind AS "Sessions behind", v.last_published_at AS "Last call"
FROM readmodel.price_coverage v WHERE v.symbol IN (${asset:sqlstring}) ORDER BY array_position(ARRAY['awaiting_price', 'unpriceable', 'priced'], v.state), v.calls DESC, v.symbol COLLATE "C"`
	return list(frame{10, "Price coverage", "Every asset that was ever called. Sessions behind = sessions whose bar is due and newer than its newest bar; an asset whose horizons are all over rests, which is no fault.", "Nothing was called yet.", 24, 10}, sql,
		as("Asset", width(90), assetLink()), as("Status", width(140), statuses()), as("Calls", count()), as("Bars", count()), as("Sources", count()), as("Sessions behind", count(), steps(colorPlain, step{3, colorCaution}), props{colored()}), as("Last call", width(150)))
}

func producersTable() *table.PanelBuilder {
	const sql = `SELECT x.stream AS "Stream", x.producer AS "Producer", x.last_recorded_at AS "Newest event", extract(epoch FROM now() - x.last_recorded_at)::float8 AS "Its age"
FROM readmodel.producers x ORDER BY x.last_recorded_at DESC, x.stream, x.producer`
	return list(frame{11, "Newest event of every producer", "Who has appended to which stream, and when last. The harvester records at least once an hour that it has read its source.", "No producer has recorded anything.", 12, 8}, sql,
		as("Stream", width(110)), as("Producer", width(200)), as("Newest event", width(150)), as("Its age", unit(units.Seconds, 0)))
}

func deadLetters() *table.PanelBuilder {
	const sql = `SELECT x.at AS "Time", x.what AS "What", x.key AS "Of", x.reason AS "Reason", x.message AS "Message"
FROM (SELECT d.recorded_at AS at, 'not applied: ' || d.stream || ' ' || d.kind AS what, d.key, d.reason, left(d.payload, 200) AS message FROM readmodel.dead_letters d
  UNION ALL SELECT a.recorded_at, 'analysis given up', a.post_id, a.reason, left(a.message, 200) FROM readmodel.analysis_dead_letters a
  UNION ALL SELECT r.recorded_at, 'not taken: ' || r.stream, r.key, r.reason, left(r.detail, 200) FROM readmodel.rejected r) x
ORDER BY x.at DESC NULLS LAST, x.what, x.key LIMIT 200`
	return list(frame{12, "Dead letters and rejected input", "The newest 200, whatever the time range: events that the projector could not apply, analyses that were given up, input that a producer could not take.", "None: everything was taken and applied.", 12, 8}, sql,
		as("Time", width(150)), as("What", width(180)), as("Of", width(150)), as("Reason", width(140)), as("Message", wrapped(300)))
}

func builds() *table.PanelBuilder {
	const sql = `SELECT b.build_id AS "Build", b.state AS "Status", b.reason AS "Why", b.started_at AS "Started", b.seconds AS "Took", b.row_count AS "Rows", b.producer AS "By", b.error AS "Error"
FROM ops.builds b ORDER BY b.build_id DESC LIMIT 50`
	return list(frame{13, "Rebuilds of the read model", "The newest 50. A rebuild replaces the whole read model by what follows from the lake; a failed one leaves the live one untouched.", "The read model was not built on this database.", 24, 7}, sql,
		as("Build", width(70), count()), as("Status", width(110), statuses()), as("Why", width(300)), as("Started", width(150)), as("Took", seconds()), as("Rows", count()), as("By", width(180)), as("Error", wrapped(300)))
}

package dashboards

import (
	"github.com/grafana/grafana-foundation-sdk/go/barchart"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
	"github.com/grafana/grafana-foundation-sdk/go/units"
)

// performance takes the figures apart: where are calls right, how sure were they, and would it have paid.
func performance() *dashboard.DashboardBuilder {
	return shared(page("Performance", "Where calls are right, whether their confidence means anything, and what trading them would have made.", "now-2y"), false).
		WithVariable(choice("by", "Group by", "confidence,sentiment,weekday,market phase : phase,origin,asset : symbol,model,month", "confidence")).
		WithVariable(typed("capital", "Back-test: capital ($)", "10000", "Dollars at the start.")).
		WithVariable(choice("threshold", "Back-test: confidence from", "0,0.5,0.6,0.7,0.75,0.8,0.9", "0.6")).
		WithVariable(typed("cost", "Back-test: cost (bp per side)", "5", "Basis points of $1,000, paid twice a trade.")).
		WithVariable(choice("shorts", "Back-test: short bearish calls", "yes : true,no : false", "true")).
		WithPanel(accuracyBy(1, "confidence", "Accuracy by confidence", "Confidence", 12)).
		WithPanel(accuracyBy(2, "sentiment", "Accuracy by sentiment", "Sentiment", 12)).
		WithPanel(accuracyBy(3, "weekday", "Accuracy by weekday", "Weekday", 12)).
		WithPanel(accuracyBy(4, "phase", "Accuracy by market phase", "Phase", 12)).
		WithPanel(rollingAccuracy()).
		WithPanel(returnDistribution()).
		WithPanel(calibration()).
		WithPanel(backtestCurve()).
		WithPanel(backtestFigures()).
		WithPanel(brierFigures()).
		WithPanel(streakFigures()).
		WithPanel(months()).
		WithPanel(screener()).
		WithPanel(breakdowns())
}

// accuracyBy draws the accuracy by one dimension, with the n of every bar in its name.
func accuracyBy(id uint32, dimension, title, x string, width uint32) *barchart.PanelBuilder {
	sql := `SELECT b.value || ' (n ' || b.n || ')' AS "` + x + `", b.accuracy_pct AS "Accuracy", b.random_mix_pct AS "Random, same mix"
FROM readmodel.breakdown('` + dimension + `', ` + scoreFilters + `) b ORDER BY b.place, b.value`
	says := "Accuracy = right / evaluated calls of each group (n in its name), beside random calls with the same mix of sentiments: Σ share(s) × P(right | s) on the same rows."
	if dimension == "phase" {
		says += " Phases of the post, New York: pre from 04:00, regular, post until 20:00, closed."
	}
	return bars(frame{id, title, says, emptyScores, width, 9}, x, units.Percent, sql, as("Accuracy", fixed(colorGood), unit(units.Percent, 0)), as("Random, same mix", fixed(colorBaseline), unit(units.Percent, 0))).Min(0).Max(100)
}

func rollingAccuracy() *timeseries.PanelBuilder {
	const sql = `SELECT r.target_session::timestamp AT TIME ZONE 'UTC' AS "time", r.accuracy_pct AS "Accuracy of the last 30", 50.0::float8 AS "50 %"
FROM readmodel.rolling_accuracy(` + scoreFilters + `) r WHERE r.n >= 30 ORDER BY 1`
	return lines(frame{5, "Rolling accuracy", "Right calls of the last 30 evaluated ones, as it stood after each target session; from the 30th call on.", "Fewer than 30 evaluated calls for these choices.", 12, 9},
		units.Percent, sql, as("Accuracy of the last 30", fixed(colorGood)), as("50 %", dashed(colorNeutral))).Min(0).Max(100)
}

// returnDistribution counts returns by whole percentage points, the tails together.
func returnDistribution() *barchart.PanelBuilder {
	const sql = `WITH picked AS MATERIALIZED (SELECT x.sentiment, greatest(-11, least(10, floor(x.return_micros / 1e6)))::integer AS bin FROM readmodel.selected(` + scoreFilters + `) x)
SELECT CASE g.bin WHEN -11 THEN 'under -10' WHEN 10 THEN '10 and over' ELSE g.bin || ' to ' || g.bin + 1 END AS "Return in %",
  count(s.sentiment) FILTER (WHERE s.sentiment = 'bullish') AS "bullish", count(s.sentiment) FILTER (WHERE s.sentiment = 'bearish') AS "bearish", count(s.sentiment) FILTER (WHERE s.sentiment = 'neutral') AS "neutral"
FROM generate_series(-11, 10) AS g (bin)
LEFT JOIN picked s ON s.bin = g.bin
WHERE EXISTS (SELECT FROM picked)
GROUP BY g.bin ORDER BY g.bin`
	return bars(frame{6, "Distribution of returns", "Evaluated calls by the return of their asset, in whole percentage points (lower bound included), stacked by sentiment.", emptyScores, 12, 9}, "Return in %", units.NoUnit, sql,
		as("bullish", fixed(colorBullish)), as("bearish", fixed(colorBearish)), as("neutral", fixed(colorNeutral))).Stacking(common.StackingModeNormal).ShowValue(common.VisibilityModeNever)
}

func calibration() *barchart.PanelBuilder {
	const sql = `SELECT to_char(c.confidence_from, 'FM0.0') || '-' || to_char(c.confidence_to, 'FM0.0') || ' (n ' || c.n || ')' AS "Confidence", c.mean_confidence_pct AS "Mean confidence", c.accuracy_pct AS "Accuracy"
FROM readmodel.calibration(` + scoreFilters + `) c WHERE c.n > 0 ORDER BY c.confidence_from`
	return bars(frame{7, "Calibration", "Evaluated calls in ten bins of confidence: mean confidence against accuracy. Equal bars: the confidence is a probability.", emptyScores, 12, 9}, "Confidence", units.Percent, sql,
		as("Mean confidence", fixed(colorBaseline), unit(units.Percent, 0)), as("Accuracy", fixed(colorGood), unit(units.Percent, 0))).Min(0).Max(100)
}

func brierFigures() *stat.PanelBuilder {
	const sql = `SELECT b.n AS "n", b.brier AS "Brier score", b.mean_confidence_pct AS "Mean confidence", b.accuracy_pct AS "Accuracy" FROM readmodel.brier(` + scoreFilters + `) b`
	return figures(frame{8, "Calibration in figures", "Brier = mean of (confidence - right)², right being 1 or 0: 0 is perfect, 0.25 is always saying 50 %.", "none yet", 12, 5}, sql,
		as("n", rowCount()), as("Brier score", unit(units.NoUnit, 3), steps(colorGood, step{0.25, colorBad})), as("Mean confidence", percent()), as("Accuracy", percent()))
}

func streakFigures() *stat.PanelBuilder {
	const sql = `SELECT s.n AS "n", s.current AS "Current", s.longest_win AS "Longest right", s.longest_loss AS "Longest wrong" FROM readmodel.streaks(` + scoreFilters + `) s`
	return figures(frame{9, "Streaks", "Runs of right and of wrong calls in the order (target session, post time, prediction, asset). Current is negative while calls are wrong.", "none yet", 12, 5}, sql,
		as("n", rowCount()), as("Current", count(), signed(0.5)), as("Longest right", count()), as("Longest wrong", count()))
}

// backtestCall is what both panels of the back-test read. What is typed and is no number counts as its
// default, or one wrong key would be an error instead of a figure.
const backtestCall = `readmodel.backtest(` + basisAndHorizon + `, capital => ` + typedCapital + `,
  threshold => ${threshold:sqlstring}::float8, cost_bps => ` + typedCost + `, shorts => ${shorts:sqlstring}::boolean, ` + moreFilters + `)`

const (
	typedCapital = `coalesce(substring(${capital:sqlstring} FROM '^[0-9]{1,9}$'), '10000')::float8`
	typedCost    = `coalesce(substring(${cost:sqlstring} FROM '^[0-9]{1,4}$'), '5')::float8`
)

func backtestFigures() *stat.PanelBuilder {
	const sql = `SELECT sum(b.trades)::bigint AS "Trades", (100.0 * sum(b.wins) / sum(b.trades))::float8 AS "Won after costs", sum(b.pnl)::float8 AS "Before costs", sum(b.costs)::float8 AS "Costs",
  (array_agg(b.capital_after ORDER BY b.target_session DESC))[1] AS "Capital at the end", min(b.drawdown)::float8 AS "Greatest drawdown"
FROM ` + backtestCall + ` b HAVING count(*) > 0`
	return figures(frame{10, "Back-test", "Capital at the end = capital + Σ (P&L - costs) of the calls with at least this confidence, $1,000 each; costs = $1,000 × basis points × 2 sides; neutral is no trade; without shorts bearish calls are left out. Not advice.",
		"no trade", 24, 5}, sql,
		as("Trades", rowCount()), as("Won after costs", percent()), as("Before costs", profit()), as("Costs", dollars()), as("Capital at the end", dollars()), as("Greatest drawdown", profit()))
}

func backtestCurve() *timeseries.PanelBuilder {
	const sql = `SELECT b.target_session::timestamp AT TIME ZONE 'UTC' AS "time", b.capital_after AS "Capital", ` + typedCapital + ` AS "Start"
FROM ` + backtestCall + ` b ORDER BY 1`
	return lines(frame{11, "Back-test: capital", "Capital after each target session, costs paid.", "No call reaches this confidence, or none is evaluated yet.", 12, 9}, units.Dollars, sql,
		as("Capital", fixed(colorGood)), as("Start", dashed(colorNeutral))).LineInterpolation(common.LineInterpolationStepAfter)
}

func months() *table.PanelBuilder {
	const sql = `SELECT b.value AS "Month", b.n AS "n", b.posts AS "Posts", b.accuracy_pct AS "Accuracy", b.random_mix_pct AS "Random, same mix", b.avg_return_pct AS "Average return", b.avg_abnormal_pct AS "Abnormal", b.total_pnl AS "P&L"
FROM readmodel.breakdown('month', ` + scoreFilters + `) b ORDER BY b.value DESC`
	return list(frame{12, "Month by month", "Figures of the posts published in each month (UTC), at the chosen basis and horizon.", emptyScores, 24, 9}, sql,
		as("n", rowCount()), as("Posts", count()), as("Accuracy", percent()), as("Random, same mix", percent()), as("Average return", heat(gain())), as("Abnormal", heat(gain())), as("P&L", heat(profit())))
}

func screener() *table.PanelBuilder {
	const sql = `SELECT s.symbol AS "Asset", s.n AS "n", s.accuracy_pct AS "Accuracy", s.wilson_low_pct AS "95 % from", s.wilson_high_pct AS "95 % to", s.avg_return_pct AS "Average return", s.avg_abnormal_pct AS "Abnormal",
  s.total_pnl AS "P&L", readmodel.sparkline(readmodel.running_total(s.last_returns)) AS "Last 30 returns, added up", s.last_published_at AS "Last call"
FROM readmodel.screener(` + scoreFilters + `) s ORDER BY s.n DESC, s.symbol COLLATE "C"`
	return sorted(list(frame{13, "Screener", "Every asset with evaluated calls. Filled cells: the heat map, orange for losses and green for gains. The line adds up the returns of the last 30 calls, the oldest first.", emptyScores, 24, 12}, sql,
		as("Asset", width(90), assetLink()), as("n", rowCount(), width(70)), as("Accuracy", heat(accuracyHeat())), as("95 % from", percent()), as("95 % to", percent()),
		as("Average return", heat(gain())), as("Abnormal", heat(gain())), as("P&L", heat(profit())), as("Last 30 returns, added up", width(280)), as("Last call", width(150))), "n", true)
}

// accuracyHeat is bad under 45 %, good from 55 % on.
func accuracyHeat() props {
	return append(percent(), steps(colorBad, step{45, colorNeutral}, step{55, colorGood})...)
}

func breakdowns() *table.PanelBuilder {
	const sql = `SELECT b.value AS "Group", b.n AS "n", b.posts AS "Posts", b.accuracy_pct AS "Accuracy", b.wilson_low_pct AS "95 % from", b.wilson_high_pct AS "95 % to",
  b.avg_return_pct AS "Average return", b.avg_abnormal_pct AS "Abnormal", b.total_pnl AS "P&L", b.accuracy_by_post_pct AS "Accuracy by post", b.pnl_by_post AS "P&L by post"
FROM readmodel.breakdown(${by:sqlstring}, ` + scoreFilters + `) b ORDER BY b.place, b.value`
	return list(frame{14, "Groups by $by, in figures", "The figures of the groups that variable Group by chooses. By post: the rows of one post are averaged first, so that a post with ten assets weighs as much as one with one.", emptyScores, 24, 12}, sql,
		as("Group", width(220)), as("n", rowCount()), as("Posts", count()), as("Accuracy", percent()), as("95 % from", percent()), as("95 % to", percent()),
		as("Average return", gain()), as("Abnormal", gain()), as("P&L", profit()), as("Accuracy by post", percent()), as("P&L by post", profit()))
}

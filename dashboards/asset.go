package dashboards

import (
	"github.com/grafana/grafana-foundation-sdk/go/candlestick"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
	"github.com/grafana/grafana-foundation-sdk/go/units"
)

const panelBars = 2

// asset shows one asset: its bars with what was said and how it ended, and whether calls of it are
// better than calls in general.
func asset() *dashboard.DashboardBuilder {
	b := shared(page("Asset", "One asset: prices with the posts that name it, its calls and how they ended, beside all others.", "now-2y"), true).
		WithPanel(assetAgainstAll()).
		WithPanel(candles()).
		WithPanel(assetCallsByMonth()).
		WithPanel(assetEquity()).
		WithPanel(assetCalls()).
		WithPanel(extremes(6, "Best calls", ofSymbol(extremesSQL("DESC")))).
		WithPanel(extremes(7, "Worst calls", ofSymbol(extremesSQL("ASC")))).
		WithPanel(relatedAssets()).
		WithPanel(assetPrices())
	for _, m := range []struct{ sentiment, name, color string }{{"bullish", "Bullish post", colorBullish}, {"bearish", "Bearish post", colorBearish}, {"neutral", "Neutral post", colorNeutral}} {
		b = b.Annotation(mark(m.name, m.color, saidSQL(m.sentiment)))
	}
	return b.Annotation(mark("Right at the horizon", colorGood, endedSQL("true"))).Annotation(mark("Wrong at the horizon", colorBad, endedSQL("false")))
}

// mark is an annotation on the bars alone.
func mark(name, color, sql string) *dashboard.AnnotationQueryBuilder {
	return dashboard.NewAnnotationQueryBuilder().Name(name).Enable(true).IconColor(color).Datasource(dataSource()).
		Filter(dashboard.NewAnnotationPanelFilterBuilder().Exclude(false).Ids([]uint8{panelBars})).Target(rows("Anno", sql))
}

// saidSQL are the posts that call the asset so, at the time of the post. Without a sentiment is neutral here.
func saidSQL(sentiment string) string {
	return ofSymbol(`SELECT c.published_at AS "time", coalesce(left(p.text, 200), '') AS "text", c.sentiment AS "tags"
FROM readmodel.calls c
JOIN readmodel.predictions a USING (prediction_id)
LEFT JOIN readmodel.posts p ON p.post_id = c.post_id
WHERE coalesce(c.sentiment, 'neutral') = '` + sentiment + `' AND ` + callFilter + `
ORDER BY c.published_at DESC LIMIT 300`)
}

// endedSQL are the sessions at which calls were right or wrong, at their close.
func endedSQL(correct string) string {
	return ofSymbol(`SELECT d.closes_at AS "time", s.sentiment || ', return ' || to_char(s.return_micros / 1e6, 'FMSG990.00') || ' %' AS "text", CASE WHEN s.correct THEN 'right' ELSE 'wrong' END AS "tags"
FROM readmodel.selected(` + scoreFilters + `) s
JOIN readmodel.sessions d ON d.session_date = s.target_session
WHERE s.correct = ` + correct + ` AND $__timeFilter(d.closes_at)
ORDER BY s.target_session DESC LIMIT 300`)
}

func assetAgainstAll() *table.PanelBuilder {
	all := `SELECT 'All assets' AS "Calls of", f.n AS "n", f.accuracy_pct AS "Accuracy", f.wilson_low_pct AS "95 % from", f.wilson_high_pct AS "95 % to", f.always_bullish_pct AS "Always bullish",
  f.random_mix_pct AS "Random, same mix", f.avg_return_pct AS "Average return", f.avg_abnormal_pct AS "Abnormal", f.total_pnl AS "P&L", 1 AS place
FROM readmodel.figures(` + withoutAsset(scoreFilters) + `) f`
	one := `SELECT ${symbol:sqlstring}, f.n, f.accuracy_pct, f.wilson_low_pct, f.wilson_high_pct, f.always_bullish_pct, f.random_mix_pct, f.avg_return_pct, f.avg_abnormal_pct, f.total_pnl, 0
FROM readmodel.figures(` + ofSymbol(scoreFilters) + `) f`
	return list(frame{1, "$symbol against all assets", "Accuracy = right / evaluated calls (n) with its 95 % Wilson interval, beside two baselines on the very same rows. P&L: $1,000 in each call's direction.",
		emptyScores, 24, 5}, `SELECT x."Calls of", x."n", x."Accuracy", x."95 % from", x."95 % to", x."Always bullish", x."Random, same mix", x."Average return", x."Abnormal", x."P&L"
FROM (`+all+`
UNION ALL `+one+`) x WHERE x."n" > 0 ORDER BY x.place`,
		as("n", rowCount()), as("Accuracy", percent()), as("95 % from", percent()), as("95 % to", percent()), as("Always bullish", percent()), as("Random, same mix", percent()),
		as("Average return", gain()), as("Abnormal", gain()), as("P&L", profit()))
}

// laterSplits is what a bar b has to be divided by to be on the basis of the newest bar of its source:
// the splits that its own prices do not include yet.
const laterSplits = `(SELECT coalesce(exp(sum(ln(x.ratio))), 1) FROM readmodel.splits x WHERE x.symbol = b.symbol AND x.session_date > b.adjusted_through
    AND x.session_date <= (SELECT max(m.adjusted_through) FROM readmodel.bars m WHERE m.symbol = b.symbol AND m.source = b.source AND m."interval" = '1d'))`

// candles draws the asset from one source, the best that has bars in the time range.
func candles() *candlestick.PanelBuilder {
	const sql = `SELECT coalesce(s.opens_at, c.session_date::timestamp AT TIME ZONE 'UTC') AS "time",
  c.open / c.factor AS "open", c.high / c.factor AS "high", c.low / c.factor AS "low", c.close / c.factor AS "close", c.volume
FROM (SELECT b.session_date, b.open, b.high, b.low, b.close, b.volume, f.factor
  FROM readmodel.bars b CROSS JOIN LATERAL (SELECT ` + laterSplits + ` AS factor OFFSET 0) f
  WHERE b.symbol = ${symbol:sqlstring} AND b."interval" = '1d' AND $__timeFilter(b.session_date)
    AND b.source = (SELECT y.source FROM readmodel.bars y
      WHERE y.symbol = ${symbol:sqlstring} AND y."interval" = '1d' AND $__timeFilter(y.session_date)
      ORDER BY y.source_rank, y.source COLLATE "C" LIMIT 1)) c
LEFT JOIN readmodel.sessions s USING (session_date)
ORDER BY 1`
	return candlestick.NewPanelBuilder().Id(panelBars).Title("Bars of $symbol").
		Description("Daily bars of one source at the open of each session, on the basis of the newest bar (splits taken out). Marks: posts that name the asset, by sentiment; sessions at which a call was right or wrong at the chosen horizon.").
		Datasource(dataSource()).Span(24).Height(12).NoValue("No prices of this asset in this time range: no source knows it, or none was needed then (see Pipeline).").Thresholds(plainThresholds()).
		Mode(candlestick.VizDisplayModeCandlesVolume).CandleStyle(candlestick.CandleStyleCandles).ColorStrategy(candlestick.ColorStrategyOpenClose).
		Colors(candlestick.NewCandlestickColorsBuilder().Up(colorGood).Down(colorBad).Flat(colorNeutral)).
		Fields(candlestick.NewCandlestickFieldMapBuilder().Open("open").High("high").Low("low").Close("close").Volume("volume")).
		Unit(units.NoUnit).Decimals(2).Tooltip(tooltip()).Legend(legend()).
		WithTarget(rows("A", sql))
}

func assetCallsByMonth() *timeseries.PanelBuilder {
	sql := ofSymbol(`SELECT date_trunc('month', c.published_at AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' AS "time",
  count(*) FILTER (WHERE c.sentiment = 'bullish') AS "bullish", count(*) FILTER (WHERE c.sentiment = 'bearish') AS "bearish",
  count(*) FILTER (WHERE c.sentiment IS DISTINCT FROM 'bullish' AND c.sentiment IS DISTINCT FROM 'bearish') AS "neutral or none"
FROM readmodel.calls c JOIN readmodel.predictions a USING (prediction_id)
WHERE ` + callFilter + `
GROUP BY 1 ORDER BY 1`)
	return stacks(frame{3, "Calls by month", "Calls of the asset by sentiment and month of publication, UTC.", emptyCalls, 12, 8}, units.NoUnit, sql,
		as("bullish", fixed(colorBullish)), as("bearish", fixed(colorBearish)), as("neutral or none", fixed(colorNeutral)))
}

func assetEquity() *timeseries.PanelBuilder {
	sql := ofSymbol(`SELECT e.target_session::timestamp AT TIME ZONE 'UTC' AS "time", e.equity AS "P&L", e.drawdown AS "Drawdown"
FROM readmodel.equity(` + scoreFilters + `) e ORDER BY 1`)
	return lines(frame{4, "Equity curve of $symbol", "P&L = Σ of sign × return × $1,000 of the evaluated calls, by target session, no costs. Drawdown = P&L - its highest value so far.", emptyScores, 12, 8},
		units.Dollars, sql, as("P&L", fixed(colorGood)), as("Drawdown", filled(colorBad)))
}

func assetCalls() *table.PanelBuilder {
	return list(frame{5, "Calls of $symbol, newest first", "The newest 200 calls. Return = (target - base) / base × 100; Abnormal = return - SPY's on the same sessions; P&L of $1,000 in the call's direction.",
		emptyCalls, 24, 10}, ofSymbol(callsSQL()), callColumns()...)
}

func relatedAssets() *table.PanelBuilder {
	sql := ofSymbol(`SELECT r.symbol AS "Asset", count(*) AS "Together", count(*) FILTER (WHERE r.sentiment = c.sentiment) AS "Same sentiment",
  count(s.correct) AS "n", (100.0 * count(*) FILTER (WHERE s.correct) / nullif(count(s.correct), 0))::float8 AS "Accuracy", (avg(s.return_micros) / 1e6)::float8 AS "Average return", max(c.published_at) AS "Last"
FROM readmodel.calls c JOIN readmodel.predictions a USING (prediction_id)
JOIN readmodel.calls r ON r.prediction_id = c.prediction_id AND r.symbol <> c.symbol
LEFT JOIN readmodel.scores s ON s.prediction_id = r.prediction_id AND s.symbol = r.symbol AND s.basis = ${basis:sqlstring} AND s.horizon = ${horizon:sqlstring}::int
WHERE ` + callFilter + `
GROUP BY r.symbol ORDER BY 2 DESC, r.symbol COLLATE "C" LIMIT 50`)
	return list(frame{8, "Named together with $symbol", "Assets that the same answers name: how often, how often with the same sentiment, and how those calls of them ended.", "Nothing is named together with this asset in this time range.", 12, 8}, sql,
		as("Asset", width(90), assetLink()), as("Together", count()), as("Same sentiment", count()), as("n", rowCount()), as("Accuracy", percent()), as("Average return", gain()), as("Last", width(150)))
}

func assetPrices() *stat.PanelBuilder {
	const sql = `SELECT v.calls AS "Calls, all models", v.bars AS "Bars", v.sources AS "Sources", v.sessions_behind AS "Sessions behind"
FROM readmodel.price_coverage v WHERE v.symbol = ${symbol:sqlstring}`
	return figures(frame{9, "Prices of $symbol", "Bars of all sources. Sessions behind = sessions whose bar is due and newer than the newest bar; an asset whose horizons are all over rests.", "none", 12, 5}, sql,
		as("Calls, all models", count()), as("Bars", count()), as("Sources", count()), as("Sessions behind", count(), steps(colorPlain, step{3, colorCaution})))
}

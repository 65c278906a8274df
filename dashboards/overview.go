package dashboards

import (
	"github.com/grafana/grafana-foundation-sdk/go/candlestick"
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
	"github.com/grafana/grafana-foundation-sdk/go/units"
)

// Ids of the panels: links to a single panel hold them, so they are never reused.
const (
	panelKPIs   = 1
	panelEquity = 2
	panelCalls  = 3
	panelBars   = 4
)

// minRows is the number of evaluated rows under which a figure is greyed (domain.md 5).
const minRows = 30

// overview answers the first questions: how much is there, is it right, does it pay, what was said
// and what did the prices do. Every figure is of the posts published in the time range, at basis
// next_open (what could have been traded), of the primary analyzer.
func overview() *dashboard.DashboardBuilder {
	return dashboard.NewDashboardBuilder("Overview").
		Description("Posts, calls and what the market did. Basis next_open: from the first open after the post; horizons count sessions.").
		Tags([]string{"shitpost-alpha"}).Readonly().Refresh("1m").Time("now-2y", "now").Timezone(common.TimeZoneUtc).
		Tooltip(dashboard.DashboardCursorSyncCrosshair).
		WithVariable(choice("horizon", "Horizon (sessions)", "1,3,7,30", "7")).
		WithVariable(choice("origin", "Origin of calls", "live,retrospective,imported", "$__all").Multi(true).IncludeAll(true)).
		WithVariable(symbolVariable()).
		Annotation(postAnnotations()).
		WithPanel(kpis()).
		WithPanel(equity()).
		WithPanel(bars()).
		WithPanel(calls())
}

// choice is a variable with fixed values.
func choice(name, label, values, current string) *dashboard.CustomVariableBuilder {
	text := dashboard.StringOrArrayOfString{String: cog.ToPtr(current)}
	value := text
	if current == "$__all" {
		text = dashboard.StringOrArrayOfString{ArrayOfString: []string{"All"}}
		value = dashboard.StringOrArrayOfString{ArrayOfString: []string{current}}
	}
	return dashboard.NewCustomVariableBuilder(name).Label(label).Values(dashboard.StringOrMap{String: cog.ToPtr(values)}).
		AllowCustomValue(false).Current(dashboard.VariableOption{Selected: cog.ToPtr(true), Text: text, Value: value})
}

// symbolVariable offers every symbol with prices, the most called one first: Grafana takes the
// first where nothing is chosen.
func symbolVariable() *dashboard.QueryVariableBuilder {
	const sql = `SELECT b.symbol
FROM (SELECT DISTINCT symbol FROM readmodel.bars) b
LEFT JOIN readmodel.calls c USING (symbol)
GROUP BY b.symbol
ORDER BY count(c.symbol) DESC, b.symbol`
	return dashboard.NewQueryVariableBuilder("symbol").Label("Symbol of the bars").Datasource(dataSource()).
		Query(dashboard.StringOrMap{String: cog.ToPtr(sql)}).Definition(sql).
		Refresh(dashboard.VariableRefreshOnDashboardLoad).Sort(dashboard.VariableSortDisabled)
}

// postAnnotations mark the posts that name the chosen symbol, on the bars alone.
func postAnnotations() *dashboard.AnnotationQueryBuilder {
	const sql = `SELECT c.published_at AS "time", coalesce(left(p.text, 200), '') AS "text", coalesce(c.sentiment, 'no sentiment') AS "tags"
FROM readmodel.calls c
JOIN readmodel.predictions a USING (prediction_id)
LEFT JOIN readmodel.posts p ON p.post_id = c.post_id
WHERE a.is_primary AND c.symbol = ${symbol:sqlstring} AND c.origin IN (${origin:sqlstring}) AND $__timeFilter(c.published_at)
ORDER BY c.published_at`
	return dashboard.NewAnnotationQueryBuilder().Name("Posts").Enable(true).IconColor("orange").Datasource(dataSource()).
		Filter(dashboard.NewAnnotationPanelFilterBuilder().Exclude(false).Ids([]uint8{panelBars})).
		Target(rows("Anno", sql))
}

// kpis counts, and says how often the calls were right, with n and the 95 % Wilson interval.
func kpis() *stat.PanelBuilder {
	const sql = `SELECT
  (SELECT count(*) FROM readmodel.posts WHERE $__timeFilter(published_at)) AS "Posts",
  (SELECT count(*) FROM readmodel.predictions WHERE status = 'completed' AND is_primary AND $__timeFilter(published_at)) AS "Completed predictions",
  (SELECT count(*) FROM readmodel.calls c JOIN readmodel.predictions a USING (prediction_id)
    WHERE a.is_primary AND c.origin IN (${origin:sqlstring}) AND $__timeFilter(c.published_at)) AS "Calls",
  s.n AS "Evaluated (n)",
  100.0 * s.correct / nullif(s.n, 0) AS "Accuracy",
  readmodel.wilson_low(s.correct, s.n) AS "95 % from",
  readmodel.wilson_high(s.correct, s.n) AS "95 % to"
FROM (SELECT count(*) AS n, count(*) FILTER (WHERE correct) AS correct
  FROM readmodel.scored
  WHERE is_primary AND basis = 'next_open' AND horizon = ${horizon:sqlstring}::int
    AND origin IN (${origin:sqlstring}) AND $__timeFilter(published_at)) s`
	percent := []dashboard.DynamicConfigValue{{Id: "unit", Value: units.Percent}, {Id: "decimals", Value: 1}}
	grey := []dashboard.DynamicConfigValue{{Id: "thresholds", Value: map[string]any{"mode": "absolute",
		"steps": []map[string]any{{"color": "#808080", "value": nil}, {"color": "green", "value": minRows}}}}}
	return stat.NewPanelBuilder().Id(panelKPIs).Title("Key figures").
		Description("Accuracy: right calls of the evaluated ones at basis next_open and the chosen horizon, with its 95 % Wilson interval. n is grey while it is under 30: too few to say anything.").
		Datasource(dataSource()).Span(24).Height(5).NoValue("none yet").
		Orientation(common.VizOrientationVertical).ColorMode(common.BigValueColorModeValue).GraphMode(common.BigValueGraphModeNone).
		JustifyMode(common.BigValueJustifyModeAuto).TextMode(common.BigValueTextModeValueAndName).
		Thresholds(thresholds("text")).
		ReduceOptions(common.NewReduceDataOptionsBuilder().Calcs([]string{"lastNotNull"}).Values(false)).
		OverrideByRegexp("/^(Accuracy|95 %.*)$/", percent).
		OverrideByName("Evaluated (n)", grey).
		WithTarget(rows("A", sql))
}

// equity adds up what 1,000 dollars in the direction of every call made, by target session, and
// how far that is below its highest point so far.
func equity() *timeseries.PanelBuilder {
	const sql = `SELECT target_session::timestamp AT TIME ZONE 'UTC' AS "time", total::float8 AS "P&L",
  (total - greatest(0, max(total) OVER (ORDER BY target_session)))::float8 AS "Drawdown"
FROM (SELECT target_session, sum(sum(pnl)) OVER (ORDER BY target_session) AS total
  FROM readmodel.scored
  WHERE is_primary AND basis = 'next_open' AND horizon = ${horizon:sqlstring}::int
    AND origin IN (${origin:sqlstring}) AND $__timeFilter(published_at)
  GROUP BY target_session) e
ORDER BY 1`
	return timeseries.NewPanelBuilder().Id(panelEquity).Title("Equity curve").
		Description("Cumulative P&L of 1,000 dollars per call in its direction, by target session, at basis next_open and the chosen horizon. No costs.").
		Datasource(dataSource()).Span(12).Height(9).NoValue("none yet").Unit(units.Dollars).
		DrawStyle(common.GraphDrawStyleLine).LineInterpolation(common.LineInterpolationStepAfter).FillOpacity(10).
		SpanNulls(common.BoolOrFloat64{Bool: cog.ToPtr(true)}).Thresholds(thresholds("text")).
		Tooltip(common.NewVizTooltipOptionsBuilder().Mode(common.TooltipDisplayModeMulti).Sort(common.SortOrderNone)).
		Legend(legend()).
		OverrideByName("Drawdown", []dashboard.DynamicConfigValue{{Id: "color", Value: map[string]any{"mode": "fixed", "fixedColor": "red"}}}).
		WithTarget(series("A", sql))
}

// calls lists what was said and what became of it, the newest first.
func calls() *table.PanelBuilder {
	const sql = `SELECT o.published_at AS "Time", left(regexp_replace(coalesce(p.text, ''), '\s+', ' ', 'g'), 90) AS "Post",
  o.symbol AS "Symbol", o.sentiment AS "Sentiment", o.confidence AS "Confidence", o.origin AS "Origin", o.status AS "Status",
  o.return_pct::float8 AS "Return", o.abnormal_pct::float8 AS "Abnormal", o.pnl::float8 AS "P&L", o.why AS "Why not evaluated"
FROM readmodel.outcomes_status o
LEFT JOIN readmodel.posts p USING (post_id)
WHERE o.is_primary AND o.basis = 'next_open' AND o.horizon = ${horizon:sqlstring}::int
  AND o.origin IN (${origin:sqlstring}) AND $__timeFilter(o.published_at)
ORDER BY o.published_at DESC, o.prediction_id, o.position
LIMIT 500`
	return table.NewPanelBuilder().Id(panelCalls).Title("Calls").
		Description("The newest 500 calls in the time range. Abnormal: return minus that of the benchmark on the same sessions.").
		Datasource(dataSource()).Span(24).Height(10).NoValue("").Filterable(true).Thresholds(thresholds("text")).
		CellHeight(common.TableCellHeightSm).Footer(common.NewTableFooterOptionsBuilder().Reducer([]string{})).
		OverrideByName("Time", []dashboard.DynamicConfigValue{{Id: "custom.width", Value: 170}}).
		OverrideByName("Post", []dashboard.DynamicConfigValue{{Id: "custom.width", Value: 480}}).
		OverrideByName("Confidence", []dashboard.DynamicConfigValue{{Id: "unit", Value: units.PercentUnit}, {Id: "decimals", Value: 0}}).
		OverrideByRegexp("/^(Return|Abnormal)$/", []dashboard.DynamicConfigValue{{Id: "unit", Value: units.Percent}, {Id: "decimals", Value: 2}}).
		OverrideByName("P&L", []dashboard.DynamicConfigValue{{Id: "unit", Value: units.Dollars}, {Id: "decimals", Value: 2}}).
		WithTarget(rows("A", sql))
}

// bars draws one symbol from one source, the best that has bars in the time range, on the basis of
// its newest bar: prices from before a split that the source does not include are divided by it.
func bars() *candlestick.PanelBuilder {
	const sql = `WITH chosen AS (
  SELECT * FROM readmodel.bars b
  WHERE symbol = ${symbol:sqlstring} AND "interval" = '1d' AND $__timeFilter(session_date)
    AND source = (SELECT source FROM readmodel.bars
      WHERE symbol = ${symbol:sqlstring} AND "interval" = '1d' AND $__timeFilter(session_date)
      ORDER BY source_rank, source LIMIT 1))
SELECT coalesce(s.opens_at, c.session_date::timestamp AT TIME ZONE 'UTC') AS "time",
  c.open / f.factor AS "open", c.high / f.factor AS "high", c.low / f.factor AS "low", c.close / f.factor AS "close", c.volume
FROM chosen c
LEFT JOIN readmodel.sessions s USING (session_date)
CROSS JOIN LATERAL (SELECT coalesce(exp(sum(ln(x.ratio))), 1) AS factor FROM readmodel.splits x
  WHERE x.symbol = c.symbol AND x.session_date > c.adjusted_through
    AND x.session_date <= (SELECT max(adjusted_through) FROM chosen)) f
ORDER BY 1`
	return candlestick.NewPanelBuilder().Id(panelBars).Title("Bars of $symbol").
		Description("Daily bars, each at the open of its session, with the posts that name the symbol.").
		Datasource(dataSource()).Span(12).Height(9).NoValue("none yet").Thresholds(thresholds("text")).
		Mode(candlestick.VizDisplayModeCandlesVolume).CandleStyle(candlestick.CandleStyleCandles).ColorStrategy(candlestick.ColorStrategyOpenClose).
		Fields(candlestick.NewCandlestickFieldMapBuilder().Open("open").High("high").Low("low").Close("close").Volume("volume")).
		Tooltip(common.NewVizTooltipOptionsBuilder().Mode(common.TooltipDisplayModeMulti).Sort(common.SortOrderNone)).
		Legend(legend()).
		WithTarget(rows("A", sql))
}

func thresholds(color string) *dashboard.ThresholdsConfigBuilder {
	return dashboard.NewThresholdsConfigBuilder().Mode(dashboard.ThresholdsModeAbsolute).Steps([]dashboard.Threshold{{Color: color}})
}

func legend() *common.VizLegendOptionsBuilder {
	return common.NewVizLegendOptionsBuilder().ShowLegend(true).DisplayMode(common.LegendDisplayModeList).
		Placement(common.LegendPlacementBottom).Calcs([]string{})
}

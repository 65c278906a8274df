package dashboards

import (
	"slices"

	"github.com/grafana/grafana-foundation-sdk/go/barchart"
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
	"github.com/grafana/grafana-foundation-sdk/go/units"
)

// frame is what every panel has. Ids are in links to single panels: they are never reused within a
// dashboard. A phone shows one panel under the other, as wide as it is, whatever the width.
type frame struct {
	id            uint32
	title         string
	says          string // the formula, in words
	empty         string // why there may be nothing to see
	width, height uint32 // of 24 columns; in rows of 38 pixels
}

// props are how a column is shown, in Grafana's terms.
type props = []dashboard.DynamicConfigValue

// column names a column of the answer and says how it is shown.
type column struct {
	name  string
	shown props
}

func as(name string, parts ...props) column { return column{name, slices.Concat(parts...)} }

// overridden is a panel's builder.
type overridden[B any] interface {
	OverrideByName(name string, properties []dashboard.DynamicConfigValue) B
}

func show[B overridden[B]](b B, columns []column) B {
	for _, c := range columns {
		b = b.OverrideByName(c.name, c.shown)
	}
	return b
}

// figures is a row of big numbers, one per numeric column of the one row that sql gives.
func figures(f frame, sql string, columns ...column) *stat.PanelBuilder {
	b := stat.NewPanelBuilder().Id(f.id).Title(f.title).Description(f.says).NoValue(f.empty).Span(f.width).Height(f.height).Datasource(dataSource()).
		Orientation(common.VizOrientationAuto).ColorMode(common.BigValueColorModeValue).GraphMode(common.BigValueGraphModeNone).
		JustifyMode(common.BigValueJustifyModeAuto).TextMode(common.BigValueTextModeValueAndName).Thresholds(plainThresholds()).
		ReduceOptions(common.NewReduceDataOptionsBuilder().Calcs([]string{"lastNotNull"}).Values(false)).
		WithTarget(rows("A", sql))
	return show(b, columns)
}

// list is a table of what sql gives.
func list(f frame, sql string, columns ...column) *table.PanelBuilder {
	b := table.NewPanelBuilder().Id(f.id).Title(f.title).Description(f.says).NoValue(f.empty).Span(f.width).Height(f.height).Datasource(dataSource()).
		Filterable(true).Thresholds(plainThresholds()).CellHeight(common.TableCellHeightSm).
		Footer(common.NewTableFooterOptionsBuilder().Reducer([]string{})).
		OverrideByRegexp("/.*/", props{{Id: "noValue", Value: "–"}}). // else the panel's words stand in every cell without a value
		WithTarget(rows("A", sql))
	return show(b, columns)
}

// lines is a chart over time: a column named time, and a line per number and text.
func lines(f frame, unit, sql string, columns ...column) *timeseries.PanelBuilder {
	b := timeseries.NewPanelBuilder().Id(f.id).Title(f.title).Description(f.says).NoValue(f.empty).Span(f.width).Height(f.height).Datasource(dataSource()).
		Unit(unit).DrawStyle(common.GraphDrawStyleLine).LineWidth(2).FillOpacity(0).ShowPoints(common.VisibilityModeAuto).Thresholds(plainThresholds()).
		SpanNulls(common.BoolOrFloat64{Bool: cog.ToPtr(true)}).Tooltip(tooltip()).Legend(legend()).
		WithTarget(series("A", sql))
	return show(b, columns)
}

// stacks is a chart of bars over time, one on the other.
func stacks(f frame, unit, sql string, columns ...column) *timeseries.PanelBuilder {
	return lines(f, unit, sql, columns...).DrawStyle(common.GraphDrawStyleBars).FillOpacity(80).ShowPoints(common.VisibilityModeNever).
		Stacking(common.NewStackingConfigBuilder().Mode(common.StackingModeNormal).Group("A"))
}

// bars is a chart of named bars: text in the first column, numbers in the others.
func bars(f frame, x, unit, sql string, columns ...column) *barchart.PanelBuilder {
	b := barchart.NewPanelBuilder().Id(f.id).Title(f.title).Description(f.says).NoValue(f.empty).Span(f.width).Height(f.height).Datasource(dataSource()).
		XField(x).Unit(unit).Orientation(common.VizOrientationAuto).Stacking(common.StackingModeNone).ShowValue(common.VisibilityModeAuto).
		XTickLabelSpacing(0).Thresholds(plainThresholds()).Tooltip(tooltip()).Legend(legend()).
		WithTarget(rows("A", sql))
	return show(b, columns)
}

func tooltip() *common.VizTooltipOptionsBuilder {
	return common.NewVizTooltipOptionsBuilder().Mode(common.TooltipDisplayModeMulti).Sort(common.SortOrderNone)
}

func legend() *common.VizLegendOptionsBuilder {
	return common.NewVizLegendOptionsBuilder().ShowLegend(true).DisplayMode(common.LegendDisplayModeList).
		Placement(common.LegendPlacementBottom).Calcs([]string{})
}

// What follows is how columns are shown. Percent values are percentage points, so the unit is percent,
// not percentunit; a confidence is 0 to 1, so it is percentunit.

func unit(name string, decimals int) props {
	return props{{Id: "unit", Value: name}, {Id: "decimals", Value: decimals}}
}

func percent() props    { return unit(units.Percent, 1) }
func dollars() props    { return unit(units.Dollars, 2) }
func seconds() props    { return unit(units.Seconds, 1) }
func confidence() props { return unit(units.PercentUnit, 0) }
func count() props      { return unit(units.NoUnit, 0) }

// rowCount is n: grey under minRows.
func rowCount() props {
	return slices.Concat(count(), steps(colorNeutral, step{minRows, colorPlain}), props{colored()})
}

// pValue is good under 5 %.
func pValue() props {
	return slices.Concat(unit(units.NoUnit, 3), steps(colorGood, step{0.05, colorNeutral}), props{colored()})
}

// gain is a return in percentage points, coloured beyond the band of 0.5 (domain.md 4).
func gain() props {
	return slices.Concat(unit(units.Percent, 2), signed(0.5), props{colored()})
}

func profit() props { return slices.Concat(dollars(), signed(0.005), props{colored()}) }

// edge is a difference of accuracies in percentage points.
func edgePoints() props { return slices.Concat(percent(), signed(0.05), props{colored()}) }

// heat fills the cell instead of colouring its text.
func heat(of props) props {
	return append(slices.DeleteFunc(slices.Clone(of), func(p dashboard.DynamicConfigValue) bool { return p.Id == "custom.cellOptions" }),
		dashboard.DynamicConfigValue{Id: "custom.cellOptions", Value: map[string]any{"type": "color-background", "mode": "basic"}})
}

// gauge draws the number as a bar in its cell.
func gauge(low, high float64) props {
	return props{{Id: "custom.cellOptions", Value: map[string]any{"type": "gauge", "mode": "basic", "valueDisplayMode": "text"}},
		{Id: "min", Value: low}, {Id: "max", Value: high}, {Id: "color", Value: map[string]any{"mode": "fixed", "fixedColor": colorBaseline}}}
}

func colored() dashboard.DynamicConfigValue {
	return dashboard.DynamicConfigValue{Id: "custom.cellOptions", Value: map[string]any{"type": "color-text"}}
}

func fixed(color string) props {
	return props{{Id: "color", Value: map[string]any{"mode": "fixed", "fixedColor": color}}}
}

func dashed(color string) props {
	return append(fixed(color), dashboard.DynamicConfigValue{Id: "custom.lineStyle", Value: map[string]any{"fill": "dash", "dash": []int{10, 10}}})
}

func filled(color string) props {
	return append(fixed(color), dashboard.DynamicConfigValue{Id: "custom.fillOpacity", Value: 20})
}

func width(pixels int) props { return props{{Id: "custom.width", Value: pixels}} }

// wrapped breaks a long text into lines.
func wrapped(pixels int) props {
	return append(width(pixels), dashboard.DynamicConfigValue{Id: "custom.wrapText", Value: true})
}

// hidden columns are there for links.
func hidden() props {
	return props{{Id: "custom.hideFrom", Value: map[string]any{"viz": true, "legend": true, "tooltip": true}}}
}

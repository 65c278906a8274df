package viewer

import (
	"slices"
	"time"

	"github.com/go-analyze/charts"
)

// bars draws a bar per label and series, horizontal ones from above.
func (p plot) bars(g gridPos, o options, loc *time.Location) (drawn, error) {
	if o.Orientation == "horizontal" {
		p = p.reversed() // the library begins below
	}
	p, tinted := p.tinted()
	colors, first := p.colors(), p.Series[0].Field
	var list charts.BarSeriesList
	for _, s := range p.Series {
		list = append(list, charts.BarSeries{Values: s.Values, Name: s.Field.title()})
	}
	stacked := o.Stacking == "normal" || o.Stacking == "percent" || first.Custom.Stacking.Mode == "normal" || first.Custom.Stacking.Mode == "percent"
	return both(g, func(painter *charts.Painter, s size) error {
		opt := charts.NewBarChartOptionWithSeries(list)
		opt.Theme, opt.Padding, opt.Legend = theme(colors, colors[0], colors[0]), chartPadding, legend(p.names(), o.Legend.ShowLegend)
		opt.Horizontal = o.Orientation == "horizontal"
		opt.ValueAxis = []charts.ValueAxisOption{axis(first, loc)}
		opt.StackSeries = charts.Ptr((stacked || tinted) && len(list) > 1)
		if tinted {
			opt.Legend = charts.LegendOption{Show: charts.Ptr(false)}
		}
		switch {
		case opt.Horizontal:
			opt.CategoryAxis = charts.CategoryAxisOption{Labels: cut(p.Labels, s.width/20), LabelFontStyle: small}
		case len(p.Times) > 0:
			opt.CategoryAxis = labelled(s.width, p.Labels)
		default:
			opt.CategoryAxis = upright(s.width, p.Labels)
		}
		return painter.BarChart(opt)
	})
}

// tinted splits a series whose bars have colours of their own, by thresholds or by another field,
// into one for each colour, for the library colours series and not bars. Stacked, they look as one.
func (p plot) tinted() (plot, bool) {
	if len(p.Series) != 1 {
		return p, false
	}
	only := p.Series[0]
	if only.Field.Color.Mode != "thresholds" && p.Tints == nil {
		return p, false
	}
	low, high := extent(only.Field.Values)
	out := plot{Labels: p.Labels, Times: p.Times}
	for i, v := range only.Values {
		color := only.Field.colorOf(v, low, high)
		if p.Tints != nil {
			color = p.Tints[i]
		}
		if v == charts.GetNullValue() || color == "" {
			color = seriesColors[0]
		}
		at := slices.IndexFunc(out.Series, func(s plotSeries) bool { return s.Field.Color.FixedColor == color })
		if at < 0 {
			same := *only.Field
			same.Color = fieldColor{Mode: "fixed", FixedColor: color}
			at = len(out.Series)
			out.Series = append(out.Series, plotSeries{Field: &same, Values: slices.Repeat([]float64{charts.GetNullValue()}, len(only.Values))})
		}
		out.Series[at].Values[i] = v
	}
	return out, true
}

func (p plot) reversed() plot {
	out := plot{Labels: slices.Clone(p.Labels), Times: p.Times}
	slices.Reverse(out.Labels)
	if p.Tints != nil {
		out.Tints = slices.Clone(p.Tints)
		slices.Reverse(out.Tints)
	}
	for _, s := range p.Series {
		s.Values = slices.Clone(s.Values)
		slices.Reverse(s.Values)
		out.Series = append(out.Series, s)
	}
	return out
}

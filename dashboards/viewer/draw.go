package viewer

import (
	"fmt"
	"html/template"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-analyze/charts"
)

// Widths of a page on a screen and on a phone, in pixels: charts are drawn for both, since text that
// is scaled down cannot be read.
const (
	pageWidth  = 1240
	phoneWidth = 340
	rowHeight  = 38 // of the grid, gap included
)

// drawn is a chart in both widths.
type drawn struct{ Wide, Narrow template.HTML }

type size struct{ width, height int }

func sizes(g gridPos) (wide, narrow size) {
	height := max(120, g.H*rowHeight-60)
	return size{max(160, pageWidth*g.W/24-34), height}, size{phoneWidth, min(260, max(180, height))}
}

// both draws a chart twice. The library writes SVG and escapes the texts in it.
func both(g gridPos, draw func(*charts.Painter, size) error) (drawn, error) {
	var d drawn
	wide, narrow := sizes(g)
	for s, to := range map[size]*template.HTML{wide: &d.Wide, narrow: &d.Narrow} {
		svg, err := paint(s, draw)
		if err != nil {
			return d, err
		}
		*to = svg
	}
	return d, nil
}

// paint draws once. A panic of the library on odd data is an error of this panel alone.
func paint(s size, draw func(*charts.Painter, size) error) (out template.HTML, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("draw chart: %v", r)
		}
	}()
	p := charts.NewPainter(charts.PainterOptions{OutputFormat: charts.ChartOutputSVG, Width: s.width, Height: s.height})
	if err := draw(p, s); err != nil {
		return "", fmt.Errorf("draw chart: %w", err)
	}
	raw, err := p.Bytes()
	if err != nil {
		return "", fmt.Errorf("draw chart: %w", err)
	}
	return template.HTML(raw), nil // the library's own SVG, its texts escaped
}

// theme has the colours of the series, on the page's background.
func theme(series []string, up, down string) charts.ColorPalette {
	var colors []charts.Color
	for _, c := range series {
		colors = append(colors, charts.ColorFromHex(c))
	}
	grey, line := charts.ColorFromHex("#4B5563"), charts.ColorFromHex("#E5E7EB")
	return charts.MakeTheme(charts.ThemeOption{
		BackgroundColor: charts.ColorTransparent, TextColor: grey, TextColorLegend: grey, TextColorXAxis: grey, TextColorYAxis: grey,
		TextColorLabel: grey, AxisStrokeColor: charts.ColorFromHex("#9CA3AF"), AxisSplitLineColor: line, SeriesColors: colors,
		SeriesUpDownColors: [][2]charts.Color{{charts.ColorFromHex(up), charts.ColorFromHex(down)}},
	})
}

// colors gives each series its own, by its field where that says one.
func (p plot) colors() []string {
	var all []string
	next := 0
	for _, s := range p.Series {
		c := ""
		if s.Field.Color.Mode == "fixed" {
			c = css(s.Field.Color.FixedColor)
		}
		if c == "" {
			c = seriesColors[next%len(seriesColors)]
			next++
		}
		all = append(all, c)
	}
	return all
}

func (p plot) names() []string {
	var all []string
	for _, s := range p.Series {
		all = append(all, s.Field.title())
	}
	return all
}

var small = charts.FontStyle{FontSize: 10}

// axis writes values in the unit of the first of the series on it.
func axis(f *field, loc *time.Location) charts.YAxisOption {
	o := charts.YAxisOption{Min: f.Min, Max: f.Max, LabelFontStyle: small, ValueFormatter: func(v float64) string {
		plain := *f
		if plain.Decimals != nil && *plain.Decimals > 0 && v == math.Trunc(v) {
			plain.Decimals = nil
		}
		return plain.number(v, loc)
	}}
	if f.Min != nil && f.Max != nil {
		o.LabelCount = 6 // steps of a fifth: round for 0 to 100 and 0 to 1
	}
	return o
}

// labelled is a horizontal axis of times, with as many labels as fit side by side. Where not all do,
// the last one is left out: the library would write it to the left of the axis' end, over the one
// before.
func labelled(width int, labels []string) charts.XAxisOption {
	n, count := len(labels), len(labels)
	each := float64(width-60) / float64(max(1, n)) // pixels of a label's place
	for need := float64(longest(labels)*7 + 16); count > 2; count-- {
		// The library rounds places, so that two may be the whole part of their distance apart.
		if math.Floor(float64(n)/float64(count))*each >= need {
			break
		}
	}
	if count < n {
		labels = slices.Clone(labels)
		labels[n-1] = ""
	}
	return charts.XAxisOption{Labels: labels, LabelFontStyle: small, LabelCount: count}
}

// upright is a horizontal axis of names, which all have to be read: where they do not fit side by side
// they stand upright, where that does not do either they are thinned out as times are.
func upright(width int, labels []string) charts.XAxisOption {
	room := (width - 60) / max(1, len(labels))
	switch {
	case room > longest(labels)*6+6:
		return charts.XAxisOption{Labels: labels, LabelFontStyle: small, LabelCount: len(labels)}
	case room < 12:
		return labelled(width, labels)
	}
	return charts.XAxisOption{Labels: cut(labels, 18), LabelFontStyle: small, LabelCount: len(labels), LabelRotation: charts.DegreesToRadians(90),
		BoundaryGap: charts.Ptr(true)} // each under its bar
}

func longest(labels []string) int {
	most := 1
	for _, l := range labels {
		most = max(most, utf8.RuneCountInString(l))
	}
	return most
}

func cut(labels []string, most int) []string {
	out := make([]string, len(labels))
	for i, l := range labels {
		if r := []rune(l); len(r) > most {
			l = string(r[:most-1]) + "…"
		}
		out[i] = l
	}
	return out
}

// legend names the series, where there are several.
func legend(names []string, show *bool) charts.LegendOption {
	visible := len(names) > 1 && (show == nil || *show)
	return charts.LegendOption{Show: charts.Ptr(visible), SeriesNames: names, FontStyle: small, Padding: charts.NewBox(0, 0, 0, 4)}
}

var chartPadding = charts.NewBox(6, 6, 14, 4)

// lines draws a time series, with a dot on the first line for each annotation,
// which has its name in the legend.
func (p plot) lines(g gridPos, o options, marks []mark, loc *time.Location) (drawn, error) {
	colors := p.colors()
	first := p.Series[0].Field
	if first.Custom.DrawStyle == "bars" {
		return p.bars(g, o, loc)
	}
	var list charts.LineSeriesList
	axes := []charts.YAxisOption{axis(first, loc)}
	for _, s := range p.Series {
		line := charts.LineSeries{Values: s.Values, Name: s.Field.title()}
		if s.Field.Custom.AxisPlacement == "right" || s.Field.Unit != first.Unit {
			if len(axes) == 1 {
				axes = append(axes, axis(s.Field, loc))
			}
			line.YAxisIndex = 1
		}
		if s.Field.Custom.DrawStyle == "points" || alone(s.Values) {
			line.Symbol = charts.Symbol{Shape: charts.SymbolDot, Size: 3}
		}
		list = append(list, line)
	}
	names := p.names()
	for _, m := range p.marked(marks) {
		list, colors, names = append(list, m.line), append(colors, m.color), append(names, m.line.Name)
	}
	return both(g, func(painter *charts.Painter, s size) error {
		opt := charts.NewLineChartOptionWithSeries(list)
		opt.Theme, opt.Padding, opt.YAxis = theme(colors, colors[0], colors[0]), chartPadding, axes
		opt.Legend = legend(names, o.Legend.ShowLegend)
		opt.Symbol.Shape, opt.LineStrokeWidth = charts.SymbolNone, 1.6
		if first.Custom.DrawStyle == "points" {
			opt.LineStrokeWidth = 0.01 // the library has no points without a line
		}
		opt.XAxis = labelled(s.width, p.Labels)
		opt.XAxis.BoundaryGap = charts.Ptr(false)
		if first.Custom.FillOpacity > 0 && len(p.Series) == 1 && !p.negative() {
			opt.FillArea, opt.FillOpacity = charts.Ptr(true), uint8(min(255, first.Custom.FillOpacity*2.55))
		}
		return painter.LineChart(opt)
	})
}

// dotted is a series of dots without a line.
type dotted struct {
	line  charts.LineSeries
	color string
}

// marked makes a series of each annotation: the first line's values at the last time before each
// mark that has one. Of marks side by side the first is drawn, for the library would join them.
func (p plot) marked(marks []mark) []dotted {
	null, first := charts.GetNullValue(), p.Series[0].Values
	byName := map[string]int{}
	var all []dotted
	for _, m := range marks {
		i := lastBefore(p.Times, m.At)
		if i < 0 || first[i] == null {
			continue
		}
		at, known := byName[m.Name]
		if !known {
			at = len(all)
			byName[m.Name] = at
			all = append(all, dotted{charts.LineSeries{Name: m.Name, Values: slices.Repeat([]float64{null}, len(first)), Symbol: charts.Symbol{Shape: charts.SymbolDot, Size: 5}}, m.Color})
		}
		if values := all[at].line.Values; i == 0 || values[i-1] == null {
			values[i] = first[i]
		}
	}
	return all
}

// alone says whether a value has no neighbour, so that a line would not show it.
func alone(values []float64) bool {
	null := charts.GetNullValue()
	for i, v := range values {
		if v != null && (i == 0 || values[i-1] == null) && (i == len(values)-1 || values[i+1] == null) {
			return true
		}
	}
	return false
}

func (p plot) negative() bool {
	for _, s := range p.Series {
		for _, v := range s.Values {
			if v < 0 {
				return true
			}
		}
	}
	return false
}

// sparkline is a line without axes, 100 by 24, of the values that are there.
func sparkline(values []any, color string) template.HTML {
	var numbers []float64
	for _, v := range values {
		if n, ok := v.(float64); ok {
			numbers = append(numbers, n)
		}
	}
	if len(numbers) < 2 {
		return ""
	}
	low, high := numbers[0], numbers[0]
	for _, n := range numbers {
		low, high = min(low, n), max(high, n)
	}
	var points strings.Builder
	for i, n := range numbers {
		fmt.Fprintf(&points, "%.1f,%.1f ", 100*float64(i)/float64(len(numbers)-1), 22-20*share(n, low, high))
	}
	if color == "" {
		color = seriesColors[0]
	}
	return template.HTML(fmt.Sprintf(`<svg class="spark" viewBox="0 0 100 24" preserveAspectRatio="none" aria-hidden="true"><polyline points="%s" fill="none" stroke="%s" stroke-width="1.5" vector-effect="non-scaling-stroke"/></svg>`,
		strings.TrimSpace(points.String()), color)) // numbers and a colour that css let through
}

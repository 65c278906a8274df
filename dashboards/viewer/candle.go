package viewer

import (
	"cmp"
	"time"

	"github.com/go-analyze/charts"
)

// Pixels that a candle needs to be told from the next.
const candleWidth = 9

// mark is an annotation at one time.
type mark struct {
	At    time.Time
	Name  string // of the annotation
	Text  string
	Tags  string
	Color string
}

// candleChart draws bars, several put together where there are more than can be told apart, with a
// mark beside the bar in which an annotation lies. merged is the number of bars per candle on a screen;
// on a phone it is more.
func candleChart(g gridPos, times []time.Time, bars []charts.OHLCData, f *field, colors map[string]string, marks []mark, loc *time.Location) (d drawn, merged int, err error) {
	d, err = both(g, func(painter *charts.Painter, s size) error {
		starts, series := together(times, bars, perCandle(len(bars), s))
		series.Label = dots(starts, marks)
		opt := charts.NewCandlestickOptionWithSeries(series)
		opt.Theme, opt.Padding = theme(seriesColors, cmp.Or(css(colors["up"]), upColor), cmp.Or(css(colors["down"]), downColor)), chartPadding
		opt.Legend = charts.LegendOption{Show: charts.Ptr(false)}
		opt.YAxis = []charts.YAxisOption{axis(f, loc)}
		opt.XAxis = labelled(s.width, timeLabels(starts, loc))
		return painter.CandlestickChart(opt)
	})
	wide, _ := sizes(g)
	return d, perCandle(len(bars), wide), err
}

// perCandle is how many bars a candle must hold.
func perCandle(bars int, s size) int {
	fit := max(1, (s.width-40)/candleWidth)
	return (bars + fit - 1) / fit
}

// together makes one candle of every n bars, at the time of the first.
func together(times []time.Time, bars []charts.OHLCData, n int) ([]time.Time, charts.CandlestickSeries) {
	series := charts.CandlestickSeries{Data: bars}
	if n <= 1 {
		return times, series
	}
	var starts []time.Time
	for i := 0; i < len(times); i += n {
		starts = append(starts, times[i])
	}
	return starts, charts.AggregateCandlestick(series, n)
}

// Bars that rose and that fell: told apart by the colour-blind too.
const (
	upColor   = "#0072B2"
	downColor = "#D55E00"
)

// dots puts a dot at the last of the times before each mark, in its colour.
func dots(times []time.Time, marks []mark) charts.SeriesLabel {
	marked := map[int]string{}
	for _, m := range marks {
		if i := lastBefore(times, m.At); i >= 0 {
			marked[i] = m.Color
		}
	}
	return charts.SeriesLabel{Show: charts.Ptr(len(marked) > 0), LabelFormatter: func(i int, _ string, _ float64) (string, *charts.LabelStyle) {
		color, ok := marked[i]
		if !ok {
			return "", nil
		}
		return "●", &charts.LabelStyle{FontStyle: charts.FontStyle{FontSize: 7, FontColor: charts.ColorFromHex(color)}}
	}}
}

// lastBefore is the index of the last time that is not after t, -1 if there is none.
func lastBefore(times []time.Time, t time.Time) int {
	i := -1
	for i+1 < len(times) && !times[i+1].After(t) {
		i++
	}
	return i
}

package viewer

import (
	"math"
	"slices"
	"time"

	"github.com/go-analyze/charts"
)

// Most points of a line: the charting library places points by their number, not by their time, so
// times are put on a grid of equal steps, and a chart is only so many pixels wide.
const gridPoints = 240

// plot is what a chart draws: labels along the axis and one value per label and series.
type plot struct {
	Labels []string
	Times  []time.Time // as Labels; empty for a bar chart of categories
	Series []plotSeries
	Tints  []string // colour of each label's bars, if another field says it
}

type plotSeries struct {
	Field  *field
	Values []float64 // charts.GetNullValue where there is none
}

// timePlot puts all numbers of the frames on one time axis.
func timePlot(frames []frame, loc *time.Location) plot {
	var all []plotSeries
	var times []time.Time
	var at [][]time.Time
	for _, f := range frames {
		clock := f.field("time")
		if clock == nil {
			clock = f.first(moment)
		}
		if clock == nil {
			continue
		}
		numeric(clock)
		for _, c := range f.Fields {
			if c.Kind != number || c == clock || c.hidden() {
				continue
			}
			s := plotSeries{Field: c}
			var own []time.Time
			for i, v := range c.Values {
				t, hasTime := clock.Values[i].(time.Time)
				n, isNumber := v.(float64)
				if !hasTime || !isNumber {
					continue
				}
				own = append(own, t)
				s.Values = append(s.Values, n)
			}
			if len(own) > 0 {
				all, at, times = append(all, s), append(at, own), append(times, own...)
			}
		}
	}
	slices.SortFunc(times, time.Time.Compare)
	grid := slices.CompactFunc(times, time.Time.Equal)
	if len(grid) > gridPoints || !even(grid) {
		grid = steps(grid[0], grid[len(grid)-1])
	}
	p := plot{Times: grid, Labels: timeLabels(grid, loc)}
	for i, s := range all {
		s.Values = onto(grid, at[i], s.Values, s.Field)
		p.Series = append(p.Series, s)
	}
	return p
}

// even says whether the times can be drawn at equal distances: months may differ, weekends may not.
func even(times []time.Time) bool {
	if len(times) < 3 {
		return true
	}
	shortest, longest := time.Duration(math.MaxInt64), time.Duration(0)
	for i := 1; i < len(times); i++ {
		gap := times[i].Sub(times[i-1])
		shortest, longest = min(shortest, gap), max(longest, gap)
	}
	return longest <= shortest*5/4
}

func steps(from, to time.Time) []time.Time {
	grid := make([]time.Time, gridPoints)
	for i := range grid {
		grid[i] = from.Add(time.Duration(float64(to.Sub(from)) * float64(i) / (gridPoints - 1)))
	}
	return grid
}

// onto gives a series a value at each time of the grid: the last one at or before it where the line
// has steps, is a bar or a point; else on the straight line between its neighbours. There is none
// before the first and after the last.
func onto(grid, at []time.Time, values []float64, f *field) []float64 {
	out := make([]float64, len(grid))
	next := 0 // first value after the grid's time
	stepped := f.Custom.LineInterpolation == "stepAfter"
	single := f.Custom.DrawStyle == "bars" || f.Custom.DrawStyle == "points"
	for i, t := range grid {
		before := next
		for next < len(at) && !at[next].After(t) {
			next++
		}
		switch {
		case next > 0 && at[next-1].Equal(t), next > 0 && single && next > before:
			out[i] = values[next-1]
		case next == 0 || next == len(at) || single:
			out[i] = charts.GetNullValue()
		case stepped:
			out[i] = values[next-1]
		default:
			share := float64(t.Sub(at[next-1])) / float64(at[next].Sub(at[next-1]))
			out[i] = values[next-1] + share*(values[next]-values[next-1])
		}
	}
	return out
}

// timeLabels writes times as short as the span between first and last allows.
func timeLabels(times []time.Time, loc *time.Location) []string {
	if len(times) == 0 {
		return nil
	}
	layout := "Jan 2006"
	switch span := times[len(times)-1].Sub(times[0]); {
	case len(times) > 2 && !slices.ContainsFunc(times, func(t time.Time) bool { return t.In(loc).Day() != 1 }): // months
	case span < 36*time.Hour:
		layout = "15:04"
	case span < 7*24*time.Hour:
		layout = "Jan 2 15:04"
	case span < 330*24*time.Hour:
		layout = "Jan 2"
	case span < 5*365*24*time.Hour:
		layout = "2006-01-02"
	}
	labels := make([]string, len(times))
	for i, t := range times {
		labels[i] = t.In(loc).Format(layout)
	}
	return labels
}

// categoryPlot has a bar per row and number.
func categoryPlot(f frame, o options, loc *time.Location) plot {
	x := f.field(o.XField)
	for _, k := range []kind{text, moment, number} {
		if x == nil {
			x = f.first(k)
		}
	}
	var p plot
	if x == nil {
		return p
	}
	for i := range f.Rows {
		label := ""
		if t, ok := x.Values[i].(time.Time); ok {
			label = t.In(loc).Format(time.DateOnly)
		} else {
			label, _ = x.show(x.Values[i], loc)
		}
		p.Labels = append(p.Labels, label)
	}
	tint := f.field(o.ColorByField)
	if tint != nil {
		low, high := extent(tint.Values)
		for _, v := range tint.Values {
			p.Tints = append(p.Tints, tint.colorOf(v, low, high))
		}
	}
	for _, c := range f.Fields {
		if c == x || c.Kind != number || c.hidden() {
			continue
		}
		s := plotSeries{Field: c}
		for _, v := range c.Values {
			n, ok := v.(float64)
			if !ok {
				n = charts.GetNullValue()
			}
			s.Values = append(s.Values, n)
		}
		p.Series = append(p.Series, s)
	}
	return p
}

// candles reads bars by the names that the panel gives to open, high, low and close.
func candles(f frame, names map[string]string) (times []time.Time, bars []charts.OHLCData) {
	at := f.field("time")
	if at == nil {
		at = f.first(moment)
	}
	if at == nil {
		return nil, nil
	}
	numeric(at)
	var columns [4]*field
	for i, part := range []string{"open", "high", "low", "close"} {
		name := names[part]
		if name == "" {
			name = part
		}
		if columns[i] = f.field(name); columns[i] == nil {
			return nil, nil
		}
	}
	for row := range f.Rows {
		t, ok := at.Values[row].(time.Time)
		var price [4]float64
		for i, c := range columns {
			n, isNumber := c.Values[row].(float64)
			price[i], ok = n, ok && isNumber
		}
		if ok {
			times = append(times, t)
			bars = append(bars, charts.OHLCData{Open: price[0], High: price[1], Low: price[2], Close: price[3]})
		}
	}
	return times, bars
}

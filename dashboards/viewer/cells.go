package viewer

import (
	"fmt"
	"math"
	"regexp"
	"time"
)

// stats are the big numbers of a stat panel: one per field and, if it asks for all values, per row.
func stats(p panel, frames []frame, s scope, loc *time.Location) []stat {
	var all []stat
	o := p.Options
	for _, f := range frames {
		for _, c := range f.Fields {
			if c.hidden() || !wanted(c, o.ReduceOptions.Fields) {
				continue
			}
			low, high := extent(c.Values)
			if o.ReduceOptions.Values {
				label := f.first(text)
				for i, v := range c.Values {
					name := c.title()
					if label != nil && label != c {
						name = plain(label.Values[i])
					}
					all = append(all, oneStat(p, c, f, i, name, v, low, high, s, loc))
					if limit := o.ReduceOptions.Limit; limit > 0 && len(all) >= limit {
						return all
					}
				}
				continue
			}
			row, v := reduce(c.Values, o.ReduceOptions.Calcs)
			one := oneStat(p, c, f, row, c.title(), v, low, high, s, loc)
			if o.GraphMode == "area" {
				one.Spark = sparkline(c.Values, one.Color)
			}
			all = append(all, one)
		}
	}
	return all
}

func oneStat(p panel, c *field, f frame, row int, name string, v any, low, high float64, s scope, loc *time.Location) stat {
	words, color := c.show(v, loc)
	if color = css(color); color == "" {
		color = c.colorOf(v, low, high)
	}
	if v == nil && words == "" {
		words = "–"
	}
	one := stat{Name: name, Value: words, Color: color}
	switch p.Options.ColorMode {
	case "background", "background_solid":
		if color != "" {
			one.Background, one.Color = color, readable(color)
		}
	case "none":
		one.Color = ""
	}
	if p.Options.TextMode == "value" {
		one.Name = ""
	}
	for _, l := range c.Links {
		if a, ok := s.address(l, f, row, v); ok {
			one.Link = a.URL
			break
		}
	}
	return one
}

// wanted says whether a stat shows the field: numbers by default, else those whose name matches.
func wanted(c *field, fields string) bool {
	if fields == "" {
		return c.Kind == number
	}
	re, err := slashed(fields)
	if err != nil || fields[0] != '/' {
		return c.Name == fields || c.title() == fields
	}
	return re.MatchString(c.title())
}

// reduce makes one value of a column, and says in which row it stands, where it stands in one.
func reduce(values []any, calcs []string) (row int, v any) {
	calc := "lastNotNull"
	if len(calcs) > 0 {
		calc = calcs[0]
	}
	last := len(values) - 1
	if last < 0 {
		return 0, nil
	}
	sum, n := 0.0, 0
	low, high := extent(values)
	first, final := -1, -1
	for i, v := range values {
		if v == nil {
			continue
		}
		if first < 0 {
			first = i
		}
		final = i
		if x, ok := v.(float64); ok {
			sum, n = sum+x, n+1
		}
	}
	if final < 0 {
		return last, nil
	}
	switch calc {
	case "last":
		return last, values[last]
	case "first":
		return 0, values[0]
	case "firstNotNull":
		return first, values[first]
	case "sum":
		return final, sum
	case "mean":
		return final, sum / float64(max(1, n))
	case "min":
		return final, low
	case "max":
		return final, high
	case "count":
		return final, float64(n)
	}
	return final, values[final]
}

// extent is the least and the greatest number.
func extent(values []any) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, v := range values {
		if n, ok := v.(float64); ok {
			low, high = min(low, n), max(high, n)
		}
	}
	if low > high {
		return 0, 0
	}
	return low, high
}

// tables shows the first frame that has rows, sorted as the panel asks.
func (out *view) tables(p panel, frames []frame, s scope, loc *time.Location) {
	f := frames[0]
	for _, other := range frames[1:] {
		if f.Rows == 0 {
			f = other
		}
	}
	for i := len(p.Options.SortBy) - 1; i >= 0; i-- {
		f = f.sorted(p.Options.SortBy[i].DisplayName, p.Options.SortBy[i].Desc)
	}
	if f.Rows > tableRows {
		out.Notes = append(out.Notes, fmt.Sprintf("The first %d of %d rows.", tableRows, f.Rows))
	}
	all := f // links may take values of hidden columns
	t := &table{}
	shown := f.head(tableRows)
	for _, c := range shown.Fields {
		if c.hidden() {
			continue
		}
		t.Head = append(t.Head, head{Title: c.title(), Right: c.right(), Width: c.Custom.Width})
	}
	t.Rows = make([][]cell, shown.Rows)
	for _, c := range shown.Fields {
		if c.hidden() {
			continue
		}
		low, high := extent(all.field(c.Name).Values)
		for i := range shown.Rows {
			t.Rows[i] = append(t.Rows[i], oneCell(c, all, i, low, high, s, loc))
		}
	}
	out.Table = t
}

func (f *field) right() bool {
	switch f.Custom.Align {
	case "right":
		return true
	case "left", "center":
		return false
	}
	return f.Kind == number
}

// class says how a cell is set: numbers to the right, times in one line, long texts in few lines
// unless the column wraps them.
func (f *field) class(words string) string {
	switch {
	case f.right():
		return "right"
	case f.Kind == moment, len(words) <= 24:
		return "line"
	case len(words) > 40 && f.Custom.WrapText:
		return "long"
	case len(words) > 40:
		return "long clip"
	}
	return ""
}

func oneCell(c *field, f frame, row int, low, high float64, s scope, loc *time.Location) cell {
	v := c.Values[row]
	if line, ok := v.(series); ok {
		return cell{Spark: sparkline(line, css(c.Color.FixedColor)), Gauge: -1}
	}
	words, color := c.show(v, loc)
	if color = css(color); color == "" && c.Custom.CellOptions.Type != "" {
		color = c.colorOf(v, low, high)
	}
	out := cell{Text: words, Class: c.class(words), Gauge: -1}
	switch c.Custom.CellOptions.Type {
	case "color-background":
		if color != "" && v != nil {
			out.Background, out.Color = color, readable(color)
		}
	case "gauge":
		if n, ok := v.(float64); ok {
			out.Gauge, out.Background = int(100*share(n, bound(c.Min, min(0, low)), bound(c.Max, high))), color
		}
	default:
		out.Color = color
	}
	for _, l := range c.Links {
		if v == nil {
			break // a link to nothing
		}
		if a, ok := s.address(l, f, row, v); ok {
			out.Links = append(out.Links, a)
		}
	}
	if len(out.Links) == 0 && webAddress.MatchString(words) {
		out.Links = append(out.Links, anchor{Title: words, URL: words, Outside: true})
	}
	return out
}

var webAddress = regexp.MustCompile(`^https://[\w.-]+/[^\s"'<>]*$`)

package viewer

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

type kind string

const (
	number  kind = "number"
	moment  kind = "time"
	boolean kind = "boolean"
	text    kind = "string"
	curve   kind = "frame" // values are series
)

// series is a line in a table's cell.
type series []any

// frame is the answer to one statement: columns of equal length.
type frame struct {
	RefID  string
	Fields []*field
	Rows   int
	Cut    bool // there were more rows than are read
}

// field is a column: nil, float64, time.Time, bool, string or series, by kind.
type field struct {
	Name   string
	Kind   kind
	Values []any
	labels []label // of one series of a time series
	fieldOptions
}

type label struct{ Name, Value string }

func (f frame) field(name string) *field {
	for _, c := range f.Fields {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// titled finds a field by what a reader calls it.
func (f frame) titled(title string) *field {
	for _, c := range f.Fields {
		if c.title() == title {
			return c
		}
	}
	return nil
}

func (f frame) first(k kind) *field {
	for _, c := range f.Fields {
		if c.Kind == k {
			return c
		}
	}
	return nil
}

// plain is a value without unit, as a variable or an address holds it.
func plain(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case time.Time:
		return strconv.FormatInt(v.UnixMilli(), 10)
	case bool:
		return strconv.FormatBool(v)
	case string:
		return v
	}
	return fmt.Sprint(v)
}

// compareNumbers orders texts by the numbers that they are; other texts come last.
func compareNumbers(a, b string) int {
	x, errX := strconv.ParseFloat(a, 64)
	y, errY := strconv.ParseFloat(b, 64)
	switch {
	case errX != nil && errY != nil:
		return strings.Compare(a, b)
	case errX != nil:
		return 1
	case errY != nil:
		return -1
	}
	return cmp.Compare(x, y)
}

// compareValues orders a column's values; nothing comes last.
func compareValues(a, b any) int {
	if a == nil || b == nil {
		switch {
		case a == nil && b == nil:
			return 0
		case a == nil:
			return 1
		}
		return -1
	}
	switch x := a.(type) {
	case float64:
		if y, ok := b.(float64); ok {
			return cmp.Compare(x, y)
		}
	case time.Time:
		if y, ok := b.(time.Time); ok {
			return x.Compare(y)
		}
	}
	return strings.Compare(plain(a), plain(b))
}

// wide makes of a time series in rows (time, text, number) one with a column per text, as Grafana
// does for the format time_series. The name is the text alone where there is one number, else the
// number's name and the text.
func wide(f frame) frame {
	at := f.field("time")
	if at == nil {
		return f
	}
	numeric(at)
	var labels, numbers []*field
	for _, c := range f.Fields {
		switch {
		case c == at:
		case c.Kind == text:
			labels = append(labels, c)
		case c.Kind == number:
			numbers = append(numbers, c)
		}
	}
	if len(labels) == 0 {
		return f
	}
	out := frame{RefID: f.RefID, Cut: f.Cut, Fields: []*field{{Name: "time", Kind: moment}}}
	columns := map[string]*field{}
	var last any
	for i := range f.Rows {
		if i == 0 || compareValues(at.Values[i], last) != 0 {
			last = at.Values[i]
			out.Fields[0].Values = append(out.Fields[0].Values, last)
			out.Rows++
		}
		for _, n := range numbers {
			name := seriesName(labels, n, len(numbers), i)
			c := columns[name]
			if c == nil {
				c = &field{Name: name, Kind: number}
				for _, l := range labels {
					c.labels = append(c.labels, label{l.Name, plain(l.Values[i])})
				}
				columns[name], out.Fields = c, append(out.Fields, c)
			}
			c.Values = append(c.Values, make([]any, out.Rows-len(c.Values))...)
			c.Values[out.Rows-1] = n.Values[i]
		}
	}
	for _, c := range out.Fields {
		c.Values = append(c.Values, make([]any, out.Rows-len(c.Values))...)
	}
	return out
}

func seriesName(labels []*field, n *field, numbers, row int) string {
	var parts []string
	if numbers > 1 || labels[0].Name != "metric" && len(labels) > 1 {
		parts = append(parts, n.Name)
	}
	for _, l := range labels {
		parts = append(parts, plain(l.Values[row]))
	}
	return strings.Join(parts, " ")
}

// numeric makes times of a column time that holds seconds since 1970, which is what Grafana's
// grouping macros give.
func numeric(at *field) {
	if at.Kind != number {
		return
	}
	at.Kind = moment
	for i, v := range at.Values {
		if s, ok := v.(float64); ok {
			at.Values[i] = time.UnixMilli(int64(s * 1000)).UTC()
		}
	}
}

// transform applies Grafana's transformations. It knows those that change names, order and rows
// simply; it returns the names of the others, which are left out.
func transform(f frame, all []transformation) (out frame, unknown []string) {
	for _, t := range all {
		if t.Disabled {
			continue
		}
		switch t.ID {
		case "organize":
			f = organize(f, t.Options)
		case "limit":
			var o struct{ LimitField int }
			if json.Unmarshal(t.Options, &o) == nil && o.LimitField > 0 {
				f = f.head(o.LimitField)
			}
		case "timeSeriesTable":
			f = seriesTable(f)
		default:
			unknown = append(unknown, t.ID)
		}
	}
	return f, unknown
}

// seriesTable makes a row of each series: its labels, and all of it as a line in column "Trend #A".
func seriesTable(f frame) frame {
	trend := &field{Name: "Trend #" + f.RefID, Kind: curve}
	var columns []*field
	for _, c := range f.Fields {
		if c.Kind != number {
			continue
		}
		if columns == nil {
			for _, l := range c.labels {
				columns = append(columns, &field{Name: l.Name, Kind: text})
			}
		}
		for i := range columns {
			columns[i].Values = append(columns[i].Values, c.labels[i].Value) // the same labels in all, by how they came about
		}
		trend.Values = append(trend.Values, series(c.Values))
	}
	return frame{RefID: f.RefID, Cut: f.Cut, Rows: len(trend.Values), Fields: append(columns, trend)}
}

func organize(f frame, raw json.RawMessage) frame {
	var o struct {
		ExcludeByName map[string]bool
		IndexByName   map[string]int
		RenameByName  map[string]string
	}
	if json.Unmarshal(raw, &o) != nil {
		return f
	}
	fields := slices.DeleteFunc(slices.Clone(f.Fields), func(c *field) bool { return o.ExcludeByName[c.Name] })
	if len(o.IndexByName) > 0 {
		rank := func(c *field) int {
			if i, ok := o.IndexByName[c.Name]; ok {
				return i
			}
			return len(o.IndexByName)
		}
		slices.SortStableFunc(fields, func(a, b *field) int { return rank(a) - rank(b) })
	}
	for _, c := range fields {
		if to := o.RenameByName[c.Name]; to != "" {
			c.Name = to
		}
	}
	f.Fields = fields
	return f
}

// head keeps the first n rows.
func (f frame) head(n int) frame {
	if n >= f.Rows {
		return f
	}
	fields := make([]*field, len(f.Fields))
	for i, c := range f.Fields {
		short := *c
		short.Values = c.Values[:n]
		fields[i] = &short
	}
	return frame{RefID: f.RefID, Fields: fields, Rows: n, Cut: f.Cut}
}

// sorted orders the rows by a column, stably.
func (f frame) sorted(name string, desc bool) frame {
	by := f.titled(name)
	if by == nil {
		return f
	}
	index := make([]int, f.Rows)
	for i := range index {
		index[i] = i
	}
	slices.SortStableFunc(index, func(a, b int) int {
		x, y := by.Values[a], by.Values[b]
		if desc && x != nil && y != nil {
			return compareValues(y, x)
		}
		return compareValues(x, y)
	})
	fields := make([]*field, len(f.Fields))
	for i, c := range f.Fields {
		moved := *c
		moved.Values = make([]any, f.Rows)
		for to, from := range index {
			moved.Values[to] = c.Values[from]
		}
		fields[i] = &moved
	}
	return frame{RefID: f.RefID, Fields: fields, Rows: f.Rows, Cut: f.Cut}
}

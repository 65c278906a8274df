package viewer

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-analyze/charts"
	"pgregory.net/rapid"
)

func numbers(name string, values ...any) *field {
	return &field{Name: name, Kind: number, Values: values}
}

func dump(f frame) string {
	var lines []string
	for _, c := range f.Fields {
		lines = append(lines, fmt.Sprint(c.Name, c.Values))
	}
	return strings.Join(lines, " ")
}

func TestWide(t *testing.T) {
	day := func(n int) any { return time.Date(2025, 1, n, 0, 0, 0, 0, time.UTC) }
	long := frame{Rows: 3, Fields: []*field{{Name: "time", Kind: moment, Values: []any{day(1), day(1), day(2)}},
		{Name: "metric", Kind: text, Values: []any{"a", "b", "b"}}, numbers("value", 1.0, 2.0, 3.0)}}
	got := wide(long)
	if got.Rows != 2 || len(got.Fields) != 3 || dump(frame{Fields: got.Fields[1:]}) != "a[1 <nil>] b[2 3]" {
		t.Errorf("wide is %s", dump(got))
	}
	seconds := wide(frame{Rows: 1, Fields: []*field{numbers("time", 1735689600.0), numbers("value", 1.0)}})
	if at := seconds.Fields[0]; at.Kind != moment || !at.Values[0].(time.Time).Equal(day(1).(time.Time)) {
		t.Errorf("seconds since 1970 became %v", at.Values)
	}
	if got := wide(frame{Rows: 1, Fields: []*field{numbers("value", 1.0)}}); len(got.Fields) != 1 {
		t.Errorf("without a time: %s", dump(got))
	}
}

func TestTransform(t *testing.T) {
	f := frame{Rows: 3, Fields: []*field{numbers("a", 2.0, nil, 1.0), numbers("b", 1.0, 2.0, 3.0), numbers("c", 0.0, 0.0, 0.0)}}
	got, unknown := transform(f, []transformation{
		{ID: "organize", Options: json.RawMessage(`{"excludeByName":{"c":true},"indexByName":{"b":0,"a":1},"renameByName":{"a":"A"}}`)},
		{ID: "organize", Disabled: true, Options: json.RawMessage(`{"excludeByName":{"b":true}}`)},
		{ID: "calculateField"},
		{ID: "limit", Options: json.RawMessage(`{"limitField":2}`)},
	})
	if dump(got) != "b[1 2] A[2 <nil>]" || got.Rows != 2 || !slices.Equal(unknown, []string{"calculateField"}) {
		t.Errorf("transformed: %s, unknown %v", dump(got), unknown)
	}
	f = frame{Rows: 3, Fields: []*field{numbers("a", 2.0, nil, 1.0), numbers("b", 1.0, 2.0, 3.0)}}
	if got := f.sorted("a", false); dump(got) != "a[1 2 <nil>] b[3 1 2]" {
		t.Errorf("upwards: %s", dump(got))
	}
	if got := f.sorted("a", true); dump(got) != "a[2 1 <nil>] b[1 3 2]" {
		t.Errorf("downwards: %s", dump(got))
	}
}

// A series of each asset becomes a row with its line.
func TestSeriesTable(t *testing.T) {
	long := frame{RefID: "A", Rows: 3, Fields: []*field{{Name: "time", Kind: moment, Values: []any{noon, noon, noon.Add(time.Hour)}},
		{Name: "asset", Kind: text, Values: []any{"SPY", "XLE", "XLE"}}, numbers("value", 1.0, 2.0, 3.0)}}
	got, unknown := transform(wide(long), []transformation{{ID: "timeSeriesTable"}})
	if got.Rows != 2 || dump(got) != "asset[SPY XLE] Trend #A[[1 <nil>] [2 3]]" || unknown != nil {
		t.Errorf("the table is %s, unknown %v", dump(got), unknown)
	}
	c := oneCell(got.Fields[1], got, 1, 0, 0, scope{}, time.UTC)
	if !strings.Contains(string(c.Spark), "<polyline") {
		t.Errorf("the cell is %+v", c)
	}
}

func TestOverrides(t *testing.T) {
	var c fieldConfig
	if err := json.Unmarshal([]byte(`{"defaults":{"unit":"short","decimals":1,"thresholds":{"steps":[{"color":"red","value":null}]}},"overrides":[
		{"matcher":{"id":"byName","options":"a"},"properties":[{"id":"unit","value":"percent"},{"id":"custom.cellOptions","value":{"type":"gauge"}},{"id":"custom.hideFrom.viz","value":true}]},
		{"matcher":{"id":"byRegexp","options":"/^(a|b)$/"},"properties":[{"id":"displayName","value":"X"},{"id":"thresholds","value":{"steps":[{"color":"blue","value":null},{"color":"green","value":1}]}}]},
		{"matcher":{"id":"byType","options":"string"},"properties":[{"id":"noValue","value":"none"}]},
		{"matcher":{"id":"byNames","options":{"mode":"exclude","names":["a","b"]}},"properties":[{"id":"min","value":3}]},
		{"matcher":{"id":"byFrameRefID","options":"B"},"properties":[{"id":"unit","value":"never"}]}]}`), &c); err != nil {
		t.Fatal(err)
	}
	f := frame{RefID: "A", Fields: []*field{numbers("a"), numbers("b"), {Name: "c", Kind: text}}}
	if err := c.configure(f); err != nil {
		t.Fatal(err)
	}
	a, b, s := f.Fields[0], f.Fields[1], f.Fields[2]
	if a.Unit != "percent" || a.title() != "X" || a.Custom.CellOptions.Type != "gauge" || !a.hidden() || len(a.Thresholds.Steps) != 2 || *a.Decimals != 1 {
		t.Errorf("a is %+v", a.fieldOptions)
	}
	if b.Unit != "short" || b.hidden() || b.Min != nil || s.NoValue != "none" || *s.Min != 3 || len(s.Thresholds.Steps) != 1 {
		t.Errorf("b is %+v, c is %+v", b.fieldOptions, s.fieldOptions)
	}
}

// A line put on the grid begins and ends where the data do, and shows nothing that is higher or
// lower than they are.
func TestGridKeepsTheCurve(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 600).Draw(t, "n")
		at := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
		f := frame{Rows: n, Fields: []*field{{Name: "time", Kind: moment}, numbers("value")}}
		f.Fields[1].Custom.LineInterpolation = rapid.SampledFrom([]string{"linear", "stepAfter"}).Draw(t, "interpolation")
		low, high := math.Inf(1), math.Inf(-1)
		for range n {
			at = at.Add(time.Duration(rapid.IntRange(1, 100).Draw(t, "gap")) * time.Hour)
			v := rapid.Float64Range(-1e6, 1e6).Draw(t, "value")
			low, high = min(low, v), max(high, v)
			f.Fields[0].Values = append(f.Fields[0].Values, at)
			f.Fields[1].Values = append(f.Fields[1].Values, v)
		}
		p := timePlot([]frame{f}, time.UTC)
		got := p.Series[0].Values
		if len(p.Labels) != len(got) || len(got) > gridPoints {
			t.Fatalf("%d labels, %d values", len(p.Labels), len(got))
		}
		if got[0] != f.Fields[1].Values[0] || got[len(got)-1] != f.Fields[1].Values[n-1] {
			t.Fatalf("from %v to %v, want %v to %v", got[0], got[len(got)-1], f.Fields[1].Values[0], f.Fields[1].Values[n-1])
		}
		for _, v := range got {
			if v == charts.GetNullValue() || v < low-1e-6 || v > high+1e-6 {
				t.Fatalf("%v is outside of %v to %v", v, low, high)
			}
		}
	})
}

func TestCandles(t *testing.T) {
	f := frame{Rows: 2, Fields: []*field{{Name: "time", Kind: moment, Values: []any{noon, noon.Add(time.Hour)}},
		numbers("o", 1.0, 2.0), numbers("high", 3.0, 4.0), numbers("low", 0.5, nil), numbers("close", 2.0, 3.0)}}
	times, bars := candles(f, map[string]string{"open": "o"})
	if len(times) != 1 || len(bars) != 1 || bars[0] != (charts.OHLCData{Open: 1, High: 3, Low: 0.5, Close: 2}) {
		t.Errorf("%v %v; want the bar that is whole", times, bars)
	}
	if _, bars := candles(f, nil); bars != nil {
		t.Errorf("without an open: %v", bars)
	}
}

// However many bars there are, a chart can be drawn and its labels are texts, not markup.
func TestChartsEscape(t *testing.T) {
	const evil = `<script>alert("1")</script>`
	f := frame{Rows: 3, Fields: []*field{{Name: "x", Kind: text, Values: []any{evil, "b", "c"}}, numbers(evil, 1.0, nil, -3.0), numbers("y", 2.0, 3.0, 4.0)}}
	p := categoryPlot(f, options{XField: "x"}, time.UTC)
	for _, orientation := range []string{"", "horizontal"} {
		d, err := p.bars(gridPos{W: 12, H: 8}, options{Orientation: orientation}, time.UTC)
		if err != nil || strings.Contains(string(d.Wide+d.Narrow), "<script") || !strings.Contains(string(d.Wide), "&lt;script") {
			t.Errorf("%q: %v\n%s", orientation, err, d.Wide)
		}
	}
	var times []time.Time
	var bars []charts.OHLCData
	for i := range 1000 {
		times = append(times, noon.AddDate(0, 0, i))
		bars = append(bars, charts.OHLCData{Open: 1, High: 3, Low: 0.5, Close: 2})
	}
	_, merged, err := candleChart(gridPos{W: 24, H: 9}, times, bars, numbers("close"), nil, []mark{{At: noon, Color: "#FF9830"}}, time.UTC)
	if err != nil || merged != 8 {
		t.Errorf("a thousand bars: %d per candle, %v", merged, err)
	}
}

// Candles of several bars begin with the first and end with the last, and reach as far as all of them.
func TestCandlesTogether(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, each := rapid.IntRange(1, 50).Draw(t, "n"), rapid.IntRange(1, 9).Draw(t, "each")
		var times []time.Time
		var bars []charts.OHLCData
		high := 0.0
		for i := range n {
			v := rapid.Float64Range(10, 20).Draw(t, "v")
			times, bars = append(times, noon.AddDate(0, 0, i)), append(bars, charts.OHLCData{Open: v, High: v + 2, Low: v - 2, Close: v + 1})
			high = max(high, v+2)
		}
		starts, s := together(times, bars, each)
		got, top := s.Data, 0.0
		for _, b := range got {
			top = max(top, b.High)
		}
		if len(starts) != len(got) || len(got) != (n+each-1)/each || got[0].Open != bars[0].Open || got[len(got)-1].Close != bars[n-1].Close || top != high {
			t.Fatalf("%d bars by %d: %d candles at %d times", n, each, len(got), len(starts))
		}
	})
}

// Bars of a series have the colours that thresholds, or another field, give them.
func TestBarColors(t *testing.T) {
	value, name := numbers("v", -1.0, 2.0, 3.0), &field{Name: "name", Kind: text, Values: []any{"bearish", "bullish", "?"}}
	for config, want := range map[string][]string{
		`{"color":{"mode":"thresholds"},"thresholds":{"steps":[{"color":"#D55E00","value":null},{"color":"#0072B2","value":0}]}}`: {"#D55E00", "#0072B2"},
		`{"color":{"mode":"fixed","fixedColor":"#009E73"}}`:                                                                       {"#009E73"},
	} {
		value.fieldOptions = of(t, config).fieldOptions
		p, _ := categoryPlot(frame{Rows: 3, Fields: []*field{name, value}}, options{}, time.UTC).tinted()
		if got := p.colors(); !slices.Equal(got, want) {
			t.Errorf("%s colours the bars %v, want %v", config, got, want)
		}
	}
	value.fieldOptions = fieldOptions{}
	name.fieldOptions = of(t, `{"mappings":[{"type":"value","options":{"bearish":{"color":"#D55E00"},"bullish":{"color":"#0072B2"}}}]}`).fieldOptions
	p, tinted := categoryPlot(frame{Rows: 3, Fields: []*field{name, value}}, options{ColorByField: "name"}, time.UTC).reversed().tinted()
	if !tinted || len(p.Series) != 2 || p.Series[0].Values[0] != 3 || p.Series[1].Values[2] != -1 || p.colors()[1] != "#D55E00" {
		t.Errorf("by another field: %+v %v", p.Series, p.colors())
	}
}

func TestReduce(t *testing.T) {
	values := []any{nil, 3.0, 1.0, nil}
	for calc, want := range map[string]any{"lastNotNull": 1.0, "last": nil, "first": nil, "firstNotNull": 3.0, "sum": 4.0, "mean": 2.0, "min": 1.0, "max": 3.0, "count": 2.0} {
		if _, got := reduce(values, []string{calc}); got != want {
			t.Errorf("%s is %v, want %v", calc, got, want)
		}
	}
	if _, got := reduce(nil, nil); got != nil {
		t.Errorf("of nothing: %v", got)
	}
}

// Whatever the numbers are, and however few, there is a chart and no error.
func TestChartsOfAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 40).Draw(t, "n")
		f := frame{Rows: n, Fields: []*field{{Name: "time", Kind: moment}, {Name: "name", Kind: text}}}
		for i := range n {
			f.Fields[0].Values = append(f.Fields[0].Values, noon.Add(time.Duration(i*i)*time.Hour))
			f.Fields[1].Values = append(f.Fields[1].Values, rapid.String().Draw(t, "label"))
		}
		some := rapid.OneOf(rapid.Just(any(nil)), rapid.Map(rapid.Float64Range(-1e12, 1e12), func(v float64) any { return v }), rapid.Just(any(0.0)))
		for range rapid.IntRange(1, 3).Draw(t, "series") {
			c := numbers("v")
			c.Custom.DrawStyle = rapid.SampledFrom([]string{"line", "bars", "points"}).Draw(t, "style")
			c.Custom.FillOpacity = rapid.SampledFrom([]float64{0, 30, 1000}).Draw(t, "fill")
			c.Unit = rapid.SampledFrom([]string{"", "percent", "s"}).Draw(t, "unit")
			c.Values = rapid.SliceOfN(some, n, n).Draw(t, "values")
			f.Fields = append(f.Fields, c)
		}
		o := options{Orientation: rapid.SampledFrom([]string{"", "horizontal"}).Draw(t, "orientation"), Stacking: rapid.SampledFrom([]string{"", "normal"}).Draw(t, "stacking")}
		p := timePlot([]frame{f}, time.UTC)
		if len(p.Series) > 0 {
			if _, err := p.lines(gridPos{W: 6, H: 4}, o, []mark{{At: noon, Color: "#FF9830"}}, time.UTC); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := categoryPlot(f, options{XField: "name"}, time.UTC).bars(gridPos{W: 24, H: 9}, o, time.UTC); err != nil {
			t.Fatal(err)
		}
	})
}

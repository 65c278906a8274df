package viewer

import (
	"context"
	"encoding/json"
	"fmt"
	"html/template"
	"regexp"
	"slices"
	"strings"
	"time"

	"shitpost-alpha/dashboards/macro"
)

// Most rows of a table on a page: beyond, Grafana is the tool.
const tableRows = 200

// view is a panel as the page has it: one of Text, Stats, Chart and Table, or an error, or nothing.
type view struct {
	ID          int
	Type        string
	Title       string
	Description string
	X, W        int // in 24 columns
	Links       []anchor
	Error       string
	Empty       string // why there is nothing to see
	Notes       []string
	Text        []string
	Stats       []stat
	Chart       *drawn
	Table       *table
	Marks       []marked
}

type stat struct {
	Name, Value, Color, Background string
	Spark                          template.HTML
	Link                           string
}

type table struct {
	Head []head
	Rows [][]cell
}

type head struct {
	Title string
	Right bool
	Width int
}

type cell struct {
	Text, Color, Background string
	Class                   string // right, clip (cut after some lines), long, or none
	Gauge                   int    // per cent of the cell; -1: none
	Spark                   template.HTML
	Links                   []anchor
}

type marked struct{ At, Text, Tags, Color string }

// kinds drawn as they are; a text has no data.
func drawnKind(kind string) bool {
	return slices.Contains([]string{"stat", "table", "timeseries", "barchart", "candlestick", "text", "row"}, kind)
}

// render asks the panel's queries and draws what comes. It does not fail: what goes wrong is shown
// in the panel.
func (v *Viewer) render(ctx context.Context, p panel, s scope, loc *time.Location) view {
	out := view{ID: p.ID, Type: p.Type, Title: s.words(p.Title), Description: s.words(p.Description),
		X: p.GridPos.X, W: min(p.GridPos.W, 24-p.GridPos.X)}
	for _, l := range p.Links {
		if a, ok := s.address(l, frame{}, 0, nil); ok {
			out.Links = append(out.Links, a)
		}
	}
	switch p.Type {
	case "row":
		return out
	case "text":
		out.Text = paragraphs(s.words(p.Options.Content))
		return out
	}
	var err error
	if s.times, err = s.times.own(p.TimeFrom, loc); err != nil {
		out.Error = err.Error()
		return out
	}
	for what, left := range map[string]string{"repetition by variable": p.Repeat, "shift in time": p.TimeShift} {
		if left != "" {
			out.Notes = append(out.Notes, "The light viewer leaves Grafana's "+what+" "+left+" out.")
		}
	}
	frames, err := v.ask(ctx, p, s)
	if err != nil {
		v.log.WarnContext(ctx, "panel failed", "dashboard", s.page.UID, "panel", p.ID, "error", err)
		out.Error = problem(err)
		return out
	}
	frames, unknown := transformAll(frames, p.Transformations)
	for _, id := range unknown {
		out.Notes = append(out.Notes, "The light viewer leaves Grafana's transformation "+id+" out.")
	}
	if err := out.draw(ctx, v, p, frames, s, loc); err != nil {
		v.log.WarnContext(ctx, "panel failed", "dashboard", s.page.UID, "panel", p.ID, "error", err)
		out.Error = "this panel could not be drawn: see the viewer's log"
	}
	return out
}

func transformAll(frames []frame, all []transformation) ([]frame, []string) {
	var unknown []string
	for i := range frames {
		frames[i], unknown = transform(frames[i], all)
	}
	return frames, unknown
}

// ask runs the panel's statements one after the other.
func (v *Viewer) ask(ctx context.Context, p panel, s scope) ([]frame, error) {
	var frames []frame
	for _, t := range p.Targets {
		if t.RawSQL == "" || t.Hide {
			continue
		}
		f, err := v.run(ctx, t.RawSQL, macro.Env{From: s.times.From, To: s.times.To,
			Interval: s.times.interval(p.MaxDataPoints, span(p.Interval)), Variables: s.choices.sql()})
		if err != nil {
			return nil, err
		}
		f.RefID = t.RefID
		if t.Format == "time_series" {
			f = wide(f)
		}
		frames = append(frames, f)
	}
	return frames, nil
}

func (v *Viewer) run(ctx context.Context, sql string, e macro.Env) (frame, error) {
	expanded, err := e.Expand(sql)
	if err != nil {
		return frame{}, &expandError{err}
	}
	return v.db.query(ctx, expanded)
}

// draw turns the frames into what the kind of panel shows.
func (out *view) draw(ctx context.Context, v *Viewer, p panel, frames []frame, s scope, loc *time.Location) error {
	rows := 0
	for _, f := range frames {
		rows += f.Rows
		if f.Cut {
			out.Notes = append(out.Notes, fmt.Sprintf("Only the first %d rows were read.", mostRows))
		}
		if err := p.FieldConfig.configure(f); err != nil {
			return err
		}
	}
	if rows == 0 {
		out.Empty = emptyWords(p)
		return nil
	}
	switch p.Type {
	case "stat":
		out.Stats = stats(p, frames, s, loc)
		if len(out.Stats) == 0 {
			out.Empty = emptyWords(p)
		}
		return nil
	case "timeseries", "barchart":
		return out.drawPlot(p, frames, loc, v.marks(ctx, out, p, s))
	case "candlestick":
		return out.drawCandles(p, frames, loc, v.marks(ctx, out, p, s))
	}
	if !drawnKind(p.Type) {
		out.Notes = append(out.Notes, "Grafana draws this as "+p.Type+"; the light viewer shows the numbers.")
	}
	out.tables(p, frames, s, loc)
	return nil
}

// emptyWords is what the panel says when there is nothing: its own words, which say why.
func emptyWords(p panel) string {
	var o fieldOptions
	if len(p.FieldConfig.Defaults) > 0 && json.Unmarshal(p.FieldConfig.Defaults, &o) == nil && o.NoValue != "" {
		return o.NoValue // of the panel: what fields have of their own stands in cells without a value
	}
	return "No data in this time range."
}

func (out *view) drawPlot(p panel, frames []frame, loc *time.Location, marks []mark) error {
	var chart plot
	if p.Type == "barchart" {
		chart = categoryPlot(frames[0], p.Options, loc)
	} else {
		chart = timePlot(frames, loc)
	}
	if len(chart.Series) == 0 {
		out.Empty = emptyWords(p)
		return nil
	}
	var d drawn
	var err error
	if p.Type == "barchart" {
		d, err = chart.bars(p.GridPos, p.Options, loc)
	} else {
		d, err = chart.lines(p.GridPos, p.Options, marks, loc)
	}
	out.Chart = &d
	out.list(marks, loc)
	return err
}

func (out *view) drawCandles(p panel, frames []frame, loc *time.Location, marks []mark) error {
	times, bars := candles(frames[0], p.Options.Fields)
	if len(bars) == 0 {
		out.Empty = emptyWords(p)
		return nil
	}
	price := frames[0].first(number)
	d, merged, err := candleChart(p.GridPos, times, bars, price, p.Options.Colors, marks, loc)
	if merged > 1 {
		out.Notes = append(out.Notes, fmt.Sprintf("Each candle holds %d bars, on a phone more; choose a shorter time range to see them alone.", merged))
	}
	if volume := p.Options.Fields["volume"]; volume != "" && frames[0].field(volume) != nil {
		out.Notes = append(out.Notes, "Grafana draws the volume too.")
	}
	out.Chart = &d
	out.list(marks, loc)
	return err
}

// list puts the annotations under the chart, the newest first.
func (out *view) list(marks []mark, loc *time.Location) {
	for _, m := range slices.Backward(marks) {
		out.Marks = append(out.Marks, marked{m.At.In(loc).Format("2006-01-02 15:04"), m.Text, m.Tags, m.Color})
	}
}

// marks reads the annotations of a panel. A failing one is a note: the panel is worth seeing without.
func (v *Viewer) marks(ctx context.Context, out *view, p panel, s scope) []mark {
	var all []mark
	for _, a := range s.page.Annotations.List {
		if !a.on(p) {
			continue
		}
		f, err := v.run(ctx, a.Target.RawSQL, macro.Env{From: s.times.From, To: s.times.To, Interval: time.Minute, Variables: s.choices.sql()})
		if err != nil {
			v.log.WarnContext(ctx, "annotation failed", "dashboard", s.page.UID, "annotation", a.Name, "error", err)
			out.Notes = append(out.Notes, "Annotation "+a.Name+": "+problem(err))
			continue
		}
		all = append(all, marksOf(f, a)...)
	}
	slices.SortStableFunc(all, func(a, b mark) int { return a.At.Compare(b.At) })
	return all
}

// marksOf reads columns time, text and tags.
func marksOf(f frame, a annotation) []mark {
	color := css(a.IconColor)
	if color == "" {
		color = css("orange")
	}
	at, words, tags := f.field("time"), f.field("text"), f.field("tags")
	if at == nil {
		return nil
	}
	numeric(at)
	var all []mark
	for i := range f.Rows {
		t, ok := at.Values[i].(time.Time)
		if !ok {
			continue
		}
		m := mark{At: t, Name: a.Name, Color: color}
		if words != nil {
			m.Text = plain(words.Values[i])
		}
		if tags != nil {
			m.Tags = plain(tags.Values[i])
		}
		all = append(all, m)
	}
	return all
}

var markup = regexp.MustCompile(`[*_#` + "`" + `]{1,3}|<[^>]*>`)

// paragraphs is Markdown as plain paragraphs: the viewer writes nobody's HTML.
func paragraphs(content string) []string {
	var all []string
	for part := range strings.SplitSeq(content, "\n\n") {
		if part = strings.TrimSpace(markup.ReplaceAllString(part, "")); part != "" {
			all = append(all, part)
		}
	}
	return all
}

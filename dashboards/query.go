package dashboards

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/barchart"
	"github.com/grafana/grafana-foundation-sdk/go/candlestick"
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/variants"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// Query is one statement that Grafana sends to the read model.
type Query struct {
	Name      string   `json:"name"`      // dashboard/panel title, dashboard/variable name or dashboard/annotation name
	Dashboard string   `json:"dashboard"` // whose variables it may use
	Kind      string   `json:"kind"`      // of the panel (table, stat, timeseries, barchart, candlestick), variable or annotation
	SQL       string   `json:"sql"`       // with Grafana's macros and variables: package macro expands them
	Format    string   `json:"format"`    // table or time_series
	Columns   []string `json:"columns"`   // columns that the panel refers to by name
}

// Queries lists every statement of every dashboard: panels, variables and annotations.
func Queries() ([]Query, error) {
	var all []Query
	for _, d := range definitions() {
		built, err := build(d)
		if err != nil {
			return nil, err
		}
		for _, v := range built.Templating.List {
			if v.Type == dashboard.VariableTypeQuery && v.Query != nil && v.Query.String != nil {
				all = append(all, Query{d.name + "/variable " + v.Name, d.name, "variable", *v.Query.String, "table", nil})
			}
		}
		for _, a := range built.Annotations.List {
			if q, ok := a.Target.(target); ok {
				all = append(all, Query{d.name + "/annotation " + a.Name, d.name, "annotation", q.RawSQL, q.Format, []string{"time", "text", "tags"}})
			}
		}
		for _, p := range built.Panels {
			if p.Panel == nil || p.Panel.Title == nil {
				continue // a row
			}
			for _, t := range p.Panel.Targets {
				q := t.(target) // the only kind that this package makes
				all = append(all, Query{d.name + "/" + *p.Panel.Title, d.name, p.Panel.Type, q.RawSQL, q.Format, columnsOf(*p.Panel)})
			}
		}
	}
	return all, nil
}

// columnsOf lists the columns that a panel names: in its overrides, as its axis, as its candles.
func columnsOf(p dashboard.Panel) []string {
	var all []string
	if p.FieldConfig != nil {
		for _, o := range p.FieldConfig.Overrides {
			if name, ok := o.Matcher.Options.(string); ok && o.Matcher.Id == "byName" {
				all = append(all, name)
			}
		}
	}
	switch o := p.Options.(type) {
	case *barchart.Options:
		if o.XField != nil {
			all = append(all, *o.XField)
		}
	case *candlestick.Options:
		all = append(all, *o.Fields.Open, *o.Fields.High, *o.Fields.Low, *o.Fields.Close)
	}
	return all
}

// Choice is a variable of a dashboard: what a reader can choose, and what is chosen at first.
type Choice struct {
	Name    string   `json:"name"`
	SQL     string   `json:"sql,omitempty"`     // gives the options, in columns __text and __value or in one column
	Options []string `json:"options,omitempty"` // where they are fixed
	Default string   `json:"default"`           // $__all: every option; empty of one with SQL: the first
	Many    bool     `json:"many"`              // more than one can be chosen
	Typed   bool     `json:"typed"`             // free text
}

// Choices lists the variables of a dashboard, in their order. Errors: ErrUnknown.
func Choices(name string) ([]Choice, error) {
	d, err := find(name)
	if err != nil {
		return nil, err
	}
	built, err := build(d)
	if err != nil {
		return nil, err
	}
	var all []Choice
	for _, v := range built.Templating.List {
		c := Choice{Name: v.Name, Many: v.Multi != nil && *v.Multi, Typed: v.Type == dashboard.VariableTypeTextbox}
		if v.Current != nil {
			switch {
			case v.Current.Value.String != nil:
				c.Default = *v.Current.Value.String
			case len(v.Current.Value.ArrayOfString) > 0:
				c.Default = v.Current.Value.ArrayOfString[0]
			}
		}
		text := ""
		if v.Query != nil && v.Query.String != nil {
			text = *v.Query.String
		}
		switch v.Type {
		case dashboard.VariableTypeQuery:
			c.SQL = text
		case dashboard.VariableTypeCustom:
			for pair := range strings.SplitSeq(text, ",") {
				if _, value, ok := strings.Cut(pair, " : "); ok {
					pair = value
				}
				c.Options = append(c.Options, pair)
			}
		}
		all = append(all, c)
	}
	return all, nil
}

// target is Grafana's PostgreSQL query, which the SDK has no type for. Its methods are on the
// value because the SDK's builders keep values.
type target struct {
	RefID      string                `json:"refId"`
	Datasource *common.DataSourceRef `json:"datasource,omitempty"`
	EditorMode string                `json:"editorMode"` // code: the editor of statements
	Format     string                `json:"format"`     // table or time_series
	RawQuery   bool                  `json:"rawQuery"`
	RawSQL     string                `json:"rawSql"`
}

func (target) ImplementsDataqueryVariant() {}

func (target) DataqueryType() string { return pluginID }

func (t target) Validate() error {
	if t.RawSQL == "" {
		return cog.MakeBuildErrors("rawSql", errors.New("empty"))
	}
	if t.Format != "table" && t.Format != "time_series" {
		return cog.MakeBuildErrors("format", fmt.Errorf("%q is neither table nor time_series", t.Format))
	}
	return nil
}

func (t target) Equals(other variants.Dataquery) bool {
	o, ok := other.(target)
	return ok && reflect.DeepEqual(t, o)
}

// Build makes a target its own builder.
func (t target) Build() (variants.Dataquery, error) { return t, t.Validate() }

// rows asks for rows as they are.
func rows(refID, sql string) target { return newTarget(refID, sql, "table") }

// series asks for numbers over a column named time, ordered by it.
func series(refID, sql string) target { return newTarget(refID, sql, "time_series") }

func newTarget(refID, sql, format string) target {
	source := dataSource()
	return target{RefID: refID, Datasource: &source, EditorMode: "code", Format: format, RawQuery: true, RawSQL: sql}
}

func dataSource() common.DataSourceRef {
	return common.DataSourceRef{Type: cog.ToPtr(pluginID), Uid: cog.ToPtr(dataSourceUID)}
}

// decoder lets the SDK read a rendered dashboard back with its targets typed, and refuse keys that
// a target does not have.
func decoder() variants.DataqueryConfig {
	decode := func(raw []byte) (variants.Dataquery, error) {
		var t target
		d := json.NewDecoder(bytes.NewReader(raw))
		d.DisallowUnknownFields()
		if err := d.Decode(&t); err != nil {
			return nil, fmt.Errorf("decode query: %w", err)
		}
		return t, nil
	}
	return variants.DataqueryConfig{Identifier: pluginID, DataqueryUnmarshaler: decode, StrictDataqueryUnmarshaler: decode}
}

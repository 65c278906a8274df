package dashboards

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/variants"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// Query is one statement that Grafana sends to the read model.
type Query struct {
	Name   string `json:"name"`   // dashboard/panel title, dashboard/variable name or dashboard/annotation name
	SQL    string `json:"sql"`    // with Grafana's macros and variables
	Format string `json:"format"` // table or time_series
}

// Queries lists every statement of every dashboard: panels, variables and annotations.
func Queries() ([]Query, error) {
	var all []Query
	for _, d := range definitions() {
		built, err := build(d)
		if err != nil {
			return nil, err
		}
		for _, p := range built.Panels {
			if p.Panel == nil || p.Panel.Title == nil {
				continue // a row
			}
			for _, t := range p.Panel.Targets {
				q := t.(target) // the only kind that this package makes
				all = append(all, Query{d.name + "/" + *p.Panel.Title, q.RawSQL, q.Format})
			}
		}
		for _, v := range built.Templating.List {
			if v.Type == dashboard.VariableTypeQuery && v.Query != nil && v.Query.String != nil {
				all = append(all, Query{d.name + "/variable " + v.Name, *v.Query.String, "table"})
			}
		}
		for _, a := range built.Annotations.List {
			if q, ok := a.Target.(target); ok {
				all = append(all, Query{d.name + "/annotation " + a.Name, q.RawSQL, q.Format})
			}
		}
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

package alerting

import (
	"errors"
	"reflect"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/variants"
	"github.com/grafana/grafana-foundation-sdk/go/common"
)

// DataSourceUID is the data source that rules ask; PluginID is its kind: Grafana's PostgreSQL.
const (
	DataSourceUID = "readmodel"
	PluginID      = "grafana-postgresql-datasource"
)

// expressionUID is Grafana's data source for expressions.
const expressionUID = "__expr__"

// query is Grafana's PostgreSQL query as rules keep it, which the SDK has no type for. Its methods
// are on the value because the SDK's builders keep values.
type query struct {
	RefID         string                `json:"refId"`
	Datasource    *common.DataSourceRef `json:"datasource"`
	EditorMode    string                `json:"editorMode"`
	Format        string                `json:"format"` // table: every row is an alert
	RawQuery      bool                  `json:"rawQuery"`
	RawSQL        string                `json:"rawSql"`
	IntervalMs    int                   `json:"intervalMs"`
	MaxDataPoints int                   `json:"maxDataPoints"`
}

func newQuery(refID, sql string) query {
	return query{RefID: refID, Datasource: &common.DataSourceRef{Type: cog.ToPtr(PluginID), Uid: cog.ToPtr(DataSourceUID)},
		EditorMode: "code", Format: "table", RawQuery: true, RawSQL: sql, IntervalMs: 1000, MaxDataPoints: 43200}
}

func (query) ImplementsDataqueryVariant() {}

func (query) DataqueryType() string { return PluginID }

func (q query) Validate() error {
	if q.RawSQL == "" || q.Format != "table" {
		return cog.MakeBuildErrors("rawSql", errors.New("a rule needs a statement that returns a table"))
	}
	return nil
}

func (q query) Equals(other variants.Dataquery) bool {
	o, ok := other.(query)
	return ok && reflect.DeepEqual(q, o)
}

// Build makes a query its own builder.
func (q query) Build() (variants.Dataquery, error) { return q, q.Validate() }

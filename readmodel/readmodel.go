// Package readmodel is the contract between the projector, which writes the tables in Postgres, and
// everybody who reads them: the SQL that makes them, and their names.
//
// There are three schemas. Schema holds the read model itself, a pure function of the events in the
// lake: it can be thrown away and is replaced as a whole, and with it Legacy, views with the names of
// the Python system. Ops holds what is not: the fence, the
// settings, the builds, the health. What a table or column means is said in the database itself
// (COMMENT ON). The package imports the standard library only.
package readmodel

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"io"
)

// The schemas, the roles and the channel of NOTIFY, which is sent after every change.
const (
	Schema        = "readmodel"
	Ops           = "ops"
	Legacy        = "legacy" // the Python system's tables as views on Schema
	RoleProjector = "projector"
	RoleGrafana   = "grafana"
	RoleAnalyst   = "analyst"
	Channel       = "readmodel"
)

// The tables of Schema.
const (
	Posts            = "posts"
	PostVersions     = "post_versions"
	WindowsRead      = "windows_read"
	AnalysisAttempts = "analysis_attempts"
	Predictions      = "predictions"
	Calls            = "calls"
	Bars             = "bars"
	Splits           = "splits"
	UnknownSymbols   = "unknown_symbols"
	Sessions         = "sessions"
	Outcomes         = "outcomes"
	Scores           = "scores"
	Producers        = "producers"
	Rejected         = "rejected"
	Retractions      = "retractions"
	DeadLetters      = "dead_letters"
	Positions        = "positions"
)

// The views of Schema.
const (
	OutcomesStatus      = "outcomes_status"
	Scored              = "scored"
	Accuracy            = "accuracy"
	AccuracyByModel     = "accuracy_by_model"
	PostsStatus         = "posts_status"
	AnalysisDeadLetters = "analysis_dead_letters"
	Spending            = "spending"
	Pipeline            = "pipeline"
	Lag                 = "lag"
	Breakdowns          = "breakdowns"
	Completeness        = "completeness"
	ModelCosts          = "model_costs"
	Models              = "models"
	PriceCoverage       = "price_coverage"
)

// The tables of Ops.
const (
	Fence        = "fence"
	Settings     = "settings"
	Builds       = "builds"
	Health       = "health"
	Transactions = "transactions"
)

// Statuses of predictions.
const (
	Completed = "completed"
	Bypassed  = "bypassed"
	Failed    = "failed"
	Retrying  = "retrying"
)

// Origins of calls.
const (
	Live          = "live"
	Retrospective = "retrospective"
	Imported      = "imported"
)

var (
	//go:embed roles.sql
	rolesSQL string
	//go:embed ops.sql
	opsSQL string
	//go:embed schema.sql
	schemaSQL string
	//go:embed indexes.sql
	indexesSQL string
	//go:embed views.sql
	viewsSQL string
	//go:embed metrics.sql
	metricsSQL string
	//go:embed pipeline.sql
	pipelineSQL string
	//go:embed alerts.sql
	alertsSQL string
	//go:embed dashboards.sql
	dashboardsSQL string
	//go:embed legacy.sql
	legacySQL string
	//go:embed comments.sql
	commentsSQL string
	//go:embed grants.sql
	grantsSQL string
)

// RolesSQL makes the roles where it may. It may be run again.
func RolesSQL() string { return rolesSQL }

// OpsSQL makes schema ops. It may be run again.
func OpsSQL() string { return opsSQL }

// TablesSQL makes the tables in the schema that search_path names first.
func TablesSQL() string { return schemaSQL }

// IndexesSQL makes keys and indexes on the filled tables.
func IndexesSQL() string { return indexesSQL }

// ViewsSQL makes functions and views. It needs schema ops.
func ViewsSQL() string {
	return viewsSQL + metricsSQL + pipelineSQL + alertsSQL + dashboardsSQL + commentsSQL
}

// LegacySQL makes schema legacy_next beside a new schema of the read model: the Python system's tables.
func LegacySQL() string { return legacySQL }

// GrantsSQL gives the roles grafana and analyst the right to read.
func GrantsSQL() string { return grantsSQL }

// Hash returns 64 hex digits over the SQL of the read model: another hash means other tables or
// views, and so a rebuild.
func Hash() string {
	h := sha256.New()
	for _, s := range []string{schemaSQL, indexesSQL, ViewsSQL(), legacySQL, grantsSQL} {
		io.WriteString(h, s)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Table says what compares two contents of a table.
type Table struct {
	Name string
	Key  []string
	// Recording lists the columns that derive from when and in which commit something was recorded or
	// noticed: two histories of the same facts may differ in them, and in nothing else.
	Recording []string
	// Reading lists the columns that derive from how the projector came to read an event: the tail
	// knows version and row, a snapshot does not. They are never compared.
	Reading []string
}

// Tables returns every table of Schema, in the order in which they are filled.
func Tables() []Table {
	envelope := []string{"producer", "batch_id", "recorded_at"}
	with := func(more ...string) []string { return append(more, envelope...) }
	return []Table{
		{Name: Posts, Key: []string{"post_id"}, Recording: with("event_id", "first_recorded_at", "deleted_at")},
		{Name: PostVersions, Key: []string{"event_id"}, Recording: with("event_id", "supersedes", "occurred_at")},
		{Name: WindowsRead, Key: []string{"event_id"}, Recording: with("event_id", "occurred_at")},
		{Name: AnalysisAttempts, Key: []string{"event_id"}, Recording: with("event_id", "requeues", "causation_id", "occurred_at", "latency_ms")},
		{Name: Predictions, Key: []string{"prediction_id"}, Recording: with("event_id", "causation_id", "predicted_at", "latency_ms")},
		{Name: Calls, Key: []string{"prediction_id", "symbol"}, Recording: []string{"origin", "predicted_at"}},
		{Name: Bars, Key: []string{"symbol", "session_date", "interval", "source"},
			Recording: with("event_id", "superseded", "first_recorded_at", "fetch_id", "fetched_at", "adjusted_through")},
		{Name: Splits, Key: []string{"symbol", "session_date"}, Recording: with("event_id", "superseded", "source")},
		{Name: UnknownSymbols, Key: []string{"symbol"}, Recording: with("event_id", "superseded", "is_unknown", "noticed_at")},
		{Name: Sessions, Key: []string{"session_date"}},
		{Name: Outcomes, Key: []string{"prediction_id", "symbol", "basis", "horizon"}, Recording: []string{"first_priced_at"}},
		{Name: Scores, Key: []string{"prediction_id", "symbol", "basis", "horizon"}, Recording: []string{"origin", "predicted_at"}},
		{Name: Producers, Key: []string{"stream", "producer"}, Recording: []string{"last_recorded_at", "last_event_id"}},
		{Name: Rejected, Key: []string{"event_id"}, Recording: with("event_id", "occurred_at")},
		{Name: Retractions, Key: []string{"event_id"}, Recording: with("event_id", "retracted_events", "retracted_batch", "occurred_at")},
		{Name: DeadLetters, Key: []string{"dead_letter_id"}, Recording: []string{"dead_letter_id", "event_id", "recorded_at"}, Reading: []string{"version", "row"}},
		{Name: Positions, Key: []string{"stream"}, Recording: []string{"table_id", "next_version"}},
	}
}

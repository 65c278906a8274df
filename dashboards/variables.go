package dashboards

import (
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// The variables that the dashboards share. Each is written into SQL as ${name:sqlstring} alone, which
// quotes: a reader can put anything into a dashboard's address. What All means follows from that: every
// option, listed. So the options hold one for "none of them" too, or All would leave rows out.
const (
	varHorizon    = "horizon"
	varBasis      = "basis"
	varModel      = "model"
	varOrigin     = "origin"
	varAsset      = "asset"
	varSentiment  = "sentiment"
	varConfidence = "confidence"
)

// noAsset is the option of the asset variable for posts that name none.
const noAsset = "(none)"

// primary is the option of the model variable for what the headlines count.
const primary = "primary"

// The parts of SQL that say what the variables mean. Functions of metrics.sql take scoreFilters;
// callFilter is for calls c of predictions a, postFilter for posts p. chosenAnswers are the answers that the
// choice of a model leaves: materialized, since Postgres would else look up every call's answer one by one.
const (
	basisAndHorizon = `${basis:sqlstring}, ${horizon:sqlstring}::int`
	moreFilters     = `origins => ARRAY[${origin:sqlstring}], since => $__timeFrom()::timestamptz, until => $__timeTo()::timestamptz,
  model => nullif(${model:sqlstring}, 'primary'), symbols => ARRAY[${asset:sqlstring}], min_confidence => ${confidence:sqlstring}::float8, sentiments => ARRAY[${sentiment:sqlstring}]`
	scoreFilters        = basisAndHorizon + `, ` + moreFilters
	modelFilter         = `(a.is_primary AND ${model:sqlstring} = 'primary' OR readmodel.model_name(a.analyzer, a.provider, a.model) = ${model:sqlstring})`
	callFilterAllModels = `$__timeFilter(c.published_at) AND c.origin IN (${origin:sqlstring}) AND c.symbol IN (${asset:sqlstring})
    AND coalesce(c.sentiment, 'none') IN (${sentiment:sqlstring}) AND coalesce(c.confidence, 0) >= ${confidence:sqlstring}::float8`
	callFilter = callFilterAllModels + `
    AND ` + modelFilter
	chosenAnswers = `chosen AS MATERIALIZED (
  SELECT a.prediction_id FROM readmodel.predictions a WHERE a.status = 'completed' AND $__timeFilter(a.published_at) AND ` + modelFilter + `)`
	postFilter = `$__timeFilter(p.published_at)`
)

// assetsSQL lists every asset that was called, and noAsset.
const assetsSQL = `SELECT x.symbol FROM (SELECT DISTINCT c.symbol COLLATE "C" AS symbol, 0 AS place FROM readmodel.calls c
  UNION ALL SELECT '` + noAsset + `', 1) x ORDER BY x.place, x.symbol`

// symbolSQL lists them with the most called one first: Grafana takes the first where nothing is chosen.
const symbolSQL = `SELECT symbol FROM readmodel.calls GROUP BY symbol ORDER BY count(*) DESC, symbol COLLATE "C"`

const modelsSQL = `SELECT x.text AS __text, x.value AS __value FROM (SELECT 'Primary analyzer' AS text, '` + primary + `' AS value, 0 AS place
  UNION ALL SELECT m.name, m.name, 1 FROM readmodel.models m) x ORDER BY x.place, x.value`

// shared adds the variables that all dashboards have. The asset one is of many assets, or, as the
// variable symbol, of a single one.
func shared(b *dashboard.DashboardBuilder, single bool) *dashboard.DashboardBuilder {
	b = b.WithVariable(choice(varHorizon, "Horizon", "1 session : 1,3 sessions : 3,7 sessions : 7,30 sessions : 30", "7")).
		WithVariable(choice(varBasis, "Basis", "Next open : next_open,Prior close : prior_close,Legacy : legacy", "next_open")).
		WithVariable(asked(varModel, "Model", modelsSQL)).
		WithVariable(choice(varOrigin, "Origin", "live,retrospective,imported", "$__all").Multi(true).IncludeAll(true))
	if single {
		b = b.WithVariable(asked("symbol", "Asset", symbolSQL))
	} else {
		b = b.WithVariable(asked(varAsset, "Asset", assetsSQL).Multi(true).IncludeAll(true).Current(option("All", "$__all")))
	}
	return b.WithVariable(choice(varSentiment, "Sentiment", "bullish,bearish,neutral,none", "$__all").Multi(true).IncludeAll(true)).
		WithVariable(choice(varConfidence, "Minimum confidence", "any : 0,0.5,0.6,0.7,0.75,0.8,0.9", "0"))
}

// ofSymbol makes SQL over assets one over the single asset of variable symbol.
func ofSymbol(sql string) string {
	return strings.ReplaceAll(sql, "${asset:sqlstring}", "${symbol:sqlstring}")
}

// choice is a variable with fixed values, "text : value" where the two differ.
func choice(name, label, values, current string) *dashboard.CustomVariableBuilder {
	text := current
	for pair := range strings.SplitSeq(values, ",") {
		if t, v, ok := strings.Cut(pair, " : "); ok && v == current {
			text = t
		}
	}
	if current == "$__all" {
		text = "All"
	}
	return dashboard.NewCustomVariableBuilder(name).Label(label).Values(dashboard.StringOrMap{String: cog.ToPtr(values)}).
		AllowCustomValue(false).Current(option(text, current))
}

// asked is a variable whose values come from the read model.
func asked(name, label, sql string) *dashboard.QueryVariableBuilder {
	return dashboard.NewQueryVariableBuilder(name).Label(label).Datasource(dataSource()).AllowCustomValue(false).
		Query(dashboard.StringOrMap{String: cog.ToPtr(sql)}).
		Refresh(dashboard.VariableRefreshOnDashboardLoad).Sort(dashboard.VariableSortDisabled)
}

// typed is a variable that a reader types.
func typed(name, label, value, says string) *dashboard.TextBoxVariableBuilder {
	return dashboard.NewTextBoxVariableBuilder(name).Label(label).Description(says).
		DefaultValue(dashboard.StringOrMap{String: cog.ToPtr(value)}).Current(option(value, value))
}

// option is a choice; All is a list, as Grafana has it for variables of many values.
func option(text, value string) dashboard.VariableOption {
	one := func(s string) dashboard.StringOrArrayOfString {
		if value == "$__all" {
			return dashboard.StringOrArrayOfString{ArrayOfString: []string{s}}
		}
		return dashboard.StringOrArrayOfString{String: cog.ToPtr(s)}
	}
	return dashboard.VariableOption{Selected: cog.ToPtr(true), Text: one(text), Value: one(value)}
}

// withoutAsset takes the choice of assets out of scoreFilters.
func withoutAsset(filters string) string {
	return strings.ReplaceAll(filters, " symbols => ARRAY[${asset:sqlstring}],", "")
}

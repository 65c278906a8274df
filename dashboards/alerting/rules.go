package alerting

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	sdk "github.com/grafana/grafana-foundation-sdk/go/alerting"
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/expr"

	"shitpost-alpha/readmodel"
)

// interval is how often a group is evaluated: a multiple of the 10 seconds of Grafana's scheduler.
const interval = "30s"

// anyNumber is below every value: whatever row there is, is an alert.
const anyNumber = -1e12

// rule is one alert rule before it is built.
type rule struct {
	uid, title, group string
	kind              string
	statements        []string // one per subscriber; none: the rule is left away
	annotations       map[string]string
	wait              string               // how long a row must stand, in Grafana's durations
	onError           sdk.RuleExecErrState // when the read model does not answer
}

// callFunctions are the functions of readmodel/alerts.sql that tell of calls, by kind of message.
var callFunctions = map[string]string{NewCall: "new_call_alerts", FollowUp: "follow_up_alerts", DailyBriefing: "daily_briefing_alerts", WeeklyScorecard: "weekly_scorecard_alerts"}

// rules lists all rules, in groups. Those about calls ask once for every subscriber that wants them. A
// read model that does not answer changes nothing (KeepLast), so that nothing is told again when it
// is back; one rule alone tells that it does not.
func rules(subscribers []Subscriber, o Options) []rule {
	calls := func(uid, title, kind string) rule {
		r := rule{uid: uid, title: title, group: "Calls", kind: kind, wait: "0s", onError: sdk.RuleExecErrStateKeepLast}
		for _, s := range subscribers {
			if slices.Contains(s.Kinds, kind) {
				r.statements = append(r.statements, callStatement(callFunctions[kind], s))
			}
		}
		return r
	}
	followUp := calls("shitpost-follow-up", "Follow-up", FollowUp)
	followUp.annotations = map[string]string{"return": `{{ printf "%+.2f" $values.A.Value }} %`}
	problems := rule{uid: "shitpost-operations", title: "Problem of the pipeline", group: "Operations", kind: Operations, wait: "0s", onError: sdk.RuleExecErrStateKeepLast}
	unreachable := rule{uid: "shitpost-read-model", title: "The read model does not answer", group: "Operations", kind: Operations, wait: "5m", onError: sdk.RuleExecErrStateAlerting}
	if slices.ContainsFunc(subscribers, func(s Subscriber) bool { return slices.Contains(s.Kinds, Operations) }) {
		problems.statements = []string{"SELECT a.* FROM " + readmodel.Schema + ".operations_alerts(now(), " + number(o.DailyBudget) + ") a"}
		unreachable.statements = []string{"SELECT 'read_model_empty' AS problem, 'read model' AS subject, 'The projector has not filled it yet.' AS detail, 1 AS value\n" +
			"WHERE NOT EXISTS (SELECT FROM " + readmodel.Schema + "." + readmodel.Positions + ")"}
	}
	return []rule{calls("shitpost-new-call", "New call", NewCall), followUp,
		calls("shitpost-daily-briefing", "Daily briefing", DailyBriefing), calls("shitpost-weekly-scorecard", "Weekly scorecard", WeeklyScorecard),
		problems, unreachable}
}

// callStatement asks for the rows of one subscriber. now() is the database's clock, and the only one.
func callStatement(function string, s Subscriber) string {
	return fmt.Sprintf("SELECT %s AS subscriber, a.* FROM %s.%s(now(), %s, %s, %s) a",
		quote(s.Name), readmodel.Schema, function, number(s.MinimumConfidence), array(s.Assets), array(s.Sentiments))
}

// quote writes an SQL literal.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func number(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// array writes a list for SQL; an empty one is null, which filters nothing.
func array(list []string) string {
	if len(list) == 0 {
		return "NULL"
	}
	quoted := make([]string, len(list))
	for i, v := range list {
		quoted[i] = quote(v)
	}
	return "ARRAY[" + strings.Join(quoted, ", ") + "]"
}

// build makes the rule with the SDK: query A, whose every row is an alert, and the condition C, which
// all of them meet. A reduction between them would be a no-op on a table.
func (r rule) build() (Rule, error) {
	expression := common.DataSourceRef{Type: cog.ToPtr(expressionUID), Uid: cog.ToPtr(expressionUID)}
	condition := expr.NewTypeThresholdBuilder().RefId("C").Expression("A").Datasource(expression).
		Conditions([]cog.Builder[expr.ExprTypeThresholdConditions]{expr.NewExprTypeThresholdConditionsBuilder().
			Evaluator(expr.NewExprTypeThresholdConditionsEvaluatorBuilder().Type(expr.ExprTypeThresholdConditionsEvaluatorTypeGt).Params([]float64{anyNumber}))})
	built, err := sdk.NewRuleBuilder(r.title).Uid(r.uid).Condition("C").For(r.wait).OrgID(orgID).RuleGroup(r.group).
		NoDataState(sdk.RuleNoDataStateOK).ExecErrState(r.onError).
		Labels(map[string]string{"kind": r.kind}).Annotations(r.annotations).
		WithQuery(sdk.NewQueryBuilder("A").DatasourceUid(DataSourceUID).RelativeTimeRange(600, 0).
			Model(newQuery("A", strings.Join(r.statements, "\nUNION ALL\n")))).
		WithQuery(sdk.NewQueryBuilder("C").DatasourceUid(expressionUID).RelativeTimeRange(0, 0).Model(condition)).
		Build()
	if err != nil {
		return Rule{}, fmt.Errorf("build rule %s: %w", r.uid, err)
	}
	out := Rule{UID: r.uid, Title: built.Title, Condition: built.Condition, For: built.For, NoDataState: built.NoDataState,
		ExecErrState: built.ExecErrState, Annotations: built.Annotations, Labels: built.Labels}
	for _, q := range built.Data {
		model, err := encode(q.Model)
		if err != nil {
			return Rule{}, fmt.Errorf("build rule %s: %w", r.uid, err)
		}
		out.Data = append(out.Data, Query{*q.RefId, *q.DatasourceUid, TimeRange{int(*q.RelativeTimeRange.From), int(*q.RelativeTimeRange.To)}, model})
	}
	return out, nil
}

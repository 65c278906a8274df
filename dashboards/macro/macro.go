// Package macro expands the variables and macros of Grafana's PostgreSQL data source the way
// Grafana does (first the browser the variables, then the server the macros), so that a test can
// run every dashboard's SQL on a real Postgres. It knows what the dashboards use and refuses the
// rest: https://grafana.com/docs/grafana/latest/datasources/postgres/query-editor/.
package macro

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Env is what Grafana knows when it sends a query.
type Env struct {
	From, To  time.Time           // the dashboard's time range
	Interval  time.Duration       // $__interval, at least a second
	Variables map[string][]string // the chosen values of each dashboard variable
}

// Expand returns the SQL as Postgres gets it, or an error that names what is not known.
func (e Env) Expand(sql string) (string, error) {
	sql, err := e.variables(sql)
	if err != nil {
		return "", err
	}
	sql = strings.ReplaceAll(sql, "$__interval_ms", strconv.FormatInt(e.Interval.Milliseconds(), 10))
	sql = strings.ReplaceAll(sql, "$__interval", strconv.FormatInt(int64(e.Interval/time.Second), 10)+"s")
	// As the server does, arguments end at the first closing bracket.
	call := regexp.MustCompile(`\$(__\w+)\(([^)]*)\)`)
	sql = call.ReplaceAllStringFunc(sql, func(m string) string {
		parts := call.FindStringSubmatch(m)
		expanded, bad := e.macro(parts[1], strings.Split(parts[2], ","))
		if bad != nil && err == nil {
			err = bad
		}
		return expanded
	})
	if err == nil && strings.Contains(sql, "$__") {
		err = fmt.Errorf("expand macros: one is left over in %q", sql)
	}
	return sql, err
}

// variables replaces ${name:sqlstring}: every value as a quoted literal, joined by commas. The
// other formats ($name, :raw, :csv …) do not quote what anybody can write into the dashboard's
// address, so they are refused here and must not be used.
func (e Env) variables(sql string) (string, error) {
	var err error
	ref := regexp.MustCompile(`\$\{(\w+)(?::(\w+))?\}|\[\[\w+(?::\w+)?\]\]|\$[a-zA-Z]\w*`)
	sql = ref.ReplaceAllStringFunc(sql, func(m string) string {
		parts := ref.FindStringSubmatch(m)
		values, known := e.Variables[parts[1]]
		switch {
		case parts[2] != "sqlstring":
			err = fmt.Errorf("expand %s: only ${name:sqlstring} is safe against quotes", m)
		case !known:
			err = fmt.Errorf("expand %s: the dashboard has no such variable", m)
		}
		quoted := make([]string, len(values))
		for i, v := range values {
			quoted[i] = "'" + strings.ReplaceAll(v, "'", "''") + "'"
		}
		return strings.Join(quoted, ",")
	})
	return sql, err
}

func (e Env) macro(name string, args []string) (string, error) {
	column := strings.TrimSpace(args[0])
	stamp := func(t time.Time) string { return "'" + t.UTC().Format(time.RFC3339Nano) + "'" }
	switch name {
	case "__timeFilter":
		return fmt.Sprintf("%s BETWEEN %s AND %s", column, stamp(e.From), stamp(e.To)), nil
	case "__timeFrom":
		return stamp(e.From), nil
	case "__timeTo":
		return stamp(e.To), nil
	case "__timeGroup", "__timeGroupAlias":
		if len(args) < 2 {
			return "", fmt.Errorf("expand $%s: it needs a column and an interval", name)
		}
		every, err := time.ParseDuration(strings.Trim(strings.TrimSpace(args[1]), "'"))
		if err != nil {
			return "", fmt.Errorf("expand $%s: interval: %w", name, err)
		}
		s := fmt.Sprintf("floor(extract(epoch from %s)/%v)*%v", column, every.Seconds(), every.Seconds())
		if name == "__timeGroupAlias" {
			s += ` AS "time"`
		}
		return s, nil
	}
	return "", fmt.Errorf("expand $%s: unknown macro", name)
}

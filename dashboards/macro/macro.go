// Package macro expands the variables and macros of Grafana's PostgreSQL data source the way
// Grafana does (first the browser the variables, then the server the macros), so that a test can
// run every dashboard's SQL on a real Postgres, and a viewer can show it. It knows what the dashboards use and refuses the
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
	sql = strings.ReplaceAll(sql, "$__interval", formatInterval(e.Interval))
	sql, err = e.calls(sql)
	if err == nil && strings.Contains(sql, "$__") {
		err = fmt.Errorf("expand macros: one is left over in %q", sql)
	}
	return sql, err
}

// calls expands $__name(arguments). As the server does, arguments end at the first closing bracket, and
// a $__timeGroup right before a comma is named "time".
func (e Env) calls(sql string) (string, error) {
	var out strings.Builder
	last := 0
	for _, at := range regexp.MustCompile(`\$(__\w+)\(([^)]*)\)`).FindAllStringSubmatchIndex(sql, -1) {
		name, args := sql[at[2]:at[3]], strings.Split(sql[at[4]:at[5]], ",")
		if name == "__timeGroup" && strings.HasPrefix(sql[at[1]:], ",") {
			name = "__timeGroupAlias"
		}
		expanded, err := e.macro(name, args)
		if err != nil {
			return "", err
		}
		out.WriteString(sql[last:at[0]] + expanded)
		last = at[1]
	}
	return out.String() + sql[last:], nil
}

// units of intervals, the greatest first. Months and years have no fixed length: Grafana counts them
// from today, so they are refused.
func units() []unit {
	const day = 24 * time.Hour
	return []unit{{"y", 365 * day}, {"d", day}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}, {"ms", time.Millisecond}}
}

type unit struct {
	name string
	is   time.Duration
}

// formatInterval writes an interval in the greatest unit that fits, cut: 90 s are 1m (gtime.FormatInterval).
func formatInterval(d time.Duration) string {
	for _, u := range units() {
		if d >= u.is {
			return strconv.FormatInt(int64(d/u.is), 10) + u.name
		}
	}
	return "1ms"
}

// seconds reads an interval: a whole number and ms, s, m, h, d or w.
func seconds(interval string) (float64, error) {
	digits := strings.TrimRight(interval, "abcdefghijklmnopqrstuvwxyzM")
	n, err := strconv.ParseUint(digits, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("read interval %q: it is a whole number and a unit, such as 5m", interval)
	}
	name := interval[len(digits):]
	if name == "w" {
		return float64(n) * 7 * 86400, nil
	}
	for _, u := range units() {
		if u.name == name && name != "y" {
			return float64(n) * u.is.Seconds(), nil
		}
	}
	return 0, fmt.Errorf("read interval %q: the unit is none of ms, s, m, h, d, w", interval)
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
		every, err := seconds(strings.Trim(strings.TrimSpace(args[1]), "'"))
		if err != nil {
			return "", fmt.Errorf("expand $%s: %w", name, err)
		}
		s := fmt.Sprintf("floor(extract(epoch from %s)/%v)*%v", column, every, every)
		if name == "__timeGroupAlias" {
			s += ` AS "time"`
		}
		return s, nil
	}
	return "", fmt.Errorf("expand $%s: unknown macro", name)
}

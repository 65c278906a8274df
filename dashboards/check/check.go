// Package check runs the dashboards' statements on a real read model as Grafana does: variables and
// macros expanded, the simple protocol, role grafana, nothing written. Database is the whole check;
// its parts serve tests.
package check

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"shitpost-alpha/dashboards"
	"shitpost-alpha/dashboards/macro"
	"shitpost-alpha/readmodel"
)

// Answer is what a statement gave. Values are as Postgres writes them; nil is null.
type Answer struct {
	Columns []pgconn.FieldDescription
	Rows    [][]*string
	Took    time.Duration
}

// Names are the columns' names.
func (a Answer) Names() []string {
	var all []string
	for _, c := range a.Columns {
		all = append(all, c.Name)
	}
	return all
}

// Lines are the rows as texts: values divided by |, null as -.
func (a Answer) Lines() []string {
	var all []string
	for _, row := range a.Rows {
		var cells []string
		for _, v := range row {
			if v == nil {
				cells = append(cells, "-")
				continue
			}
			cells = append(cells, *v)
		}
		all = append(all, strings.Join(cells, "|"))
	}
	return all
}

// Connect becomes what Grafana is to the database: the reading role with its settings (roles.sql), which
// SET ROLE alone does not bring, and no search_path. The user of
// the URL is grafana or may become it.
func Connect(ctx context.Context, databaseURL string) (*pgconn.PgConn, error) {
	conn, err := pgconn.Connect(ctx, databaseURL)
	if err != nil {
		return nil, fmt.Errorf("connect to the read model: %w", err)
	}
	const become = "SET search_path = pg_catalog; SET default_transaction_read_only = on; SET statement_timeout = '30s'; SET timezone = 'UTC'; SET work_mem = '64MB'; SET jit = off; SET ROLE " + readmodel.RoleGrafana
	if _, err := conn.Exec(ctx, become).ReadAll(); err != nil {
		return nil, errors.Join(fmt.Errorf("become role %s: %w", readmodel.RoleGrafana, err), conn.Close(ctx))
	}
	return conn, nil
}

// Ask runs one statement. Errors name it.
func Ask(ctx context.Context, conn *pgconn.PgConn, q dashboards.Query, env macro.Env) (Answer, error) {
	sql, err := env.Expand(q.SQL)
	if err != nil {
		return Answer{}, fmt.Errorf("expand %s: %w", q.Name, err)
	}
	var a Answer
	start := time.Now()
	results := conn.Exec(ctx, sql)
	for results.NextResult() {
		result := results.ResultReader()
		a.Columns = slices.Clone(result.FieldDescriptions())
		for result.NextRow() {
			row := make([]*string, len(result.Values()))
			for i, v := range result.Values() {
				if v != nil {
					s := string(v)
					row[i] = &s
				}
			}
			a.Rows = append(a.Rows, row)
		}
	}
	if err := results.Close(); err != nil {
		return a, fmt.Errorf("run %s: %w", q.Name, err)
	}
	a.Took = time.Since(start)
	return a, nil
}

// Values chooses the variables of a dashboard: what given says of them, else their defaults, where All is
// every option that the read model has.
func Values(ctx context.Context, conn *pgconn.PgConn, dashboard string, given map[string][]string, env macro.Env) (map[string][]string, error) {
	choices, err := dashboards.Choices(dashboard)
	if err != nil {
		return nil, err
	}
	all := map[string][]string{}
	for _, c := range choices {
		if values, ok := given[c.Name]; ok {
			all[c.Name] = values
			continue
		}
		if c.SQL != "" {
			env.Variables = all
			a, err := Ask(ctx, conn, dashboards.Query{Name: dashboard + "/variable " + c.Name, SQL: c.SQL}, env)
			if err != nil {
				return nil, err
			}
			at := max(0, slices.Index(a.Names(), "__value"))
			for _, row := range a.Rows {
				if row[at] != nil {
					c.Options = append(c.Options, *row[at])
				}
			}
		}
		switch {
		case c.Default == "$__all":
			all[c.Name] = c.Options
		case c.Default == "" && len(c.Options) > 0:
			all[c.Name] = c.Options[:1]
		default:
			all[c.Name] = []string{c.Default}
		}
	}
	return all, nil
}

// kind is Grafana's kind of a column (its PostgreSQL data source).
func kind(oid uint32) string {
	switch oid {
	case pgtype.Int8OID, pgtype.Int2OID, pgtype.Int4OID, pgtype.Float4OID, pgtype.Float8OID, pgtype.NumericOID:
		return "number"
	case pgtype.TimestampOID, pgtype.TimestamptzOID, pgtype.DateOID:
		return "time"
	case pgtype.BoolOID:
		return "boolean"
	}
	return "string"
}

// Problems says why Grafana could not draw an answer: columns missing or of the wrong kind, a time series
// out of order, a number that is none.
func Problems(q dashboards.Query, a Answer) []string {
	var all []string
	names, kinds, count := a.Names(), map[string]string{}, map[string]int{}
	for _, c := range a.Columns {
		kinds[c.Name] = kind(c.DataTypeOID)
		count[kinds[c.Name]]++
	}
	if len(kinds) < len(names) {
		all = append(all, fmt.Sprintf("two columns have one name: %v", names))
	}
	for _, name := range q.Columns {
		if !slices.Contains(names, name) {
			all = append(all, fmt.Sprintf("the panel refers to column %q, there is %v", name, names))
		}
	}
	at := slices.Index(names, "time")
	needsTime := q.Format == "time_series" || q.Kind == "annotation" || q.Kind == "candlestick"
	switch {
	case needsTime && (at < 0 || kinds["time"] == "string"):
		all = append(all, fmt.Sprintf("there is no column time: %v", names))
	case q.Format == "time_series" && count["number"] == 0:
		all = append(all, "a time series without a number")
	case q.Kind == "barchart" && (len(names) < 2 || kinds[names[0]] != "string" || count["number"] != len(names)-1):
		all = append(all, fmt.Sprintf("bars need a name and numbers: %v", kinds))
	case q.Kind == "stat" && (len(a.Rows) > 1 || count["number"] != len(names)):
		all = append(all, fmt.Sprintf("figures need one row of numbers: %v, %d rows", kinds, len(a.Rows)))
	}
	for r, row := range a.Rows {
		for c, v := range row {
			if v != nil && kinds[names[c]] == "number" && !finite(*v) {
				all = append(all, fmt.Sprintf("row %d: %s is %s", r, names[c], *v))
			}
		}
		if q.Format == "time_series" && at >= 0 && (row[at] == nil || r > 0 && a.Rows[r-1][at] != nil && before(*row[at], *a.Rows[r-1][at])) {
			all = append(all, fmt.Sprintf("row %d is out of order in time", r))
		}
	}
	return all
}

func finite(v string) bool {
	n, err := strconv.ParseFloat(v, 64)
	return err == nil && n-n == 0
}

// before compares times as Postgres writes them: seconds since 1970, or dates in one time zone.
func before(a, b string) bool {
	x, errX := strconv.ParseFloat(a, 64)
	y, errY := strconv.ParseFloat(b, 64)
	if errX == nil && errY == nil {
		return x < y
	}
	return a < b
}

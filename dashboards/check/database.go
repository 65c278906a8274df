package check

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"shitpost-alpha/dashboards"
	"shitpost-alpha/dashboards/macro"
)

// Report is what the check of a database found.
type Report struct {
	Statements int      `json:"statements"` // asked, each over all ranges and values
	Answers    int      `json:"answers"`
	Problems   []string `json:"problems"` // none is good
	Empty      []string `json:"empty"`    // statements without a row over all of time
	Slowest    []Slow   `json:"slowest"`  // over all of time, the slowest first, five
}

// Slow is how long a statement took.
type Slow struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"`
}

// nasty are values that a reader could put into a dashboard's address.
func nasty() []string {
	return []string{"O'X", `a";--`, `'); DROP TABLE readmodel.posts; --`, `\'; SELECT 1; --`, "€ \u202e\U0001F4A9", "$$", "%"}
}

// Database asks every statement over an hour, a month and all of time, with the defaults, with nasty
// values in every variable that takes text, and says what Grafana could not draw. It writes nothing.
// Errors are about the connection; what is wrong with a statement is a problem of the report.
func Database(ctx context.Context, databaseURL string, now time.Time) (Report, error) {
	var r Report
	conn, err := Connect(ctx, databaseURL)
	if err != nil {
		return r, err
	}
	defer conn.Close(ctx)
	queries, err := dashboards.Queries()
	if err != nil {
		return r, err
	}
	r.Statements = len(queries)
	for _, q := range queries {
		for i, from := range []time.Time{now.AddDate(-20, 0, 0), now.AddDate(0, -1, 0), now.Add(-time.Hour)} {
			env := macro.Env{From: from, To: now, Interval: time.Hour}
			if env.Variables, err = Values(ctx, conn, q.Dashboard, nil, env); err != nil {
				return r, err
			}
			a, ok := r.ask(ctx, conn, q, env)
			if i == 0 && ok {
				r.note(q, a)
			}
		}
		env := macro.Env{From: now.AddDate(-20, 0, 0), To: now, Interval: time.Hour}
		for _, value := range nasty() {
			if env.Variables, err = poisoned(q.Dashboard, value); err != nil {
				return r, err
			}
			r.ask(ctx, conn, q, env)
		}
		if ctx.Err() != nil {
			return r, fmt.Errorf("check %s: %w", q.Name, ctx.Err())
		}
	}
	return r, nil
}

func (r *Report) ask(ctx context.Context, conn *pgconn.PgConn, q dashboards.Query, env macro.Env) (Answer, bool) {
	r.Answers++
	a, err := Ask(ctx, conn, q, env)
	if err != nil {
		r.Problems = append(r.Problems, err.Error())
		return a, false
	}
	for _, p := range Problems(q, a) {
		r.Problems = append(r.Problems, fmt.Sprintf("%s from %s: %s", q.Name, env.From.Format(time.DateOnly), p))
	}
	return a, true
}

// note keeps what is empty and slow.
func (r *Report) note(q dashboards.Query, a Answer) {
	if len(a.Rows) == 0 {
		r.Empty = append(r.Empty, q.Name)
	}
	r.Slowest = append(r.Slowest, Slow{q.Name, a.Took.Seconds()})
	for i := len(r.Slowest) - 1; i > 0 && r.Slowest[i].Seconds > r.Slowest[i-1].Seconds; i-- {
		r.Slowest[i], r.Slowest[i-1] = r.Slowest[i-1], r.Slowest[i]
	}
	r.Slowest = r.Slowest[:min(5, len(r.Slowest))]
}

// poisoned puts a value into every variable that holds text. Those that SQL casts to numbers and booleans
// keep their default: Postgres refuses anything else there, which is the protection.
func poisoned(dashboard, value string) (map[string][]string, error) {
	choices, err := dashboards.Choices(dashboard)
	if err != nil {
		return nil, err
	}
	all := map[string][]string{}
	for _, c := range choices {
		all[c.Name] = []string{value, "x"}
		if !c.Many {
			all[c.Name] = []string{value}
		}
		if cast(c.Name) {
			all[c.Name] = []string{c.Default}
		}
	}
	return all, nil
}

func cast(variable string) bool {
	switch variable {
	case "horizon", "confidence", "threshold", "shorts":
		return true
	}
	return false
}

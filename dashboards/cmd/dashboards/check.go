package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"shitpost-alpha/dashboards"
	"shitpost-alpha/dashboards/alerting"
	"shitpost-alpha/dashboards/check"
)

// errProblems is what check ends with when something is wrong.
var errProblems = errors.New("check found problems")

type checkFlags struct {
	Database string `placeholder:"URL" help:"Also ask every statement of the Postgres of the read model, as role grafana: postgres://…. Nothing is written."`
	JSON     bool   `name:"json" help:"Report as JSON."`
	alertFlags
}

// report is everything that check says.
type report struct {
	Dashboards int           `json:"dashboards"`
	Problems   []string      `json:"problems"`
	Database   *check.Report `json:"database,omitempty"`
}

// run checks the files and, if there is one, the database, and fails when anything is wrong.
func (f checkFlags) run(ctx context.Context, stdout io.Writer) error {
	problems, err := dashboards.Lint()
	if err != nil {
		return err
	}
	file, _, err := f.alertFlags.render()
	if err != nil {
		return err
	}
	if err := alerting.Check(file.Data); err != nil {
		problems = append(problems, err.Error())
	}
	r := report{Dashboards: len(dashboards.Names()), Problems: problems}
	if f.Database != "" {
		found, err := check.Database(ctx, f.Database, time.Now())
		if err != nil {
			return err
		}
		r.Database = &found
		r.Problems = append(r.Problems, found.Problems...)
	}
	if err := f.print(stdout, r); err != nil {
		return err
	}
	if len(r.Problems) > 0 {
		return fmt.Errorf("%w: %d", errProblems, len(r.Problems))
	}
	return nil
}

func (f checkFlags) print(out io.Writer, r report) error {
	if f.JSON {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(r)
	}
	for _, p := range r.Problems {
		fmt.Fprintln(out, "problem:", p)
	}
	fmt.Fprintf(out, "%d dashboards and the alerts, %d problems\n", r.Dashboards, len(r.Problems))
	if r.Database == nil {
		return nil
	}
	fmt.Fprintf(out, "%d statements, asked %d times as role grafana\n", r.Database.Statements, r.Database.Answers)
	for _, name := range r.Database.Empty {
		fmt.Fprintln(out, "without a row:", name)
	}
	for _, s := range r.Database.Slowest {
		fmt.Fprintf(out, "%6.0f ms  %s\n", s.Seconds*1000, s.Name)
	}
	return nil
}

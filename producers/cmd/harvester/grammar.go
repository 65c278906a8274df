package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"shitpost-alpha/lake/cli"
	"shitpost-alpha/producers"
	"shitpost-alpha/producers/posts"
	"shitpost-alpha/producers/posts/harvester"
)

// grammar is the command line.
type grammar struct {
	Lake string `env:"LAKE_URL" default:"./data/lake" placeholder:"URL" help:"Folder or s3://bucket/prefix; default ./data/lake."`
	harvester.Flags
	DryRun bool          `help:"Compare and report once, write nothing."`
	Once   bool          `help:"Run once and exit, for cron."`
	Poll   time.Duration `env:"LAKE_POLL" default:"10s" help:"How often to look for other processes' commits."`
	JSON   bool          `name:"json" help:"Print each run's report as one JSON line."`
	producers.Serving
	cli.Logging
	Version kong.VersionFlag `help:"Print the version."`
}

// print writes the report of one run: nothing when a loop's run found nothing new.
func (g *grammar) print(w io.Writer, reports []*posts.Report, appended int, failure error) error {
	if !g.Once && !g.DryRun && appended == 0 && failure == nil {
		return nil
	}
	if !g.JSON {
		err := posts.WriteTable(w, reports)
		if err == nil && g.DryRun {
			_, err = fmt.Fprintln(w, "dry run: nothing was written")
		}
		return err
	}
	out := struct {
		Appended int             `json:"appended"`
		DryRun   bool            `json:"dry_run"`
		Sources  []*posts.Report `json:"sources"`
		Errors   []string        `json:"errors"`
	}{appended, g.DryRun, reports, []string{}}
	if out.Sources == nil {
		out.Sources = []*posts.Report{}
	}
	if failure != nil {
		out.Errors = strings.Split(failure.Error(), "\n")
	}
	if err := json.NewEncoder(w).Encode(out); err != nil {
		return fmt.Errorf("print report: %w", err)
	}
	return nil
}

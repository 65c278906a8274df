// Command import records what the Python system left, its raw lake and its Postgres, as events.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/alecthomas/kong"

	"shitpost-alpha/lake/cli"
	"shitpost-alpha/producers/legacy"
)

const description = `Records what the Python system left, its raw lake and its Postgres, as events of the lake.

Posts come with the whole document of the source, predictions with their model and time (prompt version
legacy:<row id>), bypasses with their old reasons mapped, prices as source legacy. Rows that cannot be
taken are printed with the reason and kept as record_rejected. The old system is only read. Outcomes are
not imported: projector compare-legacy compares them.

Examples:
  import --s3 s3://old-bucket --database postgres://reader:…@old-host/shitposts --dry-run
  import --s3 s3://old-bucket --database postgres://reader:…@old-host/shitposts
  import --s3 ./copy-of-the-bucket --lake ./data/lake
  import --database postgres://reader:…@old-host/shitposts --json > import.json

It may be stopped at any point and started again: what is in the lake is not recorded again, so a second
run appends nothing. At the end the lake is read back and every row accounted for.
Exit codes: 0 every row accounted for, 1 some are not or something failed, 2 wrong configuration.`

// grammar is the command line.
type grammar struct {
	Lake     string `env:"LAKE_URL" default:"./data/lake" placeholder:"URL" help:"Folder or s3://bucket/prefix to write to; default ./data/lake."`
	S3       string `name:"s3" env:"LEGACY_URL" placeholder:"URL" help:"Bucket or folder of the Python system's raw lake: what holds truth-social/raw."`
	Database string `name:"database" env:"LEGACY_DATABASE_URL" placeholder:"URL" help:"The Python system's Postgres; a role that may only read is enough."`
	DryRun   bool   `help:"Compare and report, write nothing."`
	JSON     bool   `name:"json" help:"Print the report as one JSON document."`
	cli.Logging
	Version kong.VersionFlag `help:"Print the version."`
}

func main() { cli.Main("import", run) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var g grammar
	if _, done, err := cli.Parse(&g, "import", description, args, stdout, stderr); done || err != nil {
		return err
	}
	im, err := g.open(ctx, g.Logger(stderr), cli.NewProgress(stderr, time.Now).Report)
	if err != nil {
		return err
	}
	if im.Database != nil {
		defer im.Database.Close(context.WithoutCancel(ctx))
	}
	report, err := im.Run(ctx)
	if printErr := g.print(stdout, report); err == nil {
		err = printErr
	}
	if errors.Is(err, legacy.ErrNotLegacy) {
		return fmt.Errorf("%w: --database: %w", cli.ErrUsage, err)
	}
	if err == nil && report.Unexplained() > 0 {
		err = fmt.Errorf("%d rows are not accounted for: run it again, and lake verify", report.Unexplained())
	}
	return err
}

func (g *grammar) print(w io.Writer, r *legacy.Report) error {
	if !g.JSON {
		return r.WriteText(w)
	}
	if err := json.NewEncoder(w).Encode(r); err != nil {
		return fmt.Errorf("print report: %w", err)
	}
	return nil
}

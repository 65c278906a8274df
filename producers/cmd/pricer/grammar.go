package main

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/alecthomas/kong"

	"shitpost-alpha/lake/cli"
	"shitpost-alpha/producers"
	"shitpost-alpha/producers/prices"
	"shitpost-alpha/producers/prices/pricer"
)

// grammar is the command line.
type grammar struct {
	Lake string `env:"LAKE_URL" default:"./data/lake" help:"Folder or s3://bucket/prefix of the lake."`
	pricer.Flags
	Once    bool          `help:"Do all there is to do now, print a report and exit."`
	Poll    time.Duration `env:"LAKE_POLL" default:"10s" help:"How often to look for other processes' predictions."`
	DryRun  bool          `help:"Ask the sources and print what would be recorded; record nothing."`
	JSON    bool          `name:"json" help:"Print the report of --once and --dry-run as JSON."`
	Version kong.VersionFlag
	producers.Serving
	cli.Logging
}

// print writes the report of one step.
func (g *grammar) print(w io.Writer, r prices.Report) error {
	if g.JSON {
		if err := json.NewEncoder(w).Encode(r); err != nil {
			return fmt.Errorf("print report: %w", err)
		}
		return nil
	}
	verb := "recorded"
	if g.DryRun {
		verb = "would record"
	}
	_, err := fmt.Fprintf(w, "%d symbols needed, %d asked for, %d failed; %s %d bars (%d not in USD), %d splits, %d unknown symbols, %d given up, %d rejected rows; calendar for %d days more\n",
		r.Symbols, r.Asked, r.Failed, verb, r.Bars, r.Foreign, r.Splits, r.Unknown, r.GivenUp, r.Rejected, r.CalendarDays)
	return err
}

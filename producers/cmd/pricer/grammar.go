package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"github.com/alecthomas/kong"

	"shitpost-alpha/lake/cli"
	"shitpost-alpha/lake/market"
	"shitpost-alpha/producers/prices"
	"shitpost-alpha/producers/prices/files"
	"shitpost-alpha/producers/prices/simulator"
)

// grammar is the command line.
type grammar struct {
	Lake    string        `env:"LAKE_URL" default:"./data/lake" help:"Folder or s3://bucket/prefix of the lake."`
	Source  []string      `env:"PRICE_SOURCE" enum:"files,simulator" help:"files or simulator, best first; repeatable. Default: files when --path is given, else simulator."`
	Path    []string      `env:"PRICE_PATH" placeholder:"PATH" help:"File or folder of prices, best first; repeatable."`
	Seed    uint64        `env:"PRICE_SEED" default:"1" help:"Seed of the simulator. Another seed on the same lake corrects every made-up bar."`
	Once    bool          `help:"Do all there is to do now, print a report and exit."`
	Every   time.Duration `env:"PRICE_EVERY" default:"15m" help:"Pause between two looks; new predictions end it early."`
	Poll    time.Duration `env:"LAKE_POLL" default:"10s" help:"How often to look for other processes' predictions."`
	DryRun  bool          `help:"Ask the sources and print what would be recorded; record nothing."`
	JSON    bool          `name:"json" help:"Print the report of --once and --dry-run as JSON."`
	Version kong.VersionFlag
	cli.Logging
}

// Validate is called by kong: it names everything that is wrong at once.
func (g *grammar) Validate() error {
	if len(g.Source) == 0 {
		g.Source = []string{"simulator"}
		if len(g.Path) > 0 {
			g.Source = []string{"files"}
		}
	}
	var errs []error
	if fromFiles := slices.Contains(g.Source, "files"); fromFiles != (len(g.Path) > 0) {
		if fromFiles {
			errs = append(errs, errors.New("--source files needs --path"))
		} else {
			errs = append(errs, errors.New("--path is given but --source files is not"))
		}
	}
	if sorted := slices.Sorted(slices.Values(g.Source)); len(slices.Compact(sorted)) != len(g.Source) {
		errs = append(errs, errors.New("--source names a source twice"))
	}
	if g.Every <= 0 || g.Poll <= 0 {
		errs = append(errs, errors.New("--every and --poll must be longer than 0"))
	}
	return errors.Join(errs...)
}

// sources opens what --source names, in its order.
func (g *grammar) sources(calendar *market.Calendar, now func() time.Time, log *slog.Logger) ([]prices.Source, error) {
	var out []prices.Source
	for _, name := range g.Source {
		if name == "simulator" {
			out = append(out, simulator.New(g.Seed, calendar, now))
			continue
		}
		s, err := files.Open(g.Path, calendar, now)
		if err != nil {
			return nil, err
		}
		bars, rejected := 0, 0
		for _, f := range s.Infos() {
			log.Debug("price file read", "producer", "pricer", "source", f.Origin, "rank", f.Rank, "shape", f.Shape,
				"adjusted", string(f.Adjustment), "as_of", f.AsOf.String(), "symbols", f.Symbols, "bars", f.Bars, "rejected", f.Rejected)
			bars, rejected = bars+f.Bars, rejected+f.Rejected
		}
		log.Info("price files read", "producer", "pricer", "files", len(s.Infos()), "symbols", len(s.Symbols()), "bars", bars, "rejected", rejected)
		out = append(out, s)
	}
	return out, nil
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
	_, err := fmt.Fprintf(w, "%d symbols needed, %d asked for, %d failed; %s %d bars, %d splits, %d unknown symbols, %d rejected rows\n",
		r.Symbols, r.Asked, r.Failed, verb, r.Bars, r.Splits, r.Unknown, r.Rejected)
	return err
}

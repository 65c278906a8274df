package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/cli"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/producers/posts"
	"shitpost-alpha/producers/posts/archive"
	"shitpost-alpha/producers/posts/simulator"
)

// producerVersion is raised when the same input gives other events.
const producerVersion = "1"

// simulatedDays is how far back the simulator begins without --from.
const simulatedDays = 90

// grammar is the command line.
type grammar struct {
	Lake   string        `env:"LAKE_URL" default:"./data/lake" placeholder:"URL" help:"Folder or s3://bucket/prefix; default ./data/lake."`
	Source []string      `env:"POSTS_SOURCE" placeholder:"NAME" help:"archive or simulator; several may be named. Default: archive with --path, else simulator."`
	Path   []string      `env:"POSTS_PATH" sep:"none" placeholder:"PATH" help:"File or folder to read; JSON, JSON lines or CSV, gzipped or not. Several may be named."`
	Seed   uint64        `env:"SIMULATOR_SEED" default:"1" help:"Seed of the simulator: the same seed makes up the same posts."`
	From   string        `env:"POSTS_FROM" placeholder:"DAY" help:"First day to record, UTC, YYYY-MM-DD. Simulator: where it begins (default 90 days ago)."`
	To     string        `env:"POSTS_TO" placeholder:"DAY" help:"Last day to record, UTC, inclusive."`
	Limit  int           `help:"Record at most so many posts in a run; 0 for all."`
	DryRun bool          `help:"Compare and report once, write nothing."`
	Once   bool          `help:"Run once and exit, for cron."`
	Every  time.Duration `env:"HARVEST_EVERY" default:"5m" help:"Pause between two runs."`
	Poll   time.Duration `env:"LAKE_POLL" default:"10s" help:"How often to look for other processes' commits."`
	JSON   bool          `name:"json" help:"Print each run's report as one JSON line."`

	cli.Logging
	Version kong.VersionFlag `help:"Print the version."`
}

// harvester checks the whole configuration, names everything that is wrong with it, and wires it.
func (g *grammar) harvester(ctx context.Context, o lake.Options, progress *cli.Progress) (*posts.Harvester, error) {
	var errs []error
	day := func(flag, s string) time.Time {
		if s == "" {
			return time.Time{}
		}
		d, err := event.ParseDate(s)
		if err != nil {
			errs = append(errs, fmt.Errorf("--%s: %w", flag, err))
		}
		return d.Time()
	}
	from, to := day("from", g.From), day("to", g.To)
	if !to.IsZero() {
		to = to.AddDate(0, 0, 1)
	}
	if !from.IsZero() && !to.IsZero() && !from.Before(to) {
		errs = append(errs, fmt.Errorf("--from %s is after --to %s", g.From, g.To))
	}
	if g.Limit < 0 {
		errs = append(errs, fmt.Errorf("--limit %d: want 0 or more", g.Limit))
	}
	if g.Every <= 0 || g.Poll <= 0 {
		errs = append(errs, errors.New("--every and --poll must be longer than 0"))
	}
	sources, err := g.sources(from, to, o.Now, progress)
	if errs = append(errs, err); errors.Join(errs...) != nil {
		return nil, fmt.Errorf("%w: %w", cli.ErrUsage, errors.Join(errs...))
	}
	l, err := lake.Open(ctx, g.Lake, o)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", cli.ErrUsage, err)
	}
	if len(g.Source)+len(g.Path) == 0 {
		o.Log.Warn("no source is named: posts are made up", "source", simulator.Name)
	}
	h := posts.New(l.Posts, sources...)
	h.From, h.To, h.Limit, h.DryRun, h.Now, h.Log = from, to, g.Limit, g.DryRun, o.Now, o.Log
	return h, nil
}

func (g *grammar) sources(from, to time.Time, now func() time.Time, progress *cli.Progress) ([]posts.Source, error) {
	names := slices.Compact(slices.Sorted(slices.Values(g.Source)))
	if len(names) == 0 {
		names = []string{simulator.Name}
		if len(g.Path) > 0 {
			names = []string{"archive"}
		}
	}
	var out []posts.Source
	var errs []error
	for _, name := range names {
		switch name {
		case "archive":
			if len(g.Path) == 0 {
				errs = append(errs, errors.New("--source archive needs --path: a file or a folder"))
			}
			for _, path := range g.Path {
				if _, err := os.Stat(path); err != nil {
					errs = append(errs, fmt.Errorf("--path: %w", err))
				}
			}
			out = append(out, &archive.Source{Paths: g.Path, Progress: progress.Report})
		case simulator.Name:
			s := &simulator.Source{Seed: g.Seed, From: from, Now: now}
			if from.IsZero() {
				s.From = event.DateOf(now().UTC()).Time().AddDate(0, 0, -simulatedDays)
			}
			if !to.IsZero() {
				s.To = to.Add(-time.Microsecond)
			}
			out = append(out, s)
		default:
			errs = append(errs, fmt.Errorf("--source %q: there are archive and simulator", name))
		}
	}
	if len(g.Path) > 0 && !slices.Contains(names, "archive") {
		errs = append(errs, errors.New("--path is for --source archive"))
	}
	return out, errors.Join(errs...)
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

// Command harvester records posts in the lake: from the paid scraper, Truth Social, archives, the
// Python system's raw lake, or from the built-in simulator.
package main

import (
	"context"
	"io"
	"time"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/cli"
	"shitpost-alpha/producers"
)

const description = `Records posts in the lake: what is new, once, whatever is read and how often.

Examples:

  SCRAPECREATORS_API_KEY=… harvester                    what is new, every 5 minutes
  SCRAPECREATORS_API_KEY=… harvester --once             the same, once, for cron
  harvester --source scrapecreators --mode backfill --once --max-requests-per-day 5000
  harvester --source truthsocial --from 2025-01-01 --to 2025-06-30 --once
  harvester --path https://ix.cnn.io/data/truth-social/truth_archive.json --every 15m
  harvester --once --path ./archive                     every file in a folder
  harvester --dry-run --path export.csv                 compare and report, write nothing
  harvester --once --legacy s3://old-bucket             the Python system's raw lake
  harvester --source simulator --seed 7 --every 1m      made-up posts, as time goes on

Of the paid scraper one harvester is at work at a time; a second one waits for its lease.
Without a source the posts are made up by the simulator and marked synthetic.
Exit codes: 0 all read, 1 something could not be read or written, 2 wrong configuration.`

func main() { cli.Main("harvester", run) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var g grammar
	if _, done, err := cli.Parse(&g, "harvester", description, args, stdout, stderr); done || err != nil {
		return err
	}
	var problems producers.Problems
	problems.Require(g.Poll > 0, "--poll must be longer than 0")
	now, log := time.Now, g.Logger(stderr)
	l, err := lake.Open(ctx, g.Lake, lake.Options{Now: now, Poll: g.Poll, Log: log, ReadOnly: g.DryRun})
	problems.Add(err)
	h := g.Flags.Open(ctx, producers.Process{Lake: l, DryRun: g.DryRun, Metrics: producers.NewMetrics("harvester", now),
		Progress: cli.NewProgress(stderr, now).Report, Now: now, Log: log}, &problems)
	if err := problems.Err(cli.ErrUsage); err != nil {
		return err
	}
	service := h.Service()
	service.Once, service.Listen = g.Once || g.DryRun, g.Listen
	service.Step = func(ctx context.Context) (int, error) {
		appended, err := h.Step(ctx)
		if printErr := g.print(stdout, h.Reports(), appended, err); err == nil {
			err = printErr
		}
		return appended, err
	}
	return service.Run(ctx)
}

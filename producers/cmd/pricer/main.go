// Command pricer records the daily prices that the predictions in the lake need. See package prices.
package main

import (
	"context"
	"io"
	"time"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/cli"
	"shitpost-alpha/producers"
)

const description = `Records the daily bars that the predictions in the lake are scored with, and none besides.

It follows the lake's predictions, and after every session it asks the price sources for what is
needed: each named symbol from 400 days before the post to the last horizon, and SPY throughout.
What the lake has is not recorded again, so it may be stopped at any point and run in any number.

Examples:
  pricer --lake ./data/lake --once
      made-up prices, labelled synthetic
  pricer --lake s3://bucket/lake --path ./prices
      prices from files; a sources.json beside them says how they are adjusted
  pricer --path ./prices --source files --source simulator --dry-run --json
      what would be recorded, with made-up prices where the files end
  pricer --lake s3://bucket/lake --source yahoo --source stooq --listen :9103
      for ever, from Yahoo, and from Stooq where Yahoo fails or has nothing`

func main() { cli.Main("pricer", run) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var g grammar
	if _, done, err := cli.Parse(&g, "pricer", description, args, stdout, stderr); done || err != nil {
		return err
	}
	var problems producers.Problems
	problems.Require(g.Poll > 0, "--poll must be longer than 0")
	now, log := time.Now, g.Logger(stderr)
	l, err := lake.Open(ctx, g.Lake, lake.Options{Now: now, Poll: g.Poll, Log: log, ReadOnly: g.DryRun})
	problems.Add(err)
	p := g.Open(producers.Process{Lake: l, DryRun: g.DryRun, Metrics: producers.NewMetrics("pricer", now),
		Progress: cli.NewProgress(stderr, now).Report, Now: now, Log: log}, &problems)
	if err := problems.Err(cli.ErrUsage); err != nil {
		return err
	}
	s := p.Service()
	s.Once, s.Listen = g.Once || g.DryRun, g.Listen
	err = s.Run(ctx)
	if s.Once {
		if printErr := g.print(stdout, p.Report()); err == nil {
			err = printErr
		}
	}
	return err
}

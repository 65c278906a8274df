// Command pricer records the daily prices that the predictions in the lake need. See package prices.
package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/cli"
	"shitpost-alpha/lake/market"
	"shitpost-alpha/producers"
	"shitpost-alpha/producers/prices"
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
      what would be recorded, with made-up prices where the files end`

func main() { cli.Main("pricer", run) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var g grammar
	if _, done, err := cli.Parse(&g, "pricer", description, args, stdout, stderr); done || err != nil {
		return err
	}
	log := g.Logger(stderr)
	calendar := market.NYSE()
	sources, err := g.sources(calendar, time.Now, log)
	if err != nil {
		return fmt.Errorf("%w: %w", cli.ErrUsage, err)
	}
	l, err := lake.Open(ctx, g.Lake, lake.Options{Producer: prices.Producer, Now: time.Now, Poll: g.Poll, Log: log, ReadOnly: g.DryRun})
	if err != nil {
		return fmt.Errorf("%w: %w", cli.ErrUsage, err)
	}
	p := prices.New(prices.Config{Lake: l, Calendar: calendar, Sources: sources, Now: time.Now, Log: log,
		Progress: cli.NewProgress(stderr, time.Now).Report, DryRun: g.DryRun})
	once := g.Once || g.DryRun
	err = producers.Run(ctx, producers.Loop{Name: "pricer", Step: p.Step, Once: once, Every: g.Every, Wait: p.Wait, Log: log})
	if once {
		if printErr := g.print(stdout, p.Report()); err == nil {
			err = printErr
		}
	}
	return err
}

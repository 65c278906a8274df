// Command pricer records the daily prices that the predictions in the lake need. See package prices.
package main

import (
	"context"
	"io"
	"time"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/cli"
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
	openLake := func(o lake.Options) (*lake.Lake, error) { return lake.Open(ctx, g.Lake, o) }
	s, err := g.open(openLake, g.Logger(stderr), cli.NewProgress(stderr, time.Now).Report)
	if err != nil {
		return err
	}
	err = s.Run(ctx)
	if s.Once {
		if printErr := g.print(stdout, s.pricer.Report()); err == nil {
			err = printErr
		}
	}
	return err
}

// Command harvester records posts in the lake: from files, or from the built-in simulator.
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

  harvester --once --path ./archive                     every file in a folder
  harvester --once --path truth_archive.json.gz --json  one file, report as JSON
  harvester --dry-run --path export.csv                 compare and report, write nothing
  harvester --path ./archive --from 2025-01-01 --to 2025-06-30 --once
  harvester --source simulator --seed 7 --every 1m      made-up posts, as time goes on

Without --path the posts are made up by the simulator and marked synthetic.
Exit codes: 0 all read, 1 something could not be read or written, 2 wrong configuration.`

func main() { cli.Main("harvester", run) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var g grammar
	if _, done, err := cli.Parse(&g, "harvester", description, args, stdout, stderr); done || err != nil {
		return err
	}
	now := time.Now
	log := g.Logger(stderr)
	h, err := g.harvester(ctx, lake.Options{
		Producer: "harvester@" + producerVersion, Now: now, Poll: g.Poll, Log: log, ReadOnly: g.DryRun,
	}, cli.NewProgress(stderr, now))
	if err != nil {
		return err
	}
	step := func(ctx context.Context) (int, error) {
		appended, err := h.Step(ctx)
		if printErr := g.print(stdout, h.Reports(), appended, err); err == nil {
			err = printErr
		}
		return appended, err
	}
	return producers.Run(ctx, producers.Loop{
		Name: "harvester", Step: step, Once: g.Once || g.DryRun, Every: g.Every, Log: log,
	})
}

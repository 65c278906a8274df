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
	now := time.Now
	log := g.Logger(stderr)
	metrics := producers.NewMetrics("harvester", now)
	s, err := g.service(ctx, lake.Options{
		Producer: "harvester@" + producerVersion, Now: now, Poll: g.Poll, Log: log, ReadOnly: g.DryRun,
	}, metrics, cli.NewProgress(stderr, now))
	if err != nil {
		return err
	}
	defer s.paid.release(ctx)
	step := func(ctx context.Context) (int, error) {
		if err := s.paid.hold(ctx); err != nil {
			return 0, err
		}
		appended, err := s.Step(ctx)
		if printErr := g.print(stdout, s.Reports(), appended, err); err == nil {
			err = printErr
		}
		return appended, err
	}
	ready := func(ctx context.Context) error {
		_, err := s.lake.Posts.Head(ctx)
		return err
	}
	service := producers.Service{
		Loop:   producers.Loop{Name: "harvester", Step: step, Once: g.once(), Every: g.Every, Log: log},
		Listen: g.Listen, Ready: ready, Metrics: metrics, Now: now,
	}
	return service.Run(ctx)
}

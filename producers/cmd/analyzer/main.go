// Command analyzer turns the posts in the lake into predictions. See package analysis.
package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/cli"
	"shitpost-alpha/producers"
	"shitpost-alpha/producers/analysis"
)

const description = `Turns the posts in the lake into predictions: which assets each one moves, and which way.

Every post in scope ends in exactly one event: a prediction, a bypass, or a failure given up. What
the lake has is not analysed again, so it may be stopped at any point and run in any number.
In scope are posts from --since on. Without --backfill only those published after the first event
of this analyzer in the lake, so that a new one does not go over all of history unasked.

Examples:

  analyzer --backfill --once                   everything since --since, once, then a summary
  analyzer --lake s3://bucket/lake             new posts, as they come
  analyzer --backfill --dry-run --limit 20     what it would say about the 20 oldest open posts
  analyzer explain "Great deal with Boeing!"   what the rules make of a text

Exit codes: 0 all done, 1 something failed, 2 wrong configuration.`

func main() { cli.Main("analyzer", run) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var g grammar
	kctx, done, err := cli.Parse(&g, "analyzer", description, args, stdout, stderr)
	if done || err != nil {
		return err
	}
	if kctx.Command() == "explain <text>" {
		return g.Explain.run(ctx, stdout, g.JSON)
	}
	return g.analyse(ctx, stdout, stderr)
}

// analyse runs the service until it is told to stop, or once.
func (g *grammar) analyse(ctx context.Context, stdout, stderr io.Writer) error {
	since, err := g.check()
	if err != nil {
		return fmt.Errorf("%w: %w", cli.ErrUsage, err)
	}
	model, err := newModel(g.Analyzer)
	if err != nil {
		return err
	}
	log := g.Logger(stderr)
	l, err := lake.Open(ctx, g.Lake, lake.Options{Producer: analysis.Producer, Now: time.Now, Poll: g.Poll, Log: log, ReadOnly: g.DryRun})
	if err != nil {
		return fmt.Errorf("%w: %w", cli.ErrUsage, err)
	}
	out := printer{w: stdout, json: g.JSON}
	a := analysis.New(l, analysis.Options{Model: model, Config: model.Config(), Since: since, Backfill: g.Backfill, Limit: g.Limit,
		DryRun: g.DryRun, Show: out.draft, Progress: cli.NewProgress(stderr, time.Now).Report, Now: time.Now, Log: log})
	once := g.Once || g.DryRun
	err = producers.Run(ctx, producers.Loop{Name: "analyzer", Step: a.Step, Once: once, Every: g.Every, Wait: a.Wait, Log: log})
	if once {
		out.report(a.Report(), g.DryRun)
	}
	if err != nil {
		return err
	}
	return out.err
}

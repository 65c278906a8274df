// Command analyzer turns the posts in the lake into predictions. See package analysis.
package main

import (
	"context"
	"io"
	"strings"
	"time"

	"shitpost-alpha/lake/cli"
	"shitpost-alpha/producers"
)

const description = `Turns the posts in the lake into predictions: which assets each one moves, and which way.

Every post in scope ends in exactly one event: a prediction, a bypass, or a failure given up. What
the lake has is not analysed again, so it may be stopped at any point and run in any number.
In scope are posts from --since on. Without --backfill only those published after the first use of
the analyzer, so that a new model or prompt does not buy all of history again unasked.

A language model is asked by one process at a time: a second copy waits and takes over when the
first is gone for a minute. A post whose analysis failed is tried five times, then it is a dead
letter. Once --daily-budget is spent, it waits until the next UTC day.

Examples:

  analyzer --backfill --once                   everything since --since, once, then a summary
  analyzer --lake s3://bucket/lake             new posts, as they come
  analyzer --analyzer llm --analyzer rules     both, each for itself, to be compared
  analyzer --analyzer llm --backfill --estimate   what a backfill would cost
  analyzer --model gpt-4.1-mini --model grok-4-1-fast-reasoning …   two models
  analyzer --base-url http://localhost:11434/v1 --model llama3.2 --price-in 0 --price-out 0
  analyzer --backfill --dry-run --limit 20     what it would do about the 20 oldest open posts
  analyzer explain "Great deal with Boeing!"   what the rules make of a text
  analyzer dead-letters; analyzer requeue --class timeout
  analyzer compare --models gpt-4.1-mini,lexicon-1 114270398531479278

Exit codes: 0 all done, 1 something failed, 2 wrong configuration.`

func main() { cli.Main("analyzer", run) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var g grammar
	kctx, done, err := cli.Parse(&g, "analyzer", description, args, stdout, stderr)
	if done || err != nil {
		return err
	}
	out := &printer{w: stdout, json: g.JSON}
	command, _, _ := strings.Cut(kctx.Command(), " ")
	switch command {
	case "explain":
		return g.Explain.run(ctx, stdout, g.JSON)
	case "dead-letters":
		err = g.deadLetters(ctx, out)
	case "requeue":
		err = g.requeue(ctx, out)
	case "compare":
		err = g.compare(ctx, out)
	default:
		err = g.analyse(ctx, producers.NewMetrics("analyzer", time.Now), out, stderr)
	}
	if err != nil {
		return err
	}
	return out.err
}

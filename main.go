// Command alpha is Shitpost Alpha in one process: harvester, analyzer, pricer and projector as they
// are in the separate binaries, on one lake. It only wires; what they do is in their packages.
package main

import (
	"context"
	"io"
	"time"

	"github.com/alecthomas/kong"

	"shitpost-alpha/lake/cli"
)

const description = `Shitpost Alpha in one process.

It records Donald Trump's posts in an event lake, predicts which assets each of them moves, records
prices, scores every prediction after 1, 3, 7 and 30 sessions, and projects it all into Postgres.

Examples:
  alpha demo                                          made-up posts and prices, a Postgres of its own
  alpha demo --posts posts.csv --prices prices/       the same on files
  alpha demo --dir data/demo --keep-running           and stay up to look at it
  alpha demo --lake s3://bucket/lake --json           lake in a bucket, the summary as one object
  alpha init                                          write a first .env
  alpha doctor                                        is everything there that the services need?`

type grammar struct {
	Version kong.VersionFlag `help:"Print the version."`
	Demo    demoCmd          `cmd:"" help:"Harvest, analyse, price and project once, then print what came out."`
	Run     runCmd           `cmd:"" help:"Run all services until stopped: from simulators, or from what the environment names."`
	Init    initCmd          `cmd:"" help:"Write a commented .env, asking for what is needed."`
	Doctor  doctorCmd        `cmd:"" help:"Look at lake, Postgres, keys, sources, clock, calendar and Grafana's files; say what is missing and what to do."`
}

func main() { cli.Main("alpha", run) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var g grammar
	kctx, done, err := cli.Parse(&g, "alpha", description, args, stdout, stderr)
	if err != nil || done {
		return err
	}
	return kctx.Run(&process{ctx: ctx, now: time.Now, stdout: stdout, stderr: stderr})
}

// process is what a command gets of the process that it runs in.
type process struct {
	ctx            context.Context
	now            func() time.Time
	stdout, stderr io.Writer
}

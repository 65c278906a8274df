// Command lake looks at, checks and copies an event lake.
package main

import (
	"context"
	"io"
	"time"

	"github.com/alecthomas/kong"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/cli"
)

const description = `Look at, check and copy an event lake.

Examples:
  lake ls                                   the streams of $LAKE_URL
  lake ls posts                             the versions of one stream
  lake cat prices --key AAPL --limit 5      events as JSON lines
  lake --lake s3://bucket/lake verify       read everything, exit 1 when something is wrong
  lake copy ./data/lake s3://bucket/lake    bring a second lake up to the first`

type grammar struct {
	Lake    string           `name:"lake" env:"LAKE_URL" default:"./data/lake" help:"Folder or s3://bucket/prefix." placeholder:"URL"`
	JSON    bool             `name:"json" help:"Print JSON lines."`
	Version kong.VersionFlag `name:"version" help:"Print the version."`
	Ls      lsCmd            `cmd:"" help:"List the streams, or the versions of one."`
	Cat     catCmd           `cmd:"" help:"Print events as JSON lines, in the order of their versions."`
	Stat    statCmd          `cmd:"" help:"Count events by kind."`
	Verify  verifyCmd        `cmd:"" help:"Read the whole lake and say what is wrong with it."`
	Copy    copyCmd          `cmd:"" help:"Copy a lake, or go on with a copy."`
}

func main() { cli.Main("lake", run) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var g grammar
	kctx, done, err := cli.Parse(&g, "lake", description, args, stdout, stderr)
	if err != nil || done {
		return err
	}
	return kctx.Run(&environment{ctx: ctx, url: g.Lake, json: g.JSON, stdout: stdout, progress: cli.NewProgress(stderr, time.Now)})
}

// environment is what every command gets.
type environment struct {
	ctx      context.Context
	url      string
	json     bool
	stdout   io.Writer
	progress *cli.Progress
}

func (e *environment) open() (*lake.Lake, error) {
	return lake.Open(e.ctx, e.url, lake.Options{ReadOnly: true})
}

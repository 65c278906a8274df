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
  lake export prices --format parquet --columns symbol,session_date,close --kind bar_recorded -o bars.parquet
  lake trace 114298012345678901             what followed from a post, down to the bars
  lake --lake s3://bucket/lake verify       read everything, exit 1 when something is wrong
  lake copy ./data/lake s3://bucket/lake    bring a second lake up to the first
  lake maintain --every 1h                  compact, checkpoint and vacuum, for ever
  lake vacuum                               what could be deleted; --yes deletes it
  lake retract prices --batch ID --reason "wrong file"   take a commit back; --yes does it`

type grammar struct {
	Lake       string           `name:"lake" env:"LAKE_URL" default:"./data/lake" help:"Folder or s3://bucket/prefix." placeholder:"URL"`
	JSON       bool             `name:"json" help:"Print JSON lines."`
	Version    kong.VersionFlag `name:"version" help:"Print the version."`
	Ls         lsCmd            `cmd:"" help:"List the streams, or the versions of one."`
	Cat        catCmd           `cmd:"" help:"Print events as JSON lines."`
	Stat       statCmd          `cmd:"" help:"Count events by kind."`
	Export     exportCmd        `cmd:"" help:"Write the events of a stream as Arrow, Parquet, CSV or JSON lines."`
	Trace      traceCmd         `cmd:"" help:"Print what followed from a post: analyses, price requests, bars, inputs of the outcomes."`
	Verify     verifyCmd        `cmd:"" help:"Read the whole lake and say what is wrong with it."`
	Copy       copyCmd          `cmd:"" help:"Copy a lake, or go on with a copy."`
	Compact    compactCmd       `cmd:"" help:"Rewrite small files into big sorted ones: the same rows, no news for readers."`
	Checkpoint checkpointCmd    `cmd:"" help:"Write what the log says into one file, so that opening the lake is fast."`
	Vacuum     vacuumCmd        `cmd:"" help:"Find, and with --yes delete, files that no reader needs."`
	Maintain   maintainCmd      `cmd:"" help:"Compact, checkpoint and vacuum, again and again."`
	Retract    retractCmd       `cmd:"" help:"Take events back: they count as never written."`
	Redact     redactCmd        `cmd:"" help:"Take a post down and its text out of the lake."`
	Doctor     doctorCmd        `cmd:"" help:"Probe what the store can do and what one may do there; exit 1 when an append would be refused."`
	Policies   policiesCmd      `cmd:"" help:"Who may do what in the bucket: print the rights of each service, or set them."`
}

func main() { cli.Main("lake", run) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var g grammar
	kctx, done, err := cli.Parse(&g, "lake", description, args, stdout, stderr)
	if err != nil || done {
		return err
	}
	return kctx.Run(&environment{ctx: ctx, url: g.Lake, json: g.JSON, stdout: stdout, stderr: stderr, progress: cli.NewProgress(stderr, time.Now)})
}

// environment is what every command gets.
type environment struct {
	ctx      context.Context
	url      string
	json     bool
	stdout   io.Writer
	stderr   io.Writer
	progress *cli.Progress
}

func (e *environment) open() (*lake.Lake, error) {
	return lake.Open(e.ctx, e.url, lake.Options{ReadOnly: true})
}

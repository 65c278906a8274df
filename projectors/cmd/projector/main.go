// Command projector keeps the read model in Postgres equal to the events in the lake.
package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/alecthomas/kong"

	"shitpost-alpha/lake/cli"
	"shitpost-alpha/projectors"
)

const description = `Keep the read model in Postgres equal to the events in the lake.

Examples:
  projector run                                tail $LAKE_URL into $DATABASE_URL until stopped
  projector run --once                         up to the newest events, then exit
  projector rebuild                            build everything anew beside the live tables, then swap
  projector rebuild --settings --band 0.75     change a setting
  projector verify                             compare every table with the lake, exit 1 when one differs
  projector status --json                      how far it is
  projector run --listen :9104                 serve /healthz, /readyz and /metrics too
  projector watch                              print every change as it is committed
  projector dictionary > data-dictionary.md    what every table and column means
  projector compare-legacy --summary           how the Python system's outcomes differ, by reason`

type grammar struct {
	Lake     string        `name:"lake" env:"LAKE_URL" default:"./data/lake" help:"Folder or s3://bucket/prefix." placeholder:"URL"`
	Database string        `name:"database" env:"DATABASE_URL" help:"Postgres to write to: postgres://user:password@host/database." placeholder:"URL"`
	Poll     time.Duration `name:"poll" env:"LAKE_POLL" default:"10s" help:"How often to look for events of other processes."`
	JSON     bool          `name:"json" help:"Print JSON lines."`
	settingsFlags
	cli.Logging
	Version kong.VersionFlag `name:"version" help:"Print the version."`

	Run     runCmd     `cmd:"" help:"Apply new events as they come."`
	Rebuild rebuildCmd `cmd:"" help:"Build the read model anew from all events and swap it in."`
	Verify  verifyCmd  `cmd:"" help:"Compare every table with what the lake says."`
	Status  statusCmd  `cmd:"" help:"Say how the read model stands to the lake."`
	Watch   watchCmd   `cmd:"" help:"Print the positions after every change, as JSON lines, until stopped. Needs a direct connection, no transaction pooler."`

	Dictionary dictionaryCmd `cmd:"" help:"Print what every table, view, column and function means, as Markdown. Needs no lake."`

	CompareLegacy compareLegacyCmd `cmd:"" help:"Compare the Python system's outcomes with ours, row by row, and say why they differ. Exit 1 when a difference has no known reason."`
}

func main() { cli.Main("projector", run) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var g grammar
	kctx, done, err := cli.Parse(&g, "projector", description, args, stdout, stderr)
	if err != nil || done {
		return err
	}
	if g.Database == "" {
		return fmt.Errorf("%w: no database given: set --database or DATABASE_URL to postgres://user:password@host/database", cli.ErrUsage)
	}
	if g.Poll <= 0 {
		return fmt.Errorf("%w: --poll %s: want a duration above zero", cli.ErrUsage, g.Poll)
	}
	e := &environment{ctx: ctx, health: projectors.NewHealth(time.Now), json: g.JSON, stdout: stdout, database: g.Database, log: g.Logger(stderr)}
	if name := kctx.Command(); name == "watch" || name == "dictionary" {
		return kctx.Run(e)
	}
	if e.projector, err = g.projector(ctx, e, stderr); err != nil {
		return fmt.Errorf("%w: %w", cli.ErrUsage, err)
	}
	defer e.projector.Close(context.WithoutCancel(ctx))
	return kctx.Run(e)
}

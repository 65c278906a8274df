package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/cli"
	"shitpost-alpha/producers"
	"shitpost-alpha/producers/legacy"
)

// producerVersion is raised when the same input gives other events.
const producerVersion = "1"

// open checks the configuration, naming all that is wrong, and connects.
func (g *grammar) open(ctx context.Context, log *slog.Logger, progress producers.Progress) (*legacy.Importer, error) {
	var p producers.Problems
	p.Require(g.S3 != "" || g.Database != "", "nothing to import: set --s3 (LEGACY_URL) or --database (LEGACY_DATABASE_URL)")
	im := &legacy.Importer{RawURL: g.S3, DryRun: g.DryRun, Progress: progress, Now: time.Now, Log: log}
	var err error
	im.Lake, err = lake.Open(ctx, g.Lake, lake.Options{Producer: "import@" + producerVersion, Log: log, ReadOnly: g.DryRun})
	p.Add(err)
	if g.S3 != "" {
		im.Raw, _, err = lake.OpenStore(ctx, g.S3)
		if err != nil {
			p.Add(fmt.Errorf("--s3: %w", err))
		}
	}
	var config *pgx.ConnConfig
	if g.Database != "" {
		if config, err = pgx.ParseConfig(g.Database); err != nil { // its message leaves the password out
			p.Add(fmt.Errorf("--database: %w", err))
		}
	}
	if err := p.Err(cli.ErrUsage); err != nil {
		return nil, err
	}
	if config != nil {
		if im.Database, err = pgx.ConnectConfig(ctx, config); err != nil {
			return nil, fmt.Errorf("connect to the Python system's Postgres: %w", err)
		}
	}
	return im, nil
}

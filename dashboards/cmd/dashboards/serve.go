package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"shitpost-alpha/dashboards/viewer"
	"shitpost-alpha/lake/cli"
)

type serveFlags struct {
	Database string         `env:"DATABASE_URL" placeholder:"URL" help:"Postgres of the read model, postgres://…, with user grafana or one that may become it."`
	Listen   string         `env:"DASHBOARDS_LISTEN" default:"127.0.0.1:9180" placeholder:"ADDR" help:"Address to serve at. Nobody is asked for a password: leave it on the loopback, or put a proxy in front."`
	Health   cli.HealthFlag `placeholder:"ADDR" help:"Ask the viewer that listens at this address for its health, and exit."`
	cli.Logging
}

// serve shows the dashboards without Grafana until ctx ends.
func serve(ctx context.Context, f serveFlags, stderr io.Writer) error {
	if f.Database == "" {
		return fmt.Errorf("%w: serve needs --database URL or DATABASE_URL: the Postgres of the read model", cli.ErrUsage)
	}
	all, err := viewer.Generated()
	if err != nil {
		return err
	}
	listener, local, err := viewer.Listen(ctx, f.Listen)
	if err != nil {
		return fmt.Errorf("%w: %w", cli.ErrUsage, err)
	}
	log := f.Logger(stderr)
	v, err := viewer.New(ctx, viewer.Options{Dashboards: all, DatabaseURL: f.Database, Now: time.Now, Log: log, LocalOnly: local})
	if err != nil {
		return fmt.Errorf("%w: %w", cli.ErrUsage, err)
	}
	defer v.Close()
	if err := v.Ping(ctx); err != nil {
		log.WarnContext(ctx, "the read model cannot be read yet", "error", err)
	}
	fmt.Fprintf(stderr, "Light viewer of %d dashboards: http://%s/ until Ctrl-C\n", len(all), listener.Addr())
	return v.Serve(ctx, listener)
}

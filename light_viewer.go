package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"golang.org/x/sync/errgroup"

	"shitpost-alpha/dashboards/viewer"
)

// viewerAddress is where the demo shows the dashboards; a free port where it is taken.
const viewerAddress = "127.0.0.1:9180"

// lightViewer shows the dashboards to those who have no Grafana yet.
type lightViewer struct {
	viewer   *viewer.Viewer
	listener net.Listener
}

// openViewer opens a light viewer over the read model. Who calls it runs or closes it.
func openViewer(ctx context.Context, databaseURL string, log *slog.Logger) (*lightViewer, error) {
	all, err := viewer.Generated()
	if err != nil {
		return nil, err
	}
	v, err := viewer.New(ctx, viewer.Options{Dashboards: all, DatabaseURL: databaseURL, Now: time.Now, Log: log, LocalOnly: true})
	if err != nil {
		return nil, fmt.Errorf("open light viewer: %w", err)
	}
	l, _, err := viewer.Listen(ctx, viewerAddress)
	if err != nil {
		if l, _, err = viewer.Listen(ctx, "127.0.0.1:0"); err != nil {
			v.Close()
			return nil, fmt.Errorf("open light viewer: %w", err)
		}
	}
	return &lightViewer{v, l}, nil
}

// URL is the address of the front page.
func (v *lightViewer) URL() string { return fmt.Sprintf("http://%s/", v.listener.Addr()) }

// close is for a viewer that was not run.
func (v *lightViewer) close() error {
	v.viewer.Close()
	return v.listener.Close()
}

// while serves the dashboards as long as run goes on, and ends both when either ends.
func (v *lightViewer) while(ctx context.Context, run func(context.Context) error) error {
	g, ctx := errgroup.WithContext(ctx)
	ctx, stop := context.WithCancel(ctx)
	g.Go(func() error {
		defer v.viewer.Close()
		return v.viewer.Serve(ctx, v.listener)
	})
	err := run(ctx)
	stop()
	return errors.Join(err, g.Wait())
}

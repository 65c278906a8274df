package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"golang.org/x/sync/errgroup"

	"shitpost-alpha/producers"
	"shitpost-alpha/projectors"
)

// services are all that alpha runs in one process, on one lake: what one appends wakes the next at
// once. Each fails and recovers alone.
type services struct {
	harvester *producers.Service
	analyzers []*producers.Service
	pricer    *producers.Service
	projector *projectors.Projector
	health    *projectors.Health
	// maintain compacts, checkpoints and sweeps until ctx ends.
	maintain func(ctx context.Context) error
	log      *slog.Logger
}

// producers returns them in the order of the data.
func (s *services) producers() []*producers.Service {
	return append(append([]*producers.Service{s.harvester}, s.analyzers...), s.pricer)
}

// once runs each service until it has nothing left to do.
func (s *services) once(ctx context.Context) error {
	for _, p := range s.producers() {
		if p.Close != nil {
			defer p.Close(context.WithoutCancel(ctx))
		}
	}
	_, harvestErr := s.harvester.Step(ctx) // a file that cannot be read keeps nothing else back
	if ctx.Err() != nil {
		return harvestErr
	}
	for _, a := range s.analyzers {
		for n := 1; n > 0; {
			var err error
			if n, err = a.Step(ctx); err != nil {
				return errors.Join(harvestErr, fmt.Errorf("analyze: %w", err))
			}
		}
	}
	if _, err := s.pricer.Step(ctx); err != nil {
		return errors.Join(harvestErr, fmt.Errorf("price: %w", err))
	}
	if err := s.projector.Once(ctx); err != nil {
		return errors.Join(harvestErr, fmt.Errorf("project: %w", err))
	}
	if harvestErr != nil {
		s.log.Error("some posts could not be read", "error", harvestErr)
	}
	return nil
}

// run runs all services until ctx ends, and serves their pages at listen ("" is nowhere).
func (s *services) run(ctx context.Context, listen string) error {
	pages := producers.Pages{Listen: listen, Handler: s.pages(), Log: s.log}
	return pages.While(ctx, func(ctx context.Context) error {
		g, ctx := errgroup.WithContext(ctx)
		for _, p := range s.producers() {
			g.Go(func() error { return p.Run(ctx) })
		}
		g.Go(func() error { return s.projector.Run(ctx) })
		g.Go(func() error { return s.maintain(ctx) })
		return g.Wait()
	})
}

// pages are /healthz, /readyz and /metrics of all, where /readyz asks the projector too, and the
// projector's own three under /projector/.
func (s *services) pages() http.Handler {
	projector := s.health.Handler()
	all := append(s.producers(), &producers.Service{Loop: producers.Loop{Name: "projector"}, Ready: func(ctx context.Context) error {
		return askReady(ctx, projector)
	}})
	mux := http.NewServeMux()
	mux.Handle("/", producers.Handler(all...))
	mux.Handle("/projector/", http.StripPrefix("/projector", projector))
	return mux
}

// askReady asks a handler for /readyz without a connection.
func askReady(ctx context.Context, h http.Handler) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "/readyz", nil)
	if err != nil {
		return err
	}
	p := &page{header: http.Header{}, code: http.StatusOK}
	h.ServeHTTP(p, req)
	if p.code != http.StatusOK {
		return fmt.Errorf("not ready: %s", strings.TrimSpace(p.String()))
	}
	return nil
}

// page is an answer kept in memory: an http.ResponseWriter.
type page struct {
	bytes.Buffer
	header http.Header
	code   int
}

func (p *page) Header() http.Header  { return p.header }
func (p *page) WriteHeader(code int) { p.code = code }

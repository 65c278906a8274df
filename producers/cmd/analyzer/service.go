package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/cli"
	"shitpost-alpha/producers"
	"shitpost-alpha/producers/analysis"
	"shitpost-alpha/producers/analysis/analyzer"
)

func (g *grammar) openLake(ctx context.Context, readOnly bool, log *slog.Logger) (*lake.Lake, error) {
	l, err := lake.Open(ctx, g.Lake, g.options(readOnly, log))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", cli.ErrUsage, err)
	}
	return l, nil
}

func (g *grammar) options(readOnly bool, log *slog.Logger) lake.Options {
	return lake.Options{Producer: analysis.Producer, Now: time.Now, Poll: g.Poll, Log: log, ReadOnly: readOnly}
}

// analyse runs the analyzers until they are told to stop, or once.
func (g *grammar) analyse(ctx context.Context, metrics *producers.Metrics, out *printer, stderr io.Writer) error {
	g.Once = g.Once || g.DryRun
	log := g.Logger(stderr)
	var problems producers.Problems
	problems.Require(g.Poll > 0, "--poll must be longer than 0")
	l, err := lake.Open(ctx, g.Lake, g.options(g.DryRun || g.Estimate, log))
	problems.Add(err)
	f := g.Flags.Open(producers.Process{Lake: l, DryRun: g.DryRun, Metrics: metrics, Progress: cli.NewProgress(stderr, time.Now).Report,
		Now: time.Now, Log: log}, out.draft, &problems)
	if err := problems.Err(cli.ErrUsage); err != nil {
		return err
	}
	if g.Estimate {
		return estimate(ctx, f, out, g.LLM.BudgetMicros())
	}
	err = runAll(ctx, f.Services(), g, log)
	if !g.Once {
		return err
	}
	failed := 0
	for _, a := range f {
		r := a.Report()
		out.report(r, g.DryRun)
		failed += total(r.Run.Failed)
	}
	if failed > 0 && err == nil {
		return fmt.Errorf("%d attempts failed; their posts are tried again by a later run, up to %d times", failed, analysis.MaxAttempts)
	}
	return err
}

// runAll runs all services side by side, and serves health and metrics of all at one address.
func runAll(ctx context.Context, services []*producers.Service, g *grammar, log *slog.Logger) error {
	pages := producers.Pages{Listen: g.Listen, Handler: producers.Handler(services...), Log: log.With("producer", "analyzer")}
	if g.Once {
		pages.Listen = ""
	}
	return pages.While(ctx, func(ctx context.Context) error {
		errs := make([]error, len(services))
		var wg sync.WaitGroup
		for i, s := range services {
			s.Once = g.Once
			wg.Go(func() { errs[i] = s.Run(ctx) })
		}
		wg.Wait()
		return errors.Join(errs...)
	})
}

// estimate prints what the open posts would take, for every paid model.
func estimate(ctx context.Context, f analyzer.Fleet, out *printer, budgetMicros int64) error {
	paid := 0
	for _, m := range f {
		if _, ok := m.Model.(analysis.Metered); !ok {
			continue
		}
		paid++
		forecast, err := m.Forecast(ctx)
		if err != nil {
			return err
		}
		out.forecast(forecast, budgetMicros)
	}
	if paid == 0 {
		return fmt.Errorf("%w: --estimate needs --analyzer llm; the rules are free", cli.ErrUsage)
	}
	return nil
}

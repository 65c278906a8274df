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
	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/lease"
	"shitpost-alpha/producers"
	"shitpost-alpha/producers/analysis"
)

// member is one of the analyzers in this process. They share nothing but lake, budget and metrics.
type member struct {
	*analysis.Analyzer

	mu   sync.Mutex
	err  error // of the last step; guarded by mu
	open int   // posts; guarded by mu
}

// step is the analyzer's, and remembers how it ended.
func (m *member) step(ctx context.Context) (int, error) {
	n, err := m.Analyzer.Step(ctx)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = err
	return n, err
}

func (m *member) state() (open int, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.open, m.err
}

func (g *grammar) openLake(ctx context.Context, readOnly bool, log *slog.Logger) (*lake.Lake, error) {
	l, err := lake.Open(ctx, g.Lake, lake.Options{Producer: analysis.Producer, Now: time.Now, Poll: g.Poll, Log: log, ReadOnly: readOnly})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", cli.ErrUsage, err)
	}
	return l, nil
}

// analyse runs the analyzers until they are told to stop, or once.
func (g *grammar) analyse(ctx context.Context, metrics *producers.Metrics, out *printer, stderr io.Writer) error {
	s, err := g.check(metrics)
	if err != nil {
		return err
	}
	log := g.Logger(stderr)
	l, err := g.openLake(ctx, g.DryRun || g.Estimate, log)
	if err != nil {
		return err
	}
	g.Once = g.Once || g.DryRun
	f := g.fleet(l, s, metrics, out, cli.NewProgress(stderr, time.Now).Report, log)
	if g.Estimate {
		return f.estimate(ctx, out, g.LLM.budgetMicros())
	}
	err = f.run(ctx, g, metrics, log)
	if !g.Once {
		return err
	}
	failed := 0
	for _, m := range f {
		r := m.Report()
		out.report(r, g.DryRun)
		failed += total(r.Run.Failed)
	}
	if failed > 0 && err == nil {
		return fmt.Errorf("%d attempts failed; their posts are tried again by a later run, up to %d times", failed, analysis.MaxAttempts)
	}
	return err
}

// fleet is the analyzers of this process.
type fleet []*member

func (g *grammar) fleet(l *lake.Lake, s setup, metrics *producers.Metrics, out *printer, progress producers.Progress, log *slog.Logger) fleet {
	var f fleet
	budget := &analysis.DailyBudget{PerDayMicros: g.LLM.budgetMicros()}
	for _, model := range s.models {
		m := &member{}
		o := analysis.Options{Model: model, Config: model.Config(), Since: s.since, Backfill: g.Backfill, Limit: g.Limit,
			DryRun: g.DryRun, Show: out.draft, Progress: progress, Metrics: metrics, Now: time.Now, Log: log}
		if _, paid := model.(analysis.Metered); paid {
			o.Batch, o.Concurrency, o.Backoff, o.Budget = 1, g.LLM.Concurrency, g.LLM.RetryAfter, budget
			o.Acquire = func(ctx context.Context) (analysis.Lease, error) {
				return lease.Acquire(ctx, l.Store(), leaseName(o.Config), lease.Options{Stream: l.Predictions, Log: log})
			}
		}
		o.Queue = func(open int) {
			m.mu.Lock()
			m.open = open
			m.mu.Unlock()
			all := 0
			for _, other := range f {
				n, _ := other.state()
				all += n
			}
			metrics.Queue(all)
		}
		m.Analyzer = analysis.New(l, o)
		f = append(f, m)
	}
	return f
}

// leaseName: one lease per configuration, as a configuration is what a prediction's identity holds.
func leaseName(c analysis.Config) string {
	return "analyzer-" + event.Hash(c.Analyzer, c.Provider, c.Model, c.PromptVersion)[:16]
}

// run runs all members side by side. The first serves health and metrics for all.
func (f fleet) run(ctx context.Context, g *grammar, metrics *producers.Metrics, log *slog.Logger) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make([]error, len(f))
	var wg sync.WaitGroup
	for i, m := range f {
		service := &producers.Service{Metrics: metrics, Now: time.Now,
			Loop: producers.Loop{Name: "analyzer", Step: m.step, Once: g.Once, Every: g.Every, Wait: m.Wait, Log: log.With("model", m.Config.Model)}}
		if i == 0 {
			service.Listen, service.Ready = g.Listen, f.ready
		}
		wg.Go(func() {
			if errs[i] = service.Run(ctx); errs[i] != nil && !g.Once {
				cancel()
			}
			release, done := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer done()
			if err := m.Close(release); err != nil {
				log.Warn("lease not released", "error", err) // it runs out by itself
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// ready returns how the last steps of all members ended.
func (f fleet) ready(context.Context) error {
	var errs []error
	for _, m := range f {
		if _, err := m.state(); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", m.Config, err))
		}
	}
	return errors.Join(errs...)
}

// estimate prints what the open posts would take, for every paid model.
func (f fleet) estimate(ctx context.Context, out *printer, budgetMicros int64) error {
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

// Package analyzer is the analyzer as a service: the flags that say which models work on which posts,
// and the analyzers that they stand for, one per model. Command analyzer is this alone, alpha has it
// beside the others.
package analyzer

import (
	"context"
	"fmt"
	"sync"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/lease"
	"shitpost-alpha/producers"
	"shitpost-alpha/producers/analysis"
)

// Fleet is the analyzers of a process, each for itself. They share nothing but lake, daily budget
// and metrics.
type Fleet []*Analyzer

// Analyzer is an analysis.Analyzer in a fleet.
type Analyzer struct {
	*analysis.Analyzer
	flags   *Flags
	process producers.Process
	name    string // in errors; empty when it is the only one
}

// Open makes the analyzers that the flags ask for. It notes everything that is wrong with them, and
// returns nil when something is. show is told each draft of a dry run; it may be nil.
func (f *Flags) Open(p producers.Process, show func(event.Prediction), problems *producers.Problems) Fleet {
	s := f.check(p.Metrics, problems)
	if problems.Any() || p.Lake == nil {
		return nil
	}
	l := p.Lake.As(analysis.Producer)
	budget := &analysis.DailyBudget{PerDayMicros: f.LLM.BudgetMicros()}
	open := &queue{of: make([]int, len(s.models)), metrics: p.Metrics}
	var fleet Fleet
	for i, model := range s.models {
		o := analysis.Options{Model: model, Config: model.Config(), Since: s.since, Backfill: f.Backfill, Limit: f.Limit, DryRun: p.DryRun, Show: show,
			Progress: p.Progress, Metrics: p.Metrics, Now: p.Now, Log: p.Log.With("model", model.Config().Model)}
		if _, paid := model.(analysis.Metered); paid {
			o.Batch, o.Concurrency, o.Backoff, o.Budget = 1, f.LLM.Concurrency, f.LLM.RetryAfter, budget
			o.Acquire = func(ctx context.Context) (analysis.Lease, error) { return f.acquire(ctx, l, o) }
		}
		o.Queue = func(n int) { open.set(i, n) }
		a := &Analyzer{Analyzer: analysis.New(l, o), flags: f, process: p}
		if len(s.models) > 1 {
			a.name = o.Config.String()
		}
		fleet = append(fleet, a)
	}
	return fleet
}

// acquire gets the lease of a configuration, which is what a prediction's identity holds.
func (f *Flags) acquire(ctx context.Context, l *lake.Lake, o analysis.Options) (analysis.Lease, error) {
	c := o.Config
	name := "analyzer-" + event.Hash(c.Analyzer, c.Provider, c.Model, c.PromptVersion)[:16]
	return lease.Acquire(ctx, l.Store(), name, lease.Options{Stream: l.Predictions, TTL: f.LLM.LeaseTTL, Log: o.Log})
}

// queue adds up the open posts of the fleet.
type queue struct {
	metrics *producers.Metrics
	mu      sync.Mutex
	of      []int // guarded by mu
}

func (q *queue) set(i, n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.of[i] = n
	all := 0
	for _, n := range q.of {
		all += n
	}
	q.metrics.Queue(all)
}

// Services returns what repeats the steps, one for each analyzer.
func (f Fleet) Services() []*producers.Service {
	var all []*producers.Service
	for _, a := range f {
		all = append(all, &producers.Service{Metrics: a.process.Metrics, Now: a.process.Now, Close: a.close,
			Loop: producers.Loop{Name: "analyzer", Step: a.step, Every: a.flags.Every, Wait: a.Wait, Log: a.Log}})
	}
	return all
}

func (a *Analyzer) step(ctx context.Context) (int, error) {
	n, err := a.Step(ctx)
	if err != nil && a.name != "" {
		err = fmt.Errorf("%s: %w", a.name, err)
	}
	return n, err
}

// close gives the lease up.
func (a *Analyzer) close(ctx context.Context) {
	if err := a.Close(ctx); err != nil {
		a.Log.Warn("lease not released", "error", err) // it runs out by itself
	}
}

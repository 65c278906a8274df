// Package harvester is the harvester as a service: the flags that say what it reads, and the sources,
// lease and budget that they stand for. Command harvester is this alone, alpha has it beside the others.
package harvester

import (
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/time/rate"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/producers"
	"shitpost-alpha/producers/posts"
	"shitpost-alpha/producers/posts/archive"
	"shitpost-alpha/producers/posts/legacy"
	"shitpost-alpha/producers/posts/simulator"
	"shitpost-alpha/producers/posts/timeline"
)

// Producer is how the service signs its events; the version is raised when the same input gives others.
const Producer = "harvester@1"

// simulatedDays is how far back the simulator begins without --from.
const simulatedDays = 90

// Harvester is a posts.Harvester with its sources, and the lease of the paid one.
type Harvester struct {
	*posts.Harvester
	flags   *Flags
	process producers.Process
	lake    *lake.Lake
	paid    *paid // nil without the paid scraper
}

// Open opens the sources. It notes everything that is wrong with the flags, and returns nil when
// something is. Its service closes it; whoever steps it otherwise must.
func (f *Flags) Open(ctx context.Context, p producers.Process, problems *producers.Problems) *Harvester {
	s := f.check(problems)
	if problems.Any() || p.Lake == nil {
		return nil
	}
	out := &Harvester{flags: f, process: p, lake: p.Lake.As(Producer)}
	var sources []posts.Source
	for _, name := range s.sources {
		source, err := f.source(ctx, name, s, out)
		if err != nil {
			problems.Add(err)
			return nil
		}
		sources = append(sources, source)
	}
	if len(f.Source) == 0 && slices.Equal(s.sources, []string{simulator.Name}) {
		p.Log.Warn("no source is named: posts are made up", "source", simulator.Name)
	}
	h := posts.New(out.lake.Posts, sources...)
	h.From, h.To, h.Limit, h.DryRun, h.Now, h.Log = s.from, s.to, f.Limit, p.DryRun, p.Now, p.Log
	h.Mode, h.MaxID, h.AcceptMissing, h.Metrics = s.mode, s.maxID, f.AcceptMissing, p.Metrics
	h.Overlap, h.DeepOverlap = f.Overlap, f.DeepOverlap
	if s.mode != posts.Incremental {
		h.Progress = p.Progress.Report
	}
	if out.paid != nil {
		h.Check = out.paid.check
	}
	out.Harvester = h
	return out
}

func (f *Flags) source(ctx context.Context, name string, s settings, h *Harvester) (posts.Source, error) {
	p := h.process
	client := func(maxBody int64, budget *producers.Budget) *producers.Client {
		return &producers.Client{UserAgent: f.UserAgent, Rate: rate.Limit(f.PerSecond), Tries: f.Tries, MaxBody: maxBody,
			Budget: budget, Metrics: p.Metrics, Log: p.Log, Now: p.Now}
	}
	switch name {
	case timeline.ScrapeCreatorsName:
		h.paid = &paid{lake: h.lake, budget: &producers.Budget{PerDay: f.PerDay}, log: p.Log, ttl: f.LeaseTTL}
		return timeline.ScrapeCreators(client(0, h.paid.budget), f.ScrapeURL, f.Key), nil
	case timeline.TruthSocialName:
		return timeline.TruthSocial(client(0, nil), f.TruthURL), nil
	case archiveName:
		return &archive.Source{Paths: f.Path, Client: client(1<<30, nil), Progress: p.Progress.Report}, nil
	case legacy.Name:
		store, _, err := lake.OpenStore(ctx, f.Legacy)
		if err != nil {
			return nil, fmt.Errorf("--legacy: %w", err)
		}
		return &legacy.Source{Store: store, From: s.from, To: s.to, Progress: p.Progress.Report}, nil
	}
	return f.simulator(s, p.Now), nil
}

func (f *Flags) simulator(s settings, now func() time.Time) *simulator.Source {
	src := &simulator.Source{Seed: f.Seed, From: s.from, Now: now}
	if s.from.IsZero() {
		src.From = event.DateOf(now().UTC()).Time().AddDate(0, 0, -simulatedDays)
	}
	if !s.to.IsZero() {
		src.To = s.to.Add(-time.Microsecond)
	}
	return src
}

// Step waits until the paid source, if there is one, is ours, and harvests once. A second harvester of
// a paid source so waits as long as the first one lives.
func (h *Harvester) Step(ctx context.Context) (appended int, err error) {
	if err := h.paid.hold(ctx); err != nil {
		return 0, err
	}
	return h.Harvester.Step(ctx)
}

// Close gives the lease up, also when ctx has ended.
func (h *Harvester) Close(ctx context.Context) { h.paid.release(ctx) }

// Service returns what repeats the steps.
func (h *Harvester) Service() *producers.Service {
	return &producers.Service{Metrics: h.process.Metrics, Now: h.process.Now, Close: h.Close,
		Loop: producers.Loop{Name: "harvester", Step: h.Step, Every: h.flags.Every, Log: h.process.Log},
		Ready: func(ctx context.Context) error {
			_, err := h.lake.Posts.Head(ctx)
			return err
		}}
}

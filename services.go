package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/market"
	"shitpost-alpha/producers"
	"shitpost-alpha/producers/analysis"
	"shitpost-alpha/producers/analysis/rules"
	"shitpost-alpha/producers/posts"
	"shitpost-alpha/producers/posts/archive"
	postsim "shitpost-alpha/producers/posts/simulator"
	"shitpost-alpha/producers/prices"
	"shitpost-alpha/producers/prices/files"
	pricesim "shitpost-alpha/producers/prices/simulator"
	"shitpost-alpha/projectors"
)

// services are the four of them and the lake's maintenance in one process, on one lake: what one
// appends wakes the next at once.
type services struct {
	harvester *posts.Harvester
	analyzer  *analysis.Analyzer
	pricer    *prices.Pricer
	projector *projectors.Projector
	lake      *lake.Lake
	log       *slog.Logger
}

func newServices(l *lake.Lake, d *demo) (*services, error) {
	now := time.Now
	cal := market.NYSE()
	postSource := posts.Source(&postsim.Source{Seed: d.Seed, From: event.DateOf(now().UTC()).Time().AddDate(0, 0, -d.Days), Now: now})
	if len(d.Posts) > 0 {
		postSource = &archive.Source{Paths: d.Posts, Progress: d.progress.Report}
	}
	priceSource := prices.Source(pricesim.New(d.Seed, cal, now))
	if len(d.Prices) > 0 {
		var err error
		if priceSource, err = files.Open(d.Prices, cal, now); err != nil {
			return nil, fmt.Errorf("open price files: %w", err)
		}
	}
	model, err := rules.New()
	if err != nil {
		return nil, err
	}
	h := posts.New(l.As("harvester@1").Posts, postSource)
	h.Now, h.Log = now, d.log
	return &services{
		harvester: h,
		analyzer: analysis.New(l.As("analyzer@1"), analysis.Options{Model: model, Config: model.Config(), Since: d.since,
			Backfill: true, Progress: d.progress.Report, Now: now, Log: d.log}),
		pricer: prices.New(prices.Config{Lake: l.As("pricer@1"), Calendar: cal, Sources: []prices.Source{priceSource},
			Now: now, Log: d.log, Progress: d.progress.Report}),
		projector: projectors.New(projectors.Options{Lake: l, DatabaseURL: d.databaseURL, Producer: "projector@1",
			Now: now, Log: d.log, Progress: d.progress.Report}),
		lake: l.As("maintain@1"), log: d.log,
	}, nil
}

// loops returns what each service does until its context ends.
func (s *services) loops() []func(context.Context) error {
	producer := func(l producers.Loop) func(context.Context) error {
		l.Log = s.log
		return func(ctx context.Context) error { return producers.Run(ctx, l) }
	}
	return []func(context.Context) error{
		producer(producers.Loop{Name: "harvester", Step: s.harvester.Step, Every: 5 * time.Minute}),
		producer(producers.Loop{Name: "analyzer", Step: s.analyzer.Step, Wait: s.analyzer.Wait, Every: time.Minute}),
		producer(producers.Loop{Name: "pricer", Step: s.pricer.Step, Wait: s.pricer.Wait, Every: 10 * time.Minute}),
		s.projector.Run,
		func(ctx context.Context) error { return s.lake.MaintainEvery(ctx, time.Hour, lake.MaintainOptions{}) },
	}
}

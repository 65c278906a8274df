package main

import (
	"context"
	"fmt"
	"time"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/market"
	"shitpost-alpha/producers"
	"shitpost-alpha/producers/analysis"
	"shitpost-alpha/producers/analysis/rules"
	"shitpost-alpha/producers/posts"
	"shitpost-alpha/producers/posts/archive"
	"shitpost-alpha/producers/posts/harvester"
	postsim "shitpost-alpha/producers/posts/simulator"
	"shitpost-alpha/producers/prices"
	"shitpost-alpha/producers/prices/files"
	pricesim "shitpost-alpha/producers/prices/simulator"
	"shitpost-alpha/projectors"
)

// services are those of the demo: files or simulators, and the rules. Nothing in the environment makes
// it ask anybody or pay for anything.
func (d *demo) services(l *lake.Lake) (*services, error) {
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
	h := posts.New(l.As(harvester.Producer).Posts, postSource)
	h.Now, h.Log = now, d.log
	a := analysis.New(l.As(analysis.Producer), analysis.Options{Model: model, Config: model.Config(), Since: d.since, Backfill: true,
		Progress: d.progress.Report, Now: now, Log: d.log})
	p := prices.New(prices.Config{Lake: l.As(prices.Producer), Calendar: cal, Sources: []prices.Source{priceSource}, Now: now, Log: d.log, Progress: d.progress.Report})
	service := func(loop producers.Loop) *producers.Service {
		loop.Log = d.log
		return &producers.Service{Loop: loop}
	}
	health := projectors.NewHealth(now)
	return &services{
		harvester: service(producers.Loop{Name: "harvester", Step: h.Step, Every: 5 * time.Minute}),
		analyzers: []*producers.Service{service(producers.Loop{Name: "analyzer", Step: a.Step, Wait: a.Wait, Every: time.Minute})},
		pricer:    service(producers.Loop{Name: "pricer", Step: p.Step, Wait: p.Wait, Every: 10 * time.Minute}),
		projector: projectors.New(projectors.Options{Lake: l, DatabaseURL: d.databaseURL, Producer: "projector@1", Now: now, Log: d.log,
			Progress: d.progress.Report, Health: health}),
		health: health, log: d.log,
		maintain: func(ctx context.Context) error {
			return l.As("maintain@1").MaintainEvery(ctx, time.Hour, lake.MaintainOptions{})
		},
	}, nil
}

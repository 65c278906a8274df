package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/cli"
	"shitpost-alpha/producers"
	"shitpost-alpha/producers/analysis/analyzer"
	"shitpost-alpha/producers/posts/harvester"
	"shitpost-alpha/producers/prices/pricer"
	"shitpost-alpha/projectors"
	"shitpost-alpha/readmodel/localpg"
)

// runCmd runs all services in this process, with the sources and models that the single binaries have,
// under the same environment variables. Flags of a service carry its name in front.
type runCmd struct {
	Lake     string        `env:"LAKE_URL" default:"./data/lake" placeholder:"URL" help:"Folder or s3://bucket/prefix of the lake."`
	Database string        `env:"DATABASE_URL" placeholder:"URL" help:"Postgres of the read model, postgres://… Default: one of its own under --dir."`
	Dir      string        `default:"./data" placeholder:"DIR" help:"Where a Postgres of its own lives."`
	Poll     time.Duration `env:"LAKE_POLL" default:"10s" help:"How often to look for other processes' commits; those of this process are seen at once."`
	Maintain time.Duration `name:"maintain-every" env:"MAINTAIN_EVERY" default:"1h" help:"Pause between two rounds of the lake's maintenance."`
	Once     bool          `help:"Do all there is to do now and exit, for cron."`

	Band            *float64 `env:"CORRECTNESS_BAND" group:"Read model:" placeholder:"PCT" help:"How far a return must go to count, in percentage points. This and the next three are stored with the read model; projector rebuild --settings changes them."`
	Benchmark       *string  `env:"BENCHMARK" group:"Read model:" placeholder:"SYMBOL" help:"Symbol of the benchmark."`
	SourceOrder     []string `env:"PRICE_SOURCE_ORDER" group:"Read model:" placeholder:"SOURCE" help:"Price sources or families to prefer, best first."`
	PrimaryAnalyzer *string  `env:"PRIMARY_ANALYZER" group:"Read model:" placeholder:"NAME" help:"analyzer[/provider[/model]] of the headlines; empty means all."`

	Harvest harvester.Flags `embed:"" prefix:"harvest-" group:"Harvester:"`
	Analyze analyzer.Flags  `embed:"" prefix:"analyze-" group:"Analyzer:"`
	Price   pricer.Flags    `embed:"" prefix:"price-" group:"Pricer:"`
	producers.Serving
	cli.Logging
}

// Run is called by the command line.
func (c *runCmd) Run(p *process) (err error) {
	log, now := c.Logger(p.stderr), p.now
	var problems producers.Problems
	problems.Require(c.Poll > 0 && c.Maintain > 0, "--poll and --maintain-every must be longer than 0")
	l, err := lake.Open(p.ctx, c.Lake, lake.Options{Producer: "alpha@1", Now: now, Poll: c.Poll, Log: log})
	problems.Add(err)
	s := &services{log: log, health: projectors.NewHealth(now)}
	c.open(p.ctx, s, producers.Process{Lake: l, Progress: cli.NewProgress(p.stderr, now).Report, Now: now, Log: log}, &problems)
	if err := problems.Err(cli.ErrUsage); err != nil {
		return err
	}
	databaseURL := c.Database
	if databaseURL == "" {
		server, err := localpg.Start(p.ctx, localpg.Options{Dir: filepath.Join(c.Dir, "postgres"), Log: log})
		if err != nil {
			return fmt.Errorf("start Postgres: %w", err)
		}
		defer func() { err = errors.Join(err, server.Stop()) }()
		databaseURL = server.URL()
		if _, err := fmt.Fprintf(p.stdout, "Postgres   psql '%s'\n", databaseURL); err != nil { // not into the logs: it has a password
			return err
		}
	}
	s.projector = projectors.New(projectors.Options{Lake: l, DatabaseURL: databaseURL, Settings: c.settings(), Producer: "projector@1", Now: now, Log: log, Health: s.health})
	defer func() { err = errors.Join(err, s.projector.Close(context.WithoutCancel(p.ctx))) }()
	s.maintain = func(ctx context.Context) error {
		return l.As("maintain@1").MaintainEvery(ctx, c.Maintain, lake.MaintainOptions{})
	}
	if c.Once {
		return s.once(p.ctx)
	}
	return s.run(p.ctx, c.Listen)
}

// settings are those of the read model that were given; what is not stays as it is stored.
func (c *runCmd) settings() projectors.Overrides {
	o := projectors.Overrides{Band: c.Band, Benchmark: c.Benchmark, PrimaryAnalyzer: c.PrimaryAnalyzer}
	if order := slices.DeleteFunc(slices.Clone(c.SourceOrder), func(s string) bool { return s == "" }); len(order) > 0 {
		o.SourceOrder = &order
	}
	return o
}

// open opens the producers as their flags say, and notes everything that is wrong with any of them.
func (c *runCmd) open(ctx context.Context, s *services, p producers.Process, problems *producers.Problems) {
	process := func(name string) producers.Process {
		p := p
		p.Metrics, p.Log = producers.NewMetrics(name, p.Now), p.Log.With("service", name)
		return p
	}
	var ofHarvester, ofAnalyzer, ofPricer producers.Problems
	h := c.Harvest.Open(ctx, process("harvester"), &ofHarvester)
	a := c.Analyze.Open(process("analyzer"), nil, &ofAnalyzer)
	f := c.Price.Open(process("pricer"), &ofPricer)
	problems.Add(ofHarvester.Err(errors.New("harvester, whose flags begin with --harvest-")))
	problems.Add(ofAnalyzer.Err(errors.New("analyzer, whose flags begin with --analyze-")))
	problems.Add(ofPricer.Err(errors.New("pricer, whose flags begin with --price-")))
	if problems.Any() {
		return
	}
	s.harvester, s.analyzers, s.pricer = h.Service(), a.Services(), f.Service()
}

package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"golang.org/x/time/rate"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/cli"
	"shitpost-alpha/lake/market"
	"shitpost-alpha/producers"
	"shitpost-alpha/producers/prices"
	"shitpost-alpha/producers/prices/files"
	"shitpost-alpha/producers/prices/simulator"
	"shitpost-alpha/producers/prices/stooq"
	"shitpost-alpha/producers/prices/yahoo"
)

// grammar is the command line.
type grammar struct {
	Lake        string        `env:"LAKE_URL" default:"./data/lake" help:"Folder or s3://bucket/prefix of the lake."`
	Source      []string      `env:"PRICE_SOURCE" enum:"yahoo,stooq,files,simulator" help:"yahoo, stooq, files or simulator, best first; repeatable. Default: files when --path is given, else simulator."`
	Path        []string      `env:"PRICE_PATH" placeholder:"PATH" help:"File or folder of prices, best first; repeatable."`
	Seed        uint64        `env:"PRICE_SEED" default:"1" help:"Seed of the simulator. Another seed on the same lake corrects every made-up bar."`
	YahooURL    string        `name:"yahoo-url" env:"YAHOO_BASE_URL" help:"Where Yahoo's chart API answers. Default: https://query1.finance.yahoo.com"`
	StooqURL    string        `name:"stooq-url" env:"STOOQ_BASE_URL" help:"Where Stooq answers. Default: https://stooq.com"`
	UserAgent   string        `env:"PRICE_USER_AGENT" help:"What the servers are told that asks. Default: a browser's, for Yahoo refuses others."`
	Rate        float64       `env:"PRICE_RATE" default:"2" help:"Requests a second to one server at most."`
	MaxRequests int           `name:"max-requests-per-day" env:"PRICE_MAX_REQUESTS_PER_DAY" default:"0" help:"Requests on one UTC day at most, tries included; 0 is no limit."`
	Once        bool          `help:"Do all there is to do now, print a report and exit."`
	Every       time.Duration `env:"PRICE_EVERY" default:"15m" help:"Pause between two looks, up to a tenth longer; new predictions end it early."`
	Poll        time.Duration `env:"LAKE_POLL" default:"10s" help:"How often to look for other processes' predictions."`
	DryRun      bool          `help:"Ask the sources and print what would be recorded; record nothing."`
	JSON        bool          `name:"json" help:"Print the report of --once and --dry-run as JSON."`
	Version     kong.VersionFlag
	producers.Serving
	cli.Logging
}

// check names what is wrong with the flags, beside what Parse refuses, and fills in defaults.
func (g *grammar) check(problems *producers.Problems) {
	if len(g.Source) == 0 {
		g.Source = []string{"simulator"}
		if len(g.Path) > 0 {
			g.Source = []string{"files"}
		}
	}
	g.UserAgent = cmp.Or(g.UserAgent, yahoo.UserAgent)
	g.YahooURL = strings.TrimRight(cmp.Or(g.YahooURL, yahoo.DefaultURL), "/")
	g.StooqURL = strings.TrimRight(cmp.Or(g.StooqURL, stooq.DefaultURL), "/")
	fromFiles := slices.Contains(g.Source, "files")
	problems.Require(!fromFiles || len(g.Path) > 0, "--source files needs --path")
	problems.Require(fromFiles || len(g.Path) == 0, "--path is given but --source files is not")
	sorted := slices.Sorted(slices.Values(g.Source))
	problems.Require(len(slices.Compact(sorted)) == len(g.Source), "--source names a source twice")
	problems.Require(g.Every > 0, "--every must be longer than 0")
	problems.Require(g.Poll > 0, "--poll must be longer than 0")
	problems.Require(g.Rate > 0, "--rate must be more than 0")
	problems.Require(g.MaxRequests >= 0, "--max-requests-per-day must be 0 or more")
	for _, given := range [][2]string{{"--yahoo-url", g.YahooURL}, {"--stooq-url", g.StooqURL}} {
		u, err := url.Parse(given[1])
		problems.Require(err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.RawQuery == "",
			"%s must be an address such as https://example.com", given[0])
	}
}

// service is what the flags ask for, ready to run.
type service struct {
	producers.Service
	pricer *prices.Pricer
}

// open opens lake and sources; its error names everything that is wrong at once.
func (g *grammar) open(lakeOf func(lake.Options) (*lake.Lake, error), log *slog.Logger, progress producers.Progress) (*service, error) {
	var problems producers.Problems
	g.check(&problems)
	now := time.Now
	calendar, metrics := market.NYSE(), producers.NewMetrics("pricer", now)
	sources, err := g.sources(calendar, metrics, now, log)
	problems.Add(err)
	l, err := lakeOf(lake.Options{Producer: prices.Producer, Now: now, Poll: g.Poll, Log: log, ReadOnly: g.DryRun})
	problems.Add(err)
	if err := problems.Err(cli.ErrUsage); err != nil {
		return nil, err
	}
	p := prices.New(prices.Config{Lake: l, Calendar: calendar, Sources: sources, Now: now, Log: log, Metrics: metrics, Progress: progress, DryRun: g.DryRun})
	s := &service{pricer: p}
	s.Loop = producers.Loop{Name: "pricer", Step: p.Step, Once: g.Once || g.DryRun, Every: g.Every, Wait: p.Wait, Log: log}
	s.Listen, s.Metrics, s.Now, s.Ready = g.Listen, metrics, now, p.Reachable
	return s, nil
}

// sources opens what --source names, in its order.
func (g *grammar) sources(calendar *market.Calendar, metrics *producers.Metrics, now func() time.Time, log *slog.Logger) ([]prices.Source, error) {
	client := &producers.Client{UserAgent: g.UserAgent, Rate: rate.Limit(g.Rate), Tries: 4, TryTimeout: 30 * time.Second, MaxPause: 30 * time.Second,
		MaxBody: 16 << 20, Budget: &producers.Budget{PerDay: g.MaxRequests}, Metrics: metrics, Log: log, Now: now}
	var out []prices.Source
	for _, name := range g.Source {
		switch name {
		case "yahoo":
			out = append(out, &yahoo.Source{URL: g.YahooURL, Client: client, Calendar: calendar, Now: now})
		case "stooq":
			out = append(out, &stooq.Source{URL: g.StooqURL, Client: client, Calendar: calendar, Now: now})
		case "simulator":
			out = append(out, simulator.New(g.Seed, calendar, now))
		case "files":
			if len(g.Path) == 0 {
				continue // check says so
			}
			s, err := openFiles(g.Path, calendar, now, log)
			if err != nil {
				return nil, err
			}
			out = append(out, s)
		}
	}
	return out, nil
}

func openFiles(paths []string, calendar *market.Calendar, now func() time.Time, log *slog.Logger) (*files.Source, error) {
	s, err := files.Open(paths, calendar, now)
	if err != nil {
		return nil, err
	}
	bars, rejected := 0, 0
	for _, f := range s.Infos() {
		log.Debug("price file read", "producer", "pricer", "source", f.Origin, "rank", f.Rank, "shape", f.Shape,
			"adjusted", string(f.Adjustment), "as_of", f.AsOf.String(), "symbols", f.Symbols, "bars", f.Bars, "rejected", f.Rejected)
		bars, rejected = bars+f.Bars, rejected+f.Rejected
	}
	log.Info("price files read", "producer", "pricer", "files", len(s.Infos()), "symbols", len(s.Symbols()), "bars", bars, "rejected", rejected)
	return s, nil
}

// print writes the report of one step.
func (g *grammar) print(w io.Writer, r prices.Report) error {
	if g.JSON {
		if err := json.NewEncoder(w).Encode(r); err != nil {
			return fmt.Errorf("print report: %w", err)
		}
		return nil
	}
	verb := "recorded"
	if g.DryRun {
		verb = "would record"
	}
	_, err := fmt.Fprintf(w, "%d symbols needed, %d asked for, %d failed; %s %d bars (%d not in USD), %d splits, %d unknown symbols, %d given up, %d rejected rows; calendar for %d days more\n",
		r.Symbols, r.Asked, r.Failed, verb, r.Bars, r.Foreign, r.Splits, r.Unknown, r.GivenUp, r.Rejected, r.CalendarDays)
	return err
}

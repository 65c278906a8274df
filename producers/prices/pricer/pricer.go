// Package pricer is the pricer as a service: the flags that say which sources it asks, in which order,
// and the pricer that they stand for. Command pricer is this alone, alpha has it beside the others.
package pricer

import (
	"cmp"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"shitpost-alpha/lake/market"
	"shitpost-alpha/producers"
	"shitpost-alpha/producers/prices"
	"shitpost-alpha/producers/prices/files"
	"shitpost-alpha/producers/prices/simulator"
	"shitpost-alpha/producers/prices/stooq"
	"shitpost-alpha/producers/prices/yahoo"
)

// Flags are which sources a pricer asks and how often. Embed them in a grammar; where other services'
// flags stand beside them, with a prefix.
type Flags struct {
	Source      []string      `env:"PRICE_SOURCE" enum:"yahoo,stooq,files,simulator" help:"yahoo, stooq, files or simulator, best first; repeatable. Default: files when --path is given, else simulator."`
	Path        []string      `env:"PRICE_PATH" placeholder:"PATH" help:"File or folder of prices, best first; repeatable."`
	Seed        uint64        `env:"PRICE_SEED" default:"1" help:"Seed of the simulator. Another seed on the same lake corrects every made-up bar."`
	YahooURL    string        `name:"yahoo-url" env:"YAHOO_BASE_URL" help:"Where Yahoo's chart API answers. Default: https://query1.finance.yahoo.com"`
	StooqURL    string        `name:"stooq-url" env:"STOOQ_BASE_URL" help:"Where Stooq answers. Default: https://stooq.com"`
	UserAgent   string        `env:"PRICE_USER_AGENT" help:"What the servers are told that asks. Default: a browser's, for Yahoo refuses others."`
	Rate        float64       `env:"PRICE_RATE" default:"2" help:"Requests a second to one server at most."`
	MaxRequests int           `name:"max-requests-per-day" env:"PRICE_MAX_REQUESTS_PER_DAY" default:"0" help:"Requests on one UTC day at most, tries included; 0 is no limit."`
	Every       time.Duration `env:"PRICE_EVERY" default:"15m" help:"Pause between two looks, up to a tenth longer; new predictions end it early."`
}

// check notes what is wrong with the flags, beside what Parse refuses, and fills in defaults.
func (f *Flags) check(problems *producers.Problems) {
	if len(f.Source) == 0 {
		f.Source = []string{"simulator"}
		if len(f.Path) > 0 {
			f.Source = []string{"files"}
		}
	}
	f.UserAgent = cmp.Or(f.UserAgent, yahoo.UserAgent)
	f.YahooURL = strings.TrimRight(cmp.Or(f.YahooURL, yahoo.DefaultURL), "/")
	f.StooqURL = strings.TrimRight(cmp.Or(f.StooqURL, stooq.DefaultURL), "/")
	fromFiles := slices.Contains(f.Source, "files")
	problems.Require(!fromFiles || len(f.Path) > 0, "--source files needs --path")
	problems.Require(fromFiles || len(f.Path) == 0, "--path is given but --source files is not")
	sorted := slices.Sorted(slices.Values(f.Source))
	problems.Require(len(slices.Compact(sorted)) == len(f.Source), "--source names a source twice")
	problems.Require(f.Every > 0, "--every must be longer than 0")
	problems.Require(f.Rate > 0, "--rate must be more than 0")
	problems.Require(f.MaxRequests >= 0, "--max-requests-per-day must be 0 or more")
	for _, given := range [][2]string{{"--yahoo-url", f.YahooURL}, {"--stooq-url", f.StooqURL}} {
		u, err := url.Parse(given[1])
		problems.Require(err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.RawQuery == "",
			"%s must be an address such as https://example.com", given[0])
	}
}

// Pricer is a prices.Pricer with its sources.
type Pricer struct {
	*prices.Pricer
	flags   *Flags
	process producers.Process
}

// Open opens the sources. It notes everything that is wrong, with flags and with price files, and
// returns nil when something is.
func (f *Flags) Open(p producers.Process, problems *producers.Problems) *Pricer {
	f.check(problems)
	calendar := market.NYSE()
	sources, err := f.sources(calendar, p)
	problems.Add(err)
	if problems.Any() || p.Lake == nil {
		return nil
	}
	return &Pricer{flags: f, process: p, Pricer: prices.New(prices.Config{Lake: p.Lake.As(prices.Producer), Calendar: calendar, Sources: sources,
		Now: p.Now, Log: p.Log, Metrics: p.Metrics, Progress: p.Progress, DryRun: p.DryRun})}
}

// Service returns what repeats the steps.
func (p *Pricer) Service() *producers.Service {
	return &producers.Service{Metrics: p.process.Metrics, Now: p.process.Now, Ready: p.Reachable,
		Loop: producers.Loop{Name: "pricer", Step: p.Step, Every: p.flags.Every, Wait: p.Wait, Log: p.process.Log}}
}

// sources opens what --source names, in its order.
func (f *Flags) sources(calendar *market.Calendar, p producers.Process) ([]prices.Source, error) {
	client := &producers.Client{UserAgent: f.UserAgent, Rate: rate.Limit(f.Rate), Tries: 4, TryTimeout: 30 * time.Second, MaxPause: 30 * time.Second,
		MaxBody: 16 << 20, Budget: &producers.Budget{PerDay: f.MaxRequests}, Metrics: p.Metrics, Log: p.Log, Now: p.Now}
	var out []prices.Source
	for _, name := range f.Source {
		switch name {
		case "yahoo":
			out = append(out, &yahoo.Source{URL: f.YahooURL, Client: client, Calendar: calendar, Now: p.Now})
		case "stooq":
			out = append(out, &stooq.Source{URL: f.StooqURL, Client: client, Calendar: calendar, Now: p.Now})
		case "simulator":
			out = append(out, simulator.New(f.Seed, calendar, p.Now))
		case "files":
			if len(f.Path) == 0 {
				continue // check says so
			}
			s, err := openFiles(f.Path, calendar, p.Now, p.Log)
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

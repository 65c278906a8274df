package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"golang.org/x/time/rate"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/cli"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/producers"
	"shitpost-alpha/producers/posts"
	"shitpost-alpha/producers/posts/archive"
	"shitpost-alpha/producers/posts/legacy"
	"shitpost-alpha/producers/posts/simulator"
	"shitpost-alpha/producers/posts/timeline"
)

// producerVersion is raised when the same input gives other events.
const producerVersion = "1"

// simulatedDays is how far back the simulator begins without --from.
const simulatedDays = 90

// archiveName is how --source names files and addresses.
const archiveName = "archive"

// grammar is the command line.
type grammar struct {
	Lake   string   `env:"LAKE_URL" default:"./data/lake" placeholder:"URL" help:"Folder or s3://bucket/prefix; default ./data/lake."`
	Source []string `env:"POSTS_SOURCE" placeholder:"NAME" help:"scrapecreators, truthsocial, archive, legacy-s3 or simulator; several may be named. Default: archive with --path, legacy-s3 with --legacy, scrapecreators with a key, else simulator."`
	Path   []string `env:"POSTS_PATH" sep:"none" placeholder:"PATH" help:"File, folder or http(s) address to read; JSON, JSON lines or CSV, gzipped or not. Several may be named."`
	Legacy string   `env:"LEGACY_URL" placeholder:"URL" help:"Bucket or folder of the Python system's raw lake: what holds truth-social/raw."`
	Seed   uint64   `env:"SIMULATOR_SEED" default:"1" help:"Seed of the simulator: the same seed makes up the same posts."`

	Mode          string        `enum:"incremental,backfill,range," default:"" help:"How far back a timeline is read: incremental, backfill or range. Default: range with --from or --to, else incremental."`
	MaxID         string        `name:"max-id" placeholder:"ID" help:"Backfill: go on below this post."`
	From          string        `env:"POSTS_FROM" placeholder:"DAY" help:"First day to record, UTC, YYYY-MM-DD. Simulator: where it begins (default 90 days ago)."`
	To            string        `env:"POSTS_TO" placeholder:"DAY" help:"Last day to record, UTC, inclusive."`
	Overlap       time.Duration `env:"HARVEST_OVERLAP" default:"2h" help:"How far behind what was read a timeline is read again."`
	DeepOverlap   time.Duration `env:"HARVEST_DEEP_OVERLAP" default:"48h" help:"How far back once an hour, to see edits and deletions."`
	AcceptMissing bool          `help:"Believe a timeline that no longer shows many posts: they were deleted."`

	Key       string  `name:"scrapecreators-api-key" env:"SCRAPECREATORS_API_KEY" placeholder:"KEY" help:"Better set in the environment, where no process list shows it."`
	ScrapeURL string  `name:"scrapecreators-base-url" env:"SCRAPECREATORS_BASE_URL" default:"https://api.scrapecreators.com/v1" placeholder:"URL" help:"Default https://api.scrapecreators.com/v1."`
	TruthURL  string  `name:"truthsocial-base-url" env:"TRUTHSOCIAL_BASE_URL" default:"https://truthsocial.com" placeholder:"URL" help:"Default https://truthsocial.com."`
	UserAgent string  `env:"USER_AGENT" default:"Mozilla/5.0 (compatible; shitpost-alpha harvester)" placeholder:"TEXT" help:"What is sent as User-Agent."`
	PerDay    int     `name:"max-requests-per-day" env:"HARVEST_MAX_REQUESTS_PER_DAY" default:"2000" help:"Requests to the paid scraper on one UTC day; 0 for any number."`
	PerSecond float64 `name:"max-requests-per-second" env:"HARVEST_MAX_REQUESTS_PER_SECOND" default:"2" help:"Requests to one host a second; 0 for any number."`
	Tries     int     `env:"HARVEST_TRIES" default:"5" help:"How often a request is sent while it fails for a passing reason."`

	Limit  int           `help:"Record at most so many posts in a run; 0 for all."`
	DryRun bool          `help:"Compare and report once, write nothing."`
	Once   bool          `help:"Run once and exit, for cron."`
	Every  time.Duration `env:"HARVEST_EVERY" default:"5m" help:"Pause between two runs."`
	Poll   time.Duration `env:"LAKE_POLL" default:"10s" help:"How often to look for other processes' commits."`
	JSON   bool          `name:"json" help:"Print each run's report as one JSON line."`

	producers.Serving
	cli.Logging
	Version kong.VersionFlag `help:"Print the version."`
}

// settings is the checked configuration.
type settings struct {
	sources  []string
	from, to time.Time // exclusive
	maxID    uint64
	mode     posts.Mode
}

// check names everything that is wrong with the configuration at once.
func (g *grammar) check() (s settings, err error) {
	var p producers.Problems
	day := func(flag, text string) time.Time {
		if text == "" {
			return time.Time{}
		}
		d, err := event.ParseDate(text)
		if err != nil {
			p.Add(fmt.Errorf("--%s: %w", flag, err))
		}
		return d.Time()
	}
	s.from, s.to = day("from", g.From), day("to", g.To)
	if !s.to.IsZero() {
		s.to = s.to.AddDate(0, 0, 1)
	}
	p.Require(s.from.IsZero() || s.to.IsZero() || s.from.Before(s.to), "--from %s is after --to %s", g.From, g.To)
	s.mode = posts.Mode(g.Mode)
	switch {
	case g.Mode == "" && (g.From != "" || g.To != ""):
		s.mode = posts.Range
	case g.Mode == "":
		s.mode = posts.Incremental
	}
	p.Require(s.mode != posts.Range || g.From != "" || g.To != "", "--mode range needs --from or --to")
	if g.MaxID != "" {
		s.maxID, err = strconv.ParseUint(g.MaxID, 10, 63)
		p.Require(err == nil && s.maxID > 0, "--max-id %q: want the digits of a post's id", g.MaxID)
		p.Require(s.mode == posts.Backfill, "--max-id is for --mode backfill")
	}
	p.Require(g.Limit >= 0, "--limit %d: want 0 or more", g.Limit)
	p.Require(g.Every > 0 && g.Poll > 0, "--every and --poll must be longer than 0")
	p.Require(g.Overlap > 0 && g.DeepOverlap >= g.Overlap, "--overlap must be longer than 0, and --deep-overlap no shorter")
	p.Require(g.PerDay >= 0, "--max-requests-per-day %d: want 0 or more", g.PerDay)
	p.Require(g.PerSecond >= 0, "--max-requests-per-second %g: want 0 or more", g.PerSecond)
	p.Require(g.Tries >= 1, "--tries %d: want 1 or more", g.Tries)
	s.sources = g.sources()
	g.checkSources(s.sources, &p)
	return s, p.Err(cli.ErrUsage)
}

// sources returns the names of the sources, or those that the rest of the configuration asks for.
func (g *grammar) sources() []string {
	if len(g.Source) > 0 {
		return slices.Compact(slices.Sorted(slices.Values(g.Source)))
	}
	var names []string
	if len(g.Path) > 0 {
		names = append(names, archiveName)
	}
	if g.Legacy != "" {
		names = append(names, legacy.Name)
	}
	if len(names) == 0 && g.Key != "" {
		names = append(names, timeline.ScrapeCreatorsName)
	}
	if len(names) == 0 {
		names = append(names, simulator.Name)
	}
	return names
}

func (g *grammar) checkSources(names []string, p *producers.Problems) {
	known := []string{timeline.ScrapeCreatorsName, timeline.TruthSocialName, archiveName, legacy.Name, simulator.Name}
	for _, name := range names {
		p.Require(slices.Contains(known, name), "--source %q: there are %s", name, strings.Join(known, ", "))
	}
	has := func(name string) bool { return slices.Contains(names, name) }
	p.Require(!has(archiveName) || len(g.Path) > 0, "--source archive needs --path: a file, a folder or an address")
	p.Require(len(g.Path) == 0 || has(archiveName), "--path is for --source archive")
	p.Require(!has(legacy.Name) || g.Legacy != "", "--source legacy-s3 needs --legacy: a bucket or a folder")
	p.Require(g.Legacy == "" || has(legacy.Name), "--legacy is for --source legacy-s3")
	p.Require(!has(timeline.ScrapeCreatorsName) || g.Key != "", "--source scrapecreators needs SCRAPECREATORS_API_KEY")
	for _, path := range g.Path {
		if archive.IsURL(path) {
			p.Require(isURL(path), "--path: an address of them is not valid")
		} else if _, err := os.Stat(path); err != nil {
			p.Add(fmt.Errorf("--path: %w", err))
		}
	}
	p.Require(!has(timeline.ScrapeCreatorsName) || isURL(g.ScrapeURL), "--scrapecreators-base-url: want http(s)://host/path")
	p.Require(!has(timeline.TruthSocialName) || isURL(g.TruthURL), "--truthsocial-base-url: want http(s)://host")
}

func isURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

// service is what main runs.
type service struct {
	*posts.Harvester
	lake *lake.Lake
	paid *paid // nil without the paid scraper
}

// service checks the configuration and wires the harvester.
func (g *grammar) service(ctx context.Context, o lake.Options, metrics *producers.Metrics, progress *cli.Progress) (*service, error) {
	s, err := g.check()
	if err != nil {
		return nil, err
	}
	l, err := lake.Open(ctx, g.Lake, o)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", cli.ErrUsage, err)
	}
	client := func(maxBody int64, budget *producers.Budget) *producers.Client {
		return &producers.Client{UserAgent: g.UserAgent, Rate: rate.Limit(g.PerSecond), Tries: g.Tries, MaxBody: maxBody,
			Budget: budget, Metrics: metrics, Log: o.Log, Now: o.Now}
	}
	out := &service{lake: l}
	var sources []posts.Source
	for _, name := range s.sources {
		switch name {
		case timeline.ScrapeCreatorsName:
			out.paid = &paid{lake: l, budget: &producers.Budget{PerDay: g.PerDay}, log: o.Log}
			sources = append(sources, timeline.ScrapeCreators(client(0, out.paid.budget), g.ScrapeURL, g.Key))
		case timeline.TruthSocialName:
			sources = append(sources, timeline.TruthSocial(client(0, nil), g.TruthURL))
		case archiveName:
			sources = append(sources, &archive.Source{Paths: g.Path, Client: client(1<<30, nil), Progress: progress.Report})
		case legacy.Name:
			store, _, err := lake.OpenStore(ctx, g.Legacy)
			if err != nil {
				return nil, fmt.Errorf("%w: --legacy: %w", cli.ErrUsage, err)
			}
			sources = append(sources, &legacy.Source{Store: store, From: s.from, To: s.to, Progress: progress.Report})
		case simulator.Name:
			sources = append(sources, g.simulator(s, o.Now))
		}
	}
	if len(g.Source) == 0 && slices.Equal(s.sources, []string{simulator.Name}) {
		o.Log.Warn("no source is named: posts are made up", "source", simulator.Name)
	}
	h := posts.New(l.Posts, sources...)
	h.From, h.To, h.Limit, h.DryRun, h.Now, h.Log = s.from, s.to, g.Limit, g.DryRun, o.Now, o.Log
	h.Mode, h.MaxID, h.AcceptMissing, h.Metrics = s.mode, s.maxID, g.AcceptMissing, metrics
	h.Overlap, h.DeepOverlap = g.Overlap, g.DeepOverlap
	if s.mode != posts.Incremental {
		h.Progress = progress.Report
	}
	if out.paid != nil {
		h.Check = out.paid.check
	}
	out.Harvester = h
	return out, nil
}

func (g *grammar) simulator(s settings, now func() time.Time) *simulator.Source {
	src := &simulator.Source{Seed: g.Seed, From: s.from, Now: now}
	if s.from.IsZero() {
		src.From = event.DateOf(now().UTC()).Time().AddDate(0, 0, -simulatedDays)
	}
	if !s.to.IsZero() {
		src.To = s.to.Add(-time.Microsecond)
	}
	return src
}

// print writes the report of one run: nothing when a loop's run found nothing new.
func (g *grammar) print(w io.Writer, reports []*posts.Report, appended int, failure error) error {
	if !g.Once && !g.DryRun && appended == 0 && failure == nil {
		return nil
	}
	if !g.JSON {
		err := posts.WriteTable(w, reports)
		if err == nil && g.DryRun {
			_, err = fmt.Fprintln(w, "dry run: nothing was written")
		}
		return err
	}
	out := struct {
		Appended int             `json:"appended"`
		DryRun   bool            `json:"dry_run"`
		Sources  []*posts.Report `json:"sources"`
		Errors   []string        `json:"errors"`
	}{appended, g.DryRun, reports, []string{}}
	if out.Sources == nil {
		out.Sources = []*posts.Report{}
	}
	if failure != nil {
		out.Errors = strings.Split(failure.Error(), "\n")
	}
	if err := json.NewEncoder(w).Encode(out); err != nil {
		return fmt.Errorf("print report: %w", err)
	}
	return nil
}

// once reports whether the process ends after one step.
func (g *grammar) once() bool { return cmp.Or(g.Once, g.DryRun) }

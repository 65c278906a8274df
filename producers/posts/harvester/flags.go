package harvester

import (
	"fmt"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/producers"
	"shitpost-alpha/producers/posts"
	"shitpost-alpha/producers/posts/archive"
	"shitpost-alpha/producers/posts/legacy"
	"shitpost-alpha/producers/posts/simulator"
	"shitpost-alpha/producers/posts/timeline"
)

// archiveName is how --source names files and addresses.
const archiveName = "archive"

// Flags are what a harvester does, from where and how. Embed them in a grammar; where other services'
// flags stand beside them, with a prefix.
type Flags struct {
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

	LeaseTTL time.Duration `name:"lease-ttl" env:"LEASE_TTL" default:"60s" help:"How long the lease of what is paid for is left to us when we do not renew it, 1s or more."`

	Limit int           `help:"Record at most so many posts in a run; 0 for all."`
	Every time.Duration `env:"HARVEST_EVERY" default:"5m" help:"Pause between two runs."`
}

// settings is the checked configuration.
type settings struct {
	sources  []string
	from, to time.Time // exclusive
	maxID    uint64
	mode     posts.Mode
}

// check notes everything that is wrong with the flags.
func (f *Flags) check(p *producers.Problems) (s settings) {
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
	s.from, s.to = day("from", f.From), day("to", f.To)
	if !s.to.IsZero() {
		s.to = s.to.AddDate(0, 0, 1)
	}
	p.Require(s.from.IsZero() || s.to.IsZero() || s.from.Before(s.to), "--from %s is after --to %s", f.From, f.To)
	s.mode = posts.Mode(f.Mode)
	switch {
	case f.Mode == "" && (f.From != "" || f.To != ""):
		s.mode = posts.Range
	case f.Mode == "":
		s.mode = posts.Incremental
	}
	p.Require(s.mode != posts.Range || f.From != "" || f.To != "", "--mode range needs --from or --to")
	if f.MaxID != "" {
		var err error
		s.maxID, err = strconv.ParseUint(f.MaxID, 10, 63)
		p.Require(err == nil && s.maxID > 0, "--max-id %q: want the digits of a post's id", f.MaxID)
		p.Require(s.mode == posts.Backfill, "--max-id is for --mode backfill")
	}
	p.Require(f.Limit >= 0, "--limit %d: want 0 or more", f.Limit)
	p.Require(f.Every > 0, "--every must be longer than 0")
	p.Require(f.Overlap > 0 && f.DeepOverlap >= f.Overlap, "--overlap must be longer than 0, and --deep-overlap no shorter")
	p.Require(f.PerDay >= 0, "--max-requests-per-day %d: want 0 or more", f.PerDay)
	p.Require(f.PerSecond >= 0, "--max-requests-per-second %g: want 0 or more", f.PerSecond)
	p.Require(f.Tries >= 1, "--tries %d: want 1 or more", f.Tries)
	p.Require(f.LeaseTTL >= time.Second, "--lease-ttl %s: want 1s or more", f.LeaseTTL)
	s.sources = f.sources()
	f.checkSources(s.sources, p)
	return s
}

// sources returns the names of the sources, or those that the rest of the configuration asks for.
func (f *Flags) sources() []string {
	if len(f.Source) > 0 {
		return slices.Compact(slices.Sorted(slices.Values(f.Source)))
	}
	var names []string
	if len(f.Path) > 0 {
		names = append(names, archiveName)
	}
	if f.Legacy != "" {
		names = append(names, legacy.Name)
	}
	if len(names) == 0 && f.Key != "" {
		names = append(names, timeline.ScrapeCreatorsName)
	}
	if len(names) == 0 {
		names = append(names, simulator.Name)
	}
	return names
}

func (f *Flags) checkSources(names []string, p *producers.Problems) {
	known := []string{timeline.ScrapeCreatorsName, timeline.TruthSocialName, archiveName, legacy.Name, simulator.Name}
	for _, name := range names {
		p.Require(slices.Contains(known, name), "--source %q: there are %s", name, strings.Join(known, ", "))
	}
	has := func(name string) bool { return slices.Contains(names, name) }
	p.Require(!has(archiveName) || len(f.Path) > 0, "--source archive needs --path: a file, a folder or an address")
	p.Require(len(f.Path) == 0 || has(archiveName), "--path is for --source archive")
	p.Require(!has(legacy.Name) || f.Legacy != "", "--source legacy-s3 needs --legacy: a bucket or a folder")
	p.Require(f.Legacy == "" || has(legacy.Name), "--legacy is for --source legacy-s3")
	p.Require(!has(timeline.ScrapeCreatorsName) || f.Key != "", "--source scrapecreators needs SCRAPECREATORS_API_KEY")
	for _, path := range f.Path {
		if archive.IsURL(path) {
			p.Require(isURL(path), "--path: an address of them is not valid")
		} else if _, err := os.Stat(path); err != nil {
			p.Add(fmt.Errorf("--path: %w", err))
		}
	}
	p.Require(!has(timeline.ScrapeCreatorsName) || isURL(f.ScrapeURL), "--scrapecreators-base-url: want http(s)://host/path")
	p.Require(!has(timeline.TruthSocialName) || isURL(f.TruthURL), "--truthsocial-base-url: want http(s)://host")
}

func isURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"shitpost-alpha/dashboards"
	"shitpost-alpha/lake"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/market"
	"shitpost-alpha/projectors"
	"shitpost-alpha/readmodel/localpg"
)

// doctorCmd looks at everything that the services will need, before they do, and changes nothing but
// the probes in the lake, which it removes again.
type doctorCmd struct {
	Lake       string `env:"LAKE_URL" default:"./data/lake" placeholder:"URL" help:"Folder or s3://bucket/prefix."`
	Database   string `env:"DATABASE_URL" placeholder:"URL" help:"Postgres of the read model. Default: one of alpha's own."`
	Posts      string `env:"POSTS_SOURCE" placeholder:"NAME,..." help:"Sources of posts."`
	Scraper    string `env:"SCRAPECREATORS_API_KEY" placeholder:"KEY" help:"The paid scraper's key."`
	Truth      string `env:"TRUTHSOCIAL_BASE_URL" default:"https://truthsocial.com" placeholder:"URL" help:"Truth Social."`
	Prices     string `env:"PRICE_SOURCE" placeholder:"NAME,..." help:"Sources of prices."`
	Yahoo      string `env:"YAHOO_BASE_URL" default:"https://query1.finance.yahoo.com" placeholder:"URL" help:"Yahoo."`
	Stooq      string `env:"STOOQ_BASE_URL" default:"https://stooq.com" placeholder:"URL" help:"Stooq."`
	Analyzer   string `env:"ANALYZER" placeholder:"NAME" help:"rules or llm."`
	OpenAIKey  string `name:"openai-api-key" env:"OPENAI_API_KEY" placeholder:"KEY" help:"The model's key."`
	OpenAI     string `name:"openai-base-url" env:"OPENAI_BASE_URL" default:"https://api.openai.com/v1" placeholder:"URL" help:"The model's server."`
	Dashboards string `env:"DASHBOARDS_OUT" default:"build/grafana" placeholder:"DIR" help:"Folder with Grafana's files."`
	JSON       bool   `name:"json" help:"Print one JSON object a line."`
}

// examination is one run of the doctor.
type examination struct {
	*doctorCmd
	now   func() time.Time
	http  *http.Client
	out   io.Writer
	bad   int
	clock time.Duration // how far ahead of the first server that told its time; 0 until one has
	asked string        // that server
}

// Run is called by the command line. Its error says how many things are missing or wrong.
func (c *doctorCmd) Run(p *process) error {
	x := &examination{doctorCmd: c, now: time.Now, out: p.stdout, http: &http.Client{
		Timeout:       10 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	for _, look := range []func(context.Context){x.store, x.postgres, x.postSources, x.model, x.priceSources, x.time, x.calendar, x.grafana} {
		look(p.ctx)
		if err := p.ctx.Err(); err != nil {
			return err
		}
	}
	if x.bad > 0 {
		return fmt.Errorf("doctor: %d things are missing or wrong", x.bad)
	}
	return nil
}

// say prints a finding. A remedy is what to do about it.
func (x *examination) say(place, probe string, v lake.Verdict, detail, remedy string) {
	detail, _, _ = strings.Cut(detail, "\n") // drivers list every address they tried
	f := lake.Finding{Place: place, Probe: probe, Verdict: v, Detail: detail, Remedy: remedy}
	if !f.OK() {
		x.bad++
	}
	if x.JSON {
		enc := json.NewEncoder(x.out)
		enc.SetEscapeHTML(false)
		_ = enc.Encode(f) // a reader that has gone away is nothing to the examination
		return
	}
	fmt.Fprintf(x.out, "%-10s %-16s %-8s %s\n", place, probe, v, detail)
	if remedy != "" {
		fmt.Fprintf(x.out, "%36s%s\n", "what to do: ", remedy)
	}
}

func (x *examination) store(ctx context.Context) {
	l, err := lake.Open(ctx, x.Lake, lake.Options{Producer: "doctor@1"})
	if err != nil {
		x.say("lake", "open", lake.Missing, err.Error(), "set LAKE_URL to a folder or to s3://bucket/prefix")
		return
	}
	needs, err := lake.NeedsOf("all")
	if err != nil {
		x.say("lake", "needs", lake.Wrong, err.Error(), "")
		return
	}
	fine := 0
	err = l.Examine(ctx, needs, func(f lake.Finding) {
		if f.Verdict == lake.Fine {
			fine++
			return
		}
		x.say("lake", f.Place+" "+f.Probe, f.Verdict, f.Detail, f.Remedy)
	})
	if err == nil && fine > 0 {
		x.say("lake", "store", lake.Fine, fmt.Sprintf("%s: %d probes", l.URL, fine), "")
	}
}

func (x *examination) postgres(ctx context.Context) {
	if x.Database == "" {
		b, err := localpg.Find(ctx, localpg.Options{})
		if err != nil {
			x.say("postgres", "binaries", lake.Missing, err.Error(), "install Postgres 15 or newer, or set DATABASE_URL")
			return
		}
		x.say("postgres", "binaries", lake.Fine, fmt.Sprintf("no DATABASE_URL: alpha runs one of its own from %s", b.Dir), "")
		return
	}
	conn, err := projectors.Connect(ctx, x.Database)
	if err != nil {
		x.say("postgres", "connect", lake.Missing, err.Error(), "is it running, and is DATABASE_URL right?")
		return
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var version int
	var name string
	var create, model bool
	err = conn.QueryRow(ctx, `SELECT current_setting('server_version_num')::int / 10000, current_database(),
		has_database_privilege(current_database(), 'CREATE'), to_regnamespace('readmodel') IS NOT NULL`).Scan(&version, &name, &create, &model)
	switch {
	case err != nil:
		x.say("postgres", "ask", lake.Wrong, err.Error(), "")
		return
	case version < 15:
		x.say("postgres", "version", lake.Wrong, fmt.Sprintf("Postgres %d", version), "use 15 or newer")
	case !create:
		x.say("postgres", "rights", lake.Wrong, "the role may not create schemas in "+name, "GRANT CREATE ON DATABASE "+name+" TO the role")
	default:
		x.say("postgres", "connect", lake.Fine, fmt.Sprintf("Postgres %d, database %s", version, name), "")
	}
	if !model {
		x.say("postgres", "read model", lake.Note, "not built yet", "the projector builds it when it starts")
	}
}

// postSources looks at what the harvester will ask. A request to the paid scraper costs, so its key
// is only looked for.
func (x *examination) postSources(ctx context.Context) {
	sources := x.Posts
	switch {
	case sources == "" && x.Scraper != "":
		sources = "scrapecreators"
	case sources == "":
		x.say("posts", "source", lake.Note, "none set: the simulator makes posts up", "set SCRAPECREATORS_API_KEY or POSTS_PATH for real ones")
		return
	}
	for _, s := range strings.Split(sources, ",") {
		switch s {
		case "scrapecreators":
			if x.Scraper == "" {
				x.say("posts", s, lake.Missing, "no key", "set SCRAPECREATORS_API_KEY")
				continue
			}
			x.say("posts", s, lake.Fine, "a key is set; not tried, a request costs", "")
		case "truthsocial":
			x.reach(ctx, "posts", s, x.Truth)
		case "archive", "legacy-s3", "simulator":
			x.say("posts", s, lake.Fine, "set", "")
		default:
			x.say("posts", s, lake.Wrong, "no such source", "scrapecreators, truthsocial, archive, legacy-s3 or simulator")
		}
	}
}

func (x *examination) model(ctx context.Context) {
	if x.Analyzer == "rules" || x.Analyzer == "" && x.OpenAIKey == "" {
		x.say("analyzer", "rules", lake.Fine, "built in", "")
		return
	}
	if x.OpenAIKey == "" {
		x.say("analyzer", "llm", lake.Missing, "no key", "set OPENAI_API_KEY, or ANALYZER=rules")
		return
	}
	status, err := x.ask(ctx, strings.TrimRight(x.OpenAI, "/")+"/models", x.OpenAIKey)
	switch {
	case err != nil:
		x.say("analyzer", "llm", lake.Missing, err.Error(), "is OPENAI_BASE_URL right?")
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		x.say("analyzer", "llm", lake.Wrong, fmt.Sprintf("the key is refused (%d)", status), "set OPENAI_API_KEY to a key of that server")
	case status >= 500:
		x.say("analyzer", "llm", lake.Wrong, fmt.Sprintf("the server answers %d", status), "try again later")
	default:
		x.say("analyzer", "llm", lake.Fine, "the server takes the key", "")
	}
}

func (x *examination) priceSources(ctx context.Context) {
	if x.Prices == "" {
		x.say("prices", "source", lake.Note, "none set: files with PRICE_PATH, else the simulator makes prices up", "set PRICE_SOURCE=yahoo,stooq for real ones")
		return
	}
	for _, s := range strings.Split(x.Prices, ",") {
		switch s {
		case "yahoo":
			x.reach(ctx, "prices", s, x.Yahoo)
		case "stooq":
			x.reach(ctx, "prices", s, x.Stooq)
		case "files", "simulator":
			x.say("prices", s, lake.Fine, "set", "")
		default:
			x.say("prices", s, lake.Wrong, "no such source", "yahoo, stooq, files or simulator")
		}
	}
}

// reach asks a server for its front page: any answer shows that it is there.
func (x *examination) reach(ctx context.Context, place, probe, base string) {
	status, err := x.ask(ctx, base, "")
	if err != nil {
		x.say(place, probe, lake.Missing, err.Error(), "is the network up, and the address right?")
		return
	}
	x.say(place, probe, lake.Fine, fmt.Sprintf("it answers (%d)", status), "")
}

// ask returns the status of a GET, and takes the server's time.
func (x *examination) ask(ctx context.Context, address, key string) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, errors.New("not an address") // the error would repeat it, password and all
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	resp, err := x.http.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err
		}
		return 0, fmt.Errorf("ask %s: %w", req.URL.Host, err)
	}
	defer resp.Body.Close()
	if at, err := http.ParseTime(resp.Header.Get("Date")); err == nil && x.asked == "" {
		x.asked, x.clock = req.URL.Host, x.now().Sub(at)
	}
	return resp.StatusCode, nil
}

// maxSkew is how wrong a clock may be before an append refuses to go on (lake/FORMAT.md).
const maxSkew = 2 * time.Minute

func (x *examination) time(context.Context) {
	switch {
	case x.asked == "":
		x.say("clock", "time", lake.Note, x.now().UTC().Format(time.RFC3339)+", compared with nobody's: no server was asked", "")
	case x.clock.Abs() > maxSkew:
		x.say("clock", "time", lake.Wrong, fmt.Sprintf("%s from that of %s", x.clock.Round(time.Second), x.asked), "set the clock: run an NTP client")
	default:
		x.say("clock", "time", lake.Fine, "as "+x.asked+" has it, to a second or two", "")
	}
}

func (x *examination) calendar(context.Context) {
	last := market.NYSE().Last()
	left := int(last.Time().Sub(event.DateOf(x.now().UTC()).Time()).Hours() / 24)
	switch {
	case left < 45: // 30 sessions, the longest horizon
		x.say("calendar", "sessions", lake.Wrong, fmt.Sprintf("the NYSE calendar ends on %s", last), "update: newer versions know newer sessions")
	case left < 120:
		x.say("calendar", "sessions", lake.Note, fmt.Sprintf("the NYSE calendar ends on %s", last), "update within the quarter")
	default:
		x.say("calendar", "sessions", lake.Fine, fmt.Sprintf("known until %s", last), "")
	}
}

// grafana compares the rendered files, if there are any, with what this version renders.
func (x *examination) grafana(context.Context) {
	files, err := dashboards.Files("/")
	if err != nil {
		x.say("grafana", "files", lake.Wrong, err.Error(), "")
		return
	}
	if _, err := os.Stat(x.Dashboards); err != nil {
		x.say("grafana", "files", lake.Note, "none in "+x.Dashboards, "dashboards render --out "+x.Dashboards)
		return
	}
	for _, f := range files {
		if !strings.HasSuffix(f.Path, ".json") {
			continue // those name the folder in which Grafana sees them
		}
		got, err := os.ReadFile(filepath.Join(x.Dashboards, f.Path))
		if err != nil || string(got) != string(f.Data) {
			x.say("grafana", "files", lake.Wrong, filepath.Join(x.Dashboards, f.Path)+" is not of this version", "dashboards render --out "+x.Dashboards)
			return
		}
	}
	x.say("grafana", "files", lake.Fine, fmt.Sprintf("%d in %s", len(files), x.Dashboards), "")
}

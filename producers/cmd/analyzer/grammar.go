package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/alecthomas/kong"

	"shitpost-alpha/lake/cli"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/producers/analysis"
	"shitpost-alpha/producers/analysis/rules"
)

// grammar is the command line. All flags stand at the top, so that plain --help shows them.
type grammar struct {
	Run     struct{}       `cmd:"" default:"1" help:"Analyse the posts in the lake (the default)."`
	Explain explainCommand `cmd:"" help:"Say what bypass, rules and symbols make of a text; needs no lake."`

	Lake     string        `env:"LAKE_URL" default:"./data/lake" placeholder:"URL" help:"Folder or s3://bucket/prefix."`
	Analyzer string        `env:"ANALYZER" enum:"rules" default:"rules" help:"rules: built in, offline, free."`
	Since    string        `env:"ANALYSIS_SINCE" default:"2025-01-01T00:00:00Z" placeholder:"TIME" help:"First post in scope: RFC 3339 or YYYY-MM-DD, UTC. Default 2025-01-01."`
	Backfill bool          `env:"ANALYSIS_BACKFILL" help:"Take up posts from before this analyzer's first use too."`
	Limit    int           `help:"Take up at most so many posts in a run; 0 for all."`
	DryRun   bool          `help:"Say once what would be recorded, write nothing."`
	Once     bool          `help:"Run once and exit, for cron."`
	Every    time.Duration `env:"ANALYZE_EVERY" default:"5m" help:"Longest pause between two runs; new posts end it."`
	Poll     time.Duration `env:"LAKE_POLL" default:"10s" help:"How often to look for other processes' commits."`
	JSON     bool          `name:"json" help:"Print reports, drafts and explanations as JSON lines."`

	cli.Logging
	Version kong.VersionFlag `help:"Print the version."`
}

type explainCommand struct {
	Text string `arg:"" help:"The post's text, in quotes."`
}

// check returns the time of --since, UTC, or all that is wrong with the flags.
func (g *grammar) check() (since time.Time, err error) {
	var errs []error
	since, err = time.Parse(time.RFC3339, g.Since)
	if err != nil {
		var day event.Date
		if day, err = event.ParseDate(g.Since); err != nil {
			errs = append(errs, fmt.Errorf("--since %q: want RFC 3339 or YYYY-MM-DD, such as 2025-01-01T00:00:00Z", g.Since))
		}
		since = day.Time()
	}
	if g.Limit < 0 {
		errs = append(errs, fmt.Errorf("--limit %d: want 0 or more", g.Limit))
	}
	if g.Every <= 0 || g.Poll <= 0 {
		errs = append(errs, errors.New("--every and --poll must be longer than 0"))
	}
	return since.UTC(), errors.Join(errs...)
}

// configured is a model that knows its own configuration.
type configured interface {
	analysis.Model
	Config() analysis.Config
}

func newModel(name string) (configured, error) {
	if name != "rules" {
		return nil, fmt.Errorf("%w: --analyzer %q: there is rules", cli.ErrUsage, name)
	}
	return rules.New()
}

// run prints what becomes of one text.
func (c *explainCommand) run(ctx context.Context, stdout io.Writer, asJSON bool) error {
	model, err := rules.New()
	if err != nil {
		return err
	}
	post := event.Post{Text: c.Text}
	out := explanation{Bypass: analysis.Bypass(&post), OwnText: post.OwnText()}
	answer, err := model.Analyze(ctx, analysis.Input{Text: out.OwnText})
	if err != nil {
		return fmt.Errorf("explain: %w", err)
	}
	assets, drops := analysis.Symbols(answer.Assets)
	out.Assets, out.Dropped = callsOf(assets), []dropped{}
	for _, d := range drops {
		out.Dropped = append(out.Dropped, dropped{d.Symbol, d.Reason})
	}
	out.Confidence, out.Thesis = answer.Confidence, answer.Thesis
	if asJSON {
		return json.NewEncoder(stdout).Encode(out)
	}
	return out.print(stdout)
}

// explanation is what becomes of a text. A bypassed one is explained all the same.
type explanation struct {
	Bypass     string    `json:"bypass"`
	OwnText    string    `json:"own_text"`
	Assets     []call    `json:"assets"`
	Dropped    []dropped `json:"dropped"`
	Confidence float64   `json:"confidence"`
	Thesis     string    `json:"thesis"`
}

type call struct {
	Symbol    string `json:"symbol"`
	Sentiment string `json:"sentiment"`
	Rationale string `json:"rationale"`
}

func callsOf(assets []event.Asset) []call {
	calls := []call{}
	for _, a := range assets {
		calls = append(calls, call{a.Symbol, a.Sentiment, a.Rationale})
	}
	return calls
}

type dropped struct {
	Symbol string `json:"symbol"`
	Reason string `json:"reason"`
}

func (e *explanation) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if e.Bypass != "" {
		fmt.Fprintf(t, "bypass\t%s: no model would be asked; the rules would say\n", e.Bypass)
	} else {
		fmt.Fprintln(t, "bypass\tnone")
	}
	fmt.Fprintf(t, "confidence\t%.2f\n", e.Confidence)
	fmt.Fprintf(t, "thesis\t%s\n", e.Thesis)
	for _, a := range e.Assets {
		fmt.Fprintf(t, "%s\t%s\t%s\n", a.Symbol, a.Sentiment, a.Rationale)
	}
	for _, d := range e.Dropped {
		fmt.Fprintf(t, "%s\tdropped\t%s\n", d.Symbol, d.Reason)
	}
	return t.Flush()
}

// printer writes drafts and the report; err is the first error of its writes.
type printer struct {
	w    io.Writer
	json bool
	err  error
}

func (p *printer) printf(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, args...)
	}
}

func (p *printer) encode(v any) {
	if p.err == nil {
		p.err = json.NewEncoder(p.w).Encode(v)
	}
}

// draft prints an event that a dry run would have recorded.
func (p *printer) draft(d event.Prediction) {
	if p.json {
		p.encode(struct {
			Kind       event.Kind `json:"kind"`
			PostID     string     `json:"post_id"`
			Published  time.Time  `json:"published_at"`
			Reason     string     `json:"reason,omitempty"`
			Assets     []call     `json:"assets"`
			Confidence *float64   `json:"confidence,omitempty"`
			Thesis     string     `json:"thesis,omitempty"`
		}{d.Kind, d.PostID, d.PublishedAt, d.BypassReason + d.FailureClass, callsOf(d.Assets), d.Confidence, d.Thesis})
		return
	}
	what := d.BypassReason + d.FailureClass
	if d.Confidence != nil {
		var calls []string
		for _, a := range d.Assets {
			calls = append(calls, a.Symbol+" "+a.Sentiment)
		}
		what = fmt.Sprintf("%.2f %s", *d.Confidence, strings.Join(calls, ", "))
	}
	p.printf("%s  %s  %s  %s\n", d.PublishedAt.Format(time.RFC3339), d.PostID, d.Kind, what)
}

// report prints the summary of a run.
func (p *printer) report(r analysis.Report, dry bool) {
	if p.json {
		p.encode(r)
		return
	}
	p.printf("posts known   %d\nin scope      %d\n  completed   %d\n  bypassed    %d\n", r.Posts, r.InScope, r.Completed, total(r.Bypassed))
	for _, reason := range analysis.Reasons() {
		if n := r.Bypassed[reason]; n > 0 {
			p.printf("    %-20s %d\n", reason, n)
		}
	}
	p.printf("  failed      %d\n  open        %d\nwithdrawn     %d\n", r.Failed, r.Open, r.Withdrawn)
	verb := "this run"
	if dry {
		verb = "dry run, nothing written"
	}
	p.printf("%s: %d predictions with %d calls, %d bypassed, %d failed attempts\n",
		verb, r.Run.Completed, r.Run.Calls, total(r.Run.Bypassed), total(r.Run.Failed))
}

func total(counts map[string]int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/producers/analysis"
	"shitpost-alpha/producers/analysis/rules"
)

type explainCommand struct {
	Text string `arg:"" help:"The post's text, in quotes."`
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
	one  sync.Mutex // held for a draft: several analyzers show theirs
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
	p.one.Lock()
	defer p.one.Unlock()
	if p.json {
		p.encode(struct {
			Kind       event.Kind `json:"kind"`
			PostID     string     `json:"post_id"`
			Published  time.Time  `json:"published_at"`
			Reason     string     `json:"reason,omitempty"`
			Assets     []call     `json:"assets"`
			Confidence *float64   `json:"confidence,omitempty"`
			Thesis     string     `json:"thesis,omitempty"`
			Model      string     `json:"model,omitempty"`
			CostMicros *int64     `json:"cost_micros,omitempty"` // expected, of a paid model
		}{d.Kind, d.PostID, d.PublishedAt, d.BypassReason + d.FailureClass, callsOf(d.Assets), d.Confidence, d.Thesis, d.Model, d.CostMicros})
		return
	}
	what := d.BypassReason + d.FailureClass
	if d.Confidence != nil {
		var calls []string
		for _, a := range d.Assets {
			calls = append(calls, a.Symbol+" "+a.Sentiment)
		}
		what = fmt.Sprintf("%.2f %s", *d.Confidence, strings.Join(calls, ", "))
	} else if d.CostMicros != nil {
		what = fmt.Sprintf("not asked: %s would take some %d tokens and %s", d.Model, *d.TokensIn+*d.TokensOut, dollars(*d.CostMicros))
	}
	p.printf("%s  %s  %s  %s\n", d.PublishedAt.Format(time.RFC3339), d.PostID, d.Kind, what)
}

func dollars(micros int64) string { return fmt.Sprintf("$%.4f", float64(micros)/1e6) }

// report prints the summary of a run.
func (p *printer) report(r analysis.Report, dry bool) {
	if p.json {
		p.encode(r)
		return
	}
	p.printf("analyzer      %s\n", r.Config)
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
	for class, n := range r.Run.Failed {
		p.printf("  failed      %d %s\n", n, class)
	}
	if r.Run.CostMicros > 0 {
		p.printf("  cost        %s\n", dollars(r.Run.CostMicros))
	}
}

// forecast prints an estimate, and how many days it takes with the daily budget.
func (p *printer) forecast(f analysis.Forecast, budgetMicros int64) {
	days := int64(0)
	if budgetMicros > 0 {
		days = (f.Estimate.CostMicros + budgetMicros - 1) / budgetMicros
	}
	if p.json {
		p.encode(struct {
			analysis.Forecast
			Days int64 `json:"days"`
		}{f, days})
		return
	}
	p.printf("analyzer      %s\nopen          %d\n  bypassed    %d\n  to be asked %d\n", f.Config, f.Open, f.Bypassed, f.Asked)
	p.printf("tokens        %d in, %d out\ncost          %s, at most %s\n", f.Estimate.TokensIn, f.Estimate.TokensOut,
		dollars(f.Estimate.CostMicros), dollars(f.Estimate.MaxCostMicros))
	p.printf("spent today   %s\nat the daily %s that is %d days\n", dollars(f.SpentMicros), dollars(budgetMicros), days)
}

func total(counts map[string]int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}

package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"shitpost-alpha/lake/cli"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/producers"
	"shitpost-alpha/producers/analysis"
)

type requeueCommand struct {
	Posts []string `arg:"" optional:"" name:"post" help:"Ids of posts that were given up."`
	Class string   `placeholder:"CLASS" help:"All that were given up with this class: rate_limited, timeout, server, refused or bad_output."`
	All   bool     `help:"All that were given up."`
}

// deadLetters lists the posts that were given up.
func (g *grammar) deadLetters(ctx context.Context, out *printer) error {
	l, err := g.openLake(ctx, true, nil)
	if err != nil {
		return err
	}
	letters, err := analysis.DeadLetters(ctx, l)
	if err != nil {
		return err
	}
	out.letters(letters)
	if !g.JSON {
		out.printf("%d dead letters\n", len(letters))
	}
	return nil
}

// requeue has dead letters tried anew.
func (g *grammar) requeue(ctx context.Context, out *printer) error {
	c := &g.Requeue
	var p producers.Problems
	ways := 0
	for _, used := range []bool{len(c.Posts) > 0, c.Class != "", c.All} {
		if used {
			ways++
		}
	}
	p.Require(ways == 1, "requeue: name posts, or --class, or --all")
	classes := []string{string(analysis.RateLimited), string(analysis.Timeout), string(analysis.Server), string(analysis.Refused), string(analysis.BadOutput)}
	p.Require(c.Class == "" || slices.Contains(classes, c.Class), "requeue --class %q: there are %s", c.Class, strings.Join(classes, ", "))
	if err := p.Err(cli.ErrUsage); err != nil {
		return err
	}
	l, err := g.openLake(ctx, g.DryRun, nil)
	if err != nil {
		return err
	}
	chosen, err := analysis.Requeue(ctx, l, func(d analysis.DeadLetter) bool {
		return c.All || c.Class != "" && string(d.Class) == c.Class || slices.Contains(c.Posts, d.PostID)
	}, g.DryRun, time.Now)
	if err != nil {
		return err
	}
	out.letters(chosen)
	if !g.JSON {
		verb := "re-queued"
		if g.DryRun {
			verb = "would be re-queued, nothing written"
		}
		out.printf("%d %s\n", len(chosen), verb)
	}
	var missing []string
	for _, id := range c.Posts {
		if !slices.ContainsFunc(chosen, func(d analysis.DeadLetter) bool { return d.PostID == id }) {
			missing = append(missing, id)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("requeue: no dead letter for %s: see analyzer dead-letters", strings.Join(missing, ", "))
	}
	return nil
}

// letters prints a line for each dead letter.
func (p *printer) letters(letters []analysis.DeadLetter) {
	if p.json {
		for _, d := range letters {
			p.encode(d)
		}
		return
	}
	for _, d := range letters {
		p.printf("%s  %s  %s  %d attempts  %s  %.120s\n", d.At.Format(time.RFC3339), d.PostID, d.Class, d.Attempts, d.Config, d.Message)
	}
}

type compareCommand struct {
	Models []string `placeholder:"MODEL" help:"Models to show, by name: gpt-4.1-mini,lexicon-1. Default: all that have an analysis."`
	Posts  []string `arg:"" name:"post" help:"Ids of posts."`
}

// compare prints what the models made of posts, side by side.
func (g *grammar) compare(ctx context.Context, out *printer) error {
	l, err := g.openLake(ctx, true, nil)
	if err != nil {
		return err
	}
	all, err := analysis.Compare(ctx, l, g.Compare.Posts)
	if err != nil {
		return err
	}
	for _, c := range all {
		if len(g.Compare.Models) > 0 {
			c.Analyses = chosenModels(c.Analyses, g.Compare.Models)
		}
		if g.JSON {
			out.encode(comparisonOf(c))
			continue
		}
		out.comparison(c)
	}
	return nil
}

// chosenModels returns the analyses by the models, in their order; a model without one stands there
// with its name alone.
func chosenModels(all []event.Prediction, models []string) []event.Prediction {
	var chosen []event.Prediction
	for _, model := range models {
		n := len(chosen)
		for _, e := range all {
			if e.Model == model {
				chosen = append(chosen, e)
			}
		}
		if n == len(chosen) {
			chosen = append(chosen, event.Prediction{Model: model})
		}
	}
	return chosen
}

// comparisonJSON is a comparison as one JSON object.
type comparisonJSON struct {
	PostID   string         `json:"post_id"`
	Text     string         `json:"text"`
	Bypass   string         `json:"bypass,omitempty"`
	Analyses []analysisJSON `json:"analyses"`
}

type analysisJSON struct {
	Model      string   `json:"model"`
	Config     string   `json:"config,omitempty"`
	Status     string   `json:"status"`
	Confidence *float64 `json:"confidence,omitempty"`
	Assets     []call   `json:"assets"`
	Thesis     string   `json:"thesis,omitempty"`
	CostMicros *int64   `json:"cost_micros,omitempty"`
	LatencyMS  *int64   `json:"latency_ms,omitempty"`
}

func comparisonOf(c analysis.Comparison) comparisonJSON {
	out := comparisonJSON{PostID: c.PostID, Text: c.Text, Bypass: c.Bypass, Analyses: []analysisJSON{}}
	for _, e := range c.Analyses {
		a := analysisJSON{Model: e.Model, Status: "not analysed", Confidence: e.Confidence, Assets: callsOf(e.Assets), Thesis: e.Thesis,
			CostMicros: e.CostMicros, LatencyMS: e.LatencyMS}
		switch e.Kind {
		case event.PredictionMade:
			a.Status = "completed"
		case event.AnalysisFailed:
			a.Status = fmt.Sprintf("failed: %s, attempt %d", e.FailureClass, e.Attempt)
		}
		if e.Kind != "" {
			a.Config = analysis.Config{Analyzer: e.Analyzer, Provider: e.Provider, Model: e.Model, PromptVersion: e.PromptVersion}.String()
		}
		out.Analyses = append(out.Analyses, a)
	}
	return out
}

// comparison prints one column per model.
func (p *printer) comparison(c analysis.Comparison) {
	out := comparisonOf(c)
	text := strings.Join(strings.Fields(c.Text), " ")
	if c.Text == "" {
		text = "(unknown, withdrawn or without text)"
	}
	p.printf("post %s: %.300s\n", c.PostID, text)
	if c.Bypass != "" {
		p.printf("bypassed: %s\n", c.Bypass)
	}
	if len(out.Analyses) == 0 {
		p.printf("no analysis\n\n")
		return
	}
	t := tabwriter.NewWriter(p.w, 0, 0, 2, ' ', 0)
	row := func(name string, cell func(a analysisJSON) string) {
		fmt.Fprint(t, name)
		for _, a := range out.Analyses {
			fmt.Fprintf(t, "\t%s", cell(a))
		}
		fmt.Fprintln(t)
	}
	row("model", func(a analysisJSON) string { return a.Model })
	row("status", func(a analysisJSON) string { return a.Status })
	row("confidence", func(a analysisJSON) string { return shown("%.2f", a.Confidence) })
	for i := range analysis.MaxAssets {
		name, any := "", false
		for _, a := range out.Analyses {
			any = any || i < len(a.Assets)
		}
		if !any {
			break
		}
		if i == 0 {
			name = "assets"
		}
		row(name, func(a analysisJSON) string {
			if i >= len(a.Assets) {
				return ""
			}
			return a.Assets[i].Symbol + " " + a.Assets[i].Sentiment
		})
	}
	row("cost", func(a analysisJSON) string {
		if a.CostMicros == nil {
			return ""
		}
		return dollars(*a.CostMicros)
	})
	row("latency ms", func(a analysisJSON) string { return shown("%d", a.LatencyMS) })
	if err := t.Flush(); err != nil && p.err == nil {
		p.err = err
	}
	for _, a := range out.Analyses {
		if a.Thesis != "" {
			p.printf("%s: %s\n", a.Model, a.Thesis)
		}
	}
	p.printf("\n")
}

// shown formats a value that may be missing.
func shown[T any](format string, v *T) string {
	if v == nil {
		return ""
	}
	return fmt.Sprintf(format, *v)
}

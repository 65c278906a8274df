package analysis_test

import (
	"strings"
	"testing"
	"time"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/producers/analysis"
	"shitpost-alpha/producers/analysis/rules"
)

// BenchmarkRules has the rules analyse 10,000 posts as a service does: read them from the lake, judge
// them, append the verdicts.
func BenchmarkRules(b *testing.B) {
	const n = 10_000
	var drafts []event.Post
	for i := range n {
		drafts = append(drafts, post(i, "archive:x", strings.Repeat("We had a GREAT call with Boeing about Tariffs on China, and the Stock Market is booming! ", 1+i%4)+idAt(i)))
	}
	model, err := rules.New()
	if err != nil {
		b.Fatal(err)
	}
	var total time.Duration
	for b.Loop() {
		b.StopTimer()
		empty := newFixture(b)
		empty.addPosts(drafts...)
		l, err := lake.Open(b.Context(), empty.url, lake.Options{Producer: "test@1"})
		if err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		began := time.Now()
		a := analysis.New(l, analysis.Options{Model: model, Config: model.Config(), Backfill: true, Now: time.Now, Log: quiet()})
		if appended, err := a.Step(b.Context()); err != nil || appended != n {
			b.Fatalf("appended %d, %v", appended, err)
		}
		total += time.Since(began)
	}
	b.ReportMetric(n*float64(b.N)/total.Seconds(), "posts/s")
}

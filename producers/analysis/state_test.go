package analysis

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"shitpost-alpha/lake/event"
)

const somePost = "114270398531479278"

func observed(source string, minute int, text string) event.Post {
	at, _ := event.PublishedAt(somePost)
	e := event.Post{Envelope: event.Envelope{Kind: event.PostObserved, Key: somePost, Source: source, OccurredAt: at,
		RecordedAt: at.Add(time.Duration(minute) * time.Minute)}, PostID: somePost, PublishedAt: at, Text: text, TextMissing: text == ""}
	event.Seal(&e, "")
	return e
}

func TestCurrentRendering(t *testing.T) {
	deleted := observed("truthsocial", 9, "")
	deleted.Kind = event.PostDeleted
	redacted := observed("archive:a", 1, "")
	redacted.Kind = event.PostRedacted
	for name, c := range map[string]struct {
		events []event.Post
		want   string
	}{
		"newest version of a source":    {[]event.Post{observed("archive:a", 2, "new"), observed("archive:a", 1, "old")}, "new"},
		"first family":                  {[]event.Post{observed("simulator", 5, "five"), observed("legacy-s3", 4, "four"), observed("archive:z", 3, "three"), observed("truthsocial", 2, "two"), observed("scrapecreators", 1, "one")}, "one"},
		"archive before legacy":         {[]event.Post{observed("legacy-s3", 4, "four"), observed("archive:z", 3, "three")}, "three"},
		"unknown family last":           {[]event.Post{observed("csv:a", 4, "csv"), observed("simulator", 3, "simulator")}, "simulator"},
		"with text before without":      {[]event.Post{observed("archive:a", 1, ""), observed("archive:b", 1, "text")}, "text"},
		"then by name":                  {[]event.Post{observed("archive:b", 2, "b"), observed("archive:a", 1, "a")}, "a"},
		"family comes before text":      {[]event.Post{observed("legacy-s3", 2, "b"), observed("archive:a", 1, "")}, ""},
		"deleted":                       {[]event.Post{observed("truthsocial", 1, "x"), deleted}, "none"},
		"deleted at one of the sources": {[]event.Post{observed("archive:a", 20, "x"), deleted}, "none"},
		"seen again":                    {[]event.Post{deleted, observed("truthsocial", 10, "again")}, "again"},
		"redacted":                      {[]event.Post{redacted, observed("archive:a", 2, "x")}, "none"},
		"redacted for good":             {[]event.Post{observed("archive:a", 2, "x"), redacted, observed("archive:b", 3, "y")}, "none"},
	} {
		t.Run(name, func(t *testing.T) {
			// The order of events must not matter, nor that one comes twice.
			rapid.Check(t, func(rt *rapid.T) {
				v := newPostsView(LaunchDate())
				for _, e := range append(rapid.Permutation(c.events).Draw(rt, "order"), c.events[0]) {
					v.Apply(&e)
				}
				got := "none"
				if r, ok := v.byID[somePost].current(); ok {
					got = r.text
				}
				if got != c.want {
					rt.Fatalf("current text %q, want %q", got, c.want)
				}
			})
		})
	}
}

// TestPredictionsViewIgnoresOrder: whatever order a stream's events come in, and however often, the
// verdict is the same.
func TestPredictionsViewIgnoresOrder(t *testing.T) {
	config := Config{Analyzer: "llm", Provider: "p", Model: "m", PromptVersion: "v"}
	at, _ := event.PublishedAt(somePost)
	made := func(kind event.Kind, n int, c Config) event.Prediction {
		e := event.Prediction{Envelope: event.Envelope{Kind: kind, Key: c.PredictionID(somePost), Source: "llm", RecordedAt: at.Add(time.Duration(n) * time.Hour),
			EventID: fmt.Sprint("event", n)}, PostID: somePost, Analyzer: c.Analyzer, Provider: c.Provider, Model: c.Model, PromptVersion: c.PromptVersion}
		e.Terminal = kind == event.AnalysisFailed && n >= 5
		return e
	}
	other := Config{Analyzer: "rules"}
	requeue := made(event.AnalysisRequeued, 6, config)
	requeue.Requeues = []string{"event1", "event2", "event5"}
	bypass := made(event.PostBypassed, 3, Config{})
	bypass.RulesVersion = RulesVersion
	for name, c := range map[string]struct {
		events   []event.Prediction
		want     verdict
		attempts int
		firstUse int
	}{
		"nothing of ours":      {[]event.Prediction{made(event.PredictionMade, 1, other)}, open, 0, 0},
		"made":                 {[]event.Prediction{made(event.AnalysisFailed, 1, config), made(event.PredictionMade, 2, config)}, completed, 1, 1},
		"failed":               {[]event.Prediction{made(event.AnalysisFailed, 2, config), made(event.AnalysisFailed, 4, config)}, open, 2, 2},
		"given up":             {[]event.Prediction{made(event.AnalysisFailed, 2, config), made(event.AnalysisFailed, 5, config)}, failed, 2, 2},
		"re-queued":            {[]event.Prediction{made(event.AnalysisFailed, 2, config), made(event.AnalysisFailed, 5, config), requeue}, open, 0, 2},
		"re-queued and failed": {[]event.Prediction{made(event.AnalysisFailed, 2, config), made(event.AnalysisFailed, 5, config), requeue, made(event.AnalysisFailed, 4, config)}, open, 1, 2},
		"bypassed":             {[]event.Prediction{bypass, made(event.PredictionMade, 1, other)}, bypassed, 0, 3},
	} {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				v := newPredictionsView(config, false, at)
				for _, e := range append(rapid.Permutation(c.events).Draw(rt, "order"), c.events[0]) {
					v.Apply(&e)
				}
				n, _ := v.attempts(somePost)
				first := time.Time{}
				if c.firstUse > 0 {
					first = at.Add(time.Duration(c.firstUse) * time.Hour)
				}
				if v.verdict(somePost) != c.want || n != c.attempts || !v.firstUse.Equal(first) {
					rt.Fatalf("verdict %d after %d attempts, first use %v; want %d, %d, %v", v.verdict(somePost), n, v.firstUse, c.want, c.attempts, first)
				}
			})
		})
	}
}

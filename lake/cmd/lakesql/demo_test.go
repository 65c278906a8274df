package main

import (
	"slices"
	"testing"
	"time"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/market"
	"shitpost-alpha/producers/analysis"
	"shitpost-alpha/producers/analysis/rules"
	"shitpost-alpha/producers/posts"
	postsim "shitpost-alpha/producers/posts/simulator"
	"shitpost-alpha/producers/prices"
	pricesim "shitpost-alpha/producers/prices/simulator"
)

// demoLake runs the simulators into a lake, and records besides what they do not do: edits, a second
// source, deletions, a redaction, retractions, failures with and without a requeue, corrected bars.
func demoLake(t testing.TB, url string) *lake.Lake {
	t.Helper()
	l, err := lake.Open(t.Context(), url, lake.Options{Producer: "test@1"})
	if err != nil {
		t.Fatal(err)
	}
	now := func() time.Time { return time.Date(2026, 3, 20, 22, 0, 0, 0, time.UTC) }
	cal := market.NYSE()
	model, err := rules.New()
	if err != nil {
		t.Fatal(err)
	}
	from := now().AddDate(0, 0, -45)
	h := posts.New(l.Posts, &postsim.Source{Seed: 7, From: from, Now: now})
	h.Now = now
	if _, err := h.Step(t.Context()); err != nil {
		t.Fatal(err)
	}
	a := analysis.New(l, analysis.Options{Model: model, Config: model.Config(), Since: from, Backfill: true, Now: now})
	for {
		n, err := a.Step(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			break
		}
	}
	p := prices.New(prices.Config{Lake: l, Calendar: cal, Sources: []prices.Source{pricesim.New(7, cal, now)}, Now: now})
	if _, err := p.Step(t.Context()); err != nil {
		t.Fatal(err)
	}
	special(t, l)
	return l
}

// special records what the simulators do not do.
func special(t testing.TB, l *lake.Lake) {
	t.Helper()
	snap, err := l.Posts.Snapshot(t.Context(), -1)
	if err != nil {
		t.Fatal(err)
	}
	var known []event.Post // posts with a text that were never edited, and are not yet
	versions := map[string]int{}
	for events, err := range snap.Batches(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if versions[e.PostID]++; e.Kind == event.PostObserved && e.Text != "" {
				known = append(known, e)
			}
		}
	}
	known = slices.DeleteFunc(known, func(e event.Post) bool { return versions[e.PostID] > 1 })
	post := func(i int, kind event.Kind, source, text string) event.Post {
		k := known[i]
		e := event.Post{Envelope: event.Envelope{Kind: kind, Key: k.PostID, Source: source, OccurredAt: k.PublishedAt}, PostID: k.PostID}
		if kind == event.PostObserved {
			e.PublishedAt, e.Text, e.URL = k.PublishedAt, text, "https://example.org/"+k.PostID
			e.MediaURLs, e.Tags, e.CardTitle = []string{"m1", "m2"}, []string{"tag"}, "card"
		} else {
			e.OccurredAt = k.PublishedAt.Add(time.Duration(i) * time.Hour)
		}
		return e
	}
	r := lake.NewRecorder(l.Posts, nil)
	record(t, r, post(0, event.PostObserved, "simulator", "edited once"), post(1, event.PostObserved, "archive:b.csv", "of the archive"),
		post(2, event.PostObserved, "truthsocial", "first"), post(3, event.PostObserved, "archive:a.csv", "to be redacted"),
		post(4, event.PostObserved, "scrapecreators", "RT: https://truthsocial.com/@x/113796110000000000"),
		post(5, event.PostObserved, "scrapecreators", "\u200b RT: https://truthsocial.com/@x/113796110000000000 own words"),
		post(6, event.PostObserved, "scrapecreators", "RTX is up"), post(7, event.PostObserved, "scrapecreators", " RT @you: yes "),
		post(8, event.PostObserved, "stranger", "not better"), post(9, event.PostObserved, "archive:a.csv", "wrong, retracted"))
	empty := post(1, event.PostObserved, "archive:a.csv", "")
	empty.TextMissing = true
	record(t, r, empty, post(0, event.PostObserved, "simulator", "edited twice"), post(2, event.PostObserved, "truthsocial", "second"),
		post(2, event.PostDeleted, "truthsocial", ""), post(3, event.PostRedacted, "operator", ""), post(6, event.PostDeleted, "simulator", ""))
	record(t, r, post(2, event.PostObserved, "truthsocial", "first")) // seen again, and back to the first text
	retractLast(t, l.Posts, func(e *event.Post) bool { return e.Text == "wrong, retracted" })

	prediction := func(i int, kind event.Kind, attempt int32, terminal bool) event.Prediction {
		id := event.PredictionID(known[i].PostID, "llm", "openai", "m", "v1")
		e := event.Prediction{Envelope: event.Envelope{Kind: kind, Key: id, Source: "llm", OccurredAt: known[i].PublishedAt.Add(time.Minute)}, PredictionID: id,
			PostID: known[i].PostID, PublishedAt: known[i].PublishedAt, Analyzer: "llm", Provider: "openai", Model: "m", PromptVersion: "v1"}
		if kind == event.AnalysisFailed {
			e.FailureClass, e.FailureMessage, e.Attempt, e.Terminal = "timeout", "no answer", attempt, terminal
		}
		if kind == event.PredictionMade {
			conf, cost := 0.9, int64(1200)
			e.Confidence, e.CostMicros, e.Assets = &conf, &cost, []event.Asset{{Symbol: "SPY", Sentiment: event.Bearish}, {Symbol: "AAPL"}}
		}
		return e
	}
	pr := lake.NewRecorder(l.Predictions, nil)
	record(t, pr, prediction(0, event.AnalysisFailed, 1, false), prediction(1, event.AnalysisFailed, 5, true), prediction(2, event.AnalysisFailed, 5, true),
		prediction(3, event.PredictionMade, 0, false))
	again := prediction(2, event.AnalysisRequeued, 0, false)
	again.Requeues = []string{eventID(t, l.Predictions, func(e *event.Prediction) bool { return e.PostID == known[2].PostID && e.Kind == event.AnalysisFailed })}
	record(t, pr, again, prediction(0, event.PredictionMade, 0, false))
	second := prediction(3, event.PredictionMade, 0, false)
	second.Thesis = "a second answer, which does not count"
	record(t, pr, second)

	bar := firstBar(t, l)
	higher := *bar.Close * 1.5
	bar.Close, bar.High = &higher, &higher
	record(t, lake.NewRecorder(l.Prices, nil), bar)
}

func firstBar(t testing.TB, l *lake.Lake) event.Price {
	t.Helper()
	var found *event.Price
	eventID(t, l.Prices, func(e *event.Price) bool {
		if e.Kind != event.BarRecorded || e.Symbol != "SPY" || found != nil && found.EventID < e.EventID {
			return false
		}
		found = e
		return true
	})
	if found == nil {
		t.Fatal("no bar of SPY")
	}
	return *found
}

// eventID returns the id of the last event that f accepts.
func eventID[E event.Event](t testing.TB, s *lake.Stream[E], f func(*E) bool) (id string) {
	t.Helper()
	snap, err := s.Snapshot(t.Context(), -1)
	if err != nil {
		t.Fatal(err)
	}
	for events, err := range snap.Batches(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		for i := range events {
			if f(&events[i]) {
				id = event.EnvelopeOf(&events[i]).EventID
			}
		}
	}
	if id == "" {
		t.Fatal("no such event")
	}
	return id
}

func retractLast(t testing.TB, s *lake.Stream[event.Post], f func(*event.Post) bool) {
	t.Helper()
	wrong := event.Post{Envelope: event.Envelope{Kind: event.Retracted, Key: "wrong", Source: "operator", OccurredAt: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)}}
	wrong.RetractedEvents = []string{eventID(t, s, f)}
	record(t, lake.NewRecorder(s, nil), wrong)
}

func record[E event.Event](t testing.TB, r *lake.Recorder[E], drafts ...E) {
	t.Helper()
	if n, err := r.Record(t.Context(), func() ([]E, error) { return drafts, nil }); err != nil || n != len(drafts) {
		t.Fatalf("record: %d, %v", n, err)
	}
}

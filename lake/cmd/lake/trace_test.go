package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/cli"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/market"
)

// record appends drafts and returns the events as they were recorded.
func record[E event.Event](t *testing.T, s *lake.Stream[E], drafts ...E) []E {
	t.Helper()
	for i := range drafts {
		event.Seal(&drafts[i], "")
	}
	head, err := s.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(t.Context(), head, drafts); err != nil {
		t.Fatal(err)
	}
	return drafts
}

func barOf(symbol, source, fetch string, date event.Date, closing float64, cause string, fetched time.Time) event.Price {
	_, closes := market.NYSE().Bar(symbol, date)
	opening, high, low := closing-1, closing+2, closing-2
	return event.Price{Envelope: event.Envelope{Kind: event.BarRecorded, Key: symbol, Source: source, OccurredAt: closes, CausationID: cause}, Symbol: symbol, SessionDate: date,
		Interval: "1d", Open: &opening, High: &high, Low: &low, Close: &closing, Currency: "USD", Adjustment: event.AdjustedSplit, AdjustedThrough: date, FetchID: fetch, FetchedAt: fetched}
}

// A post of Wednesday 2025-04-02 after the close: its chain, with an edit, a failed attempt, a call, two
// price requests of which the later corrects a bar, and one that another prediction caused.
func TestTrace(t *testing.T) {
	folder := t.TempDir()
	l, err := lake.Open(t.Context(), folder, lake.Options{Producer: "test@1"})
	if err != nil {
		t.Fatal(err)
	}
	const id = "114270426152960000"
	at, err := event.PublishedAt(id)
	if err != nil {
		t.Fatal(err)
	}
	post := func(text string) event.Post {
		return event.Post{Envelope: event.Envelope{Kind: event.PostObserved, Key: id, Source: "truthsocial", OccurredAt: at}, PostID: id, PublishedAt: at, Text: text}
	}
	first := record(t, l.Posts, post("Liberation day"))[0]
	record(t, l.Posts, post("Liberation day!"))
	confidence := 0.8
	prediction := func(kind event.Kind, source string) event.Prediction {
		return event.Prediction{Envelope: event.Envelope{Kind: kind, Key: event.Hash(id), Source: source, OccurredAt: at.Add(time.Minute), CausationID: first.EventID},
			PredictionID: event.Hash(id), PostID: id, PublishedAt: at, Analyzer: "llm", Provider: "fake", Model: "m", PromptVersion: "v1"}
	}
	failed := prediction(event.AnalysisFailed, "llm")
	failed.FailureClass, failed.FailureMessage, failed.Attempt = "timeout", "no answer in 60s", 1
	made := prediction(event.PredictionMade, "llm")
	made.Confidence, made.Thesis, made.Assets = &confidence, "bad for chips", []event.Asset{{Symbol: "NVDA", Sentiment: event.Bearish}}
	record(t, l.Predictions, failed)
	made = record(t, l.Predictions, made)[0]
	day := event.DateOf(at)
	next := day + 1
	record(t, l.Prices,
		barOf("NVDA", "yahoo", "yahoo@1", day, 110, made.EventID, at), barOf("NVDA", "yahoo", "yahoo@2", next, 107, made.EventID, at.Add(24*time.Hour)),
		barOf("SPY", "yahoo", "yahoo@0", day, 560, "another", at), barOf("AMD", "yahoo", "yahoo@3", day, 90, "another", at))
	corrected := record(t, l.Prices, barOf("NVDA", "yahoo", "yahoo@4", next, 102, made.EventID, at.Add(48*time.Hour)))[0]

	call := func(args ...string) (string, error) {
		var out, errs bytes.Buffer
		err := run(t.Context(), append([]string{"--lake", folder}, args...), &out, &errs)
		return out.String(), err
	}
	text, err := call("trace", id)
	for _, want := range []string{"post_observed", first.EventID, `"Liberation day!"`, "analysis_failed", "no answer in 60s", "prediction_made", "llm fake/m v1", "NVDA bearish",
		"asked yahoo", "because of this call", "because of another", "(no bar)", "102 [yahoo " + corrected.EventID[:8] + "]", "of " + first.EventID} {
		if err != nil || !strings.Contains(text, want) {
			t.Errorf("the trace lacks %q, %v:\n%s", want, err, text)
		}
	}
	if strings.Contains(text, "AMD") || strings.Contains(text, "107 [") {
		t.Errorf("what is another's or was corrected is in the trace:\n%s", text)
	}
	checkTraceJSON(t, call, id, first.EventID, corrected.EventID)
	if _, err := call("trace", "114270426152960001"); err == nil || !strings.Contains(err.Error(), "no such post") {
		t.Errorf("an unknown post: %v", err)
	}
	if _, err := call("trace", "x"); !errors.Is(err, cli.ErrUsage) {
		t.Errorf("no id: %v", err)
	}
}

// checkTraceJSON looks at the chain of TestTrace as a script does.
func checkTraceJSON(t *testing.T, call func(...string) (string, error), id, first, corrected string) {
	t.Helper()
	day, next := event.NewDate(2025, 4, 2), event.NewDate(2025, 4, 3)
	out, err := call("--json", "trace", id)
	var got trace
	if err != nil || json.Unmarshal([]byte(out), &got) != nil || len(got.Versions) != 2 || len(got.Analyses) != 2 || len(got.Analyses[1].Calls) != 1 {
		t.Fatalf("%v\n%s", err, out)
	}
	c := got.Analyses[1].Calls[0]
	if len(c.Inputs) != 12 || len(c.Requests) != 4 || got.Analyses[1].CausationID != first {
		t.Errorf("%d inputs, %d requests, caused by %s", len(c.Inputs), len(c.Requests), got.Analyses[1].CausationID)
	}
	for _, r := range c.Requests {
		if r.Own != (r.Symbol == "NVDA") {
			t.Errorf("request %+v", r)
		}
	}
	for _, in := range c.Inputs {
		if in.Basis == market.PriorClose && in.Horizon == 1 && (in.Base != day || in.Target != next || len(in.BaseBars) != 1 || in.TargetBars[0].EventID != corrected || len(in.BenchmarkBase) != 1 || len(in.BenchmarkTarget) != 0) {
			t.Errorf("T+1 of prior_close: %+v", in)
		}
	}
}

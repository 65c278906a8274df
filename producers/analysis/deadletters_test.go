package analysis_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/producers/analysis"
)

func TestDeadLettersAndRequeue(t *testing.T) {
	f := newFixture(t)
	f.somePosts(3)
	classes := map[string]analysis.Class{idAt(0): analysis.BadOutput, idAt(1): analysis.Refused}
	ill := true
	m := modelFunc(func(in analysis.Input) (analysis.Answer, error) {
		if class, ok := classes[in.PostID]; ok && ill {
			return analysis.Answer{}, &analysis.Failure{Class: class, Err: fmt.Errorf("no\x00 \x1b[31m%s\n", strings.Repeat("x", 5000))}
		}
		return fixedModel(in)
	})
	a := f.analyzer(m)
	for range analysis.MaxAttempts {
		if _, err := a.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	letters, err := analysis.DeadLetters(t.Context(), f.open())
	if err != nil || len(letters) != 2 || letters[0].PostID != idAt(0) || letters[0].Class != analysis.BadOutput || letters[0].Attempts != 5 || letters[1].Config != config("1") {
		t.Fatalf("%+v, %v", letters, err)
	}
	if m := letters[0].Message; strings.ContainsAny(m, "\x00\x1b\n") || len(m) > 1000 || !strings.HasPrefix(m, "no") {
		t.Errorf("message %q", m)
	}
	requeue := func(class analysis.Class, dry bool) int {
		t.Helper()
		chosen, err := analysis.Requeue(t.Context(), f.open(), func(d analysis.DeadLetter) bool { return d.Class == class }, dry, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		return len(chosen)
	}
	before := f.summary()
	if n := requeue(analysis.Refused, true); n != 1 || f.summary() != before {
		t.Errorf("a dry run re-queued %d", n)
	}
	if n := requeue(analysis.Refused, false); n != 1 {
		t.Errorf("%d re-queued, want 1", n)
	}
	if n := requeue(analysis.Refused, false); n != 0 {
		t.Errorf("%d re-queued again, want 0", n)
	}
	e := f.predictions()
	if r := e[len(e)-1]; r.Kind != event.AnalysisRequeued || len(r.Requeues) != 5 || r.CausationID != r.Requeues[4] || r.Model != "fixed" {
		t.Errorf("%+v", r)
	}
	ill = false
	f.step(a, 1)
	if letters, err := analysis.DeadLetters(t.Context(), f.open()); err != nil || len(letters) != 1 {
		t.Errorf("%+v, %v", letters, err)
	}
}

func TestCompare(t *testing.T) {
	f := newFixture(t)
	f.somePosts(2)
	f.addPosts(post(2, "simulator", "Wonderful evening"))
	f.step(f.analyzer(modelFunc(fixedModel)), 3)
	bad := modelFunc(func(analysis.Input) (analysis.Answer, error) {
		return analysis.Answer{}, &analysis.Failure{Class: analysis.Refused, Err: errors.New("no")}
	})
	b := f.analyzer(bad, func(o *analysis.Options) { o.Config = config("2") })
	f.step(b, 2)
	f.step(b, 2)
	all, err := analysis.Compare(t.Context(), f.open(), []string{idAt(2), idAt(0), "1"})
	if err != nil || len(all) != 3 {
		t.Fatal(all, err)
	}
	if c := all[0]; c.Bypass != analysis.InsufficientWords || len(c.Analyses) != 0 || c.Text != "Wonderful evening" {
		t.Errorf("%+v", c)
	}
	c := all[1]
	if c.Text != someText || len(c.Analyses) != 2 || c.Analyses[0].Kind != event.PredictionMade || c.Analyses[0].Payload != "" ||
		c.Analyses[1].Kind != event.AnalysisFailed || c.Analyses[1].Attempt != 2 || c.Analyses[1].PromptVersion != "2" {
		t.Errorf("%+v", c)
	}
	if c := all[2]; c.Text != "" || len(c.Analyses) != 0 {
		t.Errorf("%+v", c)
	}
}

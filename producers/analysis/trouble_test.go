package analysis_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/producers/analysis"
	"shitpost-alpha/producers/analysis/rules"
)

func TestFailures(t *testing.T) {
	f := newFixture(t)
	f.addPosts(post(1, "simulator", someText), post(2, "simulator", "A post that works well."))
	ill := true
	model := modelFunc(func(in analysis.Input) (analysis.Answer, error) {
		if ill && in.PostID == idAt(1) {
			return analysis.Answer{}, &analysis.Failure{Class: analysis.Refused, Err: errors.New("I will not")}
		}
		return fixedModel(in)
	})
	a := f.analyzer(model)
	f.step(a, 2)
	for range 4 { // a restart does not lose count
		f.step(f.analyzer(model), 1)
	}
	all := "failed 1 refused 1 false, made 2, failed 1 refused 2 false, failed 1 refused 3 false, failed 1 refused 4 false, failed 1 refused 5 true, "
	f.want(all)
	f.step(a, 0)
	if r := a.Report(); r.Failed != 1 || r.Completed != 1 || r.Open != 0 || r.Run.Failed["refused"] != 1 {
		t.Errorf("report %+v", r)
	}
	// A requeue cancels the failures, and the post is tried anew.
	requeue := event.Prediction{Envelope: event.Envelope{Kind: event.AnalysisRequeued, Key: config("1").PredictionID(idAt(1)), Source: "operator", OccurredAt: launch()},
		PredictionID: config("1").PredictionID(idAt(1)), PostID: idAt(1), PublishedAt: launch()}
	for _, e := range f.predictions() {
		if e.Kind == event.AnalysisFailed {
			requeue.Requeues = append(requeue.Requeues, e.EventID)
		}
	}
	f.addPredictions(requeue)
	ill = false
	f.step(a, 1)
	f.want(all + "analysis_requeued, made 1, ")
	if e := f.predictions(); e[len(e)-1].Attempt != 1 {
		t.Errorf("attempt %d after the requeue, want 1", e[len(e)-1].Attempt)
	}
}

func TestBadAnswersFail(t *testing.T) {
	for name, answer := range map[string]analysis.Answer{
		"confidence above 1": {Confidence: 1.5},
		"sentiment":          {Confidence: 0.5, Assets: []event.Asset{{Symbol: "AAPL", Sentiment: "good"}}},
		"too many":           {Confidence: 0.5, Assets: make([]event.Asset, 11)},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.addPosts(post(1, "simulator", someText))
			answer.Raw = []byte("as it came")
			a := f.analyzer(modelFunc(func(analysis.Input) (analysis.Answer, error) { return answer, nil }))
			f.step(a, 1)
			f.want("failed 1 bad_output 1 false, ")
			if e := f.predictions()[0]; e.Payload != "as it came" || e.FailureMessage == "" {
				t.Errorf("the bad answer is not kept: %+v", e)
			}
		})
	}
}

// TestServiceTroubleCostsNoAttempt: without a key or a budget the work stops, the posts stay.
func TestServiceTroubleCostsNoAttempt(t *testing.T) {
	for _, class := range []analysis.Class{analysis.Auth, analysis.Budget} {
		f := newFixture(t)
		f.addPosts(post(1, "simulator", "Wonderful evening"), post(2, "simulator", someText), post(3, "simulator", someText))
		asked := 0
		a := f.analyzer(modelFunc(func(analysis.Input) (analysis.Answer, error) {
			asked++
			return analysis.Answer{}, &analysis.Failure{Class: class, Err: errors.New("no")}
		}))
		if n, err := a.Step(t.Context()); n != 1 || err == nil || asked != 1 {
			t.Errorf("%s: step appended %d, asked %d times, error %v", class, n, asked, err)
		}
		f.want("bypassed 1 Insufficient words, ")
	}
}

func TestOtherErrorsAreClassified(t *testing.T) {
	f := newFixture(t)
	f.addPosts(post(1, "simulator", someText), post(2, "simulator", someText))
	a := f.analyzer(modelFunc(func(in analysis.Input) (analysis.Answer, error) {
		if in.PostID == idAt(1) {
			return analysis.Answer{}, fmt.Errorf("read answer: %w", context.DeadlineExceeded)
		}
		return analysis.Answer{}, io.ErrUnexpectedEOF
	}))
	f.step(a, 2)
	f.want("failed 1 timeout 1 false, failed 2 server 1 false, ")
}

// TestCrash stops the service after every number of answers; another one finishes the work, and
// the lake says the same as without a crash.
func TestCrash(t *testing.T) {
	for kill := 1; kill <= 6; kill++ {
		f := newFixture(t)
		for i := range 6 {
			f.addPosts(post(i, "simulator", someText))
		}
		ctx, cancel := context.WithCancel(t.Context())
		asked := 0
		model := modelFunc(func(in analysis.Input) (analysis.Answer, error) {
			if asked++; asked == kill {
				cancel()
				return analysis.Answer{}, context.Canceled
			}
			return fixedModel(in)
		})
		if _, err := f.analyzer(model, func(o *analysis.Options) { o.Batch = 2 }).Step(ctx); !errors.Is(err, context.Canceled) {
			t.Fatalf("killed at %d: %v", kill, err)
		}
		if _, err := f.analyzer(modelFunc(fixedModel)).Step(t.Context()); err != nil {
			t.Fatal(err)
		}
		f.want("made 0, made 1, made 2, made 3, made 4, made 5, ")
	}
}

// TestTwoAtOnce lets two services race over one lake, in small batches so that they collide.
func TestTwoAtOnce(t *testing.T) {
	f := newFixture(t)
	var posts []event.Post
	for i := range 60 {
		posts = append(posts, post(i, "simulator", []string{someText, "Wonderful evening", "The Fed must cut interest rates now!"}[i%3]))
	}
	f.addPosts(posts...)
	model, err := rules.New()
	if err != nil {
		t.Fatal(err)
	}
	var wg, both sync.WaitGroup // both: neither answers before the other has looked at the lake
	appended := make([]int, 2)
	both.Add(len(appended))
	for i := range appended {
		var once sync.Once
		waiting := modelFunc(func(in analysis.Input) (analysis.Answer, error) {
			once.Do(func() { both.Done(); both.Wait() })
			return model.Analyze(t.Context(), in)
		})
		a := f.analyzer(waiting, func(o *analysis.Options) { o.Batch, o.Config = 7, model.Config() })
		wg.Go(func() {
			n, err := a.Step(t.Context())
			if err != nil {
				t.Error(err)
			}
			appended[i] = n
			if r := a.Report(); r.InScope != 60 || r.Completed != 40 || r.Bypassed[analysis.InsufficientWords] != 20 {
				t.Errorf("report %+v", r)
			}
		})
	}
	wg.Wait()
	seen := map[string]bool{}
	for _, e := range f.predictions() {
		if seen[e.PostID] {
			t.Errorf("two verdicts on post %s", e.PostID)
		}
		seen[e.PostID] = true
	}
	if len(seen) != 60 || appended[0]+appended[1] != 60 {
		t.Errorf("%d posts have a verdict after %v events, want 60", len(seen), appended)
	}
}

// TestFasterAnalyzerWins: while the model thinks, another process answers for the same post. Its
// prediction stands and a different second one is not written.
func TestFasterAnalyzerWins(t *testing.T) {
	f := newFixture(t)
	f.addPosts(post(1, "simulator", someText), post(2, "simulator", someText))
	raced := false
	model := modelFunc(func(in analysis.Input) (analysis.Answer, error) {
		if !raced {
			raced = true
			f.step(f.analyzer(modelFunc(fixedModel)), 2)
		}
		return analysis.Answer{Confidence: 0.1, Thesis: "another opinion"}, nil
	})
	f.step(f.analyzer(model), 0)
	f.want("made 1, made 2, ")
}

package analysis_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"testing"
	"time"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/producers/analysis"
)

// launch is a time well within the default scope.
func launch() time.Time { return time.Date(2025, 4, 2, 20, 0, 0, 0, time.UTC) }

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// fixture is a lake in a folder, with a writer of posts.
type fixture struct {
	t   testing.TB
	url string
}

func newFixture(t testing.TB) *fixture { return &fixture{t: t, url: t.TempDir()} }

// open opens the lake anew, as another process would.
func (f *fixture) open() *lake.Lake {
	f.t.Helper()
	l, err := lake.Open(f.t.Context(), f.url, lake.Options{Producer: "test@1"})
	if err != nil {
		f.t.Fatal(err)
	}
	return l
}

// idAt returns the id of a post published n minutes after launch.
func idAt(n int) string {
	return strconv.FormatInt(launch().Add(time.Duration(n)*time.Minute).UnixMilli()<<16, 10)
}

// post drafts a version of the post of minute n.
func post(n int, source, text string) event.Post {
	at, _ := event.PublishedAt(idAt(n))
	return event.Post{Envelope: event.Envelope{Kind: event.PostObserved, Key: idAt(n), Source: source, OccurredAt: at},
		PostID: idAt(n), PublishedAt: at, Text: text}
}

func (f *fixture) addPosts(posts ...event.Post) {
	f.t.Helper()
	r := lake.NewRecorder(f.open().Posts, nil)
	if _, err := r.Record(f.t.Context(), func() ([]event.Post, error) { return slices.Clone(posts), nil }); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) addPredictions(drafts ...event.Prediction) {
	f.t.Helper()
	r := lake.NewRecorder(f.open().Predictions, nil)
	n, err := r.Record(f.t.Context(), func() ([]event.Prediction, error) { return slices.Clone(drafts), nil })
	if err != nil || n != len(drafts) {
		f.t.Fatalf("recorded %d of %d predictions: %v", n, len(drafts), err)
	}
}

// predictions returns all events of the stream, oldest first.
func (f *fixture) predictions() []event.Prediction {
	f.t.Helper()
	snap, err := f.open().Predictions.Snapshot(f.t.Context(), -1)
	if err != nil {
		f.t.Fatal(err)
	}
	var all []event.Prediction
	for batch, err := range snap.Batches(f.t.Context()) {
		if err != nil {
			f.t.Fatal(err)
		}
		all = append(all, batch...)
	}
	slices.SortFunc(all, func(a, b event.Prediction) int { return a.RecordedAt.Compare(b.RecordedAt) })
	return all
}

// summary renders the stream in order: "made 5, bypassed 7 Retruth, failed 9 timeout 1".
func (f *fixture) summary() string {
	f.t.Helper()
	out := ""
	for _, e := range f.predictions() {
		at, _ := event.PublishedAt(e.PostID)
		n := int(at.Sub(launch()) / time.Minute)
		switch e.Kind {
		case event.PredictionMade:
			out += fmt.Sprintf("made %d, ", n)
		case event.PostBypassed:
			out += fmt.Sprintf("bypassed %d %s, ", n, e.BypassReason)
		case event.AnalysisFailed:
			out += fmt.Sprintf("failed %d %s %d %v, ", n, e.FailureClass, e.Attempt, e.Terminal)
		default:
			out += fmt.Sprintf("%s, ", e.Kind)
		}
	}
	return out
}

// modelFunc is a model made of a function.
type modelFunc func(in analysis.Input) (analysis.Answer, error)

func (f modelFunc) Analyze(_ context.Context, in analysis.Input) (analysis.Answer, error) {
	return f(in)
}

func fixedModel(in analysis.Input) (analysis.Answer, error) {
	return analysis.Answer{Assets: []event.Asset{{Symbol: "fb", Sentiment: event.Bearish}, {Symbol: "GOLD", Sentiment: event.Bullish}},
		Confidence: 0.7, Thesis: "about " + in.Text, Raw: []byte(`{"raw":"` + in.PostID + `"}`), TokensIn: 3, TokensOut: 4, CostMicros: 5}, nil
}

func config(version string) analysis.Config {
	return analysis.Config{Analyzer: "llm", Provider: "test", Model: "fixed", PromptVersion: version, PromptHash: "hash"}
}

// analyzer returns a service on a fresh view of the lake, with backfill.
func (f *fixture) analyzer(model analysis.Model, change ...func(*analysis.Options)) *analysis.Analyzer {
	o := analysis.Options{Model: model, Config: config("1"), Backfill: true, Now: time.Now, Log: quiet()}
	for _, c := range change {
		c(&o)
	}
	return analysis.New(f.open(), o)
}

func (f *fixture) step(a *analysis.Analyzer, want int) {
	f.t.Helper()
	if n, err := a.Step(f.t.Context()); err != nil || n != want {
		f.t.Fatalf("step appended %d, want %d; error %v", n, want, err)
	}
}

func (f *fixture) want(summary string) {
	f.t.Helper()
	if got := f.summary(); got != summary {
		f.t.Fatalf("the lake says %q\nwant          %q", got, summary)
	}
}

const someText = "Tariffs on China will be great."

func TestEventHoldsWhatDomainAsks(t *testing.T) {
	f := newFixture(t)
	p := post(1, "simulator", someText)
	p.Synthetic = true
	f.addPosts(p)
	f.step(f.analyzer(modelFunc(fixedModel)), 1)
	e := f.predictions()[0]
	var cause event.Post
	c, err := f.open().Posts.Read(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	cause = c.Events[0]
	for what, ok := range map[string]bool{
		"kind":           e.Kind == event.PredictionMade && e.PredictionID == event.PredictionID(idAt(1), "llm", "test", "fixed", "1") && e.Key == e.PredictionID,
		"post":           e.PostID == idAt(1) && e.PublishedAt.Equal(p.PublishedAt) && e.CausationID == cause.EventID && e.Synthetic,
		"configuration":  e.Analyzer == "llm" && e.Provider == "test" && e.Model == "fixed" && e.PromptVersion == "1" && e.PromptHash == "hash",
		"rules version":  e.RulesVersion == analysis.RulesVersion,
		"assets":         len(e.Assets) == 1 && e.Assets[0].Symbol == "META" && e.Assets[0].Named == "fb" && e.Assets[0].Sentiment == event.Bearish,
		"dropped":        len(e.Dropped) == 1 && e.Dropped[0].Symbol == "GOLD" && e.Dropped[0].Reason == analysis.Concept,
		"answer":         *e.Confidence == 0.7 && e.Thesis == "about "+someText && e.Temperature == nil && e.Attempt == 1,
		"costs":          *e.TokensIn == 3 && *e.TokensOut == 4 && *e.CostMicros == 5 && *e.LatencyMS >= 0,
		"raw":            e.Payload == `{"raw":"`+idAt(1)+`"}`,
		"answer's time":  time.Since(e.OccurredAt) < time.Hour && e.OccurredAt.Location() == time.UTC,
		"seen as source": e.Source == "llm",
	} {
		if !ok {
			t.Errorf("%s: %+v", what, e)
		}
	}
}

func TestOneTerminalEventPerPost(t *testing.T) {
	f := newFixture(t)
	f.addPosts(post(3, "archive:a", someText), post(1, "archive:a", "RT @x says a lot of things"), post(2, "archive:a", ""),
		post(4, "archive:a", "Wonderful evening"), post(5, "archive:a", "Truth is good, always."))
	a := f.analyzer(modelFunc(fixedModel))
	f.step(a, 5)
	f.want("bypassed 1 Retruth, bypassed 2 No text content, made 3, bypassed 4 Insufficient words, made 5, ")
	f.step(a, 0)
	f.step(f.analyzer(modelFunc(fixedModel)), 0) // a restart
	r := a.Report()
	if r.Posts != 5 || r.InScope != 5 || r.Completed != 2 || r.Bypassed[analysis.Retruth] != 1 || r.Open != 0 || r.Run.Calls != 2 || r.Run.Dropped[analysis.Concept] != 2 {
		t.Errorf("report %+v", r)
	}
	for _, e := range f.predictions() {
		if e.Kind == event.PostBypassed && (e.Analyzer != "" || e.Model != "" || e.PredictionID != event.BypassID(e.PostID) || e.RulesVersion == "") {
			t.Errorf("bypass %+v", e)
		}
	}
	// Another configuration makes predictions of its own and leaves the bypasses alone.
	f.step(f.analyzer(modelFunc(fixedModel), func(o *analysis.Options) { o.Config = config("2") }), 2)
}

func TestEditIsNotAnalysedAgain(t *testing.T) {
	f := newFixture(t)
	f.addPosts(post(1, "truthsocial", someText), post(2, "truthsocial", "Wonderful evening"))
	f.step(f.analyzer(modelFunc(fixedModel)), 2)
	first := f.predictions()[0].CausationID
	f.addPosts(post(1, "truthsocial", someText+" An edit."), post(2, "truthsocial", "Wonderful evening to all of you"), post(1, "scrapecreators", "Another rendering of it."))
	f.step(f.analyzer(modelFunc(fixedModel)), 0)
	if got := f.predictions()[0].CausationID; got != first || got == "" {
		t.Errorf("the prediction rests on %q, then on %q", first, got)
	}
}

func TestWithdrawnPosts(t *testing.T) {
	f := newFixture(t)
	deleted, redacted := post(1, "truthsocial", ""), post(2, "truthsocial", "")
	deleted.Kind, redacted.Kind = event.PostDeleted, event.PostRedacted
	f.addPosts(post(1, "truthsocial", someText), post(2, "truthsocial", someText), post(3, "truthsocial", someText))
	f.addPosts(deleted, redacted)
	a := f.analyzer(modelFunc(fixedModel))
	f.step(a, 1)
	f.want("made 3, ")
	if r := a.Report(); r.Withdrawn != 2 || r.InScope != 1 {
		t.Errorf("report %+v", r)
	}
	f.addPosts(post(1, "truthsocial", someText)) // seen again
	f.step(a, 1)
	f.want("made 3, made 1, ")
	deleted = post(3, "truthsocial", "")
	deleted.Kind = event.PostDeleted
	f.addPosts(deleted) // what was analysed stays
	f.step(a, 0)
	if r := a.Report(); r.Completed != 2 {
		t.Errorf("report %+v", r)
	}
}

func TestScope(t *testing.T) {
	f := newFixture(t)
	at := func(n int) time.Time { return launch().Add(time.Duration(n) * time.Minute) }
	for i := range 4 {
		f.addPosts(post(i, "simulator", someText))
	}
	since := func(n int) func(*analysis.Options) { return func(o *analysis.Options) { o.Since = at(n) } }
	noBackfill := func(start int) func(*analysis.Options) {
		return func(o *analysis.Options) { o.Backfill, o.Now = false, func() time.Time { return at(start) } }
	}
	// Without a first use, the start of the service stands for it.
	f.step(f.analyzer(modelFunc(fixedModel), noBackfill(10)), 0)
	f.step(f.analyzer(modelFunc(fixedModel), noBackfill(2), since(0)), 1)
	f.want("made 3, ")
	// First use is when that was recorded: years later, so a fresh service takes up nothing older.
	f.step(f.analyzer(modelFunc(fixedModel), noBackfill(0)), 0)
	// since is inclusive; a limit takes the oldest.
	limited := f.analyzer(modelFunc(fixedModel), since(1), func(o *analysis.Options) { o.Limit = 1 })
	f.step(limited, 1)
	f.want("made 3, made 1, ")
	f.step(limited, 1)
	f.want("made 3, made 1, made 2, ")
	if r := limited.Report(); r.Posts != 4 || r.InScope != 3 || r.Completed != 3 {
		t.Errorf("report %+v", r)
	}
	if analysis.LaunchDate().Format(time.RFC3339) != "2025-01-01T00:00:00Z" {
		t.Error("the default of since has moved")
	}
}

func TestFirstUseIsRemembered(t *testing.T) {
	f := newFixture(t)
	f.addPosts(post(1, "simulator", someText))
	f.step(f.analyzer(modelFunc(fixedModel)), 1)
	// A post of a time after the first use; the service that sees it starts later still.
	id := strconv.FormatInt(time.Now().Add(time.Minute).UnixMilli()<<16, 10)
	at, _ := event.PublishedAt(id)
	f.addPosts(event.Post{Envelope: event.Envelope{Kind: event.PostObserved, Key: id, Source: "simulator", OccurredAt: at},
		PostID: id, PublishedAt: at, Text: someText})
	later := func(o *analysis.Options) {
		o.Backfill, o.Now = false, func() time.Time { return time.Now().Add(time.Hour) }
	}
	f.step(f.analyzer(modelFunc(fixedModel), later, func(o *analysis.Options) { o.Config = config("2") }), 0)
	f.step(f.analyzer(modelFunc(fixedModel), later), 1)
}

// TestPredictedPostIsNotBypassed: between our look at the post and our verdict that it is to be
// bypassed, another configuration predicts it. So ours has its model asked after all.
func TestPredictedPostIsNotBypassed(t *testing.T) {
	f := newFixture(t)
	f.addPosts(post(1, "simulator", "Wonderful evening"))
	at, half := launch(), 0.5
	imported := event.Prediction{Envelope: event.Envelope{Kind: event.PredictionMade, Key: "imported", Source: "legacy", OccurredAt: at},
		PredictionID: "imported", PostID: idAt(1), PublishedAt: at, Analyzer: "llm", PromptVersion: "legacy:1", Confidence: &half}
	calls := 0
	a := f.analyzer(modelFunc(fixedModel), func(o *analysis.Options) {
		o.Now = func() time.Time {
			if calls++; calls == 2 { // 1: New, 2: the draft of the bypass
				f.addPredictions(imported)
			}
			return time.Now()
		}
	})
	f.step(a, 1)
	f.want("made 1, made 1, ")
	f.step(f.analyzer(modelFunc(fixedModel), func(o *analysis.Options) { o.Config = config("3") }), 1)
	f.want("made 1, made 1, made 1, ")
}

// TestRetractedPredictionIsMadeAnew: what was retracted counts as never written, so the post is open
// and the same answer is a new fact, once.
func TestRetractedPredictionIsMadeAnew(t *testing.T) {
	f := newFixture(t)
	f.addPosts(post(1, "simulator", someText))
	a := f.analyzer(modelFunc(fixedModel))
	f.step(a, 1)
	f.addPredictions(event.Prediction{Envelope: event.Envelope{Kind: event.Retracted, Key: "r1", Source: "operator", OccurredAt: launch()},
		Retraction: event.Retraction{RetractedEvents: []string{f.predictions()[0].EventID}}})
	f.step(a, 1)
	f.step(a, 0)
	if r := a.Report(); r.Open != 0 || r.Completed != 1 {
		t.Errorf("report %+v", r)
	}
	f.step(f.analyzer(modelFunc(fixedModel)), 0)
}

func TestDryRun(t *testing.T) {
	f := newFixture(t)
	f.addPosts(post(1, "simulator", someText), post(2, "simulator", "Wonderful evening"), post(3, "simulator", someText))
	shown := ""
	a := f.analyzer(modelFunc(fixedModel), func(o *analysis.Options) {
		o.DryRun, o.Limit = true, 2
		o.Show = func(d event.Prediction) { shown += string(d.Kind) + " " }
	})
	f.step(a, 0)
	f.want("")
	if r := a.Report(); shown != "prediction_made post_bypassed " || r.Run.Completed != 1 || r.Run.Bypassed[analysis.InsufficientWords] != 1 || r.Open != 3 {
		t.Errorf("shown %q, report %+v", shown, r)
	}
}

func TestWaitReturnsOnNews(t *testing.T) {
	f := newFixture(t)
	f.addPosts(post(1, "simulator", someText))
	l := f.open()
	a := analysis.New(l, analysis.Options{Model: modelFunc(fixedModel), Config: config("1"), Backfill: true, Now: time.Now, Log: quiet()})
	f.step(a, 1)
	woken := make(chan error, 1)
	go func() { woken <- a.Wait(t.Context()) }()
	r := lake.NewRecorder(l.Posts, nil)
	if _, err := r.Record(t.Context(), func() ([]event.Post, error) { return []event.Post{post(2, "simulator", someText)}, nil }); err != nil {
		t.Fatal(err)
	}
	if err := <-woken; err != nil {
		t.Fatal(err)
	}
	f.step(a, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("wait after the end: %v", err)
	}
}

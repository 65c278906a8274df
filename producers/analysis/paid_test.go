package analysis_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/producers"
	"shitpost-alpha/producers/analysis"
)

// paidModel costs 300 micro-dollars a call, 400 at most. f may be nil.
type paidModel struct {
	f     func(ctx context.Context, in analysis.Input) (analysis.Answer, error)
	asked atomic.Int64
}

func (m *paidModel) Analyze(ctx context.Context, in analysis.Input) (analysis.Answer, error) {
	m.asked.Add(1)
	answer, err := fixedModel(in)
	if m.f != nil {
		answer, err = m.f(ctx, in)
	}
	answer.TokensIn, answer.TokensOut, answer.CostMicros = 100, 20, 300
	return answer, err
}

func (m *paidModel) Wait(ctx context.Context, _ analysis.Input) error { return ctx.Err() }

func (m *paidModel) Estimate(analysis.Input) analysis.Estimate {
	return analysis.Estimate{TokensIn: 100, TokensOut: 20, CostMicros: 300, MaxCostMicros: 400}
}

func (f *fixture) somePosts(n int) {
	f.t.Helper()
	var posts []event.Post
	for i := range n {
		posts = append(posts, post(i, "simulator", someText))
	}
	f.addPosts(posts...)
}

func onePerAppend(o *analysis.Options) { o.Batch = 1 }

func TestBudget(t *testing.T) {
	f := newFixture(t)
	f.somePosts(6)
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	now := noon
	m := &paidModel{}
	m.f = func(_ context.Context, in analysis.Input) (analysis.Answer, error) {
		if in.PostID == idAt(1) {
			return analysis.Answer{}, &analysis.Failure{Class: analysis.BadOutput, Err: errors.New("prose")} // paid all the same
		}
		return fixedModel(in)
	}
	budget := func(o *analysis.Options) {
		o.Batch, o.Now, o.Budget, o.Backoff = 1, func() time.Time { return now }, &analysis.DailyBudget{PerDayMicros: 1000}, time.Hour
	}
	a := f.analyzer(m, budget)
	n, err := a.Step(t.Context())
	if n != 3 || m.asked.Load() != 3 || producers.ClassOf(err) != producers.OverBudget || producers.RetryAfter(err) != 12*time.Hour || !strings.Contains(err.Error(), "waiting until 2026-03-02T00:00:00Z") {
		t.Fatalf("%d events after %d calls: %v", n, m.asked.Load(), err)
	}
	f.want("made 0, failed 1 bad_output 1 false, made 2, ")
	if e := f.predictions()[1]; e.CostMicros == nil || *e.CostMicros != 300 || *e.TokensIn != 100 {
		t.Errorf("the failed attempt does not say what it cost: %+v", e)
	}
	now = noon.Add(12*time.Hour - time.Nanosecond) // a restart on the same day knows what was spent
	if n, err := f.analyzer(m, budget).Step(t.Context()); n != 0 || err == nil || m.asked.Load() != 3 {
		t.Fatalf("%d events, %v", n, err)
	}
	now = noon.Add(12 * time.Hour)
	if n, err := a.Step(t.Context()); n != 3 || err == nil {
		t.Fatalf("the next day: %d events, %v", n, err)
	}
	small := &analysis.DailyBudget{PerDayMicros: 399}
	if _, err := f.analyzer(m, budget, func(o *analysis.Options) { o.Budget = small }).Step(t.Context()); err == nil || !strings.Contains(err.Error(), "raise the budget") {
		t.Errorf("a budget below one call: %v", err)
	}
}

// TestBudgetHoldsWithManyInFlight: what is in flight counts at its most, so no race overshoots.
func TestBudgetHoldsWithManyInFlight(t *testing.T) {
	f := newFixture(t)
	f.somePosts(40)
	m := &paidModel{}
	budget := &analysis.DailyBudget{PerDayMicros: 3000}
	a := f.analyzer(m, onePerAppend, func(o *analysis.Options) { o.Budget, o.Concurrency = budget, 8 })
	n, err := a.Step(t.Context())
	for producers.ClassOf(err) == producers.OverBudget && m.asked.Load() < 9 { // in flight it counted more than it cost
		var more int
		more, err = a.Step(t.Context())
		if n += more; more == 0 {
			break
		}
	}
	if m.asked.Load() != 9 || n != 9 || producers.ClassOf(err) != producers.OverBudget { // 9 × 300 + 400 > 3000
		t.Errorf("%d calls, %d events, %v", m.asked.Load(), n, err)
	}
}

// fakeLease can be lost.
type fakeLease struct {
	mu     sync.Mutex
	checks int
	lost   error
	note   string
}

func (l *fakeLease) Check() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.checks++
	return l.lost
}

func (l *fakeLease) lose() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lost = errors.New("lease lost")
}

func (l *fakeLease) Note() string                  { return l.note }
func (l *fakeLease) SetNote(note string)           { l.note = note }
func (l *fakeLease) Release(context.Context) error { return nil }

func under(l *fakeLease) func(*analysis.Options) {
	return func(o *analysis.Options) {
		o.Batch = 1
		o.Acquire = func(context.Context) (analysis.Lease, error) { return l, nil }
	}
}

// TestLostLeaseEndsEverything: not one call and not one append after the lease is gone.
func TestLostLeaseEndsEverything(t *testing.T) {
	f := newFixture(t)
	f.somePosts(5)
	l := &fakeLease{}
	m := &paidModel{}
	var once sync.Once
	m.f = func(_ context.Context, in analysis.Input) (analysis.Answer, error) {
		if in.PostID == idAt(2) {
			once.Do(l.lose) // while the call is in flight
		}
		return fixedModel(in)
	}
	a := f.analyzer(m, under(l))
	if n, err := a.Step(t.Context()); n != 2 || err == nil || !strings.Contains(err.Error(), "lease lost") {
		t.Fatalf("%d events, %v", n, err)
	}
	f.want("made 0, made 1, ")
	// Three calls, two appends and the refused one, about which the recorder asks again once it has
	// looked at the lake.
	if m.asked.Load() != 3 || l.checks != 6 && l.checks != 7 {
		t.Errorf("%d calls and %d looks at the lease, want 3 and one before each call and append", m.asked.Load(), l.checks)
	}
	l.lost = nil // got again
	f.step(a, 3)
	f.want("made 0, made 1, made 2, made 3, made 4, ")
}

// TestFirstUseOfAPaidModel: a bypass is none, and a new model does not buy the posts since the first
// bypass. The lease's note remembers when the model was first used, over restarts without an answer.
func TestFirstUseOfAPaidModel(t *testing.T) {
	f := newFixture(t)
	f.addPosts(post(1, "simulator", someText), post(2, "simulator", "Wonderful evening"), post(5, "simulator", someText))
	at := func(n int) time.Time { return launch().Add(time.Duration(n) * time.Minute) }
	f.addPredictions(event.Prediction{Envelope: event.Envelope{Kind: event.PostBypassed, Key: event.BypassID(idAt(0)), Source: "bypass", OccurredAt: at(0)},
		PredictionID: event.BypassID(idAt(0)), PostID: idAt(0), PublishedAt: at(0), BypassReason: analysis.Retruth, RulesVersion: analysis.RulesVersion})
	l := &fakeLease{}
	started := func(n int) func(*analysis.Options) {
		return func(o *analysis.Options) { o.Backfill, o.Now = false, func() time.Time { return at(n) } }
	}
	f.step(f.analyzer(&paidModel{}, under(l), started(7)), 0)
	if l.note != at(7).Format(time.RFC3339Nano) {
		t.Errorf("note %q", l.note)
	}
	f.addPosts(post(8, "simulator", someText)) // while nobody runs
	f.step(f.analyzer(&paidModel{}, under(l), started(9)), 1)
	f.want("bypassed 0 Retruth, made 8, ")
}

// TestOutageEndsTheStep: a model that is down does not use up the attempts of every post.
func TestOutageEndsTheStep(t *testing.T) {
	for name, c := range map[string]struct {
		failure analysis.Failure
		asked   int64
	}{
		"down":                {analysis.Failure{Class: analysis.Server}, 3},
		"slow":                {analysis.Failure{Class: analysis.Timeout}, 3},
		"limited":             {analysis.Failure{Class: analysis.RateLimited}, 3},
		"limited, says until": {analysis.Failure{Class: analysis.RateLimited, RetryAfter: time.Minute}, 1},
		"says nonsense":       {analysis.Failure{Class: analysis.BadOutput}, 10},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.somePosts(10)
			c.failure.Err = errors.New("no")
			m := &paidModel{f: func(context.Context, analysis.Input) (analysis.Answer, error) { return analysis.Answer{}, &c.failure }}
			n, err := f.analyzer(m, onePerAppend).Step(t.Context())
			if int64(n) != c.asked || m.asked.Load() != c.asked || (err != nil) != (c.asked < 10) {
				t.Errorf("%d events after %d calls, want %d: %v", n, m.asked.Load(), c.asked, err)
			}
			if err != nil && (producers.ClassOf(err) != producers.Class(c.failure.Class) || producers.RetryAfter(err) != c.failure.RetryAfter) {
				t.Errorf("class %s, retry after %s", producers.ClassOf(err), producers.RetryAfter(err))
			}
		})
	}
}

// TestAnswersAreAppendedAsTheyArrive: one slow call holds up no other's answer.
func TestAnswersAreAppendedAsTheyArrive(t *testing.T) {
	f := newFixture(t)
	f.somePosts(6)
	l := f.open()
	m := &paidModel{}
	m.f = func(_ context.Context, in analysis.Input) (analysis.Answer, error) {
		if in.PostID == idAt(0) { // until all others are in the lake
			if err := l.Predictions.Wait(t.Context(), 5); err != nil {
				return analysis.Answer{}, err
			}
		}
		return fixedModel(in)
	}
	a := analysis.New(l, analysis.Options{Model: m, Config: config("1"), Backfill: true, Batch: 1, Concurrency: 2, Now: time.Now, Log: quiet()})
	f.step(a, 6)
	if s := f.summary(); !strings.HasSuffix(s, "made 0, ") {
		t.Errorf("the lake says %q", s)
	}
}

func TestConcurrencyIsKept(t *testing.T) {
	f := newFixture(t)
	f.somePosts(20)
	var flying, most atomic.Int64
	together := make(chan struct{})
	m := &paidModel{f: func(_ context.Context, in analysis.Input) (analysis.Answer, error) {
		n := flying.Add(1)
		defer flying.Add(-1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		if n == 4 {
			select {
			case <-together:
			default:
				close(together)
			}
		}
		<-together // nobody answers before four have been asked at once
		return fixedModel(in)
	}}
	f.step(f.analyzer(m, onePerAppend, func(o *analysis.Options) { o.Concurrency = 4 }), 20)
	if most.Load() != 4 {
		t.Errorf("%d calls at once, want 4", most.Load())
	}
}

// TestStopWaitsForPaidAnswers: told to stop, the service begins no call and appends what is in flight.
func TestStopWaitsForPaidAnswers(t *testing.T) {
	f := newFixture(t)
	f.somePosts(10)
	ctx, cancel := context.WithCancel(t.Context())
	m := &paidModel{f: func(calls context.Context, in analysis.Input) (analysis.Answer, error) {
		cancel()
		if calls.Err() != nil {
			return analysis.Answer{}, calls.Err()
		}
		return fixedModel(in)
	}}
	n, err := f.analyzer(m, onePerAppend, func(o *analysis.Options) { o.Concurrency = 3 }).Step(ctx)
	if int64(n) != m.asked.Load() || n > 3 || n == 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("%d events after %d calls: %v", n, m.asked.Load(), err)
	}
}

// TestFailedPostWaits: a post that failed is left alone until it is due, and others are not.
func TestFailedPostWaits(t *testing.T) {
	f := newFixture(t)
	f.somePosts(2)
	now := launch()
	m := &paidModel{f: func(_ context.Context, in analysis.Input) (analysis.Answer, error) {
		if in.PostID == idAt(0) {
			return analysis.Answer{}, &analysis.Failure{Class: analysis.BadOutput, Err: errors.New("prose")}
		}
		return fixedModel(in)
	}}
	waits := func(o *analysis.Options) { o.Batch, o.Backoff, o.Now = 1, time.Minute, func() time.Time { return now } }
	a := f.analyzer(m, waits)
	f.step(a, 2)
	f.step(a, 0)
	f.step(f.analyzer(m, waits), 0) // a restart does not make it due
	if r := a.Report(); r.Open != 1 {
		t.Errorf("report %+v", r)
	}
	for attempt, pause := range []time.Duration{time.Minute, 6 * time.Minute, 36 * time.Minute, 216 * time.Minute} {
		now = now.Add(pause*8/10 - time.Second)
		f.step(a, 0)
		now = now.Add(pause*4/10 + 2*time.Second)
		f.step(a, 1)
		if e := f.predictions(); e[len(e)-1].Attempt != int32(attempt+2) {
			t.Errorf("attempt %d, want %d", e[len(e)-1].Attempt, attempt+2)
		}
	}
	now = now.Add(1000 * time.Hour)
	f.step(a, 0)
	if r := a.Report(); r.Failed != 1 || r.Open != 0 {
		t.Errorf("report %+v", r)
	}
}

func TestDryRunAsksNoPaidModel(t *testing.T) {
	f := newFixture(t)
	f.somePosts(2)
	f.addPosts(post(3, "simulator", "Wonderful evening"))
	shown := ""
	m := &paidModel{}
	a := f.analyzer(m, func(o *analysis.Options) {
		o.DryRun = true
		o.Show = func(d event.Prediction) { shown += string(d.Kind) + " " }
		o.Acquire = func(context.Context) (analysis.Lease, error) { return nil, errors.New("a dry run holds no lease") }
	})
	f.step(a, 0)
	if m.asked.Load() != 0 || shown != "prediction_made prediction_made post_bypassed " {
		t.Errorf("%d calls, shown %q", m.asked.Load(), shown)
	}
	fc, err := a.Forecast(t.Context())
	want := analysis.Forecast{Config: config("1"), Open: 3, Bypassed: 1, Asked: 2, Estimate: analysis.Estimate{TokensIn: 200, TokensOut: 40, CostMicros: 600, MaxCostMicros: 800}}
	if err != nil || fc != want || m.asked.Load() != 0 {
		t.Errorf("forecast %+v, want %+v; %v", fc, want, err)
	}
	if _, err := f.analyzer(modelFunc(fixedModel)).Forecast(t.Context()); err == nil {
		t.Error("a free model has a forecast")
	}
}

package analysis_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/lease"
	"shitpost-alpha/lake/objects"
	"shitpost-alpha/producers"
	"shitpost-alpha/producers/analysis"
)

// process is one analyzer on a lake in memory, with a real lease, as one process has it.
type process struct {
	*analysis.Analyzer
	lake *lake.Lake
}

func newProcess(store objects.Store, m analysis.Model, change ...func(*analysis.Options)) process {
	l := lake.New(store, "memory", lake.Options{Producer: "test@1", Poll: 20 * time.Millisecond})
	o := analysis.Options{Model: m, Config: config("1"), Backfill: true, Batch: 1, Now: time.Now, Log: quiet()}
	o.Acquire = func(ctx context.Context) (analysis.Lease, error) {
		return lease.Acquire(ctx, l.Store(), "analyzer-test", lease.Options{Stream: l.Predictions})
	}
	for _, c := range change {
		c(&o)
	}
	return process{analysis.New(l, o), l}
}

func (p process) addPosts(t *testing.T, n int) {
	t.Helper()
	var posts []event.Post
	for i := range n {
		posts = append(posts, post(i, "simulator", someText))
	}
	if _, err := lake.NewRecorder(p.lake.Posts, nil).Record(t.Context(), func() ([]event.Post, error) { return posts, nil }); err != nil {
		t.Fatal(err)
	}
}

// made returns how often each post has a prediction.
func (p process) made(t *testing.T) map[string]int {
	t.Helper()
	snap, err := p.lake.Predictions.Snapshot(t.Context(), -1)
	if err != nil {
		t.Fatal(err)
	}
	made := map[string]int{}
	for batch, err := range snap.Batches(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range batch {
			made[e.PostID]++
		}
	}
	return made
}

// counting is a model that counts how often each post was paid for.
type counting struct {
	paidModel
	mu    sync.Mutex
	paid  map[string]int
	calls int
	after map[int]func() // called with that many calls made
}

func newCounting() *counting {
	c := &counting{paid: map[string]int{}, after: map[int]func(){}}
	c.f = func(_ context.Context, in analysis.Input) (analysis.Answer, error) {
		c.mu.Lock()
		c.paid[in.PostID]++
		c.calls++
		then := c.after[c.calls]
		c.mu.Unlock()
		if then != nil {
			then()
		}
		return fixedModel(in)
	}
	return c
}

// TestTwoProcessesPayOnce: two analyzers run side by side. The one with the lease is stopped in the
// middle of its work, the other goes on, and so back to a third life.
func TestTwoProcessesPayOnce(t *testing.T) {
	t.Parallel()
	store, model := &objects.Memory{}, newCounting()
	writer := newProcess(store, model)
	writer.addPosts(t, 90)
	done := make(chan struct{})
	model.after[90] = func() { close(done) }
	var lives []context.Context
	var stops []context.CancelFunc
	for range 3 {
		life, stop := context.WithCancel(t.Context())
		defer stop()
		lives, stops = append(lives, life), append(stops, stop)
	}
	run := func(life context.Context) {
		p := newProcess(store, model, func(o *analysis.Options) { o.Concurrency = 4 })
		if err := producers.Run(life, producers.Loop{Name: "analyzer", Step: p.Step, Wait: p.Wait, Every: time.Minute, Log: quiet()}); err != nil {
			t.Error(err)
		}
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	// Which process holds the lease first is open: the stops are handed out as leases are seen.
	var wg sync.WaitGroup
	model.after[30] = stops[0]
	model.after[60] = stops[1]
	wg.Go(func() { run(lives[0]); run(lives[2]) })
	waitForCall(t, model)
	wg.Go(func() { run(lives[1]) })
	<-done
	for _, stop := range stops {
		stop()
	}
	wg.Wait()
	made := writer.made(t)
	if len(made) != 90 || len(model.paid) != 90 {
		t.Errorf("%d posts have a prediction, %d were paid for, want 90", len(made), len(model.paid))
	}
	for id, n := range made {
		if n != 1 || model.paid[id] != 1 {
			t.Errorf("post %s: %d predictions, paid %d times", id, n, model.paid[id])
		}
	}
}

// waitForCall returns once the model was asked for the first time.
func waitForCall(t *testing.T, m *counting) {
	t.Helper()
	asked := make(chan struct{})
	m.mu.Lock()
	if m.calls > 0 {
		close(asked)
	} else {
		m.after[1] = func() { close(asked) }
	}
	m.mu.Unlock()
	<-asked
}

// TestTakeOver: a process falls asleep in the middle of a paid call. Another one waits a minute, takes
// over and pays that one post again, no other. The sleeper wakes, and neither pays nor writes. The
// clock of the leases runs twelve times as fast.
func TestTakeOver(t *testing.T) {
	t.Parallel()
	store, model := &objects.Memory{}, newCounting()
	began := time.Now()
	fast := func() time.Time { return began.Add(12 * time.Since(began)) }
	// awake is what the sleeper's lease is kept by; it ends when the process falls asleep.
	awake, sleep := context.WithCancel(t.Context())
	defer sleep()
	inFlight, wake := make(chan struct{}), make(chan struct{})
	sleeping := &paidModel{}
	sleeping.f = func(ctx context.Context, in analysis.Input) (analysis.Answer, error) {
		if in.PostID == idAt(2) {
			sleep()
			close(inFlight)
			<-wake
		}
		return model.Analyze(ctx, in)
	}
	held := func(p *process, ctx context.Context) func(*analysis.Options) {
		return func(o *analysis.Options) {
			o.Acquire = func(context.Context) (analysis.Lease, error) {
				return lease.Acquire(ctx, store, "analyzer-test", lease.Options{Stream: p.lake.Predictions, Now: fast})
			}
		}
	}
	var sleeper, other process
	sleeper = newProcess(store, sleeping, held(&sleeper, awake))
	sleeper.addPosts(t, 6)
	slept := make(chan error, 1)
	go func() {
		_, err := sleeper.Step(t.Context())
		slept <- err
	}()
	<-inFlight
	other = newProcess(store, model, held(&other, t.Context()))
	if n, err := other.Step(t.Context()); n != 4 || err != nil {
		t.Errorf("the other one appended %d, want 4: %v", n, err)
	}
	close(wake)
	if err := <-slept; !errors.Is(err, lease.ErrLost) {
		t.Errorf("the sleeper ends with %v", err)
	}
	for id, n := range other.made(t) {
		if n != 1 {
			t.Errorf("post %s has %d predictions", id, n)
		}
	}
	for id, n := range model.paid {
		if n > 1 && id != idAt(2) {
			t.Errorf("post %s was paid %d times", id, n)
		}
	}
	if model.calls != 7 {
		t.Errorf("%d calls, want 6 and the one that was in flight", model.calls)
	}
	if err := other.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestWaitEndsWhenAPostIsDue: no news is needed for another attempt.
func TestWaitEndsWhenAPostIsDue(t *testing.T) {
	ill := true
	m := &paidModel{}
	m.f = func(_ context.Context, in analysis.Input) (analysis.Answer, error) {
		if ill {
			return analysis.Answer{}, &analysis.Failure{Class: analysis.BadOutput, Err: errors.New("prose")}
		}
		return fixedModel(in)
	}
	p := newProcess(&objects.Memory{}, m, func(o *analysis.Options) { o.Backoff, o.Acquire = 20*time.Millisecond, nil })
	p.addPosts(t, 1)
	if n, err := p.Step(t.Context()); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if err := p.Wait(t.Context()); err != nil { // returns only then: nobody else appends
		t.Fatal(err)
	}
	ill = false
	if n, err := p.Step(t.Context()); n != 1 || err != nil {
		t.Fatal(n, err)
	}
}

// TestBrokenStoreStopsBeforeMoney: a store on which a lease protects nothing is found out before the
// first call.
func TestBrokenStoreStopsBeforeMoney(t *testing.T) {
	m := &paidModel{}
	p := newProcess(ignoresIfMatch{&objects.Memory{}}, m)
	p.addPosts(t, 2)
	if _, err := p.Step(t.Context()); !errors.Is(err, lease.ErrStore) || !strings.Contains(err.Error(), "If-Match") || m.asked.Load() != 0 {
		t.Errorf("%v after %d calls", err, m.asked.Load())
	}
}

type ignoresIfMatch struct{ objects.Store }

func (s ignoresIfMatch) Put(ctx context.Context, key string, data []byte, c objects.Condition) (objects.Info, error) {
	if c.ETag() != "" {
		c = objects.Always()
	}
	return s.Store.Put(ctx, key, data, c)
}

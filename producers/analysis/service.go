package analysis

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"time"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/producers"
)

// Producer is how the service signs its events.
const Producer = "analyzer@1"

// MaxAttempts is how often a post is tried; then it is a dead letter until it is re-queued.
const MaxAttempts = 5

// LaunchDate is the default of Options.Since: 2025-01-01, UTC.
func LaunchDate() time.Time { return time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC) }

// Options configure an Analyzer. Model, Config, Now and Log must be set.
type Options struct {
	Model  Model
	Config Config
	// Since is the time of the first post in scope, inclusive; zero is LaunchDate.
	Since time.Time
	// Backfill takes up posts from before the configuration's first use too.
	Backfill bool
	// Limit is how many posts a step takes up at most; 0 is all.
	Limit int
	// Batch is how many answers are appended together; 0 is 1,000. A paid model wants 1: each answer
	// is then appended as it arrives, and a crash loses only what was in flight.
	Batch int
	// Concurrency is how many posts are asked about at once; 0 is 1.
	Concurrency int
	// Backoff is the pause of a post after its first failed attempt, and grows sixfold from attempt to
	// attempt; 0 is none.
	Backoff time.Duration
	// Acquire, if set, gets the lease that only one process holds; each step begins with holding it.
	Acquire func(ctx context.Context) (Lease, error)
	// Budget, if set, limits the dollars of a day; it needs a Metered model.
	Budget *DailyBudget
	// DryRun appends nothing. Show is told every draft that would have been.
	DryRun   bool
	Show     func(draft event.Prediction)
	Progress producers.Progress
	Metrics  *producers.Metrics // nil for none
	// Queue, if set, is told how many posts are open, instead of Metrics.
	Queue func(open int)
	Now   func() time.Time
	Log   *slog.Logger
}

// Lease says that no other process asks the same model about the same posts: a *lease.Lease.
type Lease interface {
	// Check returns nil while nobody else can have taken the lease. It is asked before every call and
	// every append, and is safe for concurrent use.
	Check() error
	// Note is a text handed from holder to holder; the analyzer keeps in it when the configuration was
	// first used.
	Note() string
	SetNote(note string)
	// Release gives the lease up.
	Release(ctx context.Context) error
}

// Analyzer is the service. It is not safe for concurrent use; any number of them may share a lake.
//
// Its scope are the posts from Since on and, without Backfill, after the configuration's first use:
// the earliest RecordedAt of a prediction or failure of the configuration, or without a lease of a
// bypass by these rules, or what the lease's note says. While there is none, the start of the service
// stands for it.
type Analyzer struct {
	Options
	posts       *lake.Follower[event.Post]
	predictions *lake.Recorder[event.Prediction]
	seen        *postsView
	done        *predictionsView
	meter       Metered // the model, when it is one
	started     time.Time
	stats       Stats

	lease     Lease     // nil until it is held
	firstHeld time.Time // the first use that the lease's note tells of
	due       time.Time // when the next post may be tried again; zero: none waits
	troubles  int       // outages since the last answer
}

// New returns a service that has read nothing yet.
func New(l *lake.Lake, o Options) *Analyzer {
	if o.Since.IsZero() {
		o.Since = LaunchDate()
	}
	o.Batch, o.Concurrency = cmp.Or(o.Batch, 1000), cmp.Or(o.Concurrency, 1)
	a := &Analyzer{Options: o, seen: newPostsView(o.Since), started: o.Now(), stats: newStats()}
	a.meter, _ = o.Model.(Metered)
	a.done = newPredictionsView(o.Config, a.meter != nil, a.started)
	a.posts = lake.FollowTexts(l.Posts, a.seen)
	a.predictions = lake.NewRecorder(l.Predictions, a.done)
	return a
}

// Close gives the lease up, so that another process need not wait for it to run out.
func (a *Analyzer) Close(ctx context.Context) error {
	if a.lease == nil {
		return nil
	}
	held := a.lease
	a.lease = nil
	return held.Release(ctx)
}

// Wait returns when posts or predictions have news or a failed post may be tried again, or with
// ctx's error.
func (a *Analyzer) Wait(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	first := make(chan error, 2)
	go func() { first <- a.posts.Wait(ctx) }()
	go func() { first <- a.predictions.Wait(ctx) }()
	var due <-chan time.Time // never, when no post waits
	if !a.due.IsZero() {
		timer := time.NewTimer(a.due.Sub(a.Now()))
		defer timer.Stop()
		due = timer.C
	}
	var err error
	left := 2
	select {
	case err = <-first:
		left--
	case <-due:
	}
	cancel()
	for range left {
		<-first // neither may still be reading when the next step begins
	}
	return err
}

// Step catches up with the lake and takes up every open post in scope once, the oldest first, but
// for those that wait after a failure. It returns how many events it appended. A crash in it loses
// the answers that were not appended: those in flight and one batch at most, which are then asked
// for again. A post whose model failed is no error of the step but an event; an outage of the model,
// a missing key, a spent budget and a lost lease are errors, and end it. When ctx ends, calls in
// flight are given a few seconds to arrive and are still appended.
func (a *Analyzer) Step(ctx context.Context) (appended int, err error) {
	if err := a.hold(ctx); err != nil {
		return 0, err
	}
	if err := a.catchUp(ctx); err != nil {
		return 0, err
	}
	tried := map[string]int{}
	finished := 0
	for {
		todo := a.todo(tried)
		if len(todo) == 0 {
			return appended, nil
		}
		n, err := a.work(ctx, todo, tried, finished)
		appended += n
		finished += len(todo)
		if err != nil {
			return appended, err
		}
	}
}

// hold makes sure that we have the lease, if one is asked for. It waits while another has it.
func (a *Analyzer) hold(ctx context.Context) error {
	if a.Acquire == nil || a.DryRun || a.lease != nil && a.lease.Check() == nil {
		return nil
	}
	if err := a.Close(ctx); err != nil {
		a.Log.Warn("lease not released", "error", err) // it runs out by itself
	}
	held, err := a.Acquire(ctx)
	if err != nil {
		return err
	}
	a.lease = held
	if at, err := time.Parse(time.RFC3339Nano, held.Note()); err == nil {
		a.firstHeld = at
		return nil
	}
	a.firstHeld = a.started
	held.SetNote(a.started.UTC().Format(time.RFC3339Nano))
	return nil
}

func (a *Analyzer) catchUp(ctx context.Context) error {
	if _, err := a.posts.CatchUp(ctx); err != nil {
		return err
	}
	if err := a.predictions.CatchUp(ctx); err != nil {
		return err
	}
	if !a.done.newest.IsZero() {
		a.Metrics.Newest(a.done.newest)
	}
	return nil
}

// inScope says whether the configuration covers the post, analysed or not.
func (a *Analyzer) inScope(p *post) bool {
	if p.publishedAt.Before(a.Since) {
		return false
	}
	firstUse := a.done.firstUse
	if !a.firstHeld.IsZero() && (firstUse.IsZero() || a.firstHeld.Before(firstUse)) {
		firstUse = a.firstHeld
	}
	if firstUse.IsZero() {
		firstUse = a.started
	}
	return a.Backfill || p.publishedAt.After(firstUse)
}

// What a post may be taken up for in one step: a bypass, and then, if it was not to be, a model.
const triesPerStep = 2

// todo returns the open posts in scope that this step has not tried and that do not wait after a
// failure, the oldest first, up to the limit. It notes how many are open, and when the next is due.
func (a *Analyzer) todo(tried map[string]int) []*post {
	var todo []*post
	waiting, now := 0, a.Now()
	a.due = time.Time{}
	for id, p := range a.seen.byID {
		if !a.inScope(p) || a.done.verdict(id) != open {
			continue
		}
		if _, ok := p.current(); !ok {
			continue
		}
		due := a.done.due(id, a.Backoff)
		if tried[id] < triesPerStep && !due.After(now) {
			todo = append(todo, p)
			continue
		}
		waiting++
		if !due.IsZero() && (a.due.IsZero() || due.Before(a.due)) {
			a.due = due
		}
	}
	if a.Queue != nil {
		a.Queue(len(todo) + waiting)
	} else {
		a.Metrics.Queue(len(todo) + waiting)
	}
	slices.SortFunc(todo, func(p, q *post) int {
		return cmp.Or(p.publishedAt.Compare(q.publishedAt), cmp.Compare(len(p.id), len(q.id)), cmp.Compare(p.id, q.id))
	})
	return a.limited(todo, tried)
}

func (a *Analyzer) limited(todo []*post, tried map[string]int) []*post {
	if a.Limit == 0 {
		return todo
	}
	fresh := 0
	for i, p := range todo {
		if tried[p.id] == 0 {
			fresh++
		}
		if len(tried)+fresh > a.Limit {
			return todo[:i]
		}
	}
	return todo
}

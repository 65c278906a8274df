package analysis

import (
	"cmp"
	"context"
	"errors"
	"fmt"
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
	// Batch is how many answers are appended together; 0 is 1,000. A paid model wants 1, so that a
	// crash loses no answer that was paid for.
	Batch int
	// DryRun appends nothing. Show is told every draft that would have been.
	DryRun   bool
	Show     func(draft event.Prediction)
	Progress producers.Progress
	Now      func() time.Time
	Log      *slog.Logger
}

// Analyzer is the service. It is not safe for concurrent use; any number of them may share a lake.
//
// Its scope are the posts from Since on and, without Backfill, after the configuration's first use:
// the earliest RecordedAt of a prediction or failure of the configuration, or of a bypass by these
// rules. While there is none, the start of the service stands for it; a service that was stopped
// before it analysed anything begins anew with its next start.
type Analyzer struct {
	Options
	posts       *lake.Follower[event.Post]
	predictions *lake.Recorder[event.Prediction]
	seen        *postsView
	done        *predictionsView
	started     time.Time
	stats       Stats
}

// New returns a service that has read nothing yet.
func New(l *lake.Lake, o Options) *Analyzer {
	if o.Since.IsZero() {
		o.Since = LaunchDate()
	}
	o.Batch = cmp.Or(o.Batch, 1000)
	a := &Analyzer{Options: o, seen: newPostsView(o.Since), done: newPredictionsView(o.Config), started: o.Now(), stats: newStats()}
	a.posts = lake.Follow(l.Posts, a.seen)
	a.predictions = lake.NewRecorder(l.Predictions, a.done)
	return a
}

// Wait returns when posts or predictions have news, or with ctx's error.
func (a *Analyzer) Wait(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	first := make(chan error, 2)
	go func() { first <- a.posts.Wait(ctx) }()
	go func() { first <- a.predictions.Wait(ctx) }()
	err := <-first
	cancel()
	<-first // neither may still be reading when the next step begins
	return err
}

// Step catches up with the lake and takes up every open post in scope once, the oldest first. It
// returns how many events it appended. A crash in it loses the answers of one batch at most, which
// are then asked for again. Posts whose model failed are reported as an error after the others are
// done; another step tries them again.
func (a *Analyzer) Step(ctx context.Context) (appended int, err error) {
	if err := a.catchUp(ctx); err != nil {
		return 0, err
	}
	tried := map[string]int{}
	var failures []error
	finished := 0
	for {
		todo := a.todo(tried)
		if len(todo) == 0 {
			break
		}
		total := finished + len(todo)
		for batch := range slices.Chunk(todo, a.Batch) {
			drafts, failed, stop := a.answer(ctx, batch, tried)
			failures = append(failures, failed...)
			n, err := a.record(ctx, drafts)
			appended += n
			if err := errors.Join(stop, err); err != nil {
				return appended, err
			}
			finished += len(batch)
			a.Progress.Report("analyze", finished, total)
		}
	}
	if len(failures) > 0 {
		return appended, fmt.Errorf("analyze %d posts, the first: %w", len(failures), failures[0])
	}
	return appended, nil
}

func (a *Analyzer) catchUp(ctx context.Context) error {
	if _, err := a.posts.CatchUp(ctx); err != nil {
		return err
	}
	return a.predictions.CatchUp(ctx)
}

// inScope says whether the configuration covers the post, analysed or not.
func (a *Analyzer) inScope(p *post) bool {
	if p.publishedAt.Before(a.Since) {
		return false
	}
	firstUse := a.done.firstUse
	if firstUse.IsZero() {
		firstUse = a.started
	}
	return a.Backfill || p.publishedAt.After(firstUse)
}

// What a post may be taken up for in one step: a bypass, and then, if it was not to be, a model.
const triesPerStep = 2

// todo returns the open posts in scope that this step has not tried, the oldest first, up to the
// limit.
func (a *Analyzer) todo(tried map[string]int) []*post {
	var todo []*post
	for id, p := range a.seen.byID {
		if tried[id] >= triesPerStep || !a.inScope(p) || a.done.verdict(id) != open {
			continue
		}
		if _, ok := p.current(); ok {
			todo = append(todo, p)
		}
	}
	slices.SortFunc(todo, func(p, q *post) int {
		return cmp.Or(p.publishedAt.Compare(q.publishedAt), cmp.Compare(len(p.id), len(q.id)), cmp.Compare(p.id, q.id))
	})
	if a.Limit > 0 {
		fresh := 0
		for i, p := range todo {
			if tried[p.id] == 0 {
				fresh++
			}
			if len(tried)+fresh > a.Limit {
				return todo[:i]
			}
		}
	}
	return todo
}

// answer drafts a verdict for each post. failed are the posts' failures; stop is the service's own
// (no key, no budget, ctx ended), which ends the step after the drafts so far.
func (a *Analyzer) answer(ctx context.Context, posts []*post, tried map[string]int) (drafts []event.Prediction, failed []error, stop error) {
	for _, p := range posts {
		r, ok := p.current()
		if !ok {
			continue
		}
		if r.reason != "" && !a.done.predicted[p.id] {
			tried[p.id]++
			if a.DryRun {
				tried[p.id] = triesPerStep // nothing will come between
			}
			drafts = append(drafts, a.bypass(p, r))
			continue
		}
		tried[p.id] = triesPerStep
		draft, err := a.ask(ctx, p, r)
		if err != nil {
			if f := failureOf(err); ctx.Err() != nil || f.Class.stops() {
				return drafts, failed, fmt.Errorf("analyze post %s: %w", p.id, cmp.Or(ctx.Err(), error(f)))
			}
			a.Log.Warn("analysis failed", "post_id", p.id, "class", draft.FailureClass, "attempt", draft.Attempt, "error", err)
			failed = append(failed, fmt.Errorf("post %s: %w", p.id, err))
		}
		drafts = append(drafts, draft)
	}
	return drafts, failed, nil
}

// record appends those of the drafts that the lake, as it is by then, still wants.
func (a *Analyzer) record(ctx context.Context, drafts []event.Prediction) (int, error) {
	if len(drafts) == 0 {
		return 0, nil
	}
	if a.DryRun {
		for _, d := range a.wanted(drafts) {
			a.stats.count(&d)
			if a.Show != nil {
				a.Show(d)
			}
		}
		return 0, nil
	}
	var last []event.Prediction
	n, err := a.predictions.Record(ctx, func() ([]event.Prediction, error) {
		last = a.wanted(drafts)
		return last, nil
	})
	if err != nil {
		return n, fmt.Errorf("record predictions: %w", err)
	}
	for i := range last {
		a.stats.count(&last[i])
	}
	return n, nil
}

// wanted returns the drafts whose posts are still open: another analyzer may have been faster. The
// first prediction of an id stands, and no post with a prediction is bypassed. Failures are
// numbered by what the lake knows.
func (a *Analyzer) wanted(drafts []event.Prediction) []event.Prediction {
	var wanted []event.Prediction
	for _, d := range drafts {
		if a.done.verdict(d.PostID) != open || (d.Kind == event.PostBypassed && a.done.predicted[d.PostID]) {
			continue
		}
		if d.Kind != event.PostBypassed {
			n, _ := a.done.attempts(d.PostID)
			d.Attempt = int32(n + 1)
			d.Terminal = d.Kind == event.AnalysisFailed && d.Attempt >= MaxAttempts
		}
		wanted = append(wanted, d)
	}
	return wanted
}

package analysis

import (
	"context"
	"errors"
	"fmt"
	"time"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/producers"
)

// grace is how long calls in flight may take to arrive once the service is told to stop. It is
// shorter than the ten seconds after which containers are killed.
const grace = 8 * time.Second

// maxTroubles is how many outages in a row end a step: the model is down, and to ask about the next
// post would only use up its attempts.
const maxTroubles = 3

// result is what became of one post.
type result struct {
	post  *post
	draft event.Prediction
	err   error
	// stop says that no call was made: err is the service's trouble.
	stop     bool
	reserved int64 // of the budget
}

// work takes the posts up, several at once, and appends what comes of them in batches, in the order
// of arrival. It is the only one that reads the views and appends; the calls run beside it. done is
// how many posts the step has behind it, for the progress.
func (a *Analyzer) work(ctx context.Context, todo []*post, tried map[string]int, done int) (appended int, err error) {
	calls, cancel := outlive(ctx, grace)
	defer cancel()
	arrived := make(chan result, a.Concurrency)
	var batch []result
	var stop error
	next, flying := 0, 0
	for {
		for ; stop == nil && ctx.Err() == nil && next < len(todo) && flying < a.Concurrency; next++ {
			flying++
			job := a.job(ctx, calls, todo[next], tried)
			go func() { arrived <- job() }()
		}
		over := stop != nil || ctx.Err() != nil || next == len(todo)
		if flying > 0 && len(batch) < a.Batch {
			r := <-arrived
			flying--
			batch, stop = a.take(ctx, batch, r, stop)
			for len(arrived) > 0 { // what came meanwhile goes into the same append
				flying--
				batch, stop = a.take(ctx, batch, <-arrived, stop)
			}
		}
		if len(batch) >= a.Batch || flying == 0 && over {
			n, err := a.flush(calls, batch)
			appended += n
			stop = errors.Join(stop, err)
			batch = nil
			a.Progress.Report("analyze", done+next-flying, done+len(todo))
		}
		if flying == 0 && len(batch) == 0 && (stop != nil || ctx.Err() != nil || next == len(todo)) {
			return appended, errors.Join(stop, ctx.Err())
		}
	}
}

// outlive returns a context that ends when ctx has ended for so long.
func outlive(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel()
		case <-longer.Done():
		}
	})
	return longer, func() { stop(); cancel() }
}

// job says what is to be done about a post, from what the views say now. The function that it
// returns needs no view. No call begins once ctx has ended; calls is the context of those in flight.
func (a *Analyzer) job(ctx, calls context.Context, p *post, tried map[string]int) func() result {
	r, ok := p.current()
	if !ok { // todo has looked, and the posts have not been read since
		return func() result { return result{post: p, stop: true} }
	}
	if r.reason != "" && !a.done.predicted[p.id] {
		tried[p.id]++
		if a.DryRun {
			tried[p.id] = triesPerStep // nothing will come between
		}
		return func() result { return result{post: p, draft: a.bypass(p, r)} }
	}
	tried[p.id] = triesPerStep
	if a.DryRun && a.meter != nil {
		return func() result { return result{post: p, draft: a.foretold(p, r)} }
	}
	lease := a.lease
	return func() result {
		reserved, err := a.gate(ctx, lease, r.input(p))
		if err != nil {
			return result{post: p, err: err, stop: true}
		}
		draft, err := a.ask(calls, p, r)
		return result{post: p, draft: draft, err: err, reserved: reserved}
	}
}

// foretold drafts what a paid call would take; it is not made.
func (a *Analyzer) foretold(p *post, r *rendering) event.Prediction {
	d := a.prediction(p, r)
	e := a.meter.Estimate(r.input(p))
	d.TokensIn, d.TokensOut, d.CostMicros = &e.TokensIn, &e.TokensOut, &e.CostMicros
	return d
}

// gate lets a call through: when the model's limits allow it, the lease is ours and the budget
// bears it, in this order, so that the lease is looked at last thing before the money goes.
func (a *Analyzer) gate(ctx context.Context, lease Lease, in Input) (reserved int64, err error) {
	if a.meter == nil {
		return 0, nil
	}
	if err := errors.Join(a.meter.Wait(ctx, in), ctx.Err()); err != nil {
		return 0, err
	}
	if a.Budget != nil {
		reserved = a.meter.Estimate(in).MaxCostMicros
		now := a.Now()
		if err := a.Budget.reserve(a.done.costs.spent(now), reserved, now); err != nil {
			return 0, err
		}
	}
	if lease != nil {
		if err := lease.Check(); err != nil {
			a.release(reserved)
			return 0, err
		}
	}
	return reserved, nil
}

func (a *Analyzer) release(reserved int64) {
	if a.Budget != nil {
		a.Budget.release(reserved)
	}
}

// take puts what is to be recorded into the batch, and returns why the step must end, if it must.
func (a *Analyzer) take(ctx context.Context, batch []result, r result, stop error) ([]result, error) {
	ended := r.err != nil && ctx.Err() != nil && errors.Is(r.err, context.Canceled)
	if r.err == nil && !r.stop {
		if r.draft.Kind == event.PredictionMade {
			a.troubles = 0
		}
		return append(batch, r), stop
	}
	if ended || r.stop {
		a.release(r.reserved)
		if r.err != nil && stop == nil {
			stop = fmt.Errorf("analyze post %s: %w", r.post.id, r.err)
		}
		return batch, stop
	}
	f := failureOf(r.err)
	a.Metrics.Failed(producers.Class(f.Class))
	a.Log.Warn("analysis failed", "post_id", r.post.id, "model", a.Config.Model, "class", f.Class, "error", oneLine(f.Err.Error()))
	if f.Class.outage() {
		a.troubles++
	} else {
		a.troubles = 0
	}
	if stop == nil && (f.Class.stops() || f.RetryAfter > 0 || a.troubles >= maxTroubles) {
		stop = fmt.Errorf("analyze post %s: %w", r.post.id, &producers.Error{Class: producers.Class(f.Class), RetryAfter: f.RetryAfter, Err: f.Err})
	}
	if f.Class.stops() {
		a.release(r.reserved)
		return batch, stop
	}
	return append(batch, r), stop
}

// flush appends those of the batch that the lake, as it is by then, still wants.
func (a *Analyzer) flush(ctx context.Context, batch []result) (int, error) {
	if len(batch) == 0 {
		return 0, nil
	}
	drafts := make([]event.Prediction, len(batch))
	for i := range batch {
		drafts[i] = batch[i].draft
		defer a.release(batch[i].reserved) // its cost is in the ledger by then
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
		if a.lease != nil {
			if err := a.lease.Check(); err != nil {
				return nil, err
			}
		}
		last = a.wanted(drafts)
		return last, nil
	})
	if err != nil {
		return n, fmt.Errorf("record predictions: %w", err)
	}
	for i := range last {
		a.stats.count(&last[i])
		a.Metrics.Appended(string(last[i].Kind), 1)
		if last[i].CostMicros != nil {
			a.Metrics.Cost(float64(*last[i].CostMicros) / 1e6)
		}
	}
	if n > 0 {
		a.Metrics.Newest(a.Now())
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

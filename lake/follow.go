package lake

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"math"

	"shitpost-alpha/lake/event"
)

// View is what somebody remembers of a stream, folded event by event.
type View[E event.Event] interface {
	// Apply takes one more event. It may come twice, and in any order: newest wins by
	// (RecordedAt, EventID).
	Apply(e *E)
	// Reset forgets everything: events were retracted, and the rest is folded again without them.
	Reset()
}

// Follower keeps a View up to date with its stream. It starts with a snapshot and goes on version by
// version, so nothing is skipped. It is not safe for concurrent use.
type Follower[E event.Event] struct {
	stream *Stream[E]
	view   View[E]
	// next is the version to read next.
	next int64
	// read, if set, reads a snapshot instead of all of it.
	read func(context.Context, *Snapshot[E]) iter.Seq2[[]E, error]
	// identities, if set, is shown who the events of a commit are, in place of the events, where the log
	// says so: then no data file is read.
	identities func(identity)
	// gone holds the event ids and batches that were retracted; such events never reach the view.
	gone map[string]bool
}

// Follow returns a follower that has read nothing yet.
func Follow[E event.Event](s *Stream[E], v View[E]) *Follower[E] {
	return &Follower[E]{stream: s, view: v, gone: map[string]bool{}}
}

// Next returns the version that the follower will read next.
func (f *Follower[E]) Next() int64 { return f.next }

// CatchUp folds everything up to the newest version into the view and returns how many events came.
func (f *Follower[E]) CatchUp(ctx context.Context) (int, error) {
	return f.catchUpTo(ctx, math.MaxInt64)
}

// catchUpTo is CatchUp up to a version, and further where it must start from a snapshot.
func (f *Follower[E]) catchUpTo(ctx context.Context, last int64) (n int, err error) {
	if f.next == 0 {
		k, err := f.start(ctx)
		if err != nil || f.next == 0 || f.read != nil { // a recorder that counts requests catches up again before it appends
			return k, err
		}
		n = k
	}
	for f.next <= last {
		k, err := f.step(ctx)
		n += k
		switch {
		case errors.Is(err, ErrNoVersion):
			return n, nil
		case errors.Is(err, errRetracted):
			f.next = 0
			_, err = f.start(ctx)
		case errors.Is(err, ErrRetired), errors.Is(err, ErrTakenBack):
			// So late that what it would read next was compacted and swept, or some of what it has read
			// is no part of the stream any more: the snapshot is what there is.
			f.next = 0
			n, err = f.start(ctx)
		}
		if err != nil {
			return n, fmt.Errorf("follow %s: %w", f.stream.Name(), err)
		}
	}
	return n, nil
}

// errRetracted: what the view knows may rest on what is now taken back.
var errRetracted = errors.New("events were retracted: fold again")

// step folds the next version.
func (f *Follower[E]) step(ctx context.Context) (int, error) {
	actions, err := f.stream.entry(ctx, f.next)
	if err != nil {
		return 0, err
	}
	if f.identities != nil {
		if ids, batch, ok := identitiesOf(actions); ok {
			f.next++
			f.applyIdentities(ids, batch)
			return len(ids), nil
		}
	}
	c, err := f.stream.commit(ctx, f.next, actions)
	if err != nil {
		return 0, err
	}
	f.next++
	if f.retracts(c.Events) {
		return len(c.Events), errRetracted
	}
	f.apply(c.Events)
	return len(c.Events), nil
}

// Wait returns when there is something to catch up with, or when ctx ends.
func (f *Follower[E]) Wait(ctx context.Context) error { return f.stream.Wait(ctx, f.next) }

// start folds the snapshot at the head, again if it turns out that events in it are retracted or
// that its files were swept meanwhile.
func (f *Follower[E]) start(ctx context.Context) (int, error) {
	for {
		f.view.Reset()
		snap, err := f.stream.Snapshot(ctx, -1)
		if err != nil {
			return 0, fmt.Errorf("follow %s: %w", f.stream.Name(), err)
		}
		n, again := 0, false
		for events, err := range f.batches(ctx, snap) {
			if errors.Is(err, ErrRetired) {
				again = true // swept while it was read: the newest snapshot has the rest
				break
			}
			if err != nil {
				return n, fmt.Errorf("follow %s: %w", f.stream.Name(), err)
			}
			again = f.retracts(events) || again
			f.apply(events)
			n += len(events)
		}
		if !again {
			f.next = snap.Version + 1
			return n, nil
		}
	}
}

func (f *Follower[E]) batches(ctx context.Context, snap *Snapshot[E]) iter.Seq2[[]E, error] {
	if f.read != nil {
		return f.read(ctx, snap)
	}
	return snap.Batches(ctx)
}

// retracts notes what the events take back and reports whether anything of it is news.
func (f *Follower[E]) retracts(events []E) bool {
	news := false
	note := func(id string) {
		if id != "" && !f.gone[id] {
			f.gone[id], news = true, true
		}
	}
	for i := range events {
		if event.EnvelopeOf(&events[i]).Kind != event.Retracted {
			continue
		}
		r := event.RetractionOf(&events[i])
		note(r.RetractedBatch)
		for _, id := range r.RetractedEvents {
			note(id)
		}
	}
	return news
}

// applyIdentities is apply of events of which the log says who they are.
func (f *Follower[E]) applyIdentities(ids []identity, batch string) {
	for _, id := range ids {
		if !f.gone[batch] && !f.gone[hex.EncodeToString(id.event[:])] {
			f.identities(id)
		}
	}
}

// apply shows the view what was not retracted. A retraction itself cannot be retracted.
func (f *Follower[E]) apply(events []E) {
	for i := range events {
		v := event.EnvelopeOf(&events[i])
		if v.Kind == event.Retracted || !f.gone[v.EventID] && !f.gone[v.BatchID] {
			f.view.Apply(&events[i])
		}
	}
}

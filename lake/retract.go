package lake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"shitpost-alpha/lake/event"
)

// Retractable is an event that a retraction would take back.
type Retractable struct {
	EventID    string     `json:"event_id"`
	Kind       event.Kind `json:"kind"`
	Key        string     `json:"key"`
	Source     string     `json:"source"`
	RecordedAt time.Time  `json:"recorded_at"` // UTC
	BatchID    string     `json:"batch_id"`
	// Already says that an earlier retraction took it back.
	Already bool `json:"already_retracted"`
}

// Retraction names what is to be taken back: events by id, or all events of one commit by batch id.
type Retraction struct {
	Events []string
	Batch  string
	// Reason is kept in the event's payload.
	Reason string
}

func (r Retraction) check() error {
	if (len(r.Events) == 0) == (r.Batch == "") {
		return errors.New("name either events or one batch")
	}
	if strings.TrimSpace(r.Reason) == "" {
		return errors.New("give a reason: it is kept with the retraction")
	}
	return nil
}

// Retractables returns the events that the retraction would take back, in the order of recording.
// ErrUnknownEvents: some of those that it names are not in the stream. A retraction cannot be
// retracted: what was taken back is recorded again instead.
func (s *Stream[E]) Retractables(ctx context.Context, r Retraction) ([]Retractable, error) {
	out, err := s.retractables(ctx, r)
	if err != nil {
		return nil, fmt.Errorf("retract from %s: %w", s.Name(), err)
	}
	return out, nil
}

func (s *Stream[E]) retractables(ctx context.Context, r Retraction) ([]Retractable, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	snap, err := s.Snapshot(ctx, -1)
	if err != nil {
		return nil, err
	}
	found := map[string]Retractable{}
	gone := Follow(s, View[E](nil)) // only for what it notes of retractions
	for events, err := range snap.Batches(ctx) {
		if err != nil {
			return nil, err
		}
		gone.retracts(events)
		for i := range events {
			v := event.EnvelopeOf(&events[i])
			if (r.Batch == "" || v.BatchID != r.Batch) && !slices.Contains(r.Events, v.EventID) {
				continue
			}
			if v.Kind == event.Retracted {
				return nil, fmt.Errorf("event %s is a retraction, which cannot be taken back: record again what it took", v.EventID)
			}
			found[v.EventID] = Retractable{v.EventID, v.Kind, v.Key, v.Source, v.RecordedAt, v.BatchID, false}
		}
	}
	for _, id := range r.Events {
		if _, ok := found[id]; !ok {
			return nil, fmt.Errorf("event %q: %w", id, ErrUnknownEvents)
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("batch %q: %w", r.Batch, ErrUnknownEvents)
	}
	out := make([]Retractable, 0, len(found))
	for _, e := range found {
		e.Already = gone.gone[e.EventID] || gone.gone[e.BatchID]
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b Retractable) int { return a.RecordedAt.Compare(b.RecordedAt) })
	return out, nil
}

// Retract appends the event retracted: what it names counts as never written, for readers and for
// producers, and every read model is built again without it. It returns what it took back. Nothing
// is appended when all of it was taken back before.
func (s *Stream[E]) Retract(ctx context.Context, r Retraction) ([]Retractable, error) {
	taken, err := s.Retractables(ctx, r)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(taken, func(e Retractable) bool { return !e.Already }) {
		return nil, nil
	}
	reason, err := json.Marshal(map[string]string{"reason": r.Reason})
	if err != nil {
		return nil, err
	}
	var draft E
	v := event.EnvelopeOf(&draft)
	v.Kind, v.Key, v.Source, v.OccurredAt = event.Retracted, r.Batch, "operator", s.opts.Now()
	if r.Batch == "" {
		v.Key = event.Hash(r.Events...)
	}
	v.SetPayload(reason)
	*event.RetractionOf(&draft) = event.Retraction{RetractedEvents: r.Events, RetractedBatch: r.Batch}
	if _, err := NewRecorder(s, nil).Record(ctx, func() ([]E, error) { return []E{draft}, nil }); err != nil {
		return nil, fmt.Errorf("retract from %s: %w", s.Name(), err)
	}
	return taken, nil
}

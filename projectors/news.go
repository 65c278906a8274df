package projectors

import (
	"time"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/projectors/rows"
)

// news are the facts that a batch of events of any stream states.
type news struct {
	versions    []rows.PostVersion
	windows     []rows.Window
	attempts    []rows.Attempt
	prices      rows.Prices
	rejected    []rows.Rejected
	retractions []rows.Retraction
	deadLetters []rows.DeadLetter
	producers   map[string]rows.Producer // by stream and name

	events         int
	oldest, newest time.Time // RecordedAt of those that could be applied; zero without any
	newestID       string
}

// gone holds what was retracted: event ids and batch ids, per stream.
type gone map[string]map[string]bool

// note adds what a retraction names and reports whether any of it is new.
func (g gone) note(r *rows.Retraction) (fresh bool) {
	if g[r.Stream] == nil {
		g[r.Stream] = map[string]bool{}
	}
	for _, id := range append([]string{r.RetractedBatch}, r.RetractedEvents...) {
		if id != "" && !g[r.Stream][id] {
			g[r.Stream][id], fresh = true, true
		}
	}
	return fresh
}

// add takes one more event, met at a place of the tail or in a snapshot (nil). An event that was
// retracted counts as never written; a retraction itself cannot be retracted. What cannot be applied
// becomes a dead letter.
func add[E event.Event](n *news, e *E, at *rows.Position, g gone) {
	v := event.EnvelopeOf(e)
	n.events++
	if ids := g[event.StreamOf[E]()]; v.Kind != event.Retracted && (ids[v.EventID] || ids[v.BatchID]) {
		return
	}
	if err := rows.Check(e); err != nil {
		n.deadLetters = append(n.deadLetters, rows.DeadLetterOf(e, at, err))
		return
	}
	if n.oldest.IsZero() || v.RecordedAt.Before(n.oldest) {
		n.oldest = v.RecordedAt
	}
	if !v.RecordedAt.Before(n.newest) {
		n.newest, n.newestID = v.RecordedAt, v.EventID
	}
	n.noteProducer(rows.ProducerOf(e))
	switch v.Kind {
	case event.RecordRejected:
		n.rejected = append(n.rejected, rows.RejectedOf(e))
		return
	case event.Retracted:
		n.retractions = append(n.retractions, rows.RetractionOf(e))
		return
	}
	switch e := any(e).(type) {
	case *event.Post:
		if e.Kind == event.WindowRead {
			n.windows = append(n.windows, rows.WindowOf(e))
		} else {
			n.versions = append(n.versions, rows.VersionOf(e))
		}
	case *event.Prediction:
		n.attempts = append(n.attempts, rows.AttemptOf(e))
	case *event.Price:
		n.prices.Add(e)
	}
}

func (n *news) noteProducer(p rows.Producer) {
	key := p.Stream + " " + p.Producer
	if old, ok := n.producers[key]; ok && !p.Newer(&old) {
		return
	}
	if n.producers == nil {
		n.producers = map[string]rows.Producer{}
	}
	n.producers[key] = p
}

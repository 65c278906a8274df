package lake

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"shitpost-alpha/lake/event"
)

// Recorder appends to a stream only what the stream does not say already, with any number of other
// writers beside it. It knows the newest event of every subject (see event.SubjectOf). It is not
// safe for concurrent use.
type Recorder[E event.Event] struct {
	stream *Stream[E]
	follow *Follower[E]
	heads  *heads[E]
}

// NewRecorder returns a recorder that also keeps view up to date, unless it is nil.
func NewRecorder[E event.Event](s *Stream[E], view View[E]) *Recorder[E] {
	h := &heads[E]{view: view}
	h.Reset()
	r := &Recorder[E]{stream: s, heads: h, follow: Follow(s, View[E](h))}
	h.gone = r.follow.gone
	if view == nil {
		r.follow.identities = h.know
	}
	return r
}

// CatchUp folds everything new of the stream, others' events and one's own.
func (r *Recorder[E]) CatchUp(ctx context.Context) error {
	_, err := r.follow.CatchUp(ctx)
	return err
}

// Wait returns when the stream has news.
func (r *Recorder[E]) Wait(ctx context.Context) error { return r.follow.Wait(ctx) }

// What one append of a Recorder holds at most; payloads and texts are counted before compression.
const (
	recordEvents = 20_000
	recordBytes  = 24 << 20
)

// Record asks decide for drafts, seals them and appends what is new; it returns how many events it
// appended. It catches up before, unless it knew the newest version a moment ago; but it never says
// that nothing is new without having looked. When another writer was faster, it catches up and asks
// decide again, so decide must look at the view each time it is called. After an error the events may
// be there: the next Record finds out.
//
// Several drafts of one subject are its history, in order: if one of them says what the stream's
// newest event of that subject says, it and those before it are known, and only what follows is
// appended. A draft that event.Check refuses is appended as record_rejected, with its payload.
func (r *Recorder[E]) Record(ctx context.Context, decide func() ([]E, error)) (appended int, err error) {
	for look := false; ; {
		looked, err := r.prepare(ctx, look)
		if err != nil {
			return appended, err
		}
		drafts, err := decide()
		if err != nil && looked {
			return appended, err
		}
		events := r.New(drafts)
		if look = !looked && (err != nil || len(events) == 0); look {
			continue
		}
		n, err := r.appendNew(ctx, events)
		appended += n
		if !errors.Is(err, ErrConflict) || ctx.Err() != nil {
			return appended, err
		}
	}
}

// prepare waits for this process's turn and catches up with what is known then. looked says that all
// there is was known just now.
func (r *Recorder[E]) prepare(ctx context.Context, look bool) (looked bool, err error) {
	if r.follow.next == 0 || look {
		return true, r.CatchUp(ctx)
	}
	head, looked, err := r.stream.turn(ctx)
	if err == nil {
		_, err = r.follow.catchUpTo(ctx, head)
	}
	return looked, err
}

// New returns the sealed events of drafts that Record would append now, without appending them.
func (r *Recorder[E]) New(drafts []E) []E { return r.heads.seal(drafts, r.stream.opts.Now) }

func (r *Recorder[E]) appendNew(ctx context.Context, events []E) (appended int, err error) {
	for len(events) > 0 {
		n := batchLen(events)
		version, by, err := r.stream.appendBatch(ctx, r.follow.next-1, events[:n])
		if err != nil {
			return appended, err
		}
		batch := events[:n]
		for i := range batch {
			by.set(event.EnvelopeOf(&batch[i]), i)
		}
		appended += n
		events = events[n:]
		if version == max(r.follow.next, 1) && !hasRetraction(batch) { // version 0 made the table
			r.follow.apply(batch)
			r.follow.next = version + 1
		} else if err := r.CatchUp(ctx); err != nil { // reads it back, with what came between
			return appended, fmt.Errorf("after version %d: %w", version, err)
		}
	}
	return appended, nil
}

func hasRetraction[E event.Event](events []E) bool {
	return slices.ContainsFunc(events, func(e E) bool { return event.EnvelopeOf(&e).Kind == event.Retracted })
}

func batchLen[E event.Event](events []E) int {
	size := 0
	for i := range events {
		v := event.EnvelopeOf(&events[i])
		size += len(v.Payload) + 512
		if p, ok := any(&events[i]).(*event.Post); ok {
			size += len(p.Text) + len(p.HTML)
		}
		if i > 0 && (i == recordEvents || size > recordBytes) {
			return i
		}
	}
	return len(events)
}

// heads is the newest event of every subject, kept small: a lake has many.
type heads[E event.Event] struct {
	view View[E]
	byID map[[16]byte]head // by hash of the subject
	gone map[string]bool   // the follower's: what was retracted
}

// head is the identity of the newest event of a subject.
type head struct {
	event, content [16]byte
	recorded       int64 // µs since 1970
}

func (h *heads[E]) Reset() {
	h.byID = map[[16]byte]head{}
	if h.view != nil {
		h.view.Reset()
	}
}

func (h *heads[E]) Apply(e *E) {
	h.know(identityOf(e))
	if h.view != nil {
		h.view.Apply(e)
	}
}

// know takes one more event of which only the identity is known.
func (h *heads[E]) know(id identity) {
	old, ok := h.byID[id.subject]
	if !ok || id.recorded > old.recorded || id.recorded == old.recorded && string(id.event[:]) > string(old.event[:]) {
		h.byID[id.subject] = head{id.event, id.content, id.recorded}
	}
}

// seal returns the drafts that are new, with their identities.
func (h *heads[E]) seal(drafts []E, now func() time.Time) []E {
	subjects := make([][16]byte, len(drafts))
	contents := make([][16]byte, len(drafts))
	known := map[[16]byte]int{} // last position of a subject that says what its head says
	for i := range drafts {
		refuse(&drafts[i], now)
		subjects[i] = digest(event.Hash(event.SubjectOf(&drafts[i])))
		contents[i] = digest(event.ContentHashOf(&drafts[i]))
		if head, ok := h.byID[subjects[i]]; ok && head.content == contents[i] {
			known[subjects[i]] = i
		}
	}
	var out []E
	newest := map[[16]byte]head{}
	for i := range drafts {
		if last, ok := known[subjects[i]]; ok && i <= last {
			continue
		}
		prev, ok := newest[subjects[i]]
		if !ok {
			prev, ok = h.byID[subjects[i]]
		}
		if ok && prev.content == contents[i] {
			continue
		}
		supersedes := ""
		if ok {
			supersedes = hex.EncodeToString(prev.event[:])
		}
		e := drafts[i]
		event.Seal(&e, supersedes)
		for h.gone[event.EnvelopeOf(&e).EventID] {
			// The very fact that was retracted is found again: it is a new one, or no reader would see it.
			event.Seal(&e, event.EnvelopeOf(&e).EventID)
		}
		newest[subjects[i]] = head{event: digest(event.EnvelopeOf(&e).EventID), content: contents[i]}
		out = append(out, e)
	}
	return out
}

// refuse turns a draft that must not be written into the record of its rejection.
func refuse[E event.Event](draft *E, now func() time.Time) {
	e := *draft
	event.Seal(&e, "")
	err := event.Check(&e)
	if err == nil {
		return
	}
	v := *event.EnvelopeOf(draft)
	var rejected E
	w := event.EnvelopeOf(&rejected)
	*w = v
	w.Kind, w.OccurredAt = event.RecordRejected, now()
	if w.Source == "" {
		w.Source = "unknown"
	}
	w.Key = w.Source + ":" + event.Hash(string(v.Kind), v.Key, v.PayloadSHA256)[:16]
	*event.RejectionOf(&rejected) = event.Rejection{RejectedReason: "invalid", RejectedDetail: err.Error()}
	*draft = rejected
}

// digest returns the 16 bytes of an event.Hash; a foreign id is hashed into that form.
func digest(id string) (d [16]byte) {
	if n, err := hex.Decode(d[:], []byte(id)[:min(len(id), 32)]); err == nil && n == 16 && len(id) == 32 {
		return d
	}
	hex.Decode(d[:], []byte(event.Hash(id)))
	return d
}

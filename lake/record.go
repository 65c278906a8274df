package lake

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
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
	turns  turns
}

// NewRecorder returns a recorder that also keeps view up to date, unless it is nil.
func NewRecorder[E event.Event](s *Stream[E], view View[E]) *Recorder[E] {
	h := &heads[E]{view: view}
	h.Reset()
	r := &Recorder[E]{stream: s, heads: h, follow: Follow(s, View[E](h))}
	h.gone = r.follow.gone
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

// Record catches up, asks decide for drafts, seals them and appends what is new; it returns how many
// events it appended. When another writer was faster, or the outcome of an append is unknown, it
// catches up and asks decide again, so decide must look at the view each time it is called.
//
// Several drafts of one subject are its history, in order: if one of them says what the stream's
// newest event of that subject says, it and those before it are known, and only what follows is
// appended. A draft that event.Check refuses is appended as record_rejected, with its payload.
func (r *Recorder[E]) Record(ctx context.Context, decide func() ([]E, error)) (appended int, err error) {
	for {
		if err := r.turns.wait(ctx); err != nil {
			return appended, err
		}
		if err := r.CatchUp(ctx); err != nil {
			return appended, err
		}
		drafts, err := decide()
		if err != nil {
			return appended, err
		}
		n, err := r.appendNew(ctx, drafts)
		appended += n
		if !errors.Is(err, ErrConflict) || ctx.Err() != nil {
			if err == nil {
				r.turns.won()
			}
			return appended, err
		}
		r.turns.lost()
	}
}

// turns is how writers of one stream come to take turns without knowing of each other. Each waits
// before it looks and appends, the longer the more often somebody else was faster of late; one that
// lost waits less the more often it lost in a row, one that won waits longer than those who lost. A
// writer that is alone does not wait.
type turns struct {
	window time.Duration
	losses int // since the last win
}

const (
	firstWindow = 16 * time.Millisecond
	maxWindow   = 128 * time.Millisecond
)

func (w *turns) lost() {
	w.losses++
	w.window = min(max(w.window*3/2, firstWindow), maxWindow)
}

func (w *turns) won() {
	w.losses = 0
	if w.window = w.window * 7 / 8; w.window < firstWindow/2 {
		w.window = 0
	}
}

// wait returns when it is this writer's turn to try.
func (w *turns) wait(ctx context.Context) error {
	if w.window == 0 {
		return nil
	}
	pause := w.window/2 + rand.N(w.window/2)
	if w.losses > 0 {
		pause = rand.N(w.window) / time.Duration(w.losses)
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(pause):
		return nil
	}
}

// New returns the sealed events of drafts that Record would append now, without appending them.
func (r *Recorder[E]) New(drafts []E) []E { return r.heads.seal(drafts, r.stream.opts.Now) }

func (r *Recorder[E]) appendNew(ctx context.Context, drafts []E) (appended int, err error) {
	events := r.New(drafts)
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
	v := event.EnvelopeOf(e)
	subject := digest(event.Hash(event.SubjectOf(e)))
	next := head{digest(v.EventID), digest(v.ContentHash), v.RecordedAt.UnixMicro()}
	old, ok := h.byID[subject]
	if !ok || next.recorded > old.recorded || next.recorded == old.recorded && string(next.event[:]) > string(old.event[:]) {
		h.byID[subject] = next
	}
	if h.view != nil {
		h.view.Apply(e)
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

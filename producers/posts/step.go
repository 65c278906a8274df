package posts

import (
	"context"
	"time"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/producers"
)

// catchUp learns what the lake says. Who reads but the news of timelines needs to know but the recent
// part of it: as far back as the first reading would go, and all of it if the watermark is older.
func (h *Harvester) catchUp(ctx context.Context) error {
	if h.rec == nil && h.recent() {
		h.horizon = h.Now().Add(-h.FirstWindow - h.DeepOverlap - 24*time.Hour)
		h.rec = lake.NewRecentRecorder(h.stream, h.known, h.horizon)
	}
	if h.rec != nil {
		if err := h.rec.CatchUp(ctx); err != nil || h.horizon.IsZero() || !h.behindHorizon() {
			return err
		}
	}
	h.known.Reset()
	h.horizon = time.Time{}
	h.rec = lake.NewRecorder[event.Post](h.stream, h.known)
	return h.rec.CatchUp(ctx)
}

// recent reports whether all sources are timelines of which only the news is read.
func (h *Harvester) recent() bool {
	for _, src := range h.Sources {
		if _, ok := src.(Timeline); !ok {
			return false
		}
	}
	return h.Mode != Backfill && h.Mode != Range
}

func (h *Harvester) behindHorizon() bool {
	for _, src := range h.Sources {
		if line, ok := src.(Timeline); ok && newReading(h, line, h.Now()).stop.Before(h.horizon) {
			return true
		}
	}
	return false
}

// ahead is how many drafts are handed over at once, aheadBytes how much they hold at most, and handOvers
// how many such hand-overs wait: together about a batch, so that the next one is read while one is
// appended.
const (
	ahead      = 250
	aheadBytes = 1 << 20
	handOvers  = 8
)

// readAhead reads the source while what it showed before is compared and appended: to parse takes
// about as long as to append, so two cores have both to do. No hand-over is left when it returns.
func (p *pass) readAhead(ctx context.Context, take func(event.Post) error) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	drafts := make(chan []event.Post, handOvers)
	var readErr error // set before drafts is closed
	go func() {
		defer close(drafts)
		readErr = p.read(ctx, drafts)
	}()
	var takeErr error
	for some := range drafts {
		for i := 0; i < len(some) && takeErr == nil; i++ {
			if takeErr = take(some[i]); takeErr != nil {
				stop() // and go on until the reader has noticed
			}
		}
	}
	if takeErr != nil {
		return takeErr
	}
	return readErr
}

// read hands the drafts of the source over, with the hashes of what they say, which cost about as much
// as to parse them.
func (p *pass) read(ctx context.Context, drafts chan<- []event.Post) error {
	var some []event.Post
	size := 0
	handOver := func() error {
		select {
		case drafts <- some:
			some, size = make([]event.Post, 0, ahead), 0
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	err := p.src.Read(ctx, func(draft event.Post) error {
		draft.ContentHash = event.ContentHashOf(&draft)
		some, size = append(some, draft), size+len(draft.Payload)+len(draft.Text)+len(draft.HTML)
		if len(some) < ahead && size < aheadBytes {
			return nil
		}
		return handOver()
	})
	if len(some) > 0 && ctx.Err() == nil {
		_ = handOver() // whoever stopped us takes no more
	}
	return err
}

// wait is how long a source wants to be left alone, and why.
type wait struct {
	until time.Time
	err   error
}

// note remembers when the source may be asked again. Beside other sources the loop must not wait as
// long, so the error that is returned then says nothing about it.
func (h *Harvester) note(src Source, err error) error {
	after := producers.RetryAfter(err)
	if after == 0 || len(h.Sources) == 1 {
		return err
	}
	err = &producers.Error{Class: producers.ClassOf(err), Message: err.Error()}
	h.waiting[src.Name()] = wait{h.Now().Add(after), err}
	return err
}

// count tells the metrics what was appended.
func (h *Harvester) count(events []event.Post) {
	kinds := map[event.Kind]int{}
	for i := range events {
		kinds[events[i].Kind]++
		if at := events[i].PublishedAt; !at.IsZero() {
			h.Metrics.Newest(at)
		}
	}
	for kind, n := range kinds {
		h.Metrics.Appended(string(kind), n)
	}
}

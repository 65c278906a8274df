// Package posts records what sources show of the author's posts. A Source reads; the Harvester
// compares what it reads with what the lake knows and appends only what is new: a post, another
// version of it, a document that could not be taken, the window that was read.
//
// One package per source lies beneath it. record knows what a source document means, plain makes
// text of what was sent.
package posts

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/producers"
	"shitpost-alpha/producers/posts/record"
)

// Source is a place where posts are found. It need not be safe for concurrent use.
type Source interface {
	// Name says in messages which source it is.
	Name() string
	// Live reports whether the source shows the timeline up to now, so that silence is news. An
	// archive is not live: it ends where it ends. The events of a live source carry its Name.
	Live() bool
	// Read yields the drafts of all that the source shows, post_observed and record_rejected, each
	// time from the start; of one post the older version first. It holds little in memory. What
	// cannot be read at all is its error, after everything else was yielded. It stops at once with
	// the error of yield, wrapped.
	Read(ctx context.Context, yield func(event.Post) error) error
}

// Timeline is a live source that is read page by page, newest first.
type Timeline interface {
	Name() string
	// Page returns the posts below maxID, 0 for the newest. A page without posts is the end of the
	// timeline; whatever went wrong is an error.
	Page(ctx context.Context, maxID uint64) (record.Page, error)
}

// committer is a source that wants to know that everything of its last Read was recorded.
type committer interface{ Committed() }

// Mode says how far back a Timeline is read.
type Mode string

// The modes.
const (
	// Incremental reads from the newest post back to Overlap behind the watermark.
	Incremental Mode = "incremental"
	// Backfill reads from MaxID, or the newest post, back to the end.
	Backfill Mode = "backfill"
	// Range reads what was published from From to To.
	Range Mode = "range"
)

// Harvester is the producer of stream posts. Its Step is safe to kill at any point: what was appended
// stays, the rest is found again by the next Step. It is not safe for concurrent use; any number of
// harvesters may write to one lake.
type Harvester struct {
	Sources []Source
	// From and To limit the posts that are recorded by time of publication, From inclusive and To
	// exclusive; zero is no limit.
	From, To time.Time
	// Limit is how many posts and versions a step records at most; 0 is no limit.
	Limit int
	// DryRun compares and reports, and appends nothing.
	DryRun bool
	// Mode says how far back a Timeline is read; MaxID, 0 for none, where a backfill begins.
	Mode  Mode
	MaxID uint64
	// Overlap is how far behind the watermark an incremental reading goes back; once in DeepEvery it
	// goes DeepOverlap back, to see edits and deletions. FirstWindow is how far back the very first
	// one goes, which has no watermark.
	Overlap, DeepOverlap, DeepEvery, FirstWindow time.Duration
	// AcceptMissing takes any number of posts that a timeline no longer shows for deleted. Without
	// it more than 5 and more than a fifth of them at once are a bad reading.
	AcceptMissing bool
	// Check, if set, is asked before every request to a Timeline and before every append of what
	// it showed, and its error ends the step: whoever pays for the source holds a lease.
	Check func() error
	// Progress is told how many posts of a timeline were read; nil for none.
	Progress producers.Progress
	// Metrics counts what was appended; nil for none.
	Metrics *producers.Metrics
	Now     func() time.Time
	Log     *slog.Logger

	// waiting holds the sources that asked to be left alone for a while.
	waiting map[string]wait
	stream  *lake.Stream[event.Post]
	rec     *lake.Recorder[event.Post] // nil before the first step
	known   *known
	horizon time.Time // what is older is not known; zero: all is
	reports []*Report
	// batchPosts is how many drafts one append tries to add: few commits for a big archive, little
	// in memory.
	batchPosts int
}

// New returns a harvester that writes to stream.
func New(stream *lake.Stream[event.Post], sources ...Source) *Harvester {
	return &Harvester{
		Sources: sources,
		Now:     time.Now,
		Log:     slog.New(slog.DiscardHandler),
		stream:  stream,
		known:   newKnown(),
		waiting: map[string]wait{},

		Overlap: 2 * time.Hour, DeepOverlap: 48 * time.Hour, DeepEvery: time.Hour, FirstWindow: 7 * 24 * time.Hour,
		batchPosts: 2_500,
	}
}

// batchBytes is how much a batch holds at most, by its payloads and texts.
const batchBytes = 8 << 20

// heartbeat is how long a live source may be silent before a window is recorded that says so.
const heartbeat = time.Hour

// clockTolerance is how far a source's time may lie from the time that the id carries (domain.md 1.2).
const clockTolerance = time.Hour

// errLimit ends the reading of a source when Limit is reached.
var errLimit = errors.New("limit reached")

// Step reads every source once and returns how many events were appended. A source that fails does
// not keep the others from being read, and one that says when to come back (producers.RetryAfter) is
// left alone until then; all errors are joined.
func (h *Harvester) Step(ctx context.Context) (appended int, err error) {
	h.reports = nil
	if err := h.catchUp(ctx); err != nil {
		return 0, fmt.Errorf("harvest posts: %w", err)
	}
	left := h.Limit
	var errs []error
	for _, src := range h.Sources {
		if w := h.waiting[src.Name()]; h.Now().Before(w.until) {
			errs = append(errs, w.err)
			continue
		}
		p := &pass{h: h, src: src, reports: map[string]*Report{}, left: left}
		if err := p.run(ctx); err != nil {
			errs = append(errs, h.note(src, fmt.Errorf("harvest %s: %w", src.Name(), err)))
		}
		appended += p.appended
		left = p.left
		if ctx.Err() != nil || h.Limit > 0 && left == 0 {
			break
		}
	}
	return appended, errors.Join(errs...)
}

// Reports returns what the last Step found, one report per source of events (per file of an archive).
func (h *Harvester) Reports() []*Report { return h.reports }

// pass is one reading of one source.
type pass struct {
	h        *Harvester
	src      Source
	line     *reading // of a Timeline, else nil
	reports  map[string]*Report
	batch    []event.Post
	bytes    int
	left     int  // of Limit
	limited  bool // Limit was reached
	stopped  bool // take returned an error: the batch was tried
	appended int
}

func (p *pass) run(ctx context.Context) error {
	now := p.h.Now()
	if p.src.Live() {
		p.report(p.src.Name())
	}
	take := func(draft event.Post) error {
		err := p.take(ctx, draft)
		p.stopped = err != nil
		return err
	}
	var err error
	if line, ok := p.src.(Timeline); ok {
		p.line = newReading(p.h, line, now)
		err = p.line.read(ctx, take)
	} else {
		err = p.readAhead(ctx, take)
	}
	// What a timeline showed last goes into one commit with the window that proves it.
	if !p.stopped && (p.line == nil || err != nil) {
		flushErr := p.flush(ctx)
		if c, ok := p.src.(committer); ok && flushErr == nil && !p.limited {
			c.Committed()
		}
		err = errors.Join(err, flushErr)
	}
	if p.limited {
		err = nil
	}
	switch {
	case ctx.Err() != nil:
	case p.line != nil:
		err = errors.Join(err, p.recordReading(ctx, err == nil && !p.limited))
	default:
		err = errors.Join(err, p.recordWindows(ctx, now, err == nil))
	}
	for _, r := range p.h.reports {
		if p.reports[r.Source] == r {
			r.log(p.h.Log)
		}
	}
	return err
}

// take puts a draft into the batch.
func (p *pass) take(ctx context.Context, draft event.Post) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r := p.report(draft.Source)
	r.Read++
	if at := draft.PublishedAt; draft.Kind == event.PostObserved && (at.Before(p.h.From) || !p.h.To.IsZero() && !at.Before(p.h.To)) {
		r.OutsideRange++
		return nil
	}
	r.observe(&draft)
	if draft.OccurredAt.IsZero() {
		draft.OccurredAt = p.h.Now()
	}
	p.batch = append(p.batch, draft)
	p.bytes += len(draft.Payload) + len(draft.Text) + len(draft.HTML)
	if len(p.batch) < p.h.batchPosts && p.bytes < batchBytes {
		return nil
	}
	return p.flush(ctx)
}

// flush appends what is new of the batch. Its append is the commit: a crash before it leaves
// nothing of the batch, a crash after it all.
func (p *pass) flush(ctx context.Context) error {
	var found findings
	if p.h.DryRun {
		found = p.h.known.sift(p.batch, p.limit(), p.line != nil)
		for i := range found.events {
			p.h.known.see(&found.events[i])
		}
	} else {
		n, err := p.h.rec.Record(ctx, func() ([]event.Post, error) {
			found = p.h.known.sift(p.batch, p.limit(), p.line != nil)
			return found.events, p.check()
		})
		p.appended += n
		if n > 0 { // what a conflict left half done is counted with the rest
			p.h.count(found.events)
		}
		if err != nil {
			return fmt.Errorf("record %d events: %w", len(p.batch), err)
		}
	}
	if p.settle(found); p.limited {
		return errLimit
	}
	return nil
}

// settle counts what became of the batch.
func (p *pass) settle(found findings) {
	for source, t := range found.tallies {
		p.report(source).add(t)
		p.left -= t.New + t.Versions
	}
	p.batch, p.bytes = p.batch[:0], 0
	p.limited = found.limited
}

// limit returns how many posts may still be recorded, -1 for any number.
func (p *pass) limit() int {
	if p.h.Limit == 0 {
		return -1
	}
	return p.left
}

// recordWindows says what was read: of a live source when something was new or an hour has passed,
// of an archive when something was new. It comes after the posts, so that a crash never leaves a
// window whose posts are missing. whole says that the source was read without error.
func (p *pass) recordWindows(ctx context.Context, now time.Time, whole bool) error {
	if p.h.DryRun {
		return nil
	}
	n, err := p.h.rec.Record(ctx, func() ([]event.Post, error) {
		var drafts []event.Post
		for source, r := range p.reports {
			silent := p.src.Live() && whole && now.Sub(p.h.known.silentSince(source)) >= heartbeat
			if r.New+r.Versions == 0 && !silent {
				continue // nothing to say; a file with nothing but rejections has no window either
			}
			drafts = append(drafts, p.window(source, r, now, whole))
		}
		return drafts, nil
	})
	p.appended += n
	p.h.Metrics.Appended(string(event.WindowRead), n)
	if err != nil {
		return fmt.Errorf("record window: %w", err)
	}
	return nil
}

func (p *pass) window(source string, r *Report, now time.Time, whole bool) event.Post {
	var w event.Post
	w.Kind, w.Source, w.Key, w.OccurredAt = event.WindowRead, source, source, now
	w.Synthetic = r.synthetic
	w.WindowFrom, w.WindowTo, w.WindowPosts = r.Oldest, r.Newest, int64(r.posts)
	if p.src.Live() && whole && !p.limited {
		w.WindowTo, w.WindowComplete = now, true
	}
	if w.WindowFrom.IsZero() {
		w.WindowFrom = w.WindowTo
	}
	return w
}

// check asks Check where a timeline is read.
func (p *pass) check() error {
	if p.line == nil || p.h.Check == nil {
		return nil
	}
	return p.h.Check()
}

func (p *pass) report(source string) *Report {
	r, ok := p.reports[source]
	if !ok {
		r = &Report{Source: source, Rejected: map[string]int{}}
		p.reports[source] = r
		p.h.reports = append(p.h.reports, r)
	}
	return r
}

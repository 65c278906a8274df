package posts

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/producers"
	"shitpost-alpha/producers/posts/record"
)

// secondLook is how far apart the two complete readings lie that make a missing post deleted.
const secondLook = 10 * time.Minute

// A reading misses too many posts at once when it misses more than badMissing and more than a
// fifth: then it is not believed (domain.md 1.2).
const badMissing = 5

// emptyLooks is how often in a row a page must be empty to be the end, and a page a repetition to
// be a failure: both come by mistake.
const emptyLooks = 3

// errEnds: the timeline ends where posts are known to follow.
var errEnds = errors.New("the timeline ends too early")

// reading is one reading of a timeline.
type reading struct {
	h    *Harvester
	line Timeline
	// stop is how far back it goes, zero for the end; began when it began; top what it began below:
	// 0 for the newest post.
	stop, began time.Time
	top         uint64
	seen        map[uint64]bool // ids that were shown
	oldest      time.Time
	deep        bool // it goes far enough back to see edits and deletions
}

func newReading(h *Harvester, line Timeline, now time.Time) *reading {
	// Microseconds are what the lake keeps, and the window's end is compared with its time.
	r := &reading{h: h, line: line, began: now.UTC().Truncate(time.Microsecond), seen: map[uint64]bool{}}
	switch h.Mode {
	case Backfill:
		r.top = h.MaxID
	case Range:
		r.stop = h.From
		if !h.To.IsZero() && h.To.Before(now) {
			r.top = firstID(h.To)
		}
	default:
		r.stop = now.Add(-h.FirstWindow)
		if mark := h.known.watermark(line.Name()); !mark.IsZero() {
			r.stop = mark.Add(-h.Overlap)
			if r.deep = h.known.deepDue(line.Name(), now.Add(-h.DeepEvery), h.DeepOverlap); r.deep {
				r.stop = mark.Add(-h.DeepOverlap)
			}
		}
	}
	return r
}

// read yields the posts page by page. It ends when the last two posts of a page are older than stop:
// what follows is older still. A pinned post on top of a page, or a single one out of order, ends
// nothing.
func (r *reading) read(ctx context.Context, yield func(event.Post) error) error {
	cursor := r.top
	for {
		page, err := r.page(ctx, cursor)
		if err != nil {
			return r.failed(cursor, err)
		}
		if len(page.IDs) == 0 {
			if r.expectsMore(cursor) {
				return r.failed(cursor, &producers.Error{Class: producers.BadBody, Err: errEnds})
			}
			return nil
		}
		for i, draft := range page.Drafts {
			id := page.IDs[i]
			if id != 0 {
				r.seen[id] = true
			}
			if draft.Kind == event.PostObserved && draft.PublishedAt.Before(r.stop) {
				continue // a pinned one, or the rest of the last page: an earlier window's
			}
			if at := draft.PublishedAt; !at.IsZero() && (r.oldest.IsZero() || at.Before(r.oldest)) && !page.Pinned[i] {
				r.oldest = at
			}
			if err := yield(draft); err != nil {
				return fmt.Errorf("take post %s: %w", draft.Key, err)
			}
		}
		r.h.Progress.Report(r.line.Name(), len(r.seen), 0)
		if r.passed(page) {
			return nil
		}
		cursor = page.After(cursor)
	}
}

// passed reports whether the page reaches back behind stop.
func (r *reading) passed(page record.Page) bool {
	if r.stop.IsZero() {
		return false
	}
	older := 0
	for i := len(page.IDs) - 1; i >= 0 && older < 2; i-- {
		if page.Pinned[i] || page.IDs[i] == 0 {
			continue
		}
		if page.IDs[i] >= firstID(r.stop) {
			return false
		}
		older++
	}
	return older == 2
}

// page asks for the page below cursor, again when it is empty or shows nothing below it.
func (r *reading) page(ctx context.Context, cursor uint64) (record.Page, error) {
	for look := 1; ; look++ {
		if r.h.Check != nil {
			if err := r.h.Check(); err != nil {
				return record.Page{}, err
			}
		}
		page, err := r.line.Page(ctx, cursor)
		if err != nil {
			return page, err
		}
		if len(page.IDs) > 0 && page.After(cursor) != 0 {
			return page, nil
		}
		if look < emptyLooks {
			continue
		}
		if len(page.IDs) == 0 {
			return page, nil
		}
		return page, &producers.Error{Class: producers.BadBody, Message: "the source shows the same page again and again"}
	}
}

// expectsMore reports whether an end of the timeline below cursor cannot be one: posts of this source
// are known to follow, and what lies between them and the newest was not shown yet; or too many of
// them would be gone at once.
func (r *reading) expectsMore(cursor uint64) bool {
	missing, all := 0, 0
	for id, h := range r.h.known.posts[r.line.Name()] {
		if h.deleted {
			continue
		}
		all++
		if (cursor == 0 || id < cursor) && !r.seen[id] {
			missing++
		}
	}
	mark := r.h.known.watermark(r.line.Name())
	gap := cursor == 0 || !mark.IsZero() && publishedAt(cursor).After(mark)
	return !r.h.AcceptMissing && missing > 0 && (gap || tooMany(missing, all))
}

func tooMany(missing, all int) bool { return missing > badMissing && missing*5 > all }

// failed says where the reading broke off.
func (r *reading) failed(cursor uint64, err error) error {
	if cursor == 0 {
		return fmt.Errorf("read the newest page: %w", err)
	}
	if r.h.Mode == Backfill {
		return fmt.Errorf("read the page below %d (go on with --max-id %d): %w", cursor, cursor, err)
	}
	return fmt.Errorf("read the page below %d: %w", cursor, err)
}

// span returns what a complete reading covers. It ends when the reading began: what came later may
// have been missed.
func (r *reading) span() (from, to time.Time) {
	from, to = r.stop, r.began
	if r.top != 0 {
		// A millisecond less than now at least: such a window is not up to the moment.
		to = publishedAt(r.top).Add(-time.Microsecond)
	}
	if from.IsZero() {
		from = r.oldest
	}
	if from.IsZero() || from.After(to) {
		from = to
	}
	return from, to
}

// missing returns the posts that the reading should have shown, as far as they are known, and how
// many there are in its span.
func (r *reading) missing() (ids []uint64, all int) {
	from, to := r.span()
	for id, h := range r.h.known.posts[r.line.Name()] {
		if at := publishedAt(id); h.deleted || at.Before(from) || !at.Before(to) {
			continue
		}
		all++
		if !r.seen[id] {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids, all
}

// recordReading appends what is left of the batch, the window that was read, and which posts are
// gone: in one commit, so that a crash never leaves a window whose posts are missing, nor a deletion
// without the window that proves it. whole says that the reading came to its end without an error.
func (p *pass) recordReading(ctx context.Context, whole bool) error {
	rep := p.report(p.line.line.Name())
	var v verdict
	var n int
	var err error
	if p.h.DryRun {
		v, err = p.judge(rep, whole)
	} else {
		n, err = p.h.rec.Record(ctx, func() (_ []event.Post, err error) {
			v, err = p.judge(rep, whole)
			return v.events, err
		})
	}
	if p.appended += n; n > 0 {
		p.h.count(v.events)
	}
	if err != nil {
		return fmt.Errorf("record %d posts and the window: %w", len(p.batch), err)
	}
	p.settle(v.found)
	rep.Deleted += v.deleted
	return v.refused
}

// verdict is what follows from a reading.
type verdict struct {
	found   findings
	events  []event.Post // to be appended
	deleted int
	refused error // the reading is not believed
}

// judge decides what a reading says. It looks at what is known each time it is called.
func (p *pass) judge(rep *Report, whole bool) (v verdict, err error) {
	if err := p.check(); err != nil {
		return v, err
	}
	r := p.line
	v.found = p.h.known.sift(p.batch, p.limit(), true)
	v.events = v.found.events
	t := v.found.tallies[rep.Source]
	news := rep.New+rep.Versions+t.New+t.Versions > 0
	w := p.window(rep.Source, rep, r.began, false)
	ids, all := r.missing()
	if whole && tooMany(len(ids), all) && !p.h.AcceptMissing {
		v.refused = &producers.Error{Class: producers.BadBody, Message: fmt.Sprintf(
			"%d of %d known posts are missing from what %s shows: a bad reading; if they were really deleted, run once with --accept-missing", len(ids), all, rep.Source)}
	}
	if !whole || v.found.limited || v.refused != nil {
		if news {
			v.events = append(v.events, w)
		}
		return v, nil
	}
	w.WindowComplete = true
	w.WindowFrom, w.WindowTo = r.span()
	gone := p.deletions(ids)
	v.deleted = len(gone)
	for _, id := range ids {
		w.MissingIDs = append(w.MissingIDs, strconv.FormatUint(id, 10))
	}
	silent := r.began.Sub(p.h.known.silentSince(rep.Source)) >= heartbeat
	if silent || r.deep || news || len(gone) > 0 || !slices.Equal(ids, p.h.known.missed(rep.Source, w.WindowFrom, w.WindowTo)) {
		v.events = append(append(v.events, gone...), w)
	}
	return v, nil
}

// deletions returns the drafts of post_deleted for the missing posts that an earlier complete
// reading missed too.
func (p *pass) deletions(missing []uint64) []event.Post {
	var drafts []event.Post
	source := p.line.line.Name()
	for _, id := range missing {
		h := p.h.known.posts[source][id]
		if !p.h.known.absentBefore(source, id, h, p.line.began.Add(-secondLook)) {
			continue
		}
		var d event.Post
		d.Kind, d.Source, d.Key = event.PostDeleted, source, strconv.FormatUint(id, 10)
		d.PostID, d.PublishedAt, d.OccurredAt, d.CausationID = d.Key, publishedAt(id), p.line.began, h.event
		drafts = append(drafts, d)
	}
	return drafts
}

package posts

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"shitpost-alpha/lake/event"
)

// known is what the harvester remembers of stream posts: a lake.View.
//
// An archive tells all that it has each time it is read, old versions too. So of an archive a
// version counts as known when it was ever recorded for its subject, not only while it is the
// newest, or each reading of a file that holds two versions of a post would add both again. A
// timeline tells what is so now: there a version counts as known while it is the newest word on its
// post, so a change back to an earlier text, or a return after a deletion, is a fact of its own.
type known struct {
	posts    map[string]map[uint64]head // by source and post id
	versions map[digest]bool            // by subject and content
	rejected map[digest]bool            // by subject
	windows  map[string][]window        // by source, by event id once each, in no order
}

// digest is an event.Hash as bytes.
type digest [16]byte

// head is the newest word on a post by one source.
type head struct {
	content  digest
	recorded int64 // µs since 1970
	event    string
	deleted  bool
}

// window is a window_read event.
type window struct {
	event    string
	from, to time.Time
	occurred time.Time
	recorded int64 // µs since 1970
	complete bool
	missing  []uint64
}

func newKnown() *known {
	k := &known{}
	k.Reset()
	return k
}

// Reset forgets everything.
func (k *known) Reset() {
	k.posts, k.versions, k.rejected = map[string]map[uint64]head{}, map[digest]bool{}, map[digest]bool{}
	k.windows = map[string][]window{}
}

// Apply takes an event of the stream; order and repetition do not matter.
func (k *known) Apply(e *event.Post) {
	switch e.Kind {
	case event.PostObserved:
		k.versions[versionOf(e)] = true
		k.setHead(e)
	case event.PostDeleted:
		k.setHead(e)
	case event.RecordRejected:
		k.rejected[digestOf(event.Hash(event.SubjectOf(e)))] = true
	case event.WindowRead:
		w := window{event: e.EventID, from: e.WindowFrom, to: e.WindowTo, occurred: e.OccurredAt, recorded: e.RecordedAt.UnixMicro(), complete: e.WindowComplete}
		for _, id := range e.MissingIDs {
			w.missing = append(w.missing, number(id))
		}
		all := k.windows[e.Source]
		if !slices.ContainsFunc(all[max(0, len(all)-64):], func(v window) bool { return v.event == w.event }) {
			k.windows[e.Source] = append(all, w)
		}
	}
}

func (k *known) setHead(e *event.Post) {
	id := number(e.Key)
	of := k.posts[e.Source]
	if of == nil {
		of = map[uint64]head{}
		k.posts[e.Source] = of
	}
	next := head{contentOf(e), e.RecordedAt.UnixMicro(), e.EventID, e.Kind == event.PostDeleted}
	old, ok := of[id]
	if !ok || next.recorded > old.recorded || next.recorded == old.recorded && next.event > old.event {
		of[id] = next
	}
}

// contentOf returns the digest of what e says: by its hash where it is sealed.
func contentOf(e *event.Post) digest {
	if e.ContentHash != "" {
		return digestOf(e.ContentHash)
	}
	return digestOf(event.ContentHashOf(e))
}

func versionOf(e *event.Post) digest {
	content := contentOf(e)
	return digestOf(event.Hash(event.SubjectOf(e), string(content[:])))
}

// digestOf returns an event.Hash as bytes; of a foreign hash, what it is hashed to.
func digestOf(hash string) (d digest) {
	if len(hash) != 32 {
		hash = event.Hash(hash)
	}
	for i := range d {
		n, err := strconv.ParseUint(hash[2*i:2*i+2], 16, 8)
		if err != nil {
			return digestOf(event.Hash(hash))
		}
		d[i] = byte(n)
	}
	return d
}

// number returns a post id as a number, 0 where it is none.
func number(id string) uint64 {
	n, _ := strconv.ParseUint(id, 10, 64) // event.Check refuses such posts; a foreign writer's is 0
	return n
}

// silentSince returns when the newest window of the source was noticed.
func (k *known) silentSince(source string) (at time.Time) {
	for _, w := range k.windows[source] {
		if w.occurred.After(at) {
			at = w.occurred
		}
	}
	return at
}

// newestFirst returns the complete windows of a source, the newest first.
func (k *known) newestFirst(source string) []window {
	var out []window
	for _, w := range k.windows[source] {
		if w.complete {
			out = append(out, w)
		}
	}
	slices.SortFunc(out, func(a, b window) int {
		return -cmp.Or(a.occurred.Compare(b.occurred), cmp.Compare(a.recorded, b.recorded), cmp.Compare(a.event, b.event))
	})
	return out
}

// watermark returns the time up to which the source was read without a hole, by its windows: those
// that were read up to the moment and begin no later than the one before ended. The zero time when
// there is none.
func (k *known) watermark(source string) (mark time.Time) {
	windows := k.newestFirst(source)
	slices.Reverse(windows)
	for _, w := range windows {
		upToNow := w.to.Equal(w.occurred)
		if upToNow && (mark.IsZero() || !w.from.After(mark)) && w.to.After(mark) {
			mark = w.to
		}
	}
	return mark
}

// absentBefore reports whether an earlier complete window, noticed no later than at, missed the
// post, and nothing between showed it.
func (k *known) absentBefore(source string, id uint64, h head, at time.Time) bool {
	published := publishedAt(id)
	for _, w := range k.newestFirst(source) {
		switch {
		case published.Before(w.from) || !published.Before(w.to):
			continue
		case w.recorded < h.recorded || !slices.Contains(w.missing, id):
			return false
		case !w.occurred.After(at):
			return true
		}
	}
	return false
}

// missed returns the posts published from..to that the newest complete window over them missed and
// that are not deleted since, ascending.
func (k *known) missed(source string, from, to time.Time) []uint64 {
	var ids []uint64
	decided := map[uint64]bool{}
	windows := k.newestFirst(source)
	for i, w := range windows {
		for _, id := range w.missing {
			at := publishedAt(id)
			if decided[id] || at.Before(from) || !at.Before(to) {
				continue
			}
			decided[id] = true
			shown := slices.ContainsFunc(windows[:i], func(v window) bool { return !at.Before(v.from) && at.Before(v.to) })
			if h, ok := k.posts[source][id]; ok && !h.deleted && !shown {
				ids = append(ids, id)
			}
		}
	}
	slices.Sort(ids)
	return ids
}

// deepDue reports whether no window since the given time reached as far back as overlap.
func (k *known) deepDue(source string, since time.Time, overlap time.Duration) bool {
	for _, w := range k.windows[source] {
		if w.complete && w.occurred.After(since) && w.to.Sub(w.from) >= overlap {
			return false
		}
	}
	return true
}

// publishedAt returns the time that an id carries.
func publishedAt(id uint64) time.Time { return time.UnixMilli(int64(id >> 16)).UTC() }

// firstID returns the least id that a post of that time can have.
func firstID(at time.Time) uint64 { return uint64(max(at.UnixMilli(), 0)) << 16 }

// tally counts what sift found of one source.
type tally struct{ New, Versions, Known, NewRejected int }

// findings is what sift made of a batch.
type findings struct {
	events  []event.Post // to be appended
	tallies map[string]tally
	limited bool // there was more than the limit allows; what follows was not looked at
}

// sift picks from a batch what is not known yet, and at most limit posts and versions (-1: all).
// current says that the batch tells what is so now: a timeline's, in the order in which it was read.
func (k *known) sift(batch []event.Post, limit int, current bool) findings {
	found := findings{tallies: map[string]tally{}}
	fresh := newKnown()
	recorded := 0
	for i := range batch {
		e := &batch[i]
		t := found.tallies[e.Source]
		isPost := e.Kind == event.PostObserved
		before, isNew := k.isNew(fresh, e, current)
		if isNew && isPost && recorded == limit {
			found.limited = true
			break
		}
		switch {
		case !isNew:
			t.Known++
		case !isPost:
			t.NewRejected++
		case before:
			t.Versions++
			recorded++
		default:
			t.New++
			recorded++
		}
		if isNew {
			found.events = append(found.events, *e)
			fresh.see(e)
		}
		found.tallies[e.Source] = t
	}
	return found
}

// isNew reports whether e says something new, and whether anything was known about its subject.
func (k *known) isNew(fresh *known, e *event.Post, current bool) (before, isNew bool) {
	if e.Kind == event.RecordRejected {
		// A rejected document is identified by its bytes alone: where it stands may change.
		subject := digestOf(event.Hash(event.SubjectOf(e)))
		return false, !k.rejected[subject] && !fresh.rejected[subject]
	}
	id := number(e.Key)
	h, ok := fresh.posts[e.Source][id]
	if !ok {
		h, ok = k.posts[e.Source][id]
	}
	if current {
		return ok, !ok || h.deleted || h.content != contentOf(e)
	}
	version := versionOf(e)
	return ok, !k.versions[version] && !fresh.versions[version]
}

// see notes a draft of the batch at hand: the last one is the newest word.
func (k *known) see(e *event.Post) {
	if e.Kind == event.PostObserved {
		delete(k.posts[e.Source], number(e.Key))
	}
	k.Apply(e)
}

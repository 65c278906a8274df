package posts

import (
	"time"

	"shitpost-alpha/lake/event"
)

// known is what the harvester remembers of stream posts: a lake.View.
//
// A source tells all that it has each time it is read, old versions too. So a version counts as
// known when it was ever recorded for its subject, not only while it is the newest, or each reading
// of a file that holds two versions of a post would add both again.
type known struct {
	subjects map[string]bool      // something was recorded about it
	versions map[string]bool      // by subject and content
	windows  map[string]time.Time // newest window_read by source: when it was noticed
}

func newKnown() *known {
	k := &known{}
	k.Reset()
	return k
}

// Reset forgets everything.
func (k *known) Reset() {
	k.subjects, k.versions, k.windows = map[string]bool{}, map[string]bool{}, map[string]time.Time{}
}

// Apply takes an event of the stream; order and repetition do not matter.
func (k *known) Apply(e *event.Post) {
	switch e.Kind {
	case event.PostObserved, event.RecordRejected:
		k.add([]event.Post{*e})
	case event.WindowRead:
		if e.OccurredAt.After(k.windows[e.Source]) {
			k.windows[e.Source] = e.OccurredAt
		}
	}
}

func (k *known) add(events []event.Post) {
	for i := range events {
		subject, version := identify(&events[i])
		k.subjects[subject], k.versions[version] = true, true
	}
}

// identify returns what e is about, and that together with what it says. A rejected document is
// identified by its bytes alone: where in a file it stands may change.
func identify(e *event.Post) (subject, version string) {
	subject = event.SubjectOf(e)
	if e.Kind == event.RecordRejected {
		return subject, subject
	}
	return subject, subject + " " + event.ContentHashOf(e)
}

// tally counts what sift found of one source.
type tally struct{ New, Versions, Known, NewRejected int }

// findings is what sift made of a batch.
type findings struct {
	events  []event.Post // to be appended
	tallies map[string]tally
	limited bool // there was more than the limit allows; what follows was not looked at
}

// sift picks from a batch what is not known yet, and at most limit posts and versions (-1: all).
func (k *known) sift(batch []event.Post, limit int) findings {
	found := findings{tallies: map[string]tally{}}
	fresh := newKnown()
	recorded := 0
	for i := range batch {
		e := &batch[i]
		subject, version := identify(e)
		t := found.tallies[e.Source]
		isNew := !k.versions[version] && !fresh.versions[version]
		isPost := e.Kind == event.PostObserved
		if isNew && isPost && recorded == limit {
			found.limited = true
			break
		}
		switch {
		case !isNew:
			t.Known++
		case !isPost:
			t.NewRejected++
		case k.subjects[subject] || fresh.subjects[subject]:
			t.Versions++
			recorded++
		default:
			t.New++
			recorded++
		}
		if isNew {
			found.events = append(found.events, *e)
			fresh.add(batch[i : i+1])
		}
		found.tallies[e.Source] = t
	}
	return found
}

package analysis

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"shitpost-alpha/lake/event"
)

// post is what the service remembers of one post.
type post struct {
	id          string
	publishedAt time.Time
	redacted    bool
	renderings  []rendering
}

// rendering is the newest event of one source about a post.
type rendering struct {
	source     string
	eventID    string
	recordedAt time.Time
	deleted    bool // the source no longer shows the post
	missing    bool // the source carries no texts
	synthetic  bool
	reason     string // of a bypass, or ""
	text       string // the author's own
}

// input is what a model is shown.
func (r *rendering) input(p *post) Input {
	return Input{PostID: p.id, PublishedAt: p.publishedAt, Text: r.text}
}

func (r *rendering) after(w *rendering) bool {
	if !r.recordedAt.Equal(w.recordedAt) {
		return r.recordedAt.After(w.recordedAt)
	}
	return r.eventID > w.eventID
}

// familyRank orders the families of sources by how much they are trusted (domain.md 1.2). The
// family of a source is its name up to the first colon.
func familyRank(source string) int {
	family, _, _ := strings.Cut(source, ":")
	i := slices.Index([]string{"scrapecreators", "truthsocial", "archive", "legacy-s3", "simulator"}, family)
	if i < 0 {
		return 5
	}
	return i
}

// better says which rendering is shown: of the first family, there one with texts before one
// without any, and then by the source's name.
func better(a, b *rendering) bool {
	rank := func(missing bool) int {
		if missing {
			return 1
		}
		return 0
	}
	return cmp.Or(
		cmp.Compare(familyRank(a.source), familyRank(b.source)),
		cmp.Compare(rank(a.missing), rank(b.missing)),
		cmp.Compare(a.source, b.source),
	) < 0
}

// current returns the rendering that an analysis is taken up on; ok is false for a post that is
// redacted, deleted at a source, or never seen.
func (p *post) current() (best *rendering, ok bool) {
	if p.redacted {
		return nil, false
	}
	for i := range p.renderings {
		r := &p.renderings[i]
		if r.deleted {
			return nil, false
		}
		if best == nil || better(r, best) {
			best = r
		}
	}
	return best, best != nil
}

// postsView folds stream posts. Posts before since are known by id alone.
type postsView struct {
	since time.Time
	byID  map[string]*post
}

func newPostsView(since time.Time) *postsView {
	return &postsView{since: since, byID: map[string]*post{}}
}

// Reset implements lake.View.
func (v *postsView) Reset() { v.byID = map[string]*post{} }

// Apply implements lake.View. The texts are copied, so that no batch of rows is held by them.
func (v *postsView) Apply(e *event.Post) {
	switch e.Kind {
	case event.PostObserved, event.PostDeleted, event.PostRedacted:
	default:
		return
	}
	p := v.byID[e.PostID]
	if p == nil {
		at, err := event.PublishedAt(e.PostID)
		if err != nil {
			return // no event.Check lets it through
		}
		p = &post{id: strings.Clone(e.PostID), publishedAt: at}
		v.byID[p.id] = p
	}
	if e.Kind == event.PostRedacted {
		p.redacted, p.renderings = true, nil
	}
	if p.redacted || p.publishedAt.Before(v.since) {
		return
	}
	r := rendering{source: e.Source, eventID: e.EventID, recordedAt: e.RecordedAt, deleted: e.Kind == event.PostDeleted,
		missing: e.TextMissing, synthetic: e.Synthetic}
	if !r.deleted {
		r.reason, r.text = Bypass(e), strings.Clone(e.OwnText())
	}
	for i := range p.renderings {
		if p.renderings[i].source == r.source {
			if r.after(&p.renderings[i]) {
				p.renderings[i] = r
			}
			return
		}
	}
	p.renderings = append(p.renderings, r)
}

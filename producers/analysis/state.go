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

// predictionsView folds stream predictions: which posts have which verdicts.
type predictionsView struct {
	config    Config
	bypassed  map[string]string // post id to reason
	predicted map[string]bool   // post ids with a prediction of any configuration
	made      map[string]bool   // post ids with a prediction of this configuration
	failures  map[string]map[string]bool
	cancelled map[string]bool // event ids of failures that were re-queued
	// firstUse is the earliest RecordedAt of an event of this configuration, or of a bypass by
	// these rules; zero when there is none.
	firstUse time.Time
}

func newPredictionsView(c Config) *predictionsView {
	v := &predictionsView{config: c}
	v.Reset()
	return v
}

// Reset implements lake.View.
func (v *predictionsView) Reset() {
	v.bypassed, v.predicted, v.made = map[string]string{}, map[string]bool{}, map[string]bool{}
	v.failures, v.cancelled = map[string]map[string]bool{}, map[string]bool{}
	v.firstUse = time.Time{}
}

// Apply implements lake.View.
func (v *predictionsView) Apply(e *event.Prediction) {
	own := e.Analyzer == v.config.Analyzer && e.Provider == v.config.Provider && e.Model == v.config.Model &&
		e.PromptVersion == v.config.PromptVersion
	switch e.Kind {
	case event.PostBypassed:
		v.bypassed[e.PostID] = e.BypassReason
		own = e.RulesVersion == RulesVersion
	case event.PredictionMade:
		v.predicted[e.PostID] = true
		if own {
			v.made[e.PostID] = true
		}
	case event.AnalysisFailed:
		if own {
			if v.failures[e.PostID] == nil {
				v.failures[e.PostID] = map[string]bool{}
			}
			v.failures[e.PostID][e.EventID] = e.Terminal
		}
	case event.AnalysisRequeued:
		for _, id := range e.Requeues {
			v.cancelled[id] = true
		}
		return
	default:
		return
	}
	if own && (v.firstUse.IsZero() || e.RecordedAt.Before(v.firstUse)) {
		v.firstUse = e.RecordedAt
	}
}

// attempts returns how many failures of a post count, and whether one of them was the last.
func (v *predictionsView) attempts(postID string) (n int, terminal bool) {
	for id, last := range v.failures[postID] {
		if !v.cancelled[id] {
			n++
			terminal = terminal || last
		}
	}
	return n, terminal
}

// verdict is where the analysis of a post by this configuration stands.
type verdict int

const (
	open verdict = iota
	completed
	bypassed
	failed
)

func (v *predictionsView) verdict(postID string) verdict {
	if v.made[postID] {
		return completed
	}
	if _, ok := v.bypassed[postID]; ok {
		return bypassed
	}
	if _, terminal := v.attempts(postID); terminal {
		return failed
	}
	return open
}

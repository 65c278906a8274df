package legacy

import (
	"strings"

	"shitpost-alpha/lake/event"
	raw "shitpost-alpha/producers/posts/legacy"
)

// facts is what the import must know of the lake, and of the rows before, to judge a row.
type facts struct {
	// lake is what the old system's posts say in the lake, run what the rows of this run said.
	lake, run said
	// observed is the event of each post that a verdict on it stands on.
	observed map[string]string
	// predicted and bypassed are the posts that have such a verdict; bypassed says by which row, or ""
	// when its row was not met in this run, and imported whether a row it was.
	predicted map[string]bool
	bypassed  map[string]string
	imported  map[string]bool
}

// said holds the source by a hash of post and content, and by one of post and text.
type said struct{ versions, texts map[[16]byte]string }

func newSaid() said { return said{map[[16]byte]string{}, map[[16]byte]string{}} }

func newFacts() *facts {
	return &facts{lake: newSaid(), run: newSaid(), observed: map[string]string{},
		predicted: map[string]bool{}, bypassed: map[string]string{}, imported: map[string]bool{}}
}

func versionOf(e *event.Post) (d [16]byte) {
	copy(d[:], decode(event.Hash(e.PostID, event.ContentHashOf(e))))
	return d
}

func textOf(e *event.Post) (d [16]byte) {
	copy(d[:], decode(event.Hash(e.PostID, e.Text)))
	return d
}

// see notes what a post's event or draft says. Of several sources the first by name keeps it, and the
// raw lake is the first: so who covers whom does not depend on the order of reading.
func (s said) see(e *event.Post) {
	if e.Kind != event.PostObserved {
		return
	}
	note := func(in map[[16]byte]string, d [16]byte) {
		if old, ok := in[d]; !ok || e.Source < old {
			in[d] = strings.Clone(e.Source)
		}
	}
	note(s.versions, versionOf(e))
	note(s.texts, textOf(e))
}

// by returns the source that says what the draft says, the text alone counting unless whole; "" if none.
func (s said) by(draft *event.Post, whole bool) string {
	if by, ok := s.versions[versionOf(draft)]; ok || whole {
		return by
	}
	return s.texts[textOf(draft)]
}

// postsView folds stream posts into the facts.
type postsView struct{ facts *facts }

// Reset implements lake.View.
func (v *postsView) Reset() { v.facts.lake, v.facts.observed = newSaid(), map[string]string{} }

// Apply implements lake.View.
func (v *postsView) Apply(e *event.Post) {
	family, _, _ := strings.Cut(e.Source, ":")
	if family != raw.Name || e.Kind != event.PostObserved {
		return
	}
	v.facts.lake.see(e)
	if v.facts.observed[e.PostID] == "" || e.Source == raw.Name {
		v.facts.observed[strings.Clone(e.PostID)] = strings.Clone(e.EventID)
	}
}

// predictionsView folds stream predictions into the facts.
type predictionsView struct{ facts *facts }

// Reset implements lake.View.
func (v *predictionsView) Reset() {
	v.facts.predicted, v.facts.bypassed, v.facts.imported = map[string]bool{}, map[string]string{}, map[string]bool{}
}

// Apply implements lake.View.
func (v *predictionsView) Apply(e *event.Prediction) {
	switch e.Kind {
	case event.PredictionMade:
		v.facts.predicted[e.PostID] = true
	case event.PostBypassed:
		if _, ok := v.facts.bypassed[e.PostID]; !ok {
			v.facts.bypassed[e.PostID] = ""
		}
		if e.Source == Source {
			v.facts.imported[e.PostID] = true
		}
	}
}

package analysis

import (
	"cmp"
	"context"
	"slices"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/event"
)

// Comparison is what the configurations made of one post.
type Comparison struct {
	PostID string
	// Text is what the models were shown; "" for a post that is unknown or withdrawn.
	Text string
	// Bypass is the reason for which no model was asked, or "".
	Bypass string
	// Analyses are predictions and, for a configuration that has none, its newest failure; ordered by
	// analyzer, provider, model and prompt version. Payloads are left out.
	Analyses []event.Prediction
}

// Compare reads from the lake what every configuration made of the posts. It asks no model.
func Compare(ctx context.Context, l *lake.Lake, postIDs []string) ([]Comparison, error) {
	posts := newPostsView(LaunchDate().AddDate(-100, 0, 0))
	if _, err := lake.Follow(l.Posts, posts).CatchUp(ctx); err != nil {
		return nil, err
	}
	v := &comparisonView{posts: map[string]bool{}}
	for _, id := range postIDs {
		v.posts[id] = true
	}
	v.Reset()
	if _, err := lake.Follow(l.Predictions, v).CatchUp(ctx); err != nil {
		return nil, err
	}
	out := make([]Comparison, 0, len(postIDs))
	for _, id := range postIDs {
		c := Comparison{PostID: id, Bypass: v.bypassed[id]}
		if p := posts.byID[id]; p != nil {
			if r, ok := p.current(); ok {
				c.Text = r.text
			}
		}
		for _, e := range v.best {
			if e.PostID == id {
				c.Analyses = append(c.Analyses, e)
			}
		}
		slices.SortFunc(c.Analyses, func(a, b event.Prediction) int {
			return cmp.Or(cmp.Compare(a.Analyzer, b.Analyzer), cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Model, b.Model),
				cmp.Compare(a.PromptVersion, b.PromptVersion), cmp.Compare(a.PredictionID, b.PredictionID))
		})
		out = append(out, c)
	}
	return out, nil
}

// comparisonView keeps the best word of each configuration about some posts.
type comparisonView struct {
	posts    map[string]bool
	bypassed map[string]string
	best     map[string]event.Prediction // by prediction id
}

// Reset implements lake.View.
func (v *comparisonView) Reset() {
	v.bypassed, v.best = map[string]string{}, map[string]event.Prediction{}
}

// Apply implements lake.View.
func (v *comparisonView) Apply(e *event.Prediction) {
	switch {
	case !v.posts[e.PostID]:
	case e.Kind == event.PostBypassed:
		v.bypassed[e.PostID] = e.BypassReason
	case e.Kind == event.PredictionMade || e.Kind == event.AnalysisFailed:
		old, ok := v.best[e.PredictionID]
		if !ok || betterWord(e, &old) {
			kept := *e
			kept.Payload = ""
			v.best[e.PredictionID] = kept
		}
	}
}

// betterWord: a prediction before a failure; the first prediction, the newest failure.
func betterWord(e, old *event.Prediction) bool {
	if made := e.Kind == event.PredictionMade; made != (old.Kind == event.PredictionMade) {
		return made
	} else if made {
		return old.After(&e.Envelope)
	}
	return e.After(&old.Envelope)
}

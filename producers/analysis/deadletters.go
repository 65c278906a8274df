package analysis

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/event"
)

// DeadLetter is a post that a configuration gave up, after MaxAttempts failures.
type DeadLetter struct {
	PostID      string    `json:"post_id"`
	PublishedAt time.Time `json:"published_at"`
	Config      Config    `json:"config"`
	// Class, Message and At are of the last attempt; Attempts is how many there were.
	Class    Class     `json:"class"`
	Message  string    `json:"message"`
	At       time.Time `json:"at"`
	Attempts int       `json:"attempts"`

	predictionID string
	failures     []string // event ids, the oldest first
}

// DeadLetters reads which posts were given up, by any configuration, the oldest failure first. A
// post that was bypassed or answered in the end is none.
func DeadLetters(ctx context.Context, l *lake.Lake) ([]DeadLetter, error) {
	v := &historyView{}
	if _, err := lake.Follow(l.Predictions, v).CatchUp(ctx); err != nil {
		return nil, err
	}
	return v.deadLetters(), nil
}

// Requeue cancels the failures of the dead letters that want accepts, so that their posts are tried
// anew, and returns those letters. With dryRun it writes nothing. A crash leaves all or nothing of
// one append done.
func Requeue(ctx context.Context, l *lake.Lake, want func(DeadLetter) bool, dryRun bool, now func() time.Time) ([]DeadLetter, error) {
	v := &historyView{}
	r := lake.NewRecorder(l.Predictions, v)
	var chosen []DeadLetter
	decide := func() (drafts []event.Prediction, err error) {
		chosen = slices.DeleteFunc(v.deadLetters(), func(d DeadLetter) bool { return !want(d) })
		for _, d := range chosen {
			e := event.Prediction{Envelope: event.Envelope{Kind: event.AnalysisRequeued, Key: d.predictionID, Source: d.Config.Analyzer,
				OccurredAt: now(), CausationID: d.failures[len(d.failures)-1]},
				PredictionID: d.predictionID, PostID: d.PostID, PublishedAt: d.PublishedAt, Requeues: d.failures}
			d.Config.sign(&e)
			drafts = append(drafts, e)
		}
		return drafts, nil
	}
	if dryRun {
		if err := r.CatchUp(ctx); err != nil {
			return nil, err
		}
		_, err := decide()
		return chosen, err
	}
	if _, err := r.Record(ctx, decide); err != nil {
		return nil, fmt.Errorf("requeue: %w", err)
	}
	return chosen, nil
}

// historyView folds what every configuration made of every post.
type historyView struct {
	byID      map[string]*history // by prediction id
	bypassed  map[string]bool     // post ids
	cancelled map[string]bool     // event ids
}

// history is one configuration's analysis of one post.
type history struct {
	config      Config
	postID      string
	publishedAt time.Time
	made        bool
	failures    map[string]event.Prediction // by event id; without payload
}

// Reset implements lake.View.
func (v *historyView) Reset() { *v = historyView{} }

// Apply implements lake.View.
func (v *historyView) Apply(e *event.Prediction) {
	if v.byID == nil {
		v.byID, v.bypassed, v.cancelled = map[string]*history{}, map[string]bool{}, map[string]bool{}
	}
	switch e.Kind {
	case event.PostBypassed:
		v.bypassed[e.PostID] = true
		return
	case event.AnalysisRequeued:
		for _, id := range e.Requeues {
			v.cancelled[id] = true
		}
		return
	case event.PredictionMade, event.AnalysisFailed:
	default:
		return
	}
	h := v.byID[e.PredictionID]
	if h == nil {
		h = &history{postID: e.PostID, publishedAt: e.PublishedAt, failures: map[string]event.Prediction{},
			config: Config{Analyzer: e.Analyzer, Provider: e.Provider, Model: e.Model, PromptVersion: e.PromptVersion, PromptHash: e.PromptHash}}
		v.byID[e.PredictionID] = h
	}
	if e.Kind == event.PredictionMade {
		h.made = true
		return
	}
	f := *e
	f.Payload = ""
	h.failures[e.EventID] = f
}

func (v *historyView) deadLetters() []DeadLetter {
	var out []DeadLetter
	for id, h := range v.byID {
		if h.made || v.bypassed[h.postID] {
			continue
		}
		var counted []event.Prediction
		terminal := false
		for eventID, f := range h.failures {
			if !v.cancelled[eventID] {
				counted = append(counted, f)
				terminal = terminal || f.Terminal
			}
		}
		if !terminal {
			continue
		}
		slices.SortFunc(counted, func(a, b event.Prediction) int {
			return cmp.Or(a.RecordedAt.Compare(b.RecordedAt), cmp.Compare(a.EventID, b.EventID))
		})
		last := &counted[len(counted)-1]
		d := DeadLetter{PostID: h.postID, PublishedAt: h.publishedAt, Config: h.config, Class: Class(last.FailureClass),
			Message: last.FailureMessage, At: last.OccurredAt, Attempts: len(counted), predictionID: id}
		for i := range counted {
			d.failures = append(d.failures, counted[i].EventID)
		}
		out = append(out, d)
	}
	slices.SortFunc(out, func(a, b DeadLetter) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.PostID, b.PostID), cmp.Compare(a.predictionID, b.predictionID))
	})
	return out
}

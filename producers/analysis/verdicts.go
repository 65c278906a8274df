package analysis

import (
	"hash/fnv"
	"time"

	"shitpost-alpha/lake/event"
)

// predictionsView folds stream predictions: which posts have which verdicts.
type predictionsView struct {
	config Config
	// paid: a bypass is no use of the configuration, or a new model would buy all posts since the
	// first bypass there ever was.
	paid      bool
	bypassed  map[string]string // post id to reason
	predicted map[string]bool   // post ids with a prediction of any configuration
	made      map[string]bool   // post ids with a prediction of this configuration
	failures  map[string]map[string]failure
	cancelled map[string]bool // event ids of failures that were re-queued
	// firstUse is the earliest RecordedAt of an event of this configuration, or, unless it is paid,
	// of a bypass by these rules; zero when there is none.
	firstUse time.Time
	newest   time.Time // RecordedAt of the newest event
	costs    *ledger   // of all configurations
}

// failure is an attempt that gave no answer, as the lake tells it.
type failure struct {
	at       time.Time
	class    Class
	terminal bool
}

func newPredictionsView(c Config, paid bool, now time.Time) *predictionsView {
	v := &predictionsView{config: c, paid: paid, costs: newLedger(now)}
	v.Reset()
	return v
}

// Reset implements lake.View.
func (v *predictionsView) Reset() {
	v.bypassed, v.predicted, v.made = map[string]string{}, map[string]bool{}, map[string]bool{}
	v.failures, v.cancelled = map[string]map[string]failure{}, map[string]bool{}
	v.firstUse, v.newest = time.Time{}, time.Time{}
	v.costs.reset()
}

// Apply implements lake.View.
func (v *predictionsView) Apply(e *event.Prediction) {
	if e.RecordedAt.After(v.newest) {
		v.newest = e.RecordedAt
	}
	if e.CostMicros != nil {
		v.costs.note(e.EventID, e.OccurredAt, *e.CostMicros)
	}
	own := e.Analyzer == v.config.Analyzer && e.Provider == v.config.Provider && e.Model == v.config.Model &&
		e.PromptVersion == v.config.PromptVersion
	switch e.Kind {
	case event.PostBypassed:
		v.bypassed[e.PostID] = e.BypassReason
		own = e.RulesVersion == RulesVersion && !v.paid
	case event.PredictionMade:
		v.predicted[e.PostID] = true
		if own {
			v.made[e.PostID] = true
		}
	case event.AnalysisFailed:
		if own {
			if v.failures[e.PostID] == nil {
				v.failures[e.PostID] = map[string]failure{}
			}
			v.failures[e.PostID][e.EventID] = failure{at: e.OccurredAt, class: Class(e.FailureClass), terminal: e.Terminal}
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
	for id, f := range v.failures[postID] {
		if !v.cancelled[id] {
			n++
			terminal = terminal || f.terminal
		}
	}
	return n, terminal
}

// What the pause after a failure grows by from attempt to attempt, and how long it becomes.
const (
	backoffGrowth = 6
	maxBackoff    = 6 * time.Hour
)

// due returns when the post may be tried again: base after the first failure, six times as long
// after each further one, and after an outage as if there had been one more. A fifth is added or
// taken away, by the failure's own id: so the lake alone says when, and posts that failed together
// do not come back together.
func (v *predictionsView) due(postID string, base time.Duration) time.Time {
	var newest failure
	var newestID string
	n := 0
	for id, f := range v.failures[postID] {
		if v.cancelled[id] {
			continue
		}
		n++
		if f.at.After(newest.at) || f.at.Equal(newest.at) && id > newestID {
			newest, newestID = f, id
		}
	}
	if n == 0 || base <= 0 {
		return time.Time{}
	}
	if newest.class.outage() {
		n++
	}
	pause := base
	for range n - 1 {
		pause = min(pause*backoffGrowth, maxBackoff)
	}
	h := fnv.New32a()
	h.Write([]byte(newestID))
	jitter := time.Duration(int64(h.Sum32()%401) - 200) // per mille
	return newest.at.Add(pause + pause/1000*jitter)
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

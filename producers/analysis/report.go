package analysis

import (
	"shitpost-alpha/lake/event"
)

// Report says where the analysis by a configuration stands, from the lake as last read.
type Report struct {
	Config Config `json:"config"`
	// Posts is how many posts are known, in scope or not.
	Posts int `json:"posts"`
	// InScope is Completed, all of Bypassed, Failed and Open together.
	InScope   int            `json:"in_scope"`
	Completed int            `json:"completed"`
	Bypassed  map[string]int `json:"bypassed"` // by reason
	Failed    int            `json:"failed"`   // given up
	Open      int            `json:"open"`     // still to be taken up, or to be tried again
	// Withdrawn is how many deleted or redacted posts are left alone.
	Withdrawn int `json:"withdrawn"`
	// Run is what this service did itself, or with DryRun would have done.
	Run Stats `json:"run"`
}

// Stats counts the drafts of one service.
type Stats struct {
	Completed int            `json:"completed"`
	Calls     int            `json:"calls"` // assets of the completed
	Dropped   map[string]int `json:"dropped"`
	Bypassed  map[string]int `json:"bypassed"` // by reason
	Failed    map[string]int `json:"failed"`   // attempts, by class
	// CostMicros is in millionths of a US dollar.
	CostMicros int64 `json:"cost_micros"`
}

func newStats() Stats {
	return Stats{Dropped: map[string]int{}, Bypassed: map[string]int{}, Failed: map[string]int{}}
}

func (s *Stats) count(d *event.Prediction) {
	if d.CostMicros != nil {
		s.CostMicros += *d.CostMicros
	}
	switch d.Kind {
	case event.PredictionMade:
		s.Completed++
		s.Calls += len(d.Assets)
		for _, drop := range d.Dropped {
			s.Dropped[drop.Reason]++
		}
	case event.PostBypassed:
		s.Bypassed[d.BypassReason]++
	case event.AnalysisFailed:
		s.Failed[d.FailureClass]++
	}
}

// Report returns the state after the last step.
func (a *Analyzer) Report() Report {
	r := Report{Config: a.Config, Posts: len(a.seen.byID), Bypassed: map[string]int{}, Run: a.stats}
	for id, p := range a.seen.byID {
		if !a.inScope(p) {
			continue
		}
		switch a.done.verdict(id) {
		case completed:
			r.Completed++
		case bypassed:
			r.Bypassed[a.done.bypassed[id]]++
		case failed:
			r.Failed++
		default:
			if _, ok := p.current(); !ok {
				r.Withdrawn++
				continue
			}
			r.Open++
		}
		r.InScope++
	}
	return r
}

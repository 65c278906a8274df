package analysis

import (
	"context"
	"errors"
)

// Forecast says what it would take to analyse everything that is open now.
type Forecast struct {
	Config Config `json:"config"`
	// Open is how many posts would be taken up: Bypassed without a model, Asked with one.
	Open     int `json:"open"`
	Bypassed int `json:"bypassed"`
	Asked    int `json:"asked"`
	// Estimate is over all asked, each once.
	Estimate Estimate `json:"estimate"`
	// SpentMicros is what all analyzers spent today (UTC) so far.
	SpentMicros int64 `json:"spent_micros"`
}

// Forecast catches up with the lake and adds up what the open posts would take. It asks nothing of
// the model and writes nothing.
func (a *Analyzer) Forecast(ctx context.Context) (Forecast, error) {
	if a.meter == nil {
		return Forecast{}, errors.New("estimate: the model is free")
	}
	if err := a.catchUp(ctx); err != nil {
		return Forecast{}, err
	}
	f := Forecast{Config: a.Config, SpentMicros: a.done.costs.spent(a.Now())}
	for _, p := range a.todo(map[string]int{}) {
		r, ok := p.current()
		if !ok {
			continue
		}
		f.Open++
		if r.reason != "" && !a.done.predicted[p.id] {
			f.Bypassed++
			continue
		}
		f.Asked++
		e := a.meter.Estimate(r.input(p))
		f.Estimate.TokensIn += e.TokensIn
		f.Estimate.TokensOut += e.TokensOut
		f.Estimate.CostMicros += e.CostMicros
		f.Estimate.MaxCostMicros += e.MaxCostMicros
	}
	return f, nil
}

package analysis

import (
	"context"

	"shitpost-alpha/lake/event"
)

// bypassSource is the source of every bypass, whatever the analyzer: it is a verdict on the post.
const bypassSource = "bypass"

// bypass drafts the verdict that no model is to look at the post.
func (a *Analyzer) bypass(p *post, r *rendering) event.Prediction {
	d := a.draft(p, r, event.PostBypassed, event.BypassID(p.id))
	d.Source, d.BypassReason = bypassSource, r.reason
	return d
}

// ask has the model answer for the post and drafts the prediction, or, with the error, the failure.
func (a *Analyzer) ask(ctx context.Context, p *post, r *rendering) (event.Prediction, error) {
	asked := a.Now()
	answer, err := a.Model.Analyze(ctx, Input{PostID: p.id, PublishedAt: p.publishedAt, Text: r.text})
	if err == nil {
		if bad := checkAnswer(answer); bad != nil {
			err = &Failure{Class: BadOutput, Err: bad}
		}
	}
	d := a.draft(p, r, event.PredictionMade, a.Config.PredictionID(p.id))
	d.Analyzer, d.Provider, d.Model = a.Config.Analyzer, a.Config.Provider, a.Config.Model
	d.PromptVersion, d.PromptHash = a.Config.PromptVersion, a.Config.PromptHash
	latency := d.OccurredAt.Sub(asked).Milliseconds()
	d.LatencyMS = &latency
	if len(answer.Raw) > 0 { // a bad answer is kept too
		d.SetPayload(answer.Raw)
	}
	if err != nil {
		f := failureOf(err)
		d.Kind, d.FailureClass, d.FailureMessage = event.AnalysisFailed, string(f.Class), f.Err.Error()
		return d, f
	}
	d.Assets, d.Dropped = Symbols(answer.Assets)
	d.Confidence, d.Thesis, d.Temperature = &answer.Confidence, answer.Thesis, answer.Temperature
	d.TokensIn, d.TokensOut, d.CostMicros = &answer.TokensIn, &answer.TokensOut, &answer.CostMicros
	return d, nil
}

// draft fills in what all verdicts on a post have: it was taken up on rendering r, just now.
func (a *Analyzer) draft(p *post, r *rendering, kind event.Kind, id string) event.Prediction {
	return event.Prediction{
		Envelope: event.Envelope{Kind: kind, Key: id, Source: a.Config.Analyzer, OccurredAt: a.Now(),
			CausationID: r.eventID, Synthetic: r.synthetic},
		PredictionID: id, PostID: p.id, PublishedAt: p.publishedAt, RulesVersion: RulesVersion,
	}
}

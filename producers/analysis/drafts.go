package analysis

import (
	"context"
	"strings"
	"unicode"

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
// It is safe for concurrent use.
func (a *Analyzer) ask(ctx context.Context, p *post, r *rendering) (event.Prediction, error) {
	asked := a.Now()
	answer, err := a.Model.Analyze(ctx, r.input(p))
	if err == nil {
		if bad := checkAnswer(answer); bad != nil {
			err = &Failure{Class: BadOutput, Err: bad}
		}
	}
	d := a.prediction(p, r)
	latency := d.OccurredAt.Sub(asked).Milliseconds()
	if answer.Latency > 0 {
		latency = answer.Latency.Milliseconds()
	}
	d.LatencyMS, d.Temperature = &latency, answer.Temperature
	if len(answer.Raw) > 0 { // a bad answer is kept too
		d.SetPayload(answer.Raw)
	}
	if err == nil || answer.TokensIn+answer.TokensOut+answer.CostMicros > 0 {
		d.TokensIn, d.TokensOut, d.CostMicros = &answer.TokensIn, &answer.TokensOut, &answer.CostMicros
	}
	if err != nil {
		f := failureOf(err)
		d.Kind, d.FailureClass, d.FailureMessage = event.AnalysisFailed, string(f.Class), oneLine(f.Err.Error())
		return d, f
	}
	d.Assets, d.Dropped = Symbols(answer.Assets)
	d.Confidence, d.Thesis = &answer.Confidence, answer.Thesis
	return d, nil
}

// prediction drafts what all answers of this configuration have.
func (a *Analyzer) prediction(p *post, r *rendering) event.Prediction {
	d := a.draft(p, r, event.PredictionMade, a.Config.PredictionID(p.id))
	a.Config.sign(&d)
	return d
}

// sign writes the configuration into a draft.
func (c Config) sign(d *event.Prediction) {
	d.Analyzer, d.Provider, d.Model = c.Analyzer, c.Provider, c.Model
	d.PromptVersion, d.PromptHash = c.PromptVersion, c.PromptHash
}

// maxMessage is how many bytes of a failure's message are kept.
const maxMessage = 1000

// oneLine makes a message fit for a column and a terminal: what a server wrote may hold anything.
func oneLine(message string) string {
	message = strings.ToValidUTF8(message[:min(len(message), maxMessage)], "")
	return strings.Join(strings.FieldsFunc(message, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }), " ")
}

// draft fills in what all verdicts on a post have: it was taken up on rendering r, just now.
func (a *Analyzer) draft(p *post, r *rendering, kind event.Kind, id string) event.Prediction {
	return event.Prediction{
		Envelope: event.Envelope{Kind: kind, Key: id, Source: a.Config.Analyzer, OccurredAt: a.Now(),
			CausationID: r.eventID, Synthetic: r.synthetic},
		PredictionID: id, PostID: p.id, PublishedAt: p.publishedAt, RulesVersion: RulesVersion,
	}
}

package event

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

// Prediction is a row of stream predictions. Its kinds are prediction_made, post_bypassed,
// analysis_failed, analysis_requeued, record_rejected and retracted; Key is the prediction id.
type Prediction struct {
	Envelope
	Rejection
	Retraction

	// PredictionID is PredictionID(…) of the post and the configuration, or BypassID of the post.
	PredictionID string `parquet:"prediction_id,optional"`
	PostID       string `parquet:"post_id,optional"`
	// PublishedAt is the post's time, UTC: the anchor of every outcome.
	PublishedAt time.Time `parquet:"published_at,optional,timestamp(microsecond)"`
	// Analyzer is llm or rules; empty on post_bypassed, as are Provider, Model and PromptVersion.
	Analyzer      string `parquet:"analyzer,optional,dict"`
	Provider      string `parquet:"provider,optional,dict"`
	Model         string `parquet:"model,optional,dict"`
	PromptVersion string `parquet:"prompt_version,optional,dict"`
	PromptHash    string `parquet:"prompt_hash,optional,dict"`
	// RulesVersion is the version of the bypass and symbol rules that were applied.
	RulesVersion string `parquet:"rules_version,optional,dict"`

	// Answer columns, on prediction_made. Confidence is 0..1.
	Assets      []Asset  `parquet:"assets,list"`
	Dropped     []Drop   `parquet:"dropped,list"`
	Confidence  *float64 `parquet:"confidence,optional"`
	Thesis      string   `parquet:"thesis,optional"`
	Temperature *float64 `parquet:"temperature,optional"`
	TokensIn    *int64   `parquet:"tokens_in,optional"`
	TokensOut   *int64   `parquet:"tokens_out,optional"`
	// CostMicros is in millionths of a US dollar.
	CostMicros *int64 `parquet:"cost_micros,optional"`
	LatencyMS  *int64 `parquet:"latency_ms,optional"`

	// BypassReason is the rule that hit, on post_bypassed.
	BypassReason string `parquet:"bypass_reason,optional,dict"`

	// Failure columns, on analysis_failed. FailureClass is rate_limited, timeout, server, auth,
	// refused, bad_output or budget; Terminal means given up, a dead letter.
	FailureClass   string `parquet:"failure_class,optional,dict"`
	FailureMessage string `parquet:"failure_message,optional"`
	Attempt        int32  `parquet:"attempt,optional"`
	Terminal       bool   `parquet:"terminal"`
	// Requeues are the event ids of the failures that an analysis_requeued cancels.
	Requeues []string `parquet:"requeues,list"`
}

// Asset is one call: an asset that the post is predicted to move, and which way.
type Asset struct {
	Symbol string `parquet:"symbol"`
	// Sentiment is bullish, bearish or neutral; empty where the answer gave none.
	Sentiment string `parquet:"sentiment,optional"`
	Rationale string `parquet:"rationale,optional"`
	// Named is the symbol as the analyzer wrote it, before the alias rules.
	Named string `parquet:"named,optional"`
}

// Drop is an asset that the symbol rules took out, and why.
type Drop struct {
	Symbol    string `parquet:"symbol"`
	Sentiment string `parquet:"sentiment,optional"`
	Reason    string `parquet:"reason"`
}

// Sentiments of a call.
const (
	Bullish = "bullish"
	Bearish = "bearish"
	Neutral = "neutral"
)

// PredictionID identifies the analysis of one post by one configuration.
func PredictionID(postID, analyzer, provider, model, promptVersion string) string {
	return Hash("prediction", postID, analyzer, provider, model, promptVersion)
}

// BypassID identifies the one bypass verdict that a post can have.
func BypassID(postID string) string { return Hash("bypass", postID) }

func (p *Prediction) envelope() *Envelope { return &p.Envelope }

func (p *Prediction) subject() string {
	if s, _, _, ok := shared(&p.Envelope, &p.Rejection, &p.Retraction); ok {
		return s
	}
	return "prediction " + p.Key
}

func (p *Prediction) content() []string {
	if _, c, _, ok := shared(&p.Envelope, &p.Rejection, &p.Retraction); ok {
		return c
	}
	switch p.Kind {
	case PostBypassed:
		return []string{p.BypassReason, p.RulesVersion}
	case AnalysisFailed:
		return []string{p.FailureClass, p.FailureMessage, strconv.Itoa(int(p.Attempt)), strconv.FormatBool(p.Terminal)}
	case AnalysisRequeued:
		return []string{strings.Join(p.Requeues, " ")}
	}
	c := []string{number(p.Confidence), p.Thesis, p.PromptHash, p.RulesVersion}
	for _, a := range p.Assets {
		c = append(c, a.Symbol, a.Sentiment, a.Rationale)
	}
	return c
}

func (p *Prediction) check() error {
	if _, _, err, ok := shared(&p.Envelope, &p.Rejection, &p.Retraction); ok {
		return err
	}
	switch p.Kind {
	case PredictionMade, PostBypassed, AnalysisFailed, AnalysisRequeued:
	default:
		return errUnknownKind
	}
	if p.PredictionID == "" || p.PredictionID != p.Key || p.PostID == "" || p.PublishedAt.IsZero() {
		return errors.New("prediction_id (the key), post_id and published_at must be set")
	}
	switch p.Kind {
	case PredictionMade:
		return p.checkMade()
	case PostBypassed:
		if p.BypassReason == "" || p.Analyzer != "" || p.Model != "" {
			return errors.New("bypass_reason must be set, analyzer and model must not")
		}
	case AnalysisFailed:
		if p.FailureClass == "" || p.Attempt < 1 {
			return errors.New("failure_class and attempt must be set")
		}
	case AnalysisRequeued:
		if len(p.Requeues) == 0 {
			return errors.New("requeues must name the failures it cancels")
		}
	}
	return nil
}

func (p *Prediction) checkMade() error {
	if p.Analyzer == "" || p.Confidence == nil || math.IsNaN(*p.Confidence) || *p.Confidence < 0 || *p.Confidence > 1 {
		return errors.New("analyzer and a confidence in 0..1 must be set")
	}
	seen := map[string]bool{}
	for _, a := range p.Assets {
		switch a.Sentiment {
		case "", Bullish, Bearish, Neutral:
		default:
			return errors.New("sentiment " + strconv.Quote(a.Sentiment) + " is not known")
		}
		if a.Symbol == "" || seen[a.Symbol] {
			return errors.New("asset " + strconv.Quote(a.Symbol) + " is empty or named twice")
		}
		seen[a.Symbol] = true
	}
	return nil
}

func number(f *float64) string {
	if f == nil {
		return ""
	}
	return strconv.FormatFloat(*f, 'g', -1, 64)
}

// Package analysis turns posts into predictions: which assets a post will move, and which way.
//
// Bypass decides whether a post is worth a model at all, a Model answers, Symbols cleans the
// answer's symbols, and Analyzer is the service around them. It folds the streams posts and
// predictions, takes what is in scope and has no terminal analysis yet, and appends exactly one
// terminal event per post: prediction_made, post_bypassed or a terminal analysis_failed. All its
// state is in the lake, so it may die anywhere and run twice.
//
// A model that costs money is Metered. It is asked under a Lease, so that only one process pays, and
// within a DailyBudget; each of its answers is appended as it arrives. Failed attempts are events too:
// they are counted, spaced and in the end given up by what the lake says. DeadLetters lists those,
// Requeue has them tried anew.
//
// The package rules holds the offline model, openai the one over HTTP. What the words mean is fixed
// in domain.md 2.
package analysis

import (
	"context"
	"errors"
	"fmt"
	"time"

	"shitpost-alpha/lake/event"
)

// Model answers for one post. Analyze is safe for concurrent use. Its errors should be a *Failure;
// any other error counts as class server.
type Model interface {
	Analyze(ctx context.Context, in Input) (Answer, error)
}

// Input is what a model is shown of a post.
type Input struct {
	PostID string
	// PublishedAt is the post's time, UTC.
	PublishedAt time.Time
	// Text is the author's own text: of a quote without the "RT: <url>" before it.
	Text string
}

// Answer is what a model returned (domain.md 2.3).
type Answer struct {
	// Assets are as the model named them, at most MaxAssets, before the symbol rules.
	Assets []event.Asset
	// Confidence is 0..1, for the post.
	Confidence float64
	Thesis     string
	// Raw is the whole answer as received, kept as the event's payload.
	Raw []byte
	// Temperature is nil for a model that has none.
	Temperature *float64
	TokensIn    int64
	TokensOut   int64
	// CostMicros is in millionths of a US dollar. An Answer beside an error holds what the failed
	// attempt took.
	CostMicros int64
	// Latency is how long the model took; 0 where the model does not say.
	Latency time.Duration
}

// Metered is a Model that is paid for, or that may be asked only so often.
type Metered interface {
	Model
	// Wait returns when the model's own limits allow a call for the post, or with ctx's error.
	Wait(ctx context.Context, in Input) error
	// Estimate says what a call for the post would take. It asks nothing of the model.
	Estimate(in Input) Estimate
}

// Estimate is what a call is expected to take.
type Estimate struct {
	TokensIn  int64 `json:"tokens_in"`
	TokensOut int64 `json:"tokens_out"`
	// CostMicros and MaxCostMicros are in millionths of a US dollar: as expected, and at most.
	CostMicros    int64 `json:"cost_micros"`
	MaxCostMicros int64 `json:"max_cost_micros"`
}

// MaxAssets is how many assets an answer may name.
const MaxAssets = 10

// Config names a configuration: together with the post it identifies a prediction.
type Config struct {
	// Analyzer is llm or rules.
	Analyzer      string `json:"analyzer"`
	Provider      string `json:"provider"`
	Model         string `json:"model"`
	PromptVersion string `json:"prompt_version"`
	// PromptHash is over the prompt or lexicon that PromptVersion names.
	PromptHash string `json:"prompt_hash"`
}

// String names the configuration for people: llm openai/gpt-4.1-mini v1.
func (c Config) String() string {
	return c.Analyzer + " " + c.Provider + "/" + c.Model + " " + c.PromptVersion
}

// PredictionID identifies this configuration's analysis of a post.
func (c Config) PredictionID(postID string) string {
	return event.PredictionID(postID, c.Analyzer, c.Provider, c.Model, c.PromptVersion)
}

// Class says why a model gave no usable answer.
type Class string

// The failure classes of domain.md 2.3.
const (
	RateLimited Class = "rate_limited"
	Timeout     Class = "timeout"
	Server      Class = "server"
	Auth        Class = "auth"
	Refused     Class = "refused"
	BadOutput   Class = "bad_output"
	Budget      Class = "budget"
)

// stops says that the class is the service's trouble and not the post's: it costs no attempt.
func (c Class) stops() bool { return c == Auth || c == Budget }

// outage says that the class is likely to hit the next post too: the model cannot be reached, or not
// now.
func (c Class) outage() bool { return c == RateLimited || c == Timeout || c == Server }

// Failure is an attempt that gave no answer.
type Failure struct {
	Class Class
	Err   error
	// RetryAfter is how long the model asks to be left alone; 0 when it does not say.
	RetryAfter time.Duration
}

func (f *Failure) Error() string { return string(f.Class) + ": " + f.Err.Error() }

// Unwrap returns the cause.
func (f *Failure) Unwrap() error { return f.Err }

// failureOf classifies an error of a model.
func failureOf(err error) *Failure {
	var f *Failure
	switch {
	case errors.As(err, &f):
		return f
	case errors.Is(err, context.DeadlineExceeded):
		return &Failure{Class: Timeout, Err: err}
	}
	return &Failure{Class: Server, Err: err}
}

// checkAnswer refuses what domain.md 2.3 does not allow. What it lets through makes a valid event.
func checkAnswer(a Answer) error {
	if !(a.Confidence >= 0 && a.Confidence <= 1) {
		return fmt.Errorf("confidence %v is not in 0..1", a.Confidence)
	}
	if len(a.Assets) > MaxAssets {
		return fmt.Errorf("%d assets, at most %d are allowed", len(a.Assets), MaxAssets)
	}
	for _, s := range a.Assets {
		switch s.Sentiment {
		case "", event.Bullish, event.Bearish, event.Neutral:
		default:
			return fmt.Errorf("asset %q has the unknown sentiment %q", s.Symbol, s.Sentiment)
		}
	}
	return nil
}

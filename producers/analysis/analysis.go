// Package analysis turns posts into predictions: which assets a post will move, and which way.
//
// Bypass decides whether a post is worth a model at all, a Model answers, Symbols cleans the
// answer's symbols, and Analyzer is the service around them. It folds the streams posts and
// predictions, takes what is in scope and has no terminal analysis yet, and appends exactly one
// terminal event per post: prediction_made, post_bypassed or a terminal analysis_failed. All its
// state is in the lake, so it may die anywhere and run twice.
//
// The package rules holds the offline model. What the words mean is fixed in domain.md 2.
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
	// CostMicros is in millionths of a US dollar.
	CostMicros int64
}

// MaxAssets is how many assets an answer may name.
const MaxAssets = 10

// Config names a configuration: together with the post it identifies a prediction.
type Config struct {
	// Analyzer is llm or rules.
	Analyzer      string
	Provider      string
	Model         string
	PromptVersion string
	// PromptHash is over the prompt or lexicon that PromptVersion names.
	PromptHash string
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

// Failure is an attempt that gave no answer.
type Failure struct {
	Class Class
	Err   error
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

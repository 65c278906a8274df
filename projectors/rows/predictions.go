package rows

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/market"
	"shitpost-alpha/projectors/outcomes"
	"shitpost-alpha/projectors/pgrow"
	"shitpost-alpha/readmodel"
)

// Config is which configuration answered, and what it answered.
type Config struct {
	Analyzer      string   `db:"analyzer"`
	Provider      string   `db:"provider"`
	Model         string   `db:"model"`
	PromptVersion string   `db:"prompt_version"`
	PromptHash    string   `db:"prompt_hash"`
	RulesVersion  string   `db:"rules_version"`
	Confidence    *float64 `db:"confidence"`
	Thesis        string   `db:"thesis"`
	Temperature   *float64 `db:"temperature"`
	TokensIn      *int64   `db:"tokens_in"`
	TokensOut     *int64   `db:"tokens_out"`
	CostMicros    *int64   `db:"cost_micros"`
	LatencyMS     *int64   `db:"latency_ms"`
}

// Attempt is one event about an analysis.
type Attempt struct {
	EventID      string    `db:"event_id"`
	Kind         string    `db:"kind"`
	PredictionID string    `db:"prediction_id"`
	PostID       string    `db:"post_id"`
	PublishedAt  time.Time `db:"published_at"`
	Config
	BypassReason   string     `db:"bypass_reason"`
	FailureClass   string     `db:"failure_class"`
	FailureMessage string     `db:"failure_message"`
	Attempt        int32      `db:"attempt"`
	Terminal       bool       `db:"terminal"`
	Requeues       []string   `db:"requeues"`
	Assets         pgrow.JSON `db:"assets"`
	Dropped        pgrow.JSON `db:"dropped"`
	CausationID    string     `db:"causation_id"`
	OccurredAt     time.Time  `db:"occurred_at"`
	Origin
}

// Prediction is one analysis of a post by a configuration, or its bypass.
type Prediction struct {
	PredictionID string    `db:"prediction_id"`
	PostID       string    `db:"post_id"`
	PublishedAt  time.Time `db:"published_at"`
	Status       string    `db:"status"`
	Reason       string    `db:"reason"`
	Message      string    `db:"message"`
	Config
	IsPrimary   bool       `db:"is_primary"`
	Attempts    int        `db:"attempts"`
	Calls       int        `db:"calls"`
	Dropped     pgrow.JSON `db:"dropped"`
	CausationID string     `db:"causation_id"`
	PredictedAt time.Time  `db:"predicted_at"`
	EventID     string     `db:"event_id"`
	Origin
}

// Call is one asset of a completed prediction.
type Call struct {
	PredictionID string    `db:"prediction_id"`
	Symbol       string    `db:"symbol"`
	Position     int       `db:"position"`
	Sentiment    string    `db:"sentiment"`
	Rationale    string    `db:"rationale"`
	Named        string    `db:"named"`
	PostID       string    `db:"post_id"`
	PublishedAt  time.Time `db:"published_at"`
	Confidence   *float64  `db:"confidence"`
	Origin       string    `db:"origin"`
	PredictedAt  time.Time `db:"predicted_at"`
}

// asset and drop are the documents in the columns assets and dropped.
type asset struct {
	Symbol    string `json:"symbol"`
	Sentiment string `json:"sentiment,omitempty"`
	Rationale string `json:"rationale,omitempty"`
	Named     string `json:"named,omitempty"`
}

type drop struct {
	Symbol    string `json:"symbol"`
	Sentiment string `json:"sentiment,omitempty"`
	Reason    string `json:"reason"`
}

// AttemptOf returns the fact that an event about an analysis states.
func AttemptOf(e *event.Prediction) Attempt {
	a := Attempt{EventID: e.EventID, Kind: string(e.Kind), PredictionID: e.PredictionID, PostID: e.PostID, PublishedAt: e.PublishedAt,
		Config: Config{Analyzer: e.Analyzer, Provider: e.Provider, Model: e.Model, PromptVersion: e.PromptVersion, PromptHash: e.PromptHash,
			RulesVersion: e.RulesVersion, Confidence: e.Confidence, Thesis: e.Thesis, Temperature: e.Temperature,
			TokensIn: e.TokensIn, TokensOut: e.TokensOut, CostMicros: e.CostMicros, LatencyMS: e.LatencyMS},
		BypassReason: e.BypassReason, FailureClass: e.FailureClass, FailureMessage: e.FailureMessage, Attempt: e.Attempt, Terminal: e.Terminal,
		Requeues: e.Requeues, CausationID: e.CausationID, OccurredAt: e.OccurredAt, Origin: originOf(&e.Envelope)}
	assets, dropped := []asset{}, []drop{}
	for _, x := range e.Assets {
		assets = append(assets, asset{pgrow.Clean(x.Symbol), x.Sentiment, pgrow.Clean(x.Rationale), pgrow.Clean(x.Named)})
	}
	for _, x := range e.Dropped {
		dropped = append(dropped, drop{pgrow.Clean(x.Symbol), pgrow.Clean(x.Sentiment), pgrow.Clean(x.Reason)})
	}
	a.Assets, a.Dropped = document(assets), document(dropped)
	return a
}

func document[T any](list []T) pgrow.JSON {
	b, err := json.Marshal(list)
	if err != nil {
		panic(fmt.Sprintf("marshal %T: %v", list, err)) // plain strings: cannot happen
	}
	return pgrow.JSON(b)
}

// DerivePredictions returns the attempts, the predictions and their calls that follow from the known
// attempts and the news: known must hold all attempts of the predictions that the news is about. primary
// is the setting of that name.
func DerivePredictions(known, news []Attempt, primary string, cal *market.Calendar) ([]Attempt, []Prediction, []Call, error) {
	attempts := Union(known, news, func(a *Attempt) string { return a.EventID }, func(a *Attempt) time.Time { return a.RecordedAt })
	slices.SortFunc(attempts, func(a, b Attempt) int {
		return cmp.Or(strings.Compare(a.PredictionID, b.PredictionID), a.RecordedAt.Compare(b.RecordedAt), strings.Compare(a.EventID, b.EventID))
	})
	var predictions []Prediction
	var calls []Call
	for start := 0; start < len(attempts); {
		end := start + 1
		for end < len(attempts) && attempts[end].PredictionID == attempts[start].PredictionID {
			end++
		}
		p, stands := predictionOf(attempts[start:end])
		p.IsPrimary = p.Status == readmodel.Bypassed || isPrimary(&p, primary)
		if p.Status == readmodel.Completed {
			more, err := callsOf(&p, stands, cal)
			if err != nil {
				return nil, nil, nil, err
			}
			p.Calls = len(more)
			calls = append(calls, more...)
		}
		predictions = append(predictions, p)
		start = end
	}
	return attempts, predictions, calls, nil
}

// predictionOf derives one prediction from all its attempts, oldest first, and returns the attempt that
// it shows: the first answer, else the newest bypass, else the newest failure that no requeue cancels,
// else whatever is newest.
func predictionOf(attempts []Attempt) (Prediction, *Attempt) {
	cancelled := map[string]bool{}
	for i := range attempts {
		for _, id := range attempts[i].Requeues {
			cancelled[id] = true
		}
	}
	var made, bypass, failure *Attempt
	terminal, tries := false, 0
	for i := range attempts {
		a := &attempts[i]
		switch event.Kind(a.Kind) {
		case event.PredictionMade:
			tries++
			if made == nil {
				made = a
			}
		case event.PostBypassed:
			bypass = a
		case event.AnalysisFailed:
			if !cancelled[a.EventID] {
				failure, terminal = a, terminal || a.Terminal
				tries++
			}
		}
	}
	shown := cmp.Or(made, bypass, failure, &attempts[len(attempts)-1])
	p := Prediction{PredictionID: shown.PredictionID, PostID: shown.PostID, PublishedAt: shown.PublishedAt, Config: shown.Config,
		Attempts: tries, Dropped: shown.Dropped, CausationID: shown.CausationID, EventID: shown.EventID, Origin: shown.Origin}
	switch {
	case made != nil:
		p.Status, p.PredictedAt = readmodel.Completed, made.OccurredAt
	case bypass != nil:
		p.Status, p.Reason = readmodel.Bypassed, bypass.BypassReason
	case failure != nil:
		p.Status, p.Reason, p.Message = readmodel.Retrying, failure.FailureClass, failure.FailureMessage
		if terminal {
			p.Status = readmodel.Failed
		}
	default:
		p.Status = readmodel.Retrying
	}
	return p, shown
}

// isPrimary reports whether the setting, "analyzer", "analyzer/provider" or
// "analyzer/provider/model", names the configuration of p. An empty setting names every one.
func isPrimary(p *Prediction, primary string) bool {
	if primary == "" {
		return true
	}
	want := strings.SplitN(primary, "/", 3)
	have := []string{p.Analyzer, p.Provider, p.Model}
	return slices.Equal(want, have[:len(want)])
}

// callsOf returns the calls of a completed prediction.
func callsOf(p *Prediction, made *Attempt, cal *market.Calendar) ([]Call, error) {
	var assets []asset
	if err := json.Unmarshal([]byte(made.Assets), &assets); err != nil {
		return nil, fmt.Errorf("read assets of event %s: %w", made.EventID, err)
	}
	calls := make([]Call, len(assets))
	for i, x := range assets {
		c := outcomes.Call{PredictionID: p.PredictionID, Symbol: x.Symbol, Sentiment: x.Sentiment, PublishedAt: p.PublishedAt}
		calls[i] = Call{PredictionID: p.PredictionID, Symbol: x.Symbol, Position: i, Sentiment: x.Sentiment, Rationale: x.Rationale,
			Named: x.Named, PostID: p.PostID, PublishedAt: p.PublishedAt, Confidence: p.Confidence, PredictedAt: p.PredictedAt,
			Origin: outcomes.Origin(c, p.PredictedAt, p.PromptVersion, cal)}
	}
	return calls, nil
}

// Package openai asks a language model over the chat API that OpenAI, xAI and most local servers
// speak. A Model is one model behind one base URL; it implements analysis.Metered.
//
// The request is the prompt, the post between markers, and the schema of the answer. An answer that
// is not exactly of the schema is a failure of class bad_output, kept as it came: nothing is guessed.
// A server that does not know JSON schemas is asked for a JSON object, and one that does not know
// that either by the prompt alone; the same strict parser reads all three.
//
// Model makes one attempt per Analyze. When to try again is decided by the service, from the lake.
package openai

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	goopenai "github.com/sashabaranov/go-openai"
	"golang.org/x/time/rate"

	"shitpost-alpha/producers"
	"shitpost-alpha/producers/analysis"
)

// DefaultBaseURL is OpenAI's.
const DefaultBaseURL = "https://api.openai.com/v1"

// Output says how the form of the answer is asked for.
type Output string

// Auto begins with Schema and steps down where the server refuses it.
const (
	Auto       Output = "auto"
	Schema     Output = "json_schema"
	Object     Output = "json_object"
	PromptOnly Output = "text"
)

// Options of a Model. Model must be set.
type Options struct {
	// BaseURL is where /chat/completions is; DefaultBaseURL when empty.
	BaseURL string
	// Key is sent as a bearer token; a local server may need none. It appears in no error and no event.
	Key string
	// Provider names the server in each prediction; by default the host of BaseURL, openai for OpenAI.
	Provider string
	Model    string
	Prompt   Prompt
	Price    Price
	Output   Output // Auto when empty
	// Temperature is sent unless nil.
	Temperature *float64
	// MaxOutput is how many tokens an answer may have, and with them the most that it may cost; 1,500
	// when zero, 8,000 for a model that thinks first.
	MaxOutput int
	// Timeout ends one attempt; a minute when zero.
	Timeout time.Duration
	// RequestsPerMinute and TokensPerMinute are the provider's limits; 0 is none.
	RequestsPerMinute int
	TokensPerMinute   int
	Metrics           *producers.Metrics
	// HTTP sends; nil is a client of its own.
	HTTP *http.Client
	// Now is the clock; time.Now when nil.
	Now func() time.Time
}

// Model is an analysis.Metered, safe for concurrent use.
type Model struct {
	o        Options
	client   *producers.Client
	requests *rate.Limiter
	tokens   *rate.Limiter
	step     atomic.Int32 // into ladder: what the server was found to know
	ladder   []Output
}

// New checks the options and asks nothing. Its error names everything that is wrong.
func New(o Options) (*Model, error) {
	o.BaseURL = strings.TrimRight(cmp.Or(o.BaseURL, DefaultBaseURL), "/")
	o.Output = cmp.Or(o.Output, Auto)
	o.Timeout = cmp.Or(o.Timeout, time.Minute)
	if o.MaxOutput == 0 {
		o.MaxOutput = 1500
		if Reasons(o.Model) {
			o.MaxOutput = 8000
		}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("model %q: %w", o.Model, err)
	}
	if o.HTTP == nil {
		o.HTTP = &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone(),
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }} // the key goes to one host
	}
	m := &Model{o: o, ladder: []Output{o.Output},
		client:   &producers.Client{HTTP: o.HTTP, MaxBody: maxBody, Metrics: o.Metrics, Now: o.Now},
		requests: rate.NewLimiter(rate.Inf, 0), tokens: rate.NewLimiter(rate.Inf, 0)}
	if o.Output == Auto {
		m.ladder = []Output{Schema, Object, PromptOnly}
	}
	if o.RequestsPerMinute > 0 {
		m.requests = rate.NewLimiter(rate.Limit(o.RequestsPerMinute)/60, max(1, o.RequestsPerMinute/60))
	}
	if o.TokensPerMinute > 0 {
		m.tokens = rate.NewLimiter(rate.Limit(o.TokensPerMinute)/60, o.TokensPerMinute)
	}
	return m, nil
}

// check names everything that is wrong, and fills in the provider.
func (o *Options) check() error {
	var p producers.Problems
	base, err := url.Parse(o.BaseURL)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" || base.User != nil || base.RawQuery != "" {
		p.Require(false, "base URL: want http(s)://host/path without user and query, such as %s", DefaultBaseURL) // it may hold a key: not shown
	} else if o.Provider == "" {
		o.Provider = strings.TrimSuffix(strings.TrimPrefix(base.Hostname(), "api."), ".com")
	}
	p.Require(o.Model != "", "no model is named")
	p.Require(o.Key != "" || o.BaseURL != DefaultBaseURL, "OpenAI needs a key: set OPENAI_API_KEY")
	p.Require(!strings.ContainsFunc(o.Key, func(r rune) bool { return r <= ' ' || r > '~' }), "the key holds blanks or other characters that no key has")
	p.Require(o.Prompt.text != "", "no prompt is loaded")
	p.Require(o.Price.In >= 0 && o.Price.Out >= 0 && !math.IsInf(o.Price.In+o.Price.Out, 0), "prices must be 0 or more")
	p.Require(o.MaxOutput > 0 && o.Timeout > 0 && o.RequestsPerMinute >= 0 && o.TokensPerMinute >= 0, "limits and timeout must not be negative")
	p.Require(o.Temperature == nil || *o.Temperature >= 0 && *o.Temperature <= 2, "the temperature must be in 0..2")
	p.Require(o.Temperature == nil || *o.Temperature == 1 || !Reasons(o.Model), "this model takes no temperature")
	switch o.Output {
	case Auto, Schema, Object, PromptOnly:
	default:
		p.Require(false, "output %q: want auto, json_schema, json_object or text", o.Output)
	}
	return p.Err(errors.New("wrong options"))
}

// Reasons says that OpenAI's model of this name thinks before it answers: it takes no temperature,
// and its thoughts are a part of the output tokens.
func Reasons(model string) bool {
	for _, family := range []string{"o1", "o3", "o4", "gpt-5", "gpt-6"} {
		if strings.HasPrefix(model, family) {
			return true
		}
	}
	return false
}

// Config names the model's configuration.
func (m *Model) Config() analysis.Config {
	return analysis.Config{Analyzer: "llm", Provider: m.o.Provider, Model: m.o.Model, PromptVersion: m.o.Prompt.Version, PromptHash: m.o.Prompt.Hash}
}

// A token is about four characters of English. The rest is less: 3 bytes per token is on the safe
// side. usualOutput is what an answer with a few assets has.
const (
	bytesPerToken = 3
	usualOutput   = 180
)

// Estimate implements analysis.Metered.
func (m *Model) Estimate(in analysis.Input) analysis.Estimate {
	e := analysis.Estimate{TokensIn: int64(len(m.o.Prompt.text)+len(userMessage(in))+len(answerSchema()))/bytesPerToken + 20,
		TokensOut: int64(min(usualOutput, m.o.MaxOutput))}
	if Reasons(m.o.Model) {
		e.TokensOut = int64(m.o.MaxOutput) / 4
	}
	e.CostMicros = m.o.Price.Micros(e.TokensIn, e.TokensOut)
	// Should a script take more tokens than a third of its bytes, it takes no more than its bytes.
	e.MaxCostMicros = m.o.Price.Micros(e.TokensIn*bytesPerToken, int64(m.o.MaxOutput))
	return e
}

// Wait implements analysis.Metered: it keeps to the requests and tokens per minute.
func (m *Model) Wait(ctx context.Context, in analysis.Input) error {
	if err := m.requests.Wait(ctx); err != nil {
		return fmt.Errorf("wait for the limit of requests: %w", err)
	}
	e := m.Estimate(in)
	n := int(e.TokensIn + e.TokensOut)
	if m.o.TokensPerMinute > 0 {
		n = min(n, m.tokens.Burst()) // a single call above the limit waits for all of it
	}
	if err := m.tokens.WaitN(ctx, n); err != nil {
		return fmt.Errorf("wait for the limit of tokens: %w", err)
	}
	return nil
}

// Analyze implements analysis.Model: one attempt, which is several requests only while it is found
// out which form of output the server knows.
func (m *Model) Analyze(ctx context.Context, in analysis.Input) (analysis.Answer, error) {
	for {
		step := m.step.Load()
		x := m.exchange()
		response, err := m.send(ctx, x, in, m.ladder[step])
		if x.refusesOutput() && int(step) < len(m.ladder)-1 {
			m.step.CompareAndSwap(step, step+1)
			continue
		}
		answer, err := m.read(ctx, x, response, err)
		m.account(&answer, x, response.Usage, in)
		answer.Raw, answer.Latency, answer.Temperature = x.body, x.took, m.o.Temperature
		return answer, err
	}
}

func (m *Model) send(ctx context.Context, x *exchange, in analysis.Input, form Output) (goopenai.ChatCompletionResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, m.o.Timeout)
	defer cancel()
	config := goopenai.DefaultConfig(m.o.Key)
	config.BaseURL, config.HTTPClient = m.o.BaseURL, x
	return goopenai.NewClientWithConfig(config).CreateChatCompletion(ctx, m.request(in, form))
}

func (m *Model) request(in analysis.Input, form Output) goopenai.ChatCompletionRequest {
	r := goopenai.ChatCompletionRequest{Model: m.o.Model, Messages: []goopenai.ChatCompletionMessage{
		{Role: goopenai.ChatMessageRoleSystem, Content: m.o.Prompt.text},
		{Role: goopenai.ChatMessageRoleUser, Content: userMessage(in)},
	}}
	if Reasons(m.o.Model) {
		r.MaxCompletionTokens = m.o.MaxOutput
	} else {
		r.MaxTokens = m.o.MaxOutput // the name that every server knows
	}
	if t := m.o.Temperature; t != nil {
		r.Temperature = max(float32(*t), math.SmallestNonzeroFloat32) // the library leaves a zero out, and the server then takes 1
	}
	switch form {
	case Schema:
		r.ResponseFormat = &goopenai.ChatCompletionResponseFormat{Type: goopenai.ChatCompletionResponseFormatTypeJSONSchema,
			JSONSchema: &goopenai.ChatCompletionResponseFormatJSONSchema{Name: "analysis", Schema: answerSchema(), Strict: true}}
	case Object:
		r.ResponseFormat = &goopenai.ChatCompletionResponseFormat{Type: goopenai.ChatCompletionResponseFormatTypeJSONObject}
	}
	return r
}

// read makes an answer of a response, or a *analysis.Failure.
func (m *Model) read(ctx context.Context, x *exchange, r goopenai.ChatCompletionResponse, err error) (analysis.Answer, error) {
	if err := m.failure(ctx, x, err); err != nil {
		return analysis.Answer{}, err
	}
	if len(r.Choices) == 0 {
		return analysis.Answer{}, failed(analysis.BadOutput, "the response has no choices")
	}
	c := r.Choices[0]
	switch {
	case c.Message.Refusal != "":
		return analysis.Answer{}, failed(analysis.Refused, "the model refused: %s", m.redact(c.Message.Refusal))
	case c.FinishReason == goopenai.FinishReasonContentFilter:
		return analysis.Answer{}, failed(analysis.Refused, "the provider's content filter stopped the answer")
	case c.FinishReason == goopenai.FinishReasonLength:
		return analysis.Answer{}, failed(analysis.BadOutput, "the answer did not end within %d tokens", m.o.MaxOutput)
	}
	answer, err := ParseAnswer([]byte(c.Message.Content))
	if err != nil {
		return analysis.Answer{}, failed(analysis.BadOutput, "%s", m.redact(err.Error()))
	}
	return answer, nil
}

// maxTokens is the most that a response is believed to have taken.
const maxTokens = 10_000_000

// account writes down what the attempt took. Where a response was begun and does not say, or no
// response came to a request that was sent, it is what was estimated: it may have been paid for, and
// a budget that does not count it would be none.
func (m *Model) account(a *analysis.Answer, x *exchange, u goopenai.Usage, in analysis.Input) {
	if x.status == http.StatusOK || x.status == 0 && x.sent {
		a.TokensIn, a.TokensOut = int64(u.PromptTokens), int64(u.CompletionTokens)
		if a.TokensIn <= 0 || a.TokensOut < 0 || a.TokensIn > maxTokens || a.TokensOut > maxTokens {
			e := m.Estimate(in)
			a.TokensIn, a.TokensOut = e.TokensIn, e.TokensOut
		}
		a.CostMicros = m.o.Price.Micros(a.TokensIn, a.TokensOut)
	}
}

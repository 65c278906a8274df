package analyzer

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/lease"
	"shitpost-alpha/producers"
	"shitpost-alpha/producers/analysis"
	"shitpost-alpha/producers/analysis/openai"
	"shitpost-alpha/producers/analysis/rules"
)

// Flags are which analyzers work on which posts. Embed them in a grammar; where other services' flags
// stand beside them, with a prefix.
type Flags struct {
	Analyzer []string      `env:"ANALYZER" placeholder:"NAME" help:"rules (built in, offline, free) or llm; may be repeated, then each answers for itself. Default: llm where OPENAI_API_KEY is set, else rules."`
	Since    string        `env:"ANALYSIS_SINCE" default:"2025-01-01T00:00:00Z" placeholder:"TIME" help:"First post in scope: RFC 3339 or YYYY-MM-DD, UTC. Default 2025-01-01."`
	Backfill bool          `env:"ANALYSIS_BACKFILL" help:"Take up posts from before this analyzer's first use too."`
	Limit    int           `help:"Take up at most so many posts in a run; 0 for all."`
	Every    time.Duration `env:"ANALYZE_EVERY" default:"5m" help:"Longest pause between two runs; new posts end it."`
	LLM      LLM           `embed:"" group:"Language model:"`
}

// LLM are the flags about models over HTTP.
type LLM struct {
	Model       []string      `env:"OPENAI_MODEL" default:"gpt-4.1-mini" help:"Model; may be repeated, then each answers for itself."`
	BaseURL     string        `env:"OPENAI_BASE_URL" default:"https://api.openai.com/v1" placeholder:"URL" help:"Any server that speaks OpenAI's chat API."`
	Key         string        `name:"openai-api-key" env:"OPENAI_API_KEY" placeholder:"KEY" help:"Better given by the environment: others can see flags."`
	Provider    string        `env:"LLM_PROVIDER" help:"Name of the server in each prediction. Default: from the URL."`
	Prompt      string        `env:"ANALYSIS_PROMPT" default:"v1" help:"Built-in version, or a .md file."`
	Output      string        `env:"LLM_OUTPUT" enum:"auto,json_schema,json_object,text" default:"auto" help:"How the form of the answer is asked for; auto finds out what the server knows."`
	Temperature *float64      `env:"LLM_TEMPERATURE" help:"0 to 2. Default 0; none for models that think first."`
	MaxOutput   int           `name:"max-output-tokens" env:"LLM_MAX_OUTPUT_TOKENS" help:"Most tokens of an answer. Default 1500; 8000 for models that think first."`
	Timeout     time.Duration `name:"request-timeout" env:"LLM_TIMEOUT" default:"60s" help:"Longest wait for an answer."`
	LeaseTTL    time.Duration `name:"lease-ttl" env:"LEASE_TTL" default:"60s" help:"How long the lease of what is paid for is left to us when we do not renew it, 1s or more."`
	Concurrency int           `env:"LLM_CONCURRENCY" default:"4" help:"Posts asked about at once."`
	RPM         int           `name:"requests-per-minute" env:"LLM_RPM" default:"500" help:"Limit of requests; 0 for none."`
	TPM         int           `name:"tokens-per-minute" env:"LLM_TPM" default:"200000" help:"Limit of tokens; 0 for none."`
	RetryAfter  time.Duration `name:"retry-pause" env:"LLM_RETRY_PAUSE" default:"5s" help:"Pause of a post after its first failed attempt; six times as long after each further one."`
	Budget      float64       `name:"daily-budget" env:"ANALYSIS_DAILY_BUDGET" default:"1.00" placeholder:"DOLLARS" help:"Most dollars of a UTC day, all analyzers on this lake together. Then it waits until the next day."`
	PriceIn     *float64      `env:"LLM_PRICE_IN" placeholder:"DOLLARS" help:"Price of a million tokens in; needed with --price-out for a model that the built-in table does not know."`
	PriceOut    *float64      `env:"LLM_PRICE_OUT" placeholder:"DOLLARS" help:"Price of a million tokens out."`
}

// configured is a model that knows its own configuration.
type configured interface {
	analysis.Model
	Config() analysis.Config
}

// setup is a command line that was found to be right.
type setup struct {
	since  time.Time // UTC
	models []configured
}

// check notes all that is wrong with the flags, and returns what they ask for.
func (f *Flags) check(m *producers.Metrics, p *producers.Problems) (s setup) {
	since, err := parseSince(f.Since)
	p.Add(err)
	s.since = since
	p.Require(f.Limit >= 0, "--limit %d: want 0 or more", f.Limit)
	p.Require(f.Every > 0, "--every must be longer than 0")
	for i, name := range f.names() {
		switch {
		case slices.Contains(f.Analyzer[:min(i, len(f.Analyzer))], name):
			p.Require(false, "--analyzer %s is named twice", name)
		case name == "rules":
			model, err := rules.New()
			p.Add(err)
			s.models = append(s.models, model)
		case name == "llm":
			models, err := f.LLM.models(m)
			p.Add(err)
			s.models = append(s.models, models...)
		default:
			p.Require(false, "--analyzer %q: there are rules and llm", name)
		}
	}
	return s
}

// names returns the analyzers that are named, or the one that the key asks for.
func (f *Flags) names() []string {
	switch {
	case len(f.Analyzer) > 0:
		return f.Analyzer
	case f.LLM.Key != "":
		return []string{"llm"}
	}
	return []string{"rules"}
}

func parseSince(text string) (time.Time, error) {
	since, err := time.Parse(time.RFC3339, text)
	if err != nil {
		day, err := event.ParseDate(text)
		if err != nil {
			return time.Time{}, fmt.Errorf("--since %q: want RFC 3339 or YYYY-MM-DD, such as 2025-01-01T00:00:00Z", text)
		}
		since = day.Time()
	}
	return since.UTC(), nil
}

// models returns the language models that the flags name.
func (f *LLM) models(m *producers.Metrics) ([]configured, error) {
	var p producers.Problems
	p.Require(f.Concurrency > 0 && f.RetryAfter >= 0, "--concurrency must be 1 or more, --retry-pause not negative")
	p.Require(f.LeaseTTL >= lease.MinTTL, "--lease-ttl %s: want %s or more", f.LeaseTTL, lease.MinTTL)
	p.Require(f.Budget >= 0 && !math.IsInf(f.Budget, 0) && !math.IsNaN(f.Budget), "--daily-budget %v: want 0 or more dollars", f.Budget)
	p.Require((f.PriceIn == nil) == (f.PriceOut == nil), "--price-in and --price-out belong together")
	prompt, err := openai.LoadPrompt(f.Prompt)
	p.Add(err)
	var models []configured
	for i, name := range f.Model {
		p.Require(!slices.Contains(f.Model[:i], name), "--model %s is named twice", name)
		price, err := f.price(name)
		p.Add(err)
		temperature := f.Temperature
		if temperature == nil && !openai.Reasons(name) {
			temperature = new(float64)
		}
		model, err := openai.New(openai.Options{BaseURL: f.BaseURL, Key: f.Key, Provider: f.Provider, Model: name, Prompt: prompt, Price: price,
			Output: openai.Output(f.Output), Temperature: temperature, MaxOutput: f.MaxOutput, Timeout: f.Timeout,
			RequestsPerMinute: f.RPM, TokensPerMinute: f.TPM, Metrics: m})
		if err != nil {
			p.Add(err)
			continue
		}
		models = append(models, model)
	}
	return models, p.Err(errors.New("--analyzer llm"))
}

// price returns what the flags or the built-in table say of a model.
func (f *LLM) price(model string) (openai.Price, error) {
	if f.PriceIn != nil && f.PriceOut != nil {
		return openai.Price{Model: model, In: *f.PriceIn, Out: *f.PriceOut}, nil
	}
	price, ok, err := openai.PriceOf(model)
	if err != nil || ok {
		return price, err
	}
	prices, err := openai.Prices()
	if err != nil {
		return price, err
	}
	var known []string
	for _, p := range prices {
		known = append(known, p.Model)
	}
	return price, fmt.Errorf("no price is known of model %q: give --price-in and --price-out in dollars per million tokens (0 for a server of your own); known are %s",
		cmp.Or(model, "(none)"), strings.Join(known, ", "))
}

// BudgetMicros returns the daily budget in millionths of a dollar.
func (f *LLM) BudgetMicros() int64 { return int64(math.Round(f.Budget * 1e6)) }

package main

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"shitpost-alpha/lake/cli"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/producers"
	"shitpost-alpha/producers/analysis"
	"shitpost-alpha/producers/analysis/openai"
	"shitpost-alpha/producers/analysis/rules"
)

// grammar is the command line. All flags stand at the top, so that plain --help shows them.
type grammar struct {
	Run         struct{}       `cmd:"" default:"1" help:"Analyse the posts in the lake (the default)."`
	Explain     explainCommand `cmd:"" help:"Say what bypass, rules and symbols make of a text; needs no lake."`
	DeadLetters struct{}       `cmd:"" help:"List the posts that were given up."`
	Requeue     requeueCommand `cmd:"" help:"Have posts that were given up tried anew."`
	Compare     compareCommand `cmd:"" help:"Print what models made of posts, side by side; asks none."`
	Lake        string         `env:"LAKE_URL" default:"./data/lake" placeholder:"URL" help:"Folder or s3://bucket/prefix."`
	Analyzer    []string       `env:"ANALYZER" placeholder:"NAME" help:"rules (built in, offline, free) or llm; may be repeated, then each answers for itself. Default: llm where OPENAI_API_KEY is set, else rules."`
	Since       string         `env:"ANALYSIS_SINCE" default:"2025-01-01T00:00:00Z" placeholder:"TIME" help:"First post in scope: RFC 3339 or YYYY-MM-DD, UTC. Default 2025-01-01."`
	Backfill    bool           `env:"ANALYSIS_BACKFILL" help:"Take up posts from before this analyzer's first use too."`
	Limit       int            `help:"Take up at most so many posts in a run; 0 for all."`
	Estimate    bool           `help:"Say what the open posts would take in tokens and dollars; ask and write nothing."`
	DryRun      bool           `help:"Say once what would be recorded, write nothing and ask no paid model."`
	Once        bool           `help:"Run once and exit, for cron."`
	Every       time.Duration  `env:"ANALYZE_EVERY" default:"5m" help:"Longest pause between two runs; new posts end it."`
	Poll        time.Duration  `env:"LAKE_POLL" default:"10s" help:"How often to look for other processes' commits."`
	JSON        bool           `name:"json" help:"Print reports, drafts and lists as JSON lines."`
	LLM         llmFlags       `embed:"" group:"Language model:"`
	producers.Serving
	cli.Logging
	Version kong.VersionFlag `help:"Print the version."`
}

// llmFlags are about the models over HTTP.
type llmFlags struct {
	Model       []string      `env:"OPENAI_MODEL" default:"gpt-4.1-mini" help:"Model; may be repeated, then each answers for itself."`
	BaseURL     string        `env:"OPENAI_BASE_URL" default:"https://api.openai.com/v1" placeholder:"URL" help:"Any server that speaks OpenAI's chat API."`
	Key         string        `name:"openai-api-key" env:"OPENAI_API_KEY" placeholder:"KEY" help:"Better given by the environment: others can see flags."`
	Provider    string        `env:"LLM_PROVIDER" help:"Name of the server in each prediction. Default: from the URL."`
	Prompt      string        `env:"ANALYSIS_PROMPT" default:"v1" help:"Built-in version, or a .md file."`
	Output      string        `env:"LLM_OUTPUT" enum:"auto,json_schema,json_object,text" default:"auto" help:"How the form of the answer is asked for; auto finds out what the server knows."`
	Temperature *float64      `env:"LLM_TEMPERATURE" help:"0 to 2. Default 0; none for models that think first."`
	MaxOutput   int           `name:"max-output-tokens" env:"LLM_MAX_OUTPUT_TOKENS" help:"Most tokens of an answer. Default 1500; 8000 for models that think first."`
	Timeout     time.Duration `name:"request-timeout" env:"LLM_TIMEOUT" default:"60s" help:"Longest wait for an answer."`
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

// check returns what the flags ask for, or all that is wrong with them.
func (g *grammar) check(m *producers.Metrics) (setup, error) {
	var s setup
	var p producers.Problems
	since, err := parseSince(g.Since)
	p.Add(err)
	s.since = since
	p.Require(g.Limit >= 0, "--limit %d: want 0 or more", g.Limit)
	p.Require(g.Every > 0 && g.Poll > 0, "--every and --poll must be longer than 0")
	for i, name := range g.Analyzer {
		switch {
		case slices.Contains(g.Analyzer[:i], name):
			p.Require(false, "--analyzer %s is named twice", name)
		case name == "rules":
			model, err := rules.New()
			p.Add(err)
			s.models = append(s.models, model)
		case name == "llm":
			models, err := g.LLM.models(m)
			p.Add(err)
			s.models = append(s.models, models...)
		default:
			p.Require(false, "--analyzer %q: there are rules and llm", name)
		}
	}
	return s, p.Err(cli.ErrUsage)
}

// setDefaults fills in what depends on other flags.
func (g *grammar) setDefaults() {
	if len(g.Analyzer) == 0 {
		g.Analyzer = []string{"rules"}
		if g.LLM.Key != "" {
			g.Analyzer = []string{"llm"}
		}
	}
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
func (f *llmFlags) models(m *producers.Metrics) ([]configured, error) {
	var p producers.Problems
	p.Require(f.Concurrency > 0 && f.RetryAfter >= 0, "--concurrency must be 1 or more, --retry-pause not negative")
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
func (f *llmFlags) price(model string) (openai.Price, error) {
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

func (f *llmFlags) budgetMicros() int64 { return int64(math.Round(f.Budget * 1e6)) }

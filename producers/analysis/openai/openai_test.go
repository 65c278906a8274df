package openai_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/producers/analysis"
	"shitpost-alpha/producers/analysis/openai"
	"shitpost-alpha/producers/fakes"
)

// canary is the key of all tests: it must not appear anywhere but in the header of requests.
const canary = "sk-canary-0123456789"

// fake starts the fake server and returns it with a model on it.
func fake(t *testing.T, change ...func(*openai.Options)) (*fakes.Server, *openai.Model) {
	t.Helper()
	server, err := fakes.New(fakes.Options{Seed: 1, OpenAIKey: canary})
	if err != nil {
		t.Fatal(err)
	}
	server.Model.Answer(func(string) string { return goodAnswer })
	http := httptest.NewServer(server)
	t.Cleanup(http.Close)
	return server, newModel(t, http.URL+"/v1", change...)
}

func newModel(t *testing.T, baseURL string, change ...func(*openai.Options)) *openai.Model {
	t.Helper()
	prompt, err := openai.LoadPrompt(openai.DefaultPrompt)
	if err != nil {
		t.Fatal(err)
	}
	o := openai.Options{BaseURL: baseURL, Key: canary, Provider: "fake", Model: "gpt-4.1-mini", Prompt: prompt,
		Price: openai.Price{In: 0.40, Out: 1.60}, Temperature: new(float64)}
	for _, c := range change {
		c(&o)
	}
	m, err := openai.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func input(text string) analysis.Input {
	return analysis.Input{PostID: "114270398531479278", PublishedAt: time.Date(2025, 4, 2, 20, 0, 0, 0, time.UTC), Text: text}
}

func TestAnalyze(t *testing.T) {
	server, m := fake(t)
	a, err := m.Analyze(t.Context(), input("Drill, baby, drill!"))
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Assets) != 1 || a.Assets[0] != (event.Asset{Symbol: "XLE", Sentiment: event.Bullish, Rationale: "Drill."}) || a.Confidence != 0.7 || a.Thesis != "Oil." {
		t.Errorf("answer %+v", a)
	}
	if a.TokensIn < 100 || a.TokensOut < 10 || a.CostMicros != (openai.Price{In: 0.40, Out: 1.60}).Micros(a.TokensIn, a.TokensOut) || a.Latency <= 0 || *a.Temperature != 0 {
		t.Errorf("account %+v", a)
	}
	var raw struct {
		Choices []struct{ Message struct{ Content string } }
	}
	if err := json.Unmarshal(a.Raw, &raw); err != nil || raw.Choices[0].Message.Content != goodAnswer {
		t.Errorf("raw %s: %v", a.Raw, err)
	}
	call := server.Calls(fakes.OpenAI)[0]
	var sent struct {
		Model       string
		Temperature *float64
		Stream      bool
		MaxTokens   int `json:"max_tokens"`
		Messages    []struct{ Role, Content string }
		Format      struct {
			Type       string
			JSONSchema struct {
				Strict bool
				Schema map[string]any
			} `json:"json_schema"`
		} `json:"response_format"`
	}
	if err := json.Unmarshal(call.Body, &sent); err != nil {
		t.Fatal(err)
	}
	if sent.Model != "gpt-4.1-mini" || sent.Temperature == nil || *sent.Temperature > 1e-40 || sent.Stream || sent.MaxTokens != 1500 || len(sent.Messages) != 2 ||
		sent.Messages[0].Role != "system" || !strings.HasSuffix(sent.Messages[1].Content, "\nBEGIN POST-0\nDrill, baby, drill!\nEND POST-0") ||
		sent.Format.Type != "json_schema" || !sent.Format.JSONSchema.Strict || sent.Format.JSONSchema.Schema["additionalProperties"] != false {
		t.Errorf("request %s", call.Body)
	}
	if call.Header.Get("Authorization") != "Bearer "+canary {
		t.Error("the key was not sent")
	}
	if c := m.Config(); c.Analyzer != "llm" || c.Provider != "fake" || c.Model != "gpt-4.1-mini" || c.PromptVersion != "v1" || c.PromptHash == "" {
		t.Errorf("configuration %+v", c)
	}
}

// TestReasoningModels: what OpenAI's models that think first do not take is not sent.
func TestReasoningModels(t *testing.T) {
	server, m := fake(t, func(o *openai.Options) { o.Model, o.Temperature = "gpt-5-mini", nil })
	if _, err := m.Analyze(t.Context(), input("Drill, baby, drill!")); err != nil {
		t.Fatal(err)
	}
	body := string(server.Calls(fakes.OpenAI)[0].Body)
	if strings.Contains(body, "temperature") || strings.Contains(body, `"max_tokens"`) || !strings.Contains(body, `"max_completion_tokens":8000`) {
		t.Errorf("request %s", body)
	}
}

// TestFailureClasses: every misbehaviour ends in its class, with the answer kept and the key nowhere.
func TestFailureClasses(t *testing.T) {
	for name, c := range map[string]struct {
		fault fakes.Fault
		class analysis.Class
		cost  bool
	}{
		"429":            {fakes.Fault{Kind: fakes.Limited, RetryAfter: "7"}, analysis.RateLimited, false},
		"503":            {fakes.Fault{Kind: fakes.Down}, analysis.Server, false},
		"500":            {fakes.Fault{Kind: fakes.Down, Status: 500, RetryAfter: "7"}, analysis.Server, false},
		"504":            {fakes.Fault{Kind: fakes.Down, Status: 504}, analysis.Timeout, false},
		"404":            {fakes.Fault{Kind: fakes.Down, Status: 404}, analysis.Auth, false},
		"402":            {fakes.Fault{Kind: fakes.Down, Status: 402}, analysis.Auth, false},
		"301":            {fakes.Fault{Kind: fakes.Down, Status: 301}, analysis.Auth, false},
		"400":            {fakes.Fault{Kind: fakes.Down, Status: 400}, analysis.Refused, false},
		"bad key":        {fakes.Fault{Kind: fakes.BadKey}, analysis.Auth, false},
		"no credit":      {fakes.Fault{Kind: fakes.NoCredit}, analysis.Budget, false},
		"refusal":        {fakes.Fault{Kind: fakes.RefusesPost}, analysis.Refused, true},
		"reset":          {fakes.Fault{Kind: fakes.Reset}, analysis.Server, true},
		"cut":            {fakes.Fault{Kind: fakes.Cut}, analysis.Server, true},
		"no answer":      {fakes.Fault{Kind: fakes.NoAnswer}, analysis.Timeout, true},
		"malformed":      {fakes.Fault{Kind: fakes.Malformed}, analysis.BadOutput, true},
		"hostile":        {fakes.Fault{Kind: fakes.Hostile}, analysis.BadOutput, true},
		"page":           {fakes.Fault{Kind: fakes.Page}, analysis.BadOutput, true},
		"cloudflare":     {fakes.Fault{Kind: fakes.Cloudflare}, analysis.Auth, false},
		"prose":          {fakes.Fault{Kind: "prose"}, analysis.BadOutput, true},
		"wrong type":     {fakes.Fault{Kind: fakes.WrongType}, "", true},
		"slow, in time":  {fakes.Fault{Kind: fakes.Slow, Latency: time.Millisecond}, "", true},
		"no schema":      {fakes.Fault{Kind: fakes.NoSchema}, "", true},
		"nothing at all": {fakes.Fault{Kind: "closed"}, analysis.Server, false},
	} {
		t.Run(name, func(t *testing.T) {
			server, m := fake(t, func(o *openai.Options) { o.Timeout = 500 * time.Millisecond })
			switch c.fault.Kind {
			case "prose":
				server.Model.Answer(func(string) string { return "Sure! " + goodAnswer })
			case "closed":
				m = newModel(t, "http://127.0.0.1:1/v1")
			default:
				server.Fault(fakes.OpenAI, c.fault)
			}
			a, err := m.Analyze(t.Context(), input("Drill, baby, drill!"))
			var f *analysis.Failure
			if errors.As(err, &f) != (c.class != "") || f != nil && f.Class != c.class {
				t.Fatalf("%v, want class %q", err, c.class)
			}
			if c.cost != (a.CostMicros > 0) {
				t.Errorf("cost %d, want one: %v", a.CostMicros, c.cost)
			}
			if f != nil && c.fault.RetryAfter != "" && f.RetryAfter != 7*time.Second {
				t.Errorf("retry after %s", f.RetryAfter)
			}
			if f != nil && c.fault.Kind != fakes.Reset && c.fault.Kind != fakes.NoAnswer && c.fault.Kind != "closed" && c.fault.Kind != fakes.Hostile && len(a.Raw) == 0 {
				t.Error("the answer is not kept")
			}
			if strings.Contains(fmt.Sprint(err)+string(a.Raw), canary) {
				t.Errorf("the key is in %v or %s", err, a.Raw)
			}
		})
	}
}

func TestStopIsNoFailure(t *testing.T) {
	server, m := fake(t)
	server.Fault(fakes.OpenAI, fakes.Fault{Kind: fakes.NoAnswer})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.Analyze(ctx, input("Drill, baby, drill!")); !errors.Is(err, context.Canceled) || errors.As(err, new(*analysis.Failure)) {
		t.Errorf("%v", err)
	}
}

// TestOutputLadder: a server is asked in the best form that it knows, and that is found out once.
func TestOutputLadder(t *testing.T) {
	for knows, want := range map[string][]string{
		"json_schema": {"json_schema", "json_schema"},
		"json_object": {"json_schema", "json_object", "json_object"},
		"":            {"json_schema", "json_object", "", ""},
	} {
		var asked []string
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var req struct {
				Format struct{ Type string } `json:"response_format"`
			}
			if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
				t.Error(err)
			}
			asked = append(asked, req.Format.Type)
			if req.Format.Type != knows {
				w.WriteHeader(http.StatusBadRequest)
				fmt.Fprintf(w, `{"error":{"message":"response_format %s is not supported","code":"unsupported_parameter"}}`, req.Format.Type)
				return
			}
			fmt.Fprintf(w, `{"choices":[{"message":{"role":"assistant","content":%q}}]}`, goodAnswer)
		}))
		m := newModel(t, server.URL)
		for range 2 {
			a, err := m.Analyze(t.Context(), input("Drill, baby, drill!"))
			if err != nil || a.TokensIn == 0 || a.CostMicros == 0 {
				t.Errorf("knows %q: %v; a server that says no usage is estimated: %+v", knows, err, a)
			}
		}
		server.Close()
		if fmt.Sprint(asked) != fmt.Sprint(want) {
			t.Errorf("knows %q: asked %q, want %q", knows, asked, want)
		}
	}
	// A form that was asked for by name is not left.
	server, m := fake(t, func(o *openai.Options) { o.Output = openai.Schema })
	server.Fault(fakes.OpenAI, fakes.Fault{Kind: fakes.NoSchema})
	if _, err := m.Analyze(t.Context(), input("Drill, baby, drill!")); err == nil || server.Count(fakes.OpenAI) != 1 {
		t.Errorf("%v after %d requests", err, server.Count(fakes.OpenAI))
	}
}

// TestResponses: what else may stand around the content.
func TestResponses(t *testing.T) {
	quoted, err := json.Marshal(goodAnswer)
	if err != nil {
		t.Fatal(err)
	}
	content := string(quoted)
	for body, class := range map[string]analysis.Class{
		`{"choices":[{"message":{"content":` + content + `},"finish_reason":"stop"}]}`:                                   "",
		`{"choices":[{"message":{"content":` + content + `}}],"usage":{"prompt_tokens":-5,"completion_tokens":9e12}}`:    analysis.BadOutput, // no integer
		`{"choices":[{"message":{"content":` + content + `}}],"usage":{"prompt_tokens":-5,"completion_tokens":1}}`:       "",
		`{"choices":[{"message":{"content":` + content + `},"finish_reason":"length"}]}`:                                 analysis.BadOutput,
		`{"choices":[{"message":{"content":` + content + `},"finish_reason":"content_filter"}]}`:                         analysis.Refused,
		`{"choices":[{"message":{"content":` + content + `,"refusal":"no"}}]}`:                                           analysis.Refused,
		`{"choices":[{"message":{"content":null,"tool_calls":[{"id":"1","type":"function","function":{"name":"x"}}]}}]}`: analysis.BadOutput,
		`{"choices":[{"message":{"content":[{"type":"text","text":` + content + `}]}}]}`:                                 analysis.BadOutput,
		`{"choices":[{"message":null}]}`: analysis.BadOutput,
		`{"choices":[]}`:                 analysis.BadOutput,
		`{}`:                             analysis.BadOutput,
		``:                               analysis.BadOutput,
		`{"choices":[{"message":{"content":` + content + `}}]} trailing`: analysis.BadOutput,
		"{\"choices\":[{\"message\":{\"content\":\"\xff\"}}]}":           analysis.BadOutput,
		`{"error":{"message":"overloaded"}}`:                             analysis.BadOutput,
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, body) }))
		a, err := newModel(t, server.URL).Analyze(t.Context(), input("Drill, baby, drill!"))
		server.Close()
		var f *analysis.Failure
		if errors.As(err, &f) != (class != "") || f != nil && f.Class != class {
			t.Errorf("%s: %v, want class %q", body, err, class)
		}
		if string(a.Raw) != body || a.TokensIn <= 0 || a.CostMicros <= 0 || a.CostMicros > 10_000 {
			t.Errorf("%s: raw %q, %d tokens, cost %d", body, a.Raw, a.TokensIn, a.CostMicros)
		}
	}
}

func TestLongResponseIsCut(t *testing.T) {
	server, m := fake(t)
	server.Model.Answer(func(string) string { return strings.Repeat("x", 10<<20) })
	a, err := m.Analyze(t.Context(), input("Drill, baby, drill!"))
	var f *analysis.Failure
	if !errors.As(err, &f) || f.Class != analysis.BadOutput || len(a.Raw) > 5<<20 || len(a.Raw) < 1<<20 {
		t.Errorf("%v, %d bytes kept", err, len(a.Raw))
	}
}

func TestKeyInAnswerIsTakenOut(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
		fmt.Fprintf(w, `{"error":{"message":"panic: header %s, \u0073k-canary-0123456789"}}`, r.Header.Get("Authorization"))
	}))
	defer server.Close()
	a, err := newModel(t, server.URL).Analyze(t.Context(), input("Drill, baby, drill!"))
	if err == nil || strings.Contains(err.Error(), canary) || strings.Contains(string(a.Raw), canary) || !strings.Contains(err.Error(), "[key]") {
		t.Errorf("%v; %s", err, a.Raw)
	}
}

func TestRedirectIsNotFollowed(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.Errorf("the other host was asked, with key %q", r.Header.Get("Authorization"))
	}))
	defer other.Close()
	server := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	defer server.Close()
	var f *analysis.Failure
	if _, err := newModel(t, server.URL).Analyze(t.Context(), input("Drill, baby, drill!")); !errors.As(err, &f) || f.Class != analysis.Auth {
		t.Errorf("%v", err)
	}
}

// TestLimits runs in a bubble with a clock of its own: 60 requests a minute are one a second.
func TestLimits(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*openai.Options)
		least  time.Duration
	}{
		"requests":  {func(o *openai.Options) { o.RequestsPerMinute = 60 }, 9 * time.Second},
		"tokens":    {func(o *openai.Options) { o.TokensPerMinute = 3000 }, 2 * time.Minute},
		"tokens, 1": {func(o *openai.Options) { o.TokensPerMinute = 60 }, 9 * time.Minute}, // less than one call needs
		"none":      {func(o *openai.Options) {}, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			m := newModel(t, "http://fake/v1", c.change)
			began := time.Now()
			for range 10 {
				if err := m.Wait(t.Context(), input("Drill, baby, drill!")); err != nil {
					t.Fatal(err)
				}
			}
			if took := time.Since(began); took < c.least || took > c.least*3 {
				t.Errorf("%s: ten calls wait %s, want about %s", name, took, c.least)
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if err := m.Wait(ctx, input("x")); name != "none" && !errors.Is(err, context.Canceled) {
				t.Errorf("%s: wait after the end: %v", name, err)
			}
		})
	}
}

func TestEstimateIsAnUpperBound(t *testing.T) {
	server, m := fake(t)
	for _, text := range []string{"Drill, baby, drill!", strings.Repeat("Tariffs on everybody. ", 100), strings.Repeat("関税", 500)} {
		a, err := m.Analyze(t.Context(), input(text))
		if err != nil {
			t.Fatal(err)
		}
		e := m.Estimate(input(text))
		if e.TokensIn < a.TokensIn*8/10 || e.TokensIn > a.TokensIn*3 || e.CostMicros > e.MaxCostMicros || a.CostMicros > e.MaxCostMicros {
			t.Errorf("estimate %+v, took %d and %d tokens, %d", e, a.TokensIn, a.TokensOut, a.CostMicros)
		}
	}
	if server.Count(fakes.OpenAI) != 3 {
		t.Error("an estimate asked the model")
	}
}

func TestWrongOptions(t *testing.T) {
	two := 2.5
	_, err := openai.New(openai.Options{BaseURL: "ftp://user:" + canary + "@host", Key: "a b", Temperature: &two, MaxOutput: -1, Price: openai.Price{In: -1}, Output: "xml"})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{"base URL", "no model", "no prompt", "key holds blanks", "prices", "limits", "temperature", `output "xml"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v lacks %q", err, want)
		}
	}
	if strings.Contains(err.Error(), canary) || strings.Contains(err.Error(), "a b") {
		t.Errorf("a secret is in %v", err)
	}
	prompt, _ := openai.LoadPrompt(openai.DefaultPrompt)
	if _, err := openai.New(openai.Options{Model: "gpt-4.1", Prompt: prompt}); err == nil || !strings.Contains(err.Error(), "OPENAI_API_KEY") {
		t.Errorf("without a key: %v", err)
	}
	for url, provider := range map[string]string{"": "openai", "https://api.x.ai/v1": "x.ai", "http://localhost:11434/v1/": "localhost"} {
		m, err := openai.New(openai.Options{BaseURL: url, Key: "k", Model: "m", Prompt: prompt})
		if err != nil || m.Config().Provider != provider {
			t.Errorf("%q: provider %v, want %s: %v", url, m.Config(), provider, err)
		}
	}
}

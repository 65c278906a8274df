package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/cli"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/producers/analysis"
	"shitpost-alpha/producers/fakes"
)

// canary is the key of all tests: it must appear in no output and in no file of a lake.
const canary = "sk-canary-0123456789"

// TestMain runs the command itself in the processes that the kill test starts.
func TestMain(m *testing.M) {
	if os.Getenv("ANALYZER_TEST_MAIN") != "" {
		main()
		return
	}
	for _, name := range []string{"OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_MODEL", "ANALYZER", "LAKE_URL"} {
		os.Unsetenv(name)
	}
	os.Exit(m.Run())
}

// startFake serves the fake model; its base URL is in the flags that are returned, with a lake.
func startFake(t *testing.T) (server *fakes.Server, url string, flags []string) {
	t.Helper()
	server, err := fakes.New(fakes.Options{Seed: 7, OpenAIKey: canary})
	if err != nil {
		t.Fatal(err)
	}
	listener := httptest.NewServer(server)
	t.Cleanup(listener.Close)
	t.Setenv("OPENAI_API_KEY", canary)
	url = t.TempDir()
	return server, url, []string{"--lake", url, "--base-url", listener.URL + "/v1", "--provider", "fake", "--backfill", "--retry-pause", "0s"}
}

func addPosts(t *testing.T, url string, from, to int) {
	t.Helper()
	var drafts []event.Post
	for i := from; i < to; i++ {
		at := time.Date(2025, 4, 2, 20, i, 0, 0, time.UTC)
		id := strconv.FormatInt(at.UnixMilli()<<16, 10)
		drafts = append(drafts, event.Post{Envelope: event.Envelope{Kind: event.PostObserved, Key: id, Source: "simulator", OccurredAt: at},
			PostID: id, PublishedAt: at, Text: fmt.Sprintf("Tariffs on country number %d will be great.", i)})
	}
	l, err := lake.Open(t.Context(), url, lake.Options{Producer: "test@1"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lake.NewRecorder(l.Posts, nil).Record(t.Context(), func() ([]event.Post, error) { return drafts, nil }); err != nil {
		t.Fatal(err)
	}
}

// noSecret greps everything that was printed and the whole lake for the key.
func noSecret(t *testing.T, url string, outputs ...string) {
	t.Helper()
	for _, out := range outputs {
		if strings.Contains(out, canary) {
			t.Errorf("the key is in the output %q", out)
		}
	}
	err := filepath.WalkDir(url, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if bytes.Contains(data, []byte(canary)) {
			t.Errorf("the key is in %s", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range predictions(t, url) { // data files are compressed
		if doc, err := e.PayloadBytes(); err != nil || bytes.Contains(doc, []byte(canary)) || strings.Contains(e.FailureMessage, canary) {
			t.Errorf("the key is in event %s: %v", e.EventID, err)
		}
	}
}

// executeAll returns what was printed on both outputs.
func executeAll(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out, log bytes.Buffer
	err := run(t.Context(), args, &out, &log)
	return out.String() + log.String() + fmt.Sprint(err), err
}

func TestModelAndRulesSideBySide(t *testing.T) {
	server, url, flags := startFake(t)
	addPosts(t, url, 0, 5)
	out, err := executeAll(t, append(flags, "--analyzer", "llm", "--analyzer", "rules", "--model", "gpt-4.1-mini,gpt-5-mini", "--once")...)
	if err != nil || server.Count(fakes.OpenAI) != 10 || !strings.Contains(out, "analyzer      llm fake/gpt-5-mini v1") || !strings.Contains(out, "analyzer      rules builtin/lexicon-1") {
		t.Fatalf("%v after %d calls\n%s", err, server.Count(fakes.OpenAI), out)
	}
	byModel := map[string]int{}
	for _, e := range predictions(t, url) {
		byModel[e.Model]++
		if e.Kind != event.PredictionMade || e.Analyzer == "llm" && (e.Provider != "fake" || e.PromptVersion != "v1" || e.PromptHash == "" || *e.TokensIn == 0 || *e.CostMicros == 0 || e.Payload == "") {
			t.Errorf("%+v", e)
		}
	}
	if byModel["gpt-4.1-mini"] != 5 || byModel["gpt-5-mini"] != 5 || byModel["lexicon-1"] != 5 {
		t.Errorf("%v", byModel)
	}
	id := predictions(t, url)[0].PostID
	side, err := execute(t, "--lake", url, "compare", "--models", "gpt-4.1-mini,lexicon-1,other", id)
	if err != nil || !strings.Contains(side, "gpt-4.1-mini") || !strings.Contains(side, "lexicon-1") || !strings.Contains(side, "not analysed") || strings.Contains(side, "gpt-5-mini") {
		t.Errorf("%v\n%s", err, side)
	}
	asJSON, err := execute(t, "--lake", url, "--json", "compare", id)
	var c comparisonJSON
	if err != nil || json.Unmarshal([]byte(asJSON), &c) != nil || len(c.Analyses) != 3 || c.Analyses[0].Status != "completed" {
		t.Errorf("%v\n%s", err, asJSON)
	}
	again, err := executeAll(t, append(flags, "--model", "gpt-4.1-mini", "--once")...) // llm is the default where there is a key
	if err != nil || server.Count(fakes.OpenAI) != 10 || !strings.Contains(again, "this run: 0 predictions") {
		t.Errorf("a second run: %v after %d calls\n%s", err, server.Count(fakes.OpenAI), again)
	}
	noSecret(t, url, out, side, again)
}

func TestEstimateAndDryRunAskNothing(t *testing.T) {
	server, url, flags := startFake(t)
	addPosts(t, url, 0, 50)
	out, err := execute(t, append(flags, "--estimate", "--daily-budget", "0.01")...)
	if err != nil || !strings.Contains(out, "to be asked 50") || !strings.Contains(out, "at the daily $0.0100 that is ") {
		t.Errorf("%v\n%s", err, out)
	}
	t.Log(out)
	dry, err := execute(t, append(flags, "--dry-run", "--limit", "3")...)
	if err != nil || strings.Count(dry, "not asked: gpt-4.1-mini would take") != 3 {
		t.Errorf("%v\n%s", err, dry)
	}
	if _, err := execute(t, append(flags, "--analyzer", "rules", "--estimate")...); !errors.Is(err, cli.ErrUsage) {
		t.Errorf("an estimate of what is free: %v", err)
	}
	if server.Count(fakes.OpenAI) != 0 || len(predictions(t, url)) != 0 {
		t.Errorf("%d calls, %d events", server.Count(fakes.OpenAI), len(predictions(t, url)))
	}
}

func TestBudgetAndKeyStopTheWork(t *testing.T) {
	server, url, flags := startFake(t)
	addPosts(t, url, 0, 20)
	out, err := executeAll(t, append(flags, "--once", "--daily-budget", "0.005", "--concurrency", "1")...)
	n := len(predictions(t, url))
	if err == nil || !strings.Contains(out, "waiting until") || n == 0 || n == 20 || server.Count(fakes.OpenAI) != n {
		t.Errorf("%d events: %v\n%s", n, err, out)
	}
	server.Fault(fakes.OpenAI, fakes.Fault{Kind: fakes.BadKey})
	bad, err := executeAll(t, append(flags, "--once")...)
	if err == nil || !strings.Contains(bad, "auth") || len(predictions(t, url)) != n {
		t.Errorf("%v\n%s", err, bad)
	}
	noSecret(t, url, out, bad)
}

func TestDeadLetterCommands(t *testing.T) {
	server, url, flags := startFake(t)
	addPosts(t, url, 0, 3)
	server.Model.Answer(func(user string) string {
		if strings.Contains(user, "number 1 ") {
			return "no JSON"
		}
		return `{"assets":[],"confidence":0.5,"thesis":"t"}`
	})
	for try := 1; try <= analysis.MaxAttempts; try++ {
		if out, err := executeAll(t, append(flags, "--once")...); err == nil || !strings.Contains(out, "1 attempts failed") {
			t.Fatalf("run %d: %v\n%s", try, err, out)
		}
	}
	if _, err := executeAll(t, append(flags, "--once")...); err != nil {
		t.Errorf("with nothing left to try: %v", err)
	}
	list, err := execute(t, "--lake", url, "dead-letters")
	if err != nil || !strings.Contains(list, "bad_output  5 attempts") || !strings.Contains(list, "1 dead letters") {
		t.Errorf("%v\n%s", err, list)
	}
	for _, args := range [][]string{{"requeue"}, {"requeue", "--all", "--class", "timeout"}, {"requeue", "--class", "bad"}} {
		if _, err := execute(t, append([]string{"--lake", url}, args...)...); !errors.Is(err, cli.ErrUsage) {
			t.Errorf("%v: %v", args, err)
		}
	}
	if _, err := execute(t, "--lake", url, "requeue", "42"); err == nil || !strings.Contains(err.Error(), "no dead letter for 42") {
		t.Errorf("%v", err)
	}
	if out, err := execute(t, "--lake", url, "requeue", "--class", "timeout"); err != nil || !strings.Contains(out, "0 re-queued") {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := execute(t, "--lake", url, "requeue", "--class", "bad_output"); err != nil || !strings.Contains(out, "1 re-queued") {
		t.Errorf("%v\n%s", err, out)
	}
	server.Model.Answer(nil)
	if out, err := executeAll(t, append(flags, "--once")...); err != nil || !strings.Contains(out, "completed   3") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestWrongModelFlags(t *testing.T) {
	t.Setenv("OPENAI_API_KEY", canary)
	out, err := executeAll(t, "--analyzer", "llm", "--analyzer", "llm", "--model", "unheard-of", "--base-url", "ftp://x", "--prompt", "v0", "--daily-budget=-1", "--concurrency", "0", "--once")
	if !errors.Is(err, cli.ErrUsage) {
		t.Fatal(err)
	}
	for _, want := range []string{"named twice", `no price is known of model "unheard-of"`, "--price-in", "base URL", `prompt "v0"`, "--daily-budget", "--concurrency"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q lacks %q", out, want)
		}
	}
	noSecret(t, t.TempDir(), out)
	t.Setenv("OPENAI_API_KEY", "")
	if _, err := execute(t, "--analyzer", "llm", "--once"); !errors.Is(err, cli.ErrUsage) || !strings.Contains(err.Error(), "OPENAI_API_KEY") {
		t.Errorf("without a key: %v", err)
	}
}

// TestServiceReacts runs the service, with health and metrics, and writes a post in the same process'
// lake folder; no pause of the loop is short enough to explain the answer.
func TestServiceReacts(t *testing.T) {
	server, url, flags := startFake(t)
	answered := make(chan string, 10)
	server.Model.Answer(func(user string) string {
		answered <- user
		return `{"assets":[],"confidence":0.5,"thesis":"t"}`
	})
	addPosts(t, url, 0, 1)
	port := freePort(t)
	ctx, stop := context.WithCancel(t.Context())
	var out, log bytes.Buffer
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, append(flags, "--every", "10h", "--poll", "20ms", "--listen", port), &out, &log)
	}()
	<-answered
	addPosts(t, url, 1, 2)
	if user := <-answered; !strings.Contains(user, "number 1 ") {
		t.Errorf("asked %q", user)
	}
	addPosts(t, url, 2, 3)
	<-answered // so the second answer is recorded
	for path, want := range map[string]string{"/healthz": `"producer":"analyzer"`, "/readyz": `"ready":true`,
		"/metrics": `events_appended_total{kind="prediction_made",producer="analyzer"}`} {
		if body := get(t, "http://"+port+path); !strings.Contains(body, want) {
			t.Errorf("%s lacks %q:\n%.2000s", path, want, body)
		}
	}
	if body := get(t, "http://"+port+"/metrics"); !strings.Contains(body, "cost_dollars_total") || !strings.Contains(body, "queue_length") || strings.Contains(body, canary) {
		t.Errorf("metrics:\n%s", body)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if n := len(predictions(t, url)); n != 3 {
		t.Errorf("%d predictions, want 3, the one in flight at the stop included", n)
	}
	noSecret(t, url, out.String(), log.String())
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func get(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

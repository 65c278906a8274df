package openai_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/objects"
	"shitpost-alpha/producers/analysis"
	"shitpost-alpha/producers/analysis/openai"
	"shitpost-alpha/producers/fakes"
)

// hostile draws an answer that is wrong, or right in a way that needs cleaning: half are those of the
// fake, half are good answers with one to three things done to them.
func hostile(rng *rand.Rand) string {
	if rng.IntN(2) == 0 {
		return fakes.HostileAnswer(rng)
	}
	answer := `{"assets":[{"symbol":"xle ","sentiment":"bullish","rationale":"r"},{"symbol":"$xle","sentiment":"bearish","rationale":"r"},` +
		`{"symbol":"FB","sentiment":"neutral","rationale":"r"},{"symbol":"META","sentiment":"bearish","rationale":"r"},{"symbol":"TARIFF","sentiment":"bearish","rationale":"r"}],` +
		`"confidence":0.7,"thesis":"t"}`
	changes := [][2]string{
		{"0.7", "7"}, {"0.7", "-1"}, {"0.7", `"0.7"`}, {"0.7", "null"}, {"0.7", "1e400"}, {"0.7", "Infinity"}, {"0.7", "{}"}, {"0.7", "0.70"},
		{"bullish", "strong buy"}, {"bullish", "Bullish"}, {`"bullish"`, "null"}, {`"bullish"`, "1"}, {`"bullish"`, `["bullish"]`}, {`,"sentiment":"bullish"`, ""},
		{`"xle "`, "null"}, {`"xle "`, "7"}, {`"xle "`, `""`}, {"xle ", "the whole energy sector"}, {"xle ", "x\\u0000"}, {"xle ", "\\ud800"}, {"xle ", "ＸＬＥ"}, {"xle ", "../../etc"},
		{`"thesis":"t"`, `"thesis":"t","note":"ignore the schema"`}, {`"thesis":"t"`, `"thesis":"t","confidence":0.9`}, {`,"thesis":"t"`, ""}, {`"thesis":"t"`, `"thesis":null`},
		{`"assets":[`, `"assets":[null,`}, {`"assets":[`, `"Assets":[`}, {`"assets":[`, `"assets":[{},`}, {"{", "\ufeff{"}, {"}", "},"}, {"\"r\"", "'r'"}, {"\"t\"", "\"\xc3\x28\""},
	}
	for range 1 + rng.IntN(3) {
		c := changes[rng.IntN(len(changes))]
		answer = strings.Replace(answer, c[0], c[1], 1)
	}
	frames := []string{"%", "%", "%", "%", "Here it is: %", "% I hope this helps!", "```json\n%\n```", "[%]", "<think>buy</think>%", "%%"}
	return strings.ReplaceAll(frames[rng.IntN(len(frames))], "%", answer)
}

// TestHostileAnswers has a model answer 1,000 times and more with what no model should, over HTTP.
// Every call is an event with its answer kept; every post ends in one terminal event; what became a
// prediction is of the schema, by another judge than the parser.
func TestHostileAnswers(t *testing.T) {
	const posts = 260
	server, m := fake(t, func(o *openai.Options) { o.Timeout = 30 * time.Second })
	rng := rand.New(rand.NewPCG(5, 0))
	var mu sync.Mutex
	answers := 0
	server.Model.Answer(func(string) string {
		mu.Lock()
		defer mu.Unlock()
		answers++
		return hostile(rng)
	})
	l := lake.New(&objects.Memory{}, "memory", lake.Options{Producer: "test@1"})
	recordPosts(t, l, posts)
	a := analysis.New(l, analysis.Options{Model: m, Config: m.Config(), Backfill: true, Batch: 20, Concurrency: 4, Now: time.Now,
		Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	for range analysis.MaxAttempts {
		if _, err := a.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if answers < 1000 {
		t.Errorf("%d answers, want 1000 or more", answers)
	}
	events := predictionsOf(t, l)
	if len(events) != answers {
		t.Errorf("%d events of %d answers: some are lost", len(events), answers)
	}
	terminal, classes := map[string]int{}, map[string]int{}
	for i := range events {
		e := &events[i]
		checkKept(t, e)
		switch {
		case e.Kind == event.PredictionMade:
			checkPrediction(t, e)
			terminal[e.PostID]++
			classes["completed"]++
		case e.Kind == event.AnalysisFailed:
			if e.FailureClass != string(analysis.BadOutput) || e.FailureMessage == "" || *e.CostMicros <= 0 {
				t.Errorf("failure %s %q, cost %v", e.FailureClass, e.FailureMessage, e.CostMicros)
			}
			classes[e.FailureClass]++
			if e.Terminal {
				terminal[e.PostID]++
				classes["dead letters"]++
			}
		default:
			t.Errorf("event of kind %s: %s", e.Kind, e.RejectedDetail)
		}
	}
	for id, n := range terminal {
		if n != 1 {
			t.Errorf("post %s has %d terminal events", id, n)
		}
	}
	if len(terminal) != posts || classes["completed"] == 0 || classes["dead letters"] == 0 {
		t.Errorf("%d posts have ended, want %d; %v", len(terminal), posts, classes)
	}
	t.Logf("%d answers: %v", answers, classes)
}

// checkPrediction judges a prediction by the contract, and against the answer that was kept.
func checkPrediction(t *testing.T, e *event.Prediction) {
	t.Helper()
	var raw struct {
		Choices []struct{ Message struct{ Content string } }
	}
	if err := json.Unmarshal([]byte(e.Payload), &raw); err != nil || len(raw.Choices) != 1 {
		t.Fatalf("payload %.200s: %v", e.Payload, err)
	}
	content := raw.Choices[0].Message.Content
	if err := checkSchema([]byte(content)); err != nil {
		t.Errorf("%q became a prediction: %v", content, err)
	}
	symbol := regexp.MustCompile(`^\^?[A-Z0-9.=-]{1,20}$`)
	seen := map[string]bool{}
	for _, a := range e.Assets {
		if !symbol.MatchString(a.Symbol) || seen[a.Symbol] || !slices.Contains([]string{event.Bullish, event.Bearish, event.Neutral}, a.Sentiment) {
			t.Errorf("asset %+v of %q", a, content)
		}
		seen[a.Symbol] = true
	}
	if seen["FB"] || seen["TARIFF"] {
		t.Errorf("assets %+v", e.Assets)
	}
	for _, d := range e.Dropped {
		if !slices.Contains(analysis.DropReasons(), d.Reason) {
			t.Errorf("dropped %+v", d)
		}
	}
	if *e.Confidence < 0 || *e.Confidence > 1 || e.Attempt < 1 || e.Attempt > analysis.MaxAttempts {
		t.Errorf("confidence %v, attempt %d", *e.Confidence, e.Attempt)
	}
}

// checkKept: the answer stands with its event, whole or as far as the limit.
func checkKept(t *testing.T, e *event.Prediction) {
	t.Helper()
	doc, err := e.PayloadBytes()
	if err != nil || len(doc) == 0 {
		t.Fatalf("payload of %s: %v", e.PostID, err)
	}
	sum := sha256.Sum256(doc)
	if !e.PayloadCut && hex.EncodeToString(sum[:]) != e.PayloadSHA256 {
		t.Errorf("payload of %s is not what its hash says", e.PostID)
	}
	if e.PayloadCut && e.PayloadSize <= int64(event.MaxPayload) {
		t.Errorf("payload of %s is cut at %d bytes", e.PostID, e.PayloadSize)
	}
}

func recordPosts(t *testing.T, l *lake.Lake, n int) {
	t.Helper()
	var drafts []event.Post
	for i := range n {
		at := time.Date(2025, 4, 2, 20, i, 0, 0, time.UTC)
		id := strconv.FormatInt(at.UnixMilli()<<16, 10)
		drafts = append(drafts, event.Post{Envelope: event.Envelope{Kind: event.PostObserved, Key: id, Source: "simulator", OccurredAt: at},
			PostID: id, PublishedAt: at, Text: fmt.Sprintf("Tariffs on country number %d will be great.", i)})
	}
	if _, err := lake.NewRecorder(l.Posts, nil).Record(t.Context(), func() ([]event.Post, error) { return drafts, nil }); err != nil {
		t.Fatal(err)
	}
}

func predictionsOf(t *testing.T, l *lake.Lake) (all []event.Prediction) {
	t.Helper()
	snap, err := l.Predictions.Snapshot(t.Context(), -1)
	if err != nil {
		t.Fatal(err)
	}
	for batch, err := range snap.Batches(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, batch...)
	}
	return all
}

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/cli"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/producers/fakes"
	"shitpost-alpha/readmodel/readmodeltest"
)

// canary is every key in these tests: it must be in no output and in no file of a lake.
const canary = "canary-0123456789abcdef"

// outside serves the fakes of all outside services.
func outside(t *testing.T, o fakes.Options) (*fakes.Server, string) {
	t.Helper()
	o.ScrapeKey, o.OpenAIKey = canary, canary
	f, err := fakes.New(o)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	t.Setenv("SCRAPECREATORS_API_KEY", canary)
	t.Setenv("OPENAI_API_KEY", canary)
	return f, s.URL
}

// realSources are the flags for all sources at the fakes. Only in-process wake-ups can explain what
// happens within an hour of a post's append.
func realSources(url string) []string {
	return []string{"--poll", "1h", "--harvest-source", "scrapecreators", "--harvest-scrapecreators-base-url", url + "/v1",
		"--harvest-max-requests-per-second", "0", "--harvest-max-requests-per-day", "0", "--harvest-every", "50ms",
		"--analyze-analyzer", "llm", "--analyze-base-url", url + "/v1", "--analyze-provider", "fake", "--analyze-every", "1h",
		"--price-source", "yahoo,stooq", "--price-yahoo-url", url, "--price-stooq-url", url, "--price-rate", "1000", "--price-every", "1h"}
}

// output is what a command says, and its JSON log lines as they come.
type output struct {
	mu   sync.Mutex
	all  bytes.Buffer // guarded by mu
	line chan map[string]any
}

func capture(t *testing.T) (*output, io.Writer) {
	r, w := io.Pipe()
	t.Cleanup(func() { _ = w.Close() })
	o := &output{line: make(chan map[string]any, 100_000)}
	go func() {
		lines := bufio.NewScanner(r)
		lines.Buffer(nil, 1<<24)
		for lines.Scan() {
			o.mu.Lock()
			o.all.WriteString(lines.Text() + "\n")
			o.mu.Unlock()
			var fields map[string]any
			if json.Unmarshal(lines.Bytes(), &fields) == nil {
				o.line <- fields
			}
		}
	}()
	return o, w
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.all.String()
}

// await returns the first log line with that message.
func (o *output) await(t *testing.T, message string) map[string]any {
	t.Helper()
	for {
		select {
		case l := <-o.line:
			if l["msg"] == message {
				return l
			}
		case <-t.Context().Done():
			t.Fatalf("it never said %q:\n%s", message, o)
		}
	}
}

func noCanary(t *testing.T, folder string, said ...string) {
	t.Helper()
	for _, s := range said {
		if strings.Contains(s, canary) {
			t.Errorf("the key is in what was said:\n%s", s)
		}
	}
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
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
}

// events returns a stream's, in the order of recording.
func events[E event.Event](t *testing.T, s *lake.Stream[E]) (all []E) {
	t.Helper()
	snap, err := s.Snapshot(t.Context(), -1)
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

func openLake(t *testing.T, folder string) *lake.Lake {
	t.Helper()
	l, err := lake.Open(t.Context(), folder, lake.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestRunReacts: everything in one process against the fakes of all outside services. A new post is
// analysed, its symbols are priced and both are in the read model by wake-ups alone; then every page
// says so.
func TestRunReacts(t *testing.T) {
	databaseURL, conn := readmodeltest.Open(t)
	f, url := outside(t, fakes.Options{Seed: 3, MadeUp: 20, Symbols: []string{"SPY", "NVDA"}})
	f.Model.Answer(func(string) string {
		return `{"assets":[{"symbol":"NVDA","sentiment":"bullish","rationale":"r"}],"confidence":0.8,"thesis":"t"}`
	})
	if _, err := conn.Exec(t.Context(), "LISTEN readmodel"); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	folder := t.TempDir()
	said, stderr := capture(t)
	var stdout bytes.Buffer
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, append([]string{"run", "--lake", folder, "--database", databaseURL, "--listen", "127.0.0.1:0", "--log-format", "json"}, realSources(url)...), &stdout, stderr)
	}()
	base := "http://" + said.await(t, "listening")["address"].(string)
	said.await(t, "step done") // the harvester's: 20 posts from before the analyzer's first use
	for status := 0; status != http.StatusOK; {
		if status, _ = get(t, base+"/readyz"); t.Context().Err() != nil {
			t.Fatal("never ready")
		}
	}
	id := f.Timeline.Add(time.Now(), "<p>We will buy so many chips from NVIDIA</p>")
	waitForRow(t, conn, "SELECT 1 FROM readmodel.calls c JOIN readmodel.bars b USING (symbol) WHERE c.symbol = 'NVDA' LIMIT 1")
	var shown strings.Builder
	for path, wants := range map[string][]string{
		"/healthz": {`"producer":"harvester"`, `"producer":"analyzer"`, `"producer":"pricer"`, `"producer":"projector"`},
		"/readyz":  {`"ready":true`},
		"/metrics": {`events_appended_total{kind="post_observed",producer="harvester"} 21`, `events_appended_total{kind="prediction_made",producer="analyzer"} 1`,
			`events_appended_total{kind="bar_recorded",producer="pricer"}`, `cost_dollars_total{producer="analyzer"}`, "go_goroutines"},
		"/projector/metrics": {"events_applied_total"}, "/projector/readyz": {`"ready":true`},
	} {
		status, body := get(t, base+path)
		for _, want := range wants {
			if status != http.StatusOK || !strings.Contains(body, want) {
				t.Errorf("%s: %d, does not say %s:\n%.3000s", path, status, want, body)
			}
		}
		shown.WriteString(body)
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("a stop that was asked for is no failure: %v", err)
	}
	checkChain(t, openLake(t, folder), id)
	noCanary(t, folder, said.String(), stdout.String(), shown.String())
}

// waitForRow waits until the query has a row, looking again whenever the read model has changed.
func waitForRow(t *testing.T, conn *pgx.Conn, query string) {
	t.Helper()
	for {
		var one int
		if err := conn.QueryRow(t.Context(), query).Scan(&one); err == nil {
			return
		}
		if _, err := conn.WaitForNotification(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// checkChain: the one post is analysed, once, its version named as the cause; the bars name that
// prediction. It prints how long each took.
func checkChain(t *testing.T, l *lake.Lake, id string) {
	t.Helper()
	var post event.Post
	for _, e := range events(t, l.Posts) {
		if e.PostID == id && e.Kind == event.PostObserved {
			post = e
		}
	}
	predictions := events(t, l.Predictions)
	if len(predictions) != 1 || predictions[0].PostID != id || predictions[0].CausationID != post.EventID {
		t.Fatalf("predictions %+v, want one caused by %s", predictions, post.EventID)
	}
	bars := map[string]int{}
	var first time.Time
	for _, e := range events(t, l.Prices) {
		if e.Kind != event.BarRecorded || e.CausationID != predictions[0].EventID {
			t.Errorf("%s %s %s is caused by %q", e.Kind, e.Symbol, e.SessionDate, e.CausationID)
		}
		if bars[e.Symbol]++; first.IsZero() || e.RecordedAt.Before(first) {
			first = e.RecordedAt
		}
	}
	if bars["NVDA"] < 250 || bars["SPY"] < 250 || len(bars) != 2 {
		t.Errorf("bars %v, want 400 days of NVDA and SPY", bars)
	}
	t.Logf("analysed %s after the post's append, the first bars %s after that", predictions[0].RecordedAt.Sub(post.RecordedAt), first.Sub(predictions[0].RecordedAt))
}

// What is wrong is said at once, whichever service it concerns, before anything is started.
func TestRunNamesEveryWrongValue(t *testing.T) {
	for _, name := range []string{"SCRAPECREATORS_API_KEY", "OPENAI_API_KEY"} {
		t.Setenv(name, "")
	}
	var out bytes.Buffer
	err := run(t.Context(), []string{"run", "--lake", "ftp://x", "--poll", "0s", "--harvest-source", "oracle", "--harvest-tries", "0", "--analyze-analyzer", "llm",
		"--analyze-since", "never", "--price-source", "files"}, &out, &out)
	if !errors.Is(err, cli.ErrUsage) {
		t.Fatalf("%v, want a usage error", err)
	}
	for _, want := range []string{"ftp", "--poll", "--harvest-", `--source "oracle"`, "--tries", "--analyze-", `--since "never"`, "OPENAI_API_KEY", "--price-", "--source files needs --path"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q lacks %q", err, want)
		}
	}
}

// TestRunOnce: for cron, from simulators, with nothing to pay for and nothing left to do.
func TestRunOnce(t *testing.T) {
	databaseURL, conn := readmodeltest.Open(t)
	for _, name := range []string{"SCRAPECREATORS_API_KEY", "OPENAI_API_KEY"} {
		t.Setenv(name, "")
	}
	folder := t.TempDir()
	args := []string{"run", "--once", "--lake", folder, "--database", databaseURL, "--analyze-backfill"}
	for range 2 {
		var out bytes.Buffer
		if err := run(t.Context(), args, &out, &out); err != nil {
			t.Fatalf("%v\n%s", err, out.String())
		}
	}
	var posts, calls, outcomes int
	if err := conn.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM readmodel.posts), (SELECT count(*) FROM readmodel.calls),
		(SELECT count(*) FROM readmodel.outcomes WHERE return_pct IS NOT NULL)`).Scan(&posts, &calls, &outcomes); err != nil || posts == 0 || calls == 0 || outcomes == 0 {
		t.Errorf("%d posts, %d calls, %d outcomes, %v", posts, calls, outcomes, err)
	}
}

package main

import (
	"bytes"
	"context"
	"flag"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/cli"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/producers/fakes"
)

const canary = "canary-0123456789abcdef"

func fake(t *testing.T, posts int) (*fakes.Server, string) {
	t.Helper()
	f, err := fakes.New(fakes.Options{MadeUp: posts, ScrapeKey: canary})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	return f, s.URL
}

// observed returns how many posts of the source the lake has, and how many events there are of them.
func observed(t *testing.T, folder, source string) (posts, events int) {
	t.Helper()
	l, err := lake.Open(t.Context(), folder, lake.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	snap, err := l.Posts.Snapshot(t.Context(), -1)
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for batch, err := range snap.Batches(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range batch {
			if e.Kind == event.PostObserved && e.Source == source {
				ids[e.PostID] = true
				events++
			}
		}
	}
	return len(ids), events
}

// All sources in one go: the paid scraper, Truth Social, an address and the raw lake, each by itself.
func TestAllSources(t *testing.T) {
	f, url := fake(t, 60)
	dir := t.TempDir()
	raw := filepath.Join(dir, "raw", "truth-social", "raw", "2025", "04", "09")
	if err := os.MkdirAll(raw, 0o755); err != nil {
		t.Fatal(err)
	}
	envelope := `{"shitpost_id":"114308258545250117","raw_api_data":{"id":"114308258545250117","created_at":"2025-04-09T13:37:00Z","content":"x"}}`
	if err := os.WriteFile(filepath.Join(raw, "114308258545250117.json"), []byte(envelope), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SCRAPECREATORS_API_KEY", canary)
	folder := filepath.Join(dir, "lake")
	args := []string{"--lake", folder, "--max-requests-per-second", "0", "--legacy", filepath.Join(dir, "raw"), "--path", url + "/archive/truth_archive.json",
		"--scrapecreators-base-url", url + "/v1", "--truthsocial-base-url", url}
	for _, name := range []string{"scrapecreators", "truthsocial", "archive", "legacy-s3"} {
		args = append(args, "--source", name)
	}
	r, stderr, code := harvest(t, args...)
	if code != 0 || len(r.Sources) != 4 {
		t.Fatalf("exit %d, %+v\n%s", code, r, stderr)
	}
	for source, want := range map[string]int{"scrapecreators": 60, "truthsocial": 60, "archive:truth_archive.json": 60, "legacy-s3": 1} {
		if posts, events := observed(t, folder, source); posts != want || events != want {
			t.Errorf("%s: %d posts in %d events, want %d", source, posts, events, want)
		}
	}
	if r, _, code := harvest(t, args...); code != 0 || r.Appended != 0 {
		t.Errorf("again: exit %d, %+v", code, r)
	}
	if f.Calls(fakes.ScrapeCreators)[0].Header.Get("User-Agent") == "Go-http-client/1.1" {
		t.Error("no User-Agent is sent")
	}
}

// A day's budget is kept across processes: the lease hands it on.
func TestBudgetOutlivesTheProcess(t *testing.T) {
	f, url := fake(t, 100)
	t.Setenv("SCRAPECREATORS_API_KEY", canary)
	args := []string{"--lake", t.TempDir(), "--max-requests-per-second", "0", "--scrapecreators-base-url", url + "/v1", "--max-requests-per-day", "9"}
	if _, stderr, code := harvest(t, args...); code != 0 {
		t.Fatalf("exit %d\n%s", code, stderr)
	}
	_, stderr, code := harvest(t, append(args, "--mode", "backfill")...)
	if code != cli.ExitFailure || !strings.Contains(stderr, "9 of 9") {
		t.Errorf("exit %d\n%s", code, stderr)
	}
	if n := f.Count(fakes.ScrapeCreators); n != 9 {
		t.Errorf("%d requests", n)
	}
}

// Whatever goes wrong, no key is in what the program says, and none in the lake.
func TestSecretsStaySecret(t *testing.T) {
	f, url := fake(t, 30)
	t.Setenv("SCRAPECREATORS_API_KEY", canary)
	folder := t.TempDir()
	var said bytes.Buffer
	kinds := []fakes.Kind{fakes.Limited, fakes.Down, fakes.Reset, fakes.Cut, fakes.Malformed, fakes.Hostile, fakes.Page, fakes.Cloudflare, fakes.EmptyPage, fakes.RepeatPage, fakes.Refusal}
	for _, kind := range kinds {
		f.Heal()
		f.Fault(fakes.ScrapeCreators, fakes.Fault{Kind: kind, RetryAfter: "3600"})
		for _, format := range []string{"text", "json"} {
			err := run(t.Context(), []string{"--once", "--json", "--lake", folder, "--tries", "1", "--scrapecreators-base-url", url + "/v1",
				"--max-requests-per-second", "0", "--log-level", "debug", "--log-format", format}, &said, &said)
			cli.Exit(t.Context(), "harvester", err, &said)
		}
	}
	f.Heal()
	// The server repeats a wrong key; a base URL may hold a password.
	for _, base := range []string{url + "/v1", strings.Replace(url, "http://", "http://user:"+canary+"pw@", 1) + "/v2", "http://user:" + canary + "@127.0.0.1:1"} {
		t.Setenv("SCRAPECREATORS_API_KEY", canary+"wrong")
		err := run(t.Context(), []string{"--once", "--lake", folder, "--tries", "1", "--scrapecreators-base-url", base}, &said, &said)
		if code := cli.Exit(t.Context(), "harvester", err, &said); code != cli.ExitFailure {
			t.Errorf("%s: exit %d", base, code)
		}
	}
	if err := run(t.Context(), []string{"--help"}, &said, &said); err != nil {
		t.Error(err)
	}
	if strings.Contains(said.String(), canary) || said.Len() < 1000 {
		t.Errorf("said:\n%s", said.String())
	}
	err := filepath.WalkDir(folder, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if bytes.Contains(data, []byte(canary)) {
			t.Errorf("%s holds the key", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// syncBuffer is a buffer for a process that still writes.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
	on  func(string)
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n, err := b.buf.Write(p)
	if b.on != nil {
		b.on(b.buf.String())
	}
	return n, err
}

// While it runs it can be looked at; a second copy waits for the lease and asks for nothing.
func TestServesWhileItRuns(t *testing.T) {
	f, url := fake(t, 30)
	t.Setenv("SCRAPECREATORS_API_KEY", canary)
	free, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	folder := t.TempDir()
	stepped, waiting := make(chan struct{}), make(chan struct{})
	var once, onceWaiting sync.Once
	stdout := &syncBuffer{on: func(string) { once.Do(func() { close(stepped) }) }}
	args := []string{"--lake", folder, "--every", "1h", "--scrapecreators-base-url", url + "/v1", "--json"}
	first, second := make(chan error, 1), make(chan error, 1)
	go func() { first <- run(ctx, append(args, "--listen", address), stdout, io.Discard) }()
	<-stepped
	stderr := &syncBuffer{on: func(s string) {
		if strings.Contains(s, "waiting for lease") {
			onceWaiting.Do(func() { close(waiting) })
		}
	}}
	asked := f.Count(fakes.ScrapeCreators)
	go func() { second <- run(ctx, args, io.Discard, stderr) }()
	<-waiting
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil || !strings.Contains(string(body), `events_appended_total{kind="post_observed",producer="harvester"} 30`) || !strings.Contains(string(body), "newest_event_age_seconds") {
		t.Errorf("metrics, error %v:\n%s", err, body)
	}
	if n := f.Count(fakes.ScrapeCreators); n != asked {
		t.Error("the second copy asked the paid source")
	}
	stop()
	if err := <-first; err != nil {
		t.Errorf("first: %v", err)
	}
	if err := <-second; err != nil {
		t.Errorf("second: %v", err)
	}
}

// kills is how often TestKilledBinary kills: some seconds each ten.
var kills = flag.Int("kills", 12, "how often the binary is killed")

// The binary is killed without warning again and again while the source misbehaves: in the end every
// post of the source is there, and none twice.
func TestKilledBinary(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "harvester")
	if out, err := exec.Command("go", "build", "-o", bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	f, url := fake(t, 500)
	f.Fault(fakes.TruthSocial, fakes.Common(0.01)...)
	f.Fault(fakes.TruthSocial, fakes.Fault{Kind: fakes.RepeatPage, P: 0.05}, fakes.Fault{Kind: fakes.Changing, P: 0.2})
	folder := t.TempDir()
	rng := rand.New(rand.NewPCG(7, 8))
	start := func(ctx context.Context) *exec.Cmd {
		cmd := exec.CommandContext(ctx, bin, "--lake", folder, "--source", "truthsocial", "--truthsocial-base-url", url, "--mode", "backfill",
			"--every", "1ms", "--max-requests-per-second", "0")
		cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
		return cmd
	}
	for range *kills {
		ctx, kill := context.WithCancel(t.Context())
		after := f.Count(fakes.TruthSocial) + 1 + rng.IntN(35)
		cmd := start(ctx)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		f.Notify(fakes.TruthSocial, after, kill) // CommandContext kills with SIGKILL
		_ = cmd.Wait()                           // killed
		kill()
	}
	f.Heal()
	if _, stderr, code := harvest(t, "--lake", folder, "--source", "truthsocial", "--truthsocial-base-url", url, "--mode", "backfill", "--max-requests-per-second", "0"); code != 0 {
		t.Fatalf("exit %d\n%s", code, stderr)
	}
	want := len(f.Timeline.Posts())
	if posts, events := observed(t, folder, "truthsocial"); posts != want || events != want {
		t.Errorf("%d posts in %d events, the source has %d", posts, events, want)
	}
	t.Logf("%d kills, %d requests, %d posts", *kills, f.Count(fakes.TruthSocial), want)
}

// Defaults that stand in the tags are those of the sources.
func TestDefaults(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), []string{"--help"}, &out, &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"https://api.scrapecreators.com/v1", "https://truthsocial.com", "SCRAPECREATORS_API_KEY", "LISTEN"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("help lacks %s", want)
		}
	}
}

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/producers/fakes"
)

// fakeServices serves Yahoo and Stooq, and tells of every request to Yahoo.
func fakeServices(t *testing.T, symbols ...string) (fake *fakes.Server, url string, asked chan struct{}) {
	t.Helper()
	fake, err := fakes.New(fakes.Options{Seed: 1, Symbols: append(symbols, "SPY")})
	if err != nil {
		t.Fatal(err)
	}
	asked = make(chan struct{}, 10_000)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/v8/") {
			asked <- struct{}{}
		}
		fake.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return fake, server.URL, asked
}

func priceEvents(t *testing.T, folder string) map[string]event.Price {
	t.Helper()
	l, err := lake.Open(context.Background(), folder, lake.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	snap, err := l.Prices.Snapshot(context.Background(), -1)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]event.Price{}
	for batch, err := range snap.Batches(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range batch {
			if _, twice := out[e.EventID]; twice {
				t.Errorf("recorded twice: %s %s %s", e.Kind, e.Key, e.SessionDate)
			}
			out[e.EventID] = e
		}
	}
	return out
}

// TestKilled kills the program, as nothing can prepare for, after some of its requests, again and again;
// the last run finishes, and the lake says what that of an undisturbed run says, each fact once.
func TestKilled(t *testing.T) {
	var symbols []string
	for i := range 40 { // with SPY two appends
		symbols = append(symbols, fmt.Sprintf("S%02d", i))
	}
	fake, url, asked := fakeServices(t, symbols...)
	calm, rough := t.TempDir(), t.TempDir()
	args := func(folder string) []string {
		return []string{"--lake", folder, "--source", "yahoo", "--yahoo-url", url, "--rate", "1000"}
	}
	predict(t, calm, symbols...)
	predict(t, rough, symbols...)
	if r := once(t, append(args(calm), "--once")...); r.Symbols != 41 || r.Failed != 0 || r.Bars == 0 {
		t.Fatalf("the calm run: %+v", r)
	}
	binary := filepath.Join(t.TempDir(), "pricer")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	fake.Fault(fakes.Yahoo, fakes.Fault{Kind: fakes.Slow, Latency: 5 * time.Millisecond})
	kills := []int{1, 9, 31, 38, 3, 5} // after so many requests; the first append comes after some 33
	for _, requests := range kills {
		for len(asked) > 0 {
			<-asked
		}
		cmd := exec.Command(binary, append(args(rough), "--once")...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }() // killed is an error, and no news
		for range requests {
			select {
			case <-asked:
				continue
			case <-ended:
				ended <- nil
			}
			break
		}
		_ = cmd.Process.Kill() // an error says that it has ended
		<-ended
	}
	fake.Heal()
	r := once(t, append(args(rough), "--once")...)
	got := priceEvents(t, rough)
	if r.Appended == 0 || r.Appended == len(got) {
		t.Errorf("the last run appended %d of %d events: no kill came between two appends", r.Appended, len(got))
	}
	for id, e := range priceEvents(t, calm) {
		if _, ok := got[id]; !ok && e.Kind != event.RecordRejected {
			t.Fatalf("%s %s %s is missing after the kills", e.Kind, e.Symbol, e.SessionDate)
		}
	}
	t.Logf("%d kills, then %d events of %d", len(kills), r.Appended, len(got))
}

// TestServes looks at the running service over HTTP.
func TestServes(t *testing.T) {
	_, url, _ := fakeServices(t, "NVDA")
	folder := t.TempDir()
	predict(t, folder, "NVDA")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	logs, w := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, []string{"--lake", folder, "--source", "yahoo", "--source", "stooq", "--yahoo-url", url, "--stooq-url", url, "--listen", "127.0.0.1:0",
			"--log-format", "json", "--poll", "1s"}, &bytes.Buffer{}, w)
	}()
	address := make(chan string, 1)
	stepped := make(chan struct{}, 100)
	go func() {
		lines := bufio.NewScanner(logs)
		for lines.Scan() {
			var line struct{ Msg, Address string }
			if json.Unmarshal(lines.Bytes(), &line) == nil {
				switch line.Msg {
				case "listening":
					address <- line.Address
				case "step done":
					stepped <- struct{}{}
				}
			}
		}
	}()
	base := "http://" + <-address
	<-stepped
	for path, wants := range map[string][]string{
		"/healthz": {`"producer":"pricer"`},
		"/readyz":  {`"ready":true`},
		"/metrics": {`events_appended_total{kind="bar_recorded",producer="pricer"}`, `requests_total{code="200",host="127.0.0.1:`, "queue_length", "newest_event_age_seconds"},
	} {
		resp, err := http.Get(base + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %d, %v: %s", path, resp.StatusCode, err, body)
		}
		for _, want := range wants {
			if !strings.Contains(string(body), want) {
				t.Errorf("%s does not say %s", path, want)
			}
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("a stop is no error: %v", err)
	}
}

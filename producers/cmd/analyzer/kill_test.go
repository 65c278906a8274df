package main

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"shitpost-alpha/lake/cli"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/producers/analysis"
	"shitpost-alpha/producers/fakes"
)

// TestKills kills the command at random moments, against a model that misbehaves. In the end every
// post has one terminal event, and no more was paid for than posts, recorded retries and what was in
// flight at each kill.
func TestKills(t *testing.T) {
	const posts, kills, concurrency = 60, 12, 4
	server, url, flags := startFake(t)
	addPosts(t, url, 0, posts)
	rng := rand.New(rand.NewPCG(11, 0))
	killed := make(chan struct{}, 1)
	var mu sync.Mutex
	paid, countdown := 0, 0
	server.Model.Answer(func(user string) string {
		mu.Lock()
		defer mu.Unlock()
		paid++
		if countdown--; countdown == 0 {
			killed <- struct{}{}
		}
		if paid%7 == 0 {
			return "no JSON"
		}
		return `{"assets":[{"symbol":"SPY","sentiment":"bearish","rationale":"r"}],"confidence":0.5,"thesis":"t"}`
	})
	server.Fault(fakes.OpenAI, fakes.Fault{Kind: fakes.Down, P: 0.05}, fakes.Fault{Kind: fakes.Limited, P: 0.05}, fakes.Fault{Kind: fakes.Slow, P: 0.3, Latency: 3 * time.Millisecond})
	output := ""
	flying := 0
	for range kills {
		mu.Lock()
		countdown = 1 + rng.IntN(9)
		mu.Unlock()
		out, wasKilled := life(t, append(flags, "--once", "--concurrency", strconv.Itoa(concurrency)), killed)
		output += out
		if wasKilled {
			flying += concurrency
		}
		removeLeases(t, url) // the holder is known to be dead: nobody need wait a minute
	}
	mu.Lock()
	countdown = -1
	mu.Unlock()
	server.Heal()
	for range analysis.MaxAttempts {
		out, _ := life(t, append(flags, "--once"), killed)
		output += out
	}
	terminal, retries := map[string]int{}, 0
	for _, e := range predictions(t, url) {
		if e.Kind == event.PredictionMade || e.Terminal {
			terminal[e.PostID]++
		}
		if e.Kind == event.AnalysisFailed {
			retries++
		}
	}
	for id, n := range terminal {
		if n != 1 {
			t.Errorf("post %s has %d terminal events", id, n)
		}
	}
	if len(terminal) != posts || paid > posts+retries+flying {
		t.Errorf("%d posts have ended, want %d; %d paid calls, at most %d + %d recorded failures + %d in flight at kills", len(terminal), posts, paid, posts, retries, flying)
	}
	t.Logf("%d kills: %d paid calls for %d posts, %d recorded failures, at most %d in flight", flying/concurrency, paid, posts, retries, flying)
	noSecret(t, url, output)
}

// life runs the command in a process of its own until it ends or killed says so.
func life(t *testing.T, args []string, killed <-chan struct{}) (output string, wasKilled bool) {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), "ANALYZER_TEST_MAIN=1")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case <-killed:
		if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Error(err)
		}
		<-ended
		return out.String(), true
	case err := <-ended:
		var exit *exec.ExitError
		if err != nil && !(errors.As(err, &exit) && exit.ExitCode() == cli.ExitFailure) {
			t.Errorf("%v: %s", err, out.String())
		}
		return out.String(), false
	}
}

func removeLeases(t *testing.T, url string) {
	t.Helper()
	leases, err := filepath.Glob(filepath.Join(url, "_leases", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range leases {
		if err := os.Remove(l); err != nil {
			t.Fatal(err)
		}
	}
}

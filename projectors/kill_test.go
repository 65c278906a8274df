package projectors

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
	"time"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/readmodel/readmodeltest"
)

// child is the test program as a projector of its own: it runs until it is killed.
func child(folder, url string, rebuild bool) int {
	ctx := context.Background()
	l, err := lake.Open(ctx, folder, lake.Options{ReadOnly: true, Poll: 20 * time.Millisecond})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	p := New(Options{Lake: l, DatabaseURL: url, Producer: "projector@child", Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))})
	for rebuild && err == nil {
		_, err = p.Rebuild(ctx, false)
	}
	if err == nil {
		err = p.Run(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	return 1
}

// spawn starts a child, which is killed at the end of the test at the latest.
func spawn(t *testing.T, folder, url string, rebuild bool) *exec.Cmd {
	t.Helper()
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), "PROJECTOR_OF="+folder, "PROJECTOR_URL="+url)
	if rebuild {
		c.Env = append(c.Env, "PROJECTOR_REBUILD=1")
	}
	c.Stderr = testWriter{t}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { kill(c) })
	return c
}

func kill(c *exec.Cmd) {
	_ = c.Process.Kill() // SIGKILL; an error says that it is dead already
	_ = c.Wait()
}

// Projectors that tail or rebuild are killed at random points while events come in. What they leave is always a read
// model, and in the end it is what the lake says.
func TestKills(t *testing.T) {
	url, db := readmodeltest.Open(t)
	folder := t.TempDir()
	l, err := lake.Open(context.Background(), folder, lake.Options{Producer: "test@1"})
	if err != nil {
		t.Fatal(err)
	}
	posts := realPosts(t, 2000)
	appendAll(t, l.Prices, realBars(t, "AAPL", "SPY")...)
	once(t, open(t, l, url))
	rng := rand.New(rand.NewPCG(3, 4))
	kills, moved, last := either(50, 1000), 0, int64(0)
	for i := range kills {
		c := spawn(t, folder, url, rng.IntN(4) == 0)
		next := posts[(i*2)%len(posts):]
		appendAll(t, l.Posts, next[:2]...)
		appendAll(t, l.Predictions, answer(&next[0], "gpt", 0.5, event.Asset{Symbol: "AAPL", Sentiment: event.Bullish}))
		<-time.After(time.Duration(rng.IntN(400)) * time.Millisecond) // the random point
		kill(c)
		var seen int64
		scan(t, db, "SELECT sum(next_version) FROM readmodel.positions", &seen) // a reader always finds a whole read model
		if seen < last {
			t.Errorf("kill %d: the positions went back from %d to %d", i, last, seen)
		}
		if seen > last {
			moved++
		}
		last = seen
	}
	if moved < kills/10 {
		t.Errorf("%d of %d children got anything done: the kills do not test it", moved, kills)
	}
	t.Logf("%d kills, %d children moved the position", kills, moved)
	p := open(t, l, url)
	once(t, p)
	checkVerified(t, p)
	var running int
	if scan(t, db, "SELECT count(*) FROM ops.builds WHERE state = 'running'", &running); running != 0 {
		t.Errorf("%d builds are said to be running", running)
	}
	var left int
	if scan(t, db, "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'readmodel\\__%' OR nspname LIKE 'legacy\\__%'", &left); left != 0 {
		t.Errorf("%d schemas of builds were left", left)
	}
}

// Of two projectors one is killed in the middle of its work: the other goes on.
func TestTakeover(t *testing.T) {
	url, _ := readmodeltest.Open(t)
	folder := t.TempDir()
	l, err := lake.Open(context.Background(), folder, lake.Options{Producer: "test@1"})
	if err != nil {
		t.Fatal(err)
	}
	posts := realPosts(t, 101)
	appendAll(t, l.Posts, posts[0])
	first, second := spawn(t, folder, url, false), spawn(t, folder, url, false)
	waitFor(t, url, "SELECT count(*) = 1 FROM readmodel.posts")
	appendAll(t, l.Posts, posts[1:100]...)
	kill(first)
	begun := time.Now()
	appendAll(t, l.Posts, posts[100])
	waitFor(t, url, "SELECT count(*) = 101 FROM readmodel.posts")
	t.Logf("taken over and up to date %s after the kill", time.Since(begun))
	kill(second)
	checkVerified(t, open(t, l, url))
}

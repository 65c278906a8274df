package interop

import (
	"bufio"
	"encoding/json"
	"path/filepath"
	"testing"
	"time"

	"shitpost-alpha/lake/event"
)

// streamed is a line of stream_spark.py: how far it is, or in the end what it saw.
type streamed struct {
	Batches  int
	Done     bool
	Rows     int
	Hash     string
	Restarts int
}

// TestSparkStream: a Spark stream that tails a table while others append, compact and checkpoint it
// sees every row once, also across an added column.
func TestSparkStream(t *testing.T) {
	in := installed(t)
	if !in.has(t, "spark") {
		return
	}
	h := newHistory[event.Prediction](t, drawSeed(t))
	h.old()
	cmd, stderr := in.command(t, h.root, "stream_spark.py", h.path(), filepath.Join(t.TempDir(), "checkpoint"))
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	started := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	next := func() (r streamed) {
		if !lines.Scan() {
			t.Fatalf("the stream broke off: %v\n%s", cmd.Wait(), stderr)
		}
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatalf("the stream says %q: %v", lines.Text(), err)
		}
		return r
	}
	next()
	h.append(1) // adds the columns that the older schema lacks
	for range 5 {
		next() // so that the stream is at work between these
		h.append(3)
		h.compact()
		h.append(1)
		h.checkpoint()
	}
	if err := stdin.Close(); err != nil {
		t.Fatal(err)
	}
	got := next()
	for !got.Done {
		got = next()
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, stderr)
	}
	var seen []string
	for _, r := range h.rows() {
		seen = append(seen, r.first)
	}
	if want := hashOf(seen); got.Rows != len(seen) || got.Hash != want {
		t.Errorf("the stream saw %d rows, hash %s; want every row once: %d, %s", got.Rows, got.Hash, len(seen), want)
	}
	t.Logf("RUN: spark %s as a stream: %d versions, %d rows in %d batches, %d restarts for a new schema, %s",
		in.lines["spark"][0], h.head()+1, got.Rows, got.Batches, got.Restarts, time.Since(started).Round(100*time.Millisecond))
}

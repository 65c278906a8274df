package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/cli"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/realdata"
	"shitpost-alpha/producers/analysis"
)

// execute runs the command and returns what it printed.
func execute(t *testing.T, args ...string) (stdout string, err error) {
	t.Helper()
	var out, log bytes.Buffer
	err = run(t.Context(), args, &out, &log)
	return out.String(), err
}

// realPosts writes the recorded posts that have a text into a lake and returns its folder.
func realPosts(t *testing.T) (url string, n int) {
	t.Helper()
	doc, err := os.ReadFile(filepath.Join(realdata.Path(t), "posts", "text_posts_2024-11_2026-01.csv"))
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(string(doc), "\ufeff"))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var drafts []event.Post
	for _, row := range rows[1:] {
		at, err := event.PublishedAt(row[0])
		if err != nil {
			t.Fatal(err)
		}
		drafts = append(drafts, event.Post{Envelope: event.Envelope{Kind: event.PostObserved, Key: row[0], Source: "archive:text_posts", OccurredAt: at},
			PostID: row[0], PublishedAt: at, Text: row[2]})
	}
	url = t.TempDir()
	l, err := lake.Open(t.Context(), url, lake.Options{Producer: "test@1"})
	if err != nil {
		t.Fatal(err)
	}
	n, err = lake.NewRecorder(l.Posts, nil).Record(t.Context(), func() ([]event.Post, error) { return drafts, nil })
	if err != nil {
		t.Fatal(err)
	}
	return url, n
}

func TestRealPostsEndToEnd(t *testing.T) {
	url, n := realPosts(t)
	if n != 5474 {
		t.Fatalf("%d posts, want 5474", n)
	}
	if out, err := execute(t, "--lake", url, "--once"); err != nil || !strings.Contains(out, "in scope      0\n") {
		t.Errorf("without --backfill: %v\n%s", err, out)
	}
	args := []string{"--lake", url, "--backfill", "--since", "2024-11-01"}
	dry, err := execute(t, append(args, "--dry-run", "--json", "--limit", "20")...)
	if lines := strings.Count(dry, "\n"); err != nil || lines != 21 {
		t.Errorf("dry run printed %d lines, want 20 drafts and a report: %v", lines, err)
	}
	out, err := execute(t, append(args, "--once", "--json")...)
	if err != nil {
		t.Fatal(err)
	}
	var r analysis.Report
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("report %q: %v", out, err)
	}
	t.Logf("%s", out)
	if r.Posts != n || r.InScope != n || r.Completed+total(r.Bypassed) != n || r.Open != 0 || r.Run.Completed != r.Completed || r.Run.Calls < 500 {
		t.Errorf("report %+v: want every post completed or bypassed, and at least 500 calls", r)
	}
	terminal := map[string]int{}
	for _, e := range predictions(t, url) {
		terminal[e.PostID]++
		if len(e.Dropped) > 0 {
			t.Errorf("post %s: the rules named what the symbol rules drop: %v", e.PostID, e.Dropped)
		}
	}
	for id, events := range terminal {
		if events != 1 {
			t.Errorf("post %s has %d verdicts", id, events)
		}
	}
	if len(terminal) != n {
		t.Errorf("%d posts have a verdict, want %d", len(terminal), n)
	}
	again, err := execute(t, append(args, "--once")...)
	if err != nil || !strings.Contains(again, "this run: 0 predictions with 0 calls, 0 bypassed, 0 failed attempts") {
		t.Errorf("a second run: %v\n%s", err, again)
	}
}

func predictions(t *testing.T, url string) (all []event.Prediction) {
	t.Helper()
	l, err := lake.Open(t.Context(), url, lake.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
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

func TestEmptyLake(t *testing.T) {
	for _, flag := range []string{"--once", "--dry-run"} {
		if out, err := execute(t, "--lake", t.TempDir(), "--backfill", flag); err != nil || !strings.Contains(out, "posts known   0") {
			t.Errorf("%s: %v\n%s", flag, err, out)
		}
	}
}

func TestExplain(t *testing.T) {
	out, err := execute(t, "explain", "A 25% Tariff on China!")
	for _, want := range []string{"bypass", "none", "confidence", "FXI", "bearish", "“tariff” (-)"} {
		if err != nil || !strings.Contains(out, want) {
			t.Errorf("explanation lacks %q: %v\n%s", want, err, out)
		}
	}
	out, err = execute(t, "explain", "RT @x Boeing is great")
	if err != nil || !strings.Contains(out, "Retruth: no model would be asked") || !strings.Contains(out, "BA") {
		t.Errorf("%v\n%s", err, out)
	}
	out, err = execute(t, "--json", "explain", "Boeing is a great company")
	var e explanation
	if err != nil || json.Unmarshal([]byte(out), &e) != nil || e.Assets[0].Symbol != "BA" || e.Bypass != "" {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestUsageErrorsNameEveryWrongValue(t *testing.T) {
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"--since", "yesterday", "--limit=-1", "--every", "0s", "--once"}, []string{`--since "yesterday"`, "--limit -1", "--every"}},
		{[]string{"--analyzer", "oracle"}, []string{"--analyzer"}},
		{[]string{"--lake", "ftp://x/y", "--once"}, []string{"ftp"}},
		{[]string{"explain"}, []string{"<text>"}},
		{[]string{"--nonsense"}, []string{"--nonsense"}},
	} {
		_, err := execute(t, c.args...)
		if !errors.Is(err, cli.ErrUsage) {
			t.Errorf("%v: %v, want a usage error", c.args, err)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%v: %q lacks %q", c.args, err, want)
			}
		}
	}
}

func TestHelp(t *testing.T) {
	out, err := execute(t, "--help")
	for _, want := range []string{"Examples:", "explain", "LAKE_URL"} {
		if err != nil || !strings.Contains(out, want) {
			t.Errorf("help lacks %q: %v", want, err)
		}
	}
}

// TestLinks: the analyzer needs the lake and its model, nothing of what shows or queries.
func TestLinks(t *testing.T) {
	deps, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, banned := range []string{"jackc/pgx", "duckdb", "grafana", "/readmodel", "/projectors", "/dashboards"} {
		if strings.Contains(string(deps), banned) {
			t.Errorf("analyzer links %s", banned)
		}
	}
}

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/event"
)

// newLake makes a folder lake with three posts in two versions and returns its path.
func newLake(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "lake")
	l, err := lake.Open(t.Context(), dir, lake.Options{Producer: "test@1"})
	if err != nil {
		t.Fatal(err)
	}
	r := lake.NewRecorder(l.Posts, nil)
	for _, ids := range [][]string{{"113796110000000000", "113796120000000000"}, {"113796130000000000"}} {
		_, err := r.Record(t.Context(), func() (out []event.Post, err error) {
			for _, id := range ids {
				at, err := event.PublishedAt(id)
				if err != nil {
					return nil, err
				}
				p := event.Post{Envelope: event.Envelope{Kind: event.PostObserved, Key: id, Source: "archive:x.csv", OccurredAt: at},
					PostID: id, PublishedAt: at, Text: "text of " + id}
				p.SetPayload([]byte("row " + id))
				out = append(out, p)
			}
			return out, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func lakeCmd(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out, errs bytes.Buffer
	err := run(t.Context(), args, &out, &errs)
	return out.String(), err
}

func must(t *testing.T, args ...string) string {
	t.Helper()
	out, err := lakeCmd(t, args...)
	if err != nil {
		t.Fatalf("lake %v: %v", args, err)
	}
	return out
}

func lines(s string) []string { return strings.Split(strings.TrimSpace(s), "\n") }

func TestLs(t *testing.T) {
	dir := newLake(t)
	if out := lines(must(t, "--lake", dir, "ls")); len(out) != 4 || !strings.Contains(out[1], "posts        2        2      3") || !strings.Contains(out[2], "not created yet") {
		t.Errorf("ls:\n%s", strings.Join(out, "\n"))
	}
	var st lake.Stat
	if err := json.Unmarshal([]byte(lines(must(t, "--lake", dir, "--json", "ls"))[0]), &st); err != nil || st.Version != 2 || st.Rows != 3 || st.Bytes == 0 {
		t.Errorf("ls --json: %+v, %v", st, err)
	}
	if out := lines(must(t, "--lake", dir, "ls", "posts")); len(out) != 4 || !strings.Contains(out[1], "CREATE TABLE") || !strings.Contains(out[3], "test@1") {
		t.Errorf("ls posts:\n%s", strings.Join(out, "\n"))
	}
}

func TestCat(t *testing.T) {
	dir := newLake(t)
	for _, c := range []struct {
		args []string
		want int
	}{{nil, 3}, {[]string{"--limit", "2"}, 2}, {[]string{"--key", "113796120000000000"}, 1}, {[]string{"--from", "2"}, 1}, {[]string{"--to", "1"}, 2}} {
		out := lines(must(t, append([]string{"--lake", dir, "cat", "posts"}, c.args...)...))
		if len(out) != c.want {
			t.Errorf("cat %v: %d lines, want %d", c.args, len(out), c.want)
		}
		var e map[string]any
		if err := json.Unmarshal([]byte(out[0]), &e); err != nil || e["kind"] != "post_observed" || e["payload"] != nil {
			t.Errorf("cat %v: %v, %s", c.args, err, out[0])
		}
	}
	if out := must(t, "--lake", dir, "cat", "posts", "--payload", "--limit", "1"); !strings.Contains(out, `"payload":"row 113796110000000000"`) {
		t.Errorf("cat --payload: %s", out)
	}
	if out := must(t, "--lake", dir, "cat", "posts", "--kind", "post_deleted"); out != "" {
		t.Errorf("cat of a kind that is not there: %s", out)
	}
	if _, err := lakeCmd(t, "--lake", dir, "cat", "nothing"); err == nil || !strings.Contains(err.Error(), "posts, predictions, prices") {
		t.Errorf("cat nothing: %v", err)
	}
}

func TestStat(t *testing.T) {
	out := must(t, "--lake", newLake(t), "stat")
	if !strings.Contains(out, "posts   post_observed  3       0          2025-01-09T02:47:18Z") {
		t.Errorf("stat:\n%s", out)
	}
}

func TestVerify(t *testing.T) {
	dir := newLake(t)
	if out := lines(must(t, "--lake", dir, "verify")); len(out) != 3 || !strings.Contains(out[0], "posts        ok: versions=3 files=2 rows=3") {
		t.Errorf("verify:\n%s", strings.Join(out, "\n"))
	}
	files, err := filepath.Glob(filepath.Join(dir, "posts", "*.parquet"))
	if err != nil || len(files) != 2 {
		t.Fatal(files, err)
	}
	if err := os.Truncate(files[0], 100); err != nil {
		t.Fatal(err)
	}
	out, err := lakeCmd(t, "--lake", dir, "verify")
	if err == nil || !strings.Contains(out, filepath.Base(files[0])) {
		t.Errorf("verify of a damaged lake: %v\n%s", err, out)
	}
	if _, err := lakeCmd(t, "--lake", t.TempDir(), "verify"); err == nil || !strings.Contains(err.Error(), "no lake here") {
		t.Errorf("verify of nothing: %v", err)
	}
}

func TestCopy(t *testing.T) {
	dir, dst := newLake(t), filepath.Join(t.TempDir(), "copy")
	if out := must(t, "copy", dir, dst); !strings.Contains(out, "posts        versions=3 copied=2") {
		t.Errorf("copy: %s", out)
	}
	if out := must(t, "--json", "copy", dir, dst); !strings.Contains(out, `"files_copied":0,"files_already_there":2`) {
		t.Errorf("copy again: %s", out)
	}
	if a, b := must(t, "--lake", dir, "cat", "posts"), must(t, "--lake", dst, "cat", "posts"); a != b {
		t.Errorf("the copy says\n%s\nthe original\n%s", b, a)
	}
}

func TestHelpHasExamples(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"cat", "--help"}, {"--version"}} {
		if out := must(t, args...); out == "" {
			t.Errorf("lake %v printed nothing", args)
		}
	}
	if out := must(t, "--help"); !strings.Contains(out, "lake copy ./data/lake s3://bucket/lake") || !strings.Contains(out, "LAKE_URL") {
		t.Errorf("help:\n%s", out)
	}
	if _, err := lakeCmd(t, "--nonsense"); err == nil {
		t.Error("a wrong flag was taken")
	}
}

func TestMicros(t *testing.T) {
	if got := micros(time.Date(2025, 1, 9, 0, 0, 0, 0, time.UTC).UnixMicro()); got != "2025-01-09T00:00:00Z" || micros(0) != "-" {
		t.Errorf("micros = %q", got)
	}
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"shitpost-alpha/lake/cli"
)

// file writes an archive of two posts, one row without an id, and returns its path.
func file(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "posts.jsonl")
	data := `{"id":"115470116607441456","created_at":"2025-10-31T18:09:12.335Z","content":"one","media":[]}
{"id":"115470031277654302","created_at":"2025-10-31T17:47:30.305Z","content":"two","media":[]}
{"created_at":"2025-10-31T17:47:30.305Z","content":"no id","media":[]}
`
	if err := os.WriteFile(path, []byte(data), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

type report struct {
	Appended int  `json:"appended"`
	DryRun   bool `json:"dry_run"`
	Sources  []struct {
		Source          string `json:"source"`
		Read, New       int
		Known, Versions int
		Rejected        map[string]int `json:"rejected"`
	} `json:"sources"`
	Errors []string `json:"errors"`
}

// harvest runs the command and returns its JSON report, its messages and its exit code.
func harvest(t *testing.T, args ...string) (r report, stderr string, code int) {
	t.Helper()
	var out, messages bytes.Buffer
	err := run(t.Context(), append(args, "--json", "--once"), &out, &messages)
	code = cli.Exit(t.Context(), "harvester", err, &messages)
	if out.Len() > 0 {
		if err := json.Unmarshal(out.Bytes(), &r); err != nil {
			t.Fatalf("parse report %q: %v", out.String(), err)
		}
	}
	return r, messages.String(), code
}

func TestArchive(t *testing.T) {
	path, lake := file(t), filepath.Join(t.TempDir(), "lake")
	r, _, code := harvest(t, "--lake", lake, "--path", path, "--dry-run")
	if code != 0 || !r.DryRun || r.Appended != 0 || r.Sources[0].New != 2 {
		t.Errorf("dry run: exit %d, %+v", code, r)
	}
	r, _, code = harvest(t, "--lake", lake, "--path", path)
	if code != 0 || r.Appended != 4 || r.Sources[0].Source != "archive:posts.jsonl" || r.Sources[0].New != 2 || r.Sources[0].Rejected["no id"] != 1 {
		t.Errorf("first run: exit %d, %+v", code, r)
	}
	r, _, code = harvest(t, "--lake", lake, "--path", path)
	if code != 0 || r.Appended != 0 || r.Sources[0].Known != 3 {
		t.Errorf("second run: exit %d, %+v", code, r)
	}
}

// What cannot be read is named and ends with exit code 1; the rest is in.
func TestBadFile(t *testing.T) {
	path := file(t)
	if err := os.WriteFile(filepath.Join(filepath.Dir(path), "a.html"), []byte("<html>403"), 0o644); err != nil {
		t.Fatal(err)
	}
	r, stderr, code := harvest(t, "--lake", t.TempDir(), "--path", filepath.Dir(path))
	if code != cli.ExitFailure || r.Appended != 4 || len(r.Errors) != 1 || !strings.Contains(stderr, "a.html") {
		t.Errorf("exit %d, %+v\n%s", code, r, stderr)
	}
}

func TestSimulator(t *testing.T) {
	lake := t.TempDir()
	r, _, code := harvest(t, "--lake", lake, "--from", "2025-03-01", "--to", "2025-03-03", "--seed", "7")
	if code != 0 || r.Appended < 45 || r.Sources[0].Source != "simulator" {
		t.Errorf("exit %d, %+v", code, r)
	}
	if r, _, code = harvest(t, "--lake", lake, "--from", "2025-03-01", "--to", "2025-03-03", "--seed", "7"); code != 0 || r.Appended != 0 {
		t.Errorf("second run: exit %d, %+v", code, r)
	}
}

// A wrong configuration names everything that is wrong, and does nothing.
func TestUsage(t *testing.T) {
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"--from", "yesterday", "--limit=-1", "--path", "no/such/file"}, []string{`--from: parse date "yesterday"`, "--limit -1", "--path: stat no/such/file"}},
		{[]string{"--source", "archive"}, []string{"--source archive needs --path"}},
		{[]string{"--source", "twitter"}, []string{`--source "twitter": there are scrapecreators, truthsocial, archive`}},
		{[]string{"--source", "scrapecreators", "--source", "legacy-s3", "--max-id", "x", "--overlap", "0s", "--tries", "0", "--mode", "range", "--max-requests-per-day=-1"}, []string{
			"SCRAPECREATORS_API_KEY", "--legacy", `--max-id "x"`, "--overlap", "--tries 0", "--mode range needs", "--max-requests-per-day -1"}},
		{[]string{"--mode", "sideways"}, []string{"--mode"}},
		{[]string{"--source", "simulator", "--path", "."}, []string{"--path is for --source archive"}},
		{[]string{"--from", "2025-02-01", "--to", "2025-01-01"}, []string{"--from 2025-02-01 is after --to 2025-01-01"}},
		{[]string{"--every", "0s"}, []string{"--every must"}},
		{[]string{"--lake", "ftp://x/y"}, []string{"ftp://x/y"}},
		{[]string{"--nonsense"}, []string{"--nonsense"}},
	} {
		if !strings.Contains(strings.Join(c.args, " "), "--lake") {
			c.args = append(c.args, "--lake", t.TempDir())
		}
		_, stderr, code := harvest(t, c.args...)
		if code != cli.ExitUsage {
			t.Errorf("%v: exit %d", c.args, code)
		}
		for _, want := range c.want {
			if !strings.Contains(stderr, want) {
				t.Errorf("%v: %q is not in %q", c.args, want, stderr)
			}
		}
	}
}

// Without --once it goes on until it is told to stop, which is no error.
func TestLoop(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	var messages bytes.Buffer
	err := run(ctx, []string{"--lake", t.TempDir(), "--path", file(t), "--every", "1h", "--json"}, writer(func(b []byte) {
		if !bytes.Contains(b, []byte(`"appended":4`)) {
			t.Errorf("printed %s", b)
		}
		stop()
	}), &messages)
	if err != nil || ctx.Err() == nil {
		t.Errorf("error %v\n%s", err, messages.String())
	}
}

type writer func([]byte)

func (w writer) Write(b []byte) (int, error) { w(b); return len(b), nil }

func TestHelp(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), []string{"--help"}, &out, &out); err != nil || !strings.Contains(out.String(), "harvester --once --path") {
		t.Errorf("help, error %v:\n%s", err, out.String())
	}
}

// The harvester stays small: it needs the source and the lake, nothing else.
func TestLinks(t *testing.T) {
	deps, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("list dependencies: %v\n%s", err, exit.Stderr)
		}
		t.Fatalf("list dependencies: %v", err)
	}
	for _, banned := range []string{"jackc/pgx", "duckdb", "openai", "grafana", "pgregory.net/rapid", "producers/fakes", "testing\n"} {
		if strings.Contains(string(deps), banned) {
			t.Errorf("harvester links %s", banned)
		}
	}
}

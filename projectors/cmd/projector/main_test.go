package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/cli"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/readmodel/readmodeltest"
)

func TestMain(m *testing.M) { os.Exit(readmodeltest.Main(m)) }

// From the command line: an empty database is filled, looked at, verified, damaged and found out.
func TestCommands(t *testing.T) {
	ctx := context.Background()
	url, db := readmodeltest.Open(t)
	folder := t.TempDir()
	l, err := lake.Open(ctx, folder, lake.Options{Producer: "test@1"})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2025, 3, 3, 12, 0, 0, 0, time.UTC)
	post := event.Post{PostID: "114098012160000000", Text: "hello world again"}
	if at, err = event.PublishedAt(post.PostID); err != nil {
		t.Fatal(err)
	}
	post.PublishedAt, post.OccurredAt, post.Kind, post.Key, post.Source = at, at, event.PostObserved, post.PostID, "simulator"
	event.Seal(&post, "")
	if _, err := l.Posts.Append(ctx, -1, []event.Post{post}); err != nil {
		t.Fatal(err)
	}
	call := func(args ...string) (string, error) {
		var out, errs bytes.Buffer
		err := run(ctx, append([]string{"--lake", folder, "--database", url, "--log-level", "error"}, args...), &out, &errs)
		return out.String(), err
	}
	if out, err := call("status"); err != nil || !strings.Contains(out, "no read model yet") {
		t.Errorf("status at first: %q, %v", out, err)
	}
	if out, err := call("run", "--once"); err != nil || out != "" {
		t.Errorf("run --once: %q, %v", out, err)
	}
	if out, err := call("status"); err != nil || !strings.Contains(out, "applied 1 of 1, 0 behind") {
		t.Errorf("status: %q, %v", out, err)
	}
	if out, err := call("verify"); err != nil || !strings.Contains(out, "ok posts rows=1 hash=") || strings.Contains(out, "DIFFERS") {
		t.Errorf("verify: %q, %v", out, err)
	}
	if _, err := db.Exec(ctx, "UPDATE readmodel.posts SET replies = 5"); err != nil {
		t.Fatal(err)
	}
	if out, err := call("verify"); err == nil || !strings.Contains(out, "DIFFERS posts rows=1") || !strings.Contains(out, post.PostID+" differs in replies") {
		t.Errorf("verify of a damaged table: %q, %v", out, err)
	}
	if _, err := call("run", "--once", "--band", "2"); !errors.Is(err, cli.ErrUsage) || !strings.Contains(err.Error(), "band 2 (live: 0.5)") {
		t.Errorf("run with another band: %v", err)
	}
	out, err := call("--json", "rebuild", "--settings", "--band", "2", "--source-order", "yahoo,file")
	var b struct {
		Rows int64 `json:"rows"`
	}
	if jsonErr := json.Unmarshal([]byte(out), &b); err != nil || jsonErr != nil || b.Rows < 2 {
		t.Errorf("rebuild: %q, %v, %v", out, err, jsonErr)
	}
	if out, err := call("status", "--json"); err != nil || !strings.Contains(out, `"band_pct":2,"benchmark":"SPY","source_order":["yahoo","file"]`) {
		t.Errorf("status --json: %q, %v", out, err)
	}
	if out, err := call("verify"); err != nil {
		t.Errorf("verify after the rebuild: %q, %v", out, err)
	}
}

func TestWrongConfiguration(t *testing.T) {
	t.Setenv("DATABASE_URL", "")
	for want, args := range map[string][]string{
		"DATABASE_URL": {"run"},
		"--poll":       {"run", "--database", "postgres://x/y", "--poll", "-1s"},
		"band":         {"run", "--database", "postgres://x/y", "--band", "wide"},
		"ftp":          {"run", "--database", "postgres://x/y", "--lake", "ftp://x"},
	} {
		var out, errs bytes.Buffer
		err := run(context.Background(), args, &out, &errs)
		if !errors.Is(err, cli.ErrUsage) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want a usage error that names %s", args, err, want)
		}
	}
}

func TestLinksNothingForeign(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, banned := range []string{"duckdb", "go-openai", "grafana", "shitpost-alpha/producers", "shitpost-alpha/dashboards"} {
		if strings.Contains(string(out), banned) {
			t.Errorf("projector links %s", banned)
		}
	}
}

package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/cli"
)

func TestMaintenanceCommands(t *testing.T) {
	dir := newLake(t)
	events := len(lines(must(t, "--lake", dir, "cat", "posts")))
	if out := must(t, "--lake", dir, "checkpoint"); !strings.Contains(out, "posts        checkpoint of version 2") || !strings.Contains(out, "prices       not created yet") {
		t.Errorf("checkpoint:\n%s", out)
	}
	if out := lines(must(t, "--lake", dir, "compact", "--stream", "posts")); len(out) != 1 || !strings.Contains(out[0], "files=2→1 rows=3") {
		t.Errorf("compact: %q", out)
	}
	var c lake.Compaction
	if err := json.Unmarshal([]byte(must(t, "--lake", dir, "--json", "compact", "--stream", "posts")), &c); err != nil || c.Commits != 0 {
		t.Errorf("compact again: %+v, %v", c, err)
	}
	if out := must(t, "--lake", dir, "vacuum"); !strings.Contains(out, "posts        orphans=0 retired=0 checkpoints=0 temporary=0 bytes=0 too_young=2") {
		t.Errorf("vacuum:\n%s", out)
	}
	if out := must(t, "--lake", dir, "vacuum", "--yes", "--stream", "posts"); len(lines(out)) != 1 {
		t.Errorf("vacuum --yes:\n%s", out)
	}
	if out := lines(must(t, "--lake", dir, "--json", "maintain", "--once")); len(out) != 3 {
		t.Errorf("maintain: %q", out)
	}
	if got := len(lines(must(t, "--lake", dir, "cat", "posts"))); got != events {
		t.Errorf("%d events afterwards, %d before", got, events)
	}
	for _, args := range [][]string{{"compact", "--stream", "nothing"}, {"maintain", "--every", "0s"}, {"vacuum", "--grace", "1m"}} {
		if _, err := lakeCmd(t, append([]string{"--lake", dir}, args...)...); err == nil {
			t.Errorf("%v was taken", args)
		}
	}
}

func TestRetractAndRedact(t *testing.T) {
	dir := newLake(t)
	var version lake.Version
	if err := json.Unmarshal([]byte(lines(must(t, "--lake", dir, "--json", "ls", "posts"))[2]), &version); err != nil || version.Rows != 1 {
		t.Fatal(version, err)
	}
	retract := []string{"--lake", dir, "retract", "posts", "--batch", version.BatchID, "--reason", "wrong file"}
	if out := must(t, retract...); !strings.Contains(out, "post_observed 113796130000000000") || !strings.Contains(out, "Nothing was written") {
		t.Errorf("retract: %s", out)
	}
	if out := must(t, append(retract, "--yes")...); !strings.Contains(out, "Took 1 events back") {
		t.Errorf("retract --yes: %s", out)
	}
	if out := must(t, append(retract, "--yes")...); !strings.Contains(out, "taken back before") {
		t.Errorf("retract --yes again: %s", out)
	}
	for _, args := range [][]string{{"--event", "unknown", "--reason", "x"}, {"--batch", version.BatchID}, {"--reason", "x"}, {"--event", "a", "--batch", "b", "--reason", "x"}} {
		if _, err := lakeCmd(t, append([]string{"--lake", dir, "retract", "posts"}, args...)...); err == nil {
			t.Errorf("retract %v was taken", args)
		}
	}
	const id = "113796110000000000"
	if _, err := lakeCmd(t, "--lake", dir, "redact", id); !errors.Is(err, cli.ErrUsage) {
		t.Errorf("redact without --yes: %v", err)
	}
	if out := must(t, "--lake", dir, "redact", id, "--yes", "--now"); !strings.Contains(out, "1 events appended, 1 rows blanked in 1 files, 1 old files deleted") {
		t.Errorf("redact: %s", out)
	}
	if out := must(t, "--lake", dir, "cat", "posts"); strings.Contains(out, "text of "+id) || !strings.Contains(out, "text of 113796120000000000") {
		t.Errorf("after redact:\n%s", out)
	}
	files, err := filepath.Glob(filepath.Join(dir, "posts", "*.parquet"))
	if err != nil || len(files) != 4 {
		t.Errorf("files: %v, %v", files, err)
	}
	for _, f := range files {
		if data, err := os.ReadFile(f); err != nil || strings.Contains(string(data), "text of "+id) {
			t.Errorf("%s: %v", f, err)
		}
	}
	if _, err := lakeCmd(t, "--lake", dir, "redact", "1", "--yes"); err == nil {
		t.Error("an unknown post was redacted")
	}
}

package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/cli"
	"shitpost-alpha/lake/objects/s3/s3test"
)

func TestExport(t *testing.T) {
	dir := newLake(t)
	if out := lines(must(t, "--lake", dir, "export", "posts", "--columns", "post_id,text", "--ordered", "--format", "csv")); len(out) != 4 ||
		out[0] != "post_id,text" || out[3] != "113796130000000000,text of 113796130000000000" {
		t.Errorf("csv: %q", out)
	}
	if out := must(t, "--lake", dir, "export", "posts", "--columns", "key", "--key", "113796120000000000"); out != "{\"key\":\"113796120000000000\"}\n" {
		t.Errorf("jsonl of one key: %q", out)
	}
	for what, args := range map[string][]string{
		"a kind that is not there":   {"--kind", "post_deleted"},
		"before there were any":      {"--to", "2020-01-01"},
		"before the first was added": {"--as-of", "0"},
	} {
		if out := must(t, append([]string{"--lake", dir, "export", "posts"}, args...)...); out != "" {
			t.Errorf("%s: %q", what, out)
		}
	}
	if out := lines(must(t, "--lake", dir, "export", "posts", "--as-of", "1")); len(out) != 2 {
		t.Errorf("version 1 has %d events, want 2", len(out))
	}
	file := filepath.Join(t.TempDir(), "p.parquet")
	must(t, "--lake", dir, "export", "posts", "--format", "parquet", "--out", file)
	whole, err := os.ReadFile(file)
	if err != nil || !strings.HasPrefix(string(whole), "PAR1") || !strings.HasSuffix(string(whole), "PAR1") {
		t.Errorf("parquet file: %v", err)
	}
	for _, args := range [][]string{{"posts", "--columns", "nonsense"}, {"nothing"}, {"posts", "--from", "soon"}, {"posts", "--format", "xml"}, {"posts", "--as-of", "soon"}} {
		if _, err := lakeCmd(t, append([]string{"--lake", dir, "export"}, args...)...); !errors.Is(err, cli.ErrUsage) {
			t.Errorf("export %v: %v, want a usage error", args, err)
		}
	}
	if _, err := lakeCmd(t, "--lake", dir, "export", "prices"); err == nil || !strings.Contains(err.Error(), "does not exist yet") {
		t.Errorf("a stream that is not there: %v", err)
	}
}

// TestExportLeavesNoHalf: an export that fails leaves the file of before, and nothing beside it.
func TestExportLeavesNoHalf(t *testing.T) {
	dir, out := newLake(t), t.TempDir()
	file := filepath.Join(out, "p.csv")
	if err := os.WriteFile(file, []byte("of before"), 0o644); err != nil {
		t.Fatal(err)
	}
	data, err := filepath.Glob(filepath.Join(dir, "posts", "*.parquet"))
	if err != nil || len(data) != 2 {
		t.Fatal(data, err)
	}
	if err := os.Remove(data[1]); err != nil {
		t.Fatal(err)
	}
	if _, err := lakeCmd(t, "--lake", dir, "export", "posts", "--format", "csv", "--out", file); !errors.Is(err, lake.ErrDamaged) || !strings.Contains(err.Error(), filepath.Base(data[1])) {
		t.Errorf("with a file missing: %v", err)
	}
	kept, err := os.ReadFile(file)
	left, err2 := os.ReadDir(out)
	if err != nil || err2 != nil || string(kept) != "of before" || len(left) != 1 {
		t.Errorf("kept %q of %d files, %v, %v", kept, len(left), err, err2)
	}
}

// TestExportKeepsWhatItFetched: from a bucket, with a cache, data files are fetched once.
func TestExportKeepsWhatItFetched(t *testing.T) {
	server := s3test.Start(t)
	server.Setenv(t)
	bucket, cache := "s3://"+server.Bucket+"/export", t.TempDir()
	must(t, "copy", newLake(t), bucket)
	first := must(t, "--lake", bucket, "export", "posts", "--ordered", "--cache", cache)
	kept, err := filepath.Glob(filepath.Join(cache, "*.parquet"))
	if err != nil || len(kept) != 2 {
		t.Errorf("%d files in the cache, %v", len(kept), err)
	}
	if again := must(t, "--lake", bucket, "export", "posts", "--ordered", "--cache", cache); again != first || len(lines(again)) != 3 {
		t.Errorf("first %q, then %q", first, again)
	}
}

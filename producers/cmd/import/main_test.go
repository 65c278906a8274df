package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"shitpost-alpha/lake/cli"
	"shitpost-alpha/lake/objects"
	"shitpost-alpha/producers/legacy/legacytest"
	"shitpost-alpha/readmodel/readmodeltest"
)

func TestMain(m *testing.M) { os.Exit(readmodeltest.Main(m)) }

// From the command line: a folder as the raw lake and a Postgres, dry, for real, and again as JSON.
func TestCommand(t *testing.T) {
	sys := legacytest.Make(3, legacytest.Small())
	url, db := readmodeltest.Open(t)
	if err := sys.WriteDatabase(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	bucket, lake := t.TempDir(), t.TempDir()
	if err := sys.WriteRaw(t.Context(), objects.NewFolder(bucket)); err != nil {
		t.Fatal(err)
	}
	call := func(args ...string) (string, string, error) {
		var out, errs bytes.Buffer
		err := run(t.Context(), append([]string{"--lake", lake, "--s3", bucket, "--database", url}, args...), &out, &errs)
		return out.String(), errs.String(), err
	}
	if out, _, err := call("--dry-run"); err != nil || !strings.Contains(out, "dry run: nothing was written") {
		t.Errorf("dry run: %v\n%s", err, out)
	}
	if entries, err := os.ReadDir(lake); err != nil || len(entries) > 0 {
		t.Errorf("a dry run left %v, %v", entries, err)
	}
	out, errs, err := call()
	if err != nil || !strings.Contains(out, "rejected legacy:predictions:4: bad assets: legacy:predictions:4: assets are no list of tickers") {
		t.Errorf("import: %v\n%s", err, out)
	}
	if !strings.Contains(errs, "market_prices: ") || !strings.Contains(errs, "legacy-s3: ") {
		t.Errorf("no progress on standard error: %s", errs)
	}
	out, _, err = call("--json", "--log-level", "error")
	var r struct {
		Tables []struct {
			Table                       string
			Rows, Appended, Unexplained int
		}
		Rejected []struct{ Key, Reason string }
	}
	if jsonErr := json.Unmarshal([]byte(out), &r); err != nil || jsonErr != nil || len(r.Tables) != 5 || len(r.Rejected) == 0 {
		t.Fatalf("second run: %v, %v\n%.500s", err, jsonErr, out)
	}
	for _, table := range r.Tables {
		if table.Rows == 0 || table.Appended != 0 || table.Unexplained != 0 {
			t.Errorf("second run: %+v", table)
		}
	}
}

func TestWrongConfiguration(t *testing.T) {
	for _, name := range []string{"LEGACY_URL", "LEGACY_DATABASE_URL"} {
		t.Setenv(name, "")
	}
	url, _ := readmodeltest.Open(t)
	for want, args := range map[string][]string{
		"nothing to import": {},
		"--s3: open lake":   {"--s3", "ftp://x"},
		"--database: ":      {"--database", "mysql://x/y"},
		"none of the tables signals, truth_social_shitposts": {"--database", url},
		"it holds no .json objects":                          {"--s3", t.TempDir()},
	} {
		var out, errs bytes.Buffer
		err := run(t.Context(), append([]string{"--lake", t.TempDir()}, args...), &out, &errs)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want an error that says %q", args, err, want)
		}
		if want != "it holds no .json objects" && !errors.Is(err, cli.ErrUsage) {
			t.Errorf("%v: %v is no usage error", args, err)
		}
	}
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/cli"
	"shitpost-alpha/producers/legacy"
	"shitpost-alpha/producers/legacy/legacytest"
	"shitpost-alpha/readmodel/readmodeltest"
)

// From the command line: import, project, compare; each row in words and as JSON, and the counts.
func TestCompareLegacy(t *testing.T) {
	ctx := context.Background()
	sys := legacytest.Make(5, legacytest.Small())
	oldURL, old := readmodeltest.Open(t)
	if err := sys.WriteDatabase(ctx, old); err != nil {
		t.Fatal(err)
	}
	url, _ := readmodeltest.Open(t)
	folder := t.TempDir()
	call := func(args ...string) (string, error) {
		var out, errs bytes.Buffer
		err := run(ctx, append([]string{"--lake", folder, "--database", url, "--log-level", "error"}, args...), &out, &errs)
		return out.String(), err
	}
	t.Setenv("LEGACY_DATABASE_URL", "")
	if _, err := call("compare-legacy"); !errors.Is(err, cli.ErrUsage) || !strings.Contains(err.Error(), "--legacy-database") {
		t.Errorf("without the old database: %v", err)
	}
	if _, err := call("compare-legacy", "--legacy-database", url); !errors.Is(err, cli.ErrUsage) || !strings.Contains(err.Error(), `"market_prices" does not exist`) {
		t.Errorf("with another database: %v", err)
	}
	if _, err := call("compare-legacy", "--legacy-database", oldURL); err == nil || !strings.Contains(err.Error(), "run projector run --once") {
		t.Errorf("without a read model: %v", err)
	}
	l, err := lake.Open(ctx, folder, lake.Options{Producer: "import@test"})
	if err != nil {
		t.Fatal(err)
	}
	im := &legacy.Importer{Lake: l, Database: old, Now: time.Now, Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	if _, err := im.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := call("run", "--once"); err != nil {
		t.Fatal(err)
	}
	out, err := call("compare-legacy", "--legacy-database", oldURL)
	if err != nil || strings.Count(out, " equal\n") == 0 || !strings.Contains(out, "calendar days (") || strings.Contains(out, "unexplained") {
		t.Errorf("compare-legacy: %v\n%.2000s", err, out)
	}
	if rows := strings.Count(out, "\n"); rows < len(sys.Outcomes) {
		t.Errorf("%d lines for %d rows", rows, len(sys.Outcomes))
	}
	t.Setenv("LEGACY_DATABASE_URL", oldURL)
	out, err = call("--json", "compare-legacy", "--summary")
	var s struct {
		Rows int            `json:"rows"`
		By   map[string]int `json:"cells_by_reason"`
	}
	if jsonErr := json.Unmarshal([]byte(out), &s); err != nil || jsonErr != nil || s.Rows != len(sys.Outcomes) || s.By["stale price"] == 0 {
		t.Errorf("--summary: %v, %v\n%s", err, jsonErr, out)
	}
	// A price that nobody can explain is an error.
	if _, err := old.Exec(ctx, "UPDATE prediction_outcomes SET price_t1 = 123456, return_t1 = 5 WHERE id = (SELECT min(id) FROM prediction_outcomes WHERE return_t1 IS NOT NULL)"); err != nil {
		t.Fatal(err)
	}
	out, err = call("compare-legacy", "--summary")
	if err == nil || !strings.Contains(err.Error(), "1 horizons differ for no known reason") || !strings.Contains(out, "unexplained") {
		t.Errorf("with a wrong price: %v\n%s", err, out)
	}
}

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"shitpost-alpha/readmodel/readmodeltest"
)

func TestMain(m *testing.M) { os.Exit(readmodeltest.Main(m)) }

// TestWorkedExamples runs every query of docs/queries.md. Each must have rows, save where the page says
// that it may have none.
func TestWorkedExamples(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "queries.md"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	demoLake(t, dir)
	cache := t.TempDir()
	parts := strings.Split(string(page), "```sql\n")[1:]
	if len(parts) < 15 {
		t.Errorf("%d queries, want at least 15", len(parts))
	}
	for _, part := range parts {
		sql, behind, ok := strings.Cut(part, "```")
		if !ok {
			t.Fatalf("a query does not end: %s", part)
		}
		t.Run(strings.Join(strings.Fields(sql)[:6], " "), func(t *testing.T) {
			out, err := ask(t, "--lake", dir, "--cache", cache, "--format", "csv", sql)
			if err != nil {
				t.Fatal(err)
			}
			if rows := strings.Count(out, "\n") - 1; rows < 1 && !strings.HasPrefix(strings.TrimSpace(behind), "<!-- may be empty -->") {
				t.Errorf("no rows:\n%s", sql)
			}
		})
	}
}

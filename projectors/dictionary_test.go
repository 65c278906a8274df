package projectors

import (
	"context"
	"flag"
	"os"
	"strings"
	"testing"

	"shitpost-alpha/readmodel/readmodeltest"
)

var update = flag.Bool("update", false, "write docs/data-dictionary.md anew")

// The data dictionary in docs is what the database says of itself, and making it leaves nothing behind.
func TestDictionaryIsCurrent(t *testing.T) {
	const file = "../docs/data-dictionary.md"
	url, db := readmodeltest.Open(t)
	text, err := Dictionary(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	stored, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(stored) != text {
		t.Errorf("%s is not current: run go test ./projectors -run Dictionary -update", file)
	}
	for _, want := range []string{"### Table outcomes\n", "### View accuracy\n", "### Function backtest\n", "| return_pct | numeric, null |", "### Table fence\n", "## Schema legacy\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("the dictionary does not hold %q", want)
		}
	}
	if strings.Contains(text, "_next") {
		t.Error("the dictionary names a schema of a build")
	}
	var left int
	if scan(t, db, "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'readmodel%' OR nspname IN ('ops', 'legacy')", &left); left != 0 {
		t.Errorf("making the dictionary left %d schemas", left)
	}
}

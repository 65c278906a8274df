package legacy

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"shitpost-alpha/lake/objects"
	"shitpost-alpha/producers/legacy/legacytest"
)

var benchLines = flag.Bool("bench-lines", false, "measure and print JSON lines (make bench)")

// TestBench measures an import of a system as large as the Python system became: 28,000 posts, 3,000
// predictions, 120,000 prices, from a real S3 and Postgres into a lake in a folder; and a second run.
func TestBench(t *testing.T) {
	if !*benchLines {
		return
	}
	sys, raw, db := system(t, 1, legacytest.Whole())
	l := openLake(t, objects.NewFolder(filepath.Join(t.TempDir(), "lake")))
	for _, run := range []string{"import", "import_again"} {
		start := time.Now()
		r, err := importer(l, raw, db).Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		seconds := time.Since(start).Seconds()
		rows := 0
		for _, table := range r.Tables {
			rows += table.Rows
		}
		fmt.Fprintf(os.Stdout, `{"name":"%s","value":%.2f,"unit":"s","posts":%d,"predictions":%d,"prices":%d,"rows":%d,"unexplained":%d}`+"\n",
			run, seconds, len(sys.Posts), len(sys.Predictions), len(sys.Prices), rows, r.Unexplained())
		if r.Unexplained() != 0 {
			t.Errorf("%s: %d rows are unexplained", run, r.Unexplained())
		}
	}
}

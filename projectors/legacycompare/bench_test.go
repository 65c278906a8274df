package legacycompare

import (
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"shitpost-alpha/producers/legacy/legacytest"
)

var benchLines = flag.Bool("bench-lines", false, "measure and print JSON lines (make bench)")

// TestBench measures a comparison of all outcomes of a system as large as the Python system became.
func TestBench(t *testing.T) {
	if !*benchLines {
		return
	}
	sys, old, ours := imported(t, 1, legacytest.Whole(), nil)
	start := time.Now()
	s, err := Compare(t.Context(), old, ours, func(*Row) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(os.Stdout, `{"name":"compare_legacy","value":%.2f,"unit":"s","rows":%d,"horizons":%d,"equal":%d,"unexplained":%d}`+"\n",
		time.Since(start).Seconds(), s.Rows, s.Cells, s.Equal, s.Unexplained())
	t.Log(s)
	if s.Rows != len(sys.Outcomes) || s.Unexplained() != 0 {
		t.Errorf("%d rows of %d, %d horizons unexplained", s.Rows, len(sys.Outcomes), s.Unexplained())
	}
}

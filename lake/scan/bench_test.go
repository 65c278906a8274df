package scan

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet/file"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/objects"
)

var benchLines = flag.Bool("bench-lines", false, "measure and print JSON lines, as make bench does")

// benchEvents is how many events the measured lakes hold: a million and, where BENCH_EVENTS says so,
// as many as that too (make bench BENCH_EVENTS=10000000).
func benchEvents(t *testing.T) []int {
	sizes := []int{1_000_000}
	if s := os.Getenv("BENCH_EVENTS"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			t.Fatalf("BENCH_EVENTS is %q, want a number of events", s)
		}
		sizes = append(sizes, n)
	}
	return sizes
}

// TestBench prints what scans take and how much memory, against arrow alone on the same files. It
// asserts nothing about speed.
func TestBench(t *testing.T) {
	if !*benchLines {
		t.Skip("measures only: run by make bench")
	}
	for _, n := range benchEvents(t) {
		dir := t.TempDir()
		snap := benchLake(t, dir, n)
		var paths []string
		for _, f := range snap.Files {
			paths = append(paths, filepath.Join(dir, "prices", f.Path))
		}
		cases := []benchCase{
			{name: "arrow", run: func() int64 { return bare(t, paths) }},
			{name: "scan", run: func() int64 { return count(t, snap, Options{}) }},
			{name: "scan_three_columns", run: func() int64 { return count(t, snap, Options{Columns: []string{"symbol", "session_date", "close"}}) }},
			{name: "scan_ordered", run: func() int64 { return count(t, snap, Options{Ordered: true}) }},
		}
		measure(t, n, cases)
		for _, c := range cases {
			line(fmt.Sprintf("%s_%d", c.name, n), c.rate(), "events/s", c.rate()/cases[0].rate(), "arrow v17 alone on the same files")
			line(fmt.Sprintf("%s_%d_peak", c.name, n), c.peak, "MB of process memory", c.peak/cases[0].peak, "arrow v17 alone on the same files")
		}
	}
}

// benchCase is one way to read the same events.
type benchCase struct {
	name  string
	run   func() int64
	rates []float64
	peak  float64
}

// rate returns the median.
func (c *benchCase) rate() float64 {
	slices.Sort(c.rates)
	return c.rates[len(c.rates)/2]
}

// measure runs the cases by turns, so that all have the same weather, each five times; the last, which
// takes far longer than the others, once.
func measure(t *testing.T, n int, cases []benchCase) {
	for round := range 5 {
		for i := range cases {
			c := &cases[i]
			if i == len(cases)-1 && round > 0 {
				continue
			}
			debug.FreeOSMemory()
			resetPeak()
			start := time.Now()
			if rows := c.run(); rows != int64(n) {
				t.Fatalf("%s: %d rows, want %d", c.name, rows, n)
			}
			c.rates = append(c.rates, float64(n)/time.Since(start).Seconds())
			c.peak = max(c.peak, peakMB())
		}
	}
}

func line(name string, value float64, unit string, ratio float64, than string) {
	out, _ := json.Marshal(map[string]any{"name": name, "value": value, "unit": unit, "ratio": ratio, "ratio_to": than})
	fmt.Println(string(out))
}

func count(t testing.TB, snap *lake.Snapshot[event.Price], o Options) (rows int64) {
	t.Helper()
	for rec, err := range plan(t, snap, o).Records(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		rows += rec.NumRows()
	}
	return rows
}

// benchLake makes a folder lake of n bars in appends of 50,000, each with bars of all symbols.
func benchLake(t testing.TB, dir string, n int) *lake.Snapshot[event.Price] {
	t.Helper()
	l := open(t, objects.NewFolder(dir))
	head := int64(-1)
	for from := 0; from < n; from += lake.MaxBatchEvents {
		batch := make([]event.Price, min(lake.MaxBatchEvents, n-from))
		for i := range batch {
			batch[i] = bar(fmt.Sprintf("S%03d", (from+i)%500), (from+i)/500, 100+float64((from+i)%977)/10)
			batch[i].SetPayload(fmt.Appendf(nil, `{"row":%d,"close":%v}`, from+i, *batch[i].Close))
			event.Seal(&batch[i], "")
		}
		var err error
		if head, err = l.Prices.Append(t.Context(), head, batch); err != nil {
			t.Fatal(err)
		}
	}
	snap, err := open(t, objects.NewFolder(dir)).Prices.Snapshot(t.Context(), -1)
	if err != nil {
		t.Fatal(err)
	}
	return snap
}

// bare reads files with arrow alone: one after the other, the columns of each in parallel, which is
// the fastest that it does by itself.
func bare(t testing.TB, paths []string) (rows int64) {
	t.Helper()
	for _, path := range paths {
		pf, err := file.OpenParquetFile(path, false)
		if err != nil {
			t.Fatal(err)
		}
		fr, err := pqarrow.NewFileReader(pf, pqarrow.ArrowReadProperties{BatchSize: 16 << 10, Parallel: true}, memory.DefaultAllocator)
		if err != nil {
			t.Fatal(err)
		}
		rr, err := fr.GetRecordReader(context.Background(), nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		for rr.Next() {
			rows += rr.Record().NumRows()
		}
		rr.Release()
		pf.Close()
	}
	return rows
}

// resetPeak and peakMB measure the most memory that the process has at a time, by /proc/self; 0 where
// the system has none.
func resetPeak() { _ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) }

func peakMB() float64 {
	status, _ := os.ReadFile("/proc/self/status")
	for _, l := range strings.Split(string(status), "\n") {
		if kb, ok := strings.CutPrefix(l, "VmHWM:"); ok {
			n, _ := strconv.ParseFloat(strings.Fields(kb)[0], 64)
			return n / 1024
		}
	}
	return 0
}

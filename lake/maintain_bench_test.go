package lake

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/objects"
)

// BenchmarkCompact compacts commits of the given size and reports rows and MB of input a second.
func BenchmarkCompact(b *testing.B) {
	for _, c := range []struct{ commits, rows int }{{500, 20}, {40, 10_000}} {
		b.Run(fmt.Sprintf("commits=%d/rows=%d", c.commits, c.commits*c.rows), func(b *testing.B) {
			store := &objects.Memory{}
			s := open(b, store).Prices
			for n := range c.commits {
				events := make([]event.Price, c.rows)
				for i := range events {
					events[i] = bar(fmt.Sprint("S", i%400), 1+(n*c.rows+i)/400, 10+float64(i%97))
					event.Seal(&events[i], "")
				}
				head := int64(n)
				if n == 0 {
					head = -1
				}
				if _, err := s.Append(context.Background(), head, events); err != nil {
					b.Fatal(err)
				}
			}
			b.ResetTimer()
			var bytes, rows int64
			for b.Loop() {
				b.StopTimer()
				l := open(b, store.Clone())
				b.StartTimer()
				done, err := l.Prices.Compact(context.Background(), CompactOptions{Small: groupBytes})
				if err != nil || done.Rows != int64(c.commits*c.rows) {
					b.Fatal(done, err)
				}
				bytes, rows = bytes+done.BytesIn, rows+done.Rows
			}
			b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
			b.ReportMetric(float64(bytes)/1e6/b.Elapsed().Seconds(), "MB/s")
		})
	}
}

// TestCompactedProcess is no test: it is the process whose memory benchCompaction measures.
func TestCompactedProcess(t *testing.T) {
	folder := os.Getenv("LAKE_BENCH_COMPACT")
	if folder == "" {
		return
	}
	start := time.Now()
	done, err := open(t, objects.NewFolder(folder)).Prices.Compact(t.Context(), CompactOptions{})
	if err != nil {
		t.Fatal(err)
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, peak, _ := strings.Cut(string(status), "VmHWM:")
	fmt.Printf("compacted %d rows in %.3f s, peak kB %s\n", done.Rows, time.Since(start).Seconds(), strings.Fields(peak)[0])
}

// benchCompaction: the speed and the peak memory of a process that compacts all of a lake of a million
// events, and of ten with -heavy.
func benchCompaction(t *testing.T) {
	bars := benchBars(MaxBatchEvents)
	million := 0.0
	sizes := []int{1_000_000}
	if *heavy {
		sizes = append(sizes, 10_000_000)
	}
	for _, events := range sizes {
		folder := t.TempDir()
		s := open(t, objects.NewFolder(folder)).Prices
		for version, n := int64(-1), 0; n < events; n += len(bars) {
			var err error
			if version, err = s.Append(t.Context(), version, bars); err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestCompactedProcess$", "-test.timeout", "30m")
		cmd.Env = append(os.Environ(), "LAKE_BENCH_COMPACT="+folder)
		out, err := cmd.CombinedOutput()
		var rows, kB int
		var took float64
		if n, scanErr := fmt.Sscanf(string(out), "compacted %d rows in %f s, peak kB %d", &rows, &took, &kB); err != nil || n != 3 || rows != events {
			t.Fatalf("%v, %v: %s", err, scanErr, out)
		}
		name := fmt.Sprintf("compaction_%dM", events/1_000_000)
		benchLine{Name: name, Value: float64(rows) / took, Unit: "events/s"}.print()
		line := benchLine{Name: name + "_memory", Value: float64(kB) / 1024, Unit: "MB, peak of the process"}
		if million == 0 {
			million = line.Value
		} else {
			line.Ratio, line.Than = line.Value/million, "that of a million events"
		}
		line.print()
	}
}

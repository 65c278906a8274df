package posts

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/producers/posts/archive"
)

// archiveFile writes an archive of n posts in the shape and about the length of CNN's.
func archiveFile(t testing.TB, n int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "truth_archive.json")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriter(f)
	for i := range n {
		at := noon.Add(-time.Duration(i) * 47 * time.Minute)
		id := strconv.FormatUint(firstID(at)+uint64(i%65536), 10)
		sep := ","
		if i == 0 {
			sep = "["
		}
		fmt.Fprintf(w, `%s{"id":%q,"created_at":%q,"content":"<p>%s %d</p>","url":"https://truthsocial.com/@realDonaldTrump/%s","media":[],"replies_count":%d,"reblogs_count":%d,"favourites_count":%d}`,
			sep, id, at.Format(time.RFC3339), strings.Repeat(event.Hash(id)+" tariffs are GREAT ", 1+i%12), i, id, i%4000, i%9000, i%40000)
	}
	fmt.Fprint(w, "]")
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// usage returns the processor time that the process has taken, and the most memory it has held, in MB.
func usage(t testing.TB) (cpu time.Duration, peakMB float64) {
	t.Helper()
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		t.Fatal(err)
	}
	peakMB = float64(use.Maxrss) / 1024 // KB on Linux
	if runtime.GOOS == "darwin" {
		peakMB /= 1024
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano()), peakMB
}

// BenchmarkBackfill30k harvests an archive of 30,000 posts into an empty lake in a folder: parse,
// compare, append. It prints posts per second and the peak memory of the process.
func BenchmarkBackfill30k(b *testing.B) {
	const n = 30_000
	path := archiveFile(b, n)
	b.ResetTimer()
	before, _ := usage(b)
	for b.Loop() {
		h := New(openLake(b, b.TempDir()).Posts, &archive.Source{Paths: []string{path}})
		if got := step(b, h); got != n+1 {
			b.Fatalf("appended %d events", got)
		}
	}
	b.ReportMetric(n*float64(b.N)/b.Elapsed().Seconds(), "posts/s")
	after, peak := usage(b)
	b.ReportMetric(n*float64(b.N)/(after-before).Seconds(), "posts/cpu-s") // what a busy machine tells more of
	b.ReportMetric(peak, "peak-MB")
}

package main

import (
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// benchProducers runs the producers' own benchmarks, each in a process of its own, because the peak of
// its memory is one of the figures. Ratio is to the figure that is asked for.
func benchProducers(t *testing.T) {
	for _, b := range []struct {
		pkg, bench, times string
		figures           map[string]line
	}{
		{"./producers/posts", "BenchmarkBackfill30k", "5x", map[string]line{
			"posts/s":     {Name: "harvest_backfill", Unit: "posts/s", Ratio: 20_000, Than: "20,000 posts/s: parse, compare and append 30,000 posts of an archive file"},
			"posts/cpu-s": {Name: "harvest_backfill_cpu", Unit: "posts/CPU second", Ratio: 10_000, Than: "10,000 posts per CPU second, which on two cores is 20,000 a second"},
			"peak-MB":     {Name: "harvest_backfill_peak", Unit: "MB", Ratio: 200, Than: "200 MB"}}},
		{"./producers/analysis", "BenchmarkRules", "5x", map[string]line{
			"posts/s": {Name: "rules_service", Unit: "posts/s", Ratio: 5_000, Than: "5,000 posts/s: read 10,000 posts from the lake, judge them, append"}}},
		{"./producers/analysis/rules", "BenchmarkAnalyze", "20000x", map[string]line{
			"posts/s": {Name: "rules_alone", Unit: "posts/s", Ratio: 5_000, Than: "5,000 posts/s: the rules on real texts, in one goroutine"}}},
	} {
		out, err := exec.Command("go", "test", b.pkg, "-run", "^$", "-bench", "^"+b.bench+"$", "-benchtime", b.times).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", b.bench, err, out)
		}
		found := 0
		fields := strings.Fields(string(out))
		for i := 1; i < len(fields); i++ {
			l, ok := b.figures[fields[i]]
			if !ok {
				continue
			}
			value, err := strconv.ParseFloat(fields[i-1], 64)
			if err != nil {
				t.Fatalf("%s: %v in %s", b.bench, err, out)
			}
			l.Value, l.Ratio = value, value/l.Ratio
			l.print()
			found++
		}
		if found != len(b.figures) {
			t.Errorf("%s printed %d of %d figures:\n%s", b.bench, found, len(b.figures), out)
		}
	}
}

package projectors

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/market"
	"shitpost-alpha/readmodel"
	"shitpost-alpha/readmodel/readmodeltest"
)

var benchLines = flag.Bool("bench-lines", false, "measure and print JSON lines, as make bench does")

// figure prints one. ratio compares it with a yardstick measured in the same run, 1 being as good.
func figure(name string, value float64, unit string, ratio float64, than string) {
	out, _ := json.Marshal(map[string]any{"name": name, "value": value, "unit": unit, "ratio": ratio, "ratio_to": than})
	fmt.Println(string(out))
}

// benchEvents is how many events the measured lakes hold: a million and, where BENCH_EVENTS says so, as many
// as that too (make bench BENCH_EVENTS=10000000).
func benchEvents(t *testing.T) []int {
	sizes := []int{1_000_000}
	if s := os.Getenv("BENCH_EVENTS"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1000 {
			t.Fatalf("BENCH_EVENTS is %q, want a number of events, at least 1000", s)
		}
		sizes = append(sizes, n)
	}
	return sizes
}

// TestBench prints how fast the read model is built and kept. It asserts nothing about speed.
func TestBench(t *testing.T) {
	if !*benchLines {
		t.Skip("measures only: run by make bench")
	}
	binary := buildProjector(t)
	benchUserSize(t, binary)
	few, url := t.TempDir(), ""
	mixOf(10_000).write(t, few, true)
	url, _ = readmodeltest.Open(t)
	rebuildBy(t, binary, few, url)
	behindFew := apply100(t, few, url)
	figure("apply_100_behind_10000", behindFew*1000, "ms", 1, "the same")
	shown := visible(t, few, url)
	figure("append_to_row", shown*1000, "ms, 95th percentile", shown/0.5, "500 ms")
	for _, n := range benchEvents(t) {
		benchRebuild(t, binary, n, behindFew)
	}
}

func buildProjector(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "projector")
	if out, err := exec.Command("go", "build", "-o", path, "./cmd/projector").CombinedOutput(); err != nil {
		t.Fatalf("build projector: %v\n%s", err, out)
	}
	return path
}

// mix is a lake of posts, predictions of two calls, and bars of all symbols in every commit.
type mix struct{ posts, predictions, symbols, days int }

// mixOf is the mix of n events: a tenth posts, a twentieth predictions, the rest bars.
func mixOf(n int) mix {
	const days = 850
	return mix{posts: n / 10, predictions: n / 20, symbols: max(n*85/100/days, 2), days: days}
}

// write appends the events; every outcome can be evaluated.
func (m mix) write(t *testing.T, folder string, compact bool) {
	t.Helper()
	ctx := context.Background()
	l, err := lake.Open(ctx, folder, lake.Options{Producer: "bench@1"})
	if err != nil {
		t.Fatal(err)
	}
	sessions := market.NYSE().Sessions()[:m.days]
	symbol := func(i int) string {
		if i == 0 {
			return "SPY"
		}
		return fmt.Sprintf("S%05d", i)
	}
	post := func(i int) (string, time.Time) {
		first, last := sessions[10].Open, sessions[m.days-45].Open
		id := postID(first.Add(time.Duration(float64(last.Sub(first)) * float64(i) / float64(m.posts))))
		at, err := event.PublishedAt(id)
		if err != nil {
			t.Fatal(err)
		}
		return id, at
	}
	appendMade(t, l.Posts, m.posts, func(i int) event.Post {
		id, _ := post(i)
		e := observed(id, "archive:bench.csv", fmt.Sprintf("Post %d. TARIFFS are the greatest thing ever invented, and %s is a great company!", i, symbol(i%m.symbols)))
		e.URL = "https://truthsocial.com/@realDonaldTrump/" + id
		return e
	})
	sentiments := []string{event.Bullish, event.Bearish, event.Neutral}
	appendMade(t, l.Predictions, m.predictions, func(i int) event.Prediction {
		id, at := post(i * (m.posts / m.predictions))
		return answer(&event.Post{PostID: id, PublishedAt: at}, "gpt", float64(i%100)/100,
			event.Asset{Symbol: symbol((i * 7) % m.symbols), Sentiment: sentiments[i%3], Rationale: "it was named"},
			event.Asset{Symbol: symbol((i*7 + 1) % m.symbols), Sentiment: sentiments[(i/3)%3], Rationale: "it was named"})
	})
	appendMade(t, l.Prices, m.symbols*m.days, func(i int) event.Price {
		s, d := i%m.symbols, i/m.symbols
		open := 50 + float64((s*7919+d*104729)%10000)/100
		e := bar(symbol(s), sessions[d].Date, "yahoo", open, open*(1+float64((s*31+d*17)%200-100)/2000), sessions[m.days-1].Date, "")
		volume := float64(1_000_000 + i%977)
		e.Volume = &volume
		return e
	})
	if compact {
		compactAll(t, l)
	}
}

func appendMade[E event.Event](t *testing.T, s *lake.Stream[E], n int, make func(i int) E) {
	t.Helper()
	head := int64(-1)
	for from := 0; from < n; from += lake.MaxBatchEvents {
		var batch []E
		for i := from; i < min(from+lake.MaxBatchEvents, n); i++ {
			batch = append(batch, make(i))
		}
		var err error
		if head, err = s.Append(context.Background(), head, batch); err != nil {
			t.Fatal(err)
		}
	}
}

// child is what one run of the projector took.
type childRun struct {
	Build
	seconds float64 // process start to its end
	peakMB  float64 // the most memory that it had at a time
}

func rebuildBy(t *testing.T, binary, folder, url string) (r childRun) {
	t.Helper()
	c := exec.Command(binary, "rebuild", "--json", "--lake", folder, "--database", url)
	var out, said bytes.Buffer
	c.Stdout, c.Stderr = &out, &said
	begun := time.Now()
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	for err := errRunning; errors.Is(err, errRunning); {
		select {
		case err = <-ended:
			if err != nil {
				t.Fatalf("projector rebuild: %v\n%s", err, said.String())
			}
		case <-time.After(20 * time.Millisecond):
			r.peakMB = max(r.peakMB, peakMB(c.Process.Pid))
		}
	}
	r.seconds = time.Since(begun).Seconds()
	if err := json.Unmarshal(out.Bytes(), &r.Build); err != nil {
		t.Fatalf("%v in %s", err, out.String())
	}
	return r
}

var errRunning = errors.New("running")

// peakMB is the most memory that a process had at a time, by Linux's VmHWM; 0 elsewhere. What the kernel says of
// an ended child (ru_maxrss) counts its parent's memory too.
func peakMB(pid int) float64 {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for _, l := range strings.Split(string(status), "\n") {
		if kb, ok := strings.CutPrefix(l, "VmHWM:"); ok {
			n, _ := strconv.ParseFloat(strings.Fields(kb)[0], 64)
			return n / 1024
		}
	}
	return 0
}

// benchRebuild: a rebuild by the projector, from the start of its process to its end, against raw binary COPY of
// the rows of the finished tables into equal empty tables, keys and indexes made afterwards on both sides, over
// one connection each.
// Then 100 new events are applied, with all those behind them.
func benchRebuild(t *testing.T, binary string, events int, behindFew float64) {
	folder := t.TempDir()
	mixOf(events).write(t, folder, true)
	url, db := readmodeltest.Open(t)
	rounds := 5
	if events > 2_000_000 {
		rounds = 1
	}
	var ours, peaks []float64
	var rows float64
	for range rounds {
		r := rebuildBy(t, binary, folder, url)
		ours, peaks, rows = append(ours, r.seconds), append(peaks, r.peakMB), float64(r.Rows)
	}
	behind := apply100(t, folder, url)
	figure(fmt.Sprintf("apply_100_behind_%d", events), behind*1000, "ms", behind/behindFew, "10,000 events behind them")
	took, bare := medianOf(ours), rawCopy(t, db, rounds)
	figure(fmt.Sprintf("rebuild_%d", events), rows/took, "rows/s", bare/took, "raw binary COPY of the finished rows into equal tables, keys and indexes included")
	figure(fmt.Sprintf("rebuild_%d_seconds", events), took, "s, process start to end", bare/took, "the same")
	figure(fmt.Sprintf("rebuild_%d_peak", events), slices.Max(peaks), "MB of process memory", slices.Max(peaks)/512, "512 MB")
}

func medianOf(list []float64) float64 {
	list = slices.Sorted(slices.Values(list))
	return list[len(list)/2]
}

// rawCopy returns the median time of writing what the live tables hold into empty ones.
func rawCopy(t *testing.T, db *pgx.Conn, rounds int) float64 {
	t.Helper()
	ctx := context.Background()
	script := func(sql string) {
		t.Helper()
		if _, err := db.PgConn().Exec(ctx, sql).ReadAll(); err != nil {
			t.Fatalf("%.80s: %v", sql, err)
		}
	}
	dir := t.TempDir()
	for _, table := range readmodel.Tables() {
		f, err := os.Create(filepath.Join(dir, table.Name))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.PgConn().CopyTo(ctx, f, "COPY (SELECT * FROM readmodel."+table.Name+") TO STDOUT (FORMAT binary)"); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	script("DROP SCHEMA readmodel, legacy CASCADE") // makes room for the others
	var took []float64
	for range rounds {
		script("DROP SCHEMA IF EXISTS raw CASCADE")
		begun := time.Now()
		script("BEGIN; CREATE SCHEMA raw; SET LOCAL search_path = raw; SET LOCAL synchronous_commit = off; " + readmodel.TablesSQL())
		for _, table := range readmodel.Tables() {
			f, err := os.Open(filepath.Join(dir, table.Name))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := db.PgConn().CopyFrom(ctx, f, "COPY raw."+table.Name+" FROM STDIN (FORMAT binary)"); err != nil {
				t.Fatal(err)
			}
			f.Close()
		}
		script(readmodel.IndexesSQL())
		for _, table := range readmodel.Tables() {
			script("ANALYZE raw." + table.Name)
		}
		script("COMMIT")
		took = append(took, time.Since(begun).Seconds())
	}
	script("DROP SCHEMA raw CASCADE")
	return medianOf(took)
}

package query

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/objects"
	"shitpost-alpha/lake/objects/s3"
	"shitpost-alpha/lake/objects/s3/s3test"
)

var benchLines = flag.Bool("bench-lines", false, "measure and print JSON lines, as make bench does")

type question struct{ name, ours, bare string }

// questions are five typical queries, and what one would ask DuckDB over the files themselves.
var questions = []question{
	{"count by kind", "SELECT kind, count(*) FROM events_prices GROUP BY kind", "SELECT kind, count(*) FROM {prices} GROUP BY kind"},
	{"volume by month", "SELECT date_trunc('month', occurred_at) AS m, sum(volume) FROM events_prices WHERE occurred_at >= TIMESTAMP '2025-06-01' GROUP BY m",
		"SELECT date_trunc('month', occurred_at::TIMESTAMP) AS m, sum(volume) FROM {prices} WHERE occurred_at >= TIMESTAMPTZ '2025-06-01 00:00:00+00' GROUP BY m"},
	{"one symbol", "SELECT session_date, close FROM events_prices WHERE key = 'S123' ORDER BY session_date", "SELECT session_date, close FROM {prices} WHERE key = 'S123' ORDER BY session_date"},
	{"current closes", "SELECT symbol, max(session_date), avg(close) FROM prices GROUP BY symbol",
		`SELECT symbol, max(session_date), avg(close) FROM (SELECT * FROM {prices} WHERE kind = 'bar_recorded'
			QUALIFY row_number() OVER (PARTITION BY symbol, session_date, interval, source ORDER BY recorded_at DESC, event_id DESC) = 1) GROUP BY symbol`},
	{"posts by source", "SELECT source, count(*), max(published_at), avg(length(text)) FROM events_posts WHERE kind = 'post_observed' GROUP BY source",
		"SELECT source, count(*), max(published_at), avg(length(text)) FROM {posts} WHERE kind = 'post_observed' GROUP BY source"},
}

// TestBench prints how long the five questions take from opening the lake on, and how that compares
// with DuckDB asking the same files: in a folder; in a bucket with an empty cache, against fetching the
// files four at a time and asking then; and with a full cache, against asking the files that lie there.
// DuckDB is told which files there are, lakesql finds out. It asserts nothing about speed.
func TestBench(t *testing.T) {
	if !*benchLines {
		t.Skip("measures only: run by make bench")
	}
	server := s3test.Start(t)
	folder, bucket := objects.NewFolder(t.TempDir()), s3.New(server.Client, server.Bucket, "bench")
	from := lake.New(folder, "bench", lake.Options{Producer: "bench@1"})
	fillBench(t, from)
	if _, err := lake.Copy(t.Context(), from, lake.New(bucket, "bench", lake.Options{Producer: "bench@1"}), nil); err != nil {
		t.Fatal(err)
	}
	full := t.TempDir()
	for _, q := range questions {
		ours := func(store objects.Store, cache string) func() {
			return func() { ask(t, lake.New(store, "bench", lake.Options{CacheDir: cache}), cache, q.ours) }
		}
		ask := func(root func() string) func() { return func() { askBare(t, root(), q.bare) } }
		local := func() string { return folder.Path("") }
		ours(bucket, full)()
		for _, place := range []struct {
			name       string
			ours, bare func() func()
		}{
			{"folder", func() func() { return ours(folder, t.TempDir()) }, func() func() { return ask(local) }},
			{"bucket, cold cache", func() func() { return ours(bucket, t.TempDir()) }, func() func() { return ask(func() string { return download(t, bucket, q.bare) }) }},
			{"bucket, warm cache", func() func() { return ours(bucket, full) }, func() func() { return ask(local) }},
		} {
			var ours, bare [2][]float64
			for range benchRounds {
				for i, x := range cost(place.ours()) {
					ours[i] = append(ours[i], x)
				}
				for i, x := range cost(place.bare()) {
					bare[i] = append(bare[i], x)
				}
			}
			for i, of := range []string{"time", "processor time"} {
				a, b := median(ours[i]), median(bare[i])
				line, _ := json.Marshal(map[string]any{"name": "lakesql " + q.name + ", " + place.name + ", " + of, "value": a, "unit": "ms",
					"ratio": a / b, "ratio_to": "DuckDB on the bare files"})
				fmt.Println(string(line))
			}
		}
	}
}

const benchRounds = 5

// cost returns how many ms f takes, and how many of the processors: the latter hardly depends on what
// else the machine does.
func cost(f func()) [2]float64 {
	processor := func() time.Duration {
		var r syscall.Rusage
		_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r)
		return time.Duration(r.Utime.Nano() + r.Stime.Nano())
	}
	start, before := time.Now(), processor()
	f()
	return [2]float64{float64(time.Since(start)) / 1e6, float64(processor()-before) / 1e6}
}

func median(x []float64) float64 {
	slices.Sort(x)
	return x[len(x)/2]
}

func ask(t *testing.T, l *lake.Lake, dir, statement string) {
	db, err := Open(t.Context(), l, Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if n, err := db.Write(t.Context(), io.Discard, statement, Output{Format: "csv"}); err != nil || n == 0 {
		t.Fatalf("%s: %d rows, %v", statement, n, err)
	}
}

func askBare(t *testing.T, root, statement string) {
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	askBareOn(t, db, root, statement)
}

func askBareOn(t *testing.T, db *sql.DB, root, statement string) {
	for _, s := range []string{"posts", "prices"} {
		statement = strings.ReplaceAll(statement, "{"+s+"}", "read_parquet("+quote(filepath.Join(root, s, "*.parquet"))+")")
	}
	rows, err := db.QueryContext(t.Context(), statement)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := each(context.Background(), rows, len(columns), func([]any) error { return nil }); err != nil {
		t.Fatal(err)
	}
}

// download fetches the files that the statement reads, four at a time.
func download(t *testing.T, store objects.Store, statement string) string {
	root := t.TempDir()
	var g errgroup.Group
	g.SetLimit(4)
	for _, s := range []string{"posts", "prices"} {
		if !strings.Contains(statement, "{"+s+"}") {
			continue
		}
		for info, err := range store.List(t.Context(), s+"/", "") {
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasSuffix(info.Key, ".parquet") || strings.Contains(info.Key, "_delta_log") {
				continue
			}
			g.Go(func() error {
				data, _, err := store.Get(t.Context(), info.Key)
				path := filepath.Join(root, filepath.FromSlash(info.Key))
				return errors.Join(err, os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, data, 0o644))
			})
		}
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	return root
}

// fillBench makes a million bars and 100,000 posts in commits of 50,000.
func fillBench(t *testing.T, l *lake.Lake) {
	head, at := int64(-1), int64(-1)
	for part := range 20 {
		bars := make([]event.Price, lake.MaxBatchEvents)
		for i := range bars {
			n := part*len(bars) + i
			day := event.NewDate(2023, time.January, 1+n/500)
			price, volume := 100+float64(n%977)/10, float64(n)
			bars[i] = event.Price{Envelope: event.Envelope{Kind: event.BarRecorded, Key: fmt.Sprintf("S%03d", n%500), Source: "simulator", OccurredAt: day.Time().Add(21 * time.Hour)},
				Symbol: fmt.Sprintf("S%03d", n%500), SessionDate: day, Interval: "1d", Open: &price, High: &price, Low: &price, Close: &price, Volume: &volume,
				Adjustment: event.AdjustedSplit, AdjustedThrough: day, FetchID: "bench"}
			event.Seal(&bars[i], "")
		}
		var err error
		if head, err = l.Prices.Append(t.Context(), head, bars); err != nil {
			t.Fatal(err)
		}
		if part > 1 {
			continue
		}
		posts := make([]event.Post, lake.MaxBatchEvents)
		for i := range posts {
			id := fmt.Sprint((1_700_000_000_000+int64(part*len(posts)+i)*60_000)<<16 | int64(i))
			published, err := event.PublishedAt(id)
			if err != nil {
				t.Fatal(err)
			}
			posts[i] = event.Post{Envelope: event.Envelope{Kind: event.PostObserved, Key: id, Source: fmt.Sprint("archive:", i%3), OccurredAt: published},
				PostID: id, PublishedAt: published, Text: strings.Repeat(fmt.Sprint("word ", i, " "), 1+i%20)}
			posts[i].SetPayload([]byte(`{"text":"` + posts[i].Text + `"}`))
			event.Seal(&posts[i], "")
		}
		if at, err = l.Posts.Append(t.Context(), at, posts); err != nil {
			t.Fatal(err)
		}
	}
}

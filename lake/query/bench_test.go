package query

import (
	"context"
	"database/sql"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/objects"
	"shitpost-alpha/lake/objects/s3"
	"shitpost-alpha/lake/objects/s3/s3test"
)

var benchLines = flag.Bool("bench-lines", false, "measure and print JSON lines")

// questions are five typical queries, and what one would ask DuckDB over the files themselves.
var questions = []struct{ name, ours, bare string }{
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

// TestBenchQueries prints, as JSON lines, how long the five questions take from opening the lake on and
// how that compares with DuckDB on the same files: in a folder, in a bucket with an empty cache (against
// fetching the files and asking then) and with a full one. It asserts nothing about speed.
func TestBenchQueries(t *testing.T) {
	if !*benchLines {
		t.Skip("measures only: run with -bench-lines")
	}
	server := s3test.Start(t)
	folder, bucket := objects.NewFolder(t.TempDir()), s3.New(server.Client, server.Bucket, "bench")
	for _, store := range []objects.Store{folder, bucket} {
		fillBench(t, lake.New(store, "bench", lake.Options{Producer: "bench@1"}))
	}
	full := t.TempDir()
	for _, q := range questions {
		var ours, bare [3][]float64
		for range 5 {
			for i, place := range []struct {
				store objects.Store
				cache string
			}{{folder, t.TempDir()}, {bucket, t.TempDir()}, {bucket, full}} {
				ours[i] = append(ours[i], seconds(func() {
					ask(t, lake.New(place.store, "bench", lake.Options{CacheDir: place.cache}), place.cache, q.ours)
				}))
			}
			bare[0] = append(bare[0], seconds(func() { askBare(t, folder.Path(""), q.bare) }))
			bare[2] = bare[0]
			bare[1] = append(bare[1], seconds(func() { askBare(t, download(t, bucket, q.bare), q.bare) }))
		}
		for i, name := range []string{"folder", "bucket, cold cache", "bucket, warm cache"} {
			a, b := median(ours[i]), median(bare[i])
			line, _ := json.Marshal(map[string]any{"name": "lakesql " + q.name + " (" + name + ")", "value": a, "unit": "s", "ratio": a / b, "ratio_to": "DuckDB on the files, time over time"})
			fmt.Println(string(line))
		}
	}
}

func seconds(f func()) float64 {
	start := time.Now()
	f()
	return time.Since(start).Seconds()
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

// download fetches the files that the statement reads, one after the other.
func download(t *testing.T, store objects.Store, statement string) string {
	root := t.TempDir()
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
			data, _, err := store.Get(t.Context(), info.Key)
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(root, filepath.FromSlash(info.Key))
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	return root
}

// fillBench makes 500,000 bars and 100,000 posts in commits of 50,000.
func fillBench(t *testing.T, l *lake.Lake) {
	head, at := int64(-1), int64(-1)
	for part := range 10 {
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

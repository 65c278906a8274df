package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/parquet-go/parquet-go"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/objects"
	"shitpost-alpha/projectors"
	"shitpost-alpha/readmodel"
	"shitpost-alpha/readmodel/readmodeltest"
)

var benchLines = flag.Bool("bench-lines", false, "measure and print JSON lines, as make bench does")

// line is one figure. Ratio compares it with a yardstick measured in the same run, 1 being as fast.
type line struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
	Ratio float64 `json:"ratio"`
	Than  string  `json:"ratio_to"`
}

func (l line) print() {
	out, _ := json.Marshal(l)
	fmt.Fprintln(os.Stdout, string(out))
}

const (
	benchRounds  = 5
	benchSymbols = 100
	benchDays    = 500 // bars of a symbol: 50,000 events, the largest batch
)

// TestBench asserts nothing about speed: figures on a shared machine are to be read, not enforced.
func TestBench(t *testing.T) {
	if !*benchLines {
		t.Skip("measures only: run by make bench")
	}
	benchAppend(t)
	benchScan(t)
	benchRebuild(t)
	benchProducers(t)
}

func benchBars(symbols, days int) []event.Price {
	out := make([]event.Price, 0, symbols*days)
	for s := range symbols {
		for d := range days {
			open := 50 + float64((s*7919+d*104729)%10000)/100
			shut, vol := open*1.01, float64(1_000_000+d)
			high, low := shut*1.01, open*0.99
			day := event.NewDate(2024, time.January, 1+d)
			symbol := fmt.Sprintf("S%03d", s)
			p := event.Price{Envelope: event.Envelope{Kind: event.BarRecorded, Key: symbol, Source: "simulator", OccurredAt: day.Time().Add(21 * time.Hour), Synthetic: true},
				Symbol: symbol, SessionDate: day, Interval: "1d", Open: &open, High: &high, Low: &low, Close: &shut, Volume: &vol,
				Currency: "USD", Adjustment: event.AdjustedSplit, AdjustedThrough: day, FetchID: "bench", FetchedAt: day.Time()}
			event.Seal(&p, "")
			out = append(out, p)
		}
	}
	return out
}

// median of the durations of rounds, in seconds.
func median(t *testing.T, f func(round int) time.Duration) float64 {
	t.Helper()
	var all []float64
	for i := range benchRounds {
		all = append(all, f(i).Seconds())
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// benchAppend: a batch of 50,000 events through Append, against a bare parquet-go write of the same
// rows put into the same store.
func benchAppend(t *testing.T) {
	bars := benchBars(benchSymbols, benchDays)
	dir := t.TempDir()
	bare := median(t, func(i int) time.Duration {
		start := time.Now()
		var b bytes.Buffer
		w := parquet.NewGenericWriter[event.Price](&b, parquet.DataPageVersion(1), parquet.Compression(&parquet.Zstd))
		if _, err := w.Write(bars); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := objects.NewFolder(dir).Put(t.Context(), fmt.Sprint("bare/", i), b.Bytes(), objects.Always()); err != nil {
			t.Fatal(err)
		}
		return time.Since(start)
	})
	l, err := lake.Open(t.Context(), dir, lake.Options{})
	if err != nil {
		t.Fatal(err)
	}
	version := int64(-1)
	ours := median(t, func(int) time.Duration {
		start := time.Now()
		if version, err = l.Prices.Append(t.Context(), version, bars); err != nil {
			t.Fatal(err)
		}
		return time.Since(start)
	})
	line{"append", float64(len(bars)) / ours, "events/s", bare / ours, "bare parquet-go write of the same rows to the same folder"}.print()
}

// benchScan: a snapshot of 200,000 events in four files, against reading the same files with parquet-go.
func benchScan(t *testing.T) {
	bars := benchBars(benchSymbols, benchDays)
	dir := t.TempDir()
	l, err := lake.Open(t.Context(), dir, lake.Options{})
	if err != nil {
		t.Fatal(err)
	}
	version := int64(-1)
	for range 4 {
		if version, err = l.Prices.Append(t.Context(), version, bars); err != nil {
			t.Fatal(err)
		}
	}
	snap, err := l.Prices.Snapshot(t.Context(), -1)
	if err != nil {
		t.Fatal(err)
	}
	files, err := snap.LocalFiles(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	files = files[:len(snap.Files)] // the last is an empty one, for its columns
	bare := median(t, func(int) time.Duration {
		start := time.Now()
		for _, f := range files {
			if rows, err := parquet.ReadFile[event.Price](f); err != nil || len(rows) != len(bars) {
				t.Fatal(len(rows), err)
			}
		}
		return time.Since(start)
	})
	ours := median(t, func(int) time.Duration {
		start := time.Now()
		n := 0
		for events, err := range snap.Batches(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			n += len(events)
		}
		if n != 4*len(bars) {
			t.Fatal(n)
		}
		return time.Since(start)
	})
	line{"scan", 4 * float64(len(bars)) / ours, "events/s", bare / ours, "parquet-go reading the same files one after the other"}.print()
}

// benchRebuild: a rebuild from the lake of the simulator's last 365 days, against raw binary COPY of the
// rows of the finished tables into equal empty tables, indexes included on both sides.
func benchRebuild(t *testing.T) {
	databaseURL, conn := readmodeltest.Open(t)
	dir := t.TempDir()
	alphaDemo(t, "--dir", dir, "--database", databaseURL, "--days", "365")
	l, err := lake.Open(t.Context(), dir+"/lake", lake.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	p := projectors.New(projectors.Options{Lake: l, DatabaseURL: databaseURL})
	var rows int64
	ours := median(t, func(int) time.Duration {
		start := time.Now()
		b, err := p.Rebuild(t.Context(), false)
		if err != nil {
			t.Fatal(err)
		}
		rows = b.Rows
		return time.Since(start)
	})
	bare := rawCopy(t, conn)
	line{"rebuild", float64(rows) / ours, "rows/s", bare / ours, "raw binary COPY of the finished rows, indexes included"}.print()
}

// tableNames leaves out the partitions of tables: their rows are copied and indexed with the whole.
func tableNames() []string {
	var names []string
	for _, table := range readmodel.Tables() {
		names = append(names, table.Name)
	}
	return names
}

func rawCopy(t *testing.T, conn *pgx.Conn) float64 {
	t.Helper()
	exec := func(sql string) {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	data := map[string][]byte{}
	for _, table := range readmodel.Tables() {
		var b bytes.Buffer
		if _, err := conn.PgConn().CopyTo(t.Context(), &b, "COPY (SELECT * FROM readmodel."+table.Name+") TO STDOUT (FORMAT binary)"); err != nil {
			t.Fatal(err)
		}
		data[table.Name] = b.Bytes()
	}
	indexes, err := conn.Query(t.Context(), `SELECT replace(replace(indexdef, ' ON ONLY readmodel.', ' ON raw.'), ' ON readmodel.', ' ON raw.')
		FROM pg_indexes WHERE schemaname = 'readmodel' AND tablename = ANY($1)`, tableNames())
	if err != nil {
		t.Fatal(err)
	}
	statements, err := pgx.CollectRows(indexes, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return median(t, func(int) time.Duration {
		exec("DROP SCHEMA IF EXISTS raw CASCADE; CREATE SCHEMA raw")
		start := time.Now()
		for _, table := range readmodel.Tables() {
			exec("CREATE TABLE raw." + table.Name + " (LIKE readmodel." + table.Name + ")")
			if _, err := conn.PgConn().CopyFrom(t.Context(), bytes.NewReader(data[table.Name]), "COPY raw."+table.Name+" FROM STDIN (FORMAT binary)"); err != nil {
				t.Fatal(err)
			}
		}
		for _, s := range statements {
			exec(s)
		}
		exec("ANALYZE")
		return time.Since(start)
	})
}

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

	"github.com/parquet-go/parquet-go"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/objects"
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

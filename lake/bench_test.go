package lake

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/objects"
	"shitpost-alpha/lake/objects/s3"
	"shitpost-alpha/lake/objects/s3/s3test"
)

var benchLines = flag.Bool("bench-lines", false, "measure and print JSON lines, as make bench does")

// benchLine is one figure. Ratio compares it with a yardstick of the same run; 0 where there is none.
type benchLine struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
	Ratio float64 `json:"ratio,omitempty"`
	Than  string  `json:"ratio_to,omitempty"`
}

func (l benchLine) print() {
	out, _ := json.Marshal(l)
	fmt.Fprintln(os.Stdout, string(out))
}

const benchRounds = 5

// TestBench asserts nothing about speed: figures of a shared machine are to be read, not enforced.
func TestBench(t *testing.T) {
	if !*benchLines {
		t.Skip("measures only: run by make bench")
	}
	t.Run("append", benchAppend)
	t.Run("writers", benchWriters)
	t.Run("visible", benchVisible)
	t.Run("compaction", benchCompaction)
}

// medians runs the two by turns, so that both have the same weather, and returns the median of each.
func medians(ours, theirs func(round int) float64) (float64, float64) {
	var a, b []float64
	for i := range benchRounds {
		b = append(b, theirs(i))
		a = append(a, ours(i))
	}
	slices.Sort(a)
	slices.Sort(b)
	return a[benchRounds/2], b[benchRounds/2]
}

// benchBars returns n sealed bars.
func benchBars(n int) []event.Price {
	out := make([]event.Price, 0, n)
	for i := range n {
		s, d := i/500, i%500
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
	return out
}

// asWritten returns the bars as an append has written them: recorded_at differs from row to row and
// so compresses worse than the zeros of a draft.
func asWritten(t testing.TB, bars []event.Price) []event.Price {
	t.Helper()
	l := open(t, &objects.Memory{})
	if _, err := l.Prices.Append(t.Context(), -1, bars); err != nil {
		t.Fatal(err)
	}
	c, err := l.Prices.Read(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	return c.Events
}

func bareWrite(t testing.TB, store objects.Store, key string, rows []event.Price) {
	t.Helper()
	var b bytes.Buffer
	w := parquet.NewGenericWriter[event.Price](&b, parquet.DataPageVersion(1), parquet.Compression(&parquet.Zstd))
	if _, err := w.Write(rows); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Put(t.Context(), key, b.Bytes(), objects.Always()); err != nil {
		t.Fatal(err)
	}
}

// benchAppend: the largest batch through Append, against a bare parquet-go write of the same rows.
func benchAppend(t *testing.T) {
	bars := benchBars(MaxBatchEvents)
	rows := asWritten(t, bars)
	server := s3test.Start(t)
	for name, store := range map[string]objects.Store{"folder": objects.NewFolder(t.TempDir()), "versitygw": s3.New(server.Client, server.Bucket, "bench")} {
		l := open(t, store)
		version := int64(-1)
		ours, bare := medians(func(int) float64 {
			start := time.Now()
			var err error
			if version, err = l.Prices.Append(t.Context(), version, bars); err != nil {
				t.Fatal(err)
			}
			return time.Since(start).Seconds()
		}, func(i int) float64 {
			start := time.Now()
			bareWrite(t, store, fmt.Sprint("bare/", i), rows)
			return time.Since(start).Seconds()
		})
		benchLine{"append_50k_" + name, MaxBatchEvents / ours, "events/s", bare / ours, "bare parquet-go write of the same rows to the same store"}.print()
	}
}

const benchFor = 2 * time.Second

// contend lets so many writers, each a process of its own, commit to one stream for a while, and
// returns how many commits each made.
func contend(t *testing.T, store objects.Store, writers int, newWriter func(*testing.T, objects.Store) writer) []int {
	t.Helper()
	commits := make([]int, writers)
	all := make([]writer, writers)
	for w := range all {
		all[w] = newWriter(t, store)
		if err := all[w](t.Context(), bar(fmt.Sprint("FIRST", w), 1, 1)); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), benchFor)
	defer cancel()
	var wg sync.WaitGroup
	for w, commit := range all {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				if err := commit(ctx, bar(fmt.Sprintf("W%d-%d", w, i), 1, 1)); err == nil {
					commits[w]++
				} else if ctx.Err() == nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	return commits
}

// writer makes one commit of one event.
type writer func(context.Context, event.Price) error

// recording decides by what it knows of all subjects; appending only has its event behind all others.
func recording(_ *testing.T, store objects.Store) writer {
	r := recorderOn(store)
	return func(ctx context.Context, e event.Price) error {
		_, err := r.Record(ctx, func() ([]event.Price, error) { return []event.Price{e}, nil })
		return err
	}
}

func appending(_ *testing.T, store objects.Store) writer {
	s := New(store, "bench", Options{Producer: "bench@1"}).Prices
	return func(ctx context.Context, e event.Price) error {
		event.Seal(&e, "")
		for {
			head, err := s.Turn(ctx)
			if err != nil {
				return err
			}
			if _, err = s.Append(ctx, head, []event.Price{e}); !errors.Is(err, ErrConflict) {
				return err
			}
		}
	}
}

func sum(xs []int) (n int) {
	for _, x := range xs {
		n += x
	}
	return n
}

// barePairs counts the pairs of puts that one client makes of objects as large as a commit's.
func barePairs(t *testing.T, store objects.Store, prefix string, data []byte) int {
	t.Helper()
	n := 0
	for start := time.Now(); time.Since(start) < benchFor; n++ {
		if _, err := store.Put(t.Context(), fmt.Sprintf("%s/%d.parquet", prefix, n), data, objects.Always()); err != nil {
			t.Fatal(err)
		}
		if _, err := store.Put(t.Context(), fmt.Sprintf("%s/_delta_log/%d.json", prefix, n), data[:min(len(data), 900)], objects.IfAbsent()); err != nil {
			t.Fatal(err)
		}
	}
	return n
}

// benchWriters: one writer against bare pairs of puts, and eight against one; once with writers that
// know all subjects, and once with writers that only append.
func benchWriters(t *testing.T) {
	server := s3test.Start(t)
	at := func(kind string, round int) objects.Store {
		return s3.New(server.Client, server.Bucket, fmt.Sprint(kind, round))
	}
	data, err := encode([]event.Price{bar("A", 1, 1)})
	if err != nil {
		t.Fatal(err)
	}
	for name, newWriter := range map[string]func(*testing.T, objects.Store) writer{"record": recording, "append": appending} {
		one, pairs := medians(func(i int) float64 { return float64(sum(contend(t, at(name+"-one", i), 1, newWriter))) },
			func(i int) float64 { return float64(barePairs(t, at(name+"-pairs", i), "p", data)) })
		benchLine{name + "_one_writer", one / benchFor.Seconds(), "commits/s", one / pairs, "bare pairs of puts to the same versitygw"}.print()
		var shares []float64
		eight, single := medians(func(i int) float64 {
			commits := contend(t, at(name+"-eight", i), 8, newWriter)
			shares = append(shares, float64(slices.Min(commits))*8/float64(sum(commits)))
			return float64(sum(commits))
		}, func(i int) float64 { return float64(sum(contend(t, at(name+"-single", i), 1, newWriter))) })
		benchLine{name + "_eight_writers", eight / benchFor.Seconds(), "commits/s", eight / single, "one writer on the same versitygw"}.print()
		slices.Sort(shares)
		benchLine{name + "_smallest_share_of_eight", shares[len(shares)/2], "fair shares", shares[0], "the worst round"}.print()
	}
}

// benchVisible: from the call of an append to the event at a tailing reader, in one process and
// through versitygw.
func benchVisible(t *testing.T) {
	server := s3test.Start(t)
	memory, bucket := &objects.Memory{}, s3.New(server.Client, server.Bucket, "tail")
	inProcess := New(memory, "bench", Options{Poll: time.Hour})
	inFolder := New(objects.NewFolder(t.TempDir()), "bench", Options{Poll: time.Hour})
	for _, c := range []struct {
		name           string
		writer, reader *Lake
	}{
		{"visible_in_process_memory", inProcess, inProcess},
		{"visible_in_process_folder", inFolder, inFolder},
		{"visible_versitygw_poll_100ms", New(bucket, "bench", Options{}), New(bucket, "bench", Options{Poll: 100 * time.Millisecond})},
	} {
		benchLine{Name: c.name, Value: 1000 * visible(t, c.writer, c.reader), Unit: "ms, p95"}.print()
	}
}

func visible(t *testing.T, writer, reader *Lake) (p95 float64) {
	t.Helper()
	const commits = 100
	r := NewRecorder(writer.Prices, nil)
	record(t, r, bar("FIRST", 1, 1))
	f := Follow(reader.Prices, View[event.Price](&collector{}))
	if _, err := f.CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	var all []float64
	for i := range commits {
		seen := make(chan time.Time, 1)
		go func() {
			for n := 0; n == 0; {
				if err := f.Wait(t.Context()); err != nil {
					t.Error(err)
					break
				}
				var err error
				if n, err = f.CatchUp(t.Context()); err != nil {
					t.Error(err)
					break
				}
			}
			seen <- time.Now()
		}()
		start := time.Now()
		record(t, r, bar(fmt.Sprint("S", i), 1, 1))
		all = append(all, (<-seen).Sub(start).Seconds())
	}
	slices.Sort(all)
	return all[commits*95/100]
}

func BenchmarkAppend50k(b *testing.B) {
	bars := benchBars(MaxBatchEvents)
	l := open(b, objects.NewFolder(b.TempDir()))
	version := int64(-1)
	for b.Loop() {
		var err error
		if version, err = l.Prices.Append(b.Context(), version, bars); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*MaxBatchEvents/b.Elapsed().Seconds(), "events/s")
}

func BenchmarkBareWrite50k(b *testing.B) {
	rows := asWritten(b, benchBars(MaxBatchEvents))
	store := objects.NewFolder(b.TempDir())
	for i := 0; b.Loop(); i++ {
		bareWrite(b, store, fmt.Sprint("bare/", i), rows)
	}
	b.ReportMetric(float64(b.N)*MaxBatchEvents/b.Elapsed().Seconds(), "events/s")
}

func BenchmarkAppendOne(b *testing.B) {
	l := open(b, &objects.Memory{})
	version := int64(-1)
	for i := 0; b.Loop(); i++ {
		e := bar(fmt.Sprint("S", i), 1, 1)
		event.Seal(&e, "")
		var err error
		if version, err = l.Prices.Append(b.Context(), version, []event.Price{e}); err != nil {
			b.Fatal(err)
		}
	}
}

// TestOptionalFieldsFitTheirBits: filled has 64 bits for the optional columns of a struct.
func TestOptionalFieldsFitTheirBits(t *testing.T) {
	for _, typ := range []reflect.Type{reflect.TypeFor[event.Post](), reflect.TypeFor[event.Price]()} {
		if n := len(optionalFields(typ, nil)); n < 10 || n > 64 {
			t.Errorf("%s has %d optional columns", typ, n)
		}
	}
}

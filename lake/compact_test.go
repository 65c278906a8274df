package lake

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"shitpost-alpha/lake/delta"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/objects"
	"shitpost-alpha/lake/objects/s3"
	"shitpost-alpha/lake/objects/s3/s3test"
)

// small appends n commits of one bar each.
func small(t testing.TB, s *Stream[event.Price], n int) {
	t.Helper()
	r := NewRecorder(s, nil)
	for i := range n {
		if _, err := r.Record(t.Context(), func() ([]event.Price, error) { return []event.Price{bar(fmt.Sprint("S", (7*i)%5), i+1, 10)}, nil }); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCompaction(t *testing.T) {
	server := s3test.Start(t)
	for name, store := range map[string]objects.Store{
		"memory": &objects.Memory{}, "folder": objects.NewFolder(t.TempDir()), "s3": s3.New(server.Client, server.Bucket, "compact"),
	} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			l := New(store, "test", Options{Producer: "test@1"})
			small(t, l.Prices, 40)
			before := everything(t, open(t, store).Prices)
			tailing := &counter{}
			tail := Follow(open(t, store).Prices, View[event.Price](tailing))
			if _, err := tail.CatchUp(ctx); err != nil {
				t.Fatal(err)
			}
			rounds, err := l.Maintain(ctx, MaintainOptions{CheckpointEvery: 10})
			if err != nil {
				t.Fatal(err)
			}
			c := rounds[2].Compaction
			if c.FilesIn != 40 || c.FilesOut != 1 || c.Rows != 40 || c.Version != 41 || rounds[2].Checkpoint != 41 {
				t.Errorf("maintained: %+v", rounds[2])
			}
			small(t, l.Prices, 41) // one new fact
			if _, err := tail.CatchUp(ctx); err != nil {
				t.Fatal(err)
			}
			after := everything(t, open(t, store).Prices)
			tailing.once(t, after)
			if len(after) != 41 || tailing.resets != 1 {
				t.Errorf("%d events, %d resets of the tailing reader", len(after), tailing.resets)
			}
			for id, e := range before {
				if got, want := after[id], e; !got.RecordedAt.Equal(want.RecordedAt) || got.BatchID != want.BatchID || *got.Close != *want.Close {
					t.Errorf("event %s changed: %+v, was %+v", id, got, want)
				}
			}
			snap, err := open(t, store).Prices.Snapshot(ctx, 41)
			if err != nil || len(snap.Files) != 1 || snap.Files[0].Tags[tagSorted] != sortedBy {
				t.Fatalf("snapshot: %+v, %v", snap, err)
			}
			for events, err := range snap.Batches(ctx) {
				if err != nil || !slices.IsSortedFunc(events, func(a, b event.Price) int { return Compare(&a, &b) }) {
					t.Errorf("the compacted file is not sorted (%v)", err)
				}
			}
			if v := clean(t, open(t, store).Prices); v.Retired != 40 || len(v.Orphans) != 0 || v.Files != 2 {
				t.Errorf("verify: %+v", v)
			}
			if again, err := l.Prices.Compact(ctx, CompactOptions{MinFiles: 3}); err != nil || again.Commits != 0 {
				t.Errorf("two files compacted though three were asked for: %+v, %v", again, err)
			}
		})
	}
}

func TestCompactionMergesRunsAndSplitsFiles(t *testing.T) {
	ctx := t.Context()
	s := open(t, &objects.Memory{}).Prices
	small(t, s, 60)
	state, err := s.table.At(ctx, -1)
	if err != nil {
		t.Fatal(err)
	}
	// Every file becomes a run of its own, all but the last encoded.
	runs, before, err := s.sortedRuns(ctx, state.Live(), 1)
	if err != nil || len(runs) != 60 {
		t.Fatal(len(runs), err)
	}
	w := &fileWriter[event.Price]{stream: s, target: 1, hash: newRowHasher[event.Price]()}
	if err := merge(ctx, runs, w); err != nil {
		t.Fatal(err)
	}
	if w.written != before {
		t.Errorf("merged %+v, read %+v", w.written, before)
	}
	var last *event.Price
	for _, f := range w.files {
		events, err := s.readFile(ctx, f)
		if err != nil {
			t.Fatal(err)
		}
		for i := range events {
			if last != nil && Compare(last, &events[i]) > 0 {
				t.Error("the merged files are not one sorted run")
			}
			last = &events[i]
		}
	}
}

func TestGroups(t *testing.T) {
	files := func(n int, size int64) (out []*delta.Add) {
		for range n {
			out = append(out, &delta.Add{Size: size})
		}
		return out
	}
	for _, c := range []struct {
		files []*delta.Add
		want  string
	}{
		{nil, "[]"}, {files(1, 5), "[]"}, {files(2, 5), "[2]"}, {files(2500, 5), "[1000 1000 500]"}, {files(1001, 5), "[1000]"},
		{files(5, 20<<20), "[2 2]"}, {files(3, 47<<20), "[]"},
	} {
		var sizes []int
		for _, g := range groups(c.files) {
			sizes = append(sizes, len(g))
		}
		if got := fmt.Sprint(sizes); got != c.want {
			t.Errorf("%d files: groups of %s, want %s", len(c.files), got, c.want)
		}
	}
}

func TestFingerprintNoticesEveryColumn(t *testing.T) {
	h := newRowHasher[event.Price]()
	of := func(events ...event.Price) (f fingerprint) {
		for i := range events {
			h.add(&f, &events[i])
		}
		return f
	}
	a, b := bar("A", 1, 10), bar("B", 2, 20)
	if of(a, b) != of(b, a) {
		t.Error("it depends on the order")
	}
	for name, change := range map[string]func(*event.Price){
		"close": func(p *event.Price) { c := 10.5; p.Close = &c }, "null": func(p *event.Price) { p.Close = nil },
		"list": func(p *event.Price) { p.AskedSources = []string{"x"} }, "date": func(p *event.Price) { p.AdjustedThrough++ },
		"batch": func(p *event.Price) { p.BatchID = "b" }, "time": func(p *event.Price) { p.RecordedAt = p.RecordedAt.Add(time.Microsecond) },
		"payload": func(p *event.Price) { p.Payload = "p" },
	} {
		changed := a
		change(&changed)
		if of(a, b) == of(changed, b) || of(a) == of(a, a) {
			t.Errorf("another %s, or a row twice, goes unnoticed", name)
		}
	}
}

func TestTwoCompactionsAtOnce(t *testing.T) {
	store := objects.NewFolder(t.TempDir())
	small(t, open(t, store).Prices, 30)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if _, err := open(t, store).Prices.Compact(t.Context(), CompactOptions{}); err != nil && !errors.Is(err, ErrConflict) {
				t.Error(err)
			}
		})
	}
	wg.Go(func() { small(t, open(t, store).Prices, 35) }) // five new facts beside them
	wg.Wait()
	if v := clean(t, open(t, store).Prices); v.Rows != 35 || v.Duplicates != 0 {
		t.Errorf("verify: %+v", v)
	}
}

func TestCompactionRefusesColumnsItWouldLose(t *testing.T) {
	store := &objects.Memory{}
	l := open(t, store)
	small(t, l.Prices, 3)
	table := delta.NewTable(store, event.Prices)
	state, err := table.At(t.Context(), -1)
	if err != nil {
		t.Fatal(err)
	}
	meta := state.MetaData
	meta.SchemaString = meta.SchemaString[:len(meta.SchemaString)-2] + `,{"name":"newer","type":"string","nullable":true,"metadata":{}}]}`
	if err := table.Commit(t.Context(), 4, []delta.Action{{CommitInfo: &delta.CommitInfo{TxnID: "newer"}}, {MetaData: &meta}}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Prices.Compact(t.Context(), CompactOptions{}); !errors.Is(err, ErrSchemaDrift) {
		t.Errorf("compact: %v, want ErrSchemaDrift", err)
	}
	small(t, l.Prices, 4) // an append does not care
}

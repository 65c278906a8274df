package lake

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"shitpost-alpha/lake/delta"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/objects"
	"shitpost-alpha/lake/objects/s3"
	"shitpost-alpha/lake/objects/s3/s3test"
)

// counting counts the requests that reach a store.
type counting struct {
	objects.Store
	mu       sync.Mutex
	requests []string
}

func (c *counting) note(verb, key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests = append(c.requests, verb+" "+key)
}

func (c *counting) Get(ctx context.Context, key string) ([]byte, objects.Info, error) {
	c.note("GET", key)
	return c.Store.Get(ctx, key)
}

func (c *counting) Put(ctx context.Context, key string, data []byte, cond objects.Condition) (objects.Info, error) {
	c.note("PUT", key)
	return c.Store.Put(ctx, key, data, cond)
}

func record(t *testing.T, r *Recorder[event.Price], drafts ...event.Price) int {
	t.Helper()
	n, err := r.Record(t.Context(), func() ([]event.Price, error) { return drafts, nil })
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func everything(t *testing.T, s *Stream[event.Price]) map[string]event.Price {
	t.Helper()
	c := &collector{}
	if _, err := Follow(s, View[event.Price](c)).CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c.seen
}

func TestUncontendedAppendMakesTwoPuts(t *testing.T) {
	store := &counting{Store: &objects.Memory{}}
	r := NewRecorder(open(t, store).Prices, nil)
	record(t, r, bar("AAPL", 1, 100))
	stream := r.stream
	head, err := stream.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	e := bar("AAPL", 2, 101)
	event.Seal(&e, "")
	store.requests = nil
	if _, err := stream.Append(t.Context(), head, []event.Price{e}); err != nil {
		t.Fatal(err)
	}
	if len(store.requests) != 2 || !strings.HasSuffix(store.requests[0], ".parquet") || store.requests[1] != "PUT prices/_delta_log/00000000000000000002.json" {
		t.Errorf("an append made these requests: %q; want the data file and the commit", store.requests)
	}
}

func TestManyWritersRecordEveryFactOnce(t *testing.T) {
	server := s3test.Start(t)
	for name, store := range map[string]objects.Store{
		"memory": &objects.Memory{}, "folder": objects.NewFolder(t.TempDir()), "s3": s3.New(server.Client, server.Bucket, "many"),
	} {
		t.Run(name, func(t *testing.T) {
			var wg sync.WaitGroup
			var mu sync.Mutex
			total := 0
			for range 4 {
				wg.Go(func() {
					// Each with a lake of its own, as separate processes have; all find the same facts.
					r := NewRecorder(open(t, store).Prices, nil)
					for day := 1; day <= 12; day++ {
						n, err := r.Record(t.Context(), func() ([]event.Price, error) {
							return []event.Price{bar("AAPL", day, 100+float64(day)), bar("MSFT", day, 200+float64(day))}, nil
						})
						if err != nil {
							t.Errorf("record day %d: %v", day, err)
						}
						mu.Lock()
						total += n
						mu.Unlock()
					}
				})
			}
			wg.Wait()
			if got := everything(t, open(t, store).Prices); total != 24 || len(got) != 24 {
				t.Errorf("%d appended, %d distinct events; want 24 of both", total, len(got))
			}
			v, err := open(t, store).Prices.Verify(t.Context(), nil)
			if err != nil || !v.OK() || v.Duplicates != 0 || v.Rows != 24 {
				t.Errorf("verify: %+v, %v", v, err)
			}
		})
	}
}

func TestRecordedAtGrowsAlongTheStream(t *testing.T) {
	store := &objects.Memory{}
	now := time.Date(2025, 1, 9, 12, 0, 0, 0, time.UTC)
	slow := New(store, "test", Options{Now: func() time.Time { return now.Add(-time.Minute) }})
	fast := New(store, "test", Options{Now: func() time.Time { return now }})
	record(t, NewRecorder(fast.Prices, nil), bar("A", 1, 1), bar("A", 2, 1))
	record(t, NewRecorder(slow.Prices, nil), bar("A", 3, 1))
	var last time.Time
	for v := int64(1); v <= 2; v++ {
		c, err := fast.Prices.Read(t.Context(), v)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range c.Events {
			if !e.RecordedAt.After(last) {
				t.Errorf("version %d: recorded at %v, not after %v", v, e.RecordedAt, last)
			}
			last = e.RecordedAt
		}
	}
}

func TestClockFarBehindIsRefused(t *testing.T) {
	store := &objects.Memory{}
	now := time.Date(2025, 1, 9, 12, 0, 0, 0, time.UTC)
	record(t, NewRecorder(New(store, "test", Options{Now: func() time.Time { return now }}).Prices, nil), bar("A", 1, 1))
	id := ""
	for id = range everything(t, open(t, store).Prices) {
	}
	late := New(store, "test", Options{Now: func() time.Time { return now.Add(-3 * time.Minute) }})
	_, err := NewRecorder(late.Prices, nil).Record(t.Context(), func() ([]event.Price, error) { return []event.Price{bar("A", 2, 1)}, nil })
	if !errors.Is(err, ErrClock) || !strings.Contains(err.Error(), id) {
		t.Errorf("a clock 3 minutes behind: %v; want ErrClock naming event %s", err, id)
	}
}

func TestClockOffTheStoresIsRefused(t *testing.T) {
	server := s3test.Start(t)
	l := New(s3.New(server.Client, server.Bucket, "clock"), "test", Options{Now: func() time.Time { return time.Now().Add(-5 * time.Minute) }})
	_, err := NewRecorder(l.Prices, nil).Record(t.Context(), func() ([]event.Price, error) { return []event.Price{bar("A", 1, 1)}, nil })
	if !errors.Is(err, ErrClock) {
		t.Errorf("a clock 5 minutes behind the store's: %v, want ErrClock", err)
	}
	if got := everything(t, l.Prices); len(got) != 0 {
		t.Errorf("%d events were written all the same", len(got))
	}
}

// ignorant is a store that does not know conditions.
type ignorant struct{ objects.Memory }

func (s *ignorant) Put(ctx context.Context, key string, data []byte, _ objects.Condition) (objects.Info, error) {
	return s.Memory.Put(ctx, key, data, objects.Always())
}

func TestStoreWithoutConditionsIsRefused(t *testing.T) {
	_, err := NewRecorder(open(t, &ignorant{}).Prices, nil).Record(t.Context(), func() ([]event.Price, error) { return []event.Price{bar("A", 1, 1)}, nil })
	if !errors.Is(err, ErrStore) {
		t.Errorf("append: %v, want ErrStore", err)
	}
}

func TestHistoryOfASubjectIsRecordedOnce(t *testing.T) {
	r := NewRecorder(open(t, &objects.Memory{}).Prices, nil)
	a, b, c := bar("A", 1, 10), bar("A", 1, 11), bar("A", 1, 12)
	for i, step := range []struct {
		drafts []event.Price
		want   int
	}{
		{[]event.Price{a, b}, 2},    // both versions are facts
		{[]event.Price{a, b}, 0},    // the same history again
		{[]event.Price{a, b, c}, 1}, // it went on
		{[]event.Price{c, c}, 0},
		{[]event.Price{a}, 1}, // a change back
		{[]event.Price{c, a, a}, 0},
	} {
		if n := record(t, r, step.drafts...); n != step.want {
			t.Errorf("step %d appended %d, want %d", i, n, step.want)
		}
	}
}

func TestInvalidDraftIsKeptAsRejected(t *testing.T) {
	store := &objects.Memory{}
	r := NewRecorder(open(t, store).Prices, nil)
	bad := bar("A", 1, 10)
	bad.High = bad.Low
	bad.SetPayload([]byte("A,2025-01-01,…"))
	for want := 2; want >= 0; want -= 2 {
		if n := record(t, r, bad, bar("A", 2, 10)); n != want {
			t.Fatalf("appended %d, want %d", n, want)
		}
	}
	found := false
	for _, e := range everything(t, r.stream) {
		if e.Kind == event.RecordRejected {
			found = e.Payload == "A,2025-01-01,…" && strings.Contains(e.RejectedDetail, "high must be at least")
		}
	}
	if !found {
		t.Error("the bad bar is not there with its reason and payload")
	}
}

func TestRetractedCountsAsNeverWritten(t *testing.T) {
	store := &objects.Memory{}
	r := NewRecorder(open(t, store).Prices, nil)
	record(t, r, bar("A", 1, 10))
	record(t, r, bar("A", 1, 99), bar("A", 2, 98))
	c := &collector{}
	f := Follow(open(t, store).Prices, View[event.Price](c))
	if _, err := f.CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	batch := ""
	for _, e := range c.seen {
		if *e.Close == 99 {
			batch = e.BatchID
		}
	}
	retraction := event.Price{Envelope: event.Envelope{Kind: event.Retracted, Key: batch, Source: "operator", OccurredAt: time.Unix(1e9, 0)}}
	retraction.RetractedBatch = batch
	record(t, r, retraction)
	if _, err := f.CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(c.seen) != 2 || c.resets != 2 {
		t.Errorf("the follower sees %d events after %d resets; want the first bar and the retraction, folded again", len(c.seen), c.resets)
	}
	if n := record(t, r, bar("A", 1, 10)); n != 0 {
		t.Errorf("the bar before the retracted one was appended again (%d)", n)
	}
	if n := record(t, r, bar("A", 1, 99)); n != 1 {
		t.Errorf("what was retracted and is found again is a new fact, appended %d", n)
	}
	if n := record(t, r, bar("A", 1, 99)); n != 0 {
		t.Errorf("the new fact is not seen: it was appended again (%d)", n)
	}
}

func TestAppendGoesOnBehindACompaction(t *testing.T) {
	store := &objects.Memory{}
	l := open(t, store)
	r := NewRecorder(l.Prices, nil)
	record(t, r, bar("A", 1, 10))
	compact := delta.NewTable(store, event.Prices)
	state, err := compact.At(t.Context(), -1)
	if err != nil {
		t.Fatal(err)
	}
	old := *state.Live()[0]
	data, _, err := store.Get(t.Context(), "prices/"+old.Path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Put(t.Context(), "prices/compacted.parquet", data, objects.Always()); err != nil {
		t.Fatal(err)
	}
	big := old
	big.Path, big.DataChange = "compacted.parquet", false
	if err := compact.Commit(t.Context(), 2, []delta.Action{{CommitInfo: &delta.CommitInfo{TxnID: "compaction"}},
		{Remove: &delta.Remove{Path: old.Path}}, {Add: &big}}); err != nil {
		t.Fatal(err)
	}
	e := bar("A", 2, 11)
	event.Seal(&e, "")
	version, err := l.Prices.Append(t.Context(), 1, []event.Price{e})
	if err != nil || version != 3 {
		t.Fatalf("append behind a compaction: version %d, %v; want 3", version, err)
	}
	if got := everything(t, open(t, store).Prices); len(got) != 2 {
		t.Errorf("%d events, want 2", len(got))
	}
	if c, err := l.Prices.Read(t.Context(), 2); err != nil || c.DataChange || len(c.Events) != 0 {
		t.Errorf("reading the compaction gives %d events, %v; a tailing reader must see nothing twice", len(c.Events), err)
	}
	v, err := l.Prices.Verify(t.Context(), nil)
	if err != nil || !v.OK() || v.Retired != 1 || len(v.Orphans) != 0 {
		t.Errorf("verify: %+v, %v", v, err)
	}
}

func TestWaitIsWokenInProcess(t *testing.T) {
	l := New(&objects.Memory{}, "test", Options{Poll: time.Hour})
	done := make(chan error, 1)
	go func() { done <- l.Prices.Wait(t.Context(), 1) }()
	record(t, NewRecorder(l.Prices, nil), bar("A", 1, 10))
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestWaitPollsForOtherProcesses(t *testing.T) {
	store := &objects.Memory{}
	reader := New(store, "test", Options{Poll: time.Millisecond})
	done := make(chan error, 1)
	go func() { done <- reader.Prices.Wait(t.Context(), 1) }()
	record(t, NewRecorder(open(t, store).Prices, nil), bar("A", 1, 10))
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestVerifyNamesWhatIsWrong(t *testing.T) {
	ctx := t.Context()
	for name, spoil := range map[string]func(*objects.Memory, string){
		"missing":   func(m *objects.Memory, f string) { _ = m.Delete(ctx, "prices/"+f) },
		"truncated": func(m *objects.Memory, f string) { damage(t, m, f, func(b []byte) []byte { return b[:len(b)/2] }) },
		"flipped": func(m *objects.Memory, f string) {
			damage(t, m, f, func(b []byte) []byte { b[len(b)/3] ^= 0x40; return b })
		},
		"empty": func(m *objects.Memory, f string) { damage(t, m, f, func([]byte) []byte { return nil }) },
	} {
		t.Run(name, func(t *testing.T) {
			store := &objects.Memory{}
			l := open(t, store)
			record(t, NewRecorder(l.Prices, nil), bar("A", 1, 10))
			snap, err := l.Prices.Snapshot(ctx, -1)
			if err != nil {
				t.Fatal(err)
			}
			file := snap.Files[0].Path
			if _, err := store.Put(ctx, "prices/left-by-a-crash.parquet", []byte("x"), objects.Always()); err != nil {
				t.Fatal(err)
			}
			spoil(store, file)
			v, err := l.Prices.Verify(ctx, nil)
			if err != nil || len(v.Problems) != 1 || !strings.Contains(v.Problems[0], file) || len(v.Orphans) != 1 {
				t.Errorf("verify: %+v, %v; want one problem naming %s and one orphan", v, err, file)
			}
			if _, err := Follow(open(t, store).Prices, View[event.Price](&collector{})).CatchUp(ctx); !errors.Is(err, ErrDamaged) {
				t.Errorf("follow: %v, want ErrDamaged", err)
			}
		})
	}
}

func damage(t *testing.T, m *objects.Memory, file string, f func([]byte) []byte) {
	t.Helper()
	data, _, err := m.Get(t.Context(), "prices/"+file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Put(t.Context(), "prices/"+file, f(data), objects.Always()); err != nil {
		t.Fatal(err)
	}
}

func TestCopy(t *testing.T) {
	server := s3test.Start(t)
	ctx := t.Context()
	src := open(t, objects.NewFolder(t.TempDir()))
	r := NewRecorder(src.Prices, nil)
	for day := 1; day <= 5; day++ {
		record(t, r, bar("A", day, 10))
	}
	dst := open(t, s3.New(server.Client, server.Bucket, "copy"))
	for round, want := range []int{5, 0} {
		reports, err := Copy(ctx, src, dst, nil)
		if err != nil || len(reports) != 3 || reports[2].Copied != want {
			t.Fatalf("round %d: %+v, %v; want %d files copied", round, reports, err, want)
		}
	}
	record(t, r, bar("A", 6, 10))
	if reports, err := Copy(ctx, src, dst, nil); err != nil || reports[2].Copied != 1 {
		t.Fatalf("after one more version: %+v, %v", reports, err)
	}
	if got, want := everything(t, dst.Prices), everything(t, src.Prices); len(got) != 6 || fmt.Sprint(keys(got)) != fmt.Sprint(keys(want)) {
		t.Errorf("the copy has %d events", len(got))
	}
	if v, err := dst.Prices.Verify(ctx, nil); err != nil || !v.OK() {
		t.Errorf("verify the copy: %+v, %v", v, err)
	}
	other := open(t, &objects.Memory{})
	record(t, NewRecorder(other.Prices, nil), bar("B", 1, 1))
	if _, err := Copy(ctx, src, other, nil); err == nil || !strings.Contains(err.Error(), "another lake") {
		t.Errorf("copy over another lake: %v", err)
	}
}

func keys(m map[string]event.Price) map[string]bool {
	out := map[string]bool{}
	for k := range m {
		out[k] = true
	}
	return out
}

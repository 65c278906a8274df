package lake

import (
	"context"
	"errors"
	"iter"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/objects"
)

// aging is a store with a clock that the test moves: files have an age.
type aging struct {
	objects.Store
	mu       sync.Mutex
	now      time.Time
	modified map[string]time.Time
}

func newAging(store objects.Store) *aging {
	return &aging{Store: store, now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), modified: map[string]time.Time{}}
}

func (c *aging) time() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *aging) sleep(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func (c *aging) Put(ctx context.Context, key string, data []byte, cond objects.Condition) (objects.Info, error) {
	info, err := c.Store.Put(ctx, key, data, cond)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		c.modified[key] = c.now
	}
	info.Clock = c.now
	return info, err
}

func (c *aging) Get(ctx context.Context, key string) ([]byte, objects.Info, error) {
	data, info, err := c.Store.Get(ctx, key)
	info.Clock = c.time()
	return data, info, err
}

func (c *aging) List(ctx context.Context, prefix, after string) iter.Seq2[objects.Info, error] {
	return func(yield func(objects.Info, error) bool) {
		for info, err := range c.Store.List(ctx, prefix, after) {
			c.mu.Lock()
			info.Modified = c.modified[info.Key]
			c.mu.Unlock()
			if !yield(info, err) {
				return
			}
		}
	}
}

// lake returns a lake of its own on the store, as another process would have.
func (c *aging) lake() *Lake { return New(c, "test", Options{Producer: "test@1", Now: c.time}) }

// counter counts how often a reader is shown each event.
type counter struct {
	times  map[string]int
	resets int
}

func (c *counter) Reset()               { c.times = map[string]int{}; c.resets++ }
func (c *counter) Apply(e *event.Price) { c.times[e.EventID]++ }

// once fails unless the reader was shown exactly the events that the stream holds, each once.
func (c *counter) once(t interface{ Fatalf(string, ...any) }, want map[string]event.Price) {
	for id, n := range c.times {
		if _, there := want[id]; n != 1 || !there {
			t.Fatalf("event %s was shown %d times, and is in the stream: %v", id, n, there)
		}
	}
	if len(c.times) != len(want) {
		t.Fatalf("%d events were shown, the stream holds %d", len(c.times), len(want))
	}
}

func clean(t interface{ Fatalf(string, ...any) }, s *Stream[event.Price]) Verification {
	v, err := s.Verify(context.Background(), nil)
	if err != nil || !v.OK() {
		t.Fatalf("verify: %+v, %v", v, err)
	}
	return v
}

// TestNothingIsLostOrDoubledByMaintenance runs random histories: several writers append, and
// compactions, checkpoints and sweeps come between in any order, while time passes and one reader
// tails and another looks in rarely. It compares with a plain list of what was appended.
func TestNothingIsLostOrDoubledByMaintenance(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		ctx := context.Background()
		store := newAging(&objects.Memory{})
		want := map[string]event.Price{}
		var writers []*Recorder[event.Price]
		for range 3 {
			writers = append(writers, NewRecorder(store.lake().Prices, nil))
		}
		keeper := store.lake().Prices
		tailing, rare := &counter{}, &counter{}
		tail, late := Follow(store.lake().Prices, View[event.Price](tailing)), Follow(store.lake().Prices, View[event.Price](rare))
		must := func(err error) {
			if err != nil {
				rt.Fatal(err)
			}
		}
		day := 0
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			switch rapid.SampledFrom([]string{"append", "append", "append", "compact", "checkpoint", "vacuum", "wait", "tail", "tail", "late"}).Draw(rt, "step") {
			case "append":
				var drafts []event.Price
				for range rapid.IntRange(1, 4).Draw(rt, "events") {
					day++
					drafts = append(drafts, bar(rapid.SampledFrom([]string{"A", "B", "C"}).Draw(rt, "symbol"), day, 10))
				}
				_, err := writers[rapid.IntRange(0, 2).Draw(rt, "writer")].Record(ctx, func() ([]event.Price, error) { return drafts, nil })
				must(err)
				for _, d := range drafts {
					event.Seal(&d, "")
					want[d.EventID] = d
				}
			case "compact":
				_, err := keeper.Compact(ctx, CompactOptions{})
				must(err)
			case "checkpoint":
				_, err := keeper.Checkpoint(ctx)
				must(err)
			case "vacuum":
				_, err := keeper.Vacuum(ctx, VacuumOptions{Delete: true})
				must(err)
			case "wait":
				store.sleep(time.Duration(rapid.IntRange(1, 40).Draw(rt, "days")) * 24 * time.Hour)
			case "tail":
				_, err := tail.CatchUp(ctx)
				must(err)
			case "late":
				if rapid.IntRange(0, 4).Draw(rt, "looks in") == 0 {
					_, err := late.CatchUp(ctx)
					must(err)
				}
			}
		}
		for _, f := range []*Follower[event.Price]{tail, late} {
			_, err := f.CatchUp(ctx)
			must(err)
		}
		tailing.once(rt, want)
		rare.once(rt, want)
		fresh := &counter{}
		_, err := Follow(store.lake().Prices, View[event.Price](fresh)).CatchUp(ctx)
		must(err)
		fresh.once(rt, want)
		if v := clean(rt, store.lake().Prices); v.Rows != int64(len(want)) || v.Duplicates != 0 {
			rt.Fatalf("verify: %+v; want %d rows", v, len(want))
		}
	})
}

func TestFollowerStartsAgainWhenItsSnapshotIsSwept(t *testing.T) {
	ctx := t.Context()
	store := newAging(&objects.Memory{})
	small(t, store.lake().Prices, 8)
	c := &counter{}
	sweep := &sweeping{aging: store, at: 3, sweep: func() {
		s := store.lake().Prices
		if _, err := s.Compact(ctx, CompactOptions{}); err != nil {
			t.Error(err)
		}
		store.sleep(31 * 24 * time.Hour)
		if v, err := s.Vacuum(ctx, VacuumOptions{Delete: true}); err != nil || len(v.Retired) != 8 {
			t.Errorf("vacuum: %+v, %v", v, err)
		}
	}}
	if _, err := Follow(New(sweep, "test", Options{Now: store.time}).Prices, View[event.Price](c)).CatchUp(ctx); err != nil {
		t.Fatal(err)
	}
	c.once(t, everything(t, store.lake().Prices))
	if c.resets < 2 || len(c.times) != 8 {
		t.Errorf("%d events after %d resets", len(c.times), c.resets)
	}
}

// sweeping is a store whose files are compacted and swept at the nth read of a data file.
type sweeping struct {
	*aging
	mu    sync.Mutex
	at, n int
	sweep func()
}

func (s *sweeping) Get(ctx context.Context, key string) ([]byte, objects.Info, error) {
	if isDataFile(key) && !strings.Contains(key, "_delta_log") {
		s.mu.Lock()
		if s.n++; s.n == s.at {
			s.sweep()
		}
		s.mu.Unlock()
	}
	return s.aging.Get(ctx, key)
}

func TestMaintainEveryStopsCleanly(t *testing.T) {
	store := &objects.Memory{}
	l := open(t, store)
	small(t, l.Prices, 3)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- l.MaintainEvery(ctx, time.Hour, MaintainOptions{Compact: CompactOptions{MinFiles: 2}})
	}()
	if err := l.Prices.Wait(t.Context(), 4); err != nil { // the compaction
		t.Fatal(err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("stopped with %v", err)
	}
	clean(t, open(t, store).Prices)
}

func TestMaintenanceNeedsALakeToWriteTo(t *testing.T) {
	store := &objects.Memory{}
	small(t, open(t, store).Prices, 3)
	l := New(store, "test", Options{ReadOnly: true})
	for name, do := range map[string]func() error{
		"compact":    func() error { _, err := l.Prices.Compact(t.Context(), CompactOptions{}); return err },
		"checkpoint": func() error { _, err := l.Prices.Checkpoint(t.Context()); return err },
		"vacuum":     func() error { _, err := l.Prices.Vacuum(t.Context(), VacuumOptions{Delete: true}); return err },
		"maintain":   func() error { _, err := l.Maintain(t.Context(), MaintainOptions{}); return err },
		"redact":     func() error { _, err := l.Redact(t.Context(), redacted, false); return err },
	} {
		if err := do(); !errors.Is(err, ErrReadOnly) {
			t.Errorf("%s: %v, want ErrReadOnly", name, err)
		}
	}
}

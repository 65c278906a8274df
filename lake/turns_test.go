package lake

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"shitpost-alpha/lake/delta"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/objects"
)

// distant is a store whose every request takes a millisecond.
type distant struct{ objects.Store }

func (d distant) Get(ctx context.Context, key string) ([]byte, objects.Info, error) {
	time.Sleep(time.Millisecond)
	return d.Store.Get(ctx, key)
}

func (d distant) Put(ctx context.Context, key string, data []byte, cond objects.Condition) (objects.Info, error) {
	time.Sleep(time.Millisecond)
	return d.Store.Put(ctx, key, data, cond)
}

// contendFor lets so many writers commit for half a second of a bubble's time, and returns how many
// commits each made, and the store.
func contendFor(t *testing.T, writers int, newWriter func(*testing.T, objects.Store) writer) ([]int, objects.Store) {
	store := &objects.Memory{}
	all := make([]writer, writers)
	for w := range all {
		all[w] = newWriter(t, distant{store})
		must(t, all[w](t.Context(), bar(fmt.Sprint("FIRST", w), 1, 1)))
	}
	commits := make([]int, writers)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
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
	return commits, store
}

// TestTurns runs in a process of its own: the Parquet library's pools do not survive a bubble.
func TestTurns(t *testing.T) {
	const variable = "LAKE_TEST_TURNS"
	if os.Getenv(variable) == "" {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestTurns$")
		cmd.Env = append(os.Environ(), variable+"=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	synctest.Test(t, func(t *testing.T) {
		testWritersTakeTurns(t, recording)
		testWritersTakeTurns(t, appending)
		testTurnOfThoseWhoLeft(t)
	})
}

// testWritersTakeTurns: on a store that only costs time, eight writers make most of the commits that
// one makes, all get their share, and nothing is lost or doubled.
func testWritersTakeTurns(t *testing.T, newWriter func(*testing.T, objects.Store) writer) {
	one, _ := contendFor(t, 1, newWriter)
	if one[0] < 225 {
		t.Errorf("a writer alone made %d commits in 500 requests' time; want nearly half as many", one[0])
	}
	eight, store := contendFor(t, 8, newWriter)
	total := sum(eight)
	if total < one[0]*4/10 || slices.Min(eight) < total/8/4 {
		t.Errorf("eight made %v, one alone %d; want 0.4 of that, and a quarter of its fair share for each", eight, one[0])
	}
	v := clean(t, open(t, store).Prices)
	if v.Rows < int64(total+8) || v.Rows > int64(total+16) || v.Duplicates != 0 { // the last of each may have lost only its answer
		t.Errorf("%d rows, %d duplicates after %d commits", v.Rows, v.Duplicates, total+8)
	}
	t.Logf("one %v, eight %v", one, eight)
}

// testTurnOfThoseWhoLeft: nobody waits for long for writers that do not come any more, and not twice.
func testTurnOfThoseWhoLeft(t *testing.T) {
	store := distant{&objects.Memory{}}
	stays := recorderOn(store)
	record(t, stays, bar("A", 1, 1))
	for w := range 7 {
		record(t, recorderOn(store), bar(fmt.Sprint("B", w), 1, 1))
	}
	stays.stream.turns.lost()
	for i, most := range []time.Duration{time.Second, 60 * time.Millisecond, 60 * time.Millisecond} {
		start := time.Now()
		for n := range turnCommits {
			record(t, stays, bar(fmt.Sprint("C", i, "-", n), 1, 1))
		}
		if took := time.Since(start); took > most {
			t.Errorf("turn %d took %s", i, took)
		}
	}
}

func TestRivals(t *testing.T) {
	store := &objects.Memory{}
	s := open(t, store).Prices
	_, err := s.Head(t.Context())
	must(t, err)
	must(t, s.create(t.Context()))
	s.turns.mine = 3
	for i, c := range []struct {
		writer, turn        string
		others, ahead, left int
	}{
		{"a", "2", 1, 1, 2},
		{"b", "0", 2, 2, 0},
		{s.writer, "5", 2, 2, 0}, // its own turn is no other's
		{"a", "7", 2, 1, 7},
		{"", "", 2, 1, 0}, // does not say who it is
		{"c", "100000", 3, 1, aloneCommits},
		{"b", "what?", 3, 0, 0},
	} {
		tags := map[string]string{tagWriter: c.writer, tagTurn: c.turn}
		must(t, s.table.Commit(t.Context(), int64(i+1), []delta.Action{{CommitInfo: &delta.CommitInfo{TxnID: fmt.Sprint("txn", i), Tags: tags}}}))
		if others, ahead, left := s.rivals(); others != c.others || ahead != c.ahead || left != c.left {
			t.Errorf("after commit %d there are %d others, %d ahead, %d commits left; want %+v", i+1, others, ahead, left, c)
		}
	}
	s.turns.alone = 7
	if others, _, _ := s.rivals(); others != 0 {
		t.Errorf("%d others after all were forgotten", others)
	}
}

// TestAloneAppendsWithoutALook: two requests for a record, and no more; but that nothing is new is
// never said without a look.
func TestAloneAppendsWithoutALook(t *testing.T) {
	store := &counting{Store: &objects.Memory{}}
	r := recorderOn(store)
	record(t, r, bar("A", 1, 1))
	alone := func() { // a moment is as long as a commit takes: here that is long
		r.stream.turns.commit, r.stream.turns.left = time.Hour, 50
		r.stream.turns.until, store.requests = time.Now().Add(1000*time.Hour), nil
	}
	alone()
	record(t, r, bar("A", 2, 1))
	if len(store.requests) != 2 || strings.Contains(fmt.Sprint(store.requests), "GET") {
		t.Errorf("it made the requests %q", store.requests)
	}
	record(t, recorderOn(store.Store), bar("A", 2, 9)) // another corrects the bar
	alone()
	if n := record(t, r, bar("A", 2, 1)); n != 1 {
		t.Errorf("a change back appended %d events: it looked at what it knew, not at what is", n)
	}
	if v := clean(t, r.stream); v.Rows != 4 {
		t.Errorf("%d rows, want 4", v.Rows)
	}
}

// TestBeatenFileIsKept: what was put by an append that lost its race is committed by the next one of
// the same events, if the order of recorded_at allows it.
func TestBeatenFileIsKept(t *testing.T) {
	for _, c := range []struct {
		name  string
		ahead time.Duration // how far the loser's clock is ahead of the winner's
		other bool          // the loser decides something else
		puts  int
	}{
		{"recorded later", time.Second, false, 1},
		{"recorded earlier", -time.Second, false, 2},
		{"other events", time.Second, true, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			store := &counting{Store: &objects.Memory{}}
			now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
			at := func(d time.Duration) *Stream[event.Price] {
				return New(store, "test", Options{Now: func() time.Time { return now.Add(d) }}).Prices
			}
			loser, winner := at(c.ahead), at(0)
			sealed := func(symbol string) []event.Price {
				e := bar(symbol, 1, 1)
				event.Seal(&e, "")
				return []event.Price{e}
			}
			version, err := loser.Append(t.Context(), -1, sealed("A"))
			must(t, err)
			_, err = winner.Head(t.Context())
			must(t, err)
			now = now.Add(time.Minute)
			_, err = winner.Append(t.Context(), version, sealed("B"))
			must(t, err)
			mine := sealed("C")
			if _, err := loser.Append(t.Context(), version, mine); !errors.Is(err, ErrConflict) {
				t.Fatalf("append behind another's: %v", err)
			}
			if c.other {
				*mine[0].Close = 1.0001 // the same memory, another content
				event.Seal(&mine[0], "")
			}
			store.requests = nil
			_, err = loser.Append(t.Context(), version+1, mine)
			must(t, err)
			if len(store.requests) != c.puts {
				t.Errorf("the second try made the requests %q, want %d", store.requests, c.puts)
			}
			if v := clean(t, winner); v.Rows != 3 || len(v.Orphans) != c.puts-1 {
				t.Errorf("verify: %+v", v)
			}
			var last time.Time
			for v := int64(1); v <= version+2; v++ {
				read, err := winner.Read(t.Context(), v)
				must(t, err)
				if e := read.Events[0]; !e.RecordedAt.After(last) {
					t.Errorf("version %d was recorded at %s, after one of %s", v, e.RecordedAt, last)
				} else {
					last = e.RecordedAt
				}
			}
		})
	}
}

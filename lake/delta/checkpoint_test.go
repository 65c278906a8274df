package delta

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"shitpost-alpha/lake/objects"
)

// history commits n versions: appends, now and then a compaction of what is live, and txns.
func history(t testing.TB, store objects.Store, name string, n int, seed uint64) *Table {
	t.Helper()
	rnd := rand.New(rand.NewPCG(seed, 1))
	table := NewTable(store, name)
	commit := func(version int64, actions []Action) {
		if err := table.Commit(t.Context(), version, actions); err != nil {
			t.Fatal(err)
		}
	}
	commit(0, create("create"))
	for v := int64(1); v < int64(n); v++ {
		file := &Add{Path: fmt.Sprintf("f%d.parquet", v), PartitionValues: map[string]string{}, Size: v, ModificationTime: v, DataChange: true,
			Stats: `{"numRecords":3}`, Tags: map[string]string{"newest": fmt.Sprint(v * 10), "sha256": fmt.Sprintf("%064d", v)}}
		actions := []Action{{CommitInfo: &CommitInfo{TxnID: fmt.Sprint("t", v)}}}
		switch rnd.IntN(8) {
		case 0:
			file.DataChange = false
			if rnd.IntN(2) == 0 {
				file.Tags = nil // as a foreign compaction leaves it
			}
			table.Peek(func(s *State) {
				for _, a := range s.Live() {
					actions = append(actions, Action{Remove: &Remove{Path: a.Path, DeletionTimestamp: v, Size: a.Size, PartitionValues: map[string]string{}}})
				}
			})
		case 1:
			actions = append(actions, Action{Txn: &Txn{AppID: "lease", Version: v}})
		}
		commit(v, append(actions, Action{Add: file}))
	}
	return table
}

func mustReplay(t testing.TB, store objects.Store, name string, version int64) *State {
	t.Helper()
	s, err := NewTable(store, name).Replay(t.Context(), version)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStatesByCheckpointAreThoseOfTheLog(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		store := &objects.Memory{}
		n := rapid.IntRange(1, 100).Draw(rt, "versions")
		table := history(t, store, "t", n, rapid.Uint64().Draw(rt, "seed"))
		for _, v := range rapid.SliceOfN(rapid.Int64Range(0, int64(n-1)), 0, 4).Draw(rt, "checkpoints") {
			if got, err := table.Checkpoint(t.Context(), v, 0); err != nil || got != v {
				rt.Fatalf("checkpoint %d: %d, %v", v, got, err)
			}
		}
		for _, v := range append(rapid.SliceOfN(rapid.Int64Range(0, int64(n-1)), 1, 4).Draw(rt, "looked at"), int64(n-1)) {
			want := mustReplay(t, store, "t", v)
			got, err := NewTable(store, "t").At(t.Context(), v)
			if err != nil {
				rt.Fatal(err)
			}
			if diff := got.diff(want); diff != "" || len(got.Retired) != len(want.Retired) {
				rt.Fatalf("at %d: %s; %d retired files, want %d", v, diff, len(got.Retired), len(want.Retired))
			}
		}
		if log, diff, err := NewTable(store, "t").Check(t.Context(), int64(n-1)); diff != "" || err != nil || log.Version != int64(n-1) {
			rt.Fatal(diff, err)
		}
	})
}

// reads is a store that counts the commits and checkpoints that are read, and the listings.
type reads struct {
	objects.Store
	commits, checkpoints, lists atomic.Int64
}

func (r *reads) Get(ctx context.Context, key string) ([]byte, objects.Info, error) {
	data, info, err := r.Store.Get(ctx, key)
	if err == nil && strings.HasSuffix(key, ".json") {
		r.commits.Add(1)
	}
	if err == nil && strings.HasSuffix(key, ".checkpoint.parquet") {
		r.checkpoints.Add(1)
	}
	return data, info, err
}

func (r *reads) List(ctx context.Context, prefix, after string) iter.Seq2[objects.Info, error] {
	r.lists.Add(1)
	return r.Store.List(ctx, prefix, after)
}

func TestOpeningReadsOnlyWhatFollowsTheCheckpoint(t *testing.T) {
	store := &objects.Memory{}
	if _, err := history(t, store, "t", 500, 7).Checkpoint(t.Context(), 480, 0); err != nil {
		t.Fatal(err)
	}
	r := &reads{Store: store}
	v, err := NewTable(r, "t").Refresh(t.Context())
	if v != 499 || err != nil || r.commits.Load() != 19 || r.checkpoints.Load() != 1 || r.lists.Load() != 0 {
		t.Errorf("opened at %d, %v with %d commits and %d checkpoints read and %d listings; want 499 with 19, 1 and none", v, err, r.commits.Load(), r.checkpoints.Load(), r.lists.Load())
	}
}

func TestUnusableCheckpointIsPassedOver(t *testing.T) {
	ctx := t.Context()
	newest, older := NewTable(nil, "t").checkpointKey(60), NewTable(nil, "t").checkpointKey(30)
	for name, spoil := range map[string]func(t *testing.T, s *objects.Memory){
		"missing":           func(t *testing.T, s *objects.Memory) { _ = s.Delete(ctx, newest) },
		"both missing":      func(t *testing.T, s *objects.Memory) { _ = s.Delete(ctx, newest); _ = s.Delete(ctx, older) },
		"empty":             func(t *testing.T, s *objects.Memory) { put(t, s, newest, nil) },
		"no Parquet":        func(t *testing.T, s *objects.Memory) { put(t, s, newest, []byte("PAR1 or not")) },
		"cut":               func(t *testing.T, s *objects.Memory) { put(t, s, newest, get(t, s, newest)[:1000]) },
		"another version's": func(t *testing.T, s *objects.Memory) { put(t, s, newest, get(t, s, older)) },
		"no hint":           func(t *testing.T, s *objects.Memory) { _ = s.Delete(ctx, "t/_delta_log/_last_checkpoint") },
		"hint is no JSON":   func(t *testing.T, s *objects.Memory) { put(t, s, "t/_delta_log/_last_checkpoint", []byte("{")) },
		"hint to nothing": func(t *testing.T, s *objects.Memory) {
			put(t, s, "t/_delta_log/_last_checkpoint", []byte(`{"version":77,"size":1}`))
		},
		"hint to many parts": func(t *testing.T, s *objects.Memory) {
			put(t, s, "t/_delta_log/_last_checkpoint", []byte(`{"version":60,"size":1,"parts":2}`))
		},
		"hint below zero": func(t *testing.T, s *objects.Memory) {
			put(t, s, "t/_delta_log/_last_checkpoint", []byte(`{"version":-5,"size":1}`))
		},
		"needs another reader": func(t *testing.T, s *objects.Memory) { put(t, s, newest, unreadable(t)) },
	} {
		t.Run(name, func(t *testing.T) {
			store := &objects.Memory{}
			table := history(t, store, "t", 80, 3)
			for _, v := range []int64{30, 60} {
				if _, err := table.Checkpoint(ctx, v, 0); err != nil {
					t.Fatal(err)
				}
			}
			spoil(t, store)
			got, err := NewTable(store, "t").At(ctx, -1)
			if err != nil {
				t.Fatal(err)
			}
			if diff := got.diff(mustReplay(t, store, "t", 79)); diff != "" {
				t.Error(diff)
			}
			// The next checkpoint mends it.
			if _, err := NewTable(store, "t").Checkpoint(ctx, -1, 0); err != nil {
				t.Fatal(err)
			}
			if v, err := NewTable(store, "t").Checkpointed(ctx); v != 79 || err != nil {
				t.Errorf("newest checkpoint after mending: %d, %v", v, err)
			}
		})
	}
}

func unreadable(t *testing.T) []byte {
	t.Helper()
	s := NewState()
	if err := s.Apply(0, create("x")); err != nil {
		t.Fatal(err)
	}
	s.Protocol.MinReaderVersion = 3
	data, _, err := encodeCheckpoint(s, 0)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func put(t *testing.T, s objects.Store, key string, data []byte) {
	t.Helper()
	if _, err := s.Put(t.Context(), key, data, objects.Always()); err != nil {
		t.Fatal(err)
	}
}

func get(t testing.TB, s objects.Store, key string) []byte {
	t.Helper()
	data, _, err := s.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestDamageToACheckpointIsNoticed changes single bytes of a checkpoint that only a listing finds, so
// that no checksum of the whole file helps.
func TestDamageToACheckpointIsNoticed(t *testing.T) {
	store := &objects.Memory{}
	table := history(t, store, "t", 120, 5)
	if _, err := table.Checkpoint(t.Context(), -1, 0); err != nil {
		t.Fatal(err)
	}
	data, want := get(t, store, table.checkpointKey(119)), mustReplay(t, store, "t", 119)
	rapid.Check(t, func(rt *rapid.T) {
		bad := append([]byte(nil), data...)
		bad[rapid.IntRange(0, len(bad)-1).Draw(rt, "at")] ^= byte(rapid.IntRange(1, 255).Draw(rt, "flip"))
		state, _, err := decodeCheckpoint(bad, 119)
		if err != nil {
			if !errors.Is(err, errCheckpoint) {
				rt.Fatal(err)
			}
			return
		}
		if diff := state.diff(want); diff != "" {
			rt.Fatalf("a damaged checkpoint was taken: %s", diff)
		}
	})
}

func TestExpiredRetiredFilesAreLeftOut(t *testing.T) {
	store := &objects.Memory{}
	table := history(t, store, "t", 200, 9)
	if _, err := table.Checkpoint(t.Context(), -1, 100); err != nil {
		t.Fatal(err)
	}
	got, err := NewTable(store, "t").At(t.Context(), -1)
	if err != nil {
		t.Fatal(err)
	}
	kept, expired := 0, 0
	for path, r := range mustReplay(t, store, "t", 199).Retired {
		if _, there := got.Retired[path]; there != (r.DeletionTimestamp >= 100) {
			t.Errorf("file %s removed at %d: in the checkpoint %v", path, r.DeletionTimestamp, there)
		}
		if r.DeletionTimestamp >= 100 {
			kept++
		} else {
			expired++
		}
	}
	if kept == 0 || expired == 0 {
		t.Errorf("the history has %d young and %d expired files; it tests nothing", kept, expired)
	}
}

func TestSeveralCheckpointAtOnce(t *testing.T) {
	store := &objects.Memory{}
	history(t, store, "t", 100, 2)
	errs := make(chan error)
	for range 6 {
		go func() {
			_, err := NewTable(store, "t").Checkpoint(t.Context(), -1, 0)
			errs <- err
		}()
	}
	for range 6 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if v, err := NewTable(store, "t").hintedVersion(t); v != 99 || err != nil {
		t.Errorf("_last_checkpoint leads to %d, %v", v, err)
	}
}

func (t *Table) hintedVersion(tb testing.TB) (int64, error) {
	s, err := t.hinted(tb.Context())
	if err != nil || s == nil {
		return -1, err
	}
	return s.Version, nil
}

func TestCheckNamesAWrongCheckpoint(t *testing.T) {
	store := &objects.Memory{}
	table := history(t, store, "t", 60, 4)
	if _, err := table.Checkpoint(t.Context(), 50, 0); err != nil {
		t.Fatal(err)
	}
	wrong := mustReplay(t, store, "t", 49)
	wrong.Version = 50 // what a writer with a bug might leave
	data, rows, err := encodeCheckpoint(wrong, 0)
	if err != nil {
		t.Fatal(err)
	}
	put(t, store, table.checkpointKey(50), data)
	if err := table.point(t.Context(), 50, data, rows); err != nil {
		t.Fatal(err)
	}
	log, diff, err := NewTable(store, "t").Check(t.Context(), 59)
	if err != nil || !strings.Contains(diff, "checkpoint of version 50") || log.diff(mustReplay(t, store, "t", 59)) != "" {
		t.Errorf("difference %q, %v", diff, err)
	}
}

func FuzzCheckpoint(f *testing.F) {
	for _, n := range []int{1, 2, 40} {
		store := &objects.Memory{}
		s := mustReplay(f, history(f, store, "t", n, 1).store, "t", int64(n-1))
		data, _, err := encodeCheckpoint(s, 0)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte("PAR1PAR1"))
	f.Fuzz(func(t *testing.T, data []byte) {
		state, _, err := decodeCheckpoint(data, 1)
		if err != nil && (state != nil || !errors.Is(err, errCheckpoint)) {
			t.Errorf("state %v, %v", state, err)
		}
	})
}

// BenchmarkOpen opens a table of 100,000 commits in a folder by way of its checkpoint.

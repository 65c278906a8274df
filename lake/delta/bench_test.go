package delta

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"shitpost-alpha/lake/objects"
)

var benchLines = flag.Bool("bench-lines", false, "measure and print JSON lines, as make bench does")

// TestBench opens a table of 100,000 commits on a folder, as a new process does, with so many commits
// since its checkpoint and so many live files: few where compactions keep them few, all where none ran.
func TestBench(t *testing.T) {
	if !*benchLines {
		t.Skip("measures only: run by make bench")
	}
	for _, live := range []int{100, 100_000} {
		store, table := longLog(t, 100_000, live)
		none := 0.0
		for _, since := range []int64{0, 1000} {
			version := table.Seen() - since
			if _, err := table.Checkpoint(t.Context(), version, 0); err != nil {
				t.Fatal(err)
			}
			if err := pointTo(t, store, table, version); err != nil {
				t.Fatal(err)
			}
			var all []float64
			for range 5 {
				start := time.Now()
				s, err := NewTable(store, "t").At(t.Context(), -1)
				if err != nil || s.Version != table.Seen() {
					t.Fatal(s, err)
				}
				all = append(all, time.Since(start).Seconds())
			}
			slices.Sort(all)
			if since == 0 {
				none = all[2]
			}
			line, err := json.Marshal(map[string]any{"name": fmt.Sprintf("open_100k_commits_live_%d_since_%d", live, since), "value": 1000 * all[2], "unit": "ms",
				"ratio": all[2] / none, "ratio_to": "no commit since the checkpoint"})
			if err != nil {
				t.Fatal(err)
			}
			fmt.Println(string(line))
		}
	}
}

// pointTo has `_last_checkpoint` name the checkpoint, though a newer one may be there.
func pointTo(b testing.TB, store objects.Store, table *Table, version int64) error {
	if err := store.Delete(b.Context(), table.lastCheckpointKey()); err != nil {
		return err
	}
	data := get(b, store, table.checkpointKey(version))
	_, rows, err := decodeCheckpoint(data, version)
	if err != nil {
		return err
	}
	return table.point(b.Context(), version, data, rows)
}

// longLog writes a log of n commits without syncing each; all but the newest live files are retired
// by one late compaction.
func longLog(b testing.TB, n, live int) (objects.Store, *Table) {
	b.Helper()
	dir := b.TempDir()
	log := filepath.Join(dir, "t", "_delta_log")
	if err := os.MkdirAll(log, 0o755); err != nil {
		b.Fatal(err)
	}
	table := NewTable(objects.NewFolder(dir), "t")
	for v := range int64(n) {
		actions := create("create")
		if v > 0 {
			actions = []Action{{CommitInfo: &CommitInfo{TxnID: fmt.Sprintf("%032d", v), Operation: "WRITE", EngineInfo: "bench@1"}},
				{Add: &Add{Path: fmt.Sprintf("%032d.parquet", v), PartitionValues: map[string]string{}, Size: 20_000, ModificationTime: v, DataChange: true,
					Stats: `{"numRecords":12,"minValues":{"kind":"bar_recorded","key":"AAPL","occurred_at":"2025-01-01T21:00:00.000Z"},"maxValues":{"kind":"bar_recorded","key":"XOM","occurred_at":"2025-01-09T21:00:00.000Z"},"nullCount":{"kind":0,"key":0,"occurred_at":0}}`,
					Tags:  map[string]string{"newestRecordedAt": fmt.Sprint(v), "newestEventId": fmt.Sprintf("%032x", v), "sha256": fmt.Sprintf("%064x", v)}}}}
		}
		if v == int64(n)-2000 {
			table.Peek(func(s *State) {
				for i, a := range s.Live() {
					if i < len(s.Files)-live {
						actions = append(actions, Action{Remove: &Remove{Path: a.Path, DeletionTimestamp: -1}})
					}
				}
			})
		}
		data, err := Encode(actions)
		if err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.FromSlash(CommitKey("t", v))), data, 0o644); err != nil {
			b.Fatal(err)
		}
		if err := table.Advance(v, actions); err != nil {
			b.Fatal(err)
		}
	}
	return table.store, table
}

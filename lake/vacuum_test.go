package lake

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/objects"
)

func TestVacuum(t *testing.T) {
	ctx := t.Context()
	store := newAging(&objects.Memory{})
	l := store.lake()
	small(t, l.Prices, 5)
	for _, name := range []string{"left.parquet", "notes.txt", "_private/left.parquet", ".hidden.parquet", "deep/left.parquet"} {
		if _, err := store.Put(ctx, "prices/"+name, []byte("x"), objects.Always()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.Prices.Compact(ctx, CompactOptions{}); err != nil {
		t.Fatal(err)
	}
	look := func(want string, o VacuumOptions) {
		t.Helper()
		v, err := l.Prices.Vacuum(ctx, o)
		slices.Sort(v.Orphans)
		if got := fmt.Sprintf("%v %d retired, %d kept, deleted %v", v.Orphans, len(v.Retired), v.Kept, v.Deleted); err != nil || got != want {
			t.Errorf("vacuum: %s, %v; want %s", got, err, want)
		}
	}
	look("[] 0 retired, 7 kept, deleted false", VacuumOptions{})
	store.sleep(25 * time.Hour)
	look("[deep/left.parquet left.parquet] 0 retired, 5 kept, deleted false", VacuumOptions{})
	look("[deep/left.parquet left.parquet] 0 retired, 5 kept, deleted true", VacuumOptions{Delete: true})
	look("[] 0 retired, 5 kept, deleted true", VacuumOptions{Delete: true})
	if snap, err := store.lake().Prices.Snapshot(ctx, 5); err != nil || len(everySnapshot(t, snap)) != 5 {
		t.Errorf("a snapshot younger than the retention: %v", err)
	}
	store.sleep(30 * 24 * time.Hour)
	look("[] 5 retired, 0 kept, deleted true", VacuumOptions{Delete: true})
	if v := clean(t, store.lake().Prices); v.Rows != 5 {
		t.Errorf("verify: %+v", v)
	}
	if _, err := l.Prices.Read(ctx, 2); !errors.Is(err, ErrRetired) {
		t.Errorf("reading a version whose file is gone: %v, want ErrRetired", err)
	}
	if _, err := l.Prices.Vacuum(ctx, VacuumOptions{Grace: time.Hour}); err == nil {
		t.Error("a grace within which a writer may still commit was taken")
	}
	for _, name := range []string{"notes.txt", "_private/left.parquet", ".hidden.parquet"} {
		if _, _, err := store.Get(ctx, "prices/"+name); err != nil {
			t.Errorf("vacuum took what is none of its business: %v", err)
		}
	}
}

// TestVacuumTakesOldCheckpoints: those that no version younger than the retention needs, and every
// version reads the same before and after.
func TestVacuumTakesOldCheckpoints(t *testing.T) {
	ctx := t.Context()
	store := newAging(&objects.Memory{})
	l := store.lake()
	r := NewRecorder(l.Prices, nil)
	for day := 1; day <= 6; day++ { // a checkpoint every ten days: 50, 40, 30, 20, 10 and 0 days old in the end
		record(t, r, bar("A", day, 10))
		version, err := l.Prices.Checkpoint(ctx)
		if err != nil || version != int64(day) {
			t.Fatal(version, err)
		}
		if day < 6 {
			store.sleep(10 * 24 * time.Hour)
		}
	}
	store.sleep(time.Hour)
	name := func(version int) string { return fmt.Sprintf("_delta_log/%020d.checkpoint.parquet", version) }
	taken := []string{name(1), name(2)} // the third, 30 days old, begins the versions that are younger
	for _, o := range []VacuumOptions{{}, {Delete: true}} {
		if v, err := store.lake().Prices.Vacuum(ctx, o); err != nil || !slices.Equal(v.Checkpoints, taken) || v.Bytes == 0 || v.Deleted != o.Delete {
			t.Errorf("vacuum %+v: %+v, %v; want %v", o, v, err, taken)
		}
	}
	for version := int64(1); version <= 6; version++ {
		snap, err := store.lake().Prices.Snapshot(ctx, version)
		if err != nil || len(everySnapshot(t, snap)) != int(version) {
			t.Errorf("version %d: %v", version, err)
		}
	}
	for version, there := range map[int]bool{1: false, 2: false, 3: true, 4: true, 5: true, 6: true} {
		if _, _, err := store.Get(ctx, "prices/"+name(version)); (err == nil) != there {
			t.Errorf("checkpoint of version %d: %v", version, err)
		}
	}
	if v, err := store.lake().Prices.Vacuum(ctx, VacuumOptions{Delete: true}); err != nil || len(v.Checkpoints) != 0 {
		t.Errorf("once more: %+v, %v", v, err)
	}
	// A newest checkpoint that cannot be used is no reason to take the one before it.
	store.sleep(100 * 24 * time.Hour)
	for _, version := range []int{4, 5, 6} {
		damage(t, store.Store.(*objects.Memory), name(version), func(b []byte) []byte { return b[:len(b)-9] })
	}
	if v, err := store.lake().Prices.Vacuum(ctx, VacuumOptions{Delete: true}); err != nil || len(v.Checkpoints) != 0 {
		t.Errorf("with damaged ones: %+v, %v", v, err)
	}
}

func everySnapshot(t *testing.T, snap *Snapshot[event.Price]) (all []event.Price) {
	t.Helper()
	for events, err := range snap.Batches(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, events...)
	}
	return all
}

func TestVacuumTakesTemporaryFilesOfAFolder(t *testing.T) {
	ctx := t.Context()
	folder := objects.NewFolder(t.TempDir())
	now := time.Now()
	l := New(folder, "test", Options{Now: func() time.Time { return now }})
	small(t, l.Prices, 1)
	for _, key := range []string{"prices/.tmp-1", "prices/_delta_log/.tmp-2"} {
		if _, err := folder.Put(ctx, key, []byte("half"), objects.Always()); err != nil {
			t.Fatal(err)
		}
	}
	if v, err := l.Prices.Vacuum(ctx, VacuumOptions{Delete: true}); err != nil || len(v.Temporary) != 0 {
		t.Errorf("young temporary files: %+v, %v", v, err)
	}
	now = now.Add(25 * time.Hour)
	if v, err := l.Prices.Vacuum(ctx, VacuumOptions{Delete: true}); err != nil || len(v.Temporary) != 2 {
		t.Errorf("old temporary files: %+v, %v", v, err)
	}
	if left, err := folder.Leftovers(ctx, "prices/"); err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

func TestVacuumDistrustsAWrongClock(t *testing.T) {
	store := newAging(&objects.Memory{})
	small(t, store.lake().Prices, 2)
	l := New(store, "test", Options{Now: func() time.Time { return store.time().Add(100 * 24 * time.Hour) }})
	if _, err := l.Prices.Vacuum(t.Context(), VacuumOptions{Delete: true}); !errors.Is(err, ErrClock) {
		t.Errorf("vacuum with a clock 100 days ahead of the store's: %v, want ErrClock", err)
	}
}

func TestParseInterval(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"interval 30 days": 30 * 24 * time.Hour, "INTERVAL 1 WEEK": 7 * 24 * time.Hour, "interval 1 day 2 hours": 26 * time.Hour,
		"": defaultRetention, "interval": defaultRetention, "interval -1 days": defaultRetention, "interval 3 moons": defaultRetention,
	} {
		if got := parseInterval(in); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}

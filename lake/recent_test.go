package lake

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
	"time"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/objects"
)

// identities is a view of who is who: kind, subject and content of each event by its id.
type identities map[string]string

func (v identities) Reset() { clear(v) }
func (v identities) Apply(e *event.Post) {
	if e.Kind == event.RecordRejected {
		// Of a rejection only its subject is read.
		v["rejected "+e.Key] = ""
		return
	}
	v[e.EventID] = fmt.Sprint(e.Kind, event.SubjectOf(e), e.ContentHash, e.OccurredAt, e.RecordedAt, e.Source, e.WindowFrom, e.WindowComplete, e.MissingIDs)
}

// recentHistory appends posts with edits, deletions, windows and rejections over 100 days.
func recentHistory(t *testing.T, s *Stream[event.Post], rng *rand.Rand, begin time.Time) {
	t.Helper()
	rec := NewRecorder[event.Post](s, nil)
	record := func(drafts []event.Post) {
		if _, err := rec.Record(t.Context(), func() ([]event.Post, error) { return drafts, nil }); err != nil {
			t.Fatal(err)
		}
	}
	for batch := range 4 {
		var drafts []event.Post
		for i := range 700 {
			at := begin.Add(time.Duration(batch*700+i) * 50 * time.Minute).Truncate(time.Millisecond)
			var p event.Post
			p.PostID = fmt.Sprint(uint64(at.UnixMilli())<<16 | rng.Uint64N(1<<16))
			p.Kind, p.Key, p.Source, p.Text = event.PostObserved, p.PostID, []string{"scrapecreators", "truthsocial"}[i%2], fmt.Sprintf("%d %x", i, rng.Uint64())
			p.PublishedAt, _ = event.PublishedAt(p.PostID)
			p.OccurredAt = p.PublishedAt
			p.SetPayload([]byte(fmt.Sprintf("%x%x%x%x%x%x%x%x", rng.Uint64(), rng.Uint64(), rng.Uint64(), rng.Uint64(), rng.Uint64(), rng.Uint64(), rng.Uint64(), rng.Uint64())))
			drafts = append(drafts, p)
			if i%20 == 0 {
				p.Text += " edited"
				drafts = append(drafts, p)
			}
			if i%33 == 0 {
				p.Kind, p.OccurredAt = event.PostDeleted, at.Add(200*24*time.Hour)
				drafts = append(drafts, p)
			}
			if i%10 == 0 {
				var w event.Post
				w.Kind, w.Source, w.Key, w.OccurredAt = event.WindowRead, p.Source, p.Source, at
				w.WindowFrom, w.WindowTo, w.WindowComplete, w.MissingIDs = at.Add(-time.Hour), at, i%3 == 0, []string{p.PostID, "1"}[:i%3]
				drafts = append(drafts, w)
			}
			if i%50 == 0 {
				var r event.Post
				r.Kind, r.Source, r.Key, r.OccurredAt, r.RejectedReason = event.RecordRejected, p.Source, fmt.Sprint(p.Source, ":", i, batch), at, "no id"
				drafts = append(drafts, r)
			}
		}
		record(drafts)
	}
}

// A recent recorder sees exactly what one that sees everything would of the time since, from files
// as they were appended and compacted, read in part; retractions too.
func TestRecent(t *testing.T) {
	begin := time.Date(2025, 3, 1, 0, 0, 0, 0, time.UTC)
	for name, store := range map[string]objects.Store{"memory": &objects.Memory{}, "folder": objects.NewFolder(t.TempDir())} {
		rng := rand.New(rand.NewPCG(5, 6))
		s := New(store, name, Options{Producer: "test"}).Posts
		recentHistory(t, s, rng, begin)
		check := func(when string) {
			t.Helper()
			for _, days := range []int{-1, 60, 90, 97, 200} {
				since := begin.AddDate(0, 0, days).Add(17 * time.Minute)
				var whole []event.Post
				all := NewRecorder[event.Post](s, collect{&whole})
				if err := all.CatchUp(t.Context()); err != nil {
					t.Fatal(err)
				}
				want, got := identities{}, identities{}
				for i := range whole {
					if e := &whole[i]; isRecent(e.Kind, e.Key, e.OccurredAt, since) {
						want.Apply(e)
					}
				}
				if err := NewRecentRecorder(s, got, since).CatchUp(t.Context()); err != nil {
					t.Fatal(err)
				}
				for id := range got { // what is read whole shows more
					if _, ok := want[id]; !ok && when == "retracted" {
						delete(got, id)
					}
				}
				if !maps.Equal(got, want) {
					t.Errorf("%s, %s, since day %d: %d events, want %d", name, when, days, len(got), len(want))
				}
			}
		}
		check("appended")
		if _, err := s.Compact(t.Context(), CompactOptions{}); err != nil {
			t.Fatal(err)
		}
		snap, err := s.Snapshot(t.Context(), -1)
		if err != nil || len(snap.Files) != 1 || snap.Files[0].Size <= smallFile {
			t.Fatalf("the compacted lake is %d files: %v", len(snap.Files), err)
		}
		if _, err := recentIn(&pieces{ctx: t.Context(), store: store.(objects.Ranger), key: "posts/" + snap.Files[0].Path, size: snap.Files[0].Size}, begin.AddDate(0, 0, 90)); err != nil {
			t.Fatalf("the compacted file is not read in part: %v", err)
		}
		check("compacted")
		var first event.Post
		for events := range snap.Batches(t.Context()) {
			first = events[len(events)/2]
		}
		var r event.Post
		r.Kind, r.Key, r.Source, r.OccurredAt, r.RetractedEvents, r.RetractedBatch = event.Retracted, "x", "operator", begin, []string{first.EventID}, first.BatchID
		if _, err := NewRecorder[event.Post](s, nil).Record(t.Context(), func() ([]event.Post, error) { return []event.Post{r}, nil }); err != nil {
			t.Fatal(err)
		}
		check("retracted")
	}
}

// collect is a view that keeps the events.
type collect struct{ events *[]event.Post }

func (c collect) Reset()              { *c.events = nil }
func (c collect) Apply(e *event.Post) { *c.events = append(*c.events, *e) }

// A damaged file is read whole, whose bytes the log vouches for, and then refused by name.
func TestRecentDamaged(t *testing.T) {
	store := &objects.Memory{}
	s := New(store, "memory", Options{Producer: "test"}).Posts
	recentHistory(t, s, rand.New(rand.NewPCG(5, 6)), time.Date(2025, 3, 1, 0, 0, 0, 0, time.UTC))
	if _, err := s.Compact(t.Context(), CompactOptions{}); err != nil {
		t.Fatal(err)
	}
	snap, err := s.Snapshot(t.Context(), -1)
	if err != nil {
		t.Fatal(err)
	}
	key := "posts/" + snap.Files[0].Path
	data, _, err := store.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	for i := range data[len(data)-60_000:] {
		data[len(data)-60_000+i] ^= 0x5a
	}
	if _, err := store.Put(t.Context(), key, data, objects.Always()); err != nil {
		t.Fatal(err)
	}
	if err := NewRecentRecorder(s, nil, time.Date(2025, 5, 1, 0, 0, 0, 0, time.UTC)).CatchUp(t.Context()); err == nil {
		t.Error("a damaged file was read")
	}
}

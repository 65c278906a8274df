package lake

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/objects"
	"shitpost-alpha/lake/objects/faulty"
)

// maintenanceTasks are what maintenance does to a lake of a few small commits. Vacuum runs a hundred
// days later, so that all that was replaced may go.
func maintenanceTasks() []task {
	on := func(do func(context.Context, *Lake) error, later time.Duration) func(broken, _ objects.Store) func(context.Context) error {
		return func(broken, _ objects.Store) func(context.Context) error {
			l := New(broken, "test", Options{Producer: "test@1", Now: func() time.Time { return time.Now().Add(later) }})
			return func(ctx context.Context) error { return do(ctx, l) }
		}
	}
	compact := func(ctx context.Context, l *Lake) error {
		_, err := l.Prices.Compact(ctx, CompactOptions{})
		return err
	}
	checkpoint := func(ctx context.Context, l *Lake) error {
		_, err := l.Prices.Checkpoint(ctx)
		return err
	}
	return []task{
		{"compaction", prepareBars, on(compact, 0)},
		{"checkpoint", prepareBars, on(checkpoint, 0)},
		{"second checkpoint", func(t *testing.T, store objects.Store) {
			prepareBars(t, store)
			must(t, checkpoint(t.Context(), open(t, store)))
			record(t, NewRecorder(open(t, store).Prices, nil), bar("A", 9, 9))
		}, on(checkpoint, 0)},
		{"vacuum", func(t *testing.T, store objects.Store) {
			prepareBars(t, store)
			must(t, compact(t.Context(), open(t, store)))
		}, on(func(ctx context.Context, l *Lake) error {
			_, err := l.Prices.Vacuum(ctx, VacuumOptions{Delete: true})
			return err
		}, 100*24*time.Hour)},
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestMaintenanceFaultsOnMemory(t *testing.T) {
	// To maintenance an error is an error: those that differ in what has happened are enough.
	faults := slices.DeleteFunc(faulty.Faults(), func(f faulty.Fault) bool {
		return !slices.Contains([]string{"request lost", "reply lost", "refused though nobody was first", "refused by its own first try"}, f.Name)
	})
	if len(faults) != 4 {
		t.Fatalf("only %d of the faults are there", len(faults))
	}
	for _, k := range maintenanceTasks() {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			k.every(t, faults, true, onStore(func(*testing.T) objects.Store { return &objects.Memory{} }))
		})
	}
}

// post returns a draft of a post with a text, a picture and a payload.
func post(id string) event.Post {
	at, err := event.PublishedAt(id)
	if err != nil {
		panic(err)
	}
	p := event.Post{Envelope: event.Envelope{Kind: event.PostObserved, Key: id, Source: "archive:x", OccurredAt: at},
		PostID: id, PublishedAt: at, Text: "secret " + id, HTML: "<p>secret " + id, MediaURLs: []string{"https://secret/" + id}, CardTitle: "secret", Tags: []string{"secret"}}
	p.SetPayload([]byte(`{"id":"` + id + `","text":"secret"}`))
	return p
}

const (
	redacted = "115470116607441456"
	kept     = "115470116607441457"
)

// preparePosts makes three versions: both posts, a document about the first that was rejected, and
// the first from another source; compacted when asked for.
func preparePosts(t *testing.T, store objects.Store, compacted bool) {
	t.Helper()
	l := open(t, store)
	r := NewRecorder(l.Posts, nil)
	rejected := event.Post{Envelope: event.Envelope{Kind: event.RecordRejected, Key: "archive:x:1", Source: "archive:x", OccurredAt: time.Unix(1e9, 0)}}
	rejected.RejectedReason = "other account"
	rejected.SetPayload([]byte("secret of " + redacted))
	again := post(redacted)
	again.Source = "archive:y"
	for _, drafts := range [][]event.Post{{post(redacted), post(kept)}, {rejected}, {again}} {
		if _, err := r.Record(t.Context(), func() ([]event.Post, error) { return drafts, nil }); err != nil {
			t.Fatal(err)
		}
	}
	if compacted {
		if _, err := l.Posts.Compact(t.Context(), CompactOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}

// wantRedacted fails unless the post's content is gone from every live file and all else is there.
func wantRedacted(t *testing.T, store objects.Store, ids map[string]bool) {
	t.Helper()
	s := open(t, store).Posts
	snap, err := s.Snapshot(t.Context(), -1)
	if err != nil {
		t.Fatal(err)
	}
	secrets, markers := 0, 0
	for events, err := range snap.Batches(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			delete(ids, e.EventID)
			if e.Kind == event.PostRedacted {
				markers++
			}
			if strings.Contains(fmt.Sprint(e), "secret") {
				if secrets++; e.PostID != kept {
					t.Errorf("%s of %s still says %q", e.Kind, e.Key, fmt.Sprint(e))
				}
			}
		}
	}
	v, err := s.Verify(t.Context(), nil)
	if err != nil || !v.OK() || secrets != 1 || markers != 1 || len(ids) > 0 || v.Rows != 5 {
		t.Errorf("verify %+v, %v; %d events still hold the word, %d markers, missing events %v", v, err, secrets, markers, ids)
	}
	state, err := s.table.At(t.Context(), -1)
	if err != nil || !appendOnly(&state.MetaData) {
		t.Errorf("the table is left open to changes (%v)", err)
	}
}

func idsOf(t *testing.T, s *Stream[event.Post]) map[string]bool {
	t.Helper()
	ids := map[string]bool{}
	snap, err := s.Snapshot(t.Context(), -1)
	must(t, err)
	for events, err := range snap.Batches(t.Context()) {
		must(t, err)
		for i := range events {
			ids[events[i].EventID] = true
		}
	}
	return ids
}

func TestRedact(t *testing.T) {
	for _, compacted := range []bool{false, true} {
		store := &objects.Memory{}
		preparePosts(t, store, compacted)
		ids := idsOf(t, open(t, store).Posts)
		view := &postCounter{times: map[string]int{}}
		tail := Follow(open(t, store).Posts, View[event.Post](view))
		_, err := tail.CatchUp(t.Context())
		must(t, err)
		writer := NewRecorder(open(t, store).Posts, nil)
		must(t, writer.CatchUp(t.Context()))
		r, err := open(t, store).Redact(t.Context(), redacted, false)
		if err != nil || r.Appended != 1 || r.Rows != 3 {
			t.Fatalf("redacted: %+v, %v", r, err)
		}
		wantRedacted(t, store, ids)
		n, err := tail.CatchUp(t.Context())
		if err != nil || n != 1 || view.resets != 1 {
			t.Errorf("a tailing reader saw %d events, %d resets, %v; want the marker alone", n, view.resets, err)
		}
		// What is found again is known, though its text is gone.
		if n, err := writer.Record(t.Context(), func() ([]event.Post, error) { return []event.Post{post(redacted), post(kept)}, nil }); n != 0 || err != nil {
			t.Errorf("the redacted post was recorded again: %d, %v", n, err)
		}
		again, err := open(t, store).Redact(t.Context(), redacted, true)
		if err != nil || again.Appended != 0 || again.Rows != 0 || again.Deleted == 0 {
			t.Errorf("once more, now: %+v, %v", again, err)
		}
		for info, err := range store.List(t.Context(), "posts/", "") {
			must(t, err)
			if isDataFile(strings.TrimPrefix(info.Key, "posts/")) {
				data, _, err := store.Get(t.Context(), info.Key)
				must(t, err)
				must(t, eachRow(data, func(p *event.Post) error {
					if p.PostID == redacted && p.Text != "" {
						t.Errorf("file %s still holds the text", info.Key)
					}
					return nil
				}))
			}
		}
		late := &postCounter{times: map[string]int{}}
		if _, err := Follow(open(t, store).Posts, View[event.Post](late)).CatchUp(t.Context()); err != nil || len(late.times) != 5 {
			t.Errorf("a new reader: %d events, %v", len(late.times), err)
		}
	}
	if _, err := open(t, &objects.Memory{}).Redact(t.Context(), redacted, false); err == nil {
		t.Error("a post that nobody knows was redacted")
	}
}

type postCounter struct {
	times  map[string]int
	resets int
}

func (c *postCounter) Reset()              { c.times = map[string]int{}; c.resets++ }
func (c *postCounter) Apply(e *event.Post) { c.times[e.EventID]++ }

// TestRedactionIsHealed breaks a redaction off at every request, from there on, and finishes it by
// running it again.
func TestRedactionIsHealed(t *testing.T) {
	for _, f := range []faulty.Fault{
		{Name: "request lost", Verbs: "GET PUT LIST DELETE", Err: context.DeadlineExceeded},
		{Name: "reply lost", Verbs: "PUT", Lands: true, Err: context.DeadlineExceeded},
	} {
		for n, broken := 0, true; broken; n++ {
			store := &objects.Memory{}
			preparePosts(t, store, n%2 == 0)
			ids := idsOf(t, open(t, store).Posts)
			bad := faulty.NewStore(store)
			bad.Set(faulty.From(n, f))
			_, err := open(t, bad).Redact(t.Context(), redacted, false)
			broken = len(bad.Seen()) > n
			if !broken && err != nil {
				t.Fatal(err)
			}
			if v, err := open(t, store).Posts.Verify(t.Context(), nil); err != nil || !v.OK() {
				t.Fatalf("%s from request %d on: verify %+v, %v", f.Name, n, v, err)
			}
			if n%3 == 0 { // maintenance comes first
				_, err := open(t, store).Maintain(t.Context(), MaintainOptions{KeepFiles: true})
				must(t, err)
			}
			_, err = open(t, store).Redact(t.Context(), redacted, false)
			must(t, err)
			wantRedacted(t, store, ids)
		}
	}
}

// meddling is a store beside which something happens once, just before a commit that says what.
type meddling struct {
	objects.Store
	what   string
	meddle func()
}

func (m *meddling) Put(ctx context.Context, key string, data []byte, cond objects.Condition) (objects.Info, error) {
	if m.meddle != nil && strings.Contains(key, "_delta_log") && strings.Contains(string(data), m.what) {
		meddle := m.meddle
		m.meddle = nil
		meddle()
	}
	return m.Store.Put(ctx, key, data, cond)
}

func TestRedactBesideOthers(t *testing.T) {
	for name, meddle := range map[string]func(l *Lake) error{
		"maintenance":  func(l *Lake) error { _, err := l.Maintain(context.Background(), MaintainOptions{}); return err },
		"a compaction": func(l *Lake) error { _, err := l.Posts.Compact(context.Background(), CompactOptions{}); return err },
		"a redaction":  func(l *Lake) error { _, err := l.Redact(context.Background(), redacted, false); return err },
	} {
		t.Run(name, func(t *testing.T) {
			store := &objects.Memory{}
			preparePosts(t, store, false)
			ids := idsOf(t, open(t, store).Posts)
			beside := &meddling{Store: store, what: "REDACT"}
			beside.meddle = func() {
				if err := meddle(open(t, store)); err != nil {
					t.Error(err)
				}
			}
			if _, err := open(t, beside).Redact(t.Context(), redacted, false); err != nil {
				t.Fatal(err)
			}
			if beside.meddle != nil {
				t.Error("nothing happened beside it")
			}
			wantRedacted(t, store, ids)
		})
	}
}

func TestCompactionAbortsWhenItsFilesAreGone(t *testing.T) {
	store := &objects.Memory{}
	small(t, open(t, store).Prices, 5)
	beside := &meddling{Store: store, what: "OPTIMIZE"}
	beside.meddle = func() {
		if _, err := open(t, store).Prices.Compact(context.Background(), CompactOptions{}); err != nil {
			t.Error(err)
		}
	}
	if _, err := open(t, beside).Prices.Compact(t.Context(), CompactOptions{}); !errors.Is(err, ErrConflict) {
		t.Errorf("the slower of two compactions: %v, want ErrConflict", err)
	}
	v, err := open(t, store).Prices.Verify(t.Context(), nil)
	if err != nil || !v.OK() || v.Rows != 5 || v.Duplicates != 0 || len(v.Orphans) != 0 {
		t.Errorf("verify: %+v, %v; the file of the slower one should be gone", v, err)
	}
	if _, err := open(t, store).Maintain(t.Context(), MaintainOptions{}); err != nil {
		t.Errorf("maintenance afterwards: %v", err)
	}
}

func TestCompactionGoesOnBehindAnAppend(t *testing.T) {
	store := &objects.Memory{}
	small(t, open(t, store).Prices, 5)
	beside := &meddling{Store: store, what: "OPTIMIZE"}
	beside.meddle = func() { small(t, open(t, store).Prices, 6) }
	done, err := open(t, beside).Prices.Compact(t.Context(), CompactOptions{})
	if err != nil || done.Version != 7 || done.Rows != 5 {
		t.Errorf("compact: %+v, %v; want version 7, behind the append", done, err)
	}
	if v := clean(t, open(t, store).Prices); v.Rows != 6 || v.Files != 2 {
		t.Errorf("verify: %+v", v)
	}
}

func TestRetract(t *testing.T) {
	ctx := t.Context()
	store := &objects.Memory{}
	s := open(t, store).Prices
	small(t, s, 3)
	var all []Retractable
	for id := range everything(t, s) {
		r, err := s.Retractables(ctx, Retraction{Events: []string{id}, Reason: "why"})
		if err != nil || len(r) != 1 || r[0].EventID != id || r[0].Already {
			t.Fatalf("%+v, %v", r, err)
		}
		all = append(all, r[0])
	}
	for name, bad := range map[string]Retraction{
		"nothing": {Reason: "why"}, "both": {Events: []string{"x"}, Batch: "y", Reason: "why"}, "no reason": {Batch: all[0].BatchID},
		"unknown event": {Events: []string{all[0].EventID, "unknown"}, Reason: "why"}, "unknown batch": {Batch: "unknown", Reason: "why"},
	} {
		if r, err := s.Retract(ctx, bad); err == nil {
			t.Errorf("%s: took back %v", name, r)
		}
	}
	if r, err := s.Retract(ctx, Retraction{Events: []string{all[0].EventID}, Reason: "wrong file"}); err != nil || len(r) != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	if r, err := s.Retract(ctx, Retraction{Batch: all[1].BatchID, Reason: "wrong file"}); err != nil || len(r) != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	left := everything(t, open(t, store).Prices) // one bar and two retractions
	var retraction string
	for id, e := range left {
		if e.Kind == event.Retracted {
			retraction = id
			if e.Payload != `{"reason":"wrong file"}` {
				t.Errorf("payload %q", e.Payload)
			}
		}
	}
	if _, there := left[all[2].EventID]; len(left) != 3 || !there {
		t.Errorf("left: %v", left)
	}
	if _, err := s.Retract(ctx, Retraction{Events: []string{retraction}, Reason: "undo"}); err == nil {
		t.Error("a retraction was taken back")
	}
	if r, err := s.Retract(ctx, Retraction{Batch: all[1].BatchID, Reason: "again"}); err != nil || len(r) != 0 {
		t.Errorf("the same again: %+v, %v", r, err)
	}
}

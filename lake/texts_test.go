package lake_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/objects"
)

// texts is a view of what FollowTexts promises.
type texts map[string]event.Post

func (v texts) Reset() { clear(v) }

func (v texts) Apply(e *event.Post) {
	var p event.Post
	p.EventID, p.Kind, p.Key, p.Source, p.BatchID, p.Synthetic = e.EventID, e.Kind, e.Key, e.Source, e.BatchID, e.Synthetic
	p.OccurredAt, p.RecordedAt, p.PublishedAt = e.OccurredAt.UTC(), e.RecordedAt.UTC(), e.PublishedAt.UTC()
	p.PostID, p.Text, p.TextMissing, p.QuoteID, p.ReblogID = e.PostID, e.Text, e.TextMissing, e.QuoteID, e.ReblogID
	v[e.EventID] = p
}

// manyPosts drafts 3,000 posts with payloads, some deleted, and windows between them.
func manyPosts() []event.Post {
	rng := rand.New(rand.NewPCG(1, 9))
	var drafts []event.Post
	at := time.Date(2025, 3, 1, 0, 0, 0, 0, time.UTC)
	for i := range 3000 {
		id := fmt.Sprint(uint64(at.Add(time.Duration(i)*time.Hour/4).UnixMilli()) << 16)
		p := event.Post{PostID: id, Text: fmt.Sprintf("post %d %x", i, rng.Uint64()), TextMissing: i%7 == 0}
		p.PublishedAt, _ = event.PublishedAt(id)
		p.Kind, p.Key, p.Source, p.OccurredAt, p.Synthetic = event.PostObserved, id, "truthsocial", p.PublishedAt, i%3 == 0
		if i%5 == 0 {
			p.ReblogID, p.QuoteID = "1", "2"
		}
		if i%11 == 0 {
			p.Kind = event.PostDeleted
		}
		payload := make([]byte, 700)
		for k := range payload {
			payload[k] = byte('a' + rng.IntN(26))
		}
		p.SetPayload(payload)
		if i%100 == 0 {
			p = event.Post{WindowFrom: at, WindowTo: at.Add(time.Duration(i) * time.Minute)}
			p.Kind, p.Source, p.Key, p.OccurredAt = event.WindowRead, "truthsocial", "truthsocial", p.WindowTo
		}
		drafts = append(drafts, p)
	}
	return drafts
}

// TestFollowTexts: what is read in part says the same as what is read whole, with windows and deletions
// in it, and after a retraction, and costs less.
func TestFollowTexts(t *testing.T) {
	store := &objects.Memory{}
	l := lake.New(store, "memory", lake.Options{Producer: "test@1"})
	drafts := manyPosts()
	if n, err := lake.NewRecorder(l.Posts, nil).Record(t.Context(), func() ([]event.Post, error) { return drafts, nil }); err != nil || n != 3000 {
		t.Fatalf("recorded %d, %v", n, err)
	}
	agree := func(when string, want int) {
		t.Helper()
		whole, part := texts{}, texts{}
		cold := lake.New(store, "memory", lake.Options{})
		if _, err := lake.Follow(cold.Posts, whole).CatchUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := lake.FollowTexts(cold.Posts, part).CatchUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(whole) != want || len(part) != want {
			t.Errorf("%s: %d events whole, %d in part, want %d", when, len(whole), len(part), want)
		}
		for id, p := range whole {
			if fmt.Sprint(part[id]) != fmt.Sprint(p) {
				t.Fatalf("%s: in part %+v\nwhole %+v", when, part[id], p)
			}
		}
	}
	agree("one file", 3000)
	var first event.Post
	snap, err := l.Posts.Snapshot(t.Context(), -1)
	if err != nil {
		t.Fatal(err)
	}
	for events, err := range snap.Batches(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		first = events[0]
	}
	var back event.Post
	back.Kind, back.Key, back.Source, back.OccurredAt = event.Retracted, "events:test", "test", first.OccurredAt
	back.RetractedEvents = []string{first.EventID}
	event.Seal(&back, "")
	head, err := l.Posts.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Posts.Append(t.Context(), head, []event.Post{back}); err != nil {
		t.Fatal(err)
	}
	agree("with a retraction in another file", 3000) // one is gone, the retraction itself is an event
	if _, err := l.Posts.Compact(t.Context(), lake.CompactOptions{MinFiles: 2}); err != nil {
		t.Fatal(err)
	}
	agree("with a retraction in the same file", 3000)
}

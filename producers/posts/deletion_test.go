package posts

import (
	"strings"
	"testing"
	"time"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/producers"
)

// A→B→A are three facts, each naming what it replaces; growing counters are none.
func TestEdits(t *testing.T) {
	r := newRig(t, 10)
	h := r.harvester()
	step(t, h)
	id := r.fake.Timeline.Posts()[2].ID
	first := r.texts()[id]
	for _, text := range []string{"<p>edited</p>", first} {
		r.advance(5 * time.Minute)
		r.fake.Timeline.Edit(id, text)
		if n := step(t, h); n != 2 {
			t.Errorf("an edit: %d events, want it and the window", n)
		}
		if n := step(t, r.harvester()); n != 0 {
			t.Errorf("a restart appended %d events", n)
		}
	}
	versions := 0
	for _, e := range all(t, r.lake()) {
		if e.Kind == event.PostObserved && e.PostID == id {
			versions++
		}
	}
	if versions != 3 || r.texts()[id] != first {
		t.Errorf("%d versions, the newest %q", versions, r.texts()[id])
	}
}

// domain.md 1.2: gone from two complete readings at least ten minutes apart; seen again, it is back.
func TestDeletion(t *testing.T) {
	r := newRig(t, 200)
	h := r.harvester()
	step(t, h)
	gone := r.fake.Timeline.Posts()[30] // 15 hours old: only the hourly deep reading sees it
	deleted := func() bool { text, ok := r.texts()[gone.ID]; return ok && text == "" }
	r.fake.Timeline.Delete(gone.ID)
	runs := func(n int, every time.Duration) {
		for range n {
			r.advance(every)
			if n%2 == 0 {
				h = r.harvester() // the lake alone remembers
			}
			step(t, h)
		}
	}
	runs(13, 5*time.Minute) // the first deep reading after an hour
	if deleted() {
		t.Fatal("deleted after one reading")
	}
	runs(12, 5*time.Minute)
	if !deleted() {
		t.Fatal("not deleted after two deep readings")
	}
	before := len(all(t, r.lake()))
	runs(3, 5*time.Minute)
	if more := len(all(t, r.lake())) - before; more != 0 {
		t.Errorf("%d events without news", more)
	}
	at, _ := event.PublishedAt(gone.ID)
	back := r.fake.Timeline.Add(at, gone.Content) // drawn with an id of its own
	runs(24, 5*time.Minute)
	if r.texts()[back] != gone.Content {
		t.Error("a post that appears in the past is missing")
	}
}

// A post that is missing once and then shown again is not deleted, however often.
func TestFlickering(t *testing.T) {
	r := newRig(t, 50)
	h := r.harvester()
	h.DeepEvery = time.Minute
	step(t, h)
	for i := range 6 {
		posts := r.fake.Timeline.Posts()
		r.advance(20 * time.Minute)
		kept := posts[5]
		r.fake.Timeline.Delete(kept.ID)
		step(t, h)
		r.fake.Timeline.Restore(kept)
		r.advance(20 * time.Minute)
		step(t, h)
		if r.texts()[kept.ID] == "" {
			t.Fatalf("deleted after flicker %d", i+1)
		}
	}
}

// Seen again after its deletion, the same text is observed again.
func TestSeenAgain(t *testing.T) {
	r := newRig(t, 50)
	h := r.harvester()
	h.DeepEvery = time.Minute
	step(t, h)
	post := r.fake.Timeline.Posts()[5]
	r.fake.Timeline.Delete(post.ID)
	for range 2 {
		r.advance(11 * time.Minute)
		step(t, h)
	}
	if r.texts()[post.ID] != "" {
		t.Fatal("not deleted after two complete readings")
	}
	r.fake.Timeline.Restore(post)
	r.advance(5 * time.Minute)
	step(t, h)
	if r.texts()[post.ID] != post.Content {
		t.Error("not observed again")
	}
}

// More than 5 and more than a fifth at once is a bad reading: nothing is deleted, the failure is
// said, and an operator can accept it.
func TestManyMissing(t *testing.T) {
	r := newRig(t, 60)
	h := r.harvester()
	h.DeepEvery = time.Minute
	step(t, h)
	var ids []string
	for _, p := range r.fake.Timeline.Posts()[5:25] {
		ids = append(ids, p.ID)
	}
	r.fake.Timeline.Delete(ids...)
	mark := h.known.watermark("scrapecreators")
	for range 3 {
		r.advance(15 * time.Minute)
		if _, err := h.Step(t.Context()); producers.ClassOf(err) != producers.BadBody || !strings.Contains(err.Error(), "20 of 60") {
			t.Errorf("error %v", err)
		}
	}
	if h.known.watermark("scrapecreators") != mark || kinds(all(t, r.lake()))[event.PostDeleted] != 0 {
		t.Error("a bad reading was believed")
	}
	h.AcceptMissing = true
	for range 2 {
		r.advance(15 * time.Minute)
		step(t, h)
	}
	if n := kinds(all(t, r.lake()))[event.PostDeleted]; n != 20 {
		t.Errorf("%d deleted, want 20", n)
	}
}

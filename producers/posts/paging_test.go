package posts

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/objects"
	"shitpost-alpha/producers"
	"shitpost-alpha/producers/fakes"
	"shitpost-alpha/producers/posts/timeline"
)

// rig is a fake timeline over real HTTP, a lake in memory and a clock of its own.
type rig struct {
	t     testing.TB
	fake  *fakes.Server
	url   string
	store objects.Memory
	clock atomic.Int64 // ns since 1970
	// pauses are those of the clients, which do not take them.
	pauses atomic.Int64
}

func newRig(t testing.TB, posts int) *rig {
	t.Helper()
	r := &rig{t: t}
	r.clock.Store(noon.UnixNano())
	var err error
	if r.fake, err = fakes.New(fakes.Options{Seed: 1, Now: r.now, MadeUp: posts, ScrapeKey: "key"}); err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(r.fake)
	t.Cleanup(s.Close)
	r.url = s.URL
	return r
}

func (r *rig) now() time.Time          { return time.Unix(0, r.clock.Load()).UTC() }
func (r *rig) advance(d time.Duration) { r.clock.Add(int64(d)) }

func (r *rig) lake() *lake.Lake {
	return lake.New(&r.store, "memory", lake.Options{Producer: "harvester@test", Now: r.now})
}

func (r *rig) client() *producers.Client {
	return &producers.Client{Now: r.now, TryTimeout: 10 * time.Second, Sleep: func(ctx context.Context, d time.Duration) error {
		r.pauses.Add(int64(d))
		return ctx.Err()
	}}
}

// harvester returns one as a process would start it.
func (r *rig) harvester() *Harvester {
	h := New(r.lake().Posts, timeline.ScrapeCreators(r.client(), r.url+"/v1", "key"))
	h.Now = r.now
	return h
}

// texts returns what the lake says of each post of the source: "" for deleted ones.
func (r *rig) texts() map[string]string {
	heads := map[string]event.Post{}
	for _, e := range all(r.t, r.lake()) {
		if e.Kind != event.PostObserved && e.Kind != event.PostDeleted {
			continue
		}
		if old, ok := heads[e.Key]; !ok || e.After(&old.Envelope) {
			heads[e.Key] = e
		}
	}
	out := map[string]string{}
	for id, e := range heads {
		out[id] = e.HTML
	}
	return out
}

// check compares the lake with the posts of the fake that are at most so old.
func (r *rig) check(age time.Duration) {
	r.t.Helper()
	want := map[string]string{}
	for _, p := range r.fake.Timeline.Posts() {
		if at, _ := event.PublishedAt(p.ID); r.now().Sub(at) <= age {
			want[p.ID] = p.Content
		}
	}
	got := r.texts()
	for id, text := range got {
		if at, _ := event.PublishedAt(id); r.now().Sub(at) > age || text == "" {
			delete(got, id)
		}
	}
	if !maps.Equal(got, want) {
		r.t.Errorf("the lake has %d posts, the source %d, or texts differ", len(got), len(want))
	}
}

func windows(events map[string]event.Post) []event.Post {
	var out []event.Post
	for _, e := range events {
		if e.Kind == event.WindowRead {
			out = append(out, e)
		}
	}
	slices.SortFunc(out, func(a, b event.Post) int { return a.RecordedAt.Compare(b.RecordedAt) })
	return out
}

const forever = 100 * 365 * 24 * time.Hour

func TestBackfillThenIncremental(t *testing.T) {
	r := newRig(t, 300)
	h := r.harvester()
	h.Mode = Backfill
	if n := step(t, h); n != 301 {
		t.Errorf("backfill appended %d events, want 300 posts and a window", n)
	}
	r.check(forever)
	asked := r.fake.Count(fakes.ScrapeCreators)
	if asked != 15+emptyLooks {
		t.Errorf("backfill asked %d times for 300 posts", asked)
	}
	h = r.harvester()
	if n := step(t, h); n != 0 {
		t.Errorf("nothing new, but %d events", n)
	}
	if n := r.fake.Count(fakes.ScrapeCreators) - asked; n != 1 {
		t.Errorf("a run without news asked %d times", n)
	}
	r.advance(5 * time.Minute)
	id := r.fake.Timeline.Add(r.now().Add(-time.Minute), "<p>news</p>")
	if n := step(t, h); n != 2 {
		t.Errorf("one new post: %d events", n)
	}
	if r.texts()[id] != "<p>news</p>" {
		t.Error("the new post is missing")
	}
	w := windows(all(t, r.lake()))
	if last := w[len(w)-1]; !last.WindowComplete || !last.WindowTo.Equal(r.now()) || last.WindowTo.Sub(last.WindowFrom) < h.Overlap {
		t.Errorf("window %s..%s complete %v", last.WindowFrom, last.WindowTo, last.WindowComplete)
	}
}

// A pinned old post on top, pages out of order, posts that appear while paging and text/plain do not
// end a run early; a payload is the source's bytes.
func TestConfusedPages(t *testing.T) {
	for _, kind := range []fakes.Kind{"", fakes.Shuffled, fakes.Changing, fakes.WrongType} {
		r := newRig(t, 500)
		pinned := r.fake.Timeline.Posts()[490].ID
		r.fake.Timeline.Pin(pinned)
		if kind != "" {
			r.fake.Fault(fakes.ScrapeCreators, fakes.Fault{Kind: kind})
		}
		h := r.harvester()
		step(t, h)
		r.fake.Heal()
		r.advance(time.Second)
		step(t, h) // what appeared while paging
		r.check(h.FirstWindow)
		if _, there := r.texts()[pinned]; there {
			t.Errorf("%s: the pinned post is older than the window and was taken", kind)
		}
	}
}

func TestPayload(t *testing.T) {
	r := newRig(t, 3)
	step(t, r.harvester())
	for _, e := range all(t, r.lake()) {
		if e.Kind == event.PostObserved && (!strings.HasPrefix(e.Payload, `{"id":"`+e.PostID) || !strings.HasSuffix(e.Payload, "}") || e.PayloadEncoding != "utf8") {
			t.Errorf("payload %q", e.Payload)
		}
	}
}

// Whatever passes is waited for and asked again; the posts are complete, and none is there twice.
func TestPassingFaults(t *testing.T) {
	for _, f := range []fakes.Fault{
		{Kind: fakes.Limited, RetryAfter: "2", Times: 3}, {Kind: fakes.Down, Times: 4}, {Kind: fakes.Reset, Times: 2}, {Kind: fakes.Cut, Times: 3},
		{Kind: fakes.Malformed, Times: 2}, {Kind: fakes.Page, Times: 3}, {Kind: fakes.EmptyPage, Times: 2}, {Kind: fakes.RepeatPage, P: 0.3},
	} {
		t.Run(string(f.Kind), func(t *testing.T) {
			r := newRig(t, 120)
			r.fake.Fault(fakes.ScrapeCreators, f)
			h := r.harvester()
			h.Mode = Backfill
			for range 5 {
				if _, err := h.Step(t.Context()); err == nil {
					break
				}
			}
			r.check(forever)
		})
	}
}

// Whatever does not pass is a failure with its class, never the end of the posts; the watermark
// stays, and the next run closes the gap.
func TestLastingFaults(t *testing.T) {
	for _, c := range []struct {
		fault fakes.Fault
		class producers.Class
	}{
		{fakes.Fault{Kind: fakes.Limited, RetryAfter: "1"}, producers.RateLimited},
		{fakes.Fault{Kind: fakes.Limited, RetryAfter: "7200"}, producers.RateLimited},
		{fakes.Fault{Kind: fakes.Down, Status: 502}, producers.Server},
		{fakes.Fault{Kind: fakes.Reset}, producers.Network},
		{fakes.Fault{Kind: fakes.Cut}, producers.Network},
		{fakes.Fault{Kind: fakes.Malformed}, producers.BadBody},
		{fakes.Fault{Kind: fakes.Hostile}, producers.BadBody},
		{fakes.Fault{Kind: fakes.Page}, producers.BadBody},
		{fakes.Fault{Kind: fakes.Cloudflare}, producers.Blocked},
		{fakes.Fault{Kind: fakes.EmptyPage}, producers.BadBody},
		{fakes.Fault{Kind: fakes.RepeatPage}, producers.BadBody},
		{fakes.Fault{Kind: fakes.Refusal}, producers.Auth},
	} {
		t.Run(string(c.fault.Kind), func(t *testing.T) {
			r := newRig(t, 400)
			h := r.harvester()
			step(t, h)
			mark := h.known.watermark("scrapecreators")
			r.advance(30 * time.Hour)
			for i := range 60 {
				r.fake.Timeline.Add(r.now().Add(-time.Duration(i)*25*time.Minute), "")
			}
			r.fake.Fault(fakes.ScrapeCreators, c.fault)
			n, err := h.Step(t.Context())
			if producers.ClassOf(err) != c.class && c.fault.Kind != fakes.Hostile {
				t.Errorf("error %v, want class %s", err, c.class)
			}
			if err == nil && c.fault.Kind != fakes.Hostile {
				t.Errorf("appended %d without an error", n)
			}
			if again := r.harvester(); again.catchUp(t.Context()) != nil || err != nil && !again.known.watermark("scrapecreators").Equal(mark) {
				t.Error("the watermark moved")
			}
			r.fake.Heal()
			step(t, r.harvester())
			r.check(h.FirstWindow)
		})
	}
}

func TestRangeOfTimeline(t *testing.T) {
	r := newRig(t, 400) // 200 hours
	h := r.harvester()
	h.Mode, h.From, h.To = Range, noon.AddDate(0, 0, -5).Truncate(24*time.Hour), noon.AddDate(0, 0, -3).Truncate(24*time.Hour)
	step(t, h)
	want := 0
	for _, p := range r.fake.Timeline.Posts() {
		if at, _ := event.PublishedAt(p.ID); !at.Before(h.From) && at.Before(h.To) {
			want++
		}
	}
	if got := len(r.texts()); got != want || want != 96 {
		t.Errorf("%d posts, want %d", got, want)
	}
	if n := r.fake.Count(fakes.ScrapeCreators); n > 6 {
		t.Errorf("asked %d times for 96 posts", n)
	}
	if !h.known.watermark("scrapecreators").IsZero() {
		t.Error("a range in the past set the watermark")
	}
}

func TestBackfillResumes(t *testing.T) {
	r := newRig(t, 200)
	h := r.harvester()
	h.Mode = Backfill
	r.fake.Fault(fakes.ScrapeCreators, fakes.Fault{Kind: fakes.Down, P: 1e-9}, fakes.Fault{Kind: fakes.WrongType, Times: 4}, fakes.Fault{Kind: fakes.Cloudflare})
	_, err := h.Step(t.Context())
	if err == nil || !strings.Contains(err.Error(), "--max-id ") {
		t.Fatalf("error %v", err)
	}
	_, rest, _ := strings.Cut(err.Error(), "--max-id ")
	r.fake.Heal()
	h = r.harvester()
	h.Mode = Backfill
	if _, err := fmt.Sscanf(rest, "%d", &h.MaxID); err != nil {
		t.Fatal(err)
	}
	r.fake.Forget()
	step(t, h)
	r.check(forever)
	if n := r.fake.Count(fakes.ScrapeCreators); n != 6+emptyLooks {
		t.Errorf("the rest of 120 posts took %d requests", n)
	}
}

// Killed at random while the source misbehaves at random: complete in the end, and nothing twice.
func TestTimelineKilled(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	r := newRig(t, 150)
	var kill atomic.Pointer[context.CancelFunc]
	var left atomic.Int64
	client := r.client()
	check := func() error {
		if left.Add(-1) == 0 {
			(*kill.Load())()
		}
		return nil
	}
	r.fake.Fault(fakes.ScrapeCreators, fakes.Common(0.06)...)
	r.fake.Fault(fakes.ScrapeCreators, fakes.Fault{Kind: fakes.EmptyPage, P: 0.05}, fakes.Fault{Kind: fakes.RepeatPage, P: 0.05}, fakes.Fault{Kind: fakes.Shuffled, P: 0.1}, fakes.Fault{Kind: fakes.Changing, P: 0.1})
	for range 120 {
		ctx, cancel := context.WithCancel(t.Context())
		kill.Store(&cancel)
		left.Store(1 + rng.Int64N(12))
		h := New(r.lake().Posts, timeline.ScrapeCreators(client, r.url+"/v1", "key"))
		h.Now, h.Check, h.batchPosts, h.FirstWindow = r.now, check, 1+rng.IntN(60), 30*24*time.Hour
		for range 2 {
			_, _ = h.Step(ctx) // killed, or failed by a fault, or done: the end is checked
			r.advance(time.Duration(rng.IntN(40)) * time.Minute)
			if rng.IntN(2) == 0 {
				r.fake.Timeline.Add(r.now().Add(-time.Duration(rng.IntN(300))*time.Second), "")
			}
		}
		cancel()
	}
	r.fake.Heal()
	r.advance(time.Minute)
	left.Store(1 << 40)
	h := r.harvester()
	step(t, h)
	r.check(forever)
	if n := kinds(all(t, r.lake()))[event.PostDeleted]; n != 0 {
		t.Errorf("%d posts count as deleted", n)
	}
}

// Two harvesters at once record each post once.
func TestTimelineTwoAtOnce(t *testing.T) {
	r := newRig(t, 200)
	done := make(chan error)
	for range 2 {
		go func() {
			h := r.harvester()
			h.Mode, h.batchPosts = Backfill, 30
			_, err := h.Step(t.Context())
			done <- err
		}()
	}
	if err := errors.Join(<-done, <-done); err != nil {
		t.Fatal(err)
	}
	if n := kinds(all(t, r.lake()))[event.PostObserved]; n != 200 {
		t.Errorf("%d posts recorded, want 200", n)
	}
}

// A source that wants to be left alone does not keep the loop from the other ones.
func TestWaiting(t *testing.T) {
	r := newRig(t, 10)
	r.fake.Fault(fakes.ScrapeCreators, fakes.Fault{Kind: fakes.Limited, RetryAfter: "7200"})
	h := r.harvester()
	h.Sources = append(h.Sources, timeline.TruthSocial(r.client(), r.url))
	for range 3 {
		n, err := h.Step(t.Context())
		if producers.ClassOf(err) != producers.RateLimited || producers.RetryAfter(err) != 0 {
			t.Errorf("appended %d, error %v", n, err)
		}
		r.advance(20 * time.Minute)
	}
	if a, b := r.fake.Count(fakes.ScrapeCreators), r.fake.Count(fakes.TruthSocial); a != 1 || b < 3 {
		t.Errorf("the one that is limited was asked %d times, the other %d", a, b)
	}
	r.fake.Heal()
	r.advance(2 * time.Hour)
	step(t, h)
	r.check(forever)
}

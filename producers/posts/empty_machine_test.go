package posts

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/lease"
	"shitpost-alpha/lake/objects"
	"shitpost-alpha/producers/fakes"
	"shitpost-alpha/producers/posts/record"
)

// counter is a store that counts requests and the bytes that were read.
type counter struct {
	objects.Memory
	mu       sync.Mutex
	requests []string
	read     int
}

func (c *counter) count(what, key string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests = append(c.requests, fmt.Sprintf("%s %s %d", what, key, n))
	if what != "put" {
		c.read += n
	}
}

func (c *counter) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests, c.read = nil, 0
}

func (c *counter) Get(ctx context.Context, key string) ([]byte, objects.Info, error) {
	data, info, err := c.Memory.Get(ctx, key)
	c.count("get", key, len(data))
	return data, info, err
}

func (c *counter) GetRange(ctx context.Context, key string, offset, length int64) ([]byte, error) {
	data, err := c.Memory.GetRange(ctx, key, offset, length)
	c.count("range", key, len(data))
	return data, err
}

func (c *counter) Put(ctx context.Context, key string, data []byte, cond objects.Condition) (objects.Info, error) {
	info, err := c.Memory.Put(ctx, key, data, cond)
	c.count("put", key, len(data))
	return info, err
}

func (c *counter) List(ctx context.Context, prefix, after string) iter.Seq2[objects.Info, error] {
	c.count("list", prefix, 0)
	return c.Memory.List(ctx, prefix, after)
}

// bigLake fills the store with the user's posts: 28,000 of this source over four years with payloads
// as long as real ones, a year of hourly windows, compacted and with a checkpoint.
func bigLake(t testing.TB, store objects.Store, now time.Time) {
	t.Helper()
	l := lake.New(store, "memory", lake.Options{Producer: "test", Now: func() time.Time { return now }})
	rng := rand.New(rand.NewPCG(1, 2))
	var drafts []event.Post
	for i := range 28_000 {
		at := now.Add(-time.Duration(28_000-i)*75*time.Minute - 30*time.Hour - time.Duration(rng.IntN(3_000_000))*time.Millisecond)
		id := strconv.FormatUint(firstID(at)+rng.Uint64N(1<<16), 10)
		text := fmt.Sprintf("Post %d about tariffs, %x and the stock market", i, event.Hash(id))
		doc := fmt.Sprintf(`{"id":%q,"created_at":%q,"content":%q,"url":"https://truthsocial.com/@realDonaldTrump/%s","account":{"id":%q,"username":%q,"note":%q},"replies_count":%d}`,
			id, at.Format(time.RFC3339), text, id, event.AuthorID, event.AuthorUsername, strings.Repeat(event.Hash(text), 40), i)
		drafts = append(drafts, record.JSON(record.Origin{Source: "scrapecreators", Place: "test"}, []byte(doc)))
	}
	for i := range 365 * 24 {
		var w event.Post
		w.Kind, w.Source, w.Key = event.WindowRead, "scrapecreators", "scrapecreators"
		w.WindowTo = now.Add(-30*time.Hour - time.Duration(i)*time.Hour)
		w.OccurredAt, w.WindowFrom, w.WindowComplete = w.WindowTo, w.WindowTo.Add(-48*time.Hour), true
		drafts = append(drafts, w)
	}
	rec := lake.NewRecorder[event.Post](l.Posts, nil)
	for part := range 8 {
		if _, err := rec.Record(t.Context(), func() ([]event.Post, error) {
			return drafts[part*len(drafts)/8 : (part+1)*len(drafts)/8], nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	compact(t, l)
}

// Cron on an empty machine: one run against a lake of the user's size is a few requests and few bytes,
// and finds and records what is new.
func TestOnceOnAnEmptyMachine(t *testing.T) {
	r := newRig(t, 0)
	store := &counter{}
	bigLake(t, store, r.now())
	r.advance(time.Minute)
	for i := range 30 {
		r.fake.Timeline.Add(r.now().Add(-time.Duration(i)*time.Hour), "")
	}
	if first, err := lease.Acquire(t.Context(), store, "scrapecreators", lease.Options{}); err != nil || first.Release(t.Context()) != nil {
		t.Fatal(err) // it is not the first run
	}
	store.reset()
	held, err := lease.Acquire(t.Context(), store, "scrapecreators", lease.Options{})
	if err != nil {
		t.Fatal(err)
	}
	l := lake.New(store, "memory", lake.Options{Producer: "harvester@test", Now: r.now})
	h := r.harvester()
	h.stream, h.Check = l.Posts, held.Check
	// The fake has the new posts only: of the known ones in the overlap it would be said that they
	// are missing.
	h.AcceptMissing = true
	if n := step(t, h); n != 31 {
		t.Errorf("appended %d events, want 30 posts and a window", n)
	}
	if err := held.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	asked := r.fake.Count(fakes.ScrapeCreators)
	t.Logf("%d requests to the lake, %d to the source, %d bytes read", len(store.requests), asked, store.read)
	if len(store.requests) > 15 || store.read > 1<<20 {
		t.Errorf("too much:\n%s", strings.Join(store.requests, "\n"))
	}
	if t.Failed() || testing.Verbose() {
		t.Log(strings.Join(store.requests, "\n"))
	}
	nextOnce(t, r, store, l)
}

// nextOnce: each commit since the lake was last maintained costs the next run two requests, for its log
// entry and its events, and the look for more than there are one; maintenance takes that back.
func nextOnce(t *testing.T, r *rig, store *counter, l *lake.Lake) {
	t.Helper()
	run := func() (requests, bytes int) {
		t.Helper()
		r.advance(time.Minute)
		r.fake.Timeline.Add(r.now(), "")
		store.reset()
		held, err := lease.Acquire(t.Context(), store, "scrapecreators", lease.Options{})
		if err != nil {
			t.Fatal(err)
		}
		h := r.harvester()
		h.stream, h.Check, h.AcceptMissing = lake.New(store, "memory", lake.Options{Producer: "harvester@test", Now: r.now}).Posts, held.Check, true
		if n := step(t, h); n != 2 {
			t.Errorf("appended %d events, want a post and a window", n)
		}
		if err := held.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		return len(store.requests), store.read
	}
	for commits := 1; commits <= 4; commits++ {
		if requests, bytes := run(); requests > 14+2*commits || bytes > 1<<20 {
			t.Errorf("%d commits after maintenance: %d requests, %d bytes:\n%s", commits, requests, bytes, strings.Join(store.requests, "\n"))
		}
	}
	compact(t, l)
	if requests, bytes := run(); requests > 15 || bytes > 1<<20 {
		t.Errorf("after maintenance: %d requests, %d bytes:\n%s", requests, bytes, strings.Join(store.requests, "\n"))
	}
}

func compact(t testing.TB, l *lake.Lake) {
	t.Helper()
	if _, err := l.Posts.Compact(t.Context(), lake.CompactOptions{MinFiles: 2}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Posts.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
}

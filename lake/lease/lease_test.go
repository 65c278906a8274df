package lease_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/lease"
	"shitpost-alpha/lake/objects"
)

func acquire(t *testing.T, store objects.Store, o lease.Options) *lease.Lease {
	t.Helper()
	l, err := lease.Acquire(t.Context(), store, "paid", o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func release(t *testing.T, l *lease.Lease) {
	t.Helper()
	if err := l.Release(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
}

// flaky is a store that can be made to fail, before or after the work is done.
type flaky struct {
	objects.Memory
	fail, loseReply atomic.Bool
}

var errDown = errors.New("store down")

func (f *flaky) Put(ctx context.Context, key string, data []byte, c objects.Condition) (objects.Info, error) {
	if f.fail.Load() {
		return objects.Info{}, errDown
	}
	info, err := f.Memory.Put(ctx, key, data, c)
	if f.loseReply.Load() {
		return objects.Info{}, errDown
	}
	return info, err
}

func TestHandOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &objects.Memory{}
		a := acquire(t, store, lease.Options{Owner: "a"})
		a.SetNote("2026-01-02 17")
		time.Sleep(10 * time.Minute) // it is renewed all along
		if err := a.Check(); err != nil {
			t.Fatal(err)
		}
		release(t, a)
		if err := a.Check(); !errors.Is(err, lease.ErrLost) {
			t.Errorf("after release: %v", err)
		}
		began := time.Now()
		b := acquire(t, store, lease.Options{Owner: "b"})
		if waited := time.Since(began); waited > time.Second {
			t.Errorf("a released lease was waited for: %s", waited)
		}
		if b.Note() != "2026-01-02 17" || b.Epoch() != 2 {
			t.Errorf("note %q, epoch %d", b.Note(), b.Epoch())
		}
		release(t, b)
	})
}

// A holder that is cut off from the store stops before anybody takes over.
func TestTakeOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &flaky{}
		a := acquire(t, store, lease.Options{Owner: "a"})
		time.Sleep(time.Minute)
		store.fail.Store(true)
		var freeAt time.Time
		done := make(chan struct{})
		go func() {
			defer close(done)
			for a.Check() == nil {
				time.Sleep(time.Second)
			}
			freeAt = time.Now()
		}()
		<-done
		cut := make(chan *lease.Lease)
		go func() {
			b, err := lease.Acquire(t.Context(), &store.Memory, "paid", lease.Options{Owner: "b"})
			if err != nil {
				t.Error(err)
			}
			if time.Since(freeAt) < 0 {
				t.Error("taken over while the holder was at work")
			}
			cut <- b
		}()
		b := <-cut
		store.fail.Store(false)
		time.Sleep(time.Minute)
		if err := a.Check(); !errors.Is(err, lease.ErrLost) {
			t.Errorf("the former holder: %v", err)
		}
		if err := b.Check(); err != nil || b.Epoch() != 2 {
			t.Errorf("the new holder: %v, epoch %d", err, b.Epoch())
		}
		release(t, a) // must not touch the other's
		release(t, b)
	})
}

// Replies that are lost are no loss.
func TestLostReplies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &flaky{}
		store.loseReply.Store(true)
		// The probe's refusal is lost too, so Acquire cannot tell and says so.
		if _, err := lease.Acquire(t.Context(), store, "paid", lease.Options{}); !errors.Is(err, errDown) {
			t.Fatalf("acquire: %v", err)
		}
		store.loseReply.Store(false)
		began := time.Now()
		l := acquire(t, store, lease.Options{})
		if waited := time.Since(began); waited < lease.TTL {
			t.Errorf("the lease of a holder that may live was taken after %s", waited)
		}
		store.loseReply.Store(true)
		time.Sleep(5 * time.Minute)
		if err := l.Check(); err != nil {
			t.Errorf("renewals whose replies were lost: %v", err)
		}
		store.loseReply.Store(false)
		release(t, l)
	})
}

// At no moment do two of many consider it theirs, though they stop and start at random.
func TestOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &objects.Memory{}
		var holders atomic.Int32
		var turns atomic.Int32
		var wait sync.WaitGroup
		for i := range 8 {
			wait.Go(func() {
				for range 3 {
					ctx, cancel := context.WithCancel(t.Context())
					l, err := lease.Acquire(ctx, store, "paid", lease.Options{Owner: fmt.Sprint(i)})
					if err != nil {
						t.Error(err)
						cancel()
						return
					}
					turns.Add(1)
					for range 1 + i {
						if l.Check() != nil {
							t.Error("lost without a cause")
						}
						if holders.Add(1) != 1 {
							t.Error("two holders")
						}
						time.Sleep(700 * time.Millisecond)
						holders.Add(-1)
					}
					if i%2 == 0 { // half of them die instead
						if err := l.Release(ctx); err != nil {
							t.Error(err)
						}
					}
					cancel()
				}
			})
		}
		wait.Wait()
		if turns.Load() != 24 {
			t.Errorf("%d turns, want 24", turns.Load())
		}
	})
}

// A sleeper that wakes cannot append what it decided before it was replaced.
func TestFence(t *testing.T) {
	store := &objects.Memory{}
	old := lake.New(store, "memory", lake.Options{Producer: "a"})
	if _, err := old.Posts.Append(t.Context(), -1, []event.Post{post(1)}); err != nil {
		t.Fatal(err)
	}
	next := lake.New(store, "memory", lake.Options{Producer: "b"})
	if err := next.Posts.Fence(t.Context(), "lease:paid", 2); err != nil {
		t.Fatal(err)
	}
	if _, err := old.Posts.Append(t.Context(), 1, []event.Post{post(2)}); !errors.Is(err, lake.ErrConflict) {
		t.Errorf("append behind a fence: %v", err)
	}
	if got := old.Posts.Epoch("lease:paid"); got != 2 {
		t.Errorf("the sleeper sees epoch %d", got)
	}
	if err := old.Posts.Fence(t.Context(), "lease:paid", 1); !errors.Is(err, lake.ErrFenced) {
		t.Errorf("an earlier epoch: %v", err)
	}
	if err := next.Posts.Fence(t.Context(), "lease:paid", 2); err != nil {
		t.Errorf("the same epoch: %v", err)
	}
	head, err := next.Posts.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := old.Posts.Append(t.Context(), head, []event.Post{post(2)}); err != nil {
		t.Errorf("append after looking: %v", err)
	}
}

// Only a lease that was not released is fenced: a clean hand-over leaves nothing in flight.
func TestAcquireFences(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &objects.Memory{}
		l := lake.New(store, "memory", lake.Options{Producer: "a"})
		release(t, acquire(t, store, lease.Options{Stream: l.Posts}))
		dead, kill := context.WithCancel(t.Context())
		if _, err := lease.Acquire(dead, store, "paid", lease.Options{Stream: l.Posts}); err != nil {
			t.Fatal(err)
		}
		kill()
		if head, err := l.Posts.Head(t.Context()); head != -1 || err != nil {
			t.Errorf("a released lease was fenced: version %d, %v", head, err)
		}
		b := acquire(t, store, lease.Options{Stream: l.Posts})
		if l.Posts.Epoch("lease:paid") != b.Epoch() || b.Epoch() != 3 {
			t.Errorf("epochs %d and %d", l.Posts.Epoch("lease:paid"), b.Epoch())
		}
		if err := l.Posts.Fence(t.Context(), "lease:paid", 7); err != nil {
			t.Fatal(err)
		}
		if err := b.Check(); !errors.Is(err, lease.ErrLost) {
			t.Errorf("a later epoch is known: %v", err)
		}
		release(t, b)
	})
}

// ignorant honours no condition.
type ignorant struct{ objects.Memory }

func (i *ignorant) Put(ctx context.Context, key string, data []byte, _ objects.Condition) (objects.Info, error) {
	return i.Memory.Put(ctx, key, data, objects.Always())
}

func TestRefusals(t *testing.T) {
	if _, err := lease.Acquire(t.Context(), &ignorant{}, "paid", lease.Options{}); !errors.Is(err, lease.ErrStore) {
		t.Errorf("a store that ignores conditions: %v", err)
	}
	for _, name := range []string{"", "a/b", "..", "a b"} {
		if _, err := lease.Acquire(t.Context(), &objects.Memory{}, name, lease.Options{}); err == nil {
			t.Errorf("name %q was taken", name)
		}
	}
}

func post(n int) event.Post {
	id := fmt.Sprint((uint64(1_750_000_000_000) + uint64(n)) << 16)
	p := event.Post{Envelope: event.Envelope{Kind: event.PostObserved, Key: id, Source: "test"}, PostID: id}
	p.PublishedAt, _ = event.PublishedAt(id)
	p.OccurredAt = p.PublishedAt
	event.Seal(&p, "")
	return p
}

// Holders with other times to live: whoever waits leaves the holder its time, however short its own is.
func TestTTL(t *testing.T) {
	for _, c := range []struct{ holder, waiter, want time.Duration }{
		{2 * time.Second, 2 * time.Second, 2 * time.Second},
		{0, 2 * time.Second, lease.TTL},
		{2 * time.Second, 0, lease.TTL},
		{20 * time.Second, 2 * time.Second, 20 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			store := &objects.Memory{}
			dead, kill := context.WithCancel(t.Context())
			a, err := lease.Acquire(dead, store, "paid", lease.Options{TTL: c.holder})
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(3 * time.Minute)
			if err := a.Check(); err != nil {
				t.Errorf("holder %s: not renewed in time: %v", c.holder, err)
			}
			kill()
			began := time.Now()
			b := acquire(t, store, lease.Options{TTL: c.waiter})
			if waited := time.Since(began); waited < c.want || waited > c.want*4/3 {
				t.Errorf("holder %s, waiter %s: taken over after %s, want %s", c.holder, c.waiter, waited, c.want)
			}
			if a.Check() == nil {
				t.Errorf("holder %s, waiter %s: both are at work", c.holder, c.waiter)
			}
			release(t, b)
		})
	}
	if _, err := lease.Acquire(t.Context(), &objects.Memory{}, "paid", lease.Options{TTL: time.Millisecond}); err == nil {
		t.Error("a lease that lives a millisecond was taken")
	}
}

// Package lease lets one process at a time do what is paid for, with nothing but the lake's object
// store: one small object per name, replaced with put-if-match.
//
// The holder renews the object every quarter of its life. Whoever waits takes it over once it has
// seen the same ETag for its TTL of its own monotonic clock, so no two machines' clocks are compared. A
// take-over raises the epoch and commits it to the stream that the paid work is written to (Fence):
// an append that the former holder decided before conflicts, and Check then says ErrLost.
//
// The holder calls Check before every paid call and every append. A crash leaves the object as it
// is: the next holder waits TTL, and at most what was in flight is paid again.
package lease

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"shitpost-alpha/lake/objects"
)

var (
	// ErrLost: the lease is not ours any more, or was not renewed in time.
	ErrLost = errors.New("lease lost")
	// ErrStore: the store ignores If-Match, so a lease on it would protect nothing.
	ErrStore = errors.New("store refused: it ignores If-Match")
)

// Times of a lease, where Options.TTL says nothing else; the others follow TTL in these proportions.
// Fresh is shorter than TTL, so that a holder stops before anybody takes over.
const (
	TTL   = 60 * time.Second // unchanged for so long, a lease may be taken over
	Fresh = TTL * 2 / 3      // so old a renewal may be for Check
	// MinTTL is the shortest TTL: below, a slow request would lose the lease.
	MinTTL = time.Second
)

// times of one lease.
type times struct {
	ttl, fresh time.Duration
	renew      time.Duration // between two renewals
	retry      time.Duration // after a renewal that failed
	look       time.Duration // between two looks at another's lease
}

func timesOf(ttl time.Duration) times {
	return times{ttl: ttl, fresh: ttl * 2 / 3, renew: ttl / 4, retry: ttl / 20, look: ttl / 12}
}

// Stream is where the paid work is written: a lake.Stream.
type Stream interface {
	// Fence commits epoch, so that what was decided before it cannot be appended.
	Fence(ctx context.Context, appID string, epoch int64) error
	// Epoch returns the newest one committed, as far as this process knows.
	Epoch(appID string) int64
}

// Options of a lease. The zero value is usable.
type Options struct {
	// Stream is fenced at every take-over, under the name "lease:" and that of the lease; nil for none.
	Stream Stream
	// TTL is for how long a lease must be unchanged to be taken over; the constant TTL when zero, at
	// least MinTTL. It is written into the object, so that whoever waits gives the holder what the
	// holder counts on, or its own where that is longer.
	TTL time.Duration
	// Owner is written into the object for people; host and process id when empty.
	Owner string
	// Now is the clock; its monotonic reading counts where it has one. time.Now when nil.
	Now func() time.Time
	Log *slog.Logger
}

// Lease is one that was acquired. It is safe for concurrent use.
type Lease struct {
	store objects.Store
	key   string
	app   string
	o     Options
	times times
	done  chan struct{} // closed when renewing has ended
	stop  context.CancelFunc

	mu      sync.Mutex
	state   state     // what the object holds, by our last write; guarded by mu
	etag    string    // of that; guarded by mu
	renewed time.Time // when that write was begun; guarded by mu
	note    string    // to be written with the next renewal; guarded by mu
	lost    error     // guarded by mu
}

// state is the object, as JSON.
type state struct {
	Epoch int64  `json:"epoch"`
	Owner string `json:"owner"` // "" when it was released
	// Nonce is the holder's own; Beat grows with each renewal, so that each has its own ETag.
	Nonce string `json:"nonce"`
	Beat  int64  `json:"beat"`
	Note  string `json:"note,omitempty"`
	// TTL is the holder's, in nanoseconds; 0 is the constant TTL.
	TTL time.Duration `json:"ttl_ns,omitempty"`
	// Probed: the store was seen to honour If-Match on this object.
	Probed bool `json:"probed"`
	// WrittenAt is for people; no decision rests on it.
	WrittenAt time.Time `json:"written_at"`
}

// Acquire waits until the lease is ours, or ctx ends, and then keeps it until Release or until ctx
// ends. name may hold letters, digits, dots, dashes and underscores.
func Acquire(ctx context.Context, store objects.Store, name string, o Options) (*Lease, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.TTL == 0 {
		o.TTL = TTL
	}
	if o.TTL < MinTTL {
		return nil, fmt.Errorf("acquire lease %q: a time to live of %s: want %s or more", name, o.TTL, MinTTL)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Owner == "" {
		host, _ := os.Hostname() // for people only
		o.Owner = fmt.Sprintf("%s pid %d", host, os.Getpid())
	}
	if name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") != "" || name[0] == '.' {
		return nil, fmt.Errorf("acquire lease %q: the name may hold letters, digits, dots, dashes and underscores", name)
	}
	l := &Lease{store: store, key: "_leases/" + name + ".json", app: "lease:" + name, o: o, times: timesOf(o.TTL), done: make(chan struct{})}
	if err := l.acquire(ctx); err != nil {
		return nil, fmt.Errorf("acquire lease %q: %w", name, err)
	}
	keep, cancel := context.WithCancel(ctx)
	l.stop = cancel
	go l.keep(keep)
	return l, nil
}

// acquire looks at the object until it can be taken.
func (l *Lease) acquire(ctx context.Context) error {
	var seen string // the ETag that is being watched
	var since time.Time
	for {
		there, etag, err := l.read(ctx)
		if err != nil {
			return err
		}
		if etag == "" || etag != seen {
			seen, since = etag, l.o.Now()
			if etag != "" && there.Owner != "" {
				l.o.Log.Info("waiting for lease", "lease", l.key, "holder", there.Owner, "epoch", there.Epoch)
			}
		}
		if etag == "" || there.Owner == "" || l.o.Now().Sub(since) >= max(l.times.ttl, cmp.Or(there.TTL, TTL)) {
			ours, err := l.take(ctx, there, etag)
			if ours || err != nil {
				return err
			}
			continue // somebody else was faster: look at it
		}
		if err := pause(ctx, l.times.look); err != nil {
			return fmt.Errorf("it is held by %s: %w", there.Owner, err)
		}
	}
}

// take replaces what was read, and fences when the former holder did not release it. The put is what
// makes the lease ours; a crash after it and before the fence is harmless, because nothing is paid
// before Acquire returns, and the next one finds a lease that was not released.
func (l *Lease) take(ctx context.Context, there state, etag string) (ours bool, err error) {
	began := l.o.Now()
	next := state{Epoch: there.Epoch + 1, Owner: l.o.Owner, Nonce: rand.Text(), Note: there.Note, TTL: l.times.ttl, Probed: there.Probed}
	if l.o.Stream != nil {
		next.Epoch = max(next.Epoch, l.o.Stream.Epoch(l.app)+1) // an object that was removed does not take the epoch back
	}
	tag, ours, err := l.put(ctx, next, etag)
	if !ours || err != nil {
		return false, err
	}
	l.state, l.etag, l.renewed, l.note = next, tag, began, next.Note
	if !next.Probed {
		if err := l.probe(ctx); err != nil {
			return false, err
		}
		l.state.Probed = true // written with the next renewal
	}
	if there.Owner == "" {
		return true, nil
	}
	l.o.Log.Info("lease taken over", "lease", l.key, "epoch", next.Epoch, "from", there.Owner)
	if l.o.Stream != nil {
		if err := l.o.Stream.Fence(ctx, l.app, next.Epoch); err != nil {
			return false, err
		}
	}
	return true, nil
}

// probe makes sure that a put on another ETag is refused: a store that ignores conditions would let
// two holders be.
func (l *Lease) probe(ctx context.Context) error {
	data, err := json.Marshal(l.state)
	if err != nil {
		return err
	}
	_, err = l.store.Put(ctx, l.key, data, objects.IfMatch(`"00000000000000000000000000000000"`))
	if err == nil {
		return ErrStore
	}
	if !errors.Is(err, objects.ErrPrecondition) {
		return err
	}
	return nil
}

// put writes the object if etag (none: no object) is still there. When the outcome is unclear it is
// read back: our nonce and beat say whether it was us.
func (l *Lease) put(ctx context.Context, s state, etag string) (newTag string, ours bool, err error) {
	s.WrittenAt = l.o.Now().UTC()
	data, err := json.Marshal(s)
	if err != nil {
		return "", false, err
	}
	cond := objects.IfAbsent()
	if etag != "" {
		cond = objects.IfMatch(etag)
	}
	info, putErr := l.store.Put(ctx, l.key, data, cond)
	if putErr == nil && info.ETag != "" {
		return info.ETag, true, nil
	}
	there, tag, err := l.read(ctx)
	switch {
	case err != nil:
		return "", false, errors.Join(putErr, err)
	case there.Nonce == s.Nonce && there.Beat == s.Beat && there.Owner == s.Owner:
		return tag, true, nil
	case putErr == nil || errors.Is(putErr, objects.ErrPrecondition):
		return "", false, nil
	}
	return "", false, putErr
}

func (l *Lease) read(ctx context.Context) (s state, etag string, err error) {
	data, info, err := l.store.Get(ctx, l.key)
	if errors.Is(err, objects.ErrNotFound) {
		return state{}, "", nil
	}
	if err != nil {
		return state{}, "", err
	}
	if err := json.Unmarshal(data, &s); err != nil {
		return state{}, "", fmt.Errorf("read %s: %w: remove the object when no other process is at work", l.key, err)
	}
	return s, info.ETag, nil
}

// keep renews until ctx ends or the lease is lost.
func (l *Lease) keep(ctx context.Context) {
	defer close(l.done)
	wait := l.times.renew
	for pause(ctx, wait) == nil {
		switch err := l.renew(ctx); {
		case err == nil:
			wait = l.times.renew
		case errors.Is(err, ErrLost):
			l.o.Log.Error("lease lost", "lease", l.key, "error", err)
			return
		case ctx.Err() == nil:
			wait = l.times.retry
			l.o.Log.Warn("lease not renewed", "lease", l.key, "error", err)
		}
	}
}

func (l *Lease) renew(ctx context.Context) error {
	l.mu.Lock()
	next, etag := l.state, l.etag
	next.Beat++
	next.Note = l.note
	l.mu.Unlock()
	began := l.o.Now()
	ctx, cancel := context.WithTimeout(ctx, l.times.renew)
	defer cancel()
	tag, ours, err := l.put(ctx, next, etag)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		return err
	}
	if !ours {
		l.lost = fmt.Errorf("%w: another process took it over", ErrLost)
		return l.lost
	}
	l.state, l.etag, l.renewed = next, tag, began
	return nil
}

// Check returns nil while nobody else can have taken the lease over: it was renewed less than Fresh
// ago, by the monotonic clock and by the wall clock, which goes on while a machine sleeps, and no
// later epoch is known of. Otherwise it returns ErrLost, and so it does after Release.
func (l *Lease) Check() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lost != nil {
		return l.lost
	}
	now := l.o.Now()
	if age := max(now.Sub(l.renewed), now.Round(0).Sub(l.renewed.Round(0))); age >= l.times.fresh {
		return fmt.Errorf("%w: not renewed for %s", ErrLost, age.Round(time.Second))
	}
	if l.o.Stream != nil && l.o.Stream.Epoch(l.app) > l.state.Epoch {
		l.lost = fmt.Errorf("%w: epoch %d replaced ours, %d", ErrLost, l.o.Stream.Epoch(l.app), l.state.Epoch)
		return l.lost
	}
	return nil
}

// Epoch returns how often the lease has been taken, this time included.
func (l *Lease) Epoch() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state.Epoch
}

// Note returns the text that is handed from holder to holder; SetNote replaces it, with the next
// renewal or the release. A crash forgets what was set since the last renewal.
func (l *Lease) Note() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.note
}

// SetNote sets the text that Note returns.
func (l *Lease) SetNote(note string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.note = note
}

// Release stops renewing and gives the lease up, so that the next one need not wait. When it fails
// the lease runs out by itself. It works after ctx has ended, if it is given another.
func (l *Lease) Release(ctx context.Context) error {
	l.stop()
	<-l.done
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lost != nil {
		return nil // it is another's
	}
	l.lost = fmt.Errorf("%w: it was released", ErrLost)
	next := l.state
	next.Owner, next.Note = "", l.note
	next.Beat++
	if _, _, err := l.put(ctx, next, l.etag); err != nil {
		return fmt.Errorf("release lease %s: %w", l.key, err)
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

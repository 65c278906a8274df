// Package faulty makes stores go wrong on demand, for the tests of what stands on them. Store wraps
// any objects.Store, Proxy stands before an S3 server. Both number the requests that come and ask a
// Rule what becomes of each: most of what breaks a system is an answer that nobody ever sent it.
package faulty

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"strings"
	"sync"
	"syscall"

	"shitpost-alpha/lake/objects"
)

// Request is one request to a store. N counts from 0 since the rule was set.
type Request struct {
	N    int
	Verb string // GET, PUT, LIST or DELETE
	Key  string // or the prefix that is listed
}

// String returns the request in one line.
func (r Request) String() string { return fmt.Sprintf("%02d %s %s", r.N, r.Verb, r.Key) }

// Fault is what becomes of a request.
type Fault struct {
	Name string
	// Verbs are those that the fault makes sense for, separated by spaces.
	Verbs string
	// Lands says that the store does what was asked all the same, before the caller sees the fault.
	Lands bool
	// Err is what Store returns.
	Err error
	// Status and Code are what Proxy answers; without a Status the connection is closed.
	Status int
	Code   string
	// Cut ends the answer of Proxy in the middle of its body. Hang lets the caller wait until it
	// gives up.
	Cut, Hang bool
}

// For reports whether the fault makes sense for the verb.
func (f Fault) For(verb string) bool { return strings.Contains(f.Verbs, verb) }

// Rule says what becomes of a request; nil is: nothing goes wrong.
type Rule func(Request) *Fault

// Once lets the nth request go wrong and no other.
func Once(n int, f Fault) Rule {
	return func(r Request) *Fault {
		if r.N == n {
			return &f
		}
		return nil
	}
}

// From lets every request from the nth on go wrong that the fault makes sense for.
func From(n int, f Fault) Rule {
	return func(r Request) *Fault {
		if r.N >= n && f.For(r.Verb) {
			return &f
		}
		return nil
	}
}

// Faults returns what can go wrong with a store of any sort.
func Faults() []Fault {
	const all = "GET PUT LIST DELETE"
	return []Fault{
		{Name: "request lost", Verbs: all, Err: syscall.ECONNREFUSED},
		{Name: "reply lost", Verbs: "PUT DELETE", Lands: true, Err: syscall.ECONNRESET},
		{Name: "timeout", Verbs: all, Err: os.ErrDeadlineExceeded},
		{Name: "timeout though done", Verbs: "PUT DELETE", Lands: true, Err: os.ErrDeadlineExceeded},
		{Name: "body truncated", Verbs: "GET LIST", Err: io.ErrUnexpectedEOF},
		{Name: "refused though nobody was first", Verbs: "PUT", Err: objects.ErrPrecondition},
		{Name: "refused by its own first try", Verbs: "PUT", Lands: true, Err: objects.ErrPrecondition},
		{Name: "disk full", Verbs: "PUT", Err: syscall.ENOSPC},
		{Name: "read-only", Verbs: "PUT DELETE", Err: syscall.EROFS},
		{Name: "input/output error", Verbs: all, Err: syscall.EIO},
	}
}

// counter numbers requests and asks the rule.
type counter struct {
	mu   sync.Mutex
	rule Rule      // guarded by mu
	seen []Request // guarded by mu
}

// Set puts a rule in force, nil for none, and begins to count anew.
func (c *counter) Set(rule Rule) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rule, c.seen = rule, nil
}

// Seen returns the requests since the rule was set.
func (c *counter) Seen() []Request {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Request(nil), c.seen...)
}

func (c *counter) ask(verb, key string) *Fault {
	c.mu.Lock()
	r := Request{N: len(c.seen), Verb: verb, Key: key}
	c.seen = append(c.seen, r)
	rule := c.rule
	c.mu.Unlock()
	if rule == nil {
		return nil
	}
	return rule(r) // outside the lock: a rule may use the store itself
}

// Store is an objects.Store that goes wrong as its rule says.
type Store struct {
	counter
	to objects.Store
}

// NewStore returns a store before another; nothing goes wrong until Set.
func NewStore(to objects.Store) *Store { return &Store{to: to} }

// Get implements objects.Store.
func (s *Store) Get(ctx context.Context, key string) ([]byte, objects.Info, error) {
	if f := s.ask("GET", key); f != nil {
		return nil, objects.Info{}, fmt.Errorf("get %q: %w", key, f.Err)
	}
	return s.to.Get(ctx, key)
}

// Put implements objects.Store.
func (s *Store) Put(ctx context.Context, key string, data []byte, cond objects.Condition) (objects.Info, error) {
	f := s.ask("PUT", key)
	if f != nil && !f.Lands {
		return objects.Info{}, fmt.Errorf("put %q: %w", key, f.Err)
	}
	info, err := s.to.Put(ctx, key, data, cond)
	if f != nil {
		return objects.Info{}, fmt.Errorf("put %q: %w", key, f.Err)
	}
	return info, err
}

// List implements objects.Store.
func (s *Store) List(ctx context.Context, prefix, after string) iter.Seq2[objects.Info, error] {
	f := s.ask("LIST", prefix)
	if f == nil {
		return s.to.List(ctx, prefix, after)
	}
	return func(yield func(objects.Info, error) bool) {
		if errors.Is(f.Err, io.ErrUnexpectedEOF) { // the first half came
			for info, err := range s.to.List(ctx, prefix, after) {
				if !yield(info, err) {
					return
				}
				break
			}
		}
		yield(objects.Info{}, fmt.Errorf("list %q: %w", prefix, f.Err))
	}
}

// Delete implements objects.Store.
func (s *Store) Delete(ctx context.Context, key string) error {
	f := s.ask("DELETE", key)
	if f != nil && !f.Lands {
		return fmt.Errorf("delete %q: %w", key, f.Err)
	}
	err := s.to.Delete(ctx, key)
	if f != nil {
		return fmt.Errorf("delete %q: %w", key, f.Err)
	}
	return err
}

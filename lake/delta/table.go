// Package delta is the log of a Delta table on an object store: a folder `_delta_log` with one
// object per version, each a list of actions, the newest state being all of them folded in order.
// Commit puts the next version if nobody else has; that one conditional write is what makes a
// change count. The package knows files, not what is in them, and no event.
//
// The format is the Delta Lake protocol (delta-io/delta PROTOCOL.md), reader version 1, writer
// version 2, without table features.
package delta

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"shitpost-alpha/lake/objects"
)

var (
	// ErrNoVersion: the version is not there (yet).
	ErrNoVersion = errors.New("no such version")
	// ErrConflict: somebody else committed that version first.
	ErrConflict = errors.New("version taken by another writer")
)

// Table is the log of one table. It is safe for concurrent use.
type Table struct {
	store objects.Store
	name  string // the table's folder within the store

	mu     sync.Mutex
	state  *State             // the newest state that was seen; guarded by mu
	recent map[int64][]Action // the newest commits of it; guarded by mu
}

// What Recent remembers: so many commits, of at most so many actions each.
const (
	RecentCommits = 256
	recentActions = 16
)

// NewTable returns the log of the table in folder name of store. It makes no request.
func NewTable(store objects.Store, name string) *Table {
	return &Table{store: store, name: name, state: NewState(), recent: map[int64][]Action{}}
}

// Name returns the table's folder.
func (t *Table) Name() string { return t.name }

// CommitKey returns the key of the commit of a version.
func CommitKey(table string, version int64) string {
	return fmt.Sprintf("%s/_delta_log/%020d.json", table, version)
}

// Peek shows f the newest state seen so far, without a request. f must neither keep nor change it.
func (t *Table) Peek(f func(*State)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f(t.state)
}

// Seen returns the newest version seen so far, -1 when there is none.
func (t *Table) Seen() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.state.Version
}

// Recent returns the actions of a commit, without a request, if it is one of the RecentCommits newest
// that this Table has read or written. The caller must not change them.
func (t *Table) Recent(version int64) ([]Action, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	actions, ok := t.recent[version]
	return actions, ok
}

// Read returns the actions of one commit from the store, or ErrNoVersion.
func (t *Table) Read(ctx context.Context, version int64) ([]Action, error) {
	data, _, err := t.store.Get(ctx, CommitKey(t.name, version))
	if errors.Is(err, objects.ErrNotFound) {
		return nil, fmt.Errorf("read %s version %d: %w", t.name, version, ErrNoVersion)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s version %d: %w", t.name, version, err)
	}
	actions, err := Decode(data)
	if err != nil {
		return nil, fmt.Errorf("read %s version %d: %w", t.name, version, err)
	}
	return actions, nil
}

// Advance folds a commit that the caller has read or written into the state seen so far, if it is
// the next one.
func (t *Table) Advance(version int64, actions []Action) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.advance(version, actions)
}

func (t *Table) advance(version int64, actions []Action) error {
	if version != t.state.Version+1 {
		return nil
	}
	if err := t.state.Apply(version, actions); err != nil {
		t.state = NewState() // half applied: whoever comes next folds the log again and fails alike
		clear(t.recent)
		return fmt.Errorf("table %s: %w", t.name, err)
	}
	if delete(t.recent, version-RecentCommits); len(actions) <= recentActions {
		t.recent[version] = actions
	}
	return nil
}

// commitTries is how often a commit whose outcome is unknown is looked up and sent again.
const commitTries = 5

// Commit writes version as one conditional put, which either counts whole or not at all. The
// actions must hold a CommitInfo with a TxnID of their own. On ErrConflict another writer took the
// version. After any other error the outcome is unknown: the commit may still appear, and the
// caller must look at the log again before it decides anything.
func (t *Table) Commit(ctx context.Context, version int64, actions []Action) error {
	data, err := Encode(actions)
	if err != nil {
		return fmt.Errorf("commit %s version %d: %w", t.name, version, err)
	}
	txn := txnOf(actions)
	if txn == "" {
		return fmt.Errorf("commit %s version %d: no txnId", t.name, version)
	}
	for try := 1; ; try++ {
		_, err := t.store.Put(ctx, CommitKey(t.name, version), data, objects.IfAbsent())
		if err == nil {
			return t.Advance(version, actions)
		}
		// Taken, or no clear answer. An earlier try of this very commit may have lost its reply, so
		// who stands there is read back, never guessed.
		there, readErr := t.Read(ctx, version)
		switch {
		case readErr == nil && txnOf(there) == txn:
			return t.Advance(version, actions)
		case readErr == nil:
			return fmt.Errorf("commit %s version %d: %w", t.name, version, errors.Join(ErrConflict, t.Advance(version, there)))
		case ctx.Err() != nil || try == commitTries:
			return fmt.Errorf("commit %s version %d: outcome unknown: %w", t.name, version, err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Duration(try*try) * 20 * time.Millisecond):
		}
	}
}

func txnOf(actions []Action) string {
	for _, a := range actions {
		if a.CommitInfo != nil {
			return a.CommitInfo.TxnID
		}
	}
	return ""
}

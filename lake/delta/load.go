package delta

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// readAhead is how many commits are asked for at once.
const readAhead = 32

// Refresh learns of the newest version and returns it, -1 when there is no table. A table that was
// not looked at yet starts from its newest checkpoint. It never lists the log to find what is new:
// it asks for the next version, and while there are more for ever larger groups of them, so that
// the cost grows with what is new only, whatever the length of the log.
func (t *Table) Refresh(ctx context.Context) (int64, error) {
	if t.Seen() < 0 {
		if err := t.jump(ctx); err != nil {
			return 0, err
		}
	}
	for group, read := 1, 0; ; group = min(max(read/2, 1), readAhead) {
		first := t.Seen() + 1
		commits, err := t.readFrom(ctx, first, group)
		if err != nil {
			return 0, err
		}
		t.mu.Lock()
		for i, actions := range commits {
			if err := t.advance(first+int64(i), actions); err != nil {
				t.mu.Unlock()
				return 0, err
			}
		}
		seen := t.state.Version
		t.mu.Unlock()
		if len(commits) < group {
			return seen, nil
		}
		read += group
	}
}

// jump takes the newest usable checkpoint, if there is one, as the state seen so far.
func (t *Table) jump(ctx context.Context) error {
	state, err := t.newestCheckpoint(ctx)
	if err != nil || state == nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.state.Version < state.Version {
		t.state = state
	}
	return nil
}

// At returns the state at a version, or ErrNoVersion. Version -1 means the newest. The state is the
// caller's own.
func (t *Table) At(ctx context.Context, version int64) (*State, error) {
	head, err := t.Refresh(ctx)
	if err != nil {
		return nil, err
	}
	if version > head {
		return nil, fmt.Errorf("table %s at version %d: %w (the newest is %d)", t.name, version, ErrNoVersion, head)
	}
	if state := t.clone(); version < 0 || state.Version == version {
		return state, nil
	}
	state, err := t.checkpointUpTo(ctx, version)
	if err != nil {
		return nil, err
	}
	return t.fold(ctx, state, version)
}

// Replay returns the state at a version folded from the log alone, whatever the checkpoints say.
func (t *Table) Replay(ctx context.Context, version int64) (*State, error) {
	return t.fold(ctx, NewState(), version)
}

// Check returns the state at a version folded from the log alone, and how the state that a reader
// gets by way of the newest checkpoint differs from it; "" when it does not, or when no reader of
// that version would use a checkpoint.
func (t *Table) Check(ctx context.Context, version int64) (log *State, difference string, err error) {
	checkpoint, err := t.newestCheckpoint(ctx)
	if err != nil {
		return nil, "", err
	}
	log = NewState()
	if checkpoint != nil && checkpoint.Version <= version {
		if log, err = t.Replay(ctx, checkpoint.Version); err != nil {
			return nil, "", err
		}
		if diff := checkpoint.diff(log); diff != "" {
			difference = fmt.Sprintf("checkpoint of version %d differs from the log: %s", checkpoint.Version, diff)
		}
	}
	log, err = t.fold(ctx, log, version)
	return log, difference, err
}

func (t *Table) clone() *State {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.state.Clone()
}

// checkpointUpTo returns the state of the newest usable checkpoint that is not newer than version;
// the state before the first commit when there is none. It looks back in steps that grow tenfold:
// where checkpoints are made regularly the first finds one.
func (t *Table) checkpointUpTo(ctx context.Context, version int64) (*State, error) {
	state, err := t.hinted(ctx)
	if err != nil || state != nil && state.Version <= version {
		return state, err
	}
	upTo := version
	for back := int64(100); upTo >= 0; back *= 10 {
		after := version - back
		state, err := t.listed(ctx, after, upTo)
		if err != nil || state != nil {
			return state, err
		}
		upTo = after
	}
	return NewState(), nil
}

// fold brings the state up to a version, which must be there.
func (t *Table) fold(ctx context.Context, state *State, version int64) (*State, error) {
	for state.Version < version {
		n := int(min(version-state.Version, readAhead))
		first := state.Version + 1
		commits, err := t.readFrom(ctx, first, n)
		if err != nil {
			return nil, err
		}
		if len(commits) < n {
			return nil, fmt.Errorf("table %s: version %d of the log is missing: %w", t.name, first+int64(len(commits)), ErrNoVersion)
		}
		for i, actions := range commits {
			if err := state.Apply(first+int64(i), actions); err != nil {
				return nil, fmt.Errorf("table %s: %w", t.name, err)
			}
		}
	}
	return state, nil
}

// readFrom asks for n commits at once and returns those from first on up to the first that is not
// there. What lies beyond a gap does not exist for a reader.
func (t *Table) readFrom(ctx context.Context, first int64, n int) ([][]Action, error) {
	commits, errs := make([][]Action, n), make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { commits[i], errs[i] = t.Read(ctx, first+int64(i)) })
	}
	wg.Wait()
	for i, err := range errs {
		if errors.Is(err, ErrNoVersion) {
			return commits[:i], nil
		}
		if err != nil {
			return nil, err
		}
	}
	return commits, nil
}

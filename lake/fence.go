package lake

import (
	"context"
	"errors"
	"fmt"

	"shitpost-alpha/lake/delta"
	"shitpost-alpha/lake/objects"
)

// Store returns the object store that the lake is on, for the few objects that are no events.
func (l *Lake) Store() objects.Store { return l.store }

// ErrFenced: a later epoch was committed, so whoever holds this one has been replaced.
var ErrFenced = errors.New("replaced by a later epoch")

// Fence commits epoch under the name appID, as the Delta action txn and with no events. An append
// that was decided before it conflicts with it: so whoever held an earlier epoch looks again before
// it writes, and finds Epoch greater than its own. It returns ErrFenced when a later epoch is there
// already; the same one again is no error. It makes the table when there is none.
func (s *Stream[E]) Fence(ctx context.Context, appID string, epoch int64) error {
	s.appending.Lock()
	defer s.appending.Unlock()
	if err := s.fence(ctx, appID, epoch); err != nil {
		return fmt.Errorf("fence %s for %q with epoch %d: %w", s.Name(), appID, epoch, err)
	}
	s.wake()
	return nil
}

func (s *Stream[E]) fence(ctx context.Context, appID string, epoch int64) error {
	if s.opts.ReadOnly {
		return ErrReadOnly
	}
	if err := s.probe(ctx); err != nil {
		return err
	}
	for {
		head, err := s.table.Refresh(ctx)
		if err != nil {
			return err
		}
		if head < 0 {
			if err := s.create(ctx); err != nil {
				return err
			}
			continue
		}
		switch seen := s.Epoch(appID); {
		case seen > epoch:
			return fmt.Errorf("%w: %d", ErrFenced, seen)
		case seen == epoch:
			return nil
		}
		now := s.opts.Now().UnixMilli()
		err = s.table.Commit(ctx, head+1, []delta.Action{
			{CommitInfo: s.commitInfo("FENCE", newTxnID(), now)},
			{Txn: &delta.Txn{AppID: appID, Version: epoch, LastUpdated: now}},
		})
		if !errors.Is(err, ErrConflict) {
			return err
		}
	}
}

// Epoch returns the epoch under the name appID as far as this process has read the log, 0 when
// there is none.
func (s *Stream[E]) Epoch(appID string) int64 {
	var epoch int64
	s.table.Peek(func(st *delta.State) { epoch = st.Txns[appID] })
	return epoch
}

package lake

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// MaintainOptions say what Maintain does when. The zero value is the default policy.
type MaintainOptions struct {
	// Compact says when small files are worth compacting: by default when there are 32 under 8 MB.
	// Then a file is rewritten at most a few dozen times before it is big enough to be left alone,
	// and a stream of any age has few files.
	Compact CompactOptions
	// CheckpointEvery is after how many commits a checkpoint is due; 50 when zero.
	CheckpointEvery int64
	// Vacuum says what is deleted. Maintain deletes unless KeepFiles is set.
	Vacuum    VacuumOptions
	KeepFiles bool
}

// checkpointCommits is after how many commits a checkpoint is due.
const checkpointCommits = 50

// Maintained says what one round of Maintain did in one stream.
type Maintained struct {
	Stream     string     `json:"stream"`
	Compaction Compaction `json:"compaction"`
	Checkpoint int64      `json:"checkpoint"` // version of the one written, -1: none was due
	Vacuum     Vacuumed   `json:"vacuum"`
}

// maintained is what Maintain asks of a stream whatever its events.
type maintained interface {
	Name() string
	maintain(ctx context.Context, o MaintainOptions) (Maintained, error)
}

// Maintain does one round of what keeps the lake fast and small, stream by stream: compact what is
// worth it, write a checkpoint when one is due, delete what no reader needs. It is safe beside any
// writers and readers and beside a second Maintain, and may be killed at any point. What went wrong
// in one stream does not keep it from the others.
func (l *Lake) Maintain(ctx context.Context, o MaintainOptions) ([]Maintained, error) {
	if o.Compact.MinFiles == 0 {
		o.Compact.MinFiles = 32
	}
	if o.CheckpointEvery <= 0 {
		o.CheckpointEvery = checkpointCommits
	}
	o.Vacuum.Delete = !o.KeepFiles
	var all []Maintained
	var errs []error
	for _, s := range []maintained{l.Posts, l.Predictions, l.Prices} {
		m, err := s.maintain(ctx, o)
		all = append(all, m)
		if err != nil {
			errs = append(errs, fmt.Errorf("maintain: %w", err))
		}
	}
	return all, errors.Join(errs...)
}

func (s *Stream[E]) maintain(ctx context.Context, o MaintainOptions) (Maintained, error) {
	m := Maintained{Stream: s.Name(), Checkpoint: -1}
	if s.opts.ReadOnly {
		return m, ErrReadOnly
	}
	if head, err := s.table.Refresh(ctx); err != nil || head < 0 {
		return m, err
	}
	started := s.opts.Now()
	if err := s.restoreAppendOnly(ctx); err != nil {
		return m, err
	}
	var err error
	m.Compaction, err = s.Compact(ctx, o.Compact)
	if errors.Is(err, ErrConflict) {
		s.opts.Log.Info("compaction left to another", "stream", s.Name(), "error", err)
	} else if err != nil {
		return m, err
	}
	if m.Checkpoint, err = s.checkpointIfDue(ctx, o.CheckpointEvery); err != nil {
		return m, err
	}
	if m.Vacuum, err = s.Vacuum(ctx, o.Vacuum); err != nil {
		return m, err
	}
	s.opts.Log.Info("stream maintained", "stream", s.Name(), "version", s.table.Seen(),
		"compacted_files", m.Compaction.FilesIn, "compacted_rows", m.Compaction.Rows, "checkpoint", m.Checkpoint,
		"orphans", len(m.Vacuum.Orphans), "retired", len(m.Vacuum.Retired), "checkpoints", len(m.Vacuum.Checkpoints), "temporary", len(m.Vacuum.Temporary),
		"freed_bytes", m.Vacuum.Bytes, "took", s.opts.Now().Sub(started).String())
	return m, nil
}

// MaintainEvery maintains until ctx ends, which is a clean stop. A round that fails is logged and
// taken again after the same pause.
func (l *Lake) MaintainEvery(ctx context.Context, every time.Duration, o MaintainOptions) error {
	for {
		if _, err := l.Maintain(ctx, o); err != nil && ctx.Err() == nil {
			l.Posts.opts.Log.Error("maintenance failed", "retry_in", every.String(), "error", err)
		}
		timer := time.NewTimer(every)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
	}
}

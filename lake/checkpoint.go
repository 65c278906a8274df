package lake

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"shitpost-alpha/lake/delta"
	"shitpost-alpha/lake/objects"
)

// Checkpoint writes what the log says at the newest version into one file, so that opening the
// stream reads only the commits behind it, and returns that version; -1 when there is no stream.
// Readers take it as advice, so a crash or a damaged one costs time only.
func (s *Stream[E]) Checkpoint(ctx context.Context) (int64, error) {
	if s.opts.ReadOnly {
		return -1, fmt.Errorf("checkpoint %s: %w", s.Name(), ErrReadOnly)
	}
	head, err := s.table.Refresh(ctx)
	if err != nil || head < 0 {
		return head, err
	}
	now, err := s.clock(ctx)
	if err != nil {
		return -1, fmt.Errorf("checkpoint %s: %w", s.Name(), err)
	}
	return s.table.Checkpoint(ctx, head, now.Add(-s.retention()).UnixMilli())
}

// checkpointIfDue writes a checkpoint when the newest usable one is so many commits behind. It
// returns the version of the one that it wrote, -1 when none was due.
func (s *Stream[E]) checkpointIfDue(ctx context.Context, commits int64) (int64, error) {
	head, err := s.table.Refresh(ctx)
	if err != nil {
		return -1, err
	}
	newest, err := s.table.Checkpointed(ctx)
	if err != nil || head-newest < commits {
		return -1, err
	}
	return s.Checkpoint(ctx)
}

// clock returns the store's time, or this machine's where the store has no clock of its own. What
// deletes or forgets by age must not trust a clock that is wrong: ErrClock when the two differ.
func (s *Stream[E]) clock(ctx context.Context) (time.Time, error) {
	_, info, err := s.store.Get(ctx, delta.CommitKey(s.Name(), 0))
	if err != nil {
		return time.Time{}, err
	}
	if err := s.checkClock(objects.Info{Clock: info.Clock}); err != nil {
		return time.Time{}, err
	}
	if info.Clock.IsZero() {
		return s.opts.Now(), nil
	}
	return info.Clock, nil
}

// retention is how long a retired file must stay, as the table's configuration says.
func (s *Stream[E]) retention() time.Duration {
	var interval string
	s.table.Peek(func(st *delta.State) { interval = st.MetaData.Configuration["delta.deletedFileRetentionDuration"] })
	return parseInterval(interval)
}

// defaultRetention serves where the configuration says nothing that can be read.
const defaultRetention = 30 * 24 * time.Hour

// parseInterval reads a Delta interval such as "interval 30 days" or "interval 1 week 2 hours".
func parseInterval(s string) time.Duration {
	words := strings.Fields(strings.ToLower(s))
	if len(words) < 3 || words[0] != "interval" || len(words)%2 == 0 {
		return defaultRetention
	}
	units := map[string]time.Duration{"week": 7 * 24 * time.Hour, "day": 24 * time.Hour, "hour": time.Hour, "minute": time.Minute, "second": time.Second}
	var total time.Duration
	for i := 1; i < len(words); i += 2 {
		n, err := strconv.ParseInt(words[i], 10, 32)
		unit, ok := units[strings.TrimSuffix(words[i+1], "s")]
		if err != nil || !ok || n < 0 {
			return defaultRetention
		}
		total += time.Duration(n) * unit
	}
	return total
}

package lake

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
)

// AsOf is a point of the lake's history: a time, or a version per stream. A stream that Versions does
// not name is taken at its newest.
type AsOf struct {
	Time     time.Time
	Versions map[string]int64
}

// ParseAsOf reads a time (2025-06-30, 2025-06-30T14:00, RFC 3339; UTC unless it says otherwise; a day
// means its end), a version for all streams (12), or one per stream (posts=12,prices=40).
func ParseAsOf(s string) (AsOf, error) {
	if s == "" {
		return AsOf{}, nil
	}
	if day, err := time.Parse(time.DateOnly, s); err == nil {
		return AsOf{Time: day.Add(24*time.Hour - 1)}, nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04", "2006-01-02T15:04:05", "2006-01-02 15:04", "2006-01-02 15:04:05"} {
		if t, err := time.Parse(layout, s); err == nil {
			return AsOf{Time: t}, nil
		}
	}
	at := AsOf{Versions: map[string]int64{}}
	for _, part := range strings.Split(s, ",") {
		name, number, named := strings.Cut(strings.TrimSpace(part), "=")
		names := []string{name}
		if !named {
			names, number = Names(), name
		}
		v, err := strconv.ParseInt(number, 10, 64)
		if err != nil || v < 0 || named && !slices.Contains(Names(), name) {
			return AsOf{}, fmt.Errorf("as of %q: want a time (2025-06-30T14:00), a version (12) or versions of %s (posts=12,prices=40)", s, strings.Join(Names(), ", "))
		}
		for _, n := range names {
			at.Versions[n] = v
		}
	}
	return at, nil
}

// SnapshotAsOf returns the stream at a point of the lake's history.
func (s *Stream[E]) SnapshotAsOf(ctx context.Context, at AsOf) (*Snapshot[E], error) {
	if !at.Time.IsZero() {
		return s.AsOf(ctx, at.Time)
	}
	version, named := at.Versions[s.Name()]
	if !named {
		version = -1
	}
	return s.Snapshot(ctx, version)
}

// AsOf returns the stream as it was at a time: at the newest version that was committed at or before
// it by the writer's clock. Before the first commit it is empty. The log is searched, not read: it
// takes as many requests as its length has binary digits.
func (s *Stream[E]) AsOf(ctx context.Context, t time.Time) (*Snapshot[E], error) {
	head, err := s.Head(ctx)
	if err != nil {
		return nil, err
	}
	var failed error
	after := sort.Search(int(head)+1, func(v int) bool {
		if failed != nil {
			return true
		}
		actions, err := s.table.Read(ctx, int64(v))
		failed = err
		return err != nil || describe(int64(v), actions).Time.After(t)
	})
	if failed != nil {
		return nil, failed
	}
	if after == 0 {
		return &Snapshot[E]{Version: -1, stream: s}, nil
	}
	return s.Snapshot(ctx, int64(after-1))
}

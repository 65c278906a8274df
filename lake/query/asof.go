package query

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/event"
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
			names, number = lake.Names(), name
		}
		v, err := strconv.ParseInt(number, 10, 64)
		if err != nil || v < 0 || named && !slices.Contains(lake.Names(), name) {
			return AsOf{}, fmt.Errorf("as of %q: want a time (2025-06-30T14:00), a version (12) or versions of %s (posts=12,prices=40)", s, strings.Join(lake.Names(), ", "))
		}
		for _, n := range names {
			at.Versions[n] = v
		}
	}
	return at, nil
}

func snapshot[E event.Event](ctx context.Context, s *lake.Stream[E], at AsOf) (*lake.Snapshot[E], error) {
	if !at.Time.IsZero() {
		return s.AsOf(ctx, at.Time)
	}
	version, named := at.Versions[s.Name()]
	if !named {
		version = -1
	}
	return s.Snapshot(ctx, version)
}

package viewer

import (
	"testing"
	"time"
)

var noon = time.Date(2026, 3, 11, 12, 30, 0, 0, time.UTC) // a Wednesday

func TestParseTime(t *testing.T) {
	newYork, err := location("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		in   string
		up   bool
		loc  *time.Location
		want string
	}{
		{"now", false, time.UTC, "2026-03-11T12:30:00Z"},
		{"now-7d", false, time.UTC, "2026-03-04T12:30:00Z"},
		{"now-1y+1M", false, time.UTC, "2025-04-11T12:30:00Z"},
		{"now-90m", false, time.UTC, "2026-03-11T11:00:00Z"},
		{"now/d", false, time.UTC, "2026-03-11T00:00:00Z"},
		{"now/d", true, time.UTC, "2026-03-11T23:59:59.999Z"},
		{"now-1d/d", false, newYork, "2026-03-10T00:00:00-04:00"},
		{"now-7d/d", false, newYork, "2026-03-04T00:00:00-05:00"}, // before the clocks went forward
		{"now/w", false, time.UTC, "2026-03-09T00:00:00Z"},
		{"now/M", true, time.UTC, "2026-03-31T23:59:59.999Z"},
		{"now/y", false, time.UTC, "2026-01-01T00:00:00Z"},
		{"1735689600000", false, time.UTC, "2025-01-01T00:00:00Z"},
		{"2025-12-31", false, newYork, "2025-12-31T00:00:00-05:00"},
		{"2025-12-31", true, time.UTC, "2025-12-31T23:59:59.999Z"},
		{"2025-12-31T08:00:00+01:00", false, time.UTC, "2025-12-31T08:00:00+01:00"},
	} {
		got, err := parseTime(c.in, noon, c.loc, c.up)
		if err != nil || got.Format(time.RFC3339Nano) != c.want {
			t.Errorf("%s (up %v) is %v, %v; want %s", c.in, c.up, got.Format(time.RFC3339Nano), err, c.want)
		}
	}
}

func TestParseRangeRefuses(t *testing.T) {
	for _, c := range [][2]string{{"now", "now-1h"}, {"now", "now"}, {"", "now"}, {"now-7d", "tomorrow"}, {"now-7x", "now"}, {"now-99999y", "now"},
		{"now-7d'; DROP TABLE posts; --", "now"}, {"99999999999999", "now"}, {"2025-02-30", "now"}, {"now-7d", "now+99999y"}} {
		if r, err := parseRange(c[0], c[1], noon, time.UTC); err == nil {
			t.Errorf("%q to %q was taken as %v to %v", c[0], c[1], r.From, r.To)
		}
	}
}

func FuzzParseRange(f *testing.F) {
	for _, s := range []string{"now", "now-7d", "now-1M/M", "1735689600000", "2025-12-31", "'; --"} {
		f.Add(s, "now")
	}
	f.Fuzz(func(t *testing.T, from, to string) {
		r, err := parseRange(from, to, noon, time.UTC)
		if err == nil && (!r.From.Before(r.To) || r.To.Sub(r.From) > longestRange || r.interval(500, 0) <= 0) {
			t.Errorf("%q to %q is %v to %v", from, to, r.From, r.To)
		}
	})
}

func TestInterval(t *testing.T) {
	for _, c := range []struct {
		span   time.Duration
		points float64
		least  string
		want   time.Duration
	}{
		{time.Hour, 600, "", 5 * time.Second},
		{7 * 24 * time.Hour, 500, "", 20 * time.Minute},
		{7 * 24 * time.Hour, 0, "1d", 24 * time.Hour},
		{730 * 24 * time.Hour, 500, "", 24 * time.Hour},
		{100 * 365 * 24 * time.Hour, 10, "", 365 * 24 * time.Hour},
	} {
		r := timeRange{From: noon.Add(-c.span), To: noon}
		if got := r.interval(c.points, span(c.least)); got != c.want {
			t.Errorf("%v in %v points, at least %q: %v, want %v", c.span, c.points, c.least, got, c.want)
		}
	}
}

func TestPanelsOwnRange(t *testing.T) {
	for _, c := range []struct{ from, back, want string }{{"now-2y", "7d", "2026-03-04"}, {"now-2y", "", "2024-03-11"}, {"2025-01-01", "7d", "2025-01-01"}, {"now-2y", "now/d", "2026-03-11"}} {
		r, err := parseRange(c.from, "now", noon, time.UTC)
		if err != nil {
			t.Fatal(err)
		}
		if r, err = r.own(c.back, time.UTC); err != nil || r.From.Format(time.DateOnly) != c.want {
			t.Errorf("%s with %q of its own begins at %v, %v", c.from, c.back, r.From, err)
		}
	}
}

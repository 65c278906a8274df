package viewer

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// timeRange is From to To, and the words that it was asked for with, which links pass on.
type timeRange struct {
	From, To       time.Time
	RawFrom, RawTo string
	now            time.Time
}

const longestRange = 100 * 366 * 24 * time.Hour

// parseRange reads a time range as Grafana's address has it.
func parseRange(from, to string, now time.Time, loc *time.Location) (timeRange, error) {
	r := timeRange{RawFrom: from, RawTo: to, now: now}
	var err error
	if r.From, err = parseTime(from, now, loc, false); err != nil {
		return r, fmt.Errorf("from: %w", err)
	}
	if r.To, err = parseTime(to, now, loc, true); err != nil {
		return r, fmt.Errorf("to: %w", err)
	}
	if !r.From.Before(r.To) {
		return r, fmt.Errorf("from %q is not before to %q", from, to)
	}
	if r.To.Sub(r.From) > longestRange || r.From.Year() < 1900 || r.To.Year() > 2200 {
		return r, fmt.Errorf("from %q to %q: only 100 years between 1900 and 2200 can be shown", from, to)
	}
	return r, nil
}

// own is the range of a panel that has one of its own, "7d" back from now. As in Grafana it holds
// only while the dashboard's range is relative too.
func (r timeRange) own(back string, loc *time.Location) (timeRange, error) {
	if back == "" || !strings.HasPrefix(r.RawFrom, "now") {
		return r, nil
	}
	if !strings.HasPrefix(back, "now") {
		back = "now-" + back
	}
	return parseRange(back, "now", r.now, loc)
}

var (
	relativeTime = regexp.MustCompile(`^now((?:[+-]\d{1,5}[smhdwMy])*)(?:/([smhdwMy]))?$`)
	relativeStep = regexp.MustCompile(`[+-]\d+[smhdwMy]`)
	epochMillis  = regexp.MustCompile(`^-?\d{5,14}$`)
)

// parseTime reads "now-7d", "now/d", milliseconds since 1970, a day or an RFC 3339 time. Rounding
// (/d) goes to the start of the unit, for the end of a range (up) to its last moment.
func parseTime(s string, now time.Time, loc *time.Location, up bool) (time.Time, error) {
	if m := relativeTime.FindStringSubmatch(s); m != nil {
		t := now.In(loc)
		for _, step := range relativeStep.FindAllString(m[1], -1) {
			n, _ := strconv.Atoi(step[:len(step)-1]) // digits by the expression
			t = add(t, n, step[len(step)-1])
		}
		if m[2] != "" {
			t = floor(t, m[2][0])
			if up {
				t = add(t, 1, m[2][0]).Add(-time.Millisecond)
			}
		}
		return t, nil
	}
	if epochMillis.MatchString(s) {
		ms, err := strconv.ParseInt(s, 10, 64)
		return time.UnixMilli(ms).In(loc), err
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04", "2006-01-02 15:04:05", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, s, loc); err == nil {
			if layout == time.DateOnly && up {
				t = t.AddDate(0, 0, 1).Add(-time.Millisecond)
			}
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is neither now-7d, nor now/d, nor a day (2025-12-31), nor milliseconds since 1970", s)
}

func add(t time.Time, n int, unit byte) time.Time {
	switch unit {
	case 's':
		return t.Add(time.Duration(n) * time.Second)
	case 'm':
		return t.Add(time.Duration(n) * time.Minute)
	case 'h':
		return t.Add(time.Duration(n) * time.Hour)
	case 'd':
		return t.AddDate(0, 0, n)
	case 'w':
		return t.AddDate(0, 0, 7*n)
	case 'M':
		return t.AddDate(0, n, 0)
	}
	return t.AddDate(n, 0, 0)
}

func floor(t time.Time, unit byte) time.Time {
	y, m, d := t.Date()
	switch unit {
	case 's', 'm', 'h':
		every := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour}[unit]
		return t.Truncate(every)
	case 'd':
		return time.Date(y, m, d, 0, 0, 0, 0, t.Location())
	case 'w': // from Monday
		return time.Date(y, m, d-(int(t.Weekday())+6)%7, 0, 0, 0, 0, t.Location())
	case 'M':
		return time.Date(y, m, 1, 0, 0, 0, 0, t.Location())
	}
	return time.Date(y, 1, 1, 0, 0, 0, 0, t.Location())
}

// interval is $__interval: the range over the points that fit, rounded as Grafana rounds, at least
// the panel's own least interval.
func (r timeRange) interval(points float64, least time.Duration) time.Duration {
	if points < 1 {
		points = 500
	}
	exact := time.Duration(float64(r.To.Sub(r.From)) / points)
	rounded := 365 * 24 * time.Hour
	for _, step := range []struct{ below, to time.Duration }{
		{1500 * time.Millisecond, time.Second}, {3500 * time.Millisecond, 2 * time.Second}, {7500 * time.Millisecond, 5 * time.Second},
		{12500 * time.Millisecond, 10 * time.Second}, {17500 * time.Millisecond, 15 * time.Second}, {25 * time.Second, 20 * time.Second},
		{45 * time.Second, 30 * time.Second}, {90 * time.Second, time.Minute}, {210 * time.Second, 2 * time.Minute},
		{450 * time.Second, 5 * time.Minute}, {750 * time.Second, 10 * time.Minute}, {1050 * time.Second, 15 * time.Minute},
		{1500 * time.Second, 20 * time.Minute}, {45 * time.Minute, 30 * time.Minute}, {90 * time.Minute, time.Hour},
		{150 * time.Minute, 2 * time.Hour}, {270 * time.Minute, 3 * time.Hour}, {9 * time.Hour, 6 * time.Hour},
		{24 * time.Hour, 12 * time.Hour}, {7 * 24 * time.Hour, 24 * time.Hour}, {21 * 24 * time.Hour, 7 * 24 * time.Hour},
		{42 * 24 * time.Hour, 30 * 24 * time.Hour},
	} {
		if exact < step.below {
			rounded = step.to
			break
		}
	}
	return max(rounded, least)
}

// span reads a Grafana interval such as 1m or 7d; what it cannot read is zero, no lower bound.
func span(s string) time.Duration {
	if len(s) < 2 {
		return 0
	}
	n, err := strconv.Atoi(s[:len(s)-1])
	unit, known := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour}[s[len(s)-1]]
	if err != nil || !known || n < 0 || n > 10_000 {
		return 0
	}
	return time.Duration(n) * unit
}

// location is the dashboard's time zone; that of the browser is not known, so it is UTC too.
func location(name string) (*time.Location, error) {
	switch name {
	case "", "browser", "utc", "UTC":
		return time.UTC, nil
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("read dashboard: time zone: %w", err)
	}
	return loc, nil
}

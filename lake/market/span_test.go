package market

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"shitpost-alpha/lake/event"
)

// spanCase is one post and its sessions at T+1 on every basis, written "base>target" as month-day; ""
// outside the calendar.
type spanCase struct {
	name, symbol                 string
	at                           time.Time
	priorClose, nextOpen, legacy string
}

// TestSpan walks through domain.md 4.
func TestSpan(t *testing.T) {
	checkSpans(t, []spanCase{
		// The examples of domain.md: 2025-07-11 is a Friday.
		{"Friday 10:00", "SPY", ny("2025-07-11 10:00:00"), "07-10>07-11", "07-14>07-14", "07-11>07-14"},
		{"Saturday", "SPY", ny("2025-07-12 11:00:00"), "07-11>07-14", "07-14>07-14", "07-11>07-15"},
		{"Friday 17:00", "SPY", ny("2025-07-11 17:00:00"), "07-11>07-14", "07-14>07-14", "07-11>07-14"},
		{"Friday 17:00, crypto", "BTC-USD", ny("2025-07-11 17:00:00"), "07-10>07-11", "07-14>07-14", "07-11>07-14"},

		{"before the open", "SPY", ny("2025-07-11 08:00:00"), "07-10>07-11", "07-11>07-11", "07-11>07-14"},
		{"15:59", "SPY", ny("2025-07-11 15:59:00"), "07-10>07-11", "07-14>07-14", "07-11>07-14"},
		{"16:00:00 sharp", "SPY", ny("2025-07-11 16:00:00"), "07-11>07-14", "07-14>07-14", "07-11>07-14"},
		{"16:00:00.001", "SPY", ny("2025-07-11 16:00:00.001"), "07-11>07-14", "07-14>07-14", "07-11>07-14"},
		{"a millisecond before 16:00", "SPY", ny("2025-07-11 15:59:59.999"), "07-10>07-11", "07-14>07-14", "07-11>07-14"},
		{"09:30:00 sharp", "SPY", ny("2025-07-11 09:30:00"), "07-10>07-11", "07-14>07-14", "07-11>07-14"},
		{"a millisecond before 09:30", "SPY", ny("2025-07-11 09:29:59.999"), "07-10>07-11", "07-11>07-11", "07-11>07-14"},

		// Thursday 22:00 New York is Friday 02:00 UTC.
		{"22:00 the evening before", "SPY", ny("2025-07-10 22:00:00"), "07-10>07-11", "07-11>07-11", "07-11>07-14"},
		// Friday 22:00 New York is Saturday UTC: legacy anchors on Monday.
		{"Friday 22:00", "SPY", ny("2025-07-11 22:00:00"), "07-11>07-14", "07-14>07-14", "07-11>07-15"},
		// Sunday 21:00 New York is Monday 01:00 UTC.
		{"Sunday 21:00", "SPY", ny("2025-07-13 21:00:00"), "07-11>07-14", "07-14>07-14", "07-14>07-15"},

		{"Independence Day", "SPY", ny("2025-07-04 12:00:00"), "07-03>07-07", "07-07>07-07", "07-03>07-08"},
		{"early close day 12:59", "SPY", ny("2025-07-03 12:59:00"), "07-02>07-03", "07-07>07-07", "07-03>07-07"},
		{"early close day 13:30", "SPY", ny("2025-07-03 13:30:00"), "07-03>07-07", "07-07>07-07", "07-03>07-07"},
		{"one-off closure 2025-01-09", "SPY", ny("2025-01-09 12:00:00"), "01-08>01-10", "01-10>01-10", "01-08>01-13"},
		{"evening before 2025-01-09", "SPY", ny("2025-01-08 20:00:00"), "01-08>01-10", "01-10>01-10", "01-08>01-13"},
		{"Good Friday", "SPY", ny("2025-04-18 09:00:00"), "04-17>04-21", "04-21>04-21", "04-17>04-22"},

		{"day clocks go forward", "SPY", ny("2025-03-09 01:59:59"), "03-07>03-10", "03-10>03-10", "03-07>03-11"},
		{"Monday 09:30 after it", "SPY", utc("2025-03-10 13:30:00"), "03-07>03-10", "03-11>03-11", "03-10>03-11"},
		{"Monday 16:00 after they went back", "SPY", utc("2025-11-03 21:00:00"), "11-03>11-04", "11-04>11-04", "11-03>11-04"},

		// Weekend bars of crypto are no sessions; Friday's closes on Saturday 00:00 UTC.
		{"crypto on Saturday", "BTC-USD", ny("2025-07-12 11:00:00"), "07-11>07-14", "07-14>07-14", "07-11>07-15"},
		{"crypto on Sunday 20:00, as Monday's bar opens", "BTC-USD", ny("2025-07-13 20:00:00"), "07-11>07-14", "07-15>07-15", "07-14>07-15"},
		{"crypto on Sunday 19:59", "BTC-USD", ny("2025-07-13 19:59:59.999"), "07-11>07-14", "07-14>07-14", "07-11>07-15"},
		{"crypto on Friday 20:00 sharp", "BTC-USD", ny("2025-07-11 20:00:00"), "07-11>07-14", "07-14>07-14", "07-11>07-15"},
		{"crypto on Wednesday noon", "BTC-USD", ny("2025-07-09 12:00:00"), "07-08>07-09", "07-10>07-10", "07-09>07-10"},

		{"future on Friday 16:30", "CL=F", ny("2025-07-11 16:30:00"), "07-10>07-11", "07-14>07-14", "07-11>07-14"},
		{"future on Friday 17:00 sharp", "CL=F", ny("2025-07-11 17:00:00"), "07-11>07-14", "07-14>07-14", "07-11>07-14"},
		{"future on Sunday 18:30: Monday's bar is open", "CL=F", ny("2025-07-13 18:30:00"), "07-11>07-14", "07-15>07-15", "07-11>07-15"},
		{"currency on Wednesday 17:30, between two bars", "EURUSD=X", ny("2025-07-09 17:30:00"), "07-09>07-10", "07-10>07-10", "07-09>07-10"},
	})
}

// TestSpanAtTheEdges: at the calendar's ends a span is either whole or not there.
func TestSpanAtTheEdges(t *testing.T) {
	checkSpans(t, []spanCase{
		{"first session, before its close", "SPY", ny("2022-01-03 12:00:00"), "", "01-04>01-04", "01-03>01-04"},
		{"New Year's Day 2022", "SPY", ny("2022-01-01 12:00:00"), "", "01-03>01-03", ""},
		{"before the calendar", "SPY", ny("2021-12-30 12:00:00"), "", "", ""},
		{"last session but one", "SPY", ny("2027-12-30 17:00:00"), "12-30>12-31", "12-31>12-31", "12-30>12-31"},
		{"last session before its open", "SPY", ny("2027-12-31 09:00:00"), "12-30>12-31", "12-31>12-31", ""},
		{"last session at noon", "SPY", ny("2027-12-31 12:00:00"), "12-30>12-31", "", ""},
		{"last session after its close", "SPY", ny("2027-12-31 17:00:00"), "", "", ""},
		{"after the calendar", "SPY", ny("2028-01-04 12:00:00"), "", "", ""},
		{"no time at all", "SPY", time.Time{}, "", "", ""},
	})
}

func checkSpans(t *testing.T, cases []spanCase) {
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			for i, want := range []string{tt.priorClose, tt.nextOpen, tt.legacy} {
				got := ""
				if s, ok := NYSE().Span(tt.symbol, Bases()[i], tt.at, 1); ok {
					got = s.Base.Time().Format("01-02") + ">" + s.Target.Time().Format("01-02")
				}
				if got != want {
					t.Errorf("%s is %q, want %q", Bases()[i], got, want)
				}
			}
		})
	}
}

// TestSpanHorizons counts sessions by hand around Thanksgiving 2025 (closed 11-27).
func TestSpanHorizons(t *testing.T) {
	at := ny("2025-11-24 10:00:00") // a Monday
	for _, tt := range []struct {
		basis   Basis
		targets []string // T+1, T+3, T+7, T+30
	}{
		{PriorClose, []string{"2025-11-24", "2025-11-26", "2025-12-03", "2026-01-07"}},
		{NextOpen, []string{"2025-11-25", "2025-11-28", "2025-12-04", "2026-01-08"}},
		{Legacy, []string{"2025-11-25", "2025-11-28", "2025-12-04", "2026-01-08"}},
	} {
		for i, n := range Horizons() {
			if s, ok := NYSE().Span("SPY", tt.basis, at, n); !ok || s.Target != date(tt.targets[i]) {
				t.Errorf("%s T+%d is %s, %v, want %s", tt.basis, n, s.Target, ok, tt.targets[i])
			}
		}
	}
	for _, n := range []int{0, -1, 100_000, int(^uint(0) >> 1)} {
		if s, ok := NYSE().Span("SPY", PriorClose, at, n); ok {
			t.Errorf("horizon %d gives %v", n, s)
		}
	}
	if s, ok := NYSE().Span("SPY", "closing", at, 1); ok {
		t.Errorf("an unknown basis gives %v", s)
	}
}

// moments draws times of the calendar's years and often such on the very edges of a bar.
func moments(c *Calendar, symbol string) *rapid.Generator[time.Time] {
	return rapid.Custom(func(t *rapid.T) time.Time {
		s := c.Sessions()[rapid.IntRange(3, len(c.Sessions())-40).Draw(t, "session")]
		opens, closes := c.Bar(symbol, s.Date)
		near := rapid.SampledFrom([]time.Time{opens, closes, s.Date.Time()}).Draw(t, "edge")
		off := rapid.OneOf(rapid.Int64Range(-2, 2), rapid.Int64Range(-100_000_000, 100_000_000)).Draw(t, "milliseconds")
		return near.Add(time.Duration(off) * time.Millisecond)
	})
}

var symbols = rapid.SampledFrom([]string{"SPY", "^VIX", "BTC-USD", "CL=F", "EURUSD=X"})

// TestSpanMeaning checks the words of domain.md 4 against plain searches over all sessions.
func TestSpanMeaning(t *testing.T) {
	c := NYSE()
	rapid.Check(t, func(t *rapid.T) {
		symbol := symbols.Draw(t, "symbol")
		at := moments(c, symbol).Draw(t, "at")
		n := rapid.SampledFrom(Horizons()).Draw(t, "horizon")
		var lastClosed, firstOpening int
		for i, s := range c.Sessions() {
			opens, closes := c.Bar(symbol, s.Date)
			if !closes.After(at) {
				lastClosed = i
			}
			if !opens.After(at) {
				firstOpening = i + 1
			}
		}
		if s, ok := c.Span(symbol, PriorClose, at, n); !ok || s.Base != c.Sessions()[lastClosed].Date || s.Target != c.Sessions()[lastClosed+n].Date {
			t.Fatalf("prior_close is %v, %v", s, ok)
		}
		if s, ok := c.Span(symbol, NextOpen, at, n); !ok || s.Base != c.Sessions()[firstOpening].Date || s.Target != c.Sessions()[firstOpening+n-1].Date {
			t.Fatalf("next_open is %v, %v", s, ok)
		}
		d := event.DateOf(at.UTC())
		anchor, _ := slices.BinarySearchFunc(c.Sessions(), d, func(s Session, d event.Date) int { return int(s.Date - d) })
		base := anchor
		if c.Sessions()[anchor].Date != d {
			base--
		}
		if s, ok := c.Span(symbol, Legacy, at, n); !ok || s.Base != c.Sessions()[base].Date || s.Target != c.Sessions()[anchor+n].Date {
			t.Fatalf("legacy is %v, %v", s, ok)
		}
	})
}

// TestSpanMonotone: a later post or a longer horizon never moves a session back, and base never
// follows target.
func TestSpanMonotone(t *testing.T) {
	c := NYSE()
	rapid.Check(t, func(t *rapid.T) {
		symbol := symbols.Draw(t, "symbol")
		at := moments(c, symbol).Draw(t, "at")
		later := at.Add(time.Duration(rapid.Int64Range(0, int64(10*24*time.Hour)).Draw(t, "later")))
		for _, basis := range Bases() {
			previous := event.Date(0)
			for _, n := range Horizons() {
				a, okA := c.Span(symbol, basis, at, n)
				b, okB := c.Span(symbol, basis, later, n)
				if !okA {
					t.Fatalf("%s T+%d: no span inside the calendar", basis, n)
				}
				if okB && (b.Base < a.Base || b.Target < a.Target) {
					t.Fatalf("%s T+%d: %v, but %v for a later post", basis, n, a, b)
				}
				if a.Base > a.Target || a.Base == a.Target && (basis != NextOpen || n != 1) {
					t.Fatalf("%s T+%d: base %s, target %s", basis, n, a.Base, a.Target)
				}
				if a.Target <= previous {
					t.Fatalf("%s T+%d: target %s does not follow %s", basis, n, a.Target, previous)
				}
				previous = a.Target
			}
		}
	})
}

func BenchmarkSpan(b *testing.B) {
	c := NYSE()
	at := ny("2025-07-11 10:00:00")
	for _, symbol := range []string{"SPY", "BTC-USD", "CL=F"} {
		b.Run(symbol, func(b *testing.B) {
			for b.Loop() {
				for _, basis := range Bases() {
					c.Span(symbol, basis, at, 7)
				}
			}
		})
	}
}

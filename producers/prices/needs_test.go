package prices

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/market"
	"shitpost-alpha/producers/prices/pricestest"
)

var calendar = market.NYSE()

func instant(s string) time.Time {
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	return at
}

func TestNeeds(t *testing.T) {
	call := func(id, symbol, at string) Call { return Call{id, symbol, instant(at)} }
	type want map[string]string // symbol: intervals and cause
	cases := []struct {
		name  string
		now   string
		calls []Call
		want  want
	}{
		{"nothing", "2025-06-02T12:00:00Z", nil, want{}},
		// Friday 2025-01-17, 10:00 New York; the legacy basis looks furthest: 30 sessions after the 17th.
		{"one call, long past", "2026-01-02T12:00:00Z", []Call{call("a", "NVDA", "2025-01-17T15:00:00Z")},
			want{"NVDA": "2023-12-14..2025-03-04 a", "SPY": "2023-12-14..2025-12-31 a"}},
		// After Friday's close E is Tuesday the 21st (Monday is a holiday): E+29 is as far as the 17th+30.
		{"capped at the last final session", "2025-01-21T21:19:00Z", []Call{call("a", "NVDA", "2025-01-17T22:00:00Z")},
			want{"NVDA": "2023-12-14..2025-01-17 a", "SPY": "2023-12-14..2025-01-17 a"}},
		{"20 minutes after the close", "2025-01-21T21:20:00Z", []Call{call("a", "NVDA", "2025-01-17T22:00:00Z")},
			want{"NVDA": "2023-12-14..2025-01-21 a", "SPY": "2023-12-14..2025-01-21 a"}},
		// A bar of crypto closes at midnight UTC, so the 21st's is not final when SPY's is.
		{"crypto closes later", "2025-01-21T22:00:00Z", []Call{call("a", "BTC-USD", "2025-01-17T22:00:00Z")},
			want{"BTC-USD": "2023-12-14..2025-01-17 a", "SPY": "2023-12-14..2025-01-21 a"}},
		{"two calls apart", "2026-11-02T12:00:00Z", []Call{call("b", "X", "2025-12-31T15:00:00Z"), call("a", "X", "2022-03-01T15:00:00Z")},
			want{"X": "2022-01-01..2022-04-12 a, 2024-11-26..2026-02-13 a", "SPY": "2022-01-01..2026-10-30 a"}},
		{"the benchmark itself", "2026-01-02T12:00:00Z", []Call{call("a", "SPY", "2025-01-17T15:00:00Z")}, want{"SPY": "2023-12-14..2025-12-31 a"}},
		{"equal times", "2025-01-21T22:00:00Z", []Call{call("c", "X", "2025-01-17T15:00:00Z"), call("b", "X", "2025-01-17T15:00:00Z")},
			want{"X": "2023-12-14..2025-01-21 b", "SPY": "2023-12-14..2025-01-21 b"}},
		{"before the calendar", "2025-06-02T12:00:00Z", []Call{call("a", "X", "2021-12-31T15:00:00Z")}, want{}},
		{"near the calendar's end", "2028-06-02T12:00:00Z", []Call{call("a", "X", "2027-12-20T15:00:00Z")},
			want{"X": "2026-11-15..2027-12-31 a", "SPY": "2026-11-15..2027-12-31 a"}},
		{"post after now", "2025-01-02T12:00:00Z", []Call{call("a", "X", "2026-12-20T15:00:00Z")}, want{}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := want{}
			for symbol, n := range Needs(c.calls, calendar, instant(c.now)) {
				for i, in := range n.Intervals {
					if i > 0 {
						got[symbol] += ", "
					}
					got[symbol] += fmt.Sprintf("%s..%s %s", in.From, in.To, n.CausedBy)
				}
			}
			if !maps.Equal(got, c.want) {
				t.Errorf("got %v\nwant %v", got, c.want)
			}
		})
	}
}

func drawCalls(t *rapid.T) []Call {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Call {
		at := instant("2021-11-01T00:00:00Z").Add(time.Duration(rapid.Int64Range(0, 6*366*24*60).Draw(t, "minute")) * time.Minute)
		return Call{fmt.Sprint(rapid.IntRange(0, 9).Draw(t, "id")), rapid.SampledFrom([]string{"A", "B", "BTC-USD", "CL=F", "SPY"}).Draw(t, "symbol"), at}
	}), 0, 8).Draw(t, "calls")
}

// TestNeedsProperties: order and repetition change nothing; a call more, or a later now, never needs less;
// every target of every outcome that is final is needed, and nothing beyond it.
func TestNeedsProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		calls := drawCalls(t)
		now := instant("2022-01-01T00:00:00Z").Add(time.Duration(rapid.Int64Range(0, 6*366*24).Draw(t, "hour")) * time.Hour)
		needs := Needs(calls, calendar, now)
		shuffled := append(slices.Clone(calls), calls...)
		rand.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		if other := Needs(shuffled, calendar, now); fmt.Sprint(other) != fmt.Sprint(needs) {
			t.Fatalf("order matters: %v, %v", needs, other)
		}
		more := Needs(append(slices.Clone(calls), drawCalls(t)...), calendar, now)
		later := Needs(calls, calendar, now.Add(time.Duration(rapid.Int64Range(0, 1000).Draw(t, "later"))*time.Hour))
		for symbol, n := range needs {
			for _, wider := range []map[string]Need{more, later} {
				if missing := subtract(n.Intervals, wider[symbol].Intervals); missing != nil {
					t.Fatalf("%s: %v is needed no more", symbol, missing)
				}
			}
			final, _ := calendar.LastFinal(symbol, now)
			if last := n.Intervals[len(n.Intervals)-1]; last.To > final {
				t.Fatalf("%s: needs %v, but %s is the last final session", symbol, last, final)
			}
		}
		for _, c := range calls {
			for _, basis := range market.Bases() {
				for _, h := range market.Horizons() {
					span, ok := calendar.Span(c.Symbol, basis, c.PublishedAt, h)
					final, _ := calendar.LastFinal(c.Symbol, now)
					if ok && span.Target <= final && span.Base <= final && subtract([]Interval{{span.Base, span.Target}}, needs[c.Symbol].Intervals) != nil {
						t.Fatalf("%v: span %v of %s %d is not needed", c, span, basis, h)
					}
				}
			}
		}
	})
}

// TestIntervals compares union and subtract with sets of days.
func TestIntervals(t *testing.T) {
	draw := func(t *rapid.T, name string) []Interval {
		return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Interval {
			from := event.Date(rapid.IntRange(1, 40).Draw(t, "from"))
			return Interval{from, from + event.Date(rapid.IntRange(0, 9).Draw(t, "days"))}
		}), 0, 6).Draw(t, name)
	}
	days := func(in []Interval) map[event.Date]bool {
		out := map[event.Date]bool{}
		for _, i := range in {
			for d := i.From; d <= i.To; d++ {
				out[d] = true
			}
		}
		return out
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := draw(t, "a"), draw(t, "b")
		joined := union(a)
		if !maps.Equal(days(joined), days(a)) {
			t.Fatalf("union of %v is %v", a, joined)
		}
		for i := 1; i < len(joined); i++ {
			if joined[i].From <= joined[i-1].To+1 {
				t.Fatalf("%v overlap or touch", joined)
			}
		}
		want := days(a)
		for d := range days(b) {
			delete(want, d)
		}
		if got := subtract(joined, b); !maps.Equal(days(got), want) {
			t.Fatalf("%v without %v is %v", joined, b, got)
		}
		in := Interval{event.Date(rapid.IntRange(1, 50).Draw(t, "from")), 60}
		wide := reaching(in, joined)
		cut := slices.ContainsFunc(joined, func(s Interval) bool { return s.From < wide.From && wide.From <= s.To })
		if wide.To != in.To || wide.From > in.From || cut || wide != in && !days(joined)[wide.From] {
			t.Fatalf("%v reaching over %v is %v", in, joined, wide)
		}
	})
}

// TestNeedsDate pins the first day: 400 days before the post's UTC date.
func TestNeedsDate(t *testing.T) {
	n := Needs([]Call{{"a", "X", instant("2025-01-18T04:30:00Z")}}, calendar, instant("2025-02-03T12:00:00Z"))
	if from := n["X"].Intervals[0].From; from != pricestest.Date(t, "2025-01-18")-Lookback {
		t.Errorf("from %s", from)
	}
}

// Package market says when the market is open and which two sessions a call is measured between.
//
// The model has three parts. A Calendar is the list of sessions of the New York Stock Exchange, from
// First to Last; what lies outside is not known to it and is answered with false. Bar says when the
// daily bar of a symbol opens and closes: shares trade with the session, crypto around the clock, so
// the same date is another stretch of time. Span puts both together: for a post's time, a basis and a
// horizon, the session that gives the base price and the one that gives the target price.
//
// Start with NYSE. Everything is pure and safe for concurrent use; instants are UTC, dates are
// session dates in New York. domain.md 3 and 4 hold the rules.
package market

import (
	"sort"
	"strings"
	"time"
	_ "time/tzdata" // a static image has no zone files, and New York's rules decide every session

	"shitpost-alpha/lake/event"
)

// Delay is how long after its close a bar is final: sources go on correcting the last trades.
const Delay = 20 * time.Minute

// Session is one trading day.
type Session struct {
	Date event.Date
	// Open and Close are UTC.
	Open, Close time.Time
	// Early says that the session closes at 13:00 New York instead of 16:00.
	Early bool
}

// Calendar is the list of sessions between two dates. It never changes.
type Calendar struct {
	loc         *time.Location
	first, last event.Date
	sessions    []Session
	// from[d-first] is the index of the first session on or after d, len(sessions) where there is none.
	from []int32
}

// NYSE returns the sessions of the New York Stock Exchange from 2022-01-01 to 2027-12-31. Building it
// takes about a millisecond: callers keep it.
func NYSE() *Calendar {
	return newCalendar(newYork(), 2022, 2027)
}

// newYork panics where the zone cannot be read: it is linked into the binary, so only a damaged zone
// file on the machine can be the cause, and no session would be right without it.
func newYork() *time.Location {
	loc, err := time.LoadLocation("America/New_York")
	if err != nil {
		panic("load time zone America/New_York (is ZONEINFO set, or a zone file damaged?): " + err.Error())
	}
	return loc
}

func newCalendar(loc *time.Location, firstYear, lastYear int) *Calendar {
	c := &Calendar{
		loc:   loc,
		first: event.NewDate(firstYear, time.January, 1),
		last:  event.NewDate(lastYear, time.December, 31),
	}
	closed := closures(firstYear, lastYear)
	early := earlyCloses(firstYear, lastYear)
	for d := c.first; d <= c.last; d++ {
		c.from = append(c.from, int32(len(c.sessions)))
		if w := d.Weekday(); w == time.Saturday || w == time.Sunday || closed[d] {
			continue
		}
		s := Session{Date: d, Open: d.In(loc, 9, 30).UTC(), Close: d.In(loc, 16, 0).UTC()}
		if early[d] {
			s.Early, s.Close = true, d.In(loc, 13, 0).UTC()
		}
		c.sessions = append(c.sessions, s)
	}
	return c
}

// First returns the first day that the calendar covers, whether or not it is a session.
func (c *Calendar) First() event.Date { return c.first }

// Last returns the last day that the calendar covers, whether or not it is a session.
func (c *Calendar) Last() event.Date { return c.last }

// Sessions returns all sessions, ascending. The slice is the calendar's own: do not modify it.
func (c *Calendar) Sessions() []Session { return c.sessions }

// Session returns the session of day d, and false when d is none or outside the calendar.
func (c *Calendar) Session(d event.Date) (Session, bool) {
	i, ok := c.index(d)
	if !ok {
		return Session{}, false
	}
	return c.sessions[i], true
}

// OnOrBefore returns the last session on or before d, and false when d is outside the calendar or
// before its first session.
func (c *Calendar) OnOrBefore(d event.Date) (Session, bool) {
	return c.at(c.onOrBefore(d))
}

// OnOrAfter returns the first session on or after d, and false when d is outside the calendar or
// after its last session.
func (c *Calendar) OnOrAfter(d event.Date) (Session, bool) {
	return c.at(c.onOrAfter(d))
}

// Add returns the nth session after session d; n may be negative, and 0 gives d itself. It is false
// outside the calendar and when d is no session.
func (c *Calendar) Add(d event.Date, n int) (Session, bool) {
	i, ok := c.index(d)
	if !ok {
		return Session{}, false
	}
	return c.at(i + n)
}

// Bar returns when the daily bar of date d opens and closes for the symbol, UTC (domain.md 3): shares,
// funds and indices with the session of d, "-USD" symbols at 00:00 UTC of d and 24 hours later,
// futures and currencies ("=F", "=X") at 18:00 New York the evening before and 17:00 New York of d.
// For a share on a day that is no session it is 09:30 to 16:00 New York.
func (c *Calendar) Bar(symbol string, d event.Date) (opens, closes time.Time) {
	switch {
	case strings.HasSuffix(symbol, "-USD"):
		return d.Time(), (d + 1).Time()
	case strings.HasSuffix(symbol, "=F"), strings.HasSuffix(symbol, "=X"):
		return (d - 1).In(c.loc, 18, 0).UTC(), d.In(c.loc, 17, 0).UTC()
	}
	if i, ok := c.index(d); ok {
		return c.sessions[i].Open, c.sessions[i].Close
	}
	return d.In(c.loc, 9, 30).UTC(), d.In(c.loc, 16, 0).UTC()
}

// LastFinal returns the newest session whose bar of the symbol is final at now: Delay or more has
// passed since its close. After the calendar's end it stays at the last session; it is false before
// the first is final.
func (c *Calendar) LastFinal(symbol string, now time.Time) (event.Date, bool) {
	i := sort.Search(len(c.sessions), func(i int) bool {
		_, closes := c.Bar(symbol, c.sessions[i].Date)
		return closes.Add(Delay).After(now)
	})
	s, ok := c.at(i - 1)
	return s.Date, ok
}

// at returns session i, and false when there is none.
func (c *Calendar) at(i int) (Session, bool) {
	if i < 0 || i >= len(c.sessions) {
		return Session{}, false
	}
	return c.sessions[i], true
}

// index returns the index of session d, and false when d is none.
func (c *Calendar) index(d event.Date) (int, bool) {
	i := c.onOrAfter(d)
	return i, i >= 0 && i < len(c.sessions) && c.sessions[i].Date == d
}

// onOrAfter returns the index of the first session on or after d, -1 when d is outside the calendar.
func (c *Calendar) onOrAfter(d event.Date) int {
	if d < c.first || d > c.last {
		return -1
	}
	return int(c.from[d-c.first])
}

// onOrBefore returns the index of the last session on or before d, a negative one when there is none
// or d is outside the calendar.
func (c *Calendar) onOrBefore(d event.Date) int {
	i, ok := c.index(d)
	if ok {
		return i
	}
	return i - 1
}

package market

import (
	"time"

	"shitpost-alpha/lake/event"
)

// Basis names the rule by which base and target prices are chosen (domain.md 4).
type Basis string

const (
	// PriorClose measures the whole move around the post: from the close of B, the last session whose
	// bar closed at or before the post, to the close of the Nth session after B.
	PriorClose Basis = "prior_close"
	// NextOpen measures what could be traded after the post: from the open of E, the first session
	// whose bar opens after the post, to the close of the (N-1)th session after E.
	NextOpen Basis = "next_open"
	// Legacy is the Python system's: from the close of the post's UTC date D, or of the last session
	// before D, to the close of the Nth session after the first session on or after D.
	Legacy Basis = "legacy"
)

// Bases returns every basis, in the order of the rows of a call.
func Bases() []Basis { return []Basis{PriorClose, NextOpen, Legacy} }

// Horizons returns every horizon in sessions, ascending.
func Horizons() []int { return []int{1, 3, 7, 30} }

// Span is the pair of sessions that a return is measured between. The base price is the close of
// Base, for NextOpen its open; the target price is the close of Target.
type Span struct{ Base, Target event.Date }

// Span returns the sessions for a call on the symbol by a post published at publishedAt. It is false
// when either of them lies outside the calendar, and for a horizon below 1 or an unknown basis. Only
// the post's time counts, never the time of the analysis.
func (c *Calendar) Span(symbol string, basis Basis, publishedAt time.Time, horizon int) (Span, bool) {
	if horizon < 1 || horizon > len(c.sessions) {
		return Span{}, false
	}
	day := event.DateOf(publishedAt.UTC())
	var base, target int
	switch basis {
	case PriorClose:
		base = c.lastClosed(symbol, publishedAt, day)
		target = base + horizon
	case NextOpen:
		base = c.firstOpening(symbol, publishedAt, day)
		target = base + horizon - 1
	case Legacy:
		base = c.onOrBefore(day)
		target = c.onOrAfter(day) + horizon
	default:
		return Span{}, false
	}
	if base < 0 || target >= len(c.sessions) {
		return Span{}, false
	}
	return Span{Base: c.sessions[base].Date, Target: c.sessions[target].Date}, true
}

// lastClosed returns the index of the last session whose bar closed at or before t, a negative one when
// there is none or the UTC day of t is outside the calendar. No bar of a later date than day closes before t.
func (c *Calendar) lastClosed(symbol string, t time.Time, day event.Date) int {
	i := c.onOrBefore(day)
	for ; i >= 0; i-- {
		if _, closes := c.Bar(symbol, c.sessions[i].Date); !closes.After(t) {
			break
		}
	}
	return i
}

// firstOpening returns the index of the first session whose bar opens after t, -1 when the UTC day of
// t is outside the calendar, len(sessions) when there is none. No bar of an earlier date than day
// opens after t.
func (c *Calendar) firstOpening(symbol string, t time.Time, day event.Date) int {
	i := c.onOrAfter(day)
	for ; i >= 0 && i < len(c.sessions); i++ {
		if opens, _ := c.Bar(symbol, c.sessions[i].Date); opens.After(t) {
			break
		}
	}
	return i
}

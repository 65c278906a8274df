// Package prices records the daily bars that the predictions in the lake are scored with, and none
// besides.
//
// Needs says what is needed: a pure function of the calls in the lake and the time. A Source has
// bars: files, simulator, and those reached over a network. Pricer is the step between them: it
// follows the predictions, asks the sources for what is needed and not yet there, and appends what
// the lake does not have. All state is in the lake; what a Pricer remembers of its asking only saves
// work. domain.md 3 holds the rules.
package prices

import (
	"context"
	"errors"
	"time"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/market"
	"shitpost-alpha/producers/prices/format"
)

// Producer is how events name the pricer.
const Producer = "pricer@1"

// Benchmark is the symbol that every call is compared with; it is always active.
const Benchmark = "SPY"

// Simulator is the origin of made-up bars.
const Simulator = "simulator"

// Interval1d is the only interval of bars so far.
const Interval1d = "1d"

// ErrUnknown is a source's answer that the symbol does not exist there. An outage is never that.
var ErrUnknown = errors.New("symbol unknown")

// ErrUnavailable says that a source answers nobody for now (down, rate limited, no access): it is
// left alone until the next step.
var ErrUnavailable = errors.New("source unavailable")

// Source has daily bars. It is asked by one goroutine at a time.
type Source interface {
	// Name is how the source is called in flags and logs.
	Name() string
	// Origins are the values of event.Source that its events can have, ascending: files have one per file.
	Origins() []string
	// Local says that asking costs nothing and always answers the same within one process: such a
	// source is asked once for all that is needed. Others are asked for what the lake does not have.
	Local() bool
	// Bars returns drafts of the symbol: its finished bars with session dates in from..to, both
	// included, weekends too where the symbol trades; the splits it knows of; and rows it could not
	// take, as record_rejected. Bars of one origin ascend. No bar there yet is an empty answer;
	// ErrUnknown and ErrUnavailable as above.
	Bars(ctx context.Context, symbol string, from, to event.Date) ([]event.Price, error)
}

// Fetch is what the drafts of one answer have in common. Its methods build them.
type Fetch struct {
	Calendar *market.Calendar
	Symbol   string
	Source   string // event.Source of the drafts
	// Rank is the place among the sources of one family, from 0.
	Rank int32
	// Currency of the prices; empty means USD. The points of an index are called USD too.
	Currency   string
	Adjustment event.Adjustment
	// Through: the prices include all splits up to this date. None means up to each bar's own session.
	Through event.Date
	// ID names the fetch, At is its time, UTC.
	ID        string
	At        time.Time
	Synthetic bool
}

// Final says whether the bar of date d is finished at the time of the fetch: market.Delay after its close.
func (f *Fetch) Final(d event.Date) bool {
	_, closes := f.Calendar.Bar(f.Symbol, d)
	return !closes.Add(market.Delay).After(f.At)
}

// Bar returns the draft of a bar; it occurred at its close.
func (f *Fetch) Bar(b format.Bar) event.Price {
	_, closes := f.Calendar.Bar(f.Symbol, b.Date)
	e := f.draft(event.BarRecorded, closes)
	e.SessionDate, e.Interval = b.Date, Interval1d
	e.Open, e.High, e.Low, e.Close = &b.Open, &b.High, &b.Low, &b.Close
	if b.Volume == b.Volume { // NaN: the source has none
		e.Volume = &b.Volume
	}
	if b.AdjClose == b.AdjClose {
		e.AdjClose = &b.AdjClose
	}
	e.Currency = f.Currency
	if e.Currency == "" {
		e.Currency = "USD"
	}
	e.Adjustment, e.AdjustedThrough = f.Adjustment, f.Through
	if f.Through == 0 {
		e.AdjustedThrough = b.Date
	}
	e.SourceRank, e.FetchID, e.FetchedAt = f.Rank, f.ID, f.At
	return e
}

// Split returns the draft of a split; it occurred at 09:30 New York of its date.
func (f *Fetch) Split(s format.Split) event.Price {
	e := f.draft(event.SplitRecorded, f.splitTime(s.Date))
	e.SessionDate, e.Ratio = s.Date, s.Ratio
	return e
}

// Effective says whether a split of date d has happened at the time of the fetch.
func (f *Fetch) Effective(d event.Date) bool { return !f.splitTime(d).After(f.At) }

// splitTime is the opening of the session whatever the symbol; no symbol is as good as a share here.
func (f *Fetch) splitTime(d event.Date) time.Time {
	opens, _ := f.Calendar.Bar("", d)
	return opens
}

// Reject returns the draft about a row that could not be taken. Its key holds the row's number, so
// that every bad row stays visible, and a second look at the same document finds the same events.
func (f *Fetch) Reject(key string, r format.Reject, detail string) event.Price {
	e := f.draft(event.RecordRejected, f.At)
	e.Key, e.SessionDate = key, r.Date
	e.RejectedReason, e.RejectedDetail = r.Reason, detail
	e.SetPayload([]byte(r.Raw))
	return e
}

func (f *Fetch) draft(kind event.Kind, at time.Time) event.Price {
	var e event.Price
	e.Kind, e.Key, e.Symbol, e.Source, e.OccurredAt, e.Synthetic = kind, f.Symbol, f.Symbol, f.Source, at, f.Synthetic
	return e
}

package analysis

import (
	"fmt"
	"sync"
	"time"

	"shitpost-alpha/producers"
)

// DailyBudget is how many dollars may be spent on one UTC day, by all analyzers together. What was spent
// is counted from the lake (cost_micros of predictions and failures, by the day of the answer);
// DailyBudget itself holds only what the calls in flight may cost at most. Analyzers of one process share
// one. Those of another process are seen through the lake, so that both together may overshoot
// by what the other has in flight. It is safe for concurrent use.
type DailyBudget struct {
	// PerDayMicros is the limit, in millionths of a US dollar.
	PerDayMicros int64

	mu       sync.Mutex
	reserved int64 // guarded by mu
}

// reserve takes most for a call, to be given back by release once its cost is in the lake. It
// returns an error of class budget that says when the next day begins.
func (b *DailyBudget) reserve(spent, most int64, now time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if spent+b.reserved+most <= b.PerDayMicros {
		b.reserved += most
		return nil
	}
	now = now.UTC()
	next := now.Truncate(24 * time.Hour).Add(24 * time.Hour)
	err := fmt.Errorf("%s of the daily %s are spent and %s in flight, a call may cost %s: waiting until %s",
		dollars(spent), dollars(b.PerDayMicros), dollars(b.reserved), dollars(most), next.Format(time.RFC3339))
	if most > b.PerDayMicros {
		err = fmt.Errorf("one call may cost %s, more than the daily %s: raise the budget or lower the output tokens", dollars(most), dollars(b.PerDayMicros))
	}
	return &producers.Error{Class: producers.OverBudget, RetryAfter: next.Sub(now), Err: err}
}

func (b *DailyBudget) release(most int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reserved -= most
}

func dollars(micros int64) string { return fmt.Sprintf("$%.4f", float64(micros)/1e6) }

// ledger adds up what analyses cost, by UTC day. An event counts once however often it comes. It is
// safe for concurrent use.
type ledger struct {
	mu    sync.Mutex
	since string // the first day that is kept, YYYY-MM-DD
	days  map[string]map[string]int64
}

func newLedger(since time.Time) *ledger {
	return &ledger{since: since.UTC().Format(time.DateOnly), days: map[string]map[string]int64{}}
}

func (l *ledger) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.days)
}

func (l *ledger) note(eventID string, at time.Time, micros int64) {
	day := at.UTC().Format(time.DateOnly)
	if micros <= 0 || day < l.since {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.days[day] == nil {
		l.days[day] = map[string]int64{}
	}
	l.days[day][eventID] = micros
}

// spent returns the cost of now's day.
func (l *ledger) spent(now time.Time) (micros int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range l.days[now.UTC().Format(time.DateOnly)] {
		micros += m
	}
	return micros
}

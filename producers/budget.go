package producers

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"
)

// ErrBudget: the day's requests are used up.
var ErrBudget = errors.New("the day's request budget is used up")

// Budget is how many requests may be sent on one UTC day. It is safe for concurrent use. What was
// spent is Note, to be kept where the next process finds it, and handed to it by Load.
type Budget struct {
	// PerDay is the limit; 0 is none.
	PerDay int

	mu   sync.Mutex
	day  string // YYYY-MM-DD, guarded by mu
	used int    // on that day, guarded by mu
}

// Spend takes one request of the day of now, or returns an error that wraps ErrBudget and says when
// the next day begins.
func (b *Budget) Spend(now time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	now = now.UTC()
	if day := now.Format(time.DateOnly); day > b.day { // a clock that was set back gives no new day
		b.day, b.used = day, 0
	}
	if b.PerDay > 0 && b.used >= b.PerDay {
		next := now.Truncate(24 * time.Hour).Add(24 * time.Hour)
		return &Error{Class: OverBudget, RetryAfter: next.Sub(now), Err: fmt.Errorf("%w: %d of %d sent on %s", ErrBudget, b.used, b.PerDay, b.day)}
	}
	b.used++
	return nil
}

// Note is what was spent, as "YYYY-MM-DD count".
func (b *Budget) Note() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.day == "" {
		return ""
	}
	return b.day + " " + strconv.Itoa(b.used)
}

// Load takes over a Note; one that cannot be read or is older than what is known is ignored.
func (b *Budget) Load(note string) {
	var day string
	var used int
	if n, err := fmt.Sscanf(note, "%s %d", &day, &used); n != 2 || err != nil || used < 0 {
		return
	}
	if _, err := time.Parse(time.DateOnly, day); err != nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if day > b.day || day == b.day && used > b.used {
		b.day, b.used = day, used
	}
}

package rows

import (
	"testing"
	"time"

	"shitpost-alpha/lake/market"
)

func TestPhase(t *testing.T) {
	cal := market.NYSE()
	for at, want := range map[string]struct {
		weekday int
		phase   string
	}{
		"2025-03-03T08:59:59Z": {1, PhaseClosed}, // 03:59:59 New York, winter
		"2025-03-03T09:00:00Z": {1, PhasePre},
		"2025-03-03T14:29:59Z": {1, PhasePre},
		"2025-03-03T14:30:00Z": {1, PhaseRegular},
		"2025-03-03T20:59:59Z": {1, PhaseRegular},
		"2025-03-03T21:00:00Z": {1, PhasePost},
		"2025-03-04T00:59:59Z": {1, PhasePost}, // still Monday in New York
		"2025-03-04T01:00:00Z": {1, PhaseClosed},
		"2025-03-10T13:30:00Z": {1, PhaseRegular}, // summer time since the day before
		"2025-07-03T17:00:00Z": {4, PhasePost},    // closes at 13:00
		"2025-01-09T16:00:00Z": {4, PhaseClosed},  // day of mourning
		"2025-03-08T16:00:00Z": {6, PhaseClosed},
		"2025-03-09T16:00:00Z": {7, PhaseClosed},
	} {
		moment, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		if weekday, phase := Phase(cal, moment); weekday != want.weekday || phase != want.phase {
			t.Errorf("%s: weekday %d, %s; want %d, %s", at, weekday, phase, want.weekday, want.phase)
		}
	}
}

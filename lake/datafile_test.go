package lake

import (
	"testing"

	"shitpost-alpha/lake/delta"
	"shitpost-alpha/lake/event"
)

func TestMayHold(t *testing.T) {
	for stats, want := range map[string]bool{
		`{"minValues":{"kind":"bar_recorded"},"maxValues":{"kind":"bar_recorded"}}`:   false,
		`{"minValues":{"kind":"window_read"},"maxValues":{"kind":"window_read"}}`:     false,
		`{"minValues":{"kind":"bar_recorded"},"maxValues":{"kind":"symbol_unknown"}}`: true,
		`{"minValues":{"kind":"retracted"},"maxValues":{"kind":"retracted"}}`:         true,
		`{"minValues":{"kind":"window_read"},"maxValues":{"kind":"bar_recorded"}}`:    true, // nonsense
		`{"minValues":{"kind":"bar_recorded"}}`:                                       true,
		`{"minValues":{"kind":7},"maxValues":{"kind":"bar_recorded"}}`:                true,
		"": true, "nonsense": true, "{}": true,
	} {
		if got := MayHold(&delta.Add{Stats: stats}, event.Retracted); got != want {
			t.Errorf("statistics %s: %t, want %t", stats, got, want)
		}
	}
}

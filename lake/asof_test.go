package lake

import (
	"strings"
	"testing"
	"time"
)

func TestParseAsOf(t *testing.T) {
	for in, want := range map[string]AsOf{
		"":                     {},
		"2025-06-30":           {Time: time.Date(2025, 6, 30, 23, 59, 59, 999999999, time.UTC)},
		"2025-06-30T14:00":     {Time: time.Date(2025, 6, 30, 14, 0, 0, 0, time.UTC)},
		"2025-06-30T14:00:00Z": {Time: time.Date(2025, 6, 30, 14, 0, 0, 0, time.UTC)},
		"12":                   {Versions: map[string]int64{"posts": 12, "predictions": 12, "prices": 12}},
		"posts=3, prices=4":    {Versions: map[string]int64{"posts": 3, "prices": 4}},
	} {
		got, err := ParseAsOf(in)
		if err != nil || !got.Time.Equal(want.Time) || len(got.Versions) != len(want.Versions) {
			t.Errorf("%q: %+v, %v; want %+v", in, got, err, want)
		}
		for name, v := range want.Versions {
			if got.Versions[name] != v {
				t.Errorf("%q: %s at %d, want %d", in, name, got.Versions[name], v)
			}
		}
	}
	for _, bad := range []string{"yesterday", "posts=", "posts=-1", "pasts=3", "posts=1,", "2025-13-01"} {
		if at, err := ParseAsOf(bad); err == nil || !strings.Contains(err.Error(), "posts=12") {
			t.Errorf("%q: %+v, %v", bad, at, err)
		}
	}
}

package record

import (
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseCount(t *testing.T) {
	for s, want := range map[string]int64{
		"0": 0, "7": 7, "1234": 1234, "14,9k": 14_900, "7,61k": 7_610, "7.61K": 7_610, "1.2M": 1_200_000, "1,2 M": 1_200_000,
		"2b": 2_000_000_000, "12k": 12_000, "1,234": 1234, "1.234": 1234, "1,234,567": 1_234_567, "123.0": 123, "123.00": 123,
		"1,234k": 1234, "1.2345k": 1234, " 42 ": 42, "5,5": 5,
	} {
		if got, err := ParseCount(s); err != nil || got != want {
			t.Errorf("ParseCount(%q) = %d, %v; want %d", s, got, err, want)
		}
	}
	for _, s := range []string{"", "k", "-1", "1e5", "abc", "1.2.3k", "1,23,456", "½", "NaN", "12 likes", "9999999999999999"} {
		if got, err := ParseCount(s); err == nil {
			t.Errorf("ParseCount(%q) = %d, want an error", s, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(0, 1e15-1).Draw(t, "n")
		if got, err := ParseCount(strconv.FormatInt(n, 10)); err != nil || got != n {
			t.Fatalf("ParseCount(%d) = %d, %v", n, got, err)
		}
	})
}

func TestParseTime(t *testing.T) {
	want := time.Date(2025, 10, 14, 17, 42, 22, 246_000_000, time.UTC)
	for _, s := range []string{
		"2025-10-14T17:42:22.246Z", "2025-10-14 17:42:22.246000+00:00", "2025-10-14 13:42:22.246-04:00", "2025-10-14T13:42:22.246-0400",
		"2025-10-14T17:42:22.246", "2025-10-14 17:42:22.246", " 2025-10-14T17:42:22.246Z ", "1760463742246",
	} {
		if got, err := ParseTime(s); err != nil || !got.Equal(want) || got.Location() != time.UTC {
			t.Errorf("ParseTime(%q) = %v, %v; want %v", s, got, err, want)
		}
	}
	whole := want.Truncate(time.Second)
	for _, s := range []string{"Tue Oct 14 17:42:22 +0000 2025", "Tue, 14 Oct 2025 17:42:22 +0000", "1760463742", "2025-10-14 17:42:22", "2025-10-14 17:42:22 UTC"} {
		if got, err := ParseTime(s); err != nil || !got.Equal(whole) {
			t.Errorf("ParseTime(%q) = %v, %v; want %v", s, got, err, whole)
		}
	}
	for _, s := range []string{"", "yesterday", "14/10/2025", "2025-13-01", "2025-02-30", "0", "1e9", "1900-01-01", "9999999999999999999"} {
		if got, err := ParseTime(s); err == nil {
			t.Errorf("ParseTime(%q) = %v, want an error", s, got)
		}
	}
}

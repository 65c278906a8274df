package objectstest

import (
	"errors"
	"testing"

	"shitpost-alpha/lake/objects"
)

// Ranges checks the contract of objects.Ranger on an empty store.
func Ranges(t *testing.T, s objects.Ranger) {
	t.Helper()
	if _, err := s.Put(t.Context(), "a/b", []byte("0123456789"), objects.Always()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		offset, length int64
		want           string
	}{{0, 10, "0123456789"}, {3, 4, "3456"}, {8, 100, "89"}, {9, 1, "9"}, {10, 5, ""}, {50, 5, ""}, {2, 0, ""}} {
		got, err := s.GetRange(t.Context(), "a/b", c.offset, c.length)
		if err != nil || string(got) != c.want {
			t.Errorf("%T: %d bytes from %d: %q, %v", s, c.length, c.offset, got, err)
		}
	}
	if _, err := s.GetRange(t.Context(), "a/none", 0, 5); !errors.Is(err, objects.ErrNotFound) {
		t.Errorf("%T: a missing object: %v", s, err)
	}
	if _, err := s.GetRange(t.Context(), "../x", 0, 5); err == nil {
		t.Errorf("%T: a key outside was read", s)
	}
}

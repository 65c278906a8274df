// Package pricestest finds the real data that the tests about prices read.
package pricestest

import (
	"os"
	"path/filepath"
	"testing"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/realdata"
)

// Path returns the path of a real data file or folder. The test fails when it is missing.
func Path(t testing.TB, name string) string {
	t.Helper()
	return realdata.Path(t, filepath.FromSlash(name))
}

// Read returns the contents of a real data file.
func Read(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(Path(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// Date reads YYYY-MM-DD.
func Date(t testing.TB, s string) event.Date {
	t.Helper()
	d, err := event.ParseDate(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

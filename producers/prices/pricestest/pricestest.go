// Package pricestest finds the real data that the tests about prices read.
package pricestest

import (
	"os"
	"path/filepath"
	"testing"

	"shitpost-alpha/lake/event"
)

// Path returns the path of a real data file or folder: in the folder SHARED_DATA, else in
// ../shared/data beside the repository. The test fails when it is missing.
func Path(t testing.TB, name string) string {
	t.Helper()
	dir := os.Getenv("SHARED_DATA")
	if dir == "" {
		root, err := os.Getwd()
		if err != nil {
			t.Fatal(err)
		}
		for {
			if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
				break
			}
			if root == filepath.Dir(root) {
				t.Fatal("no go.mod above the test's folder: run the test inside the repository")
			}
			root = filepath.Dir(root)
		}
		dir = filepath.Join(root, "..", "shared", "data")
	}
	path := filepath.Join(dir, filepath.FromSlash(name))
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("real data %s are missing (%v): set SHARED_DATA to the folder that holds them", name, err)
	}
	return path
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

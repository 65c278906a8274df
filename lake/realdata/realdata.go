// Package realdata finds the real posts, prices and answers that tests read. They are not part of the
// repository.
package realdata

import (
	"os"
	"path/filepath"
	"testing"
)

// Path returns the path of a file or folder of the real data: in the folder SHARED_DATA, else in
// ../shared/data beside the repository. Without parts it is that folder. The test fails, and does not
// skip, when it is missing.
func Path(t testing.TB, parts ...string) string {
	t.Helper()
	dir := os.Getenv("SHARED_DATA")
	if dir == "" {
		dir = filepath.Join(root(t), "..", "shared", "data")
	}
	path := filepath.Join(append([]string{dir}, parts...)...)
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("the real data are missing: put them at ../shared/data beside the repository, or name their folder in SHARED_DATA: %v", err)
	}
	return path
}

// root returns the folder of go.mod.
func root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
	}
	t.Fatal("no go.mod above the test's folder: run the test inside the repository")
	return ""
}

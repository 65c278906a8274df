package localpg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"sort"
	"strconv"
	"strings"
)

// minMajor is the oldest version that the read model runs on.
const minMajor = 15

// Binaries are the programs of one installation.
type Binaries struct {
	Dir     string // folder with postgres and initdb
	Version string // such as 16.14
	Major   int
}

// Find returns the binaries that Start would use for a new cluster, and fetches them if there are
// none. Places, the first that serves: Options.Bin; the folder named by LAKE_PG_BIN; the packages
// of Linux distributions, Homebrew and Postgres.app, highest version first; PATH; Options.CacheDir;
// else they are fetched into CacheDir. LAKE_PG_SEARCH=none leaves out what is installed.
func Find(ctx context.Context, o Options) (Binaries, error) {
	if o.Dir == "" {
		o.Dir = "."
	}
	o, err := o.withDefaults()
	if err != nil {
		return Binaries{}, err
	}
	return find(ctx, o, 0)
}

// find is Find for a cluster of the given major version; 0 means that it is yet to be made.
func find(ctx context.Context, o Options, cluster int) (Binaries, error) {
	named, which := o.Bin, "Options.Bin"
	if named == "" {
		named, which = o.Getenv("LAKE_PG_BIN"), "LAKE_PG_BIN"
	}
	if named != "" {
		b, err := inspect(named)
		if err == nil {
			err = b.fits(cluster)
		}
		if err != nil {
			return Binaries{}, fmt.Errorf("use the Postgres binaries named by %s: %w", which, err)
		}
		return b, nil
	}
	var seen []error
	for _, dir := range candidates(o) {
		b, err := inspect(dir)
		if err == nil {
			err = b.fits(cluster)
		}
		if err == nil {
			return b, nil
		}
		if !errors.Is(err, os.ErrNotExist) {
			seen = append(seen, err)
		}
	}
	if cluster != 0 && cluster != fetchedMajor {
		return Binaries{}, fmt.Errorf("the data were made by Postgres %d, which is not found: install it, or delete the folder %s (the read model is rebuilt from the lake): %w",
			cluster, o.Dir, errors.Join(seen...))
	}
	b, err := fetch(ctx, o)
	if err != nil {
		return Binaries{}, errors.Join(append(seen, err)...)
	}
	return b, b.fits(cluster)
}

// candidates lists the folders to look into, the best first.
func candidates(o Options) []string {
	var dirs []string
	if o.Getenv("LAKE_PG_SEARCH") != "none" {
		for _, pattern := range []string{
			"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin",
			"/opt/homebrew/opt/postgresql@*/bin", "/usr/local/opt/postgresql@*/bin", "/home/linuxbrew/.linuxbrew/opt/postgresql@*/bin",
			"/Applications/Postgres.app/Contents/Versions/*/bin",
		} {
			found, _ := filepath.Glob(pattern) // the patterns are well formed
			sort.Slice(found, func(i, j int) bool { return number(found[i]) > number(found[j]) })
			dirs = append(dirs, found...)
		}
		if path, err := exec.LookPath("postgres"); err == nil {
			dirs = append(dirs, filepath.Dir(path))
		}
	}
	return append(dirs, filepath.Join(cachedDir(o.CacheDir), "bin"))
}

// number returns the version in a path such as /usr/lib/postgresql/15/bin, 0 if there is none.
func number(path string) int {
	digits := regexp.MustCompile(`\d+`).FindString(path)
	n, _ := strconv.Atoi(digits)
	return n
}

// inspect asks the binaries in dir for their version; os.ErrNotExist when there are none.
func inspect(dir string) (Binaries, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return Binaries{}, fmt.Errorf("find %s: %w", dir, err)
	}
	for _, program := range []string{"postgres", "initdb"} {
		if _, err := os.Stat(filepath.Join(dir, program)); err != nil {
			return Binaries{}, fmt.Errorf("find Postgres: %w", err)
		}
	}
	out, err := exec.Command(filepath.Join(dir, "postgres"), "--version").CombinedOutput()
	if err != nil {
		return Binaries{}, fmt.Errorf("run %s/postgres --version: %w: %s", dir, err, strings.TrimSpace(string(out)))
	}
	m := regexp.MustCompile(`PostgreSQL\) ((\d+)[.\w]*)`).FindStringSubmatch(string(out))
	if m == nil {
		return Binaries{}, fmt.Errorf("%s/postgres --version says %q, which names no version", dir, strings.TrimSpace(string(out)))
	}
	major, err := strconv.Atoi(m[2])
	if err != nil {
		return Binaries{}, fmt.Errorf("read version of %s/postgres: %w", dir, err)
	}
	return Binaries{Dir: dir, Version: m[1], Major: major}, nil
}

// fits says whether the binaries serve a cluster of that major version, 0 for a new one.
func (b Binaries) fits(cluster int) error {
	switch {
	case b.Major < minMajor:
		return fmt.Errorf("Postgres %s in %s is too old: %d or newer is needed", b.Version, b.Dir, minMajor)
	case cluster != 0 && cluster != b.Major:
		return fmt.Errorf("Postgres %s in %s cannot read data made by Postgres %d", b.Version, b.Dir, cluster)
	}
	return nil
}

// platform returns the names that npm gives to this operating system and processor.
func platform() (string, error) {
	arch, ok := map[string]string{"amd64": "x64", "arm64": "arm64"}[runtime.GOARCH]
	if !ok || (runtime.GOOS != "linux" && runtime.GOOS != "darwin") {
		return "", fmt.Errorf("no Postgres to fetch for %s on %s", runtime.GOOS, runtime.GOARCH)
	}
	return runtime.GOOS + "-" + arch, nil
}

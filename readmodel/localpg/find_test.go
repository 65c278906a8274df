package localpg

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// install writes programs that only know their version.
func install(t *testing.T, dir, version string) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, program := range []string{"postgres", "initdb"} {
		script := "#!/bin/sh\necho '" + program + " (PostgreSQL) " + version + "'\n"
		if err := os.WriteFile(filepath.Join(dir, program), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func env(pairs map[string]string) func(string) string {
	return func(name string) string { return pairs[name] }
}

func TestInspect(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]Binaries{
		"16.14":                        {Version: "16.14", Major: 16},
		"15.18 (Debian 15.18-0+deb12)": {Version: "15.18", Major: 15},
		"19beta1":                      {Version: "19beta1", Major: 19},
	} {
		want.Dir = install(t, t.TempDir(), version)
		if got, err := inspect(want.Dir); err != nil || got != want {
			t.Errorf("%s: got %+v, %v", version, got, err)
		}
	}
}

func TestStartRefuses(t *testing.T) {
	t.Parallel()
	data := func(version string) string { // a folder with a cluster of that version
		dir := folder(t)
		if err := os.MkdirAll(filepath.Join(dir, "data"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "data", "PG_VERSION"), []byte(version), 0o600); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	none := env(map[string]string{"LAKE_PG_SEARCH": "none"})
	for name, c := range map[string]struct {
		o    Options
		want string
	}{
		"no folder":    {Options{}, "no folder given"},
		"no binaries":  {Options{Dir: folder(t), Bin: t.TempDir()}, "named by Options.Bin: find Postgres: stat"},
		"by variable":  {Options{Dir: folder(t), Getenv: env(map[string]string{"LAKE_PG_BIN": "/nowhere"})}, "named by LAKE_PG_BIN"},
		"too old":      {Options{Dir: folder(t), Bin: install(t, t.TempDir(), "14.9")}, "is too old: 15 or newer is needed"},
		"no version":   {Options{Dir: folder(t), Bin: install(t, t.TempDir(), "?")}, "names no version"},
		"other data":   {Options{Dir: data("15\n"), Bin: install(t, t.TempDir(), "16.1")}, "cannot read data made by Postgres 15"},
		"unknown data": {Options{Dir: data("12\n"), Getenv: none, CacheDir: t.TempDir()}, "made by Postgres 12, which is not found: install it, or delete the folder"},
		"no initdb":    {Options{Dir: folder(t), Bin: install(t, filepath.Join(filepath.Dir(folder(t)), "bin"), "16.1")}, "put cluster in place"},
	} {
		t.Run(name, func(t *testing.T) {
			c.o.Log = quiet()
			s, err := Start(t.Context(), c.o)
			if err == nil {
				s.Stop()
				t.Fatal("it started")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("error is %q, wanted %q", err, c.want)
			}
		})
	}
}

// A second try after a refusal finds the folder free.
func TestRefusedStartLetsGo(t *testing.T) {
	t.Parallel()
	o := Options{Dir: folder(t), Log: quiet(), Bin: t.TempDir()}
	if _, err := Start(t.Context(), o); err == nil {
		t.Fatal("it started without binaries")
	}
	o.Bin = ""
	start(t, o)
}

// Root cannot hand a folder to another user who cannot get there.
func TestFolderOutOfReach(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root has to become another user")
	}
	closed := t.TempDir()
	if err := os.Chmod(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := Start(t.Context(), Options{Dir: filepath.Join(closed, "pg"), Log: quiet(), noNamespace: true})
	if err == nil || !strings.Contains(err.Error(), "cannot enter") || !strings.Contains(err.Error(), "/var/lib") {
		t.Errorf("error is %v", err)
	}
	// In a user namespace root's own folders stay open to it.
	start(t, Options{Dir: filepath.Join(closed, "pg")})
}

func TestBrokenSettingsAreReported(t *testing.T) {
	t.Parallel()
	o := Options{Dir: folder(t)}
	s := start(t, o)
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(o.Dir, "data", "postgresql.conf"), []byte("no_such_setting = 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	o.Log = quiet()
	if _, err := Start(t.Context(), o); err == nil || !strings.Contains(err.Error(), "no_such_setting") {
		t.Errorf("error does not quote the server's log: %v", err)
	}
}

func TestCancelledStart(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	o := Options{Dir: folder(t), Log: quiet()}
	if _, err := Start(ctx, o); err == nil {
		t.Fatal("it started although ctx had ended")
	}
	start(t, o)
}

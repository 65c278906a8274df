package localpg

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
)

// childFolder tells a copy of the test binary to be the owner of a server, until it is killed.
const childFolder = "LOCALPG_TEST_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childFolder); dir != "" {
		o := Options{Dir: dir, Log: quiet(), NoSync: true, noNamespace: os.Getenv(childFolder+"_SWITCH") != ""}
		if _, err := Start(context.Background(), o); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("ready")
		_, _ = io.Copy(io.Discard, os.Stdin) // until killed, or until the test has gone
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// folder returns a temporary folder that other users may enter, unlike t.TempDir.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "localpg-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "pg")
}

func start(t *testing.T, o Options) *Server {
	t.Helper()
	o.Log, o.NoSync = quiet(), true
	s, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Stop() })
	return s
}

// value runs one statement and returns the text of its single value, "" if there is none.
func value(t *testing.T, s *Server, sql string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var v string
	if err := conn.QueryRow(t.Context(), sql).Scan(&v); err != nil && !errors.Is(err, pgx.ErrNoRows) {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// identities are the ways in which Postgres can run here.
func identities() map[string]Options {
	ways := map[string]Options{"default": {}}
	if os.Geteuid() == 0 {
		ways["another user than root"] = Options{noNamespace: true}
	}
	return ways
}

func TestDataOutliveTheServer(t *testing.T) {
	t.Parallel()
	for name, o := range identities() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o.Dir = folder(t)
			s := start(t, o)
			value(t, s, "CREATE TABLE kept AS SELECT 42 AS n")
			if got := value(t, s, "SELECT current_database() || current_setting('TimeZone') || pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()"); got != "shitpostUTCUTF8" {
				t.Errorf("database, zone and encoding are %s", got)
			}
			if !strings.HasPrefix(value(t, s, "SHOW server_version"), s.Version()) || s.Version() == "" {
				t.Errorf("version is %q", s.Version())
			}
			if err := errors.Join(s.Stop(), s.Stop()); err != nil {
				t.Fatal(err)
			}
			<-s.Done()
			if conn, err := pgx.Connect(t.Context(), s.URL()); err == nil {
				conn.Close(t.Context())
				t.Error("the server still answers after Stop")
			}
			again := start(t, o)
			if got := value(t, again, "SELECT n::text FROM kept"); got != "42" {
				t.Errorf("kept value is %q", got)
			}
			if again.URL() != s.URL() {
				t.Error("the address changed although the port was free")
			}
		})
	}
}

func TestTwoFoldersAtOnce(t *testing.T) {
	t.Parallel()
	a, b := start(t, Options{Dir: folder(t)}), start(t, Options{Dir: folder(t)})
	value(t, a, "CREATE TABLE only_in_a AS SELECT 1 AS n")
	if got := value(t, b, "SELECT count(*)::text FROM pg_tables WHERE tablename = 'only_in_a'"); got != "0" {
		t.Error("two folders share a server")
	}
}

// A name, a wrong password or none must not open the door on TCP.
func TestPasswordIsNeeded(t *testing.T) {
	t.Parallel()
	s := start(t, Options{Dir: folder(t)})
	for _, url := range []string{strings.Replace(s.URL(), s.password, "wrong", 1), strings.Replace(s.URL(), ":"+s.password, "", 1)} {
		if conn, err := pgx.Connect(t.Context(), url); err == nil {
			conn.Close(t.Context())
			t.Error("connected without the password")
		}
	}
	for _, name := range []string{"password", "postgres.log", "port"} {
		info, err := os.Stat(filepath.Join(s.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("mode of %s is %v", name, info.Mode())
		}
	}
}

func TestSecondStartJoins(t *testing.T) {
	t.Parallel()
	o := Options{Dir: folder(t)}
	first := start(t, o)
	second := start(t, o)
	if !second.Joined() || first.Joined() || second.URL() != first.URL() || second.Done() != nil {
		t.Fatal("the second Start did not join the first one's server")
	}
	if err := second.Stop(); err != nil {
		t.Fatal(err)
	}
	if got := value(t, first, "SELECT 'lives'"); got != "lives" {
		t.Error("Stop of the joined server ended it")
	}
}

// Of many that start at once on a new folder one makes the cluster, and all use it.
func TestStartedAtOnce(t *testing.T) {
	t.Parallel()
	o := Options{Dir: folder(t), Log: quiet(), NoSync: true}
	servers, errs := make([]*Server, 4), make([]error, 4)
	var group sync.WaitGroup
	for i := range servers {
		group.Go(func() { servers[i], errs[i] = Start(t.Context(), o) })
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	owners := 0
	for _, s := range servers {
		if got := value(t, s, "SELECT 'ok'"); got != "ok" {
			t.Error("no answer")
		}
		if !s.Joined() {
			owners++
			defer s.Stop()
		}
	}
	if owners != 1 {
		t.Errorf("%d servers were started", owners)
	}
}

// kill -9 of the owner: the server ends by itself, and the next Start goes on with the data.
func TestKilledOwner(t *testing.T) {
	t.Parallel()
	for name, o := range identities() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o.Dir = folder(t)
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), childFolder+"="+o.Dir)
			if o.noNamespace {
				cmd.Env = append(cmd.Env, childFolder+"_SWITCH=1")
			}
			stdin, err := cmd.StdinPipe() // closed when this process ends, however it ends
			if err != nil {
				t.Fatal(err)
			}
			defer stdin.Close()
			stdout, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if line, _ := bufio.NewReader(stdout).ReadString('\n'); line != "ready\n" {
				t.Fatalf("child says %q", line)
			}
			joined := start(t, o)
			if !joined.Joined() {
				t.Fatal("did not join the child's server")
			}
			value(t, joined, "CREATE TABLE kept AS SELECT 7 AS n")
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait() // "signal: killed"
			own := start(t, o)
			if own.Joined() {
				t.Fatal("joined a server that is on its way out")
			}
			if got := value(t, own, "SELECT n::text FROM kept"); got != "7" {
				t.Errorf("kept value is %q", got)
			}
		})
	}
}

// Where the kernel does not end the server of a killed owner, the next Start does.
func TestOrphanedServer(t *testing.T) {
	t.Parallel()
	o := Options{Dir: folder(t)}
	orphan := start(t, o)
	value(t, orphan, "CREATE TABLE kept AS SELECT 7 AS n")
	orphan.cleanup() // gives up owner.lock, as the end of its owner would
	own := start(t, o)
	if own.Joined() {
		t.Fatal("joined a server without an owner")
	}
	<-orphan.Done()
	if got := value(t, own, "SELECT n::text FROM kept"); got != "7" {
		t.Errorf("kept value is %q", got)
	}
}

// kill -9 of the server itself: Done tells, and the next Start recovers what was committed.
func TestKilledServer(t *testing.T) {
	t.Parallel()
	o := Options{Dir: folder(t)}
	s := start(t, o)
	value(t, s, "CREATE TABLE kept AS SELECT 7 AS n")
	value(t, s, "CHECKPOINT")
	if err := s.proc.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-s.Done()
	if err := s.Stop(); err == nil {
		t.Error("Stop does not say that the server had died")
	}
	if got := value(t, start(t, o), "SELECT n::text FROM kept"); got != "7" {
		t.Errorf("kept value is %q", got)
	}
}

// In a container process ids start anew, so a stale postmaster.pid often names a living process.
func TestStalePidFile(t *testing.T) {
	t.Parallel()
	o := Options{Dir: folder(t)}
	s := start(t, o)
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	other := exec.Command("sleep", "600")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { other.Process.Kill(); other.Wait() }()
	stale := strings.Join([]string{strconv.Itoa(other.Process.Pid), filepath.Join(s.dir, "data"), "1700000000", strconv.Itoa(s.port), "/tmp", "127.0.0.1", "", "ready", ""}, "\n")
	if err := os.WriteFile(filepath.Join(s.dir, "data", "postmaster.pid"), []byte(stale), 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, o)
}

// An initdb that was killed leaves a folder that counts for nothing.
func TestUnfinishedCluster(t *testing.T) {
	t.Parallel()
	o := Options{Dir: folder(t)}
	half := filepath.Join(o.Dir, "new-123", "data")
	if err := os.MkdirAll(half, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(half, "PG_VERSION"), []byte("15\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, o)
	if left, _ := filepath.Glob(filepath.Join(o.Dir, "new-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestLongPath(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(folder(t), strings.Repeat("long/", 25), strings.Repeat("x", 40))
	if got := value(t, start(t, Options{Dir: dir}), "SELECT 'ok'"); got != "ok" {
		t.Error("no answer")
	}
}

func TestPortTaken(t *testing.T) {
	t.Parallel()
	o := Options{Dir: folder(t)}
	a := start(t, o)
	if err := a.Stop(); err != nil {
		t.Fatal(err)
	}
	other := Options{Dir: folder(t)}
	if err := os.MkdirAll(other.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(other.Dir, "port"), []byte(strconv.Itoa(a.port)), 0o600); err != nil {
		t.Fatal(err)
	}
	b, again := start(t, other), start(t, o)
	if b.port != a.port || again.port == a.port {
		t.Errorf("ports are %d, %d, then %d", a.port, b.port, again.port)
	}
}

// Ctrl-C in a terminal goes to its whole process group; the server must not be in ours.
func TestOwnProcessGroup(t *testing.T) {
	t.Parallel()
	s := start(t, Options{Dir: folder(t)})
	group, err := syscall.Getpgid(s.proc.cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if group == syscall.Getpgrp() {
		t.Error("the server is in our process group")
	}
}

// Package readmodeltest gives tests a real Postgres: a fresh database per test on one server per test
// process. The server is the one that TEST_DATABASE_URL names (its user must be allowed to make
// databases), else one of our own in a temporary folder.
//
// A test package that uses Open calls Main from its TestMain:
//
//	func TestMain(m *testing.M) { os.Exit(readmodeltest.Main(m)) }
package readmodeltest

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"shitpost-alpha/readmodel/localpg"
)

// server is the one server of the test process. It is started by the first Open and stopped by Main.
type server struct {
	mu    sync.Mutex
	url   string
	local *localpg.Server
	dir   string
}

var shared server // of the process: a server per test would cost half a second each

// Main runs the tests and then stops the server, if one was started. It returns the exit code.
func Main(m *testing.M) int {
	code := m.Run()
	if err := shared.stop(); err != nil {
		fmt.Fprintln(os.Stderr, "stop Postgres of the tests:", err)
		return 1
	}
	return code
}

func (s *server) start() (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.url != "" {
		return s.url, nil
	}
	if given := os.Getenv("TEST_DATABASE_URL"); given != "" {
		s.url = given
		return s.url, nil
	}
	dir, err := os.MkdirTemp("", "readmodeltest")
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	local, err := localpg.Start(ctx, localpg.Options{Dir: dir, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		os.RemoveAll(dir)
		return "", fmt.Errorf("%w (or set TEST_DATABASE_URL)", err)
	}
	s.local, s.dir, s.url = local, dir, local.URL()
	return s.url, hurry(ctx, s.url)
}

// hurry tells a server that nothing on it has to survive a crash.
func hurry(ctx context.Context, databaseURL string) error {
	conn, err := pgx.Connect(ctx, databaseURL)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for _, sql := range []string{"ALTER SYSTEM SET fsync = off", "ALTER SYSTEM SET full_page_writes = off", "ALTER SYSTEM SET autovacuum = off", "SELECT pg_reload_conf()"} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	return nil
}

func (s *server) stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.local == nil {
		return nil
	}
	err := s.local.Stop()
	os.RemoveAll(s.dir)
	return err
}

// Open returns the URL of a fresh database, and a connection to it. Both are gone when the test ends.
func Open(t testing.TB) (string, *pgx.Conn) {
	t.Helper()
	base, err := shared.start()
	if err != nil {
		t.Fatalf("start Postgres for the tests: %v", err)
	}
	admin, err := pgx.Connect(context.Background(), base)
	if err != nil {
		t.Fatalf("connect to the Postgres of the tests: %v", err)
	}
	name := "test_" + strings.ToLower(rand.Text())
	if _, err := admin.Exec(context.Background(), "CREATE DATABASE "+name); err != nil {
		t.Fatalf("create a database for the test: %v", err)
	}
	t.Cleanup(func() {
		if _, err := admin.Exec(context.Background(), "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Errorf("drop the test's database: %v", err)
		}
		admin.Close(context.Background())
	})
	fresh, err := withDatabase(base, name)
	if err != nil {
		t.Fatal(err)
	}
	return fresh, Connect(t, fresh)
}

// Connect returns one more connection, closed when the test ends.
func Connect(t testing.TB, databaseURL string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), databaseURL)
	if err != nil {
		t.Fatalf("connect to the test's database: %v", err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func withDatabase(base, name string) (string, error) {
	u, err := url.Parse(base)
	if err != nil || u.Scheme == "" {
		return "", fmt.Errorf("the URL of the tests' Postgres must have the form postgres://user@host/database")
	}
	u.Path = "/" + name
	return u.String(), nil
}

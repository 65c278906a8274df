// Package localpg runs a Postgres of our own for those who have none: it finds the binaries (or
// fetches them once), makes a database cluster below a folder and keeps a server running as long
// as this process lives. The read model in it can be rebuilt from the lake, so losing the folder
// loses nothing. Start with Start. It works on Linux and macOS, as an ordinary user and as root.
//
// Two lock files say who does what, without guessing from process ids: owner.lock is held by the
// process that started the server, server.lock by the server itself, which inherits it. So a
// server whose owner was killed is known for what it is (on Linux the kernel has already asked it
// to end): the next Start has it end and starts anew. An owner that lives shares its server.
package localpg

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// Database is the name of the database that Start creates.
const Database = "shitpost"

// superuser owns the cluster and everything in it.
const superuser = "lake"

// patience bounds the waits for a server to answer, to recover or to end. Recovery after a crash
// replays at most max_wal_size of log, which takes seconds.
const patience = 2 * time.Minute

// Options say where the server lives. Only Dir is needed.
type Options struct {
	// Dir holds the data, the log, the password and the locks. It is made if missing.
	Dir string
	// CacheDir holds fetched binaries, shared between servers; default: os.UserCacheDir()/shitpost-alpha/pg.
	CacheDir string
	// Bin is a folder with postgres and initdb, version 15 or newer. If empty they are searched
	// for: see Find.
	Bin string
	// Getenv reads LAKE_PG_BIN and LAKE_PG_SEARCH; default os.Getenv.
	Getenv func(string) string
	// NoSync is for tests: nothing waits for the disk, so a crash of the machine spoils the cluster.
	NoSync bool
	// Log is told what is done; default slog.Default().
	Log *slog.Logger

	noNamespace bool // tests: go the way of a root that may not make user namespaces
}

// Server is a running Postgres. Its methods are safe for concurrent use.
type Server struct {
	dir, version, password string
	port                   int
	pid                    int      // of a joined server
	proc                   *process // nil: it belongs to another process, and we only use it
	cleanup                func()   // gives up what Start took; called once, when the server has ended
	stop                   sync.Once
	stopErr                error
	log                    *slog.Logger
}

// Start starts the server of o.Dir, or joins the one that another living process (or an earlier
// Start of this one) runs there. It returns when the server accepts connections and Database
// exists. ctx bounds the start alone: the server runs until Stop, or until this process ends.
// A crash during Start leaves at most an unfinished folder that the next Start removes.
func Start(ctx context.Context, o Options) (*Server, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make Postgres folder: %w", err)
	}
	owner, joined, err := ownOrJoin(ctx, o)
	if err != nil || joined != nil {
		return joined, err
	}
	s, err := startOwn(ctx, o, owner)
	if err != nil {
		owner.Close()
		return nil, fmt.Errorf("start Postgres in %s: %w", o.Dir, err)
	}
	return s, nil
}

func (o Options) withDefaults() (Options, error) {
	if o.Dir == "" {
		return o, errors.New("start Postgres: no folder given")
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return o, fmt.Errorf("find Postgres folder: %w", err)
	}
	o.Dir = dir
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.CacheDir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return o, fmt.Errorf("find cache folder: %w", err)
		}
		o.CacheDir = filepath.Join(cache, "shitpost-alpha", "pg")
	}
	if o.CacheDir, err = filepath.Abs(o.CacheDir); err != nil {
		return o, fmt.Errorf("find cache folder: %w", err)
	}
	return o, nil
}

// ownOrJoin returns either the owner's lock of o.Dir, or the running server of a living owner.
func ownOrJoin(ctx context.Context, o Options) (*os.File, *Server, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var last error
	for {
		lock, ok, err := tryLock(filepath.Join(o.Dir, "owner.lock"))
		if err != nil || ok {
			return lock, nil, err
		}
		s, err := join(ctx, o)
		if err == nil {
			o.Log.Info("joined a running postgres", "folder", o.Dir, "port", s.port)
			return nil, s, nil
		}
		last = err
		if !pause(ctx) {
			return nil, nil, fmt.Errorf("start Postgres in %s: another process holds the folder, but its server does not answer; end that process or choose another folder: %w", o.Dir, last)
		}
	}
}

// join connects to the server that postmaster.pid tells of.
func join(ctx context.Context, o Options) (*Server, error) {
	raw, err := os.ReadFile(filepath.Join(o.Dir, "data", "postmaster.pid"))
	if err != nil {
		return nil, fmt.Errorf("read postmaster.pid: %w", err)
	}
	lines := strings.Split(string(raw), "\n")
	if len(lines) < 6 {
		return nil, errors.New("postmaster.pid is incomplete")
	}
	pid, pidErr := strconv.Atoi(strings.TrimSpace(lines[0]))
	port, portErr := strconv.Atoi(strings.TrimSpace(lines[3]))
	if err := errors.Join(pidErr, portErr); err != nil {
		return nil, fmt.Errorf("read postmaster.pid: %w", err)
	}
	s := &Server{dir: o.Dir, pid: pid, port: port, log: o.Log, cleanup: func() {}}
	if s.password, err = readPassword(o.Dir); err != nil {
		return nil, err
	}
	return s, s.probe(ctx, Database)
}

// endOrphan asks a server whose owner is gone to end. It is one only if it answers with the
// password of this folder: then the process id is surely its own, and not a later process's.
func endOrphan(ctx context.Context, o Options) {
	if s, err := join(ctx, o); err == nil {
		o.Log.Info("ending the postgres of a process that is gone", "folder", o.Dir, "pid", s.pid)
		_ = syscall.Kill(s.pid, syscall.SIGINT) // an error means that it has just ended
	}
}

// startOwn does what Start says once the folder is ours; the server then keeps owner.
func startOwn(ctx context.Context, o Options, owner *os.File) (*Server, error) {
	data := filepath.Join(o.Dir, "data")
	bin, err := find(ctx, o, clusterMajor(data)) // may download, and take its time
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	endOrphan(ctx, o)
	running, err := waitLock(ctx, filepath.Join(o.Dir, "server.lock"))
	if err != nil {
		return nil, fmt.Errorf("an earlier server of this folder has not ended (its process id is in data/postmaster.pid): %w", err)
	}
	defer running.Close() // the server has inherited it, or there is none
	as, err := chooseIdentity(o, data, bin.Dir)
	if err != nil {
		return nil, err
	}
	password, err := makeCluster(ctx, o, bin, as, running)
	if err != nil {
		return nil, err
	}
	// We hold server.lock, so no server runs here: what the file says is of a dead one, and its
	// process id may be somebody else's by now, which Postgres would take for a server.
	if err := os.Remove(filepath.Join(data, "postmaster.pid")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("remove stale postmaster.pid: %w", err)
	}
	s := &Server{dir: o.Dir, version: bin.Version, password: password, log: o.Log}
	if err := s.launch(ctx, o, bin, as, running, owner); err != nil {
		return nil, err
	}
	if err := s.createDatabase(ctx); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	o.Log.Info("postgres runs", "version", bin.Version, "folder", o.Dir, "port", s.port, "binaries", bin.Dir)
	return s, nil
}

// launch starts postgres on a free port; when somebody else was faster with that port, on another.
func (s *Server) launch(ctx context.Context, o Options, bin Binaries, as identity, running, owner *os.File) error {
	socket, removeSocket, err := socketDir(o.Dir, as)
	if err != nil {
		return err
	}
	portFile := filepath.Join(o.Dir, "port")
	s.cleanup = func() { removeSocket(); owner.Close() }
	for try := 0; ; try++ {
		if s.port, err = choosePort(portFile, try); err == nil {
			s.proc, err = startServer(serverArgs{bin: bin.Dir, dir: o.Dir, socket: socket, port: s.port, as: as, lock: running, noSync: o.NoSync})
		}
		if err == nil {
			if err = s.awaitReady(ctx); err == nil {
				// The port is tried first next time, so that what points here keeps working.
				return os.WriteFile(portFile, []byte(strconv.Itoa(s.port)), 0o600)
			}
			s.proc.end(patience)
		}
		if try == 4 || ctx.Err() != nil || !strings.Contains(err.Error(), "ddress already in use") {
			removeSocket()
			return err
		}
	}
}

// awaitReady returns when the server answers, or with the end of its log when it has died.
func (s *Server) awaitReady(ctx context.Context) error {
	for {
		err := s.probe(ctx, "postgres")
		if err == nil {
			return nil
		}
		select {
		case <-s.proc.done:
			return fmt.Errorf("postgres ended at start: %w: %s", s.proc.err, s.proc.logTail())
		case <-ctx.Done():
			return fmt.Errorf("postgres does not answer: %w; log: %s", err, s.proc.logTail())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (s *Server) probe(ctx context.Context, database string) error {
	conn, err := pgconn.Connect(ctx, s.url(database))
	if err != nil {
		return fmt.Errorf("connect to Postgres on port %d: %w", s.port, err)
	}
	return conn.Close(ctx)
}

func (s *Server) createDatabase(ctx context.Context) error {
	conn, err := pgconn.Connect(ctx, s.url("postgres"))
	if err != nil {
		return fmt.Errorf("connect to Postgres on port %d: %w", s.port, err)
	}
	defer conn.Close(ctx)
	if _, err = conn.Exec(ctx, "CREATE DATABASE "+Database).ReadAll(); err != nil {
		var pgErr *pgconn.PgError
		if errors.As(err, &pgErr) && pgErr.Code == "42P04" { // duplicate_database: not the first start
			return nil
		}
		return fmt.Errorf("create database %s: %w", Database, err)
	}
	return nil
}

// URL returns postgres://user:password@127.0.0.1:port/shitpost for pgx and psql, as the owner of
// the cluster. It is TCP on the loopback alone and holds a password, which keeps other users of
// the machine out: do not log it.
func (s *Server) URL() string { return s.url(Database) }

func (s *Server) url(database string) string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword(superuser, s.password), Path: "/" + database,
		Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)), RawQuery: "sslmode=disable"}
	return u.String()
}

// Version returns the server's version, such as 16.14; empty for a joined server.
func (s *Server) Version() string { return s.version }

// Joined says that the server belongs to another process or an earlier Start, and ends with it.
func (s *Server) Joined() bool { return s.proc == nil }

// Done is closed when the server has ended, by Stop or by itself; nil, and so never, if joined.
func (s *Server) Done() <-chan struct{} {
	if s.proc == nil {
		return nil
	}
	return s.proc.done
}

// Stop shuts the server down: open transactions are rolled back, and what was committed is on
// disk when it returns. It does nothing to a joined server and may be called more than once.
func (s *Server) Stop() error {
	if s.proc == nil {
		return nil
	}
	s.stop.Do(func() {
		s.stopErr = s.proc.end(patience)
		s.cleanup()
		s.log.Info("postgres stopped", "folder", s.dir)
	})
	return s.stopErr
}

// choosePort returns the port of the last run if it is free, at the first try, else any free one.
func choosePort(file string, try int) (int, error) {
	addresses := []string{"127.0.0.1:0"}
	if raw, err := os.ReadFile(file); err == nil && try == 0 {
		addresses = []string{"127.0.0.1:" + strings.TrimSpace(string(raw)), "127.0.0.1:0"}
	}
	var err error
	for _, a := range addresses {
		var l net.Listener
		if l, err = net.Listen("tcp", a); err == nil {
			defer l.Close()
			return l.Addr().(*net.TCPAddr).Port, nil
		}
	}
	return 0, fmt.Errorf("choose port: %w", err)
}

func readPassword(dir string) (string, error) {
	raw, err := os.ReadFile(filepath.Join(dir, "password"))
	if err != nil {
		return "", fmt.Errorf("read password of the cluster: %w", err)
	}
	return strings.TrimSpace(string(raw)), nil
}

func newPassword() string { return rand.Text() }

// pause waits a moment; false when ctx has ended.
func pause(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(50 * time.Millisecond):
		return true
	}
}

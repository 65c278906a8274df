package localpg

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

// maxLog is the size in bytes at which the server's log starts anew; one older file is kept.
const maxLog = 10 << 20

// process is a running postmaster.
type process struct {
	cmd      *exec.Cmd
	done     chan struct{} // closed when it has ended; err is then set
	err      error
	logPath  string
	logStart int64 // where the log of this run begins, in bytes
}

type serverArgs struct {
	bin, dir, socket string
	port             int
	as               identity
	lock             *os.File // inherited, so held for as long as any process of the server lives
	noSync           bool
}

// startServer starts postgres. Its death signal fires when the thread that forked it ends, so that
// thread is locked and waits for it.
func startServer(a serverArgs) (*process, error) {
	log, size, err := openLog(filepath.Join(a.dir, "postgres.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close() // the server has its own copy
	cmd := a.as.command(context.Background(), filepath.Join(a.bin, "postgres"), settings(a)...)
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = log, log, []*os.File{a.lock}
	p := &process{cmd: cmd, done: make(chan struct{}), logPath: log.Name(), logStart: size}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("run %s: %w", cmd.Path, err)
	}
	return p, nil
}

// settings returns the command line. The read model can be rebuilt and nobody replicates from
// here, so commits need not wait for the disk (the last ones before a power failure may be lost,
// rows and positions together) and bulk loads need no log of their own.
func settings(a serverArgs) []string {
	args := []string{"-D", filepath.Join(a.dir, "data"), "-k", a.socket, "-h", "127.0.0.1", "-p", strconv.Itoa(a.port)}
	for _, s := range []string{
		"unix_socket_permissions=0700", "max_connections=100", "shared_buffers=256MB", "max_wal_size=4GB",
		"wal_level=minimal", "max_wal_senders=0", "synchronous_commit=off",
		"timezone=UTC", "log_timezone=UTC", "log_checkpoints=off", "logging_collector=off",
	} {
		args = append(args, "-c", s)
	}
	if a.noSync {
		args = append(args, "-c", "fsync=off", "-c", "full_page_writes=off")
	}
	return args
}

func openLog(path string) (*os.File, int64, error) {
	if info, err := os.Stat(path); err == nil && info.Size() > maxLog {
		if err := os.Rename(path, path+".old"); err != nil {
			return nil, 0, fmt.Errorf("put old log aside: %w", err)
		}
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return nil, 0, fmt.Errorf("open log: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, 0, fmt.Errorf("open log: %w", err)
	}
	return f, info.Size(), nil
}

// logTail returns the last lines that this run has logged.
func (p *process) logTail() string {
	raw, err := os.ReadFile(p.logPath)
	if err != nil {
		return "unreadable log: " + err.Error()
	}
	return lastLines(string(raw[min(p.logStart, int64(len(raw))):]), 5)
}

// end asks for a fast shutdown and waits; after the given time it asks for an immediate one, after
// which the next start recovers from the log.
func (p *process) end(wait time.Duration) error {
	if err := p.cmd.Process.Signal(syscall.SIGINT); err != nil { // it has ended by itself
		<-p.done
		return p.exit()
	}
	select {
	case <-p.done:
	case <-time.After(wait):
		_ = p.cmd.Process.Signal(syscall.SIGQUIT) // an error means that it has just ended
		<-p.done
	}
	return p.exit()
}

func (p *process) exit() error {
	if p.err != nil {
		return fmt.Errorf("postgres ended badly: %w: %s", p.err, p.logTail())
	}
	return nil
}

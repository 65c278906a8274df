package localpg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

// makeCluster makes the cluster in Dir/data unless it is there, and returns its password. initdb
// works in a folder beside it, and the rename is what makes it count: a crash before leaves a
// folder new-*, removed here at the next start.
func makeCluster(ctx context.Context, o Options, bin Binaries, as identity, lock *os.File) (string, error) {
	data := filepath.Join(o.Dir, "data")
	leftovers, _ := filepath.Glob(filepath.Join(o.Dir, "new-*")) // the pattern is well formed
	for _, l := range leftovers {
		if err := os.RemoveAll(l); err != nil {
			return "", fmt.Errorf("remove unfinished cluster: %w", err)
		}
	}
	if clusterMajor(data) != 0 {
		return readPassword(o.Dir)
	}
	work, err := os.MkdirTemp(o.Dir, "new-")
	if err != nil {
		return "", fmt.Errorf("make folder for the cluster: %w", err)
	}
	password, passFile := newPassword(), filepath.Join(work, "password")
	if err := os.WriteFile(passFile, []byte(password+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("write password: %w", err)
	}
	if err := as.own(work, passFile); err != nil {
		return "", err
	}
	cluster := filepath.Join(work, "data")
	args := []string{"-D", cluster, "-U", superuser, "--encoding=UTF8", "--locale=C",
		"--auth-local=trust", "--auth-host=scram-sha-256", "--pwfile=" + passFile}
	if o.NoSync {
		args = append(args, "--no-sync")
	}
	cmd := as.command(ctx, filepath.Join(bin.Dir, "initdb"), args...)
	cmd.Dir, cmd.ExtraFiles = work, []*os.File{lock} // held until initdb has ended, should we be killed
	runtime.LockOSThread()                           // its death signal is tied to the thread: see startServer
	defer runtime.UnlockOSThread()
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", errors.Join(fmt.Errorf("make cluster: %w: %s", err, lastLines(string(out), 5)), os.RemoveAll(work))
	}
	// The password first: a cluster is never without it, and one without a cluster is overwritten.
	if err := os.WriteFile(filepath.Join(o.Dir, "password"), []byte(password+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("keep password: %w", err)
	}
	if err := os.Rename(cluster, data); err != nil {
		return "", fmt.Errorf("put cluster in place: %w", err)
	}
	return password, os.RemoveAll(work)
}

// clusterMajor returns the major version of the cluster in folder data, 0 if there is none.
func clusterMajor(data string) int {
	raw, err := os.ReadFile(filepath.Join(data, "PG_VERSION"))
	if err != nil {
		return 0
	}
	major, _ := strconv.Atoi(strings.TrimSpace(string(raw)))
	return major
}

// socketDir returns a folder for the Unix socket that only its owner can enter, and what removes
// it. The path of a socket may have some 100 bytes (107 on Linux, 103 on macOS), so below a long
// path the socket goes to the folder for temporary files; a killed process leaves it there, empty.
func socketDir(dir string, as identity) (string, func(), error) {
	remove := func() {}
	path := filepath.Join(dir, "socket")
	if len(path)+len("/.s.PGSQL.65535.lock") > 100 {
		temp, err := os.MkdirTemp("", "pg-")
		if err != nil {
			return "", nil, fmt.Errorf("make socket folder: %w", err)
		}
		path, remove = temp, func() { _ = os.RemoveAll(temp) } // an empty folder, no harm if it stays
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return "", nil, fmt.Errorf("make socket folder: %w", err)
	}
	if err := as.own(path); err != nil {
		remove()
		return "", nil, err
	}
	return path, remove, nil
}

// tryLock takes an exclusive lock on a file, which lasts until every copy of the descriptor is
// closed, those that child processes inherited included. ok is false when somebody else has it.
func tryLock(path string) (f *os.File, ok bool, err error) {
	f, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, false, fmt.Errorf("open lock: %w", err)
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	switch {
	case err == nil:
		return f, true, nil
	case errors.Is(err, syscall.EWOULDBLOCK):
		return nil, false, f.Close()
	}
	return nil, false, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
}

// waitLock takes the lock as soon as it is free, or gives up when ctx ends.
func waitLock(ctx context.Context, path string) (*os.File, error) {
	for {
		f, ok, err := tryLock(path)
		if err != nil || ok {
			return f, err
		}
		if !pause(ctx) {
			return nil, fmt.Errorf("wait for lock %s: %w", path, ctx.Err())
		}
	}
}

func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], " | ")
}

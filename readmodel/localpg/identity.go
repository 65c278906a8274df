package localpg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// identity is the user that Postgres runs as, because it refuses to be root.
type identity struct {
	namespace bool // root, in a user namespace of its own where it is called 1000 (Linux)
	switched  bool // root turns into uid and gid
	uid, gid  int
}

// chooseIdentity: an ordinary user stays what he is. Root runs Postgres in a user namespace, where
// files stay root's own, if the kernel lets him (containers often do not); else as the user
// postgres, or nobody, to whom the folder then belongs. A cluster keeps its owner.
func chooseIdentity(o Options, data, bin string) (identity, error) {
	if os.Geteuid() != 0 {
		return identity{}, nil
	}
	owner := -1
	if info, err := os.Stat(data); err == nil {
		owner = int(info.Sys().(*syscall.Stat_t).Uid)
	}
	var refused error = errors.New("not asked for")
	if ns := (identity{namespace: true}); owner <= 0 && !o.noNamespace {
		out, err := ns.command(context.Background(), filepath.Join(bin, "postgres"), "--version").CombinedOutput()
		if err == nil {
			return ns, nil
		}
		refused = fmt.Errorf("%w %s", err, strings.TrimSpace(string(out)))
	}
	as := identity{switched: true, uid: 65534, gid: 65534}
	if u, err := user.Lookup("postgres"); err == nil {
		as.uid, _ = strconv.Atoi(u.Uid)
		as.gid, _ = strconv.Atoi(u.Gid)
	}
	for _, dir := range []string{o.Dir, bin} {
		if blocked := as.blockedAt(filepath.Dir(dir)); blocked != "" {
			return identity{}, fmt.Errorf("as root, Postgres has to run as user %d, who cannot enter %s on the way to %s (a user namespace was refused: %v): choose a folder below /var/lib or /tmp, or set DATABASE_URL",
				as.uid, blocked, dir, refused)
		}
	}
	o.Log.Info("postgres runs as another user than root", "uid", as.uid, "folder", o.Dir)
	// The folder itself must be open to it; the secrets in it have modes of their own.
	if err := os.Chmod(o.Dir, 0o711); err != nil {
		return identity{}, fmt.Errorf("open Postgres folder to user %d: %w", as.uid, err)
	}
	if owner != -1 && owner != as.uid {
		if err := as.ownAll(data); err != nil {
			return identity{}, err
		}
	}
	return as, nil
}

// blockedAt returns the folder on the path that the user cannot enter, or "".
func (as identity) blockedAt(path string) string {
	for p := path; ; p = filepath.Dir(p) {
		info, err := os.Stat(p)
		if err != nil {
			return p
		}
		st, mode := info.Sys().(*syscall.Stat_t), info.Mode().Perm()
		switch {
		case int(st.Uid) == as.uid:
			mode >>= 6
		case int(st.Gid) == as.gid:
			mode >>= 3
		}
		if mode&1 == 0 {
			return p
		}
		if p == filepath.Dir(p) {
			return ""
		}
	}
}

// own gives the paths to the user that Postgres runs as, where that is another one.
func (as identity) own(paths ...string) error {
	for _, p := range paths {
		if as.switched {
			if err := os.Lchown(p, as.uid, as.gid); err != nil {
				return fmt.Errorf("give %s to user %d: %w", p, as.uid, err)
			}
		}
	}
	return nil
}

func (as identity) ownAll(root string) error {
	return filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("give %s to user %d: %w", path, as.uid, err)
		}
		return as.own(path)
	})
}

// command prepares a program to run as this identity, in a process group of its own so that Ctrl-C
// in the terminal reaches us alone, and in an environment without the PG* variables meant for
// clients (PGDATA and the like would change what it does) and with locale C.
func (as identity) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "PG") && !strings.HasPrefix(kv, "LC_") && !strings.HasPrefix(kv, "LANG") {
			cmd.Env = append(cmd.Env, kv)
		}
	}
	cmd.Env = append(cmd.Env, "LC_ALL=C", "TZ=UTC")
	cmd.Dir = string(filepath.Separator) // one that every user may be in
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if as.switched {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(as.uid), Gid: uint32(as.gid)}
	}
	as.platform(cmd.SysProcAttr)
	return cmd
}

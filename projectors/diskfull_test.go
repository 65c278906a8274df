package projectors

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"shitpost-alpha/readmodel/localpg"
)

// smallDisk mounts a file system of a few megabytes, which only root may.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "smalldisk")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=16m,mode=0700"); err != nil {
		t.Skipf("a full disk needs the right to mount one (root on Linux): %v. TestPostgresRefuses has the same refusal, by a trigger", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	place := filepath.Join(dir, "tables")
	if err := os.Mkdir(place, 0o700); err != nil {
		t.Fatal(err)
	}
	return place
}

// fillDisk leaves no room and returns what gives it back.
func fillDisk(t *testing.T, place string) (free func()) {
	t.Helper()
	name := filepath.Join(filepath.Dir(place), "ballast")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	return func() {
		if err := os.Remove(name); err != nil {
			t.Error(err)
		}
	}
}

// The disk that holds the tables is full: the server says so (53100), nothing of a transaction stays, the live
// read model serves on, and both tail and rebuild work again by themselves once there is room.
func TestDiskFull(t *testing.T) {
	place := smallDisk(t)
	ctx := context.Background()
	server, err := localpg.Start(ctx, localpg.Options{Dir: t.TempDir(), NoSync: true, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Stop() })
	url := server.URL()
	db, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close(ctx)
	execSQL(t, db, "CREATE TABLESPACE small LOCATION '"+place+"'")
	execSQL(t, db, "GRANT CREATE ON TABLESPACE small TO PUBLIC")
	execSQL(t, db, "ALTER DATABASE "+localpg.Database+" SET default_tablespace = small")

	l := openLake(t)
	posts := realPosts(t, 900)
	for i := range posts {
		posts[i].Text += strings.Repeat(" and more", 50)
	}
	appendAll(t, l.Posts, posts[:50]...)
	p := open(t, l, url)
	once(t, p)
	free := fillDisk(t, place)
	said := runLogged(t, open(t, l, url))
	appendAll(t, l.Posts, posts[50:]...)
	waitSaid(t, said, "53100")
	var shown int
	if scan(t, db, "SELECT count(*) FROM readmodel.posts", &shown); shown != 50 {
		t.Errorf("%d posts are shown while the disk is full, want the 50 of before", shown)
	}
	if _, err := open(t, l, url).Rebuild(ctx, false); err == nil || !strings.Contains(err.Error(), "53100") {
		t.Errorf("a rebuild on a full disk says %v, want 53100", err)
	}
	free()
	waitFor(t, url, fmt.Sprintf("SELECT count(*) = %d FROM readmodel.posts", len(posts)))
	if _, err := open(t, l, url).Rebuild(ctx, false); err != nil {
		t.Errorf("with room again: %v", err)
	}
	var failed int
	if scan(t, db, "SELECT count(*) FROM ops.builds WHERE state = 'failed' AND error LIKE '%53100%'", &failed); failed != 1 {
		t.Errorf("%d builds are said to have failed for the disk, want 1", failed)
	}
}

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// TestAlphaAsAProcess runs alpha as a newcomer does: with a Postgres of its own, twice on the same
// data, then kept running; after each it must have left nothing behind.
func TestAlphaAsAProcess(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "alpha")
	build := exec.Command("go", "build", "-o", bin, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build alpha: %v\n%s", err, out)
	}
	args := []string{"demo", "--dir", t.TempDir(), "--days", "20"}
	var first, second Summary
	for _, into := range []*Summary{&first, &second} {
		cmd := exec.Command(bin, append(args, "--json")...)
		cmd.Env = withoutDatabase()
		var errs bytes.Buffer
		cmd.Stderr = &errs
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("alpha %v: %v\n%s", args, err, errs.String())
		}
		if err := json.Unmarshal(out, into); err != nil {
			t.Fatalf("%v in %s", err, out)
		}
		wantGone(t, into.DatabaseURL)
	}
	if first.Posts.Seen == 0 || second.Posts.Seen < first.Posts.Seen || second.Bars < first.Bars || second.Posts.Waiting != 0 {
		t.Errorf("the second run says %+v, the first %+v: it must go on from the same data", second.Posts, first.Posts)
	}

	cmd := exec.Command(bin, append(args, "--keep-running")...)
	cmd.Env = withoutDatabase()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill() }() // if the test fails before
	url := ""
	lines := bufio.NewScanner(out)
	for url == "" && lines.Scan() {
		if _, rest, ok := strings.Cut(lines.Text(), "psql '"); ok {
			url, _, _ = strings.Cut(rest, "'")
		}
	}
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatalf("the address that it printed: %v", err)
	}
	var rows int
	if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM readmodel.posts").Scan(&rows); err != nil || rows < first.Posts.Seen {
		t.Errorf("%d posts while it is kept running, %v", rows, err)
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() { // until it closes its output
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after Ctrl-C: %v; a stop that was asked for is no failure", err)
	}
	wantGone(t, url)
}

func withoutDatabase() []string {
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "DATABASE_URL=") && !strings.HasPrefix(v, "LAKE_URL=") {
			env = append(env, v)
		}
	}
	return env
}

// wantGone: nothing answers at the database's address any more.
func wantGone(t *testing.T, url string) {
	t.Helper()
	if conn, err := pgx.Connect(t.Context(), url); err == nil {
		_ = conn.Close(t.Context())
		t.Errorf("Postgres still runs after alpha has ended")
	} else if !strings.Contains(err.Error(), "refused") {
		t.Errorf("looking for what was left behind: %v", err)
	}
}

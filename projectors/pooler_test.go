package projectors

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/readmodel/readmodeltest"
)

// pool starts a pgbouncer in transaction mode in front of a database, as serverless Postgres has one, and
// returns the URL through it. The connection to the server behind may change with every transaction.
func pool(t *testing.T, direct string) string {
	t.Helper()
	binary, err := exec.LookPath("pgbouncer")
	if err != nil {
		binary, err = exec.LookPath("/usr/sbin/pgbouncer")
	}
	if err != nil {
		t.Fatalf("install pgbouncer (Debian package pgbouncer): %v", err)
	}
	config, err := pgx.ParseConfig(direct)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().(*net.TCPAddr)
	listener.Close()
	dir, err := os.MkdirTemp("", "pgbouncer")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	ini := filepath.Join(dir, "pgbouncer.ini")
	text := fmt.Sprintf("[databases]\npooled = host=%s port=%d dbname=%s user=%s password='%s'\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = %d\n"+
		"unix_socket_dir =\nauth_type = any\nlog_connections = 0\nlog_disconnections = 0\npool_mode = transaction\ndefault_pool_size = 3\nserver_round_robin = 1\n",
		config.Host, config.Port, config.Database, config.User, config.Password, address.Port)
	if err := os.WriteFile(ini, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	c := exec.Command(binary, ini)
	c.Stderr = testWriter{t}
	if os.Geteuid() == 0 { // it refuses to run as root
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { kill(c) })
	pooled := url.URL{Scheme: "postgres", User: url.UserPassword(config.User, "any"), Host: address.String(), Path: "pooled"}
	for deadline := time.Now().Add(30 * time.Second); ; {
		conn, err := pgx.Connect(context.Background(), pooled.String())
		if err == nil {
			conn.Close(context.Background())
			return pooled.String()
		}
		if time.Now().After(deadline) {
			t.Fatalf("pgbouncer does not answer: %v", err)
		}
	}
}

// Everything that the projector does works through a pooler in transaction mode, beside others that use the same
// connections.
func TestTransactionPooler(t *testing.T) {
	direct, db := readmodeltest.Open(t)
	pooled := pool(t, direct)
	l := openLake(t)
	posts := realPosts(t, 30)
	appendAll(t, l.Posts, posts[:10]...)
	appendAll(t, l.Prices, realBars(t, "SPY", "AAPL")...)
	once(t, open(t, l, pooled))
	runLogged(t, open(t, l, pooled))
	runLogged(t, open(t, l, pooled)) // one works, one waits
	for i := range 10 {
		appendAll(t, l.Posts, posts[10+2*i:12+2*i]...)
		appendAll(t, l.Predictions, answer(&posts[10+2*i], "gpt", 0.7, event.Asset{Symbol: "AAPL", Sentiment: event.Bullish}))
		waitFor(t, direct, fmt.Sprintf("SELECT count(*) = %d FROM readmodel.posts", 12+2*i))
	}
	waitFor(t, direct, "SELECT count(*) = 10 FROM readmodel.calls")
	if _, err := open(t, l, pooled).Rebuild(context.Background(), false); err != nil {
		t.Fatal(err)
	}
	checkVerified(t, open(t, l, pooled))
	// Three projectors, over no more connections than the pool has: the test does go through it.
	var servers int
	if scan(t, db, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'projector'", &servers); servers == 0 || servers > 3 {
		t.Errorf("%d server connections behind the pooler, want 1 to 3", servers)
	}
}

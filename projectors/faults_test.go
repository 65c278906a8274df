package projectors

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"shitpost-alpha/readmodel/localpg"
	"shitpost-alpha/readmodel/readmodeltest"
)

// failures passes on the errors that a projector logs.
type failures struct{ said chan string }

func (f failures) Write(b []byte) (int, error) {
	select {
	case f.said <- string(b):
	default:
	}
	return len(b), nil
}

// runLogged runs a projector in the background until the test ends and returns what it logs as errors.
func runLogged(t *testing.T, p *Projector) <-chan string {
	t.Helper()
	said := make(chan string, 100)
	p.opts.Log = slog.New(slog.NewTextHandler(failures{said}, &slog.HandlerOptions{Level: slog.LevelError}))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the projector gave up: %v", err)
		}
	})
	return said
}

func waitSaid(t *testing.T, said <-chan string, want string) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		select {
		case line := <-said:
			if strings.Contains(line, want) {
				return
			}
		case <-deadline:
			t.Fatalf("the projector never said %s", want)
		}
	}
}

// Whatever Postgres refuses with in the middle of a transaction, the projector says it, leaves nothing half done, tries
// again, and is up to date once the cause is gone.
func TestPostgresRefuses(t *testing.T) {
	url, db := readmodeltest.Open(t)
	l := openLake(t)
	posts := realPosts(t, 20)
	appendAll(t, l.Posts, posts[0])
	once(t, open(t, l, url))
	said := runLogged(t, open(t, l, url))
	execSQL(t, db, `CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'refused' USING ERRCODE = TG_ARGV[0]; END $$`)
	for i, code := range []string{"53100", "57014", "40001", "40P01", "55P03", "53200", "57P01"} {
		execSQL(t, db, fmt.Sprintf("CREATE TRIGGER refuse BEFORE INSERT ON readmodel.posts FOR EACH ROW EXECUTE FUNCTION public.refuse('%s')", code))
		appendAll(t, l.Posts, posts[i+1])
		waitSaid(t, said, code)
		var versions, shown int
		scan(t, db, "SELECT count(*), (SELECT count(*) FROM readmodel.posts) FROM readmodel.post_versions", &versions, &shown)
		if versions != i+1 || shown != i+1 {
			t.Errorf("%s: half a transaction stayed: %d versions, %d posts, want %d of each", code, versions, shown, i+1)
		}
		execSQL(t, db, "DROP TRIGGER refuse ON readmodel.posts")
		waitFor(t, url, fmt.Sprintf("SELECT count(*) = %d FROM readmodel.posts", i+2))
	}
	checkVerified(t, open(t, l, url))
}

// Postgres is stopped and started again under a running projector.
func TestPostgresRestarts(t *testing.T) {
	ctx := context.Background()
	o := localpg.Options{Dir: t.TempDir(), Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	server, err := localpg.Start(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	l := openLake(t)
	posts := realPosts(t, 3)
	appendAll(t, l.Posts, posts[0])
	url := server.URL()
	p := open(t, l, url)
	once(t, p)
	said := runLogged(t, p)
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	appendAll(t, l.Posts, posts[1:]...)
	waitSaid(t, said, "projector step failed")
	if server, err = localpg.Start(ctx, o); err != nil {
		t.Fatal(err)
	}
	defer server.Stop()
	if server.URL() != url {
		t.Fatalf("the server moved from %s to %s", url, server.URL())
	}
	waitFor(t, url, "SELECT count(*) = 3 FROM readmodel.posts")
	checkVerified(t, open(t, l, url))
}

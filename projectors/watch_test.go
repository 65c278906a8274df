package projectors

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/readmodel/readmodeltest"
)

// ear is where a test hears what Watch tells.
type ear struct {
	t    *testing.T
	ctx  context.Context
	db   *pgx.Conn
	news <-chan map[string]int64
}

// connected returns when the listener hears: it is said something, with the number given, until it does.
func (e ear) connected(number int64) {
	e.t.Helper()
	for {
		execSQL(e.t, e.db, fmt.Sprintf(`NOTIFY readmodel, '{"ping": %d}'; NOTIFY readmodel, 'not ours'`, number))
		select {
		case next := <-e.news:
			if next["ping"] == number {
				return
			}
		case <-time.After(20 * time.Millisecond):
		case <-e.ctx.Done():
			e.t.Fatal("nothing was heard")
		}
	}
}

// position returns when it was announced that a version of posts is read next.
func (e ear) position(version int64) {
	e.t.Helper()
	for {
		select {
		case next := <-e.news:
			if next[event.Posts] == version {
				return
			}
		case <-e.ctx.Done():
			e.t.Fatalf("version %d was not announced", version)
		}
	}
}

// Every change is announced with the positions after it, also after the listener's connection was cut; the health
// pages follow.
func TestWatchAndHealth(t *testing.T) {
	url, db := readmodeltest.Open(t)
	l := openLake(t)
	posts := realPosts(t, 3)
	p := open(t, l, url)
	p.opts.Health = NewHealth(time.Now)
	get := func(path string) (int, string) {
		w := httptest.NewRecorder()
		p.opts.Health.Handler().ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		return w.Code, w.Body.String()
	}
	if code, body := get("/readyz"); code != 503 || !strings.Contains(body, "not ended") {
		t.Errorf("/readyz before the first step: %d %s", code, body)
	}
	if code, _ := get("/healthz"); code != 200 {
		t.Errorf("/healthz before the first step: %d", code)
	}
	once(t, p)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	news, watching := make(chan map[string]int64, 100), make(chan error, 1)
	enough := errors.New("enough")
	go func() {
		watching <- Watch(ctx, url, slog.New(slog.DiscardHandler), func(next map[string]int64) error {
			news <- next
			if next[event.Posts] == 4 {
				return enough
			}
			return nil
		})
	}()
	hear := ear{t, ctx, db, news}
	hear.connected(1)
	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- p.Run(running) }()
	appendAll(t, l.Posts, posts[0])
	hear.position(2)
	execSQL(t, db, "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()")
	hear.connected(2)
	appendAll(t, l.Posts, posts[1])
	hear.position(3)
	appendAll(t, l.Posts, posts[2])
	hear.position(4)
	if err := <-watching; !errors.Is(err, enough) {
		t.Errorf("watching ended with %v, want the callback's error", err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if code, body := get("/readyz"); code != 200 {
		t.Errorf("/readyz when up to date: %d %s", code, body)
	}
	_, body := get("/metrics")
	for _, want := range []string{`events_applied_total{stream="posts"} 3`, `stream_next_version{stream="posts"} 4`, `rebuilds_total{state="done"} 1`, "ready 1"} {
		if !strings.Contains(body, want) {
			t.Errorf("/metrics does not say %s", want)
		}
	}
}

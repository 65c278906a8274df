package projectors

import (
	"bytes"
	"context"
	"fmt"
	neturl "net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/delta"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/objects"
	"shitpost-alpha/readmodel"
	"shitpost-alpha/readmodel/readmodeltest"
)

// waitFor returns when the query says true, looking again after every NOTIFY of the projector.
func waitFor(t *testing.T, url, query string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	listener, db := readmodeltest.Connect(t, url), readmodeltest.Connect(t, url)
	if _, err := listener.Exec(ctx, "LISTEN "+readmodel.Channel); err != nil {
		t.Fatal(err)
	}
	for {
		var ok bool
		if err := db.QueryRow(ctx, query).Scan(&ok); err == nil && ok {
			return
		}
		if _, err := listener.WaitForNotification(ctx); err != nil {
			t.Fatalf("wait until %s: %v", query, err)
		}
	}
}

// Two projectors that run on one database, one of which is rebuilt and one of which loses its connection
// meanwhile, come to the tables that the lake says.
func TestTwoProjectors(t *testing.T) {
	url, db := readmodeltest.Open(t)
	l := openLake(t)
	posts := realPosts(t, 300)
	appendAll(t, l.Posts, posts[0])
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for i := range 2 {
		p := open(t, l, url)
		running.Go(func() {
			if err := p.Run(ctx); err != nil {
				t.Errorf("projector %d: %v", i, err)
			}
		})
	}
	for i := 1; i < len(posts); i += 23 {
		end := min(i+23, len(posts))
		appendAll(t, l.Posts, posts[i:end]...)
		appendAll(t, l.Predictions, answer(&posts[i], "gpt", 0.5, event.Asset{Symbol: "AAPL", Sentiment: event.Bullish}))
		switch i {
		case 93:
			if _, err := open(t, l, url).Rebuild(context.Background(), false); err != nil {
				t.Error(err)
			}
		case 185:
			if _, err := db.Exec(context.Background(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'projector' AND datname = current_database()"); err != nil {
				t.Error(err)
			}
		}
	}
	waitFor(t, url, fmt.Sprintf("SELECT count(*) = %d AND (SELECT count(*) = 13 FROM readmodel.calls) FROM readmodel.posts", len(posts)))
	cancel()
	running.Wait()
	checkVerified(t, open(t, l, url))
}

// A projector whose view of the position is old applies nothing, and goes on from where the other is.
func TestOvertakenProjector(t *testing.T) {
	url, db := readmodeltest.Open(t)
	l := openLake(t)
	posts := realPosts(t, 2)
	appendAll(t, l.Posts, posts[0])
	slow, fast := open(t, l, url), open(t, l, url)
	once(t, slow)
	appendAll(t, l.Posts, posts[1])
	once(t, fast)
	if more, err := slow.advance(context.Background(), slow.streams[0]); err != nil || !more {
		t.Errorf("advance of the overtaken projector: %t, %v", more, err)
	}
	if next := slow.live.positions[event.Posts].next; next != 3 {
		t.Errorf("the overtaken projector goes on at version %d, want 3", next)
	}
	var applied int
	if scan(t, db, "SELECT count(*) FROM ops.transactions", &applied); applied != 1 {
		t.Errorf("version 2 was applied %d times", applied)
	}
	if _, err := fast.Rebuild(context.Background(), false); err != nil {
		t.Fatal(err)
	}
	before := slow.live.generation
	appendAll(t, l.Posts, posts[0])
	if more, err := slow.advance(context.Background(), slow.streams[0]); err != nil || !more || slow.live.generation != before+1 {
		t.Errorf("advance after another's swap: %t, %v, generation %d after %d", more, err, slow.live.generation, before)
	}
}

// commitRaw appends events that Append would refuse, as a foreign writer may.
func commitRaw[E event.Event](t *testing.T, l *lake.Lake, version int64, events ...E) {
	t.Helper()
	store, _, err := lake.OpenStore(context.Background(), l.URL)
	if err != nil {
		t.Fatal(err)
	}
	name := event.StreamOf[E]()
	for i := range events {
		v := event.EnvelopeOf(&events[i])
		v.BatchID = fmt.Sprint("raw ", version)
		if v.RecordedAt.IsZero() {
			v.RecordedAt = time.Now().UTC().Add(time.Duration(i) * time.Microsecond).Truncate(time.Microsecond)
		}
	}
	var b bytes.Buffer
	w := parquet.NewGenericWriter[E](&b)
	if _, err := w.Write(events); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	file := fmt.Sprintf("raw-%d.parquet", version)
	if _, err := store.Put(context.Background(), name+"/"+file, b.Bytes(), objects.Always()); err != nil {
		t.Fatal(err)
	}
	add := &delta.Add{Path: file, PartitionValues: map[string]string{}, Size: int64(b.Len()), DataChange: true}
	if err := delta.NewTable(store, name).Commit(context.Background(), version, []delta.Action{{CommitInfo: &delta.CommitInfo{Operation: "WRITE", TxnID: file}}, {Add: add}}); err != nil {
		t.Fatal(err)
	}
}

// What cannot be applied goes to dead_letters, and everything around it is applied.
func TestDeadLetters(t *testing.T) {
	url, db := readmodeltest.Open(t)
	l := openLake(t)
	posts := realPosts(t, 3)
	appendAll(t, l.Posts, posts[0])
	noKind := observed(posts[1].PostID, "archive:x", "of a kind that nobody knows")
	noKind.Kind = "post_liked"
	nul := observed(posts[1].PostID, "archive:\x00", "its source holds U+0000")
	long := observed(posts[1].PostID, string(bytes.Repeat([]byte("x"), 3000)), "its source is too long for an index")
	broken := observed(posts[2].PostID, "archive:y", "texts \x00 are \xff mended")
	early := observed(posts[1].PostID, "archive:z", "recorded before there was a calendar")
	early.RecordedAt = time.Date(1, 1, 2, 0, 0, 0, 0, time.UTC)
	other := observed(posts[1].PostID, "archive:w", "time and id disagree")
	other.PublishedAt = other.PublishedAt.Add(time.Hour)
	commitRaw(t, l, 2, noKind, nul, long, broken, early, other, posts[1])
	p := open(t, l, url)
	for _, how := range []string{"rebuild", "tail"} {
		if how == "tail" { // the same events as news
			later := noKind
			later.Key = "another"
			later.Payload = "{\"id\": 1}"
			later.RecordedAt = time.Time{}
			commitRaw(t, l, 3, later, posts[2])
		}
		once(t, p)
		var applied, letters int
		scan(t, db, "SELECT count(*), (SELECT count(*) FROM readmodel.dead_letters) FROM readmodel.posts", &applied, &letters)
		want := map[string]int{"rebuild": 5, "tail": 6}[how]
		if applied != 3 || letters != want {
			t.Errorf("%s: %d posts and %d dead letters, want 3 and %d", how, applied, letters, want)
		}
		checkVerified(t, p)
	}
	var reason, payload, text string
	var version int64
	var row int
	scan(t, db, `SELECT reason, payload, version, "row" FROM readmodel.dead_letters WHERE key = 'another'`, &reason, &payload, &version, &row)
	if version != 3 || row != 0 || payload != `{"id": 1}` || reason == "" {
		t.Errorf("dead letter: version %d row %d payload %q reason %q", version, row, payload, reason)
	}
	scan(t, db, "SELECT text FROM readmodel.post_versions WHERE source = 'archive:y'", &text)
	if text != "texts \uFFFD are \uFFFD mended" {
		t.Errorf("mended text %q", text)
	}
}

// A projector so late that the files it would read were compacted and swept goes on from the snapshot.
func TestSweptFiles(t *testing.T) {
	url, db := readmodeltest.Open(t)
	l := openLake(t)
	posts := realPosts(t, 3)
	appendAll(t, l.Posts, posts[0])
	p := open(t, l, url)
	once(t, p)
	appendAll(t, l.Posts, posts[1])
	snap, err := l.Posts.Snapshot(context.Background(), -1)
	if err != nil {
		t.Fatal(err)
	}
	var all []event.Post
	for events, err := range snap.Batches(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, events...)
	}
	commitRaw(t, l, 3, all...)
	folder, err := neturl.Parse(l.URL)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range snap.Files {
		if err := os.Remove(filepath.Join(folder.Path, event.Posts, f.Path)); err != nil {
			t.Fatal(err)
		}
	}
	store, _, err := lake.OpenStore(context.Background(), l.URL)
	if err != nil {
		t.Fatal(err)
	}
	actions := []delta.Action{{CommitInfo: &delta.CommitInfo{Operation: "OPTIMIZE", TxnID: "x"}}}
	for _, f := range snap.Files {
		actions = append(actions, delta.Action{Remove: &delta.Remove{Path: f.Path, PartitionValues: map[string]string{}}})
	}
	if err := delta.NewTable(store, event.Posts).Commit(context.Background(), 4, actions); err != nil {
		t.Fatal(err)
	}
	once(t, p)
	var n int
	if scan(t, db, "SELECT count(*) FROM readmodel.posts", &n); n != 2 {
		t.Errorf("%d posts, want 2", n)
	}
	checkVerified(t, p)
}

// Each transaction tells how far it came, and a reader can ask how far behind it all is.
func TestStatusAndHealth(t *testing.T) {
	url, db := readmodeltest.Open(t)
	l := openLake(t)
	p := open(t, l, url)
	st, err := p.Status(context.Background())
	if err != nil || st.Exists || len(st.Streams) != 3 {
		t.Fatalf("status of an empty database: %+v, %v", st, err)
	}
	if _, err := p.Verify(context.Background()); err == nil {
		t.Error("an empty database was verified")
	}
	posts := realPosts(t, 4)
	appendAll(t, l.Posts, posts[:2]...)
	once(t, p)
	appendAll(t, l.Posts, posts[2])
	appendAll(t, l.Posts, posts[3])
	if st, err = p.Status(context.Background()); err != nil || !st.Exists || !st.Current || st.Streams[0].Behind != 2 || st.Streams[1].Head != -1 {
		t.Errorf("status before the tail: %+v, %v", st, err)
	}
	once(t, p)
	var delays, events int
	var lastID string
	scan(t, db, "SELECT count(*) FILTER (WHERE last_delay_seconds >= 0), (SELECT sum(events) FROM ops.transactions), (SELECT last_event_id FROM ops.health WHERE stream = 'posts') FROM readmodel.lag", &delays, &events, &lastID)
	if delays != 1 || events != 2 || lastID != posts[3].EventID {
		t.Errorf("%d streams with a delay, %d events in transactions, last event %s", delays, events, lastID)
	}
}

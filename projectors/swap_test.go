package projectors

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"shitpost-alpha/readmodel/readmodeltest"
)

var heavy = flag.Bool("heavy", false, "run what takes minutes: more swaps, kills and histories")

// either returns the second number when the heavy tests are asked for.
func either(light, heavily int) int {
	if *heavy {
		return heavily
	}
	return light
}

// Readers that join two tables while builds are swapped see one build or the other, never both, and never an error:
// with every protocol that a driver speaks, through the tables, views of other schemas and the legacy views.
func TestSwapUnderReaders(t *testing.T) {
	url, db := readmodeltest.Open(t)
	l := openLake(t)
	posts := realPosts(t, 20)
	appendAll(t, l.Posts, posts...)
	p := open(t, l, url)
	once(t, p)
	execSQL(t, db, "CREATE SCHEMA reports; CREATE VIEW reports.texts AS SELECT post_id, text FROM readmodel.posts; CREATE VIEW reports.long AS SELECT * FROM reports.texts WHERE length(text) > 100")
	// Every build stamps its number into ops.settings in the transaction of its swap: a reader must find the tables of that very build.
	const joined = `SELECT (SELECT count(*) FROM readmodel.posts p JOIN readmodel.post_versions v USING (post_id, event_id)),
		(SELECT count(*) FROM readmodel.post_versions), (SELECT count(*) FROM reports.texts), (SELECT count(*) FROM legacy.signals s JOIN legacy.shitposts h USING (id)),
		(SELECT count(DISTINCT relnamespace) FROM pg_class WHERE oid IN (SELECT tableoid FROM readmodel.posts UNION ALL SELECT tableoid FROM readmodel.post_versions))`
	done := make(chan struct{})
	var readers sync.WaitGroup
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeCacheStatement, pgx.QueryExecModeExec, pgx.QueryExecModeCacheDescribe} {
		conn := readmodeltest.Connect(t, url)
		readers.Go(func() {
			for reads := 0; ; reads++ {
				select {
				case <-done:
					if reads == 0 {
						t.Error("a reader has read nothing")
					}
					return
				default:
				}
				var joins, versions, texts, old, schemas int
				err := conn.QueryRow(context.Background(), joined, mode).Scan(&joins, &versions, &texts, &old, &schemas)
				if err != nil || joins != 20 || versions != 20 || texts != 20 || old != 20 || schemas != 1 {
					t.Errorf("%s: a reader saw %d posts with their version, %d versions, %d texts, %d legacy rows, tables of %d schemas, error %v; want 20 of each and 1", mode, joins, versions, texts, old, schemas, err)
					return
				}
			}
		})
	}
	for range either(12, 50) {
		if _, err := p.Rebuild(context.Background(), false); err != nil {
			t.Error(err)
		}
	}
	close(done)
	readers.Wait()
	var long int
	scan(t, db, "SELECT count(*) FROM reports.long", &long)
	if long == 0 {
		t.Error("a view on a view on the read model does not show the new tables")
	}
	checkVerified(t, p)
}

func execSQL(t testing.TB, db *pgx.Conn, sql string) {
	t.Helper()
	if _, err := db.Exec(context.Background(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatalf("%.100s…: %v", sql, err)
	}
}

// A transaction that holds a table is waited for; a build that is given up leaves everything as it was.
func TestSwapWaitsForReaders(t *testing.T) {
	url, db := readmodeltest.Open(t)
	l := openLake(t)
	appendAll(t, l.Posts, realPosts(t, 2)...)
	p := open(t, l, url)
	once(t, p)
	tx, err := db.Begin(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(context.Background(), "SELECT * FROM readmodel.calls"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	if _, err := p.Rebuild(ctx, false); err == nil {
		t.Error("a build was swapped in although a transaction still held a table")
	}
	if err := tx.Rollback(context.Background()); err != nil {
		t.Fatal(err)
	}
	var state string
	scan(t, db, "SELECT state FROM ops.builds ORDER BY build_id DESC LIMIT 1", &state)
	if state != "failed" {
		t.Errorf("the build that was given up is %q, want failed", state)
	}
	checkVerified(t, p)
}

// What others built on the read model moves along or is named; what they were granted stays granted.
func TestWhatDependsOnTheTables(t *testing.T) {
	url, db := readmodeltest.Open(t)
	l := openLake(t)
	appendAll(t, l.Posts, realPosts(t, 3)...)
	var log strings.Builder
	p := New(Options{Lake: l, DatabaseURL: url, Producer: "projector@test", Log: slog.New(slog.NewTextHandler(&log, nil))})
	defer p.Close(context.Background())
	once(t, p)
	role := "reader_" + strings.TrimPrefix(db.Config().Database, "test_")
	execSQL(t, db, fmt.Sprintf(`CREATE ROLE %[1]s; GRANT USAGE ON SCHEMA readmodel, legacy TO %[1]s; GRANT SELECT ON readmodel.posts TO %[1]s; GRANT SELECT (symbol, close) ON readmodel.bars TO %[1]s;
		GRANT SELECT ON legacy.signals TO %[1]s; GRANT SELECT ON readmodel.sessions TO PUBLIC`, role))
	t.Cleanup(func() { execSQL(t, db, fmt.Sprintf("DROP OWNED BY %s CASCADE; DROP ROLE %s", role, role)) })
	execSQL(t, db, `CREATE SCHEMA mine; CREATE VIEW mine.good AS SELECT readmodel.wilson_low(1, 2) AS low, (SELECT count(*) FROM legacy.signals) AS posts;
		CREATE MATERIALIZED VIEW mine.kept AS SELECT post_id FROM readmodel.posts; CREATE VIEW mine.on_kept AS SELECT * FROM mine.kept;
		CREATE FUNCTION mine.counted() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM readmodel.posts; END`)
	build, err := p.Rebuild(context.Background(), false)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"function mine.counted()", "materialized view mine.kept", "view mine.on_kept"}
	var recorded []string
	scan(t, db, "SELECT dropped FROM ops.builds ORDER BY build_id DESC LIMIT 1", &recorded)
	if fmt.Sprint(build.Dropped) != fmt.Sprint(want) || fmt.Sprint(recorded) != fmt.Sprint(want) {
		t.Errorf("dropped %v, recorded %v; want %v", build.Dropped, recorded, want)
	}
	for _, w := range want {
		if !strings.Contains(log.String(), w) {
			t.Errorf("the log does not name %s", w)
		}
	}
	var posts int
	if scan(t, db, "SELECT posts FROM mine.good", &posts); posts != 3 {
		t.Errorf("a view on legacy shows %d posts, want 3", posts)
	}
	reader := readmodeltest.Connect(t, url)
	execSQL(t, reader, "SET ROLE "+role)
	for _, sql := range []string{"SELECT * FROM readmodel.posts", "SELECT symbol, close FROM readmodel.bars", "SELECT * FROM legacy.signals", "SELECT * FROM readmodel.sessions"} {
		if _, err := reader.Exec(context.Background(), sql); err != nil {
			t.Errorf("after the swap %s fails: %v", sql, err)
		}
	}
	for _, sql := range []string{"SELECT open FROM readmodel.bars", "SELECT * FROM readmodel.calls", "DELETE FROM readmodel.posts"} {
		if _, err := reader.Exec(context.Background(), sql); err == nil {
			t.Errorf("after the swap %s is allowed", sql)
		}
	}
}

// A schema called legacy that no build made is left alone.
func TestForeignLegacySchema(t *testing.T) {
	url, db := readmodeltest.Open(t)
	execSQL(t, db, "CREATE SCHEMA legacy; CREATE TABLE legacy.signals (signal_id text); INSERT INTO legacy.signals VALUES ('1')")
	l := openLake(t)
	p := open(t, l, url)
	once(t, p)
	if _, err := p.Rebuild(context.Background(), false); err != nil {
		t.Fatal(err)
	}
	var n int
	if scan(t, db, "SELECT count(*) FROM legacy.signals", &n); n != 1 {
		t.Errorf("the foreign table has %d rows, want 1", n)
	}
}

// Builds that never came to an end are marked as crashed by the next projector, and one that was only slow says so itself.
func TestCrashedBuilds(t *testing.T) {
	url, db := readmodeltest.Open(t)
	l := openLake(t)
	once(t, open(t, l, url))
	execSQL(t, db, "INSERT INTO ops.builds (state, reason, producer, projection_version, schema_hash) VALUES ('running', 'killed', 'x', 1, '')")
	once(t, open(t, l, url))
	var states []string
	scan(t, db, "SELECT array_agg(state ORDER BY build_id) FROM ops.builds", &states)
	if fmt.Sprint(states) != "[done crashed]" {
		t.Errorf("builds are %v, want done and crashed", states)
	}
}

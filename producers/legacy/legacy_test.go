package legacy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/objects"
	"shitpost-alpha/lake/objects/s3/s3test"
	"shitpost-alpha/producers/legacy/legacytest"
	"shitpost-alpha/readmodel/readmodeltest"
)

func TestMain(m *testing.M) { os.Exit(readmodeltest.Main(m)) }

var now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// openLake opens a lake whose clock says now, and goes on by itself: a microsecond per event.
func openLake(t testing.TB, store objects.Store) *lake.Lake {
	t.Helper()
	return lake.New(store, "memory", lake.Options{Producer: "import@test", Now: func() time.Time { return now }})
}

func importer(l *lake.Lake, raw objects.Store, db *pgx.Conn) *Importer {
	return &Importer{Lake: l, Raw: raw, RawURL: "raw", Database: db, Now: func() time.Time { return now }, Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
}

// system writes a made-up Python system to a real S3 and a real Postgres.
func system(t testing.TB, seed uint64, size legacytest.Size) (*legacytest.System, objects.Store, *pgx.Conn) {
	t.Helper()
	sys := legacytest.Make(seed, size)
	server := s3test.Start(t)
	for k, v := range server.Env() {
		t.Setenv(k, v)
	}
	raw, _, err := lake.OpenStore(t.Context(), "s3://"+server.Bucket+"/old")
	if err != nil {
		t.Fatal(err)
	}
	if err := sys.WriteRaw(t.Context(), raw); err != nil {
		t.Fatal(err)
	}
	_, db := readmodeltest.Open(t)
	if err := sys.WriteDatabase(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	return sys, raw, db
}

// fates is what a report says became of each table's rows.
func fates(r *Report) map[string]map[string]int {
	out := map[string]map[string]int{}
	for _, t := range r.Tables {
		out[t.Name] = map[string]int{"accepted": t.Accepted}
		maps.Copy(out[t.Name], t.Covered)
		maps.Copy(out[t.Name], t.Rejected)
	}
	return out
}

// TestImport: what becomes of every row of a system with every known defect, that a second run and one
// in a dry appends nothing, and that the lake is sound.
func TestImport(t *testing.T) {
	sys, raw, db := system(t, 1, legacytest.Small())
	l := openLake(t, &objects.Memory{})
	dry := importer(l, raw, db)
	dry.DryRun = true
	tried, err := dry.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if head, err := l.Posts.Head(t.Context()); err != nil || head >= 0 {
		t.Fatalf("a dry run wrote version %d, %v", head, err)
	}
	first, err := importer(l, raw, db).Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	checkFates(t, "import", fates(first), sys.Want())
	checkFates(t, "dry run", fates(tried), sys.Want())
	if n := first.Unexplained(); n != 0 {
		t.Errorf("%d rows are unexplained", n)
	}
	rejected := 0
	for i, table := range first.Tables {
		if table.Appended != table.Accepted+sum(table.Rejected) {
			t.Errorf("%s: %d events for %d accepted and %d rejected rows", table.Name, table.Appended, table.Accepted, sum(table.Rejected))
		}
		if d := tried.Tables[i]; d.Appended != table.Appended {
			t.Errorf("%s: a dry run would append %d, the run appended %d", table.Name, d.Appended, table.Appended)
		}
		rejected += sum(table.Rejected)
	}
	if len(first.Rejected) != rejected || rejected == 0 {
		t.Errorf("%d rejected rows are listed of %d", len(first.Rejected), rejected)
	}
	heads := headsOf(t, l)
	second, err := importer(l, raw, db).Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	checkFates(t, "second run", fates(second), sys.Want())
	if again := headsOf(t, l); again != heads || second.Unexplained() != 0 {
		t.Errorf("a second run moved the streams from %v to %v, %d unexplained", heads, again, second.Unexplained())
	}
	for _, table := range l.Tables() {
		if v, err := table.Verify(t.Context(), nil); err != nil || len(v.Problems) > 0 {
			t.Errorf("verify %s: %+v, %v", table.Name(), v.Problems, err)
		}
	}
}

func checkFates(t *testing.T, what string, got, want map[string]map[string]int) {
	t.Helper()
	for table, rows := range want {
		if !maps.Equal(got[table], rows) {
			t.Errorf("%s of %s: %v, want %v", what, table, got[table], rows)
		}
	}
}

func headsOf(t *testing.T, l *lake.Lake) (heads [3]int64) {
	t.Helper()
	for i, table := range l.Tables() {
		h, err := table.Head(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		heads[i] = h
	}
	return heads
}

// ids returns the ids of all events but windows, which say when something was read.
func ids[E event.Event](t *testing.T, s *lake.Stream[E]) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	for _, e := range all(t, s) {
		if v := event.EnvelopeOf(&e); v.Kind != event.WindowRead {
			out[v.EventID] = true
		}
	}
	return out
}

// TestResume: an import that is stopped at every table, and goes on, ends with the events of one that
// was never stopped.
func TestResume(t *testing.T) {
	_, raw, db := system(t, 2, legacytest.Small())
	whole := openLake(t, &objects.Memory{})
	if _, err := importer(whole, raw, db).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	broken := openLake(t, &objects.Memory{})
	stops := 0
	for _, stage := range []string{"legacy-s3", "signals", "truth_social_shitposts", "predictions", "market_prices", ""} {
		ctx, stop := context.WithCancel(t.Context())
		im := importer(broken, raw, readmodeltest.Connect(t, db.Config().ConnString()))
		im.Progress = func(at string, done, total int) {
			if at == stage && done > total/2 {
				stop()
			}
		}
		if _, err := im.Run(ctx); err != nil {
			stops++
		}
		stop()
	}
	if stops < 4 {
		t.Errorf("only %d runs were stopped", stops)
	}
	if a, b := ids(t, whole.Posts), ids(t, broken.Posts); !maps.Equal(a, b) {
		t.Errorf("%d posts' events, %d in the one that was stopped", len(a), len(b))
	}
	if a, b := ids(t, whole.Predictions), ids(t, broken.Predictions); !maps.Equal(a, b) {
		t.Errorf("%d predictions' events, %d in the one that was stopped", len(a), len(b))
	}
	if a, b := ids(t, whole.Prices), ids(t, broken.Prices); !maps.Equal(a, b) {
		t.Errorf("%d prices' events, %d in the one that was stopped", len(a), len(b))
	}
}

// TestTwoAtOnce: two imports side by side, and nothing is there twice.
func TestTwoAtOnce(t *testing.T) {
	_, raw, db := system(t, 4, legacytest.Small())
	alone := openLake(t, &objects.Memory{})
	if _, err := importer(alone, raw, db).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	store := &objects.Memory{}
	var g errgroup.Group
	for range 2 {
		im := importer(openLake(t, store), raw, readmodeltest.Connect(t, db.Config().ConnString()))
		g.Go(func() error {
			r, err := im.Run(t.Context())
			if err == nil && r.Unexplained() != 0 {
				err = fmt.Errorf("%d rows are unexplained", r.Unexplained())
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	both := openLake(t, store)
	if a, b := ids(t, alone.Posts), ids(t, both.Posts); !maps.Equal(a, b) {
		t.Errorf("%d posts' events, %d with two at work", len(a), len(b))
	}
	if a, b := ids(t, alone.Predictions), ids(t, both.Predictions); !maps.Equal(a, b) {
		t.Errorf("%d predictions' events, %d with two at work", len(a), len(b))
	}
	if a, b := ids(t, alone.Prices), ids(t, both.Prices); !maps.Equal(a, b) {
		t.Errorf("%d prices' events, %d with two at work", len(a), len(b))
	}
	for _, table := range both.Tables() {
		if v, err := table.Verify(t.Context(), nil); err != nil || v.Duplicates != 0 || !v.OK() {
			t.Errorf("verify: %s, %v", v, err)
		}
	}
}

// TestFacts: what an event says of where it came from.
func TestFacts(t *testing.T) {
	sys, raw, db := system(t, 6, legacytest.Small())
	l := openLake(t, &objects.Memory{})
	if _, err := importer(l, raw, db).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	raws, posts := map[string]string{}, map[string]string{}
	for _, p := range sys.Posts {
		raws[p.ID] = p.Raw
	}
	seen := map[string]int{}
	for _, e := range all(t, l.Posts) {
		posts[e.EventID] = e.PostID
		if e.Kind == event.PostObserved && e.Source == "legacy-s3" && e.Payload != raws[e.PostID] {
			t.Errorf("post %s: the payload is not the document", e.PostID)
		}
		if e.Kind == event.PostObserved && e.Source != "legacy-s3" && !strings.Contains(e.Payload, e.PostID) {
			t.Errorf("post %s of %s: the payload is not the row", e.PostID, e.Source)
		}
		seen[e.Source]++
	}
	rows := map[string]legacytest.Prediction{}
	for _, p := range sys.Predictions {
		rows["legacy:"+strconv.Itoa(p.ID)] = p
	}
	for _, e := range all(t, l.Predictions) {
		seen[string(e.Kind)]++
		if e.Kind != event.PredictionMade {
			continue
		}
		p := rows[e.PromptVersion]
		if e.PostID != p.PostID || e.Provider != p.Provider || e.Model != p.Model || !e.OccurredAt.Equal(p.At) || *e.Confidence != p.Confidence || e.Analyzer != "llm" {
			t.Errorf("%s is %+v, want %+v", e.PromptVersion, e, p)
		}
		if e.CausationID != "" && posts[e.CausationID] != e.PostID || e.Source != Source || !strings.Contains(e.Payload, `"thesis":"Because."`) {
			t.Errorf("%s: caused by %q, payload %.80s", e.PromptVersion, e.CausationID, e.Payload)
		}
	}
	for _, e := range all(t, l.Prices) {
		seen[string(e.Kind)]++
		if e.Kind == event.BarRecorded && (e.Source != "legacy" || e.Adjustment != event.AdjustedSplit || e.AdjustedThrough < e.SessionDate-3 || e.FetchedAt.IsZero()) {
			t.Errorf("bar %s %s: %+v", e.Symbol, e.SessionDate, e)
		}
	}
	for _, what := range []string{"legacy-s3", "legacy-s3:signals", "legacy-s3:truth_social_shitposts", "prediction_made", "post_bypassed", "record_rejected", "bar_recorded"} {
		if seen[what] == 0 {
			t.Errorf("there is no %s", what)
		}
	}
}

// all returns every event of a stream.
func all[E event.Event](t *testing.T, s *lake.Stream[E]) (out []E) {
	t.Helper()
	snap, err := s.Snapshot(t.Context(), -1)
	if err != nil {
		t.Fatal(err)
	}
	for events, err := range snap.Batches(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, events...)
	}
	return out
}

// TestNotLegacy: a database that is another one is refused by name before anything is written.
func TestNotLegacy(t *testing.T) {
	for sql, want := range map[string]string{
		"SELECT 1": "none of the tables",
		"CREATE TABLE market_prices (symbol text, d date)": "market_prices has no column date; it has symbol, d",
	} {
		_, db := readmodeltest.Open(t)
		if _, err := db.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
		l := openLake(t, &objects.Memory{})
		_, err := importer(l, nil, db).Run(t.Context())
		if !errors.Is(err, ErrNotLegacy) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", sql, err, want)
		}
		if heads := headsOf(t, l); heads != [3]int64{-1, -1, -1} {
			t.Errorf("%s: something was written: %v", sql, heads)
		}
	}
}

// TestOldestNames: the seed-level tables are read, too.
func TestOldestNames(t *testing.T) {
	_, db := readmodeltest.Open(t)
	_, err := db.Exec(t.Context(), `
		CREATE TABLE shitposts (id text, body text, created_at timestamp, retruth boolean, analyzed boolean, bypassed boolean, s3_location text);
		CREATE TABLE predictions (id int, shitpost_id text, sentiment text, assets json, confidence float8, reasoning text, bypass_reason text, created_at timestamp);
		CREATE TABLE market_prices (asset text, date date, open float8, high float8, low float8, close float8, last_updated timestamp);
		INSERT INTO shitposts VALUES ('114308258545250117', 'Steel will be GREAT again', '2025-04-09 13:37:00');
		INSERT INTO predictions VALUES (1, '114308258545250117', 'bullish', '["X","CLF"]', 0.8, 'steel', null, '2025-04-09 13:38:00'),
			(2, '114308258545250117', null, '[]', null, null, 'retruth', '2025-04-09 13:38:00');
		INSERT INTO market_prices VALUES ('X', '2025-04-09', 10, 11, 9, 10.5, '2025-04-10 00:00:00')`)
	if err != nil {
		t.Fatal(err)
	}
	l := openLake(t, &objects.Memory{})
	r, err := importer(l, nil, db).Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]map[string]int{"shitposts": {"accepted": 1}, "predictions": {"accepted": 1, PostDecided: 1}, "market_prices": {"accepted": 1}}
	checkFates(t, "import", fates(r), want)
	if r.Unexplained() != 0 {
		t.Errorf("unexplained: %+v", r)
	}
}

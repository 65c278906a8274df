package projectors

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/readmodel/readmodeltest"
)

// scan reads one row.
func scan(t testing.TB, db *pgx.Conn, sql string, into ...any) {
	t.Helper()
	if err := db.QueryRow(context.Background(), sql).Scan(into...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func TestEditDeletionRedaction(t *testing.T) {
	url, db := readmodeltest.Open(t)
	l := openLake(t)
	p := open(t, l, url)
	at := time.Date(2025, 3, 3, 15, 0, 0, 0, time.UTC)
	id := postID(at)
	first := observed(id, "truthsocial", "Tariffs!")
	edited := observed(id, "truthsocial", "Tariffs tomorrow!")
	event.Seal(&edited, first.EventID)
	archive := observed(id, "archive:x", "Tariffs, archived")
	appendAll(t, l.Posts, archive)
	once(t, p)
	appendAll(t, l.Posts, first, edited)
	once(t, p)

	var text, source string
	var versions, sources int
	var deleted, redacted bool
	row := "SELECT text, source, versions, sources, is_deleted, is_redacted FROM readmodel.posts"
	scan(t, db, row, &text, &source, &versions, &sources, &deleted, &redacted)
	if text != "Tariffs tomorrow!" || source != "truthsocial" || versions != 2 || sources != 2 || deleted || redacted {
		t.Errorf("after the edit: %q %s %d %d %t %t", text, source, versions, sources, deleted, redacted)
	}
	appendAll(t, l.Posts, postNote(event.PostDeleted, id, "truthsocial", edited.EventID, at.Add(time.Hour)))
	once(t, p)
	scan(t, db, row, &text, &source, &versions, &sources, &deleted, &redacted)
	if !deleted || text != "Tariffs tomorrow!" {
		t.Errorf("after the deletion: deleted %t, text %q", deleted, text)
	}
	appendAll(t, l.Posts, postNote(event.PostRedacted, id, "operator", "", at.Add(2*time.Hour)))
	once(t, p)
	late := observed(id, "legacy-s3", "Tariffs, from the old lake")
	appendAll(t, l.Posts, late) // what is learned of a redacted post afterwards stays blank too
	once(t, p)
	var left int
	scan(t, db, `SELECT count(*) FROM readmodel.post_versions v, readmodel.posts p WHERE (v::text || p::text) ILIKE '%tariffs%'`, &left)
	scan(t, db, row, &text, &source, &versions, &sources, &deleted, &redacted)
	if !redacted || text != "" || left != 0 {
		t.Errorf("after the redaction: redacted %t, text %q, %d rows still hold the text", redacted, text, left)
	}
	checkVerified(t, p)
}

func TestFailedAndRequeued(t *testing.T) {
	url, db := readmodeltest.Open(t)
	l := openLake(t)
	p := open(t, l, url)
	post := observed(postID(time.Date(2025, 3, 3, 15, 0, 0, 0, time.UTC)), "truthsocial", "Apple")
	fail := failed(&post, "gpt", "timeout", 1, false, "")
	gaveUp := failed(&post, "gpt", "server", 5, true, fail.EventID)
	steps := []struct {
		event            event.Prediction
		status, reason   string
		attempts, places int
	}{
		{fail, "retrying", "timeout", 1, 0},
		{gaveUp, "failed", "server", 2, 1},
		{requeued(gaveUp, gaveUp.EventID), "retrying", "timeout", 1, 0},
		{answer(&post, "gpt", 0.8, event.Asset{Symbol: "AAPL", Sentiment: event.Bullish}), "completed", "", 2, 0},
		{answer(&post, "gpt", 0.1, event.Asset{Symbol: "TSLA", Sentiment: event.Bearish}), "completed", "", 3, 0}, // the first answer stands
	}
	appendAll(t, l.Posts, post)
	for i, s := range steps {
		appendAll(t, l.Predictions, s.event)
		once(t, p)
		var status, reason string
		var attempts, letters int
		scan(t, db, "SELECT status, coalesce(reason, ''), attempts, (SELECT count(*) FROM readmodel.analysis_dead_letters) FROM readmodel.predictions",
			&status, &reason, &attempts, &letters)
		if status != s.status || reason != s.reason || attempts != s.attempts || letters != s.places {
			t.Errorf("step %d: %s %q after %d attempts, %d dead letters; want %s %q %d %d", i, status, reason, attempts, letters, s.status, s.reason, s.attempts, s.places)
		}
	}
	var symbol string
	var outcomes, cost int
	scan(t, db, "SELECT max(symbol), (SELECT count(*) FROM readmodel.outcomes), (SELECT sum(cost_micros) FROM readmodel.spending) FROM readmodel.calls", &symbol, &outcomes, &cost)
	if symbol != "AAPL" || outcomes != 12 || cost != 2400 {
		t.Errorf("call on %s with %d outcomes, %d micro-dollars spent; want AAPL, 12, 2400", symbol, outcomes, cost)
	}
	checkVerified(t, p)
}

// Bars that come late, corrections and splits reach every outcome that they matter to, the benchmark's
// those of all symbols; first_priced_at stays.
func TestLateAndCorrectedBars(t *testing.T) {
	url, db := readmodeltest.Open(t)
	l := openLake(t)
	p := open(t, l, url)
	monday := event.NewDate(2025, 3, 3)
	post := observed(postID(monday.Time().Add(12*time.Hour)), "truthsocial", "Apple") // before the open
	appendAll(t, l.Predictions, answer(&post, "gpt", 0.8, event.Asset{Symbol: "AAPL", Sentiment: event.Bullish}))
	once(t, p)
	row := `SELECT coalesce(return_pct::text, ''), coalesce(abnormal_pct::text, ''), coalesce(correct::text, ''), coalesce(pnl::text, ''), coalesce(first_priced_at, 'epoch'),
		(SELECT status FROM readmodel.outcomes_status s WHERE basis = 'next_open' AND horizon = 1) FROM readmodel.outcomes WHERE basis = 'next_open' AND horizon = 1`
	var priced time.Time
	expect := func(what, ret, abnormal, correct, pnl, status string) {
		t.Helper()
		once(t, p)
		var gotRet, gotAbnormal, gotCorrect, gotPnl, gotStatus string
		var at time.Time
		scan(t, db, row, &gotRet, &gotAbnormal, &gotCorrect, &gotPnl, &at, &gotStatus)
		if gotRet != ret || gotAbnormal != abnormal || gotCorrect != correct || gotPnl != pnl || gotStatus != status {
			t.Errorf("%s: return %q abnormal %q correct %q pnl %q status %s; want %q %q %q %q %s", what, gotRet, gotAbnormal, gotCorrect, gotPnl, gotStatus, ret, abnormal, correct, pnl, status)
		}
		if priced.Unix() > 0 && !at.Equal(priced) {
			t.Errorf("%s: first priced at %s, before at %s", what, at, priced)
		}
		priced = at
	}
	expect("no bar", "", "", "", "", "no_bar")
	appendAll(t, l.Prices, unknown("AAPL", monday.Time()))
	expect("unknown", "", "", "", "", "unpriceable")
	first := bar("AAPL", monday, "yahoo", 100, 101, monday, "")
	appendAll(t, l.Prices, first)
	expect("first bar", "1.000000", "", "true", "10.000000", "evaluated")
	appendAll(t, l.Prices, bar("SPY", monday, "yahoo", 500, 510, monday, ""))
	expect("benchmark", "1.000000", "-1.000000", "true", "10.000000", "evaluated")
	appendAll(t, l.Prices, bar("AAPL", monday, "yahoo", 100, 100.25, monday, first.EventID))
	expect("correction", "0.250000", "-1.750000", "false", "2.500000", "evaluated")
	appendAll(t, l.Prices, first) // a repetition of the old bar is no news
	expect("repetition", "0.250000", "-1.750000", "false", "2.500000", "evaluated")

	var known bool
	scan(t, db, "SELECT NOT is_unknown FROM readmodel.unknown_symbols WHERE symbol = 'AAPL'", &known)
	if !known {
		t.Error("AAPL has a bar that is newer than symbol_unknown, and is still unknown")
	}
	// Three sessions on, fetched after a 10-for-1 split of Wednesday: the split alone must not be a return.
	wednesday := monday + 2
	target := bar("AAPL", wednesday, "yahoo", 10.1, 10.2, wednesday, "")
	appendAll(t, l.Prices, target)
	once(t, p)
	appendAll(t, l.Prices, split("AAPL", wednesday, 10))
	once(t, p)
	var ret string
	over := "SELECT return_pct FROM readmodel.outcomes WHERE basis = 'next_open' AND horizon = 3"
	if scan(t, db, over, &ret); ret != "2.000000" {
		t.Errorf("return over the split is %s, want 2.000000", ret)
	}
	// Months later the target is fetched again, after one more split that the base bar knows nothing of.
	november := event.NewDate(2025, 11, 3)
	appendAll(t, l.Prices, bar("AAPL", wednesday, "yahoo", 1.01, 1.02, november+10, target.EventID))
	once(t, p)
	appendAll(t, l.Prices, split("AAPL", november, 10))
	once(t, p)
	if scan(t, db, over, &ret); ret != "2.000000" {
		t.Errorf("return over both splits is %s, want 2.000000", ret)
	}
	checkVerified(t, p)
}

// Retracted events count as never written, for the rows and for what follows from them, and a repetition
// of them does not bring them back.
func TestRetraction(t *testing.T) {
	url, db := readmodeltest.Open(t)
	l := openLake(t)
	p := open(t, l, url)
	posts := realPosts(t, 4)
	appendAll(t, l.Posts, posts...)
	right := answer(&posts[0], "gpt", 0.8, event.Asset{Symbol: "AAPL", Sentiment: event.Bullish})
	wrong := answer(&posts[1], "gpt", 0.8, event.Asset{Symbol: "TSLA", Sentiment: event.Bullish})
	appendAll(t, l.Predictions, right, wrong)
	once(t, p)
	note := event.Prediction{}
	note.Kind, note.Key, note.Source, note.OccurredAt = event.Retracted, "mistake 1", "operator", posts[3].PublishedAt
	note.RetractedEvents = []string{wrong.EventID}
	event.Seal(&note, "")
	appendAll(t, l.Predictions, note)
	once(t, p)
	appendAll(t, l.Predictions, wrong)
	once(t, open(t, l, url)) // also for a projector that was not there
	var symbols string
	var reason string
	scan(t, db, "SELECT string_agg(DISTINCT symbol, ' '), (SELECT reason FROM ops.builds ORDER BY build_id DESC LIMIT 1) FROM readmodel.outcomes", &symbols, &reason)
	if symbols != "AAPL" || !strings.Contains(reason, "retracted") {
		t.Errorf("outcomes of %q after build %q; want AAPL alone, and a build because of the retraction", symbols, reason)
	}

	// A batch of posts.
	var batch string
	scan(t, db, "SELECT max(batch_id) FROM readmodel.posts", &batch)
	gonePosts := event.Post{}
	gonePosts.Kind, gonePosts.Key, gonePosts.Source, gonePosts.OccurredAt = event.Retracted, "mistake 2", "operator", posts[3].PublishedAt
	gonePosts.RetractedBatch = batch
	event.Seal(&gonePosts, "")
	appendAll(t, l.Posts, gonePosts)
	once(t, p)
	var left int
	scan(t, db, "SELECT count(*) FROM readmodel.posts", &left)
	if left != 0 {
		t.Errorf("%d posts of a retracted batch are left", left)
	}
	checkVerified(t, p)
}

func TestVerifyNamesTheRow(t *testing.T) {
	url, db := readmodeltest.Open(t)
	l := openLake(t)
	p := open(t, l, url)
	posts := realPosts(t, 6)
	appendAll(t, l.Posts, posts...)
	appendAll(t, l.Predictions, answer(&posts[0], "gpt", 0.8, event.Asset{Symbol: "AAPL", Sentiment: event.Bullish}))
	once(t, p)
	checkVerified(t, p)
	cases := []struct{ tamper, table, want string }{
		{"UPDATE readmodel.posts SET text = 'x' WHERE post_id = '" + posts[2].PostID + "'", "posts", "post_id " + posts[2].PostID + " differs in text"},
		{"DELETE FROM readmodel.post_versions WHERE event_id = '" + posts[3].EventID + "'", "post_versions", "event_id " + posts[3].EventID + " is missing"},
		{"INSERT INTO readmodel.splits SELECT 'AAPL', '2025-01-02', 2, 'e', '{}', 's', false, NULL, NULL, now()", "splits", "symbol session_date AAPL 2025-01-02 should not be there"},
		{"UPDATE readmodel.outcomes SET return_pct = 1.5 WHERE basis = 'legacy' AND horizon = 7", "outcomes", "legacy 7 differs in return_pct"},
	}
	spoiled := map[string]bool{}
	for _, c := range cases {
		if _, err := db.Exec(context.Background(), c.tamper); err != nil {
			t.Fatalf("%s: %v", c.tamper, err)
		}
		spoiled[c.table] = true
		found, err := p.Verify(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range found {
			if f.OK() == spoiled[f.Table] {
				t.Errorf("after %s: %s", c.tamper, f)
			}
			if f.Table == c.table && !strings.Contains(f.Difference, c.want) {
				t.Errorf("after %s: %q, want %q", c.tamper, f.Difference, c.want)
			}
		}
	}
	if _, err := p.Rebuild(context.Background(), false); err != nil {
		t.Fatal(err)
	}
	checkVerified(t, p)
	var schemas int
	scan(t, db, "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'readmodel%'", &schemas)
	if schemas != 1 {
		t.Errorf("%d schemas named readmodel… are left, want 1", schemas)
	}
}

func TestSettings(t *testing.T) {
	url, db := readmodeltest.Open(t)
	l := openLake(t)
	posts := realPosts(t, 2)
	appendAll(t, l.Predictions, answer(&posts[0], "gpt", 0.8, event.Asset{Symbol: "AAPL", Sentiment: event.Bullish}), answer(&posts[0], "grok", 0.8))
	once(t, open(t, l, url))
	band, primary := 1.5, "llm/openai/grok"
	other := open(t, l, url)
	other.opts.Settings = Overrides{Band: &band, PrimaryAnalyzer: &primary}
	for what, err := range map[string]error{"run": other.Once(context.Background()), "rebuild": func() error { _, err := other.Rebuild(context.Background(), false); return err }()} {
		if !errors.Is(err, ErrSettings) || !strings.Contains(err.Error(), "band 1.5 (live: 0.5)") || !strings.Contains(err.Error(), "grok") {
			t.Errorf("%s with other settings: %v", what, err)
		}
	}
	if _, err := other.Rebuild(context.Background(), true); err != nil {
		t.Fatal(err)
	}
	once(t, other)
	once(t, open(t, l, url)) // asks for nothing, and takes what is stored
	var stored float64
	var primaries string
	scan(t, db, "SELECT band_pct, (SELECT string_agg(model, ' ') FROM readmodel.predictions WHERE is_primary) FROM ops.settings", &stored, &primaries)
	if stored != band || primaries != "grok" {
		t.Errorf("stored band %v, primary predictions by %q", stored, primaries)
	}
	checkVerified(t, other)
	wrong := -1.0
	other.opts.Settings = Overrides{Band: &wrong}
	if err := other.Once(context.Background()); !errors.Is(err, ErrInvalidSettings) {
		t.Errorf("band -1: %v", err)
	}
}

// Another lake is followed from its begin; one that lost versions is refused unless a rebuild is asked for.
func TestOtherLake(t *testing.T) {
	url, db := readmodeltest.Open(t)
	posts := realPosts(t, 5)
	long, other := openLake(t), openLake(t)
	appendAll(t, long.Posts, posts[0])
	appendAll(t, long.Posts, posts[1])
	appendAll(t, other.Posts, posts[2:]...)
	once(t, open(t, long, url))
	once(t, open(t, other, url))
	var n int
	scan(t, db, "SELECT count(*) FROM readmodel.posts", &n)
	if n != 3 {
		t.Errorf("%d posts after the move to another lake, want 3", n)
	}
	if _, err := db.Exec(context.Background(), "UPDATE readmodel.positions SET next_version = 9 WHERE stream = 'posts'"); err != nil {
		t.Fatal(err)
	}
	p := open(t, other, url)
	if err := p.Once(context.Background()); !errors.Is(err, ErrBehind) || !strings.Contains(err.Error(), "version 8") {
		t.Errorf("a lake that is behind: %v", err)
	}
	if _, err := p.Rebuild(context.Background(), false); err != nil {
		t.Fatal(err)
	}
	checkVerified(t, p)
	if _, err := db.Exec(context.Background(), "UPDATE ops.settings SET projection_version = 99"); err != nil {
		t.Fatal(err)
	}
	if err := open(t, other, url).Once(context.Background()); !errors.Is(err, ErrNewer) {
		t.Errorf("a read model of projection version 99: %v", err)
	}
	for _, change := range []string{"UPDATE ops.settings SET projection_version = 1, schema_hash = 'x'", "DELETE FROM readmodel.positions", "DROP SCHEMA readmodel CASCADE"} {
		if _, err := db.Exec(context.Background(), change); err != nil {
			t.Fatal(err)
		}
		p := open(t, other, url)
		once(t, p)
		checkVerified(t, p)
	}
}

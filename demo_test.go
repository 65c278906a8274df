package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"shitpost-alpha/dashboards"
	"shitpost-alpha/dashboards/check"
	"shitpost-alpha/dashboards/macro"
	"shitpost-alpha/lake"
	"shitpost-alpha/lake/objects/s3/s3test"
	"shitpost-alpha/lake/realdata"
	"shitpost-alpha/projectors"
	"shitpost-alpha/readmodel/readmodeltest"
)

// realFiles are the files that the figures of the README come from.
func realFiles(t testing.TB) []string {
	return []string{"--posts", realdata.Path(t, "posts/text_posts_2024-11_2026-01.csv"),
		"--prices", realdata.Path(t, "prices/yf_daily_68tickers_2024-07_2026-03.csv"), "--prices", realdata.Path(t, "prices/etf_crypto")}
}

// alphaDemo runs the demo in this process and returns its summary.
func alphaDemo(t *testing.T, args ...string) *Summary {
	t.Helper()
	var out, errs bytes.Buffer
	if err := run(t.Context(), append([]string{"demo", "--json"}, args...), &out, &errs); err != nil {
		t.Fatalf("alpha demo %v: %v\n%s", args, err, errs.String())
	}
	s := &Summary{}
	if err := json.Unmarshal(out.Bytes(), s); err != nil {
		t.Fatalf("standard output is not one JSON object: %v\n%s", err, out.String())
	}
	return s
}

// figures returns the summary without what differs from run to run.
func (s Summary) figures() Summary {
	s.LakeURL, s.DatabaseURL, s.Seconds = "", "", 0
	return s
}

func TestDemoOnRealData(t *testing.T) {
	databaseURL, conn := readmodeltest.Open(t)
	dir := t.TempDir()
	args := append([]string{"--dir", dir, "--database", databaseURL}, realFiles(t)...)
	s := alphaDemo(t, args...)
	p := s.Posts
	if p.Seen != 5474 || p.Completed+p.Bypassed+p.Failed != p.InScope || p.Waiting != 0 || p.InScope != 4932 {
		t.Errorf("posts: %+v; want 5474 seen, and every post in scope in exactly one terminal state", p)
	}
	if n := s.Calls["bullish"] + s.Calls["bearish"] + s.Calls["neutral"]; n < 500 {
		t.Errorf("%d calls, want at least 500", n)
	}
	due := s.Outcomes["evaluated"] + s.Outcomes["no_bar"] + s.Outcomes["awaiting_price"] + s.Outcomes["suspect"]
	if s.Outcomes["evaluated"] < 9000 || s.Outcomes["evaluated"]*100 <= due*95 {
		t.Errorf("%d of %d due outcomes of priced symbols are evaluated, want more than 95 %%", s.Outcomes["evaluated"], due)
	}
	if s.Synthetic {
		t.Error("real posts are called synthetic")
	}
	checkBases(t, conn)
	checkSplits(t, conn)
	checkNothingToRepair(t, filepath.Join(dir, "lake"), databaseURL)
	checkDashboards(t, databaseURL, s)
	checkViewer(t, databaseURL)

	again := alphaDemo(t, args...)
	if !reflect.DeepEqual(again.figures(), s.figures()) {
		t.Errorf("a second run over the same files says\n%+v\nthe first\n%+v", again, s)
	}
}

// checkBases: every call has all three bases and four horizons, and each basis has evaluated rows.
func checkBases(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	var calls, outcomes, bases int
	err := conn.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM readmodel.calls), (SELECT count(*) FROM readmodel.outcomes),
		(SELECT count(DISTINCT basis) FROM readmodel.outcomes WHERE return_pct IS NOT NULL)`).Scan(&calls, &outcomes, &bases)
	if err != nil || outcomes != 12*calls || bases != 3 {
		t.Errorf("%d calls have %d outcomes with %d bases evaluated, %v", calls, outcomes, bases, err)
	}
}

// checkSplits: XLE and XLK split 2:1 on 2025-12-05; no source may show a loss of half there.
func checkSplits(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	var across, worst int
	err := conn.QueryRow(t.Context(), `SELECT count(*), count(*) FILTER (WHERE abs(return_pct) > 25) FROM readmodel.outcomes
		WHERE symbol IN ('XLE', 'XLK') AND base_session < '2025-12-05' AND target_session >= '2025-12-05' AND return_pct IS NOT NULL`).Scan(&across, &worst)
	if err != nil || across == 0 || worst != 0 {
		t.Errorf("%d outcomes of XLE and XLK across the split, %d of them over 25 %%, %v", across, worst, err)
	}
	var raw int
	err = conn.QueryRow(t.Context(), `SELECT count(*) FROM readmodel.bars WHERE symbol = 'XLE' AND adjustment = 'none' AND session_date = '2025-12-04' AND close > 80`).Scan(&raw)
	if err != nil || raw != 1 {
		t.Errorf("the unadjusted XLE bar before the split is not there (%d), %v: the test would show nothing", raw, err)
	}
}

// checkNothingToRepair: lake and read model verify clean.
func checkNothingToRepair(t *testing.T, lakeURL, databaseURL string) {
	t.Helper()
	l, err := lake.Open(t.Context(), lakeURL, lake.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range l.Tables() {
		if v, err := table.Verify(t.Context(), nil); err != nil || !v.OK() || v.Duplicates != 0 || len(v.Orphans) != 0 || v.Rows == 0 {
			t.Errorf("lake verify: %v %v, %v", v, v.Problems, err)
		}
	}
	checkReplay(t, l, databaseURL)
}

// checkReplay: the read model is what a replay of the lake gives.
func checkReplay(t *testing.T, l *lake.Lake, databaseURL string) {
	t.Helper()
	found, err := projectors.New(projectors.Options{Lake: l, DatabaseURL: databaseURL}).Verify(t.Context())
	if err != nil || len(found) < 10 {
		t.Errorf("projector verify looked at %d tables, %v", len(found), err)
	}
	for _, c := range found {
		if !c.OK() {
			t.Errorf("projector verify: %v", c)
		}
	}
}

// checkDashboards runs every statement of every dashboard on the demo's read model, as Grafana would: over
// all of time each has something to show, but for those that need a second model, a failure or a neutral call.
func checkDashboards(t *testing.T, databaseURL string, s *Summary) {
	t.Helper()
	mayBeEmpty := map[string]bool{"asset/annotation Neutral post": true, "models/Two models on the same posts": true, "models/Where they disagree": true,
		"models/Failures by class": true, "pipeline/Dead letters and rejected input": true}
	queries, err := dashboards.Queries()
	if err != nil || len(queries) < 80 {
		t.Fatalf("%d statements, %v", len(queries), err)
	}
	conn, err := check.Connect(t.Context(), databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	env := macro.Env{From: time.Date(2024, 11, 1, 0, 0, 0, 0, time.UTC), To: time.Now().AddDate(0, 0, 1), Interval: time.Hour}
	priced := pricedPost(t, databaseURL)
	found := ""
	for _, q := range queries {
		if env.Variables, err = check.Values(t.Context(), conn, q.Dashboard, map[string][]string{"symbol": {"INTC"}, "post": {priced}}, env); err != nil {
			t.Fatal(err)
		}
		a, err := check.Ask(t.Context(), conn, q, env)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, problem := range check.Problems(q, a) {
			t.Errorf("%s: %s", q.Name, problem)
		}
		if len(a.Rows) == 0 && !mayBeEmpty[q.Name] {
			t.Errorf("%s shows nothing", q.Name)
		}
		found += strings.Join(a.Lines(), "\n") + "\n"
	}
	if want := fmt.Sprint(s.Posts.Completed); !strings.Contains(found, want) {
		t.Errorf("no panel shows the %s completed predictions", want)
	}
	report, err := check.Database(t.Context(), databaseURL, time.Now().AddDate(0, 0, 1))
	if err != nil || len(report.Problems) > 0 || report.Answers != 10*len(queries) {
		t.Errorf("check of the database: %v, %d answers, %v", err, report.Answers, report.Problems)
	}
}

// pricedPost is a post of whose assets there are prices.
func pricedPost(t *testing.T, databaseURL string) (id string) {
	t.Helper()
	const sql = "SELECT post_id FROM readmodel.scores WHERE is_primary AND basis = 'next_open' AND horizon = 30 ORDER BY published_at DESC, post_id LIMIT 1"
	if err := readmodeltest.Connect(t, databaseURL).QueryRow(t.Context(), sql).Scan(&id); err != nil {
		t.Fatal(err)
	}
	return id
}

func TestDemoOnS3SaysTheSame(t *testing.T) {
	server := s3test.Start(t)
	server.Setenv(t)
	folderDB, _ := readmodeltest.Open(t)
	bucketDB, _ := readmodeltest.Open(t)
	folder := alphaDemo(t, append([]string{"--dir", t.TempDir(), "--database", folderDB}, realFiles(t)...)...)
	bucket := alphaDemo(t, append([]string{"--dir", t.TempDir(), "--database", bucketDB, "--lake", "s3://" + server.Bucket + "/demo"}, realFiles(t)...)...)
	if !strings.HasPrefix(bucket.LakeURL, "s3://") || !strings.HasPrefix(folder.LakeURL, "file://") {
		t.Errorf("lakes at %s and %s", bucket.LakeURL, folder.LakeURL)
	}
	if !reflect.DeepEqual(folder.figures(), bucket.figures()) {
		t.Errorf("the lake in a bucket gives\n%+v\nthe one in a folder\n%+v", bucket.figures(), folder.figures())
	}
}

func TestDemoOnEveryFile(t *testing.T) {
	databaseURL, conn := readmodeltest.Open(t)
	s := alphaDemo(t, "--dir", t.TempDir(), "--database", databaseURL, "--posts", realdata.Path(t, "posts"), "--prices", realdata.Path(t, "prices"))
	if s.Posts.Seen < 31_000 || s.DeadLetters != 0 || s.Posts.Waiting != 0 {
		t.Errorf("posts %+v, %d dead letters", s.Posts, s.DeadLetters)
	}
	rejected, err := counts(t.Context(), mustTx(t, conn), `SELECT reason, count(*) FROM readmodel.rejected GROUP BY reason`)
	if err != nil || rejected["other account"] != 570 {
		t.Errorf("rejected: %v, %v; want the 570 posts of other accounts", rejected, err)
	}
	var sources int
	if err := conn.QueryRow(t.Context(), `SELECT count(DISTINCT source) FROM readmodel.post_versions`).Scan(&sources); err != nil || sources != 9 {
		t.Errorf("posts of %d files, %v; want all nine", sources, err)
	}
}

func mustTx(t *testing.T, conn *pgx.Conn) pgx.Tx {
	t.Helper()
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tx.Rollback(t.Context()) })
	return tx
}

func TestDemoOnSimulator(t *testing.T) {
	databaseURL, _ := readmodeltest.Open(t)
	var out, errs bytes.Buffer
	if err := run(t.Context(), []string{"demo", "--dir", t.TempDir(), "--database", databaseURL, "--days", "40"}, &out, &errs); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"SYNTHETIC", "Posts ", "Bypassed ", "Calls ", "Outcomes ", "95 % interval", "always bullish", "random mix", "Best calls", "Worst calls", "bin/lake --lake file:///"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the summary lacks %q:\n%s", want, out.String())
		}
	}
	if !strings.Contains(errs.String(), "analyze: ") || strings.Contains(out.String(), "analyze: ") {
		t.Errorf("progress belongs on standard error:\n%s", errs.String())
	}
}

func TestDemoRefusesBadConfiguration(t *testing.T) {
	var out, errs bytes.Buffer
	err := run(t.Context(), []string{"demo", "--dir", t.TempDir(), "--posts", "no-such-file.csv", "--since", "yesterday", "--days", "0"}, &out, &errs)
	for _, want := range []string{"no-such-file.csv", "--since", "--days", "--posts without --prices"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not name %s", err, want)
		}
	}
}

func TestFirstWords(t *testing.T) {
	for text, want := range map[string]string{"short": "short", "a\nb\t c": "a b c", strings.Repeat("word ", 30): strings.TrimSpace(strings.Repeat("word ", 12)) + "…", strings.Repeat("x", 80): strings.Repeat("x", 60) + "…"} {
		if got := firstWords(text, 60); got != want {
			t.Errorf("firstWords(%q) = %q, want %q", text, got, want)
		}
	}
}

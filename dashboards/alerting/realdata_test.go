package alerting

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"shitpost-alpha/lake/realdata"
	"shitpost-alpha/readmodel/readmodeltest"
)

// The real posts and prices, brought in by the real services in one go as a first start does, tell nobody of
// anything: not now, and at no moment of the history. Had the services run live, every call would have been told once.
func TestRealData(t *testing.T) {
	t.Parallel() // it mostly waits
	url, db := readmodeltest.Open(t)
	bin := filepath.Join(t.TempDir(), "alpha")
	run(t, exec.Command("go", "build", "-o", bin, "shitpost-alpha"))
	run(t, exec.Command(bin, "demo", "--json", "--dir", t.TempDir(), "--database", url, "--posts", realdata.Path(t, "posts/text_posts_2024-11_2026-01.csv"),
		"--prices", realdata.Path(t, "prices/yf_daily_68tickers_2024-07_2026-03.csv"), "--prices", realdata.Path(t, "prices/etf_crypto")))
	g := asGrafana(t, url)
	file := build(t, everyone())
	moments := []time.Time{{}}
	for at := newYork(t, "2025-01-02 12:00"); at.Before(newYork(t, "2026-01-10 00:00")); at = at.AddDate(0, 0, 15) {
		moments = append(moments, at)
	}
	for _, at := range moments {
		if got := g.evaluate(file, at); len(got) > 0 {
			t.Fatalf("after a backfill, at %s, is told: %v", at, got)
		}
	}
	asIfLive(t, db)
	// Five weeks, over the change of clocks, every five hours: each row says the same as long as it is there.
	first := map[string]string{}
	told := map[string]map[string]bool{}
	begin := newYork(t, "2025-02-24 00:31")
	end := begin
	for at := begin; at.Before(newYork(t, "2025-04-01 00:00")); at = at.Add(5 * time.Hour) {
		end = at
		for _, a := range g.evaluate(file, at) {
			kind := a.Labels["kind"]
			key := strings.Join([]string{kind, a.Labels["prediction_id"], a.Labels["symbol"], a.Labels["horizon"], a.Labels["session"], a.Labels["week"], a.Labels["problem"], a.Labels["subject"]}, "/")
			if before, ok := first[key]; ok && before != a.identity() && kind != Operations {
				t.Fatalf("%s said\n%s\nand at %s\n%s", key, before, at, a.identity())
			}
			first[key] = a.identity()
			if told[kind] == nil {
				told[kind] = map[string]bool{}
			}
			told[kind][key] = true
			if err := acceptable(message(t, a)); err != nil {
				t.Fatalf("%v:\n%s", err, message(t, a))
			}
		}
	}
	var calls, analysed int
	if err := db.QueryRow(context.Background(), `SELECT count(*), count(v.event_id) FROM readmodel.predictions p LEFT JOIN readmodel.post_versions v ON v.event_id = p.causation_id
		WHERE p.status = 'completed' AND p.calls > 0 AND p.published_at > $1 AND p.published_at <= $2`, begin.Add(-24*time.Hour), end).Scan(&calls, &analysed); err != nil || calls < 20 || analysed != calls {
		t.Fatalf("%d predictions with calls, %d of them know the version that was analysed: %v", calls, analysed, err)
	}
	t.Logf("told in five weeks: %d new calls, %d follow-ups, %d briefings, %d scorecards, %d problems", len(told[NewCall]), len(told[FollowUp]), len(told[DailyBriefing]), len(told[WeeklyScorecard]), len(told[Operations]))
	if n := len(told[NewCall]); n != calls {
		t.Errorf("%d predictions were told, want all %d", n, calls)
	}
	if len(told[FollowUp]) < calls || len(told[DailyBriefing]) < 20 || len(told[WeeklyScorecard]) != 5 {
		t.Error("follow-ups, briefings or scorecards are missing")
	}
	nastiestText(t, g)
}

// asIfLive changes when things were recorded to what it would have been had the services run all the time.
func asIfLive(t testing.TB, db *pgx.Conn) {
	t.Helper()
	for _, sql := range []string{
		"UPDATE readmodel.posts SET first_recorded_at = published_at + interval '1 minute'",
		"UPDATE readmodel.predictions SET predicted_at = published_at + interval '2 minutes', recorded_at = published_at + interval '2 minutes'",
		"UPDATE readmodel.calls SET origin = 'live', predicted_at = published_at + interval '2 minutes'",
		"UPDATE readmodel.outcomes SET first_priced_at = due_at + interval '5 minutes' WHERE return_pct IS NOT NULL",
		"UPDATE readmodel.analysis_attempts SET occurred_at = published_at + interval '2 minutes'",
		"ANALYZE",
	} {
		execute(t, db, sql)
	}
}

// nastiestText sends every real post through the functions that cut texts, and through the template.
func nastiestText(t *testing.T, g grafana) {
	t.Helper()
	rows, err := g.db.Query(context.Background(), "SELECT readmodel.alert_text(text, 1600), readmodel.alert_text(text, 800), readmodel.alert_link(url, post_id) FROM readmodel.post_versions")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	n := 0
	for rows.Next() {
		var text, thesis, link string
		if err := rows.Scan(&text, &thesis, &link); err != nil {
			t.Fatal(err)
		}
		n++
		a := alert{Labels: map[string]string{"kind": NewCall, "assets": strings.Repeat("&", 120), "text": text, "thesis": thesis, "link": link, "confidence": "100 %", "published": "Fri 07 Mar 2025 11:00 New York"}}
		if err := acceptable(message(t, a)); err != nil {
			t.Fatalf("%v: %q", err, text)
		}
	}
	if rows.Err() != nil || n < 5000 {
		t.Errorf("%d posts, %v", n, rows.Err())
	}
}

func run(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	cmd.Env = append(os.Environ(), "LOG_LEVEL=warn")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatal(fmt.Errorf("%s: %w\n%s", cmd, err, out))
	}
}

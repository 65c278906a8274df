package alerting

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// step changes the read model.
type step = func(testing.TB, *pgx.Conn)

// attempt is an event of an analysis.
func attempt(id, kind, model string, when time.Time, micros int64) step {
	return func(t testing.TB, db *pgx.Conn) {
		execute(t, db, `INSERT INTO analysis_attempts (event_id, kind, prediction_id, post_id, published_at, analyzer, provider, model, cost_micros, failure_class, attempt, terminal, requeues, assets, dropped, occurred_at, source, synthetic, recorded_at)
			VALUES ($1, $2, 'p', '1', $3, 'llm', 'openai', $4, $5, 'server', 1, false, '{}', '[]', '[]', $3, 'openai', false, $3)`, id, kind, when, model, micros)
	}
}

// window is a reading of a source.
func window(when time.Time, complete, synthetic bool) step {
	return func(t testing.TB, db *pgx.Conn) {
		execute(t, db, `INSERT INTO windows_read (event_id, window_from, window_to, is_complete, posts, missing_ids, occurred_at, source, synthetic, recorded_at)
			VALUES ($1, $2, $2, $3, 1, '{}', $2, 'truthsocial', $4, $2)`, when.String()+strconv.FormatBool(complete)+strconv.FormatBool(synthetic), when, complete, synthetic)
	}
}

// bar is a bar of a day.
func bar(symbol, day string) step {
	return func(t testing.TB, db *pgx.Conn) {
		execute(t, db, `INSERT INTO bars (symbol, session_date, "interval", source, open, high, low, close, adjustment, adjusted_through, source_rank, fetch_id, first_recorded_at, event_id, superseded, occurred_at, synthetic, recorded_at)
			SELECT $1, d, '1d', 'yahoo', 1, 1, 1, 1, 'split', d, 0, '', d, d::text, '{}', d, false, d FROM CAST($2::text AS date) d`, symbol, day)
	}
}

// letter is a dead letter of stream prices.
func letter(id string, when time.Time) step {
	return func(t testing.TB, db *pgx.Conn) {
		execute(t, db, "INSERT INTO dead_letters (dead_letter_id, stream, event_id, kind, key, reason, recorded_at) VALUES ($1, 'prices', $1, 'k', 'k', 'r', $2)", id, when)
	}
}

// outcomes is n calls due on a day, some of them priced.
func outcomes(n, priced int, day string, origin string) step {
	return func(t testing.TB, db *pgx.Conn) {
		for i := range n {
			when, err := time.Parse(time.DateOnly, day)
			if err != nil {
				t.Fatal(err)
			}
			id := tell(t, db, said{at: when.Add(time.Duration(i) * time.Minute), calls: [][2]string{{"DJT", "bullish"}}, confidence: 1, text: "x", origin: origin})
			price(t, db, id, "DJT", 1, day, 1, true, when)
			if i >= priced {
				execute(t, db, "UPDATE outcomes SET return_pct = NULL WHERE prediction_id = $1", id)
			}
		}
	}
}

// waiting is a post without an analysis.
func waiting(when time.Time) step {
	return func(t testing.TB, db *pgx.Conn) {
		id := tell(t, db, said{at: when, calls: nil, text: "x"})
		execute(t, db, "DELETE FROM predictions WHERE prediction_id = $1", id)
	}
}

// seen is the projector's last look for news.
func seen(when time.Time) step {
	return func(t testing.TB, db *pgx.Conn) { caughtUp(t, db, when) }
}

// Each problem: what brings it, what is shown, what ends it. In between nothing else is told.
func TestOperations(t *testing.T) {
	at := newYork(t, "2025-03-07 22:00") // 03:00 UTC of the 8th
	ago := func(d time.Duration) time.Time { return at.Add(-d) }
	db, g := model(t)
	execute(t, db, "INSERT INTO positions VALUES ('posts', 't', 0)")
	file := build(t, everyone())
	for name, c := range map[string]struct {
		quiet, problem []step
		want           string
		value          float64
	}{
		"projector": {[]step{seen(ago(9 * time.Minute))}, []step{seen(ago(11 * time.Minute))}, "pipeline_stale/projector", 11},
		"harvester": {[]step{window(ago(9*24*time.Hour), true, false), window(ago(time.Minute), false, false), window(ago(3*time.Hour), true, true)}, []step{window(ago(3*time.Hour), true, false)}, "pipeline_stale/harvester", 180},
		"analyzer":  {[]step{attempt("a", "prediction_made", "m", ago(48*time.Hour), 0), waiting(ago(30 * time.Minute)), waiting(ago(25 * time.Hour))}, []step{waiting(ago(2 * time.Hour))}, "pipeline_stale/analyzer", 1},
		"failing":   {[]step{attempt("a", "analysis_failed", "m", ago(3*time.Hour), 0), attempt("b", "analysis_failed", "m", ago(2*time.Hour), 0), attempt("c", "analysis_failed", "other", ago(2*time.Hour), 0), attempt("z", "prediction_made", "other", ago(time.Minute), 0)}, []step{attempt("d", "analysis_failed", "m", ago(time.Hour), 0)}, "producer_failing/analyzer llm/openai/m", 3},
		"pricer":    {[]step{bar("DJT", "2025-03-06")}, []step{bar("SPY", "2025-03-06")}, "producer_failing/pricer", 360},
		"letters":   {[]step{letter("old", ago(25*time.Hour))}, []step{letter("a", ago(time.Hour)), letter("b", ago(2*time.Hour))}, "dead_letters/prices on 2025-03-08", 2},
		"given up": {nil, []step{waiting(ago(time.Minute)), func(t testing.TB, db *pgx.Conn) {
			id := tell(t, db, said{at: ago(time.Hour), text: "x"})
			execute(t, db, "UPDATE predictions SET status = 'failed' WHERE prediction_id = $1", id)
		}}, "dead_letters/analyses on 2025-03-08", 1},
		"budget":        {[]step{attempt("a", "prediction_made", "m", ago(4*time.Hour), 900_000), attempt("b", "analysis_failed", "m", ago(time.Hour), 900_000)}, []step{attempt("c", "prediction_made", "m", ago(30*time.Minute), 60_000)}, "budget_reached/analyses on 2025-03-08", 0.96},
		"coverage":      {[]step{outcomes(20, 20, "2025-02-10", ""), outcomes(10, 9, "2025-03-04", ""), outcomes(10, 0, "2025-03-05", "retrospective")}, []step{outcomes(2, 0, "2025-03-03", "")}, "price_coverage/prices", 75},
		"never covered": {[]step{outcomes(20, 0, "2025-02-10", ""), outcomes(10, 1, "2025-03-04", "")}, nil, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			execute(t, db, "TRUNCATE ops.health, posts, post_versions, windows_read, analysis_attempts, predictions, calls, outcomes, bars, dead_letters")
			for _, s := range c.quiet {
				s(t, db)
			}
			if got := ofKind(g.evaluate(file, at), Operations); len(got) != 0 {
				t.Fatalf("without the problem: %v", got)
			}
			for _, s := range c.problem {
				s(t, db)
			}
			got := ofKind(g.evaluate(file, at), Operations)
			if c.problem == nil {
				return
			}
			i := slices.IndexFunc(got, func(a alert) bool { return a.Labels["problem"]+"/"+a.Labels["subject"] == c.want })
			if len(got) != 1 || i < 0 || got[i].value < c.value-0.01 || got[i].value > c.value+0.01 {
				t.Fatalf("got %v, want %s %v", got, c.want, c.value)
			}
			if text := message(t, got[i]); !strings.HasPrefix(text, "<b>"+strings.ReplaceAll(got[i].Labels["problem"], "_", " ")+"</b>: ") || !strings.HasSuffix(text, ".") {
				t.Errorf("message is %s", text)
			}
			// The numbers move on, the problem stays the same.
			if again := ofKind(g.evaluate(file, at.Add(time.Minute)), Operations); len(again) != 1 || again[0].identity() != got[0].identity() {
				t.Errorf("a minute later it is another problem: %v", again)
			}
		})
	}
}

// The rule that tells of a read model which does not answer has no labels but the rule's own.
func TestUnreachableMessage(t *testing.T) {
	text := message(t, alert{Labels: map[string]string{"kind": Operations, "alertname": "The read model does not answer"}})
	if text != "<b>The read model does not answer</b>\nGrafana could not ask it for five minutes." {
		t.Error(text)
	}
	if text := message(t, alert{Labels: map[string]string{"alertname": "Some <other> rule"}}); text != "<b>Some &lt;other&gt; rule</b>" {
		t.Error(text)
	}
}

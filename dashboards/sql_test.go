package dashboards

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"shitpost-alpha/dashboards/macro"
	"shitpost-alpha/readmodel"
	"shitpost-alpha/readmodel/localpg"
)

// seed is two posts with a call each at horizon 7 (one right: +10 dollars, one wrong: -4), one call
// that is not evaluated, one by an analyzer that is not the primary one, and bars of two sources
// around a 2-for-1 split.
const seed = `
INSERT INTO ops.settings (band_pct, benchmark, source_order, primary_analyzer, projection_version, schema_hash, build_id)
  VALUES (0.5, 'SPY', '{}', 'rules', 1, '', 1);
INSERT INTO posts (post_id, published_at, text, is_repost, text_missing, text_repaired, media_urls, mentions, tags, is_deleted, is_redacted, versions, sources, first_recorded_at, event_id, source, synthetic, recorded_at)
  SELECT id, at, E'Oil  is\nbooming', false, false, false, '{}', '{}', '{}', false, false, 1, 1, at, 'e' || id, 'simulator', true, at
  FROM (VALUES ('1', timestamptz '2025-03-03 15:00Z'), ('2', '2025-03-04 15:00Z')) v (id, at);
INSERT INTO predictions (prediction_id, post_id, published_at, status, confidence, is_primary, attempts, calls, dropped, predicted_at, event_id, source, synthetic, recorded_at)
  SELECT 'p' || id || suffix, id, at, 'completed', 0.8, suffix = '', 1, 1, '[]', at, 'x' || id || suffix, 'rules', true, at
  FROM (VALUES ('1', timestamptz '2025-03-03 15:00Z'), ('2', '2025-03-04 15:00Z')) v (id, at), (VALUES (''), ('-other')) s (suffix);
INSERT INTO calls (prediction_id, symbol, position, sentiment, post_id, published_at, confidence, origin, predicted_at)
  SELECT prediction_id, symbol, 0, 'bullish', post_id, published_at, confidence, 'live', published_at
  FROM predictions, (VALUES ('XLE')) s (symbol)
  UNION ALL SELECT 'p1', 'O''X', 1, NULL, '1', '2025-03-03 15:00Z', 0.8, 'retrospective', '2025-03-03 15:00Z';
INSERT INTO outcomes (prediction_id, symbol, basis, horizon, base_session, target_session, return_pct, abnormal_pct, correct, pnl, suspect, due_at)
  VALUES ('p1', 'XLE', 'next_open', 7, '2025-03-04', '2025-03-12', 1.0, 0.25, true, 10, false, '2025-03-12 20:20Z'),
         ('p2', 'XLE', 'next_open', 7, '2025-03-05', '2025-03-13', -0.4, -1, false, -4, false, '2025-03-13 20:20Z'),
         ('p1-other', 'XLE', 'next_open', 7, '2025-03-04', '2025-03-12', 99, 99, true, 990, false, '2025-03-12 20:20Z'),
         ('p1', 'XLE', 'prior_close', 7, '2025-02-28', '2025-03-11', 99, 99, true, 990, false, '2025-03-11 20:20Z'),
         ('p1', 'O''X', 'next_open', 7, '2025-03-04', '2025-03-12', NULL, NULL, NULL, NULL, false, '2025-03-12 20:20Z');
INSERT INTO scores (prediction_id, symbol, basis, horizon, target_session, published_at, return_micros, abnormal_micros, pnl_micros, confidence,
    correct, move, sentiment, origin, is_primary, synthetic, post_id, weekday, phase, predicted_at)
  SELECT o.prediction_id, o.symbol, o.basis, o.horizon, o.target_session, c.published_at, o.return_pct * 1000000, o.abnormal_pct * 1000000, o.pnl * 1000000, c.confidence,
    o.correct, CASE WHEN o.return_pct > 0.5 THEN 1 ELSE 0 END, c.sentiment, c.origin, p.is_primary, true, c.post_id, 1, 'regular', c.predicted_at
  FROM outcomes o JOIN calls c USING (prediction_id, symbol) JOIN predictions p USING (prediction_id) WHERE o.correct IS NOT NULL;
INSERT INTO sessions VALUES ('2025-03-03', '2025-03-03 14:30Z', '2025-03-03 21:00Z', false);
INSERT INTO splits (symbol, session_date, ratio, event_id, superseded, source, synthetic, recorded_at)
  VALUES ('XLE', '2025-03-04', 2, 's', '{}', 'file:splits', false, '2025-03-05Z');
INSERT INTO bars (symbol, session_date, "interval", source, open, high, low, close, volume, adjustment, adjusted_through, source_rank, fetch_id, first_recorded_at, event_id, superseded, occurred_at, synthetic, recorded_at)
  SELECT 'XLE', day, '1d', source, o, o + 2, o - 2, o + 1, 1000, 'none', day, rank, 'f', day, source || day, '{}', day, false, day
  FROM (VALUES (date '2025-03-03', 80.0), ('2025-03-04', 40.0)) v (day, o), (VALUES ('worse', 2), ('better', 1)) s (source, rank);
UPDATE bars SET open = 999, high = 999, low = 999, close = 999 WHERE source = 'worse';`

// database makes the read model's schema on a server of its own.
func database(t *testing.T) *pgx.Conn {
	t.Helper()
	server, err := localpg.Start(t.Context(), localpg.Options{Dir: t.TempDir(), NoSync: true, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	config, err := pgx.ParseConfig(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol // as Grafana does
	db, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close(context.Background()) })
	for _, sql := range []string{readmodel.RolesSQL(), readmodel.OpsSQL(), "CREATE SCHEMA " + readmodel.Schema + "; SET search_path = " + readmodel.Schema,
		readmodel.TablesSQL(), readmodel.IndexesSQL(), readmodel.ViewsSQL(), readmodel.GrantsSQL()} {
		execute(t, db, sql)
	}
	return db
}

func execute(t *testing.T, db *pgx.Conn, sql string) {
	t.Helper()
	if _, err := db.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%.60s: %v", sql, err)
	}
}

// asGrafana makes the connection what Grafana's is: the reading role, and no search_path.
func asGrafana(t *testing.T, db *pgx.Conn) {
	t.Helper()
	execute(t, db, "SET search_path = pg_catalog; SET default_transaction_read_only = on; SET SESSION AUTHORIZATION "+readmodel.RoleGrafana)
}

func environments() []macro.Env {
	at := time.Date(2025, 3, 1, 0, 0, 0, 0, time.UTC)
	var all []macro.Env
	for _, span := range []time.Duration{time.Hour, 30 * 24 * time.Hour, 20 * 365 * 24 * time.Hour} {
		for _, symbol := range []string{"XLE", "O'X", `a";--`} {
			all = append(all, macro.Env{From: at, To: at.Add(span), Interval: time.Minute,
				Variables: map[string][]string{"horizon": {"7"}, "origin": {"live", "retrospective", "imported"}, "symbol": {symbol}}})
		}
	}
	return all
}

// run expands and runs one query and returns its columns and rows, as text.
func run(t *testing.T, db *pgx.Conn, q Query, e macro.Env) (columns []pgconn.FieldDescription, rows [][]string) {
	t.Helper()
	sql, err := e.Expand(q.SQL)
	if err != nil {
		t.Fatalf("%s: %v", q.Name, err)
	}
	results := db.PgConn().Exec(t.Context(), sql)
	for results.NextResult() {
		result := results.ResultReader()
		columns = slices.Clone(result.FieldDescriptions())
		for result.NextRow() {
			var texts []string
			for _, v := range result.Values() {
				texts = append(texts, string(v))
			}
			rows = append(rows, texts)
		}
	}
	if err := results.Close(); err != nil {
		t.Fatalf("%s: %v\n%s", q.Name, err, sql)
	}
	return columns, rows
}

func TestQueriesOnAnEmptyModel(t *testing.T) {
	db := database(t)
	asGrafana(t, db)
	queries, err := Queries()
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range queries {
		for _, e := range environments() {
			columns, rows := run(t, db, q, e)
			checkColumns(t, q, columns)
			if len(rows) > 0 && q.Name != "overview/Key figures" {
				t.Errorf("%s found %v", q.Name, rows)
			}
		}
	}
}

// checkColumns says whether Grafana can draw the result (its documentation of the data source).
func checkColumns(t *testing.T, q Query, columns []pgconn.FieldDescription) {
	t.Helper()
	var names []string
	numbers, times := 0, 0
	for _, c := range columns {
		names = append(names, c.Name)
		switch c.DataTypeOID {
		case 20, 21, 23, 700, 701, 1700:
			numbers++
		case 1114, 1184:
			times++
		}
	}
	if q.Format == "time_series" && (names[0] != "time" || times != 1 || numbers != len(names)-1) {
		t.Errorf("%s is no time series: %v", q.Name, names)
	}
	var d struct {
		Panels []struct {
			Title       string
			Options     struct{ Fields map[string]string }
			FieldConfig struct {
				Overrides []struct{ Matcher struct{ ID, Options string } }
			}
		}
	}
	if err := json.Unmarshal(rendered(t, "overview"), &d); err != nil {
		t.Fatal(err)
	}
	for _, p := range d.Panels {
		if "overview/"+p.Title != q.Name {
			continue
		}
		for _, field := range p.Options.Fields {
			if !slices.Contains(names, field) {
				t.Errorf("%s draws a field %s that is not in %v", q.Name, field, names)
			}
		}
		for _, o := range p.FieldConfig.Overrides {
			if o.Matcher.ID == "byName" && !slices.Contains(names, o.Matcher.Options) {
				t.Errorf("%s overrides a field %s that is not in %v", q.Name, o.Matcher.Options, names)
			}
		}
	}
	if strings.Contains(q.Name, "annotation") && !slices.Equal(names, []string{"time", "text", "tags"}) {
		t.Errorf("%s has columns %v", q.Name, names)
	}
}

func TestFigures(t *testing.T) {
	db := database(t)
	execute(t, db, seed)
	asGrafana(t, db)
	march := environments()[3] // 30 days, XLE
	queries, err := Queries()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		// 2 posts, 2 completed, 3 calls of the primary analyzer; 1 of 2 right, Wilson 9.453121 to 90.546879 %.
		"overview/Key figures":      "2|2|3|2|50.0000000000000000|9.453121|90.546879",
		"overview/Equity curve":     "2025-03-12 00:00:00+00|10|0\n2025-03-13 00:00:00+00|6|-4",
		"overview/Bars of $symbol":  "2025-03-03 14:30:00+00|40|41|39|40.5|1000\n2025-03-04 00:00:00+00|40|42|38|41|1000",
		"overview/variable symbol":  "XLE",
		"overview/annotation Posts": "2025-03-03 15:00:00+00|Oil  is\nbooming|bullish\n2025-03-04 15:00:00+00|Oil  is\nbooming|bullish",
		"overview/Calls": "2025-03-04 15:00:00+00|Oil is booming|XLE|bullish|0.8|live|evaluated|-0.4|-1|-4|\n" +
			"2025-03-03 15:00:00+00|Oil is booming|XLE|bullish|0.8|live|evaluated|1|0.25|10|\n" +
			"2025-03-03 15:00:00+00|Oil is booming|O'X||0.8|retrospective|no_bar||||no source",
	}
	for _, q := range queries {
		_, rows := run(t, db, q, march)
		var lines []string
		for _, row := range rows {
			lines = append(lines, strings.Join(row, "|"))
		}
		got := strings.Join(lines, "\n")
		if q.Name == "overview/Key figures" && len(rows) == 1 {
			var low, high float64
			if _, err := fmt.Sscan(rows[0][5]+" "+rows[0][6], &low, &high); err != nil {
				t.Fatal(err)
			}
			got = strings.Join(rows[0][:5], "|") + fmt.Sprintf("|%.6f|%.6f", low, high)
		}
		if q.Name == "overview/Calls" {
			got, _, _ = strings.Cut(got, " has the bars") // the rest of the reason is the read model's
		}
		if got != want[q.Name] {
			t.Errorf("%s\n got %s\nwant %s", q.Name, got, want[q.Name])
		}
	}
	// A choice of origins narrows every figure to them.
	march.Variables["origin"] = []string{"retrospective"}
	if _, rows := run(t, db, queries[0], march); strings.Join(rows[0], "|") != "2|2|1|0|||" {
		t.Errorf("key figures of retrospective calls: %v", rows)
	}
}

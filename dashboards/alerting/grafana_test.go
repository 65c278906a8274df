package alerting

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/template"
	"time"

	"github.com/jackc/pgx/v5"

	"shitpost-alpha/readmodel"
	"shitpost-alpha/readmodel/readmodeltest"
)

func TestMain(m *testing.M) { os.Exit(readmodeltest.Main(m)) }

// What Grafana does with a rule, done here: its statement is run, every row becomes an alert whose labels
// are the text columns and those of the rule, and annotations are templates over $labels and $values.

// alert is one row of a rule.
type alert struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	value       float64
}

// identity is what Alertmanager knows an alert by.
func (a alert) identity() string {
	var all []string
	for k, v := range a.Labels {
		all = append(all, k+"="+v)
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}

// grafana evaluates rules as the role that Grafana has.
type grafana struct {
	t  testing.TB
	db *pgx.Conn
}

// asGrafana opens a connection that is what Grafana's is: the reading role, no search_path.
func asGrafana(t testing.TB, url string) grafana {
	t.Helper()
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	db, err := pgx.ConnectConfig(context.Background(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close(context.Background()) })
	execute(t, db, "SET search_path = pg_catalog; SET default_transaction_read_only = on; SET SESSION AUTHORIZATION "+readmodel.RoleGrafana)
	return grafana{t, db}
}

func execute(t testing.TB, db *pgx.Conn, sql string, args ...any) {
	t.Helper()
	if _, err := db.Exec(context.Background(), sql, args...); err != nil {
		t.Fatalf("%.200s: %v", sql, err)
	}
}

// evaluate returns the alerts of all rules of the file as they are at a moment. Every now() of a statement is
// that moment; the zero moment leaves now().
func (g grafana) evaluate(file File, at time.Time) (all []alert) {
	g.t.Helper()
	for _, group := range file.Groups {
		for _, r := range group.Rules {
			all = append(all, g.rule(r, at)...)
		}
	}
	return all
}

func (g grafana) rule(r Rule, at time.Time) (alerts []alert) {
	g.t.Helper()
	var model struct{ RawSQL string }
	if err := json.Unmarshal(r.Data[0].Model, &model); err != nil {
		g.t.Fatal(err)
	}
	sql := model.RawSQL
	if !at.IsZero() {
		sql = strings.ReplaceAll(sql, "now()", "timestamptz '"+at.UTC().Format(time.RFC3339Nano)+"'")
	}
	rows, err := g.db.Query(context.Background(), sql)
	if err != nil {
		g.t.Fatalf("rule %s: %v", r.UID, err)
	}
	defer rows.Close()
	numbers := 0
	for _, f := range rows.FieldDescriptions() {
		switch f.DataTypeOID {
		case 20, 21, 23, 700, 701, 1700:
			numbers++
		case 25, 1043:
		default:
			g.t.Fatalf("rule %s: column %s is neither number nor text", r.UID, f.Name)
		}
		if slices.Contains([]string{"metric", "time", "alertname", "grafana_folder"}, f.Name) {
			g.t.Fatalf("rule %s: a column must not be called %s", r.UID, f.Name)
		}
	}
	if numbers != 1 {
		g.t.Fatalf("rule %s: %d columns are numbers, want one", r.UID, numbers)
	}
	seen := map[string]bool{}
	for rows.Next() {
		a := alert{Labels: map[string]string{"alertname": r.Title, "grafana_folder": options.Folder}, Annotations: map[string]string{}}
		for k, v := range r.Labels {
			a.Labels[k] = v
		}
		for i, raw := range rows.RawValues() {
			switch f := rows.FieldDescriptions()[i]; {
			case f.DataTypeOID != 25 && f.DataTypeOID != 1043:
				if a.value, err = strconv.ParseFloat(string(raw), 64); err != nil || a.value != a.value {
					g.t.Fatalf("rule %s: value %q", r.UID, raw)
				}
			case len(raw) > 0: // Alertmanager drops labels without a value
				a.Labels[f.Name] = string(raw)
			}
		}
		for k, text := range r.Annotations {
			a.Annotations[k] = annotation(g.t, text, a)
		}
		if seen[a.identity()] {
			g.t.Fatalf("rule %s: two rows have the same labels, which Grafana refuses: %v", r.UID, a.Labels)
		}
		seen[a.identity()] = true
		alerts = append(alerts, a)
	}
	if err := rows.Err(); err != nil {
		g.t.Fatalf("rule %s: %v\n%s", r.UID, err, sql)
	}
	return alerts
}

// annotation renders one as Grafana does: a missing key is an error.
func annotation(t testing.TB, text string, a alert) string {
	t.Helper()
	const variables = `{{ $labels := .Labels }}{{ $values := .Values }}`
	parsed, err := template.New("annotation").Option("missingkey=error").Parse(variables + text)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	err = parsed.Execute(&out, map[string]any{"Labels": a.Labels, "Values": map[string]struct{ Value float64 }{"A": {a.value}}})
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// message renders the text of an alert with the template engine of Grafana and Alertmanager.
func message(t testing.TB, a alert) string {
	t.Helper()
	parsed, err := template.New(messageName).Funcs(functions()).Option("missingkey=zero").Parse(messageTemplate)
	if err != nil {
		t.Fatal(err)
	}
	if parsed, err = parsed.New("call").Parse(messageCall); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := parsed.Execute(&out, map[string]any{"Alerts": []alert{a}}); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// model makes the read model's schema in a fresh database, with the sessions of 2025, and returns its owner's
// connection and Grafana's.
func model(t testing.TB) (*pgx.Conn, grafana) {
	t.Helper()
	url, db := readmodeltest.Open(t)
	for _, sql := range []string{readmodel.RolesSQL(), readmodel.OpsSQL(), "CREATE SCHEMA " + readmodel.Schema + "; SET search_path = " + readmodel.Schema,
		readmodel.TablesSQL(), readmodel.IndexesSQL(), readmodel.ViewsSQL(), readmodel.GrantsSQL()} {
		if _, err := db.Exec(context.Background(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatal(err)
		}
	}
	execute(t, db, `INSERT INTO sessions SELECT d::date, (d + '09:30') AT TIME ZONE 'America/New_York', (d + '16:00') AT TIME ZONE 'America/New_York', false
		FROM generate_series(timestamp '2025-01-01', '2025-12-31', '1 day') d WHERE extract(isodow FROM d) < 6 AND d::date NOT IN ('2025-01-01', '2025-01-09', '2025-12-25')`)
	execute(t, db, "INSERT INTO ops.settings (band_pct, benchmark, source_order, primary_analyzer, projection_version, schema_hash, build_id) VALUES (0.5, 'SPY', '{}', '', 1, '', 1)")
	return db, asGrafana(t, url)
}

// said is a prediction with its calls, and the post that it is about.
type said struct {
	at         time.Time     // of the post
	after      time.Duration // until the answer; 0: two minutes
	calls      [][2]string   // symbol and sentiment
	confidence float64
	text       string
	thesis     string
	url        string
	origin     string // "": live
	secondary  bool
	synthetic  bool
}

// tell inserts it and returns the prediction's id.
func tell(t testing.TB, db *pgx.Conn, s said) string {
	t.Helper()
	if s.after == 0 {
		s.after = 2 * time.Minute
	}
	if s.origin == "" {
		s.origin = readmodel.Live
	}
	post := strconv.FormatInt(s.at.UnixMilli()<<16, 10)
	answered := s.at.Add(s.after)
	execute(t, db, `INSERT INTO post_versions (event_id, kind, post_id, published_at, text, url, is_repost, text_missing, text_repaired, media_urls, mentions, tags, content_hash, occurred_at, source, synthetic, recorded_at)
		VALUES ('v' || $1::text, 'post_observed', $1, $2, $3, nullif($4, ''), false, false, false, '{}', '{}', '{}', '', $2, 'truthsocial', $5, $2) ON CONFLICT DO NOTHING`, post, s.at, s.text, s.url, s.synthetic)
	execute(t, db, `INSERT INTO posts (post_id, published_at, text, is_repost, text_missing, text_repaired, media_urls, mentions, tags, is_deleted, is_redacted, versions, sources, first_recorded_at, event_id, source, synthetic, recorded_at)
		VALUES ($1, $2, $3, false, false, false, '{}', '{}', '{}', false, false, 1, 1, $2, 'v' || $1::text, 'truthsocial', $4, $2) ON CONFLICT DO NOTHING`, post, s.at, s.text, s.synthetic)
	id := fmt.Sprintf("p%s-%t", post, s.secondary)
	execute(t, db, `INSERT INTO predictions (prediction_id, post_id, published_at, status, confidence, thesis, is_primary, attempts, calls, dropped, causation_id, predicted_at, event_id, source, synthetic, recorded_at)
		VALUES ($1, $2, $3, 'completed', $4, $5, $6, 1, $7, '[]', 'v' || $2::text, $8, 'e' || $1::text, 'openai', $9, $8)`,
		id, post, s.at, s.confidence, s.thesis, !s.secondary, len(s.calls), answered, s.synthetic)
	for i, c := range s.calls {
		execute(t, db, `INSERT INTO calls (prediction_id, symbol, position, sentiment, post_id, published_at, confidence, origin, predicted_at)
			VALUES ($1, $2, $3, nullif($4, ''), $5, $6, $7, $8, $9)`, id, c[0], i, c[1], post, s.at, s.confidence, s.origin, answered)
	}
	return id
}

// price evaluates one outcome of basis next_open.
func price(t testing.TB, db *pgx.Conn, prediction, symbol string, horizon int, target string, returned float64, correct bool, priced time.Time) {
	t.Helper()
	execute(t, db, `INSERT INTO outcomes (prediction_id, symbol, basis, horizon, base_session, target_session, return_pct, correct, pnl, suspect, due_at, first_priced_at)
		SELECT $1, $2, 'next_open', $3, $4::date - 1, $4::date, $5::float8, CASE WHEN c.sentiment IS NOT NULL THEN $6::boolean END,
			CASE c.sentiment WHEN 'bullish' THEN 10 WHEN 'bearish' THEN -10 ELSE 0 END * $5::float8, false, ($4::date + time '16:20') AT TIME ZONE 'America/New_York', $7
		FROM calls c WHERE c.prediction_id = $1 AND c.symbol = $2`, prediction, symbol, horizon, target, returned, correct, priced)
}

// caughtUp says that the projector has last looked for news at a moment.
func caughtUp(t testing.TB, db *pgx.Conn, at time.Time) {
	t.Helper()
	execute(t, db, `INSERT INTO ops.health (stream, next_version, checked_at) SELECT s, 1, $1::timestamptz FROM unnest(ARRAY['posts', 'predictions', 'prices']) s
		ON CONFLICT (stream) DO UPDATE SET checked_at = excluded.checked_at`, at)
}

// build makes the file of the subscribers.
func build(t testing.TB, subscribers ...Subscriber) File {
	t.Helper()
	file, err := Build(subscribers, options)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// everyone is told everything.
func everyone() Subscriber {
	return Subscriber{Name: "everyone", ChatID: "1", BotToken: defaultToken, Kinds: Kinds()}
}

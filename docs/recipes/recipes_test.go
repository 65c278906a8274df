// Package recipes tests the recipes beside it: outcomes and accuracy straight from the lake, with DuckDB
// and with Spark, are those of the read model.
package recipes

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/market"
	"shitpost-alpha/lake/query"
	"shitpost-alpha/projectors"
	"shitpost-alpha/readmodel/readmodeltest"
)

var (
	update  = flag.Bool("update", false, "write sessions.csv")
	interop = flag.Bool("interop", false, "ask the Spark that lake/interop/install.sh installed")
)

func TestMain(m *testing.M) { os.Exit(readmodeltest.Main(m)) }

// sessions.csv is the calendar of package market: day, and opening and close as UTC clock times.
func TestSessions(t *testing.T) {
	var b strings.Builder
	b.WriteString("session_date,opens,closes\n")
	for _, s := range market.NYSE().Sessions() {
		fmt.Fprintf(&b, "%s,%s,%s\n", s.Date, s.Open.Format("15:04"), s.Close.Format("15:04"))
	}
	if *update {
		if err := os.WriteFile("sessions.csv", []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile("sessions.csv")
	if err != nil || string(have) != b.String() {
		t.Errorf("sessions.csv is not the calendar (%v): go test ./docs/recipes -run Sessions -update", err)
	}
}

// columns are what is compared of an outcome, as SQL that DuckDB, Spark and Postgres understand.
const columns = `concat_ws(' ', prediction_id, symbol, basis, horizon) AS key, base_session, target_session, source, origin,
	coalesce(return_pct, -1e9) AS return_pct, coalesce(abnormal_pct, -1e9) AS abnormal_pct, coalesce(pnl, -1e9) AS pnl,
	CASE WHEN correct THEN 1 WHEN NOT correct THEN 0 ELSE -1 END AS correct`

// row is an outcome, or a line of the accuracy table, by column.
type row map[string]any

// TestDuckDB: the recipe in DuckDB, which always runs.
func TestDuckDB(t *testing.T) {
	t.Chdir(filepath.Join("..", "..")) // duckdb.sql names files from there
	seeds := uint64(1)
	if *interop {
		seeds = 4
	}
	for seed := range seeds {
		l := randomLake(t, seed, t.TempDir())
		db, err := query.Open(t.Context(), l, query.Options{Dir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		ask := func(sql string) []row {
			var b bytes.Buffer
			if _, err := db.Write(t.Context(), &b, sql, query.Output{Format: "jsonl"}); err != nil {
				t.Fatalf("%v: %.100s", err, sql)
			}
			return parse(t, b.String())
		}
		statements, rest := query.Split(read(t, "docs/recipes/duckdb.sql") + read(t, "docs/recipes/outcomes.sql"))
		if strings.TrimSpace(rest) != "" || len(statements) != 3 {
			t.Fatalf("%d statements, then %q", len(statements), rest)
		}
		for _, s := range statements {
			ask(s)
		}
		outcomes, accuracy := ask("SELECT "+columns+" FROM lake_outcomes"), ask(strings.TrimSpace(read(t, "docs/recipes/accuracy.sql")))
		compareWithReadModel(t, l, outcomes, accuracy)
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestSpark: the same in Spark, where `make interop` could install it.
func TestSpark(t *testing.T) {
	if !*interop {
		t.Skip("LEFT OUT: Spark was not asked: `make interop` installs and asks it")
	}
	home, err := filepath.Abs(filepath.Join("..", "..", ".cache", "interop"))
	if err != nil {
		t.Fatal(err)
	}
	if line := read(t, filepath.Join(home, "readers.tsv")); !strings.Contains(line, "\nspark\t") || strings.Contains(line, "\nspark\t-") {
		t.Skipf("NOT RUN: no Spark is installed: %s", line)
	}
	dir := t.TempDir()
	l := randomLake(t, 9, filepath.Join(dir, "lake"))
	jars, err := filepath.Glob(filepath.Join(home, "jars", "*.jar"))
	if err != nil || len(jars) == 0 {
		t.Fatalf("no jars of Delta in %s: %v", home, err)
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(home, "venv", "bin", "spark-submit"), "--master", "local[2]", "--jars", strings.Join(jars, ","),
		"--conf", "spark.sql.extensions=io.delta.sql.DeltaSparkSessionExtension",
		"--conf", "spark.sql.catalog.spark_catalog=org.apache.spark.sql.delta.catalog.DeltaCatalog",
		"--conf", "spark.ui.enabled=false", "--conf", "spark.driver.bindAddress=127.0.0.1", "--conf", "spark.driver.host=127.0.0.1",
		"--conf", "spark.sql.shuffle.partitions=2", "--conf", "spark.log.level=ERROR",
		"outcomes_spark.py", filepath.Join(dir, "lake"), filepath.Join(dir, "out"))
	cmd.Env = append(os.Environ(), "TZ=America/New_York", "SPARK_LOCAL_IP=127.0.0.1", "PYTHONDONTWRITEBYTECODE=1",
		"PYSPARK_PYTHON="+filepath.Join(home, "venv", "bin", "python"))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	started := time.Now()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, &stderr)
	}
	db, err := query.Open(t.Context(), l, query.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var b bytes.Buffer
	files := filepath.Join(dir, "out", "*", "*", "*.parquet")
	if _, err := db.Write(t.Context(), &b, "SELECT "+columns+" FROM read_parquet('"+files+"', hive_partitioning = true)", query.Output{Format: "jsonl"}); err != nil {
		t.Fatal(err)
	}
	compareWithReadModel(t, l, parse(t, b.String()), parse(t, string(out)))
	t.Logf("RUN: the recipe for Spark in %s", time.Since(started).Round(100*time.Millisecond))
}

// compareWithReadModel projects the lake and asks the read model the same.
func compareWithReadModel(t *testing.T, l *lake.Lake, outcomes, accuracy []row) {
	t.Helper()
	url, conn := readmodeltest.Open(t)
	p := projectors.New(projectors.Options{Lake: l, DatabaseURL: url})
	defer p.Close(t.Context())
	if err := p.Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	ask := func(sql string) []row {
		rows, err := conn.Query(t.Context(), "SELECT to_jsonb(q)::text FROM ("+sql+") q")
		if err != nil {
			t.Fatal(err)
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		return parse(t, strings.Join(lines, "\n"))
	}
	want := ask("SELECT " + columns + ` FROM (SELECT o.*, c.origin FROM readmodel.outcomes o JOIN readmodel.calls c USING (prediction_id, symbol)
		WHERE o.return_pct IS NOT NULL) o`)
	if len(want) < 300 {
		t.Errorf("the read model has only %d evaluated outcomes", len(want))
	}
	checkRows(t, "outcomes", outcomes, want, "key")
	figures := ask(`SELECT basis, horizon, origin, n, correct, accuracy_pct, always_bullish_pct, avg_return_pct, avg_abnormal_pct, total_pnl, posts FROM readmodel.accuracy`)
	checkRows(t, "accuracy", accuracy, figures, "basis", "horizon", "origin")
}

func checkRows(t *testing.T, what string, have, want []row, key ...string) {
	t.Helper()
	name := func(r row) (s string) {
		for _, k := range key {
			s += fmt.Sprint(r[k], " ")
		}
		return s
	}
	byName := map[string]row{}
	for _, r := range have {
		byName[name(r)] = r
	}
	if len(byName) != len(have) || len(have) != len(want) {
		t.Errorf("%s: %d rows, %d of them different ones; the read model has %d", what, len(have), len(byName), len(want))
	}
	wrong := 0
	for _, w := range want {
		h := byName[name(w)]
		for column, v := range w {
			if !equal(h[column], v) && wrong < 10 {
				wrong++
				t.Errorf("%s %s: %s is %v, in the read model %v", what, name(w), column, h[column], v)
			}
		}
	}
}

// equal compares numbers to a billionth: sums of floats depend on their order.
func equal(a, b any) bool {
	x, ok := a.(float64)
	y, okB := b.(float64)
	if ok && okB {
		return math.Abs(x-y) <= 1e-9*max(1, math.Abs(y))
	}
	return a == b
}

func parse(t *testing.T, lines string) (out []row) {
	t.Helper()
	for line := range strings.Lines(lines) {
		if strings.TrimSpace(line) == "" {
			continue
		}
		r := row{}
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		for column, v := range r {
			if s, ok := v.(string); ok && strings.HasSuffix(column, "_session") {
				r[column], _, _ = strings.Cut(s, "T")
			}
		}
		out = append(out, r)
	}
	return out
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

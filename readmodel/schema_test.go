package readmodel_test

import (
	"context"
	"fmt"
	"math"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"shitpost-alpha/readmodel"
	"shitpost-alpha/readmodel/readmodeltest"
)

func TestMain(m *testing.M) { os.Exit(readmodeltest.Main(m)) }

// makeSchema runs all SQL of the read model, as a projector does.
func makeSchema(t *testing.T) (string, *pgx.Conn) {
	t.Helper()
	url, db := readmodeltest.Open(t)
	runAll(t, db, readmodel.RolesSQL(), readmodel.OpsSQL(), "CREATE SCHEMA readmodel; SET search_path = readmodel", readmodel.TablesSQL(),
		readmodel.IndexesSQL(), readmodel.ViewsSQL(), readmodel.GrantsSQL(), "RESET search_path",
		readmodel.RolesSQL(), readmodel.OpsSQL()) // these two may be run again
	return url, db
}

func runAll(t *testing.T, db *pgx.Conn, scripts ...string) {
	t.Helper()
	for _, sql := range scripts {
		if _, err := db.Exec(context.Background(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatalf("%.80s…: %v", sql, err)
		}
	}
}

func names(t *testing.T, db *pgx.Conn, sql string, args ...any) []string {
	t.Helper()
	rows, err := db.Query(context.Background(), sql, args...)
	if err != nil {
		t.Fatal(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestNamesAreTheDatabases(t *testing.T) {
	_, db := makeSchema(t)
	const list = "SELECT relname FROM pg_class WHERE relnamespace = $1::regnamespace AND (relkind = $2 OR relkind = 'p' AND $2 = 'r') AND NOT relispartition ORDER BY relname"
	var tables []string
	for _, tab := range readmodel.Tables() {
		tables = append(tables, tab.Name)
		columns := names(t, db, "SELECT attname FROM pg_attribute WHERE attrelid = ('readmodel.' || $1)::regclass AND attnum > 0", tab.Name)
		for _, c := range slices.Concat(tab.Key, tab.Recording, tab.Reading) {
			if !slices.Contains(columns, c) {
				t.Errorf("table %s has no column %s", tab.Name, c)
			}
		}
		key := names(t, db, `SELECT a.attname FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY k (num, place)
			JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.num WHERE i.indrelid = ('readmodel.' || $1)::regclass AND i.indisprimary ORDER BY k.place`, tab.Name)
		if !slices.Equal(key, tab.Key) {
			t.Errorf("the key of %s is %v, Tables says %v", tab.Name, key, tab.Key)
		}
	}
	slices.Sort(tables)
	if got := names(t, db, list, "readmodel", "r"); !slices.Equal(got, tables) {
		t.Errorf("tables are %v, Tables says %v", got, tables)
	}
	views := []string{readmodel.Accuracy, readmodel.AccuracyByModel, readmodel.AnalysisDeadLetters, readmodel.Breakdowns, readmodel.Completeness,
		readmodel.Lag, readmodel.ModelCosts, readmodel.Models, readmodel.OutcomesStatus,
		readmodel.Pipeline, readmodel.PostsStatus, readmodel.PriceCoverage, readmodel.Scored, readmodel.Spending}
	if got := names(t, db, list, "readmodel", "v"); !slices.Equal(got, views) {
		t.Errorf("views are %v, the constants say %v", got, views)
	}
	ops := []string{readmodel.Builds, readmodel.Fence, readmodel.Health, readmodel.Settings, readmodel.Transactions}
	if got := names(t, db, list, "ops", "r"); !slices.Equal(got, ops) {
		t.Errorf("tables of ops are %v, the constants say %v", got, ops)
	}
}

func TestEverythingIsCommented(t *testing.T) {
	_, db := makeSchema(t)
	missing := names(t, db, `SELECT format('%s.%s%s', n.nspname, c.relname, coalesce('.' || a.attname, ''))
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		LEFT JOIN LATERAL (SELECT NULL::name AS attname, 0::smallint AS attnum UNION ALL
			SELECT attname, attnum FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped) a ON true
		LEFT JOIN pg_description d ON d.objoid = c.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid = a.attnum
		WHERE n.nspname IN ('readmodel', 'ops') AND c.relkind IN ('r', 'v', 'p') AND NOT c.relispartition AND coalesce(d.description, '') = '' ORDER BY 1`)
	if len(missing) > 0 {
		t.Errorf("%d tables, views or columns have no comment: %s", len(missing), strings.Join(missing, ", "))
	}
	missing = names(t, db, "SELECT proname FROM pg_proc WHERE pronamespace = 'readmodel'::regnamespace AND obj_description(oid, 'pg_proc') IS NULL")
	if len(missing) > 0 {
		t.Errorf("functions have no comment: %s", strings.Join(missing, ", "))
	}
}

// The readers may read everything and write nothing, are read-only by default and bounded in time.
func TestReadersMayOnlyRead(t *testing.T) {
	url, db := makeSchema(t)
	for role, timeout := range map[string]string{readmodel.RoleGrafana: "30s", readmodel.RoleAnalyst: "5min"} {
		var config []string
		var canLogin bool
		if err := db.QueryRow(context.Background(), "SELECT coalesce(rolconfig, '{}'), rolcanlogin FROM pg_roles WHERE rolname = $1", role).Scan(&config, &canLogin); err != nil {
			t.Fatal(err)
		}
		if !canLogin || !slices.Contains(config, "statement_timeout="+timeout) || !slices.Contains(config, "default_transaction_read_only=on") {
			t.Errorf("role %s: login %t, settings %v", role, canLogin, config)
		}
		reader := readmodeltest.Connect(t, url)
		runAll(t, reader, "SET ROLE "+role)
		for _, relation := range names(t, db, "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname IN ('readmodel', 'ops') AND c.relkind IN ('r', 'v', 'p')") {
			if _, err := reader.Exec(context.Background(), "SELECT * FROM "+relation); err != nil {
				t.Errorf("%s cannot read %s: %v", role, relation, err)
			}
			if _, err := reader.Exec(context.Background(), "DELETE FROM "+relation); err == nil {
				t.Errorf("%s may delete from %s", role, relation)
			}
		}
		for _, sql := range []string{"CREATE TABLE readmodel.mine (a int)", "CREATE SCHEMA mine", "DROP VIEW readmodel.accuracy", "TRUNCATE ops.builds", "ALTER TABLE readmodel.posts ADD COLUMN x int"} {
			if _, err := reader.Exec(context.Background(), sql); err == nil {
				t.Errorf("%s may %s", role, sql)
			}
		}
	}
}

// A user that may not make roles gets notices, and a read model all the same.
func TestWithoutTheRightToMakeRoles(t *testing.T) {
	url, db := readmodeltest.Open(t)
	role := "plain_" + strings.TrimPrefix(db.Config().Database, "test_")
	runAll(t, db, fmt.Sprintf("CREATE ROLE %s; GRANT CREATE ON DATABASE %s TO %s", role, db.Config().Database, role))
	t.Cleanup(func() { runAll(t, db, fmt.Sprintf("DROP OWNED BY %s CASCADE; DROP ROLE %s", role, role)) })
	plain := readmodeltest.Connect(t, url)
	runAll(t, plain, "SET ROLE "+role, readmodel.RolesSQL(), readmodel.OpsSQL(), "CREATE SCHEMA readmodel; SET search_path = readmodel", readmodel.TablesSQL(),
		readmodel.IndexesSQL(), readmodel.ViewsSQL(), readmodel.GrantsSQL())
}

func TestWilsonAndRandomMix(t *testing.T) {
	_, db := makeSchema(t)
	for _, c := range []struct {
		k, n      int64
		low, high float64 // percent, computed apart from the formula's textbook form
	}{{0, 10, 0, 27.7532799}, {5, 10, 23.6593090, 76.3406910}, {10, 10, 72.2467201, 100}, {1, 1, 20.6549314, 100}, {60, 100, 50.2002585, 69.0598687}} {
		var low, high float64
		if err := db.QueryRow(context.Background(), "SELECT readmodel.wilson_low($1, $2), readmodel.wilson_high($1, $2)", c.k, c.n).Scan(&low, &high); err != nil {
			t.Fatal(err)
		}
		if math.Abs(low-c.low) > 1e-4 || math.Abs(high-c.high) > 1e-4 {
			t.Errorf("Wilson interval of %d in %d: %v to %v, want %v to %v", c.k, c.n, low, high, c.low, c.high)
		}
	}
	var none, mix *float64
	if err := db.QueryRow(context.Background(), "SELECT readmodel.wilson_low(0, 0), readmodel.random_mix(6, 3, 1, 5, 3, 2)").Scan(&none, &mix); err != nil {
		t.Fatal(err)
	}
	// 0.6 × 0.5 + 0.3 × 0.3 + 0.1 × 0.2
	if none != nil || mix == nil || math.Abs(*mix-41) > 1e-9 {
		t.Errorf("interval of nothing %v, random mix %v; want null and 41", none, mix)
	}
}

func TestImportsTheStandardLibraryOnly(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Fields(string(out)); len(got) != 1 {
		t.Errorf("readmodel links %v; want nothing but itself and the standard library", got)
	}
}

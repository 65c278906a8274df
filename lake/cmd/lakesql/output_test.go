package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/ipc"

	"shitpost-alpha/lake/cli"
	"shitpost-alpha/lake/objects/s3/s3test"
)

const oneOfEach = `SELECT 1 AS n, 1.50::DECIMAL(9,2) AS d, TIMESTAMP '2025-01-08 21:00:00.5' AS t, DATE '2025-01-08' AS day, NULL AS none, '' AS empty,
	[1, 2] AS l, {'a': 'x"y', 'b': NULL} AS s, 'nan'::DOUBLE AS f, '\xAB'::BLOB AS b, 'two
lines, "quoted"' AS text, INTERVAL 3 DAY AS i, MAP {'k': 1} AS m, 170141183460469231731687303715884105727::HUGEINT AS h, true AS yes,
	'5d6f8a3c-9a2e-4a8a-8f5c-0e3f8d1b2c4d'::UUID AS u, -0.05::DECIMAL(4,2) AS minus`

func TestFormats(t *testing.T) {
	dir := t.TempDir()
	for format, want := range map[string]string{
		"csv": "n,d,t,day,none,empty,l,s,f,b,text,i,m,h,yes,u,minus\n" +
			`1,1.50,2025-01-08 21:00:00.5,2025-01-08,,,"[1,2]","{""a"":""x\""y"",""b"":null}",NaN,ab,"two` + "\n" + `lines, ""quoted""",0 months 3 days 0s,"{""k"":1}",170141183460469231731687303715884105727,true,5d6f8a3c-9a2e-4a8a-8f5c-0e3f8d1b2c4d,-0.05` + "\n",
		"jsonl": `{"n":1,"d":1.50,"t":"2025-01-08T21:00:00.5Z","day":"2025-01-08","none":null,"empty":"","l":[1,2],"s":{"a":"x\"y","b":null},"f":"NaN","b":"ab",` +
			`"text":"two\nlines, \"quoted\"","i":"0 months 3 days 0s","m":{"k":1},"h":170141183460469231731687303715884105727,"yes":true,"u":"5d6f8a3c-9a2e-4a8a-8f5c-0e3f8d1b2c4d","minus":-0.05}` + "\n",
	} {
		if got, err := ask(t, "--lake", dir, "--format", format, oneOfEach); err != nil || got != want {
			t.Errorf("%s: %v\ngot  %s\nwant %s", format, err, got, want)
		}
	}
	got, err := ask(t, "--lake", dir, "--null", "-", "SELECT 'a' AS one, 12 AS two, NULL AS three UNION ALL SELECT 'äöü', 3, 4 ORDER BY one")
	if want := "one  two  three\na     12      -\näöü    3      4\n"; err != nil || got != want {
		t.Errorf("table: %v\n%s", err, got)
	}
}

func TestArrowAndParquet(t *testing.T) {
	dir, out := t.TempDir(), t.TempDir()
	fill(t, dir)
	sql := "SELECT symbol, close, occurred_at, session_date FROM prices -- with a comment behind it"
	stream, err := ask(t, "--lake", dir, "--format", "arrow", sql)
	if err != nil {
		t.Fatal(err)
	}
	r, err := ipc.NewReader(strings.NewReader(stream))
	if err != nil || !r.Next() || r.Record().NumRows() != 1 || r.Record().Column(0).ValueStr(0) != "AAPL" || r.Record().Column(1).ValueStr(0) != "242.5" {
		t.Errorf("arrow: %v", err)
	}
	file := filepath.Join(out, "p.parquet")
	if _, err := ask(t, "--lake", dir, "--format", "parquet", "-o", file, sql); err != nil {
		t.Fatal(err)
	}
	got, err := ask(t, "--lake", dir, "--format", "csv", "SELECT * FROM read_parquet('"+file+"')")
	if want := "symbol,close,occurred_at,session_date\nAAPL,242.5,2025-01-08 21:00:00,2025-01-08\n"; err != nil || got != want {
		t.Errorf("parquet read back: %q, %v", got, err)
	}
	before, _ := os.ReadFile(file)
	if _, err := ask(t, "--lake", dir, "--format", "parquet", "-o", file, "SELECT nonsense FROM prices"); err == nil {
		t.Error("a wrong statement was taken")
	}
	after, err := os.ReadFile(file)
	if left, _ := filepath.Glob(filepath.Join(out, ".lakesql-*")); err != nil || !bytes.Equal(before, after) || len(left) > 0 {
		t.Errorf("after a failure the old file is not as it was (%v), or there is a rest: %v", err, left)
	}
	if _, err := ask(t, "--lake", dir, "--format", "arrow", "SELECT 1; SELECT 2"); !errors.Is(err, cli.ErrUsage) {
		t.Errorf("two results in one arrow stream: %v", err)
	}
}

func TestScripts(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir)
	script := filepath.Join(t.TempDir(), "s.sql")
	if err := os.WriteFile(script, []byte("CREATE TEMP TABLE mine AS SELECT * FROM prices; -- first\nSELECT count(*) AS n FROM mine;\nSELECT 'last' AS s"), 0o644); err != nil {
		t.Fatal(err)
	}
	got, err := ask(t, "--lake", dir, "--format", "csv", "-f", script)
	if err != nil || !strings.HasSuffix(got, "n\n1\ns\nlast\n") {
		t.Errorf("script: %q, %v", got, err)
	}
	for _, args := range [][]string{{"-f", script, "SELECT 1"}, {"-f", "no-such-file.sql"}, {" ; -- nothing"}, {"--as-of", "someday", "SELECT 1"}, {"--cache-bytes", "many", "SELECT 1"}, {"--format", "xml", "SELECT 1"}} {
		if _, err := ask(t, append([]string{"--lake", dir}, args...)...); !errors.Is(err, cli.ErrUsage) {
			t.Errorf("%v: %v, want a usage error", args, err)
		}
	}
	if got, err := ask(t, "--lake", dir, "--format", "csv", "SELECT table_name FROM information_schema.tables WHERE table_name LIKE 'events_%' ORDER BY 1"); err != nil || strings.Count(got, "\n") != 4 {
		t.Errorf("the catalog: %q, %v", got, err)
	}
}

func TestAsOf(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir) // prices: versions 1..3 are words on one bar, version 4 takes the third back
	for asOf, want := range map[string]string{"": "242.5", "prices=1": "240", "prices=2": "242.5", "prices=3": "999", "posts=0": "242.5", "2999-01-01": "242.5", "2020-01-01": ""} {
		got, err := ask(t, "--lake", dir, "--format", "csv", "--as-of", asOf, "SELECT close FROM prices")
		if strings.TrimSpace(strings.TrimPrefix(got, "close\n")) != want || asOf != "posts=0" && err != nil {
			t.Errorf("as of %q: %q, %v; want %s", asOf, got, err, want)
		}
	}
	if _, err := ask(t, "--lake", dir, "--as-of", "prices=99", "SELECT close FROM prices"); err == nil || !strings.Contains(err.Error(), "the newest is 4") {
		t.Errorf("a version that is not there: %v", err)
	}
}

// TestCacheOfABucket: files are fetched once, only of the streams that are named, and a session leaves
// nothing but the cached files behind.
func TestCacheOfABucket(t *testing.T) {
	server := s3test.Start(t)
	server.Setenv(t)
	url, cache := "s3://"+server.Bucket+"/cached", t.TempDir()
	fill(t, url)
	files := func() (names []string) {
		entries, err := os.ReadDir(cache)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			names = append(names, e.Name())
		}
		return names
	}
	count := func() {
		t.Helper()
		if got, err := ask(t, "--lake", url, "--cache", cache, "--format", "csv", "SELECT count(*) AS n FROM events_prices"); err != nil || got != "n\n4\n" {
			t.Fatalf("%q, %v", got, err)
		}
	}
	count()
	if got := files(); len(got) != 4 {
		t.Errorf("after a look at four files the cache holds %v", got)
	}
	if err := os.WriteFile(filepath.Join(cache, files()[0]), []byte("damaged"), 0o644); err != nil {
		t.Fatal(err)
	}
	count()
	if _, err := ask(t, "--lake", url, "--cache", cache, "SELECT count(*) FROM outcomes"); err != nil {
		t.Fatal(err)
	}
	if got := files(); len(got) != 6 { // the predictions' file and the table outcomes
		t.Errorf("the cache holds %v", got)
	}
}

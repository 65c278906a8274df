package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"shitpost-alpha/dashboards"
	"shitpost-alpha/dashboards/check"
	"shitpost-alpha/dashboards/macro"
	"shitpost-alpha/lake"
	"shitpost-alpha/lake/cli"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/objects/faulty"
	"shitpost-alpha/lake/objects/s3/s3test"
	"shitpost-alpha/projectors"
	"shitpost-alpha/readmodel"
	"shitpost-alpha/readmodel/localpg"
	"shitpost-alpha/readmodel/readmodeltest"
)

var drillReport = flag.String("drill-report", "", "file for the report of the restore drill, as JSON")

// drill is a system on an S3 server of its own, behind a proxy that can lose answers, and what is
// known of it before anything is lost.
type drill struct {
	t       *testing.T
	dir     string
	lakeURL string
	proxy   *faulty.Proxy
	server  *localpg.Server
	hashes  []projectors.TableHash // before anything was lost
	panels  map[string]string      // what each showed then
	queries int                    // of panels
	steps   []drillStep
}

type drillStep struct {
	Step    string  `json:"step"`
	Seconds float64 `json:"seconds"`
	Found   string  `json:"found"`
}

// TestDrill loses what can be lost, one thing after the other, and wants everything back: the whole
// Postgres, the local cache, the answer to the newest commit. The bucket alone is never lost.
func TestDrill(t *testing.T) {
	server := s3test.Start(t)
	d := &drill{t: t, dir: t.TempDir(), lakeURL: "s3://" + server.Bucket + "/drill", proxy: faulty.StartProxy(t, server.Endpoint)}
	server.Setenv(t)
	t.Setenv("AWS_ENDPOINT_URL_S3", d.proxy.URL)
	t.Cleanup(func() {
		if d.server != nil {
			_ = d.server.Stop() // its folder is thrown away
		}
	})
	d.step("fill lake and read model", d.fill)
	d.step("delete Postgres whole, rebuild from the bucket", d.losePostgres)
	d.step("delete the local cache, read again", d.loseCache)
	d.step("lose the answer to the newest commit", d.loseAnswer)
	if *drillReport != "" {
		text, err := json.MarshalIndent(map[string]any{"steps": d.steps, "tables": len(d.hashes), "panels": d.queries, "version": cli.Version()}, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(*drillReport, append(text, '\n'), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func (d *drill) step(name string, do func() string) {
	d.t.Helper()
	began := time.Now()
	found := do()
	s := drillStep{name, time.Since(began).Round(time.Millisecond).Seconds(), found}
	d.steps = append(d.steps, s)
	d.t.Logf("%-50s %7.3f s  %s", s.Step, s.Seconds, s.Found)
}

func (d *drill) fill() string {
	s := alphaDemo(d.t, "--dir", d.dir, "--lake", d.lakeURL, "--database", d.start())
	if s.Posts.Seen == 0 || s.Outcomes["evaluated"] == 0 {
		d.t.Fatalf("nothing to lose: %+v", s)
	}
	d.hashes, d.panels = d.state()
	return fmt.Sprintf("%d posts, %d outcomes evaluated, %d tables, %d panel queries", s.Posts.Seen, s.Outcomes["evaluated"], len(d.hashes), d.queries)
}

func (d *drill) losePostgres() string {
	if err := d.server.Stop(); err != nil {
		d.t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(d.dir, "postgres")); err != nil {
		d.t.Fatal(err)
	}
	url := d.start()
	b, err := projectors.New(projectors.Options{Lake: d.open(""), DatabaseURL: url}).Rebuild(d.t.Context(), false)
	if err != nil {
		d.t.Fatal(err)
	}
	d.same("after the rebuild")
	return fmt.Sprintf("%d rows in %.2f s: tables and panels equal", b.Rows, b.Seconds)
}

func (d *drill) loseCache() string {
	cache := filepath.Join(d.dir, "cache")
	first := d.count(cache)
	if entries, err := os.ReadDir(cache); err != nil || len(entries) == 0 {
		d.t.Fatalf("nothing was cached: %v", err)
	}
	if err := os.RemoveAll(cache); err != nil {
		d.t.Fatal(err)
	}
	if again := d.count(cache); again != first || first == 0 {
		d.t.Errorf("%d events before, %d after the cache was lost", first, again)
	}
	return fmt.Sprintf("%d events", first)
}

// loseAnswer lets the bucket take a commit and the answer get lost on its way.
func (d *drill) loseAnswer() string {
	t := d.t
	var lost faulty.Fault
	for _, f := range append(faulty.Faults(), faulty.HTTPFaults()...) {
		if f.Lands && f.For("PUT") && !f.Hang {
			lost = f
		}
	}
	if lost.Name == "" {
		t.Fatal("no fault lets a PUT land and loses the answer")
	}
	struck := 0
	d.proxy.Set(func(r faulty.Request) *faulty.Fault {
		if r.Verb != "PUT" || !strings.Contains(r.Key, "_delta_log") || struck > 0 {
			return nil
		}
		struck++
		return &lost
	})
	l := d.open("")
	before := rowsOf(t, l)
	at, err := event.PublishedAt("113796110000000001")
	if err != nil {
		t.Fatal(err)
	}
	draft := event.Post{Envelope: event.Envelope{Kind: event.PostObserved, Key: "113796110000000001", Source: "archive:drill.csv", OccurredAt: at, Synthetic: true},
		PostID: "113796110000000001", PublishedAt: at, Text: "The answer to this was lost"}
	n, err := lake.NewRecorder(l.Posts, nil).Record(t.Context(), func() ([]event.Post, error) { return []event.Post{draft}, nil })
	d.proxy.Set(nil)
	if err != nil || n != 1 || struck != 1 {
		t.Errorf("appended %d, %v; %d answers were lost", n, err, struck)
	}
	if rows := rowsOf(t, d.open("")); rows != before+1 {
		t.Errorf("%d events before, %d after the commit whose answer was lost", before, rows)
	}
	projector := projectors.New(projectors.Options{Lake: d.open(""), DatabaseURL: d.server.URL()})
	if err := projector.Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	checkNothingToRepair(t, d.lakeURL, d.server.URL())
	return "the event is there once, lake and read model verify"
}

func (d *drill) start() string {
	s, err := localpg.Start(d.t.Context(), localpg.Options{Dir: filepath.Join(d.dir, "postgres"), NoSync: true, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		d.t.Fatal(err)
	}
	d.server = s
	return s.URL()
}

func (d *drill) open(cache string) *lake.Lake {
	l, err := lake.Open(d.t.Context(), d.lakeURL, lake.Options{Producer: "drill@1", CacheDir: cache})
	if err != nil {
		d.t.Fatal(err)
	}
	return l
}

// count reads all posts through a cache.
func (d *drill) count(cache string) (n int) {
	s, err := d.open(cache).Posts.Snapshot(d.t.Context(), -1)
	if err != nil {
		d.t.Fatal(err)
	}
	for batch, err := range s.Batches(d.t.Context()) {
		if err != nil {
			d.t.Fatal(err)
		}
		n += len(batch)
	}
	return n
}

func rowsOf(t *testing.T, l *lake.Lake) int64 {
	t.Helper()
	s, err := l.Posts.Snapshot(t.Context(), -1)
	if err != nil {
		t.Fatal(err)
	}
	return s.Rows()
}

func (d *drill) same(when string) {
	d.t.Helper()
	hashes, panels := d.state()
	for i := range d.hashes {
		if !reflect.DeepEqual(hashes[i], d.hashes[i]) && hashes[i].Table != readmodel.Positions {
			d.t.Errorf("%s: %+v, was %+v", when, hashes[i], d.hashes[i])
		}
	}
	for name, was := range d.panels {
		if panels[name] != was {
			d.t.Errorf("%s panel %s shows\n%.500s\nit was\n%.500s", when, name, panels[name], was)
		}
	}
}

// state returns the hashes of all tables and what all panels show.
func (d *drill) state() ([]projectors.TableHash, map[string]string) {
	conn := readmodeltest.Connect(d.t, d.server.URL())
	defer conn.Close(context.Background())
	h, err := projectors.Hashes(d.t.Context(), conn, readmodel.Schema, false)
	if err != nil {
		d.t.Fatal(err)
	}
	queries, err := dashboards.Queries()
	if err != nil {
		d.t.Fatal(err)
	}
	now := time.Now().UTC().Truncate(24 * time.Hour)
	env := macro.Env{From: now.AddDate(-1, 0, 0), To: now.AddDate(0, 0, 1), Interval: time.Hour}
	shown := map[string]string{}
	for _, q := range queries {
		if regexp.MustCompile(`ops\.|now\(\)|readmodel\.(pipeline|lag|latencies)`).MatchString(q.SQL) {
			continue // says when things were done, which a rebuild does again
		}
		if env.Variables, err = check.Values(d.t.Context(), conn.PgConn(), q.Dashboard, map[string][]string{"symbol": {"SPY"}}, env); err != nil {
			d.t.Fatal(err)
		}
		sql, err := env.Expand(q.SQL)
		if err != nil {
			d.t.Fatalf("%s: %v", q.Name, err)
		}
		rows, err := conn.Query(d.t.Context(), sql, pgx.QueryExecModeSimpleProtocol)
		if err != nil {
			d.t.Fatalf("%s: %v", q.Name, err)
		}
		for rows.Next() {
			values, err := rows.Values()
			if err != nil {
				d.t.Fatalf("%s: %v", q.Name, err)
			}
			for i, v := range values {
				if f, ok := v.(float64); ok { // Postgres adds doubles in any order: the last digits are nobody's
					values[i] = fmt.Sprintf("%.9g", f)
				}
			}
			shown[q.Name] += fmt.Sprintln(values...)
		}
		if err := rows.Err(); err != nil {
			d.t.Fatalf("%s: %v", q.Name, err)
		}
	}
	d.queries = len(shown)
	return h, shown
}

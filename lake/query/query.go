// Package query answers SQL over a snapshot of the lake with DuckDB, in this process.
//
// Every stream is a view events_posts, events_predictions, events_prices with all its events; posts,
// predictions, calls and prices beside them hold what is current, one row per fact, and outcomes is a
// table that a function of the caller computes. Timestamps are plain TIMESTAMPs in UTC, so that date
// functions work without extensions.
//
// DuckDB reads local Parquet files: those of a bucket are fetched into a folder first, but only of the
// streams that a statement names. This is the only package that needs cgo.
package query

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"

	_ "github.com/marcboeker/go-duckdb" // registers the driver

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/delta"
	"shitpost-alpha/lake/event"
)

// Options of a DB.
type Options struct {
	// Dir is where the files of a bucket and spilled intermediate results go while the DB is open:
	// best the lake's cache folder, on whose disk they are mere links. The folder for temporary files
	// when empty.
	Dir string
	// AsOf is the point of the history to look at; the zero value is now.
	AsOf lake.AsOf
	// Outcomes writes the table outcomes as a Parquet file, its timestamps without a zone, and returns its
	// path. It is called when a statement first names that table; nil means that there is none.
	Outcomes func(ctx context.Context, predictions *lake.Snapshot[event.Prediction], prices *lake.Snapshot[event.Price]) (path string, err error)
}

// DB is a DuckDB in memory with the views over one snapshot. It runs one statement at a time.
type DB struct {
	db   *sql.DB
	lake *lake.Lake
	opts Options
	dir  string   // of this DB alone
	lock *os.File // says that somebody uses dir

	starting sync.WaitGroup

	posts       stream[event.Post]
	predictions stream[event.Prediction]
	prices      stream[event.Price]
	outcomes    bool
}

// stream is what of one stream there is already.
type stream[E event.Event] struct {
	snapshot        *lake.Snapshot[E]
	events, current bool
}

// Open returns a DB over the lake. Nothing is read before a statement needs it.
func Open(ctx context.Context, l *lake.Lake, o Options) (*DB, error) {
	if o.Dir == "" {
		o.Dir = os.TempDir()
	}
	dir, lock, err := session(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("open DuckDB: %w", err)
	}
	d := &DB{lake: l, opts: o, dir: dir, lock: lock}
	settings := url.Values{"autoinstall_known_extensions": {"false"}, "autoload_known_extensions": {"false"}, "temp_directory": {filepath.Join(dir, "spill")}}
	if d.db, err = sql.Open("duckdb", "?"+settings.Encode()); err != nil {
		d.Close()
		return nil, fmt.Errorf("open DuckDB: %w", err)
	}
	d.db.SetMaxOpenConns(1) // one in-memory database, one set of views
	// DuckDB starts while the log of the lake is read. The first statement waits for it, and gets its error.
	d.starting.Go(func() { _ = d.db.PingContext(ctx) })
	return d, nil
}

const sessionPrefix = "session-"

// session makes a folder of its own below dir, locked as long as it is in use, and sweeps those whose
// users died.
func session(dir string) (string, *os.File, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", nil, err
	}
	old, err := filepath.Glob(filepath.Join(dir, sessionPrefix+"*"))
	if err != nil {
		return "", nil, err
	}
	for _, o := range old {
		if lock, err := lockFolder(o); err == nil {
			os.RemoveAll(o)
			lock.Close()
		}
	}
	// Locked under another name first: else another process could sweep it before it is.
	path, err := os.MkdirTemp(dir, ".new-"+sessionPrefix+"*")
	if err != nil {
		return "", nil, err
	}
	lock, err := lockFolder(path)
	if err != nil {
		return "", nil, errors.Join(err, os.RemoveAll(path))
	}
	final := filepath.Join(dir, strings.TrimPrefix(filepath.Base(path), ".new-"))
	return final, lock, os.Rename(path, final)
}

func lockFolder(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Close frees the database and removes its folder.
func (d *DB) Close() error {
	var err error
	if d.db != nil {
		d.starting.Wait()
		err = d.db.Close()
	}
	return errors.Join(err, os.RemoveAll(d.dir), d.lock.Close())
}

// Refresh makes the next statements see the newest events.
func (d *DB) Refresh(ctx context.Context) error {
	if _, err := d.db.ExecContext(ctx, dropViews); err != nil {
		return fmt.Errorf("drop views: %w", err)
	}
	d.posts, d.predictions, d.prices = stream[event.Post]{}, stream[event.Prediction]{}, stream[event.Price]{}
	d.outcomes = false
	return nil
}

// Query runs one statement. It ends when ctx does. The caller closes the rows before the next one.
func (d *DB) Query(ctx context.Context, statement string) (*sql.Rows, error) {
	if err := d.prepare(ctx, statement); err != nil {
		return nil, err
	}
	rows, err := d.db.QueryContext(ctx, statement)
	return rows, plain(ctx, err)
}

// plain returns the context's error where that is why a statement ended.
func plain(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// words are the names that a statement may mean. One too many is only read for nothing.
var words = regexp.MustCompile(`[a-z_][a-z0-9_]*`)

// prepare makes the views that the statement names.
func (d *DB) prepare(ctx context.Context, statement string) error {
	named := map[string]bool{}
	for _, w := range words.FindAllString(strings.ToLower(statement), -1) {
		named[w] = true
		if w == "show" || w == "information_schema" || strings.HasPrefix(w, "duckdb_") || strings.HasPrefix(w, "pragma") {
			for _, v := range Views() { // it asks which there are
				named[v.Name] = v.Name != "outcomes"
			}
		}
	}
	if named["outcomes"] && d.opts.Outcomes != nil && !d.outcomes {
		if err := d.addOutcomes(ctx); err != nil {
			return err
		}
	}
	if err := add(ctx, d, d.lake.Posts, &d.posts, named, currentPosts); err != nil {
		return err
	}
	named["predictions"] = named["predictions"] || named["calls"]
	if err := add(ctx, d, d.lake.Predictions, &d.predictions, named, currentPredictions); err != nil {
		return err
	}
	return add(ctx, d, d.lake.Prices, &d.prices, named, currentPrices)
}

// load takes the snapshot of a stream, once.
func load[E event.Event](ctx context.Context, d *DB, s *lake.Stream[E], have *stream[E]) (err error) {
	if have.snapshot == nil {
		have.snapshot, err = s.SnapshotAsOf(ctx, d.opts.AsOf)
	}
	return err
}

// add makes the views of one stream that are named.
func add[E event.Event](ctx context.Context, d *DB, s *lake.Stream[E], have *stream[E], named map[string]bool, current []string) error {
	name := s.Name()
	wantCurrent := named[name] || named["valid_"+name]
	if !have.events && (wantCurrent || named["events_"+name]) {
		if err := load(ctx, d, s, have); err != nil {
			return err
		}
		if err := eventsView(ctx, d, have.snapshot, name); err != nil {
			return fmt.Errorf("prepare view events_%s: %w", name, plain(ctx, err))
		}
		have.events = true
	}
	if have.current || !wantCurrent {
		return nil
	}
	valid, err := validView(ctx, d, have.snapshot, name)
	if err != nil {
		return fmt.Errorf("read retractions of %s: %w", name, plain(ctx, err))
	}
	for _, view := range append([]string{valid}, current...) {
		if _, err := d.db.ExecContext(ctx, view); err != nil {
			return fmt.Errorf("prepare views of %s: %w", name, plain(ctx, err))
		}
	}
	have.current = true
	return nil
}

// eventsView makes the view of all events of a stream, with the columns of the table in its order.
func eventsView[E event.Event](ctx context.Context, d *DB, snap *lake.Snapshot[E], name string) error {
	schema, err := snap.Schema()
	if err != nil {
		return err
	}
	columns, err := selectList(schema)
	if err != nil {
		return err
	}
	files, err := snap.LocalFiles(ctx, d.dir)
	if err != nil {
		return err
	}
	same, err := sameColumns(files)
	if err != nil {
		return err
	}
	view := "CREATE VIEW events_" + name + " AS SELECT " + columns + " FROM read_parquet("
	if same && len(files) > 0 {
		if _, err := d.db.ExecContext(ctx, view+list(files)+")"); err == nil {
			return nil
		}
	}
	// Columns were added since some of the files were written, maybe since all of them; or there is none.
	with, err := snap.ColumnsFile(d.dir)
	if err != nil {
		return err
	}
	_, err = d.db.ExecContext(ctx, view+list(append(files, with))+", union_by_name = true)")
	return err
}

// list is a list of texts in SQL.
func list(texts []string) string {
	quoted := make([]string, len(texts))
	for i, s := range texts {
		quoted[i] = quote(s)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// selectList names the columns of a Delta schema. It turns every instant into a TIMESTAMP: without the
// ICU extension, which is not linked in, DuckDB can do next to nothing with a TIMESTAMPTZ.
func selectList(schema string) (string, error) {
	var table struct {
		Fields []struct {
			Name string `json:"name"`
			Type any    `json:"type"`
		} `json:"fields"`
	}
	if err := json.Unmarshal([]byte(schema), &table); err != nil {
		return "", fmt.Errorf("read table schema: %w", err)
	}
	list := make([]string, len(table.Fields))
	for i, f := range table.Fields {
		list[i] = identifier(f.Name)
		if f.Type == "timestamp" {
			list[i] += "::TIMESTAMP AS " + identifier(f.Name)
		}
	}
	return strings.Join(list, ", "), nil
}

func identifier(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// validView returns the statement that makes the view of the events that were not retracted. Where
// nothing was, which is nearly always so and which the statistics of the log mostly say, that is all of
// them without further work.
func validView[E event.Event](ctx context.Context, d *DB, snap *lake.Snapshot[E], name string) (string, error) {
	view := fmt.Sprintf("CREATE VIEW valid_%[1]s AS SELECT * FROM events_%[1]s", name)
	if !slices.ContainsFunc(snap.Files, func(f *delta.Add) bool { return lake.MayHold(f, event.Retracted) }) {
		return view, nil
	}
	ids := fmt.Sprintf(`CREATE OR REPLACE TABLE retracted_%[1]s AS SELECT DISTINCT id FROM (
		SELECT unnest(retracted_events) AS id FROM events_%[1]s WHERE kind = 'retracted'
		UNION ALL SELECT retracted_batch FROM events_%[1]s WHERE kind = 'retracted') WHERE id <> ''`, name)
	if _, err := d.db.ExecContext(ctx, ids); err != nil {
		return "", err
	}
	var n int64
	if err := d.db.QueryRowContext(ctx, "SELECT count(*) FROM retracted_"+name).Scan(&n); err != nil {
		return "", err
	}
	if n > 0 {
		view += fmt.Sprintf(` e WHERE kind = 'retracted' OR NOT EXISTS (FROM retracted_%[1]s r WHERE r.id = e.event_id)
			AND NOT EXISTS (FROM retracted_%[1]s r WHERE r.id = e.batch_id)`, name)
	}
	return view, nil
}

func (d *DB) addOutcomes(ctx context.Context) error {
	if err := load(ctx, d, d.lake.Predictions, &d.predictions); err != nil {
		return err
	}
	if err := load(ctx, d, d.lake.Prices, &d.prices); err != nil {
		return err
	}
	path, err := d.opts.Outcomes(ctx, d.predictions.snapshot, d.prices.snapshot)
	if err != nil {
		return fmt.Errorf("compute outcomes: %w", err)
	}
	// A table, not a view: the file may be thrown out of the cache while this DB is open.
	_, err = d.db.ExecContext(ctx, "CREATE TABLE outcomes AS SELECT * FROM read_parquet("+quote(path)+")")
	if err != nil {
		return fmt.Errorf("read outcomes: %w", plain(ctx, err))
	}
	d.outcomes = true
	return nil
}

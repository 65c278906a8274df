// Package query answers SQL over a snapshot of the lake with DuckDB, in this process.
//
// Every stream is a view events_posts, events_predictions, events_prices with all its events; posts,
// predictions and prices beside them hold what is current, one row per fact. Timestamps are plain
// TIMESTAMPs in UTC, so that date functions work without extensions. DuckDB reads local Parquet
// files; those of a bucket are fetched into a cache folder first. This is the only package that
// needs cgo.
package query

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	_ "github.com/marcboeker/go-duckdb" // registers the driver

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/event"
)

// DB is a DuckDB in memory with the views over one snapshot.
type DB struct {
	db *sql.DB
}

// Open takes a snapshot of each stream at its newest version and makes the views over it. cacheDir
// keeps the files of a bucket between calls.
func Open(ctx context.Context, l *lake.Lake, cacheDir string) (*DB, error) {
	db, err := sql.Open("duckdb", "")
	if err != nil {
		return nil, fmt.Errorf("open DuckDB: %w", err)
	}
	d := &DB{db: db}
	if err := d.setUp(ctx, l, cacheDir); err != nil {
		db.Close()
		return nil, err
	}
	return d, nil
}

// Close frees the database.
func (d *DB) Close() error { return d.db.Close() }

// Query runs one statement. It ends when ctx does.
func (d *DB) Query(ctx context.Context, statement string) (*sql.Rows, error) {
	return d.db.QueryContext(ctx, statement)
}

func (d *DB) setUp(ctx context.Context, l *lake.Lake, cacheDir string) error {
	d.db.SetMaxOpenConns(1) // one in-memory database, one set of views
	statements := []string{"SET autoinstall_known_extensions=false", "SET autoload_known_extensions=false"}
	for _, add := range []func() (string, error){
		func() (string, error) { return eventsView(ctx, d.db, l.Posts, cacheDir) },
		func() (string, error) { return eventsView(ctx, d.db, l.Predictions, cacheDir) },
		func() (string, error) { return eventsView(ctx, d.db, l.Prices, cacheDir) },
	} {
		view, err := add()
		if err != nil {
			return err
		}
		statements = append(statements, view)
	}
	statements = append(statements, current()...)
	for _, s := range statements {
		if _, err := d.db.ExecContext(ctx, s); err != nil {
			return fmt.Errorf("prepare views: %w", err)
		}
	}
	return nil
}

// eventsView returns the statement that makes the view of all events of a stream.
func eventsView[E event.Event](ctx context.Context, db *sql.DB, s *lake.Stream[E], cacheDir string) (string, error) {
	snap, err := s.Snapshot(ctx, -1)
	if err != nil {
		return "", err
	}
	files, err := snap.LocalFiles(ctx, cacheDir)
	if err != nil {
		return "", err
	}
	quoted := make([]string, len(files))
	for i, f := range files {
		quoted[i] = "'" + strings.ReplaceAll(f, "'", "''") + "'"
	}
	source := "read_parquet([" + strings.Join(quoted, ", ") + "], union_by_name = true)"
	casts, err := timestampCasts(ctx, db, source)
	if err != nil {
		return "", fmt.Errorf("read columns of %s: %w", s.Name(), err)
	}
	return "CREATE VIEW events_" + s.Name() + " AS SELECT * " + casts + " FROM " + source, nil
}

// timestampCasts returns a REPLACE clause that turns every TIMESTAMPTZ into a TIMESTAMP: without the
// ICU extension, which is not linked in, DuckDB can do next to nothing with the former.
func timestampCasts(ctx context.Context, db *sql.DB, source string) (string, error) {
	rows, err := db.QueryContext(ctx, "SELECT column_name FROM (DESCRIBE SELECT * FROM "+source+") WHERE column_type = 'TIMESTAMP WITH TIME ZONE'")
	if err != nil {
		return "", err
	}
	defer rows.Close()
	var casts []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return "", err
		}
		casts = append(casts, fmt.Sprintf("%s::TIMESTAMP AS %s", name, name))
	}
	if len(casts) == 0 {
		return "", rows.Err()
	}
	return "REPLACE (" + strings.Join(casts, ", ") + ")", rows.Err()
}

// current returns the views of what is current: newest wins by (recorded_at, event_id), but of a
// prediction the first answer stands; what was retracted counts as never written.
func current() []string {
	var out []string
	for _, stream := range lake.Names() {
		out = append(out, fmt.Sprintf(`CREATE VIEW valid_%[1]s AS SELECT * FROM events_%[1]s
			WHERE event_id NOT IN (SELECT unnest(retracted_events) FROM events_%[1]s WHERE kind = 'retracted')
			AND batch_id NOT IN (SELECT retracted_batch FROM events_%[1]s WHERE kind = 'retracted' AND retracted_batch IS NOT NULL)`, stream))
	}
	return append(out,
		`CREATE VIEW posts AS SELECT * FROM valid_posts WHERE kind IN ('post_observed', 'post_deleted')
			QUALIFY row_number() OVER (PARTITION BY post_id, source ORDER BY recorded_at DESC, event_id DESC) = 1 AND kind = 'post_observed'`,
		`CREATE VIEW predictions AS SELECT * FROM valid_predictions WHERE kind IN ('prediction_made', 'post_bypassed')
			QUALIFY row_number() OVER (PARTITION BY prediction_id ORDER BY recorded_at, event_id) = 1`,
		`CREATE VIEW prices AS SELECT * FROM valid_prices WHERE kind = 'bar_recorded'
			QUALIFY row_number() OVER (PARTITION BY symbol, session_date, interval, source ORDER BY recorded_at DESC, event_id DESC) = 1`,
	)
}

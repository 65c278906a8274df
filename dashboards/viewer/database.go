package viewer

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"shitpost-alpha/readmodel"
)

// Limits of one statement. Grafana has a data source of its own to set them; here they are fixed.
const (
	statementTimeout = 15 * time.Second
	mostRows         = 20_000
	poolSize         = 4
)

// asker answers statements. Safe for concurrent use.
type asker interface {
	query(ctx context.Context, sql string) (frame, error)
	close()
}

// database runs statements as the reading role and never writes.
type database struct {
	pool    *pgxpool.Pool
	timeout time.Duration // of one statement
}

// openDatabase makes a small pool. It does not connect: a Postgres that is down is shown in the
// panels, and used once it is up.
func openDatabase(ctx context.Context, databaseURL string) (*database, error) {
	config, err := pgxpool.ParseConfig(databaseURL)
	if err != nil {
		// The error of the library may show parts of a URL that it could not read, a password too.
		return nil, errors.New("read database URL: it must have the form postgres://user:password@host:port/database")
	}
	config.MaxConns, config.MinConns = poolSize, 0
	config.ConnConfig.ConnectTimeout = 5 * time.Second
	config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol // as Grafana, and works through a transaction pooler
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("make connection pool: %w", err)
	}
	return &database{pool: pool, timeout: statementTimeout}, nil
}

// query runs one statement in a transaction of its own that may only read, as role grafana, and
// reads at most mostRows rows. What is set holds for that transaction alone, so nothing is left
// behind in a pooler's session.
func (db *database) query(ctx context.Context, sql string) (frame, error) {
	var f frame
	err := pgx.BeginTxFunc(ctx, db.pool, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		settings := fmt.Sprintf("SET LOCAL ROLE %s; SET LOCAL statement_timeout = %d; SET LOCAL search_path = pg_catalog; SET LOCAL jit = off; SET LOCAL timezone = 'UTC'; SET LOCAL work_mem = '64MB'",
			pgx.Identifier{readmodel.RoleGrafana}.Sanitize(), db.timeout.Milliseconds())
		if _, err := tx.Exec(ctx, settings); err != nil {
			return fmt.Errorf("become role %s: %w", readmodel.RoleGrafana, err)
		}
		rows, err := tx.Query(ctx, sql)
		if err != nil {
			return fmt.Errorf("run statement: %w", err)
		}
		defer rows.Close()
		f, err = readRows(rows)
		return err
	})
	return f, err
}

func (db *database) close() { db.pool.Close() }

func readRows(rows pgx.Rows) (frame, error) {
	var f frame
	for _, d := range rows.FieldDescriptions() {
		f.Fields = append(f.Fields, &field{Name: d.Name, Kind: kindOf(d.DataTypeOID)})
	}
	for rows.Next() {
		if f.Rows == mostRows {
			f.Cut = true
			break
		}
		values, err := rows.Values()
		if err != nil {
			return f, fmt.Errorf("read row: %w", err)
		}
		for i, v := range values {
			f.Fields[i].Values = append(f.Fields[i].Values, value(v, rows.RawValues()[i]))
		}
		f.Rows++
	}
	if f.Cut {
		return f, nil // the rest is not worth reading; closing the rows says so to the server
	}
	if err := rows.Err(); err != nil {
		return f, fmt.Errorf("read rows: %w", err)
	}
	return f, nil
}

// kindOf maps a column's type as Grafana's data source does.
func kindOf(oid uint32) kind {
	switch oid {
	case pgtype.Int8OID, pgtype.Int2OID, pgtype.Int4OID, pgtype.Float4OID, pgtype.Float8OID, pgtype.NumericOID:
		return number
	case pgtype.TimestampOID, pgtype.TimestamptzOID, pgtype.DateOID:
		return moment
	case pgtype.BoolOID:
		return boolean
	}
	return text
}

// value is what a panel can draw: nil, float64, time.Time, bool or string. A number that is none
// (NaN, infinity) is nil: nothing can be drawn of it.
func value(v any, raw []byte) any {
	switch v := v.(type) {
	case nil:
		return nil
	case float64:
		return finite(v)
	case float32:
		return finite(float64(v))
	case int16:
		return float64(v)
	case int32:
		return float64(v)
	case int64:
		return float64(v)
	case pgtype.Numeric:
		f, err := v.Float64Value()
		if err != nil || !f.Valid {
			return nil
		}
		return finite(f.Float64)
	case time.Time:
		return v.UTC()
	case bool, string:
		return v
	}
	return string(raw)
}

func finite(v float64) any {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return v
}

// problem is an error as a reader may see it: what Postgres says with its SQLSTATE, else in general
// words, for other errors name hosts and users.
func problem(err error) string {
	var pg *pgconn.PgError
	var expand *expandError
	switch {
	case errors.As(err, &pg) && pg.Code == "57014":
		return "SQLSTATE 57014: the query took too long and was stopped"
	case errors.As(err, &pg) && (pg.Code == "42P01" || pg.Code == "3F000"):
		return "SQLSTATE " + pg.Code + ": " + pg.Message + " (has the projector built this read model?)"
	case errors.As(err, &pg):
		return "SQLSTATE " + pg.Code + ": " + pg.Message
	case errors.As(err, &expand):
		return expand.Error()
	case errors.Is(err, context.DeadlineExceeded):
		return "the page took too long: the query was given up"
	case errors.Is(err, context.Canceled):
		return "the request was given up"
	}
	return "the database could not be asked: see the viewer's log"
}

// expandError is an error of a statement's variables or macros: it names nothing secret.
type expandError struct{ error }

func (e *expandError) Unwrap() error { return e.error }

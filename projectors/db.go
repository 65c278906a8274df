package projectors

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"shitpost-alpha/readmodel"
)

// Connect opens one connection to Postgres in a mode that also works through a transaction pooler.
func Connect(ctx context.Context, url string) (*pgx.Conn, error) {
	if url == "" {
		return nil, errors.New("connect to Postgres: no URL given: set --database or DATABASE_URL to postgres://user@host/database")
	}
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("read database URL: %w", err)
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "projector"
	}
	for try := 1; ; try++ {
		conn, err := pgx.ConnectConfig(ctx, config)
		if err == nil {
			return conn, nil
		}
		if try == connectTries || !waking(err) || sleep(ctx, time.Second) != nil {
			return nil, fmt.Errorf("connect to Postgres: %w", err)
		}
	}
}

// connectTries is how often a server that is just starting is asked, a second apart.
const connectTries = 20

// waking reports whether the server is there and says that it cannot be used yet: it starts, or a suspended
// instance wakes up.
func waking(err error) bool {
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr) && pgErr.Code == "57P03" // cannot_connect_now
}

// db returns the projector's connection, a new one when the last has broken.
func (p *Projector) db(ctx context.Context) (*pgx.Conn, error) {
	if p.conn != nil && !p.conn.IsClosed() {
		return p.conn, nil
	}
	conn, err := Connect(ctx, p.opts.DatabaseURL)
	if err != nil {
		return nil, err
	}
	p.conn = conn
	return conn, nil
}

// Close closes the connection to Postgres.
func (p *Projector) Close(ctx context.Context) error {
	if p.conn == nil {
		return nil
	}
	return p.conn.Close(ctx)
}

// A transaction of a projector that was halted or cut off, and so says nothing for a minute, is ended by the
// server: it would keep the others from the fence. A build may think longer.
const patience = "SET LOCAL idle_in_transaction_session_timeout = '15min'"

// transaction runs f in a transaction, as role projector where the connected user may be that. A crash
// may lose the last transactions, but only whole ones, so commits need not wait for the disk.
func (p *Projector) transaction(ctx context.Context, opts pgx.TxOptions, f func(tx pgx.Tx) error) error {
	conn, err := p.db(ctx)
	if err != nil {
		return err
	}
	return pgx.BeginTxFunc(ctx, conn, opts, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, transactionSettings, pgx.QueryExecModeSimpleProtocol); err != nil {
			return fmt.Errorf("begin transaction: %w", err)
		}
		return f(tx)
	})
}

const transactionSettings = `SET LOCAL timezone = 'UTC'; SET LOCAL datestyle = 'ISO'; SET LOCAL jit = off; SET LOCAL synchronous_commit = off;
	SET LOCAL client_min_messages = warning; SET LOCAL idle_in_transaction_session_timeout = '1min';
	SELECT set_config('role', 'projector', true) WHERE EXISTS (SELECT FROM pg_roles r WHERE r.rolname = 'projector'
		AND pg_has_role(session_user, r.oid, 'USAGE') AND has_database_privilege(r.oid, current_database(), 'CREATE')
		AND NOT EXISTS (SELECT FROM pg_namespace WHERE nspname IN ('readmodel', 'ops') AND nspowner <> r.oid))`

// buildLock is the key of the advisory lock, held to the end of a transaction, under which roles and
// schema ops are made and builds are swapped in: one at a time per database.
const buildLock = "SELECT pg_advisory_xact_lock(hashtextextended('shitpost-alpha readmodel build', 0))"

// prepare makes the roles and schema ops, and marks builds that never came to an end as crashed.
func (p *Projector) prepare(ctx context.Context) error {
	conn, err := p.db(ctx)
	if err != nil {
		return err
	}
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, buildLock); err != nil {
			return fmt.Errorf("lock database: %w", err)
		}
		if err := script(ctx, tx, "roles", readmodel.RolesSQL()); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, transactionSettings, pgx.QueryExecModeSimpleProtocol); err != nil {
			return fmt.Errorf("begin transaction: %w", err)
		}
		if err := script(ctx, tx, "ops", readmodel.OpsSQL()); err != nil {
			return err
		}
		// The lock is ours, so no build is being written. One that is still reading the lake says so again when it
		// has come to its end.
		_, err := tx.Exec(ctx, `UPDATE ops.builds SET state = 'crashed', finished_at = clock_timestamp(), error = 'the projector ended before the build did'
			WHERE state = 'running'`)
		if err != nil {
			return fmt.Errorf("mark crashed builds: %w", err)
		}
		return nil
	})
}

// script runs SQL of the read model.
func script(ctx context.Context, tx pgx.Tx, name, sql string) error {
	if _, err := tx.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
		return fmt.Errorf("run %s of the read model: %w", name, err)
	}
	return nil
}

// lockFence locks the row that only one projector at a time may hold and returns the generation.
func lockFence(ctx context.Context, tx pgx.Tx) (generation int64, err error) {
	if err := tx.QueryRow(ctx, "SELECT generation FROM ops.fence FOR UPDATE").Scan(&generation); err != nil {
		return 0, fmt.Errorf("lock the fence: %w", err)
	}
	return generation, nil
}

// relations returns the tables and views of a schema, quoted.
func relations(ctx context.Context, tx pgx.Tx, schema string) ([]string, error) {
	rows, err := tx.Query(ctx, `SELECT format('%I.%I', $1::text, relname) FROM pg_class
		WHERE relnamespace = to_regnamespace(quote_ident($1)) AND relkind IN ('r', 'p', 'v', 'm') ORDER BY relkind, relname`, schema)
	if err != nil {
		return nil, fmt.Errorf("list relations of %s: %w", schema, err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("list relations of %s: %w", schema, err)
	}
	return names, nil
}

func join(names []string) string { return strings.Join(names, ", ") }

package projectors

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"shitpost-alpha/readmodel"
)

// swap puts the new schema in the place of the live one and drops that. All its relations are locked
// first, so that no reader mixes old and new tables: one that holds some of them is waited for. A waiting
// lock would in turn block every new reader, and could deadlock with one that needs a second table, so it
// is given up after 200 ms, below deadlock_timeout, and tried again.
func (p *Projector) swap(ctx context.Context, tx pgx.Tx) error {
	old, err := relations(ctx, tx, readmodel.Schema)
	if err != nil {
		return err
	}
	views, err := dependents(ctx, tx)
	if err != nil {
		return err
	}
	if len(old) > 0 {
		if err := p.lockAll(ctx, tx, old, views); err != nil {
			return err
		}
	}
	const oldSchema = "readmodel_old"
	sql := fmt.Sprintf("DROP SCHEMA IF EXISTS %s CASCADE;", oldSchema)
	if len(old) > 0 {
		sql += fmt.Sprintf("ALTER SCHEMA %s RENAME TO %s;", readmodel.Schema, oldSchema)
	} else {
		sql += fmt.Sprintf("DROP SCHEMA IF EXISTS %s;", readmodel.Schema)
	}
	sql += fmt.Sprintf("ALTER SCHEMA %s RENAME TO %s; COMMENT ON SCHEMA %s IS 'The read model: everything here follows from the events in the lake and may be thrown away.';",
		nextSchema, readmodel.Schema, readmodel.Schema)
	if err := script(ctx, tx, "swap", sql); err != nil {
		return err
	}
	for _, v := range views {
		err := asSessionUser(ctx, tx, func(sp pgx.Tx) error {
			return script(ctx, sp, "view "+v.name, "CREATE OR REPLACE VIEW "+v.name+" AS "+v.definition)
		})
		if tx.Conn().IsClosed() {
			return err
		}
		if err != nil {
			p.opts.Log.Warn("a view on the read model does not fit the new tables, or is not ours to change, and is dropped",
				"view", v.name, "definition", v.definition, "error", err)
		}
	}
	return script(ctx, tx, "drop of the old schema", fmt.Sprintf("DROP SCHEMA IF EXISTS %s CASCADE", oldSchema))
}

// asSessionUser runs f in a savepoint as the user that is connected, who may own views that role
// projector does not. An error undoes what f did, and locked.
func asSessionUser(ctx context.Context, tx pgx.Tx, f func(sp pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, tx, func(sp pgx.Tx) error {
		var role string
		if err := sp.QueryRow(ctx, "SELECT current_setting('role')").Scan(&role); err != nil {
			return err
		}
		if _, err := sp.Exec(ctx, "SELECT set_config('role', 'none', true)"); err != nil {
			return err
		}
		if err := f(sp); err != nil {
			return err
		}
		_, err := sp.Exec(ctx, "SELECT set_config('role', $1, true)", role)
		return err
	})
}

// lockAll locks the live relations, and the views on them that may be locked, against readers: all or none.
func (p *Projector) lockAll(ctx context.Context, tx pgx.Tx, names []string, views []dependent) error {
	for _, v := range views {
		if v.ours {
			names = append(names, v.name)
		}
	}
	for try := 1; ; try++ {
		err := asSessionUser(ctx, tx, func(sp pgx.Tx) error { // giving up releases what was locked
			_, err := sp.Exec(ctx, "SET LOCAL lock_timeout = '200ms'; LOCK TABLE "+join(names)+" IN ACCESS EXCLUSIVE MODE; SET LOCAL lock_timeout = 0",
				pgx.QueryExecModeSimpleProtocol)
			return err
		})
		var pgErr *pgconn.PgError
		if err == nil {
			return nil
		}
		if !errors.As(err, &pgErr) || pgErr.Code != "55P03" && pgErr.Code != "40P01" { // lock_not_available, deadlock_detected
			return fmt.Errorf("lock the live tables: %w", err)
		}
		if try%50 == 0 {
			p.opts.Log.Warn("waiting for readers of the live tables", "tries", try)
		}
		timer := time.NewTimer(50 * time.Millisecond)
		select {
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("lock the live tables: %w", ctx.Err())
		case <-timer.C:
		}
	}
}

type dependent struct {
	name, definition string
	ours             bool // may be locked and changed by the connected user
}

// dependents returns the views of other schemas that read the live tables, in the order in which they
// were made. They are moved to the new tables.
func dependents(ctx context.Context, tx pgx.Tx) ([]dependent, error) {
	// Within the function's own search_path the definitions name every schema.
	if _, err := tx.Exec(ctx, "SET LOCAL search_path = pg_catalog"); err != nil {
		return nil, fmt.Errorf("list dependent views: %w", err)
	}
	found, err := tx.Query(ctx, `SELECT DISTINCT v.oid, format('%I.%I', s.nspname, v.relname), pg_get_viewdef(v.oid), pg_has_role(session_user, v.relowner, 'USAGE')
		FROM pg_class v JOIN pg_namespace s ON s.oid = v.relnamespace JOIN pg_rewrite r ON r.ev_class = v.oid
		JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
		JOIN pg_class t ON t.oid = d.refobjid
		WHERE v.relkind = 'v' AND t.relnamespace = to_regnamespace($1) AND v.relnamespace <> t.relnamespace ORDER BY v.oid`, readmodel.Schema)
	if err != nil {
		return nil, fmt.Errorf("list dependent views: %w", err)
	}
	views, err := pgx.CollectRows(found, func(row pgx.CollectableRow) (d dependent, err error) {
		var oid uint32
		return d, row.Scan(&oid, &d.name, &d.definition, &d.ours)
	})
	if err != nil {
		return nil, fmt.Errorf("list dependent views: %w", err)
	}
	return views, nil
}

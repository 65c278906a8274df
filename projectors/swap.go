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

// The schemas of a build that is not live yet, and where the live ones go before they are dropped. All
// exist only inside the transaction of the build: a crash leaves nothing of them.
const (
	nextSchema = readmodel.Schema + "_next"
	nextLegacy = readmodel.Legacy + "_next"
	oldSchema  = readmodel.Schema + "_old"
	oldLegacy  = readmodel.Legacy + "_old"
)

// swap puts the new schemas in the place of the live ones and drops those. All their relations are locked
// first, so that no reader mixes old and new tables: one that holds some of them is waited for. A waiting
// lock would in turn block every new reader, and could deadlock with one that needs a second table, so it
// is given up after 200 ms, below deadlock_timeout, and tried again. Rights that were granted on the live
// tables are granted on the new ones. Views of other schemas move to the new tables; it returns what
// depended on the old ones and could not be moved, which is dropped with them.
func (p *Projector) swap(ctx context.Context, tx pgx.Tx) (dropped []string, err error) {
	legacy, err := ownsLegacy(ctx, tx)
	if err != nil {
		return nil, err
	}
	if !legacy {
		p.opts.Log.Warn("schema legacy is not ours and stays as it is: the Python system's tables are not shown", "schema", readmodel.Legacy)
	}
	old, err := relations(ctx, tx, readmodel.Schema)
	if err != nil {
		return nil, err
	}
	if legacy {
		more, err := relations(ctx, tx, readmodel.Legacy)
		if err != nil {
			return nil, err
		}
		old = append(old, more...)
	}
	views, err := dependents(ctx, tx, legacy)
	if err != nil {
		return nil, err
	}
	if len(old) > 0 {
		if err := p.lockAll(ctx, tx, old, views); err != nil {
			return nil, err
		}
		if err := p.carryGrants(ctx, tx, legacy); err != nil {
			return nil, err
		}
	}
	if err := rename(ctx, tx, len(old) > 0, legacy); err != nil {
		return nil, err
	}
	if err := p.moveViews(ctx, tx, views); err != nil {
		return nil, err
	}
	if dropped, err = leftBehind(ctx, tx); err != nil {
		return nil, err
	}
	for _, what := range dropped {
		p.opts.Log.Warn("dropped with the old tables: it depended on them and could not be moved", "object", what)
	}
	return dropped, script(ctx, tx, "drop of the old schemas", fmt.Sprintf("DROP SCHEMA IF EXISTS %s, %s CASCADE", oldSchema, oldLegacy))
}

// rename makes the new schemas the live ones.
func rename(ctx context.Context, tx pgx.Tx, live, legacy bool) error {
	sql := fmt.Sprintf("DROP SCHEMA IF EXISTS %s, %s CASCADE;", oldSchema, oldLegacy)
	if live {
		sql += fmt.Sprintf("ALTER SCHEMA %s RENAME TO %s;", readmodel.Schema, oldSchema)
	} else {
		sql += fmt.Sprintf("DROP SCHEMA IF EXISTS %s;", readmodel.Schema)
	}
	sql += fmt.Sprintf("ALTER SCHEMA %s RENAME TO %s; COMMENT ON SCHEMA %s IS 'The read model: everything here follows from the events in the lake and may be thrown away.';",
		nextSchema, readmodel.Schema, readmodel.Schema)
	if legacy {
		sql += fmt.Sprintf("DO $$ BEGIN IF to_regnamespace('%[1]s') IS NOT NULL THEN ALTER SCHEMA %[1]s RENAME TO %[2]s; END IF; END $$; ALTER SCHEMA %[3]s RENAME TO %[1]s;",
			readmodel.Legacy, oldLegacy, nextLegacy)
	} else {
		sql += fmt.Sprintf("DROP SCHEMA %s CASCADE;", nextLegacy)
	}
	return script(ctx, tx, "swap", sql)
}

// ownsLegacy reports whether schema legacy is not there or was made by a build: somebody may have one of
// that name, with the Python system's own tables for instance.
func ownsLegacy(ctx context.Context, tx pgx.Tx) (ours bool, err error) {
	err = tx.QueryRow(ctx, `SELECT coalesce((SELECT obj_description(oid, 'pg_namespace') IS NOT DISTINCT FROM
			(SELECT obj_description(to_regnamespace($2), 'pg_namespace')) FROM pg_namespace WHERE nspname = $1), true)`, readmodel.Legacy, nextLegacy).Scan(&ours)
	if err != nil {
		return false, fmt.Errorf("look at schema %s: %w", readmodel.Legacy, err)
	}
	return ours, nil
}

// moveViews makes the views read the new tables. One that does not fit them any more, or that is not
// ours to change, stays behind.
func (p *Projector) moveViews(ctx context.Context, tx pgx.Tx, views []dependent) error {
	for _, v := range views {
		err := asSessionUser(ctx, tx, func(sp pgx.Tx) error {
			return script(ctx, sp, "view "+v.name, "CREATE OR REPLACE VIEW "+v.name+" AS "+v.definition)
		})
		if tx.Conn().IsClosed() {
			return err
		}
		if err != nil {
			p.opts.Log.Warn("a view on the read model does not fit the new tables, or is not ours to change", "view", v.name, "definition", v.definition, "error", err)
		}
	}
	return nil
}

// carryGrants gives on the new schemas what others were granted on the live ones, where there is still a
// relation or column of that name.
func (p *Projector) carryGrants(ctx context.Context, tx pgx.Tx, legacy bool) error {
	found, err := tx.Query(ctx, `
		WITH s AS (SELECT n.oid AS was, n.nspacl, n.nspowner, m.oid AS now, m.nspname FROM pg_namespace n JOIN pg_namespace m ON m.nspname = n.nspname || '_next'
			WHERE n.nspname = $1 OR n.nspname = $2 AND $3),
		g AS (
			SELECT 'SCHEMA ' || quote_ident(s.nspname) AS object, '' AS part, a.* FROM s CROSS JOIN aclexplode(s.nspacl) a WHERE a.grantee <> s.nspowner
			UNION ALL SELECT format('%I.%I', s.nspname, c.relname), '', a.* FROM s JOIN pg_class c ON c.relnamespace = s.was CROSS JOIN aclexplode(c.relacl) a
				WHERE a.grantee <> c.relowner AND EXISTS (SELECT FROM pg_class d WHERE d.relnamespace = s.now AND d.relname = c.relname)
			UNION ALL SELECT format('%I.%I', s.nspname, c.relname), format(' (%I)', b.attname), a.* FROM s JOIN pg_class c ON c.relnamespace = s.was
				JOIN pg_attribute b ON b.attrelid = c.oid CROSS JOIN aclexplode(b.attacl) a
				WHERE EXISTS (SELECT FROM pg_class d JOIN pg_attribute e ON e.attrelid = d.oid WHERE d.relnamespace = s.now AND d.relname = c.relname AND e.attname = b.attname))
		SELECT format('GRANT %s%s ON %s TO %s%s', g.privilege_type, g.part, g.object, CASE WHEN g.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(r.rolname) END,
			CASE WHEN g.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
		FROM g LEFT JOIN pg_roles r ON r.oid = g.grantee WHERE g.grantee = 0 OR r.oid IS NOT NULL`, readmodel.Schema, readmodel.Legacy, legacy)
	if err != nil {
		return fmt.Errorf("list grants: %w", err)
	}
	grants, err := pgx.CollectRows(found, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("list grants: %w", err)
	}
	if len(grants) == 0 {
		return nil
	}
	return script(ctx, tx, "grants of others", strings.Join(grants, ";"))
}

// leftBehind returns what depends on the old schemas and will be dropped with them.
func leftBehind(ctx context.Context, tx pgx.Tx) ([]string, error) {
	found, err := tx.Query(ctx, `
		WITH RECURSIVE old AS (SELECT oid FROM pg_namespace WHERE nspname IN ($1, $2)),
		first AS (
			SELECT 'pg_class'::regclass::oid AS classid, oid AS objid FROM pg_class WHERE relnamespace IN (SELECT oid FROM old)
			UNION ALL SELECT 'pg_proc'::regclass, oid FROM pg_proc WHERE pronamespace IN (SELECT oid FROM old)
			UNION ALL SELECT 'pg_type'::regclass, oid FROM pg_type WHERE typnamespace IN (SELECT oid FROM old)),
		all_of_it AS (
			SELECT * FROM first
			UNION SELECT CASE WHEN r.oid IS NULL THEN d.classid ELSE 'pg_class'::regclass END, coalesce(r.ev_class, d.objid)
				FROM all_of_it a JOIN pg_depend d ON d.refclassid = a.classid AND d.refobjid = a.objid
				LEFT JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid)
		SELECT pg_describe_object(a.classid, a.objid, 0) FROM all_of_it a
		LEFT JOIN pg_class c ON a.classid = 'pg_class'::regclass AND c.oid = a.objid AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
		LEFT JOIN pg_proc f ON a.classid = 'pg_proc'::regclass AND f.oid = a.objid
		LEFT JOIN (SELECT oid, 'pg_constraint'::regclass AS kind, conrelid AS of FROM pg_constraint UNION ALL SELECT oid, 'pg_attrdef'::regclass, adrelid FROM pg_attrdef
			UNION ALL SELECT oid, 'pg_trigger'::regclass, tgrelid FROM pg_trigger UNION ALL SELECT oid, 'pg_policy'::regclass, polrelid FROM pg_policy) x
			ON a.classid = x.kind AND a.objid = x.oid
		LEFT JOIN pg_class t ON t.oid = x.of
		WHERE coalesce(c.relnamespace, f.pronamespace, t.relnamespace) NOT IN (SELECT oid FROM old) ORDER BY 1`, oldSchema, oldLegacy)
	if err != nil {
		return nil, fmt.Errorf("list what depends on the old tables: %w", err)
	}
	names, err := pgx.CollectRows(found, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("list what depends on the old tables: %w", err)
	}
	return names, nil
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

// dependents returns the views of other schemas that read the live relations or call their functions, in
// the order in which they were made. They are moved to the new tables.
func dependents(ctx context.Context, tx pgx.Tx, legacy bool) ([]dependent, error) {
	// Within the function's own search_path the definitions name every schema.
	if _, err := tx.Exec(ctx, "SET LOCAL search_path = pg_catalog"); err != nil {
		return nil, fmt.Errorf("list dependent views: %w", err)
	}
	found, err := tx.Query(ctx, `WITH live AS (SELECT oid FROM pg_namespace WHERE nspname = $1 OR nspname = $2 AND $3)
		SELECT DISTINCT v.oid, format('%I.%I', s.nspname, v.relname), pg_get_viewdef(v.oid), pg_has_role(session_user, v.relowner, 'USAGE')
		FROM pg_class v JOIN pg_namespace s ON s.oid = v.relnamespace JOIN pg_rewrite r ON r.ev_class = v.oid
		JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
		LEFT JOIN pg_class t ON d.refclassid = 'pg_class'::regclass AND t.oid = d.refobjid
		LEFT JOIN pg_proc f ON d.refclassid = 'pg_proc'::regclass AND f.oid = d.refobjid
		WHERE v.relkind = 'v' AND coalesce(t.relnamespace, f.pronamespace) IN (SELECT oid FROM live)
			AND v.relnamespace NOT IN (SELECT oid FROM live) ORDER BY v.oid`, readmodel.Schema, readmodel.Legacy, legacy)
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

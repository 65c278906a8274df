package projectors

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/readmodel"
)

// TableHash is the content of a table in short. Two tables with the same rows have the same, in
// whatever order they stand.
type TableHash struct {
	Table string `json:"table"`
	Rows  int64  `json:"rows"`
	Hash  string `json:"hash"`
}

// Hashes returns the hashes of all tables of a schema with the columns of this code's read model. Without
// recording time, columns that derive from when and in which commit something was recorded
// (readmodel.Table.Recording) are left out: then two histories of the same facts have the same hashes.
func Hashes(ctx context.Context, db interface {
	Begin(ctx context.Context) (pgx.Tx, error)
}, schema string, withRecordingTime bool) ([]TableHash, error) {
	var out []TableHash
	err := pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SET LOCAL timezone = 'UTC'; SET LOCAL datestyle = 'ISO'; SET LOCAL extra_float_digits = 1", pgx.QueryExecModeSimpleProtocol); err != nil {
			return err
		}
		for _, t := range readmodel.Tables() {
			h, err := hashOf(ctx, tx, schema, t, withRecordingTime)
			if err != nil {
				return err
			}
			out = append(out, h)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("hash tables of %s: %w", schema, err)
	}
	return out, nil
}

// hashOf adds up the two halves of the MD5 of every row: no order, and no row cancels another.
func hashOf(ctx context.Context, tx pgx.Tx, schema string, t readmodel.Table, withRecordingTime bool) (TableHash, error) {
	columns, err := compared(ctx, tx, schema, t, withRecordingTime)
	if err != nil {
		return TableHash{}, err
	}
	h := TableHash{Table: t.Name}
	var a, b string
	err = tx.QueryRow(ctx, fmt.Sprintf(`SELECT count(*), coalesce(sum(('x' || left(h, 16))::bit(64)::bigint::numeric), 0)::text,
		coalesce(sum(('x' || right(h, 16))::bit(64)::bigint::numeric), 0)::text FROM (SELECT md5(ROW(%s)::text) AS h FROM %s) AS r`,
		join(quote(columns)), pgx.Identifier{schema, t.Name}.Sanitize())).Scan(&h.Rows, &a, &b)
	if err != nil {
		return h, fmt.Errorf("%s: %w", t.Name, err)
	}
	h.Hash = event.Hash(fmt.Sprint(h.Rows), a, b)
	return h, nil
}

// compared returns the columns of a table that count, in their order.
func compared(ctx context.Context, tx pgx.Tx, schema string, t readmodel.Table, withRecordingTime bool) ([]string, error) {
	found, err := tx.Query(ctx, `SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(format('%I.%I', $1::text, $2::text))
		AND attnum > 0 AND NOT attisdropped ORDER BY attnum`, schema, t.Name)
	if err != nil {
		return nil, err
	}
	all, err := pgx.CollectRows(found, pgx.RowTo[string])
	if err != nil {
		return nil, err
	}
	columns := slices.DeleteFunc(all, func(c string) bool {
		return slices.Contains(t.Reading, c) || !withRecordingTime && slices.Contains(t.Recording, c)
	})
	if len(columns) == 0 {
		return nil, fmt.Errorf("table %s.%s does not exist", schema, t.Name)
	}
	return columns, nil
}

// firstDifference returns a sentence about the first row, by key, that differs between two schemas.
func firstDifference(ctx context.Context, tx pgx.Tx, live, fresh string, t readmodel.Table) (string, error) {
	columns, err := compared(ctx, tx, fresh, t, true)
	if err != nil {
		return "", err
	}
	row := func(schema string) string {
		return fmt.Sprintf("(SELECT concat_ws(' ', %s) AS key, ROW(%s)::text AS said, to_jsonb(t) AS doc FROM %s t)",
			join(quote(t.Key)), join(quote(columns)), pgx.Identifier{schema, t.Name}.Sanitize())
	}
	var key string
	var inLive, inFresh bool
	var names []string
	err = tx.QueryRow(ctx, fmt.Sprintf(`SELECT key, a.said IS NOT NULL, b.said IS NOT NULL,
			ARRAY(SELECT x.key FROM jsonb_each(a.doc) x JOIN jsonb_each(b.doc) y USING (key) WHERE x.value IS DISTINCT FROM y.value AND x.key = ANY ($1) ORDER BY 1)
		FROM %s a FULL JOIN %s b USING (key) WHERE a.said IS DISTINCT FROM b.said ORDER BY key LIMIT 1`, row(live), row(fresh)), columns).
		Scan(&key, &inLive, &inFresh, &names)
	switch {
	case err != nil:
		return "", fmt.Errorf("find the first difference in %s: %w", t.Name, err)
	case !inLive:
		return fmt.Sprintf("%s %s is missing", strings.Join(t.Key, " "), key), nil
	case !inFresh:
		return fmt.Sprintf("%s %s should not be there", strings.Join(t.Key, " "), key), nil
	}
	return fmt.Sprintf("%s %s differs in %s", strings.Join(t.Key, " "), key, strings.Join(names, ", ")), nil
}

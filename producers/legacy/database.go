package legacy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"shitpost-alpha/lake/event"
)

// oldTable is a table of the Python system.
type oldTable struct {
	name, stream string
	// order is the key: it makes the reading repeatable, so that of two rows about one thing the same
	// comes first. Bars stand between alternatives, here and in needs.
	order []string
	// needs are columns that a row cannot be read without.
	needs []string
}

// oldTables are read in this order: the newer generation of posts before the older, predictions after
// the posts. Lookup table, never changed.
var oldTables = []oldTable{
	{"signals", event.Posts, []string{"signal_id"}, []string{"signal_id", "text|content_html|raw_api_data"}},
	{"truth_social_shitposts", event.Posts, []string{"shitpost_id"}, []string{"shitpost_id", "text|content|raw_api_data"}},
	{"shitposts", event.Posts, []string{"id"}, []string{"id", "body"}},
	{"predictions", event.Predictions, []string{"id"}, []string{"id", "signal_id|shitpost_id", "assets", "confidence", "analysis_status|bypass_reason"}},
	{"market_prices", event.Prices, []string{"symbol|asset", "date"}, []string{"symbol|asset", "date", "open", "high", "low", "close", "last_updated"}},
}

// ErrNotLegacy says that a database does not hold the Python system's tables.
var ErrNotLegacy = errors.New("not the Python system's database")

// findTables returns the columns of those old tables that there are. The error wraps ErrNotLegacy and names what is
// missing of a table, or that there is none.
func findTables(ctx context.Context, tx pgx.Tx) (map[string][]string, error) {
	present := map[string][]string{}
	var names []string
	for _, t := range oldTables {
		names = append(names, t.name)
		rows, err := tx.Query(ctx, `SELECT attname::text FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped ORDER BY attnum`, t.name)
		if err != nil {
			return nil, fmt.Errorf("look for table %s: %w", t.name, err)
		}
		columns, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return nil, fmt.Errorf("look for table %s: %w", t.name, err)
		}
		if len(columns) == 0 {
			continue
		}
		present[t.name] = columns
		for _, need := range t.needs {
			if _, ok := oneOf(need, columns); !ok {
				return nil, fmt.Errorf("%w: table %s has no column %s; it has %s", ErrNotLegacy, t.name, strings.ReplaceAll(need, "|", " or "), strings.Join(columns, ", "))
			}
		}
	}
	if len(present) == 0 {
		return nil, fmt.Errorf("%w: none of the tables %s is on its search_path", ErrNotLegacy, strings.Join(names, ", "))
	}
	return present, nil
}

func countRows(ctx context.Context, tx pgx.Tx, t oldTable) (n int, err error) {
	if err := tx.QueryRow(ctx, "SELECT count(*) FROM "+t.name).Scan(&n); err != nil {
		return 0, fmt.Errorf("count rows: %w", err)
	}
	return n, nil
}

// oneOf returns the first of the alternatives that is among the columns.
func oneOf(alternatives string, columns []string) (string, bool) {
	for _, c := range strings.Split(alternatives, "|") {
		if slices.Contains(columns, c) {
			return c, true
		}
	}
	return "", false
}

// eachRow calls f for every row, which it may keep. Rows come as Postgres writes them in JSON: then a
// column that some version added or dropped is no error, and what is not understood is kept.
func eachRow(ctx context.Context, tx pgx.Tx, t oldTable, columns []string, f func(*row) error) error {
	var order []string
	for _, key := range t.order {
		column, _ := oneOf(key, columns) // findTables saw it
		order = append(order, "t."+column)
	}
	rows, err := tx.Query(ctx, "SELECT row_to_json(t)::text FROM "+t.name+" t ORDER BY "+strings.Join(order, ", "))
	if err != nil {
		return fmt.Errorf("read rows: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var doc string
		if err := rows.Scan(&doc); err != nil {
			return fmt.Errorf("read row: %w", err)
		}
		r, err := parseRow(t.name, []byte(doc))
		if err != nil {
			return err
		}
		if err := f(r); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read rows: %w", err)
	}
	return nil
}

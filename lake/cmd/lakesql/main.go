// Command lakesql answers SQL over a snapshot of the lake with DuckDB.
package main

import (
	"context"
	"database/sql"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/alecthomas/kong"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/cli"
	"shitpost-alpha/lake/query"
)

const description = `Ask the lake in SQL (DuckDB).

Views: events_posts, events_predictions, events_prices (every event); posts, predictions, prices
(what is current). Times are UTC.

Examples:
  lakesql "SELECT kind, count(*) FROM events_posts GROUP BY kind"
  lakesql "SELECT symbol, max(session_date), count(*) FROM prices GROUP BY symbol ORDER BY symbol"
  lakesql --format csv "SELECT published_at, text FROM posts ORDER BY published_at DESC LIMIT 20"
  lakesql "SELECT a.symbol, a.sentiment, count(*) FROM (SELECT unnest(assets) AS a FROM predictions) GROUP BY ALL"`

type grammar struct {
	Lake    string           `name:"lake" env:"LAKE_URL" default:"./data/lake" placeholder:"URL" help:"Folder or s3://bucket/prefix."`
	Cache   string           `name:"cache" env:"LAKE_CACHE" placeholder:"DIR" help:"Folder for files fetched from a bucket; by default in the user's cache folder."`
	Format  string           `name:"format" enum:"table,csv,jsonl" default:"table" help:"table, csv or jsonl."`
	JSON    bool             `name:"json" help:"The same as --format jsonl."`
	Version kong.VersionFlag `name:"version" help:"Print the version."`
	SQL     string           `arg:"" name:"sql" help:"One statement."`
}

func main() { cli.Main("lakesql", run) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var g grammar
	_, done, err := cli.Parse(&g, "lakesql", description, args, stdout, stderr)
	if err != nil || done {
		return err
	}
	if g.Cache == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			dir = os.TempDir()
		}
		g.Cache = filepath.Join(dir, "shitpost-alpha", "lake")
	}
	l, err := lake.Open(ctx, g.Lake, lake.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	db, err := query.Open(ctx, l, g.Cache)
	if err != nil {
		return err
	}
	defer db.Close()
	rows, err := db.Query(ctx, g.SQL)
	if err != nil {
		return fmt.Errorf("query %s: %w", l.URL, err)
	}
	defer rows.Close()
	if g.JSON {
		g.Format = "jsonl"
	}
	return print(stdout, rows, g.Format)
}

// print writes the rows in the format, as they come.
func print(out io.Writer, rows *sql.Rows, format string) error {
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	write, flush := writer(out, columns, format)
	for rows.Next() {
		values := make([]any, len(columns))
		into := make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return err
		}
		if err := write(values); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	return flush()
}

func writer(out io.Writer, columns []string, format string) (write func([]any) error, flush func() error) {
	switch format {
	case "csv":
		w := csv.NewWriter(out)
		_ = w.Write(columns) // Flush reports what goes wrong
		return func(v []any) error { return w.Write(texts(v, "")) }, func() error { w.Flush(); return w.Error() }
	case "jsonl":
		enc := json.NewEncoder(out)
		enc.SetEscapeHTML(false)
		return func(v []any) error {
			row := make(map[string]any, len(v))
			for i, c := range columns {
				row[c] = v[i]
			}
			return enc.Encode(row)
		}, func() error { return nil }
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, strings.Join(columns, "\t"))
	return func(v []any) error {
		for i, s := range texts(v, "NULL") {
			if i > 0 {
				fmt.Fprint(w, "\t")
			}
			fmt.Fprint(w, strings.NewReplacer("\n", " ", "\t", " ").Replace(s))
		}
		_, err := fmt.Fprintln(w)
		return err
	}, w.Flush
}

func texts(values []any, null string) []string {
	out := make([]string, len(values))
	for i, v := range values {
		switch v := v.(type) {
		case nil:
			out[i] = null
		case time.Time:
			out[i] = strings.TrimSuffix(v.UTC().Format("2006-01-02 15:04:05.999999"), " 00:00:00")
		case []byte:
			out[i] = string(v)
		default:
			out[i] = fmt.Sprint(v)
		}
	}
	return out
}

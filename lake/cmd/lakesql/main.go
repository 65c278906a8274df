// Command lakesql answers SQL over a snapshot of the lake with DuckDB.
package main

import (
	"context"
	"io"

	"github.com/alecthomas/kong"

	"shitpost-alpha/lake/cli"
)

const description = `Ask the lake in SQL (DuckDB): one statement, a script with -f or on standard input,
or without either a shell with history.

Names: posts, predictions, calls, prices (what is current), outcomes (computed now), events_posts,
events_predictions, events_prices (every event). Times are UTC.

Examples:
  lakesql "SELECT kind, count(*) FROM events_posts GROUP BY kind"
  lakesql "SELECT symbol, max(session_date), count(*) FROM prices GROUP BY symbol ORDER BY symbol"
  lakesql --format csv -o posts.csv "SELECT published_at, text FROM posts ORDER BY published_at"
  lakesql --as-of 2025-06-30 "SELECT count(*) FROM predictions"
  lakesql --as-of posts=12,prices=40 "SELECT count(*) FROM posts"
  lakesql "SELECT sentiment, avg(correct::INT) FROM outcomes WHERE basis = 'next_open' AND horizon = 1 GROUP BY 1"
  lakesql -f report.sql`

type grammar struct {
	Lake        string           `name:"lake" env:"LAKE_URL" default:"./data/lake" placeholder:"URL" help:"Folder or s3://bucket/prefix."`
	File        string           `name:"file" short:"f" placeholder:"FILE" help:"Run the statements of a file; - is standard input."`
	Output      string           `name:"output" short:"o" placeholder:"FILE" help:"Write to a file, which appears when it is whole."`
	Format      string           `name:"format" enum:"table,csv,jsonl,arrow,parquet" default:"table" help:"table, csv, jsonl, arrow (IPC stream) or parquet."`
	JSON        bool             `name:"json" help:"The same as --format jsonl."`
	Full        bool             `name:"full" help:"Cut no cell of a table to the width of the terminal."`
	Null        string           `name:"null" default:"NULL" help:"What stands for NULL in tables; CSV has nothing there."`
	AsOf        string           `name:"as-of" placeholder:"VERSION|TIME" help:"Look at an earlier version (12, or posts=12,prices=40) or time (2025-06-30T14:00)."`
	Cache       string           `name:"cache" env:"LAKE_CACHE" placeholder:"DIR" help:"Folder for files fetched from a bucket; by default in the user's cache folder."`
	CacheBytes  cli.Size         `name:"cache-bytes" env:"LAKE_CACHE_BYTES" default:"2GB" placeholder:"SIZE" help:"How large it may grow."`
	Band        float64          `name:"band" env:"CORRECTNESS_BAND" default:"0.5" placeholder:"PCT" help:"Of outcomes: how far a return must go to count, in percentage points."`
	Benchmark   string           `name:"benchmark" env:"BENCHMARK" default:"SPY" placeholder:"SYMBOL" help:"Of outcomes: symbol of the benchmark."`
	SourceOrder []string         `name:"source-order" env:"PRICE_SOURCE_ORDER" placeholder:"SOURCE" help:"Of outcomes: price sources or families to prefer, best first."`
	Version     kong.VersionFlag `name:"version" help:"Print the version."`
	SQL         string           `arg:"" optional:"" name:"sql" help:"Statements, separated by semicolons."`
}

func main() { cli.Main("lakesql", run) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var g grammar
	_, done, err := cli.Parse(&g, "lakesql", description, args, stdout, stderr)
	if err != nil || done {
		return err
	}
	return (&session{grammar: g, stdout: stdout, stderr: stderr}).run(ctx)
}

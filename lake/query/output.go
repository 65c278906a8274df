package query

import (
	"context"
	"database/sql"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/marcboeker/go-duckdb"
)

// Formats are the forms in which Write gives a result.
func Formats() []string { return []string{"table", "csv", "jsonl", "arrow", "parquet"} }

// Output says how Write gives a result.
type Output struct {
	// Format is one of Formats.
	Format string
	// Null stands for NULL in tables and CSV.
	Null string
	// Width is how many characters a line of a table may have, 0 any number. Full leaves the cells
	// whole whatever the width.
	Width int
	Full  bool
}

// Write runs one statement, writes its result to w and returns how many rows it had; -1 where the
// format does not tell (Parquet). A statement without a result writes nothing.
func (d *DB) Write(ctx context.Context, w io.Writer, statement string, o Output) (int, error) {
	switch o.Format {
	case "arrow":
		return d.writeArrow(ctx, w, statement)
	case "parquet":
		return -1, d.writeParquet(ctx, w, statement)
	}
	rows, err := d.Query(ctx, statement)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	types, err := rows.ColumnTypes()
	if err != nil {
		return 0, err
	}
	var out rowWriter
	switch o.Format {
	case "csv":
		if out, err = newCSV(w, types, o.Null); err != nil {
			return 0, err
		}
	case "jsonl":
		out = &jsonWriter{w: w, types: types}
	case "table":
		out = newTable(w, types, o)
	default:
		return 0, fmt.Errorf("no format %q: there are %s", o.Format, strings.Join(Formats(), ", "))
	}
	n, err := each(ctx, rows, len(types), out.row)
	if err != nil {
		return n, err
	}
	return n, out.flush()
}

type rowWriter interface {
	row(values []any) error
	flush() error
}

func each(ctx context.Context, rows *sql.Rows, columns int, f func([]any) error) (n int, err error) {
	values, into := make([]any, columns), make([]any, columns)
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		if err := errors.Join(ctx.Err(), rows.Scan(into...)); err != nil {
			return n, err
		}
		if err := f(values); err != nil {
			return n, err
		}
		n++
	}
	return n, plain(ctx, rows.Err())
}

// writeArrow writes an Arrow IPC stream. The statement fills a table first: that can be cancelled, which
// the driver's way to Arrow cannot.
func (d *DB) writeArrow(ctx context.Context, w io.Writer, statement string) (n int, err error) {
	if err := d.prepare(ctx, statement); err != nil {
		return 0, err
	}
	if _, err := d.db.ExecContext(ctx, "CREATE OR REPLACE TEMP TABLE arrow_result AS FROM ("+statement+"\n)"); err != nil {
		return 0, plain(ctx, err)
	}
	conn, err := d.db.Conn(ctx)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	err = conn.Raw(func(c any) error {
		arrow, err := duckdb.NewArrowFromConn(c.(*duckdb.Conn))
		if err != nil {
			return err
		}
		r, err := arrow.QueryContext(ctx, "FROM arrow_result")
		if err != nil {
			return plain(ctx, err)
		}
		defer r.Release()
		out := ipc.NewWriter(w, ipc.WithSchema(r.Schema()))
		for r.Next() {
			if err := errors.Join(ctx.Err(), out.Write(r.Record())); err != nil {
				return err
			}
			n += int(r.Record().NumRows())
		}
		return errors.Join(r.Err(), out.Close())
	})
	return n, err
}

// writeParquet has DuckDB write a file, zstd, and copies that.
func (d *DB) writeParquet(ctx context.Context, w io.Writer, statement string) error {
	if err := d.prepare(ctx, statement); err != nil {
		return err
	}
	path := filepath.Join(d.dir, "result.parquet")
	defer os.Remove(path)
	_, err := d.db.ExecContext(ctx, "COPY (FROM ("+statement+"\n)) TO "+quote(path)+" (FORMAT parquet, CODEC zstd)")
	if err != nil {
		return plain(ctx, err)
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(w, f)
	return err
}

type csvWriter struct {
	w     *csv.Writer
	types []*sql.ColumnType
	null  string
}

func (c *csvWriter) row(values []any) error {
	return c.w.Write(texts(values, c.types, c.null))
}

func (c *csvWriter) flush() error {
	c.w.Flush()
	return c.w.Error()
}

// texts renders values for people and CSV: times as 2025-01-08 21:00:00, nested values as JSON.
func texts(values []any, types []*sql.ColumnType, null string) []string {
	out := make([]string, len(values))
	for i, v := range values {
		switch v := v.(type) {
		case nil:
			out[i] = null
		case string:
			out[i] = v
		case time.Time:
			out[i] = v.UTC().Format(layout(types[i].DatabaseTypeName(), "2006-01-02 15:04:05.999999"))
		default:
			out[i] = strings.Trim(string(appendJSON(nil, v, types[i].DatabaseTypeName())), `"`)
		}
	}
	return out
}

func layout(kind, timestamp string) string {
	switch kind {
	case "DATE":
		return time.DateOnly
	case "TIME":
		return "15:04:05.999999"
	}
	return timestamp
}

// jsonWriter writes a JSON object per row, in the order of the columns.
type jsonWriter struct {
	w     io.Writer
	types []*sql.ColumnType
	buf   []byte
}

func (j *jsonWriter) row(values []any) error {
	b := append(j.buf[:0], '{')
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendJSON(b, j.types[i].Name(), ""), ':')
		b = appendJSON(b, v, j.types[i].DatabaseTypeName())
	}
	j.buf = append(b, '}', '\n')
	_, err := j.w.Write(j.buf)
	return err
}

func (j *jsonWriter) flush() error { return nil }

// appendJSON renders a value of DuckDB: times RFC 3339, intervals and decimals as DuckDB writes them,
// bytes in hex, what JSON lacks (NaN, infinity) as text.
func appendJSON(b []byte, v any, kind string) []byte {
	switch v := v.(type) {
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return strconv.AppendQuote(b, strconv.FormatFloat(v, 'g', -1, 64))
		}
		return strconv.AppendFloat(b, v, 'g', -1, 64)
	case float32:
		return appendJSON(b, float64(v), kind)
	case time.Time:
		return strconv.AppendQuote(b, v.UTC().Format(layout(kind, "2006-01-02T15:04:05.999999Z")))
	case []byte:
		if kind == "UUID" && len(v) == 16 {
			return fmt.Appendf(b, `"%x-%x-%x-%x-%x"`, v[:4], v[4:6], v[6:8], v[8:10], v[10:])
		}
		return strconv.AppendQuote(b, hex.EncodeToString(v))
	case *big.Int:
		return append(b, v.String()...)
	case duckdb.Decimal:
		return append(b, decimal(v)...)
	case duckdb.Interval:
		return strconv.AppendQuote(b, fmt.Sprintf("%d months %d days %s", v.Months, v.Days, time.Duration(v.Micros)*time.Microsecond))
	case duckdb.Map:
		pairs := make(map[string]any, len(v))
		for k, x := range v {
			pairs[fmt.Sprint(k)] = x
		}
		return appendJSON(b, pairs, "")
	case []any:
		b = append(b, '[')
		for i, x := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendJSON(b, x, strings.TrimSuffix(kind, "[]"))
		}
		return append(b, ']')
	case map[string]any:
		return appendMap(b, v)
	}
	return appendPlain(b, v)
}

func decimal(d duckdb.Decimal) string {
	digits := new(big.Int).Abs(d.Value).String()
	if n := int(d.Scale) + 1 - len(digits); n > 0 {
		digits = strings.Repeat("0", n) + digits
	}
	if d.Scale > 0 {
		digits = digits[:len(digits)-int(d.Scale)] + "." + digits[len(digits)-int(d.Scale):]
	}
	if d.Value.Sign() < 0 {
		digits = "-" + digits
	}
	return digits
}

// appendPlain renders what encoding/json can, without escaping for HTML.
func appendPlain(b []byte, v any) []byte {
	var s strings.Builder
	enc := json.NewEncoder(&s)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return strconv.AppendQuote(b, fmt.Sprint(v))
	}
	return append(b, strings.TrimSuffix(s.String(), "\n")...)
}

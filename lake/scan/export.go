package scan

import (
	"bufio"
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/compress"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"
)

// Formats are the formats that Export writes: an Arrow IPC stream, one Parquet file, CSV with a header,
// JSON lines.
func Formats() []string { return []string{"arrow", "parquet", "csv", "jsonl"} }

// Export writes what Records yields to w as it comes and returns how many events that were. It holds a
// batch or, for Parquet, one row group in memory. progress, which may be nil, is told how many events were
// written; total is 0 where a filter makes it unknown.
//
// In CSV a null is an empty field, and lists and structs are JSON. In JSON lines nulls are left out.
// Times are RFC 3339, UTC; bytes are base64; numbers that JSON lacks (NaN) are null.
func (s *Scan) Export(ctx context.Context, w io.Writer, format string, progress func(done, total int)) (rows int64, err error) {
	buffered := bufio.NewWriterSize(w, 1<<20)
	e, err := newExporter(buffered, format, s.Schema())
	if err != nil {
		return 0, err
	}
	total := 0
	if len(s.filter.columns()) == 0 {
		total = int(s.rows)
	}
	for rec, err := range s.Records(ctx) {
		if err == nil {
			err = e.Write(rec)
		}
		if err != nil {
			return rows, fmt.Errorf("export as %s: %w", format, err)
		}
		if rows += rec.NumRows(); progress != nil {
			progress(int(rows), total)
		}
	}
	if err = e.Close(); err == nil {
		err = buffered.Flush()
	}
	if err != nil {
		return rows, fmt.Errorf("export %s as %s: %w", s.stream, format, err)
	}
	return rows, nil
}

// exporter writes records in a format. Close ends what it writes, not the writer below.
type exporter interface {
	Write(rec arrow.Record) error
	Close() error
}

func newExporter(w io.Writer, format string, schema *arrow.Schema) (exporter, error) {
	switch format {
	case "arrow":
		return ipc.NewWriter(w, ipc.WithSchema(schema)), nil
	case "parquet":
		props := parquet.NewWriterProperties(parquet.WithCompression(compress.Codecs.Zstd), parquet.WithDataPageVersion(parquet.DataPageV1))
		// pqarrow closes what can be closed; w is the caller's.
		fw, err := pqarrow.NewFileWriter(schema, struct{ io.Writer }{w}, props, pqarrow.DefaultWriterProps())
		return &parquetExporter{fw}, err
	case "csv":
		c := csv.NewWriter(w)
		names := make([]string, schema.NumFields())
		for i, f := range schema.Fields() {
			names[i] = f.Name
		}
		return &csvExporter{c, make([]string, len(names))}, c.Write(names)
	case "jsonl":
		return &jsonExporter{w: w}, nil
	}
	return nil, fmt.Errorf("export: no format %q: there are %s", format, strings.Join(Formats(), ", "))
}

// rowGroupBytes is how much of a Parquet export is held in memory before it is written.
const rowGroupBytes = 32 << 20

type parquetExporter struct{ w *pqarrow.FileWriter }

func (e *parquetExporter) Write(rec arrow.Record) error {
	if e.w.RowGroupTotalBytesWritten() > rowGroupBytes {
		e.w.NewBufferedRowGroup()
	}
	return e.w.WriteBuffered(rec)
}

func (e *parquetExporter) Close() error { return e.w.Close() }

type csvExporter struct {
	w     *csv.Writer
	cells []string
}

func (e *csvExporter) Write(rec arrow.Record) error {
	for i := range int(rec.NumRows()) {
		for c, col := range rec.Columns() {
			switch s, plain := col.(*array.String); {
			case col.IsNull(i):
				e.cells[c] = ""
			case plain:
				e.cells[c] = s.Value(i)
			default:
				b := appendJSON(nil, col, i)
				if len(b) > 1 && b[0] == '"' { // a time, a date or bytes: without the quotes
					b = b[1 : len(b)-1]
				}
				e.cells[c] = string(b)
			}
		}
		if err := e.w.Write(e.cells); err != nil {
			return err
		}
	}
	return nil
}

func (e *csvExporter) Close() error {
	e.w.Flush()
	return e.w.Error()
}

type jsonExporter struct {
	w   io.Writer
	buf []byte
}

func (e *jsonExporter) Write(rec arrow.Record) error {
	for i := range int(rec.NumRows()) {
		e.buf = append(appendObject(e.buf[:0], rec.Schema().Fields(), rec.Columns(), i), '\n')
		if _, err := e.w.Write(e.buf); err != nil {
			return err
		}
	}
	return nil
}

func (e *jsonExporter) Close() error { return nil }

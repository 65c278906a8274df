package scan

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/file"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/delta"
	"shitpost-alpha/lake/footer"
)

// readBuffer is how much of a column is read from a file at a time.
const readBuffer = 128 << 10

// records yields what of one data file matches, in the file's order, in batches of about size bytes
// before filtering, with the columns of r.read. Whoever takes a record releases it.
func (r *reading) records(ctx context.Context, f *delta.Add, size int64) iter.Seq2[arrow.Record, error] {
	return func(yield func(arrow.Record, error) bool) {
		data, err := r.open(ctx, f)
		if err != nil {
			yield(nil, err)
			return
		}
		defer data.Close()
		damaged := func(err error) error {
			if errors.Is(err, lake.ErrSchemaDrift) {
				return fmt.Errorf("file %s/%s: %w", r.stream, f.Path, err)
			}
			return fmt.Errorf("%w: file %s/%s: %w", lake.ErrDamaged, r.stream, f.Path, err)
		}
		in, err := openFile(ctx, data, r.read, size)
		if err != nil {
			yield(nil, damaged(err))
			return
		}
		defer in.Release()
		for ctx.Err() == nil {
			rec, err := in.next()
			if err != nil {
				yield(nil, damaged(err))
				return
			}
			if rec == nil {
				return
			}
			if rec, err = r.filter.apply(rec); err != nil {
				yield(nil, err)
				return
			}
			if rec != nil && !yield(rec, nil) {
				return
			}
		}
		yield(nil, ctx.Err())
	}
}

// fileReader reads the columns of a schema from one Parquet file.
type fileReader struct {
	pqarrow.RecordReader
	schema *arrow.Schema
	left   int64 // rows that the file still owes
}

// openFile opens a file for batches of about size bytes.
func openFile(ctx context.Context, data lake.DataFile, schema *arrow.Schema, size int64) (r *fileReader, err error) {
	defer recovered(&err)
	if err := checkFooter(data); err != nil {
		return nil, err
	}
	props := parquet.NewReaderProperties(memory.DefaultAllocator)
	props.BufferedStreamEnabled, props.BufferSize = true, readBuffer
	pf, err := file.NewParquetReader(data, file.WithReadProps(props))
	if err != nil {
		return nil, err
	}
	// Writers may leave the Arrow schema that they had in the file. What counts is Parquet's.
	pf.MetaData().FileMetaData.KeyValueMetadata = nil
	fr, err := pqarrow.NewFileReader(pf, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
	if err != nil {
		return nil, err
	}
	var leaves []int
	for i := range fr.Manifest.Fields {
		if f := &fr.Manifest.Fields[i]; schema.HasField(f.Field.Name) {
			leaves = appendLeaves(leaves, f)
		}
	}
	if leaves == nil { // all columns were added after this file: it still says how many rows there are
		leaves = appendLeaves(leaves, &fr.Manifest.Fields[0])[:1]
	}
	fr.Props.BatchSize = batchSize(pf, leaves, size)
	rr, err := fr.GetRecordReader(ctx, leaves, nil)
	if err != nil {
		return nil, err
	}
	return &fileReader{rr, schema, pf.NumRows()}, nil
}

// checkFooter refuses a file whose footer claims what it cannot hold, before a library makes room for
// that. See package footer.
func checkFooter(data lake.DataFile) error {
	end, err := data.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	var tail [8]byte // the footer's length and PAR1
	if end < 12 {
		return footer.ErrDamaged
	}
	if _, err := data.ReadAt(tail[:], end-8); err != nil {
		return err
	}
	size := int64(binary.LittleEndian.Uint32(tail[:4]))
	if string(tail[4:]) != "PAR1" || size > end-12 {
		return footer.ErrDamaged
	}
	thrift := make([]byte, size)
	if _, err := data.ReadAt(thrift, end-8-size); err != nil {
		return err
	}
	return footer.CheckStruct(thrift)
}

func appendLeaves(leaves []int, f *pqarrow.SchemaField) []int {
	if len(f.Children) == 0 {
		return append(leaves, f.ColIndex)
	}
	for i := range f.Children {
		leaves = appendLeaves(leaves, &f.Children[i])
	}
	return leaves
}

// batchSize returns how many rows of the columns make about size bytes.
func batchSize(pf *file.Reader, leaves []int, size int64) int64 {
	var bytes int64
	for g := range pf.NumRowGroups() {
		for _, c := range leaves {
			if chunk, err := pf.MetaData().RowGroup(g).ColumnChunk(c); err == nil {
				bytes += chunk.TotalUncompressedSize()
			}
		}
	}
	perRow := max(bytes/max(pf.NumRows(), 1), 1)
	return min(max(size/perRow, 64), batchRows)
}

// next returns the next batch with the columns of the schema, nil at the end.
func (r *fileReader) next() (rec arrow.Record, err error) {
	defer recovered(&err)
	if !r.Next() {
		if err := r.Err(); err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		if r.left != 0 {
			return nil, fmt.Errorf("%d rows are missing: %w", r.left, io.ErrUnexpectedEOF)
		}
		return nil, nil
	}
	in := r.Record()
	r.left -= in.NumRows()
	columns := make([]arrow.Array, r.schema.NumFields())
	for i, f := range r.schema.Fields() {
		at := in.Schema().FieldIndices(f.Name)
		if len(at) == 0 {
			columns[i] = array.MakeArrayOfNull(memory.DefaultAllocator, f.Type, int(in.NumRows()))
			continue
		}
		data, err := conform(in.Column(at[0]).Data(), f.Type)
		if err != nil {
			return nil, fmt.Errorf("column %q: %w", f.Name, err)
		}
		columns[i] = array.MakeFromData(data)
	}
	return array.NewRecord(r.schema, columns, in.NumRows()), nil
}

// recovered turns a panic into an error: the Parquet library panics on some damaged files.
func recovered(err *error) {
	if r := recover(); r != nil {
		*err = errors.New(fmt.Sprint(r))
	}
}

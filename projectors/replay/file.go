package replay

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"

	"github.com/parquet-go/parquet-go"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/delta"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/footer"
)

// piece is how many events are decoded at a time, columnBuffer how much of a column is read from a file.
const (
	piece        = 512
	columnBuffer = 16 << 10
)

// file reads the rows of a Parquet file, which are events or some columns of them, in pieces.
type file[T any] struct {
	name    string
	data    io.Closer
	rows    *parquet.GenericReader[T]
	left    int64
	missing [][]int // fields whose column the file lacks

	memory []*T // in place of a file
}

// openFile opens a data file of a snapshot.
func openFile[E event.Event, T any](ctx context.Context, snap *lake.Snapshot[E], add *delta.Add) (*file[T], error) {
	data, err := snap.OpenFile(ctx, add)
	if err != nil {
		return nil, err
	}
	return newFile[T](data, snap.Stream()+"/"+add.Path)
}

// newFile takes over data.
func newFile[T any](data lake.DataFile, name string) (f *file[T], err error) {
	f = &file[T]{name: name, data: data}
	defer func() {
		f.recovered(recover(), &err)
		if err != nil {
			data.Close()
			f = nil
		}
	}()
	size, err := checkFooter(data)
	if err != nil {
		return f, err
	}
	in, err := parquet.OpenFile(data, size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true), parquet.ReadBufferSize(columnBuffer))
	if err != nil {
		return f, err
	}
	f.rows, f.left = parquet.NewGenericReader[T](in), in.NumRows()
	for _, field := range reflect.VisibleFields(reflect.TypeFor[T]()) {
		column, _, _ := strings.Cut(field.Tag.Get("parquet"), ",")
		if column != "" && in.Root().Column(column) == nil {
			f.missing = append(f.missing, field.Index)
		}
	}
	return f, nil
}

// checkFooter refuses a file whose footer claims what it cannot hold, before the library makes room for
// that, and returns the file's size.
func checkFooter(data lake.DataFile) (size int64, err error) {
	if size, err = data.Seek(0, io.SeekEnd); err != nil {
		return 0, err
	}
	var tail [8]byte // the footer's length and PAR1
	if size < 12 {
		return 0, footer.ErrDamaged
	}
	if _, err := data.ReadAt(tail[:], size-8); err != nil {
		return 0, err
	}
	length := int64(binary.LittleEndian.Uint32(tail[:4]))
	if string(tail[4:]) != "PAR1" || length > size-12 {
		return 0, footer.ErrDamaged
	}
	thrift := make([]byte, length)
	if _, err := data.ReadAt(thrift, size-8-length); err != nil {
		return 0, err
	}
	return size, footer.CheckStruct(thrift)
}

// inMemory reads events that are in memory.
func inMemory[T any](events []*T) *file[T] { return &file[T]{name: "memory", memory: events} }

// next returns the next rows, none at the end. They stay valid.
func (f *file[T]) next() ([]T, error) {
	if f.rows == nil {
		return f.fromMemory(), nil
	}
	if f.left <= 0 {
		return nil, nil
	}
	return f.read(min(f.left, piece))
}

// read returns up to size of the rows that are left.
func (f *file[T]) read(size int64) (rows []T, err error) {
	defer func() { f.recovered(recover(), &err) }()
	rows = make([]T, size)
	n, err := f.rows.Read(rows)
	f.left -= int64(n)
	if f.left > 0 && (err != nil || n == 0) {
		return nil, fmt.Errorf("%d rows are missing: %w", f.left, cmp.Or(err, io.ErrUnexpectedEOF))
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	// The library makes up one element of a missing list of structs.
	for i := range rows[:n] {
		for _, index := range f.missing {
			reflect.ValueOf(&rows[i]).Elem().FieldByIndex(index).SetZero()
		}
	}
	return rows[:n], nil
}

func (f *file[T]) fromMemory() []T {
	n := min(len(f.memory), piece)
	rows := make([]T, n)
	for i, e := range f.memory[:n] {
		rows[i] = *e
	}
	f.memory = f.memory[n:]
	return rows
}

// skipTo makes row i the next one.
func (f *file[T]) skipTo(row int64, total int64) (err error) {
	defer func() { f.recovered(recover(), &err) }()
	f.left = total - row
	return f.rows.SeekToRow(row)
}

// recovered names the file in an error, and makes one of a panic: the library panics on some damaged files.
func (f *file[T]) recovered(panicked any, err *error) {
	if panicked != nil {
		*err = errors.New(fmt.Sprint(panicked))
	}
	if *err != nil {
		*err = fmt.Errorf("%w: file %s: %w", lake.ErrDamaged, f.name, *err)
	}
}

func (f *file[T]) close() {
	if f.rows != nil {
		f.rows.Close()
	}
	if f.data != nil {
		f.data.Close() // it was only read
	}
}

// label is what Select looks at.
type label struct {
	Kind event.Kind `parquet:"kind,dict"`
	Key  string     `parquet:"key"`
}

// selectIn reads kind and key of all rows of a data file, and the pieces that hold a match.
func selectIn[E event.Event](ctx context.Context, snap *lake.Snapshot[E], add *delta.Add, match func(event.Kind, string) bool, yield func(*E) bool) error {
	labels, err := openFile[E, label](ctx, snap, add)
	if err != nil {
		return err
	}
	defer labels.close()
	total := labels.left
	var wanted []int64 // first rows of pieces
	for at := int64(0); labels.left > 0; {
		rows, err := labels.next()
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		for i := range rows {
			first := (at + int64(i)) / piece * piece
			if match(rows[i].Kind, rows[i].Key) && (len(wanted) == 0 || wanted[len(wanted)-1] != first) {
				wanted = append(wanted, first)
			}
		}
		at += int64(len(rows))
	}
	if len(wanted) == 0 {
		return nil
	}
	events, err := openFile[E, E](ctx, snap, add)
	if err != nil {
		return err
	}
	defer events.close()
	return readPieces(events, wanted, total, func(e *E) bool {
		v := event.EnvelopeOf(e)
		return !match(v.Kind, v.Key) || yield(e)
	})
}

// readPieces reads the pieces that begin with the rows first, ascending.
func readPieces[T any](f *file[T], first []int64, total int64, yield func(*T) bool) error {
	for _, row := range first {
		if total-f.left != row {
			if err := f.skipTo(row, total); err != nil {
				return err
			}
		}
		for end := min(row+piece, total); total-f.left < end; {
			rows, err := f.read(end - (total - f.left))
			if err != nil {
				return err
			}
			for i := range rows {
				if !yield(&rows[i]) {
					return errStopped
				}
			}
		}
	}
	return nil
}

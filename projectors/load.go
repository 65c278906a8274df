package projectors

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"shitpost-alpha/projectors/pgrow"
)

// loader writes rows of many tables over one connection by binary COPY. Rows are rendered into a buffer per
// table by one goroutine; full ones are sent by the goroutine that owns the connection, meanwhile.
type loader struct {
	schema  string
	buffers map[string]*buffer // by table
	full    chan *buffer
	free    chan *buffer
	stop    <-chan struct{}
}

// buffer is rows of one table, rendered.
type buffer struct {
	table, sql string
	data       []byte
}

// loadBytes is how large a COPY is: large enough that its begin and end cost nothing, small enough that
// those of all tables are little memory. loadAhead is how many may wait for the connection.
const (
	loadBytes = 2 << 20
	loadAhead = 4
)

func newLoader(schema string, stop <-chan struct{}) *loader {
	return &loader{schema: schema, buffers: map[string]*buffer{}, full: make(chan *buffer, loadAhead), free: make(chan *buffer, loadAhead+1), stop: stop}
}

// load takes rows of a table. It returns errStopped when they are not wanted any more.
func load[T any](l *loader, t table[T], list []T) error {
	for i := range list {
		b := l.buffers[t.name]
		if b == nil {
			b = l.empty()
			b.table, b.sql, b.data = t.name, t.copySQL(l.schema), append(b.data[:0], pgrow.Header...)
			l.buffers[t.name] = b
		}
		b.data = t.codec.Append(b.data, &list[i])
		if len(b.data) >= loadBytes {
			if err := l.send(t.name); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *loader) empty() *buffer {
	select {
	case b := <-l.free:
		return b
	default:
		return &buffer{}
	}
}

// errStopped: the connection's side has failed and says why.
var errStopped = fmt.Errorf("load rows: stopped")

func (l *loader) send(table string) error {
	b := l.buffers[table]
	delete(l.buffers, table)
	b.data = append(b.data, pgrow.Trailer...)
	select {
	case l.full <- b:
		return nil
	case <-l.stop:
		return errStopped
	}
}

// end sends what is left.
func (l *loader) end() error {
	var names []string
	for name := range l.buffers {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if err := l.send(name); err != nil {
			return err
		}
	}
	return nil
}

// copyAll writes what is sent until the channel is closed and returns the number of rows.
func (l *loader) copyAll(ctx context.Context, conn *pgx.Conn) (written int64, err error) {
	for b := range l.full {
		tag, err := conn.PgConn().CopyFrom(ctx, bytes.NewReader(b.data), b.sql)
		if err != nil {
			return written, fmt.Errorf("copy into %s: %w", b.table, err)
		}
		written += tag.RowsAffected()
		select {
		case l.free <- b:
		default: // there are enough
		}
	}
	return written, nil
}

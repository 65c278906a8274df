package projectors

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"shitpost-alpha/projectors/pgrow"
	"shitpost-alpha/projectors/rows"
	"shitpost-alpha/readmodel"
)

// table reads and writes the rows of one table of the read model. All of it happens in the transaction
// that the connection is in, in the schema given.
type table[T any] struct {
	name  string
	codec *pgrow.Codec[T]
}

// tables are the tables of the read model by the type of their rows.
type tables struct {
	posts       table[rows.Post]
	versions    table[rows.PostVersion]
	windows     table[rows.Window]
	attempts    table[rows.Attempt]
	predictions table[rows.Prediction]
	calls       table[rows.Call]
	bars        table[rows.Bar]
	splits      table[rows.Split]
	unknown     table[rows.UnknownSymbol]
	sessions    table[rows.Session]
	outcomes    table[rows.Outcome]
	scores      table[rows.Score]
	producers   table[rows.Producer]
	rejected    table[rows.Rejected]
	retractions table[rows.Retraction]
	deadLetters table[rows.DeadLetter]
}

func newTables() tables {
	return tables{
		posts:       newTable[rows.Post](readmodel.Posts),
		versions:    newTable[rows.PostVersion](readmodel.PostVersions),
		windows:     newTable[rows.Window](readmodel.WindowsRead),
		attempts:    newTable[rows.Attempt](readmodel.AnalysisAttempts),
		predictions: newTable[rows.Prediction](readmodel.Predictions),
		calls:       newTable[rows.Call](readmodel.Calls),
		bars:        newTable[rows.Bar](readmodel.Bars),
		splits:      newTable[rows.Split](readmodel.Splits),
		unknown:     newTable[rows.UnknownSymbol](readmodel.UnknownSymbols),
		sessions:    newTable[rows.Session](readmodel.Sessions),
		outcomes:    newTable[rows.Outcome](readmodel.Outcomes),
		scores:      newTable[rows.Score](readmodel.Scores),
		producers:   newTable[rows.Producer](readmodel.Producers),
		rejected:    newTable[rows.Rejected](readmodel.Rejected),
		retractions: newTable[rows.Retraction](readmodel.Retractions),
		deadLetters: newTable[rows.DeadLetter](readmodel.DeadLetters),
	}
}

func newTable[T any](name string) table[T] { return table[T]{name, pgrow.New[T]()} }

func (t table[T]) in(schema string) string { return pgx.Identifier{schema, t.name}.Sanitize() }

func quote(names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = pgx.Identifier{n}.Sanitize()
	}
	return out
}

// writeChunk is how much is handed to the connection at a time: large enough to be cheap, small enough
// that rendering and sending overlap.
const writeChunk = 256 << 10

// insert writes rows by binary COPY, rendering them while Postgres takes them in. rows calls yield with
// every part of what is to be written. It returns the number of rows.
func (t table[T]) insert(ctx context.Context, conn *pgx.Conn, schema string, rows func(yield func([]T) bool)) (int64, error) {
	r, w := io.Pipe()
	go func() {
		buf := append(make([]byte, 0, writeChunk+4096), pgrow.Header...)
		var err error
		rows(func(part []T) bool {
			for i := range part {
				buf = t.codec.Append(buf, &part[i])
				if len(buf) >= writeChunk {
					_, err = w.Write(buf) // fails when the COPY has ended early
					buf = buf[:0]
				}
			}
			return err == nil
		})
		if err == nil {
			_, err = w.Write(append(buf, pgrow.Trailer...))
		}
		w.CloseWithError(err)
	}()
	tag, err := conn.PgConn().CopyFrom(ctx, r, t.copySQL(schema))
	r.CloseWithError(io.ErrClosedPipe) // ends the goroutine whatever happened
	if err != nil {
		return 0, fmt.Errorf("copy into %s: %w", t.name, err)
	}
	return tag.RowsAffected(), nil
}

// copySQL takes rows in as the codec renders them.
func (t table[T]) copySQL(schema string) string {
	return fmt.Sprintf("COPY %s (%s) FROM STDIN (FORMAT binary)", t.in(schema), strings.Join(quote(t.codec.Columns()), ", "))
}

// insertAll writes rows.
func (t table[T]) insertAll(ctx context.Context, conn *pgx.Conn, schema string, list []T) (int64, error) {
	if len(list) == 0 {
		return 0, nil
	}
	return t.insert(ctx, conn, schema, func(yield func([]T) bool) { yield(list) })
}

// match is a condition on t: its columns are those of one of the keys. Values are text that Postgres
// casts to the columns' types.
func (t table[T]) match(columns []string, keys [][]string) (from, where string, args []any) {
	var params, names, conds []string
	for i, c := range columns {
		params = append(params, fmt.Sprintf("$%d::text[]::%s[]", i+1, t.codec.Type(c)))
		names = append(names, fmt.Sprintf("k%d", i))
		conds = append(conds, fmt.Sprintf("t.%s = k.k%d", pgx.Identifier{c}.Sanitize(), i))
		args = append(args, keys[i])
	}
	return fmt.Sprintf("unnest(%s) AS k (%s)", strings.Join(params, ", "), strings.Join(names, ", ")), strings.Join(conds, " AND "), args
}

// load returns the rows whose columns are those of one of the keys; no key may come twice.
func (t table[T]) load(ctx context.Context, conn *pgx.Conn, schema string, columns []string, keys [][]string) ([]T, error) {
	if len(keys) == 0 || len(keys[0]) == 0 {
		return nil, nil
	}
	from, where, args := t.match(columns, keys)
	return t.query(ctx, conn, schema, ", "+from+" WHERE "+where, args...)
}

// query returns the rows that the tail of a SELECT … FROM table t finds.
func (t table[T]) query(ctx context.Context, conn *pgx.Conn, schema, tail string, args ...any) ([]T, error) {
	columns := quote(t.codec.Columns())
	sql := fmt.Sprintf("SELECT t.%s FROM %s t %s", strings.Join(columns, ", t."), t.in(schema), tail)
	params := make([][]byte, len(args))
	for i, a := range args {
		oid := uint32(pgtype.TextArrayOID)
		if _, ok := a.([]string); !ok {
			oid = pgtype.TextOID
		}
		b, err := conn.TypeMap().Encode(oid, pgtype.TextFormatCode, a, nil)
		if err != nil {
			return nil, fmt.Errorf("read %s: encode parameter: %w", t.name, err)
		}
		params[i] = b
	}
	// Not through pgx.Conn.Query: the mode that works through a transaction pooler gives text back.
	result := conn.PgConn().ExecParams(ctx, sql, params, nil, nil, []int16{pgtype.BinaryFormatCode})
	var out []T
	var failed error
	for result.NextRow() {
		var row T
		if err := t.codec.Decode(result.Values(), &row); err != nil && failed == nil {
			failed = err
		}
		out = append(out, row)
	}
	if _, err := result.Close(); err != nil {
		failed = err
	}
	if failed != nil {
		return nil, fmt.Errorf("read %s: %w", t.name, failed)
	}
	return out, nil
}

// remove deletes the rows whose columns are those of one of the keys.
func (t table[T]) remove(ctx context.Context, conn *pgx.Conn, schema string, columns []string, keys [][]string) error {
	if len(keys) == 0 || len(keys[0]) == 0 {
		return nil
	}
	using, where, args := t.match(columns, keys)
	if _, err := conn.Exec(ctx, fmt.Sprintf("DELETE FROM %s t USING %s WHERE %s", t.in(schema), using, where), args...); err != nil {
		return fmt.Errorf("delete from %s: %w", t.name, err)
	}
	return nil
}

// replace writes rows in the place of those with the same values in columns.
func (t table[T]) replace(ctx context.Context, conn *pgx.Conn, schema string, columns []string, list []T) error {
	if err := t.remove(ctx, conn, schema, columns, t.codec.Keys(list, columns)); err != nil {
		return err
	}
	_, err := t.insertAll(ctx, conn, schema, list)
	return err
}

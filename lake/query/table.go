package query

import (
	"database/sql"
	"encoding/csv"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/mattn/go-runewidth"
)

// measured is how many rows decide on the widths of a table's columns. They are held back, the rest
// is written as it comes.
const measured = 500

// leastColumn is how narrow a column may become before a table is wider than the terminal.
const leastColumn = 6

// table writes rows in columns. Numbers stand right, and what is too long for the width is cut.
type table struct {
	w     io.Writer
	types []*sql.ColumnType
	o     Output
	held  [][]string // nil once the widths are known
	width []int
	right []bool
}

func newTable(w io.Writer, types []*sql.ColumnType, o Output) *table {
	t := &table{w: w, types: types, o: o}
	header := make([]string, len(types))
	t.right = make([]bool, len(types))
	for i, c := range types {
		header[i] = c.Name()
		kind, _, _ := strings.Cut(c.DatabaseTypeName(), "(")
		t.right[i] = slices.Contains([]string{"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT",
			"FLOAT", "DOUBLE", "DECIMAL"}, kind)
	}
	t.held = [][]string{header}
	return t
}

var oneLine = strings.NewReplacer("\r\n", " ", "\n", " ", "\r", " ", "\t", " ", "\x1b", "")

func (t *table) row(values []any) error {
	cells := texts(values, t.types, t.o.Null)
	for i := range cells {
		cells[i] = oneLine.Replace(cells[i])
	}
	if t.held == nil {
		return t.line(cells)
	}
	if t.held = append(t.held, cells); len(t.held) > measured {
		return t.release()
	}
	return nil
}

func (t *table) flush() error { return t.release() }

// release decides on the widths and writes what was held back.
func (t *table) release() error {
	if t.held == nil || len(t.types) == 0 {
		return nil
	}
	t.width = make([]int, len(t.types))
	for _, cells := range t.held {
		for i, c := range cells {
			t.width[i] = max(t.width[i], runewidth.StringWidth(c))
		}
	}
	if t.o.Width > 0 && !t.o.Full {
		fit(t.width, t.o.Width-2*(len(t.width)-1))
	}
	for _, cells := range t.held {
		if err := t.line(cells); err != nil {
			return err
		}
	}
	t.held = nil
	return nil
}

// fit takes characters from the widest columns until all of them together have room.
func fit(width []int, room int) {
	sum := 0
	for _, w := range width {
		sum += w
	}
	for ; sum > room; sum-- {
		widest := 0
		for i, w := range width {
			if w > width[widest] {
				widest = i
			}
		}
		if width[widest] <= leastColumn {
			return
		}
		width[widest]--
	}
}

func (t *table) line(cells []string) error {
	var b strings.Builder
	for i, c := range cells {
		if !t.o.Full && t.o.Width > 0 && runewidth.StringWidth(c) > t.width[i] {
			c = runewidth.Truncate(c, t.width[i], "…")
		}
		pad := strings.Repeat(" ", max(t.width[i]-runewidth.StringWidth(c), 0))
		if i > 0 {
			b.WriteString("  ")
		}
		if t.right[i] {
			b.WriteString(pad + c)
		} else {
			b.WriteString(c + pad)
		}
	}
	_, err := fmt.Fprintln(t.w, strings.TrimRight(b.String(), " "))
	return err
}

// newCSV returns a writer that has written the header.
func newCSV(w io.Writer, types []*sql.ColumnType, null string) (*csvWriter, error) {
	c := &csvWriter{csv.NewWriter(w), types, null}
	names := make([]string, len(types))
	for i, t := range types {
		names[i] = t.Name()
	}
	return c, c.w.Write(names)
}

// appendMap renders a struct or map, its names in order.
func appendMap(b []byte, m map[string]any) []byte {
	b = append(b, '{')
	for i, name := range slices.Sorted(maps.Keys(m)) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendPlain(b, name), ':')
		b = appendJSON(b, m[name], "")
	}
	return append(b, '}')
}

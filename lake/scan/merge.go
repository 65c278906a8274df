package scan

import (
	"container/heap"
	"iter"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"
)

// mergeRows is how many rows a record of an ordered scan has.
const mergeRows = 2048

// merger is a heap of cursors, the one that stands first in the order on top.
type merger struct {
	schema  *arrow.Schema
	cursors []*cursor
	closed  []*cursor
}

// cursor is at one row of a run. It is opened when it comes to the top for the first time.
type cursor struct {
	run  iter.Seq2[arrow.Record, error]
	next func() (arrow.Record, error, bool)
	stop func()
	rec  arrow.Record // nil before it is opened
	rows places
	row  int
	at   place
}

// Len, Less, Swap, Push and Pop implement heap.Interface.
func (m *merger) Len() int           { return len(m.cursors) }
func (m *merger) Less(i, j int) bool { return m.cursors[i].at.compare(&m.cursors[j].at) < 0 }
func (m *merger) Swap(i, j int)      { m.cursors[i], m.cursors[j] = m.cursors[j], m.cursors[i] }

// Push implements heap.Interface.
func (m *merger) Push(x any) { m.cursors = append(m.cursors, x.(*cursor)) }

// Pop implements heap.Interface.
func (m *merger) Pop() any {
	last := m.cursors[len(m.cursors)-1]
	m.cursors = m.cursors[:len(m.cursors)-1]
	return last
}

// batch returns the next rows of all runs in their order, nil at the end.
func (m *merger) batch() (arrow.Record, error) {
	var records []arrow.Record
	var picks []pick
	index := map[*cursor]int{} // of a cursor's current record in records
	defer func() {
		for _, rec := range records {
			rec.Release()
		}
	}()
	for len(picks) < mergeRows && len(m.cursors) > 0 {
		c := m.cursors[0]
		if c.rec != nil {
			i, ok := index[c]
			if !ok {
				i = len(records)
				index[c] = i
				c.rec.Retain()
				records = append(records, c.rec)
			}
			picks = append(picks, pick{i, c.row})
		}
		fresh, more, err := c.advance()
		if err != nil {
			return nil, err
		}
		if fresh {
			delete(index, c)
		}
		if more {
			heap.Fix(m, 0)
		} else {
			m.closed = append(m.closed, heap.Pop(m).(*cursor))
		}
	}
	if len(picks) == 0 {
		return nil, nil
	}
	return gather(m.schema, records, picks)
}

// advance moves to the next row. fresh says that it is in another record than before, more that
// there is one.
func (c *cursor) advance() (fresh, more bool, err error) {
	if c.next == nil {
		c.next, c.stop = iter.Pull2(c.run)
	}
	c.row++
	for c.rec == nil || c.row >= int(c.rec.NumRows()) {
		if c.rec != nil {
			c.at.key, c.at.id = strings.Clone(c.at.key), strings.Clone(c.at.id) // they point into the record
			c.rec.Release()
			c.rec = nil
		}
		rec, err, ok := c.next()
		if err != nil || !ok {
			return true, false, err
		}
		c.rec, c.rows, c.row, fresh = rec, placesOf(rec), 0, true
	}
	c.at = c.rows.at(c.row)
	return fresh, true, nil
}

// close gives back what the cursors hold.
func (m *merger) close() {
	for _, c := range append(m.cursors, m.closed...) {
		if c.rec != nil {
			c.rec.Release()
		}
		if c.stop != nil {
			c.stop()
		}
	}
}

package lake

import (
	"github.com/parquet-go/parquet-go"

	"shitpost-alpha/lake/event"
)

// writeRows writes events so that an optional column without a value is null. Write of the Parquet
// library (v0.32.0, writeRowsFuncOfOptional) takes rows in words of 64, and where exactly n values
// stand from row n of a word on, it writes the nulls after them as values: an empty payload as "", no
// date as 1970-01-01. Two rows are too few for that to happen. Within one row it happens to the
// elements of a list of structs, so events that have such lists go the slower way by way of rows.
func writeRows[E event.Event](w *parquet.GenericWriter[E], events []E) error {
	if _, ok := any(events).([]event.Prediction); !ok {
		for len(events) > 0 {
			n := min(len(events), 2)
			if _, err := w.Write(events[:n]); err != nil {
				return err
			}
			events = events[n:]
		}
		return nil
	}
	const piece = 64
	schema := w.Schema()
	rows := make([]parquet.Row, min(len(events), piece))
	for len(events) > 0 {
		rows = rows[:min(len(events), piece)]
		for i := range rows {
			rows[i] = schema.Deconstruct(rows[i][:0], &events[i])
		}
		if _, err := w.WriteRows(rows); err != nil {
			return err
		}
		events = events[len(rows):]
	}
	return nil
}

package legacy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/producers/posts/record"
)

// row is one row of an old table as Postgres writes it in JSON.
type row struct {
	table string
	doc   []byte // the row, kept as the event's payload
	cells map[string]json.RawMessage
}

func parseRow(table string, doc []byte) (*row, error) {
	r := &row{table: table, doc: bytes.Clone(doc)}
	if err := json.Unmarshal(r.doc, &r.cells); err != nil {
		return nil, fmt.Errorf("read a row of %s: %w", table, err)
	}
	return r, nil
}

// json returns the first of the named cells that is not null. A text that holds a JSON document, as
// some versions wrote it, is taken for that document.
func (r *row) json(names ...string) json.RawMessage {
	for _, name := range names {
		cell := r.cells[name]
		if len(cell) == 0 || string(cell) == "null" {
			continue
		}
		var text string
		if cell[0] == '"' && json.Unmarshal(cell, &text) == nil {
			if inner := []byte(strings.TrimSpace(text)); len(inner) > 0 && (inner[0] == '{' || inner[0] == '[') && json.Valid(inner) {
				return inner
			}
		}
		return cell
	}
	return nil
}

// text returns the first of the named cells that holds a text or a number; empty if none does.
func (r *row) text(names ...string) string {
	for _, name := range names {
		cell := r.cells[name]
		if len(cell) == 0 || string(cell) == "null" {
			continue
		}
		var s string
		if cell[0] == '"' {
			if json.Unmarshal(cell, &s) == nil && s != "" {
				return s
			}
			continue
		}
		return string(cell)
	}
	return ""
}

// number returns the named cell, false when it is null or no number; NaN is one.
func (r *row) number(name string) (float64, bool) {
	s := strings.TrimSpace(r.text(name))
	if s == "" {
		return 0, false
	}
	f, err := strconv.ParseFloat(s, 64)
	return f, err == nil
}

// time returns the first of the named cells that holds one, UTC; the old tables kept UTC without a zone.
func (r *row) time(names ...string) (time.Time, error) {
	s := r.text(names...)
	if s == "" {
		return time.Time{}, fmt.Errorf("%s is null", strings.Join(names, " and "))
	}
	return record.ParseTime(s)
}

// key names the row for people and in the lake: legacy:predictions:17.
func (r *row) key() string {
	var id string
	switch r.table {
	case "market_prices":
		id = strings.TrimSpace(r.text("symbol", "asset") + " " + r.text("date"))
	case "predictions":
		id = r.text("id")
	default:
		id = r.text("shitpost_id", "signal_id", "id")
	}
	if id == "" { // no key: the row itself is its name
		id = "#" + event.Hash(string(r.doc))[:16]
	}
	return Source + ":" + r.table + ":" + id
}

// rejected returns the draft of the row's rejection.
func rejected[E event.Event](r *row, reason, why string) (draft E) {
	v := event.EnvelopeOf(&draft)
	v.Kind, v.Source, v.Key = event.RecordRejected, Source, r.key()
	v.SetPayload(r.doc)
	*event.RejectionOf(&draft) = event.Rejection{RejectedReason: reason, RejectedDetail: r.key() + ": " + why}
	return draft
}

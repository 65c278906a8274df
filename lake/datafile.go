package lake

import (
	"context"
	"encoding/json"
	"errors"

	"shitpost-alpha/lake/delta"
	"shitpost-alpha/lake/event"
)

// What a reader of columns (package scan) needs of a snapshot besides Files: the events themselves
// are not decoded for it.

// Stream returns the name of the stream that the snapshot is of.
func (p *Snapshot[E]) Stream() string { return p.stream.Name() }

// Schema returns the columns of the table as Delta keeps them ("Schema Serialization Format"): those at
// this version, and behind them those of this program that no append has added yet. ErrSchemaDrift: a
// column is of another type than this program's.
func (p *Snapshot[E]) Schema() (string, error) {
	ours := schemaString[E]()
	if p.schema == "" {
		return ours, nil
	}
	schema, _, err := mergeSchema(p.schema, ours)
	return schema, err
}

// OpenFile opens one of the snapshot's Files: where it lies in a folder, in the lake's cache, or in
// memory. Its bytes are those that were written: they were compared with the log's SHA-256 when this
// process first opened it. ErrDamaged: they are not, or it is missing; ErrRetired: it is gone because
// its events are in other files by now.
func (p *Snapshot[E]) OpenFile(ctx context.Context, f *delta.Add) (DataFile, error) {
	data, err := p.stream.openFile(ctx, f)
	if errors.Is(err, ErrDamaged) {
		return nil, p.stream.orRetired(ctx, f, err)
	}
	return data, err
}

// InOrder reports whether the rows of a data file are in the order of Compare, as those of a
// compaction are.
func InOrder(f *delta.Add) bool { return f.Tags[tagSorted] == sortedBy }

// MayHold reports whether a data file can hold events of a kind, by its statistics. They are hints:
// where they say nothing, or nothing that makes sense, it can.
func MayHold(f *delta.Add, kind event.Kind) bool {
	type bound struct {
		Kind *event.Kind `json:"kind"`
	}
	var s struct {
		Min bound `json:"minValues"`
		Max bound `json:"maxValues"`
	}
	if json.Unmarshal([]byte(f.Stats), &s) != nil || s.Min.Kind == nil || s.Max.Kind == nil {
		return true
	}
	lo, hi := *s.Min.Kind, *s.Max.Kind
	return lo > hi || lo <= kind && kind <= hi
}

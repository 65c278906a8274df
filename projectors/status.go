package projectors

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"shitpost-alpha/readmodel"
)

// Status is how the read model stands to the lake.
type Status struct {
	Exists     bool           `json:"exists"`
	Generation int64          `json:"generation"` // counts the swaps
	Settings   Settings       `json:"settings"`
	Version    int            `json:"projection_version"`
	Current    bool           `json:"current"` // built by this code
	Streams    []StreamStatus `json:"streams"`
	Build      BuildStatus    `json:"build"`
}

// StreamStatus is how one stream stands. Versions are those of the lake; -1 means that there is none.
type StreamStatus struct {
	Stream    string     `json:"stream"`
	Head      int64      `json:"head"`
	Applied   int64      `json:"applied"`
	Behind    int64      `json:"behind"`
	AppliedAt *time.Time `json:"applied_at"` // of the newest event, UTC
	CheckedAt *time.Time `json:"checked_at"` // when a projector last looked, UTC
}

// BuildStatus is the last build.
type BuildStatus struct {
	ID         int64      `json:"build_id"`
	State      string     `json:"state"`
	Reason     string     `json:"reason"`
	Rows       *int64     `json:"rows"`
	Seconds    *float64   `json:"seconds"`
	Error      *string    `json:"error"`
	FinishedAt *time.Time `json:"finished_at"`
}

// Status returns how the read model stands. It changes nothing.
func (p *Projector) Status(ctx context.Context) (Status, error) {
	var st Status
	err := p.transaction(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		var there bool
		if err := tx.QueryRow(ctx, "SELECT to_regclass('ops.fence') IS NOT NULL").Scan(&there); err != nil || !there {
			return err
		}
		l := live{positions: map[string]position{}, gone: gone{}}
		if err := p.readLive(ctx, tx, &l); err != nil {
			return err
		}
		st = Status{Exists: l.exists, Generation: l.generation, Settings: l.settings, Version: l.version, Current: l.version == Version && l.schemaHash == readmodel.Hash()}
		for _, s := range p.streams {
			next := max(l.positions[s.Name()].next, 0)
			one := StreamStatus{Stream: s.Name(), Applied: next - 1}
			err := tx.QueryRow(ctx, "SELECT applied_at, checked_at FROM ops.health WHERE stream = $1", s.Name()).Scan(&one.AppliedAt, &one.CheckedAt)
			if err != nil && !errors.Is(err, pgx.ErrNoRows) {
				return err
			}
			st.Streams = append(st.Streams, one)
		}
		err := tx.QueryRow(ctx, "SELECT build_id, state, reason, row_count, seconds, error, finished_at FROM ops.builds ORDER BY build_id DESC LIMIT 1").
			Scan(&st.Build.ID, &st.Build.State, &st.Build.Reason, &st.Build.Rows, &st.Build.Seconds, &st.Build.Error, &st.Build.FinishedAt)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		return err
	})
	if err != nil {
		return st, fmt.Errorf("read status: %w", err)
	}
	for i, s := range p.streams {
		if i >= len(st.Streams) {
			st.Streams = append(st.Streams, StreamStatus{Stream: s.Name(), Applied: -1})
		}
		one := &st.Streams[i]
		if one.Head, err = s.Head(ctx); err != nil {
			return st, fmt.Errorf("find head of %s: %w", s.Name(), err)
		}
		one.Behind = max(one.Head-one.Applied, 0)
	}
	return st, nil
}

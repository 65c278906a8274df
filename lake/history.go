package lake

import (
	"context"
	"errors"
	"time"

	"shitpost-alpha/lake/delta"
	"shitpost-alpha/lake/event"
)

// Version describes one commit of a stream, from the log alone.
type Version struct {
	Version   int64     `json:"version"`
	Time      time.Time `json:"time"` // the writer's clock, UTC
	Operation string    `json:"operation"`
	Producer  string    `json:"producer"`
	BatchID   string    `json:"batch_id"`
	Rows      int64     `json:"rows"`
	Bytes     int64     `json:"bytes"`
	File      string    `json:"file,omitempty"`
}

// Versions calls f for the commits from the given version on, up to the newest.
func (s *Stream[E]) Versions(ctx context.Context, from int64, f func(Version) error) error {
	for v := max(from, 0); ; v++ {
		actions, err := s.table.Read(ctx, v)
		if errors.Is(err, ErrNoVersion) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := f(describe(v, actions)); err != nil {
			return err
		}
	}
}

func describe(version int64, actions []delta.Action) Version {
	out := Version{Version: version}
	for _, a := range actions {
		if c := a.CommitInfo; c != nil {
			out.Time, out.Operation, out.Producer, out.BatchID = time.UnixMilli(c.Timestamp).UTC(), c.Operation, c.EngineInfo, c.TxnID
		}
		if a.Add != nil {
			out.Rows += max(rowsOf(a.Add.Stats), 0)
			out.Bytes += a.Add.Size
			out.File = a.Add.Path
		}
	}
	return out
}

// Kinds counts the events of the snapshot by kind, and gives the first and last time at which they
// occurred.
func (p *Snapshot[E]) Kinds(ctx context.Context) (map[event.Kind]KindStat, error) {
	out := map[event.Kind]KindStat{}
	for events, err := range p.Batches(ctx) {
		if err != nil {
			return nil, err
		}
		for i := range events {
			v := event.EnvelopeOf(&events[i])
			k := out[v.Kind]
			if k.Events == 0 || v.OccurredAt.Before(k.First) {
				k.First = v.OccurredAt
			}
			if v.OccurredAt.After(k.Last) {
				k.Last = v.OccurredAt
			}
			k.Events++
			if v.Synthetic {
				k.Synthetic++
			}
			out[v.Kind] = k
		}
	}
	return out, nil
}

// KindStat counts the events of one kind. First and Last are the range of occurred_at, UTC.
type KindStat struct {
	Events    int64     `json:"events"`
	Synthetic int64     `json:"synthetic"`
	First     time.Time `json:"first"`
	Last      time.Time `json:"last"`
}

package projectors

import (
	"context"
	"iter"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/projectors/replay"
)

// lakeSource is a snapshot of a stream of the lake.
type lakeSource[E event.Event] struct{ snap *lake.Snapshot[E] }

func (s lakeSource[E]) name() string { return event.StreamOf[E]() }

func (s lakeSource[E]) position() position {
	return position{tableID: s.snap.TableID, next: s.snap.Version + 1}
}

func (s lakeSource[E]) rows() int {
	if len(s.snap.Files) == 0 {
		return 0
	}
	return int(s.snap.Rows())
}

func (s lakeSource[E]) retractions(ctx context.Context, g gone) error {
	if len(s.snap.Files) == 0 {
		return nil
	}
	for e, err := range replay.Select(ctx, s.snap, func(kind event.Kind, _ string) bool { return kind == event.Retracted }) {
		if err != nil {
			return err
		}
		noteRetraction(e, g)
	}
	return nil
}

func (s lakeSource[E]) of(ctx context.Context, key string, g gone) (*news, error) {
	n := &news{}
	if len(s.snap.Files) == 0 {
		return n, nil
	}
	for e, err := range replay.Select(ctx, s.snap, func(_ event.Kind, k string) bool { return k == key }) {
		if err != nil {
			return nil, err
		}
		add(n, e, nil, g)
	}
	return n, nil
}

// partEvents is how many events make a part: enough that a part is worth the work around it, few enough to
// be nothing in memory.
const partEvents = 4096

func (s lakeSource[E]) parts(ctx context.Context, g gone) iter.Seq2[*news, error] {
	return func(yield func(*news, error) bool) {
		n, last := &news{}, ""
		if len(s.snap.Files) == 0 {
			return
		}
		for e, err := range replay.Events(ctx, s.snap, replay.DefaultLimits()) {
			if err != nil {
				yield(nil, err)
				return
			}
			if key := event.EnvelopeOf(e).Key; key != last {
				if n.events >= partEvents {
					if !yield(n, nil) {
						return
					}
					n = &news{}
				}
				last = key
			}
			add(n, e, nil, g)
		}
		if n.events > 0 {
			yield(n, nil)
		}
	}
}

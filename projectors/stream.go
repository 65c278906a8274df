package projectors

import (
	"context"
	"errors"
	"fmt"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/projectors/rows"
)

// position is how far a stream has been read.
type position struct {
	tableID string // "" while the stream does not exist
	next    int64  // the version to read next
}

// stream is what the projector needs of one of the lake's three streams, whatever its events.
type stream interface {
	Name() string
	Head(ctx context.Context) (int64, error)
	TableID(ctx context.Context) (string, error)
	Wait(ctx context.Context, version int64) error
	reader
}

type reader interface {
	// snapshot adds all events at a version (-1: the newest) to n and returns the position behind it.
	// again is true when retractions were found that g did not hold: g now does, and n is of no use.
	snapshot(ctx context.Context, version int64, n *news, g gone, progress Progress) (p position, again bool, err error)
	// tail adds the versions from next on to n, until there are no more or enough, and returns the
	// version behind them. retracted is true when they take something back that g did not hold.
	tail(ctx context.Context, next int64, n *news, g gone) (after int64, retracted bool, err error)
}

// lakeStream is a stream of the lake.
type lakeStream[E event.Event] struct{ *lake.Stream[E] }

func streamsOf(l *lake.Lake) []stream {
	return []stream{lakeStream[event.Post]{l.Posts}, lakeStream[event.Prediction]{l.Predictions}, lakeStream[event.Price]{l.Prices}}
}

// enough bounds the events of one transaction of the tail; a version is never split.
const enough = 20_000

func (s lakeStream[E]) snapshot(ctx context.Context, version int64, n *news, g gone, progress Progress) (position, bool, error) {
	if version == noVersion {
		return position{}, false, nil
	}
	snap, err := s.Snapshot(ctx, version)
	if err != nil {
		return position{}, false, fmt.Errorf("read %s: %w", s.Name(), err)
	}
	stage, done, again := "read "+s.Name(), 0, false
	for events, err := range snap.Batches(ctx) {
		if err != nil {
			return position{}, false, fmt.Errorf("read %s at version %d: %w", s.Name(), snap.Version, err)
		}
		again = noteRetractions(events, g) || again
		for i := range events {
			add(n, &events[i], nil, g)
		}
		done += len(events)
		progress.report(stage, done, max(int(snap.Rows()), done))
	}
	return position{tableID: snap.TableID, next: snap.Version + 1}, again, nil
}

// noVersion asks for a stream as it was before its table existed.
const noVersion = -2

func (s lakeStream[E]) tail(ctx context.Context, next int64, n *news, g gone) (int64, bool, error) {
	retracted := false
	for n.events < enough {
		c, err := s.Read(ctx, next)
		if errors.Is(err, lake.ErrNoVersion) {
			break
		}
		if err != nil {
			return next, false, fmt.Errorf("read %s version %d: %w", s.Name(), next, err)
		}
		retracted = noteRetractions(c.Events, g) || retracted
		for i := range c.Events {
			add(n, &c.Events[i], &rows.Position{Version: c.Version, Row: int32(i)}, g)
		}
		next++
	}
	return next, retracted, nil
}

// noteRetractions adds what the events take back to g and reports whether any of it was not known. An
// event that the projector could not apply takes nothing back.
func noteRetractions[E event.Event](events []E, g gone) (fresh bool) {
	for i := range events {
		e := &events[i]
		if event.EnvelopeOf(e).Kind != event.Retracted || rows.Check(e) != nil {
			continue
		}
		r := rows.RetractionOf(e)
		fresh = g.note(&r) || fresh
	}
	return fresh
}

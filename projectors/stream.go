package projectors

import (
	"context"
	"errors"
	"fmt"
	"iter"

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
	// snapshot returns all events at a version: -1 is the newest, noVersion before there were any.
	snapshot(ctx context.Context, version int64) (source, error)
	// tail adds the versions from next on to n, until there are no more or enough, and returns the
	// version behind them. retracted is true when they take something back that g did not hold.
	tail(ctx context.Context, next int64, n *news, g gone) (after int64, retracted bool, err error)
}

// source is a stream at one version.
type source interface {
	name() string
	position() position
	// rows is how many events there are, as far as the log says.
	rows() int
	// retractions adds to g what events take back.
	retractions(ctx context.Context, g gone) error
	// of returns the news of one key.
	of(ctx context.Context, key string, g gone) (*news, error)
	// parts yields the news of all events, part by part: all events of one key are in one part. It ends
	// after an error.
	parts(ctx context.Context, g gone) iter.Seq2[*news, error]
}

// lakeStream is a stream of the lake.
type lakeStream[E event.Event] struct{ *lake.Stream[E] }

func streamsOf(l *lake.Lake) []stream {
	return []stream{lakeStream[event.Post]{l.Posts}, lakeStream[event.Prediction]{l.Predictions}, lakeStream[event.Price]{l.Prices}}
}

// enough bounds the events of one transaction of the tail; a version is never split.
const enough = 20_000

func (s lakeStream[E]) snapshot(ctx context.Context, version int64) (source, error) {
	if version == noVersion {
		return lakeSource[E]{snap: &lake.Snapshot[E]{Version: -1}}, nil
	}
	snap, err := s.Snapshot(ctx, version)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", s.Name(), err)
	}
	return lakeSource[E]{snap: snap}, nil
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

// noteRetractions adds what the events take back to g and reports whether any of it was not known.
func noteRetractions[E event.Event](events []E, g gone) (fresh bool) {
	for i := range events {
		fresh = noteRetraction(&events[i], g) || fresh
	}
	return fresh
}

// noteRetraction: an event that the projector could not apply takes nothing back.
func noteRetraction[E event.Event](e *E, g gone) (fresh bool) {
	if event.EnvelopeOf(e).Kind != event.Retracted || rows.Check(e) != nil {
		return false
	}
	r := rows.RetractionOf(e)
	return g.note(&r)
}

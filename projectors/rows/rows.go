// Package rows holds the rows of the read model and the pure functions that derive them from events.
//
// There are two kinds of rows. Facts are what one event says, keyed by the event's identity:
// PostVersion, Attempt, and the newest word on a Bar, a Split, an UnknownSymbol. Derived rows follow
// from all facts of one key: Post from the versions of a post, Prediction and Call from the attempts of
// an analysis, Outcome from a call and the bars and splits of its symbol.
//
// DerivePosts, DerivePredictions and DerivePrices take the facts that are known and the news of a batch
// of events. Tailing calls them with the known facts of the keys that the batch touches, a rebuild with
// nothing known and all events of some keys at once: so both give the same rows. An event that comes twice counts
// once, with its first RecordedAt.
//
// An event that cannot be turned into rows is a DeadLetter; everything else goes on.
package rows

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/projectors/pgrow"
)

// Origin is where a fact comes from; its columns end most tables.
type Origin struct {
	Source     string    `db:"source,keep"`
	Synthetic  bool      `db:"synthetic"`
	Producer   string    `db:"producer"`
	BatchID    string    `db:"batch_id"`
	RecordedAt time.Time `db:"recorded_at"`
}

func originOf(v *event.Envelope) Origin {
	return Origin{Source: v.Source, Synthetic: v.Synthetic, Producer: v.Producer, BatchID: v.BatchID, RecordedAt: v.RecordedAt}
}

// Rejected is a record_rejected event of any stream.
type Rejected struct {
	EventID    string    `db:"event_id"`
	Stream     string    `db:"stream"`
	Key        string    `db:"key,keep"`
	Reason     string    `db:"reason,keep"`
	Detail     string    `db:"detail"`
	Payload    string    `db:"payload"`
	OccurredAt time.Time `db:"occurred_at"`
	Origin
}

// Retraction is a retracted event of any stream.
type Retraction struct {
	EventID         string    `db:"event_id"`
	Stream          string    `db:"stream"`
	RetractedEvents []string  `db:"retracted_events"`
	RetractedBatch  string    `db:"retracted_batch"`
	OccurredAt      time.Time `db:"occurred_at"`
	Origin
}

// DeadLetter is an event that could not be applied. Version and Row are null for one that was read
// from a snapshot.
type DeadLetter struct {
	DeadLetterID string    `db:"dead_letter_id"`
	Stream       string    `db:"stream"`
	Version      *int64    `db:"version"`
	Row          *int32    `db:"row"`
	EventID      string    `db:"event_id,keep"`
	Kind         string    `db:"kind,keep"`
	Key          string    `db:"key,keep"`
	Reason       string    `db:"reason,keep"`
	Payload      string    `db:"payload"`
	RecordedAt   time.Time `db:"recorded_at"`
}

// excerpt is how many characters of a payload the read model shows.
const excerpt = 4000

func cut(s string) string {
	for i := range s {
		if i < excerpt {
			continue
		}
		if utf8.RuneCountInString(s[:i]) >= excerpt {
			return s[:i]
		}
	}
	return s
}

// Position is where a fact was met in the tail of its stream; nil in a snapshot.
type Position struct {
	Version int64
	Row     int32
}

// RejectedOf returns the row of a record_rejected event.
func RejectedOf[E event.Event](e *E) Rejected {
	v, r := event.EnvelopeOf(e), event.RejectionOf(e)
	return Rejected{EventID: v.EventID, Stream: event.StreamOf[E](), Key: v.Key, Reason: r.RejectedReason, Detail: r.RejectedDetail,
		Payload: cut(v.Payload), OccurredAt: v.OccurredAt, Origin: originOf(v)}
}

// RetractionOf returns the row of a retracted event.
func RetractionOf[E event.Event](e *E) Retraction {
	v, r := event.EnvelopeOf(e), event.RetractionOf(e)
	return Retraction{EventID: v.EventID, Stream: event.StreamOf[E](), RetractedEvents: r.RetractedEvents, RetractedBatch: r.RetractedBatch,
		OccurredAt: v.OccurredAt, Origin: originOf(v)}
}

// DeadLetterOf returns the row of an event that could not be applied for the reason given.
func DeadLetterOf[E event.Event](e *E, at *Position, reason error) DeadLetter {
	v := event.EnvelopeOf(e)
	d := DeadLetter{Stream: event.StreamOf[E](), EventID: v.EventID, Kind: string(v.Kind), Key: v.Key, Reason: reason.Error(), Payload: cut(v.Payload)}
	if plausible(v.RecordedAt) {
		d.RecordedAt = v.RecordedAt
	}
	if at != nil {
		d.Version, d.Row = &at.Version, &at.Row
	}
	d.DeadLetterID = event.Hash(d.Stream, d.EventID, d.Kind, d.Key, d.Reason, v.Payload)
	return d
}

// maxID bounds identifiers in bytes: an entry of a Postgres index must fit into a third of a page.
const maxID = 500

// Check refuses an event that event.Check refuses, and one that no table can hold: identifiers with
// U+0000, broken UTF-8 or more than 500 bytes, instants and dates outside the years 1900 to 2200. Kinds that are not known are
// refused too. Texts are no reason to refuse anything: pgrow.Clean mends them.
func Check[E event.Event](e *E) error {
	if err := event.Check(e); err != nil {
		return err
	}
	v := event.EnvelopeOf(e)
	ids := []string{v.EventID, string(v.Kind), v.Key, v.Source, v.BatchID, v.ContentHash, v.Supersedes, v.CausationID}
	times := []time.Time{v.RecordedAt, v.OccurredAt}
	var dates []event.Date
	switch e := any(e).(type) {
	case *event.Post:
		ids = append(ids, e.PostID, e.ReblogID, e.InReplyToID, e.QuoteID)
		times = append(times, e.PublishedAt, e.SourceCreatedAt, e.EditedAt, e.WindowFrom, e.WindowTo)
	case *event.Prediction:
		ids = append(ids, e.PredictionID, e.PostID, e.Analyzer, e.Provider, e.Model, e.PromptVersion)
		for _, a := range e.Assets {
			ids = append(ids, a.Symbol)
		}
		ids = append(ids, e.Requeues...)
		times = append(times, e.PublishedAt)
	case *event.Price:
		ids = append(ids, e.Symbol, e.Interval, e.FetchID)
		times = append(times, e.FetchedAt)
		dates = append(dates, e.SessionDate, e.AdjustedThrough)
	}
	for _, id := range ids {
		if err := Storable(id); err != nil {
			return err
		}
	}
	for _, t := range times {
		if !t.IsZero() && !plausible(t) {
			return fmt.Errorf("time %s is outside the years 1900 to 2200", t)
		}
	}
	for _, d := range dates {
		if d != 0 && !plausible(d.Time()) {
			return fmt.Errorf("date %d is outside the years 1900 to 2200", d)
		}
	}
	if v.RecordedAt.IsZero() {
		return errors.New("recorded_at is not set")
	}
	return nil
}

// Storable refuses what cannot be an identifier in Postgres.
func Storable(id string) error {
	if len(id) > maxID {
		return fmt.Errorf("identifier %q… has %d bytes, more than %d", id[:40], len(id), maxID)
	}
	if pgrow.Clean(id) != id {
		return fmt.Errorf("identifier %q holds U+0000 or bytes that are no UTF-8", id)
	}
	return nil
}

func plausible(t time.Time) bool { return t.Year() >= 1900 && t.Year() <= 2200 }

// Union returns the facts of both lists, each id once: of two with one id the one recorded first.
func Union[T any](known, news []T, id func(*T) string, recorded func(*T) time.Time) []T {
	at := make(map[string]int, len(known)+len(news))
	out := make([]T, 0, len(known)+len(news))
	for _, list := range [][]T{known, news} {
		for i := range list {
			k := id(&list[i])
			j, ok := at[k]
			switch {
			case !ok:
				at[k] = len(out)
				out = append(out, list[i])
			case recorded(&list[i]).Before(recorded(&out[j])):
				out[j] = list[i]
			}
		}
	}
	return out
}

// later reports whether fact a is newer than b: the greater (recorded_at, event_id).
func later(aAt time.Time, aID string, bAt time.Time, bID string) bool {
	if !aAt.Equal(bAt) {
		return aAt.After(bAt)
	}
	return strings.Compare(aID, bID) > 0
}

package posts

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/producers/posts/record"
)

func openLake(t testing.TB, folder string) *lake.Lake {
	t.Helper()
	l, err := lake.Open(t.Context(), folder, lake.Options{Producer: "harvester@test"})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// all returns the events of stream posts by event id.
func all(t testing.TB, l *lake.Lake) map[string]event.Post {
	t.Helper()
	snap, err := l.Posts.Snapshot(t.Context(), -1)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]event.Post{}
	rows := 0
	for events, err := range snap.Batches(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			out[e.EventID] = e
			rows++
		}
	}
	if rows != len(out) {
		t.Errorf("%d rows hold %d events: one was recorded twice", rows, len(out))
	}
	return out
}

// facts returns the ids of all events but the windows, which say when somebody looked.
func facts(events map[string]event.Post) []string {
	var out []string
	for id, e := range events {
		if e.Kind != event.WindowRead {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out
}

func kinds(events map[string]event.Post) map[event.Kind]int {
	out := map[event.Kind]int{}
	for _, e := range events {
		out[e.Kind]++
	}
	return out
}

// list is a source of drafts given by the test.
type list struct {
	name  string
	live  bool
	posts []event.Post
	err   error
}

func (l *list) Name() string { return l.name }
func (l *list) Live() bool   { return l.live }
func (l *list) Read(_ context.Context, yield func(event.Post) error) error {
	for _, p := range l.posts {
		if err := yield(p); err != nil {
			return fmt.Errorf("read list: %w", err)
		}
	}
	return l.err
}

// post returns the draft of one post at a time, with a text.
func post(source string, at time.Time, text string) event.Post {
	doc := fmt.Sprintf(`{"id":"%d","created_at":%q,"content":%q}`, uint64(at.UnixMilli())<<16, at.Format(time.RFC3339Nano), text)
	return record.JSON(record.Origin{Source: source, Place: "test"}, []byte(doc))
}

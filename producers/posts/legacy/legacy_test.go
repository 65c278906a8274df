package legacy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/objects"
)

func put(t *testing.T, store objects.Store, key, doc string) {
	t.Helper()
	if _, err := store.Put(t.Context(), key, []byte(doc), objects.Always()); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, s *Source) (drafts []event.Post, err error) {
	t.Helper()
	err = s.Read(t.Context(), func(p event.Post) error { drafts = append(drafts, p); return nil })
	return drafts, err
}

func envelope(id, text string) string {
	return fmt.Sprintf(`{"shitpost_id": %q, "post_timestamp": "2025-04-09T13:37:00+00:00", "raw_api_data": {"id": %q, "created_at": "2025-04-09T13:37:00.000Z", "content": %q, "account": {"id": %q}}, "metadata": {"stored_at": "2025-04-09T13:40:00", "source": "truth_social", "version": "1.0", "harvester": "x"}}`, id, id, text, event.AuthorID)
}

func TestRead(t *testing.T) {
	store := &objects.Memory{}
	one := envelope("114308258545250117", "<p>one</p>")
	put(t, store, "truth-social/raw/2025/04/09/114308258545250117.json", one)
	put(t, store, "truth-social/raw/2025/04/10/114313920000000001.json", `{"shitpost_id":"114313920000000001"}`)
	put(t, store, "truth-social/raw/2025/04/11/x.json", `{"half`)
	put(t, store, "truth-social/raw/2025/04/11/notes.txt", "no envelope")
	s := &Source{Store: store}
	drafts, err := read(t, s)
	if err != nil || len(drafts) != 3 {
		t.Fatalf("%d drafts, error %v", len(drafts), err)
	}
	if d := drafts[0]; d.Kind != event.PostObserved || d.Source != Name || d.Text != "one" || d.Payload != one || d.PostID != "114308258545250117" {
		t.Errorf("draft %+v", d)
	}
	for _, d := range drafts[1:] {
		if d.Kind != event.RecordRejected || !strings.HasPrefix(d.RejectedDetail, "truth-social/raw/2025/04/1") {
			t.Errorf("draft %s %q", d.Kind, d.RejectedDetail)
		}
	}
	// Not recorded yet: all of it again. Recorded: only what is new or changed.
	if drafts, _ := read(t, s); len(drafts) != 3 {
		t.Errorf("%d drafts before they were recorded", len(drafts))
	}
	s.Committed()
	put(t, store, "truth-social/raw/2025/04/12/114319580000000001.json", envelope("114319580000000001", "two"))
	if drafts, err := read(t, s); err != nil || len(drafts) != 1 || drafts[0].Text != "two" {
		t.Errorf("afterwards %d drafts, error %v", len(drafts), err)
	}
}

func TestDays(t *testing.T) {
	store := &objects.Memory{}
	for day := 1; day <= 20; day++ {
		put(t, store, fmt.Sprintf("truth-social/raw/2025/04/%02d/%d.json", day, day), "{}")
	}
	from := time.Date(2025, 4, 10, 0, 0, 0, 0, time.UTC)
	drafts, err := read(t, &Source{Store: store, From: from, To: from.AddDate(0, 0, 2)})
	if err != nil || len(drafts) != 5 { // 8..12: two days, and what may lie in the folders beside
		t.Errorf("%d objects were read, error %v", len(drafts), err)
	}
}

// broken cannot give some of its objects.
type broken struct{ objects.Memory }

var errBroken = errors.New("cannot be read")

func (b *broken) Get(ctx context.Context, key string) ([]byte, objects.Info, error) {
	if strings.Contains(key, "bad") {
		return nil, objects.Info{}, errBroken
	}
	return b.Memory.Get(ctx, key)
}

func TestTrouble(t *testing.T) {
	if _, err := read(t, &Source{Store: &objects.Memory{}}); err == nil || !strings.Contains(err.Error(), Prefix) {
		t.Errorf("an empty bucket: %v", err)
	}
	store := &broken{}
	for i := range 40 {
		put(t, store, fmt.Sprintf("truth-social/raw/2025/04/09/%02d.json", i), envelope("114308258545250117", fmt.Sprint(i)))
	}
	put(t, store, "truth-social/raw/2025/04/09/bad.json", "{}")
	if drafts, err := read(t, &Source{Store: store}); len(drafts) != 40 || !errors.Is(err, errBroken) {
		t.Errorf("%d drafts, error %v", len(drafts), err)
	}
	stop := errors.New("stop")
	if err := (&Source{Store: store}).Read(t.Context(), func(event.Post) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("stopped: %v", err)
	}
}

func FuzzDraft(f *testing.F) {
	f.Add([]byte(envelope("114308258545250117", "x")))
	f.Add([]byte(`{"raw_api_data":"{\"id\":\"114308258545250117\"}"}`))
	f.Add([]byte(`{"raw_api_data":[]}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, data []byte) {
		d := Draft("k", data)
		d.OccurredAt = time.Unix(1_767_000_000, 0)
		if d.Kind == event.PostObserved {
			d.OccurredAt = d.PublishedAt
		}
		event.Seal(&d, "")
		if err := event.Check(&d); err != nil || d.Source != Name {
			t.Errorf("%v", err)
		}
		if kept, err := d.PayloadBytes(); err != nil || string(kept) != string(data) && !d.PayloadCut {
			t.Errorf("the payload is not what was read: %v", err)
		}
	})
}

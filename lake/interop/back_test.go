package interop

import (
	"encoding/json"
	"strings"
	"testing"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/event"
)

// TestForeignWriter: what delta-rs does to a table of ours is read by us, or refused by name; and
// where it is no refusal we go on writing behind it. Foreign writers are no supported use: they can
// take rows away that this lake promises to keep. What is tested is that we do not break on them.
func TestForeignWriter(t *testing.T) {
	in := installed(t)
	if !in.has(t, "deltalake") {
		return
	}
	s := drawSeed(t)
	for _, c := range []struct {
		name    string
		refused string // what delta-rs says when it refuses
		added   int    // events more than before
		read    string // what our reader says when it refuses
		write   string // what our writer says when it refuses
		verify  string // what Verify finds
	}{
		{name: "append", added: 3},
		{name: "append large strings", added: 3},
		{name: "append string views", added: 3},
		{name: "append nanoseconds", added: 3},
		{name: "append snappy", added: 3},
		{name: "append fewer columns", added: 3},
		{name: "append another column", added: 3},
		{name: "append without event_id", added: 3, verify: "event_id"},
		{name: "append naive timestamps", read: "timestampNtz"},
		{name: "optimize"},
		{name: "z-order"},
		{name: "checkpoint"},
		{name: "clean the log"},
		{name: "set properties", write: "writer version 4"},
		{name: "deletion vectors", read: "deletionVectors"},
		{name: "delete", refused: "append-only"},
		{name: "update", refused: "append-only"},
		{name: "overwrite", refused: "append-only"},
		{name: "restore", added: -1}, // is not refused: rows are gone
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHistory[event.Prediction](t, s)
			for range 4 {
				h.append(1)
			}
			cmd, stderr := in.command(t, h.root, "write_deltalake.py", h.path(), c.name)
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("%v\n%s", err, stderr)
			}
			var a struct{ Error string }
			if err := json.Unmarshal(out, &a); err != nil {
				t.Fatalf("it says %q: %v", out, err)
			}
			if (a.Error != "") != (c.refused != "") || !strings.Contains(a.Error, c.refused) {
				t.Fatalf("delta-rs says %q, want %q", a.Error, c.refused)
			}
			events, err := h.everything()
			if !says(err, c.read) {
				t.Fatalf("our reader: %v, want %q", err, c.read)
			}
			if c.read != "" {
				return
			}
			if c.added < 0 && len(events) >= len(h.rows()) || c.added >= 0 && len(events) != len(h.rows())+c.added {
				t.Errorf("we read %d events of %d, want %d more", len(events), len(h.rows()), c.added)
			}
			if v, err := h.stream("reader@1").Verify(t.Context(), nil); err != nil || v.OK() != (c.verify == "") || !strings.Contains(strings.Join(v.Problems, " "), c.verify) {
				t.Errorf("verify: %v, %.300q, want %q", err, v.Problems, c.verify)
			}
			h.goOn(c.write, len(events))
		})
	}
}

func says(err error, want string) bool {
	return err == nil && want == "" || err != nil && want != "" && strings.Contains(err.Error(), want)
}

// everything reads the table as a new process would.
func (h *history[E]) everything() (events []E, err error) {
	snap, err := h.stream("reader@1").Snapshot(h.t.Context(), -1)
	if err != nil {
		return nil, err
	}
	for batch, err := range snap.Batches(h.t.Context()) {
		if err != nil {
			return nil, err
		}
		events = append(events, batch...)
	}
	return events, nil
}

// goOn records one more event behind whatever is there, compacts where all columns are known, and
// reads it all again.
func (h *history[E]) goOn(refused string, before int) {
	s := h.stream("writer@1")
	head, err := s.Head(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	_, err = s.Append(h.t.Context(), head, []E{one[E](h.r, nil)})
	if !says(err, refused) {
		h.t.Fatalf("our writer: %v, want %q", err, refused)
	}
	if refused != "" {
		return
	}
	if _, err := s.Compact(h.t.Context(), lake.CompactOptions{}); err != nil && !strings.Contains(err.Error(), "their_note") {
		h.t.Fatalf("compact: %v", err)
	}
	if events, err := h.everything(); err != nil || len(events) != before+1 {
		h.t.Fatalf("after one more append and a compaction: %d events, %v; want %d", len(events), err, before+1)
	}
}

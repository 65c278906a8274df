package interop

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/delta"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/objects"
)

// row is one event as the model keeps it.
type row struct {
	id, file, kind, key string
	occurred, recorded  int64 // µs since 1970
	sum                 int64
	canon               string // as a foreign reader should see it now
	first               string // as a foreign reader should see it in the version that brought it
	own                 string // as our reader decodes it, whatever columns its file has
}

// history makes one table and knows, apart from the lake's code, which rows each version has.
type history[E event.Event] struct {
	t        *testing.T
	r        draw
	root     string
	store    objects.Store
	table    *delta.Table // to commit what our writer would not, as an older or newer one did
	columns  []column
	versions [][]row        // by version
	lost     map[int64]bool // versions whose files a vacuum took
	grown    bool           // the schema has changed
}

func newHistory[E event.Event](t *testing.T, seed uint64) *history[E] {
	root := t.TempDir()
	store := objects.NewFolder(root)
	return &history[E]{t: t, r: draw{newRand(seed)}, root: root, store: store,
		table: delta.NewTable(store, event.StreamOf[E]()), columns: columnsOf[E](), lost: map[int64]bool{}}
}

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }

func (h *history[E]) name() string { return event.StreamOf[E]() }
func (h *history[E]) path() string { return filepath.Join(h.root, h.name()) }

// stream opens the table as another process would.
func (h *history[E]) stream(producer string) *lake.Stream[E] {
	return streamOf[E](lake.New(h.store, h.root, lake.Options{Producer: producer}))
}

func streamOf[E event.Event](l *lake.Lake) *lake.Stream[E] {
	for _, s := range []any{l.Posts, l.Predictions, l.Prices} {
		if s, ok := s.(*lake.Stream[E]); ok {
			return s
		}
	}
	panic("unreachable: Event is closed")
}

func (h *history[E]) head() int64 { return int64(len(h.versions)) - 1 }

func (h *history[E]) rows() []row {
	if len(h.versions) == 0 {
		return nil
	}
	return h.versions[len(h.versions)-1]
}

func (h *history[E]) batch() []E {
	var ids []string
	for _, r := range h.rows() {
		ids = append(ids, r.id)
	}
	out := make([]E, 1+h.r.IntN(30))
	for i := range out {
		out[i] = one[E](h.r, ids)
	}
	return out
}

// append lets several writers, each with a lake of its own, append a batch at the same time.
func (h *history[E]) append(writers int) {
	batches := make([][]E, writers)
	committed := make([]int64, writers)
	for i := range batches {
		batches[i] = h.batch()
	}
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			committed[i] = -1
			s := h.stream(fmt.Sprintf("writer-%d@1", i))
			for {
				head, err := s.Head(h.t.Context())
				if err == nil {
					committed[i], err = s.Append(h.t.Context(), head, batches[i])
				}
				if !errors.Is(err, lake.ErrConflict) {
					if err != nil {
						h.t.Errorf("append to %s: %v", h.name(), err)
					}
					return
				}
			}
		})
	}
	wg.Wait()
	order := make([]int, writers)
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(committed[a], committed[b]) })
	if committed[order[0]] < 0 {
		h.t.FailNow()
	}
	for _, i := range order {
		h.committed(committed[i], batches[i])
	}
}

// committed adds a version of our writer to the model. What Append decides (recorded_at, producer,
// batch_id) is taken from the table; all else is what was handed to it.
func (h *history[E]) committed(version int64, batch []E) {
	if h.head() < 0 {
		h.versions = append(h.versions, nil) // version 0 makes the table
	}
	if version != h.head()+1 {
		h.t.Fatalf("%s: committed version %d after %d", h.name(), version, h.head())
	}
	c, err := h.stream("model@1").Read(h.t.Context(), version)
	if err != nil || len(c.Events) != len(batch) {
		h.t.Fatalf("%s version %d: %d events, %v; want %d", h.name(), version, len(c.Events), err, len(batch))
	}
	file := h.files(version)[0]
	rows := slices.Clone(h.rows())
	for i := range batch {
		v, w := event.EnvelopeOf(&batch[i]), event.EnvelopeOf(&c.Events[i])
		v.RecordedAt, v.Producer, v.BatchID = w.RecordedAt, w.Producer, w.BatchID
		rows = append(rows, h.row(&batch[i], file, nil))
	}
	h.versions = append(h.versions, rows)
}

// row describes an event that lies in a file with the columns keep (nil: all).
func (h *history[E]) row(e *E, file string, keep map[string]bool) row {
	v := event.EnvelopeOf(e)
	_, sum := summed(e)
	r := row{id: v.EventID, file: file, kind: string(v.Kind), key: v.Key, occurred: v.OccurredAt.UnixMicro(), recorded: v.RecordedAt.UnixMicro(), sum: sum,
		canon: canonical(*e, h.columns, keep), own: canonical(*e, h.columns, nil)}
	r.first = r.canon
	return r
}

// files returns the data files that a version adds.
func (h *history[E]) files(version int64) (added []string) {
	for _, a := range h.actions(version) {
		if a.Add != nil {
			added = append(added, a.Add.Path)
		}
	}
	return added
}

func (h *history[E]) actions(version int64) []delta.Action {
	actions, err := h.table.Read(h.t.Context(), version)
	if err != nil {
		h.t.Fatal(err)
	}
	return actions
}

// sameRows adds versions that change no rows, such as a compaction: the rows of the files that they
// remove lie in the files that they add, written anew with all columns.
func (h *history[E]) sameRows() {
	for {
		actions, err := h.table.Read(h.t.Context(), h.head()+1)
		if errors.Is(err, delta.ErrNoVersion) {
			return
		}
		if err != nil {
			h.t.Fatal(err)
		}
		removed, added := map[string]bool{}, ""
		for _, a := range actions {
			if a.Remove != nil {
				removed[a.Remove.Path] = true
			}
			if a.Add != nil {
				added = a.Add.Path
			}
		}
		rows := slices.Clone(h.rows())
		for i := range rows {
			if removed[rows[i].file] {
				rows[i].file, rows[i].canon = added, rows[i].own
			}
		}
		h.versions = append(h.versions, rows)
	}
}

// question is a filter and how many rows it leaves.
type question struct {
	Column string `json:"column"`
	Op     string `json:"op"`
	Value  any    `json:"value"` // text, or µs since 1970
	rows   int
}

// version is what a reader is asked about one version, and what it must answer.
type version struct {
	Version   int64      `json:"version"`
	Head      bool       `json:"head"`
	Questions []question `json:"questions"`
	rows      int
	hash      string
	sum       int64
	lost      bool
}

// table is what a reader is asked about one table.
type table struct {
	Name     string    `json:"name"`
	Path     string    `json:"path"`
	Sum      string    `json:"sum"`
	Versions []version `json:"versions"`
	grown    bool      // its schema has changed
}

// plan returns the questions about every version of the table.
func (h *history[E]) plan(name string) table {
	column, _ := summed(new(E))
	out := table{Name: name, Path: h.path(), Sum: column, grown: h.grown}
	for n, rows := range h.versions {
		v := version{Version: int64(n), Head: n == len(h.versions)-1, Questions: []question{}, rows: len(rows), lost: h.lost[int64(n)]}
		var canon []string
		for _, r := range rows {
			canon = append(canon, r.canon)
			v.sum += r.sum
		}
		v.hash = hashOf(canon)
		if len(rows) > 0 && (v.Head || n%4 == 0) {
			v.Questions = h.questions(rows)
		}
		out.Versions = append(out.Versions, v)
	}
	return out
}

func (h *history[E]) questions(rows []row) (out []question) {
	pick := func() row { return rows[h.r.IntN(len(rows))] }
	ask := func(column, op string, value any, holds func(row) bool) {
		q := question{Column: column, Op: op, Value: value}
		for _, r := range rows {
			if holds(r) {
				q.rows++
			}
		}
		out = append(out, q)
	}
	r := pick()
	ask("kind", "=", r.kind, func(x row) bool { return x.kind == r.kind })
	ask("key", "=", r.key, func(x row) bool { return x.key == r.key })
	ask("occurred_at", "=", r.occurred, func(x row) bool { return x.occurred == r.occurred })
	ask("event_id", "=", r.id, func(x row) bool { return x.id == r.id }) // a column without statistics
	a, b, c, d := pick(), pick(), pick(), pick()
	ask("key", ">=", a.key, func(x row) bool { return x.key >= a.key })
	ask("key", "<", b.key, func(x row) bool { return x.key < b.key })
	ask("occurred_at", ">=", c.occurred, func(x row) bool { return x.occurred >= c.occurred })
	ask("recorded_at", ">", d.recorded, func(x row) bool { return x.recorded > d.recorded })
	return out
}

// own compares our own reader with the model, at every version.
func (h *history[E]) own() {
	s := h.stream("reader@1")
	for n, rows := range h.versions {
		snap, err := s.Snapshot(h.t.Context(), int64(n))
		if err != nil {
			h.t.Fatal(err)
		}
		want, got := map[string]string{}, map[string]string{}
		for _, r := range rows {
			want[r.id] = r.own
		}
		for events, err := range snap.Batches(h.t.Context()) {
			if h.lost[int64(n)] && errors.Is(err, lake.ErrDamaged) {
				break
			}
			if err != nil {
				h.t.Fatal(err)
			}
			for i := range events {
				got[event.EnvelopeOf(&events[i]).EventID] = canonical(events[i], h.columns, nil)
			}
		}
		if !h.lost[int64(n)] && !maps.Equal(got, want) {
			h.t.Errorf("our reader: %s version %d has %d events, want %d; %s", h.name(), n, len(got), len(want), difference(got, want))
			break
		}
	}
	if v, err := s.Verify(h.t.Context(), nil); err != nil || !v.OK() {
		h.t.Errorf("verify %s: %v, %d problems: %.500q", h.name(), err, len(v.Problems), v.Problems)
	}
}

// difference shows the first row that differs.
func difference(got, want map[string]string) string {
	for _, id := range slices.Sorted(maps.Keys(want)) {
		if got[id] != want[id] {
			return fmt.Sprintf("event %s is\n%q, want\n%q", id, got[id], want[id])
		}
	}
	return "events that nobody wrote"
}

// schema returns the Delta schema of the columns that keep names, with more at the end.
func schema(t *testing.T, full string, keep map[string]bool, more ...map[string]any) string {
	var s struct {
		Type   string           `json:"type"`
		Fields []map[string]any `json:"fields"`
	}
	if err := json.Unmarshal([]byte(full), &s); err != nil {
		t.Fatal(err)
	}
	if keep != nil {
		s.Fields = slices.DeleteFunc(s.Fields, func(f map[string]any) bool { return !keep[f["name"].(string)] })
	}
	s.Fields = append(s.Fields, more...)
	out, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

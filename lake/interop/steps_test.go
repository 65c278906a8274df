package interop

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/parquet-go/parquet-go"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/delta"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/objects"
)

// old begins the table as an older version of the code would have: with fewer columns, in the
// table's schema and in its files. Our writer then adds the columns that are missing.
func (h *history[E]) old() {
	full := newHistory[E](h.t, h.r.Uint64())
	full.append(1)
	state, err := full.table.At(h.t.Context(), -1)
	if err != nil {
		h.t.Fatal(err)
	}
	keep := map[string]bool{}
	for _, c := range h.columns {
		keep[c.name] = !slices.Contains(laterColumns(), c.name) || h.r.IntN(4) == 0
	}
	meta := state.MetaData
	meta.SchemaString = schema(h.t, meta.SchemaString, keep)
	h.commit([]delta.Action{{Protocol: &state.Protocol}, {MetaData: &meta}}, "CREATE TABLE", nil)
	for range 2 {
		h.foreignFile(h.batch(), keep, 0, nil)
	}
}

// laterColumns are those that an event is valid without.
func laterColumns() []string {
	return []string{"causation_id", "synthetic", "payload", "payload_encoding", "payload_sha256", "payload_size", "payload_cut", "rejected_detail",
		"source_created_at", "edited_at", "text", "html", "text_repaired", "text_missing", "url", "replies", "account_verified", "media_urls", "tags",
		"window_complete", "window_posts", "missing_ids", "thesis", "temperature", "cost_micros", "assets", "dropped", "terminal", "adj_close",
		"currency", "source_rank", "fetched_at"}
}

// newer adds columns that this code does not know, as a newer version of it would, and a file that
// has them.
func (h *history[E]) newer() {
	state, err := h.table.At(h.t.Context(), -1)
	if err != nil {
		h.t.Fatal(err)
	}
	added := func(name, kind string) map[string]any {
		return map[string]any{"name": name, "type": kind, "nullable": true, "metadata": map[string]string{}}
	}
	meta := state.MetaData
	meta.SchemaString = schema(h.t, meta.SchemaString, nil, added("zz_added_text", "string"), added("zz_added_long", "long"))
	h.foreignFile(h.batch(), nil, 2, &meta)
}

// foreignFile commits events in a file with the columns keep (nil: all) and extra columns that this
// code does not know.
func (h *history[E]) foreignFile(batch []E, keep map[string]bool, extra int, meta *delta.MetaData) {
	now := time.Now().UTC().Truncate(time.Microsecond)
	for _, r := range h.rows() {
		now = time.UnixMicro(max(now.UnixMicro(), r.recorded+1)).UTC()
	}
	file := fmt.Sprintf("part-%d.parquet", h.head()+1)
	rows := slices.Clone(h.rows())
	var fields []reflect.StructField
	for _, c := range h.columns {
		if keep == nil || keep[c.name] {
			fields = append(fields, reflect.StructField{Name: c.field.Name, Type: c.field.Type, Tag: c.field.Tag})
		}
	}
	if extra > 0 {
		fields = append(fields, reflect.StructField{Name: "ZZText", Type: reflect.TypeFor[string](), Tag: `parquet:"zz_added_text,optional"`},
			reflect.StructField{Name: "ZZLong", Type: reflect.TypeFor[int64](), Tag: `parquet:"zz_added_long,optional"`})
	}
	kind := reflect.StructOf(fields)
	var b bytes.Buffer
	w := parquet.NewWriter(&b, parquet.SchemaOf(reflect.New(kind).Interface()), parquet.DataPageVersion(1), parquet.Compression(&parquet.Zstd))
	for i := range batch {
		v := event.EnvelopeOf(&batch[i])
		v.RecordedAt, v.Producer, v.BatchID = now.Add(time.Duration(i)*time.Microsecond), "another@9", file
		from, to := reflect.ValueOf(batch[i]), reflect.New(kind)
		for _, c := range h.columns {
			if keep == nil || keep[c.name] {
				to.Elem().FieldByName(c.field.Name).Set(from.FieldByIndex(c.index))
			}
		}
		r := h.row(&batch[i], file, keep)
		r.own = h.decoded(&batch[i], keep)
		if extra > 0 {
			text, long := h.r.text(), h.r.Int64N(1e12)+1
			to.Elem().FieldByName("ZZText").SetString(text)
			to.Elem().FieldByName("ZZLong").SetInt(long)
			r.canon += fmt.Sprintf("zz_added_long=i%d;zz_added_text=s%d:%s;", long, len(text), text)
			r.first = r.canon
		}
		if err := w.Write(to.Interface()); err != nil {
			h.t.Fatal(err)
		}
		rows = append(rows, r)
	}
	if err := w.Close(); err != nil {
		h.t.Fatal(err)
	}
	if _, err := h.store.Put(h.t.Context(), h.name()+"/"+file, b.Bytes(), objects.Always()); err != nil {
		h.t.Fatal(err)
	}
	sum := sha256.Sum256(b.Bytes())
	last := event.EnvelopeOf(&batch[len(batch)-1])
	actions := []delta.Action{{Add: &delta.Add{Path: file, PartitionValues: map[string]string{}, Size: int64(b.Len()), ModificationTime: now.UnixMilli(),
		DataChange: true, Stats: fmt.Sprintf(`{"numRecords":%d}`, len(batch)), Tags: map[string]string{"sha256": hex.EncodeToString(sum[:]),
			"newestRecordedAt": strconv.FormatInt(last.RecordedAt.UnixMicro(), 10), "newestEventId": last.EventID}}}}
	if meta != nil {
		actions = append(actions, delta.Action{MetaData: meta})
	}
	h.commit(actions, "WRITE", rows)
}

// decoded is the event as our reader decodes it from a file with the columns keep.
func (h *history[E]) decoded(e *E, keep map[string]bool) string {
	var less E
	from, to := reflect.ValueOf(e).Elem(), reflect.ValueOf(&less).Elem()
	for _, c := range h.columns {
		if keep == nil || keep[c.name] {
			to.FieldByIndex(c.index).Set(from.FieldByIndex(c.index))
		}
	}
	return canonical(less, h.columns, nil)
}

func (h *history[E]) commit(actions []delta.Action, operation string, rows []row) {
	version := h.head() + 1
	actions = append(actions, delta.Action{CommitInfo: &delta.CommitInfo{Operation: operation, OperationParameters: map[string]any{},
		Timestamp: time.Now().UnixMilli(), EngineInfo: "another@9", TxnID: fmt.Sprint("another-", version)}})
	if _, err := h.table.Refresh(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
	if err := h.table.Commit(h.t.Context(), version, actions); err != nil {
		h.t.Fatal(err)
	}
	h.versions = append(h.versions, rows)
}

// compact must compact, or refuse where it would lose columns that it does not know.
func (h *history[E]) compact() {
	before := h.head()
	done, err := h.stream("maintain@1").Compact(h.t.Context(), lake.CompactOptions{})
	unknown := slices.ContainsFunc(h.rows(), func(r row) bool { return strings.Contains(r.canon, "zz_added_text=") })
	if unknown != errors.Is(err, lake.ErrSchemaDrift) || err != nil && !unknown {
		h.t.Fatalf("compact %s with columns unknown to it (%v): %v", h.name(), unknown, err)
	}
	h.sameRows()
	if h.head() != before+int64(done.Commits) {
		h.t.Fatalf("compact %s: %d commits said, %d made", h.name(), done.Commits, h.head()-before)
	}
}

// fence commits a take-over of a lease: a version with neither adds nor removes.
func (h *history[E]) fence() {
	if err := h.stream("analyzer@1").Fence(h.t.Context(), "lease", h.head()+1); err != nil {
		h.t.Fatal(err)
	}
	h.sameRows()
}

// checkpoint must write one at the newest version.
func (h *history[E]) checkpoint() {
	if v, err := h.stream("maintain@1").Checkpoint(h.t.Context()); err != nil || v != h.head() {
		h.t.Fatalf("checkpoint %s at version %d: %d, %v", h.name(), h.head(), v, err)
	}
}

// vacuum deletes what compactions replaced, as it would two months later: older versions that need
// those files are lost.
func (h *history[E]) vacuum() {
	later := func() time.Time { return time.Now().Add(60 * 24 * time.Hour) }
	l := lake.New(h.store, h.root, lake.Options{Producer: "maintain@1", Now: later})
	gone, err := streamOf[E](l).Vacuum(h.t.Context(), lake.VacuumOptions{Delete: true})
	if err != nil {
		h.t.Fatalf("vacuum %s: %v", h.name(), err)
	}
	for n, rows := range h.versions {
		h.lost[int64(n)] = h.lost[int64(n)] || slices.ContainsFunc(rows, func(r row) bool { return slices.Contains(gone.Retired, r.file) })
	}
	if h.lost[h.head()] {
		h.t.Fatalf("vacuum %s took a file that the newest version needs", h.name())
	}
}

// step does one random thing to the table.
func (h *history[E]) step() {
	switch n := h.r.IntN(20); {
	case n < 10 || h.head() < 2:
		h.append(1)
	case n < 13:
		h.append(3)
	case n < 15:
		h.compact()
	case n < 17:
		h.checkpoint()
	case n < 18:
		h.fence()
	case n < 19:
		h.vacuum()
	default:
		h.append(2)
	}
}

// age says how a history's columns change.
type age int

const (
	unchanged age = iota
	grown         // it begins with an older schema
	newer         // in the end columns are added that this code does not know
)

// live makes a history of so many random steps, and a compaction, a checkpoint and a vacuum in any
// case.
func (h *history[E]) live(a age, steps int) {
	if a == grown {
		h.old()
	}
	at := h.r.IntN(steps/2) + steps/4
	for i := range steps {
		h.step()
		if i == at {
			h.compact()
			h.append(1)
			h.checkpoint()
			h.append(1)
		}
	}
	if h.r.IntN(2) == 0 {
		h.vacuum()
	}
	if a == newer {
		h.newer()
		h.append(1)
		h.compact()
		h.checkpoint()
		h.append(2)
	}
	h.grown = a != unchanged
	h.own()
}

package lake

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/parquet-go/parquet-go"

	"shitpost-alpha/lake/delta"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/footer"
	"shitpost-alpha/lake/objects"
)

// Compaction and redaction write the rows of some files again, in other files. This file is what
// they share: reading rows in pieces, writing files of bounded size, and the one commit that swaps
// the old files for the new.

// rowReader reads the rows of a data file in pieces.
type rowReader[E event.Event] struct {
	rows  *parquet.GenericReader[E]
	left  int64
	empty func([]E) // see emptyMissing
}

// readPiece is how many rows are decoded at a time.
const readPiece = 1024

func openRows[E event.Event](data []byte) (r *rowReader[E], err error) {
	defer recoverDecode[E](&err)
	if err := footer.Check(data); err != nil {
		return nil, fmt.Errorf("decode %s: %w", event.StreamOf[E](), err)
	}
	file, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return nil, fmt.Errorf("decode %s: %w", event.StreamOf[E](), err)
	}
	return &rowReader[E]{parquet.NewGenericReader[E](file), file.NumRows(), emptyMissing[E](file.Schema())}, nil
}

// next returns the next rows, none at the end.
func (r *rowReader[E]) next() (rows []E, err error) {
	defer recoverDecode[E](&err)
	if r.left <= 0 {
		return nil, nil
	}
	buf := make([]E, min(r.left, readPiece))
	n, err := r.rows.Read(buf)
	r.left -= int64(n)
	if r.left > 0 && (err != nil || n == 0) {
		return nil, fmt.Errorf("decode %s: %d rows are missing: %w", event.StreamOf[E](), r.left, cmp.Or(err, io.ErrUnexpectedEOF))
	}
	r.empty(buf[:n])
	return buf[:n], nil
}

// recoverDecode makes an error of a panic: the Parquet library panics on some damaged files.
func recoverDecode[E event.Event](err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("decode %s: %v", event.StreamOf[E](), r)
	}
}

// fingerprint is a count and an order-free hash of rows, all columns of them: two lists of rows with
// equal fingerprints are the same rows in some order.
type fingerprint struct {
	rows int64
	sum  [4]uint64
}

// rowHasher adds events to a fingerprint.
type rowHasher[E event.Event] struct {
	schema *parquet.Schema
	row    parquet.Row
	buf    []byte
}

func newRowHasher[E event.Event]() *rowHasher[E] {
	return &rowHasher[E]{schema: parquet.SchemaOf(*new(E))}
}

func (h *rowHasher[E]) add(f *fingerprint, e *E) {
	h.row, h.buf = h.schema.Deconstruct(h.row[:0], e), h.buf[:0]
	for _, v := range h.row {
		h.buf = binary.BigEndian.AppendUint16(h.buf, uint16(v.Column()))
		h.buf = append(h.buf, byte(v.DefinitionLevel()), byte(v.RepetitionLevel()))
		start := len(h.buf)
		h.buf = binary.BigEndian.AppendUint32(h.buf, 0)
		h.buf = v.AppendBytes(h.buf)
		binary.BigEndian.PutUint32(h.buf[start:], uint32(len(h.buf)-start))
	}
	sum := sha256.Sum256(h.buf)
	for i := range f.sum {
		f.sum[i] += binary.BigEndian.Uint64(sum[8*i:])
	}
	f.rows++
}

// roughSize is about how many bytes an event takes before compression.
func roughSize[E event.Event](e *E) int {
	n := 512 + len(event.EnvelopeOf(e).Payload)
	if p, ok := any(e).(*event.Post); ok {
		n += len(p.Text) + len(p.HTML)
	}
	return n
}

// fileWriter writes rows into data files of bounded size and puts each as it is full.
type fileWriter[E event.Event] struct {
	stream *Stream[E]
	tags   map[string]string // on every add, beside those that all adds have
	change bool              // the adds' dataChange
	target int               // a file of so many bytes is full

	hash    *rowHasher[E]
	written fingerprint  // of what the files hold, read back from their bytes
	files   []*delta.Add // written, not committed yet

	buf    bytes.Buffer
	w      *parquet.GenericWriter[E]
	sums   *statistics
	newest event.Envelope // RecordedAt and EventID of the newest row of the file
	raw    int            // bytes of values since the last row group
}

// A row group is closed after so many bytes of values, which bounds what the writer holds.
const rowGroupRaw = 32 << 20

func (w *fileWriter[E]) write(ctx context.Context, rows []E, raw int) error {
	if w.w == nil {
		w.buf, w.sums, w.newest, w.raw = bytes.Buffer{}, &statistics{}, event.Envelope{}, 0
		w.w = parquet.NewGenericWriter[E](&w.buf, writerOptions()...)
	}
	for i := range rows {
		v := event.EnvelopeOf(&rows[i])
		w.sums.add(v)
		if v.After(&w.newest) {
			w.newest = *v
		}
	}
	if err := writeRows(w.w, rows); err != nil {
		return fmt.Errorf("encode %s: %w", event.StreamOf[E](), err)
	}
	if w.raw += raw; w.raw < rowGroupRaw {
		return nil
	}
	w.raw = 0
	if err := w.w.Flush(); err != nil {
		return fmt.Errorf("encode %s: %w", event.StreamOf[E](), err)
	}
	if w.buf.Len() < w.target {
		return nil
	}
	return w.close(ctx)
}

// close puts the file that is open, if there is one. The bytes are decoded once more before: what
// the fingerprint says is what a reader will find.
func (w *fileWriter[E]) close(ctx context.Context) error {
	if w.w == nil {
		return nil
	}
	if err := w.w.Close(); err != nil {
		return fmt.Errorf("encode %s: %w", event.StreamOf[E](), err)
	}
	w.w = nil
	data := w.buf.Bytes()
	if err := eachRow(data, func(e *E) error { w.hash.add(&w.written, e); return nil }); err != nil {
		return err
	}
	name := newTxnID() + ".parquet"
	info, err := w.stream.store.Put(ctx, w.stream.Name()+"/"+name, data, objects.Always())
	if err != nil {
		return err
	}
	sum := sha256.Sum256(data)
	tags := map[string]string{tagSHA256: hex.EncodeToString(sum[:]),
		tagNewest: strconv.FormatInt(w.newest.RecordedAt.UnixMicro(), 10), tagNewestID: w.newest.EventID}
	maps.Copy(tags, w.tags)
	w.files = append(w.files, &delta.Add{Path: name, PartitionValues: map[string]string{}, Size: int64(len(data)),
		DataChange: w.change, Stats: w.sums.String(), Tags: tags})
	return w.stream.checkClock(info)
}

// eachRow calls f for every row of a data file.
func eachRow[E event.Event](data []byte, f func(*E) error) error {
	r, err := openRows[E](data)
	if err != nil {
		return err
	}
	for {
		rows, err := r.next()
		if err != nil || len(rows) == 0 {
			return err
		}
		for i := range rows {
			if err := f(&rows[i]); err != nil {
				return err
			}
		}
	}
}

// swap commits files in place of others, in one version. Appends that come between are no part of
// it: the swap is tried again behind them. ErrConflict: a file that it would remove was removed by
// somebody else, or it took so long that vacuum might soon take the new files for orphans.
func (s *Stream[E]) swap(ctx context.Context, operation string, old []*delta.Add, files []*delta.Add, started time.Time) (int64, error) {
	txn := newTxnID()
	for {
		if s.opts.Now().Sub(started) > maxFileAge {
			return 0, fmt.Errorf("%w: gave up on data files that are over %s old", ErrConflict, maxFileAge)
		}
		version, err := s.trySwap(ctx, operation, txn, old, files)
		if err == nil || !errors.Is(err, errAgain) {
			return version, err
		}
	}
}

// errAgain: another writer took the version; nothing that matters to a swap has changed yet.
var errAgain = errors.New("version taken")

func (s *Stream[E]) trySwap(ctx context.Context, operation, txn string, old []*delta.Add, files []*delta.Add) (int64, error) {
	s.appending.Lock()
	defer s.appending.Unlock()
	head, err := s.table.Refresh(ctx)
	if err != nil {
		return 0, err
	}
	now := s.opts.Now().UnixMilli()
	info := s.commitInfo(operation, txn, now)
	info.IsBlindAppend = false
	actions := []delta.Action{{CommitInfo: info}}
	s.table.Peek(func(st *delta.State) {
		err = st.Writable()
		change := false
		for i, f := range files {
			add := *f
			add.ModificationTime = max(now, st.Modified+1) + int64(i)
			actions = append(actions, delta.Action{Add: &add})
			change = change || add.DataChange
		}
		for _, f := range old {
			if st.Files[f.Path] == nil {
				err = fmt.Errorf("%w: file %s was removed by somebody else", ErrConflict, f.Path)
			}
			actions = append(actions, delta.Action{Remove: &delta.Remove{Path: f.Path, DeletionTimestamp: now, DataChange: change,
				ExtendedFileMetadata: true, PartitionValues: map[string]string{}, Size: f.Size}})
		}
		if change && appendOnly(&st.MetaData) {
			err = errAppendOnly
		}
	})
	if err != nil {
		return 0, err
	}
	err = s.table.Commit(ctx, head+1, actions)
	if errors.Is(err, ErrConflict) {
		return 0, errAgain
	}
	if err != nil {
		return 0, err
	}
	s.wake()
	return head + 1, nil
}

// errAppendOnly: the table does not allow rows to change.
var errAppendOnly = errors.New("table is append-only")

func appendOnly(m *delta.MetaData) bool {
	return strings.EqualFold(m.Configuration["delta.appendOnly"], "true")
}

// discard deletes files that were written and certainly not committed. It is only tidy: what it
// leaves, vacuum takes.
func (s *Stream[E]) discard(ctx context.Context, files []*delta.Add) {
	for _, f := range files {
		if err := s.store.Delete(context.WithoutCancel(ctx), s.Name()+"/"+f.Path); err != nil {
			s.opts.Log.Warn("file of a failed rewrite left for vacuum", "stream", s.Name(), "file", f.Path, "error", err)
		}
	}
}

// rewritable refuses to write rows again that this code would not write whole.
func (s *Stream[E]) rewritable(ctx context.Context) error {
	if s.opts.ReadOnly {
		return ErrReadOnly
	}
	s.appending.Lock()
	err := s.probe(ctx)
	s.appending.Unlock()
	if err != nil {
		return err
	}
	var schema string
	s.table.Peek(func(st *delta.State) { schema = st.MetaData.SchemaString })
	// The other way round than for an append: does ours lack a column that the table has?
	merged, changed, err := mergeSchema(schemaString[E](), schema)
	if err == nil && changed {
		err = fmt.Errorf("%w: the table has columns that this version does not know and would lose: use the version that wrote them (%s)", ErrSchemaDrift, merged)
	}
	return err
}

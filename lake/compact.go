package lake

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/parquet-go/parquet-go"

	"shitpost-alpha/lake/delta"
	"shitpost-alpha/lake/event"
)

// tagSorted is on every add whose rows are in order of the columns that it names.
const (
	tagSorted = "sortedBy"
	sortedBy  = "key,occurred_at,recorded_at,event_id"
)

// Compare orders events as compacted files hold them: by key, occurred_at, recorded_at, event_id.
func Compare[E event.Event](a, b *E) int {
	v, w := event.EnvelopeOf(a), event.EnvelopeOf(b)
	return cmp.Or(strings.Compare(v.Key, w.Key), v.OccurredAt.Compare(w.OccurredAt),
		v.RecordedAt.Compare(w.RecordedAt), strings.Compare(v.EventID, w.EventID))
}

// CompactOptions say what is worth compacting. The zero value takes everything under 8 MB.
type CompactOptions struct {
	// Small: only files of fewer bytes are taken; 8 MB when zero, 48 MB at most.
	Small int64
	// MinFiles: with fewer small files nothing is done; 2 when zero.
	MinFiles int
}

const (
	defaultSmall = 8 << 20
	// groupBytes is how much one commit of a compaction reads, and about how large a file it
	// writes: below the 64 MB from which a store would want multipart uploads.
	groupBytes = 48 << 20
	// groupFiles keeps the commit small: stores answer a big conditional PUT that fails with a reset.
	groupFiles = 1000
	// runRaw is how many bytes of values are sorted in memory at a time.
	runRaw = 64 << 20
)

// Compaction says what Compact did.
type Compaction struct {
	Stream   string `json:"stream"`
	Version  int64  `json:"version"` // of the last commit; 0: there was nothing worth it
	Commits  int    `json:"commits"`
	FilesIn  int    `json:"files_in"`
	FilesOut int    `json:"files_out"`
	Rows     int64  `json:"rows"`
	BytesIn  int64  `json:"bytes_in"`
	BytesOut int64  `json:"bytes_out"`
}

// Compact rewrites small files into big ones, sorted as Compare says, in commits with
// dataChange=false: the same rows in other files, no news for a reader. A row count and an order-free
// hash over all columns must be equal before and after, else nothing is committed. Events appended
// meanwhile are left alone. The old files stay until Vacuum takes them, so readers of older versions
// are not disturbed. ErrConflict: another compaction was faster. A crash leaves files that no version
// names.
func (s *Stream[E]) Compact(ctx context.Context, o CompactOptions) (Compaction, error) {
	done := Compaction{Stream: s.Name()}
	o.Small, o.MinFiles = min(cmp.Or(o.Small, defaultSmall), groupBytes), max(o.MinFiles, 2)
	state, err := s.table.At(ctx, -1)
	if err != nil || state.Version < 0 {
		return done, err
	}
	var small []*delta.Add
	for _, f := range state.Live() {
		if f.Size < o.Small {
			small = append(small, f)
		}
	}
	if len(small) < o.MinFiles {
		return done, nil
	}
	if err := s.rewritable(ctx); err != nil {
		return done, fmt.Errorf("compact %s: %w", s.Name(), err)
	}
	for _, group := range groups(small) {
		if err := s.compactGroup(ctx, group, &done); err != nil {
			return done, fmt.Errorf("compact %s: %w", s.Name(), err)
		}
	}
	return done, nil
}

// groups splits files into those of one commit each. A file that would stay alone is left.
func groups(files []*delta.Add) [][]*delta.Add {
	var out [][]*delta.Add
	size := int64(0)
	for i, f := range files {
		if i == 0 || size+f.Size > groupBytes || len(out[len(out)-1]) == groupFiles {
			out, size = append(out, nil), 0
		}
		size += f.Size
		out[len(out)-1] = append(out[len(out)-1], f)
	}
	return slices.DeleteFunc(out, func(g []*delta.Add) bool { return len(g) < 2 })
}

func (s *Stream[E]) compactGroup(ctx context.Context, group []*delta.Add, done *Compaction) error {
	started := s.opts.Now()
	w := &fileWriter[E]{stream: s, tags: map[string]string{tagSorted: sortedBy}, target: groupBytes, hash: newRowHasher[E]()}
	version, err := s.mergeGroup(ctx, group, w, started)
	if err != nil {
		// After any other error the commit may stand, or yet appear: the files must stay.
		if errors.Is(err, ErrConflict) || errors.Is(err, errFingerprint) {
			s.discard(ctx, w.files)
		}
		return err
	}
	done.Version = version
	done.Commits++
	done.Rows += w.written.rows
	for _, f := range group {
		done.FilesIn++
		done.BytesIn += f.Size
	}
	for _, f := range w.files {
		done.FilesOut++
		done.BytesOut += f.Size
	}
	return nil
}

// errFingerprint: what was written is not what was read. Nothing was committed.
var errFingerprint = errors.New("the rewritten files do not hold the rows of the old ones: nothing was committed")

func (s *Stream[E]) mergeGroup(ctx context.Context, group []*delta.Add, w *fileWriter[E], started time.Time) (int64, error) {
	runs, before, err := s.sortedRuns(ctx, group, runRaw)
	if err != nil {
		return 0, err
	}
	if err := merge(ctx, runs, w); err != nil {
		return 0, err
	}
	if before != w.written {
		return 0, fmt.Errorf("%w (%d rows before, %d after)", errFingerprint, before.rows, w.written.rows)
	}
	return s.swap(ctx, "OPTIMIZE", group, w.files, started)
}

// sortedRuns reads the files and returns their rows as sorted runs of about limit bytes. All but the last are encoded
// again, so that little more than the files' own size and one run of rows is in memory at any time.
func (s *Stream[E]) sortedRuns(ctx context.Context, group []*delta.Add, limit int) (runs []*run[E], before fingerprint, err error) {
	hash := newRowHasher[E]()
	var rows []*E // into the pieces that were decoded: rows are big, and sorting moves them
	raw := 0
	for i, f := range group {
		data, err := s.readBytes(ctx, f)
		if err != nil {
			return nil, before, err
		}
		err = eachRow(data, func(e *E) error {
			hash.add(&before, e)
			raw += roughSize(e)
			rows = append(rows, e)
			return nil
		})
		if err != nil {
			return nil, before, fmt.Errorf("%w: file %s/%s: %w", ErrDamaged, s.Name(), f.Path, err)
		}
		last := i == len(group)-1
		if raw < limit && !last {
			continue
		}
		slices.SortFunc(rows, Compare)
		if last {
			return append(runs, &run[E]{rows: rows}), before, nil
		}
		encoded, err := encodeRun(rows)
		if err != nil {
			return nil, before, err
		}
		next := &run[E]{}
		if next.file, err = openRows[E](encoded); err != nil {
			return nil, before, err
		}
		runs, rows, raw = append(runs, next), nil, 0
	}
	return runs, before, nil
}

func encodeRun[E event.Event](rows []*E) ([]byte, error) {
	var b bytes.Buffer
	w := parquet.NewGenericWriter[E](&b, writerOptions()...)
	piece := make([]E, 0, encodeChunk)
	for part := range slices.Chunk(rows, encodeChunk) {
		piece = piece[:0]
		for _, e := range part {
			piece = append(piece, *e)
		}
		if _, err := w.Write(piece); err != nil {
			return nil, fmt.Errorf("encode %s: %w", event.StreamOf[E](), err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("encode %s: %w", event.StreamOf[E](), err)
	}
	return b.Bytes(), nil
}

// run is a sorted list of rows, in memory or in an encoded file.
type run[E event.Event] struct {
	rows []*E
	file *rowReader[E] // nil: rows is all
}

// fill makes rows hold the next row, unless the run has ended.
func (r *run[E]) fill() error {
	if len(r.rows) > 0 || r.file == nil {
		return nil
	}
	next, err := r.file.next()
	for i := range next {
		r.rows = append(r.rows, &next[i])
	}
	return err
}

// merge writes the rows of all runs in order.
func merge[E event.Event](ctx context.Context, runs []*run[E], w *fileWriter[E]) error {
	out := make([]E, 0, encodeChunk)
	raw := 0
	for {
		var next *run[E]
		for _, r := range runs {
			if err := r.fill(); err != nil {
				return err
			}
			if len(r.rows) > 0 && (next == nil || Compare(r.rows[0], next.rows[0]) < 0) {
				next = r
			}
		}
		if next != nil {
			out = append(out, *next.rows[0])
			raw += roughSize(next.rows[0])
			next.rows = next.rows[1:]
		}
		if len(out) == encodeChunk || next == nil && len(out) > 0 {
			if err := errors.Join(ctx.Err(), w.write(ctx, out, raw)); err != nil {
				return err
			}
			out, raw = out[:0], 0
		}
		if next == nil {
			return w.close(ctx)
		}
	}
}

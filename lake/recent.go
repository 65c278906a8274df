package lake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"shitpost-alpha/lake/delta"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/objects"
)

// NewRecentRecorder returns a Recorder of stream posts that knows only the posts published since a
// time, and the windows and rejections noticed since then. It must not be given drafts of older
// posts. Of an event the view sees kind, key, source, times, identity, and the columns of windows.
//
// Big files are read in part: they are sorted by key after a compaction, and ids ascend with time,
// so that a producer that runs once needs three requests and some 100 KB of each.
func NewRecentRecorder(s *Stream[event.Post], view View[event.Post], since time.Time) *Recorder[event.Post] {
	r := NewRecorder(s, view)
	r.follow.read = func(ctx context.Context, snap *Snapshot[event.Post]) iter.Seq2[[]event.Post, error] {
		if len(r.follow.gone) > 0 {
			return snap.Batches(ctx) // what a retraction names by its batch can only be told from whole events
		}
		return snap.recent(ctx, since)
	}
	return r
}

// The columns that are read of every row, of posts since the time, and of windows since the time.
type (
	recentRow struct {
		Kind       event.Kind `parquet:"kind,dict"`
		Key        string     `parquet:"key"`
		OccurredAt time.Time  `parquet:"occurred_at,timestamp(microsecond)"`
		RecordedAt time.Time  `parquet:"recorded_at,timestamp(microsecond)"`
		Source     string     `parquet:"source,dict"`
		Supersedes string     `parquet:"supersedes,optional"`
	}
	contentRow struct {
		ContentHash string `parquet:"content_hash"`
	}
	windowRow struct {
		WindowFrom     time.Time `parquet:"window_from,optional,timestamp(microsecond)"`
		WindowTo       time.Time `parquet:"window_to,optional,timestamp(microsecond)"`
		WindowComplete bool      `parquet:"window_complete"`
		MissingIDs     []string  `parquet:"missing_ids,list"`
	}
)

// Sizes of partial reading: files up to smallFile are read whole, and tailBytes is what is fetched
// of the end of others: footer, page index and the last columns, which are those of windows.
const (
	smallFile = 256 << 10
	tailBytes = 128 << 10
)

// errWhole: the file must be read whole to be sure.
var errWhole = errors.New("not readable in part")

// firstID returns the least post id of a time, as a key.
func firstID(at time.Time) string { return strconv.FormatInt(max(at.UnixMilli(), 0)<<16, 10) }

// recent yields the posts published and the rest noticed since a time, and every retraction.
func (p *Snapshot[E]) recent(ctx context.Context, since time.Time) iter.Seq2[[]event.Post, error] {
	return func(yield func([]event.Post, error) bool) {
		for _, add := range p.Files {
			if pruned(add, firstID(since)) {
				continue
			}
			events, err := p.stream.recentOf(ctx, add, since)
			if !yield(events, err) || err != nil {
				return
			}
		}
	}
}

// pruned reports whether the statistics of the file exclude keys from on, and retractions. Statistics
// that cannot be read exclude nothing.
func pruned(add *delta.Add, from string) bool {
	var s struct {
		MaxValues struct {
			Key  *string `json:"key"`
			Kind *string `json:"kind"`
		} `json:"maxValues"`
	}
	return json.Unmarshal([]byte(add.Stats), &s) == nil && s.MaxValues.Key != nil && *s.MaxValues.Key < from &&
		s.MaxValues.Kind != nil && *s.MaxValues.Kind < string(event.Retracted)
}

// recentOf reads one file. What is read in part is not checked against the log's SHA-256, which is
// over the whole file; what does not parse is read whole, and then it is.
func (s *Stream[E]) recentOf(ctx context.Context, add *delta.Add, since time.Time) ([]event.Post, error) {
	if ranger, ok := s.store.(objects.Ranger); ok && add.Size > smallFile {
		name, err := delta.Key(add.Path)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		events, err := recentIn(&pieces{ctx: ctx, store: ranger, key: s.Name() + "/" + name, size: add.Size}, since)
		if err == nil || ctx.Err() != nil {
			return events, err
		}
		s.opts.Log.Debug("file is read whole", "stream", s.Name(), "file", add.Path, "error", err)
	}
	whole, err := s.readFile(ctx, add)
	if err != nil {
		return nil, err
	}
	var out []event.Post
	for i := range whole {
		if e, ok := any(&whole[i]).(*event.Post); ok && (e.Kind == event.Retracted || isRecent(e.Kind, e.Key, e.OccurredAt, since)) {
			out = append(out, *e)
		}
	}
	return out, nil
}

// isRecent: posts count by their id, whatever is said of them later; the rest by when it was noticed.
func isRecent(kind event.Kind, key string, occurred, since time.Time) bool {
	if isPost(kind) {
		return key >= firstID(since)
	}
	return !occurred.Before(since)
}

func isPost(kind event.Kind) bool {
	return kind == event.PostObserved || kind == event.PostDeleted || kind == event.PostRedacted
}

// recentIn reads a file in part.
func recentIn(in *pieces, since time.Time) (out []event.Post, err error) {
	defer func() { // as in decode
		if r := recover(); r != nil {
			out, err = nil, fmt.Errorf("%w: %v", errWhole, r)
		}
	}()
	if err := in.fetch(max(0, in.size-tailBytes), in.size); err != nil {
		return nil, err
	}
	file, err := parquet.OpenFile(in, in.size, parquet.SkipMagicBytes(true), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true), parquet.ReadBufferSize(4<<10))
	if err != nil {
		return nil, err
	}
	for i, group := range file.RowGroups() {
		g := &recentGroup{in: in, group: group, chunks: file.Metadata().RowGroups[i].Columns}
		old, err := g.isOld(firstID(since))
		if err != nil {
			return nil, err
		}
		if old {
			continue
		}
		events, err := g.read(since)
		if err != nil {
			return nil, err
		}
		out = append(out, events...)
	}
	return out, nil
}

// recentGroup is a row group of a file that is read in part.
type recentGroup struct {
	in     *pieces
	group  parquet.RowGroup
	chunks []format.ColumnChunk
}

// isOld reports whether the page index excludes keys from on, and retractions.
func (g *recentGroup) isOld(from string) (bool, error) {
	for name, bound := range map[string]string{"key": from, "kind": string(event.Retracted)} {
		leaf, ok := g.group.Schema().Lookup(name)
		if !ok {
			return false, errWhole
		}
		index, err := g.group.ColumnChunks()[leaf.ColumnIndex].ColumnIndex()
		if err != nil {
			return false, fmt.Errorf("%w: %w", errWhole, err)
		}
		for i := range index.NumPages() {
			// A bound may be cut to a prefix, and is then less than the values that it bounds.
			if top := index.MaxValue(i).String(); top >= bound || strings.HasPrefix(bound, top) {
				return false, nil
			}
		}
	}
	return true, nil
}

// read reads the columns of recentRow of all rows, and those of the other two where they are needed.
func (g *recentGroup) read(since time.Time) ([]event.Post, error) {
	if err := g.fetchColumns(parquet.SchemaOf(recentRow{})); err != nil {
		return nil, err
	}
	rows, err := readRows[recentRow](g.group, 0, g.group.NumRows())
	if err != nil {
		return nil, err
	}
	var events []event.Post
	var at []int64 // their rows
	for i := range rows {
		r := &rows[i]
		if r.Kind == event.Retracted {
			return nil, fmt.Errorf("%w: it holds a retraction", errWhole)
		}
		if !isRecent(r.Kind, r.Key, r.OccurredAt, since) {
			continue
		}
		var p event.Post
		p.Kind, p.Key, p.Source, p.Supersedes = r.Kind, r.Key, r.Source, r.Supersedes
		p.OccurredAt, p.RecordedAt = r.OccurredAt.UTC(), r.RecordedAt.UTC()
		events, at = append(events, p), append(at, int64(i))
	}
	return events, errors.Join(g.contents(events, at), g.windows(events, at))
}

// contents fills in what identifies posts. The event id follows from the content: it is as long, and
// need not be read.
func (g *recentGroup) contents(events []event.Post, at []int64) error {
	first, end := rowBounds(events, at, isPost)
	if first == end {
		return nil
	}
	if err := g.fetchPages(parquet.SchemaOf(contentRow{}), first, end); err != nil {
		return err
	}
	rows, err := readRows[contentRow](g.group, first, end)
	if err != nil {
		return err
	}
	for i := range events {
		if e := &events[i]; isPost(e.Kind) {
			e.ContentHash = rows[at[i]-first].ContentHash
			e.EventID = event.Hash(string(e.Kind), e.Source, event.SubjectOf(e), e.ContentHash, e.Supersedes)
		}
	}
	return nil
}

func (g *recentGroup) windows(events []event.Post, at []int64) error {
	first, end := rowBounds(events, at, func(k event.Kind) bool { return k == event.WindowRead })
	if first == end {
		return nil
	}
	if err := g.fetchColumns(parquet.SchemaOf(windowRow{})); err != nil {
		return err
	}
	rows, err := readRows[windowRow](g.group, first, end)
	if err != nil {
		return err
	}
	for i := range events {
		if e := &events[i]; e.Kind == event.WindowRead {
			r := rows[at[i]-first]
			e.WindowFrom, e.WindowTo, e.WindowComplete, e.MissingIDs = r.WindowFrom.UTC(), r.WindowTo.UTC(), r.WindowComplete, r.MissingIDs
			event.Seal(e, e.Supersedes)
		}
	}
	return nil
}

// rowBounds returns the first row of the kinds and the one after the last.
func rowBounds(events []event.Post, at []int64, of func(event.Kind) bool) (first, end int64) {
	for i := range events {
		if of(events[i].Kind) {
			if first == end {
				first = at[i]
			}
			end = at[i] + 1
		}
	}
	return first, end
}

func readRows[T any](group parquet.RowGroup, first, end int64) ([]T, error) {
	r := parquet.NewGenericRowGroupReader[T](group)
	defer r.Close()
	if err := r.SeekToRow(first); err != nil {
		return nil, err
	}
	out := make([]T, end-first)
	for done := 0; done < len(out); {
		n, err := r.Read(out[done:])
		if done += n; done < len(out) && (err != nil || n == 0) {
			return nil, errors.Join(err, io.ErrUnexpectedEOF)
		}
	}
	return out, nil
}

// leaves returns the chunks of the columns that the file has; one that it lacks was added later.
func (g *recentGroup) leaves(of *parquet.Schema) (columns []int) {
	for _, path := range of.Columns() {
		if leaf, ok := g.group.Schema().Lookup(path...); ok {
			columns = append(columns, leaf.ColumnIndex)
		}
	}
	return columns
}

// fetchColumns fetches the columns, and what lies between them, in one request. They are neighbours.
func (g *recentGroup) fetchColumns(of *parquet.Schema) error {
	from, to := g.in.size, int64(0)
	for _, c := range g.leaves(of) {
		start := chunkStart(&g.chunks[c])
		from, to = min(from, start), max(to, start+g.chunks[c].MetaData.TotalCompressedSize)
	}
	return g.in.fetch(from, to)
}

func chunkStart(c *format.ColumnChunk) int64 {
	if d := c.MetaData.DictionaryPageOffset; d > 0 && d < c.MetaData.DataPageOffset {
		return d
	}
	return c.MetaData.DataPageOffset
}

// fetchPages fetches the pages of the columns that hold the rows.
func (g *recentGroup) fetchPages(of *parquet.Schema, first, end int64) error {
	for _, c := range g.leaves(of) {
		pages, err := g.group.ColumnChunks()[c].OffsetIndex()
		if err != nil {
			return fmt.Errorf("%w: %w", errWhole, err)
		}
		from, to := g.in.size, int64(0)
		for i := range pages.NumPages() {
			if pages.FirstRowIndex(i) >= end || i+1 < pages.NumPages() && pages.FirstRowIndex(i+1) <= first {
				continue
			}
			from, to = min(from, pages.Offset(i)), max(to, pages.Offset(i)+pages.CompressedPageSize(i))
		}
		if err := g.in.fetch(from, to); err != nil {
			return err
		}
	}
	return nil
}

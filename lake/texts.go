package lake

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/parquet-go/parquet-go"

	"shitpost-alpha/lake/delta"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/objects"
)

// FollowTexts returns a Follower of stream posts for a producer that judges texts. Of an event in a
// snapshot the view sees kind, key, source, times, identity, text, and what it reposts or quotes; not
// the payload, which is most of the bytes and is left in the store. Later events come whole.
func FollowTexts(s *Stream[event.Post], view View[event.Post]) *Follower[event.Post] {
	f := Follow(s, view)
	f.read = func(ctx context.Context, snap *Snapshot[event.Post]) iter.Seq2[[]event.Post, error] {
		return snap.texts(ctx)
	}
	return f
}

// textRow is what is read of every row.
type textRow struct {
	EventID     string     `parquet:"event_id"`
	Kind        event.Kind `parquet:"kind,dict"`
	Key         string     `parquet:"key"`
	OccurredAt  time.Time  `parquet:"occurred_at,timestamp(microsecond)"`
	RecordedAt  time.Time  `parquet:"recorded_at,timestamp(microsecond)"`
	Source      string     `parquet:"source,dict"`
	BatchID     string     `parquet:"batch_id,dict"`
	Synthetic   bool       `parquet:"synthetic"`
	PostID      string     `parquet:"post_id,optional"`
	PublishedAt time.Time  `parquet:"published_at,optional,timestamp(microsecond)"`
	Text        string     `parquet:"text,optional"`
	TextMissing bool       `parquet:"text_missing"`
	QuoteID     string     `parquet:"quote_id,optional"`
	ReblogID    string     `parquet:"reblog_id,optional"`
}

func (r *textRow) event() event.Post {
	p := event.Post{PostID: r.PostID, Text: r.Text, TextMissing: r.TextMissing, QuoteID: r.QuoteID, ReblogID: r.ReblogID}
	p.EventID, p.Kind, p.Key, p.Source, p.BatchID, p.Synthetic = r.EventID, r.Kind, r.Key, r.Source, r.BatchID, r.Synthetic
	p.OccurredAt, p.RecordedAt, p.PublishedAt = r.OccurredAt.UTC(), r.RecordedAt.UTC(), r.PublishedAt.UTC()
	return p
}

// texts yields the events of the snapshot without what textRow has not.
func (p *Snapshot[E]) texts(ctx context.Context) iter.Seq2[[]event.Post, error] {
	return func(yield func([]event.Post, error) bool) {
		for _, add := range p.Files {
			events, err := p.stream.textsOf(ctx, add)
			if !yield(events, err) || err != nil {
				return
			}
		}
	}
}

// textsOf reads one file. As in recentOf, what is read in part is not checked against the log's
// SHA-256; a file that holds retractions or does not parse so is read whole, and then it is.
func (s *Stream[E]) textsOf(ctx context.Context, add *delta.Add) ([]event.Post, error) {
	if ranger, ok := s.store.(objects.Ranger); ok && add.Size > smallFile {
		name, err := delta.Key(add.Path)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		events, err := textsIn(&pieces{ctx: ctx, store: ranger, key: s.Name() + "/" + name, size: add.Size})
		if err == nil || ctx.Err() != nil {
			return events, err
		}
		s.opts.Log.Debug("file is read whole", "stream", s.Name(), "file", add.Path, "error", err)
	}
	whole, err := s.readFile(ctx, add)
	if err != nil {
		return nil, err
	}
	out := make([]event.Post, 0, len(whole))
	for i := range whole {
		if e, ok := any(&whole[i]).(*event.Post); ok {
			out = append(out, *e)
		}
	}
	return out, nil
}

func textsIn(in *pieces) (out []event.Post, err error) {
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
		if err := g.fetchEach(parquet.SchemaOf(textRow{})); err != nil {
			return nil, err
		}
		rows, err := readRows[textRow](group, 0, group.NumRows())
		if err != nil {
			return nil, err
		}
		for i := range rows {
			if rows[i].Kind == event.Retracted {
				return nil, fmt.Errorf("%w: it holds a retraction", errWhole)
			}
			out = append(out, rows[i].event())
		}
	}
	return out, nil
}

// gapBytes is how much between two columns is fetched with them rather than asked for around.
const gapBytes = 32 << 10

// fetchEach fetches the columns, neighbours in one request.
func (g *recentGroup) fetchEach(of *parquet.Schema) error {
	type span struct{ from, to int64 }
	var spans []span
	for _, c := range g.leaves(of) {
		start := chunkStart(&g.chunks[c])
		spans = append(spans, span{start, start + g.chunks[c].MetaData.TotalCompressedSize})
	}
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	for i := 0; i < len(spans); {
		from, to := spans[i].from, spans[i].to
		for i++; i < len(spans) && spans[i].from-to <= gapBytes; i++ {
			to = max(to, spans[i].to)
		}
		if err := g.in.fetch(from, to); err != nil {
			return err
		}
	}
	return nil
}

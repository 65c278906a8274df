package lake

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"shitpost-alpha/lake/delta"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/objects"
)

// Limits of one Append, and of the clocks of those who write.
const (
	MaxBatchEvents = 50_000
	MaxBatchBytes  = 32 << 20
	MaxClockSkew   = 2 * time.Minute
	// maxFileAge is how long an uncommitted data file may still be committed. Vacuum's grace is far
	// longer, so a file is never swept between its upload and its commit.
	maxFileAge = time.Hour
)

// Tags that every add carries. tagNewest is the greatest recorded_at of the file in µs since 1970
// and tagNewestID the event that has it: they order the next append without reading a data file.
const (
	tagSHA256   = "sha256"
	tagNewest   = "newestRecordedAt"
	tagNewestID = "newestEventId"
	// tagRewrite is on adds with dataChange=true that hold rows which were there before, changed.
	tagRewrite = "rewrite"
)

// Stream is one table of events. It is safe for concurrent use.
type Stream[E event.Event] struct {
	*shared
	producer string
}

// shared is what all Streams of one process on one table have in common, whoever produces.
type shared struct {
	table *delta.Table
	store objects.Store
	opts  Options

	cache    *cache   // of data files; nil: none
	verified sync.Map // paths of the data files of a folder whose bytes were compared with the log

	appending sync.Mutex   // held for all of Append, so that this process does not conflict with itself
	probed    bool         // guarded by appending
	columns   string       // the schema of the table that holds all columns of ours; guarded by appending
	beaten    *uncommitted // the data file of the last append that lost its race; guarded by appending

	encoder chan any // an *encoder[E] that is ready, of few events

	writer string // names this process to others, see tagWriter
	turns  turns

	mu   sync.Mutex
	news chan struct{} // closed and replaced when this process commits; guarded by mu
}

func newStream[E event.Event](store objects.Store, o Options) *Stream[E] {
	return &Stream[E]{&shared{table: delta.NewTable(store, event.StreamOf[E]()), store: store, opts: o,
		encoder: make(chan any, 1), writer: newTxnID()[:8], news: make(chan struct{})}, o.Producer}
}

// Commit is one version of a stream.
type Commit[E event.Event] struct {
	Version int64
	// DataChange is false for version 0, which makes the table, and for compactions: they hold no news.
	DataChange bool
	Events     []E
}

// Name returns the stream's name.
func (s *Stream[E]) Name() string { return s.table.Name() }

// Head returns the newest version, -1 when the table does not exist. Version 0 makes the table;
// events come from version 1 on.
func (s *Stream[E]) Head(ctx context.Context) (int64, error) { return s.table.Refresh(ctx) }

// TableID returns the identity of the table, which a reader's positions belong to; "" when there is
// no table.
func (s *Stream[E]) TableID(ctx context.Context) (string, error) {
	if s.table.Seen() < 0 {
		if _, err := s.table.Refresh(ctx); err != nil {
			return "", err
		}
	}
	var id string
	s.table.Peek(func(st *delta.State) { id = st.MetaData.ID })
	return id, nil
}

// Append commits events as version expected+1 and returns it. It makes two requests: the data file
// under a fresh name, then the commit. A crash between them leaves an orphan file, which is
// harmless. The events are sealed (event.Seal); RecordedAt, Producer and BatchID are set on copies.
//
// ErrConflict: somebody else committed first; the caller must catch up and decide again. A
// compaction in between is no news, and the same file is committed behind it. After an error that
// says "outcome unknown" the events may be there: catch up before deciding again. expected -1 makes
// the table first.
func (s *Stream[E]) Append(ctx context.Context, expected int64, events []E) (int64, error) {
	version, _, err := s.appendBatch(ctx, expected, events)
	return version, err
}

// appendBatch is Append; it also returns what the commit set on each event.
func (s *Stream[E]) appendBatch(ctx context.Context, expected int64, events []E) (int64, stamp, error) {
	s.appending.Lock()
	defer s.appending.Unlock()
	err := s.ready(ctx, &expected, events)
	var version int64
	var by stamp
	if err == nil {
		version, by, err = s.write(ctx, expected, events)
	}
	if err != nil {
		return 0, stamp{}, fmt.Errorf("append %d events to %s after version %d: %w", len(events), s.Name(), expected, err)
	}
	s.wake()
	return version, by, nil
}

// ready refuses what must not be appended, and makes the table when expected says there is none.
func (s *Stream[E]) ready(ctx context.Context, expected *int64, events []E) error {
	if s.opts.ReadOnly {
		return ErrReadOnly
	}
	if len(events) == 0 || len(events) > MaxBatchEvents {
		return fmt.Errorf("a batch has 1 to %d events", MaxBatchEvents)
	}
	for i := range events {
		if err := event.Check(&events[i]); err != nil {
			return err
		}
	}
	if err := s.probe(ctx); err != nil {
		return err
	}
	if *expected < 0 {
		if err := s.create(ctx); err != nil {
			return err
		}
		*expected = 0
	}
	if s.table.Seen() < *expected {
		if _, err := s.table.Refresh(ctx); err != nil {
			return err
		}
	}
	if seen := s.table.Seen(); seen != *expected {
		return fmt.Errorf("%w: the newest version is %d", ErrConflict, seen)
	}
	var err error
	s.table.Peek(func(st *delta.State) {
		if st.MetaData.SchemaString != s.columns {
			err = recognise(s.Name(), st)
		}
	})
	return err
}

// stamp is what a commit decides about each of its events.
type stamp struct {
	recorded        time.Time // of the first; every further one a microsecond later
	producer, batch string
}

// set writes the stamp on the event at position i of the batch. A zero stamp sets nothing.
func (s stamp) set(v *event.Envelope, i int) {
	if s.batch != "" {
		v.RecordedAt, v.Producer, v.BatchID = s.recorded.Add(time.Duration(i)*time.Microsecond), s.producer, s.batch
	}
}

// stamp returns what the next commit sets on its events. RecordedAt is the later of now and one
// microsecond after the newest in the table, and grows within the batch: the order of commits, not
// the clocks of two machines, says which of two facts is newer.
func (s *Stream[E]) stamp(txn string, now time.Time) (stamp, error) {
	var newest time.Time
	var newestID string
	s.table.Peek(func(st *delta.State) {
		us, ok := st.TagMax[tagNewest]
		if !ok {
			return
		}
		newest = time.UnixMicro(us).UTC()
		if newest.Sub(now) <= MaxClockSkew {
			return
		}
		for _, add := range st.Files {
			if add.Tags[tagNewest] == strconv.FormatInt(us, 10) {
				newestID = add.Tags[tagNewestID]
			}
		}
	})
	if newest.Sub(now) > MaxClockSkew {
		return stamp{}, fmt.Errorf("%w: event %s was recorded at %s, %s ahead of this machine's clock: set the clocks right", ErrClock,
			newestID, newest.Format(time.RFC3339), newest.Sub(now).Round(time.Second))
	}
	at := now.UTC().Truncate(time.Microsecond)
	if next := newest.Add(time.Microsecond); at.Before(next) {
		at = next
	}
	return stamp{recorded: at, producer: s.producer, batch: txn}, nil
}

func (s *Stream[E]) checkClock(info objects.Info) error {
	if info.Clock.IsZero() {
		return nil
	}
	if skew := s.opts.Now().Sub(info.Clock); skew.Abs() > MaxClockSkew {
		return fmt.Errorf("%w: this machine's clock is %s off the store's: set it right", ErrClock, skew.Round(time.Second))
	}
	return nil
}

// create makes the table, unless somebody else has.
func (s *Stream[E]) create(ctx context.Context) error {
	now := s.opts.Now().UnixMilli()
	actions := []delta.Action{
		{CommitInfo: s.commitInfo("CREATE TABLE", newTxnID(), now)},
		{Protocol: &delta.Protocol{MinReaderVersion: delta.ReaderVersion, MinWriterVersion: delta.WriterVersion}},
		{MetaData: &delta.MetaData{ID: newUUID(), Name: s.Name(), Format: delta.Format{Provider: "parquet", Options: map[string]string{}},
			SchemaString: schemaString[E](), PartitionColumns: []string{}, CreatedTime: now,
			Configuration: map[string]string{
				"delta.appendOnly":                   "true",
				"delta.enableExpiredLogCleanup":      "false",
				"delta.logRetentionDuration":         "interval 36500 days",
				"delta.deletedFileRetentionDuration": "interval 30 days",
			}}},
	}
	if err := s.table.Commit(ctx, 0, actions); err != nil && !errors.Is(err, ErrConflict) {
		return err
	}
	return nil
}

// probe refuses a store that does not honour If-None-Match: on a key that exists, a conditional put
// must be refused. It is asked once per process.
func (s *Stream[E]) probe(ctx context.Context) error {
	if s.probed {
		return nil
	}
	if s.table.Seen() < 0 {
		head, err := s.table.Refresh(ctx)
		if err == nil && head < 0 {
			err = refuseForeign(ctx, s.store, s.Name())
		}
		if err != nil {
			return err
		}
	}
	key := s.Name() + "/_probe"
	for range 2 {
		_, err := s.store.Put(ctx, key, []byte("conditional puts must be refused here\n"), objects.IfAbsent())
		if errors.Is(err, objects.ErrPrecondition) {
			s.probed = true
			return nil
		}
		if err != nil {
			return err
		}
	}
	return fmt.Errorf("%w: it ignores If-None-Match, so two writers could overwrite each other: use S3, R2, Tigris, versitygw or a folder", ErrStore)
}

// changesData reports whether whoever decided before the commit must decide again: it holds news, or
// a fence (txn).
func changesData(actions []delta.Action) bool {
	for _, a := range actions {
		if a.Txn != nil || a.Add != nil && isNews(a.Add) {
			return true
		}
	}
	return false
}

// isNews reports whether a file holds events that were not there before. Compactions say that theirs
// does not by dataChange=false; redactions, which change rows, by a tag.
func isNews(add *delta.Add) bool { return add.DataChange && add.Tags[tagRewrite] == "" }

func newTxnID() string {
	b := make([]byte, 16)
	rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

func newUUID() string {
	h := newTxnID()
	return h[:8] + "-" + h[8:12] + "-4" + h[13:16] + "-8" + h[17:20] + "-" + h[20:]
}

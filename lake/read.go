package lake

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"time"

	"shitpost-alpha/lake/delta"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/objects"
)

// Read returns one version, or ErrNoVersion when it is not there yet. It asks for that version only
// and never looks past it. ErrRetired: its events are in other files now, and its own file is gone.
// ErrTakenBack: another program took away rows that were there before.
func (s *Stream[E]) Read(ctx context.Context, version int64) (Commit[E], error) {
	actions, err := s.entry(ctx, version)
	if err != nil {
		return Commit[E]{Version: version}, err
	}
	return s.commit(ctx, version, actions)
}

// entry returns the log entry of a version, from memory where this process has just read or written it.
func (s *shared) entry(ctx context.Context, version int64) ([]delta.Action, error) {
	if actions, ok := s.table.Recent(version); ok {
		return actions, nil
	}
	actions, err := s.table.Read(ctx, version)
	if err != nil {
		return nil, err
	}
	return actions, s.table.Advance(version, actions)
}

// commit reads the events of a version whose log entry is known.
func (s *Stream[E]) commit(ctx context.Context, version int64, actions []delta.Action) (Commit[E], error) {
	c := Commit[E]{Version: version}
	if operation, yes := takesBack(actions); yes {
		return c, fmt.Errorf("read %s version %d, operation %q: %w", s.Name(), version, operation, ErrTakenBack)
	}
	for _, a := range actions {
		if a.Add == nil || !isNews(a.Add) {
			continue
		}
		events, err := s.readFile(ctx, a.Add)
		if errors.Is(err, ErrDamaged) {
			return c, fmt.Errorf("read %s version %d: %w", s.Name(), version, s.orRetired(ctx, a.Add, err))
		}
		if err != nil {
			return c, err
		}
		c.DataChange = true
		c.Events = append(c.Events, events...)
	}
	return c, nil
}

// takesBack reports whether rows that were there are gone after the commit, as after a RESTORE of
// another program. Our own rewrites keep all rows, and say so.
func takesBack(actions []delta.Action) (operation string, yes bool) {
	adds, rewrites := 0, 0
	for _, a := range actions {
		switch {
		case a.CommitInfo != nil:
			operation = a.CommitInfo.Operation
		case a.Remove != nil && a.Remove.DataChange:
			yes = true
		case a.Add != nil && a.Add.Tags[tagRewrite] != "":
			rewrites++
			adds++
		case a.Add != nil:
			adds++
		}
	}
	return operation, yes && (adds == 0 || rewrites < adds)
}

// orRetired returns damage as ErrRetired if the newest version does not need the file any more.
func (s *Stream[E]) orRetired(ctx context.Context, add *delta.Add, damage error) error {
	if _, err := s.table.Refresh(ctx); err != nil {
		return errors.Join(damage, err)
	}
	live := true
	s.table.Peek(func(st *delta.State) { live = st.Files[add.Path] != nil })
	if live {
		return damage
	}
	return fmt.Errorf("%w (%w)", ErrRetired, damage)
}

// Wait returns nil as soon as version exists: at once when this process commits it, else within the
// poll interval. It returns the context's error when that ends first.
func (s *Stream[E]) Wait(ctx context.Context, version int64) error {
	for {
		news := s.newsChannel()
		if s.table.Seen() >= version {
			return nil
		}
		actions, err := s.table.Read(ctx, version)
		if err == nil {
			return s.table.Advance(version, actions)
		}
		if !errors.Is(err, ErrNoVersion) {
			return err
		}
		timer := time.NewTimer(s.opts.Poll)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-news:
			timer.Stop()
		case <-timer.C:
		}
	}
}

func (s *shared) newsChannel() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.news
}

func (s *shared) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.news)
	s.news = make(chan struct{})
}

// readFile reads one data file whole and checks it against the log: size, and SHA-256 where we
// wrote it. The error names the file.
func (s *Stream[E]) readFile(ctx context.Context, add *delta.Add) ([]E, error) {
	data, err := s.readBytes(ctx, add)
	if err != nil {
		return nil, err
	}
	events, err := decode[E](data)
	if err != nil {
		return nil, fmt.Errorf("%w: file %s/%s: %w", ErrDamaged, s.Name(), add.Path, err)
	}
	return events, nil
}

// fetch reads one data file from the store.
func (s *Stream[E]) fetch(ctx context.Context, add *delta.Add) ([]byte, error) {
	name, err := delta.Key(add.Path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	data, _, err := s.store.Get(ctx, s.Name()+"/"+name)
	if errors.Is(err, objects.ErrNotFound) {
		return nil, fmt.Errorf("%w: file %s/%s is missing", ErrDamaged, s.Name(), add.Path)
	}
	if err != nil {
		return nil, err
	}
	if want := add.Tags[tagSHA256]; want != "" {
		if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != want {
			return nil, fmt.Errorf("%w: file %s/%s has other bytes than were written (%d, expected %d)", ErrDamaged, s.Name(), add.Path, len(data), add.Size)
		}
	}
	return data, nil
}

// Snapshot is all events of a stream that are live at one version.
type Snapshot[E event.Event] struct {
	Version int64 // -1: there is no table
	TableID string
	Files   []*delta.Add

	schema string // as Delta keeps it; "" when there is no table
	stream *Stream[E]
}

// Snapshot returns the stream at a version; -1 means the newest. A stream that does not exist is
// empty.
func (s *Stream[E]) Snapshot(ctx context.Context, version int64) (*Snapshot[E], error) {
	st, err := s.table.At(ctx, version)
	if err != nil {
		return nil, err
	}
	if err := recognise(s.Name(), st); err != nil {
		return nil, err
	}
	return &Snapshot[E]{Version: st.Version, TableID: st.MetaData.ID, Files: st.Live(), schema: st.MetaData.SchemaString, stream: s}, nil
}

// Rows returns how many events the snapshot holds by the log's statistics, which foreign writers
// may have left out.
func (p *Snapshot[E]) Rows() int64 {
	var n int64
	for _, f := range p.Files {
		n += max(rowsOf(f.Stats), 0)
	}
	return n
}

// filesAhead is how many data files Batches fetches and decodes while the caller works on one.
const filesAhead = 3

// Batches yields the events file by file, fetching the next ones meanwhile. The order of files has
// no meaning: newest wins by (RecordedAt, EventID). After an error it ends.
func (p *Snapshot[E]) Batches(ctx context.Context) iter.Seq2[[]E, error] {
	type result struct {
		events []E
		err    error
	}
	return func(yield func([]E, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		results := make(chan chan result, filesAhead)
		go func() {
			defer close(results)
			for _, f := range p.Files {
				slot := make(chan result, 1)
				select {
				case results <- slot:
				case <-ctx.Done():
					return
				}
				go func() {
					events, err := p.stream.readFile(ctx, f)
					if errors.Is(err, ErrDamaged) {
						err = p.stream.orRetired(ctx, f, err)
					}
					slot <- result{events, err}
				}()
			}
		}()
		for slot := range results {
			r := <-slot
			if !yield(r.events, r.err) || r.err != nil {
				return
			}
		}
		if err := ctx.Err(); err != nil {
			yield(nil, err)
		}
	}
}

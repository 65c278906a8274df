package lake

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"shitpost-alpha/lake/delta"
	"shitpost-alpha/lake/event"
)

// Stat is the size of a stream at one version, from the log alone.
type Stat struct {
	Stream   string `json:"stream"`
	TableID  string `json:"table_id"`
	Version  int64  `json:"version"` // -1: no table yet
	Files    int    `json:"files"`
	Rows     int64  `json:"rows"`
	Bytes    int64  `json:"bytes"`
	NewestUS int64  `json:"newest_recorded_at_us,omitempty"` // µs since 1970
}

// Stat returns the size of the stream at a version, -1 meaning the newest.
func (s *Stream[E]) Stat(ctx context.Context, version int64) (Stat, error) {
	snap, err := s.Snapshot(ctx, version)
	if err != nil {
		return Stat{}, err
	}
	st := Stat{Stream: s.Name(), TableID: snap.TableID, Version: snap.Version, Files: len(snap.Files), Rows: snap.Rows()}
	for _, f := range snap.Files {
		st.Bytes += f.Size
	}
	s.table.Peek(func(d *delta.State) { st.NewestUS = d.TagMax[tagNewest] })
	return st, nil
}

// Verification is what Verify found in one stream.
type Verification struct {
	Stat
	// Kinds counts the events by kind.
	Kinds map[event.Kind]int64 `json:"kinds"`
	// Duplicates are events whose id stands more than once; readers ignore them. Orphans are files
	// that no version names, left by a crash between upload and commit; vacuum sweeps them.
	// Retired are files that a compaction replaced. All three are harmless.
	Duplicates int64    `json:"duplicates"`
	Orphans    []string `json:"orphans"`
	Retired    int      `json:"retired"`
	// Problems are damaged or missing files, schema drift, events that are not valid or out of
	// order: each a sentence. None means that the stream is clean.
	Problems []string `json:"problems"`
}

// OK reports whether nothing is wrong. Duplicates and orphans are not wrong.
func (v Verification) OK() bool { return len(v.Problems) == 0 }

// String says it in one line.
func (v Verification) String() string {
	verdict := "ok"
	if !v.OK() {
		verdict = fmt.Sprintf("%d PROBLEMS", len(v.Problems))
	}
	return fmt.Sprintf("%-12s %s: versions=%d files=%d rows=%d bytes=%d duplicates=%d orphans=%d retired=%d",
		v.Stream, verdict, v.Version+1, v.Files, v.Rows, v.Bytes, v.Duplicates, len(v.Orphans), v.Retired)
}

// Verify reads the whole stream: every version of the log, every live file with its checksum, and
// every event. What is wrong with the lake is in the Verification; the error says that it could not
// be found out.
func (s *Stream[E]) Verify(ctx context.Context, progress func(done, total int)) (Verification, error) {
	v := Verification{Stat: Stat{Stream: s.Name(), Version: -1}, Kinds: map[event.Kind]int64{}, Orphans: []string{}, Problems: []string{}}
	fail := func(err error) (Verification, error) { return v, fmt.Errorf("verify %s: %w", s.Name(), err) }
	// A table of its own: what this process already folded must not hide what the log says now.
	fresh := newStream[E](s.store, s.opts)
	snap, err := fresh.Snapshot(ctx, -1)
	if err != nil {
		if ctx.Err() != nil {
			return fail(err)
		}
		v.Problems = append(v.Problems, err.Error())
		return v, nil
	}
	if v.Stat, err = fresh.Stat(ctx, -1); err != nil {
		return fail(err)
	}
	v.Rows = 0
	if snap.Version >= 0 {
		fresh.verifySchema(&v)
	}
	// Every version of the log is read, though a reader might begin at a checkpoint, which must agree.
	log, difference, err := fresh.table.Check(ctx, snap.Version)
	if ctx.Err() != nil {
		return fail(ctx.Err())
	}
	if err != nil {
		v.Problems = append(v.Problems, err.Error())
		return v, nil
	}
	if difference != "" {
		v.Problems = append(v.Problems, difference)
	}
	seen := map[[16]byte]bool{}
	for i, f := range snap.Files {
		if err := fresh.verifyFile(ctx, f, &v, seen); err != nil {
			return fail(err)
		}
		if progress != nil {
			progress(i+1, len(snap.Files))
		}
	}
	if err := fresh.verifyListing(ctx, log, &v); err != nil {
		return fail(err)
	}
	return v, nil
}

func (s *Stream[E]) verifySchema(v *Verification) {
	var schema string
	s.table.Peek(func(d *delta.State) { schema = d.MetaData.SchemaString })
	if _, _, err := mergeSchema(schema, schemaString[E]()); err != nil {
		v.Problems = append(v.Problems, err.Error())
	}
}

func (s *Stream[E]) verifyFile(ctx context.Context, f *delta.Add, v *Verification, seen map[[16]byte]bool) error {
	events, err := s.readFile(ctx, f)
	if errors.Is(err, ErrDamaged) {
		v.Problems = append(v.Problems, err.Error())
		return nil
	}
	if err != nil {
		return err
	}
	problem := func(format string, args ...any) {
		v.Problems = append(v.Problems, fmt.Sprintf("file %s/%s: ", s.Name(), f.Path)+fmt.Sprintf(format, args...))
	}
	if rows := rowsOf(f.Stats); rows >= 0 && rows != int64(len(events)) {
		problem("holds %d events, the log says %d", len(events), rows)
	}
	for i := range events {
		w := event.EnvelopeOf(&events[i])
		v.Rows++
		v.Kinds[w.Kind]++
		if id := digest(w.EventID); seen[id] {
			v.Duplicates++
		} else {
			seen[id] = true
		}
		if err := event.Check(&events[i]); err != nil {
			problem("event %s: %v", w.EventID, err)
		}
	}
	return nil
}

// verifyListing compares what the store holds with what the log names.
func (s *Stream[E]) verifyListing(ctx context.Context, log *delta.State, v *Verification) error {
	live, retired, err := fileKeys(log)
	if err != nil {
		return err
	}
	for info, err := range s.store.List(ctx, s.Name()+"/", "") {
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(info.Key, s.Name()+"/")
		_, wasLive := retired[name]
		switch {
		case strings.HasPrefix(name, "_") || live[name]:
		case wasLive:
			v.Retired++
		default:
			v.Orphans = append(v.Orphans, name)
		}
	}
	return nil
}

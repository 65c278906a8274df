package lake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"shitpost-alpha/lake/delta"
	"shitpost-alpha/lake/event"
)

// Redaction says what Redact did.
type Redaction struct {
	PostID   string `json:"post_id"`
	Appended int    `json:"events_appended"` // post_redacted: 1, or 0 when the post was redacted before
	Rows     int64  `json:"rows_blanked"`
	Files    int    `json:"files_rewritten"`
	Version  int64  `json:"version"` // of the rewrite; 0: nothing was left to blank
	Deleted  int    `json:"files_deleted"`
}

// ErrUnknownEvents: the events that were named are not in the stream.
var ErrUnknownEvents = errors.New("not in the stream")

// Redact takes a post down. It appends post_redacted, upon which every projection blanks the post,
// and then takes its text out of the lake: the files that hold it are rewritten with text, HTML,
// payload, media, card, mentions and tags blanked, event ids and all else kept. Delta knows no such
// change of an append-only table, so delta.appendOnly is lifted for the one commit; a foreign
// streaming reader stops at it by its own rules and must be restarted behind it. Our readers take
// it for no news.
//
// The old files stay until Vacuum takes them after the table's retention; with now they are deleted
// at once, with every older file that holds the post, and snapshots of earlier versions break.
// Redact is repeatable: after a crash, or when the post was found once more, it finishes the work.
// What copies, caches, other posts or model answers say of the post it does not reach.
func (l *Lake) Redact(ctx context.Context, postID string, now bool) (Redaction, error) {
	done := Redaction{PostID: postID}
	if err := redact(ctx, l.Posts, postID, now, &done); err != nil {
		return done, fmt.Errorf("redact post %s: %w", postID, err)
	}
	return done, nil
}

func redact(ctx context.Context, s *Stream[event.Post], postID string, now bool, done *Redaction) error {
	if s.opts.ReadOnly {
		return ErrReadOnly
	}
	if known, err := holdsPost(ctx, s, postID); err != nil {
		return err
	} else if !known {
		return fmt.Errorf("post %s: %w", postID, ErrUnknownEvents)
	}
	appended, err := NewRecorder(s, nil).Record(ctx, func() ([]event.Post, error) {
		return []event.Post{{PostID: postID, Envelope: event.Envelope{Kind: event.PostRedacted, Key: postID, Source: "operator", OccurredAt: s.opts.Now()}}}, nil
	})
	done.Appended = appended
	if err != nil {
		return err
	}
	for {
		err := blank(ctx, s, postID, done)
		if errors.Is(err, ErrConflict) && ctx.Err() == nil {
			continue // a file was compacted meanwhile: look again where the post is now
		}
		if err = errors.Join(err, s.restoreAppendOnly(ctx)); err != nil || !now {
			return err
		}
		return deleteOld(ctx, s, postID, done)
	}
}

// mayHold says whether a file can hold rows with this value in a text column, by statistics that may
// be missing.
func mayHold(f *delta.Add, column, value string) bool {
	var st struct {
		Min map[string]json.RawMessage `json:"minValues"`
		Max map[string]json.RawMessage `json:"maxValues"`
	}
	var lo, hi string
	if json.Unmarshal([]byte(f.Stats), &st) != nil || json.Unmarshal(st.Min[column], &lo) != nil || json.Unmarshal(st.Max[column], &hi) != nil {
		return true
	}
	return lo <= value && value <= hi
}

// about says whether an event holds the content of a post: the post itself, or a document that was
// rejected and names it.
func about(p *event.Post, postID string) bool {
	return p.Kind == event.PostObserved && p.PostID == postID || p.Kind == event.RecordRejected && strings.Contains(p.Payload, postID)
}

// blankPost takes the content of a post out of an event and says whether there was any.
func blankPost(p *event.Post, postID string) bool {
	if !about(p, postID) {
		return false
	}
	had := p.Text != "" || p.HTML != "" || p.Payload != "" || len(p.MediaURLs) > 0 || p.CardTitle != "" || p.CardURL != "" || len(p.Mentions) > 0 || len(p.Tags) > 0
	p.Text, p.HTML, p.Payload, p.PayloadEncoding, p.CardTitle, p.CardURL = "", "", "", "", "", ""
	p.MediaURLs, p.Mentions, p.Tags = nil, nil, nil
	return had
}

// holdsPost says whether the newest version has the post.
func holdsPost(ctx context.Context, s *Stream[event.Post], postID string) (bool, error) {
	found := errors.New("found")
	state, err := s.table.At(ctx, -1)
	if err != nil {
		return false, err
	}
	for _, f := range state.Live() {
		if !mayHold(f, "key", postID) {
			continue
		}
		data, err := s.readBytes(ctx, f)
		if err != nil {
			return false, err
		}
		err = eachRow(data, func(e *event.Post) error {
			if e.Key == postID && about(e, postID) {
				return found
			}
			return nil
		})
		if errors.Is(err, found) {
			return true, nil
		}
		if err != nil {
			return false, fmt.Errorf("%w: file %s/%s: %w", ErrDamaged, s.Name(), f.Path, err)
		}
	}
	return false, nil
}

// blank rewrites the live files that hold the content of the post.
func blank(ctx context.Context, s *Stream[event.Post], postID string, done *Redaction) error {
	started := s.opts.Now()
	state, err := s.table.At(ctx, -1)
	if err == nil {
		err = s.rewritable(ctx)
	}
	if err != nil {
		return err
	}
	w := &fileWriter[event.Post]{stream: s, change: true, target: 1 << 62, hash: newRowHasher[event.Post]()}
	var old []*delta.Add
	rows := int64(0)
	for _, f := range state.Live() {
		n, err := blankFile(ctx, s, f, postID, w)
		if err != nil {
			s.discard(ctx, w.files)
			return err
		}
		if n > 0 {
			old, rows = append(old, f), rows+n
		}
	}
	if len(old) == 0 {
		return nil
	}
	version, err := s.swapChanged(ctx, old, w)
	if errors.Is(err, ErrConflict) {
		s.discard(ctx, w.files)
	}
	if err != nil {
		return err
	}
	done.Version, done.Files, done.Rows = version, len(old), done.Rows+rows
	s.opts.Log.Info("post blanked", "stream", s.Name(), "post_id", postID, "version", version, "files", len(old), "rows", rows,
		"took", s.opts.Now().Sub(started).String())
	return nil
}

// swapChanged swaps files whose rows changed, for which it lifts delta.appendOnly. A crash leaves it
// lifted; the next redaction or maintenance restores it.
func (s *Stream[E]) swapChanged(ctx context.Context, old []*delta.Add, w *fileWriter[E]) (int64, error) {
	started := s.opts.Now()
	for {
		if err := s.setAppendOnly(ctx, false); err != nil {
			return 0, err
		}
		version, err := s.swap(ctx, "REDACT", old, w.files, started)
		if !errors.Is(err, errAppendOnly) { // else a maintenance beside this one has restored it
			return version, err
		}
	}
}

// blankFile rewrites one file, its rows in the same order, if it holds content of the post, and
// returns how many rows were blanked.
func blankFile(ctx context.Context, s *Stream[event.Post], f *delta.Add, postID string, w *fileWriter[event.Post]) (int64, error) {
	// Rejected documents have keys of their own, so statistics rule out only files without any.
	if !mayHold(f, "key", postID) && !mayHold(f, "kind", string(event.RecordRejected)) {
		return 0, nil
	}
	data, err := s.readBytes(ctx, f)
	if err != nil {
		return 0, err
	}
	var blanked int64
	var want fingerprint
	err = eachRow(data, func(e *event.Post) error {
		if blankPost(e, postID) {
			blanked++
		}
		w.hash.add(&want, e)
		return nil
	})
	if err != nil || blanked == 0 {
		return 0, err
	}
	w.tags = map[string]string{tagRewrite: "redaction"}
	if sorted := f.Tags[tagSorted]; sorted != "" {
		w.tags[tagSorted] = sorted
	}
	w.written = fingerprint{}
	r, err := openRows[event.Post](data)
	if err != nil {
		return 0, err
	}
	for {
		rows, err := r.next()
		if err != nil {
			return 0, err
		}
		if len(rows) == 0 {
			break
		}
		raw := 0
		for i := range rows {
			blankPost(&rows[i], postID)
			raw += roughSize(&rows[i])
		}
		if err := w.write(ctx, rows, raw); err != nil {
			return 0, err
		}
	}
	if err := w.close(ctx); err != nil {
		return 0, err
	}
	if w.written != want {
		return 0, errFingerprint
	}
	return blanked, nil
}

// deleteOld deletes the files that no longer belong to the table and hold content of the post, young
// as they may be. A file that was not committed is left while a writer may still commit it.
func deleteOld(ctx context.Context, s *Stream[event.Post], postID string, done *Redaction) error {
	state, err := s.table.At(ctx, -1)
	if err != nil {
		return err
	}
	now, err := s.clock(ctx)
	if err != nil {
		return err
	}
	live, retired, err := fileKeys(state)
	if err != nil {
		return err
	}
	for info, err := range s.store.List(ctx, s.Name()+"/", "") {
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(info.Key, s.Name()+"/")
		_, wasLive := retired[name]
		if live[name] || !isDataFile(name) || !wasLive && !info.Modified.Before(now.Add(-2*maxFileAge)) {
			continue
		}
		data, _, err := s.store.Get(ctx, info.Key)
		if err != nil {
			return err
		}
		holds := false
		err = eachRow(data, func(e *event.Post) error { holds = holds || blankPost(e, postID); return nil })
		if err != nil {
			holds = true // damaged, and of no use to anybody
		}
		if !holds {
			continue
		}
		if err := s.store.Delete(ctx, info.Key); err != nil {
			return err
		}
		done.Deleted++
	}
	return nil
}

// restoreAppendOnly sets delta.appendOnly again where a redaction that was broken off left it lifted.
func (s *Stream[E]) restoreAppendOnly(ctx context.Context) error { return s.setAppendOnly(ctx, true) }

// setAppendOnly commits the table's configuration with delta.appendOnly as given, unless it is that
// already.
func (s *Stream[E]) setAppendOnly(ctx context.Context, on bool) error {
	for {
		head, err := s.table.Refresh(ctx)
		if err != nil || head < 0 {
			return err
		}
		now := s.opts.Now().UnixMilli()
		info := s.commitInfo("SET TBLPROPERTIES", newTxnID(), now)
		info.IsBlindAppend = false
		actions := []delta.Action{{CommitInfo: info}}
		s.table.Peek(func(st *delta.State) {
			if err = st.Writable(); err == nil && appendOnly(&st.MetaData) != on {
				actions = append(actions, delta.Action{MetaData: withConfiguration(st.MetaData, "delta.appendOnly", fmt.Sprint(on))})
			}
		})
		if err != nil || len(actions) == 1 {
			return err
		}
		if err = s.table.Commit(ctx, head+1, actions); err == nil {
			s.wake()
		}
		if !errors.Is(err, ErrConflict) {
			return err
		}
	}
}

func withConfiguration(m delta.MetaData, key, value string) *delta.MetaData {
	config := map[string]string{}
	for k, v := range m.Configuration {
		config[k] = v
	}
	config[key] = value
	m.Configuration = config
	return &m
}

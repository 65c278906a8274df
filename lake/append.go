package lake

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"

	"shitpost-alpha/lake/delta"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/objects"
)

// uncommitted is a data file that was put and not committed.
type uncommitted struct {
	add     *delta.Add
	by      stamp
	who     string // see tagEvents
	started time.Time
	events  [32]byte // digest of the events that were given; only of one that lost its race
}

// write puts the data file and commits it, again and again while only compactions are in the way. The
// file of an append that lost its race stands for the next one of the very same events, as long as
// nothing was recorded since that is newer than they say they are.
func (s *Stream[E]) write(ctx context.Context, expected int64, events []E) (int64, stamp, error) {
	begun := time.Now()
	file, fresh := s.beaten, false
	if s.beaten = nil; !s.fits(file, events) {
		var err error
		if file, err = s.putData(ctx, events); err != nil {
			return 0, stamp{}, err
		}
		fresh = true
	}
	before := s.newest()
	for version := expected + 1; ; version++ {
		if s.opts.Now().Sub(file.started) > maxFileAge {
			return 0, stamp{}, fmt.Errorf("%w: gave up on a data file that is over %s old", ErrConflict, maxFileAge)
		}
		actions, err := s.actions(file)
		if err != nil {
			return 0, stamp{}, err
		}
		err = s.table.Commit(ctx, version, actions)
		if err == nil {
			took := time.Duration(0)
			if fresh && version == expected+1 {
				took = time.Since(begun)
			}
			s.turns.won(version, took)
			return version, file.by, nil
		}
		if !errors.Is(err, ErrConflict) {
			return 0, stamp{}, err // and the file may be committed yet: never again
		}
		there, known := s.table.Recent(version)
		if s.newest() > before || !known || changesData(there) {
			s.turns.lost()
			s.beaten, file.events = file, digestOf(events)
			return 0, stamp{}, err
		}
	}
}

// fits reports whether a data file that was not committed may be now, for these events.
func (s *Stream[E]) fits(file *uncommitted, events []E) bool {
	return file != nil && file.by.producer == s.producer && file.by.recorded.UnixMicro() > s.newest() &&
		s.opts.Now().Sub(file.started) < maxFileAge/2 && file.events == digestOf(events)
}

// digestOf returns a hash over all columns of the events, in their order.
func digestOf[E event.Event](events []E) (sum [32]byte) {
	h := newRowHasher[E]()
	for i := range events {
		var f fingerprint
		h.add(&f, &events[i])
		row := sum[:]
		for _, part := range f.sum {
			row = binary.BigEndian.AppendUint64(row, part)
		}
		sum = sha256.Sum256(row)
	}
	return sum
}

// putData puts a data file of the events under a fresh name.
func (s *Stream[E]) putData(ctx context.Context, events []E) (*uncommitted, error) {
	file := &uncommitted{started: s.opts.Now(), who: identityTag(events)}
	txn := newTxnID()
	var err error
	if file.by, err = s.stamp(txn, file.started); err != nil {
		return nil, err
	}
	data, sums, err := s.encode(events, file.by)
	if err != nil {
		return nil, err
	}
	if len(data) > MaxBatchBytes {
		return nil, fmt.Errorf("the batch is %d bytes, over the limit of %d: append fewer events at a time", len(data), MaxBatchBytes)
	}
	name := txn + ".parquet"
	info, err := s.store.Put(ctx, s.Name()+"/"+name, data, objects.Always())
	if err != nil {
		return nil, err
	}
	if err := s.checkClock(info); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(data)
	newest := event.EnvelopeOf(&events[len(events)-1]).EventID
	file.add = &delta.Add{Path: name, PartitionValues: map[string]string{}, Size: int64(len(data)), DataChange: true, Stats: sums.String(),
		Tags: map[string]string{tagSHA256: hex.EncodeToString(sum[:]), tagNewest: strconv.FormatInt(sums.recorded.hi, 10), tagNewestID: newest}}
	return file, nil
}

// encode encodes the events; the encoder of the next few is made while these are on their way.
func (s *Stream[E]) encode(events []E, by stamp) ([]byte, *statistics, error) {
	if len(events) >= encodeChunk {
		return newEncoder[E](len(events)).encode(events, by)
	}
	var e *encoder[E]
	select {
	case ready := <-s.encoder:
		e = ready.(*encoder[E])
	default:
		e = newEncoder[E](len(events))
	}
	defer func() {
		go func() {
			select {
			case s.encoder <- newEncoder[E](0):
			default: // another has made one
			}
		}()
	}()
	return e.encode(events, by)
}

// actions returns what a commit of the data file says, at the table's newest state.
func (s *Stream[E]) actions(file *uncommitted) ([]delta.Action, error) {
	now := s.opts.Now().UnixMilli()
	var actions []delta.Action
	var err error
	s.table.Peek(func(st *delta.State) {
		if err = st.Writable(); err != nil {
			return
		}
		if st.MetaData.SchemaString != s.columns { // else it is what the last append found or made
			var changed bool
			if s.columns, changed, err = mergeSchema(st.MetaData.SchemaString, schemaString[E]()); err != nil {
				return
			}
			if changed {
				meta := st.MetaData
				meta.SchemaString = s.columns
				actions = append(actions, delta.Action{MetaData: &meta})
			} else {
				s.columns = st.MetaData.SchemaString
			}
		}
		file.add.ModificationTime = max(now, st.Modified+1)
	})
	if err != nil {
		return nil, err
	}
	info := s.commitInfo("WRITE", file.by.batch, now)
	if info.Tags = s.tags(); file.who != "" {
		info.Tags[tagEvents] = file.who
	}
	return append(actions, delta.Action{CommitInfo: info}, delta.Action{Add: file.add}), nil
}

// newest returns the greatest recorded_at seen so far, in µs since 1970.
func (s *Stream[E]) newest() (us int64) {
	s.table.Peek(func(st *delta.State) { us = st.TagMax[tagNewest] })
	return us
}

func (s *Stream[E]) commitInfo(operation, txn string, now int64) *delta.CommitInfo {
	params := map[string]any{}
	if operation == "WRITE" {
		params["mode"] = "Append"
	}
	return &delta.CommitInfo{Timestamp: now, Operation: operation, OperationParameters: params,
		IsBlindAppend: true, EngineInfo: s.producer, TxnID: txn}
}

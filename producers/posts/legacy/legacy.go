// Package legacy reads the raw lake of the Python system (domain.md 1.1, 7): one JSON envelope per
// post, truth-social/raw/YYYY/MM/DD/<id>.json, in a bucket or a folder. The post is the envelope's
// raw_api_data; the payload kept is the envelope, byte for byte.
package legacy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/objects"
	"shitpost-alpha/producers"
	"shitpost-alpha/producers/posts/record"
)

// Name is the source of all events of the raw lake.
const Name = "legacy-s3"

// Prefix is where the envelopes lie in the store.
const Prefix = "truth-social/raw/"

// fetches is how many objects are fetched at a time: each is small and a round trip away.
const fetches = 16

// Source reads the envelopes. It fits posts.Source.
type Source struct {
	Store objects.Store
	// From and To spare the objects of other days, UTC; zero is no limit.
	From, To time.Time
	// Progress is told how many objects were read; nil for none.
	Progress producers.Progress

	// read holds what was read and recorded, by key, with its time of change: it is not fetched
	// again by this process. A restart reads all once more, which records nothing twice.
	read, pending map[string]time.Time
}

// Name returns "legacy-s3".
func (s *Source) Name() string { return Name }

// Live returns false: silence of the raw lake is no news.
func (s *Source) Live() bool { return false }

// Read yields the drafts of all objects that were not read before. An object that cannot be read is
// in the error and does not keep the others from being read.
func (s *Source) Read(ctx context.Context, yield func(event.Post) error) error {
	var keys []objects.Info
	found := 0
	for info, err := range s.Store.List(ctx, Prefix, "") {
		if err != nil {
			return fmt.Errorf("list %s: %w", Prefix, err)
		}
		if !strings.HasSuffix(info.Key, ".json") {
			continue
		}
		found++
		if at, ok := s.read[info.Key]; (!ok || !at.Equal(info.Modified)) && s.wanted(info.Key) {
			keys = append(keys, info)
		}
	}
	if found == 0 {
		return fmt.Errorf("list %s: it holds no .json objects: name the bucket or folder above it", Prefix)
	}
	s.pending = map[string]time.Time{}
	type result struct {
		data []byte
		err  error
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	slots := make(chan chan result, fetches)
	go func() {
		defer close(slots)
		for _, info := range keys {
			slot := make(chan result, 1)
			select {
			case slots <- slot:
			case <-ctx.Done():
				return
			}
			go func() {
				data, _, err := s.Store.Get(ctx, info.Key)
				slot <- result{data, err}
			}()
		}
	}()
	var errs []error
	done := 0
	for slot := range slots {
		r, info := <-slot, keys[done]
		done++
		if r.err != nil {
			errs = append(errs, r.err)
			continue
		}
		if err := yield(Draft(info.Key, r.data)); err != nil {
			return fmt.Errorf("take %s: %w", info.Key, err)
		}
		s.pending[info.Key] = info.Modified
		s.Progress.Report(Name, done, len(keys))
	}
	return errors.Join(append(errs, ctx.Err())...)
}

// Committed says that everything of the last Read was recorded.
func (s *Source) Committed() {
	if s.read == nil {
		s.read = map[string]time.Time{}
	}
	for key, at := range s.pending {
		s.read[key] = at
	}
	s.pending = nil
}

// wanted reports whether the day of the key may lie between From and To. The days of the folders are
// the Python system's, so one more on either side is read.
func (s *Source) wanted(key string) bool {
	day, err := time.Parse("2006/01/02", strings.TrimPrefix(path.Dir(key), Prefix))
	if err != nil {
		return true
	}
	return (s.From.IsZero() || !day.Before(s.From.AddDate(0, 0, -2))) && (s.To.IsZero() || day.Before(s.To.AddDate(0, 0, 1)))
}

// Draft returns the draft for one envelope: post_observed, or record_rejected.
func Draft(key string, data []byte) event.Post {
	o := record.Origin{Source: Name, Place: key}
	var envelope struct {
		ID  json.RawMessage `json:"shitpost_id"`
		Raw json.RawMessage `json:"raw_api_data"`
	}
	if err := json.Unmarshal(data, &envelope); err != nil {
		return record.Rejected(o, record.Damaged, "it is no JSON object: "+err.Error(), data)
	}
	if len(envelope.Raw) == 0 || string(envelope.Raw) == "null" {
		return record.Rejected(o, record.Damaged, "it has no raw_api_data", data)
	}
	post := []byte(envelope.Raw)
	if post[0] == '"' { // kept as a text by some versions
		var text string
		if err := json.Unmarshal(post, &text); err == nil {
			post = []byte(text)
		}
	}
	draft := record.JSON(o, post)
	if draft.Kind == event.RecordRejected {
		return record.Rejected(o, draft.RejectedReason, strings.TrimPrefix(draft.RejectedDetail, o.Place+": "), data)
	}
	draft.SetPayload(data)
	return draft
}

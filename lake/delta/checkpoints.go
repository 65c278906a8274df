package delta

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"shitpost-alpha/lake/objects"
)

// lastCheckpoint is the content of `_last_checkpoint`. The protocol leaves Tags to the writer; ours
// holds the checkpoint file's SHA-256.
type lastCheckpoint struct {
	Version int64             `json:"version"`
	Size    int64             `json:"size"` // rows
	Parts   int               `json:"parts,omitempty"`
	Tags    map[string]string `json:"tags,omitempty"`
}

func (t *Table) checkpointKey(version int64) string {
	return fmt.Sprintf("%s/_delta_log/%020d.checkpoint.parquet", t.name, version)
}

func (t *Table) lastCheckpointKey() string { return t.name + "/_delta_log/_last_checkpoint" }

// Checkpoint writes the state at a version (-1: the newest) as a checkpoint and returns its version.
// Retired files whose removal is older than expired (ms since 1970) are left out of it. Several may
// write the same one at once.
func (t *Table) Checkpoint(ctx context.Context, version, expired int64) (int64, error) {
	state, err := t.At(ctx, version)
	if err != nil {
		return 0, err
	}
	fail := func(err error) (int64, error) {
		return 0, fmt.Errorf("checkpoint %s version %d: %w", t.name, state.Version, err)
	}
	if state.Version < 0 {
		return fail(ErrNoVersion)
	}
	if err := state.Writable(); err != nil {
		return fail(err)
	}
	data, rows, err := encodeCheckpoint(state, expired)
	if err != nil {
		return fail(err)
	}
	// What a reader would make of it must be what the log says, else it is not written.
	if back, _, err := decodeCheckpoint(data, state.Version); err != nil {
		return fail(err)
	} else if diff := back.diff(state); diff != "" {
		return fail(fmt.Errorf("it does not read back: %s", diff))
	}
	_, err = t.store.Put(ctx, t.checkpointKey(state.Version), data, objects.IfAbsent())
	if errors.Is(err, objects.ErrPrecondition) {
		data, rows, err = t.adopt(ctx, state, data, rows)
	}
	if err != nil {
		return fail(err)
	}
	if err := t.point(ctx, state.Version, data, rows); err != nil {
		return fail(err)
	}
	return state.Version, nil
}

// adopt returns the checkpoint that is there already if it says the same, and replaces it if not.
func (t *Table) adopt(ctx context.Context, state *State, data []byte, rows int64) ([]byte, int64, error) {
	there, _, err := t.store.Get(ctx, t.checkpointKey(state.Version))
	if err != nil {
		return nil, 0, err
	}
	if back, n, err := decodeCheckpoint(there, state.Version); err == nil && back.diff(state) == "" {
		return there, n, nil
	}
	_, err = t.store.Put(ctx, t.checkpointKey(state.Version), data, objects.Always())
	return data, rows, err
}

// point makes `_last_checkpoint` name the checkpoint, unless it names a newer one that is usable.
func (t *Table) point(ctx context.Context, version int64, data []byte, rows int64) error {
	if newest, err := t.hinted(ctx); err != nil {
		return err
	} else if newest != nil && newest.Version > version {
		return nil
	}
	sum := sha256.Sum256(data)
	hint, err := json.Marshal(lastCheckpoint{Version: version, Size: rows, Tags: map[string]string{"sha256": hex.EncodeToString(sum[:])}})
	if err != nil {
		return err
	}
	_, err = t.store.Put(ctx, t.lastCheckpointKey(), hint, objects.Always())
	return err
}

// Checkpointed returns the version of the newest usable checkpoint, -1 when there is none.
func (t *Table) Checkpointed(ctx context.Context) (int64, error) {
	state, err := t.newestCheckpoint(ctx)
	if err != nil || state == nil {
		return -1, err
	}
	return state.Version, nil
}

// newestCheckpoint returns the state of the newest usable checkpoint, nil when there is none.
func (t *Table) newestCheckpoint(ctx context.Context) (*State, error) {
	state, err := t.hinted(ctx)
	if err != nil || state != nil {
		return state, err
	}
	return t.listed(ctx, -1, 1<<62)
}

// hinted returns the state of the checkpoint that `_last_checkpoint` names, nil when there is none or
// it is not usable.
func (t *Table) hinted(ctx context.Context) (*State, error) {
	data, _, err := t.store.Get(ctx, t.lastCheckpointKey())
	if errors.Is(err, objects.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read newest checkpoint of %s: %w", t.name, err)
	}
	var hint lastCheckpoint
	if json.Unmarshal(data, &hint) != nil || hint.Version < 0 || hint.Parts > 1 {
		return nil, nil
	}
	state, err := t.readCheckpoint(ctx, hint.Version, hint.Tags["sha256"])
	if errors.Is(err, errCheckpoint) {
		return nil, nil
	}
	return state, err
}

// listed returns the state of the newest usable checkpoint of the versions after..upTo that a
// listing finds, nil when there is none.
func (t *Table) listed(ctx context.Context, after, upTo int64) (*State, error) {
	prefix := t.name + "/_delta_log/"
	start := ""
	if after >= 0 {
		start = CommitKey(t.name, after)
	}
	var versions []int64
	for info, err := range t.store.List(ctx, prefix, start) {
		if err != nil {
			return nil, fmt.Errorf("list log of %s: %w", t.name, err)
		}
		name, rest, _ := strings.Cut(strings.TrimPrefix(info.Key, prefix), ".")
		v, err := strconv.ParseInt(name, 10, 64)
		if err != nil || len(name) != 20 {
			continue
		}
		if v > upTo {
			break
		}
		if rest == "checkpoint.parquet" {
			versions = append(versions, v)
		}
	}
	for _, v := range slices.Backward(versions) {
		state, err := t.readCheckpoint(ctx, v, "")
		if !errors.Is(err, errCheckpoint) {
			return state, err
		}
	}
	return nil, nil
}

// readCheckpoint reads one checkpoint. errCheckpoint: it is missing, damaged or of a form that this
// code does not read.
func (t *Table) readCheckpoint(ctx context.Context, version int64, sum string) (*State, error) {
	data, _, err := t.store.Get(ctx, t.checkpointKey(version))
	if errors.Is(err, objects.ErrNotFound) {
		return nil, fmt.Errorf("%w: %w", errCheckpoint, err)
	}
	if err != nil {
		return nil, fmt.Errorf("read checkpoint %d of %s: %w", version, t.name, err)
	}
	if have := sha256.Sum256(data); sum != "" && hex.EncodeToString(have[:]) != sum {
		return nil, fmt.Errorf("%w: version %d of %s has other bytes than were written", errCheckpoint, version, t.name)
	}
	state, _, err := decodeCheckpoint(data, version)
	return state, err
}

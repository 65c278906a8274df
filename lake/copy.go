package lake

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"shitpost-alpha/lake/delta"
	"shitpost-alpha/lake/objects"
)

// CopyReport counts what Copy did in one stream.
type CopyReport struct {
	Stream   string `json:"stream"`
	Versions int64  `json:"versions"`
	Copied   int    `json:"files_copied"`
	Present  int    `json:"files_already_there"`
	Bytes    int64  `json:"bytes_copied"`
}

// Copy brings dst up to src, stream by stream: the data files first and then the log, version by
// version, so that dst is a whole lake at every moment and a copy that was broken off is simply
// started again. It copies the same bytes and checks those that are there already; a dst that holds
// another lake, or more than src, is refused.
func Copy(ctx context.Context, src, dst *Lake, progress func(stream string, done, total int)) ([]CopyReport, error) {
	var out []CopyReport
	for _, name := range Names() {
		r, err := copyTable(ctx, src.store, dst.store, name, progress)
		if err != nil {
			return out, fmt.Errorf("copy %s to %s: %w", name, dst.URL, err)
		}
		out = append(out, r)
	}
	return out, nil
}

func copyTable(ctx context.Context, src, dst objects.Store, name string, progress func(string, int, int)) (CopyReport, error) {
	r := CopyReport{Stream: name}
	from, to := delta.NewTable(src, name), delta.NewTable(dst, name)
	state, err := from.At(ctx, -1)
	if err != nil {
		return r, err
	}
	head := state.Version
	have, err := to.Refresh(ctx)
	if err != nil {
		return r, err
	}
	if have > head {
		return r, fmt.Errorf("it is at version %d, ahead of the source's %d", have, head)
	}
	for version := int64(0); version <= head; version++ {
		entry, _, err := src.Get(ctx, delta.CommitKey(name, version))
		if err != nil {
			return r, err
		}
		actions, err := delta.Decode(entry)
		if err != nil {
			return r, fmt.Errorf("version %d: %w", version, err)
		}
		if err := copyFiles(ctx, src, dst, state, name, actions, version <= have, &r); err != nil {
			return r, err
		}
		if err := putSame(ctx, dst, delta.CommitKey(name, version), entry); err != nil {
			return r, err
		}
		r.Versions++
		if progress != nil {
			progress(name, int(version+1), int(head+1))
		}
	}
	if head >= checkpointCommits {
		// The source's own is not copied: this one says what dst's log says.
		if _, err := to.Checkpoint(ctx, head, 0); err != nil {
			return r, err
		}
	}
	return r, nil
}

// copyFiles copies the data files that the actions add. A file that a later version removed may be
// gone from src; a reader of dst at the head does not need it.
func copyFiles(ctx context.Context, src, dst objects.Store, head *delta.State, name string, actions []delta.Action, committed bool, r *CopyReport) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for _, a := range actions {
		if a.Add == nil {
			continue
		}
		file, err := delta.Key(a.Add.Path)
		if err != nil {
			return err
		}
		key := name + "/" + file
		if committed {
			r.Present++
			continue
		}
		r.Copied++
		r.Bytes += a.Add.Size
		g.Go(func() error {
			data, _, err := src.Get(ctx, key)
			if _, live := head.Files[a.Add.Path]; errors.Is(err, objects.ErrNotFound) && !live {
				return nil
			}
			if err != nil {
				return err
			}
			return putSame(ctx, dst, key, data)
		})
	}
	return g.Wait()
}

// putSame writes an object, or checks that the one there has these very bytes.
func putSame(ctx context.Context, dst objects.Store, key string, data []byte) error {
	_, err := dst.Put(ctx, key, data, objects.IfAbsent())
	if !errors.Is(err, objects.ErrPrecondition) {
		return err
	}
	there, _, err := dst.Get(ctx, key)
	if err != nil {
		return err
	}
	if !bytes.Equal(there, data) {
		return fmt.Errorf("%q is there with other content: this is another lake", key)
	}
	return nil
}

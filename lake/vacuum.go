package lake

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"shitpost-alpha/lake/delta"
	"shitpost-alpha/lake/objects"
)

// VacuumOptions say what may be deleted. The zero value only looks.
type VacuumOptions struct {
	// Delete deletes what was found; without it Vacuum only reports.
	Delete bool
	// Grace is how old a file that no version names must be; 24 h when zero. A writer may still
	// commit a file that is younger than an hour, so less than two hours is refused.
	Grace time.Duration
}

const defaultGrace = 24 * time.Hour

// Vacuumed says what Vacuum found, and deleted if it was asked to.
type Vacuumed struct {
	Stream  string `json:"stream"`
	Deleted bool   `json:"deleted"`
	// Orphans were never committed and are older than the grace. Retired were replaced longer ago
	// than the table's retention. Checkpoints are older than the retention too, and there is a newer one
	// for every version that is not. Temporary are what crashes left beside a folder's files.
	Orphans     []string `json:"orphans"`
	Retired     []string `json:"retired"`
	Checkpoints []string `json:"checkpoints"`
	Temporary   []string `json:"temporary"`
	// Bytes is the size of all those; Kept counts orphans and retired files that are too young.
	Bytes int64 `json:"bytes"`
	Kept  int   `json:"kept"`
}

// leftovers is a store that may hold what crashes left and List does not show.
type leftovers interface {
	Leftovers(ctx context.Context, prefix string) ([]objects.Info, error)
}

// Vacuum finds the files that no snapshot younger than the table's retention needs, and deletes them
// if asked to. Ages are by the store's clock. Only Parquet files are touched, none in folders whose
// names begin with "_" or "." but the checkpoints in the log's, and never a log entry. It deletes one by one, so a crash leaves the rest
// for the next run.
func (s *Stream[E]) Vacuum(ctx context.Context, o VacuumOptions) (Vacuumed, error) {
	found := Vacuumed{Stream: s.Name(), Orphans: []string{}, Retired: []string{}, Checkpoints: []string{}, Temporary: []string{}}
	if err := s.vacuum(ctx, o, &found); err != nil {
		return found, fmt.Errorf("vacuum %s: %w", s.Name(), err)
	}
	return found, nil
}

func (s *Stream[E]) vacuum(ctx context.Context, o VacuumOptions, found *Vacuumed) error {
	grace := cmp.Or(o.Grace, defaultGrace)
	if grace < 2*maxFileAge {
		return fmt.Errorf("grace %s: writers commit files up to %s old, so at least %s is needed", grace, maxFileAge, 2*maxFileAge)
	}
	if o.Delete && s.opts.ReadOnly {
		return ErrReadOnly
	}
	// The listing comes first: whatever was committed before it is in the state that is read after.
	var files []objects.Info
	for info, err := range s.store.List(ctx, s.Name()+"/", "") {
		if err != nil {
			return err
		}
		files = append(files, info)
	}
	state, err := s.table.At(ctx, -1)
	if err != nil || state.Version < 0 {
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
	var doomed []string
	for _, f := range files {
		name := strings.TrimPrefix(f.Key, s.Name()+"/")
		if live[name] || !isDataFile(name) {
			continue
		}
		removed, wasLive := retired[name]
		switch {
		case wasLive && removed.Year() > 2000 && removed.Before(now.Add(-s.retention())): // else it does not say when
			found.Retired = append(found.Retired, name)
		// A store that does not say how old a file is gets no orphan deleted.
		case !wasLive && !f.Modified.IsZero() && f.Modified.Before(now.Add(-grace)):
			found.Orphans = append(found.Orphans, name)
		default:
			found.Kept++
			continue
		}
		doomed = append(doomed, f.Key)
		found.Bytes += f.Size
	}
	checkpoints, err := s.oldCheckpoints(ctx, files, now.Add(-s.retention()), found)
	if err != nil {
		return err
	}
	temporary, err := s.temporary(ctx, now.Add(-grace), found)
	if err != nil || !o.Delete {
		return err
	}
	for _, key := range slices.Concat(doomed, checkpoints, temporary) {
		if err := s.store.Delete(ctx, key); err != nil {
			return err
		}
	}
	found.Deleted = true
	return nil
}

// oldCheckpoints finds those checkpoints that were written before the given time, without the newest of
// them: the state at any version since is still had from a checkpoint. The newest usable one of all is
// never among them, nor what is newer, so whoever opens the table meanwhile finds what it was promised.
// What was before is folded from the log, which is never deleted.
func (s *Stream[E]) oldCheckpoints(ctx context.Context, files []objects.Info, before time.Time, found *Vacuumed) (keys []string, err error) {
	newest, err := s.table.Checkpointed(ctx)
	if err != nil {
		return nil, err
	}
	var old []objects.Info
	for _, f := range files { // in the order of their keys, which is that of the versions
		name, isLog := strings.CutPrefix(f.Key, s.Name()+"/_delta_log/")
		version, isCheckpoint := strings.CutSuffix(name, ".checkpoint.parquet")
		n, err := strconv.ParseInt(version, 10, 64)
		if isLog && isCheckpoint && err == nil && len(version) == 20 && n < newest && !f.Modified.IsZero() && f.Modified.Before(before) {
			old = append(old, f)
		}
	}
	for i, f := range old {
		if i == len(old)-1 {
			break
		}
		keys = append(keys, f.Key)
		found.Checkpoints = append(found.Checkpoints, strings.TrimPrefix(f.Key, s.Name()+"/"))
		found.Bytes += f.Size
	}
	return keys, nil
}

// temporary finds what crashes left before the given time.
func (s *Stream[E]) temporary(ctx context.Context, before time.Time, found *Vacuumed) (keys []string, err error) {
	folder, ok := s.store.(leftovers)
	if !ok {
		return nil, nil
	}
	infos, err := folder.Leftovers(ctx, s.Name()+"/")
	for _, f := range infos {
		if f.Modified.Before(before) {
			keys = append(keys, f.Key)
			found.Temporary = append(found.Temporary, strings.TrimPrefix(f.Key, s.Name()+"/"))
			found.Bytes += f.Size
		}
	}
	return keys, err
}

// fileKeys returns the files that the state needs, and when the others were removed.
func fileKeys(state *delta.State) (live map[string]bool, retired map[string]time.Time, err error) {
	live, retired = map[string]bool{}, map[string]time.Time{}
	for path := range state.Files {
		key, err := delta.Key(path)
		if err != nil {
			return nil, nil, err
		}
		live[key] = true
	}
	for path, r := range state.Retired {
		if key, err := delta.Key(path); err == nil && !live[key] {
			retired[key] = time.UnixMilli(r.DeletionTimestamp)
		}
	}
	return live, retired, nil
}

// isDataFile tells data files from what else may lie in the table's folder, by the protocol's rule
// that names beginning with "_" or "." are hidden.
func isDataFile(name string) bool {
	for part := range strings.SplitSeq(name, "/") {
		if strings.HasPrefix(part, "_") || strings.HasPrefix(part, ".") {
			return false
		}
	}
	return strings.HasSuffix(name, ".parquet")
}

package delta

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Protocol versions that this code writes and the highest that it reads.
const (
	ReaderVersion = 1
	WriterVersion = 2
)

// ErrProtocol: the table needs a reader or writer that this code is not.
var ErrProtocol = errors.New("delta protocol not supported")

// State is the table at one version: the log folded up to and including it.
type State struct {
	Version  int64 // -1: no table yet
	Protocol Protocol
	MetaData MetaData
	// Files are the live data files by path.
	Files map[string]*Add
	// Retired are the files that were removed, by path: the protocol's tombstones. A state that was
	// read from a checkpoint may lack those whose retention has passed.
	Retired map[string]*Remove
	Txns    map[string]int64
	// Modified is the greatest modificationTime of any add so far, in ms since 1970.
	Modified int64
	// TagMax is the greatest value so far of every tag of an add that is a whole number.
	TagMax map[string]int64
}

// NewState is the state before the first commit.
func NewState() *State {
	return &State{Version: -1, Files: map[string]*Add{}, Retired: map[string]*Remove{}, Txns: map[string]int64{}, TagMax: map[string]int64{}}
}

// Clone returns a copy that Apply may change without changing s.
func (s *State) Clone() *State {
	c := *s
	c.Files, c.Retired, c.Txns, c.TagMax = maps.Clone(s.Files), maps.Clone(s.Retired), maps.Clone(s.Txns), maps.Clone(s.TagMax)
	return &c
}

// Apply folds the commit of the next version into s. Line order has no meaning, so a path that
// stands twice in one commit is refused rather than guessed at. After an error s is of no use.
func (s *State) Apply(version int64, actions []Action) error {
	if version != s.Version+1 {
		return fmt.Errorf("apply version %d to state at %d: not the next", version, s.Version)
	}
	seen := map[string]bool{}
	for _, a := range actions {
		if err := s.apply(a, seen); err != nil {
			return fmt.Errorf("apply version %d: %w", version, err)
		}
	}
	if version == 0 && (s.MetaData.ID == "" || s.Protocol.MinReaderVersion == 0) {
		return fmt.Errorf("apply version 0: not a Delta table: its first commit lacks protocol or metaData")
	}
	s.Version = version
	return nil
}

// apply folds one action into s. seen is the paths that the commit has named so far; nil where the
// caller has looked after that.
func (s *State) apply(a Action, seen map[string]bool) error {
	once := func(path string) error {
		if seen[path] {
			return fmt.Errorf("file %q stands twice in one commit", path)
		}
		if seen != nil {
			seen[path] = true
		}
		_, err := Key(path)
		return err
	}
	switch {
	case a.Protocol != nil:
		if err := checkProtocol(a.Protocol); err != nil {
			return err
		}
		s.Protocol = *a.Protocol
	case a.MetaData != nil:
		s.MetaData = *a.MetaData
	case a.Add != nil:
		if err := once(a.Add.Path); err != nil {
			return err
		}
		s.Files[a.Add.Path] = a.Add
		delete(s.Retired, a.Add.Path)
		s.Modified = max(s.Modified, a.Add.ModificationTime)
		noteTags(s.TagMax, a.Add.Tags)
	case a.Remove != nil:
		if err := once(a.Remove.Path); err != nil {
			return err
		}
		delete(s.Files, a.Remove.Path)
		s.Retired[a.Remove.Path] = a.Remove
	case a.Txn != nil:
		s.Txns[a.Txn.AppID] = a.Txn.Version
	}
	return nil
}

// noteTags raises greatest to the values of the tags that are whole numbers.
func noteTags(greatest map[string]int64, tags map[string]string) {
	for tag, value := range tags {
		if len(value) > 19 {
			continue // a checksum; ParseInt would make an error of it, at some cost
		}
		if n, err := strconv.ParseInt(value, 10, 64); err == nil {
			greatest[tag] = max(greatest[tag], n)
		}
	}
}

func checkProtocol(p *Protocol) error {
	if len(p.ReaderFeatures) > 0 {
		return fmt.Errorf("%w: it needs the reader features %s", ErrProtocol, strings.Join(p.ReaderFeatures, ", "))
	}
	if p.MinReaderVersion > ReaderVersion {
		return fmt.Errorf("%w: it needs reader version %d, this is %d", ErrProtocol, p.MinReaderVersion, ReaderVersion)
	}
	return nil
}

// Writable refuses tables that this code must not append to.
func (s *State) Writable() error {
	if s.Protocol.MinWriterVersion > WriterVersion || len(s.Protocol.WriterFeatures) > 0 {
		needs := append([]string{fmt.Sprintf("writer version %d", s.Protocol.MinWriterVersion)}, s.Protocol.WriterFeatures...)
		return fmt.Errorf("%w: it needs %s; this is writer version %d", ErrProtocol, strings.Join(needs, ", "), WriterVersion)
	}
	return nil
}

// Live returns the live data files, ordered by path.
func (s *State) Live() []*Add {
	files := slices.Collect(maps.Values(s.Files))
	slices.SortFunc(files, func(a, b *Add) int { return strings.Compare(a.Path, b.Path) })
	return files
}

package delta

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/parquet-go/parquet-go"

	"shitpost-alpha/lake/footer"
)

// A checkpoint is the state at one version as a Parquet file beside the log, a row per action
// (Delta protocol, "V1 Checkpoints"), and `_last_checkpoint` names the newest. Both are advice: a
// reader that finds one missing or damaged takes an older one or folds the log from its beginning.
// A crash between the two leaves a checkpoint that only a listing finds.
type checkpointRow struct {
	Txn      *checkpointTxn      `parquet:"txn,optional"`
	Add      *checkpointAdd      `parquet:"add,optional"`
	Remove   *checkpointRemove   `parquet:"remove,optional"`
	MetaData *checkpointMetaData `parquet:"metaData,optional"`
	Protocol *checkpointProtocol `parquet:"protocol,optional"`
}

type checkpointTxn struct {
	AppID       string `parquet:"appId"`
	Version     int64  `parquet:"version"`
	LastUpdated *int64 `parquet:"lastUpdated,optional"`
}

// Maps are required within their action: an empty one is written as empty, never as null, which
// some readers reject.
type checkpointAdd struct {
	Path             string            `parquet:"path"`
	PartitionValues  map[string]string `parquet:"partitionValues"`
	Size             int64             `parquet:"size"`
	ModificationTime int64             `parquet:"modificationTime"`
	DataChange       bool              `parquet:"dataChange"`
	Stats            string            `parquet:"stats,optional"`
	Tags             map[string]string `parquet:"tags"`
}

type checkpointRemove struct {
	Path                 string            `parquet:"path"`
	DeletionTimestamp    int64             `parquet:"deletionTimestamp,optional"`
	DataChange           bool              `parquet:"dataChange"`
	ExtendedFileMetadata bool              `parquet:"extendedFileMetadata"`
	PartitionValues      map[string]string `parquet:"partitionValues"`
	Size                 int64             `parquet:"size,optional"`
}

type checkpointMetaData struct {
	ID               string            `parquet:"id"`
	Name             string            `parquet:"name,optional"`
	Description      string            `parquet:"description,optional"`
	Format           checkpointFormat  `parquet:"format"`
	SchemaString     string            `parquet:"schemaString"`
	PartitionColumns []string          `parquet:"partitionColumns,list"`
	Configuration    map[string]string `parquet:"configuration"`
	CreatedTime      int64             `parquet:"createdTime,optional"`
}

type checkpointFormat struct {
	Provider string            `parquet:"provider"`
	Options  map[string]string `parquet:"options"`
}

type checkpointProtocol struct {
	MinReaderVersion int32 `parquet:"minReaderVersion"`
	MinWriterVersion int32 `parquet:"minWriterVersion"`
}

// errCheckpoint: a checkpoint cannot be used. Whoever meets it passes the checkpoint over.
var errCheckpoint = errors.New("checkpoint not usable")

// tagMaxApp begins the appId of the txn actions that keep TagMax where no live file has the
// greatest value, because a foreign tool rewrote files and dropped their tags.
const tagMaxApp = "tagMax:"

// versionMeta is the key of the file's own metadata under which our checkpoints keep their version.
const versionMeta = "delta.checkpoint.version"

// encodeCheckpoint renders the state. Adds are written with dataChange=false, as Spark does: in a
// checkpoint nothing is news.
func encodeCheckpoint(s *State, expired int64) (data []byte, rows int64, err error) {
	out := []checkpointRow{
		{Protocol: &checkpointProtocol{int32(s.Protocol.MinReaderVersion), int32(s.Protocol.MinWriterVersion)}},
		{MetaData: &checkpointMetaData{ID: s.MetaData.ID, Name: s.MetaData.Name, Description: s.MetaData.Description,
			Format:       checkpointFormat{s.MetaData.Format.Provider, present(s.MetaData.Format.Options)},
			SchemaString: s.MetaData.SchemaString, PartitionColumns: s.MetaData.PartitionColumns,
			Configuration: present(s.MetaData.Configuration), CreatedTime: s.MetaData.CreatedTime}},
	}
	for _, app := range slices.Sorted(maps.Keys(s.Txns)) {
		out = append(out, checkpointRow{Txn: &checkpointTxn{AppID: app, Version: s.Txns[app]}})
	}
	live := map[string]int64{}
	for _, a := range s.Live() {
		noteTags(live, a.Tags)
		out = append(out, checkpointRow{Add: &checkpointAdd{Path: a.Path, PartitionValues: present(a.PartitionValues), Size: a.Size,
			ModificationTime: a.ModificationTime, Stats: a.Stats, Tags: present(a.Tags)}})
	}
	for _, tag := range slices.Sorted(maps.Keys(s.TagMax)) {
		if n, ok := live[tag]; !ok || n < s.TagMax[tag] {
			out = append(out, checkpointRow{Txn: &checkpointTxn{AppID: tagMaxApp + tag, Version: s.TagMax[tag]}})
		}
	}
	for _, path := range slices.Sorted(maps.Keys(s.Retired)) {
		r := s.Retired[path]
		if r.DeletionTimestamp < expired {
			continue
		}
		out = append(out, checkpointRow{Remove: &checkpointRemove{Path: r.Path, DeletionTimestamp: r.DeletionTimestamp,
			ExtendedFileMetadata: true, PartitionValues: present(r.PartitionValues), Size: r.Size}})
	}
	var b bytes.Buffer
	w := parquet.NewGenericWriter[checkpointRow](&b, parquet.DataPageVersion(1), parquet.Compression(&parquet.Zstd),
		parquet.CreatedBy("shitpost-alpha", "1", ""), parquet.KeyValueMetadata(versionMeta, strconv.FormatInt(s.Version, 10)))
	if _, err := w.Write(out); err != nil {
		return nil, 0, err
	}
	if err := w.Close(); err != nil {
		return nil, 0, err
	}
	return seal(b.Bytes()), int64(len(out)), nil
}

// present returns m, or an empty map for nil.
func present(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

// decodeCheckpoint reads a V1 checkpoint, ours or another writer's. Every error wraps errCheckpoint.
func decodeCheckpoint(data []byte, version int64) (state *State, rows int64, err error) {
	// The Parquet library panics on some damaged files; to the caller that is one more damaged file.
	defer func() {
		if r := recover(); r != nil {
			state, err = nil, fmt.Errorf("%w: version %d: %v", errCheckpoint, version, r)
		}
	}()
	fail := func(err error) (*State, int64, error) {
		return nil, 0, fmt.Errorf("%w: version %d: %w", errCheckpoint, version, err)
	}
	sealed, err := checkSeal(data)
	if err != nil {
		return fail(err)
	}
	if err := footer.Check(data); err != nil {
		return fail(err)
	}
	file, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return fail(err)
	}
	if says, ok := file.Lookup(versionMeta); ok && says != strconv.FormatInt(version, 10) {
		return fail(fmt.Errorf("it is that of version %s", says))
	} else if ok && !sealed {
		return fail(errors.New("its seal is gone")) // only ours say their version, and ours are sealed
	}
	r := parquet.NewGenericReader[checkpointRow](file)
	defer r.Close()
	s := NewState()
	buf := make([]checkpointRow, 1024)
	for rows < file.NumRows() {
		n, err := r.Read(buf)
		for i := range buf[:n] {
			if err := s.restore(&buf[i]); err != nil {
				return fail(err)
			}
		}
		rows += int64(n)
		if rows < file.NumRows() && (err != nil || n == 0) {
			return fail(fmt.Errorf("row %d of %d: %w", rows, file.NumRows(), cmp.Or(err, io.ErrUnexpectedEOF)))
		}
		clear(buf) // the next rows must not share these rows' maps
	}
	if s.MetaData.ID == "" || s.Protocol.MinReaderVersion == 0 {
		return fail(errors.New("it lacks protocol or metaData"))
	}
	s.Version = version
	return s, rows, nil
}

// restore takes one row of a checkpoint into s.
func (s *State) restore(row *checkpointRow) error {
	switch {
	case row.Add != nil:
		a := row.Add
		if _, twice := s.Files[a.Path]; twice {
			return fmt.Errorf("file %q stands twice", a.Path)
		}
		return s.apply(Action{Add: &Add{Path: a.Path, PartitionValues: present(a.PartitionValues), Size: a.Size,
			ModificationTime: a.ModificationTime, Stats: a.Stats, Tags: a.Tags}}, nil)
	case row.Remove != nil:
		r := row.Remove
		if _, live := s.Files[r.Path]; live {
			return fmt.Errorf("file %q is both live and retired", r.Path)
		}
		return s.apply(Action{Remove: &Remove{Path: r.Path, DeletionTimestamp: r.DeletionTimestamp, ExtendedFileMetadata: r.ExtendedFileMetadata,
			PartitionValues: r.PartitionValues, Size: r.Size}}, nil)
	case row.MetaData != nil:
		m := row.MetaData
		if s.MetaData.ID != "" {
			return errors.New("metaData stands twice")
		}
		s.MetaData = MetaData{ID: m.ID, Name: m.Name, Description: m.Description, Format: Format{m.Format.Provider, present(m.Format.Options)},
			SchemaString: m.SchemaString, PartitionColumns: m.PartitionColumns, Configuration: present(m.Configuration), CreatedTime: m.CreatedTime}
		if s.MetaData.PartitionColumns == nil {
			s.MetaData.PartitionColumns = []string{}
		}
	case row.Protocol != nil:
		return s.apply(Action{Protocol: &Protocol{MinReaderVersion: int(row.Protocol.MinReaderVersion), MinWriterVersion: int(row.Protocol.MinWriterVersion)}}, nil)
	case row.Txn != nil:
		if tag, ok := strings.CutPrefix(row.Txn.AppID, tagMaxApp); ok {
			s.TagMax[tag] = max(s.TagMax[tag], row.Txn.Version)
			return nil
		}
		s.Txns[row.Txn.AppID] = row.Txn.Version
	}
	return nil
}

// diff says where s, read from a checkpoint, differs from the state that the log gives; "" when it
// does not. Expired retired files may be missing from s.
func (s *State) diff(log *State) string {
	switch {
	case s.Version != log.Version:
		return fmt.Sprintf("version %d instead of %d", s.Version, log.Version)
	case s.MetaData.ID != log.MetaData.ID || s.MetaData.SchemaString != log.MetaData.SchemaString || !maps.Equal(s.MetaData.Configuration, log.MetaData.Configuration):
		return "other metaData"
	case s.Protocol.MinReaderVersion != log.Protocol.MinReaderVersion || s.Protocol.MinWriterVersion != log.Protocol.MinWriterVersion:
		return "another protocol"
	case !maps.Equal(s.Txns, log.Txns):
		return "other txn actions"
	case !maps.Equal(s.TagMax, log.TagMax):
		return fmt.Sprintf("greatest tags %v instead of %v", s.TagMax, log.TagMax)
	case len(s.Files) != len(log.Files):
		return fmt.Sprintf("%d live files instead of %d", len(s.Files), len(log.Files))
	}
	for path, want := range log.Files {
		have := s.Files[path]
		if have == nil || have.Size != want.Size || have.Stats != want.Stats || !maps.Equal(have.Tags, want.Tags) {
			return fmt.Sprintf("file %q is missing or described otherwise", path)
		}
	}
	for path := range s.Retired {
		if log.Retired[path] == nil {
			return fmt.Sprintf("file %q is not retired", path)
		}
	}
	return ""
}

package delta

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"path"
	"strings"
)

// Action is one line of a commit. Exactly one field is set; a line with none of them (an action
// that this code does not know) is kept as the zero Action and has no effect.
type Action struct {
	Protocol   *Protocol   `json:"protocol,omitempty"`
	MetaData   *MetaData   `json:"metaData,omitempty"`
	Add        *Add        `json:"add,omitempty"`
	Remove     *Remove     `json:"remove,omitempty"`
	Txn        *Txn        `json:"txn,omitempty"`
	CommitInfo *CommitInfo `json:"commitInfo,omitempty"`
}

// Protocol is what a reader and a writer must understand.
type Protocol struct {
	MinReaderVersion int      `json:"minReaderVersion"`
	MinWriterVersion int      `json:"minWriterVersion"`
	ReaderFeatures   []string `json:"readerFeatures,omitempty"`
	WriterFeatures   []string `json:"writerFeatures,omitempty"`
}

// MetaData is the table's identity, schema and configuration.
type MetaData struct {
	ID               string            `json:"id"`
	Name             string            `json:"name,omitempty"`
	Description      string            `json:"description,omitempty"`
	Format           Format            `json:"format"`
	SchemaString     string            `json:"schemaString"`
	PartitionColumns []string          `json:"partitionColumns"`
	Configuration    map[string]string `json:"configuration"`
	CreatedTime      int64             `json:"createdTime,omitempty"` // ms since 1970
}

// Format of the data files. Options must be present, though empty.
type Format struct {
	Provider string            `json:"provider"`
	Options  map[string]string `json:"options"`
}

// Add says that a data file belongs to the table from this version on.
type Add struct {
	// Path is relative to the table and URI-encoded; see Key.
	Path             string            `json:"path"`
	PartitionValues  map[string]string `json:"partitionValues"`
	Size             int64             `json:"size"`
	ModificationTime int64             `json:"modificationTime"` // ms since 1970; a hint only
	DataChange       bool              `json:"dataChange"`
	// Stats is JSON in a string. Statistics written by others can be malformed: a hint only.
	Stats string            `json:"stats,omitempty"`
	Tags  map[string]string `json:"tags,omitempty"`
}

// Remove says that a data file belongs to the table no longer.
type Remove struct {
	Path                 string            `json:"path"`
	DeletionTimestamp    int64             `json:"deletionTimestamp,omitempty"` // ms since 1970
	DataChange           bool              `json:"dataChange"`
	ExtendedFileMetadata bool              `json:"extendedFileMetadata"`
	PartitionValues      map[string]string `json:"partitionValues"`
	Size                 int64             `json:"size,omitempty"`
}

// Txn is the newest version that an application committed; used for take-overs of a lease.
type Txn struct {
	AppID       string `json:"appId"`
	Version     int64  `json:"version"`
	LastUpdated int64  `json:"lastUpdated,omitempty"` // ms since 1970
}

// CommitInfo is free-form in Delta. TxnID tells whose commit it is when a reply was lost.
type CommitInfo struct {
	Timestamp           int64          `json:"timestamp"` // ms since 1970
	Operation           string         `json:"operation"`
	OperationParameters map[string]any `json:"operationParameters"` // others may put anything there
	IsBlindAppend       bool           `json:"isBlindAppend"`
	EngineInfo          string         `json:"engineInfo"`
	TxnID               string         `json:"txnId"`
	// Tags are free-form too; Spark knows the field, and leaves it empty.
	Tags map[string]string `json:"tags,omitempty"`
}

// Encode renders a commit: one JSON action a line.
func Encode(actions []Action) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	for _, a := range actions {
		if err := enc.Encode(a); err != nil {
			return nil, fmt.Errorf("encode action: %w", err)
		}
	}
	return b.Bytes(), nil
}

// Decode reads a commit. Unknown actions and fields are passed over.
func Decode(data []byte) ([]Action, error) {
	var actions []Action
	for i, line := range bytes.Split(data, []byte("\n")) {
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		var a Action
		if err := json.Unmarshal(line, &a); err != nil {
			return nil, fmt.Errorf("decode action in line %d: %w", i+1, err)
		}
		actions = append(actions, a)
	}
	return actions, nil
}

// Key returns the key of the data file below the table's folder. It refuses paths that are
// absolute, name another place or leave the table.
func Key(encoded string) (string, error) {
	p, err := url.PathUnescape(encoded)
	if err != nil {
		return "", fmt.Errorf("data file path %q: %w", encoded, err)
	}
	if p == "" || strings.Contains(p, "://") || path.IsAbs(p) || path.Clean(p) != p || p == ".." || strings.HasPrefix(p, "../") {
		return "", fmt.Errorf("data file path %q is not inside the table", encoded)
	}
	return p, nil
}

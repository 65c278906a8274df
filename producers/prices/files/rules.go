package files

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/producers/prices/format"
)

// rulesName is the file that says what the price files about it are.
const rulesName = "sources.json"

// statement is one entry of sources.json.
type statement struct {
	Files    string            `json:"files"`
	Adjusted event.Adjustment  `json:"adjusted"`
	AsOf     event.Date        `json:"as_of"`
	Symbols  map[string]string `json:"symbols"` // from names in upper case, once decoded
	Note     string            `json:"note"`

	order int // place in sources.json; files of which nothing is said come last
}

// unsaid is what holds for a file of which nothing is said.
func unsaid() statement { return statement{Adjusted: event.AdjustedSplit, order: math.MaxInt} }

// rename returns our name of a symbol: the mapped one, else Stooq's without its market of US shares.
func (s *statement) rename(symbol, shape string) string {
	if to := s.Symbols[symbol]; to != "" {
		return to
	}
	if shape == format.ShapeRows {
		return strings.TrimSuffix(symbol, ".US")
	}
	return symbol
}

// rules are all sources.json met so far, by folder; nil where a folder has none.
type rules struct{ byFolder map[string]*ruleFile }

type ruleFile struct {
	path    string
	Sources []statement `json:"sources"`
	Splits  string      `json:"splits"`
}

func newRules() *rules { return &rules{map[string]*ruleFile{}} }

// levels is how many folders above a file's own are looked into even above the folder given.
const levels = 2

// about returns what the nearest sources.json says of the file; given is the path that led to it.
func (r *rules) about(file, given string) (statement, error) {
	folder := filepath.Dir(file)
	for level := 0; ; level++ {
		rules, err := r.in(folder)
		if err != nil {
			return unsaid(), err
		}
		if rules != nil {
			return rules.about(file)
		}
		above := filepath.Dir(folder)
		inside := strings.HasPrefix(above+string(filepath.Separator), given+string(filepath.Separator))
		if above == folder || level >= levels && !inside {
			return unsaid(), nil
		}
		folder = above
	}
}

func (f *ruleFile) about(file string) (statement, error) {
	relative, err := filepath.Rel(filepath.Dir(f.path), file)
	if err != nil {
		return unsaid(), fmt.Errorf("look up %s in %s: %w", file, f.path, err)
	}
	relative = filepath.ToSlash(relative)
	for _, s := range f.Sources {
		if ok, _ := path.Match(s.Files, relative); ok {
			return s, nil
		}
	}
	return unsaid(), nil
}

// splits returns the files of splits that were named, ascending.
func (r *rules) splits() []string {
	var out []string
	for _, f := range r.byFolder {
		if f != nil && f.Splits != "" {
			out = append(out, filepath.Join(filepath.Dir(f.path), filepath.FromSlash(f.Splits)))
		}
	}
	slices.Sort(out)
	return out
}

// in reads the sources.json of a folder, nil when there is none.
func (r *rules) in(folder string) (*ruleFile, error) {
	if f, read := r.byFolder[folder]; read {
		return f, nil
	}
	name := filepath.Join(folder, rulesName)
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		r.byFolder[folder] = nil
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", rulesName, err)
	}
	f := &ruleFile{path: name}
	if err := f.decode(data); err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	r.byFolder[folder] = f
	return f, nil
}

// decode refuses what it does not know: a mistyped key would silently change how prices are read.
func (f *ruleFile) decode(data []byte) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(f); err != nil {
		return err
	}
	for i := range f.Sources {
		s := &f.Sources[i]
		s.order = i
		if _, err := path.Match(s.Files, ""); err != nil || s.Files == "" {
			return fmt.Errorf("sources[%d]: files %q is no pattern", i, s.Files)
		}
		switch s.Adjusted {
		case event.AdjustedNone, event.AdjustedSplit, event.AdjustedDividend:
		case "":
			s.Adjusted = event.AdjustedSplit
		default:
			return fmt.Errorf("sources[%d] (%s): adjusted is %q: want none, split or dividend", i, s.Files, s.Adjusted)
		}
		upper := make(map[string]string, len(s.Symbols))
		for from, to := range s.Symbols {
			name := strings.ToUpper(from)
			if from == "" || to == "" || upper[name] != "" {
				return fmt.Errorf("sources[%d] (%s): symbols maps %q to %q: both must be set, and each name once", i, s.Files, from, to)
			}
			upper[name] = to
		}
		s.Symbols = upper
	}
	return nil
}

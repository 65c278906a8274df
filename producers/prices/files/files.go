// Package files is a source of prices that somebody has in files.
//
// Open takes files and folders and reads all of them once. Each file is an origin of its own,
// "file:<base name>"; all files that know a symbol contribute to it, and which of them is used is
// decided where outcomes are computed, by adjustment and by rank: the place in the order given.
//
// A file named sources.json says what the price files are. It is looked for beside each file and in
// the folders above, up to the folder given and at least two levels; the nearest counts:
//
//	{"sources": [{"files": "etf/*.csv",           relative to sources.json
//	              "adjusted": "none",             none, split or dividend
//	              "as_of": "2026-03-31",          the prices include all splits up to this date
//	              "symbols": {"spx": "^GSPC"}}],  names to map
//	 "splits": "splits.csv"}                      a CSV of symbol, effective_date and ratio
//
// A file of which nothing is said is taken for split-adjusted as of its newest session.
package files

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/market"
	"shitpost-alpha/producers/prices"
	"shitpost-alpha/producers/prices/format"
)

// Source is the files that Open read, kept in memory. It is safe for concurrent use.
type Source struct {
	calendar *market.Calendar
	now      func() time.Time
	files    []*file // by rank
	origins  []string
	// about lists the files that say something of a symbol, by rank.
	about map[string][]*file
}

// file is one file, read.
type file struct {
	base       string
	rank       int32
	adjustment event.Adjustment
	asOf       event.Date
	shape      string
	series     map[string]*format.Series
	splits     []format.Split
	rejects    map[string][]format.Reject // by symbol; "" for rows that name none
}

// Info describes one file, for logs.
type Info struct {
	Origin     string
	Rank       int32
	Shape      string
	Adjustment event.Adjustment
	AsOf       event.Date
	Symbols    int
	Bars       int
	Rejected   int // rows that could not be taken
}

// Open reads the files, and all files named *.csv, *.txt or *.json in the folders, at any depth. Its
// errors say which file cannot be taken and what to do; single bad rows are no error, they come with
// the bars as record_rejected.
func Open(paths []string, cal *market.Calendar, now func() time.Time) (*Source, error) {
	if len(paths) == 0 {
		return nil, errors.New("open price files: no path given: name files or folders")
	}
	found, err := find(paths)
	if err != nil {
		return nil, err
	}
	s := &Source{calendar: cal, now: now, about: map[string][]*file{}}
	bases := map[string]string{}
	for _, at := range found {
		base := filepath.Base(at.path)
		if other, taken := bases[base]; taken {
			return nil, fmt.Errorf("open price files: %s and %s have the same base name, by which events name their source: rename one of them", other, at.path)
		}
		bases[base] = at.path
		f, err := read(at)
		if err != nil {
			return nil, err
		}
		f.rank = int32(len(s.files))
		s.add(f)
	}
	if len(s.files) == 0 {
		return nil, fmt.Errorf("open price files: no .csv, .txt or .json in %s", strings.Join(paths, ", "))
	}
	slices.Sort(s.origins)
	return s, nil
}

// found is a file to read, and what sources.json says of it.
type found struct {
	path string
	says statement
}

// find lists all files in the order of rank: paths as given, within a folder the order of the entries
// of sources.json, then the path; last the split files that a sources.json names elsewhere.
func find(paths []string) ([]found, error) {
	var out []found
	seen := map[string]bool{}
	rules := newRules()
	for _, given := range paths {
		given, err := filepath.Abs(given)
		if err != nil {
			return nil, fmt.Errorf("open price files: %w", err)
		}
		var list []found
		err = filepath.WalkDir(given, func(path string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if path != given && strings.HasPrefix(entry.Name(), ".") {
				if entry.IsDir() {
					return fs.SkipDir
				}
				return nil
			}
			if entry.IsDir() || seen[path] || path != given && !hasPriceName(path) || entry.Name() == rulesName {
				return nil
			}
			says, err := rules.about(path, given)
			if err != nil {
				return err
			}
			seen[path] = true
			list = append(list, found{path, says})
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("open price files: %w", err)
		}
		slices.SortStableFunc(list, func(a, b found) int { return cmp.Compare(a.says.order, b.says.order) })
		out = append(out, list...)
	}
	for _, path := range rules.splits() {
		if !seen[path] {
			out = append(out, found{path, unsaid()})
		}
	}
	return out, nil
}

func hasPriceName(path string) bool {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".csv", ".txt", ".json":
		return true
	}
	return false
}

// read parses one file and applies what sources.json says of it.
func read(at found) (*file, error) {
	data, err := os.ReadFile(at.path)
	if err != nil {
		return nil, fmt.Errorf("read price file: %w", err)
	}
	doc, err := format.Parse(filepath.Base(at.path), data)
	if err != nil {
		return nil, fmt.Errorf("read price file %s: %w: mend it, or take it out of the folder", at.path, err)
	}
	if doc.Bars() == 0 && len(doc.Splits) == 0 {
		return nil, fmt.Errorf("read price file %s: not one bar in it (%d rows rejected%s): mend it, or take it out of the folder",
			at.path, len(doc.Rejects), firstReject(doc))
	}
	f := &file{base: filepath.Base(at.path), adjustment: at.says.Adjusted, asOf: at.says.AsOf, shape: doc.Shape,
		series: map[string]*format.Series{}, rejects: map[string][]format.Reject{}}
	newest := doc.Newest()
	if f.asOf == 0 {
		f.asOf = newest
	}
	if f.asOf < newest && f.adjustment != event.AdjustedNone {
		return nil, fmt.Errorf("read price file %s: sources.json says as_of %s, but its newest bar is of %s: correct as_of", at.path, f.asOf, newest)
	}
	for symbol, series := range doc.Series {
		name := at.says.rename(symbol, doc.Shape)
		if f.series[name] != nil {
			return nil, fmt.Errorf("read price file %s: two of its symbols are named %s: correct symbols in sources.json", at.path, name)
		}
		f.series[name] = series
	}
	for _, s := range doc.Splits {
		s.Symbol = at.says.rename(s.Symbol, doc.Shape)
		f.splits = append(f.splits, s)
	}
	for _, r := range doc.Rejects {
		if r.Symbol != "" {
			r.Symbol = at.says.rename(r.Symbol, doc.Shape)
		}
		f.rejects[r.Symbol] = append(f.rejects[r.Symbol], r)
	}
	return f, nil
}

func firstReject(doc *format.Document) string {
	if len(doc.Rejects) == 0 {
		return ""
	}
	return fmt.Sprintf(", the first at row %d: %s", doc.Rejects[0].Row, doc.Rejects[0].Detail)
}

func (s *Source) add(f *file) {
	s.files = append(s.files, f)
	s.origins = append(s.origins, origin(f))
	symbols := map[string]bool{}
	for symbol := range f.series {
		symbols[symbol] = true
	}
	for _, split := range f.splits {
		symbols[split.Symbol] = true
	}
	for symbol := range f.rejects {
		symbols[symbol] = true
	}
	delete(symbols, "")
	for symbol := range symbols {
		s.about[symbol] = append(s.about[symbol], f)
	}
}

func origin(f *file) string { return "file:" + f.base }

// Name is "files".
func (s *Source) Name() string { return "files" }

// Origins are "file:<base name>" of every file.
func (s *Source) Origins() []string { return s.origins }

// Local is true: the files are read once.
func (s *Source) Local() bool { return true }

// Infos describes the files in the order of rank.
func (s *Source) Infos() []Info {
	var out []Info
	for _, f := range s.files {
		in := Info{Origin: origin(f), Rank: f.rank, Shape: f.shape, Adjustment: f.adjustment, AsOf: f.asOf, Symbols: len(f.series)}
		for _, series := range f.series {
			in.Bars += len(series.Bars)
		}
		for _, rejects := range f.rejects {
			in.Rejected += len(rejects)
		}
		out = append(out, in)
	}
	return out
}

// Symbols returns all symbols of which there are bars, ascending.
func (s *Source) Symbols() []string {
	var out []string
	for symbol := range s.about {
		if s.knows(symbol) {
			out = append(out, symbol)
		}
	}
	slices.Sort(out)
	return out
}

func (s *Source) knows(symbol string) bool {
	return slices.ContainsFunc(s.about[symbol], func(f *file) bool { return f.series[symbol] != nil })
}

// Bars returns the bars of the symbol in from..to from every file that knows it, all splits that the
// files know of, and the rows about it that could not be taken; see prices.Source. Rows that name no
// symbol come with every symbol of their file, as the same events. A symbol of which no file has
// bars is prices.ErrUnknown.
func (s *Source) Bars(ctx context.Context, symbol string, from, to event.Date) ([]event.Price, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !s.knows(symbol) {
		return nil, fmt.Errorf("%w: no price file has %s", prices.ErrUnknown, symbol)
	}
	var out []event.Price
	for _, f := range s.about[symbol] {
		fetch := s.fetch(f, symbol)
		if series := f.series[symbol]; series != nil {
			out = append(out, bars(fetch, series, from, to)...)
		}
		for _, split := range f.splits {
			if split.Symbol == symbol && fetch.Effective(split.Date) {
				out = append(out, fetch.Split(split))
			}
		}
		out = append(out, rejects(fetch, f, from, to)...)
	}
	return out, nil
}

func bars(fetch prices.Fetch, series *format.Series, from, to event.Date) []event.Price {
	fetch.Currency = series.Currency
	var out []event.Price
	first, _ := slices.BinarySearchFunc(series.Bars, from, func(b format.Bar, d event.Date) int { return cmp.Compare(b.Date, d) })
	for _, b := range series.Bars[first:] {
		if b.Date > to || !fetch.Final(b.Date) {
			break
		}
		if _, closes := fetch.Calendar.Bar(fetch.Symbol, b.Date); !series.LastTrade.IsZero() && closes.After(series.LastTrade) {
			break // still in progress when the file was made
		}
		out = append(out, fetch.Bar(b))
	}
	return out
}

func rejects(fetch prices.Fetch, f *file, from, to event.Date) []event.Price {
	var out []event.Price
	for _, symbol := range []string{fetch.Symbol, ""} {
		fetch.Symbol = symbol
		for _, r := range f.rejects[symbol] {
			if r.Date == 0 || r.Date >= from && r.Date <= to {
				row := fmt.Sprintf("%s row %d", f.base, r.Row)
				out = append(out, fetch.Reject(row, r, row+": "+r.Detail))
			}
		}
	}
	return out
}

func (s *Source) fetch(f *file, symbol string) prices.Fetch {
	fetch := prices.Fetch{Calendar: s.calendar, Symbol: symbol, Source: origin(f), Rank: f.rank,
		Adjustment: f.adjustment, Through: f.asOf, ID: f.base + "@" + f.asOf.String(), At: s.now()}
	if f.adjustment == event.AdjustedNone {
		fetch.Through = 0
	}
	return fetch
}

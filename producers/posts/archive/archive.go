// Package archive reads posts from files: public archives, exports of scrapers, saved answers of the
// API (domain.md 1.1). A file is a JSON array, JSON lines, one or more JSON objects, an API page
// {"success":true,"posts":[…]} or CSV, as it is or gzipped; what it is shows in its content, not in
// its name. Files are read as streams, whatever their size.
//
// Each file is a source of its own, "archive:<base name>": another file's rendering of a post is
// another rendering, not an edit. A row that cannot be taken becomes record_rejected; a file that
// cannot be understood is refused with a sentence; neither keeps the rest from being read.
package archive

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/producers"
)

// Source reads files. It fits posts.Source.
type Source struct {
	// Paths are files, folders and http or https addresses. Of a folder every file is read, those of
	// its folders too, in the order of their names; hidden ones are left out.
	Paths []string
	// Client asks for the addresses; it may be nil where there are none.
	Client *producers.Client
	// Progress is told the bytes read of each file; nil for none.
	Progress producers.Progress

	// read holds the validators of the addresses whose whole content was recorded, pending those of
	// the last Read. They are kept in memory alone: a restart downloads once more and records nothing.
	read, pending map[string]validators
}

// maxRecord is how long one row or document may be, in bytes: far more than any post, and what an
// unclosed quote may hold in memory.
const maxRecord = 32 << 20

// peekSize is how much of a file's beginning is looked at to tell its format.
const peekSize = 1 << 20

var errTooLong = fmt.Errorf("a record is longer than %d MB: a quote or bracket is not closed", maxRecord>>20)

// yield takes a draft; its error ends the reading.
type yield = func(event.Post) error

// Name returns "archive".
func (s *Source) Name() string { return "archive" }

// Live returns false: an archive ends where it ends.
func (s *Source) Live() bool { return false }

// Read yields the drafts of every file. Its error joins those of all files and paths that could not
// be read to their end; each names the file, and the place where there is one.
func (s *Source) Read(ctx context.Context, take func(event.Post) error) error {
	var local, remote []string
	for _, path := range s.Paths {
		if IsURL(path) {
			remote = append(remote, path)
		} else {
			local = append(local, path)
		}
	}
	files, err := list(local)
	errs := []error{err}
	var stop error
	s.pending = map[string]validators{}
	for _, path := range append(files, remote...) {
		read := s.readFile
		if IsURL(path) {
			read = s.readURL
		}
		err := read(ctx, path, func(p event.Post) error {
			stop = take(p)
			return stop
		})
		if stop != nil || ctx.Err() != nil {
			return err
		}
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// list returns the files at the paths, in order. What cannot be found is in the error.
func list(paths []string) (files []string, err error) {
	var errs []error
	for _, root := range paths {
		before := len(files)
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if path != root && strings.HasPrefix(d.Name(), ".") {
				if d.IsDir() {
					return fs.SkipDir
				}
				return nil
			}
			info, err := os.Stat(path) // a link counts as what it leads to
			if err != nil {
				return err
			}
			if info.Mode().IsRegular() {
				files = append(files, path)
			}
			return nil
		})
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("list archive %s: %w", root, err))
		case len(files) == before:
			errs = append(errs, fmt.Errorf("list archive %s: it holds no files", root))
		}
	}
	return files, errors.Join(errs...)
}

func (s *Source) readFile(ctx context.Context, path string, take yield) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read archive: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("read archive %s: %w", path, err)
	}
	name := filepath.Base(path)
	meter := &meter{r: f, report: func(done int) { s.Progress.Report(name, done, int(info.Size())) }}
	if err := read(name, meter, take); err != nil {
		return fmt.Errorf("read archive %s: %w", path, err)
	}
	s.Progress.Report(name, int(info.Size()), int(info.Size()))
	return nil
}

// read finds out what the file is and yields its drafts.
func read(name string, r io.Reader, take yield) error {
	in, err := text(r)
	if err != nil {
		return err
	}
	head, err := in.Peek(peekSize)
	if err != nil && err != io.EOF && len(head) == 0 {
		return err
	}
	start := bytes.TrimLeft(head, " \t\r\n")
	f := &file{name: name, source: "archive:" + name, take: take}
	switch {
	case len(start) == 0:
		return errors.New("the file is empty")
	case start[0] == '[':
		return f.array(in)
	case start[0] == '{' && hasDocumentLine(head):
		return f.lines(in)
	case start[0] == '{':
		return f.documents(in)
	}
	if what := foreign(start); what != "" {
		return fmt.Errorf("no known format: it is %s, not JSON, JSON lines or CSV", what)
	}
	return f.csv(in, head)
}

// text unpacks gzip and takes off the byte order mark.
func text(r io.Reader) (*bufio.Reader, error) {
	in := bufio.NewReaderSize(r, peekSize)
	if magic, _ := in.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, fmt.Errorf("unpack gzip: %w", err)
		}
		in = bufio.NewReaderSize(z, peekSize)
	}
	if mark, _ := in.Peek(3); bytes.Equal(mark, []byte("\xef\xbb\xbf")) {
		if _, err := in.Discard(3); err != nil {
			return nil, err
		}
	}
	return in, nil
}

// foreign names a format that is not read, as far as its first bytes tell.
func foreign(start []byte) string {
	for prefix, what := range map[string]string{
		"PK\x03\x04": "a zip archive", "PAR1": "a Parquet file", "<": "an HTML or XML page",
		"\xff\xfe": "UTF-16 text", "\xfe\xff": "UTF-16 text", "BZh": "a bzip2 file", "\xfd7zXZ": "an xz file",
		"SQLite format 3": "an SQLite database", "%PDF": "a PDF file",
	} {
		if bytes.HasPrefix(start, []byte(prefix)) {
			return what
		}
	}
	if bytes.IndexByte(start[:min(len(start), 4096)], 0) >= 0 {
		return "a binary file"
	}
	return ""
}

// meter tells how many bytes were read, at most once a megabyte.
type meter struct {
	r          io.Reader
	done, told int
	report     func(done int)
}

func (m *meter) Read(b []byte) (int, error) {
	n, err := m.r.Read(b)
	if m.done += n; m.done-m.told >= 1<<20 {
		m.told = m.done
		m.report(m.done)
	}
	return n, err
}

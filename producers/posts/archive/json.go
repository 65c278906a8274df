package archive

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"shitpost-alpha/producers/posts/record"
)

// file is one file while it is read.
type file struct {
	name   string // base name, for places
	source string
	take   yield
	// recognised: the first document looked like a post. Until then a file is refused whole, so
	// that a file of something else does not become a million rejections.
	recognised bool
}

func (f *file) origin(format string, args ...any) record.Origin {
	return record.Origin{Source: f.source, Place: f.name + " " + fmt.Sprintf(format, args...)}
}

// array reads a JSON array element by element. A damaged one ends there: what precedes is yielded.
func (f *file) array(in io.Reader) error {
	g := &guard{r: in}
	d := json.NewDecoder(g)
	if _, err := d.Token(); err != nil {
		return fmt.Errorf("parse JSON: %w", err)
	}
	n := 0
	for d.More() {
		n++
		g.read = 0
		var doc json.RawMessage
		if err := d.Decode(&doc); err != nil {
			return fmt.Errorf("parse JSON element %d, which begins after byte %d: %w", n, d.InputOffset(), whole(err))
		}
		if err := f.document(f.origin("element %d", n), doc); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return fmt.Errorf("parse JSON after element %d at byte %d: the array does not end: %w", n, d.InputOffset(), whole(err))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("parse JSON: something follows the array at byte %d", d.InputOffset())
	}
	return nil
}

// documents reads JSON objects that span lines, one after the other.
func (f *file) documents(in io.Reader) error {
	g := &guard{r: in}
	d := json.NewDecoder(g)
	for n := 1; ; n++ {
		g.read = 0
		var doc json.RawMessage
		err := d.Decode(&doc)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("parse JSON object %d, which begins after byte %d: %w", n, d.InputOffset(), whole(err))
		}
		if err := f.document(f.origin("object %d", n), doc); err != nil {
			return err
		}
	}
}

// lines reads one JSON document a line. A damaged line is rejected and the next one read.
func (f *file) lines(in io.Reader) error {
	s := bufio.NewScanner(in)
	s.Buffer(nil, maxRecord)
	n := 0
	for s.Scan() {
		n++
		line := bytes.Trim(s.Bytes(), " \t\r")
		if len(line) == 0 {
			continue
		}
		o := f.origin("line %d", n)
		err := error(nil)
		if json.Valid(line) {
			err = f.document(o, line)
		} else {
			err = f.take(record.JSON(o, line)) // says what is wrong with it
		}
		if err != nil {
			return err
		}
	}
	if err := s.Err(); errors.Is(err, bufio.ErrTooLong) {
		return fmt.Errorf("read line %d: %w", n+1, errTooLong)
	} else if err != nil {
		return fmt.Errorf("read line %d: %w", n+1, err)
	}
	return nil
}

// document yields what a valid JSON document holds: a post, or an API page of posts.
func (f *file) document(o record.Origin, doc []byte) error {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(doc, &fields); err != nil || fields == nil {
		if !f.recognised {
			return fmt.Errorf("no known format: %s is no JSON object", o.Place)
		}
		return f.take(record.JSON(o, doc))
	}
	if posts, ok := page(fields); ok {
		for i, post := range posts {
			if err := f.document(record.Origin{Source: o.Source, Place: fmt.Sprintf("%s post %d", o.Place, i+1)}, post); err != nil {
				return err
			}
		}
		return nil
	}
	if !f.recognised {
		if err := record.Recognise(slices.Sorted(maps.Keys(fields))); err != nil {
			return fmt.Errorf("no known format: %s is no post: %w", o.Place, err)
		}
		f.recognised = true
	}
	return f.take(record.JSON(o, doc))
}

// page returns the posts of an API answer {"success":true,"posts":[…]}. A post has no such lists.
func page(fields map[string]json.RawMessage) (posts []json.RawMessage, ok bool) {
	if _, isPost := fields["id"]; isPost {
		return nil, false
	}
	for _, key := range []string{"posts", "statuses", "truths", "data"} {
		if raw, has := fields[key]; has && json.Unmarshal(raw, &posts) == nil && posts != nil {
			return posts, true
		}
	}
	return nil, false
}

// hasDocumentLine reports whether one of the whole lines of head is a JSON object: then the file
// has one document a line. The lines of an indented document are none.
func hasDocumentLine(head []byte) bool {
	for line := range bytes.Lines(head) {
		line = bytes.TrimRight(line, "\r\n")
		if len(line) > 0 && line[0] == '{' && json.Valid(line) {
			return true
		}
	}
	return false
}

// whole says of an end in the middle what it is: the file was cut.
func whole(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("the file is cut off: %w", io.ErrUnexpectedEOF)
	}
	return err
}

// guard refuses to go on reading one document for ever. Whoever reads sets read to 0 between two.
type guard struct {
	r    io.Reader
	read int
}

func (g *guard) Read(b []byte) (int, error) {
	if g.read > maxRecord {
		return 0, errTooLong
	}
	n, err := g.r.Read(b)
	g.read += n
	return n, err
}

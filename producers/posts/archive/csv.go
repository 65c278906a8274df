package archive

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"shitpost-alpha/producers/posts/record"
)

// csv reads a CSV file with a header, row by row. A damaged row is rejected and the next one read.
func (f *file) csv(in io.Reader, head []byte) error {
	comma, err := separator(head)
	if err != nil {
		return fmt.Errorf("no known format: it is neither JSON nor a CSV file of posts: %w", err)
	}
	t := &tape{r: in}
	r := csv.NewReader(t)
	r.Comma, r.FieldsPerRecord = comma, -1
	header, err := r.Read()
	if err != nil {
		return fmt.Errorf("parse CSV header: %w", err)
	}
	t.cut(r.InputOffset())
	columns := record.Columns(slices.Clone(header))
	r.ReuseRecord = true
	for n := 1; ; n++ {
		row, err := r.Read()
		doc := bytes.Trim(t.cut(r.InputOffset()), "\r\n")
		o := f.origin("row %d", n)
		var damage *csv.ParseError
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.As(err, &damage):
			err = f.take(record.Rejected(o, record.Damaged, "it cannot be parsed: "+damage.Err.Error(), doc))
		case err != nil:
			return fmt.Errorf("read CSV row %d: %w", n, whole(err))
		default:
			err = f.take(columns.Draft(o, row, doc))
		}
		if err != nil {
			return err
		}
	}
}

// separator returns the character between the fields, under which the header names those of posts.
func separator(head []byte) (rune, error) {
	line, _, _ := bytes.Cut(bytes.TrimLeft(head, "\r\n"), []byte("\n"))
	var first error
	for _, comma := range ",;\t|" {
		r := csv.NewReader(bytes.NewReader(line))
		r.Comma = comma
		names, err := r.Read()
		if err == nil {
			err = record.Recognise(names)
		}
		if err == nil {
			return comma, nil
		}
		if first == nil || strings.ContainsRune(string(line), comma) && len(names) > 3 {
			first = err
		}
	}
	return 0, first
}

// tape keeps what was read until it is cut off, so that the bytes of a row are at hand.
type tape struct {
	r     io.Reader
	buf   []byte
	start int64 // offset of buf in the file
}

func (t *tape) Read(b []byte) (int, error) {
	if len(t.buf) > maxRecord {
		return 0, errTooLong
	}
	n, err := t.r.Read(b)
	t.buf = append(t.buf, b[:n]...)
	return n, err
}

// cut returns the bytes up to the offset and forgets them. They stay valid until the next Read.
func (t *tape) cut(offset int64) []byte {
	n := min(int(offset-t.start), len(t.buf))
	out := t.buf[:n]
	t.buf, t.start = t.buf[n:], t.start+int64(n)
	return out
}

// Package footer looks at the footer of a Parquet file before a library reads it. Libraries make room
// for as many elements as a list claims to have, so that a few damaged bytes can ask for more memory
// than there is, which ends the process; no recover helps. Check finds such claims first.
package footer

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrDamaged: the footer is not one, or claims more than it can hold.
var ErrDamaged = errors.New("parquet footer damaged")

const (
	magic    = "PAR1"
	maxDepth = 32 // the deepest structure of a footer has less than ten levels
)

// Check refuses a file whose footer cannot be what it says. The footer stands at the end of the file,
// before its length in 4 bytes, little-endian, and PAR1 (Apache Parquet, "File format"); it is one
// struct in Thrift's compact protocol (Apache Thrift, "Thrift compact protocol encoding").
func Check(file []byte) error {
	end := len(file) - 8
	if end < len(magic) || string(file[:4]) != magic || string(file[end+4:]) != magic {
		return fmt.Errorf("%w: the file does not begin and end with %s", ErrDamaged, magic)
	}
	size := int64(binary.LittleEndian.Uint32(file[end:]))
	if size > int64(end-len(magic)) {
		return fmt.Errorf("%w: it claims %d of the file's %d bytes", ErrDamaged, size, len(file))
	}
	return CheckStruct(file[end-int(size) : end])
}

// CheckStruct is Check of the bytes of the footer alone.
func CheckStruct(footer []byte) error {
	w := walker{rest: footer}
	w.structure(0)
	if w.bad || len(w.rest) > 0 {
		return fmt.Errorf("%w: at byte %d of %d", ErrDamaged, len(footer)-len(w.rest), len(footer))
	}
	return nil
}

// walker goes over a value without keeping anything of it. Once bad it only says so.
type walker struct {
	rest []byte
	bad  bool
}

func (w *walker) skip(n uint64) {
	if n > uint64(len(w.rest)) {
		w.bad = true
		return
	}
	w.rest = w.rest[n:]
}

func (w *walker) octet() byte {
	if w.bad || len(w.rest) == 0 {
		w.bad = true
		return 0
	}
	b := w.rest[0]
	w.rest = w.rest[1:]
	return b
}

func (w *walker) varint() uint64 {
	v, n := binary.Uvarint(w.rest)
	if n <= 0 {
		w.bad = true
		return 0
	}
	w.rest = w.rest[n:]
	return v
}

func (w *walker) structure(depth int) {
	for depth < maxDepth && !w.bad {
		header := w.octet()
		if header == 0 {
			return
		}
		if header>>4 == 0 {
			w.varint() // the field's number, where it is not the last one plus a few
		}
		if kind := header & 0x0f; kind > 2 { // 1 and 2 are true and false
			w.value(kind, depth)
		}
	}
	w.bad = true
}

// value goes over a value of one of the protocol's types.
func (w *walker) value(kind byte, depth int) {
	switch kind {
	case 1, 2, 3: // a boolean in a list, a byte
		w.skip(1)
	case 4, 5, 6:
		w.varint()
	case 7: // a double
		w.skip(8)
	case 8: // bytes
		w.skip(w.varint())
	case 9, 10: // list, set
		header := w.octet()
		n := uint64(header >> 4)
		if n == 15 {
			n = w.varint()
		}
		w.elements(n, depth, header&0x0f)
	case 11: // map
		if n := w.varint(); n > 0 {
			kinds := w.octet()
			w.elements(n, depth, kinds>>4, kinds&0x0f)
		}
	case 12:
		w.structure(depth + 1)
	default:
		w.bad = true
	}
}

// elements goes over n elements of the kinds in turn. Each takes a byte at least: that bounds what a
// reader makes room for.
func (w *walker) elements(n uint64, depth int, kinds ...byte) {
	if n > uint64(len(w.rest)) || depth >= maxDepth {
		w.bad = true
		return
	}
	for range n {
		for _, kind := range kinds {
			if w.bad {
				return
			}
			w.value(kind, depth+1)
		}
	}
}

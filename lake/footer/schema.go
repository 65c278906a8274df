package footer

import "fmt"

// Schema returns the bytes of a footer that say which columns there are: the fields version and schema
// of FileMetaData, which stand first (Apache Parquet, parquet.thrift). Two files in which they are equal have
// the same columns; files of different writers may have the same columns in other bytes.
func Schema(footer []byte) ([]byte, error) {
	w := walker{rest: footer}
	if w.octet() != 0x15 { // field 1, an i32
		w.bad = true
	}
	w.varint()
	if w.octet() != 0x19 { // field 2, a list
		w.bad = true
	}
	w.value(9, 0)
	if w.bad {
		return nil, fmt.Errorf("%w: it does not begin with a version and a schema", ErrDamaged)
	}
	return footer[:len(footer)-len(w.rest)], nil
}

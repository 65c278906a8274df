package query

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"shitpost-alpha/lake/footer"
)

// sameColumns reports whether all files certainly have the same columns. DuckDB then needs to look into
// one of them before it reads; else it looks into all, and reads more slowly too.
func sameColumns(files []string) (bool, error) {
	var first []byte
	for i, path := range files {
		schema, err := schemaOf(path)
		switch {
		case errors.Is(err, footer.ErrDamaged):
			return false, nil // DuckDB says what is wrong with it
		case err != nil:
			return false, err
		case i == 0:
			first = schema
		case !bytes.Equal(schema, first):
			return false, nil
		}
	}
	return true, nil
}

// schemaOf reads the part of a Parquet file's footer that names its columns.
func schemaOf(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	const ends = 8 // the footer's length, and PAR1
	tail := make([]byte, min(st.Size(), 32<<10))
	if _, err := f.ReadAt(tail, st.Size()-int64(len(tail))); err != nil {
		return nil, err
	}
	if len(tail) < ends {
		return nil, footer.ErrDamaged
	}
	size := int64(binary.LittleEndian.Uint32(tail[len(tail)-ends:]))
	if size+ends > st.Size() {
		return nil, fmt.Errorf("%w: %s", footer.ErrDamaged, path)
	}
	if size+ends > int64(len(tail)) {
		tail = make([]byte, size+ends)
		if _, err := f.ReadAt(tail, st.Size()-int64(len(tail))); err != nil {
			return nil, err
		}
	}
	return footer.Schema(tail[int64(len(tail))-size-ends : len(tail)-ends])
}

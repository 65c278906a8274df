package lake

import (
	"context"
	"fmt"
	"io"

	"shitpost-alpha/lake/objects"
)

// pieces is an io.ReaderAt over parts of an object that were fetched, and fetches what is missing.
type pieces struct {
	ctx   context.Context
	store objects.Ranger
	key   string
	size  int64
	have  []piece
}

type piece struct {
	at   int64
	data []byte
}

// ReadAt implements io.ReaderAt.
func (p *pieces) ReadAt(b []byte, at int64) (int, error) {
	if at < 0 || at >= p.size {
		return 0, io.EOF
	}
	n := min(int64(len(b)), p.size-at)
	if err := p.fetch(at, at+n); err != nil {
		return 0, err
	}
	for _, v := range p.have {
		if v.holds(at, at+n) {
			copy(b, v.data[at-v.at:])
		}
	}
	if n < int64(len(b)) {
		return int(n), io.EOF
	}
	return int(n), nil
}

func (v *piece) holds(from, to int64) bool { return from >= v.at && to <= v.at+int64(len(v.data)) }

// fetch has the bytes from..to at hand.
func (p *pieces) fetch(from, to int64) error {
	if from < 0 || to > p.size || from >= to {
		return fmt.Errorf("%w: bytes %d to %d of %d", errWhole, from, to, p.size)
	}
	for _, v := range p.have {
		if v.holds(from, to) {
			return nil
		}
	}
	data, err := p.store.GetRange(p.ctx, p.key, from, to-from)
	if err != nil {
		return err
	}
	if int64(len(data)) != to-from {
		return fmt.Errorf("%w: %s is shorter than the log says", errWhole, p.key)
	}
	p.have = append(p.have, piece{from, data})
	return nil
}

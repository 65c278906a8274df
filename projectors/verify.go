package projectors

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"shitpost-alpha/readmodel"
)

// Comparison is what Verify found about one table.
type Comparison struct {
	TableHash
	// Want is what the table should be according to the lake.
	Want TableHash `json:"want"`
	// Difference names the first row that differs; "" when none does.
	Difference string `json:"difference"`
}

// OK reports whether the table is what it should be.
func (c Comparison) OK() bool { return c.Rows == c.Want.Rows && c.Hash == c.Want.Hash }

// String returns one line: ok or DIFFERS, the table, rows, hash, and what differs.
func (c Comparison) String() string {
	if c.OK() {
		return fmt.Sprintf("ok %s rows=%d hash=%s", c.Table, c.Rows, c.Hash)
	}
	return fmt.Sprintf("DIFFERS %s rows=%d hash=%s want_rows=%d want_hash=%s: %s", c.Table, c.Rows, c.Hash, c.Want.Rows, c.Want.Hash, c.Difference)
}

// errVerified ends the transaction of a verification: nothing of it may stay.
var errVerified = errors.New("verified")

// Verify builds the read model beside the live one from the lake, up to the live positions and with the
// live settings, and compares every table. All of it happens in one transaction that sees the database as
// it was at its begin and is rolled back: the live one is not disturbed, and nothing stays behind. A swap
// waits until it has ended.
func (p *Projector) Verify(ctx context.Context) ([]Comparison, error) {
	if err := p.load(ctx); err != nil {
		return nil, fmt.Errorf("verify: %w", err)
	}
	if !p.live.exists {
		return nil, errors.New("verify: there is no read model yet: run projector rebuild")
	}
	if p.live.version != Version || p.live.schemaHash != readmodel.Hash() {
		return nil, fmt.Errorf("verify: the live read model was built by other code (projection version %d, this projector %d): run projector rebuild", p.live.version, Version)
	}
	var found []Comparison
	err := p.transaction(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead}, func(tx pgx.Tx) error {
		var err error
		if found, err = p.compare(ctx, tx); err != nil {
			return err
		}
		return errVerified
	})
	if !errors.Is(err, errVerified) {
		return nil, fmt.Errorf("verify: %w", err)
	}
	return found, nil
}

func (p *Projector) compare(ctx context.Context, tx pgx.Tx) ([]Comparison, error) {
	l := live{positions: map[string]position{}, gone: gone{}}
	if err := p.readLive(ctx, tx, &l); err != nil {
		return nil, fmt.Errorf("read the live positions: %w", err)
	}
	for _, s := range p.streams {
		pos := l.positions[s.Name()]
		if id, err := s.TableID(ctx); err != nil || pos.tableID != "" && id != pos.tableID {
			return nil, errors.Join(err, fmt.Errorf("%s is another table than the read model was built from: run projector rebuild", s.Name()))
		}
	}
	g := gone{}
	sources, _, err := p.sources(ctx, l.positions, g)
	if err != nil {
		return nil, err
	}
	var pid int
	if err := tx.QueryRow(ctx, "SELECT pg_backend_pid()").Scan(&pid); err != nil {
		return nil, err
	}
	fresh := fmt.Sprintf("readmodel_verify_%d", pid)
	if _, _, err := p.fillSchema(ctx, tx, p.target(tx.Conn(), fresh, l.settings), sources, g); err != nil {
		return nil, err
	}
	have, err := Hashes(ctx, tx, readmodel.Schema, true)
	if err != nil {
		return nil, err
	}
	want, err := Hashes(ctx, tx, fresh, true)
	if err != nil {
		return nil, err
	}
	var out []Comparison
	for i, t := range readmodel.Tables() {
		c := Comparison{TableHash: have[i], Want: want[i]}
		if !c.OK() {
			if c.Difference, err = firstDifference(ctx, tx, readmodel.Schema, fresh, t); err != nil {
				return nil, err
			}
		}
		out = append(out, c)
	}
	return out, nil
}

package projectors

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"shitpost-alpha/lake"
	"shitpost-alpha/readmodel"
)

// farBehind is how many versions a stream may be behind before reading them one by one is worse than a
// rebuild from a snapshot.
const farBehind = 1000

// load reads how the live read model stands.
func (p *Projector) load(ctx context.Context) error {
	l := live{positions: map[string]position{}, gone: gone{}, settings: DefaultSettings()}
	err := p.transaction(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		return p.readLive(ctx, tx, &l)
	})
	if err != nil {
		return fmt.Errorf("load read model: %w", err)
	}
	p.live = l
	return nil
}

func (p *Projector) readLive(ctx context.Context, tx pgx.Tx, l *live) error {
	var ops bool
	if err := tx.QueryRow(ctx, "SELECT to_regclass('ops.settings') IS NOT NULL").Scan(&ops); err != nil || !ops {
		return err
	}
	err := tx.QueryRow(ctx, `SELECT f.generation, to_regclass('readmodel.positions') IS NOT NULL AND s.only_row IS NOT NULL, coalesce(s.band_pct, $1),
			coalesce(s.benchmark, $2), coalesce(s.source_order, '{}'), coalesce(s.primary_analyzer, ''), coalesce(s.projection_version, 0), coalesce(s.schema_hash, '')
		FROM ops.fence f LEFT JOIN ops.settings s ON true`, DefaultSettings().Band, DefaultSettings().Benchmark).
		Scan(&l.generation, &l.exists, &l.settings.Band, &l.settings.Benchmark, &l.settings.SourceOrder, &l.settings.PrimaryAnalyzer, &l.version, &l.schemaHash)
	if err == nil && !l.exists {
		return nil
	}
	if err != nil || l.version != Version || l.schemaHash != readmodel.Hash() {
		return err // other tables than ours: there is nothing more that we may read of them
	}
	positions, err := tx.Query(ctx, "SELECT stream, table_id, next_version FROM readmodel.positions")
	if err != nil {
		return err
	}
	var name string
	var pos position
	if _, err := pgx.ForEachRow(positions, []any{&name, &pos.tableID, &pos.next}, func() error {
		l.positions[name] = pos
		return nil
	}); err != nil {
		return err
	}
	retractions, err := p.tables.retractions.query(ctx, tx.Conn(), readmodel.Schema, "")
	for i := range retractions {
		l.gone.note(&retractions[i])
	}
	return err
}

// rebuildReason says why the live read model must be built anew, "" when it need not.
func (p *Projector) rebuildReason(ctx context.Context) (string, error) {
	l := &p.live
	switch {
	case !l.exists:
		return "there is no read model yet", nil
	case l.version > Version:
		return "", fmt.Errorf("%w: it has projection version %d, this projector %d: run the newer one", ErrNewer, l.version, Version)
	case l.version < Version:
		return fmt.Sprintf("projection version %d is now %d", l.version, Version), nil
	case l.schemaHash != readmodel.Hash():
		return "the tables or views are defined differently", nil
	}
	for _, s := range p.streams {
		pos, ok := l.positions[s.Name()]
		if !ok {
			return "the position of " + s.Name() + " is missing", nil
		}
		head, err := s.Head(ctx)
		if err != nil {
			return "", fmt.Errorf("find head of %s: %w", s.Name(), err)
		}
		id, err := s.TableID(ctx)
		switch {
		case err != nil:
			return "", fmt.Errorf("find table id of %s: %w", s.Name(), err)
		case pos.tableID != "" && id != "" && id != pos.tableID:
			return s.Name() + " is another table than the read model was built from", nil
		case head < pos.next-1:
			return "", fmt.Errorf("%w: %s ends with version %d, the read model has seen version %d: check --lake, or run projector rebuild to follow this lake",
				ErrBehind, s.Name(), head, pos.next-1)
		case head-pos.next > farBehind:
			return fmt.Sprintf("%s is %d versions behind", s.Name(), head-pos.next+1), nil
		}
	}
	return "", nil
}

// advance applies the next versions of a stream in one transaction and reports whether there may be
// more to do. A crash leaves all of it or nothing.
func (p *Projector) advance(ctx context.Context, s stream) (more bool, err error) {
	pos := p.live.positions[s.Name()]
	n := &news{}
	after, retracted, err := s.tail(ctx, pos.next, n, p.live.gone)
	if errors.Is(err, lake.ErrDamaged) {
		// Read so late that the file was compacted and swept: its events are in the snapshot. If it is
		// really damaged, the rebuild says so and the live read model stays.
		p.pending = fmt.Sprintf("%s cannot be read version by version: %v", s.Name(), err)
		return true, nil
	}
	if err != nil {
		return false, err
	}
	if retracted {
		p.pending = "events of " + s.Name() + " were retracted"
		return true, nil
	}
	if after == pos.next {
		return false, nil
	}
	id, err := s.TableID(ctx)
	if err != nil {
		return false, fmt.Errorf("find table id of %s: %w", s.Name(), err)
	}
	if pos.tableID != "" && id != pos.tableID {
		p.pending = s.Name() + " is another table than the read model was built from"
		return true, nil
	}
	moved := false
	err = p.transaction(ctx, pgx.TxOptions{}, func(tx pgx.Tx) error {
		moved, err = p.commit(ctx, tx, s.Name(), pos, position{id, after}, n)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("apply %s up to version %d: %w", s.Name(), after-1, err)
	}
	if moved {
		return true, p.reload(ctx)
	}
	p.live.positions[s.Name()] = position{id, after}
	p.opts.Health.advanced(s.Name(), after, n)
	p.opts.Log.Info("events applied", "stream", s.Name(), "version", after-1, "events", n.events, "dead_letters", len(n.deadLetters))
	return true, nil
}

// commit applies news to the live read model, unless another projector has moved it meanwhile.
func (p *Projector) commit(ctx context.Context, tx pgx.Tx, name string, from, to position, n *news) (moved bool, err error) {
	generation, err := lockFence(ctx, tx)
	if err != nil || generation != p.live.generation {
		return true, err
	}
	var next int64
	if err := tx.QueryRow(ctx, "SELECT next_version FROM readmodel.positions WHERE stream = $1", name).Scan(&next); err != nil {
		return false, fmt.Errorf("read position: %w", err)
	}
	if next != from.next {
		return true, nil
	}
	t := p.target(tx.Conn(), readmodel.Schema, p.live.settings)
	if err := t.apply(ctx, n); err != nil {
		return false, err
	}
	if err := t.writePosition(ctx, name, to); err != nil {
		return false, fmt.Errorf("write position: %w", err)
	}
	if err := writeHealth(ctx, tx, name, to.next, n); err != nil {
		return false, err
	}
	return false, notify(ctx, tx, map[string]int64{name: to.next})
}

// reload reads again how the live read model stands, after another projector moved it. A build of other
// code or settings is not ours to go on with.
func (p *Projector) reload(ctx context.Context) error {
	before := p.live
	if err := p.load(ctx); err != nil {
		return err
	}
	if d := differences(before.settings, p.live.settings); d != "" {
		return fmt.Errorf("%w: another projector has changed them: %s", ErrSettings, d)
	}
	return p.checkCode()
}

// checkCode refuses a live read model that was built from other code than ours.
func (p *Projector) checkCode() error {
	if l := &p.live; l.version != Version || l.schemaHash != readmodel.Hash() {
		return fmt.Errorf("%w: another projector has just built it from other code, of projection version %d", ErrNewer, l.version)
	}
	return nil
}

// writeHealth records in schema ops what was applied, and when by the database's clock.
func writeHealth(ctx context.Context, tx pgx.Tx, stream string, next int64, n *news) error {
	var id, oldest, newest any
	if n.newestID != "" {
		id, oldest, newest = n.newestID, n.oldest, n.newest
	}
	_, err := tx.Exec(ctx, `INSERT INTO ops.health (stream, next_version, last_event_id, last_recorded_at, applied_at, checked_at)
		VALUES ($1, $2, $3, $4, CASE WHEN $4::timestamptz IS NOT NULL THEN clock_timestamp() END, clock_timestamp())
		ON CONFLICT (stream) DO UPDATE SET next_version = excluded.next_version, last_event_id = coalesce(excluded.last_event_id, health.last_event_id),
			last_recorded_at = coalesce(excluded.last_recorded_at, health.last_recorded_at),
			applied_at = coalesce(excluded.applied_at, health.applied_at), checked_at = excluded.checked_at`, stream, next, id, newest)
	if err == nil && n.events > 0 {
		_, err = tx.Exec(ctx, `INSERT INTO ops.transactions (stream, next_version, events, oldest_recorded_at, newest_recorded_at, applied_at)
			VALUES ($1, $2, $3, $4, $5, clock_timestamp())`, stream, next, n.events, oldest, newest)
	}
	if err == nil {
		_, err = tx.Exec(ctx, "DELETE FROM ops.transactions WHERE applied_at < now() - interval '30 days'")
	}
	if err != nil {
		return fmt.Errorf("write health: %w", err)
	}
	return nil
}

// beat says in ops.health that the projector has looked for news and is up to date.
func (p *Projector) beat(ctx context.Context) error {
	err := p.transaction(ctx, pgx.TxOptions{}, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "UPDATE ops.health SET checked_at = clock_timestamp()")
		return err
	})
	if err != nil {
		return fmt.Errorf("write heartbeat: %w", err)
	}
	return nil
}

// notify tells whoever listens how far the read model has come.
func notify(ctx context.Context, tx pgx.Tx, positions map[string]int64) error {
	b, err := json.Marshal(positions)
	if err == nil {
		_, err = tx.Exec(ctx, "SELECT pg_notify($1, $2)", readmodel.Channel, string(b))
	}
	if err != nil {
		return fmt.Errorf("notify: %w", err)
	}
	return nil
}

package projectors

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"shitpost-alpha/readmodel"
)

// Build says what a rebuild did.
type Build struct {
	ID      int64   `json:"build_id"`
	Reason  string  `json:"reason"`
	Events  int     `json:"events"`
	Rows    int64   `json:"rows"`
	Seconds float64 `json:"seconds"`
	// Superseded says that another projector finished a build meanwhile and this one was thrown away.
	Superseded bool `json:"superseded"`
	// Dropped names what depended on the old tables and could not be moved to the new ones.
	Dropped []string `json:"dropped,omitempty"`
}

// Rebuild builds the read model anew and swaps it in, whatever the live one says. newSettings allows the
// settings asked for to differ from those stored.
func (p *Projector) Rebuild(ctx context.Context, newSettings bool) (Build, error) {
	if err := p.prepare(ctx); err != nil {
		return Build{}, err
	}
	if err := p.load(ctx); err != nil {
		return Build{}, err
	}
	if p.live.version > Version {
		return Build{}, fmt.Errorf("%w: it has projection version %d, this projector %d: run the newer one", ErrNewer, p.live.version, Version)
	}
	want := p.opts.Settings.over(p.live.settings)
	if err := want.Check(); err != nil {
		return Build{}, err
	}
	if d := differences(p.live.settings, want); p.live.exists && d != "" && !newSettings {
		return Build{}, fmt.Errorf("%w: %s: say --settings to change them", ErrSettings, d)
	}
	return p.rebuild(ctx, "asked for", want, true)
}

// errAgain says that a build must start over: retractions were found that it did not know.
var errAgain = errors.New("events were retracted during the build")

// rebuild reads the lake, fills a new schema and swaps it in. Whatever fails, the live read model stays
// as it is. asked says that somebody wants it even when another projector has just made one.
func (p *Projector) rebuild(ctx context.Context, reason string, s Settings, asked bool) (Build, error) {
	b := Build{Reason: reason}
	begun := p.opts.Now()
	if err := p.recordStart(ctx, &b); err != nil {
		return b, err
	}
	p.opts.Log.Info("rebuild started", "reason", reason, "build", b.ID)
	g := gone{}
	var err error
	for {
		if err = p.build(ctx, &b, s, g, asked); !errors.Is(err, errAgain) {
			break
		}
	}
	b.Seconds = p.opts.Now().Sub(begun).Seconds()
	p.opts.Health.built(&b, err)
	if err != nil {
		p.recordFailure(ctx, &b, err)
		return b, fmt.Errorf("rebuild read model: %w", err)
	}
	p.pending = ""
	p.opts.Log.Info("rebuild done", "build", b.ID, "rows", b.Rows, "events", b.Events, "seconds", b.Seconds, "superseded", b.Superseded)
	if err := p.load(ctx); err != nil || !b.Superseded {
		return b, err
	}
	if d := differences(p.live.settings, s); d != "" {
		return b, fmt.Errorf("%w: another projector has just built it with others: %s", ErrSettings, d)
	}
	return b, p.checkCode()
}

// build makes one attempt.
func (p *Projector) build(ctx context.Context, b *Build, s Settings, g gone, asked bool) error {
	begun := p.opts.Now()
	sources, positions, err := p.sources(ctx, nil, g)
	if err != nil {
		return err
	}
	return p.transaction(ctx, pgx.TxOptions{}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, patience); err != nil {
			return fmt.Errorf("begin build: %w", err)
		}
		if _, err := tx.Exec(ctx, buildLock); err != nil {
			return fmt.Errorf("wait for other builds: %w", err)
		}
		var generation int64
		if err := tx.QueryRow(ctx, "SELECT generation FROM ops.fence").Scan(&generation); err != nil {
			return fmt.Errorf("read generation: %w", err)
		}
		if generation != p.live.generation && !asked {
			b.Superseded = true
			return recordEnd(ctx, tx, b, begun, p.opts.Now())
		}
		t := p.target(tx.Conn(), nextSchema, s)
		if b.Rows, b.Events, err = p.fillSchema(ctx, tx, t, sources, g); err != nil {
			return err
		}
		if err := p.follow(ctx, t, positions, g, b); err != nil {
			return err
		}
		if generation, err = lockFence(ctx, tx); err != nil {
			return err
		}
		// Nobody can move the live read model now: catch up with whatever came in since.
		if err := p.follow(ctx, t, positions, g, b); err != nil {
			return err
		}
		if err := p.checkAhead(ctx, tx, positions, asked); err != nil {
			return err
		}
		if b.Dropped, err = p.swap(ctx, tx); err != nil {
			return err
		}
		return p.recordBuild(ctx, tx, b, s, generation+1, positions, begun)
	})
}

// sources returns the streams as they are now, or right before the positions given, and their positions. g then
// holds all that is taken back in them.
func (p *Projector) sources(ctx context.Context, until map[string]position, g gone) ([]source, map[string]position, error) {
	var sources []source
	positions := map[string]position{}
	for _, s := range p.streams {
		version := int64(-1)
		if until != nil {
			version = until[s.Name()].next - 1
			if version < 0 {
				version = noVersion
			}
		}
		src, err := s.snapshot(ctx, version)
		if err != nil {
			return nil, nil, err
		}
		if err := src.retractions(ctx, g); err != nil {
			return nil, nil, err
		}
		sources, positions[s.Name()] = append(sources, src), src.position()
	}
	return sources, positions, nil
}

// fillSchema makes the schema of t with all its tables, rows, indexes, views and grants. search_path
// names it for the rest of the transaction.
func (p *Projector) fillSchema(ctx context.Context, tx pgx.Tx, t target, sources []source, g gone) (written int64, events int, err error) {
	name := pgx.Identifier{t.schema}.Sanitize()
	setup := fmt.Sprintf("DROP SCHEMA IF EXISTS %s CASCADE; CREATE SCHEMA %s; SET LOCAL search_path = %s", name, name, name)
	if err := script(ctx, tx, "schema", setup); err != nil {
		return 0, 0, err
	}
	if err := script(ctx, tx, "tables", readmodel.TablesSQL()); err != nil {
		return 0, 0, err
	}
	written, events, err = t.fill(ctx, sources, g, p.opts.Progress)
	if err != nil {
		return 0, 0, err
	}
	parts := []struct{ name, sql string }{{"indexes", readmodel.IndexesSQL()}, {"views", readmodel.ViewsSQL()}, {"legacy views", ""}, {"grants", readmodel.GrantsSQL()}}
	if t.schema == nextSchema { // a verification needs none
		parts[2].sql = readmodel.LegacySQL()
	}
	for i, part := range parts {
		if err := script(ctx, tx, part.name, part.sql); err != nil {
			return 0, 0, err
		}
		p.opts.Progress.report("index and analyze", i+1, len(parts)+1)
	}
	for i, src := range sources {
		if err := t.writePosition(ctx, p.streams[i].Name(), src.position()); err != nil {
			return 0, 0, fmt.Errorf("write position of %s: %w", p.streams[i].Name(), err)
		}
	}
	for _, table := range readmodel.Tables() {
		if _, err := tx.Exec(ctx, "ANALYZE "+pgx.Identifier{t.schema, table.Name}.Sanitize()); err != nil {
			return 0, 0, fmt.Errorf("analyze %s: %w", table.Name, err)
		}
	}
	p.opts.Progress.report("index and analyze", len(parts)+1, len(parts)+1)
	return written, events, nil
}

// follow applies to t what the streams got since positions, and moves them.
func (p *Projector) follow(ctx context.Context, t target, positions map[string]position, g gone, b *Build) error {
	for _, s := range p.streams {
		for {
			pos := positions[s.Name()]
			n := &news{}
			after, retracted, err := s.tail(ctx, pos.next, n, g)
			if err != nil {
				return err
			}
			if retracted {
				return errAgain
			}
			if after == pos.next {
				break
			}
			if pos.tableID, err = s.TableID(ctx); err != nil {
				return fmt.Errorf("find table id of %s: %w", s.Name(), err)
			}
			if err := t.apply(ctx, n); err != nil {
				return fmt.Errorf("apply %s up to version %d: %w", s.Name(), after-1, err)
			}
			pos.next = after
			if err := t.writePosition(ctx, s.Name(), pos); err != nil {
				return fmt.Errorf("write position of %s: %w", s.Name(), err)
			}
			positions[s.Name()], b.Events = pos, b.Events+n.events
		}
	}
	return nil
}

// checkAhead refuses a build that has seen less of the same lake than the live read model, unless that
// was asked for.
func (p *Projector) checkAhead(ctx context.Context, tx pgx.Tx, positions map[string]position, asked bool) error {
	if asked || !p.live.exists || p.live.version != Version || p.live.schemaHash != readmodel.Hash() {
		return nil
	}
	rows, err := tx.Query(ctx, "SELECT stream, table_id, next_version FROM readmodel.positions")
	if err != nil {
		return fmt.Errorf("read live positions: %w", err)
	}
	var name string
	var pos position
	_, err = pgx.ForEachRow(rows, []any{&name, &pos.tableID, &pos.next}, func() error {
		if mine := positions[name]; mine.tableID == pos.tableID && mine.next < pos.next {
			return fmt.Errorf("%w: %s ends with version %d, the read model has seen version %d", ErrBehind, name, mine.next-1, pos.next-1)
		}
		return nil
	})
	return err
}

func (p *Projector) recordStart(ctx context.Context, b *Build) error {
	return p.transaction(ctx, pgx.TxOptions{}, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `INSERT INTO ops.builds (state, reason, producer, projection_version, schema_hash)
			VALUES ('running', $1, $2, $3, $4) RETURNING build_id`, b.Reason, p.opts.Producer, Version, readmodel.Hash()).Scan(&b.ID)
		if err != nil {
			return fmt.Errorf("record build: %w", err)
		}
		return nil
	})
}

// recordBuild makes the build the live one in schema ops.
func (p *Projector) recordBuild(ctx context.Context, tx pgx.Tx, b *Build, s Settings, generation int64, positions map[string]position, begun time.Time) error {
	order := s.SourceOrder
	if order == nil {
		order = []string{}
	}
	_, err := tx.Exec(ctx, `INSERT INTO ops.settings (band_pct, benchmark, source_order, primary_analyzer, projection_version, schema_hash, build_id)
		VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (only_row) DO UPDATE SET band_pct = excluded.band_pct, benchmark = excluded.benchmark,
			source_order = excluded.source_order, primary_analyzer = excluded.primary_analyzer, projection_version = excluded.projection_version,
			schema_hash = excluded.schema_hash, build_id = excluded.build_id`,
		s.Band, s.Benchmark, order, s.PrimaryAnalyzer, Version, readmodel.Hash(), b.ID)
	if err == nil {
		_, err = tx.Exec(ctx, "UPDATE ops.fence SET generation = $1", generation)
	}
	if err != nil {
		return fmt.Errorf("record settings and generation: %w", err)
	}
	next := map[string]int64{}
	for stream, pos := range positions {
		next[stream] = pos.next
		if err := writeHealth(ctx, tx, stream, pos.next, &news{}); err != nil {
			return err
		}
	}
	if err := notify(ctx, tx, next); err != nil {
		return err
	}
	return recordEnd(ctx, tx, b, begun, p.opts.Now())
}

// recordEnd marks the build as done.
func recordEnd(ctx context.Context, tx pgx.Tx, b *Build, begun, now time.Time) error {
	_, err := tx.Exec(ctx, `UPDATE ops.builds SET state = 'done', error = NULL, finished_at = clock_timestamp(), row_count = $2, seconds = $3, dropped = $4
		WHERE build_id = $1`, b.ID, b.Rows, now.Sub(begun).Seconds(), b.Dropped)
	if err != nil {
		return fmt.Errorf("record end of build: %w", err)
	}
	return nil
}

// recordFailure notes why a build failed. That it cannot be noted is only logged: the failure itself is
// reported anyway.
func (p *Projector) recordFailure(ctx context.Context, b *Build, cause error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	err := p.transaction(ctx, pgx.TxOptions{}, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "UPDATE ops.builds SET state = 'failed', finished_at = clock_timestamp(), seconds = $2, error = $3 WHERE build_id = $1",
			b.ID, b.Seconds, cause.Error())
		return err
	})
	if err != nil {
		p.opts.Log.Warn("record failed build", "build", b.ID, "error", err)
	}
}

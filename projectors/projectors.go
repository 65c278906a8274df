// Package projectors keeps the read model in Postgres equal to the events in the lake.
//
// The read model is a pure function of the set of events, and of the settings. Everything follows from
// that: an event may come twice, a projector may die anywhere, and the whole may be thrown away. There
// are three ways to the same rows. Run tails the three streams and applies what is new: rows and
// position change in one transaction, so a crash leaves either both or neither. Rebuild reads a snapshot
// of all events, fills a new schema beside the live one and swaps the two. Verify does the same, compares
// every table with the live one, and throws its own away.
//
// What the rows are is decided by pure functions in package rows; this package moves them. Start with
// New.
package projectors

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/market"
	"shitpost-alpha/projectors/outcomes"
	"shitpost-alpha/projectors/rows"
)

var (
	// ErrSettings: the read model was built with other settings than those asked for.
	ErrSettings = errors.New("settings differ from the live read model's")
	// ErrInvalidSettings: nothing can be computed with the settings asked for.
	ErrInvalidSettings = errors.New("settings are invalid")
	// ErrNewer: a newer projector built the read model.
	ErrNewer = errors.New("read model is newer than this projector")
	// ErrBehind: the lake is shorter than what the read model has seen of it.
	ErrBehind = errors.New("lake is behind the read model")
)

// Options of a projector. Lake and DatabaseURL are needed.
type Options struct {
	Lake        *lake.Lake
	DatabaseURL string
	// Settings are those asked for; what is nil stays as it is stored.
	Settings Overrides
	// Producer is written into ops.builds, as name@version.
	Producer string
	// Now is the clock; time.Now when nil. It never decides what a row says.
	Now      func() time.Time
	Log      *slog.Logger
	Progress Progress
	// Heartbeat is how often a projector that finds no news says in ops.health that it is alive; 30 s
	// when zero.
	Heartbeat time.Duration
	// Health is told how the work goes; it may be nil.
	Health *Health
}

// Projector writes one read model. It is not safe for concurrent use; any number of them, in any number
// of processes, may work on one database: each transaction locks the fence and looks where the read
// model stands.
type Projector struct {
	opts    Options
	streams []stream
	tables  tables
	cal     *market.Calendar
	conn    *pgx.Conn

	live live // what the projector last read of the live read model
	// pending says why the live read model must be rebuilt although the database does not show it yet.
	pending string
}

// live is how the live read model stands.
type live struct {
	exists     bool
	generation int64
	settings   Settings
	version    int
	schemaHash string
	positions  map[string]position
	gone       gone
}

// New returns a projector. It connects when it is first used.
func New(o Options) *Projector {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	if o.Heartbeat <= 0 {
		o.Heartbeat = 30 * time.Second
	}
	return &Projector{opts: o, streams: streamsOf(o.Lake), tables: newTables(), cal: market.NYSE()}
}

// target returns where rows are written to with the settings s.
func (p *Projector) target(conn *pgx.Conn, schema string, s Settings) target {
	return target{tables: p.tables, conn: conn, schema: schema, primary: s.PrimaryAnalyzer, scorer: rows.Scorer{Calendar: p.cal,
		Settings: outcomes.Settings{Band: s.Band, Benchmark: s.Benchmark, SourceOrder: s.SourceOrder}}}
}

// Once brings the read model up to the heads of the streams, by a rebuild where one is needed.
func (p *Projector) Once(ctx context.Context) error {
	if err := p.start(ctx); err != nil {
		return err
	}
	return p.catchUp(ctx)
}

// Run keeps the read model up to date until ctx ends, which is no error. It returns an error only when
// going on would be wrong (ErrSettings, ErrInvalidSettings, ErrNewer, ErrBehind); everything else is logged and tried again.
func (p *Projector) Run(ctx context.Context) error {
	pause := time.Second
	for started := false; ctx.Err() == nil; {
		err := p.step(ctx, &started)
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			pause = time.Second
			continue
		case errors.Is(err, ErrSettings), errors.Is(err, ErrInvalidSettings), errors.Is(err, ErrNewer), errors.Is(err, ErrBehind):
			return err
		}
		started = false // whatever it was: look again how the read model stands
		p.opts.Health.step(err)
		p.opts.Log.Error("projector step failed", "retry_in", pause.String(), "error", err)
		if sleep(ctx, pause) != nil {
			return nil
		}
		pause = min(2*pause, time.Minute)
	}
	return nil
}

// step applies what is new, then waits for news.
func (p *Projector) step(ctx context.Context, started *bool) error {
	if !*started {
		if err := p.start(ctx); err != nil {
			return err
		}
		*started = true
	}
	if err := p.catchUp(ctx); err != nil {
		return err
	}
	p.opts.Health.step(nil)
	return p.wait(ctx)
}

// start makes sure that there is a live read model that this projector may work on.
func (p *Projector) start(ctx context.Context) error {
	if err := p.prepare(ctx); err != nil {
		return err
	}
	if err := p.load(ctx); err != nil {
		return err
	}
	want := p.opts.Settings.over(p.live.settings)
	if err := want.Check(); err != nil {
		return err
	}
	if p.live.exists {
		if d := differences(p.live.settings, want); d != "" {
			return fmt.Errorf("%w: %s: leave them out, or run projector rebuild --settings to change them", ErrSettings, d)
		}
	}
	reason, err := p.rebuildReason(ctx)
	if err != nil || reason == "" {
		return err
	}
	_, err = p.rebuild(ctx, reason, want, false)
	return err
}

// catchUp applies everything up to the heads of the streams.
func (p *Projector) catchUp(ctx context.Context) error {
	for _, s := range p.streams {
		for more := true; more; {
			var err error
			if p.pending != "" {
				if _, err = p.rebuild(ctx, p.pending, p.live.settings, false); err != nil {
					return err
				}
			}
			if more, err = p.advance(ctx, s); err != nil {
				return err
			}
		}
	}
	return p.beat(ctx)
}

// wait returns when one of the streams has news, or when it is time for a heartbeat.
func (p *Projector) wait(ctx context.Context) error {
	waiting, cancel := context.WithTimeout(ctx, p.opts.Heartbeat)
	defer cancel()
	errs := make(chan error, len(p.streams))
	for _, s := range p.streams {
		next := p.live.positions[s.Name()].next
		go func() {
			errs <- s.Wait(waiting, next)
			cancel() // news or not: look at all of them
		}()
	}
	var failed error
	for range p.streams {
		if err := <-errs; err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
			failed = errors.Join(failed, err)
		}
	}
	return failed
}

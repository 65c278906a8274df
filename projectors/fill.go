package projectors

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"shitpost-alpha/projectors/outcomes"
	"shitpost-alpha/projectors/rows"
)

// Progress is told how far long work has come: done of total units of a stage, total 0 when it is not
// known. It may be nil.
type Progress func(stage string, done, total int)

func (p Progress) report(stage string, done, total int) {
	if p != nil {
		p(stage, done, total)
	}
}

// filler derives everything from the events of a snapshot of each stream and writes it into empty tables: what
// apply would come to after any number of calls, in one pass. Three goroutines share the work: one reads
// events, one derives and renders rows, one sends them.
//
// It holds a part of each at a time, whatever the size of the lake: the streams come sorted by key, and
// whatever derives from a key alone is derived when its events come by. Outcomes need a call and its prices;
// so the predictions come before the prices, and of all calls what their outcomes need is kept in a ledger.
type filler struct {
	target
	loader    *loader
	ledger    *ledger
	benchmark *outcomes.Series
	producers map[string]rows.Producer
	events    int
}

// fill fills the tables of t from the sources of all streams, in the order of streamsOf.
func (t target) fill(ctx context.Context, sources []source, g gone, progress Progress) (written int64, events int, err error) {
	work, working := errgroup.WithContext(ctx)
	f := &filler{target: t, loader: newLoader(t.schema, working.Done()), ledger: newLedger(), producers: map[string]rows.Producer{}}
	parts := make(chan *news, 2)
	work.Go(func() error {
		defer close(parts)
		prices, err := sources[len(sources)-1].of(working, t.scorer.Settings.Benchmark, g)
		if err != nil {
			return err
		}
		derived := rows.DerivePrices(rows.Prices{}, prices.prices)
		f.benchmark = rows.Series(derived.Bars, derived.Splits) // before the first part is sent
		return readParts(working, sources, g, parts, progress)
	})
	work.Go(func() error {
		defer close(f.loader.full)
		for n := range parts {
			if err := f.part(n); err != nil {
				return err
			}
		}
		if err := working.Err(); err != nil {
			return err
		}
		return f.rest()
	})
	written, err = f.loader.copyAll(ctx, t.conn) // not with the others' context: the connection outlives their failure
	if err != nil {
		work.Go(func() error { return err }) // ends the others; theirs is then no more than that they were
	}
	if failed := work.Wait(); failed != nil {
		return written, f.events, cmp.Or(err, failed)
	}
	return written, f.events, nil
}

// readParts sends the news of all streams.
func readParts(ctx context.Context, sources []source, g gone, parts chan<- *news, progress Progress) error {
	for _, s := range sources {
		stage, done, total := "read "+s.name(), 0, s.rows()
		for n, err := range s.parts(ctx, g) {
			if err != nil {
				return err
			}
			done += n.events
			progress.report(stage, done, max(total, done))
			select {
			case parts <- n:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	return nil
}

// part writes what follows from all events of some keys of one stream.
func (f *filler) part(n *news) error {
	f.events += n.events
	for key, p := range n.producers {
		if old, ok := f.producers[key]; !ok || p.Newer(&old) {
			f.producers[key] = p
		}
	}
	for _, step := range []func(*news) error{f.facts, f.posts, f.predictions, f.prices} {
		if err := step(n); err != nil {
			return err
		}
	}
	return nil
}

// facts writes what nothing is derived from. An event that came twice has one key, so it is in this part only.
func (f *filler) facts(n *news) error {
	windows := rows.Union(nil, n.windows, func(w *rows.Window) string { return w.EventID }, func(w *rows.Window) time.Time { return w.RecordedAt })
	if err := load(f.loader, f.windows, windows); err != nil {
		return err
	}
	rejected := rows.Union(nil, n.rejected, func(r *rows.Rejected) string { return r.EventID }, func(r *rows.Rejected) time.Time { return r.RecordedAt })
	if err := load(f.loader, f.rejected, rejected); err != nil {
		return err
	}
	retractions := rows.Union(nil, n.retractions, func(r *rows.Retraction) string { return r.EventID }, func(r *rows.Retraction) time.Time { return r.RecordedAt })
	if err := load(f.loader, f.retractions, retractions); err != nil {
		return err
	}
	letters := rows.Union(nil, n.deadLetters, func(d *rows.DeadLetter) string { return d.DeadLetterID }, func(d *rows.DeadLetter) time.Time { return d.RecordedAt })
	return load(f.loader, f.deadLetters, letters)
}

func (f *filler) posts(n *news) error {
	versions, posts := rows.DerivePosts(nil, n.versions)
	if err := load(f.loader, f.versions, versions); err != nil {
		return err
	}
	return load(f.loader, f.target.posts, posts)
}

func (f *filler) predictions(n *news) error {
	attempts, predictions, calls, err := rows.DerivePredictions(nil, n.attempts, f.primary, f.scorer.Calendar)
	if err != nil {
		return err
	}
	if err := load(f.loader, f.attempts, attempts); err != nil {
		return err
	}
	if err := load(f.loader, f.target.predictions, predictions); err != nil {
		return err
	}
	f.ledger.add(predictions, calls)
	return load(f.loader, f.calls, calls)
}

func (f *filler) prices(n *news) error {
	p := rows.DerivePrices(rows.Prices{}, n.prices)
	if err := load(f.loader, f.bars, p.Bars); err != nil {
		return err
	}
	if err := load(f.loader, f.splits, p.Splits); err != nil {
		return err
	}
	if err := load(f.loader, f.unknown, p.Unknown); err != nil {
		return err
	}
	splits := rows.BySymbol(p.Splits, func(s *rows.Split) string { return s.Symbol })
	for symbol, bars := range rows.BySymbol(p.Bars, func(b *rows.Bar) string { return b.Symbol }) {
		if err := f.score(symbol, bars, splits[symbol]); err != nil {
			return err
		}
	}
	return nil
}

// score writes what became of all calls of a symbol.
func (f *filler) score(symbol string, bars []rows.Bar, splits []rows.Split) error {
	if len(f.ledger.calls[symbol]) == 0 {
		return nil
	}
	series := rows.Series(bars, splits)
	return f.ledger.take(symbol, func(calls []rows.Call, predictions map[string]*rows.Prediction) error {
		list, scores := f.scorer.Score(calls, predictions, series, f.benchmark)
		if err := load(f.loader, f.outcomes, list); err != nil {
			return err
		}
		return load(f.loader, f.scores, scores)
	})
}

// rest writes what needs all events: calls whose symbol has no bar, and who appended.
func (f *filler) rest() error {
	for _, symbol := range f.ledger.symbols() {
		if err := f.score(symbol, nil, nil); err != nil {
			return err
		}
	}
	if err := load(f.loader, f.sessions, rows.Sessions(f.scorer.Calendar)); err != nil {
		return err
	}
	producers := slices.Collect(maps.Values(f.producers))
	if err := load(f.loader, f.target.producers, producers); err != nil {
		return err
	}
	return f.loader.end()
}

// writePosition records how far a stream has been applied.
func (t target) writePosition(ctx context.Context, stream string, p position) error {
	_, err := t.conn.Exec(ctx, `INSERT INTO `+pgx.Identifier{t.schema, "positions"}.Sanitize()+` (stream, table_id, next_version) VALUES ($1, $2, $3)
		ON CONFLICT (stream) DO UPDATE SET table_id = excluded.table_id, next_version = excluded.next_version`, stream, p.tableID, p.next)
	return err
}

// scoredCalls is how many calls are scored at a time: large enough for few COPYs, small enough to be nothing
// in memory.
const scoredCalls = 2000

// writeScored computes what became of the calls and writes it. bars and splits are those of their symbols and
// of the benchmark.
func (t target) writeScored(ctx context.Context, calls []rows.Call, predictions map[string]*rows.Prediction, bars []rows.Bar, splits []rows.Split) error {
	slices.SortFunc(calls, func(a, b rows.Call) int {
		return cmp.Or(strings.Compare(a.Symbol, b.Symbol), strings.Compare(a.PredictionID, b.PredictionID))
	})
	barsOf := rows.BySymbol(bars, func(b *rows.Bar) string { return b.Symbol })
	splitsOf := rows.BySymbol(splits, func(s *rows.Split) string { return s.Symbol })
	series := func(symbol string) *outcomes.Series { return rows.Series(barsOf[symbol], splitsOf[symbol]) }
	benchmark := series(t.scorer.Settings.Benchmark)
	var list []rows.Outcome
	var scores []rows.Score
	for symbol, of := range rows.BySymbol(calls, func(c *rows.Call) string { return c.Symbol }) {
		more, counted := t.scorer.Score(of, predictions, series(symbol), benchmark)
		list, scores = append(list, more...), append(scores, counted...)
		if len(list) < scoredCalls*12 {
			continue
		}
		if err := t.insertScored(ctx, list, scores); err != nil {
			return err
		}
		list, scores = nil, nil
	}
	return t.insertScored(ctx, list, scores)
}

func (t target) insertScored(ctx context.Context, list []rows.Outcome, scores []rows.Score) error {
	if _, err := t.outcomes.insertAll(ctx, t.conn, t.schema, list); err != nil {
		return err
	}
	if _, err := t.scores.insertAll(ctx, t.conn, t.schema, scores); err != nil {
		return fmt.Errorf("write scores: %w", err)
	}
	return nil
}

func byID(list []rows.Prediction) map[string]*rows.Prediction {
	out := make(map[string]*rows.Prediction, len(list))
	for i := range list {
		out[list[i].PredictionID] = &list[i]
	}
	return out
}

package projectors

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

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

// fill derives everything from the news and writes it into empty tables. It is what apply would come to
// after any number of calls, in one.
func (t target) fill(ctx context.Context, n *news, progress Progress) (written int64, err error) {
	versions, posts := rows.DerivePosts(nil, n.versions)
	attempts, predictions, calls, err := rows.DerivePredictions(nil, n.attempts, t.primary, t.scorer.Calendar)
	if err != nil {
		return 0, err
	}
	prices := rows.DerivePrices(rows.Prices{}, n.prices)
	sessions := rows.Sessions(t.scorer.Calendar)
	windows := rows.Union(nil, n.windows, func(w *rows.Window) string { return w.EventID }, func(w *rows.Window) time.Time { return w.RecordedAt })
	rejected := rows.Union(nil, n.rejected, func(r *rows.Rejected) string { return r.EventID }, func(r *rows.Rejected) time.Time { return r.RecordedAt })
	retractions := rows.Union(nil, n.retractions, func(r *rows.Retraction) string { return r.EventID }, func(r *rows.Retraction) time.Time { return r.RecordedAt })
	letters := rows.Union(nil, n.deadLetters, func(d *rows.DeadLetter) string { return d.DeadLetterID }, func(d *rows.DeadLetter) time.Time { return d.RecordedAt })

	steps := []func() (int64, error){
		func() (int64, error) { return t.versions.insertAll(ctx, t.conn, t.schema, versions) },
		func() (int64, error) { return t.posts.insertAll(ctx, t.conn, t.schema, posts) },
		func() (int64, error) { return t.windows.insertAll(ctx, t.conn, t.schema, windows) },
		func() (int64, error) { return t.attempts.insertAll(ctx, t.conn, t.schema, attempts) },
		func() (int64, error) { return t.predictions.insertAll(ctx, t.conn, t.schema, predictions) },
		func() (int64, error) { return t.calls.insertAll(ctx, t.conn, t.schema, calls) },
		func() (int64, error) { return t.bars.insertAll(ctx, t.conn, t.schema, prices.Bars) },
		func() (int64, error) { return t.splits.insertAll(ctx, t.conn, t.schema, prices.Splits) },
		func() (int64, error) { return t.unknown.insertAll(ctx, t.conn, t.schema, prices.Unknown) },
		func() (int64, error) { return t.sessions.insertAll(ctx, t.conn, t.schema, sessions) },
		func() (int64, error) { return t.rejected.insertAll(ctx, t.conn, t.schema, rejected) },
		func() (int64, error) { return t.retractions.insertAll(ctx, t.conn, t.schema, retractions) },
		func() (int64, error) { return t.deadLetters.insertAll(ctx, t.conn, t.schema, letters) },
	}
	total := len(versions) + len(posts) + len(windows) + len(attempts) + len(predictions) + len(calls) + len(prices.Bars) +
		len(prices.Splits) + len(prices.Unknown) + len(sessions) + len(rejected) + len(retractions) + len(letters)
	for _, step := range steps {
		k, err := step()
		if err != nil {
			return written, err
		}
		written += k
		progress.report("write rows", int(written), total)
	}
	done := 0
	k, err := t.outcomes.insert(ctx, t.conn, t.schema, func(yield func([]rows.Outcome) bool) {
		t.scorer.Score(calls, prices.Bars, prices.Splits, func(o []rows.Outcome) bool {
			if done++; done%256 == 0 || done == len(calls) {
				progress.report("score calls", done, len(calls))
			}
			return yield(o)
		})
	})
	return written + k, err
}

// writePosition records how far a stream has been applied.
func (t target) writePosition(ctx context.Context, stream string, p position) error {
	_, err := t.conn.Exec(ctx, `INSERT INTO `+pgx.Identifier{t.schema, "positions"}.Sanitize()+` (stream, table_id, next_version) VALUES ($1, $2, $3)
		ON CONFLICT (stream) DO UPDATE SET table_id = excluded.table_id, next_version = excluded.next_version`, stream, p.tableID, p.next)
	return err
}

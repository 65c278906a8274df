package projectors

import (
	"context"
	"maps"
	"slices"
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
		func() (int64, error) {
			return t.producers.insertAll(ctx, t.conn, t.schema, slices.Collect(maps.Values(n.producers)))
		},
	}
	total := len(versions) + len(posts) + len(windows) + len(attempts) + len(predictions) + len(calls) + len(prices.Bars) +
		len(prices.Splits) + len(prices.Unknown) + len(sessions) + len(rejected) + len(retractions) + len(letters) + len(n.producers)
	for _, step := range steps {
		k, err := step()
		if err != nil {
			return written, err
		}
		written += k
		progress.report("write rows", int(written), total)
	}
	k, err := t.writeScored(ctx, calls, byID(predictions), prices.Bars, prices.Splits, progress)
	return written + k, err
}

// writePosition records how far a stream has been applied.
func (t target) writePosition(ctx context.Context, stream string, p position) error {
	_, err := t.conn.Exec(ctx, `INSERT INTO `+pgx.Identifier{t.schema, "positions"}.Sanitize()+` (stream, table_id, next_version) VALUES ($1, $2, $3)
		ON CONFLICT (stream) DO UPDATE SET table_id = excluded.table_id, next_version = excluded.next_version`, stream, p.tableID, p.next)
	return err
}

// writeScored computes what became of the calls and writes it; the next part is computed while one is
// written.
func (t target) writeScored(ctx context.Context, calls []rows.Call, predictions map[string]*rows.Prediction, bars []rows.Bar, splits []rows.Split, progress Progress) (written int64, err error) {
	parts, stop := make(chan rows.Scored, 1), make(chan struct{})
	defer close(stop)
	go func() {
		defer close(parts)
		t.scorer.Score(calls, predictions, bars, splits, func(part rows.Scored) bool {
			select {
			case parts <- part:
				return true
			case <-stop:
				return false
			}
		})
	}()
	done := 0
	for part := range parts {
		k, err := t.outcomes.insertAll(ctx, t.conn, t.schema, part.Outcomes)
		if err != nil {
			return written, err
		}
		m, err := t.scores.insertAll(ctx, t.conn, t.schema, part.Scores)
		if err != nil {
			return written, err
		}
		written += k + m
		done += part.Calls
		progress.report("score calls", done, len(calls))
	}
	return written, nil
}

func byID(list []rows.Prediction) map[string]*rows.Prediction {
	out := make(map[string]*rows.Prediction, len(list))
	for i := range list {
		out[list[i].PredictionID] = &list[i]
	}
	return out
}

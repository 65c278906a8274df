package projectors

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/projectors/rows"
)

// target is the place that rows are written to: a schema, in the transaction that the connection is in.
type target struct {
	tables
	conn    *pgx.Conn
	schema  string
	scorer  rows.Scorer
	primary string
}

// apply brings the tables up to date with the news of a tail: it loads what is known of every key that
// the news touches, derives, and replaces. The news must come in commit order.
func (t target) apply(ctx context.Context, n *news) error {
	for _, step := range []func(context.Context, *news) error{t.applyPosts, t.applyPredictions, t.applyPrices, t.applyRest} {
		if err := step(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

func (t target) applyPosts(ctx context.Context, n *news) error {
	if len(n.versions) == 0 {
		return nil
	}
	known, err := t.versions.load(ctx, t.conn, t.schema, []string{"post_id"}, [][]string{keysOf(n.versions, func(v *rows.PostVersion) string { return v.PostID })})
	if err != nil {
		return err
	}
	versions, posts := rows.DerivePosts(known, n.versions)
	if err := t.versions.replace(ctx, t.conn, t.schema, []string{"event_id"}, versions); err != nil {
		return err
	}
	return t.posts.replace(ctx, t.conn, t.schema, []string{"post_id"}, posts)
}

func (t target) applyPredictions(ctx context.Context, n *news) error {
	if len(n.attempts) == 0 {
		return nil
	}
	key, ids := []string{"prediction_id"}, [][]string{keysOf(n.attempts, func(a *rows.Attempt) string { return a.PredictionID })}
	known, err := t.attempts.load(ctx, t.conn, t.schema, key, ids)
	if err != nil {
		return err
	}
	attempts, predictions, calls, err := rows.DerivePredictions(known, n.attempts, t.primary, t.scorer.Calendar)
	if err != nil {
		return err
	}
	if err := t.attempts.replace(ctx, t.conn, t.schema, []string{"event_id"}, attempts); err != nil {
		return err
	}
	if err := t.predictions.replace(ctx, t.conn, t.schema, key, predictions); err != nil {
		return err
	}
	// A call or outcome that is no longer derived must go too, so by prediction and not by its own key.
	if err := t.calls.remove(ctx, t.conn, t.schema, key, ids); err != nil {
		return err
	}
	if err := t.removeScored(ctx, key, ids); err != nil {
		return err
	}
	if _, err := t.calls.insertAll(ctx, t.conn, t.schema, calls); err != nil {
		return err
	}
	return t.score(ctx, calls, byID(predictions))
}

// removeScored deletes outcomes and scores of the keys.
func (t target) removeScored(ctx context.Context, columns []string, keys [][]string) error {
	if err := t.outcomes.remove(ctx, t.conn, t.schema, columns, keys); err != nil {
		return err
	}
	return t.scores.remove(ctx, t.conn, t.schema, columns, keys)
}

func (t target) applyPrices(ctx context.Context, n *news) error {
	if len(n.prices.Bars)+len(n.prices.Splits)+len(n.prices.Unknown) == 0 {
		return nil
	}
	known, err := t.loadPrices(ctx, &n.prices)
	if err != nil {
		return err
	}
	derived := rows.DerivePrices(known, n.prices)
	bars := changed(derived.Bars, known.Bars, func(b *rows.Bar) string { return b.EventID })
	splits := changed(derived.Splits, known.Splits, func(s *rows.Split) string { return s.EventID })
	if err := t.bars.replace(ctx, t.conn, t.schema, []string{"symbol", "session_date", "interval", "source"}, bars); err != nil {
		return err
	}
	if err := t.splits.replace(ctx, t.conn, t.schema, []string{"symbol", "session_date"}, splits); err != nil {
		return err
	}
	if err := t.unknown.replace(ctx, t.conn, t.schema, []string{"symbol"}, derived.Unknown); err != nil {
		return err
	}
	calls, err := t.affected(ctx, bars, splits)
	if err != nil {
		return err
	}
	if err := t.removeScored(ctx, []string{"prediction_id", "symbol"}, t.calls.codec.Keys(calls, []string{"prediction_id", "symbol"})); err != nil {
		return err
	}
	predictions, err := t.predictions.load(ctx, t.conn, t.schema, []string{"prediction_id"}, [][]string{keysOf(calls, func(c *rows.Call) string { return c.PredictionID })})
	if err != nil {
		return err
	}
	return t.score(ctx, calls, byID(predictions))
}

// loadPrices returns the known rows of every key in the news.
func (t target) loadPrices(ctx context.Context, p *rows.Prices) (known rows.Prices, err error) {
	barKey, splitKey := []string{"symbol", "session_date", "interval", "source"}, []string{"symbol", "session_date"}
	if known.Bars, err = t.bars.load(ctx, t.conn, t.schema, barKey, distinctKeys(t.bars.codec.Keys(p.Bars, barKey))); err != nil {
		return known, err
	}
	if known.Splits, err = t.splits.load(ctx, t.conn, t.schema, splitKey, distinctKeys(t.splits.codec.Keys(p.Splits, splitKey))); err != nil {
		return known, err
	}
	symbols := slices.Concat(keysOf(p.Bars, func(b *rows.Bar) string { return b.Symbol }),
		keysOf(p.Splits, func(s *rows.Split) string { return s.Symbol }), keysOf(p.Unknown, func(u *rows.UnknownSymbol) string { return u.Symbol }))
	known.Unknown, err = t.unknown.load(ctx, t.conn, t.schema, []string{"symbol"}, distinctKeys([][]string{symbols}))
	return known, err
}

// affected returns the calls whose outcomes may change with the bars and splits: those of their symbols
// within reach of the dates, and with the benchmark those of every symbol.
func (t target) affected(ctx context.Context, bars []rows.Bar, splits []rows.Split) ([]rows.Call, error) {
	type span struct{ from, through event.Date }
	spans := map[string]span{}
	touch := func(symbol string, from, through event.Date) {
		s, ok := spans[symbol]
		if !ok {
			s = span{from, through}
		}
		spans[symbol] = span{min(s.from, from), max(s.through, through)}
	}
	for i := range bars {
		if bars[i].Interval == rows.Daily {
			touch(bars[i].Symbol, bars[i].SessionDate, bars[i].SessionDate)
		}
	}
	for i := range splits { // a split concerns any two bars that were adjusted through different dates
		touch(splits[i].Symbol, t.scorer.Calendar.First(), t.scorer.Calendar.Last())
	}
	if len(spans) == 0 {
		return nil, nil
	}
	var symbols, after, before []string
	for symbol, s := range spans {
		a, b := t.scorer.Published(s.from, s.through)
		symbols, after, before = append(symbols, symbol), append(after, a.Format(time.RFC3339)), append(before, b.Format(time.RFC3339))
	}
	// Two questions, each of which an index answers: with OR between them all calls would be read.
	calls, err := t.calls.query(ctx, t.conn, t.schema, `JOIN unnest($1::text[], $2::text[]::timestamptz[], $3::text[]::timestamptz[]) AS k (symbol, after, before)
		ON t.symbol = k.symbol AND t.published_at BETWEEN k.after AND k.before`, symbols, after, before)
	s, ok := spans[t.scorer.Settings.Benchmark]
	if err != nil || !ok {
		return calls, err
	}
	a, b := t.scorer.Published(s.from, s.through)
	more, err := t.calls.query(ctx, t.conn, t.schema, "WHERE t.published_at BETWEEN $1::text::timestamptz AND $2::text::timestamptz", a.Format(time.RFC3339), b.Format(time.RFC3339))
	return rows.Union(calls, more, func(c *rows.Call) string { return c.PredictionID + " " + c.Symbol }, func(c *rows.Call) time.Time { return c.PublishedAt }), err
}

// score computes and inserts the outcomes and scores of calls; those that were there must be gone.
func (t target) score(ctx context.Context, calls []rows.Call, predictions map[string]*rows.Prediction) error {
	if len(calls) == 0 {
		return nil
	}
	from, through := map[string]event.Date{}, map[string]event.Date{}
	touch := func(symbol string, a, b event.Date) {
		if old, ok := from[symbol]; !ok || a < old {
			from[symbol] = a
		}
		through[symbol] = max(through[symbol], b)
	}
	for i := range calls {
		a, b := t.scorer.Window(calls[i].PublishedAt)
		touch(calls[i].Symbol, a, b)
		touch(t.scorer.Settings.Benchmark, a, b)
	}
	var symbols, begins, ends []string
	for symbol := range from {
		symbols, begins, ends = append(symbols, symbol), append(begins, from[symbol].Time().Format(time.DateOnly)), append(ends, through[symbol].Time().Format(time.DateOnly))
	}
	bars, err := t.bars.query(ctx, t.conn, t.schema, `JOIN unnest($1::text[], $2::text[]::date[], $3::text[]::date[]) AS k (symbol, first, last)
		ON t.symbol = k.symbol AND t.session_date BETWEEN k.first AND k.last`, symbols, begins, ends)
	if err != nil {
		return err
	}
	splits, err := t.splits.load(ctx, t.conn, t.schema, []string{"symbol"}, [][]string{symbols})
	if err != nil {
		return err
	}
	return t.writeScored(ctx, calls, predictions, bars, splits)
}

// applyRest inserts the facts that nothing is derived from. Those that are there already stay.
func (t target) applyRest(ctx context.Context, n *news) error {
	if err := insertNew(ctx, t, t.windows, "event_id", n.windows, func(w *rows.Window) string { return w.EventID }); err != nil {
		return err
	}
	if err := insertNew(ctx, t, t.rejected, "event_id", n.rejected, func(r *rows.Rejected) string { return r.EventID }); err != nil {
		return err
	}
	if err := insertNew(ctx, t, t.retractions, "event_id", n.retractions, func(r *rows.Retraction) string { return r.EventID }); err != nil {
		return err
	}
	if err := t.applyProducers(ctx, n); err != nil {
		return err
	}
	return insertNew(ctx, t, t.deadLetters, "dead_letter_id", n.deadLetters, func(d *rows.DeadLetter) string { return d.DeadLetterID })
}

// applyProducers notes who appended what the news holds, unless it knows a newer event of them.
func (t target) applyProducers(ctx context.Context, n *news) error {
	if len(n.producers) == 0 {
		return nil
	}
	known, err := t.producers.query(ctx, t.conn, t.schema, "")
	if err != nil {
		return err
	}
	newest := news{producers: maps.Clone(n.producers)}
	for i := range known {
		newest.noteProducer(known[i])
	}
	return t.producers.replace(ctx, t.conn, t.schema, []string{"stream", "producer"}, slices.Collect(maps.Values(newest.producers)))
}

func insertNew[T any](ctx context.Context, t target, tab table[T], key string, list []T, id func(*T) string) error {
	if len(list) == 0 {
		return nil
	}
	known, err := tab.load(ctx, t.conn, t.schema, []string{key}, [][]string{keysOf(list, id)})
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for i := range known {
		seen[id(&known[i])] = true
	}
	var fresh []T
	for i := range list {
		if k := id(&list[i]); !seen[k] {
			seen[k] = true
			fresh = append(fresh, list[i])
		}
	}
	_, err = tab.insertAll(ctx, t.conn, t.schema, fresh)
	return err
}

// changed returns the rows whose event is not that of a known row.
func changed[T any](derived, known []T, id func(*T) string) []T {
	old := make(map[string]bool, len(known))
	for i := range known {
		old[id(&known[i])] = true
	}
	var out []T
	for i := range derived {
		if !old[id(&derived[i])] {
			out = append(out, derived[i])
		}
	}
	return out
}

// keysOf returns the names of the rows, each once.
func keysOf[T any](list []T, name func(*T) string) []string {
	seen := make(map[string]bool, len(list))
	var out []string
	for i := range list {
		if n := name(&list[i]); !seen[n] {
			seen[n] = true
			out = append(out, n)
		}
	}
	return out
}

// distinctKeys returns each key of several columns once.
func distinctKeys(columns [][]string) [][]string {
	seen := map[string]bool{}
	out := make([][]string, len(columns))
	for i := range columns[0] {
		key := make([]string, len(columns))
		for c := range columns {
			key[c] = columns[c][i]
		}
		if k := strings.Join(key, "\x00"); !seen[k] {
			seen[k] = true
			for c := range columns {
				out[c] = append(out[c], key[c])
			}
		}
	}
	return out
}

package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/parquet-go/parquet-go"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/market"
	"shitpost-alpha/projectors/outcomes"
	"shitpost-alpha/projectors/pgrow"
	"shitpost-alpha/projectors/rows"
)

// outcomesTable computes the table outcomes with the functions of the projection, so that there is one
// definition of an outcome. The file is kept in dir under a name that says what it was computed from:
// the versions of the streams, the settings and this very program.
type outcomesTable struct {
	dir      string
	settings outcomes.Settings
}

// outcomeRow is a row: the columns of the read model's table of that name, and of its call those that
// one filters by. Nulls are pointers.
type outcomeRow struct {
	PredictionID    string     `parquet:"prediction_id"`
	Symbol          string     `parquet:"symbol,dict"`
	Basis           string     `parquet:"basis,dict"`
	Horizon         int32      `parquet:"horizon"`
	BaseSession     *int32     `parquet:"base_session,optional,date"`
	BasePrice       *float64   `parquet:"base_price,optional"`
	TargetSession   *int32     `parquet:"target_session,optional,date"`
	TargetPrice     *float64   `parquet:"target_price,optional"`
	ReturnPct       *float64   `parquet:"return_pct,optional"`
	BenchmarkPct    *float64   `parquet:"benchmark_pct,optional"`
	AbnormalPct     *float64   `parquet:"abnormal_pct,optional"`
	Correct         *bool      `parquet:"correct,optional"`
	CorrectAbnormal *bool      `parquet:"correct_abnormal,optional"`
	PnlLong         *float64   `parquet:"pnl_long,optional"`
	Pnl             *float64   `parquet:"pnl,optional"`
	Source          *string    `parquet:"source,optional,dict"`
	BenchmarkSource *string    `parquet:"benchmark_source,optional,dict"`
	Suspect         bool       `parquet:"suspect"`
	DueAt           *time.Time `parquet:"due_at,optional,timestamp(microsecond:local)"`
	FirstPricedAt   *time.Time `parquet:"first_priced_at,optional,timestamp(microsecond:local)"`
	Sentiment       *string    `parquet:"sentiment,optional,dict"`
	Origin          string     `parquet:"origin,dict"`
	PostID          string     `parquet:"post_id"`
	PublishedAt     time.Time  `parquet:"published_at,timestamp(microsecond:local)"`
	Confidence      *float64   `parquet:"confidence,optional"`
}

// file returns the path of the table over two snapshots, computed unless it is there.
func (t outcomesTable) file(ctx context.Context, predictions *lake.Snapshot[event.Prediction], prices *lake.Snapshot[event.Price]) (string, error) {
	program, err := os.Executable()
	if err != nil {
		return "", err
	}
	st, err := os.Stat(program)
	if err != nil {
		return "", err
	}
	name := event.Hash(predictions.TableID, fmt.Sprint(predictions.Version), prices.TableID, fmt.Sprint(prices.Version),
		fmt.Sprintf("%+v", t.settings), program, fmt.Sprint(st.Size(), st.ModTime().UnixNano()))
	path := filepath.Join(t.dir, "outcomes-"+name+".parquet")
	now := time.Now()
	if err := os.Chtimes(path, now, now); err == nil { // it was used: the cache keeps it
		return path, nil
	}
	data, err := t.compute(ctx, predictions, prices)
	if err != nil {
		return "", err
	}
	return path, writeWhole(path, data)
}

func (t outcomesTable) compute(ctx context.Context, predictions *lake.Snapshot[event.Prediction], prices *lake.Snapshot[event.Price]) ([]byte, error) {
	var attempts []rows.Attempt
	if err := valid(ctx, predictions, func(e *event.Prediction) {
		if e.Kind != event.RecordRejected && e.Kind != event.Retracted {
			attempts = append(attempts, rows.AttemptOf(e))
		}
	}); err != nil {
		return nil, err
	}
	var news rows.Prices
	if err := valid(ctx, prices, news.Add); err != nil {
		return nil, err
	}
	scorer := rows.Scorer{Calendar: market.NYSE(), Settings: t.settings}
	_, _, calls, err := rows.DerivePredictions(nil, attempts, "", scorer.Calendar)
	if err != nil {
		return nil, err
	}
	derived := rows.DerivePrices(rows.Prices{}, news)
	barsOf, splitsOf := rows.BySymbol(derived.Bars, func(b *rows.Bar) string { return b.Symbol }), rows.BySymbol(derived.Splits, func(s *rows.Split) string { return s.Symbol })
	series := func(symbol string) *outcomes.Series { return rows.Series(barsOf[symbol], splitsOf[symbol]) }
	benchmark := series(t.settings.Benchmark)
	var b bytes.Buffer
	w := parquet.NewGenericWriter[outcomeRow](&b, parquet.Compression(&parquet.Zstd))
	callsOf := rows.BySymbol(calls, func(c *rows.Call) string { return c.Symbol })
	for _, symbol := range slices.Sorted(maps.Keys(callsOf)) {
		of := map[string]*rows.Call{}
		for i := range callsOf[symbol] {
			of[callsOf[symbol][i].PredictionID] = &callsOf[symbol][i]
		}
		list, _ := scorer.Score(callsOf[symbol], nil, series(symbol), benchmark)
		out := make([]outcomeRow, len(list))
		for i := range out {
			out[i] = rowOf(&list[i], of[list[i].PredictionID])
		}
		if _, err = w.Write(out); err != nil || ctx.Err() != nil {
			break
		}
	}
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		err = w.Close()
	}
	return b.Bytes(), err
}

func rowOf(o *rows.Outcome, c *rows.Call) outcomeRow {
	return outcomeRow{PredictionID: o.PredictionID, Symbol: o.Symbol, Basis: o.Basis, Horizon: int32(o.Horizon),
		BaseSession: optional(int32(o.BaseSession)), BasePrice: o.BasePrice, TargetSession: optional(int32(o.TargetSession)), TargetPrice: o.TargetPrice,
		ReturnPct: number(o.ReturnPct), BenchmarkPct: number(o.BenchmarkPct), AbnormalPct: number(o.AbnormalPct),
		Correct: o.Correct, CorrectAbnormal: o.CorrectAbnormal, PnlLong: number(o.PnlLong), Pnl: number(o.Pnl),
		Source: optional(o.Source), BenchmarkSource: optional(o.BenchmarkSource), Suspect: o.Suspect,
		DueAt: optional(o.DueAt), FirstPricedAt: optional(o.FirstPricedAt),
		Sentiment: optional(c.Sentiment), Origin: c.Origin, PostID: c.PostID, PublishedAt: c.PublishedAt, Confidence: c.Confidence}
}

func number(d *pgrow.Decimal) *float64 { return (*float64)(d) }

// optional returns nil for the zero value.
func optional[T comparable](v T) *T {
	if v == *new(T) {
		return nil
	}
	return &v
}

// valid calls f for the events that count: neither retracted nor such that the projection refuses.
func valid[E event.Event](ctx context.Context, snap *lake.Snapshot[E], f func(*E)) error {
	gone := map[string]bool{}
	for pass := range 2 {
		for events, err := range snap.Batches(ctx) {
			if err != nil {
				return err
			}
			for i := range events {
				e := &events[i]
				v := event.EnvelopeOf(e)
				switch r := event.RetractionOf(e); {
				case pass == 0 && v.Kind == event.Retracted && rows.Check(e) == nil:
					for _, id := range append([]string{r.RetractedBatch}, r.RetractedEvents...) {
						gone[id] = id != ""
					}
				case pass == 1 && !gone[v.EventID] && !gone[v.BatchID] && rows.Check(e) == nil:
					f(e)
				}
			}
		}
	}
	return nil
}

// writeWhole writes a file by way of a temporary one, so that nobody sees half of it.
func writeWhole(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".tmp-*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

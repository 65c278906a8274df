package legacytest

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"shitpost-alpha/lake/objects"
)

// WriteRaw fills the raw lake.
func (s *System) WriteRaw(ctx context.Context, store objects.Store) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(16)
	for i := range s.Posts {
		p := &s.Posts[i]
		if p.Raw == "" {
			continue
		}
		g.Go(func() error {
			_, err := store.Put(ctx, p.Key(), []byte(p.Raw), objects.Always())
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return fmt.Errorf("write raw lake: %w", err)
	}
	return nil
}

// tablesSQL are the old system's tables, as far as anything reads them.
const tablesSQL = `
CREATE TABLE truth_social_shitposts (id serial PRIMARY KEY, shitpost_id varchar(255) UNIQUE, content text, text text, timestamp timestamp,
	language varchar(10), username varchar(255), replies_count int, reblogs_count int, favourites_count int, reblog json, raw_api_data json, created_at timestamp);
CREATE TABLE signals (id serial PRIMARY KEY, signal_id varchar(255) UNIQUE, source varchar(50), text text, content_html text, published_at timestamp,
	author_username varchar(255), likes_count int, shares_count int, replies_count int, is_repost boolean, platform_data json, raw_api_data json, created_at timestamp);
CREATE TABLE predictions (id serial PRIMARY KEY, shitpost_id varchar(255), signal_id varchar(255), assets json, market_impact json, confidence float8,
	thesis text, analysis_status varchar(50), analysis_comment text, llm_provider varchar(50), llm_model varchar(100), analysis_timestamp timestamp, created_at timestamp);
CREATE TABLE market_prices (id serial PRIMARY KEY, symbol varchar(20), date date, open float8, high float8, low float8, close float8, volume bigint,
	adjusted_close float8, source varchar(50), last_updated timestamp, UNIQUE (symbol, date));
CREATE TABLE prediction_outcomes (id serial PRIMARY KEY, prediction_id int, symbol varchar(20), prediction_date date, prediction_sentiment varchar(20),
	prediction_confidence float8, price_at_prediction float8, price_t1 float8, price_t3 float8, price_t7 float8, price_t30 float8,
	return_t1 float8, return_t3 float8, return_t7 float8, return_t30 float8, correct_t1 boolean, correct_t3 boolean, correct_t7 boolean, correct_t30 boolean,
	pnl_t1 float8, pnl_t3 float8, pnl_t7 float8, pnl_t30 float8, is_complete boolean, UNIQUE (prediction_id, symbol));`

// WriteDatabase makes and fills the old tables.
func (s *System) WriteDatabase(ctx context.Context, db *pgx.Conn) error {
	if _, err := db.Exec(ctx, tablesSQL); err != nil {
		return fmt.Errorf("make old tables: %w", err)
	}
	older, newer := s.postRows()
	for _, t := range []struct {
		name    string
		columns []string
		rows    [][]any
	}{
		{"truth_social_shitposts", []string{"shitpost_id", "content", "text", "timestamp", "language", "username", "replies_count", "reblogs_count", "favourites_count", "raw_api_data"}, older},
		{"signals", []string{"signal_id", "source", "text", "content_html", "published_at", "author_username", "likes_count", "shares_count", "replies_count", "is_repost", "platform_data", "raw_api_data"}, newer},
		{"predictions", []string{"id", "shitpost_id", "signal_id", "assets", "market_impact", "confidence", "thesis", "analysis_status", "analysis_comment", "llm_provider", "llm_model", "analysis_timestamp"}, s.predictionRows()},
		{"market_prices", []string{"symbol", "date", "open", "high", "low", "close", "volume", "adjusted_close", "source", "last_updated"}, s.priceRows()},
		{"prediction_outcomes", []string{"prediction_id", "symbol", "prediction_date", "prediction_sentiment", "prediction_confidence", "price_at_prediction",
			"price_t1", "price_t3", "price_t7", "price_t30", "return_t1", "return_t3", "return_t7", "return_t30", "correct_t1", "correct_t3", "correct_t7", "correct_t30",
			"pnl_t1", "pnl_t3", "pnl_t7", "pnl_t30", "is_complete"}, s.outcomeRows()},
	} {
		if _, err := db.CopyFrom(ctx, pgx.Identifier{t.name}, t.columns, pgx.CopyFromRows(t.rows)); err != nil {
			return fmt.Errorf("fill %s: %w", t.name, err)
		}
	}
	return nil
}

func (s *System) postRows() (older, newer [][]any) {
	for _, p := range s.Posts {
		at, html := naive(p.Published), "<p>"+p.RowText+"</p>"
		if p.Older {
			older = append(older, []any{p.ID, html, p.RowText, at, "en", "realDonaldTrump", 1, 2, 3, null(p.RowDoc)})
		}
		if p.Newer {
			newer = append(newer, []any{p.ID, "truth_social", p.RowText, html, at, "realDonaldTrump", 3, 2, 1, false, `{"upvotes":1}`, null(p.RowDoc)})
		}
	}
	return older, newer
}

func (s *System) predictionRows() (rows [][]any) {
	for _, p := range s.Predictions {
		post, signal := null(p.PostID), any(nil)
		if p.Newer {
			post, signal = signal, post
		}
		rows = append(rows, []any{p.ID, post, signal, null(p.Assets), null(p.Impact), number(p.Confidence), "Because.", p.Status, null(p.Comment),
			p.Provider, p.Model, naive(p.At)})
	}
	return rows
}

func (s *System) priceRows() (rows [][]any) {
	for _, p := range s.Prices {
		rows = append(rows, []any{p.Symbol, p.Date.Time(), p.Open, p.High, p.Low, p.Close, int64(1000), p.Adjusted, "yfinance", naive(p.Updated)})
	}
	return rows
}

func (s *System) outcomeRows() (rows [][]any) {
	for _, o := range s.Outcomes {
		row := []any{o.PredictionID, o.Symbol, o.Date.Time(), null(o.Sentiment), o.Confidence, number(o.Base)}
		for _, v := range o.Prices {
			row = append(row, number(v))
		}
		complete := true
		for _, v := range o.Returns {
			row, complete = append(row, number(v)), complete && !math.IsNaN(v)
		}
		for _, v := range o.Correct {
			row = append(row, map[string]any{"true": true, "false": false}[v])
		}
		for _, v := range o.Returns {
			row = append(row, number(v*10))
		}
		rows = append(rows, append(row, complete))
	}
	return rows
}

// naive drops the zone, as the old system did.
func naive(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

func null(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func number(f float64) any {
	if math.IsNaN(f) {
		return nil
	}
	return f
}

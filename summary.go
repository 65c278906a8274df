package main

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/market"
)

// Summary is what came out, read from the read model alone.
type Summary struct {
	// Synthetic says that some of it was made up by the simulators.
	Synthetic bool           `json:"synthetic"`
	Posts     PostCounts     `json:"posts"`
	Calls     map[string]int `json:"calls"` // by sentiment; none: the answer gave none
	// Outcomes counts calls × bases × horizons by status.
	Outcomes map[string]int `json:"outcomes"`
	// Accuracy is of basis next_open, by horizon and origin.
	Accuracy []Accuracy `json:"accuracy"`
	// Best and Worst calls by P&L after BestHorizon sessions, basis next_open.
	BestHorizon int           `json:"best_horizon"`
	Best        []CallOutcome `json:"best"`
	Worst       []CallOutcome `json:"worst"`
	Symbols     int           `json:"symbols"`
	Bars        int           `json:"bars"`
	Rejected    int           `json:"rejected"`
	DeadLetters int           `json:"dead_letters"`
	LakeURL     string        `json:"lake_url"`
	DatabaseURL string        `json:"database_url"`
	ViewerURL   string        `json:"viewer_url,omitempty"` // of the dashboards, while everything is kept running
	Seconds     float64       `json:"seconds"`
}

// PostCounts counts posts by the state of their analysis. InScope = Completed + Bypassed + Failed +
// Waiting; the rest were published before Since.
type PostCounts struct {
	Seen          int            `json:"seen"`
	InScope       int            `json:"in_scope"`
	Completed     int            `json:"completed"`
	Bypassed      int            `json:"bypassed"`
	Failed        int            `json:"failed"`
	Waiting       int            `json:"waiting"`
	BypassReasons map[string]int `json:"bypass_reasons"`
	Since         time.Time      `json:"since"`
}

// Accuracy of the evaluated calls of one horizon and origin; percentages in percentage points.
type Accuracy struct {
	Horizon       int      `json:"horizon"`
	Origin        string   `json:"origin"`
	N             int      `json:"n"`
	Correct       int      `json:"correct"`
	AccuracyPct   float64  `json:"accuracy_pct"`
	WilsonLowPct  float64  `json:"wilson_low_pct"`
	WilsonHighPct float64  `json:"wilson_high_pct"`
	AlwaysBullish float64  `json:"always_bullish_pct"`
	RandomMix     float64  `json:"random_mix_pct"`
	AvgReturnPct  float64  `json:"avg_return_pct"`
	AvgAbnormal   *float64 `json:"avg_abnormal_pct"`
	TotalPnL      float64  `json:"total_pnl"`
}

// CallOutcome is one call with what became of it.
type CallOutcome struct {
	PostID      string    `json:"post_id"`
	PublishedAt time.Time `json:"published_at"`
	Symbol      string    `json:"symbol"`
	Sentiment   string    `json:"sentiment"`
	Confidence  float64   `json:"confidence"`
	ReturnPct   float64   `json:"return_pct"`
	PnL         float64   `json:"pnl"`
	// Text is the author's own: of a quote without the address before it.
	Text string `json:"text"`
}

// bestHorizon is the horizon, in sessions, by which the best and worst calls are chosen.
const bestHorizon = 7

// summarize reads the summary in one transaction, so that its figures agree with each other.
func summarize(ctx context.Context, databaseURL string, since time.Time) (*Summary, error) {
	conn, err := pgx.Connect(ctx, databaseURL)
	if err != nil {
		return nil, fmt.Errorf("read summary: %w", err)
	}
	defer conn.Close(ctx)
	s := &Summary{BestHorizon: bestHorizon, Posts: PostCounts{Since: since}}
	err = pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		if err := s.readPosts(ctx, tx, since); err != nil {
			return err
		}
		if err := s.readOutcomes(ctx, tx); err != nil {
			return err
		}
		return s.readCalls(ctx, tx)
	})
	if err != nil {
		return nil, fmt.Errorf("read summary: %w", err)
	}
	return s, nil
}

func (s *Summary) readPosts(ctx context.Context, tx pgx.Tx, since time.Time) error {
	p := &s.Posts
	// In scope is what was published since the launch date and what has an analysis all the same;
	// a post that was withdrawn before it was analysed is not.
	err := tx.QueryRow(ctx, `
		WITH scoped AS (SELECT *, (published_at >= $1 AND NOT is_deleted AND NOT is_redacted) OR analysis <> 'none' AS in_scope
			FROM readmodel.posts_status)
		SELECT count(*), count(*) FILTER (WHERE in_scope), count(*) FILTER (WHERE analysis = 'completed'),
			count(*) FILTER (WHERE analysis = 'bypassed'), count(*) FILTER (WHERE analysis = 'failed'),
			count(*) FILTER (WHERE in_scope AND analysis IN ('none', 'retrying')), coalesce(bool_or(synthetic), false)
		FROM scoped`, since).Scan(&p.Seen, &p.InScope, &p.Completed, &p.Bypassed, &p.Failed, &p.Waiting, &s.Synthetic)
	if err != nil {
		return err
	}
	if p.BypassReasons, err = counts(ctx, tx, `SELECT reason, count(*) FROM readmodel.posts_status WHERE analysis = 'bypassed' GROUP BY reason`); err != nil {
		return err
	}
	return tx.QueryRow(ctx, `SELECT symbols, bars, rejected, dead_letters FROM readmodel.pipeline`).Scan(&s.Symbols, &s.Bars, &s.Rejected, &s.DeadLetters)
}

func (s *Summary) readOutcomes(ctx context.Context, tx pgx.Tx) (err error) {
	if s.Calls, err = counts(ctx, tx, `SELECT coalesce(sentiment, 'none'), count(*) FROM readmodel.calls GROUP BY 1`, "bullish", "bearish", "neutral"); err != nil {
		return err
	}
	if s.Outcomes, err = counts(ctx, tx, `SELECT status, count(*) FROM readmodel.outcomes_status GROUP BY 1`,
		"evaluated", "pending", "awaiting_price", "no_bar", "unpriceable", "suspect", "outside_calendar"); err != nil {
		return err
	}
	rows, err := tx.Query(ctx, `SELECT horizon, origin, n, correct, accuracy_pct, wilson_low_pct, wilson_high_pct, always_bullish_pct,
			random_mix_pct, avg_return_pct, avg_abnormal_pct, total_pnl
		FROM readmodel.accuracy WHERE basis = $1 ORDER BY origin, horizon`, string(market.NextOpen))
	if err != nil {
		return err
	}
	s.Accuracy, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Accuracy])
	return err
}

func (s *Summary) readCalls(ctx context.Context, tx pgx.Tx) error {
	for _, list := range []struct {
		into  *[]CallOutcome
		where string
		order string
	}{{&s.Best, "pnl > 0", "pnl DESC"}, {&s.Worst, "pnl < 0", "pnl"}} {
		rows, err := tx.Query(ctx, `SELECT o.post_id, o.published_at, o.symbol, o.sentiment, o.confidence, o.return_pct::float8, o.pnl::float8, coalesce(p.text, '')
			FROM readmodel.scored o LEFT JOIN readmodel.posts p USING (post_id)
			WHERE o.basis = $1 AND o.horizon = $2 AND o.is_primary AND o.`+list.where+`
			ORDER BY o.`+list.order+`, o.published_at, o.prediction_id, o.symbol LIMIT 5`, string(market.NextOpen), bestHorizon)
		if err != nil {
			return err
		}
		if *list.into, err = pgx.CollectRows(rows, pgx.RowToStructByPos[CallOutcome]); err != nil {
			return err
		}
		for i := range *list.into {
			c := &(*list.into)[i]
			c.Text = (&event.Post{Text: c.Text}).OwnText()
		}
	}
	return nil
}

// counts reads name and count; names that are not there count 0.
func counts(ctx context.Context, tx pgx.Tx, sql string, names ...string) (map[string]int, error) {
	out := map[string]int{}
	for _, n := range names {
		out[n] = 0
	}
	rows, err := tx.Query(ctx, sql)
	if err != nil {
		return nil, err
	}
	var name string
	var n int
	_, err = pgx.ForEachRow(rows, []any{&name, &n}, func() error { out[name] = n; return nil })
	return out, err
}

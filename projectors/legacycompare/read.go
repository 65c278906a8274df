package legacycompare

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"shitpost-alpha/lake/event"
)

// ErrNotLegacy says that a database does not hold the Python system's outcomes.
var ErrNotLegacy = errors.New("not the Python system's database")

// oldBar is a row of market_prices.
type oldBar struct{ low, high, close float64 }

// oldBars are the old system's prices, by symbol and date.
type oldBars map[string]map[event.Date]oldBar

// oldOutcome is a row of prediction_outcomes; its arrays are in the order of horizons.
type oldOutcome struct {
	predictionID int64
	symbol       string
	sentiment    string
	date         event.Date
	base         *float64
	prices       [4]*float64
	returns      [4]*float64
	correct      [4]*bool
}

var horizons = [4]int{1, 3, 7, 30} // of an old row. Lookup table, never changed.

type oldSystem struct {
	bars     oldBars
	outcomes []oldOutcome
}

func readOld(ctx context.Context, db *pgx.Conn) (*oldSystem, error) {
	s := &oldSystem{bars: oldBars{}}
	rows, err := db.Query(ctx, `SELECT symbol, date, coalesce(low, close), coalesce(high, close), close FROM market_prices
		WHERE close IS NOT NULL AND close <> 'NaN' ORDER BY symbol, date`)
	if err == nil {
		var symbol string
		var day time.Time
		var b oldBar
		_, err = pgx.ForEachRow(rows, []any{&symbol, &day, &b.low, &b.high, &b.close}, func() error {
			if s.bars[symbol] == nil {
				s.bars[symbol] = map[event.Date]oldBar{}
			}
			s.bars[symbol][event.DateOf(day)] = b
			return nil
		})
	}
	if err != nil {
		return nil, missing("market_prices", err)
	}
	rows, err = db.Query(ctx, `SELECT prediction_id, symbol, coalesce(prediction_sentiment, ''), prediction_date, price_at_prediction,
		price_t1, price_t3, price_t7, price_t30, return_t1, return_t3, return_t7, return_t30, correct_t1, correct_t3, correct_t7, correct_t30
		FROM prediction_outcomes ORDER BY prediction_id, symbol`)
	if err == nil {
		s.outcomes, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (o oldOutcome, err error) {
			var day time.Time
			err = row.Scan(&o.predictionID, &o.symbol, &o.sentiment, &day, &o.base, &o.prices[0], &o.prices[1], &o.prices[2], &o.prices[3],
				&o.returns[0], &o.returns[1], &o.returns[2], &o.returns[3], &o.correct[0], &o.correct[1], &o.correct[2], &o.correct[3])
			o.date, o.sentiment = event.DateOf(day), strings.ToLower(o.sentiment)
			return o, err
		})
	}
	if err != nil {
		return nil, missing("prediction_outcomes", err)
	}
	return s, nil
}

// missing names the table that is not what it should be.
func missing(table string, err error) error {
	if undefined(err) {
		return fmt.Errorf("%w: %w", ErrNotLegacy, err)
	}
	return fmt.Errorf("read %s: %w", table, err)
}

// undefined says whether a statement named a table or a column that is not there.
func undefined(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "42P01" || pg.Code == "42703")
}

// call is one asset of an imported prediction in the read model, with its outcomes of basis legacy.
type call struct {
	predictionID int64
	symbol       string
	named        string // as the old row wrote it
	sentiment    string
	publishedAt  time.Time
	outcomes     [4]outcome
}

// outcome is ours at one horizon.
type outcome struct {
	baseSession, targetSession event.Date
	base, target, pct          *float64
	correct                    *bool
	source                     string
}

// model is what the read model says of imported predictions.
type model struct {
	calls map[int64][]*call
	// dropped are the names that the symbol rules took out; rejected the reasons by the rows' keys.
	dropped  map[int64]map[string]bool
	rejected map[string]string
	splits   map[string][]float64 // ratios of each symbol
}

const callsSQL = `SELECT substr(p.prompt_version, 8)::bigint, c.symbol, coalesce(c.named, c.symbol), coalesce(c.sentiment, ''), c.published_at,
	o.horizon, o.base_session, o.target_session, o.base_price, o.target_price, o.return_pct::float8, o.correct, coalesce(o.source, '')
	FROM readmodel.predictions p JOIN readmodel.calls c USING (prediction_id)
	JOIN readmodel.outcomes o ON o.prediction_id = c.prediction_id AND o.symbol = c.symbol AND o.basis = 'legacy'
	WHERE p.prompt_version ~ '^legacy:[0-9]{1,18}$' ORDER BY 1, c.position, o.horizon`

func readModel(ctx context.Context, db *pgx.Conn) (*model, error) {
	m := &model{calls: map[int64][]*call{}, dropped: map[int64]map[string]bool{}, rejected: map[string]string{}, splits: map[string][]float64{}}
	rows, err := db.Query(ctx, callsSQL)
	if err != nil {
		return nil, fmt.Errorf("read calls: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := m.add(rows); err != nil {
			return nil, fmt.Errorf("read calls: %w", err)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read calls: %w", err)
	}
	var id int64
	var a, b string
	var ratio float64
	for _, q := range []struct {
		what, sql string
		to        []any
		take      func()
	}{
		{"dropped symbols", `SELECT substr(prompt_version, 8)::bigint, d->>'symbol' FROM readmodel.predictions, jsonb_array_elements(dropped) d
			WHERE prompt_version ~ '^legacy:[0-9]{1,18}$'`, []any{&id, &a}, func() {
			if m.dropped[id] == nil {
				m.dropped[id] = map[string]bool{}
			}
			m.dropped[id][a] = true
		}},
		{"rejected rows", `SELECT key, reason FROM readmodel.rejected WHERE source = 'legacy'`, []any{&a, &b}, func() { m.rejected[a] = b }},
		{"splits", `SELECT symbol, ratio FROM readmodel.splits ORDER BY symbol, session_date`, []any{&a, &ratio}, func() { m.splits[a] = append(m.splits[a], ratio) }},
	} {
		rows, err := db.Query(ctx, q.sql)
		if err == nil {
			_, err = pgx.ForEachRow(rows, q.to, func() error { q.take(); return nil })
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", q.what, err)
		}
	}
	return m, nil
}

// add takes one row of callsSQL; those of one call follow each other.
func (m *model) add(rows pgx.Rows) error {
	var id int64
	var c call
	var horizon int
	var o outcome
	var base, target *time.Time
	if err := rows.Scan(&id, &c.symbol, &c.named, &c.sentiment, &c.publishedAt, &horizon, &base, &target, &o.base, &o.target, &o.pct, &o.correct, &o.source); err != nil {
		return err
	}
	for _, d := range []struct {
		from *time.Time
		to   *event.Date
	}{{base, &o.baseSession}, {target, &o.targetSession}} {
		if d.from != nil {
			*d.to = event.DateOf(*d.from)
		}
	}
	list := m.calls[id]
	if n := len(list); n == 0 || list[n-1].symbol != c.symbol {
		c.predictionID = id
		list = append(list, &c)
		m.calls[id] = list
	}
	for i, h := range horizons {
		if h == horizon {
			list[len(list)-1].outcomes[i] = o
		}
	}
	return nil
}

// find returns the call that an old row is about, by its symbol or by the name that became it.
func (m *model) find(id int64, symbol string) *call {
	for _, c := range m.calls[id] {
		if strings.EqualFold(c.symbol, strings.TrimSpace(symbol)) || strings.EqualFold(strings.TrimSpace(c.named), strings.TrimSpace(symbol)) {
			return c
		}
	}
	return nil
}

// refused returns why the import refused the old system's bar, "" when it did not.
func (m *model) refused(symbol string, d event.Date) string {
	return m.rejected["legacy:market_prices:"+strings.TrimSpace(symbol)+" "+d.String()]
}

// refusedRow returns why the import refused the old system's prediction, "" when it did not.
func (m *model) refusedRow(id int64) string {
	return m.rejected["legacy:predictions:"+strconv.FormatInt(id, 10)]
}

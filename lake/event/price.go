package event

import (
	"errors"
	"math"
	"strconv"
	"time"
)

// Price is a row of stream prices. Its kinds are bar_recorded, split_recorded, symbol_unknown,
// record_rejected and retracted; Key is the symbol.
type Price struct {
	Envelope
	Rejection
	Retraction

	Symbol string `parquet:"symbol,optional,dict"`
	// SessionDate is the bar's session, or the effective date of a split.
	SessionDate Date `parquet:"session_date,optional,date"`

	// Bar columns. Interval is 1d. Prices are in Currency.
	Interval string   `parquet:"interval,optional,dict"`
	Open     *float64 `parquet:"open,optional"`
	High     *float64 `parquet:"high,optional"`
	Low      *float64 `parquet:"low,optional"`
	Close    *float64 `parquet:"close,optional"`
	Volume   *float64 `parquet:"volume,optional"`
	AdjClose *float64 `parquet:"adj_close,optional"`
	Currency string   `parquet:"currency,optional,dict"`
	// Adjustment says what the prices include: none, split (all splits up to AdjustedThrough), or
	// dividend (splits and dividends).
	Adjustment Adjustment `parquet:"adjustment,optional,dict"`
	// AdjustedThrough: the prices include all splits effective on or before that date.
	AdjustedThrough Date `parquet:"adjusted_through,optional,date"`
	// SourceRank orders sources of one family (files): the position in which they were given, from 0.
	SourceRank int32 `parquet:"source_rank,optional"`
	// FetchID names the one fetch that the bar came with; FetchedAt is its time, UTC.
	FetchID   string    `parquet:"fetch_id,optional,dict"`
	FetchedAt time.Time `parquet:"fetched_at,optional,timestamp(microsecond)"`

	// Ratio of a split: a 10-for-1 split has ratio 10.
	Ratio float64 `parquet:"ratio,optional"`
	// AskedSources are the sources that do not know the symbol, on symbol_unknown.
	AskedSources []string `parquet:"asked_sources,list"`
}

// Adjustment says what a source's prices include.
type Adjustment string

// Kinds of adjustment, in the order of preference for outcomes: split, none, dividend.
const (
	AdjustedNone     Adjustment = "none"
	AdjustedSplit    Adjustment = "split"
	AdjustedDividend Adjustment = "dividend"
)

func (p *Price) envelope() *Envelope { return &p.Envelope }

func (p *Price) subject() string {
	if s, _, _, ok := shared(&p.Envelope, &p.Rejection, &p.Retraction); ok {
		return s
	}
	switch p.Kind {
	case SplitRecorded:
		return "split " + p.Source + " " + p.Key + " " + p.SessionDate.String()
	case SymbolUnknown:
		return "unknown " + p.Key
	}
	return "bar " + p.Source + " " + p.Key + " " + p.SessionDate.String() + " " + p.Interval
}

func (p *Price) content() []string {
	if _, c, _, ok := shared(&p.Envelope, &p.Rejection, &p.Retraction); ok {
		return c
	}
	switch p.Kind {
	case SplitRecorded:
		return []string{number(&p.Ratio)}
	case SymbolUnknown:
		// Asked again after 30 days and still unknown: a new fact, so the time belongs to it.
		return append([]string{stamp(p.OccurredAt)}, p.AskedSources...)
	}
	c := []string{number(p.Open), number(p.High), number(p.Low), number(p.Close), number(p.Volume), number(p.AdjClose), p.Currency, string(p.Adjustment)}
	if p.Adjustment == AdjustedDividend {
		// Dividend-adjusted bars are comparable only within one fetch, so a new fetch is a new fact.
		c = append(c, p.FetchID)
	}
	return c
}

func (p *Price) check() error {
	if _, _, err, ok := shared(&p.Envelope, &p.Rejection, &p.Retraction); ok {
		return err
	}
	if p.Symbol == "" || p.Symbol != p.Key {
		return errors.New("symbol must be set and be the key")
	}
	switch p.Kind {
	case BarRecorded:
		return p.checkBar()
	case SplitRecorded:
		if p.SessionDate == 0 || !(p.Ratio > 0) || math.IsInf(p.Ratio, 0) {
			return errors.New("session_date and a positive ratio must be set")
		}
		return nil
	case SymbolUnknown:
		if len(p.AskedSources) == 0 {
			return errors.New("asked_sources must be set")
		}
		return nil
	}
	return errUnknownKind
}

func (p *Price) checkBar() error {
	if p.SessionDate == 0 || p.Interval == "" || p.AdjustedThrough == 0 || p.FetchID == "" {
		return errors.New("session_date, interval, adjusted_through and fetch_id must be set")
	}
	switch p.Adjustment {
	case AdjustedNone, AdjustedSplit, AdjustedDividend:
	default:
		return errors.New("adjustment " + strconv.Quote(string(p.Adjustment)) + " is not known")
	}
	for _, v := range []*float64{p.Open, p.High, p.Low, p.Close} {
		if v == nil || !(*v > 0) || math.IsInf(*v, 0) {
			return errors.New("open, high, low and close must be set, positive and finite")
		}
	}
	if *p.High < max(*p.Open, *p.Close) || *p.Low > min(*p.Open, *p.Close) {
		return errors.New("high must be at least, and low at most, open and close")
	}
	return nil
}

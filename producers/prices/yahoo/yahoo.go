// Package yahoo is Yahoo's chart API as a source of prices (domain.md 3):
//
//	GET {base}/v8/finance/chart/{symbol}?period1&period2&interval=1d&events=div%2Csplits
//
// Its prices are adjusted for splits, not for dividends; the adjusted close beside them is for both.
// Every question reaches up to now, whatever the days asked for: Yahoo adjusts all prices for the
// splits so far, and tells of those within the range only.
//
// A symbol is unknown when Yahoo says so in its own words. A web page, a refusal, a rate limit or a
// lost connection is prices.ErrUnavailable: it says nothing about the symbol.
package yahoo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/market"
	"shitpost-alpha/producers"
	"shitpost-alpha/producers/prices"
	"shitpost-alpha/producers/prices/format"
)

// Name is the source's name, and event.Source of its events.
const Name = "yahoo"

// DefaultURL is where Yahoo answers.
const DefaultURL = "https://query1.finance.yahoo.com"

// UserAgent is what Yahoo is told by default: it refuses everybody without a browser's.
const UserAgent = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"

// Source asks Yahoo. All fields must be set.
type Source struct {
	// URL is the base address, without a slash at the end.
	URL      string
	Client   *producers.Client
	Calendar *market.Calendar
	Now      func() time.Time
}

// Name is "yahoo".
func (s *Source) Name() string { return Name }

// Origins is "yahoo" alone.
func (s *Source) Origins() []string { return []string{Name} }

// Local is false: every question is a request.
func (s *Source) Local() bool { return false }

// Bars returns the finished bars of the symbol in from..to and its splits from from until now; see
// prices.Source. It makes one request. Yahoo's last digits of the adjusted close vary from answer to
// answer: six significant ones are kept.
func (s *Source) Bars(ctx context.Context, symbol string, from, to event.Date) ([]event.Price, error) {
	fetch, ok := prices.NewFetch(s.Calendar, symbol, Name, event.AdjustedSplit, s.Now())
	if !ok {
		return nil, nil
	}
	doc, err := s.get(ctx, symbol, from, fetch.At)
	if errors.Is(err, format.ErrNoRange) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	series := doc.Series[symbol]
	for answered := range doc.Series {
		if answered != symbol {
			return nil, fmt.Errorf("get %s from yahoo: the answer is about %s", symbol, answered)
		}
	}
	if series == nil {
		return nil, fmt.Errorf("get %s from yahoo: the answer holds no series", symbol)
	}
	for i := range series.Bars {
		series.Bars[i].AdjClose = sixDigits(series.Bars[i].AdjClose)
	}
	return fetch.Answer(doc, from, to, series.Zone == "America/New_York" && prices.SharesOnly(symbol)), nil
}

// get asks for everything from a day before from, since days begin elsewhere earlier, until now.
func (s *Source) get(ctx context.Context, symbol string, from event.Date, now time.Time) (*format.Document, error) {
	address := fmt.Sprintf("%s/v8/finance/chart/%s?period1=%d&period2=%d&interval=1d&events=div%%2Csplits", s.URL,
		url.PathEscape(symbol), (from - 1).Time().Unix(), (event.DateOf(now) + 2).Time().Unix())
	resp, err := s.Client.Get(ctx, address, http.Header{"Accept": {"application/json"}})
	body, failure := []byte(nil), error(nil)
	var refused *producers.Error
	switch {
	case err == nil:
		body = resp.Body
	case errors.As(err, &refused) && (refused.Status == http.StatusNotFound || refused.Status == http.StatusBadRequest || refused.Status == http.StatusUnprocessableEntity):
		body, failure = refused.Body, err
	default:
		return nil, unavailable(ctx, err)
	}
	doc, err := format.Parse("chart.json", body)
	switch {
	case errors.Is(err, format.ErrNoSymbol):
		return nil, fmt.Errorf("%w: %w", prices.ErrUnknown, err)
	case errors.Is(err, format.ErrNoRange):
		return nil, err
	case failure != nil && !strings.HasPrefix(strings.TrimSpace(string(body)), "{"):
		return nil, unavailable(ctx, failure) // not Yahoo's own words
	case failure != nil:
		return nil, failure
	case err != nil && !strings.HasPrefix(strings.TrimSpace(string(body)), "{"):
		return nil, unavailable(ctx, err)
	}
	return doc, err
}

// unavailable says of an error that it is Yahoo's, not the symbol's, unless ctx has ended.
func unavailable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return err
	}
	return fmt.Errorf("%w: %w", prices.ErrUnavailable, err)
}

func sixDigits(v float64) float64 {
	short, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 6, 64), 64)
	if err != nil {
		return v
	}
	return short
}

// Package stooq is Stooq's download of daily prices as a source (domain.md 3):
//
//	GET {base}/q/d/l/?s=spy.us&d1=YYYYMMDD&d2=YYYYMMDD&i=d
//
// Its prices are adjusted for splits and dividends, so that only bars of one answer can be compared
// with each other: each answer is a fetch of its own, and is named in every bar. Stooq refuses in
// plain text with status 200; "No data" means that the symbol does not exist, or that there is
// nothing in the range, everything else that is not a table means that it answers nobody for now.
//
// It is asked for shares, funds and the large indices only: the days of its currencies, futures and
// crypto do not end when ours do.
package stooq

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/market"
	"shitpost-alpha/producers"
	"shitpost-alpha/producers/prices"
	"shitpost-alpha/producers/prices/format"
)

// Name is the source's name, and event.Source of its events.
const Name = "stooq"

// DefaultURL is where Stooq answers.
const DefaultURL = "https://stooq.com"

// longRange is from how many days on "No data" means that there is no such symbol: in fewer there may
// be nothing yet, or nothing any more.
const longRange = 60

// Source asks Stooq. All fields must be set.
type Source struct {
	// URL is the base address, without a slash at the end.
	URL      string
	Client   *producers.Client
	Calendar *market.Calendar
	Now      func() time.Time
}

// Name is "stooq".
func (s *Source) Name() string { return Name }

// Origins is "stooq" alone.
func (s *Source) Origins() []string { return []string{Name} }

// Local is false: every question is a request.
func (s *Source) Local() bool { return false }

// Bars returns the finished bars of the symbol in from..to; see prices.Source. It makes one request,
// and none for a symbol of a kind that Stooq is not asked for, which is unknown to it. Stooq tells of
// no splits.
func (s *Source) Bars(ctx context.Context, symbol string, from, to event.Date) ([]event.Price, error) {
	name, currency, ok := Symbol(symbol)
	if !ok {
		return nil, fmt.Errorf("%w: stooq is not asked for %s", prices.ErrUnknown, symbol)
	}
	fetch, ok := prices.NewFetch(s.Calendar, symbol, Name, event.AdjustedDividend, s.Now())
	if !ok {
		return nil, nil
	}
	day := func(d event.Date) string { return d.Time().Format("20060102") }
	address := fmt.Sprintf("%s/q/d/l/?s=%s&d1=%s&d2=%s&i=d", s.URL, url.QueryEscape(name), day(from), day(to))
	resp, err := s.Client.Get(ctx, address, nil)
	if ctx.Err() != nil {
		return nil, fmt.Errorf("get %s from stooq: %w", symbol, ctx.Err())
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", prices.ErrUnavailable, err) // a 404 is no word about the symbol
	}
	text := strings.TrimSpace(string(resp.Body))
	if strings.EqualFold(text, "No data") {
		if to-from < longRange {
			return nil, nil
		}
		return nil, fmt.Errorf("%w: stooq has no data of %s", prices.ErrUnknown, name)
	}
	doc, err := format.Parse(symbol, resp.Body)
	if err != nil || doc.Shape != format.ShapeRows {
		return nil, fmt.Errorf("%w: stooq answers %q", prices.ErrUnavailable, brief(text))
	}
	if len(doc.Series) == 1 { // its name is what the file would be called: stooq's rows name none
		for answered, series := range doc.Series {
			delete(doc.Series, answered)
			series.Currency = currency
			doc.Series[symbol] = series
		}
	}
	return fetch.Answer(doc, from, to, currency == "USD"), nil
}

// brief returns the beginning of a text on one line.
func brief(text string) string {
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "?")), " ")
	if r := []rune(text); len(r) > 80 {
		return string(r[:80]) + "…"
	}
	return text
}

// Symbol returns what Stooq calls a symbol of ours and the currency of its prices; ok is false where it
// is not asked.
func Symbol(symbol string) (name, currency string, ok bool) {
	indices := map[string]string{"^GSPC": "^spx", "^DJI": "^dji", "^IXIC": "^ndq", "^NDX": "^ndx"}
	if index, ok := indices[symbol]; ok {
		return index, "USD", true
	}
	if symbol == "" || !prices.SharesOnly(symbol) || strings.ContainsAny(symbol, "^=/ ") {
		return "", "", false
	}
	base, exchange, foreign := strings.Cut(symbol, ".")
	if !foreign {
		return strings.ToLower(base) + ".us", "USD", true
	}
	exchanges := map[string][2]string{"DE": {"de", "EUR"}, "L": {"uk", "GBp"}, "T": {"jp", "JPY"}, "HK": {"hk", "HKD"}}
	to, ok := exchanges[exchange]
	return strings.ToLower(base) + "." + to[0], to[1], ok
}

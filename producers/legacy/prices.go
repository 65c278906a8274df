package legacy

import (
	"fmt"
	"math"
	"strings"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/market"
	"shitpost-alpha/producers/prices"
	"shitpost-alpha/producers/prices/format"
)

// priceOf judges a row of table market_prices. The old system fetched each bar by itself and kept when
// (last_updated): the price includes the splits up to the last session that was finished then, and a bar
// fetched before it was finished is no close.
func priceOf(r *row, cal *market.Calendar) decision[event.Price] {
	refuse := func(reason, why string) decision[event.Price] {
		return decision[event.Price]{draft: rejected[event.Price](r, reason, why)}
	}
	symbol := strings.ToUpper(strings.TrimSpace(r.text("symbol", "asset")))
	if symbol == "" {
		return refuse(format.BadRow, "it names no symbol")
	}
	day, _, _ := strings.Cut(r.text("date"), "T")
	date, err := event.ParseDate(day)
	if err != nil {
		return refuse(format.BadDate, err.Error())
	}
	fetched, err := r.time("last_updated")
	if err != nil {
		return refuse(NoTime, err.Error())
	}
	b := format.Bar{Date: date, Volume: math.NaN(), AdjClose: math.NaN()}
	for name, to := range map[string]*float64{"open": &b.Open, "high": &b.High, "low": &b.Low, "close": &b.Close} {
		v, ok := r.number(name)
		if !ok || math.IsNaN(v) || math.IsInf(v, 0) {
			return refuse(format.BadNumber, fmt.Sprintf("%s is %q", name, r.text(name)))
		}
		*to = v
	}
	if b.Low <= 0 || b.High < max(b.Open, b.Close) || b.Low > min(b.Open, b.Close) {
		return refuse(format.BadBar, fmt.Sprintf("open %v, high %v, low %v, close %v", b.Open, b.High, b.Low, b.Close))
	}
	if v, ok := r.number("volume"); ok && v >= 0 && !math.IsInf(v, 0) {
		b.Volume = v
	}
	if v, ok := r.number("adjusted_close"); ok && v > 0 && !math.IsInf(v, 0) {
		b.AdjClose = v
	}
	f := prices.Fetch{Calendar: cal, Symbol: symbol, Source: Source, Adjustment: event.AdjustedSplit, At: fetched,
		ID: Source + "@" + event.DateOf(fetched).String()}
	if !f.Final(date) {
		return refuse(InProgress, "it was fetched at "+fetched.Format("2006-01-02T15:04:05Z")+", before its session was over")
	}
	inCalendar := date >= cal.First() && date <= cal.Last()
	if _, ok := cal.Session(date); inCalendar && !ok && prices.SharesOnly(symbol) {
		return refuse(prices.NoSession, "the market was closed on that day")
	}
	f.Through, _ = cal.LastFinal(symbol, fetched)
	return decision[event.Price]{draft: f.Bar(b)}
}

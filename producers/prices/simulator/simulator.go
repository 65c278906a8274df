// Package simulator makes up plausible daily bars, so that everything can be tried without a source.
// All it returns is marked synthetic.
//
// The bars follow from the seed and the symbol alone: a random walk from the calendar's first day on,
// pulled along by one market factor, with gaps over night, a few days without a bar, and splits. So a
// past session's prices never change with the time of asking, but for splits: as a split-adjusting
// source does, it gives prices on the basis of its newest finished session. About one symbol in fifty
// is unknown to it.
package simulator

import (
	"context"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/market"
	"shitpost-alpha/producers/prices"
	"shitpost-alpha/producers/prices/format"
)

// Source makes up bars. Another seed is another history of the same symbols: on one lake it would
// correct every bar of the first. It is safe for concurrent use.
type Source struct {
	seed     uint64
	calendar *market.Calendar
	now      func() time.Time
}

// New returns the source of a seed.
func New(seed uint64, cal *market.Calendar, now func() time.Time) *Source {
	return &Source{seed, cal, now}
}

// Name is "simulator".
func (s *Source) Name() string { return prices.Simulator }

// Origins is "simulator" alone.
func (s *Source) Origins() []string { return []string{prices.Simulator} }

// Local is true: asking costs nothing.
func (s *Source) Local() bool { return true }

// Bars returns the bars of the symbol in from..to and its splits so far; see prices.Source.
func (s *Source) Bars(ctx context.Context, symbol string, from, to event.Date) ([]event.Price, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if symbol != prices.Benchmark && s.random("unknown", symbol).IntN(50) == 0 {
		return nil, fmt.Errorf("%w: the simulator lists no %s", prices.ErrUnknown, symbol)
	}
	fetch := prices.Fetch{Calendar: s.calendar, Symbol: symbol, Source: prices.Simulator,
		Adjustment: event.AdjustedSplit, At: s.now(), Synthetic: true}
	through, ok := s.calendar.LastFinal(symbol, fetch.At)
	if !ok {
		return nil, nil
	}
	fetch.Through, fetch.ID = through, fmt.Sprintf("simulator-%d@%s", s.seed, through)
	bars, splits := s.walk(symbol, min(to, through))
	var out []event.Price
	for _, split := range splits {
		if split.Date <= through {
			out = append(out, fetch.Split(split))
		}
	}
	for _, b := range bars {
		if b.Date < from || b.Date > to || !fetch.Final(b.Date) {
			continue
		}
		ratio := 1.0
		for _, split := range splits {
			if split.Date > b.Date && split.Date <= through {
				ratio *= split.Ratio
			}
		}
		out = append(out, fetch.Bar(adjust(b, ratio)))
	}
	return out, nil
}

// adjust brings a bar onto the basis after a split.
func adjust(b format.Bar, ratio float64) format.Bar {
	for _, p := range []*float64{&b.Open, &b.High, &b.Low, &b.Close} {
		*p = max(cents(*p/ratio, 4), 0.0001)
	}
	b.Volume = math.Round(b.Volume * ratio)
	b.AdjClose = math.NaN()
	return b
}

// cents rounds to a number of decimals. Rounding keeps the order of high, open, close and low.
func cents(v float64, decimals int) float64 {
	scale := math.Pow10(decimals)
	return math.Round(v*scale) / scale
}

// nature is what a symbol is like.
type nature struct {
	start, daily, beta, volume float64 // daily is the standard deviation of a day's own return
	everyDay                   bool
	splits, halts              bool
}

func (s *Source) nature(symbol string) nature {
	r := s.random("nature", symbol)
	n := nature{start: 20 * math.Exp(r.Float64()*3), daily: 0.008 + 0.02*r.Float64(), beta: 0.4 + 1.2*r.Float64(),
		volume: math.Exp(13 + 4*r.Float64()), splits: true, halts: true}
	switch {
	case symbol == prices.Benchmark:
		n = nature{start: 475, daily: 0, beta: 1, volume: 8e7}
	case strings.HasSuffix(symbol, "-USD"):
		n.everyDay, n.splits, n.halts, n.daily = true, false, false, 0.03
	case strings.HasPrefix(symbol, "^"), strings.Contains(symbol, "="):
		n.splits, n.halts = false, false
	}
	return n
}

// walk returns the bars from the calendar's first day to last as they were traded, unadjusted, and all
// splits up to the calendar's end. Every day takes the same number of draws, so that no day depends
// on how far the walk goes.
func (s *Source) walk(symbol string, last event.Date) ([]format.Bar, []format.Split) {
	n := s.nature(symbol)
	own, factor := s.random("walk", symbol), s.random("market", "")
	var bars []format.Bar
	var splits []format.Split
	price := n.start
	for d := s.calendar.First(); d <= s.calendar.Last(); d++ {
		_, session := s.calendar.Session(d)
		overnight, intraday := 0.004*factor.NormFloat64(), 0.0003+0.008*factor.NormFloat64()
		draw := [6]float64{own.NormFloat64(), own.NormFloat64(), own.NormFloat64(), own.NormFloat64(), own.Float64(), own.Float64()}
		if !session {
			if !n.everyDay {
				continue
			}
			overnight, intraday = 0, 0
		}
		ratio := split(n, price, draw[4])
		if ratio != 1 {
			splits = append(splits, format.Split{Symbol: symbol, Date: d, Ratio: ratio})
			price /= ratio
		}
		open := price * math.Exp(n.beta*overnight+n.daily/2*draw[0])
		price = max(open*math.Exp(n.beta*intraday+n.daily*draw[1]), 0.5)
		wick := 0.002 + n.daily/3
		b := format.Bar{Date: d, Open: cents(open, 2), Close: cents(price, 2), Volume: math.Round(n.volume * math.Exp(draw[3]/3))}
		b.High = cents(max(open, price)*math.Exp(wick*math.Abs(draw[2])), 2)
		b.Low = max(cents(min(open, price)*math.Exp(-wick*math.Abs(draw[3])), 2), 0.01)
		halted := n.halts && draw[5] < 1.0/400
		if d <= last && !halted {
			bars = append(bars, b)
		}
	}
	return bars, splits
}

// split decides whether a share splits before the day opens: dear ones now and then, cheap ones in
// reverse, seldom.
func split(n nature, price, chance float64) float64 {
	switch {
	case !n.splits:
		return 1
	case price > 400 && chance < 0.02:
		return 4
	case price > 120 && chance < 0.002:
		return 2
	case price < 2 && chance < 0.02:
		return 0.1
	}
	return 1
}

// random is a generator that follows from seed, purpose and symbol.
func (s *Source) random(purpose, symbol string) *rand.Rand {
	h := fnv.New64a()
	for _, part := range []string{strconv.FormatUint(s.seed, 10), purpose, symbol} {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return rand.New(rand.NewPCG(h.Sum64(), s.seed))
}

// Package legacytest makes up a Python system as it was left behind: a raw lake, a Postgres with both
// generations of tables, and in both every defect that is known of it (domain.md 6 and 7). The same
// seed makes the same system. It says of every row what became wrong with it, so that tests of the
// import and of projector compare-legacy can ask for exactly that.
package legacytest

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/market"
)

// Size of a system. Posts are spread evenly from From over Days days; prices are one row per symbol and
// session of that time and 60 days more.
type Size struct {
	Posts, Predictions, Symbols, Days int
	From                              event.Date
}

// Small is quick to import and has every defect several times.
func Small() Size {
	return Size{Posts: 600, Predictions: 400, Symbols: 12, Days: 200, From: event.NewDate(2025, time.January, 2)}
}

// Whole is as large as the Python system became (domain.md 7): 28,000 posts, 3,000 predictions, and
// 120,000 prices of 190 symbols.
func Whole() Size {
	return Size{Posts: 28_000, Predictions: 3_000, Symbols: 188, Days: 860, From: event.NewDate(2023, time.June, 1)}
}

// System is what was left behind.
type System struct {
	Posts       []Post
	Predictions []Prediction
	Prices      []Price
	Outcomes    []Outcome

	rng  *rand.Rand
	cal  *market.Calendar
	size Size
	bars map[string]map[event.Date]*Price
	// Symbols by what is wrong with their prices: nothing, sessions missing, bars fetched in progress.
	sound, gappy, hasty []string
}

// Make makes up a system.
func Make(seed uint64, size Size) *System {
	s := &System{rng: rand.New(rand.NewPCG(seed, 7)), cal: market.NYSE(), size: size, bars: map[string]map[event.Date]*Price{}}
	s.makePrices()
	s.makePosts()
	s.makePredictions()
	s.spoilPrices()
	return s
}

// Price is a row of market_prices. Fault is the reason for which it cannot be taken, or "".
type Price struct {
	Symbol                           string
	Date                             event.Date
	Open, High, Low, Close, Adjusted float64
	Updated                          time.Time
	Fault                            string
}

// one says true once in n.
func (s *System) one(n int) bool { return s.rng.IntN(n) == 0 }

func pick[T any](s *System, from []T) T { return from[s.rng.IntN(len(from))] }

// cents rounds to 4 decimals, as the old system kept prices.
func cents(x float64) float64 { return math.Round(x*1e4) / 1e4 }

func (s *System) makePrices() {
	last := s.size.From + event.Date(s.size.Days+60)
	s.sound = []string{"SPY", "META"}
	for i := range s.size.Symbols - 1 {
		name := "S" + strconv.Itoa(i)
		switch i % 6 {
		case 4:
			name = "G" + strconv.Itoa(i)
			s.gappy = append(s.gappy, name)
		case 5:
			name = "P" + strconv.Itoa(i)
			s.hasty = append(s.hasty, name)
		default:
			s.sound = append(s.sound, name)
		}
	}
	for _, symbol := range slices.Concat(s.sound, s.gappy, s.hasty, []string{"BTC-USD"}) {
		s.walk(symbol, last)
	}
	s.spoilBars()
}

// spoilBars drops bars of the gappy symbols and has some of the hasty ones fetched too early.
func (s *System) spoilBars() {
	kept := s.Prices[:0]
	for _, p := range s.Prices {
		delete(s.bars[p.Symbol], p.Date)
		switch {
		case p.Symbol[0] == 'G' && s.one(8):
			continue
		case p.Symbol[0] == 'P' && s.one(8): // fetched in the middle of its session
			opens, closes := s.cal.Bar(p.Symbol, p.Date)
			p.Updated, p.Fault = opens.Add(closes.Sub(opens)/2), "bar in progress"
			p.Close = cents(p.Low + (p.High-p.Low)*s.rng.Float64())
			p.Close = min(max(p.Close, p.Low), p.High)
			p.Adjusted = p.Close
		}
		kept = append(kept, p)
		s.bars[p.Symbol][p.Date] = &kept[len(kept)-1]
	}
	s.Prices = kept
}

// walk adds the bars of one symbol, of every session, of every day for round-the-clock ones.
func (s *System) walk(symbol string, last event.Date) {
	s.bars[symbol] = map[event.Date]*Price{}
	price := 20 + 200*s.rng.Float64()
	for d := s.size.From - 30; d <= last; d++ {
		if _, ok := s.cal.Session(d); !ok && symbol != "BTC-USD" {
			continue
		}
		open := price * (1 + 0.01*s.rng.NormFloat64())
		price = open * (1 + 0.02*s.rng.NormFloat64())
		p := Price{Symbol: symbol, Date: d, Open: cents(open), Close: cents(price)}
		p.High = cents(max(p.Open, p.Close) * (1 + 0.005*s.rng.Float64()))
		p.Low = cents(min(p.Open, p.Close) * (1 - 0.005*s.rng.Float64()))
		p.Adjusted = p.Close
		_, closes := s.cal.Bar(symbol, d)
		p.Updated = closes.Add(time.Hour + time.Duration(s.rng.IntN(1000))*time.Minute)
		s.Prices = append(s.Prices, p)
		s.bars[symbol][d] = &p
	}
}

// spoilPrices adds rows that nobody can use, on days that no outcome was computed with.
func (s *System) spoilPrices() {
	for i := range 12 {
		p := Price{Symbol: "BAD" + strconv.Itoa(i), Date: event.NewDate(2025, time.March, 4), Open: 10, High: 11, Low: 9, Close: 10, Adjusted: 10,
			Updated: time.Date(2025, 3, 5, 0, 0, 0, 0, time.UTC)}
		switch i % 4 {
		case 0:
			p.High, p.Fault = 9.5, "impossible bar"
		case 1:
			p.Close, p.Fault = math.NaN(), "bad number"
		case 2:
			p.Low, p.Fault = 0, "impossible bar"
		case 3:
			p.Date, p.Fault = event.NewDate(2025, time.March, 8), "no session" // Friday's, carried to Saturday
			p.Updated = p.Updated.AddDate(0, 0, 7)
		}
		s.Prices = append(s.Prices, p)
	}
}

// Want says what an import must make of the system: per table, rows by what becomes of them: accepted,
// or the reason for which they are covered or rejected.
func (s *System) Want() map[string]map[string]int {
	want := map[string]map[string]int{}
	note := func(table, fate string) {
		if want[table] == nil {
			want[table] = map[string]int{}
		}
		want[table][fate]++
	}
	for _, p := range s.Posts {
		for table, fate := range p.fates {
			note(table, fate)
		}
	}
	for _, p := range s.Predictions {
		note("predictions", p.Fate)
	}
	for _, p := range s.Prices {
		fate := "accepted"
		if p.Fault != "" {
			fate = p.Fault
		}
		note("market_prices", fate)
	}
	return want
}

func mustJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("marshal %T: %v", v, err)) // plain data
	}
	return string(b)
}

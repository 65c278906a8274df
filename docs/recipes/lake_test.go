package recipes

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/market"
)

// maker makes up a lake in which everything happens that an outcome depends on: sources of all three
// adjustments with holes and corrections, splits told and untold, symbols of all three markets,
// retractions, answers given twice, before and after the first chance to act.
type maker struct {
	t   *testing.T
	rng *rand.Rand
	cal *market.Calendar
	l   *lake.Lake
}

func randomLake(t *testing.T, seed uint64, dir string) *lake.Lake {
	t.Helper()
	l, err := lake.Open(t.Context(), dir, lake.Options{Producer: "test@1"})
	if err != nil {
		t.Fatal(err)
	}
	m := &maker{t: t, rng: rand.New(rand.NewPCG(seed, 3)), cal: market.NYSE(), l: l}
	m.predictions()
	m.prices()
	return l
}

func (m *maker) one(n int) bool { return m.rng.IntN(n) == 0 }

func appendAll[E event.Event](m *maker, s *lake.Stream[E], events []E) {
	m.t.Helper()
	for len(events) > 0 { // in a few commits
		head, err := s.Head(m.t.Context())
		if err != nil {
			m.t.Fatal(err)
		}
		n := min(len(events), 500)
		if _, err := s.Append(m.t.Context(), head, events[:n]); err != nil {
			m.t.Fatal(err)
		}
		events = events[n:]
	}
}

var symbols = []string{"SPY", "AAA", "BBB", "CCC", "BTC-USD", "GC=F"} // Lookup table, never changed.

func (m *maker) predictions() {
	from := time.Date(2025, 2, 20, 0, 0, 0, 0, time.UTC)
	var events []event.Prediction
	for i := range 60 {
		at := from.Add(time.Duration(m.rng.Int64N(int64(120 * 24 * time.Hour)))).Truncate(time.Millisecond)
		id := strconv.FormatInt(at.UnixMilli()<<16|int64(i), 10)
		confidence := m.rng.Float64()
		e := event.Prediction{PostID: id, PublishedAt: at, Analyzer: "rules", PromptVersion: "v1", Confidence: &confidence}
		if m.one(5) {
			e.PromptVersion = "legacy:" + strconv.Itoa(i)
		}
		e.PredictionID = event.PredictionID(id, e.Analyzer, "", "", e.PromptVersion)
		e.Kind, e.Key, e.Source = event.PredictionMade, e.PredictionID, "rules"
		e.OccurredAt = at.Add(time.Duration(m.rng.Int64N(int64(3 * 24 * time.Hour))))
		sentiments := []string{"bullish", "bearish", "neutral", ""}
		for k := range m.rng.IntN(4) {
			e.Assets = append(e.Assets, event.Asset{Symbol: symbols[(i+k)%len(symbols)], Sentiment: sentiments[m.rng.IntN(4)]})
		}
		event.Seal(&e, "")
		events = append(events, e)
		if m.one(6) { // a second answer, which does not count
			again := e
			again.Assets = []event.Asset{{Symbol: "SPY", Sentiment: "bearish", Rationale: "changed my mind"}}
			event.Seal(&again, e.EventID)
			events = append(events, again)
		}
	}
	var back event.Prediction
	back.Kind, back.Key, back.Source, back.OccurredAt = event.Retracted, "r", "operator", from
	back.RetractedEvents = []string{events[3].EventID, events[17].EventID}
	event.Seal(&back, "")
	appendAll(m, m.l.Predictions, append(events, back))
}

// split of a symbol: AAA has two within a horizon, BBB none that anybody told of.
type split struct {
	symbol string
	date   event.Date
	ratio  float64
}

// Lookup table, never changed.
var splits = []split{{"AAA", event.NewDate(2025, 4, 10), 4}, {"AAA", event.NewDate(2025, 4, 29), 1.5}, {"CCC", event.NewDate(2025, 5, 6), 0.1}}

// told returns the ratio of all splits after the first and up to the last day.
func told(symbol string, after, through event.Date) float64 {
	product := 1.0
	for _, s := range splits {
		if s.symbol == symbol && after != 0 && after < s.date && s.date <= through {
			product *= s.ratio
		}
	}
	return product
}

// source is one that has prices.
type source struct {
	name       string
	adjustment event.Adjustment
	holes      int // one bar in so many is missing
}

func (m *maker) prices() {
	through := event.NewDate(2025, 12, 31)
	var events []event.Price
	for _, symbol := range symbols {
		for k, src := range []source{{"yahoo", event.AdjustedSplit, 4}, {"stooq", event.AdjustedDividend, 5}, {"file:a.csv", event.AdjustedNone, 6}, {"file:b.csv", event.AdjustedNone, 9}, {"legacy", event.AdjustedSplit, 12}} {
			if symbol == "BBB" && src.adjustment == event.AdjustedSplit {
				continue // only sources that may be suspect
			}
			price, last := 50+100*m.rng.Float64(), event.Date(0)
			for d := event.NewDate(2025, 1, 2); d < event.NewDate(2025, 8, 20); d++ {
				if _, ok := m.cal.Session(d); !ok && symbol != "BTC-USD" || m.one(src.holes) {
					continue
				}
				price *= 1 + 0.03*m.rng.NormFloat64()
				untold := symbol == "BBB" && d == event.NewDate(2025, 4, 22) || symbol == "CCC" && src.name == "file:b.csv" && d == event.NewDate(2025, 3, 20)
				if untold {
					price /= 2
				}
				if src.adjustment == event.AdjustedNone { // falls where it was split
					price /= told(symbol, last, d)
				}
				last = d
				e := m.bar(symbol, d, src, price, through)
				e.SourceRank = int32(k % 2)
				if src.name == "legacy" { // fetched day by day
					e.AdjustedThrough = d + event.Date(m.rng.IntN(5))
				}
				event.Seal(&e, "")
				events = append(events, e)
				if m.one(15) { // corrected later
					again := m.bar(symbol, d, src, price*1.01, through)
					event.Seal(&again, e.EventID)
					events = append(events, again)
				}
			}
		}
	}
	for _, s := range splits {
		for i, ratio := range []float64{7, s.ratio} { // the newest word on a date wins
			e := event.Price{Symbol: s.symbol, SessionDate: s.date, Ratio: ratio}
			e.Kind, e.Key, e.Source, e.OccurredAt = event.SplitRecorded, s.symbol, fmt.Sprint("file:", i), s.date.Time()
			event.Seal(&e, "")
			events = append(events, e)
		}
	}
	var back event.Price
	back.Kind, back.Key, back.Source, back.OccurredAt = event.Retracted, "r", "operator", through.Time()
	for i := 0; i < len(events); i += 97 {
		back.RetractedEvents = append(back.RetractedEvents, events[i].EventID)
	}
	event.Seal(&back, "")
	appendAll(m, m.l.Prices, append(events, back))
}

// bar is not sealed yet.
func (m *maker) bar(symbol string, d event.Date, src source, price float64, through event.Date) event.Price {
	open, closing := price*(1+0.01*m.rng.NormFloat64()), price
	high, low := max(open, closing), min(open, closing)
	e := event.Price{Symbol: symbol, SessionDate: d, Interval: "1d", Open: &open, High: &high, Low: &low, Close: &closing, Currency: "USD",
		Adjustment: src.adjustment, AdjustedThrough: through, FetchID: fmt.Sprint(src.name, "@", m.rng.IntN(2))}
	if src.adjustment == event.AdjustedNone {
		e.AdjustedThrough = d
	}
	_, closes := m.cal.Bar(symbol, d)
	e.Kind, e.Key, e.Source, e.OccurredAt = event.BarRecorded, symbol, src.name, closes
	return e
}

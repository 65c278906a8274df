package prices_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/objects"
	"shitpost-alpha/producers/prices"
	"shitpost-alpha/producers/prices/format"
)

// counting counts what is read from a store.
type counting struct {
	objects.Store
	gets, bytes atomic.Int64
}

func (c *counting) Get(ctx context.Context, key string) ([]byte, objects.Info, error) {
	data, info, err := c.Store.Get(ctx, key)
	c.gets.Add(1)
	c.bytes.Add(int64(len(data)))
	return data, info, err
}

// TestOnceReadsLittle: a run on an empty machine at the user's size, 3,000 predictions of which half
// name assets, 190 symbols of 600 bars, with the last month in daily commits, reads little of the lake.
func TestOnceReadsLittle(t *testing.T) {
	ctx := context.Background()
	store := &counting{Store: &objects.Memory{}}
	now := time.Date(2025, 6, 10, 21, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	l := lake.New(store, "memory", lake.Options{Producer: prices.Producer, Now: clock})
	symbols := fillPredictions(t, l)
	fillBars(t, l, symbols, &now)
	store.gets.Store(0)
	store.bytes.Store(0)
	cold := lake.New(store, "memory", lake.Options{Producer: prices.Producer, Now: clock})
	r := &remote{name: "yahoo", now: clock, lacks: func(string, event.Date) bool { return true }}
	p := prices.New(prices.Config{Lake: cold, Calendar: calendar, Sources: []prices.Source{r}, Now: clock})
	if _, err := p.Step(ctx); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d requests, %.1f MB, %d symbols, %d asked", store.gets.Load(), float64(store.bytes.Load())/1e6, p.Report().Symbols, p.Report().Asked)
	if store.bytes.Load() > 10<<20 {
		t.Errorf("read %d bytes", store.bytes.Load())
	}
}

func fillPredictions(t *testing.T, l *lake.Lake) []string {
	rng := rand.New(rand.NewPCG(1, 1))
	symbols := []string{"SPY"}
	for i := range 189 {
		symbols = append(symbols, fmt.Sprintf("S%03d", i))
	}
	var drafts []event.Prediction
	for i := range 3000 {
		at := time.Date(2023, 1, 3, 0, 0, 0, 0, time.UTC).Add(time.Duration(i) * 7 * time.Hour)
		p := event.Prediction{PostID: fmt.Sprint(uint64(at.UnixMilli()) << 16), PublishedAt: at}
		p.Source, p.OccurredAt, p.PredictionID = "llm", at, fmt.Sprintf("%016x%016x", rng.Uint64(), rng.Uint64())
		p.Kind, p.Key = event.PredictionMade, p.PredictionID
		answer := prose(rng, 1500)
		p.SetPayload(answer)
		confidence := rng.Float64()
		p.Analyzer, p.Confidence, p.Thesis = "llm", &confidence, string(answer[:200])
		if i%2 == 0 {
			p.Kind, p.Key, p.PredictionID, p.Confidence, p.Thesis = event.PostBypassed, p.PostID, "", nil, ""
			p.BypassReason = "Retruth"
		} else {
			for range 1 + rng.IntN(3) {
				p.Assets = append(p.Assets, event.Asset{Symbol: symbols[rng.IntN(len(symbols))], Sentiment: event.Bullish, Rationale: string(answer[200:280])})
			}
		}
		drafts = append(drafts, p)
	}
	record(t, l.Predictions, drafts)
	return symbols
}

// prose returns n bytes of words, of which the usual ones come often.
func prose(rng *rand.Rand, n int) []byte {
	var out []byte
	for len(out) < n {
		k := int(2000 * math.Pow(rng.Float64(), 3)) // the kth word of a language of 2,000
		words := rand.New(rand.NewPCG(uint64(k), 7))
		for range 2 + words.IntN(8) {
			out = append(out, byte('a'+words.IntN(26)))
		}
		out = append(out, ' ')
	}
	return out[:n]
}

func record[E event.Event](t *testing.T, s *lake.Stream[E], drafts []E) {
	t.Helper()
	n, err := lake.NewRecorder(s, nil).Record(context.Background(), func() ([]E, error) { return drafts, nil })
	if err != nil || n != len(drafts) {
		t.Fatalf("recorded %d of %d: %v", n, len(drafts), err)
	}
}

func fillBars(t *testing.T, l *lake.Lake, symbols []string, now *time.Time) {
	rng := rand.New(rand.NewPCG(2, 2))
	all := calendar.Sessions()
	last := 0
	for all[last].Date < day(t, "2025-06-09") {
		last++
	}
	recorder := lake.NewRecorder(l.Prices, nil)
	closes := make([]float64, len(symbols))
	commit := func(from, to int) {
		var drafts []event.Price
		for i, symbol := range symbols {
			for k := from; k <= to; k++ {
				fetch := prices.Fetch{Calendar: calendar, Symbol: symbol, Source: "yahoo", Adjustment: event.AdjustedSplit, Through: all[to].Date,
					ID: "yahoo@" + all[to].Close.Add(time.Duration(20*60+i)*time.Second).Format("2006-01-02T15:04:05.000000Z"), At: all[to].Close}
				if closes[i] == 0 {
					closes[i] = 20 + 300*rng.Float64()
				}
				open := closes[i] * (1 + 0.004*rng.NormFloat64())
				closes[i] *= 1 + 0.015*rng.NormFloat64()
				single := func(v float64) float64 { return float64(float32(v)) }
				drafts = append(drafts, fetch.Bar(format.Bar{Date: all[k].Date, Open: single(open), Close: single(closes[i]), High: single(max(open, closes[i]) * 1.01),
					Low: single(min(open, closes[i]) * 0.99), Volume: math.Round(1e6 * (1 + rng.Float64())), AdjClose: single(closes[i] * 0.98)}))
			}
		}
		n, err := recorder.Record(context.Background(), func() ([]event.Price, error) { return drafts, nil })
		if err != nil || n != len(drafts) {
			t.Fatalf("recorded %d of %d: %v", n, len(drafts), err)
		}
	}
	commit(last-599, last-22)
	for k := last - 21; k <= last; k++ {
		commit(k, k)
	}
	*now = time.Date(2025, 6, 10, 21, 0, 0, 0, time.UTC)
}

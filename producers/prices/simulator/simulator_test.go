package simulator_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"testing"
	"time"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/market"
	"shitpost-alpha/producers/prices"
	"shitpost-alpha/producers/prices/pricestest"
	"shitpost-alpha/producers/prices/simulator"
)

func at(now time.Time) func() time.Time { return func() time.Time { return now } }

var newest = time.Date(2027, 12, 31, 23, 0, 0, 0, time.UTC)

func ask(t *testing.T, seed uint64, symbol string, now time.Time, from, to event.Date) (bars, splits []event.Price) {
	t.Helper()
	drafts, err := simulator.New(seed, market.NYSE(), at(now)).Bars(context.Background(), symbol, from, to)
	if errors.Is(err, prices.ErrUnknown) {
		return nil, nil
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range drafts {
		event.Seal(&e, "")
		if err := event.Check(&e); err != nil {
			t.Fatal(err)
		}
		if !e.Synthetic || e.Source != "simulator" {
			t.Fatalf("not marked as made up: %+v", e)
		}
		if e.Kind == event.BarRecorded {
			bars = append(bars, e)
		} else {
			splits = append(splits, e)
		}
	}
	return bars, splits
}

func symbols(n int) []string {
	out := []string{"SPY", "BTC-USD", "^GSPC", "CL=F"}
	for i := range n {
		out = append(out, fmt.Sprintf("S%d", i))
	}
	return out
}

// TestPastStands asks on two dates: the later answer says the same of the past, once the splits in
// between are taken out; and bars of the one are not in progress.
func TestPastStands(t *testing.T) {
	calendar := market.NYSE()
	first, split := calendar.First(), 0
	for _, symbol := range symbols(60) {
		early := time.Date(2025, 6, 2, 15, 0, 0, 0, time.UTC)
		before, _ := ask(t, 1, symbol, early, first, calendar.Last())
		after, splits := ask(t, 1, symbol, newest, first, calendar.Last())
		if len(before) > 0 && before[len(before)-1].OccurredAt.Add(market.Delay).After(early) {
			t.Errorf("%s: a bar in progress: %v", symbol, before[len(before)-1].SessionDate)
		}
		for i, b := range before {
			a, ratio := after[i], 1.0
			for _, s := range splits {
				if s.SessionDate > b.AdjustedThrough {
					ratio *= s.Ratio
				}
			}
			if ratio != 1 {
				split++
			}
			if a.SessionDate != b.SessionDate || math.Abs(*a.Close-*b.Close/ratio) > 0.0002+*a.Close*1e-9 {
				t.Fatalf("%s %s: close %v, later %v of %s, with splits of %v between", symbol, b.SessionDate, *b.Close, *a.Close, a.SessionDate, ratio)
			}
		}
	}
	if split == 0 {
		t.Error("no symbol was split between the two askings")
	}
}

func TestDeterministic(t *testing.T) {
	from, to := pricestest.Date(t, "2024-01-02"), pricestest.Date(t, "2024-03-28")
	a, _ := ask(t, 7, "AAPL", newest, from, to)
	b, _ := ask(t, 7, "AAPL", newest, from, to)
	c, _ := ask(t, 8, "AAPL", newest, from, to)
	part, _ := ask(t, 7, "AAPL", newest, from, to-10)
	if len(a) == 0 || !reflect.DeepEqual(a, b) || !reflect.DeepEqual(a[:len(part)], part) {
		t.Error("one seed gives two histories")
	}
	if len(c) == 0 || *a[0].Close == *c[0].Close {
		t.Error("two seeds give one history")
	}
}

// TestPlausible looks at a hundred symbols over six years: few are unknown, few days lack a bar, days
// move by a few percent and with the market.
func TestPlausible(t *testing.T) {
	calendar := market.NYSE()
	spy, _ := ask(t, 1, "SPY", newest, calendar.First(), calendar.Last())
	sessions := len(calendar.Sessions())
	if len(spy) != sessions {
		t.Fatalf("SPY has %d bars in %d sessions", len(spy), sessions)
	}
	move := map[event.Date]float64{}
	for i := 1; i < len(spy); i++ {
		move[spy[i].SessionDate] = math.Log(*spy[i].Close / *spy[i-1].Close)
	}
	unknown, halts, days, sameWay := 0, 0, 0, 0
	for _, symbol := range symbols(100)[4:] {
		bars, _ := ask(t, 1, symbol, newest, calendar.First(), calendar.Last())
		if len(bars) == 0 {
			unknown++
			continue
		}
		halts += sessions - len(bars)
		for i := 1; i < len(bars); i++ {
			r := math.Log(*bars[i].Close / *bars[i-1].Close)
			if math.Abs(r) > 0.5 {
				t.Errorf("%s moves by %v on %s", symbol, r, bars[i].SessionDate)
			}
			days++
			if r*move[bars[i].SessionDate] > 0 {
				sameWay++
			}
		}
	}
	if unknown == 0 || unknown > 8 {
		t.Errorf("%d of 100 symbols are unknown", unknown)
	}
	if share := float64(halts) / float64(days); share == 0 || share > 0.01 {
		t.Errorf("%v of the days lack a bar", share)
	}
	if share := float64(sameWay) / float64(days); share < 0.55 || share > 0.85 {
		t.Errorf("%v of the moves go the market's way", share)
	}
	btc, _ := ask(t, 1, "BTC-USD", newest, pricestest.Date(t, "2025-01-03"), pricestest.Date(t, "2025-01-06"))
	if len(btc) != 4 {
		t.Errorf("%d bars of crypto from Friday to Monday, want 4", len(btc))
	}
}

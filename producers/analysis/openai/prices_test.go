package openai

import (
	"testing"
	"time"
)

func TestPriceTable(t *testing.T) {
	prices, err := Prices()
	if err != nil || len(prices) < 10 {
		t.Fatalf("%d prices: %v", len(prices), err)
	}
	seen := map[string]bool{}
	for _, p := range prices {
		if seen[p.Model] || p.In <= 0 || p.Out < p.In || p.Out > 100 || p.AsOf.Time().Before(time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)) {
			t.Errorf("price %+v", p)
		}
		seen[p.Model] = true
	}
	for model, in := range map[string]float64{"gpt-4o-mini": 0.15, "gpt-4o-mini-2024-07-18": 0.15, "gpt-4.1-mini-2025-04-14": 0.40, "gpt-5": 1.25} {
		if p, ok, err := PriceOf(model); err != nil || !ok || p.In != in {
			t.Errorf("%s: %+v, %v, %v", model, p, ok, err)
		}
	}
	for _, model := range []string{"", "gpt-4", "gpt-4o-minimal", "llama3.2", "gpt-4o-mini-latest"} {
		if p, ok, err := PriceOf(model); err != nil || ok {
			t.Errorf("%s: %+v, want no price; %v", model, p, err)
		}
	}
}

func TestMicros(t *testing.T) {
	p := Price{In: 0.15, Out: 0.60}
	for _, c := range []struct{ in, out, want int64 }{
		{0, 0, 0}, {1_000_000, 0, 150_000}, {0, 1_000_000, 600_000}, {1000, 200, 270}, {1, 0, 1}, {20, 0, 3}, {10, 0, 2},
	} {
		if got := p.Micros(c.in, c.out); got != c.want {
			t.Errorf("%d in, %d out: %d micro-dollars, want %d", c.in, c.out, got, c.want)
		}
	}
	if (Price{}).Micros(1e9, 1e9) != 0 {
		t.Error("a free model costs")
	}
}

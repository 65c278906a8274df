package prices_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/market"
	"shitpost-alpha/producers/fakes"
	"shitpost-alpha/producers/prices/pricestest"
)

// TestSessionsOf2025 runs through a year with its clock changes, holidays and early closes, a step
// every quarter of an hour: every session's bars are asked for once, in the quarter after its close and
// 20 minutes, and never else. The expected instants are written out from the wall clock: 16:00 in New
// York, or 13:00 on three days, which is 5 hours behind UTC in winter and 4 from March 9 to November 2.
func TestSessionsOf2025(t *testing.T) {
	b := newBench(t, "2024-12-31T22:00:00Z")
	l := b.goLive(fakes.Options{Prices: []string{pricesFrom2023(t, "SPY", "X", "BTC-USD")}, Now: b.clock})
	p := l.pricer(l.yahoo(pricestest.Client()))
	l.predict("2024-12-31T15:00:00Z", "X", "BTC-USD")
	l.run(p) // the 400 days before
	l.fake.Forget()
	for end := instant(t, "2026-01-01T00:15:00Z"); l.now.Before(end); l.now = l.now.Add(15 * time.Minute) {
		if l.now.Minute() == 0 && l.now.Hour() == 15 && l.now.Day() == 15 {
			l.predict(l.now.Add(-time.Hour).Format(time.RFC3339), "X", "BTC-USD") // keeps them active
		}
		if _, err := p.Step(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	got := map[string][]time.Time{}
	for _, c := range l.fake.Calls(fakes.Yahoo) {
		symbol := c.Path[strings.LastIndex(c.Path, "/")+1:]
		got[symbol] = append(got[symbol], c.At)
	}
	closedDays := []string{"01-01", "01-09", "01-20", "02-17", "04-18", "05-26", "06-19", "07-04", "09-01", "11-27", "12-25"}
	early := []string{"07-03", "11-28", "12-24"}
	var share, crypto []time.Time
	for d := day(t, "2025-01-01"); d <= day(t, "2025-12-31"); d++ {
		name := d.Time().Format("01-02")
		if w := d.Weekday(); w == time.Saturday || w == time.Sunday || slices.Contains(closedDays, name) {
			continue
		}
		final := d.Time().Add(21*time.Hour + 20*time.Minute)
		if slices.Contains(early, name) {
			final = final.Add(-3 * time.Hour)
		}
		if d >= day(t, "2025-03-09") && d < day(t, "2025-11-02") {
			final = final.Add(-time.Hour)
		}
		share = append(share, final)
		if next := d.Time().Add(24*time.Hour + 20*time.Minute); next.Before(l.now) {
			crypto = append(crypto, next)
		}
	}
	if len(share) != 250 {
		t.Fatalf("%d sessions, 2025 had 250", len(share))
	}
	crypto = append([]time.Time{instant(t, "2025-01-01T00:20:00Z")}, crypto...) // of 2024-12-31
	for symbol, want := range map[string][]time.Time{"SPY": share, "X": share, "BTC-USD": crypto} {
		if len(got[symbol]) != len(want) {
			t.Errorf("%s was asked for %d times, want %d", symbol, len(got[symbol]), len(want))
			continue
		}
		for i, at := range got[symbol] {
			if late := at.Sub(want[i]); late < 0 || late >= 15*time.Minute {
				t.Errorf("%s was asked for at %s, want the quarter after %s", symbol, at, want[i])
			}
		}
	}
	l.agrees("SPY", day(t, "2023-11-28"), day(t, "2025-12-31"))
	l.agrees("X", day(t, "2023-11-28"), day(t, "2025-12-31"))
	l.agrees("BTC-USD", day(t, "2023-11-28"), day(t, "2025-12-30"))
	for _, e := range l.kind(event.BarRecorded) {
		if e.FetchedAt.Before(e.OccurredAt.Add(market.Delay)) {
			t.Fatalf("%s of %s was fetched at %s, in progress", e.Symbol, e.SessionDate, e.FetchedAt)
		}
	}
}

// pricesFrom2023 writes a file of made-up bars from November 2023 to 2026, and returns its path.
func pricesFrom2023(t *testing.T, symbols ...string) string {
	t.Helper()
	rng := rand.New(rand.NewPCG(3, 3))
	text := "date,ticker,open,high,low,close,adj_close,volume\n"
	for _, symbol := range symbols {
		for d := day(t, "2023-11-01"); d < day(t, "2026-02-01"); d++ {
			if _, session := calendar.Session(d); session || symbol == "BTC-USD" {
				c := 100 + float64(rng.IntN(1000))/100
				text += fmt.Sprintf("%s,%s,%v,%v,%v,%v,%v,1000\n", d, symbol, c, c+1, c-1, c, c)
			}
		}
	}
	path := filepath.Join(t.TempDir(), "prices.csv")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func instant(t *testing.T, s string) time.Time { return pricestest.Clock(t, s)() }

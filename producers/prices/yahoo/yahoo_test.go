package yahoo_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/market"
	"shitpost-alpha/producers"
	"shitpost-alpha/producers/fakes"
	"shitpost-alpha/producers/prices"
	"shitpost-alpha/producers/prices/pricestest"
	"shitpost-alpha/producers/prices/yahoo"
)

var (
	day      = pricestest.Date
	calendar = market.NYSE()
)

func source(url string, now func() time.Time) *yahoo.Source {
	return &yahoo.Source{URL: url, Client: pricestest.Client(), Calendar: calendar, Now: now}
}

func TestRecordedAnswers(t *testing.T) {
	ctx := context.Background()
	aapl := pricestest.Serve(t, 200, string(pricestest.Read(t, "wire/yahoo/chart_AAPL.json")))
	drafts, err := source(aapl.URL, pricestest.Clock(t, "2025-10-29T20:20:00Z")).Bars(ctx, "AAPL", day(t, "2025-05-01"), day(t, "2025-10-29"))
	if err != nil {
		t.Fatal(err)
	}
	got := pricestest.Kinds(t, drafts)
	bars := got[event.BarRecorded]
	if len(bars) != 126 || len(drafts) != 126 {
		t.Fatalf("%d bars of %d drafts, want 126: the day before the range is left out", len(bars), len(drafts))
	}
	last := bars[125]
	if last.SessionDate != day(t, "2025-10-29") || *last.Close != 269.70001220703125 || *last.AdjClose != 269.7 || last.Currency != "USD" ||
		last.Adjustment != event.AdjustedSplit || last.AdjustedThrough != day(t, "2025-10-29") || last.Source != "yahoo" || last.FetchID == "" {
		t.Errorf("last bar %+v", last)
	}
	if want := "/v8/finance/chart/AAPL?period1=1745971200&period2=1761868800&interval=1d&events=div%2Csplits"; !slices.Equal(aapl.Asked(), []string{want}) {
		t.Errorf("asked %v\nwant %s", aapl.Asked(), want)
	}
	// A minute before the bar is final, and two hours before the close.
	for at, want := range map[string]int{"2025-10-29T20:19:59Z": 125, "2025-10-29T18:00:00Z": 125} {
		drafts, err := source(aapl.URL, pricestest.Clock(t, at)).Bars(ctx, "AAPL", day(t, "2025-05-01"), day(t, "2025-10-29"))
		if err != nil || len(drafts) != want {
			t.Errorf("at %s: %d drafts, %v, want %d", at, len(drafts), err, want)
		}
	}
	gs := pricestest.Serve(t, 200, string(pricestest.Read(t, "wire/yahoo/chart_GS_2023-10.json")))
	if drafts, err := source(gs.URL, pricestest.Clock(t, "2023-10-10T12:00:00Z")).Bars(ctx, "GS", day(t, "2023-10-01"), day(t, "2023-10-09")); err != nil || len(drafts) != 6 {
		t.Errorf("GS: %d drafts, %v", len(drafts), err)
	}
}

func chartOf(symbol, zone string, lastTrade int64, rows string) string {
	return fmt.Sprintf(`{"chart":{"result":[{"meta":{"currency":"USD","symbol":%q,"exchangeTimezoneName":%q,"gmtoffset":-14400,"regularMarketTime":%d,"dataGranularity":"1d"},%s}],"error":null}}`,
		symbol, zone, lastTrade, rows)
}

const plainRows = `"timestamp":[1749475800,1749562200],"indicators":{"quote":[{"open":[10,10],"high":[11,11],"low":[9,9],"close":[10,10],"volume":[1,1]}]}`

// TestAnswers has one question, X from 2025-06-05 to 2025-06-10, after that day's close, and what comes
// of one answer after the other: how many bars, rejects and splits, or which error.
func TestAnswers(t *testing.T) {
	closed := int64(1749585601) // 2025-06-10 20:00:01
	refusals := pricestest.Refusals(t, "yahoo v8 chart")
	type answer struct {
		name   string
		status int
		body   string
		want   string // bars rejects splits
		err    error
	}
	var fails = errors.New("a failure of this answer, neither unknown nor unavailable")
	cases := []answer{
		{"plain", 200, chartOf("X", "America/New_York", closed, plainRows), "2 0 0", nil},
		{"no name of a zone", 200, chartOf("X", "", closed, plainRows), "2 0 0", nil},
		{"a zone that does not exist", 200, chartOf("X", "Mars/Olympus", closed, plainRows), "2 0 0", nil},
		{"stamps at the start of the UTC day: a Saturday in New York", 200, chartOf("X", "America/New_York", closed,
			strings.Replace(plainRows, "1749475800,1749562200", "1749340800,1749513600", 1)), "1 1 0", nil},
		{"made while the bar was in progress", 200, chartOf("X", "America/New_York", closed-7200, plainRows), "1 0 0", nil},
		{"null row", 200, chartOf("X", "America/New_York", closed, `"timestamp":[1749475800,1749562200],"indicators":{"quote":[{"open":[10,null],"high":[11,null],"low":[9,null],"close":[10,null],"volume":[1,null]}]}`), "1 0 0", nil},
		{"null close", 200, chartOf("X", "America/New_York", closed, strings.Replace(plainRows, `"close":[10,10]`, `"close":[10,null]`, 1)), "1 1 0", nil},
		{"NaN", 200, chartOf("X", "America/New_York", closed, strings.Replace(plainRows, `"close":[10,10]`, `"close":[NaN, 10]`, 1)), "1 1 0", nil},
		{"text for a number", 200, chartOf("X", "America/New_York", closed, strings.Replace(plainRows, `"close":[10,10]`, `"close":[10,"10"]`, 1)), "1 1 0", nil},
		{"close above high", 200, chartOf("X", "America/New_York", closed, strings.Replace(plainRows, `"close":[10,10]`, `"close":[10,12]`, 1)), "1 1 0", nil},
		{"a day twice, alike", 200, chartOf("X", "America/New_York", closed, strings.Replace(plainRows, "1749475800", "1749563000", 1)), "1 0 0", nil},
		{"a day twice, other prices", 200, chartOf("X", "America/New_York", closed, strings.Replace(strings.Replace(plainRows, "1749475800", "1749563000", 1), `"close":[10,10]`, `"close":[10,9.5]`, 1)), "1 1 0", nil},
		{"cut columns", 200, chartOf("X", "America/New_York", closed, strings.Replace(plainRows, `"close":[10,10]`, `"close":[10]`, 1)), "1 1 0", nil},
		{"spike", 200, chartOf("X", "America/New_York", closed, `"timestamp":[1749130200,1749216600,1749475800,1749562200],"indicators":{"quote":[{"open":[10,10,10,10],"high":[11,11,2000,11],"low":[9,9,9,9],"close":[10,10,1100,10]}]}`), "3 1 0", nil},
		{"split", 200, chartOf("X", "America/New_York", closed, plainRows+`,"events":{"splits":{"1749562200":{"date":1749562200,"numerator":4,"denominator":1}}}`), "2 0 1", nil},
		{"split tomorrow", 200, chartOf("X", "America/New_York", closed, plainRows+`,"events":{"splits":{"1749648600":{"date":1749648600,"numerator":4,"denominator":1}}}`), "2 0 0", nil},
		{"no rows, but a currency", 200, chartOf("X", "America/New_York", closed, `"indicators":{"quote":[{}]}`), "0 0 0", nil},
		{"mistyped symbol", 200, strings.ReplaceAll(string(pricestest.Read(t, "wire/yahoo/chart_APPL_mistyped_symbol_200_no_timestamp.json")), "APPL", "X"), "", prices.ErrUnknown},
		{"another symbol", 200, chartOf("Y", "America/New_York", closed, plainRows), "", fails},
		{"quarters", 200, strings.Replace(chartOf("X", "America/New_York", closed, plainRows), `"1d"`, `"3mo"`, 1), "", fails},
		{"half a JSON", 200, chartOf("X", "America/New_York", closed, plainRows)[:200], "", fails},
		{"nothing in the range", 400, `{"chart":{"result":null,"error":{"code":"Bad Request","description":"Data doesn't exist for startDate = 1, endDate = 2"}}}`, "0 0 0", nil},
		{"bad request", 400, `{"chart":{"result":null,"error":{"code":"Bad Request","description":"Invalid input - interval"}}}`, "", fails},
		{"404 of somebody else", 404, `<html>not here</html>`, "", prices.ErrUnavailable},
		{"404 JSON of somebody else", 404, `{"message":"no route"}`, "", fails},
		{"web page", 200, `<!DOCTYPE html><html>consent</html>`, "", prices.ErrUnavailable},
		{"empty", 200, ``, "", prices.ErrUnavailable},
		{"no access", 401, `{"finance":{"error":{"code":"Unauthorized"}}}`, "", prices.ErrUnavailable},
		{"down", 502, `bad gateway`, "", prices.ErrUnavailable},
	}
	for _, r := range refusals {
		want := prices.ErrUnavailable
		if r.Status == 404 {
			want = prices.ErrUnknown
		}
		cases = append(cases, answer{fmt.Sprintf("recorded %d %.10q", r.Status, r.Body), r.Status, r.Body, "", want})
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			server := pricestest.Serve(t, c.status, c.body)
			drafts, err := source(server.URL, pricestest.Clock(t, "2025-06-10T20:30:00Z")).Bars(context.Background(), "X", day(t, "2025-06-05"), day(t, "2025-06-10"))
			kinds := pricestest.Kinds(t, drafts)
			got := fmt.Sprint(len(kinds[event.BarRecorded]), len(kinds[event.RecordRejected]), len(kinds[event.SplitRecorded]))
			unknown, unavailable := errors.Is(err, prices.ErrUnknown), errors.Is(err, prices.ErrUnavailable)
			switch {
			case c.err == nil && (err != nil || got != c.want):
				t.Errorf("got %q, %v, want %q", got, err, c.want)
			case c.err != nil && (err == nil || unknown != (c.err == prices.ErrUnknown) || unavailable != (c.err == prices.ErrUnavailable)):
				t.Errorf("error %v (unknown %v, unavailable %v), want %v", err, unknown, unavailable, c.err)
			}
		})
	}
}

// TestSplitToday: on the day of a split Yahoo's prices are already on its basis, before any bar of that
// day is final.
func TestSplitToday(t *testing.T) {
	server := pricestest.Serve(t, 200, chartOf("X", "America/New_York", 1749567600, plainRows+`,"events":{"splits":{"1749562200":{"date":1749562200,"numerator":4,"denominator":1}}}`))
	drafts, err := source(server.URL, pricestest.Clock(t, "2025-06-10T15:00:00Z")).Bars(context.Background(), "X", day(t, "2025-06-05"), day(t, "2025-06-10"))
	kinds := pricestest.Kinds(t, drafts)
	if err != nil || len(kinds[event.BarRecorded]) != 1 || len(kinds[event.SplitRecorded]) != 1 {
		t.Fatalf("%v, %v", drafts, err)
	}
	if bar := kinds[event.BarRecorded][0]; bar.SessionDate != day(t, "2025-06-09") || bar.AdjustedThrough != day(t, "2025-06-10") {
		t.Errorf("the bar of %s is adjusted through %s", bar.SessionDate, bar.AdjustedThrough)
	}
}

// TestSameRowsSameEvents: what is refused today and again tomorrow is one event.
func TestSameRowsSameEvents(t *testing.T) {
	body := chartOf("X", "America/New_York", 1749585601, strings.Replace(plainRows, `"close":[10,10]`, `"close":[12,10]`, 1))
	ids := map[string]bool{}
	for _, at := range []string{"2025-06-10T20:30:00Z", "2025-06-11T20:30:00Z"} {
		drafts, err := source(pricestest.Serve(t, 200, body).URL, pricestest.Clock(t, at)).Bars(context.Background(), "X", day(t, "2025-06-05"), day(t, "2025-06-10"))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range pricestest.Kinds(t, drafts)[event.RecordRejected] {
			ids[e.EventID] = true
		}
	}
	if len(ids) != 1 {
		t.Errorf("%d events", len(ids))
	}
}

// TestFaults puts the fake Yahoo through its faults. None says anything about the symbol but the one that
// is meant to; and what can pass is asked for again.
func TestFaults(t *testing.T) {
	now := pricestest.Clock(t, "2025-06-10T21:00:00Z")
	fake, err := fakes.New(fakes.Options{Symbols: []string{"X"}, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(fake)
	defer server.Close()
	ask := func() ([]event.Price, error) {
		return source(server.URL, now).Bars(context.Background(), "X", day(t, "2025-01-02"), day(t, "2025-06-10"))
	}
	whole, err := ask()
	if err != nil || len(whole) != 109 { // the weekdays but 01-09, 01-20, 02-17, 04-18 and 05-26
		t.Fatalf("%d bars, %v", len(whole), err)
	}
	for _, kind := range []fakes.Kind{fakes.Limited, fakes.Down, fakes.Reset, fakes.Cut, fakes.WrongType, fakes.Malformed, fakes.Page, fakes.Cloudflare,
		fakes.Unknown, fakes.NoRows, fakes.Gaps, fakes.Repeated} {
		fake.Forget()
		fake.Fault(fakes.Yahoo, fakes.Fault{Kind: kind})
		drafts, err := ask()
		fake.Heal()
		want := map[fakes.Kind]error{fakes.Unknown: prices.ErrUnknown, fakes.Malformed: nil}[kind]
		switch kind {
		case fakes.WrongType, fakes.Repeated:
			if err != nil || len(drafts) != len(whole) {
				t.Errorf("%s: %d drafts, %v", kind, len(drafts), err)
			}
		case fakes.Gaps, fakes.NoRows:
			if err != nil || len(drafts) >= len(whole) {
				t.Errorf("%s: %d drafts, %v", kind, len(drafts), err)
			}
		case fakes.Unknown, fakes.Malformed:
			if err == nil || errors.Is(err, prices.ErrUnknown) != (want != nil) {
				t.Errorf("%s: %v", kind, err)
			}
		default:
			if !errors.Is(err, prices.ErrUnavailable) {
				t.Errorf("%s: %v", kind, err)
			}
		}
		fake.Fault(fakes.Yahoo, fakes.Fault{Kind: kind, Times: 1})
		if _, err = ask(); (kind == fakes.Limited || kind == fakes.Down || kind == fakes.Reset || kind == fakes.Cut) && err != nil {
			t.Errorf("%s once: %v", kind, err)
		}
		fake.Heal()
	}
	for range 60 {
		fake.Fault(fakes.Yahoo, fakes.Fault{Kind: fakes.Hostile, Times: 1})
		if drafts, err := ask(); err == nil && len(drafts) > 0 {
			t.Errorf("a hostile body gave %v", drafts)
		}
	}
}

// TestStopped: the end of the context is no outage.
func TestStopped(t *testing.T) {
	server := pricestest.Serve(t, 503, "")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := source(server.URL, time.Now).Bars(ctx, "X", day(t, "2025-06-05"), day(t, "2025-06-10"))
	if err == nil || errors.Is(err, prices.ErrUnavailable) || producers.ClassOf(err) != producers.Stopped {
		t.Errorf("error %v", err)
	}
}

// FuzzBars: whatever Yahoo answers, what comes of it can be recorded, lies in the range, and is final.
func FuzzBars(f *testing.F) {
	f.Add([]byte(chartOf("X", "America/New_York", 1749585601, plainRows)))
	f.Add([]byte(chartOf("X", "UTC", 0, plainRows+`,"events":{"splits":{"a":{"date":1749562200,"numerator":4,"denominator":1}}}`)))
	f.Add([]byte(`{"chart":{"result":[{"meta":{"symbol":"X","currency":"GBp"},"timestamp":[1e3,-5,99999999999],"indicators":{"quote":[{"open":[NaN]}]}}]}}`))
	f.Add([]byte(`{"chart":{"result":null,"error":{"code":"Not Found","description":""}}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		s := source("http://answer", pricestest.Clock(t, "2025-06-10T15:00:00Z"))
		s.Client.HTTP = &http.Client{Transport: pricestest.Canned(body)}
		from, to := day(t, "2025-06-05"), day(t, "2025-06-10")
		drafts, err := s.Bars(context.Background(), "X", from, to)
		if err != nil && len(drafts) > 0 {
			t.Fatal("drafts and an error")
		}
		for _, e := range pricestest.Kinds(t, drafts)[event.BarRecorded] {
			if e.SessionDate < from || e.SessionDate >= to || e.Symbol != "X" {
				t.Fatalf("bar of %s on %s", e.Symbol, e.SessionDate)
			}
		}
	})
}

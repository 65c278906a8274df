package stooq_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/market"
	"shitpost-alpha/producers/fakes"
	"shitpost-alpha/producers/prices"
	"shitpost-alpha/producers/prices/pricestest"
	"shitpost-alpha/producers/prices/stooq"
)

var (
	day      = pricestest.Date
	calendar = market.NYSE()
)

func source(url string, now func() time.Time) *stooq.Source {
	return &stooq.Source{URL: url, Client: pricestest.Client(), Calendar: calendar, Now: now}
}

const table = "Date,Open,High,Low,Close,Volume\r\n2025-06-06,10,11,9,10,100\r\n2025-06-09,10,11,9,10,100\r\n2025-06-10,10,11,9,10,100\r\n"

// TestAnswers asks for BRK-B from 2025-03-03 to 2025-06-10 after that day's close.
func TestAnswers(t *testing.T) {
	type answer struct {
		name   string
		status int
		body   string
		want   string // bars rejects
		err    error
	}
	cases := []answer{
		{"table", 200, table, "3 0", nil},
		{"no volume", 200, "Date,Open,High,Low,Close\n2025-06-09,10,11,9,10\n", "1 0", nil},
		{"header only", 200, "Date,Open,High,Low,Close,Volume\r\n", "0 0", nil},
		{"bad row", 200, table + "2025-06-05,10,9,9,10,100\r\n", "3 1", nil},
		{"a Sunday", 200, table + "2025-06-08,10,11,9,10,100\r\n", "3 1", nil},
		{"empty cells", 200, table + "2025-06-05,,,,,\r\n", "3 1", nil},
		{"cut row", 200, table + "2025-06-05,1", "3 1", nil},
		{"before the range", 200, table + "2025-02-28,10,11,9,10,100\r\n", "3 0", nil},
		{"no data", 200, "No data\r\n", "", prices.ErrUnknown},
		{"asks for a key", 200, "Get your apikey:\r\n\r\n1. Open https://stooq.com/q/d/?s=brk-b.us&get_apikey\r\n", "", prices.ErrUnavailable},
		{"web page", 200, "<html><head><title>Stooq</title></head></html>", "", prices.ErrUnavailable},
		{"a table of splits", 200, "symbol,effective_date,ratio\nBRK-B,2025-06-09,2\n", "", prices.ErrUnavailable},
		{"empty", 200, "", "", prices.ErrUnavailable},
		{"404", 404, "no", "", prices.ErrUnavailable},
		{"429", 429, "no", "", prices.ErrUnavailable},
		{"503", 503, "no", "", prices.ErrUnavailable},
	}
	for _, r := range pricestest.Refusals(t, "stooq csv") {
		want := prices.ErrUnavailable
		if r.Body == "No data" {
			want = prices.ErrUnknown
		}
		cases = append(cases, answer{"recorded " + r.Body, r.Status, r.Body, "", want})
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			server := pricestest.Serve(t, c.status, c.body)
			drafts, err := source(server.URL, pricestest.Clock(t, "2025-06-10T20:30:00Z")).Bars(context.Background(), "BRK-B", day(t, "2025-03-03"), day(t, "2025-06-10"))
			if !errors.Is(err, c.err) || (err == nil) != (c.err == nil) {
				t.Fatalf("error %v, want %v", err, c.err)
			}
			kinds := pricestest.Kinds(t, drafts)
			if got := fmt.Sprint(len(kinds[event.BarRecorded]), len(kinds[event.RecordRejected])); err == nil && got != c.want {
				t.Errorf("got %s, want %s: %+v", got, c.want, drafts)
			}
			if want := "/q/d/l/?s=brk-b.us&d1=20250303&d2=20250610&i=d"; server.Asked()[0] != want {
				t.Errorf("asked %s, want %s", server.Asked()[0], want)
			}
		})
	}
}

// TestBars: what a bar of Stooq says of itself.
func TestBars(t *testing.T) {
	server := pricestest.Serve(t, 200, table)
	drafts, err := source(server.URL, pricestest.Clock(t, "2025-06-10T20:19:59Z")).Bars(context.Background(), "SAP.DE", day(t, "2025-06-07"), day(t, "2025-06-10"))
	if err != nil || len(drafts) != 1 {
		t.Fatalf("%v, %v: want the 9th alone, the 10th is not final", drafts, err)
	}
	e := pricestest.Kinds(t, drafts)[event.BarRecorded][0]
	if e.Symbol != "SAP.DE" || e.Source != "stooq" || e.Currency != "EUR" || e.Adjustment != event.AdjustedDividend ||
		e.AdjustedThrough != day(t, "2025-06-09") || e.FetchID != "stooq@2025-06-10T20:19:59.000000Z" {
		t.Errorf("%+v", e)
	}
}

// TestShortRange: "No data" of a few days says nothing about the symbol.
func TestShortRange(t *testing.T) {
	server := pricestest.Serve(t, 200, "No data")
	drafts, err := source(server.URL, pricestest.Clock(t, "2025-06-10T20:30:00Z")).Bars(context.Background(), "SPY", day(t, "2025-06-01"), day(t, "2025-06-10"))
	if err != nil || len(drafts) != 0 {
		t.Errorf("%v, %v", drafts, err)
	}
}

func TestSymbol(t *testing.T) {
	want := map[string]string{"SPY": "spy.us USD", "BRK-B": "brk-b.us USD", "^GSPC": "^spx USD", "SAP.DE": "sap.de EUR", "VOD.L": "vod.uk GBp",
		"BTC-USD": "", "CL=F": "", "EURUSD=X": "", "^VIX": "", "DX-Y.NYB": "", "": "", "A/B": ""}
	for symbol, want := range want {
		name, currency, ok := stooq.Symbol(symbol)
		if got := name + " " + currency; ok != (want != "") || ok && got != want {
			t.Errorf("%q is %q, %v, want %q", symbol, got, ok, want)
		}
	}
	server := pricestest.Serve(t, 200, table)
	if _, err := source(server.URL, time.Now).Bars(context.Background(), "BTC-USD", day(t, "2025-06-01"), day(t, "2025-06-10")); !errors.Is(err, prices.ErrUnknown) || len(server.Asked()) != 0 {
		t.Errorf("%v, asked %v", err, server.Asked())
	}
}

// TestFaults puts the fake Stooq through its faults.
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
	for kind, want := range map[fakes.Kind]error{"": nil, fakes.Limited: prices.ErrUnavailable, fakes.Down: prices.ErrUnavailable, fakes.Reset: prices.ErrUnavailable,
		fakes.Cut: prices.ErrUnavailable, fakes.Page: prices.ErrUnavailable, fakes.HitsLimit: prices.ErrUnavailable, fakes.WrongType: nil, fakes.Malformed: nil,
		fakes.Unknown: prices.ErrUnknown, fakes.NoRows: prices.ErrUnknown, fakes.Gaps: nil, fakes.Repeated: nil} {
		if kind != "" {
			fake.Fault(fakes.Stooq, fakes.Fault{Kind: kind})
		}
		drafts, err := ask()
		fake.Heal()
		if !errors.Is(err, want) || (err == nil) != (want == nil) || err == nil && len(drafts) == 0 {
			t.Errorf("%s: %d drafts, %v, want %v", kind, len(drafts), err, want)
		}
		if whole := slices.Contains([]fakes.Kind{"", fakes.WrongType, fakes.Repeated}, kind); whole && len(drafts) != 109 {
			t.Errorf("%s: %d drafts", kind, len(drafts))
		}
	}
}

// FuzzBars: whatever Stooq answers, what comes of it can be recorded, lies in the range, and is final.
func FuzzBars(f *testing.F) {
	f.Add([]byte(table))
	f.Add([]byte("No data"))
	f.Add([]byte("Date,Open,High,Low,Close,Volume\n2025-13-45,NaN,Inf,-1,1e999,x\n"))
	f.Add([]byte("symbol,date,open,high,low,close\nA,2025-06-09,1,1,1,1\nB,2025-06-09,1,1,1,1\n"))
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

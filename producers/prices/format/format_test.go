package format_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"path"
	"reflect"
	"strings"
	"testing"

	"shitpost-alpha/lake/market"
	"shitpost-alpha/producers/prices/format"
	"shitpost-alpha/producers/prices/pricestest"
)

// TestRealFiles reads every real file; the counts are those of the table in the data's README.
func TestRealFiles(t *testing.T) {
	type want struct {
		file, shape       string
		symbols, bars     int
		symbol, day       string // one bar of them
		open, closes, adj float64
	}
	none := math.NaN()
	cases := []want{
		{"prices/yf_daily_68tickers_2024-07_2026-03.csv", "rows", 68, 30052, "AAPL", "2024-07-01", 212.08999633789062, 216.75, 214.70335388183594},
		{"prices/indices_spx_vix_dxy_wti.csv", "rows", 4, 4180, "DXY", "2022-02-01", 96.69999694824219, 96.38999938964844, none},
		{"prices/stooq/qqq.us.txt", "rows", 1, 1064, "QQQ.US", "2022-01-03", 390.713, 393.29, none},
		{"prices/stooq/gld.us.txt", "rows", 1, 1064, "GLD.US", "2022-01-05", 170.61, 169.06, none},
		{"prices/alpaca_iex/DJT.csv", "rows", 1, 817, "DJT", "2022-01-03", 51.67, 51.59, 51.59},
		{"prices/alpaca_iex/X.csv", "rows", 1, 816, "X", "2022-01-04", 23.54, 24.14, 24.14},
		{"wire/yahoo/chart_AAPL.json", "chart", 1, 127, "AAPL", "2025-10-29", 269.2749938964844, 269.70001220703125, 269.70001220703125},
		{"wire/yahoo/chart_GS_2023-10.json", "chart", 1, 6, "GS", "2023-10-02", 322.0299987792969, 318.5, 318.5},
	}
	for _, symbol := range []string{"DIA", "GLD", "IWM", "QQQ", "SPY", "TLT", "USO", "XLE", "XLF", "XLK", "XLV"} {
		cases = append(cases, want{file: "prices/etf_crypto/" + symbol + ".csv", shape: "rows", symbols: 1, bars: 1064, symbol: symbol})
	}
	for _, symbol := range []string{"BTCUSD", "ETHUSD"} {
		cases = append(cases, want{file: "prices/etf_crypto/" + symbol + ".csv", shape: "rows", symbols: 1, bars: 1330, symbol: symbol})
	}
	for _, symbol := range []string{"BA", "CAT", "COST", "F", "FDX", "GM", "LMT", "NKE", "NUE", "TGT", "WMT", "XOM"} {
		cases = append(cases, want{file: "prices/yfinance_csv/" + symbol + ".csv", shape: "yfinance", symbols: 1, bars: 1006, symbol: symbol})
	}
	for _, c := range cases {
		t.Run(path.Base(c.file), func(t *testing.T) {
			doc, err := format.Parse(path.Base(c.file), pricestest.Read(t, c.file))
			if err != nil {
				t.Fatal(err)
			}
			if doc.Shape != c.shape || len(doc.Series) != c.symbols || doc.Bars() != c.bars || len(doc.Rejects) != 0 {
				t.Fatalf("got %s with %d symbols, %d bars, rejected %v; want %s, %d, %d, none",
					doc.Shape, len(doc.Series), doc.Bars(), doc.Rejects, c.shape, c.symbols, c.bars)
			}
			if doc.Series[c.symbol] == nil {
				t.Fatalf("no series %s", c.symbol)
			}
			if c.day == "" {
				return
			}
			b := bar(t, doc, c.symbol, c.day)
			if b.Open != c.open || b.Close != c.closes || b.AdjClose != c.adj && !math.IsNaN(c.adj) || math.IsNaN(b.AdjClose) != math.IsNaN(c.adj) {
				t.Errorf("%s %s: open %v close %v adjusted %v, want %v %v %v", c.symbol, c.day, b.Open, b.Close, b.AdjClose, c.open, c.closes, c.adj)
			}
		})
	}
}

func bar(t *testing.T, doc *format.Document, symbol, day string) format.Bar {
	t.Helper()
	for _, b := range doc.Series[symbol].Bars {
		if b.Date == pricestest.Date(t, day) {
			return b
		}
	}
	t.Fatalf("no bar of %s on %s", symbol, day)
	return format.Bar{}
}

// TestStampsAreSessions: Alpaca's stamps stand at 04:00 UTC in summer and 05:00 in winter, and Yahoo's
// at the opening; all of them must become days on which the market was open.
func TestStampsAreSessions(t *testing.T) {
	calendar := market.NYSE()
	for _, file := range []string{"prices/alpaca_iex/DJT.csv", "prices/alpaca_iex/X.csv", "wire/yahoo/chart_AAPL.json", "wire/yahoo/chart_GS_2023-10.json"} {
		doc, err := format.Parse(path.Base(file), pricestest.Read(t, file))
		if err != nil {
			t.Fatal(err)
		}
		for symbol, s := range doc.Series {
			for _, b := range s.Bars {
				if _, ok := calendar.Session(b.Date); !ok {
					t.Errorf("%s: %s has a bar on %s, no session", file, symbol, b.Date)
				}
			}
		}
	}
}

// TestShapesAgree: Yahoo's own answer and the CSV made from it hold the same closes.
func TestShapesAgree(t *testing.T) {
	csv, err := format.Parse("yf.csv", pricestest.Read(t, "prices/yf_daily_68tickers_2024-07_2026-03.csv"))
	if err != nil {
		t.Fatal(err)
	}
	chart, err := format.Parse("chart.json", pricestest.Read(t, "wire/yahoo/chart_AAPL.json"))
	if err != nil {
		t.Fatal(err)
	}
	last := chart.Series["AAPL"].Bars[126] // taken in the closing minute
	for _, b := range chart.Series["AAPL"].Bars[:126] {
		if other := bar(t, csv, "AAPL", b.Date.String()); other.Close != b.Close {
			t.Errorf("AAPL %s: chart %v, CSV %v", b.Date, b.Close, other.Close)
		}
	}
	if at := chart.Series["AAPL"].LastTrade; at.Format("2006-01-02 15:04:05") != "2025-10-29 20:00:01" || last.Date.String() != "2025-10-29" {
		t.Errorf("last trade %v of a chart that ends on %s", at, last.Date)
	}
	if c := chart.Series["AAPL"].Currency; c != "USD" {
		t.Errorf("currency %q", c)
	}
}

func TestRefusals(t *testing.T) {
	var notFound string
	var bodies []struct{ Service, Body string }
	if err := json.Unmarshal(pricestest.Read(t, "wire/error_bodies.json"), &bodies); err != nil {
		t.Fatal(err)
	}
	for _, b := range bodies {
		if strings.Contains(b.Body, "delisted") {
			notFound = b.Body
		}
	}
	cases := []struct {
		name, file, data string
		want             error
		says             string
	}{
		{"not found", "a.json", notFound, format.ErrNoSymbol, "may be delisted"},
		{"mistyped", "a.json", string(pricestest.Read(t, "wire/yahoo/chart_APPL_mistyped_symbol_200_no_timestamp.json")), format.ErrNoSymbol, "APPL"},
		{"quarters", "a.json", string(pricestest.Read(t, "wire/yahoo/chart_VFINX.json")), format.ErrShape, "steps of 3mo"},
		{"other JSON", "a.json", `{"sources":[]}`, format.ErrShape, "chart.result"},
		{"broken JSON", "a.json", `{"chart":`, format.ErrShape, ""},
		{"empty", "a.csv", "", format.ErrShape, ""},
		{"prose", "a.txt", "Exceeded the daily hits limit", format.ErrShape, ""},
		{"no close", "a.csv", "date,open,high,low\n2025-01-02,1,1,1\n", format.ErrShape, ""},
		{"close twice", "a.csv", "date,open,high,low,close,Close\n", format.ErrShape, `"close" stands there twice`},
		{"two tickers", "a.csv", "Price,Open,High,Low,Close,Open\nTicker,A,A,A,A,B\nDate,,,,,\n", format.ErrShape, "one file per ticker"},
		{"no name", ".csv", "date,open,high,low,close\n", format.ErrShape, "no symbol"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := format.Parse(c.file, []byte(c.data))
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v, want %v with %q", err, c.want, c.says)
			}
		})
	}
}

// TestBadRows puts one bad row between two good ones: it alone is rejected, with the reason.
func TestBadRows(t *testing.T) {
	cases := []struct{ row, reason string }{
		{"2025-01-03,A,10,11,9,10,100", ""},
		{"2025-01-03,A,10,11,9,10,", ""}, // no volume
		{"2025-01-03,A,10,9.99,9,10,100", format.BadBar},
		{"2025-01-03,A,10,11,10.01,10,100", format.BadBar},
		{"2025-01-03,A,10,11,9,11.01,100", format.BadBar},
		{"2025-01-03,A,0,11,0,10,100", format.BadBar},
		{"2025-01-03,A,-10,11,-11,10,100", format.BadBar},
		{"2025-01-03,A,10,11,9,,100", format.BadNumber},
		{"2025-01-03,A,10,11,9,NaN,100", format.BadNumber},
		{"2025-01-03,A,10,Inf,9,10,100", format.BadNumber},
		{"2025-01-03,A,10,11,9,ten,100", format.BadNumber},
		{"2025-01-03,A,10,11,9,10,-1", format.BadNumber},
		{"2025-01-03,A,10,11,9,10,many", format.BadNumber},
		{"2025-01-03,A,10", format.BadRow},
		{"2025-01-03,A,10,11,9,1", format.BadRow},
		{"03/01/2025,A,10,11,9,10,100", format.BadDate},
		{"1066-10-14,A,10,11,9,10,100", format.BadDate},
		{",A,10,11,9,10,100", format.BadDate},
		{"2025-01-03,,10,11,9,10,100", format.BadRow},
		{`2025-01-03,"A,10,11,9,10,100`, format.BadRow},
		{"2025-01-02,A,10,11,9,10,100", ""}, // the very row above, again
		{"2025-01-02,A,10,11,9,10.5,100", format.Duplicate},
	}
	for _, c := range cases {
		t.Run(c.row, func(t *testing.T) {
			doc, err := format.Parse("x.csv", []byte("\ufeffdate,ticker,open,high,low,close,volume\r\n2025-01-02,A,10,11,9,10,100\r\n"+c.row+"\r\n\r\n2025-01-06,A,10,11,9,10,100\r\n"))
			if err != nil {
				t.Fatal(err)
			}
			bars := doc.Series["A"].Bars
			if n := len(bars); bars[0].Date.String() != "2025-01-02" || bars[n-1].Date.String() != "2025-01-06" {
				t.Fatalf("the good rows became %v", bars)
			}
			if c.reason == "" {
				if len(doc.Rejects) != 0 {
					t.Errorf("rejected: %v", doc.Rejects)
				}
				return
			}
			if len(bars) != 2 || len(doc.Rejects) != 1 {
				t.Fatalf("%d bars and %d rejects, want 2 and 1", len(bars), len(doc.Rejects))
			}
			if r := doc.Rejects[0]; r.Reason != c.reason || r.Row != 3 || r.Raw != c.row || r.Detail == "" {
				t.Errorf("rejected as %+v, want reason %q, row 3 and the row", r, c.reason)
			}
		})
	}
}

func TestDates(t *testing.T) {
	cases := map[string]string{
		"2025-01-02":                "2025-01-02",
		"20250102":                  "2025-01-02",
		"2025-01-02 05:00:00+00:00": "2025-01-02", // midnight in New York, winter
		"2025-07-02 04:00:00+00:00": "2025-07-02", // and summer
		"2025-01-02T05:00:00Z":      "2025-01-02",
		"2025-01-02 00:00:00-05:00": "2025-01-02",
		"2025-01-02 00:00:00+00:00": "2025-01-02", // a UTC day
		"2025-01-02 00:00:00":       "2025-01-02",
		"2025-01-02 21:00:00+00:00": "2025-01-02",
		"2025-01-03 01:00:00+00:00": "2025-01-02", // still the evening of the 2nd in New York
	}
	for cell, want := range cases {
		doc, err := format.Parse("brk-b.csv", []byte("Date,Open,High,Low,Close\n"+cell+",1,1,1,1\n"))
		if err != nil || doc.Series["BRK-B"] == nil {
			t.Errorf("%s: %v, series %v", cell, err, doc.Series)
			continue
		}
		if got := doc.Series["BRK-B"].Bars[0].Date.String(); got != want {
			t.Errorf("%s became %s, want %s", cell, got, want)
		}
	}
}

func TestSplits(t *testing.T) {
	table, err := format.Parse("splits.csv", append(pricestest.Read(t, "prices/splits.csv"), "BAD,2025-01-02,-3\nX,,2\n"...))
	if err != nil {
		t.Fatal(err)
	}
	day := pricestest.Date(t, "2025-12-05")
	if want := []format.Split{{"XLE", day, 2}, {"XLK", day, 2}}; !reflect.DeepEqual(table.Splits, want) || len(table.Rejects) != 2 {
		t.Errorf("splits %v and rejects %v", table.Splits, table.Rejects)
	}
	chart, err := format.Parse("c.json", []byte(`{"chart":{"result":[{"meta":{"currency":"USD","symbol":"NVDA","exchangeTimezoneName":"America/New_York","dataGranularity":"1d"},
		"timestamp":[1718026200,1718112600],"events":{"splits":{"1718026200":{"date":1718026200,"numerator":10,"denominator":1,"splitRatio":"10:1"},"0":{"date":1718026200,"numerator":1,"denominator":0}}},
		"indicators":{"quote":[{"open":[120.37,null],"high":[123.1,null],"low":[117.01,null],"close":[121.79,null],"volume":[314160,null]}]}}],"error":null}}`))
	if err != nil {
		t.Fatal(err)
	}
	if want := []format.Split{{"NVDA", pricestest.Date(t, "2024-06-10"), 10}}; !reflect.DeepEqual(chart.Splits, want) || len(chart.Rejects) != 1 || chart.Bars() != 1 {
		t.Errorf("splits %v, rejects %v, bars %d: want %v, the one without ratio, and the traded day", chart.Splits, chart.Rejects, chart.Bars(), want)
	}
	history, err := format.Parse("TSLA.csv", []byte("Date,Open,High,Low,Close,Volume,Dividends,Stock Splits\n2022-08-25 00:00:00-04:00,302,302,291,296,53230000,0.0,3.0\n2022-08-26 00:00:00-04:00,297,302,287,288,57163900,0.0,0.0\n"))
	if err != nil || !reflect.DeepEqual(history.Splits, []format.Split{{"TSLA", pricestest.Date(t, "2022-08-25"), 3}}) {
		t.Errorf("splits of a history: %v, %v", history, err)
	}
}

// check holds for whatever Parse makes of whatever bytes.
func check(t *testing.T, name string, data []byte) {
	doc, err := format.Parse(name, data)
	again, againErr := format.Parse(name, data)
	if fmt.Sprint(err) != fmt.Sprint(againErr) {
		t.Fatalf("errors differ: %v, %v", err, againErr)
	}
	if err != nil {
		return
	}
	if a, b := fmt.Sprint(doc.Splits, doc.Rejects), fmt.Sprint(again.Splits, again.Rejects); a != b {
		t.Fatalf("two readings differ: %s, %s", a, b)
	}
	for symbol, s := range doc.Series {
		if symbol == "" {
			t.Fatal("a series without symbol")
		}
		for i, b := range s.Bars {
			if i > 0 && s.Bars[i-1].Date >= b.Date {
				t.Fatalf("%s: %s does not come after %s", symbol, b.Date, s.Bars[i-1].Date)
			}
			if !(b.Low > 0 && b.Low <= min(b.Open, b.Close) && b.High >= max(b.Open, b.Close) && !math.IsInf(b.High, 0)) || b.Volume < 0 {
				t.Fatalf("%s: impossible bar %+v", symbol, b)
			}
		}
	}
	for _, s := range doc.Splits {
		if s.Symbol == "" || !(s.Ratio > 0) || math.IsInf(s.Ratio, 0) || s.Date == 0 {
			t.Fatalf("impossible split %+v", s)
		}
	}
	for _, r := range doc.Rejects {
		if r.Reason == "" || r.Detail == "" {
			t.Fatalf("reject without a reason: %+v", r)
		}
	}
}

func FuzzRows(f *testing.F) {
	f.Add([]byte("date,ticker,open,high,low,close,adj_close,volume\n2024-07-01,AAPL,212.1,217.5,211.9,216.75,214.7,60402900\n"))
	f.Add([]byte("<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>\r\nQQQ.US,D,20220103,000000,390.7,393.5,388.5,393.2,41441490,0\r\n"))
	f.Add([]byte("Date,Open,High,Low,Close,Adj Close,Volume\n2022-01-03 05:00:00+00:00,51.67,52.5,51.46,51.59,51.59,10953.0\n"))
	f.Add([]byte("symbol,effective_date,ratio\nXLE,2025-12-05,2\n"))
	f.Add([]byte("date,open,high,low,close\n2025-01-02,\"1\",1,1,1\n2025-01-02,2,2,2,2\n\"\n"))
	f.Fuzz(func(t *testing.T, data []byte) { check(t, "ABC.csv", data) })
}

func FuzzYfinance(f *testing.F) {
	f.Add([]byte("Price,Open,High,Low,Close,Volume\nTicker,F,F,F,F,F\nDate,,,,,\n2022-01-03,16.2,16.7,16.1,16.6,110449000\n"))
	f.Add([]byte("Price,Close\nTicker,\n"))
	f.Fuzz(func(t *testing.T, data []byte) { check(t, "F.csv", data) })
}

func FuzzChart(f *testing.F) {
	f.Add([]byte(`{"chart":{"result":[{"meta":{"currency":"USD","symbol":"GS","exchangeTimezoneName":"America/New_York","gmtoffset":-14400},"timestamp":[1696253400],"events":{"splits":{"a":{"date":1696253400,"numerator":2,"denominator":1}}},"indicators":{"quote":[{"low":[317.1],"volume":[1303800],"open":[322.0],"close":[318.5],"high":[323.5]}],"adjclose":[{"adjclose":[318.5]}]}}],"error":null}}`))
	f.Add([]byte(`{"chart":{"result":null,"error":{"code":"Not Found","description":"No data found"}}}`))
	f.Add([]byte(`{"chart":{"result":[{"meta":{"symbol":"A"},"timestamp":[-9223372036854775808],"indicators":{"quote":[{}]}}]}}`))
	f.Fuzz(func(t *testing.T, data []byte) { check(t, "c.json", data) })
}

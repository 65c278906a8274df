// Package format reads daily prices in the shapes that people have them in and knows nothing of
// where they came from or what they are for. Parse looks at a document's first lines and returns
// its series, its splits and the rows that it could not take. The shapes are
//
//   - rows: a CSV with a header naming date, open, high, low and close, in any order and any case;
//     with a ticker or symbol column, or of one symbol, which is then the file's name. Stooq's bulk
//     text (<TICKER>,<PER>,<DATE>,…) is one of them, and so is Alpaca's with its time stamps.
//   - yfinance: the CSV that pandas writes, with three header lines (Price, Ticker, Date).
//   - chart: the JSON answer of Yahoo's v8 chart API, splits included.
//   - splits: a CSV of symbol, effective_date and ratio.
package format

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"sort"
	"strconv"
	"strings"
	"time"

	"shitpost-alpha/lake/event"
)

// ErrShape says that a document is in none of the shapes that Parse reads.
var ErrShape = errors.New("not a price file: want a CSV whose header names date, open, high, low and close " +
	"(and symbol or ticker), a yfinance CSV, a Stooq text, a Yahoo chart JSON, or a CSV of symbol, effective_date and ratio")

// ErrNoSymbol says that a chart answer is the refusal of a symbol that does not exist.
var ErrNoSymbol = errors.New("no such symbol")

// ErrNoRange says that a chart answer is the refusal of a range in which there is nothing.
var ErrNoRange = errors.New("nothing in that range")

// Shapes of a Document.
const (
	ShapeRows     = "rows"
	ShapeYfinance = "yfinance"
	ShapeChart    = "chart"
	ShapeSplits   = "splits"
)

// Reasons of a Reject.
const (
	BadDate   = "bad date"
	BadNumber = "bad number"
	BadBar    = "impossible bar" // prices not positive, or high and low not around open and close
	BadRow    = "bad row"        // columns missing, no symbol, not a daily row
	Duplicate = "duplicate date"
)

// Bar is one day of one symbol as the document states it. Volume and AdjClose are NaN where the
// document has none; all else is positive and finite.
type Bar struct {
	Date                                     event.Date
	Open, High, Low, Close, Volume, AdjClose float64
}

// Series is all bars of one symbol, ascending, one per date.
type Series struct {
	Bars []Bar
	// Currency is as the document says; empty where it does not.
	Currency string
	// Zone is the exchange's time zone, such as America/New_York; empty where the document does not say.
	Zone string
	// LastTrade is the time, UTC, of the newest trade that the document includes, zero where it does
	// not say. A bar that closes later was still in progress when the document was made.
	LastTrade time.Time
}

// Split is a symbol's split: a 10-for-1 split has ratio 10.
type Split struct {
	Symbol string
	Date   event.Date
	Ratio  float64
}

// Reject is a row that could not be taken.
type Reject struct {
	Symbol string     // empty where the row does not say
	Date   event.Date // none where it could not be read
	Row    int        // line of the document, from 1; index of the time stamp in a chart
	Reason string     // one of the constants
	Detail string     // a sentence without document and row
	Raw    string     // the row as received
}

// Document is what Parse found.
type Document struct {
	Shape   string // one of the constants
	Series  map[string]*Series
	Splits  []Split
	Rejects []Reject

	seen map[dated]Bar
}

type dated struct {
	symbol string
	date   event.Date
}

// Parse reads a document. fileName, without folder, gives the symbol where the rows do not: its part
// before the first dot, in upper case. A bad row becomes a Reject; an error means that nothing can
// be made of the whole document, and wraps ErrShape, ErrNoSymbol or ErrNoRange where
// it is one of these.
func Parse(fileName string, data []byte) (*Document, error) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	d := &Document{Series: map[string]*Series{}, seen: map[dated]Bar{}}
	var err error
	if trimmed := bytes.TrimSpace(data); len(trimmed) > 0 && trimmed[0] == '{' {
		err = d.parseChart(trimmed)
	} else {
		err = d.parseRows(fileName, string(data))
	}
	if err != nil {
		return nil, fmt.Errorf("parse %s: %w", fileName, err)
	}
	d.seen = nil
	for _, s := range d.Series {
		sort.Slice(s.Bars, func(i, j int) bool { return s.Bars[i].Date < s.Bars[j].Date })
	}
	return d, nil
}

// Newest returns the latest date of all bars, or none.
func (d *Document) Newest() event.Date {
	var newest event.Date
	for _, s := range d.Series {
		if n := len(s.Bars); n > 0 {
			newest = max(newest, s.Bars[n-1].Date)
		}
	}
	return newest
}

// Bars returns how many bars the document holds.
func (d *Document) Bars() int {
	n := 0
	for _, s := range d.Series {
		n += len(s.Bars)
	}
	return n
}

func (d *Document) series(symbol string) *Series {
	s := d.Series[symbol]
	if s == nil {
		s = &Series{}
		d.Series[symbol] = s
	}
	return s
}

func (d *Document) reject(r Reject, reason, detail string) {
	r.Reason, r.Detail = reason, detail
	d.Rejects = append(d.Rejects, r)
}

// take adds the bar, or rejects it. at says where it stands. Of two bars of one date the first stands.
func (d *Document) take(at Reject, b Bar) {
	at.Date = b.Date
	if reason, detail := problem(b); reason != "" {
		d.reject(at, reason, detail)
		return
	}
	key := dated{at.Symbol, b.Date}
	if first, taken := d.seen[key]; taken {
		if !same(first, b) {
			d.reject(at, Duplicate, fmt.Sprintf("%s has other prices for %s further up; the first row stands", at.Symbol, b.Date))
		}
		return
	}
	d.seen[key] = b
	s := d.series(at.Symbol)
	s.Bars = append(s.Bars, b)
}

// problem says what is wrong with a bar (domain.md 3), or "".
func problem(b Bar) (reason, detail string) {
	for _, v := range []struct {
		name  string
		value float64
	}{{"open", b.Open}, {"high", b.High}, {"low", b.Low}, {"close", b.Close}} {
		if math.IsNaN(v.value) || math.IsInf(v.value, 0) {
			return BadNumber, v.name + " is missing or not finite"
		}
		if v.value <= 0 {
			return BadBar, fmt.Sprintf("%s is %v, not positive", v.name, v.value)
		}
	}
	switch {
	case b.Volume < 0 || math.IsInf(b.Volume, 0):
		return BadNumber, fmt.Sprintf("volume is %v", b.Volume)
	case math.IsInf(b.AdjClose, 0):
		return BadNumber, "adjusted close is not finite"
	case b.High < max(b.Open, b.Close):
		return BadBar, fmt.Sprintf("high %v is below open %v or close %v", b.High, b.Open, b.Close)
	case b.Low > min(b.Open, b.Close):
		return BadBar, fmt.Sprintf("low %v is above open %v or close %v", b.Low, b.Open, b.Close)
	}
	return "", ""
}

func same(a, b Bar) bool {
	equal := func(x, y float64) bool { return x == y || math.IsNaN(x) && math.IsNaN(y) }
	return a.Date == b.Date && a.Open == b.Open && a.High == b.High && a.Low == b.Low && a.Close == b.Close &&
		equal(a.Volume, b.Volume) && equal(a.AdjClose, b.AdjClose)
}

// number reads a float; an empty cell is NaN, "no value".
func number(cell string) (float64, error) {
	cell = strings.TrimSpace(cell)
	if cell == "" {
		return math.NaN(), nil
	}
	v, err := strconv.ParseFloat(cell, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not a number", cell)
	}
	return v, nil
}

// date reads the day of a bar: YYYY-MM-DD, YYYYMMDD, or a time stamp. A stamp at midnight of its own
// zone (or without one) means the day that it writes; every other one is an instant, and the day is
// New York's: Alpaca writes a session as 04:00 or 05:00 UTC, midnight in New York.
func date(cell string, newYork *time.Location) (event.Date, error) {
	cell = strings.TrimSpace(cell)
	for _, layout := range []string{time.DateOnly, "20060102"} {
		if t, err := time.Parse(layout, cell); err == nil {
			return plausible(event.DateOf(t), cell)
		}
	}
	cell = strings.Replace(cell, "T", " ", 1)
	for _, layout := range []string{"2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05"} {
		t, err := time.Parse(layout, cell)
		if err != nil {
			continue
		}
		if t.Hour() != 0 || t.Minute() != 0 || t.Second() != 0 {
			t = t.In(newYork)
		}
		return plausible(event.DateOf(t), cell)
	}
	return 0, fmt.Errorf("%q is no date: want YYYY-MM-DD, YYYYMMDD or a time stamp", cell)
}

func plausible(d event.Date, cell string) (event.Date, error) {
	if d < event.NewDate(1900, 1, 1) || d > event.NewDate(2200, 1, 1) || d == 0 {
		return 0, fmt.Errorf("%q is no plausible date", cell)
	}
	return d, nil
}

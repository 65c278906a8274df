package fakes

import (
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/market"
)

// Market is the prices as the services know them: unadjusted bars and splits. Yahoo shows them
// adjusted for the splits so far, Stooq for splits too. It is safe for concurrent use.
type Market struct {
	now      func() time.Time
	calendar *market.Calendar

	mu     sync.Mutex
	bars   map[string][]Bar   // by symbol, ascending; guarded by mu
	splits map[string][]Split // by symbol, ascending; guarded by mu
	zone   map[string]string  // currency by symbol where not USD; guarded by mu
}

// Bar is one day of one symbol.
type Bar struct {
	Date                   event.Date
	Open, High, Low, Close float64
	AdjClose               float64
	Volume                 int64
}

// Split says that from Date on one share is Ratio shares.
type Split struct {
	Date  event.Date
	Ratio float64
}

func newMarket(o Options) (*Market, error) {
	m := &Market{now: o.Now, calendar: market.NYSE(), bars: map[string][]Bar{}, splits: map[string][]Split{}, zone: map[string]string{}}
	for _, file := range o.Prices {
		if err := m.read(file); err != nil {
			return nil, fmt.Errorf("read prices %s: %w", file, err)
		}
	}
	for _, symbol := range o.Symbols {
		if m.bars[symbol] == nil {
			m.bars[symbol] = m.walk(o.Seed, symbol)
		}
	}
	for _, bars := range m.bars {
		slices.SortFunc(bars, func(a, b Bar) int { return cmp.Compare(a.Date, b.Date) })
	}
	return m, nil
}

func (m *Market) read(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	r := csv.NewReader(f)
	header, err := r.Read()
	if err != nil {
		return err
	}
	if want := "date,ticker,open,high,low,close,adj_close,volume"; strings.Join(header, ",") != want {
		return fmt.Errorf("its header is not %s", want)
	}
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		b := Bar{}
		if b.Date, err = event.ParseDate(row[0]); err != nil {
			return err
		}
		for i, to := range []*float64{&b.Open, &b.High, &b.Low, &b.Close, &b.AdjClose} {
			if *to, err = strconv.ParseFloat(row[2+i], 64); err != nil {
				return err
			}
		}
		volume, err := strconv.ParseFloat(row[7], 64)
		if err != nil {
			return err
		}
		b.Volume = int64(volume)
		m.bars[row[1]] = append(m.bars[row[1]], b)
	}
}

// walk draws bars for every day on which the symbol trades, to the end of the calendar.
func (m *Market) walk(seed uint64, symbol string) []Bar {
	h := fnv.New64a()
	h.Write([]byte(symbol)) // never fails
	rng := rand.New(rand.NewPCG(seed, h.Sum64()))
	price := 20 + 180*rng.Float64()
	var out []Bar
	round := func(v float64) float64 { return math.Round(v*100) / 100 }
	begin, _ := event.ParseDate("2024-01-02")
	for date := begin; date <= m.calendar.Last(); date++ {
		if _, session := m.calendar.Session(date); !session && !strings.HasSuffix(symbol, "-USD") {
			continue
		}
		open := price * (1 + 0.004*rng.NormFloat64())
		price = max(1, price*(1+0.012*rng.NormFloat64()))
		b := Bar{Date: date, Open: round(open), Close: round(price), Volume: 1_000_000 + rng.Int64N(9_000_000)}
		b.High, b.Low = round(max(open, price)*1.004), round(min(open, price)*0.996)
		b.AdjClose = b.Close
		out = append(out, b)
	}
	return out
}

// Split adds a split; prices from its date on are divided by the ratio.
func (m *Market) Split(symbol string, date event.Date, ratio float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.splits[symbol] = append(m.splits[symbol], Split{date, ratio})
	for i := range m.bars[symbol] {
		if b := &m.bars[symbol][i]; b.Date >= date {
			b.divide(ratio)
		}
	}
}

// Correct replaces the close of a bar, as late corrections do.
func (m *Market) Correct(symbol string, date event.Date, closing float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.bars[symbol] {
		if b := &m.bars[symbol][i]; b.Date == date {
			b.Close, b.AdjClose = closing, closing
			b.High, b.Low = max(b.High, closing), min(b.Low, closing)
		}
	}
}

// Currency sets the currency of a symbol; USD when never set.
func (m *Market) Currency(symbol, currency string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.zone[symbol] = currency
}

// Bars returns the bars of a symbol that have begun, as Yahoo shows them.
func (m *Market) Bars(symbol string) []Bar {
	m.mu.Lock()
	defer m.mu.Unlock()
	bars, _ := m.visible(symbol)
	return bars
}

func (b *Bar) divide(ratio float64) {
	for _, p := range []*float64{&b.Open, &b.High, &b.Low, &b.Close, &b.AdjClose} {
		*p /= ratio
	}
}

// visible returns the bars that have begun, the one in progress too, adjusted for the splits that
// are effective.
func (m *Market) visible(symbol string) (bars []Bar, splits []Split) {
	now := m.now()
	for _, s := range m.splits[symbol] {
		if opens, _ := m.calendar.Bar(symbol, s.Date); !opens.After(now) {
			splits = append(splits, s)
		}
	}
	for _, b := range m.bars[symbol] {
		if opens, _ := m.calendar.Bar(symbol, b.Date); opens.After(now) {
			break
		}
		for _, s := range splits {
			if b.Date < s.Date {
				b.divide(s.Ratio)
			}
		}
		bars = append(bars, b)
	}
	return bars, splits
}

func (m *Market) chart(w http.ResponseWriter, r *http.Request, on Kind) {
	symbol := r.PathValue("symbol")
	m.mu.Lock()
	bars, splits := m.visible(symbol)
	_, known := m.bars[symbol]
	currency := cmp.Or(m.zone[symbol], "USD")
	m.mu.Unlock()
	if !known || on == Unknown {
		writeJSON(w, http.StatusNotFound, map[string]any{"chart": map[string]any{"result": nil,
			"error": map[string]any{"code": "Not Found", "description": "No data found, symbol may be delisted"}}})
		return
	}
	from, errFrom := strconv.ParseInt(r.URL.Query().Get("period1"), 10, 64)
	to, errTo := strconv.ParseInt(r.URL.Query().Get("period2"), 10, 64)
	if errFrom != nil || errTo != nil || r.URL.Query().Get("interval") != "1d" {
		writeJSON(w, http.StatusUnprocessableEntity, map[string]any{"chart": map[string]any{"result": nil,
			"error": map[string]any{"code": "Unprocessable Entity", "description": "period1, period2 and interval=1d are needed"}}})
		return
	}
	c := newChart(symbol, currency, m.now())
	for _, b := range bars {
		if opens, _ := m.calendar.Bar(symbol, b.Date); on != NoRows && opens.Unix() >= from && opens.Unix() < to {
			c.add(b, opens.Unix(), on == Gaps && b.Date%5 == 0)
			if on == Repeated && b.Date%5 == 0 {
				c.add(b, opens.Unix(), false)
			}
		}
	}
	for _, s := range splits {
		if opens, _ := m.calendar.Bar(symbol, s.Date); opens.Unix() >= from && opens.Unix() < to {
			c.split(s, opens.Unix())
		}
	}
	writeJSON(w, http.StatusOK, map[string]any{"chart": map[string]any{"result": []any{c.result()}, "error": nil}})
}

// chart collects the columns of Yahoo's answer.
type chart struct {
	meta       map[string]any
	timestamps []int64
	columns    map[string][]any
	adjusted   []any
	splits     map[string]any
}

func newChart(symbol, currency string, now time.Time) *chart {
	zone, offset := "America/New_York", -14400
	if strings.HasSuffix(symbol, "-USD") {
		zone, offset = "UTC", 0
	}
	return &chart{columns: map[string][]any{}, splits: map[string]any{}, meta: map[string]any{
		"currency": currency, "symbol": symbol, "exchangeTimezoneName": zone, "gmtoffset": offset,
		"instrumentType": "EQUITY", "dataGranularity": "1d", "range": "", "regularMarketTime": now.Unix(),
	}}
}

func (c *chart) add(b Bar, at int64, empty bool) {
	c.timestamps = append(c.timestamps, at)
	for name, v := range map[string]any{"open": b.Open, "high": b.High, "low": b.Low, "close": b.Close, "volume": b.Volume} {
		if empty {
			v = nil
		}
		c.columns[name] = append(c.columns[name], v)
	}
	if empty {
		c.adjusted = append(c.adjusted, nil)
	} else {
		c.adjusted = append(c.adjusted, b.AdjClose)
	}
}

func (c *chart) split(s Split, at int64) {
	c.splits[strconv.FormatInt(at, 10)] = map[string]any{"date": at, "numerator": s.Ratio, "denominator": 1, "splitRatio": fmt.Sprintf("%g:1", s.Ratio)}
}

func (c *chart) result() map[string]any {
	if c.timestamps == nil { // as recorded: no timestamp, and a quote without columns
		return map[string]any{"meta": c.meta, "indicators": map[string]any{"quote": []any{map[string]any{}}, "adjclose": []any{map[string]any{}}}}
	}
	out := map[string]any{"meta": c.meta, "timestamp": c.timestamps, "indicators": map[string]any{
		"quote": []any{c.columns}, "adjclose": []any{map[string]any{"adjclose": c.adjusted}}}}
	if len(c.splits) > 0 {
		out["events"] = map[string]any{"splits": c.splits}
	}
	return out
}

func (m *Market) stooq(w http.ResponseWriter, r *http.Request, on Kind) {
	w.Header().Set("Content-Type", "text/csv")
	q := r.URL.Query()
	symbol := strings.ToUpper(q.Get("s"))
	if base, ok := strings.CutSuffix(symbol, ".US"); ok {
		symbol = base
	}
	m.mu.Lock()
	if _, known := m.bars[symbol]; !known && strings.HasSuffix(symbol, ".V") {
		symbol = strings.TrimSuffix(symbol, ".V") + "-USD"
	}
	bars, _ := m.visible(symbol)
	_, known := m.bars[symbol]
	m.mu.Unlock()
	if on == HitsLimit {
		_, _ = io.WriteString(w, "Exceeded the daily hits limit") // into memory
		return
	}
	var b strings.Builder
	for _, bar := range bars {
		day := strings.ReplaceAll(bar.Date.String(), "-", "")
		if day < q.Get("d1") || q.Get("d2") != "" && day > q.Get("d2") || on == NoRows {
			continue
		}
		line := fmt.Sprintf("%s,%g,%g,%g,%g,%d\r\n", bar.Date, bar.Open, bar.High, bar.Low, bar.Close, bar.Volume)
		if on == Gaps && bar.Date%5 == 0 {
			line = fmt.Sprintf("%s,,,,,\r\n", bar.Date)
		}
		b.WriteString(line)
		if on == Repeated && bar.Date%5 == 0 {
			b.WriteString(line)
		}
	}
	if !known || on == Unknown || b.Len() == 0 {
		_, _ = io.WriteString(w, "No data") // into memory
		return
	}
	_, _ = io.WriteString(w, "Date,Open,High,Low,Close,Volume\r\n"+b.String()) // into memory
}

package format

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"shitpost-alpha/lake/event"
)

// chart is the answer of Yahoo's v8 chart API, as far as it is used (domain.md 3).
type chart struct {
	Chart struct {
		Result []chartResult `json:"result"`
		Error  *struct {
			Code        string `json:"code"`
			Description string `json:"description"`
		} `json:"error"`
	} `json:"chart"`
}

type chartResult struct {
	Meta struct {
		Currency             string `json:"currency"`
		Symbol               string `json:"symbol"`
		ExchangeTimezoneName string `json:"exchangeTimezoneName"`
		GMTOffset            int    `json:"gmtoffset"`
		RegularMarketTime    int64  `json:"regularMarketTime"`
		DataGranularity      string `json:"dataGranularity"`
	} `json:"meta"`
	Timestamp []int64 `json:"timestamp"`
	Events    struct {
		Splits map[string]struct {
			Date        int64   `json:"date"`
			Numerator   float64 `json:"numerator"`
			Denominator float64 `json:"denominator"`
		} `json:"splits"`
	} `json:"events"`
	Indicators struct {
		Quote    []chartQuote `json:"quote"`
		AdjClose []struct {
			AdjClose []*float64 `json:"adjclose"`
		} `json:"adjclose"`
	} `json:"indicators"`
}

type chartQuote struct {
	Open   []*float64 `json:"open"`
	High   []*float64 `json:"high"`
	Low    []*float64 `json:"low"`
	Close  []*float64 `json:"close"`
	Volume []*float64 `json:"volume"`
}

// parseChart reads a chart answer: times of a day's start in the exchange's zone, a null row where
// nothing was traded. A mistyped symbol gets either an error or a result without time stamps and
// currency.
func (d *Document) parseChart(data []byte) error {
	d.Shape = ShapeChart
	var c chart
	if err := unmarshalChart(data, &c); err != nil {
		return fmt.Errorf("%w (%w)", ErrShape, err)
	}
	if e := c.Chart.Error; e != nil {
		switch {
		case strings.EqualFold(e.Code, "Not Found"):
			return fmt.Errorf("%w: %s", ErrNoSymbol, e.Description)
		case strings.HasPrefix(e.Description, "Data doesn't exist for startDate"):
			return fmt.Errorf("%w: %s", ErrNoRange, e.Description)
		}
		return fmt.Errorf("chart answer is an error: %s: %s", e.Code, e.Description)
	}
	if len(c.Chart.Result) == 0 {
		return fmt.Errorf("%w (a JSON without chart.result)", ErrShape)
	}
	for i := range c.Chart.Result {
		if err := d.takeChart(&c.Chart.Result[i]); err != nil {
			return err
		}
	}
	return nil
}

// notFinite are the numbers that JSON has no words for and careless servers write all the same.
var notFinite = regexp.MustCompile(`([:\[,]\s*)(?:NaN|[+-]?Infinity)\b`)

// unmarshalChart reads the answer. A cell of a wrong type is left empty, so that it costs its own row.
func unmarshalChart(data []byte, c *chart) error {
	err := json.Unmarshal(data, c)
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) && notFinite.Match(data) {
		*c = chart{}
		err = json.Unmarshal(notFinite.ReplaceAll(data, []byte("${1}null")), c)
	}
	var wrongType *json.UnmarshalTypeError
	if errors.As(err, &wrongType) {
		return nil
	}
	return err
}

func (d *Document) takeChart(r *chartResult) error {
	symbol := strings.ToUpper(strings.TrimSpace(r.Meta.Symbol))
	switch {
	case symbol == "":
		return fmt.Errorf("%w (the chart names no symbol)", ErrShape)
	case len(r.Timestamp) == 0 && r.Meta.Currency == "":
		return fmt.Errorf("%w: %s has neither prices nor a currency", ErrNoSymbol, symbol)
	case r.Meta.DataGranularity != "" && r.Meta.DataGranularity != "1d":
		return fmt.Errorf("%w (the chart of %s is in steps of %s, not 1d)", ErrShape, symbol, r.Meta.DataGranularity)
	}
	loc, err := time.LoadLocation(r.Meta.ExchangeTimezoneName)
	if err != nil || r.Meta.ExchangeTimezoneName == "" {
		loc = time.FixedZone(r.Meta.ExchangeTimezoneName, r.Meta.GMTOffset)
	}
	s := d.series(symbol)
	s.Currency, s.Zone = r.Meta.Currency, r.Meta.ExchangeTimezoneName
	if r.Meta.RegularMarketTime > 0 {
		s.LastTrade = time.Unix(r.Meta.RegularMarketTime, 0).UTC()
	}
	var quote chartQuote
	if len(r.Indicators.Quote) > 0 {
		quote = r.Indicators.Quote[0]
	}
	var adjusted []*float64
	if len(r.Indicators.AdjClose) > 0 {
		adjusted = r.Indicators.AdjClose[0].AdjClose
	}
	for i, stamp := range r.Timestamp {
		cells := []*float64{at(quote.Open, i), at(quote.High, i), at(quote.Low, i), at(quote.Close, i)}
		if cells[0] == nil && cells[1] == nil && cells[2] == nil && cells[3] == nil {
			continue // nothing was traded
		}
		row := Reject{Symbol: symbol, Row: i + 1, Raw: rawRow(stamp, append(cells, at(quote.Volume, i), at(adjusted, i)))}
		day, err := plausible(event.DateOf(time.Unix(stamp, 0).In(loc)), fmt.Sprint(stamp))
		if err != nil {
			d.reject(row, BadDate, err.Error())
			continue
		}
		d.take(row, Bar{day, value(cells[0]), value(cells[1]), value(cells[2]), value(cells[3]), value(at(quote.Volume, i)), value(at(adjusted, i))})
	}
	d.takeChartSplits(symbol, r, loc)
	return nil
}

func (d *Document) takeChartSplits(symbol string, r *chartResult, loc *time.Location) {
	for i, key := range slices.Sorted(maps.Keys(r.Events.Splits)) {
		s := r.Events.Splits[key]
		ratio := s.Numerator / s.Denominator
		day, err := plausible(event.DateOf(time.Unix(s.Date, 0).In(loc)), fmt.Sprint(s.Date))
		if err != nil || !(ratio > 0) || math.IsInf(ratio, 0) {
			// Numbered on behind the bars, so that no two rows of a document share a number.
			row := Reject{Symbol: symbol, Row: len(r.Timestamp) + i + 1, Raw: fmt.Sprintf("%s: %v", key, s)}
			d.reject(row, BadNumber, "the split has no date or no positive ratio")
			continue
		}
		d.Splits = append(d.Splits, Split{symbol, day, ratio})
	}
}

func at(column []*float64, i int) *float64 {
	if i < len(column) {
		return column[i]
	}
	return nil
}

func value(v *float64) float64 {
	if v == nil {
		return math.NaN()
	}
	return *v
}

func rawRow(stamp int64, cells []*float64) string {
	raw, _ := json.Marshal([]any{stamp, cells}) // cannot fail: JSON holds no NaN, so the cells are finite
	return string(raw)
}

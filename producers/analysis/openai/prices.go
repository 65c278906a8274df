package openai

import (
	"bytes"
	_ "embed"
	"encoding/csv"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"

	"shitpost-alpha/lake/event"
)

// Price is what a model costs, in US dollars per million tokens.
type Price struct {
	Model string
	In    float64
	Out   float64
	// AsOf is the day on which the price was looked up; the zero Date for one that was given.
	AsOf event.Date
}

// prices.csv: list prices without discounts for cached or batched tokens.
//
//go:embed prices.csv
var priceTable []byte

// Prices returns the built-in table.
func Prices() ([]Price, error) {
	rows, err := csv.NewReader(bytes.NewReader(priceTable)).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("read price table: %w", err)
	}
	var prices []Price
	for _, row := range rows[1:] {
		p := Price{Model: row[0]}
		var errs [3]error
		p.In, errs[0] = strconv.ParseFloat(row[1], 64)
		p.Out, errs[1] = strconv.ParseFloat(row[2], 64)
		p.AsOf, errs[2] = event.ParseDate(row[3])
		for _, err := range errs {
			if err != nil {
				return nil, fmt.Errorf("read price of %q: %w", p.Model, err)
			}
		}
		prices = append(prices, p)
	}
	return prices, nil
}

// datedModel is the date that a snapshot of a model carries behind its name.
var datedModel = regexp.MustCompile(`-\d{4}-\d{2}-\d{2}$`)

// PriceOf returns a model's price from the built-in table; a dated snapshot (gpt-4o-2024-08-06)
// costs what its model costs. ok is false for a model that the table does not know.
func PriceOf(model string) (price Price, ok bool, err error) {
	prices, err := Prices()
	if err != nil {
		return Price{}, false, err
	}
	for _, name := range []string{model, datedModel.ReplaceAllString(model, "")} {
		if i := slices.IndexFunc(prices, func(p Price) bool { return p.Model == name }); i >= 0 {
			return prices[i], true, nil
		}
	}
	return Price{}, false, nil
}

// Micros returns what so many tokens cost, in millionths of a dollar, rounded up. A dollar per
// million tokens is a millionth of a dollar per token.
func (p Price) Micros(tokensIn, tokensOut int64) int64 {
	return int64(math.Ceil(float64(tokensIn)*p.In + float64(tokensOut)*p.Out - 1e-9))
}

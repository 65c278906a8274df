package format

import (
	"encoding/csv"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"time"
)

// columns are the places of a row's cells; -1 where there is none.
type columns struct {
	date, symbol, open, high, low, closing, volume, adjClose, period, split int
	// width is how many cells the header has.
	width int
	// fixed is the symbol of all rows where there is no symbol column.
	fixed string
}

// parseRows reads the CSV shapes line by line: no price file has line breaks within a cell, and so a
// stray quote costs its own row and not all that follow.
func (d *Document) parseRows(fileName, text string) error {
	lines := strings.Split(text, "\n")
	header, err := cells(lines[0])
	if err != nil {
		return fmt.Errorf("%w (line 1: %w)", ErrShape, err)
	}
	newYork, err := time.LoadLocation("America/New_York")
	if err != nil {
		return fmt.Errorf("load time zone: %w", err)
	}
	if isYfinance(header, lines) {
		return d.parseYfinance(header, lines, newYork)
	}
	names := make(map[string]int, len(header))
	for i, h := range header {
		name := columnName(h)
		if _, twice := names[name]; twice && name != "" {
			return fmt.Errorf("%w (column %q stands there twice)", ErrShape, name)
		}
		names[name] = i
	}
	if cols, ok := splitColumns(names); ok {
		d.Shape = ShapeSplits
		return d.eachRow(lines, 1, func(at Reject, row []string) { d.takeSplit(at, row, cols, newYork) })
	}
	cols := barColumns(names)
	if min(cols.date, cols.open, cols.high, cols.low, cols.closing) < 0 {
		return ErrShape
	}
	d.Shape, cols.width = ShapeRows, len(header)
	if cols.symbol < 0 {
		stem, _, _ := strings.Cut(filepath.Base(fileName), ".")
		if cols.fixed = strings.ToUpper(stem); cols.fixed == "" {
			return fmt.Errorf("%w (no symbol column, and the file's name is no symbol)", ErrShape)
		}
	}
	return d.eachRow(lines, 1, func(at Reject, row []string) { d.takeRow(at, row, cols, newYork) })
}

func columnName(h string) string {
	h = strings.ToLower(strings.Trim(strings.TrimSpace(h), "<>"))
	switch h = strings.ReplaceAll(h, " ", "_"); h {
	case "ticker":
		return "symbol"
	case "vol":
		return "volume"
	case "adjclose", "adjusted_close":
		return "adj_close"
	case "datetime", "timestamp":
		return "date"
	}
	return h
}

func barColumns(names map[string]int) columns {
	at := func(name string) int {
		if i, ok := names[name]; ok {
			return i
		}
		return -1
	}
	return columns{date: at("date"), symbol: at("symbol"), open: at("open"), high: at("high"), low: at("low"), closing: at("close"),
		volume: at("volume"), adjClose: at("adj_close"), period: at("per"), split: at("stock_splits")}
}

// eachRow calls f with every row from line index first on; a row that is not CSV is rejected.
func (d *Document) eachRow(lines []string, first int, f func(at Reject, row []string)) error {
	for i := min(first, len(lines)); i < len(lines); i++ {
		line := strings.TrimRight(lines[i], "\r")
		if strings.TrimSpace(line) == "" {
			continue
		}
		at := Reject{Row: i + 1, Raw: line}
		row, err := cells(line)
		if err != nil {
			d.reject(at, BadRow, err.Error())
			continue
		}
		f(at, row)
	}
	return nil
}

// cells splits one line. Most lines have no quotes and need no CSV reader.
func cells(line string) ([]string, error) {
	line = strings.TrimRight(line, "\r")
	if !strings.Contains(line, `"`) {
		return strings.Split(line, ","), nil
	}
	row, err := csv.NewReader(strings.NewReader(line)).Read()
	if err != nil {
		return nil, fmt.Errorf("read CSV row: %w", err)
	}
	return row, nil
}

// takeRow reads one bar, and the split that may stand beside it.
func (d *Document) takeRow(at Reject, row []string, cols columns, newYork *time.Location) {
	cell := func(i int) string {
		if i < 0 || i >= len(row) {
			return ""
		}
		return row[i]
	}
	at.Symbol = cols.fixed
	if len(row) < cols.width { // the last number may be cut too, and look like another
		d.reject(at, BadRow, fmt.Sprintf("the row is cut short: %d cells of %d", len(row), cols.width))
		return
	}
	if cols.symbol >= 0 {
		at.Symbol = strings.ToUpper(strings.TrimSpace(cell(cols.symbol)))
	}
	if at.Symbol == "" {
		d.reject(at, BadRow, "the row names no symbol")
		return
	}
	day, err := date(cell(cols.date), newYork)
	if err != nil {
		d.reject(at, BadDate, err.Error())
		return
	}
	at.Date = day
	if per := strings.TrimSpace(cell(cols.period)); cols.period >= 0 && !strings.EqualFold(per, "D") {
		d.reject(at, BadRow, fmt.Sprintf("period %q is not D, a day", per))
		return
	}
	b := Bar{Date: day, Volume: math.NaN(), AdjClose: math.NaN()}
	ratio := math.NaN()
	for _, f := range []struct {
		column int
		to     *float64
	}{{cols.open, &b.Open}, {cols.high, &b.High}, {cols.low, &b.Low}, {cols.closing, &b.Close},
		{cols.volume, &b.Volume}, {cols.adjClose, &b.AdjClose}, {cols.split, &ratio}} {
		if *f.to, err = number(cell(f.column)); err != nil {
			d.reject(at, BadNumber, err.Error())
			return
		}
	}
	d.take(at, b)
	if ratio > 0 && ratio != 1 && !math.IsInf(ratio, 0) {
		d.Splits = append(d.Splits, Split{at.Symbol, day, ratio})
	}
}

// isYfinance recognises the three header lines of a data frame with columns per ticker.
func isYfinance(header, lines []string) bool {
	return strings.TrimSpace(header[0]) == "Price" && len(lines) > 1 && strings.HasPrefix(lines[1], "Ticker,")
}

func (d *Document) parseYfinance(header, lines []string, newYork *time.Location) error {
	d.Shape = ShapeYfinance
	tickers, err := cells(lines[1])
	if err != nil {
		return fmt.Errorf("%w (line 2: %w)", ErrShape, err)
	}
	names := map[string]int{"date": 0}
	symbol := ""
	for i := 1; i < len(header) && i < len(tickers); i++ {
		ticker := strings.ToUpper(strings.TrimSpace(tickers[i]))
		if symbol != "" && ticker != symbol {
			return fmt.Errorf("%w (its columns are of %s and %s: write one file per ticker)", ErrShape, symbol, ticker)
		}
		symbol = ticker
		names[columnName(header[i])] = i
	}
	cols := barColumns(names)
	cols.fixed, cols.symbol, cols.period, cols.width = symbol, -1, -1, len(header)
	if symbol == "" || min(cols.open, cols.high, cols.low, cols.closing) < 0 {
		return fmt.Errorf("%w (the yfinance header lacks the ticker or a price)", ErrShape)
	}
	first := 2
	if len(lines) > 2 && strings.HasPrefix(lines[2], "Date") {
		first = 3
	}
	return d.eachRow(lines, first, func(at Reject, row []string) { d.takeRow(at, row, cols, newYork) })
}

// splitTable are the places of symbol, effective date and ratio.
type splitTable struct{ symbol, date, ratio int }

func splitColumns(names map[string]int) (splitTable, bool) {
	symbol, a := names["symbol"]
	day, b := names["effective_date"]
	ratio, c := names["ratio"]
	return splitTable{symbol, day, ratio}, a && b && c
}

func (d *Document) takeSplit(at Reject, row []string, cols splitTable, newYork *time.Location) {
	if len(row) <= max(cols.symbol, cols.date, cols.ratio) {
		d.reject(at, BadRow, "the row lacks columns")
		return
	}
	if at.Symbol = strings.ToUpper(strings.TrimSpace(row[cols.symbol])); at.Symbol == "" {
		d.reject(at, BadRow, "the row names no symbol")
		return
	}
	day, err := date(row[cols.date], newYork)
	if err != nil {
		d.reject(at, BadDate, err.Error())
		return
	}
	at.Date = day
	ratio, err := number(row[cols.ratio])
	if err != nil || !(ratio > 0) || math.IsInf(ratio, 0) {
		d.reject(at, BadNumber, fmt.Sprintf("ratio %q is not a positive number", row[cols.ratio]))
		return
	}
	d.Splits = append(d.Splits, Split{at.Symbol, day, ratio})
}

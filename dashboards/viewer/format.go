package viewer

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// show is a value as a reader sees it, by the field's mappings, unit and decimals, and the colour
// that a mapping gives it.
func (f *field) show(v any, loc *time.Location) (words, color string) {
	if to, ok := f.mapped(v); ok {
		words, color = to.Text, to.Color
		if words != "" {
			return words, color
		}
	}
	switch v := v.(type) {
	case nil:
		return f.NoValue, color
	case float64:
		return f.number(v, loc), color
	case time.Time:
		return f.moment(v, loc), color
	case bool:
		return strconv.FormatBool(v), color
	}
	return plain(v), color
}

// moment writes a time, without the clock where it is a day.
func (f *field) moment(t time.Time, loc *time.Location) string {
	t = t.In(loc)
	if format, ok := strings.CutPrefix(f.Unit, "time:"); ok {
		return t.Format(goLayout(format))
	}
	return t.Format("2006-01-02 15:04:05")
}

// goLayout translates the common parts of a moment.js format.
func goLayout(s string) string {
	return strings.NewReplacer("YYYY", "2006", "MMM", "Jan", "MM", "01", "DD", "02", "D", "2", "HH", "15", "mm", "04", "ss", "05", "ddd", "Mon").Replace(s)
}

// scale divides a number until it is short.
type scale struct {
	size   float64
	suffix string
}

// Scales of the units that Grafana shortens, greatest first (its documentation, "Standard options").
var (
	shortScale  = []scale{{1e12, " Tri"}, {1e9, " Bil"}, {1e6, " Mil"}, {1e3, " K"}}
	moneyScale  = []scale{{1e12, "T"}, {1e9, "B"}, {1e6, "M"}, {1e3, "K"}}
	bytesScale  = []scale{{1 << 40, " TiB"}, {1 << 30, " GiB"}, {1 << 20, " MiB"}, {1 << 10, " KiB"}, {0, " B"}}
	decScale    = []scale{{1e12, " TB"}, {1e9, " GB"}, {1e6, " MB"}, {1e3, " kB"}, {0, " B"}}
	secondScale = []scale{{31_557_600, " years"}, {604_800, " weeks"}, {86_400, " days"}, {3600, " hours"}, {60, " mins"}, {1, " s"}, {1e-3, " ms"}, {1e-6, " µs"}, {0, " ns"}}
)

var rates = map[string]string{"ops": " ops/s", "reqps": " req/s", "rps": " rd/s", "cps": " c/s", "eps": " evt/s", "rowsps": " rows/s", "cpm": " c/m", "opm": " ops/m"}

// number writes a number in the field's unit.
func (f *field) number(v float64, loc *time.Location) string {
	unit := f.Unit
	switch unit {
	case "", "none", "string":
		return f.fixed(v)
	case "short":
		return f.scaled(v, shortScale)
	case "locale":
		return grouped(f.fixed(v))
	case "currencyUSD":
		return f.money(v, "$")
	case "percent":
		return f.fixed(v) + "%"
	case "percentunit":
		return f.fixed(v*100) + "%"
	case "bytes":
		return f.scaled(v, bytesScale)
	case "decbytes":
		return f.scaled(v, decScale)
	case "s":
		return f.scaled(v, secondScale)
	case "ms":
		return f.scaled(v/1e3, secondScale)
	case "m":
		return f.scaled(v*60, secondScale)
	case "h":
		return f.scaled(v*3600, secondScale)
	case "d":
		return f.scaled(v*86_400, secondScale)
	case "bool":
		return strconv.FormatBool(v != 0)
	case "bool_yes_no":
		return map[bool]string{true: "Yes", false: "No"}[v != 0]
	case "dateTimeAsIso", "dateTimeAsSystem", "dateTimeAsUS", "dateTimeAsLocal":
		return time.UnixMilli(int64(v)).In(loc).Format("2006-01-02 15:04:05")
	}
	if rate, ok := rates[unit]; ok {
		return f.scaled(v, shortScale) + rate
	}
	switch kind, rest, _ := strings.Cut(unit, ":"); kind {
	case "currency":
		return f.money(v, rest)
	case "prefix":
		return rest + f.fixed(v)
	case "suffix", "count":
		return f.fixed(v) + rest
	}
	return f.fixed(v) + " " + unit
}

func (f *field) money(v float64, sign string) string {
	minus := ""
	if v < 0 {
		minus, v = "-", -v
	}
	return minus + sign + f.scaled(v, moneyScale)
}

func (f *field) scaled(v float64, scales []scale) string {
	for _, s := range scales {
		if math.Abs(v) >= s.size || v == 0 && s.size <= 1 {
			size := s.size
			if size == 0 {
				size = 1
			}
			if s.size == 0 && strings.HasSuffix(s.suffix, "ns") {
				size = 1e-9
			}
			return f.fixed(v/size) + s.suffix
		}
	}
	return f.fixed(v)
}

// fixed writes a number with the field's decimals, else with as many as it needs to be read.
func (f *field) fixed(v float64) string {
	decimals := autoDecimals(v)
	if f.Decimals != nil {
		decimals = min(20, max(0, *f.Decimals))
	}
	s := strconv.FormatFloat(v, 'f', decimals, 64)
	if strings.Trim(s, "-0.") == "" {
		s = strings.TrimPrefix(s, "-") // no minus nought
	}
	return s
}

// autoDecimals is Grafana's rule: about three digits, none for whole numbers.
func autoDecimals(v float64) int {
	if v == math.Trunc(v) {
		return 0
	}
	decimals := 1 - int(math.Floor(math.Log10(math.Abs(v))))
	if math.Abs(v)*math.Pow10(decimals) > 2.25 {
		decimals++
	}
	return min(10, max(0, decimals))
}

// grouped puts commas between thousands.
func grouped(s string) string {
	whole, rest, hasRest := strings.Cut(s, ".")
	sign := ""
	if strings.HasPrefix(whole, "-") {
		sign, whole = "-", whole[1:]
	}
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if hasRest {
		whole += "." + rest
	}
	return fmt.Sprint(sign, whole)
}

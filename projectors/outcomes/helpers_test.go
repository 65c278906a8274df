package outcomes

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/market"
)

func date(s string) event.Date {
	d, err := event.ParseDate(s)
	if err != nil {
		panic(err)
	}
	return d
}

func newYork() *time.Location {
	loc, err := time.LoadLocation("America/New_York")
	if err != nil {
		panic(err)
	}
	return loc
}

// ny reads a New York clock time.
func ny(s string) time.Time {
	t, err := time.ParseInLocation("2006-01-02 15:04:05", s, newYork())
	if err != nil {
		panic(err)
	}
	return t
}

func f64(s string) float64 {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		panic(err)
	}
	return f
}

// parseBars reads lines "source date open close [option…]". Without options a bar is split-adjusted
// through 2026-06-30, of fetch f1, and first recorded at 17:00 UTC a day later. Options: none,
// dividend, through=date, fetch=id, rank=n, seen=RFC 3339.
func parseBars(text string) []Bar {
	var bars []Bar
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		d := date(words[1])
		b := Bar{
			Source: words[0], Date: d, Open: f64(words[2]), Close: f64(words[3]),
			Adjustment: event.AdjustedSplit, AdjustedThrough: date("2026-06-30"), FetchID: "f1",
			FirstRecordedAt: (d + 1).Time().Add(17 * time.Hour),
		}
		for _, word := range words[4:] {
			name, value, _ := strings.Cut(word, "=")
			switch name {
			case "none":
				b.Adjustment, b.AdjustedThrough = event.AdjustedNone, d
			case "dividend":
				b.Adjustment = event.AdjustedDividend
			case "through":
				b.AdjustedThrough = date(value)
			case "fetch":
				b.FetchID = value
			case "rank":
				b.Rank = int32(f64(value))
			case "seen":
				at, err := time.Parse(time.RFC3339, value)
				if err != nil {
					panic(err)
				}
				b.FirstRecordedAt = at
			default:
				panic("unknown option " + word)
			}
		}
		bars = append(bars, b)
	}
	return bars
}

// parseSplits reads "date ratio" pairs, separated by commas.
func parseSplits(text string) []Split {
	var splits []Split
	for pair := range strings.SplitSeq(text, ",") {
		if words := strings.Fields(pair); len(words) == 2 {
			splits = append(splits, Split{Date: date(words[0]), Ratio: f64(words[1])})
		}
	}
	return splits
}

// describe writes an outcome as one line, "-" for null:
// base>target basePrice>targetPrice return/benchmark/abnormal correct/correctAbnormal pnlLong/pnl source/benchmarkSource [suspect]
func describe(o Outcome) string {
	line := fmt.Sprintf("%s>%s %s>%s %s/%s/%s %s/%s %s/%s %s/%s",
		orDash(o.BaseSession.String()), orDash(o.TargetSession.String()), num(o.BasePrice), num(o.TargetPrice),
		num(o.ReturnPct), num(o.BenchmarkPct), num(o.AbnormalPct), yes(o.Correct), yes(o.CorrectAbnormal),
		num(o.PnlLong), num(o.Pnl), orDash(o.Source), orDash(o.BenchmarkSource))
	if o.Suspect {
		line += " suspect"
	}
	return line
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func num(f *float64) string {
	if f == nil {
		return "-"
	}
	return strconv.FormatFloat(*f, 'f', -1, 64)
}

func yes(b *bool) string {
	switch {
	case b == nil:
		return "-"
	case *b:
		return "yes"
	}
	return "no"
}

// row returns the outcome of one basis and horizon.
func row(t interface{ Fatalf(string, ...any) }, rows []Outcome, basis market.Basis, horizon int) Outcome {
	for _, o := range rows {
		if o.Basis == basis && o.Horizon == horizon {
			return o
		}
	}
	t.Fatalf("no row for %s T+%d among %d", basis, horizon, len(rows))
	return Outcome{}
}

// Package legacycompare says how the Python system's outcomes differ from ours, and why.
//
// The old rows are not imported: they are computed anew, on basis legacy, from imported predictions and
// prices. Compare reads both databases and looks at every old row, a prediction and a symbol, at each of
// the four horizons. What is not equal is explained by reproduction: explain tries the known defects of
// the old system (domain.md 6), the fewest first, on the old system's own prices, and takes the first
// that gives the very numbers that it wrote. What no defect reproduces is unexplained, and somebody must
// look at it. Deciding is pure; only the reading needs databases.
package legacycompare

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/market"
)

// Reason is a class of difference.
type Reason string

// The reasons.
const (
	AnalysisAnchor Reason = "analysis-time anchor"    // counted from the day of the analysis instead of the post's
	CalendarDays   Reason = "calendar days"           // the horizon was counted in days instead of sessions
	StalePrice     Reason = "stale price"             // the session had no bar: a close of up to 14 days before was used
	TooEarly       Reason = "too early"               // filled in before the target session was over, with an older close
	BarInProgress  Reason = "bar in progress"         // the price of an unfinished session was taken for its close
	WeekendBar     Reason = "weekend bar"             // a round-the-clock symbol's bar of a day that is no session
	NeverFilled    Reason = "never filled"            // empty there, evaluated here
	WrongSentiment Reason = "wrong sentiment"         // another asset's sentiment, or none
	OtherRule      Reason = "other correctness rule"  // same return and sentiment, another verdict
	AsFraction     Reason = "percent as fraction"     // the return was written without × 100
	OtherPrices    Reason = "other prices"            // we have this session from a better source
	Split          Reason = "split"                   // the two prices stand on different split bases there
	RefusedBar     Reason = "refused bar"             // its price was refused at the import
	NotASymbol     Reason = "not a symbol"            // the symbol rules dropped the name
	NotImported    Reason = "prediction not imported" // its row was rejected at the import
	Unexplained    Reason = "unexplained"
)

// Reasons returns all reasons, Unexplained last.
func Reasons() []Reason {
	return []Reason{AnalysisAnchor, CalendarDays, StalePrice, TooEarly, BarInProgress, WeekendBar, NeverFilled, WrongSentiment,
		OtherRule, AsFraction, OtherPrices, Split, RefusedBar, NotASymbol, NotImported, Unexplained}
}

// Cell is an old row at one horizon. Nil is SQL null; returns are percentage points.
type Cell struct {
	Horizon int      `json:"horizon"`
	Old     *float64 `json:"old_return_pct"`
	Ours    *float64 `json:"return_pct"`
	// Reasons are why they differ, several where one alone does not give the old numbers; none: equal.
	Reasons []Reason `json:"reasons"`
}

// Row is a row of the old prediction_outcomes.
type Row struct {
	PredictionID int64      `json:"prediction_id"`
	Symbol       string     `json:"symbol"`
	Date         event.Date `json:"prediction_date"`
	Equal        bool       `json:"equal"`
	Cells        []Cell     `json:"cells"`
	// Detail names what was rejected, for RefusedBar and NotImported.
	Detail string `json:"detail,omitempty"`
}

// String says it in one line.
func (r *Row) String() string {
	line := fmt.Sprintf("%d %s %s", r.PredictionID, r.Symbol, r.Date)
	if r.Equal {
		return line + " equal"
	}
	for _, c := range r.Cells {
		if len(c.Reasons) > 0 {
			line += fmt.Sprintf("  T+%d %s (%s there, %s here)", c.Horizon, join(c.Reasons), percent(c.Old), percent(c.Ours))
		}
	}
	if r.Detail != "" {
		line += "  " + r.Detail
	}
	return line
}

func join(reasons []Reason) string {
	out := make([]string, len(reasons))
	for i, r := range reasons {
		out[i] = string(r)
	}
	return strings.Join(out, " and ")
}

func percent(f *float64) string {
	if f == nil {
		return "none"
	}
	return fmt.Sprintf("%.4g %%", *f)
}

// Summary counts rows and cells; both by reason, where one with several counts for each.
type Summary struct {
	Rows      int            `json:"rows"`
	EqualRows int            `json:"equal_rows"`
	Cells     int            `json:"cells"`
	Equal     int            `json:"equal_cells"`
	ByRow     map[Reason]int `json:"rows_by_reason"`
	ByCell    map[Reason]int `json:"cells_by_reason"`
}

// Unexplained returns how many cells no reason was found for.
func (s *Summary) Unexplained() int { return s.ByCell[Unexplained] }

func (s *Summary) add(r *Row) {
	s.Rows++
	if r.Equal {
		s.EqualRows++
	}
	of := map[Reason]bool{}
	for _, c := range r.Cells {
		s.Cells++
		if len(c.Reasons) == 0 {
			s.Equal++
		}
		for _, reason := range c.Reasons {
			s.ByCell[reason]++
			of[reason] = true
		}
	}
	for reason := range of {
		s.ByRow[reason]++
	}
}

// String is a table of the reasons.
func (s *Summary) String() string {
	line := fmt.Sprintf("%d rows, %d equal; %d horizons of them, %d equal", s.Rows, s.EqualRows, s.Cells, s.Equal)
	reasons := slices.SortedFunc(maps.Keys(s.ByCell), func(a, b Reason) int { return s.ByCell[b] - s.ByCell[a] })
	for _, reason := range reasons {
		line += fmt.Sprintf("\n%6d rows %6d horizons  %s", s.ByRow[reason], s.ByCell[reason], reason)
	}
	return line
}

// Compare compares every row of the old database's prediction_outcomes with the read model, both only
// read, and calls yield for each in the order of prediction and symbol.
func Compare(ctx context.Context, old, ours *pgx.Conn, yield func(*Row) error) (*Summary, error) {
	theirs, err := readOld(ctx, old)
	if err != nil {
		return nil, fmt.Errorf("read the Python system's outcomes: %w", err)
	}
	m, err := readModel(ctx, ours)
	if undefined(err) {
		return nil, fmt.Errorf("read the read model: there is none yet, or an older one: run projector run --once: %w", err)
	}
	if err != nil {
		return nil, fmt.Errorf("read the read model: %w", err)
	}
	c := comparer{bars: theirs.bars, model: m, cal: market.NYSE()}
	s := &Summary{ByRow: map[Reason]int{}, ByCell: map[Reason]int{}}
	for i := range theirs.outcomes {
		r := c.row(&theirs.outcomes[i])
		s.add(r)
		if err := yield(r); err != nil {
			return s, err
		}
	}
	return s, nil
}

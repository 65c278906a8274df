package legacycompare

import (
	"io"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/market"
	"shitpost-alpha/lake/objects"
	"shitpost-alpha/producers/legacy"
	"shitpost-alpha/producers/legacy/legacytest"
	"shitpost-alpha/projectors"
	"shitpost-alpha/readmodel/readmodeltest"
)

func TestMain(m *testing.M) { os.Exit(readmodeltest.Main(m)) }

// imported makes a Python system, imports it, and projects the lake; it returns both databases.
func imported(t *testing.T, seed uint64, size legacytest.Size, more func(*lake.Lake)) (sys *legacytest.System, old, ours *pgx.Conn) {
	t.Helper()
	sys = legacytest.Make(seed, size)
	_, old = readmodeltest.Open(t)
	if err := sys.WriteDatabase(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	now := func() time.Time { return time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC) }
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	l := lake.New(&objects.Memory{}, "memory", lake.Options{Producer: "import@test", Now: now})
	im := &legacy.Importer{Lake: l, Database: readmodeltest.Connect(t, old.Config().ConnString()), Now: now, Log: log}
	if r, err := im.Run(t.Context()); err != nil || r.Unexplained() != 0 {
		t.Fatalf("import: %v", err)
	}
	if more != nil {
		more(l)
	}
	url, ours := readmodeltest.Open(t)
	p := projectors.New(projectors.Options{Lake: l, DatabaseURL: url, Producer: "projector@test", Log: log})
	defer p.Close(t.Context())
	if err := p.Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	return sys, old, ours
}

// TestCompare: every old row is judged as the generator knows that it was made, at every horizon.
func TestCompare(t *testing.T) {
	for seed := range uint64(3) {
		sys, old, ours := imported(t, seed+10, legacytest.Small(), nil)
		type key struct {
			id     int
			symbol string
		}
		want := map[key][4]string{}
		for _, o := range sys.Outcomes {
			want[key{o.PredictionID, o.Symbol}] = o.Reasons
		}
		met, wrong := map[string]int{}, 0
		s, err := Compare(t.Context(), old, ours, func(r *Row) error {
			reasons := want[key{int(r.PredictionID), r.Symbol}]
			for i, c := range r.Cells {
				met[reasons[i]]++
				if got := join(c.Reasons); got != reasons[i] {
					if wrong++; wrong <= 10 {
						t.Errorf("seed %d: %s at T+%d: %q, want %q", seed, r, c.Horizon, got, reasons[i])
					}
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if s.Rows != len(want) || s.Cells != 4*s.Rows || s.Unexplained() != 0 {
			t.Errorf("seed %d: of %d rows: %s", seed, len(want), s)
		}
		checkLegacyView(t, ours, sys)
		for _, reason := range []Reason{AnalysisAnchor, CalendarDays, StalePrice, TooEarly, BarInProgress, WeekendBar, NeverFilled,
			WrongSentiment, AsFraction, NotASymbol, NotImported, ""} {
			if met[string(reason)] == 0 {
				t.Errorf("seed %d: the system has no case of %q", seed, reason)
			}
		}
	}
}

// TestBetterPrices: where the lake came to know more than the old system, a split or another source's
// prices, the differences are explained by that.
func TestBetterPrices(t *testing.T) {
	cal := market.NYSE()
	_, old, ours := imported(t, 20, legacytest.Small(), func(l *lake.Lake) {
		split := event.Price{Symbol: "S0", SessionDate: day("2025-04-15"), Ratio: 2}
		split.Kind, split.Key, split.Source, split.OccurredAt = event.SplitRecorded, "S0", "yahoo", day("2025-04-15").Time()
		drafts := []event.Price{split}
		for _, s := range cal.Sessions() {
			if s.Date < day("2024-12-01") || s.Date > day("2025-10-01") {
				continue
			}
			price := 100 + 20*math.Sin(float64(s.Date))
			bar := event.Price{Symbol: "S1", SessionDate: s.Date, Interval: "1d", Open: &price, High: &price, Low: &price, Close: &price, Currency: "USD",
				Adjustment: event.AdjustedSplit, AdjustedThrough: day("2025-10-01"), FetchID: "1"}
			bar.Kind, bar.Key, bar.Source, bar.OccurredAt = event.BarRecorded, "S1", "yahoo", s.Close
			drafts = append(drafts, bar)
		}
		n, err := lake.NewRecorder(l.Prices, lake.View[event.Price](nil)).Record(t.Context(), func() ([]event.Price, error) { return drafts, nil })
		if err != nil || n != len(drafts) {
			t.Fatalf("record prices: %d, %v", n, err)
		}
	})
	s, err := Compare(t.Context(), old, ours, func(r *Row) error {
		for _, c := range r.Cells {
			for _, reason := range c.Reasons {
				if reason == Unexplained || reason == Split && r.Symbol != "S0" || reason == OtherPrices && r.Symbol != "S1" {
					t.Errorf("%s", r)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if s.ByCell[Split] == 0 || s.ByCell[OtherPrices] == 0 || s.Unexplained() != 0 {
		t.Errorf("%s", s)
	}
}

// checkLegacyView: what is equal is shown under the old names and row ids, too.
func checkLegacyView(t *testing.T, ours *pgx.Conn, sys *legacytest.System) {
	t.Helper()
	checked := 0
	for _, o := range sys.Outcomes {
		if o.Reasons != [4]string{} || math.IsNaN(o.Returns[0]) {
			continue
		}
		var base, ret float64
		err := ours.QueryRow(t.Context(), "SELECT price_at_prediction, return_t1 FROM legacy.prediction_outcomes WHERE prediction_id = $1 AND symbol = $2",
			o.PredictionID, o.Symbol).Scan(&base, &ret)
		if err != nil || base != o.Base || math.Abs(ret-o.Returns[0]) > 0.01 {
			t.Errorf("%d %s: base %v and return %v, want %v and %v (%v)", o.PredictionID, o.Symbol, base, ret, o.Base, o.Returns[0], err)
		}
		checked++
	}
	if checked < 10 {
		t.Errorf("only %d rows are equal", checked)
	}
}

func TestReasonsAreKnown(t *testing.T) {
	for _, name := range []string{legacytest.StalePrice, legacytest.CalendarDays, legacytest.AnalysisAnchor, legacytest.WrongSentiment,
		legacytest.BarInProgress, legacytest.TooEarly, legacytest.NeverFilled, legacytest.WeekendBar, legacytest.NotASymbol,
		legacytest.NotImported, legacytest.OtherScale} {
		if !slices.Contains(Reasons(), Reason(name)) {
			t.Errorf("%q is no reason", name)
		}
	}
	guide, err := os.ReadFile(filepath.Join("..", "..", "docs", "migration.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, reason := range Reasons() {
		if !strings.Contains(string(guide), string(reason)) {
			t.Errorf("docs/migration.md does not explain %q", reason)
		}
	}
}

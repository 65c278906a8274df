package dashboards_test

import (
	"context"
	"fmt"
	"math"
	"os"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"shitpost-alpha/dashboards"
	"shitpost-alpha/dashboards/check"
	"shitpost-alpha/dashboards/macro"
	"shitpost-alpha/readmodel"
	"shitpost-alpha/readmodel/readmodeltest"
)

func TestMain(m *testing.M) { os.Exit(readmodeltest.Main(m)) }

// model makes the read model with what the SQL puts into it, and connects as Grafana does.
func model(t testing.TB, filling ...string) *pgconn.PgConn {
	t.Helper()
	_, conn := modelURL(t, filling...)
	return conn
}

func modelURL(t testing.TB, filling ...string) (string, *pgconn.PgConn) {
	t.Helper()
	url, db := readmodeltest.Open(t)
	for _, sql := range slices.Concat([]string{readmodel.RolesSQL(), readmodel.OpsSQL(), "CREATE SCHEMA " + readmodel.Schema + "; SET search_path = " + readmodel.Schema + ", pg_temp",
		readmodel.TablesSQL(), readmodel.IndexesSQL(), readmodel.ViewsSQL(), readmodel.GrantsSQL()}, filling) {
		if _, err := db.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%.80s: %v", sql, err)
		}
	}
	conn, err := check.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return url, conn
}

func history(t testing.TB) string {
	t.Helper()
	raw, err := os.ReadFile("testdata/history.sql")
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func march() macro.Env {
	return macro.Env{From: time.Date(2025, 3, 1, 0, 0, 0, 0, time.UTC), To: time.Date(2025, 4, 1, 0, 0, 0, 0, time.UTC), Interval: time.Hour}
}

// shown asks every statement with the choices given and returns the lines by name, numbers rounded to
// four decimals.
func shown(t testing.TB, conn *pgconn.PgConn, env macro.Env, given map[string][]string) map[string]string {
	t.Helper()
	queries, err := dashboards.Queries()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, q := range queries {
		if env.Variables, err = check.Values(t.Context(), conn, q.Dashboard, given, env); err != nil {
			t.Fatal(err)
		}
		a, err := check.Ask(t.Context(), conn, q, env)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range check.Problems(q, a) {
			t.Errorf("%s: %s", q.Name, p)
		}
		var lines []string
		for _, line := range a.Lines() {
			cells := strings.Split(line, "|")
			for i, c := range cells {
				if n, err := strconv.ParseFloat(c, 64); err == nil {
					cells[i] = short(n)
				}
			}
			lines = append(lines, strings.Join(cells, "|"))
		}
		all[q.Name] = strings.Join(lines, "\n")
	}
	return all
}

func short(n float64) string {
	if math.IsNaN(n) {
		return "-"
	}
	s := strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.4f", n), "0"), ".")
	if s == "-0" {
		return "0"
	}
	return s
}

// call is an evaluated call of testdata/history.sql.
type call struct {
	post, symbol, sentiment string
	ret, abnormal, pnl      float64 // abnormal NaN: none
	confidence              float64
	target                  string
	right                   bool
	origin, model           string
	weekday, phase          string
	published               string
}

const (
	rules = "rules/builtin/words"
	gpt   = "llm/openai/gpt"
)

func calls() []call {
	none := math.NaN()
	return []call{
		{"1", "X", "bullish", 2, 1, 20, 0.90, "2025-03-12", true, "live", rules, "Sunday", "closed", "2025-03-02 15:00:00+00"},
		{"1", "Y", "bearish", 1, none, -10, 0.90, "2025-03-12", false, "live", rules, "Sunday", "closed", "2025-03-02 15:00:00+00"},
		{"2", "X", "bullish", -1, -2, -10, 0.55, "2025-03-13", false, "live", rules, "Monday", "pre", "2025-03-03 12:00:00+00"},
		{"3", "Z", "neutral", 0.2, 0, 0, 0.65, "2025-03-14", true, "live", rules, "Tuesday", "post", "2025-03-04 21:30:00+00"},
		{"4", "X", "bearish", -3, -1, 30, 0.75, "2025-03-14", true, "retrospective", rules, "Wednesday", "regular", "2025-03-05 15:00:00+00"},
		{"1", "X", "bearish", 2, 1, -20, 0.80, "2025-03-12", false, "live", gpt, "Sunday", "closed", "2025-03-02 15:00:00+00"},
		{"2", "X", "bullish", -1, -2, -10, 0.50, "2025-03-13", false, "live", gpt, "Monday", "pre", "2025-03-03 12:00:00+00"},
	}
}

// What follows are the formulas of domain.md 5, written down a second time.

func mean(all []call, f func(call) float64) float64 {
	sum, n := 0.0, 0.0
	for _, c := range all {
		if v := f(c); !math.IsNaN(v) {
			sum, n = sum+v, n+1
		}
	}
	return sum / n
}

func (c call) hit() float64 {
	if c.right {
		return 1
	}
	return 0
}

func (c call) move() string {
	switch {
	case c.ret > 0.5:
		return "bullish"
	case c.ret < -0.5:
		return "bearish"
	}
	return "neutral"
}

func wilson(all []call) (low, high float64) {
	const z = 1.959963984540054
	n := float64(len(all))
	p := mean(all, call.hit)
	mid, half := (p+z*z/2/n)/(1+z*z/n), z/(1+z*z/n)*math.Sqrt(p*(1-p)/n+z*z/4/n/n)
	return 100 * mid, 100 * half // as middle and half width
}

func ends(all []call) (low, high float64) {
	mid, half := wilson(all)
	return math.Max(0, mid-half), math.Min(100, mid+half)
}

// randomMix is Σ share(s) · P(right | s), which for one row is the share of its move.
func randomMix(all, of []call) float64 {
	share := map[string]float64{}
	for _, c := range of {
		share[c.sentiment] += 1 / float64(len(of))
	}
	return 100 * mean(all, func(c call) float64 { return share[c.move()] })
}

func bullish(all []call) float64 {
	return 100 * mean(all, func(c call) float64 {
		if c.move() == "bullish" {
			return 1
		}
		return 0
	})
}

func sum(all []call, f func(call) float64) float64 { return mean(all, f) * float64(len(all)) }

func accuracy(all []call) float64    { return 100 * mean(all, call.hit) }
func ret(c call) float64             { return c.ret }
func abnormal(c call) float64        { return c.abnormal }
func pnl(c call) float64             { return c.pnl }
func cells(values ...float64) string { return join(values, short) }
func lines(all []string) string      { return strings.Join(all, "\n") }
func groups(all []call, key func(call) string) (keys []string, by map[string][]call) {
	by = map[string][]call{}
	for _, c := range all {
		if by[key(c)] == nil {
			keys = append(keys, key(c))
		}
		by[key(c)] = append(by[key(c)], c)
	}
	sort.Strings(keys)
	return keys, by
}

func join(values []float64, f func(float64) string) string {
	var all []string
	for _, v := range values {
		all = append(all, f(v))
	}
	return strings.Join(all, "|")
}

// edge compares with a baseline that would have been right with probability base on a row.
func edge(all []call, base func(call) float64) string {
	_, posts := groups(all, func(c call) string { return c.post })
	var differences []float64
	for _, rows := range posts {
		differences = append(differences, mean(rows, func(c call) float64 { return c.hit() - base(c) }))
	}
	m, n := 0.0, float64(len(differences))
	for _, d := range differences {
		m += d / n
	}
	v := 0.0
	for _, d := range differences {
		v += (d - m) * (d - m) / (n - 1)
	}
	se := math.Sqrt(v / n)
	low, high, p := math.NaN(), math.NaN(), math.NaN()
	if n > 1 {
		low, high = 100*(m-1.959963984540054*se), 100*(m+1.959963984540054*se)
		if se > 1e-12 {
			p = math.Erfc(math.Abs(m/se) / math.Sqrt2)
		}
	}
	b := mean(all, base)
	return cells(float64(len(all)), n, 100*b, accuracy(all)-100*b, 100*m, low, high, p)
}

// days are the sums of P&L by target session.
func days(all []call) (dates []string, by map[string]float64) {
	keys, rows := groups(all, func(c call) string { return c.target })
	by = map[string]float64{}
	for _, k := range keys {
		by[k] = sum(rows[k], pnl)
	}
	return keys, by
}

func equity(all []call) string {
	dates, by := days(all)
	var out []string
	total, top := 0.0, 0.0
	for _, d := range dates {
		total += by[d]
		top = max(top, total)
		out = append(out, d+" 00:00:00+00|"+cells(total, total-top))
	}
	return lines(out)
}

// result is average return, abnormal return, P&L, Sharpe ratio and greatest drawdown. The sessions of
// the history's targets follow each other.
func result(all []call) string {
	if len(all) == 0 {
		return ""
	}
	dates, by := days(all)
	first, _ := time.Parse(time.DateOnly, dates[0])
	last, _ := time.Parse(time.DateOnly, dates[len(dates)-1])
	n, m, total, top, deepest := last.Sub(first).Hours()/24+1, 0.0, 0.0, 0.0, 0.0
	for d := first; !d.After(last); d = d.AddDate(0, 0, 1) {
		total += by[d.Format(time.DateOnly)]
		top = max(top, total)
		deepest = min(deepest, total-top)
	}
	m = total / n
	v := 0.0
	for d := first; !d.After(last); d = d.AddDate(0, 0, 1) {
		v += (by[d.Format(time.DateOnly)] - m) * (by[d.Format(time.DateOnly)] - m) / (n - 1)
	}
	sharpe := math.NaN()
	if n > 1 && v > 0 {
		sharpe = m / math.Sqrt(v) * math.Sqrt(252)
	}
	return cells(mean(all, ret), mean(all, abnormal), sum(all, pnl), sharpe, deepest)
}

package projectors

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/realdata"
	"shitpost-alpha/readmodel/readmodeltest"
)

// judge works the figures of domain.md 5 out again from domain.md 3 and 4 alone, from the files of the real data:
// nothing here calls the calendar, the outcomes or the rows of the projection.
type judge struct {
	days   []string       // sessions, ascending, YYYY-MM-DD
	index  map[string]int // of days
	early  map[string]bool
	opens  map[string]float64 // "symbol day"
	closes map[string]float64
	zone   *time.Location
}

func newJudge(t *testing.T) *judge {
	t.Helper()
	j := &judge{index: map[string]int{}, early: map[string]bool{}, opens: map[string]float64{}, closes: map[string]float64{}}
	var err error
	if j.zone, err = time.LoadLocation("America/New_York"); err != nil {
		t.Fatal(err)
	}
	read := func(name string) []byte {
		b, err := os.ReadFile(realdata.Path(t, name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	j.days = strings.Fields(string(read("calendar/nyse_trading_days_observed_2022-01_2026-03.txt")))
	for i, d := range j.days {
		j.index[d] = i
	}
	var calendar struct {
		EarlyCloses []struct{ Date string } `json:"early_closes"`
	}
	if err := json.Unmarshal(read("calendar/nyse_2022_2027.json"), &calendar); err != nil {
		t.Fatal(err)
	}
	for _, c := range calendar.EarlyCloses {
		j.early[c.Date] = true
	}
	for _, r := range readCSV(t, "prices/yf_daily_68tickers_2024-07_2026-03.csv") {
		key := r[1] + " " + r[0]
		j.opens[key], _ = strconv.ParseFloat(r[2], 64)
		j.closes[key], _ = strconv.ParseFloat(r[5], 64)
	}
	return j
}

// bar returns when the bar of a session opens and closes for a symbol.
func (j *judge) bar(symbol, day string) (opens, closes time.Time) {
	if strings.HasSuffix(symbol, "-USD") {
		opens, _ = time.Parse(time.DateOnly, day)
		return opens, opens.Add(24 * time.Hour)
	}
	opens, _ = time.ParseInLocation(time.DateOnly+" 15:04", day+" 09:30", j.zone)
	end := "16:00"
	if j.early[day] {
		end = "13:00"
	}
	closes, _ = time.ParseInLocation(time.DateOnly+" 15:04", day+" "+end, j.zone)
	return opens, closes
}

// sessions returns the places of base and target session, false when they lie outside.
func (j *judge) sessions(symbol, basis string, at time.Time, horizon int) (base, target int, ok bool) {
	switch basis {
	case "prior_close":
		base = -1
		for i, d := range j.days {
			if _, closes := j.bar(symbol, d); closes.After(at) {
				break
			}
			base = i
		}
		target = base + horizon
	case "next_open":
		base = len(j.days)
		for i, d := range j.days {
			if opens, _ := j.bar(symbol, d); opens.After(at) {
				base = i
				break
			}
		}
		target = base + horizon - 1
	case "legacy":
		day := at.UTC().Format(time.DateOnly)
		base = -1
		anchor := len(j.days)
		for i, d := range j.days {
			if d <= day {
				base = i
			}
			if d >= day && anchor == len(j.days) {
				anchor = i
			}
		}
		target = anchor + horizon
	}
	return base, target, base >= 0 && target < len(j.days)
}

func round6(x float64) float64 { return math.Round(x*1e6) / 1e6 }

// change is the return in percentage points between two sessions.
func (j *judge) change(symbol, basis string, base, target int) (float64, bool) {
	from, ok := j.closes[symbol+" "+j.days[base]]
	if basis == "next_open" {
		from, ok = j.opens[symbol+" "+j.days[base]]
	}
	to, there := j.closes[symbol+" "+j.days[target]]
	return round6((to - from) / from * 100), ok && there
}

// tally are the sums of one basis, horizon and origin.
type tally struct {
	n, right, up, down, bulls, bears, abnormalN int
	pnlMicros                                   int64
	sum, abnormal                               float64
	posts                                       map[string]bool
}

func (y *tally) add(postID, sentiment string, ret float64, bench *float64) {
	sign := map[string]float64{event.Bullish: 1, event.Bearish: -1, event.Neutral: 0}[sentiment]
	y.n++
	if ret > 0.5 {
		y.up++
	}
	if ret < -0.5 {
		y.down++
	}
	switch {
	case sign > 0:
		y.bulls++
		if ret > 0.5 {
			y.right++
		}
	case sign < 0:
		y.bears++
		if ret < -0.5 {
			y.right++
		}
	case math.Abs(ret) <= 0.5:
		y.right++
	}
	y.sum += ret
	y.pnlMicros += int64(math.Round(sign * ret / 100 * 1000 * 1e6))
	if bench != nil {
		y.abnormalN++
		y.abnormal += ret - *bench
	}
	y.posts[postID] = true
}

// String is what readmodel.accuracy should say, in four decimals and P&L in six.
func (y *tally) String() string {
	n := float64(y.n)
	neutral, flat := y.n-y.bulls-y.bears, y.n-y.up-y.down
	mix := (float64(y.bulls*y.up) + float64(y.bears*y.down) + float64(neutral*flat)) / n / n
	p, z := float64(y.right)/n, 1.959963984540054
	middle, half := (p+z*z/2/n)/(1+z*z/n), z/(1+z*z/n)*math.Sqrt(p*(1-p)/n+z*z/4/n/n)
	return fmt.Sprintf("%d %d %.4f %.4f %.4f %.4f %.4f %.4f %.4f %.6f %d", y.n, y.right, 100*p, 100*(middle-half), 100*(middle+half), 100*float64(y.up)/n, 100*mix,
		y.sum/n, y.abnormal/float64(y.abnormalN), float64(y.pnlMicros)/1e6, len(y.posts))
}

// The figures of the summary on real posts and real prices, reproduced apart from the projection.
func TestFiguresReproduced(t *testing.T) {
	posts := realPosts(t, 1200)
	symbols := []string{"SPY", "AAPL", "TSLA", "XOM", "BTC-USD", "NVDA", "LMT", "NONE"}
	answered := answers(posts, symbols, rand.New(rand.NewPCG(9, 9)))
	j := newJudge(t)
	want := map[string]*tally{}
	for _, a := range answered {
		for _, asset := range a.Assets {
			if asset.Sentiment == "" {
				continue
			}
			for _, basis := range []string{"prior_close", "next_open", "legacy"} {
				for _, horizon := range []int{1, 3, 7, 30} {
					j.judge(want, a, asset, basis, horizon)
				}
			}
		}
	}
	url, db := readmodeltest.Open(t)
	l := openLake(t)
	appendAll(t, l.Posts, posts...)
	appendAll(t, l.Predictions, answered...)
	appendAll(t, l.Prices, realBars(t, symbols...)...)
	once(t, open(t, l, url))
	var groups int
	for key, y := range want {
		part := strings.Fields(key)
		var got string
		err := db.QueryRow(t.Context(), `SELECT concat_ws(' ', n, correct, to_char(accuracy_pct, 'FM990.0000'), to_char(wilson_low_pct, 'FM990.0000'), to_char(wilson_high_pct, 'FM990.0000'),
				to_char(always_bullish_pct, 'FM990.0000'), to_char(random_mix_pct, 'FM990.0000'), to_char(avg_return_pct, 'FM999990.0000'), to_char(avg_abnormal_pct, 'FM999990.0000'),
				to_char(total_pnl, 'FM9999999990.000000'), posts)
			FROM readmodel.accuracy WHERE basis = $1 AND horizon = $2 AND origin = $3`, part[0], part[1], part[2]).Scan(&got)
		if err != nil {
			t.Errorf("%s: %v", key, err)
			continue
		}
		if got != y.String() {
			t.Errorf("%s:\n%s in the read model\n%s worked out apart", key, got, y)
		}
	}
	if scan(t, db, "SELECT count(*) FROM readmodel.accuracy", &groups); groups != len(want) || want["next_open 7 live"].n < 500 {
		t.Errorf("%d groups in the read model, %d worked out; %d rows of next_open 7 live", groups, len(want), want["next_open 7 live"].n)
	}
	t.Logf("next_open 7 live: %s", want["next_open 7 live"])
}

func (j *judge) judge(into map[string]*tally, a event.Prediction, asset event.Asset, basis string, horizon int) {
	base, target, ok := j.sessions(asset.Symbol, basis, a.PublishedAt, horizon)
	if !ok {
		return
	}
	ret, ok := j.change(asset.Symbol, basis, base, target)
	if !ok {
		return
	}
	var bench *float64
	if b, ok := j.change("SPY", basis, base, target); ok && asset.Symbol != "SPY" {
		bench = &b
	}
	origin := "live"
	if first, _, ok := j.sessions(asset.Symbol, "next_open", a.PublishedAt, 1); ok {
		if opens, _ := j.bar(asset.Symbol, j.days[first]); a.OccurredAt.After(opens) {
			origin = "retrospective"
		}
	}
	key := fmt.Sprintf("%s %d %s", basis, horizon, origin)
	if into[key] == nil {
		into[key] = &tally{posts: map[string]bool{}}
	}
	into[key].add(a.PostID, asset.Sentiment, ret, bench)
}

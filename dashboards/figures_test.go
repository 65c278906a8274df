package dashboards_test

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"
)

// chosen are the choices of a reader, and the rows that they leave.
type chosen struct {
	given map[string][]string
	from  string // begin of the time range, a date
}

func (c chosen) has(name, value, none string) bool {
	values, ok := c.given[name]
	return !ok && none == "" || !ok && value == none || slices.Contains(values, value)
}

func (c chosen) leaves(all []call, anyModel bool) []call {
	least, _ := strconv.ParseFloat(append(c.given["confidence"], "0")[0], 64)
	model := append(c.given["model"], "primary")[0]
	return slices.DeleteFunc(slices.Clone(all), func(x call) bool {
		return !c.has("origin", x.origin, "") || !c.has("asset", x.symbol, "") || !c.has("sentiment", x.sentiment, "") || x.confidence < least ||
			c.from != "" && x.published < c.from || !anyModel && x.model != model && !(model == "primary" && x.model == rules)
	})
}

// leavesScores are the evaluated ones: the history has them at basis next_open and horizon 7 alone.
func (c chosen) leavesScores(anyModel bool) []call {
	if !c.has("horizon", "7", "7") || !c.has("basis", "next_open", "next_open") {
		return nil
	}
	return c.leaves(calls(), anyModel)
}

// TestFigures works out every figure of every panel a second time, for every choice that a reader can make
// of one variable, and for some together.
func TestFigures(t *testing.T) {
	conn := model(t, history(t))
	for _, c := range []chosen{
		{}, {given: map[string][]string{"origin": {"live"}}}, {given: map[string][]string{"asset": {"X"}}}, {given: map[string][]string{"asset": {"Y", "Z"}}},
		{given: map[string][]string{"sentiment": {"bullish"}}}, {given: map[string][]string{"sentiment": {"neutral", "none"}}}, {given: map[string][]string{"confidence": {"0.75"}}},
		{given: map[string][]string{"model": {gpt}}}, {given: map[string][]string{"model": {rules}}}, {given: map[string][]string{"horizon": {"30"}}}, {given: map[string][]string{"basis": {"legacy"}}},
		{given: map[string][]string{"by": {"phase"}}}, {given: map[string][]string{"by": {"origin"}}}, {given: map[string][]string{"by": {"symbol"}}}, {given: map[string][]string{"by": {"model"}}},
		{given: map[string][]string{"by": {"month"}}}, {given: map[string][]string{"by": {"weekday"}}}, {given: map[string][]string{"by": {"sentiment"}}}, {from: "2025-03-03"}, {given: map[string][]string{"model": {gpt}, "sentiment": {"bearish"}, "confidence": {"0.6"}}},
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			env := march()
			if c.from != "" {
				env.From, _ = time.Parse(time.DateOnly, c.from)
			}
			given := maps.Clone(c.given)
			if given == nil {
				given = map[string][]string{}
			}
			given["symbol"] = []string{"X"}
			got := shown(t, conn, env, given)
			for name, want := range c.wanted() {
				if got[name] != want {
					t.Errorf("%s\n got %s\nwant %s", name, strings.ReplaceAll(got[name], "\n", "\n     "), strings.ReplaceAll(want, "\n", "\n     "))
				}
			}
		})
	}
}

// wanted are the panels of figures, by name.
func (c chosen) wanted() map[string]string {
	f, all := c.leavesScores(false), c.leavesScores(true)
	unscored := call{post: "4", symbol: "W", sentiment: "none", confidence: 0.75, origin: "retrospective", model: rules, published: "2025-03-05 15:00:00+00"}
	posts, answers := 7.0, 4.0
	if !c.has("model", "primary", "primary") && !c.has("model", rules, "primary") {
		answers = 3
	}
	if c.from != "" {
		posts, answers = 6, 3
	}
	low, high := ends(f)
	key := cells(posts, answers, float64(len(c.leaves(append(calls(), unscored), false))), float64(len(f)), accuracy(f), low, high)
	want := map[string]string{
		"overview/Key figures": key, "overview/Edge over baselines": edges(f), "overview/Return and P&L": result(f), "overview/Equity curve": equity(f),
		"overview/Best calls": extremes(f, 1), "overview/Worst calls": extremes(f, -1), "performance/Distribution of returns": distribution(f),
		"performance/Calibration": calibration(f), "performance/Calibration in figures": cells(float64(len(f)), mean(f, brier), 100*mean(f, call.sure), accuracy(f)),
		"performance/Streaks": streaks(f), "performance/Month by month": months(f), "performance/Screener": screener(f), "performance/Groups by $by, in figures": breakdown(f, append(c.given["by"], "confidence")[0]),
		"performance/Back-test": backtest(f, false), "performance/Back-test: capital": backtest(f, true), "performance/Rolling accuracy": "",
		"models/Accuracy of every model": modelTable(all), "models/Accuracy against chance": modelBars(all),
	}
	for name, d := range map[string]struct {
		dimension string
		key       func(call) string
	}{"confidence": {"confidence", call.bin}, "sentiment": {"sentiment", said}, "weekday": {"weekday", weekday}, "market phase": {"phase", phase}} {
		want["performance/Accuracy by "+name] = bars(f, d.dimension, d.key)
	}
	one := c
	one.given = maps.Clone(c.given)
	if one.given == nil {
		one.given = map[string][]string{}
	}
	delete(one.given, "asset")
	every := one.leavesScores(false)
	one.given["asset"] = []string{"X"}
	of := one.leavesScores(false)
	want["asset/Equity curve of $symbol"], want["asset/Best calls"], want["asset/Worst calls"] = equity(of), extremes(of, 1), extremes(of, -1)
	var against []string
	for _, r := range []struct {
		name string
		rows []call
	}{{"X", of}, {"All assets", every}} {
		if len(r.rows) > 0 {
			low, high := ends(r.rows)
			against = append(against, r.name+"|"+cells(float64(len(r.rows)), accuracy(r.rows), low, high, bullish(r.rows), randomMix(r.rows, r.rows), mean(r.rows, ret), mean(r.rows, abnormal), sum(r.rows, pnl)))
		}
	}
	want["asset/$symbol against all assets"] = lines(against)
	return want
}

func (c call) sure() float64 { return c.confidence }
func said(c call) string     { return c.sentiment }
func weekday(c call) string  { return c.weekday }
func phase(c call) string    { return c.phase }
func brier(c call) float64   { return (c.confidence - c.hit()) * (c.confidence - c.hit()) }

func (c call) bin() string {
	switch {
	case c.confidence < 0.6:
		return "< 0.60"
	case c.confidence < 0.75:
		return "0.60-0.75"
	}
	return ">= 0.75"
}

func edges(f []call) string {
	if len(f) == 0 {
		return ""
	}
	up := func(c call) float64 { return bullish([]call{c}) / 100 }
	mix := func(c call) float64 { return randomMix([]call{c}, f) / 100 }
	return "Always bullish|" + edge(f, up) + "\nRandom, same mix|" + edge(f, mix)
}

// inOrder is the order of rows in time: target session, post time, prediction, asset.
func inOrder(f []call) []call {
	f = slices.Clone(f)
	sort.SliceStable(f, func(i, j int) bool {
		return f[i].target+f[i].published+f[i].post+f[i].symbol < f[j].target+f[j].published+f[j].post+f[j].symbol
	})
	return f
}

func extremes(f []call, sign float64) string {
	f = slices.Clone(f)
	sort.SliceStable(f, func(i, j int) bool {
		if f[i].pnl != f[j].pnl {
			return sign*f[i].pnl > sign*f[j].pnl
		}
		return f[i].published+f[i].symbol < f[j].published+f[j].symbol
	})
	var out []string
	for _, c := range f {
		at, _ := time.Parse("2006-01-02 15:04:05-07", c.published)
		out = append(out, fmt.Sprintf("%s|%s|%s|%s|Post number %s|%s|https://example.org/%s|%d|%d", c.published, c.symbol, c.sentiment, cells(c.ret, c.pnl), c.post, c.post, c.post,
			at.AddDate(0, 0, -30).UnixMilli(), at.AddDate(0, 0, 60).UnixMilli()))
	}
	return lines(out)
}

func place(dimension, value string) int {
	order := map[string][]string{"confidence": {"< 0.60", "0.60-0.75", ">= 0.75"}, "sentiment": {"bearish", "bullish", "neutral"},
		"weekday": {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"}, "phase": {"pre", "regular", "post", "closed"}, "origin": {"live", "retrospective"}}
	return slices.Index(order[dimension], value)
}

func parts(f []call, dimension string, key func(call) string) (keys []string, by map[string][]call) {
	keys, by = groups(f, key)
	sort.SliceStable(keys, func(i, j int) bool { return place(dimension, keys[i]) < place(dimension, keys[j]) })
	return keys, by
}

func bars(f []call, dimension string, key func(call) string) string {
	keys, by := parts(f, dimension, key)
	var out []string
	for _, k := range keys {
		out = append(out, fmt.Sprintf("%s (n %d)|%s", k, len(by[k]), cells(accuracy(by[k]), randomMix(by[k], by[k]))))
	}
	return lines(out)
}

// byPost averages the rows of one post first.
func byPost(f []call, value func(call) float64) (posts, total float64) {
	_, by := groups(f, func(c call) string { return c.post })
	for _, rows := range by {
		total += mean(rows, value)
	}
	return float64(len(by)), total
}

func breakdown(f []call, by string) string {
	keyOf := map[string]func(call) string{"confidence": call.bin, "phase": phase, "origin": func(c call) string { return c.origin }, "sentiment": said, "weekday": weekday,
		"symbol": func(c call) string { return c.symbol }, "model": func(c call) string { return c.model + "/v1" }, "month": func(c call) string { return c.published[:7] }}
	keys, groups := parts(f, by, keyOf[by])
	var out []string
	for _, k := range keys {
		rows := groups[k]
		low, high := ends(rows)
		posts, hits := byPost(rows, call.hit)
		_, dollars := byPost(rows, pnl)
		out = append(out, k+"|"+cells(float64(len(rows)), posts, accuracy(rows), low, high, mean(rows, ret), mean(rows, abnormal), sum(rows, pnl), 100*hits/posts, dollars))
	}
	return lines(out)
}

func distribution(f []call) string {
	if len(f) == 0 {
		return ""
	}
	var out []string
	for bin := -11; bin <= 10; bin++ {
		n := map[string]float64{}
		for _, c := range f {
			if int(math.Floor(c.ret)) == bin {
				n[c.sentiment]++
			}
		}
		name := fmt.Sprintf("%d to %d", bin, bin+1)
		if bin == -11 {
			name = "under -10"
		} else if bin == 10 {
			name = "10 and over"
		}
		out = append(out, name+"|"+cells(n["bullish"], n["bearish"], n["neutral"]))
	}
	return lines(out)
}

func calibration(f []call) string {
	keys, by := groups(f, func(c call) string { return fmt.Sprintf("%.1f", math.Floor(c.confidence*10+1e-9)/10) })
	var out []string
	for _, k := range keys {
		low, _ := strconv.ParseFloat(k, 64)
		out = append(out, fmt.Sprintf("%s-%.1f (n %d)|%s", k, low+0.1, len(by[k]), cells(100*mean(by[k], call.sure), accuracy(by[k]))))
	}
	return lines(out)
}

func streaks(f []call) string {
	run, win, loss := 0, 0, 0
	for _, c := range inOrder(f) {
		switch {
		case c.right && run > 0:
			run++
		case c.right:
			run = 1
		case run < 0:
			run--
		default:
			run = -1
		}
		win, loss = max(win, run), max(loss, -run)
	}
	return cells(float64(len(f)), float64(run), float64(win), float64(loss))
}

func months(f []call) string {
	if len(f) == 0 {
		return ""
	}
	posts, _ := byPost(f, pnl)
	return "2025-03|" + cells(float64(len(f)), posts, accuracy(f), randomMix(f, f), mean(f, ret), mean(f, abnormal), sum(f, pnl))
}

func screener(f []call) string {
	keys, by := groups(f, func(c call) string { return c.symbol })
	sort.SliceStable(keys, func(i, j int) bool { return len(by[keys[i]]) > len(by[keys[j]]) })
	var out []string
	for _, k := range keys {
		rows := inOrder(by[k])
		low, high := ends(rows)
		last := ""
		totals := make([]float64, len(rows))
		for i, c := range rows {
			last = max(last, c.published)
			totals[i] = c.ret
			if i > 0 {
				totals[i] += totals[i-1]
			}
		}
		out = append(out, k+"|"+cells(float64(len(rows)), accuracy(rows), low, high, mean(rows, ret), mean(rows, abnormal), sum(rows, pnl))+"|"+spark(totals)+"|"+last)
	}
	return lines(out)
}

func spark(v []float64) string {
	low, high, out := slices.Min(v), slices.Max(v), ""
	for _, x := range v {
		if high == low {
			out += "▄"
			continue
		}
		out += string([]rune("▁▂▃▄▅▆▇█")[min(7, int((x-low)/(high-low)*8))])
	}
	return out
}

// backtest trades every call with confidence from 0.6 on, at 5 basis points a side.
func backtest(f []call, curve bool) string {
	f = slices.DeleteFunc(inOrder(f), func(c call) bool { return c.confidence < 0.6 || c.sentiment == "neutral" })
	if len(f) == 0 {
		return ""
	}
	dates, by := groups(f, func(c call) string { return c.target })
	capital, top, deepest, won, earned := 10000.0, 10000.0, 0.0, 0.0, 0.0
	var out []string
	for _, d := range dates {
		for _, c := range by[d] {
			earned += c.pnl
			capital += c.pnl - 1
			if c.pnl > 1 {
				won++
			}
		}
		top = max(top, capital)
		deepest = min(deepest, capital-top)
		out = append(out, d+" 00:00:00+00|"+cells(capital, 10000))
	}
	if curve {
		return lines(out)
	}
	n := float64(len(f))
	return cells(n, 100*won/n, earned, n, capital, deepest)
}

func modelTable(all []call) string {
	return perModel(all, func(name string, rows []call) string {
		low, high := ends(rows)
		posts, _ := byPost(rows, pnl)
		return name + "|" + cells(float64(len(rows)), posts, accuracy(rows), low, high, bullish(rows), randomMix(rows, rows), mean(rows, ret), mean(rows, abnormal), sum(rows, pnl), mean(rows, brier))
	})
}

func modelBars(all []call) string {
	return perModel(all, func(name string, rows []call) string {
		return fmt.Sprintf("%s (n %d)|%s", name, len(rows), cells(accuracy(rows), randomMix(rows, rows)))
	})
}

func perModel(all []call, line func(string, []call) string) string {
	keys, by := groups(all, func(c call) string { return c.model })
	sort.SliceStable(keys, func(i, j int) bool { return len(by[keys[i]]) > len(by[keys[j]]) })
	var out []string
	for _, k := range keys {
		out = append(out, line(k, by[k]))
	}
	return lines(out)
}

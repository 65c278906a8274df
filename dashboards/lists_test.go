package dashboards_test

import (
	"fmt"
	"strings"
	"testing"

	"shitpost-alpha/dashboards"
	"shitpost-alpha/dashboards/check"
)

// matches compares line by line and cell by cell; * stands for what depends on the time of asking.
func matches(got, want string) bool {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	if len(g) != len(w) {
		return false
	}
	for i := range g {
		gc, wc := strings.Split(g[i], "|"), strings.Split(w[i], "|")
		if len(gc) != len(wc) {
			return false
		}
		for j := range gc {
			if wc[j] != "*" && gc[j] != wc[j] {
				return false
			}
		}
	}
	return true
}

// TestLists: what the panels without figures list of testdata/history.sql, by hand.
func TestLists(t *testing.T) {
	got := shown(t, model(t, history(t)), march(), nil)
	post := func(n int) string { // link columns of the post: id, address, 30 days before, 60 after
		return fmt.Sprintf("%d|https://example.org/%d|*|*", n, n)
	}
	for name, want := range map[string]string{
		"overview/variable model": "Primary analyzer|primary\nllm/openai/gpt|llm/openai/gpt\nrules/builtin/words|rules/builtin/words",
		"overview/variable asset": "W\nX\nY\nZ\n(none)",
		"asset/variable symbol":   "X\nW\nY\nZ",
		"overview/Freshness": "Newest post|2025-03-08 12:00:00+00|*\nNewest answer|2025-03-05 15:02:00+00|*\n" +
			"Newest evaluated session|2025-03-14 00:00:00+00|*\nProjector looked at posts|*|*",
		"overview/Latest calls": "2025-03-05 15:00:00+00|Post number 4|X|bearish|0.75|-3|-1|30|right|evaluated|-|retrospective|" + post(4) + "\n" +
			"2025-03-05 15:00:00+00|Post number 4|W|none|0.75|5|-|-|not scored|evaluated|-|retrospective|" + post(4) + "\n" +
			"2025-03-04 21:30:00+00|Post number 3|Z|neutral|0.65|0.2|0|0|right|evaluated|-|live|" + post(3) + "\n" +
			"2025-03-03 12:00:00+00|Post number 2|X|bullish|0.55|-1|-2|-10|wrong|evaluated|-|live|" + post(2) + "\n" +
			"2025-03-02 15:00:00+00|Post number 1|X|bullish|0.9|2|1|20|right|evaluated|-|live|" + post(1) + "\n" +
			"2025-03-02 15:00:00+00|Post number 1|Y|bearish|0.9|1|-|-10|wrong|evaluated|-|live|" + post(1),
		"signals/Posts by analysis": "7|4|1|1|1|6",
		"signals/Feed": "2025-03-08 12:00:00+00|Post number 7|-|none|-|-|-|-|-|not scored|none|-|-|-|" + post(7) + "\n" +
			"2025-03-07 15:00:00+00|Post number 6|-|none|-|-|-|-|-|not scored|failed|bad_output|-|-|" + post(6) + "\n" +
			"2025-03-06 15:00:00+00|Post number 5|-|none|-|-|-|-|-|not scored|bypassed|Retruth|-|-|" + post(5) + "\n" +
			"2025-03-05 15:00:00+00|Post number 4|X|bearish|0.75|-|-|-3|-|right|completed|-|because 4|retrospective|" + post(4) + "\n" +
			"2025-03-05 15:00:00+00|Post number 4|W|none|0.75|-|-|5|-|not scored|completed|-|because 4|retrospective|" + post(4) + "\n" +
			"2025-03-04 21:30:00+00|Post number 3|Z|neutral|0.65|-|-|0.2|-|right|completed|-|because 3|live|" + post(3) + "\n" +
			"2025-03-03 12:00:00+00|Post number 2|X|bullish|0.55|-|-|-1|-|wrong|completed|-|because 2|live|" + post(2) + "\n" +
			"2025-03-02 15:00:00+00|Post number 1|X|bullish|0.9|-|-|2|-|right|completed|-|because 1|live|" + post(1) + "\n" +
			"2025-03-02 15:00:00+00|Post number 1|Y|bearish|0.9|-|-|1|-|wrong|completed|-|because 1|live|" + post(1),
		"signals/Calls by week":         "2025-02-24 00:00:00+00|1|1|0\n2025-03-03 00:00:00+00|1|1|2", // 2 March is a Sunday
		"signals/Not analysed, and why": "Retruth|bypassed|1|50\nbad_output|failed|1|50",
		"post/Analyses, model by model": "rules/builtin/words|v1|completed|-|X bearish, W none|0.75|because 4|X: as said\nW: as said|retrospective|120|-|-|-",
		"post/Outcomes of every asset": "X|bearish|rules/builtin/words|next_open|2025-03-07|100|-|-|-3|-|30|right|evaluated|-\n" +
			"X|bearish|rules/builtin/words|prior_close|2025-03-07|100|-|-|-|-|-|not scored|-|-\nX|bearish|rules/builtin/words|legacy|2025-03-07|100|-|-|-|-|-|not scored|-|-\n" +
			"W|none|rules/builtin/words|next_open|2025-03-07|100|-|-|5|-|-|not scored|evaluated|-\n" +
			"W|none|rules/builtin/words|prior_close|2025-03-07|100|-|-|-|-|-|not scored|-|-\nW|none|rules/builtin/words|legacy|2025-03-07|100|-|-|-|-|-|not scored|-|-",
		// the split of 4 March halves what was before: 81 / 2 = 40.5 against 41, the last close before the post
		"post/Prices around the post":           "2025-03-03 00:00:00+00|X|-1.2195\n2025-03-04 00:00:00+00|X|0",
		"post/Attempts":                         "2025-03-05 15:02:00+00|prediction_made|rules/builtin/words|1|-|-|-",
		"asset/Bars of $symbol":                 "2025-03-03 14:30:00+00|40|41|39|40.5|1000\n2025-03-04 14:30:00+00|40|42|38|41|1000",
		"asset/Calls by month":                  "2025-03-01 00:00:00+00|2|1|0",
		"asset/annotation Bearish post":         "2025-03-05 15:00:00+00|Post  number\n4|bearish",
		"asset/annotation Right at the horizon": "2025-03-14 20:00:00+00|bearish, return -3.00 %|right\n2025-03-12 20:00:00+00|bullish, return +2.00 %|right",
		"asset/annotation Wrong at the horizon": "2025-03-13 20:00:00+00|bullish, return -1.00 %|wrong",
		"asset/Named together with $symbol":     "W|1|0|0|-|-|2025-03-05 15:00:00+00\nY|1|0|1|0|1|2025-03-02 15:00:00+00",
		// bars of both sources; 5 March to 28 March are 18 sessions
		"asset/Prices of $symbol": "5|6|2|18",
		// latencies 1, 2, 3 s; cents 1, 2, 3
		"models/Cost, latency, tokens, failures": "rules/builtin/words|4|1|20|0|0|0|0|-|-\nllm/openai/gpt|3|0|0|300|30|0.06|0.02|2|2.9",
		// both answered posts 1 to 3 and called X of 1 and 2: differently on 1, alike (and wrong) on 2
		"models/Two models on the same posts": "llm/openai/gpt|rules/builtin/words|3|2|2|50|2|0|50|-50",
		"models/Where they disagree":          "2025-03-02 15:00:00+00|Post number 1|X|llm/openai/gpt|bearish|rules/builtin/words|bullish|2|" + post(1),
		"models/Failures by class":            "rules/builtin/words|bad_output|1|1|2025-03-07 15:02:00+00|no JSON",
		"pipeline/How much there is":          "7|7|1|1|0|8|6|1|1|1",
		"pipeline/Lake to read model":         "posts|5|2025-03-08 12:01:00+00|*|*|2|-|-",
		"pipeline/From the post on":           "post to harvest|7|60|60\npost to prediction|4|120|120",
		"pipeline/Analysis states":            "completed|-|4|57.1429\nbypassed|Retruth|1|14.2857\nfailed|bad_output|1|14.2857\nwaiting|-|1|14.2857",
		"pipeline/Outcomes by status":         "evaluated|6|100",
		"pipeline/Spent today":                "0|1|0|0|0",
		"pipeline/Price coverage": "Y|awaiting_price|1|0|-|-|-|-|2025-03-02 15:00:00+00\nZ|awaiting_price|1|0|-|-|-|-|2025-03-04 21:30:00+00\n" +
			"W|unpriceable|1|0|-|-|-|-|2025-03-05 15:00:00+00\nX|priced|5|6|2|2025-02-28|2025-03-04|18|2025-03-05 15:00:00+00",
		"pipeline/Newest event of every producer": "posts|harvester@1|2025-03-08 12:01:00+00|*",
		"pipeline/Dead letters and rejected input": "2025-03-10 00:00:00+00|not applied: prices bar_recorded|X|no session|-\n" +
			"2025-03-09 00:00:00+00|not taken: posts|9|bad number|replies is many\n2025-03-07 15:02:00+00|analysis given up|6|bad_output|no JSON",
		"pipeline/Rebuilds of the read model": "1|done|first|2025-03-20 00:00:00+00|1.5|100|projector@1|-",
	} {
		if !matches(got[name], want) {
			t.Errorf("%s\n got %s\nwant %s", name, got[name], want)
		}
	}
}

// TestVariables: every variable changes what it is for.
func TestVariables(t *testing.T) {
	conn := model(t, history(t))
	before := shown(t, conn, march(), nil)
	for _, c := range []struct{ variable, value, panel, want string }{
		{"status", "bypassed", "signals/Posts by analysis", "1|0|1|0|0|0"},
		{"status", "none", "signals/Posts by analysis", "1|0|0|0|1|0"},
		{"asset", "(none)", "signals/Posts by analysis", "3|0|1|1|1|0"},
		{"asset", "W", "signals/Feed", "2025-03-05 15:00:00+00|Post number 4|W|none|0.75|-|-|5|-|not scored|completed|-|because 4|retrospective|4|https://example.org/4|*|*"},
		{"horizon", "1", "signals/Feed", strings.NewReplacer("|right|", "|not scored|", "|wrong|", "|not scored|").Replace(before["signals/Feed"])},
		{"basis", "legacy", "asset/Calls of $symbol, newest first", ""},
		{"model", gpt, "signals/Feed", ""},
		{"model", gpt, "pipeline/Outcomes by status", "evaluated|2|100"},
		{"origin", "live", "pipeline/Outcomes by status", "evaluated|4|100"},
		{"sentiment", "neutral", "overview/Latest calls", "2025-03-04 21:30:00+00|Post number 3|Z|neutral|0.65|0.2|0|0|right|evaluated|-|live|3|https://example.org/3|*|*"},
		{"confidence", "0.9", "asset/Calls by month", "2025-03-01 00:00:00+00|1|0|0"},
		{"post", "1", "post/Post", "Text|Post  number\n1\nPublished|Sun 2025-03-02 10:00:00 New York, 15:00:00 UTC\nAddress|https://example.org/1\n" +
			"Found at|archive:a.csv, 1 source, in the lake since 2025-03-02 15:01:00 UTC\nId|1"},
		{"post", "1", "post/annotation The post", "2025-03-02 15:00:00+00|Post  number\n1|post"},
		{"symbol", "Z", "asset/Calls by month", "2025-03-01 00:00:00+00|0|0|1"},
		{"symbol", "Z", "asset/Bars of $symbol", ""},
		{"asset", "X", "pipeline/Price coverage", "X|priced|5|6|2|2025-02-28|2025-03-04|18|2025-03-05 15:00:00+00"},
		{"capital", "100", "performance/Back-test", "3|66.6667|40|3|137|0"},
		{"capital", "no number", "performance/Back-test", before["performance/Back-test"]},
		{"threshold", "0.8", "performance/Back-test", "2|50|10|2|10008|0"},
		{"cost", "0", "performance/Back-test", "3|66.6667|40|0|10040|0"},
		{"cost", "-5", "performance/Back-test", before["performance/Back-test"]},
		{"shorts", "false", "performance/Back-test", "1|100|20|1|10019|0"},
		{"budget", "2.50", "pipeline/Spent today", "0|2.5|0|0|0"},
		{"budget", "much", "pipeline/Spent today", before["pipeline/Spent today"]},
		{"budget", "0", "pipeline/Spent today", "0|0|-|0|0"},
	} {
		got := shown(t, conn, march(), map[string][]string{c.variable: {c.value}})[c.panel]
		if c.want != "" && !matches(got, c.want) {
			t.Errorf("%s = %s: %s\n got %s\nwant %s", c.variable, c.value, c.panel, got, c.want)
		}
		if c.want == "" && got == before[c.panel] {
			t.Errorf("%s = %s does not change %s", c.variable, c.value, c.panel)
		}
	}
}

// TestRollingAccuracy: from the 30th row on, the last 30 alone. 60 rows, the first 30 right, then wrong:
// after the 45th 15 of 30 are right.
func TestRollingAccuracy(t *testing.T) {
	conn := model(t, `INSERT INTO scores (prediction_id, symbol, basis, horizon, target_session, published_at, return_micros, pnl_micros, confidence, correct, move, sentiment, origin, is_primary, synthetic, post_id, weekday, phase, predicted_at)
		SELECT 'p' || to_char(i, 'FM000'), 'X', 'next_open', 7, date '2025-01-01' + i / 15, timestamptz '2025-03-03Z', 1000000, 1, 0.5, i < 30, 1, 'bullish', 'live', true, false, 'p' || i, 1, 'pre', '2025-03-03Z' FROM generate_series(0, 59) i;
		INSERT INTO calls (prediction_id, symbol, position, sentiment, post_id, published_at, confidence, origin, predicted_at) SELECT prediction_id, symbol, 0, sentiment, post_id, published_at, confidence, origin, predicted_at FROM scores`)
	got := shown(t, conn, march(), nil)["performance/Rolling accuracy"]
	if want := "2025-01-02 00:00:00+00|100|50\n2025-01-03 00:00:00+00|50|50\n2025-01-04 00:00:00+00|0|50"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestOnAnEmptyModel: nothing fails, nothing is shown that is not there, and nothing a reader can put
// into an address does any harm.
func TestOnAnEmptyModel(t *testing.T) {
	conn := model(t)
	counts := map[string]bool{"overview/variable model": true, "overview/variable asset": true, "overview/Key figures": true, "overview/Freshness": true}
	for name, got := range shown(t, conn, march(), nil) {
		_, name, _ := strings.Cut(name, "/")
		if strings.HasPrefix(name, "variable ") || counts["overview/"+name] {
			continue
		}
		for _, line := range strings.Split(got, "\n") {
			for _, cell := range strings.Split(line, "|") {
				if cell != "" && cell != "-" && cell != "0" && !strings.HasPrefix(name, "Spent") {
					t.Errorf("%s shows %s", name, line)
				}
			}
		}
	}
}

// TestNastyValues: what a reader can put into an address stays inside its literal: the same rows as for any
// other unknown value, and nothing is gone afterwards.
func TestNastyValues(t *testing.T) {
	url, conn := modelURL(t, history(t))
	before := shown(t, conn, march(), nil)
	report, err := check.Database(t.Context(), url, march().To)
	if err != nil || len(report.Problems) > 0 {
		t.Fatalf("%v %v", err, report.Problems)
	}
	for _, value := range []string{"X' OR true --", "X'); DELETE FROM readmodel.posts; --", "') UNION SELECT usename, passwd FROM pg_shadow --"} {
		got := shown(t, conn, march(), map[string][]string{"asset": {value}, "post": {value}, "symbol": {value}})
		for _, panel := range []string{"overview/Latest calls", "overview/Best calls", "signals/Feed", "asset/Bars of $symbol", "post/Post", "pipeline/Price coverage"} {
			if got[panel] != "" {
				t.Errorf("%q: %s shows %s", value, panel, got[panel])
			}
		}
	}
	after := shown(t, conn, march(), nil)
	for _, panel := range []string{"signals/Feed", "pipeline/How much there is", "overview/Key figures"} {
		if after[panel] != before[panel] {
			t.Errorf("%s was %s and is %s", panel, before[panel], after[panel])
		}
	}
	for _, sql := range []string{"INSERT INTO readmodel.positions VALUES ('x', '', 1)", "DELETE FROM readmodel.posts", "CREATE TABLE readmodel.mine (a int)", "SELECT pg_sleep(1); DROP TABLE readmodel.posts"} {
		if _, err := check.Ask(t.Context(), conn, dashboards.Query{Name: "harm", SQL: sql}, march()); err == nil {
			t.Errorf("the reading role may: %s", sql)
		}
	}
}

package legacy

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/market"
	"shitpost-alpha/producers/analysis"
)

const postID = "114308258545250117" // 2025-04-09

// verdict judges a row of predictions and says in one line what became of it.
func verdict(t *testing.T, f *facts, columns string) string {
	t.Helper()
	r, err := parseRow("predictions", []byte(`{"id":17,"signal_id":"`+postID+`","analysis_timestamp":"2025-04-09T14:00:00",`+columns+`}`))
	if err != nil {
		t.Fatal(err)
	}
	d := f.prediction(r)
	switch e := d.draft; {
	case d.covered != "":
		return d.covered
	case e.Kind == event.RecordRejected:
		return e.RejectedReason
	case e.Kind == event.PostBypassed:
		return "bypassed: " + e.BypassReason
	default:
		var calls []string
		for _, a := range e.Assets {
			calls = append(calls, a.Symbol+"="+a.Sentiment)
		}
		for _, x := range e.Dropped {
			calls = append(calls, x.Symbol+"!"+x.Reason)
		}
		return strings.Join(calls, " ")
	}
}

func TestPredictionRows(t *testing.T) {
	const done = `"analysis_status":"completed","confidence":0.7,`
	for _, c := range []struct{ columns, want string }{
		{done + `"assets":["SPY","QQQ"],"market_impact":{"SPY":"bullish","QQQ":"bearish"}`, "SPY=bullish QQQ=bearish"},
		{done + `"assets":["SPY","QQQ"],"market_impact":{"SPY":"bullish"}`, "SPY=bullish QQQ="}, // never another's
		{done + `"assets":["META"],"market_impact":{"FB":"bearish"}`, "META=bearish"},           // moves along
		{done + `"assets":["FB"],"market_impact":{"FB":"bearish"}`, "META=bearish"},
		{done + `"assets":["FB","META"],"market_impact":{"FB":"bearish","META":"bullish"}`, "META=bearish META!duplicate"},
		{done + `"assets":["TARIFF","TWTR","spy"],"market_impact":{"SPY":" Bullish "}`, "SPY=bullish TARIFF!concept TWTR!delisted"},
		{done + `"assets":"[\"SPY\"]","market_impact":"{\"SPY\":\"neutral\"}"`, "SPY=neutral"}, // kept as texts
		{done + `"assets":[],"market_impact":{}`, ""},
		{done + `"assets":["SPY"],"market_impact":null`, "SPY="},
		{done + `"assets":["SPY"],"sentiment":"bearish"`, "SPY=bearish"}, // the oldest form
		{done + `"assets":null`, BadAssets},
		{done + `"assets":"SPY, QQQ"`, BadAssets},
		{done + `"assets":[1]`, BadAssets},
		{done + `"assets":["SPY"],"market_impact":["SPY"]`, BadAssets},
		{done + `"assets":["SPY"],"market_impact":{"SPY":"up"}`, BadAssets},
		{`"analysis_status":"completed","confidence":null,"assets":[]`, BadConfidence},
		{`"analysis_status":"completed","confidence":"NaN","assets":[]`, BadConfidence},
		{`"analysis_status":"completed","confidence":-0.1,"assets":[]`, BadConfidence},
		{`"analysis_status":"error","analysis_comment":"boom"`, NoVerdict},
		{`"analysis_status":"pending"`, NoVerdict},
		{`"analysis_status":"lost"`, BadStatus},
		{`"analysis_status":"bypassed","analysis_comment":"whatever"`, BadStatus},
		{`"analysis_status":"bypassed","analysis_comment":"unanalyzable_content"`, "bypassed: " + analysis.InsufficientWords},
		{`"bypass_reason":"media_only"`, "bypassed: " + analysis.NoText},
		{`"analysis_status":"completed","signal_id":"12","confidence":1,"assets":[]`, BadPostID},
		{`"analysis_status":"completed","analysis_timestamp":null,"confidence":1,"assets":[]`, NoTime},
		{`"analysis_status":"completed","analysis_timestamp":"yesterday","confidence":1,"assets":[]`, NoTime},
	} {
		if got := verdict(t, newFacts(), c.columns); got != c.want {
			t.Errorf("%s: %q, want %q", c.columns, got, c.want)
		}
	}
}

// A bypass is one per post, and says nothing of a post that has a prediction.
func TestBypassOncePerPost(t *testing.T) {
	const bypass = `"analysis_status":"bypassed","analysis_comment":"retruth"`
	f := newFacts()
	view := &predictionsView{facts: f}
	view.Apply(&event.Prediction{Envelope: event.Envelope{Kind: event.PredictionMade}, PostID: postID})
	if got := verdict(t, f, bypass); got != PostDecided {
		t.Errorf("after a prediction: %s", got)
	}
	f = newFacts()
	if got := verdict(t, f, bypass); got != "bypassed: Retruth" {
		t.Errorf("the first: %s", got)
	}
	if got := verdict(t, f, `"id":18,`+bypass); got != PostDecided {
		t.Errorf("a second row: %s", got)
	}
	f = newFacts()
	(&predictionsView{facts: f}).Apply(&event.Prediction{Envelope: event.Envelope{Kind: event.PostBypassed, Source: "bypass"}, PostID: postID})
	if got := verdict(t, f, bypass); got != PostDecided {
		t.Errorf("after the analyzer's own: %s", got)
	}
}

func TestPriceRows(t *testing.T) {
	cal := market.NYSE()
	for _, c := range []struct{ symbol, date, prices, updated, want string }{
		{"spy ", "2025-04-09", `10,11,9,10.5`, `"2025-04-10T01:00:00"`, "SPY through 2025-04-09"},
		{"SPY", "2025-04-09", `10,11,9,10.5`, `"2025-06-01T01:00:00"`, "SPY through 2025-05-30"},
		{"SPY", "2025-04-09", `10,11,9,10.5`, `"2025-04-09T20:19:59"`, InProgress}, // its close plus 20 minutes
		{"SPY", "2025-04-09", `10,11,9,10.5`, `"2025-04-09T20:20:00"`, "SPY through 2025-04-09"},
		{"BTC-USD", "2025-04-09", `10,11,9,10.5`, `"2025-04-09T23:00:00"`, InProgress},
		{"BTC-USD", "2025-04-12", `10,11,9,10.5`, `"2025-04-14T00:00:00"`, "BTC-USD through 2025-04-11"}, // a Saturday
		{"SPY", "2025-04-12", `10,11,9,10.5`, `"2025-04-14T00:00:00"`, "no session"},
		{"SPY", "2025-01-09", `10,11,9,10.5`, `"2025-04-14T00:00:00"`, "no session"}, // mourning
		{"SPY", "2025-04-09", `10,10,9,10.5`, `"2025-04-14T00:00:00"`, "impossible bar"},
		{"SPY", "2025-04-09", `10,11,9,null`, `"2025-04-14T00:00:00"`, "bad number"},
		{"SPY", "2025-04-09", `10,11,9,"Infinity"`, `"2025-04-14T00:00:00"`, "bad number"},
		{"SPY", "2025-04-09", `10,11,-9,10`, `"2025-04-14T00:00:00"`, "impossible bar"},
		{"SPY", "April", `10,11,9,10`, `"2025-04-14T00:00:00"`, "bad date"},
		{"SPY", "2025-04-09", `10,11,9,10.5`, `null`, NoTime},
		{" ", "2025-04-09", `10,11,9,10.5`, `"2025-04-14T00:00:00"`, "bad row"},
	} {
		p := strings.Split(c.prices, ",")
		doc := fmt.Sprintf(`{"symbol":%q,"date":%q,"open":%s,"high":%s,"low":%s,"close":%s,"last_updated":%s}`, c.symbol, c.date, p[0], p[1], p[2], p[3], c.updated)
		r, err := parseRow("market_prices", []byte(doc))
		if err != nil {
			t.Fatal(err)
		}
		e := priceOf(r, cal).draft
		got := e.RejectedReason
		if e.Kind == event.BarRecorded {
			got = e.Symbol + " through " + e.AdjustedThrough.String()
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", doc, got, c.want)
		}
	}
}

// Whatever a row holds: no panic, and a draft that the lake takes.
func FuzzRow(f *testing.F) {
	f.Add("predictions", []byte(`{"id":1,"signal_id":"`+postID+`","analysis_status":"completed","assets":["SPY"],"market_impact":{"SPY":"bullish"},"confidence":1,"analysis_timestamp":"2025-01-01T00:00:00"}`))
	f.Add("signals", []byte(`{"signal_id":"`+postID+`","text":"x","published_at":"2025-01-01T00:00:00","platform_data":{"reblog":{"id":"1"}},"raw_api_data":"{\"id\":1}"}`))
	f.Add("truth_social_shitposts", []byte(`{"shitpost_id":"`+postID+`","content":"<p>x","timestamp":"2025-01-01","media_attachments":"[1]","reblog":7}`))
	f.Add("market_prices", []byte(`{"symbol":"SPY","date":"2025-01-03","open":1,"high":2,"low":1,"close":"NaN","last_updated":"2025-01-04T00:00:00"}`))
	cal := market.NYSE()
	f.Fuzz(func(t *testing.T, table string, doc []byte) {
		r, err := parseRow(table, doc)
		if err != nil {
			return
		}
		check(t, newFacts().post(r).draft)
		check(t, newFacts().prediction(r).draft)
		check(t, priceOf(r, cal).draft)
	})
}

func check[E event.Event](t *testing.T, draft E) {
	v := event.EnvelopeOf(&draft)
	if v.OccurredAt.IsZero() {
		v.OccurredAt = time.Unix(0, 0) // the importer says when
	}
	event.Seal(&draft, "")
	if err := event.Check(&draft); err != nil && v.Kind == event.RecordRejected {
		t.Errorf("rejection: %v", err)
	}
}

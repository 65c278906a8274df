package openai_test

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/producers/analysis"
	"shitpost-alpha/producers/analysis/openai"
)

const goodAnswer = `{"assets":[{"symbol":"XLE","sentiment":"bullish","rationale":"Drill."}],"confidence":0.7,"thesis":"Oil."}`

func TestParseTakesTheSchema(t *testing.T) {
	a, err := openai.ParseAnswer([]byte(" \n" + goodAnswer + "\n"))
	want := event.Asset{Symbol: "XLE", Sentiment: event.Bullish, Rationale: "Drill."}
	if err != nil || len(a.Assets) != 1 || a.Assets[0] != want || a.Confidence != 0.7 || a.Thesis != "Oil." {
		t.Errorf("%+v, %v", a, err)
	}
	for name, answer := range map[string]string{
		"no assets":        `{"assets":[],"confidence":0,"thesis":""}`,
		"another order":    `{"thesis":"t","confidence":1,"assets":[{"rationale":"","sentiment":"neutral","symbol":"aapl"}]}`,
		"ten assets":       `{"assets":[` + strings.TrimSuffix(strings.Repeat(`{"symbol":"A","sentiment":"bearish","rationale":""},`, 10), ",") + `],"confidence":1e-1,"thesis":"t"}`,
		"replacement char": `{"assets":[],"confidence":0.5,"thesis":"` + "\uFFFD" + `"}`,
		"an escape":        `{"assets":[],"confidence":0.5,"thesis":"\u00e9\ud83d\ude00\n"}`,
	} {
		if _, err := openai.ParseAnswer([]byte(answer)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// refusedAnswers are wrong in one way each; the value is a part of the message.
func refusedAnswers() map[string]string {
	change := func(old, with string) string { return strings.Replace(goodAnswer, old, with, 1) }
	return map[string]string{
		"":                                     "empty",
		" \n":                                  "empty",
		"null":                                 "not null",
		"[]":                                   "want {",
		`"` + "text" + `"`:                     "not a string",
		"I cannot help with that.":             "no JSON",
		"[" + goodAnswer + "]":                 "want {",
		"Sure! " + goodAnswer:                  "no JSON",
		"```json\n" + goodAnswer:               "no JSON",
		goodAnswer + " Let me know!":           "follows",
		goodAnswer + goodAnswer:                "follows",
		goodAnswer[:len(goodAnswer)-1]:         "cut off",
		goodAnswer[:40]:                        "cut off",
		change("0.7", "7"):                     "0..1",
		change("0.7", "1.0000001"):             "0..1",
		change("0.7", "-0.1"):                  "0..1",
		change("0.7", "1e999"):                 "0..1",
		change("0.7", "NaN"):                   "no JSON",
		change("0.7", `"0.7"`):                 "not a string",
		change("0.7", "null"):                  "not null",
		change("0.7", "true"):                  "not a boolean",
		change("0.7", "[0.7]"):                 "not [",
		change("bullish", "BULLISH"):           "none of",
		change("bullish", "up"):                "none of",
		change("bullish", ""):                  "none of",
		change(`"bullish"`, "null"):            "not null",
		change(`"XLE"`, "42"):                  "not a number",
		change(`"XLE"`, "null"):                "not null",
		change(`"XLE"`, `["XLE"]`):             "not [",
		change(`"Oil."`, "{}"):                 "not {",
		change(`"Oil."`, `"a\u0000b"`):         "zero byte",
		change(`"Oil."`, `"a\ud800b"`):         "character that is none",
		change(`"Oil."`, "\"\xff\xfe\""):       "UTF-8",
		change(`"symbol"`, `"Symbol"`):         "not in the schema",
		change(`"thesis"`, `"Thesis"`):         "not in the schema",
		change(`"assets":`, `"x":1,"assets":`): "not in the schema",
		change(`"thesis":"Oil."`, `"thesis":"a","thesis":"b"`): "stands twice",
		change(`,"thesis":"Oil."`, ""):                         `"thesis" is missing`,
		change(`"confidence":0.7,`, ""):                        `"confidence" is missing`,
		change(`"sentiment":"bullish",`, ""):                   `"sentiment" is missing`,
		change(`"symbol":"XLE",`, ""):                          `"symbol" is missing`,
		`{"confidence":0.5,"thesis":"t"}`:                      `"assets" is missing`,
		`{"assets":"XLE","confidence":0.5,"thesis":"t"}`:       "want [",
		`{"assets":{},"confidence":0.5,"thesis":"t"}`:          "want [",
		`{"assets":["XLE"],"confidence":0.5,"thesis":"t"}`:     "want {",
		`{"assets":[null],"confidence":0.5,"thesis":"t"}`:      "want {",
		`{"assets":[` + strings.TrimSuffix(strings.Repeat(`{"symbol":"A","sentiment":"bearish","rationale":""},`, 11), ",") + `],"confidence":1,"thesis":"t"}`: "more than 10",
		change("Oil.", strings.Repeat("x", 10_000)):  "at most",
		change("Oil.", strings.Repeat("x", 300_000)): "at most",
		strings.Repeat("[", 20_000):                  "want {",
		strings.Repeat(`{"assets":`, 20_000):         "want [",
	}
}

func TestParseRefusesEverythingElse(t *testing.T) {
	for answer, want := range refusedAnswers() {
		a, err := openai.ParseAnswer([]byte(answer))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80q: %v, want an error with %q", answer, err, want)
		}
		if len(a.Assets) > 0 || a.Thesis != "" || a.Confidence != 0 {
			t.Errorf("%.80q: a part of it was used: %+v", answer, a)
		}
	}
}

// checkSchema judges an answer by another way than the parser: decoded into maps.
func checkSchema(content []byte) error {
	var doc map[string]any
	if err := json.Unmarshal(content, &doc); err != nil {
		return err
	}
	assets, ok := doc["assets"].([]any)
	confidence, number := doc["confidence"].(float64)
	_, text := doc["thesis"].(string)
	if len(doc) != 3 || !ok || !number || !text || len(assets) > analysis.MaxAssets || math.IsNaN(confidence) || confidence < 0 || confidence > 1 {
		return fmt.Errorf("wrong fields: %v", doc)
	}
	for _, a := range assets {
		asset, _ := a.(map[string]any)
		_, symbol := asset["symbol"].(string)
		sentiment, _ := asset["sentiment"].(string)
		_, rationale := asset["rationale"].(string)
		if len(asset) != 3 || !symbol || !rationale || !strings.Contains("bullish bearish neutral", sentiment) || sentiment == "" {
			return fmt.Errorf("wrong asset: %v", asset)
		}
	}
	return nil
}

func FuzzParseAnswer(f *testing.F) {
	f.Add([]byte(goodAnswer))
	for answer := range refusedAnswers() {
		f.Add([]byte(answer))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		a, err := openai.ParseAnswer(content)
		if err != nil {
			if !utf8.ValidString(err.Error()) || len(err.Error()) > 500 {
				t.Fatalf("message %q", err)
			}
			return
		}
		if err := checkSchema(content); err != nil {
			t.Fatalf("taken, and %v", err)
		}
		assets, drops := analysis.Symbols(a.Assets)
		if len(assets)+len(drops) != len(a.Assets) {
			t.Fatalf("%d assets became %d and %d", len(a.Assets), len(assets), len(drops))
		}
		if strings.ContainsRune(a.Thesis, 0) || !utf8.ValidString(a.Thesis) {
			t.Fatalf("thesis %q", a.Thesis)
		}
	})
}

package rules

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/producers/analysis"
)

func newAnalyzer(t testing.TB) *Analyzer {
	t.Helper()
	a, err := New()
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func answer(t testing.TB, a *Analyzer, text string) analysis.Answer {
	t.Helper()
	out, err := a.Analyze(context.Background(), analysis.Input{Text: text})
	if err != nil {
		t.Fatalf("analyze %q: %v", text, err)
	}
	return out
}

// short renders the calls of an answer, sorted: "AAPL+ SPY- BA0".
func short(answer analysis.Answer) string {
	var calls []string
	for _, a := range answer.Assets {
		calls = append(calls, a.Symbol+map[string]string{event.Bullish: "+", event.Bearish: "-", event.Neutral: "0"}[a.Sentiment])
	}
	slices.Sort(calls)
	return strings.Join(calls, " ")
}

// sentence is a text with the calls that it must lead to, and no others.
type sentence struct{ text, want string }

func checkCalls(t *testing.T, sentences []sentence) {
	t.Helper()
	a := newAnalyzer(t)
	for _, c := range sentences {
		got := answer(t, a, c.text)
		if s := short(got); s != c.want {
			t.Errorf("%q: %q, want %q\n%s", c.text, s, c.want, got.Raw)
		}
		if (len(got.Assets) == 0) != (got.Confidence == 0) || got.Thesis == "" {
			t.Errorf("%q: confidence %v and thesis %q do not fit %d calls", c.text, got.Confidence, got.Thesis, len(got.Assets))
		}
	}
}

func TestCompanies(t *testing.T) {
	checkCalls(t, []sentence{
		// Praise, blame, and their strength.
		{"Boeing is a great company, building the best planes anywhere.", "BA+"},
		{"Boeing is a total disaster, late and out of control on costs.", "BA-"},
		{"I met the people of Boeing yesterday.", "BA0"},
		{"Congratulations to Nvidia on its investment of 500 billion dollars!", "NVDA+"},
		{"BOEING IS DOING A GREAT JOB, LIKE NEVER BEFORE!", "BA+"},
		{"A boycott of Harley-Davidson would be terrible!", "HOG-"},
		// Negation, and what only looks like it.
		{"Pfizer is not good for our people.", "PFE-"},
		{"Pfizer isn't a bad company.", "PFE+"},
		{"Tesla has never been better.", "TSLA+"},
		{"Tesla has never been worse.", "TSLA-"},
		{"No doubt about it, Walmart is a great company.", "WMT+"},
		{"The Stock Market is not down, it is at a record high.", "SPY+"},
		{"There will be no tariffs.", "SPY+"},
		{"There will be no deal with Canada on trade.", "EWC-"},
		{"Not only is Microsoft strong, it is the best.", "MSFT+"},
		// Names that are words too.
		{"I ate an apple and it was great.", ""},
		{"Apple is a great company.", "AAPL+"},
		{"Apple juice is terrible.", ""},
		{"INTEL SAYS THAT THE TERRORISTS ARE A DISASTER.", ""},
		{"A rotten Apple, that is what he is, terrible!", ""},
		{"Our intel on the terrorists is great.", ""},
		{"The House Intel Committee is terrible.", ""},
		{"Intel made a great deal with us.", "INTC+"},
		{"They are the target of a terrible hoax.", ""},
		{"THE TARGET OF THE WORST HOAX IN HISTORY.", ""},
		{"Target stores are going out of business.", "TGT-"},
		{"He was given a Visa, very bad.", ""},
		{"Visa and MasterCard are great.", "MA+ V+"},
		{"The gap between us and them is terrible.", ""},
		{"Gerald Ford was a great man.", ""},
		{"Ford is building a great new plant in Michigan.", "F+"},
		{"Fed up with the bad results.", ""},
		{"The Gold Star families are great people.", ""},
		{"UPS and downs are bad.", ""},
		{"Wendy is a great person.", ""},
		{"Wendy's is a great company.", "WEN+"},
		{"Senator Jim Banks is fantastic.", ""},
		// Possessives, dots, ampersands, hyphens, tickers.
		{"Walmart’s sales are fantastic.", "WMT+"},
		{"U.S. Steel will be strong and great.", "X+"},
		{"AT&T did a terrible job on my conference call.", "T-"},
		{"Coca Cola is fantastic.", "KO+"},
		{"Buy $TSLA, it is great.", "TSLA+"},
		{"A beautiful day for (NYSE: XYZW), a great company.", "XYZW+"},
		{"It costs $USD 500, terrible.", ""},
		{"Truth Social is the best! (NASDAQ: DJT)", "DJT+"},
		{"Crime is way down in our great Capital. President DJT", ""},
		{"See https://www.boeing.com/great or ask @Boeing, the best.", ""},
	})
}

func TestThemes(t *testing.T) {
	checkCalls(t, []sentence{
		// Trade: the same word is bad for one and good for the other.
		{"We will impose a 25% Tariff on China, effective Monday.", "FXI- SPY-"},
		{"We reached a massive Trade Deal with Japan!", "EWJ+"},
		{"The Tariffs on Steel and Aluminum are going from 25% to 50%.", "SLX+ SPY-"},
		{"I will pause the Tariffs for 90 days.", "SPY+"},
		{"Mexico is a great place.", ""},
		{"A peace deal with Japan after the war.", ""},
		{"A good agreement with Japan ends the war.", ""},
		{"100% sanctions and Tariffs on Brazil, they treat us badly.", "EWZ- SPY-"},
		{"I love New Mexico, no tariffs there, a great deal.", "SPY+"},
		// Themes.
		{"DRILL, BABY, DRILL!", "XLE+"},
		{"The Fed must cut interest rates, NOW!", "TLT+"},
		{"They should raise the interest rate, he said.", "TLT-"},
		{"Inflation is way down, almost none.", "TLT+"},
		{"Inflation is raging, the highest ever.", "TLT-"},
		{"Oil prices are falling and gasoline is down.", "USO-"},
		{"Bitcoin and Ethereum are the future, I support them.", "BTC-USD+ ETH-USD+"},
		{"Drug prices will be cut by 500%.", "XLV-"},
		{"We do not want windmills, they are ugly and kill the birds.", "ICLN-"},
		{"The Stock Market is booming, RECORD HIGHS!", "SPY+"},
		{"Wall Street crashed and stocks are falling.", "SPY-"},
		// Media: insults move little, but they are calls. An appearance is none.
		{"Fake News CNN is the worst, with low ratings.", "WBD-"},
		{"CBS should lose their license. 60 Minutes is a fraud!", "PSKY-"},
		{"I will be on Fox News tonight at 9.", ""},
		{"The Failing New York Times is corrupt.", "NYT-"},
		// Several in one post, each with its own sentiment.
		{"Apple is great. Boeing is a disaster.", "AAPL+ BA-"},
		{"JPMorgan is strong, but Bank of America is a terrible, woke mess.", "BAC- JPM+"},
		// Boilerplate and nothing at all.
		{"He will unleash American Energy and cut taxes. He has my Complete and Total Endorsement!", ""},
		{"Jane will serve as our next Ambassador. She ran a great company, Boeing.", ""},
		{"What a beautiful evening in Florida. Thank you all!", ""},
		{"", ""},
	})
}

// TestConfidenceFollowsEvidence: more and plainer words, more confidence; words that disagree, a
// mere mention and a medium have less.
func TestConfidenceFollowsEvidence(t *testing.T) {
	a := newAnalyzer(t)
	for _, c := range []struct{ less, more string }{
		{"Boeing is good.", "Boeing is a great, strong company, booming, with record profits!"},
		{"Boeing is great, but it has a problem.", "Boeing is great, and it has a record."},
		{"I met the people of Boeing.", "Boeing is good."},
		{"Boeing is a good company.", "Boeing is a GOOD company."},
		{"Boeing is a good company.", "Boeing is a good company!"},
		{"Boeing. Terrific, excellent.", "Boeing: terrific, excellent."},
		{"CNN is fake.", "Boeing is fake."},
		{"Elon Musk is good.", "Tesla is good."},
		{"Good people of every kind that you could ever hope to meet are at Boeing.", "Boeing is good."},
	} {
		less, more := answer(t, a, c.less).Confidence, answer(t, a, c.more).Confidence
		if less >= more {
			t.Errorf("%q has %v, %q has %v", c.less, less, c.more, more)
		}
	}
}

func TestThesisNamesTheWords(t *testing.T) {
	got := answer(t, newAnalyzer(t), "A 25% Tariff on China!")
	for _, want := range []string{"FXI bearish", "“China”", "“tariff” (-)"} {
		if !strings.Contains(got.Thesis, want) {
			t.Errorf("thesis %q lacks %q", got.Thesis, want)
		}
	}
	var raw struct {
		Assets []struct{ Symbol, Sentiment, Rationale string }
	}
	if err := json.Unmarshal(got.Raw, &raw); err != nil || len(raw.Assets) != len(got.Assets) || raw.Assets[0].Rationale != got.Assets[0].Rationale {
		t.Errorf("raw answer %s does not hold the answer: %v", got.Raw, err)
	}
}

func TestAtMostTenAssets(t *testing.T) {
	text := "Great companies: Apple, Amazon, Microsoft, Google, Nvidia, Tesla, Boeing, Walmart, Pfizer, Chevron, Nike, Oracle, Netflix."
	if n := len(answer(t, newAnalyzer(t), text).Assets); n != analysis.MaxAssets {
		t.Errorf("%d assets, want %d", n, analysis.MaxAssets)
	}
}

// TestLongText: what stands beyond maxText is not read, and a cut through a character does no harm.
func TestLongText(t *testing.T) {
	text := "Boeing is great. " + strings.Repeat("é", maxText) + " Apple is great."
	if got := short(answer(t, newAnalyzer(t), text)); got != "BA+" {
		t.Errorf("%q, want BA+", got)
	}
}

func TestTokenize(t *testing.T) {
	for text, want := range map[string]string{
		"U.S. Steel isn't S&P 500.":        "US Steel isn't S&P 500",
		"Lowe’s F-150, 3.5% (25%).":        "Lowe F 150 3.5% 25%",
		"VOTE!!!NEVADA https://x.y/z @abc": "VOTE NEVADA",
		"end.Start A.B":                    "end Start AB",
		"":                                 "",
		"\xff\xfeAT&T":                     "AT&T",
	} {
		var words []string
		for _, tok := range tokenize(text) {
			words = append(words, tok.word)
		}
		if got := strings.Join(words, " "); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// draft makes of an answer the event that the service would write.
func draft(t testing.TB, a *Analyzer, text string, out analysis.Answer) event.Prediction {
	t.Helper()
	at := time.Date(2025, 4, 2, 20, 0, 0, 0, time.UTC)
	id := a.Config().PredictionID("114270398531479278")
	e := event.Prediction{Envelope: event.Envelope{Kind: event.PredictionMade, Key: id, Source: "rules", OccurredAt: at},
		PredictionID: id, PostID: "114270398531479278", PublishedAt: at, Analyzer: "rules", Confidence: &out.Confidence, Thesis: out.Thesis}
	e.Assets, e.Dropped = analysis.Symbols(out.Assets)
	e.SetPayload(out.Raw)
	event.Seal(&e, "")
	if err := event.Check(&e); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	if len(e.Dropped) > 0 {
		t.Fatalf("%q: the symbol rules drop %v", text, e.Dropped)
	}
	if e.PayloadEncoding != "utf8" || !utf8.ValidString(out.Thesis) {
		t.Fatalf("%q: payload is %s, thesis %q", text, e.PayloadEncoding, out.Thesis)
	}
	return e
}

// FuzzAnalyze: any text has an answer that makes a valid event, and the same one each time.
func FuzzAnalyze(f *testing.F) {
	for _, s := range []string{"", "Boeing is great!", "NO TARIFFS ON CHINA", "$TSLA (NYSE: X) U.S. Steel's", "\xff\x00’s 401(k) S&P", "İ Ford ſ K Apple 株 great", "not not not good Walmart"} {
		f.Add(s)
	}
	a, other := newAnalyzer(f), newAnalyzer(f)
	f.Fuzz(func(t *testing.T, text string) {
		first := answer(t, a, text)
		e := draft(t, a, text, first)
		again := draft(t, other, text, answer(t, other, text))
		if e.EventID != again.EventID || e.PayloadSHA256 != again.PayloadSHA256 {
			t.Errorf("%q has two answers:\n%s\n%s", text, e.Payload, again.Payload)
		}
	})
}

// TestLexiconWordsInAnyOrder: texts made of the lexicon's own words, where names, polarity and
// negations meet, keep the invariants and the answer does not depend on the analyzer's history.
func TestLexiconWordsInAnyOrder(t *testing.T) {
	a := newAnalyzer(t)
	words := []string{"not", "never", "no", "great", "disaster", "tariffs", "deal", "up", "CUT", "record", "stock", ".", "!", ",", "’s", "endorse"}
	for i, e := range a.lexicon.entries {
		if i%3 == 0 {
			words = append(words, e.phrase)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(rapid.SampledFrom(words), 0, 40).Draw(t, "words"), " ")
		first, err := a.Analyze(context.Background(), analysis.Input{Text: text})
		again, err2 := a.Analyze(context.Background(), analysis.Input{Text: text})
		if err != nil || err2 != nil || string(first.Raw) != string(again.Raw) {
			t.Fatalf("%q: %v %v\n%s\n%s", text, err, err2, first.Raw, again.Raw)
		}
		if !(first.Confidence >= 0 && first.Confidence <= 1) || len(first.Assets) > analysis.MaxAssets {
			t.Fatalf("%q: confidence %v, %d assets", text, first.Confidence, len(first.Assets))
		}
		seen := map[string]bool{}
		for _, c := range first.Assets {
			if seen[c.Symbol] || c.Sentiment == "" || c.Rationale == "" {
				t.Fatalf("%q: call %+v", text, c)
			}
			seen[c.Symbol] = true
		}
	})
}

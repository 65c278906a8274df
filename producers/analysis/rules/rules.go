// Package rules is the built-in analyzer: deterministic, offline and free. It is the default, and
// the baseline that every model is compared with.
//
// It finds names of companies, products, sectors, policies, coins and countries in a post, and
// beside each the words that speak well or ill of it: "tariffs" is bad for a country and good for
// domestic steel. All of that is data, in lexicon/*.csv. The arithmetic is in whole numbers, so an
// answer is the same to the byte on every machine.
package rules

import (
	"context"
	"encoding/json"
	"fmt"
	"sort"
	"strings"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/producers/analysis"
)

// Analyzer answers by the lexicon. It is an analysis.Model and safe for concurrent use.
type Analyzer struct{ lexicon *Lexicon }

// New returns the analyzer with the built-in lexicon.
func New() (*Analyzer, error) {
	l, err := LoadLexicon()
	if err != nil {
		return nil, err
	}
	return &Analyzer{lexicon: l}, nil
}

// Version names the lexicon and the code around it; a change to either that changes an answer
// needs a new one, because predictions are identified by it.
const Version = "rules-1"

// Config names the analyzer's configuration. The prompt hash is that of the lexicon.
func (a *Analyzer) Config() analysis.Config {
	return analysis.Config{Analyzer: "rules", Provider: "builtin", Model: "lexicon-1", PromptVersion: Version, PromptHash: a.lexicon.hash}
}

// maxText is how many bytes of a text are read: several times the longest post, so that the time
// for one is bounded whatever is posted.
const maxText = 32 << 10

// threshold is the polarity, in hundredths, from which on a mention is bullish or bearish.
const threshold = 40

// call is what the text says about one symbol.
type call struct {
	symbol     string
	evidence   evidence
	direct     int // per mille: how directly the text names the asset
	names      []string
	first      int
	kind       string
	confidence int // per mille
}

// Analyze implements analysis.Model. It never fails.
func (a *Analyzer) Analyze(_ context.Context, in analysis.Input) (analysis.Answer, error) {
	d := a.lexicon.read(in.Text[:min(len(in.Text), maxText)])
	var calls []*call
	if !d.isBoilerplate() {
		calls = d.calls()
	}
	answer := analysis.Answer{Thesis: thesis(d, calls), Confidence: float64(confidence(calls)) / 100}
	out := rawAnswer{Assets: []rawAsset{}, Confidence: answer.Confidence, Thesis: answer.Thesis}
	for _, c := range calls {
		asset := rawAsset{Symbol: c.symbol, Sentiment: c.sentiment(), Rationale: c.rationale()}
		out.Assets = append(out.Assets, asset)
		answer.Assets = append(answer.Assets, event.Asset{Symbol: asset.Symbol, Sentiment: asset.Sentiment, Rationale: asset.Rationale})
	}
	raw, err := json.Marshal(out)
	if err != nil {
		return analysis.Answer{}, &analysis.Failure{Class: analysis.BadOutput, Err: fmt.Errorf("encode answer: %w", err)}
	}
	answer.Raw = raw
	return answer, nil
}

// rawAnswer is the answer in the form that a model has to give (domain.md 2.3).
type rawAnswer struct {
	Assets     []rawAsset `json:"assets"`
	Confidence float64    `json:"confidence"`
	Thesis     string     `json:"thesis"`
}

type rawAsset struct {
	Symbol    string `json:"symbol"`
	Sentiment string `json:"sentiment"`
	Rationale string `json:"rationale"`
}

// isBoilerplate reports a political endorsement or the announcement of who will serve in an office:
// hundreds of posts that promise energy, jobs and low taxes in the same words and move nothing. A
// post that speaks of interest rates is none, because who heads the Federal Reserve matters.
func (d *document) isBoilerplate() bool {
	for i := range d.mentions {
		if d.mentions[i].entry.topic == topicRates {
			return false
		}
	}
	for i := range d.tokens {
		switch d.tokens[i].lower {
		case "endorsement", "endorse", "endorsed", "endorsing", "nominate", "nominee", "nominating", "congressman", "congresswoman":
			return true
		case "serve", "serving":
			if i+1 < len(d.tokens) && d.tokens[i+1].lower == "as" {
				return true
			}
		}
	}
	return false
}

// calls gathers the mentions by symbol, drops what is too weak, and orders the rest by confidence.
func (d *document) calls() []*call {
	bySymbol := map[string]*call{}
	var all []*call
	for i := range d.mentions {
		m := &d.mentions[i]
		e := d.judge(m)
		for _, symbol := range m.entry.symbols {
			c := bySymbol[symbol]
			if c == nil {
				c = &call{symbol: symbol, first: m.first}
				bySymbol[symbol] = c
				all = append(all, c)
			}
			c.take(m, e)
		}
	}
	kept := all[:0]
	for _, c := range all {
		if c.sentiment() == event.Neutral && !c.standsAlone() {
			continue
		}
		c.confidence = c.trust()
		kept = append(kept, c)
	}
	sort.SliceStable(kept, func(i, j int) bool {
		if kept[i].confidence != kept[j].confidence {
			return kept[i].confidence > kept[j].confidence
		}
		return kept[i].first < kept[j].first
	})
	return kept[:min(len(kept), analysis.MaxAssets)]
}

// directness says how sure a mention of that kind means the asset, per mille.
func directness(kind string) int {
	switch kind {
	case kindTicker:
		return 980
	case kindCompany, kindCrypto:
		return 950
	case kindProduct:
		return 850
	case kindCountry, kindTheme:
		return 850
	case kindPerson:
		return 550
	}
	return 500 // media
}

// take adds one mention and what is said beside it.
func (c *call) take(m *mention, e evidence) {
	if d := directness(m.entry.kind); d > c.direct {
		c.direct, c.kind = d, m.entry.kind
	}
	known := false
	for _, n := range c.names {
		known = known || strings.EqualFold(n, m.text)
	}
	if !known {
		c.names = append(c.names, m.text)
	}
	for _, w := range e.words {
		c.evidence.add(w.text, w.weight)
	}
}

// standsAlone says whether the symbol is worth a neutral call when nothing is said of it: a
// company or a coin named outright is, a sector, a country or a medium is not.
func (c *call) standsAlone() bool {
	return c.kind == kindCompany || c.kind == kindTicker || c.kind == kindProduct
}

func (c *call) sentiment() string {
	switch {
	case c.evidence.sum >= threshold:
		return event.Bullish
	case c.evidence.sum <= -threshold:
		return event.Bearish
	}
	return event.Neutral
}

// trust is the confidence in one call, per mille:
//
//	directness × (0.25 + 0.75 × strength) × (0.55 + 0.45 × agreement)
//
// strength = |sum| / (|sum| + 0.8), over the weights of the words beside all its mentions;
// agreement = |sum| / total of the absolute weights. A neutral call has directness × 0.25.
func (c *call) trust() int {
	if c.sentiment() == event.Neutral {
		return c.direct / 4
	}
	sum := max(c.evidence.sum, -c.evidence.sum)
	strength := 1000 * sum / (sum + 80)
	agreement := 1000 * sum / c.evidence.total
	return c.direct * (250 + 75*strength/100) / 1000 * (550 + 45*agreement/100) / 1000
}

// confidence is that of the post, in hundredths: midway between the best and the mean of its calls'
// confidence, less 2 % for every call beside the first, because a post about everything moves
// nothing; 0 without calls.
func confidence(calls []*call) int {
	if len(calls) == 0 {
		return 0
	}
	sum := 0
	for _, c := range calls {
		sum += c.confidence
	}
	mid := (calls[0].confidence + sum/len(calls)) / 2
	return mid * (100 - 2*(len(calls)-1)) / 1000
}

// rationale names the words that the call rests on, the heaviest first.
func (c *call) rationale() string {
	text := "names " + quoteList(c.names, 3)
	words := c.top(5)
	if len(words) == 0 {
		return text + "; nothing is said of it"
	}
	return text + "; beside it " + strings.Join(words, ", ")
}

// top returns up to n of the words, the heaviest first, each once, with the sign of its weight.
func (c *call) top(n int) []string {
	weight := map[string]int{}
	var order []string
	for _, w := range c.evidence.words {
		text := strings.ToLower(w.text)
		if _, ok := weight[text]; !ok {
			order = append(order, text)
		}
		weight[text] += w.weight
	}
	sort.SliceStable(order, func(i, j int) bool {
		return max(weight[order[i]], -weight[order[i]]) > max(weight[order[j]], -weight[order[j]])
	})
	var list []string
	for _, text := range order[:min(n, len(order))] {
		sign := "+"
		if weight[text] < 0 {
			sign = "-"
		}
		list = append(list, "“"+text+"” ("+sign+")")
	}
	return list
}

func quoteList(names []string, n int) string {
	var list []string
	for _, name := range names[:min(n, len(names))] {
		list = append(list, "“"+name+"”")
	}
	return strings.Join(list, ", ")
}

// thesis says in one sentence what the answer rests on.
func thesis(d *document, calls []*call) string {
	if len(calls) == 0 {
		switch {
		case d.isBoilerplate():
			return "No call: an endorsement or appointment."
		case len(d.mentions) > 0:
			return "No call: nothing is said of the assets that it names."
		}
		return "No call: it names no asset."
	}
	var parts []string
	for _, c := range calls[:min(3, len(calls))] {
		part := c.symbol + " " + c.sentiment() + ": " + quoteList(c.names, 2)
		if words := c.top(3); len(words) > 0 {
			part += " with " + strings.Join(words, ", ")
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, "; ") + "."
}

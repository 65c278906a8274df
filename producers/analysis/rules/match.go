package rules

import (
	"regexp"
	"strings"
)

// mention is a phrase of the lexicon, or a ticker, found in a text: tokens first..last.
type mention struct {
	entry *entry
	first int
	last  int
	text  string // as written in the text
}

// hit is a word of polarity found in a text: tokens first..last.
type hit struct {
	weights map[string]int
	first   int
	last    int
	negated bool
	text    string // as written in the text
}

// document is a text with what the lexicon finds in it.
type document struct {
	text     string
	tokens   []token
	loud     []bool // by sentence
	excited  []bool // by sentence: it ends with an exclamation mark
	negates  []bool // by token: it negates what follows
	mentions []mention
	hits     []hit
}

// cashtag and listing are the two ways in which a text names a ticker outright: $AAPL, (NYSE: X).
var (
	cashtag = regexp.MustCompile(`\$([A-Z]{1,5}(?:[.-][A-Z]{1,3})?)\b`)
	listing = regexp.MustCompile(`\b(?:NYSE|NASDAQ|Nasdaq|AMEX|OTC)(?: American)?\s*:\s*\$?([A-Z]{1,5}(?:\.[A-Z])?)\b`)
)

// read finds names and polarity words. Of overlapping phrases the longest wins, and then the first.
func (l *Lexicon) read(text string) *document {
	d := &document{text: text, tokens: tokenize(text)}
	d.loud = shouting(d.tokens)
	d.excited = make([]bool, len(d.loud))
	for i := range d.tokens {
		t := &d.tokens[i]
		if t.end < len(text) && text[t.end] == '!' {
			d.excited[t.sentence] = true
		}
	}
	d.mentions = l.findTickers(d)
	for i := 0; i < len(d.tokens); {
		m, ok := l.nameAt(d, i)
		if !ok || d.overlapsTicker(m) {
			i++
			continue
		}
		d.mentions = append(d.mentions, m)
		i = m.last + 1
	}
	d.mentions = d.confirm(d.mentions)
	l.findHits(d)
	return d
}

// nameAt returns the longest phrase of the lexicon that begins at token i and is written as its
// entry demands. Phrases do not run across the end of a sentence.
func (l *Lexicon) nameAt(d *document, i int) (best mention, ok bool) {
	n := l.names
	for j := i; j < len(d.tokens) && d.tokens[j].sentence == d.tokens[i].sentence; j++ {
		if n = n.next[d.tokens[j].lower]; n == nil {
			break
		}
		if n.set && spelled(n.value, d, i) {
			best, ok = mention{entry: n.value, first: i, last: j, text: d.span(i, j)}, true
		}
	}
	return best, ok
}

// spelled says whether the tokens from i on are written as the entry demands.
func spelled(e *entry, d *document, i int) bool {
	last := len(e.words) - 1
	if e.words[last].possessive && !d.tokens[i+last].possessive {
		return false
	}
	if e.match == matchAny {
		return true
	}
	for k, w := range e.words {
		t := &d.tokens[i+k]
		switch {
		case t.word == w.word:
		case e.match == matchExact:
			return false
		case w.word == w.lower: // "the" in "the Fed" may begin a sentence
		case !t.isUpper():
			return false
		case e.match == matchName && d.loud[t.sentence] && e.kind != kindTheme && e.kind != kindCountry && e.kind != kindCrypto:
			return false
		}
	}
	return true
}

// findTickers finds cashtags of symbols that the lexicon knows, and tickers behind the name of
// their exchange whatever they are.
func (l *Lexicon) findTickers(d *document) []mention {
	var found []mention
	for _, form := range []struct {
		pattern *regexp.Regexp
		any     bool
	}{{cashtag, false}, {listing, true}} {
		for _, loc := range form.pattern.FindAllStringSubmatchIndex(d.text, -1) {
			symbol := d.text[loc[2]:loc[3]]
			first, last := d.tokensIn(loc[0], loc[1])
			if first < 0 || (!form.any && !l.symbols[symbol] && !l.symbols[symbol+"-USD"]) {
				continue
			}
			e := &entry{symbols: []string{symbol}, kind: kindTicker, topic: kindCompany, phrase: symbol}
			found = append(found, mention{entry: e, first: first, last: last, text: d.text[loc[0]:loc[1]]})
		}
	}
	return found
}

// tokensIn returns the first and last token within the bytes from..to, or -1.
func (d *document) tokensIn(from, to int) (first, last int) {
	first, last = -1, -1
	for i := range d.tokens {
		if d.tokens[i].start >= from && d.tokens[i].end <= to {
			if first < 0 {
				first = i
			}
			last = i
		}
	}
	return first, last
}

func (d *document) overlapsTicker(m mention) bool {
	for i := range d.mentions {
		t := &d.mentions[i]
		if t.entry.kind != kindTicker {
			return false // tickers come first
		}
		if m.first <= t.last && t.first <= m.last {
			return true
		}
	}
	return false
}

// span returns the text of tokens i..j as written.
func (d *document) span(i, j int) string {
	return strings.Join(strings.Fields(d.text[d.tokens[i].start:d.tokens[j].end]), " ")
}

// business are words that make an ambiguous name that of a company. Lookup table, never changed.
var business = wordSet(`stock stocks shares share shareholders company companies corporation corp inc ceo chairman
	factory factories plant plants earnings investor investors invest investing investment invested product products
	customers store stores retailer retailers automaker manufacturer manufacturing merger acquisition brand brands
	business sales billion prices price market bullion ounce mining reserves record`)

// economic and warlike tell a post about a country's trade from one about its wars: a "deal" with
// it means a trade deal only in the former. Lookup tables, never changed.
var (
	economic = wordSet(`tariff tariffs tariffed trade trading export exports import imports goods product products
		purchase purchases purchasing buy buying invest investing investment investments economy economic economies
		currency soybeans minerals magnets chips steel autos barriers duties deficit deficits businesses subsidies`)
	warlike = wordSet(`peace war wars ceasefire hostages hostage hamas ukraine gaza israel nuclear fighting troops`)
)

// aboutTrade says whether a country that the text names is named for its trade.
func (d *document) aboutTrade() bool {
	deal, war := false, false
	for i := range d.tokens {
		w := d.tokens[i].lower
		if economic[w] {
			return true
		}
		deal = deal || w == "deal"
		war = war || warlike[w]
	}
	return deal && !war
}

// confirm takes out the phrases that name no asset, countries in a text that is not about trade,
// and the ambiguous names that have neither a word of business nor another company beside them in
// their sentence.
func (d *document) confirm(found []mention) []mention {
	companies := map[int]int{} // sentence to number of certain companies
	for _, m := range found {
		if len(m.entry.symbols) > 0 && m.entry.match != matchContext && (m.entry.kind == kindCompany || m.entry.kind == kindTicker) {
			companies[d.tokens[m.first].sentence]++
		}
	}
	trade := d.aboutTrade()
	kept := found[:0]
	for _, m := range found {
		switch {
		case len(m.entry.symbols) == 0, m.entry.kind == kindCountry && !trade:
		case m.entry.match != matchContext:
			kept = append(kept, m)
		case companies[d.tokens[m.first].sentence] > 0 && m.entry.kind == kindCompany, d.hasBusiness(m):
			kept = append(kept, m)
		}
	}
	return kept
}

func (d *document) hasBusiness(m mention) bool {
	const near = 12 // words to either side
	for i := max(0, m.first-near); i < min(len(d.tokens), m.last+near+1); i++ {
		if (i < m.first || i > m.last) && d.tokens[i].sentence == d.tokens[m.first].sentence && business[d.tokens[i].lower] {
			return true
		}
	}
	return false
}

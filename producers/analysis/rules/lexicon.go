package rules

import (
	"embed"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"

	"shitpost-alpha/lake/event"
)

//go:embed lexicon/*.csv
var lexiconFiles embed.FS

// Kinds of lexicon entries.
const (
	kindCompany = "company"
	kindProduct = "product"
	kindPerson  = "person"
	kindMedia   = "media"
	kindSteel   = "steelmaker" // a company that tariffs help
	kindTheme   = "theme"
	kindCountry = "country"
	kindCrypto  = "crypto"
	kindTicker  = "ticker" // a cashtag or an exchange's name with a ticker, in the text itself
)

// Topics that the code knows by name; the others stand in the lexicon alone.
const (
	topicSteel  = "steel"
	topicRates  = "rates"
	topicTariff = "tariff"
	topicMarket = "market"
)

// Ways in which a phrase must be written to count.
const (
	matchAny     = "any"
	matchName    = "name"
	matchExact   = "exact"
	matchContext = "context"
)

// entry is a phrase that names assets, or, without symbols, names none.
type entry struct {
	symbols []string
	kind    string
	topic   string
	match   string
	base    int // polarity of the mention by itself, in hundredths
	phrase  string
	words   []token // as written in the lexicon
}

// Lexicon is what the analyzer knows: names, and words about them. It is read only.
type Lexicon struct {
	names    *node[*entry]
	words    *node[map[string]int] // topic to weight, in hundredths
	entries  []*entry
	polarity int
	symbols  map[string]bool
	hash     string
}

// node is a step of a trie over the words of phrases.
type node[T any] struct {
	next  map[string]*node[T]
	value T
	set   bool
}

func (n *node[T]) insert(words []token) *node[T] {
	for _, w := range words {
		if n.next == nil {
			n.next = map[string]*node[T]{}
		}
		child := n.next[w.lower]
		if child == nil {
			child = &node[T]{}
			n.next[w.lower] = child
		}
		n = child
	}
	return n
}

// LoadLexicon reads the built-in lexicon. Its errors name file, line and phrase.
func LoadLexicon() (*Lexicon, error) {
	files, err := fs.Sub(lexiconFiles, "lexicon")
	if err != nil {
		return nil, fmt.Errorf("open lexicon: %w", err)
	}
	return readLexicon(files)
}

func readLexicon(files fs.FS) (*Lexicon, error) {
	l := &Lexicon{names: &node[*entry]{}, words: &node[map[string]int]{}, symbols: map[string]bool{}}
	var contents []string
	for _, f := range []struct {
		name   string
		header string
		add    func(row []string) error
	}{
		{"companies.csv", "symbol,kind,match,phrases", l.addCompany},
		{"themes.csv", "symbols,kind,topic,match,base,phrases", l.addTheme},
		{"polarity.csv", "weight,topics,phrases", l.addPolarity},
	} {
		doc, err := fs.ReadFile(files, f.name)
		if err != nil {
			return nil, fmt.Errorf("read lexicon %s: %w", f.name, err)
		}
		contents = append(contents, string(doc))
		if err := readRows(string(doc), f.header, f.add); err != nil {
			return nil, fmt.Errorf("read lexicon %s: %w", f.name, err)
		}
	}
	l.hash = event.Hash(contents...)
	return l, nil
}

// readRows calls add for every row below the header; lines that begin with # are remarks. It goes
// on after a bad row, so that one error names them all.
func readRows(doc, header string, add func(row []string) error) error {
	r := csv.NewReader(strings.NewReader(doc))
	r.Comment = '#'
	first, err := r.Read()
	if err != nil {
		return fmt.Errorf("read header: %w", err)
	}
	if got := strings.Join(first, ","); got != header {
		return fmt.Errorf("header is %q, want %q", got, header)
	}
	var bad []error
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return errors.Join(bad...)
		}
		if err != nil {
			return fmt.Errorf("read row: %w", err)
		}
		if err := add(row); err != nil {
			line, _ := r.FieldPos(0)
			bad = append(bad, fmt.Errorf("line %d: %w", line, err))
		}
	}
}

func (l *Lexicon) addCompany(row []string) error {
	kind := row[1]
	topic := kindCompany
	switch kind {
	case kindCompany, kindProduct, kindPerson:
	case kindMedia:
		topic = kindMedia
	case kindSteel:
		kind, topic = kindCompany, topicSteel
	default:
		return fmt.Errorf("kind %q is not company, product, person, media or steelmaker", kind)
	}
	return l.addPhrases(entry{symbols: strings.Fields(row[0]), kind: kind, topic: topic, match: row[2]}, row[3])
}

func (l *Lexicon) addTheme(row []string) error {
	switch row[1] {
	case kindTheme, kindCountry, kindCrypto:
	default:
		return fmt.Errorf("kind %q is not theme, country or crypto", row[1])
	}
	base, err := strconv.Atoi(row[4])
	if err != nil || row[2] == "" {
		return fmt.Errorf("topic must be set and base be a whole number: %q, %q", row[2], row[4])
	}
	return l.addPhrases(entry{symbols: strings.Fields(row[0]), kind: row[1], topic: row[2], match: row[3], base: base}, row[5])
}

func (l *Lexicon) addPhrases(e entry, phrases string) error {
	switch e.match {
	case matchAny, matchName, matchExact, matchContext:
	default:
		return fmt.Errorf("match %q is not any, name, exact or context", e.match)
	}
	switch {
	case len(e.symbols) == 0:
		return errors.New("symbol must be set; \"-\" names no asset")
	case e.symbols[0] == "-":
		e.symbols = nil
	}
	for _, s := range e.symbols {
		l.symbols[s] = true
	}
	var bad []error
	for phrase := range strings.SplitSeq(phrases, "|") {
		words := tokenize(phrase)
		if len(words) == 0 {
			bad = append(bad, fmt.Errorf("phrase %q has no word", phrase))
			continue
		}
		n := l.names.insert(words)
		if n.set {
			bad = append(bad, fmt.Errorf("phrase %q stands twice: also as %q", phrase, n.value.phrase))
			continue
		}
		one := e
		one.phrase, one.words = phrase, words
		n.value, n.set = &one, true
		l.entries = append(l.entries, &one)
	}
	return errors.Join(bad...)
}

func (l *Lexicon) addPolarity(row []string) error {
	weight, err := strconv.Atoi(row[0])
	if err != nil || weight == 0 || weight < -300 || weight > 300 {
		return fmt.Errorf("weight %q must be a whole number in -300..300 and not 0", row[0])
	}
	topics := strings.Fields(row[1])
	if len(topics) == 0 {
		return errors.New("topics must be set")
	}
	var bad []error
	for phrase := range strings.SplitSeq(row[2], "|") {
		words := tokenize(phrase)
		if len(words) == 0 {
			bad = append(bad, fmt.Errorf("phrase %q has no word", phrase))
			continue
		}
		n := l.words.insert(words)
		if !n.set {
			n.value, n.set = map[string]int{}, true
			l.polarity++
		}
		for _, topic := range topics {
			if _, ok := n.value[topic]; ok {
				bad = append(bad, fmt.Errorf("phrase %q stands twice for topic %s", phrase, topic))
			}
			n.value[topic] = weight
		}
	}
	return errors.Join(bad...)
}

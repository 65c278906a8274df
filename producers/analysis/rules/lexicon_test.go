package rules

import (
	"io/fs"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"shitpost-alpha/producers/analysis"

	"shitpost-alpha/lake/event"
)

func load(t testing.TB) *Lexicon {
	t.Helper()
	l, err := LoadLexicon()
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestLexiconIsWhole also proves that no phrase stands twice: the reader refuses that.
func TestLexiconIsWhole(t *testing.T) {
	l := load(t)
	wellFormed := regexp.MustCompile(`^[A-Z]{1,5}(-[A-Z]{1,3}|-Y\.NYB)?$`)
	kinds, companies := map[string]int{}, map[string]bool{}
	topics := map[string]bool{}
	for _, e := range l.entries {
		kinds[e.kind]++
		if len(e.symbols) > 0 {
			topics[e.topic] = true
		}
		if len(e.symbols) > 0 && (e.kind == kindCompany || e.kind == kindMedia) {
			companies[e.symbols[0]] = true
		}
		for _, s := range e.symbols {
			assets, drops := analysis.Symbols([]event.Asset{{Symbol: s}})
			if !wellFormed.MatchString(s) || len(drops) > 0 || assets[0].Symbol != s {
				t.Errorf("%q names %q, which the symbol rules do not leave alone: %v", e.phrase, s, drops)
			}
		}
		if s := strings.TrimSpace(e.phrase); s != e.phrase {
			t.Errorf("phrase %q has blanks at its ends", e.phrase)
		}
	}
	if n := kinds[kindCompany] + kinds[kindProduct] + kinds[kindPerson] + kinds[kindMedia]; n < 300 || len(companies) < 300 {
		t.Errorf("%d phrases for %d companies, want at least 300 of each", n, len(companies))
	}
	for topic := range topics {
		if !l.speaksOf(l.words, topic) {
			t.Errorf("no word of polarity.csv speaks about topic %s", topic)
		}
	}
	if l.symbols["PARA"] {
		t.Error("PARA is not Paramount any more: its prices are another company's")
	}
	t.Logf("%d phrases (%v), %d companies, %d symbols, %d words of polarity", len(l.entries), kinds, len(companies), len(l.symbols), l.polarity)
}

func (l *Lexicon) speaksOf(n *node[map[string]int], topic string) bool {
	if n.value[topic] != 0 {
		return true
	}
	for _, child := range n.next {
		if l.speaksOf(child, topic) {
			return true
		}
	}
	return false
}

func TestReadLexiconNamesWhatIsWrong(t *testing.T) {
	const companies = "symbol,kind,match,phrases\nAAPL,company,name,Apple\n"
	const themes = "symbols,kind,topic,match,base,phrases\nSPY,theme,market,any,0,stocks\n"
	const polarity = "weight,topics,phrases\n100,market,good\n"
	for name, c := range map[string]struct{ companies, themes, polarity, want string }{
		"good":          {companies, themes, polarity, ""},
		"header":        {"symbol,phrases\n", themes, polarity, "header is"},
		"kind":          {companies + "X,ship,any,Titanic\n", themes, polarity, `line 3: kind "ship"`},
		"match":         {companies + "X,company,often,Steel\n", themes, polarity, `match "often"`},
		"no symbol":     {companies + ",company,any,Steel\n", themes, polarity, "symbol must be set"},
		"twice":         {companies + "X,company,any,APPLE's\n", themes, polarity, `line 3: phrase "APPLE's" stands twice: also as "Apple"`},
		"twice over":    {companies, themes + "SPY,theme,market,any,0,apple\n", polarity, "stands twice"},
		"no word":       {companies + "X,company,any,!!|US\n", themes, polarity, `phrase "!!" has no word`},
		"theme kind":    {companies, themes + "SPY,company,market,any,0,Dow\n", polarity, `kind "company" is not theme`},
		"base":          {companies, themes + "SPY,theme,market,any,much,Dow\n", polarity, "base be a whole number"},
		"weight":        {companies, themes, polarity + "0,market,bad\n", "weight"},
		"topics":        {companies, themes, polarity + "10,,bad\n", "topics must be set"},
		"twice a topic": {companies, themes, polarity + "50,market,fine|good\n", `phrase "good" stands twice for topic market`},
		"fields":        {companies + "X,company\n", themes, polarity, "wrong number of fields"},
		"no file":       {"", themes, polarity, "read header"},
	} {
		t.Run(name, func(t *testing.T) {
			files := fstest.MapFS{"companies.csv": {Data: []byte(c.companies)}, "themes.csv": {Data: []byte(c.themes)}, "polarity.csv": {Data: []byte(c.polarity)}}
			_, err := readLexicon(files)
			if c.want == "" != (err == nil) || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
	if _, err := readLexicon(fstest.MapFS{}); err == nil {
		t.Error("an empty folder was read")
	}
}

// FuzzLexicon: whatever the files hold, reading them ends in a lexicon or an error.
func FuzzLexicon(f *testing.F) {
	for _, name := range []string{"companies.csv", "themes.csv", "polarity.csv"} {
		doc, err := fs.ReadFile(lexiconFiles, "lexicon/"+name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(doc[:2000]))
	}
	f.Add("symbol,kind,match,phrases\nA,company,any,\"x|y")
	f.Fuzz(func(t *testing.T, doc string) {
		files := fstest.MapFS{"companies.csv": {Data: []byte(doc)}, "themes.csv": {Data: []byte(doc)}, "polarity.csv": {Data: []byte(doc)}}
		if l, err := readLexicon(files); err == nil {
			t.Errorf("one document passed as all three files: %v", l)
		}
	})
}

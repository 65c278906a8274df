package rules

import "strings"

// negators turn the words behind them around. Lookup table, never changed.
var negators = wordSet(`no not never neither nor none nothing without cannot can't cant don't dont doesn't didn't isn't
	wasn't aren't weren't won't wouldn't shouldn't couldn't hasn't haven't hadn't ain't hardly nobody`)

// emphases begin with a negator and negate nothing: "never been better" is praise. Lookup table,
// never changed.
var emphases = phraseList(`not only|no doubt|no question|never before|never been|never seen|nobody has ever|nothing but|
	not just|not since|never had|no one has ever|no wonder|no matter|no longer be|why not|can't wait|cannot wait|
	not even close|like never|never forget|no other|second to none|not to mention|no less|nothing like|
	never been so|never stop|never let|don't worry|do not worry|no better|nobody better|can't be beat`)

const negationReach = 3 // a negator turns around what stands up to so many words behind it

func wordSet(words string) map[string]bool {
	set := map[string]bool{}
	for _, w := range strings.Fields(words) {
		set[w] = true
	}
	return set
}

func phraseList(phrases string) [][]string {
	var list [][]string
	for p := range strings.SplitSeq(phrases, "|") {
		list = append(list, strings.Fields(p))
	}
	return list
}

// findHits finds the polarity words, the longest phrase at each place, and which are negated.
func (l *Lexicon) findHits(d *document) {
	d.negates = d.negations()
	for i := 0; i < len(d.tokens); {
		h, ok := l.hitAt(d, i)
		if !ok {
			i++
			continue
		}
		h.negated = d.isNegated(d.negates, h.first)
		d.hits = append(d.hits, h)
		i = h.last + 1
	}
}

func (l *Lexicon) hitAt(d *document, i int) (best hit, ok bool) {
	n := l.words
	for j := i; j < len(d.tokens) && d.tokens[j].sentence == d.tokens[i].sentence; j++ {
		if n = n.next[d.tokens[j].lower]; n == nil {
			break
		}
		if n.set {
			best, ok = hit{weights: n.value, first: i, last: j, text: d.span(i, j)}, true
		}
	}
	return best, ok
}

// negations marks the tokens that negate what follows.
func (d *document) negations() []bool {
	marks := make([]bool, len(d.tokens))
	for i := range d.tokens {
		marks[i] = negators[d.tokens[i].lower] && !d.isEmphasis(i)
	}
	return marks
}

func (d *document) isEmphasis(i int) bool {
	for _, words := range emphases {
		if i+len(words) > len(d.tokens) {
			continue
		}
		same := true
		for k, w := range words {
			same = same && d.tokens[i+k].lower == w
		}
		if same {
			return true
		}
	}
	return false
}

// isNegated says whether an odd number of negators stand before token i in its clause, within reach.
func (d *document) isNegated(negates []bool, i int) bool {
	odd := false
	for j := max(0, i-negationReach); j < i; j++ {
		if negates[j] && d.tokens[j].clause == d.tokens[i].clause {
			odd = !odd
		}
	}
	return odd
}

// Decay, in words: a hit that stands so far from the mention weighs half.
const halfDistance = 8

// adjacent is what a hit in the sentence before or after weighs, in percent, where the mention's
// own sentence says nothing.
const adjacent = 50

// evidence is what the words around one mention, or all mentions of one symbol, say.
type evidence struct {
	sum   int // of signed weights, in hundredths
	total int // of their absolute values
	words []weighed
}

type weighed struct {
	text   string
	weight int
}

func (e *evidence) add(text string, weight int) {
	if weight == 0 {
		return
	}
	e.sum += weight
	e.total += max(weight, -weight)
	e.words = append(e.words, weighed{text, weight})
}

// judge weighs the polarity words about m: those of its sentence, or else of the neighbouring ones.
func (d *document) judge(m *mention) evidence {
	var e evidence
	topicHits := 0
	for distance := 0; distance <= 1 && topicHits == 0; distance++ {
		for i := range d.hits {
			h := &d.hits[i]
			gap := d.tokens[h.first].sentence - d.tokens[m.first].sentence
			if max(gap, -gap) != distance || (h.first <= m.last && m.first <= h.last) {
				continue
			}
			weight := d.weigh(h, m)
			if distance > 0 {
				weight = weight * adjacent / 100
			}
			if weight != 0 {
				topicHits++
			}
			e.add(h.label(), weight)
		}
	}
	if base := m.entry.base; base != 0 {
		// "No tariffs" is relief; "no money to insurance companies" is none for them.
		if (m.entry.topic == topicTariff || m.entry.topic == topicMarket) && d.isNegated(d.negates, m.first) {
			base = -base
		}
		e.add(m.text, base)
	}
	return e
}

func (h *hit) label() string {
	if h.negated {
		return "not " + h.text
	}
	return h.text
}

// weigh returns what h says about m, in hundredths: its weight for m's topic, less with distance
// and across clauses, turned around and weakened by a negation, raised by capitals in a text that
// is not all capitals, and by an exclamation mark.
func (d *document) weigh(h *hit, m *mention) int {
	weight := h.weights[m.entry.topic]
	if weight == 0 || d.contrasted(h, m) {
		return 0
	}
	away := m.first - h.last
	if h.first > m.last {
		away = h.first - m.last
	}
	weight = weight * halfDistance / (halfDistance + away - 1)
	t := &d.tokens[h.first]
	if t.clause != d.tokens[m.first].clause {
		weight = weight * 3 / 4
	}
	if h.negated {
		weight = -weight * 3 / 4
	}
	if t.isUpper() && !d.loud[t.sentence] {
		weight = weight * 5 / 4
	}
	if d.excited[t.sentence] {
		weight = weight * 11 / 10
	}
	return weight
}

// contrasts set what follows against what precedes. Lookup table, never changed.
var contrasts = wordSet(`but while whereas however unlike`)

// contrasted says whether h speaks of another asset than m: a word such as "but" stands between
// them in their sentence, and on h's side of it there is a mention of another.
func (d *document) contrasted(h *hit, m *mention) bool {
	sentence := d.tokens[m.first].sentence
	if d.tokens[h.first].sentence != sentence {
		return false
	}
	for c := min(h.last, m.last) + 1; c < max(h.first, m.first); c++ {
		if !contrasts[d.tokens[c].lower] {
			continue
		}
		for i := range d.mentions {
			x := &d.mentions[i]
			if x.entry != m.entry && d.tokens[x.first].sentence == sentence && (x.first > c) == (h.first > c) {
				return true
			}
		}
	}
	return false
}

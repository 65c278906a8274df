package rules

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// token is a word of a text. Hyphens, dots and commas separate words, but initials ("U.S.") are
// one, and so are "AT&T" and "don't". A possessive 's is cut off.
type token struct {
	word     string // as written, without possessive and dots
	lower    string
	sentence int // number of the sentence, from 0
	clause   int // number of the clause, from 0; a sentence has one or more
	start    int // byte offset in the text
	end      int
	// possessive: an 's was cut off. A name that ends with one (Lowe's) needs it in the text too.
	possessive bool
}

// isUpper reports a word of two or more letters, all of them capitals.
func (t *token) isUpper() bool {
	letters := 0
	for _, r := range t.word {
		if unicode.IsLower(r) {
			return false
		}
		if unicode.IsUpper(r) {
			letters++
		}
	}
	return letters > 1
}

// noise is what no word is read from: URLs and mentions of accounts.
var noise = regexp.MustCompile(`(?:https?://|www\.)\S+|@\w+`)

// blank replaces every match with as many blanks, so that offsets stay those of the text.
func blank(text string) string {
	locs := noise.FindAllStringIndex(text, -1)
	if locs == nil {
		return text
	}
	b := []byte(text)
	for _, loc := range locs {
		for i := loc[0]; i < loc[1]; i++ {
			b[i] = ' '
		}
	}
	return string(b)
}

// tokenize splits text into words and numbers its sentences and clauses.
func tokenize(text string) []token {
	text = blank(text)
	var tokens []token
	sentence, clause := 0, 0
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		if isWordRune(r) {
			end := wordEnd(text, i)
			t := newToken(text[i:end], i, end)
			t.sentence, t.clause = sentence, clause
			tokens = append(tokens, t)
			i = end
			continue
		}
		switch r {
		case '.', '!', '?', '\n', '…':
			sentence++
			clause++
		case ',', ';', ':', '—', '–', '(', ')':
			clause++
		}
		i += size
	}
	return tokens
}

func isWordRune(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

// wordEnd returns where the word that starts at i ends. An inner apostrophe or ampersand, the
// dots of initials, a decimal point and a percent sign at the end belong to it.
func wordEnd(text string, i int) int {
	start := i
	for i < len(text) {
		r, size := utf8.DecodeRuneInString(text[i:])
		if isWordRune(r) {
			i += size
			continue
		}
		next, nextSize := utf8.DecodeRuneInString(text[i+size:])
		joins := isWordRune(next) && nextSize > 0
		switch {
		case r == '%':
			return i + size
		case joins && (r == '\'' || r == '’' || r == '&'):
			i += size
		case joins && r == '.' && unicode.IsDigit(next) && unicode.IsDigit(rune(text[i-1])):
			i += size
		case r == '.' && initials(text[start:i], next):
			i += size
		default:
			return i
		}
	}
	return i
}

// initials says whether a dot behind before is one of initials: "U.S" or a single capital that
// another letter follows at once.
func initials(before string, next rune) bool {
	r, _ := utf8.DecodeLastRuneInString(before)
	if !unicode.IsUpper(r) {
		return false
	}
	rest := before[:len(before)-utf8.RuneLen(r)]
	return (rest == "" && unicode.IsUpper(next)) || strings.HasSuffix(rest, ".")
}

// newToken cuts the possessive and the dots of initials off the word.
func newToken(word string, start, end int) token {
	word = strings.ReplaceAll(word, "’", "'")
	cut := strings.TrimSuffix(strings.TrimSuffix(word, "'s"), "'S")
	possessive := cut != word
	word = cut
	if c := strings.IndexByte(word, '.'); c >= 0 && !unicode.IsDigit(rune(word[0])) {
		word = strings.ReplaceAll(word, ".", "")
	}
	return token{word: word, lower: strings.ToLower(word), start: start, end: end, possessive: possessive}
}

// shouting returns for every sentence whether it is written in capitals, so that a capital says
// nothing there.
func shouting(tokens []token) []bool {
	if len(tokens) == 0 {
		return nil
	}
	loud := make([]bool, tokens[len(tokens)-1].sentence+1)
	for i := 0; i < len(tokens); {
		j, words, upper := i, 0, 0
		for ; j < len(tokens) && tokens[j].sentence == tokens[i].sentence; j++ {
			if utf8.RuneCountInString(tokens[j].word) > 1 {
				words++
				if tokens[j].isUpper() {
					upper++
				}
			}
		}
		loud[tokens[i].sentence] = words >= 3 && upper*10 >= words*6
		i = j
	}
	return loud
}

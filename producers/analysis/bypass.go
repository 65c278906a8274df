package analysis

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"shitpost-alpha/lake/event"
)

// RulesVersion is the version of the bypass and symbol rules, kept with every verdict.
const RulesVersion = "1"

// Reasons of a bypass, in the order of the rules (domain.md 2.2).
const (
	NoText            = "No text content"
	Retruth           = "Retruth"
	TestContent       = "Test content"
	TooShort          = "Text too short"
	InsufficientWords = "Insufficient words"
)

// Reasons lists the reasons of a bypass in the order of the rules.
func Reasons() []string {
	return []string{NoText, Retruth, TestContent, TooShort, InsufficientWords}
}

const (
	minRunes = 10
	minWords = 3
)

// urlPattern is what counts as a URL in rule 5.
var urlPattern = regexp.MustCompile(`(https?://|www\.)\S+`)

// Bypass returns the reason of the first bypass rule that hits the post, or "" when a model is to
// look at it. A quote ("RT: <url>text") is judged on its own text. No text content wins over
// Retruth: a reblog without any text has none.
func Bypass(p *event.Post) string {
	if strings.TrimFunc(p.Text, event.IsBlank) == "" {
		return NoText
	}
	if p.IsRepost() {
		return Retruth
	}
	return bypassText(p.OwnText())
}

// bypassText applies rules 3 to 5 to a text without blanks at its ends.
func bypassText(text string) string {
	switch strings.ToLower(text) {
	case "test", "testing", "hello", "hi", "test post":
		return TestContent
	}
	if utf8.RuneCountInString(text) < minRunes {
		return TooShort
	}
	if countWords(urlPattern.ReplaceAllString(text, " ")) < minWords {
		return InsufficientWords
	}
	return ""
}

// countWords counts the runs between blanks that contain a letter or a digit.
func countWords(text string) int {
	n := 0
	for _, run := range strings.FieldsFunc(text, event.IsBlank) {
		if strings.ContainsFunc(run, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }) {
			n++
		}
	}
	return n
}

// Package plain makes plain text of what sources send: HTML becomes text (FromHTML), text that was
// encoded twice becomes readable again (Repair), bytes that are not UTF-8 become text (UTF8).
//
// All of it is pure and careful in the same way: what is not certainly broken stays as it is.
package plain

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/html"
)

// markup is a tag that posts are made of, whole or cut off at the end, or a character entity.
var markup = regexp.MustCompile(`(?i)</?(?:p|br|a|span|div|b|i|u|em|strong|ul|ol|li|blockquote)(?:[\s/>]|$)|&(?:amp|lt|gt|quot|apos|nbsp|#\d{1,7}|#x[0-9a-f]{1,6});`)

// beheaded is the inside of a tag at the very start.
var beheaded = regexp.MustCompile(`^(?:a href|span class)="[^"<>]*"[^<>]*>`)

// IsHTML reports whether s holds markup. Sources say "text" and "content" of plain text and HTML
// alike, so that the column's name tells nothing; a lone "<" or "&" is no markup.
func IsHTML(s string) bool { return markup.MatchString(s) }

// FromHTML returns the text of an HTML fragment (domain.md 1.2): tags are stripped, <br> and the end
// of a block become line breaks, entities are decoded, white space around it all is trimmed. The
// parts of a link that a browser hides belong to its address and are kept. A link or mention that
// the source glued to a word is set apart by a space. Damaged or cut markup is no error: the text
// before it is kept; an opening tag whose first "<" was stripped by whoever exported it is a tag still.
func FromHTML(s string) string {
	if beheaded.MatchString(s) {
		s = "<" + s
	}
	z := html.NewTokenizer(strings.NewReader(s))
	var w writer
	for {
		switch z.Next() {
		case html.ErrorToken:
			return strings.TrimSpace(w.b.String())
		case html.TextToken:
			w.text(string(z.Text()))
		case html.StartTagToken, html.SelfClosingTagToken:
			name, _ := z.TagName()
			w.open(string(name))
		case html.EndTagToken:
			name, _ := z.TagName()
			w.close(string(name))
		}
	}
}

// writer collects text and remembers what the next piece must be set apart from.
type writer struct {
	b      strings.Builder
	last   rune // last rune written, 0 at the start
	edge   edge
	hidden bool // inside an element whose content is no text
}

// edge is the border of a link that lies between the last text and the next.
type edge int

const (
	noEdge edge = iota
	linkBegins
	linkEnded
)

func (w *writer) open(tag string) {
	switch {
	case tag == "br":
		w.newline()
	case isBlock(tag) && w.last != 0 && w.last != '\n':
		w.newline()
	case tag == "a":
		w.edge = linkBegins
	case isHidden(tag):
		w.hidden = true
	}
}

func (w *writer) close(tag string) {
	switch {
	case isBlock(tag):
		w.newline()
	case tag == "a":
		w.edge = linkEnded
	case isHidden(tag):
		w.hidden = false
	}
}

func (w *writer) newline() {
	w.b.WriteByte('\n')
	w.last, w.edge = '\n', noEdge
}

func (w *writer) text(s string) {
	s = strings.ReplaceAll(s, "\x00", "")
	if s == "" || w.hidden {
		return
	}
	first, _ := utf8.DecodeRuneInString(s)
	begins := isWord(first) || w.edge == linkBegins && (first == '@' || first == '#')
	if w.edge != noEdge && isWord(w.last) && begins {
		w.b.WriteByte(' ')
	}
	w.b.WriteString(s)
	w.last, _ = utf8.DecodeLastRuneInString(s)
	w.edge = noEdge
}

func isWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

func isBlock(tag string) bool {
	switch tag {
	case "p", "div", "li", "ul", "ol", "blockquote", "h1", "h2", "h3", "h4", "h5", "h6":
		return true
	}
	return false
}

func isHidden(tag string) bool { return tag == "script" || tag == "style" }

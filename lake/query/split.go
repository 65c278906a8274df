package query

import "strings"

// Split cuts a script at the semicolons that end statements: not those in quotes, dollar quotes or
// comments. Statements come without their semicolon and surrounding space, empty ones not at all. rest
// is what follows the last semicolon, "" when that is only space and comments; the same words with more
// behind them may yet become a statement.
func Split(script string) (statements []string, rest string) {
	start, empty := 0, true // empty: only space and comments since start
	for i := 0; i < len(script); {
		n := token(script[i:])
		switch c := script[i]; {
		case c == ';':
			if !empty {
				statements = append(statements, trimSpace(script[start:i]))
			}
			start, empty = i+1, true
		case strings.HasPrefix(script[i:], "--"), strings.HasPrefix(script[i:], "/*"), strings.IndexByte(space, c) >= 0:
		default:
			empty = false
		}
		i += n
	}
	if empty && !openComment(script[start:]) {
		return statements, ""
	}
	return statements, trimSpace(script[start:])
}

// space is what SQL takes for it; Unicode has more.
const space = " \t\r\n\v\f"

func trimSpace(s string) string { return strings.Trim(s, space) }

// token returns the length of what begins s and belongs together.
func token(s string) int {
	through := func(end string, from int) int {
		if i := strings.Index(s[from:], end); i >= 0 {
			return from + i + len(end)
		}
		return len(s)
	}
	switch {
	case s[0] == '\'' || s[0] == '"':
		return through(s[:1], 1) // a doubled quote is two tokens, which comes to the same
	case strings.HasPrefix(s, "--"):
		return through("\n", 2)
	case strings.HasPrefix(s, "/*"):
		return through("*/", 2)
	case s[0] == '$':
		if tag := dollarTag(s); tag != "" {
			return through(tag, len(tag))
		}
	}
	return 1
}

// dollarTag returns the $tag$ that begins s, "" when there is none.
func dollarTag(s string) string {
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '$':
			return s[:i+1]
		case c == '_', 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9' && i > 1:
		default:
			return ""
		}
	}
	return ""
}

// openComment reports whether s, of space and comments, ends within one that goes on in the next line.
func openComment(s string) bool {
	for i := 0; i < len(s); {
		n := token(s[i:])
		if strings.HasPrefix(s[i:], "/*") && (n < 4 || !strings.HasSuffix(s[i:i+n], "*/")) {
			return true
		}
		i += n
	}
	return false
}

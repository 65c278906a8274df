package plain

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// suspicious are the marks of UTF-8 that was read as Latin-1 or Windows-1252: control characters
// that no text holds, and pairs that begin the common sequences ("â€" dashes and quotes, "ðŸ" emoji,
// "Ã©" accents, "Â " spaces, at the end of a text its first half). Pairs that ordinary text can hold, such as a capital before a closing
// quote or a trade mark sign, are none.
var suspicious = regexp.MustCompile(`[\x{80}-\x{9f}]|[ÂÃ][\x{a0}-\x{bf}]|Ã[€„œŸ‰‡Šš]|â€|â‚¬|â„¢|ðŸ|ï¸|[!?.]Â$`)

// Repair undoes double encoding: UTF-8 that somebody read as Latin-1 or Windows-1252 and encoded
// again. It changes s only when s shows the marks of it, the way back is valid for the whole of s,
// and the result shows none of them. A sequence that ends with s and lacks its last byte (trimmed
// away as white space by a later program) is dropped. Text encoded thrice is undone twice.
func Repair(s string) (text string, repaired bool) {
	text = s
	if isASCII(s) { // as most texts are; every mark is beyond it
		return s, false
	}
	for range 3 {
		if !suspicious.MatchString(text) {
			break
		}
		back, ok := decodeOnce(text)
		if !ok {
			return s, false
		}
		text, repaired = back, true
	}
	if !repaired || suspicious.MatchString(text) {
		return s, false
	}
	return text, true
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// decodeOnce turns each rune of s back into the byte that it was read from and the bytes into text.
func decodeOnce(s string) (string, bool) {
	b := make([]byte, 0, len(s))
	for _, r := range s {
		if r < 0x100 {
			b = append(b, byte(r))
			continue
		}
		c, ok := charmap.Windows1252.EncodeRune(r)
		if !ok {
			return "", false
		}
		b = append(b, c)
	}
	b = dropUnfinished(b)
	return string(b), utf8.Valid(b) && len(b) > 0
}

// dropUnfinished cuts a UTF-8 sequence off the end of b that lacks its last bytes.
func dropUnfinished(b []byte) []byte {
	for i := len(b) - 1; i >= 0 && i > len(b)-utf8.UTFMax; i-- {
		if utf8.RuneStart(b[i]) {
			if b[i] >= utf8.RuneSelf && !utf8.FullRune(b[i:]) {
				return b[:i]
			}
			break
		}
	}
	return b
}

// UTF8 returns s as valid UTF-8 without NUL characters, which no text column can hold. Bytes that
// are no UTF-8 are read as Windows-1252, the other encoding that spreadsheets save; changed says so.
func UTF8(s string) (text string, changed bool) {
	if !utf8.ValidString(s) {
		// Windows-1252 has a character for every byte, so that decoding cannot fail.
		if decoded, err := charmap.Windows1252.NewDecoder().String(s); err == nil {
			s, changed = decoded, true
		} else {
			s, changed = strings.ToValidUTF8(s, "\ufffd"), true
		}
	}
	return strings.ReplaceAll(s, "\x00", ""), changed
}

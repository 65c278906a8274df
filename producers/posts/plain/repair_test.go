package plain

import (
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"pgregory.net/rapid"
)

func TestRepair(t *testing.T) {
	cases := []struct{ name, text, want string }{
		{"dash, Latin-1", "Dollars \u00e2\u0080\u0094 IN FOUR MONTHS", "Dollars — IN FOUR MONTHS"},
		{"apostrophe, Latin-1", "Iran\u00e2\u0080\u0099s city", "Iran’s city"},
		{"apostrophe, Windows-1252", "Iranâ€™s city", "Iran’s city"},
		{"quotes, Windows-1252", "â€œyesâ€\u009d", "“yes”"},
		{"flag", "\u00f0\u009f\u0087\u00ba\u00f0\u009f\u0087\u00b8", "🇺🇸"},
		{"flag, Windows-1252", "ðŸ‡ºðŸ‡¸", "🇺🇸"},
		{"accent", "BeyoncÃ© was paid", "Beyoncé was paid"},
		{"hard space", "2024!Â\u00a0As the", "2024!\u00a0As the"},
		{"last byte trimmed away", "Farmers\u00e2\u0080\u0099 AGAIN!Â", "Farmers’ AGAIN!"},
		{"only the last byte trimmed away", "Congratulations James!Â", "Congratulations James!"},
		{"emoji cut at the end", "OVER\u00f0\u009f\u0087\u00ba\u00f0\u009f\u0087\u00b8\u00f0\u009f\u00a6", "OVER🇺🇸"},
		{"encoded thrice", twice("Iran’s — “x”"), "Iran’s — “x”"},
		{"euro", "5â‚¬", "5€"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, repaired := Repair(c.text)
			if got != c.want || !repaired {
				t.Errorf("Repair(%q) = %q, %v; want %q", c.text, got, repaired, c.want)
			}
		})
	}
}

// twice encodes twice over by way of Latin-1.
func twice(s string) string { return misread(misread(s)) }

// misread reads the bytes of s as Latin-1.
func misread(s string) string {
	var b strings.Builder
	for i := range len(s) {
		b.WriteRune(rune(s[i]))
	}
	return b.String()
}

func TestRepairLeavesOrdinaryText(t *testing.T) {
	for _, s := range []string{
		"", "plain", "Iran’s — “fine”", "Attaché Darío Gil, Nicolás Maduro, Quiñones", "Österreich, Übermut, ß, français, naïve",
		"SÃO PAULO, IRMÃ, pâté, Ânimo", "hard\u00a0space", "CAFÉ™ and É®", "“IRMÃ”", "«été»…", "“‘cliché’”", "25 °C, ½, ±5 %, §1",
		"🇺🇸 👍🏻 ❤️", "Україна 中国 العربية", "pâ, âme", "Â", "cut Ã", "mixed — with \u00e2\u0080\u0094 真",
		"“open” \u00e2\u0080\u0094 and quotes of its own", "UNITED STATES OF AMERICAÂ",
	} {
		if got, repaired := Repair(s); got != s || repaired {
			t.Errorf("Repair(%q) = %q, %v; want it unchanged", s, got, repaired)
		}
	}
}

// Whatever was misread comes back, when it shows the marks; and what was well stays well.
func TestRepairUndoesMisreading(t *testing.T) {
	alphabet := []rune("abc XYZ.!—–’‘“”…é🇺🇸👍€ñ\u00a0")
	rapid.Check(t, func(t *rapid.T) {
		well := rapid.StringOf(rapid.SampledFrom(alphabet)).Draw(t, "text")
		if got, repaired := Repair(well); got != well || repaired {
			t.Fatalf("Repair(%q) = %q: it was well", well, got)
		}
		bad := misread(well)
		if rapid.Bool().Draw(t, "windows") {
			read, err := charmap.Windows1252.NewDecoder().String(well)
			if err != nil || strings.ContainsRune(read, '\ufffd') {
				t.Skip("not readable as Windows-1252")
			}
			bad = read
		}
		got, repaired := Repair(bad)
		if strings.ContainsAny(well, "—–’‘“”…é🇺🇸👍ñ\u00a0") && (got != well || !repaired) {
			t.Fatalf("Repair(%q) = %q, want %q", bad, got, well)
		}
	})
}

func FuzzMojibake(f *testing.F) {
	for _, s := range []string{"a\u00e2\u0080\u0094b", "Â", "Ã©", "â€™", "é", "\xff", "\u0080", "ð\u009f", "!Â"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, repaired := Repair(s)
		if !repaired && got != s {
			t.Errorf("Repair(%q) = %q without saying so", s, got)
		}
		if repaired && (!utf8.ValidString(got) || suspicious.MatchString(got) || len(got) >= len(s)) {
			t.Errorf("Repair(%q) = %q: not repaired", s, got)
		}
		if again, more := Repair(got); more {
			t.Errorf("Repair(%q) = %q, and again = %q", s, got, again)
		}
	})
}

func TestUTF8(t *testing.T) {
	for _, c := range []struct {
		in, want string
		changed  bool
	}{
		{"caf\xe9 \x96 \x93x\x94", "café – “x”", true}, {"café", "café", false}, {"a\x00b", "ab", false}, {"", "", false},
	} {
		if got, changed := UTF8(c.in); got != c.want || changed != c.changed {
			t.Errorf("UTF8(%q) = %q, %v; want %q, %v", c.in, got, changed, c.want, c.changed)
		}
	}
}

package analysis

import (
	"strings"
	"testing"
	"unicode/utf8"

	"shitpost-alpha/lake/event"
)

func TestBypass(t *testing.T) {
	const url = "https://truthsocial.com/users/realDonaldTrump/statuses/114093526901586124"
	for _, c := range []struct {
		name string
		post event.Post
		want string
	}{
		{"empty", event.Post{}, NoText},
		{"blanks", event.Post{Text: " \t\r\n\u00a0\u2003"}, NoText},
		{"zero width space and BOM", event.Post{Text: "\ufeff\u200b\u2060\u200d"}, NoText},
		{"metadata only", event.Post{TextMissing: true}, NoText},
		{"reblog without text", event.Post{ReblogID: "1"}, NoText},

		{"reblog", event.Post{ReblogID: "1", Text: "Tariffs on China are great for America"}, Retruth},
		{"RT @", event.Post{Text: "RT @someone Tariffs on China are great"}, Retruth},
		{"RT blank", event.Post{Text: "RT this great thing about China now"}, Retruth},
		{"RT behind blanks", event.Post{Text: "\ufeff  RT @someone Tariffs on China"}, Retruth},
		{"RT url alone", event.Post{Text: "RT: " + url}, Retruth},
		{"RT url and blanks", event.Post{Text: "RT: " + url + "\u200b \n"}, Retruth},
		{"rt in small letters is none", event.Post{Text: "rt @someone Tariffs on China"}, ""},
		{"RT within a word is none", event.Post{Text: "RTX is a great company"}, ""},
		{"RT inside is none", event.Post{Text: "A great one: RT @someone said"}, ""},

		{"test", event.Post{Text: "test"}, TestContent},
		{"Testing", event.Post{Text: " Testing\n"}, TestContent},
		{"HELLO", event.Post{Text: "HELLO"}, TestContent},
		{"hi", event.Post{Text: "\u200bhi\u200b"}, TestContent},
		{"Test Post", event.Post{Text: "Test Post"}, TestContent},
		{"test and more", event.Post{Text: "test of our great will"}, ""},
		{"quoted test", event.Post{Text: "RT: " + url + "Test"}, TestContent},

		{"nine runes", event.Post{Text: "a b c d e"}, TooShort},
		{"ten runes", event.Post{Text: "a b c d ef"}, ""},
		{"nine runes of three bytes", event.Post{Text: "中 国 人 民 币"}, TooShort},
		{"ten runes of three bytes", event.Post{Text: "中 国 人 民 币值"}, ""},
		{"ten with blanks around", event.Post{Text: "  a b c d e  "}, TooShort},
		{"URLs count for length", event.Post{Text: "http://a.b/cde"}, InsufficientWords},
		{"short quote", event.Post{Text: "RT: " + url + "AFTER…"}, TooShort},

		{"two words", event.Post{Text: "Wonderful evening!!!"}, InsufficientWords},
		{"three words", event.Post{Text: "Wonderful evening everybody"}, ""},
		{"a dash is no word", event.Post{Text: "Wonderful — evening !!!"}, InsufficientWords},
		{"a number is a word", event.Post{Text: "Wonderful evening 45"}, ""},
		{"https URL", event.Post{Text: "Watch now: https://example.com/some/page"}, InsufficientWords},
		{"www URL", event.Post{Text: "Watch now: www.example.com/some/page"}, InsufficientWords},
		{"glued URL", event.Post{Text: "Watch nowhttps://example.com/a b"}, ""},
		{"three words and a URL", event.Post{Text: "Watch it now: https://example.com"}, ""},
		{"ftp is no URL here", event.Post{Text: "Watch now: ftp://example.com"}, ""},
		{"quote of a URL", event.Post{Text: "RT: " + url + " https://example.com/"}, InsufficientWords},
		{"quote of two words", event.Post{Text: "RT: " + url + "Congratulations everybody!"}, InsufficientWords},
		{"quote", event.Post{Text: "RT: " + url + "What a beautiful car."}, ""},
	} {
		if got := Bypass(&c.post); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// FuzzBypass: every text has a verdict of the list, blanks around it do not change it, and what is
// let through has what rules 1, 4 and 5 ask.
func FuzzBypass(f *testing.F) {
	for _, s := range []string{"", "test", "RT @x", "RT: https://a/123456789012345678x", "a b c d ef", "www.a.b c d e f", "\u200b\ufeff", "\xff\xfe a b c"} {
		f.Add(s)
	}
	known := map[string]bool{"": true}
	for _, reason := range Reasons() {
		known[reason] = true
	}
	f.Fuzz(func(t *testing.T, text string) {
		p := event.Post{Text: text}
		got := Bypass(&p)
		if !known[got] {
			t.Errorf("%q: unknown reason %q", text, got)
		}
		padded := event.Post{Text: "\ufeff \n" + text + "\u200b\t"}
		if again := Bypass(&padded); again != got {
			t.Errorf("%q: %q, with blanks around it %q", text, got, again)
		}
		own := p.OwnText()
		if got == "" && (utf8.RuneCountInString(own) < 10 || len(strings.FieldsFunc(own, event.IsBlank)) < 3) {
			t.Errorf("%q was let through", text)
		}
	})
}

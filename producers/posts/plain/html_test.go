package plain

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestFromHTML(t *testing.T) {
	cases := []struct{ name, html, want string }{
		{"paragraphs", `<p>One.</p><p>Two.</p>`, "One.\nTwo."},
		{"line break", `One<br>Two<br/>Three<BR />Four`, "One\nTwo\nThree\nFour"},
		{"two line breaks", `One<br><br>Two`, "One\n\nTwo"},
		{"empty paragraph", `<p></p>`, ""},
		{"entities", `AT&amp;T &lt;up&gt; &quot;5&#39;&quot; &#8212; caf&eacute;&nbsp;x`, "AT&T <up> \"5'\" — café\u00a0x"},
		{"entity once", `&amp;amp;`, "&amp;"},
		{"hidden parts of a link", `<p>See <a href="https://bongino.com/x"><span class="invisible">https://</span><span class="ellipsis">bongino.com/lat</span><span class="invisible">est-lie</span></a></p>`, "See https://bongino.com/latest-lie"},
		{"mention glued to text", `<p>RT <span class="h-card"><a href="https://truthsocial.com/@BonginoReport" class="u-url mention">@<span>BonginoReport</span></a></span>His latest spin</p>`, "RT @BonginoReport His latest spin"},
		{"link glued to text", `word<a href="x">https://x.y</a>more`, "word https://x.y more"},
		{"mention after text", `thanks<a href="x">@<span>name</span></a>!`, "thanks @name!"},
		{"hashtag in a word's place", `<a href="x">#<span>MAGA</span></a>, yes`, "#MAGA, yes"},
		{"bold inside a word", `un<b>believ</b>able`, "unbelievable"},
		{"quote inline", `<p><span class="quote-inline"><br/>RT: https://truthsocial.com/users/realDonaldTrump/statuses/115458478288023570</span></p>`, "RT: https://truthsocial.com/users/realDonaldTrump/statuses/115458478288023570"},
		{"quote after own text", `<p>Look!<span class="quote-inline"><br/>RT: https://a.b/users/x/statuses/115458478288023570</span></p>`, "Look!\nRT: https://a.b/users/x/statuses/115458478288023570"},
		{"cut in a closing tag", `book <a href="https://a.co/d/7"><span class="">a.co/d/7</span></a`, "book a.co/d/7"},
		{"cut in an address", `Enjoy! <a href="https://www.bre`, "Enjoy!"},
		{"script and style", `a<script>alert(1)</script>b<style>p{}</style>c`, "abc"},
		{"list", `<ul><li>one</li><li>two</li></ul>`, "one\ntwo"},
		{"first angle bracket stripped", `a href="https://a.co/d/7" rel="x"><span class="">a.co/d/7</span></a> so true`, "a.co/d/7 so true"},
		{"first angle bracket of a quote stripped", `span class="quote-inline"><br/>RT: https://a.b/c/115458478288023570</span>yes`, "RT: https://a.b/c/115458478288023570yes"},
		{"words that look like a stripped tag", `a href is "no" tag`, `a href is "no" tag`},
		{"lone less-than", `1 < 2 and 3 > 2`, "1 < 2 and 3 > 2"},
		{"null character", "a\x00b", "ab"},
		{"emoji stay", `<p>👇 <br/>🇺🇸</p>`, "👇 \n🇺🇸"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := FromHTML(c.html); got != c.want {
				t.Errorf("FromHTML(%q)\n got %q\nwant %q", c.html, got, c.want)
			}
		})
	}
}

func TestIsHTML(t *testing.T) {
	for s, want := range map[string]bool{
		"": false, "I < 3 & you": false, "a <3 b": false, "AT&T; yes": false, "x<y": false,
		"AT&amp;T": true, "a<br>b": true, "a<br/>": true, "<P>x": true, "<a hre": true, "cut </a": true, "&#8217;": true, "&#x2019;": true,
	} {
		if got := IsHTML(s); got != want {
			t.Errorf("IsHTML(%q) = %v, want %v", s, got, want)
		}
	}
}

// Text without markup comes through FromHTML unharmed once it is escaped.
func TestFromHTMLKeepsText(t *testing.T) {
	escape := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")
	rapid.Check(t, func(t *rapid.T) {
		want := strings.TrimSpace(rapid.StringMatching(`[a-zé—’&<>"#@ \n.,!0-9]{0,60}`).Draw(t, "text"))
		if got := FromHTML("<p>" + escape.Replace(want) + "</p>"); got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	})
}

func FuzzHTML(f *testing.F) {
	for _, s := range []string{`<p>a</p>`, `<a href="x">y</a>z`, `<br`, `&#0;`, `<script><p>`, "<a\x00>", `</p></p>`, `&`, `<!--`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := FromHTML(s)
		if strings.Contains(got, "\x00") {
			t.Errorf("FromHTML(%q) holds a NUL", s)
		}
		if utf8.ValidString(s) && !utf8.ValidString(got) {
			t.Errorf("FromHTML(%q) is not valid UTF-8: %q", s, got)
		}
		if got != strings.TrimSpace(got) {
			t.Errorf("FromHTML(%q) is not trimmed: %q", s, got)
		}
	})
}

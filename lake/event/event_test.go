package event

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestIsRepostAndOwnText(t *testing.T) {
	for _, c := range []struct {
		text, reblog string
		repost       bool
		own          string
	}{
		{"Great day for America!", "", false, "Great day for America!"},
		{"RT @someone: look", "", true, "RT @someone: look"},
		{"RT look", "", true, "RT look"},
		{"rt look", "", false, "rt look"},
		{"RTX is up", "", false, "RTX is up"},
		{"  RT @someone", "", true, "RT @someone"},
		{"RT: https://truthsocial.com/users/realDonaldTrump/statuses/113404826487996526", "", true, ""},
		{"RT: https://truthsocial.com/users/realDonaldTrump/statuses/113404826487996526\u200b", "", true, ""},
		{"RT: https://truthsocial.com/users/realDonaldTrump/statuses/113404826487996526So true!", "", false, "So true!"},
		{"RT: https://truthsocial.com/@x/113404826487996526 So true!", "", false, "So true!"},
		{"RT: https://truthsocial.com/users/realDonaldTrump/statuses/1149880511076865938/7/2025 — a day", "", false, "8/7/2025 — a day"},
		{"RT https://truthsocial.com/@x/113404826487996526 no colon: repeats", "", true, "RT https://truthsocial.com/@x/113404826487996526 no colon: repeats"},
		{"", "1", true, ""},
	} {
		p := Post{Text: c.text, ReblogID: c.reblog}
		if p.IsRepost() != c.repost || p.OwnText() != c.own {
			t.Errorf("%q: repost %v, own text %q; want %v, %q", c.text, p.IsRepost(), p.OwnText(), c.repost, c.own)
		}
	}
}

func TestPublishedAt(t *testing.T) {
	at, err := PublishedAt("115470116607441456")
	if want := time.Date(2025, 10, 31, 18, 9, 12, 335e6, time.UTC); err != nil || at.Sub(want).Abs() > time.Second {
		t.Errorf("published at %v, %v; the source says %v", at, err, want)
	}
	for _, bad := range []string{"", "x", "-5", "12", "0115470116607441456", "99999999999999999999999", "1 "} {
		if at, err := PublishedAt(bad); err == nil {
			t.Errorf("id %q was taken as %v", bad, at)
		}
	}
}

func TestSealIdentity(t *testing.T) {
	base := func() Post {
		return Post{Envelope: Envelope{Kind: PostObserved, Key: "115470116607441456", Source: "archive:x"}, PostID: "115470116607441456", Text: "a"}
	}
	id := func(change func(*Post), supersedes string) string {
		p := base()
		change(&p)
		Seal(&p, supersedes)
		return p.EventID
	}
	same := id(func(*Post) {}, "")
	n := int64(5)
	if got := id(func(p *Post) { p.Favourites = &n; p.Producer = "other@2"; p.RecordedAt = time.Now() }, ""); got != same {
		t.Error("counters, producer and time of recording must not change the identity")
	}
	for name, change := range map[string]func(*Post){
		"text":   func(p *Post) { p.Text = "b" },
		"media":  func(p *Post) { p.MediaURLs = []string{"u"} },
		"source": func(p *Post) { p.Source = "archive:y" },
		"kind":   func(p *Post) { p.Kind = PostDeleted },
	} {
		if id(change, "") == same {
			t.Errorf("another %s has the same identity", name)
		}
	}
	if id(func(*Post) {}, same) == same {
		t.Error("a change back to an earlier content is a fact of its own")
	}
}

func TestHashSeparatesParts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.SliceOfN(rapid.String(), 0, 4).Draw(t, "a")
		b := rapid.SliceOfN(rapid.String(), 0, 4).Draw(t, "b")
		if equal := strings.Join(a, "\x00|") == strings.Join(b, "\x00|") && len(a) == len(b); (Hash(a...) == Hash(b...)) != equal {
			t.Fatalf("%q and %q: equal hashes %v", a, b, !equal)
		}
	})
}

func TestPayloadRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		doc := rapid.SliceOf(rapid.Byte()).Draw(t, "doc")
		var v Envelope
		v.SetPayload(doc)
		got, err := v.PayloadBytes()
		if err != nil || string(got) != string(doc) || v.PayloadSize != int64(len(doc)) || v.PayloadCut {
			t.Fatalf("kept %q of %q, %v", got, doc, err)
		}
	})
	var v Envelope
	big := strings.Repeat("é", MaxPayload) // 2 bytes each: the cut falls into or between characters
	v.SetPayload([]byte("x" + big))
	if got, err := v.PayloadBytes(); err != nil || !v.PayloadCut || len(got) > MaxPayload || len(got) < MaxPayload-4 || v.PayloadEncoding != "utf8" || v.PayloadSize != int64(len(big)+1) {
		t.Errorf("a big payload: %d bytes kept, cut %v, %s, size %d, %v", len(got), v.PayloadCut, v.PayloadEncoding, v.PayloadSize, err)
	}
}

func TestDate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := Date(rapid.Int32Range(1, 40000).Draw(t, "d"))
		if back, err := ParseDate(d.String()); err != nil || back != d {
			t.Fatalf("%d → %s → %d, %v", d, d, back, err)
		}
	})
	if _, err := ParseDate("2025-02-30"); err == nil {
		t.Error("2025-02-30 was taken")
	}
	if DateOf(time.Date(2025, 1, 9, 23, 59, 0, 0, time.UTC)).String() != "2025-01-09" {
		t.Error("wrong day")
	}
}

func TestCheckRefuses(t *testing.T) {
	f := func(v float64) *float64 { return &v }
	good := func() Price {
		p := Price{Envelope: Envelope{Kind: BarRecorded, Key: "AAPL", Source: "file:x", OccurredAt: time.Unix(1e9, 0)}, Symbol: "AAPL",
			SessionDate: 20000, Interval: "1d", Open: f(10), High: f(12), Low: f(9), Close: f(11), Adjustment: AdjustedNone, AdjustedThrough: 20000, FetchID: "x"}
		Seal(&p, "")
		return p
	}
	p := good()
	if err := Check(&p); err != nil {
		t.Fatalf("a good bar: %v", err)
	}
	nan := 0.0
	nan /= nan
	for name, spoil := range map[string]func(*Price){
		"high below close": func(p *Price) { p.High = f(10.5) },
		"low above open":   func(p *Price) { p.Low = f(10.5) },
		"zero":             func(p *Price) { p.Close = f(0) },
		"negative":         func(p *Price) { p.Low = f(-1) },
		"nan":              func(p *Price) { p.Open = f(nan) },
		"missing":          func(p *Price) { p.Open = nil },
		"no date":          func(p *Price) { p.SessionDate = 0 },
		"other key":        func(p *Price) { p.Key = "MSFT" },
		"adjustment":       func(p *Price) { p.Adjustment = "maybe" },
		"unknown kind":     func(p *Price) { p.Kind = PostObserved },
		"unsealed":         func(p *Price) { p.EventID = "" },
	} {
		p := good()
		spoil(&p)
		if err := Check(&p); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

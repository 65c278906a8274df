package record

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"shitpost-alpha/lake/event"
)

const (
	id  = "115470116607441456"
	url = "https://truthsocial.com/@realDonaldTrump/" + id
	at  = "2025-10-31T18:09:12.335Z"
)

var origin = Origin{Source: "archive:f.json", Place: "f.json element 3"}

// Documents that are taken, and what becomes of them.
func TestJSON(t *testing.T) {
	doc := func(format string, args ...any) string {
		return fmt.Sprintf(`{"id":"`+id+`","created_at":"`+at+`",`+format+`}`, args...)
	}
	cases := []struct {
		name, doc string
		check     func(p event.Post) any
		want      any
	}{
		{"id as a number", `{"id":` + id + `,"created_at":"` + at + `","content":"x"}`, func(p event.Post) any { return p.PostID }, id},
		{"number that lost its digits", `{"id":115470116607441460,"created_at":"` + at + `","content":"x","url":"` + url + `"}`, func(p event.Post) any { return p.PostID }, id},
		{"text id wins over another address", `{"id":"115470116607441460","created_at":"` + at + `","content":"x","url":"` + url + `"}`, func(p event.Post) any { return p.PostID }, "115470116607441460"},
		{"id written as a float", `{"id":1.154701166074415e17,"created_at":"` + at + `","content":"x","url":"` + url + `"}`, func(p event.Post) any { return p.PostID }, id},
		{"id from the address", `{"created_at":"` + at + `","text":"x","post_url":"https://truthsocial.com/@realDonaldTrump/posts/` + id + `?a=1"}`, func(p event.Post) any { return p.PostID }, id},
		{"time from the id", `{"id":"` + id + `","post_date":"2025-10-31 21:09:00","content":"x"}`, func(p event.Post) any { return []any{p.PublishedAt.Format(time.RFC3339Nano), p.SourceCreatedAt.Hour()} }, []any{at, 21}},
		{"time of the source", doc(`"content":"x"`), func(p event.Post) any { return p.SourceCreatedAt.Format(time.RFC3339Nano) }, at},
		{"null text beside content", doc(`"text":null,"content":"<p>a &amp; b</p>"`), func(p event.Post) any { return p.Text + "|" + p.HTML }, "a & b|<p>a &amp; b</p>"},
		{"plain text beside content", doc(`"text":"a\nb","content":"<p>a<br>b</p>"`), func(p event.Post) any { return p.Text + "|" + p.HTML }, "a\nb|<p>a<br>b</p>"},
		{"plain content", doc(`"content":"I < 3 you"`), func(p event.Post) any { return p.Text + "|" + p.HTML }, "I < 3 you|"},
		{"repaired", doc(`"content":"Iran\u00e2\u0080\u0099s"`), func(p event.Post) any { return []any{p.Text, p.TextRepaired} }, []any{"Iran’s", true}},
		{"null character", doc(`"content":"a\u0000b"`), func(p event.Post) any { return p.Text }, "ab"},
		{"empty text with media", doc(`"content":"","media":["https://a/b.jpg","https://a/b.jpg"]`), func(p event.Post) any { return []any{p.TextMissing, p.MediaURLs} }, []any{false, []string{"https://a/b.jpg"}}},
		{"empty text where there could be media", doc(`"content":"","media":[]`), func(p event.Post) any { return p.TextMissing }, false},
		{"empty text in a source without texts", doc(`"content_text":""`), func(p event.Post) any { return p.TextMissing }, true},
		{"attachments", doc(`"content":"","media_attachments":[{"url":"https://a/1.mp4","preview_url":"https://a/p"},{"url":null,"preview_url":"https://a/2"}]`), func(p event.Post) any { return p.MediaURLs }, []string{"https://a/1.mp4", "https://a/2"}},
		{"counts as texts", doc(`"content":"x","replies":"14,9k","shares":"7,61k","likes":"1.2M"`), func(p event.Post) any { return []int64{*p.Replies, *p.Reblogs, *p.Favourites} }, []int64{14900, 7610, 1200000}},
		{"a count that is none", doc(`"content":"x","replies":"many"`), func(p event.Post) any { return p.Replies == nil }, true},
		{"card", doc(`"content":"","media_urls":[],"card":{"title":"T","url":"https://c"}`), func(p event.Post) any { return p.CardTitle + p.CardURL }, "Thttps://c"},
		{"mentions and tags", doc(`"content":"x","mentions":[{"acct":"a"},{"username":"b"}],"tags":[{"name":"MAGA"},"x"]`), func(p event.Post) any { return append(p.Mentions, p.Tags...) }, []string{"a", "b", "MAGA", "x"}},
		{"repost of another", doc(`"content":"RT","account":{"id":"` + event.AuthorID + `"},"reblog":{"id":"109864160311151506","account":{"username":"other"}}`), func(p event.Post) any { return []any{p.ReblogID, p.IsRepost()} }, []any{"109864160311151506", true}},
		{"quote", doc(`"content":"x","quote_id":null,"quote":{"id":"109864160311151506"}`), func(p event.Post) any { return p.QuoteID }, "109864160311151506"},
		{"reply and edit", doc(`"content":"x","in_reply_to_id":"109864160311151506","edited_at":"2025-11-01T00:00:00Z"`), func(p event.Post) any { return p.InReplyToID + p.EditedAt.Format(time.DateOnly) }, "1098641603111515062025-11-01"},
		{"account", doc(`"content":"x","account":{"id":"` + event.AuthorID + `","username":"realDonaldTrump","display_name":"D","followers_count":12,"verified":true}`), func(p event.Post) any {
			return []any{p.AccountID, p.AccountUsername, p.AccountDisplayName, *p.AccountFollowers, *p.AccountVerified}
		}, []any{event.AuthorID, "realDonaldTrump", "D", int64(12), true}},
		{"other names for id and time", `{"Tweet_ID":"` + id + `","Created":"2025-10-31 18:09:12.335000+00:00","Text":"x"}`, func(p event.Post) any { return p.PostID + p.Text }, id + "x"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			p := JSON(origin, []byte(c.doc))
			if p.Kind != event.PostObserved {
				t.Fatalf("rejected: %s", p.RejectedDetail)
			}
			if got := c.check(p); !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
			if p.Payload != c.doc {
				t.Errorf("payload %q is not the document", p.Payload)
			}
			event.Seal(&p, "")
			if err := event.Check(&p); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestRejected(t *testing.T) {
	cases := []struct{ name, doc, reason, detail string }{
		{"no id", `{"created_at":"` + at + `","content":"x"}`, NoID, "no id"},
		{"null id", `{"id":null,"created_at":"` + at + `","content":"x"}`, NoID, "no id"},
		{"bad id", `{"id":"12x","created_at":"` + at + `","content":"x"}`, BadID, `"12x"`},
		{"id of no time", `{"id":"17","created_at":"` + at + `","content":"x"}`, BadID, "plausible"},
		{"no time", `{"id":"` + id + `","content":"x"}`, NoTime, id},
		{"bad time", `{"id":"` + id + `","created_at":"soon","content":"x"}`, BadTime, `"soon"`},
		{"no text", `{"id":"` + id + `","created_at":"` + at + `"}`, NoText, id},
		{"account id", `{"id":"` + id + `","created_at":"` + at + `","content":"x","account":{"id":"1","username":"epochtimes"}}`, OtherAccount, "epochtimes"},
		{"handle", `{"account_handle":"TeamTrump","post_date":"` + at + `","post_url":"","status_text":"x"}`, OtherAccount, "TeamTrump"},
		{"address", `{"id":"` + id + `","created_at":"` + at + `","content":"x","url":"https://truthsocial.com/@epochtimes/` + id + `"}`, OtherAccount, "epochtimes"},
		{"cut", `{"id":"` + id + `","crea`, Damaged, "no JSON object"},
		{"no object", `[1]`, Damaged, "no JSON object"},
		{"two objects", `{} {}`, Damaged, "follows"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			p := JSON(origin, []byte(c.doc))
			if p.Kind != event.RecordRejected || p.RejectedReason != c.reason {
				t.Fatalf("kind %s, reason %q (%s), want %q", p.Kind, p.RejectedReason, p.RejectedDetail, c.reason)
			}
			if !strings.HasPrefix(p.RejectedDetail, origin.Place+": ") || !strings.Contains(p.RejectedDetail, c.detail) {
				t.Errorf("detail %q does not name %q and %q", p.RejectedDetail, origin.Place, c.detail)
			}
			if p.Payload != c.doc || p.Key != origin.Source+":"+p.PayloadSHA256[:16] {
				t.Errorf("key %q, payload %q", p.Key, p.Payload)
			}
		})
	}
}

func TestColumns(t *testing.T) {
	c := Columns{"id", "created_at", "content", "media"}
	p := c.Draft(origin, []string{id, at, "a\nb", "https://a/1.jpg, https://a/2.jpg"}, []byte("raw"))
	if p.Kind != event.PostObserved || p.Text != "a\nb" || len(p.MediaURLs) != 2 || p.Payload != "raw" {
		t.Errorf("got %+v", p)
	}
	if p := c.Draft(origin, []string{id, at}, []byte("raw")); p.RejectedReason != Damaged || !strings.Contains(p.RejectedDetail, "2 fields instead of 4") {
		t.Errorf("short row: %q, %q", p.RejectedReason, p.RejectedDetail)
	}
	if p := c.Draft(origin, []string{id, at, "caf\xe9", ""}, []byte("caf\xe9")); p.Text != "café" || !p.TextRepaired || p.PayloadEncoding != "base64" {
		t.Errorf("Windows-1252 row: %q, repaired %v, %s", p.Text, p.TextRepaired, p.PayloadEncoding)
	}
}

func TestRecognise(t *testing.T) {
	for names, ok := range map[string]bool{
		"id,created_at,content": true, "Tweet_ID,Created,Text": true, "post_date,post_url,status_text": true, "created_at,url,content": true,
		"id,created_at,username,note": false, "date,open,close": false, "text": false, "": false,
	} {
		if err := Recognise(strings.Split(names, ",")); (err == nil) != ok {
			t.Errorf("Recognise(%s) = %v", names, err)
		}
	}
}

func FuzzJSON(f *testing.F) {
	f.Add(`{"id":"` + id + `","created_at":"` + at + `","content":"<p>x</p>","media":[{"url":1}],"account":[]}`)
	f.Add(`{"id":1e400,"created_at":0,"text":{}}`)
	f.Add(`null`)
	f.Fuzz(func(t *testing.T, doc string) {
		p := JSON(origin, []byte(doc))
		if p.OccurredAt.IsZero() {
			p.OccurredAt = time.Unix(1, 0)
		}
		event.Seal(&p, "")
		if err := event.Check(&p); err != nil {
			t.Errorf("%q gives an invalid event: %v", doc, err)
		}
		if got, err := p.PayloadBytes(); err != nil || string(got) != doc {
			t.Errorf("payload of %q is %q, %v", doc, got, err)
		}
	})
}

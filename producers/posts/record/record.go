// Package record turns one source document, a JSON object or a CSV row, into the draft of an event:
// post_observed, or record_rejected where the document cannot be taken. Sources know where documents
// come from; this package knows what they mean (domain.md 1.2).
//
// Fields are recognised by sets of names, because archives, exports and the API name the same thing
// differently. It is tolerant of counts that are texts, ids that are numbers, null texts and unknown
// fields, which stay in the payload; it is strict about id, time and author. The payload is the
// document byte for byte.
package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/producers/posts/plain"
)

// Reasons of rejection.
const (
	OtherAccount = "other account"
	NoID         = "no id"
	BadID        = "bad id"
	NoTime       = "no time"
	BadTime      = "bad time"
	NoText       = "no text"        // neither text, media nor repost: no post at all
	Damaged      = "damaged record" // it cannot be parsed
)

// The names that sources give to the same thing, the most exact first.
var (
	idNames    = []string{"id", "post_id", "status_id", "tweet_id", "truth_id", "shitpost_id"}
	timeNames  = []string{"created_at", "created", "published_at", "post_date", "timestamp", "date"}
	textNames  = []string{"text", "status_text", "content_text", "full_text", "body"}
	htmlNames  = []string{"content", "content_html"}
	urlNames   = []string{"url", "post_url", "uri"}
	mediaNames = []string{"media", "media_urls", "media_attachments", "has_media"}
)

// Origin says where a document was found.
type Origin struct {
	Source string // source of the event
	Place  string // file and row, or page and position, for a person
}

// Rejected returns the draft of a record_rejected: why is the end of a sentence that begins with the
// place. Key and content follow from the document, so that the same one is rejected once.
func Rejected(o Origin, reason, why string, doc []byte) event.Post {
	var p event.Post
	p.Kind, p.Source = event.RecordRejected, o.Source
	p.SetPayload(doc)
	p.Key = o.Source + ":" + p.PayloadSHA256[:16]
	p.RejectedReason, p.RejectedDetail = reason, o.Place+": "+why
	return p
}

// JSON returns the draft for one JSON document.
func JSON(o Origin, doc []byte) event.Post {
	var m map[string]any
	d := json.NewDecoder(bytes.NewReader(doc))
	d.UseNumber() // ids do not fit a float64
	if err := d.Decode(&m); err != nil {
		return Rejected(o, Damaged, "it is no JSON object: "+err.Error(), doc)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Rejected(o, Damaged, "something follows the JSON object", doc)
	}
	f := lower(m)
	return draft(o, f, mediaURLs(f, nil), doc)
}

// Columns is the header of a CSV file.
type Columns []string

// Draft returns the draft for one row; doc is its bytes in the file.
func (c Columns) Draft(o Origin, row []string, doc []byte) event.Post {
	if len(row) != len(c) {
		return Rejected(o, Damaged, fmt.Sprintf("%d fields instead of %d", len(row), len(c)), doc)
	}
	m := make(map[string]any, len(c))
	for i, name := range c {
		m[name] = row[i]
	}
	f := lower(m)
	return draft(o, f, mediaURLs(f, c), doc)
}

// Recognise says why documents with these field names are no posts, or nil when they are: they
// need a text, and two of id, time and url.
func Recognise(names []string) error {
	m := make(map[string]any, len(names))
	for _, name := range names {
		m[name] = nil
	}
	f := lower(m)
	known := 0
	for _, set := range [][]string{idNames, timeNames, urlNames} {
		if f.has(set...) {
			known++
		}
	}
	switch {
	case !f.has(textNames...) && !f.has(htmlNames...):
		return fmt.Errorf("none of its fields is a text (%s); it has %s", strings.Join(append(htmlNames[:1:1], textNames...), ", "), brief(names))
	case known < 2:
		return fmt.Errorf("its fields name no id and time of posts; it has %s", brief(names))
	}
	return nil
}

func brief(names []string) string {
	if len(names) > 12 {
		return strings.Join(names[:12], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}

// draft decides: it is pure.
func draft(o Origin, f fields, media []string, doc []byte) event.Post {
	account := f.object("account")
	if who := author(f, account); who != "" {
		return Rejected(o, OtherAccount, fmt.Sprintf("the author is %s, not %s", who, event.AuthorUsername), doc)
	}
	id, reason, why := postID(f)
	if reason != "" {
		return Rejected(o, reason, why, doc)
	}
	created := f.str(timeNames...)
	if created == "" {
		return Rejected(o, NoTime, "post "+id+" has no time ("+strings.Join(timeNames, ", ")+")", doc)
	}
	at, err := ParseTime(created)
	if err != nil {
		return Rejected(o, BadTime, "post "+id+": "+err.Error(), doc)
	}
	reblog := f.object("reblog").str("id")
	if !f.has(textNames...) && !f.has(htmlNames...) && len(media) == 0 && reblog == "" {
		return Rejected(o, NoText, "post "+id+" has neither text nor media nor repost", doc)
	}
	var p event.Post
	p.Kind, p.Source, p.Key, p.PostID = event.PostObserved, o.Source, id, id
	p.PublishedAt, _ = event.PublishedAt(id) // checked by postID
	p.OccurredAt, p.SourceCreatedAt = p.PublishedAt, at
	p.MediaURLs, p.ReblogID = media, reblog
	setText(&p, f)
	setAccount(&p, f, account)
	setRest(&p, f)
	p.SetPayload(doc)
	return p
}

func setText(p *event.Post, f fields) {
	source := f.raw(textNames...)
	markup := f.raw(htmlNames...)
	if source == "" {
		source = markup
	}
	var recoded, repaired bool
	p.Text, recoded = plain.UTF8(source)
	if plain.IsHTML(p.Text) {
		p.Text = plain.FromHTML(p.Text)
	}
	p.Text, repaired = plain.Repair(p.Text)
	p.TextRepaired = recoded || repaired
	if plain.IsHTML(markup) {
		p.HTML, _ = plain.UTF8(markup)
	}
	// An empty text tells something only where the source could show what the post has instead.
	p.TextMissing = strings.TrimSpace(source) == "" && len(p.MediaURLs) == 0 && p.ReblogID == "" &&
		!f.has(mediaNames...) && !f.has(imageColumn)
}

func setAccount(p *event.Post, f, account fields) {
	p.AccountID = account.str("id")
	p.AccountUsername = account.str("username", "acct")
	if p.AccountUsername == "" {
		p.AccountUsername = f.str(handleNames...)
	}
	p.AccountDisplayName = account.str("display_name")
	if p.AccountDisplayName == "" {
		p.AccountDisplayName = f.str("account_name")
	}
	p.AccountFollowers = account.count("followers_count")
	if p.AccountVerified = account.flag("verified"); p.AccountVerified == nil {
		p.AccountVerified = f.flag("verified_badge")
	}
}

func setRest(p *event.Post, f fields) {
	p.URL = f.str(urlNames...)
	p.Language = f.str("language", "lang")
	p.Replies = f.count("replies_count", "replies")
	p.Reblogs = f.count("reblogs_count", "reblogs", "retweets", "shares", "retruths")
	p.Favourites = f.count("favourites_count", "favourites", "favorites", "favs", "likes")
	p.Upvotes, p.Downvotes = f.count("upvotes_count", "upvotes"), f.count("downvotes_count", "downvotes")
	card := f.object("card")
	p.CardTitle = card.str("title")
	p.CardURL = card.str("url")
	p.Mentions = f.list([]string{"acct", "username"}, "mentions")
	p.Tags = f.list([]string{"name"}, "tags")
	p.InReplyToID = f.str("in_reply_to_id")
	if p.QuoteID = f.str("quote_id"); p.QuoteID == "" {
		p.QuoteID = f.object("quote").str("id")
	}
	if at, err := ParseTime(f.str("edited_at")); err == nil {
		p.EditedAt = at
	}
}

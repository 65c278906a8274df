package event

import (
	"errors"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Post is a row of stream posts. Its kinds are post_observed, post_deleted, post_redacted,
// window_read, record_rejected and retracted; Key is the post id.
type Post struct {
	Envelope
	Rejection
	Retraction

	// PostID is the decimal snowflake id; its upper bits are the time of publication.
	PostID string `parquet:"post_id,optional"`
	// PublishedAt is UTC and always the time that the id carries (see PublishedAt func).
	PublishedAt time.Time `parquet:"published_at,optional,timestamp(microsecond)"`
	// SourceCreatedAt is the time that the source gave, read as UTC where it named no zone.
	SourceCreatedAt time.Time `parquet:"source_created_at,optional,timestamp(microsecond)"`
	EditedAt        time.Time `parquet:"edited_at,optional,timestamp(microsecond)"`
	// Text is plain; made from HTML where the source has no plain text, and repaired where it came
	// double-encoded (TextRepaired). The payload keeps what was received.
	Text         string `parquet:"text,optional"`
	HTML         string `parquet:"html,optional"`
	TextRepaired bool   `parquet:"text_repaired"`
	// TextMissing says that the source carries no texts at all (metadata only), so that an empty
	// Text says nothing about the post.
	TextMissing bool   `parquet:"text_missing"`
	URL         string `parquet:"url,optional"`
	Language    string `parquet:"language,optional,dict"`
	// Counters at the version's first sight; null where the source has none.
	Replies    *int64 `parquet:"replies,optional"`
	Reblogs    *int64 `parquet:"reblogs,optional"`
	Favourites *int64 `parquet:"favourites,optional"`
	Upvotes    *int64 `parquet:"upvotes,optional"`
	Downvotes  *int64 `parquet:"downvotes,optional"`

	AccountID          string   `parquet:"account_id,optional,dict"`
	AccountUsername    string   `parquet:"account_username,optional,dict"`
	AccountDisplayName string   `parquet:"account_display_name,optional,dict"`
	AccountFollowers   *int64   `parquet:"account_followers,optional"`
	AccountVerified    *bool    `parquet:"account_verified,optional"`
	MediaURLs          []string `parquet:"media_urls,list"`
	CardTitle          string   `parquet:"card_title,optional"`
	CardURL            string   `parquet:"card_url,optional"`
	Mentions           []string `parquet:"mentions,list"`
	Tags               []string `parquet:"tags,list"`
	InReplyToID        string   `parquet:"in_reply_to_id,optional"`
	QuoteID            string   `parquet:"quote_id,optional"`
	// ReblogID is the id of the post that this one reposts, where the source says so.
	ReblogID string `parquet:"reblog_id,optional"`

	// Window columns, on window_read only.
	WindowFrom     time.Time `parquet:"window_from,optional,timestamp(microsecond)"`
	WindowTo       time.Time `parquet:"window_to,optional,timestamp(microsecond)"`
	WindowComplete bool      `parquet:"window_complete"`
	WindowPosts    int64     `parquet:"window_posts,optional"`
	MissingIDs     []string  `parquet:"missing_ids,list"`
}

// Account ids and names of the one author whose posts are taken.
const (
	AuthorID       = "107780257626128497"
	AuthorUsername = "realDonaldTrump"
)

func (p *Post) envelope() *Envelope { return &p.Envelope }

func (p *Post) subject() string {
	if s, _, _, ok := shared(&p.Envelope, &p.Rejection, &p.Retraction); ok {
		return s
	}
	switch p.Kind {
	case PostRedacted:
		return "redacted " + p.Key
	case WindowRead:
		return "window " + p.Source + " " + stamp(p.WindowTo)
	}
	return "post " + p.Source + " " + p.Key
}

// content is the text and media as received; counters and derived text are no part of it.
func (p *Post) content() []string {
	if _, c, _, ok := shared(&p.Envelope, &p.Rejection, &p.Retraction); ok {
		return c
	}
	switch p.Kind {
	case PostDeleted, PostRedacted:
		return []string{string(p.Kind)}
	case WindowRead:
		return []string{stamp(p.WindowFrom), stamp(p.WindowTo), strconv.FormatBool(p.WindowComplete), strings.Join(p.MissingIDs, " ")}
	}
	return append([]string{p.Text, p.HTML, p.ReblogID, p.QuoteID}, p.MediaURLs...)
}

func (p *Post) check() error {
	if _, _, err, ok := shared(&p.Envelope, &p.Rejection, &p.Retraction); ok {
		return err
	}
	switch p.Kind {
	case PostObserved:
		at, err := PublishedAt(p.PostID)
		if err != nil {
			return err
		}
		if p.PostID != p.Key || !p.PublishedAt.Equal(at) || !p.OccurredAt.Equal(at) {
			return errors.New("key, published_at and occurred_at must follow from post_id")
		}
		return nil
	case PostDeleted, PostRedacted:
		if p.PostID == "" || p.PostID != p.Key {
			return errors.New("post_id must be set and be the key")
		}
		return nil
	case WindowRead:
		if p.WindowFrom.IsZero() || p.WindowTo.IsZero() || p.WindowTo.Before(p.WindowFrom) {
			return errors.New("window_from and window_to must be set, in this order")
		}
		return nil
	}
	return errUnknownKind
}

var errUnknownKind = errors.New("unknown kind for this stream")

// PublishedAt returns the time that a Truth Social id carries, UTC, to the millisecond: id >> 16
// is milliseconds since 1970. It refuses what is no decimal snowflake of 2020 or later.
func PublishedAt(postID string) (time.Time, error) {
	id, err := strconv.ParseUint(postID, 10, 63)
	if err != nil || strconv.FormatUint(id, 10) != postID {
		return time.Time{}, errors.New("post id " + strconv.Quote(postID) + " is not a decimal snowflake")
	}
	at := time.UnixMilli(int64(id >> 16)).UTC()
	if at.Year() < 2020 || at.Year() > 2100 {
		return time.Time{}, errors.New("post id " + strconv.Quote(postID) + " carries no plausible time")
	}
	return at, nil
}

// quotedURL is "RT: <status url>", the url often glued to the text that follows: it ends with the
// digits of the status id, which has 18 from 2020 to 2100.
var quotedURL = regexp.MustCompile(`^RT:\s*https?://\S*?/(\d{18})`)

// IsRepost says whether the post only repeats another one: a reblog, "RT @…", "RT …", or
// "RT: <url>" with nothing after the url. "RT: <url>text" is a quote, judged on its own text.
func (p *Post) IsRepost() bool {
	if p.ReblogID != "" {
		return true
	}
	text := trim(p.Text)
	if loc := quotedURL.FindStringIndex(text); loc != nil {
		return trim(text[loc[1]:]) == ""
	}
	return strings.HasPrefix(text, "RT @") || strings.HasPrefix(text, "RT ")
}

// OwnText returns the text that the author himself wrote: a leading "RT: <url>" is taken off.
func (p *Post) OwnText() string {
	text := trim(p.Text)
	if loc := quotedURL.FindStringIndex(text); loc != nil {
		return trim(text[loc[1]:])
	}
	return text
}

func trim(s string) string {
	return strings.TrimFunc(s, IsBlank)
}

// IsBlank reports white space in the wide sense: Unicode space, zero-width characters and BOM.
func IsBlank(r rune) bool {
	switch r {
	case '\u200b', '\u200c', '\u200d', '\u200e', '\u200f', '\u2060', '\ufeff', '\u180e', '\u00ad':
		return true
	}
	return unicode.IsSpace(r)
}

// stamp renders a time as it is kept: UTC, cut to µs, so that a hash can be computed again from the
// stored columns.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Truncate(time.Microsecond).Format(time.RFC3339Nano)
}

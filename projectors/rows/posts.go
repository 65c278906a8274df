package rows

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"shitpost-alpha/lake/event"
)

// Content is what a version of a post says.
type Content struct {
	Text               string    `db:"text,keep"`
	HTML               string    `db:"html"`
	URL                string    `db:"url"`
	Language           string    `db:"language"`
	IsRepost           bool      `db:"is_repost"`
	TextMissing        bool      `db:"text_missing"`
	TextRepaired       bool      `db:"text_repaired"`
	SourceCreatedAt    time.Time `db:"source_created_at"`
	EditedAt           time.Time `db:"edited_at"`
	Replies            *int64    `db:"replies"`
	Reblogs            *int64    `db:"reblogs"`
	Favourites         *int64    `db:"favourites"`
	Upvotes            *int64    `db:"upvotes"`
	Downvotes          *int64    `db:"downvotes"`
	AccountID          string    `db:"account_id"`
	AccountUsername    string    `db:"account_username"`
	AccountDisplayName string    `db:"account_display_name"`
	AccountFollowers   *int64    `db:"account_followers"`
	AccountVerified    *bool     `db:"account_verified"`
	MediaURLs          []string  `db:"media_urls"`
	CardTitle          string    `db:"card_title"`
	CardURL            string    `db:"card_url"`
	Mentions           []string  `db:"mentions"`
	Tags               []string  `db:"tags"`
	InReplyToID        string    `db:"in_reply_to_id"`
	QuoteID            string    `db:"quote_id"`
	ReblogID           string    `db:"reblog_id"`
}

// redact blanks whatever the post said. Only what its ids say stays.
func (c *Content) redact() {
	c.Text, c.HTML, c.URL, c.CardTitle, c.CardURL = "", "", "", "", ""
	c.MediaURLs, c.Mentions, c.Tags = nil, nil, nil
	c.TextRepaired, c.IsRepost = false, c.ReblogID != ""
}

// PostVersion is one event about a post.
type PostVersion struct {
	EventID     string    `db:"event_id"`
	Kind        string    `db:"kind"`
	PostID      string    `db:"post_id"`
	PublishedAt time.Time `db:"published_at"`
	Content
	ContentHash string    `db:"content_hash,keep"`
	Supersedes  string    `db:"supersedes"`
	OccurredAt  time.Time `db:"occurred_at"`
	Origin
}

// Post is a post in its current version.
type Post struct {
	PostID      string    `db:"post_id"`
	PublishedAt time.Time `db:"published_at"`
	Content
	IsDeleted       bool      `db:"is_deleted"`
	IsRedacted      bool      `db:"is_redacted"`
	DeletedAt       time.Time `db:"deleted_at"`
	Versions        int       `db:"versions"`
	Sources         int       `db:"sources"`
	FirstRecordedAt time.Time `db:"first_recorded_at"`
	EventID         string    `db:"event_id"`
	Origin
}

// Window is a window_read event.
type Window struct {
	EventID    string    `db:"event_id"`
	From       time.Time `db:"window_from"`
	To         time.Time `db:"window_to"`
	IsComplete bool      `db:"is_complete"`
	Posts      int64     `db:"posts"`
	MissingIDs []string  `db:"missing_ids"`
	OccurredAt time.Time `db:"occurred_at"`
	Origin
}

// VersionOf returns the fact that an event about a post states.
func VersionOf(e *event.Post) PostVersion {
	return PostVersion{EventID: e.EventID, Kind: string(e.Kind), PostID: e.PostID, PublishedAt: e.PublishedAt,
		Content: Content{Text: e.Text, HTML: e.HTML, URL: e.URL, Language: e.Language, IsRepost: e.IsRepost(),
			TextMissing: e.TextMissing, TextRepaired: e.TextRepaired, SourceCreatedAt: e.SourceCreatedAt, EditedAt: e.EditedAt,
			Replies: e.Replies, Reblogs: e.Reblogs, Favourites: e.Favourites, Upvotes: e.Upvotes, Downvotes: e.Downvotes,
			AccountID: e.AccountID, AccountUsername: e.AccountUsername, AccountDisplayName: e.AccountDisplayName,
			AccountFollowers: e.AccountFollowers, AccountVerified: e.AccountVerified, MediaURLs: e.MediaURLs,
			CardTitle: e.CardTitle, CardURL: e.CardURL, Mentions: e.Mentions, Tags: e.Tags,
			InReplyToID: e.InReplyToID, QuoteID: e.QuoteID, ReblogID: e.ReblogID},
		ContentHash: e.ContentHash, Supersedes: e.Supersedes, OccurredAt: e.OccurredAt, Origin: originOf(&e.Envelope)}
}

// WindowOf returns the row of a window_read event.
func WindowOf(e *event.Post) Window {
	return Window{EventID: e.EventID, From: e.WindowFrom, To: e.WindowTo, IsComplete: e.WindowComplete, Posts: e.WindowPosts,
		MissingIDs: e.MissingIDs, OccurredAt: e.OccurredAt, Origin: originOf(&e.Envelope)}
}

// DerivePosts returns the versions and the posts that follow from the known versions and the news:
// known must hold all versions of the posts that the news is about. A post that was never observed, only
// deleted or redacted, has versions and no row in posts.
func DerivePosts(known, news []PostVersion) ([]PostVersion, []Post) {
	versions := Union(known, news, func(v *PostVersion) string { return v.EventID }, func(v *PostVersion) time.Time { return v.RecordedAt })
	slices.SortFunc(versions, func(a, b PostVersion) int {
		return cmp.Or(strings.Compare(a.PostID, b.PostID), a.RecordedAt.Compare(b.RecordedAt), strings.Compare(a.EventID, b.EventID))
	})
	var posts []Post
	for start := 0; start < len(versions); {
		end := start + 1
		for end < len(versions) && versions[end].PostID == versions[start].PostID {
			end++
		}
		if p, ok := postOf(versions[start:end]); ok {
			posts = append(posts, p)
		}
		start = end
	}
	return versions, posts
}

// postOf derives the row of one post from all its versions, oldest first, and blanks them when the post
// is redacted.
func postOf(versions []PostVersion) (Post, bool) {
	redacted := slices.ContainsFunc(versions, func(v PostVersion) bool { return v.Kind == string(event.PostRedacted) })
	newest := map[string]*PostVersion{} // the newest observation per source
	last := map[string]*PostVersion{}   // the newest observation or deletion per source
	changes := map[string]int{}         // content versions per source
	var first, deleted time.Time
	for i := range versions {
		v := &versions[i]
		if redacted {
			v.redact()
		}
		switch event.Kind(v.Kind) {
		case event.PostObserved:
			if old := newest[v.Source]; old == nil || old.ContentHash != v.ContentHash {
				changes[v.Source]++
			}
			newest[v.Source], last[v.Source] = v, v
			if first.IsZero() {
				first = v.RecordedAt
			}
		case event.PostDeleted:
			last[v.Source] = v
		}
	}
	var best *PostVersion
	for _, v := range newest {
		if best == nil || preferred(v, best) {
			best = v
		}
	}
	if best == nil {
		return Post{}, false
	}
	p := Post{PostID: best.PostID, PublishedAt: best.PublishedAt, Content: best.Content, IsRedacted: redacted,
		Versions: changes[best.Source], Sources: len(newest), FirstRecordedAt: first, EventID: best.EventID, Origin: best.Origin}
	for _, v := range last {
		if v.Kind != string(event.PostDeleted) {
			continue
		}
		p.IsDeleted = true
		if deleted.IsZero() || v.OccurredAt.Before(deleted) {
			deleted = v.OccurredAt
		}
	}
	p.DeletedAt = deleted
	return p, true
}

// preferred reports whether a's source comes before b's: by family (domain.md 1.2), within it sources
// that carry texts first, then by name.
func preferred(a, b *PostVersion) bool {
	missing := func(v *PostVersion) int {
		if v.TextMissing {
			return 1
		}
		return 0
	}
	return cmp.Or(
		cmp.Compare(familyOrder(a.Source), familyOrder(b.Source)),
		cmp.Compare(missing(a), missing(b)),
		strings.Compare(a.Source, b.Source),
	) < 0
}

// familyOrder puts sources that domain.md 1.2 does not name last.
func familyOrder(source string) int {
	family, _, _ := strings.Cut(source, ":")
	switch family {
	case "scrapecreators":
		return 0
	case "truthsocial":
		return 1
	case "archive":
		return 2
	case "legacy-s3":
		return 3
	case "simulator":
		return 4
	}
	return 5
}

package legacy

import (
	"cmp"
	"encoding/json"

	"shitpost-alpha/lake/event"
	raw "shitpost-alpha/producers/posts/legacy"
	"shitpost-alpha/producers/posts/record"
)

// post judges a row of one of the tables of posts: covered where the raw lake, or a table before,
// says the same of the post.
func (f *facts) post(r *row) decision[event.Post] {
	draft, whole := postOf(r)
	if draft.Kind == event.RecordRejected {
		return decision[event.Post]{draft: draft}
	}
	// The columns alone do not say all that the raw document says: then the text decides.
	if by := cmp.Or(f.lake.by(&draft, whole), f.run.by(&draft, whole)); by != "" && by != draft.Source {
		return decision[event.Post]{covered: SamePost}
	}
	f.run.see(&draft)
	return decision[event.Post]{draft: draft}
}

// postOf returns the draft for a row: from the API's own document where the row kept it (whole), else
// from its columns. The payload is the row.
func postOf(r *row) (draft event.Post, whole bool) {
	source := raw.Name + ":" + r.table
	id := r.text("signal_id", "shitpost_id", "id")
	o := record.Origin{Source: source, Place: r.key()}
	if doc := r.json("raw_api_data"); len(doc) > 0 && doc[0] == '{' {
		draft = record.JSON(o, doc)
		whole = draft.Kind == event.PostObserved
		if whole && draft.PostID != id {
			return rejected[event.Post](r, record.BadID, "its raw_api_data is of post "+draft.PostID), true
		}
	}
	if !whole && draft.RejectedReason != record.OtherAccount {
		draft = record.JSON(o, r.columnsAsPost(id))
	}
	if draft.Kind == event.RecordRejected {
		return rejected[event.Post](r, draft.RejectedReason, draft.RejectedDetail[len(o.Place)+2:]), whole
	}
	draft.SetPayload(r.doc)
	return draft, whole
}

// columnsAsPost writes the row's columns, of either generation, as the API would have.
func (r *row) columnsAsPost(id string) []byte {
	doc := map[string]any{
		"id": id, "created_at": r.text("published_at", "timestamp", "created_at"), "text": r.text("text", "body"),
		"content": r.text("content_html", "content"), "url": r.text("url"), "language": r.text("language"),
		"replies_count": r.text("replies_count"), "reblogs_count": r.text("shares_count", "reblogs_count"),
		"favourites_count": r.text("likes_count", "favourites_count"), "upvotes_count": r.text("upvotes_count"),
		"downvotes_count": r.text("downvotes_count"), "in_reply_to_id": r.text("in_reply_to_id"),
	}
	if who := r.text("author_username", "username"); who != "" {
		doc["username"] = who
	}
	if media := r.json("media_attachments"); len(media) > 0 {
		doc["media"] = media
	}
	var platform struct {
		Reblog json.RawMessage `json:"reblog"`
		Quote  string          `json:"quote_id"`
		Reply  string          `json:"in_reply_to_id"`
	}
	// What is not understood of it stays in the payload.
	_ = json.Unmarshal(r.json("platform_data"), &platform)
	for _, reblog := range []json.RawMessage{r.json("reblog"), platform.Reblog} {
		if len(reblog) > 0 && reblog[0] == '{' {
			doc["reblog"] = reblog
		}
	}
	if platform.Quote != "" {
		doc["quote_id"] = platform.Quote
	}
	if platform.Reply != "" {
		doc["in_reply_to_id"] = platform.Reply
	}
	b, err := json.Marshal(doc)
	if err != nil {
		panic("marshal columns of " + r.key() + ": " + err.Error()) // strings and valid JSON only
	}
	return b
}

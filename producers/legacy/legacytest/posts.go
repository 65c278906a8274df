package legacytest

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"shitpost-alpha/lake/event"
)

// Post is one post and where the old system kept it.
type Post struct {
	ID        string
	Published time.Time
	Text      string
	// Doc is the API's document; Raw what lies in the bucket, "" for nothing.
	Doc, Raw string
	// Older and Newer say in which tables it stands; RowText is the text there, RowDoc its raw_api_data,
	// "" for null.
	Older, Newer    bool
	RowText, RowDoc string

	fates map[string]string // by table
}

// Key of the post in the bucket.
func (p *Post) Key() string {
	return "truth-social/raw/" + p.Published.Format("2006/01/02/") + p.ID + ".json"
}

const samePost = "same post already there"

func (s *System) makePosts() {
	step := time.Duration(s.size.Days) * 24 * time.Hour / time.Duration(s.size.Posts)
	at := s.size.From.Time()
	for i := range s.size.Posts {
		t := at.Add(step*time.Duration(i) + time.Duration(s.rng.Int64N(int64(step))))
		p := Post{ID: strconv.FormatUint(uint64(t.UnixMilli())<<16|uint64(s.rng.IntN(1<<16)), 10), fates: map[string]string{}}
		p.Published, _ = event.PublishedAt(p.ID) // made of a time
		p.Text = fmt.Sprintf("Number %d: the Fake News will not say it, but %s are doing GREAT. Thank you!", i, strings.Repeat("our Markets ", 1+i%5))
		if s.one(9) {
			p.Text = "RT @someone " + p.Text
		}
		p.Doc = s.document(&p, p.Text)
		p.Raw, p.RowText, p.RowDoc = envelope(p.ID, p.Doc), p.Text, p.Doc
		p.Older, p.Newer = i < s.size.Posts/2, i >= s.size.Posts/2-20 // some were copied over
		s.spoilPost(i, &p)
		s.Posts = append(s.Posts, p)
	}
}

// spoilPost gives one post in forty a defect, in turn.
func (s *System) spoilPost(i int, p *Post) {
	p.fates["legacy-s3"] = "accepted"
	rows := samePost
	switch i % 40 {
	case 3: // never reached the bucket
		p.Raw, rows = "", "accepted"
	case 5: // cut short when it was stored; the table has it
		p.Raw, rows = p.Raw[:len(p.Raw)/2], "accepted"
		p.fates["legacy-s3"] = "damaged record"
	case 8: // an envelope with nothing in it
		p.Raw, rows = `{"shitpost_id":"`+p.ID+`","metadata":{"source":"truth_social"}}`, "accepted"
		p.fates["legacy-s3"] = "damaged record"
	case 12: // the row has no document, only columns
		p.RowDoc = ""
	case 15: // edited after it was stored
		p.RowText = p.Text + " Edited."
		p.RowDoc, rows = s.document(p, p.RowText), "accepted"
	case 21: // only in the bucket
		p.Older, p.Newer = false, false
	case 27: // another's post, harvested by mistake
		p.RowDoc = strings.Replace(p.Doc, event.AuthorID, "107", 1)
		p.RowDoc = strings.Replace(p.RowDoc, event.AuthorUsername, "somebody", 1)
		p.Raw, rows = envelope(p.ID, p.RowDoc), "other account"
		p.fates["legacy-s3"] = rows
	case 33: // its document is a text, and another version of JSON escapes
		p.RowDoc = mustJSON(p.Doc)
	}
	if p.Raw == "" {
		delete(p.fates, "legacy-s3")
	}
	if p.Newer {
		p.fates["signals"] = rows
	}
	if p.Older {
		if p.Newer && rows == "accepted" { // the newer generation is read first
			rows = samePost
		}
		p.fates["truth_social_shitposts"] = rows
	}
}

func (s *System) document(p *Post, text string) string {
	return mustJSON(map[string]any{
		"id": p.ID, "created_at": p.Published.Format("2006-01-02T15:04:05.000Z"), "text": text, "content": "<p>" + text + "</p>",
		"url": "https://truthsocial.com/@realDonaldTrump/" + p.ID, "language": "en",
		"replies_count": s.rng.IntN(9000), "reblogs_count": strconv.Itoa(s.rng.IntN(9000)), "favourites_count": s.rng.IntN(90000),
		"account":           map[string]any{"id": event.AuthorID, "username": event.AuthorUsername, "followers_count": 9_000_000},
		"media_attachments": []any{}, "mentions": []any{}, "tags": []any{}, "reblog": nil,
	})
}

func envelope(id, doc string) string {
	return `{"shitpost_id":"` + id + `","post_timestamp":"2025-01-01T00:00:00","raw_api_data":` + doc +
		`,"metadata":{"stored_at":"2025-01-01T00:00:01","source":"truth_social","version":"1","harvester":"truth_social_s3_harvester"}}`
}

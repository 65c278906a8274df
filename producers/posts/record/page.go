package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"shitpost-alpha/lake/event"
)

// Page is one page of a timeline, newest first unless the source is confused.
type Page struct {
	// Drafts are what the page shows, post_observed and record_rejected.
	Drafts []event.Post
	// IDs are the posts' ids, 0 where one has none; Pinned tells which of them stand first whatever
	// their age, as far as the source says so.
	IDs    []uint64
	Pinned []bool
	// Next is the cursor that the source gives for the next page, 0 when it gives none.
	Next uint64
}

// ErrRefusal: the source answered with an error instead of a page. ErrShape: with something else.
var (
	ErrRefusal = errors.New("the source refuses")
	ErrShape   = errors.New("the answer is no page of posts")
)

// ParsePage reads a page as the timelines send it (domain.md 1.1): {"success":true,"posts":[…],
// "next_max_id":…} or a bare array of posts. A post that cannot be taken is a record_rejected among
// the drafts; the payload of each is its bytes in the page.
func ParsePage(source string, body []byte) (Page, error) {
	body = bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\ufeff")))
	var posts []json.RawMessage
	var page Page
	if len(body) > 0 && body[0] == '[' {
		if err := json.Unmarshal(body, &posts); err != nil {
			return page, fmt.Errorf("%w: %w", ErrShape, err)
		}
	} else {
		var doc struct {
			Success *bool           `json:"success"`
			Posts   json.RawMessage `json:"posts"`
			Next    json.RawMessage `json:"next_max_id"`
			Message json.RawMessage `json:"message"`
			Error   json.RawMessage `json:"error"`
		}
		if err := json.Unmarshal(body, &doc); err != nil {
			return page, fmt.Errorf("%w: neither a list nor an object with one", ErrShape)
		}
		if doc.Success != nil && !*doc.Success || doc.Posts == nil && (doc.Error != nil || doc.Message != nil) {
			return page, fmt.Errorf("%w: %s", ErrRefusal, short(doc.Message, doc.Error))
		}
		if err := json.Unmarshal(doc.Posts, &posts); err != nil || posts == nil {
			return page, fmt.Errorf("%w: it has no list of posts", ErrShape)
		}
		page.Next = idOf(doc.Next)
	}
	for i, doc := range posts {
		var about struct {
			ID     json.RawMessage `json:"id"`
			Pinned json.RawMessage `json:"pinned"`
		}
		_ = json.Unmarshal(doc, &about) // what is no object is rejected by JSON below
		page.IDs = append(page.IDs, idOf(about.ID))
		page.Pinned = append(page.Pinned, string(about.Pinned) == "true")
		page.Drafts = append(page.Drafts, JSON(Origin{Source: source, Place: fmt.Sprintf("post %d of a page", i+1)}, doc))
	}
	return page, nil
}

// idOf reads an id that is a JSON string or number; 0 when it is none.
func idOf(raw json.RawMessage) uint64 {
	n, err := strconv.ParseUint(strings.Trim(string(raw), `"`), 10, 63)
	if err != nil {
		return 0
	}
	return n
}

func short(texts ...json.RawMessage) string {
	for _, raw := range texts {
		if len(raw) == 0 {
			continue
		}
		if r := []rune(strings.ToValidUTF8(strings.Trim(string(raw), `"`), "�")); len(r) > 200 {
			return string(r[:200]) + "…"
		} else {
			return string(r)
		}
	}
	return "it does not say why"
}

// After returns the cursor of the page that follows this one, which was read below cursor (0: the
// newest): what the source gives, else its last post; in any case an id of the page below cursor, so
// that paging comes to an end. 0 means that the page shows nothing below cursor: it is a repetition.
// Of a page out of order the last post may not be the oldest; some posts are then shown again, none
// is skipped.
func (p *Page) After(cursor uint64) uint64 {
	below := func(id uint64) bool { return id != 0 && (cursor == 0 || id < cursor) }
	least := uint64(0)
	last := uint64(0)
	for i, id := range p.IDs {
		if !below(id) || p.Pinned[i] {
			continue
		}
		last = id
		if least == 0 || id < least {
			least = id
		}
	}
	// A cursor below the page's own posts would leave a hole.
	if below(p.Next) && p.Next >= least && least != 0 {
		return p.Next
	}
	return last
}

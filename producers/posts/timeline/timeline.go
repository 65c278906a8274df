// Package timeline reads the author's timeline page by page, newest first: from ScrapeCreators, a
// paid scraper, or from Truth Social itself, which often stands behind Cloudflare and then says so
// (domain.md 1.1). The harvester decides how far back it goes.
package timeline

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/producers"
	"shitpost-alpha/producers/posts/record"
)

// Names of the sources.
const (
	ScrapeCreatorsName = "scrapecreators"
	TruthSocialName    = "truthsocial"
)

// Default base URLs.
const (
	ScrapeCreatorsURL = "https://api.scrapecreators.com/v1"
	TruthSocialURL    = "https://truthsocial.com"
)

// pageSize is how many posts are asked for at a time: the most that both give.
const pageSize = 20

// Source is one timeline. It fits posts.Timeline.
type Source struct {
	name   string
	client *producers.Client
	base   string // URL of the first page
	cursor string // the query parameter that holds the cursor
	header http.Header
}

// ScrapeCreators returns the timeline as the paid scraper shows it; key is the API key.
func ScrapeCreators(client *producers.Client, base, key string) *Source {
	return &Source{
		name: ScrapeCreatorsName, client: client, cursor: "next_max_id",
		base:   strings.TrimRight(base, "/") + "/truthsocial/user/posts?user_id=" + event.AuthorID + "&limit=" + strconv.Itoa(pageSize),
		header: http.Header{"X-Api-Key": {key}, "Accept": {"application/json"}},
	}
}

// TruthSocial returns the timeline as Truth Social's own API shows it.
func TruthSocial(client *producers.Client, base string) *Source {
	return &Source{
		name: TruthSocialName, client: client, cursor: "max_id",
		base:   strings.TrimRight(base, "/") + "/api/v1/accounts/" + event.AuthorID + "/statuses?limit=" + strconv.Itoa(pageSize),
		header: http.Header{"Accept": {"application/json"}},
	}
}

// Name returns scrapecreators or truthsocial.
func (s *Source) Name() string { return s.name }

// Live returns true: a timeline goes on.
func (s *Source) Live() bool { return true }

// Page returns the posts below maxID, 0 for the newest. It asks again after what may pass; its
// errors are *producers.Error and never an empty page.
func (s *Source) Page(ctx context.Context, maxID uint64) (record.Page, error) {
	address := s.base
	if maxID != 0 {
		address += "&" + s.cursor + "=" + strconv.FormatUint(maxID, 10)
	}
	resp, err := s.client.GetJSON(ctx, address, s.header)
	if err != nil {
		return record.Page{}, err
	}
	page, err := record.ParsePage(s.name, resp.Body)
	if err != nil {
		class := producers.BadBody
		if errors.Is(err, record.ErrRefusal) {
			class = producers.Refused
			for _, word := range []string{"credit", "api key", "unauthorized", "forbidden"} {
				if strings.Contains(strings.ToLower(err.Error()), word) {
					class = producers.Auth
				}
			}
		}
		where, _ := url.Parse(address) // it was requested
		text := strings.ReplaceAll(err.Error(), s.header.Get("X-Api-Key"), "[secret]")
		if s.header.Get("X-Api-Key") == "" {
			text = err.Error()
		}
		return record.Page{}, &producers.Error{Class: class, Host: where.Host, Path: where.Path, Status: resp.Status, Message: text}
	}
	return page, nil
}

// Read yields every post of the timeline, newest first. It fits posts.Source; a harvester uses Page.
func (s *Source) Read(ctx context.Context, yield func(event.Post) error) error {
	for cursor := uint64(0); ; {
		page, err := s.Page(ctx, cursor)
		if err != nil {
			return err
		}
		for _, draft := range page.Drafts {
			if err := yield(draft); err != nil {
				return err
			}
		}
		if len(page.IDs) == 0 {
			return nil
		}
		next := page.After(cursor)
		if next == 0 {
			return fmt.Errorf("page %s below %d: the source shows the same page again", s.name, cursor)
		}
		cursor = next
	}
}

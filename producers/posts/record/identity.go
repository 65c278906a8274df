package record

import (
	"cmp"
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"shitpost-alpha/lake/event"
)

// handleNames are flat fields that hold the author's name.
var handleNames = []string{"account_handle", "username", "handle", "screen_name"}

// imageColumn is the first of the columns into which an export unfolds a post's images.
const imageColumn = "image_urls/0"

// statusURL is the address of a post: …/@name/123, …/@name/posts/123, …/users/name/statuses/123.
var statusURL = regexp.MustCompile(`^https?://[^/]+/(?:@|users/)(\w+)/(?:posts/|statuses/)?(\d{15,20})(?:[/?#]|$)`)

// author returns the name of the account that wrote the document, or "" when it is the one author
// whose posts are taken, or nothing is said about it. A repost of another's post is his own.
func author(f, account fields) string {
	if id := account.str("id"); id != "" {
		if id == event.AuthorID {
			return ""
		}
		return cmp.Or(account.str("username", "acct"), "account "+id)
	}
	name := cmp.Or(account.str("username", "acct"), f.str(handleNames...))
	if name == "" {
		if m := statusURL.FindStringSubmatch(f.str(urlNames...)); m != nil {
			name = m[1]
		}
	}
	if name = strings.TrimPrefix(name, "@"); strings.EqualFold(name, event.AuthorUsername) {
		return ""
	}
	return name
}

// rounding is how far a program that keeps numbers as float64 may move an id of 18 digits.
const rounding = 64

// postID returns the id of the post, or the reason for which there is none. The id in the post's
// address stands in for a missing or damaged one, and corrects one that was kept as a number and
// lost its last digits.
func postID(f fields) (id, reason, why string) {
	given := f.str(idNames...)
	var addressed string
	for _, name := range urlNames {
		if m := statusURL.FindStringSubmatch(f.str(name)); m != nil {
			addressed = m[2]
			break
		}
	}
	if _, err := event.PublishedAt(addressed); err != nil {
		addressed = ""
	}
	if given == "" {
		if addressed == "" {
			return "", NoID, "it has no id (" + strings.Join(idNames, ", ") + ") and no address of a post that holds one"
		}
		return addressed, "", ""
	}
	if _, err := event.PublishedAt(given); err != nil {
		if addressed == "" {
			return "", BadID, err.Error()
		}
		return addressed, "", ""
	}
	if addressed != "" && isNumber(f) && near(given, addressed) {
		return addressed, "", ""
	}
	return given, "", ""
}

func isNumber(f fields) bool {
	for _, name := range idNames {
		if text(f[name]) != "" {
			_, number := f[name].(json.Number)
			return number
		}
	}
	return false
}

func near(a, b string) bool {
	x, errX := strconv.ParseInt(a, 10, 64)
	y, errY := strconv.ParseInt(b, 10, 64)
	return errX == nil && errY == nil && x-y <= rounding && y-x <= rounding
}

// mediaURLs returns the addresses of the media, in the document's order and each once. header is
// the order of a CSV file's columns, nil for JSON.
func mediaURLs(f fields, header []string) []string {
	urls := f.list([]string{"url", "remote_url", "preview_url"}, mediaNames...)
	for _, name := range header {
		if name = strings.ToLower(name); strings.HasPrefix(name, "image_urls/") || strings.HasPrefix(name, "video_urls/") {
			urls = append(urls, f.str(name))
		}
	}
	var out []string
	for _, url := range urls {
		if strings.HasPrefix(url, "http") && !slices.Contains(out, url) {
			out = append(out, url)
		}
	}
	return out
}

package fakes

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"html"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"shitpost-alpha/lake/event"
)

// Timeline is the author's posts as the service knows them. It is safe for concurrent use.
type Timeline struct {
	now func() time.Time
	key string

	mu     sync.Mutex
	posts  []Status   // newest first; guarded by mu
	pinned string     // id of a post that stands first on the first page; guarded by mu
	rng    *rand.Rand // guarded by mu
	edits  int        // for the ETag; guarded by mu
}

// Status is a post as Truth Social sends it, as far as it is needed.
type Status struct {
	ID          string          `json:"id"`
	CreatedAt   string          `json:"created_at"`
	EditedAt    *string         `json:"edited_at"`
	Language    string          `json:"language"`
	URL         string          `json:"url"`
	Content     string          `json:"content"`
	Text        *string         `json:"text"`
	Account     account         `json:"account"`
	Media       json.RawMessage `json:"media_attachments"`
	Reblog      json.RawMessage `json:"reblog"`
	Replies     int64           `json:"replies_count"`
	Reblogs     int64           `json:"reblogs_count"`
	Favourites  int64           `json:"favourites_count"`
	Pinned      *bool           `json:"pinned"`
	InReplyToID *string         `json:"in_reply_to_id"`
	QuoteID     *string         `json:"quote_id"`
}

type account struct {
	ID          string `json:"id"`
	Username    string `json:"username"`
	Acct        string `json:"acct"`
	DisplayName string `json:"display_name"`
	Followers   int64  `json:"followers_count"`
	Verified    bool   `json:"verified"`
}

func newTimeline(o Options) (*Timeline, error) {
	t := &Timeline{now: o.Now, key: o.ScrapeKey, rng: rand.New(rand.NewPCG(o.Seed, 3))}
	for _, file := range o.Posts {
		posts, err := readPosts(file)
		if err != nil {
			return nil, fmt.Errorf("read posts %s: %w", file, err)
		}
		t.posts = append(t.posts, posts...)
	}
	if len(o.Posts) == 0 {
		start := o.Now().UTC().Truncate(time.Second)
		for i := range o.MadeUp {
			t.posts = append(t.posts, t.draw(start.Add(-time.Duration(i)*30*time.Minute)))
		}
	}
	t.sort()
	return t, nil
}

// readPosts reads an array or lines of posts in the shape of an archive or of the service.
func readPosts(file string) ([]Status, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	data = bytes.TrimSpace(data)
	var docs []json.RawMessage
	if len(data) > 0 && data[0] == '[' {
		if err := json.Unmarshal(data, &docs); err != nil {
			return nil, err
		}
	} else {
		for line := range bytes.Lines(data) {
			docs = append(docs, line)
		}
	}
	var out []Status
	for i, doc := range docs {
		var p struct {
			ID         string `json:"id"`
			CreatedAt  string `json:"created_at"`
			Content    string `json:"content"`
			Text       string `json:"text"`
			Favourites int64  `json:"favourites_count"`
		}
		if err := json.Unmarshal(doc, &p); err != nil {
			return nil, fmt.Errorf("post %d: %w", i+1, err)
		}
		at, err := event.PublishedAt(p.ID)
		if err != nil {
			return nil, fmt.Errorf("post %d: %w", i+1, err)
		}
		if p.Content == "" && p.Text != "" {
			p.Content = "<p>" + html.EscapeString(p.Text) + "</p>"
		}
		s := status(p.ID, at, p.Content)
		s.Favourites = p.Favourites
		out = append(out, s)
	}
	return out, nil
}

// status returns a post of the author.
func status(id string, at time.Time, content string) Status {
	return Status{
		ID: id, CreatedAt: at.UTC().Format("2006-01-02T15:04:05.000Z"), Language: "en", Content: content,
		URL:   "https://truthsocial.com/@" + event.AuthorUsername + "/" + id,
		Media: json.RawMessage("[]"), Reblog: json.RawMessage("null"),
		Account: account{ID: event.AuthorID, Username: event.AuthorUsername, Acct: event.AuthorUsername, DisplayName: "Donald J. Trump", Followers: 10_000_000, Verified: true},
	}
}

// draw makes a post up.
func (t *Timeline) draw(at time.Time) Status {
	subjects := []string{"Tariffs", "The Stock Market", "Oil", "Our Farmers", "Interest Rates", "The Border", "Steel"}
	verbs := []string{"are doing GREAT", "will come down fast", "has never been better", "is a disaster", "must be fixed NOW"}
	id := strconv.FormatUint(uint64(at.UnixMilli())<<16|t.rng.Uint64N(1<<16), 10)
	s := status(id, at, fmt.Sprintf("<p>%s %s! Number %d.</p>", subjects[t.rng.IntN(len(subjects))], verbs[t.rng.IntN(len(verbs))], t.rng.IntN(1000)))
	s.Favourites, s.Reblogs, s.Replies = t.rng.Int64N(50_000), t.rng.Int64N(9_000), t.rng.Int64N(5_000)
	return s
}

func (t *Timeline) sort() {
	slices.SortFunc(t.posts, func(a, b Status) int { return cmp.Compare(number(b.ID), number(a.ID)) })
	t.posts = slices.CompactFunc(t.posts, func(a, b Status) bool { return a.ID == b.ID })
}

func number(id string) uint64 {
	n, _ := strconv.ParseUint(id, 10, 64) // ours are numbers; a client's nonsense is 0
	return n
}

// Add puts a post of that time on the timeline and returns its id.
func (t *Timeline) Add(at time.Time, content string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.draw(at)
	if content != "" {
		s.Content = content
	}
	t.posts = append(t.posts, s)
	t.edits++
	t.sort()
	return s.ID
}

// Edit changes the content of a post.
func (t *Timeline) Edit(id, content string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.edits++
	for i := range t.posts {
		if t.posts[i].ID == id {
			at := t.now().UTC().Format("2006-01-02T15:04:05.000Z")
			t.posts[i].Content, t.posts[i].EditedAt = content, &at
		}
	}
}

// Delete takes posts away.
func (t *Timeline) Delete(ids ...string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.edits++
	t.posts = slices.DeleteFunc(t.posts, func(s Status) bool { return slices.Contains(ids, s.ID) })
}

// Restore puts a post back as it was.
func (t *Timeline) Restore(s Status) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.posts = append(t.posts, s)
	t.edits++
	t.sort()
}

// Pin has a post stand first on the first page too, whatever its age; "" for none.
func (t *Timeline) Pin(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pinned = id
}

// Posts returns the posts that are shown now, newest first.
func (t *Timeline) Posts() []Status {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.visible()
}

func (t *Timeline) visible() []Status {
	limit := uint64(t.now().UnixMilli()+1) << 16
	i, _ := slices.BinarySearchFunc(t.posts, limit, func(s Status, limit uint64) int { return cmp.Compare(limit, number(s.ID)) })
	return slices.Clone(t.posts[i:])
}

// page returns up to limit posts below maxID (0: the newest).
func (t *Timeline) page(maxID uint64, limit int, on Kind) []Status {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch on {
	case EmptyPage:
		return nil
	case RepeatPage:
		maxID = 0
	case Changing:
		t.posts = append(t.posts, t.draw(t.now()))
		t.edits++
		t.sort()
	}
	var out []Status
	for _, s := range t.visible() {
		if maxID == 0 || number(s.ID) < maxID {
			out = append(out, s)
		}
		if len(out) == limit {
			break
		}
	}
	if on == Shuffled {
		t.rng.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	}
	if maxID == 0 && t.pinned != "" {
		if i := slices.IndexFunc(t.posts, func(s Status) bool { return s.ID == t.pinned }); i >= 0 {
			top := t.posts[i]
			yes := true
			top.Pinned = &yes
			out = append([]Status{top}, out...)
		}
	}
	return out
}

func limitOf(r *http.Request) int {
	n, err := strconv.Atoi(r.URL.Query().Get("limit"))
	if err != nil || n < 1 {
		return 20
	}
	return min(n, 40)
}

func (t *Timeline) scrapeCreators(w http.ResponseWriter, r *http.Request, on Kind) {
	// The real one sends JSON as text/plain at times.
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	switch q := r.URL.Query(); {
	case on == Refusal:
		writeJSON(w, http.StatusPaymentRequired, map[string]any{"success": false,
			"message": "Looks like you're out of credits :( You'll need to buy more to continue using the service."})
		return
	case t.key != "" && r.Header.Get("X-Api-Key") != t.key:
		writeJSON(w, http.StatusUnauthorized, map[string]any{"success": false, "message": "Invalid API key: " + r.Header.Get("X-Api-Key")})
		return
	case q.Get("user_id") != event.AuthorID && q.Get("handle") != event.AuthorUsername:
		writeJSON(w, http.StatusNotFound, map[string]any{"success": false, "message": "User not found"})
		return
	}
	posts := t.page(number(r.URL.Query().Get("next_max_id")), limitOf(r), on)
	for i := range posts {
		text := html.UnescapeString(strings.NewReplacer("<p>", "", "</p>", "", "<br/>", "\n").Replace(posts[i].Content))
		posts[i].Text = &text
	}
	out := map[string]any{"success": true, "credits_remaining": 9000, "posts": posts}
	if len(posts) == 0 {
		out["posts"] = []Status{}
	} else {
		out["next_max_id"] = posts[len(posts)-1].ID
	}
	writeJSON(w, http.StatusOK, out)
}

func (t *Timeline) truthSocial(w http.ResponseWriter, r *http.Request, on Kind) {
	if r.PathValue("id") != event.AuthorID {
		writeJSON(w, http.StatusNotFound, map[string]any{"error": "Record not found"})
		return
	}
	posts := t.page(number(r.URL.Query().Get("max_id")), limitOf(r), on)
	if posts == nil {
		posts = []Status{}
	}
	writeJSON(w, http.StatusOK, posts)
}

// archive serves the whole timeline in the archive shape, with validators.
func (t *Timeline) archive(w http.ResponseWriter, r *http.Request, _ Kind) {
	type row struct {
		ID         string   `json:"id"`
		CreatedAt  string   `json:"created_at"`
		Content    string   `json:"content"`
		URL        string   `json:"url"`
		Media      []string `json:"media"`
		Replies    int64    `json:"replies_count"`
		Reblogs    int64    `json:"reblogs_count"`
		Favourites int64    `json:"favourites_count"`
	}
	t.mu.Lock()
	posts := t.visible()
	tag := fmt.Sprintf(`"%d-%d"`, len(posts), t.edits)
	t.mu.Unlock()
	w.Header().Set("ETag", tag)
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	rows := make([]row, len(posts))
	for i, p := range posts {
		rows[i] = row{p.ID, p.CreatedAt, p.Content, p.URL, []string{}, p.Replies, p.Reblogs, p.Favourites}
	}
	writeJSON(w, http.StatusOK, rows)
}

package alerting

import (
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// acceptable says whether Telegram takes a text in its HTML (core.telegram.org/bots/api, "HTML style"): known tags
// that close in order, < > & only as part of them or as entities, not empty, and at most 4096 UTF-16 units without
// the markup. Grafana cuts what has more than 4096 characters with the markup, which would break it.
func acceptable(text string) error {
	if n := utf8.RuneCountInString(text); n > 4096 {
		return fmt.Errorf("%d characters: Grafana would cut it", n)
	}
	if !utf8.ValidString(text) {
		return fmt.Errorf("no UTF-8")
	}
	var open []string
	plain := tag.ReplaceAllStringFunc(text, func(m string) string {
		g := tag.FindStringSubmatch(m)
		switch {
		case g[1] == "":
			open = append(open, g[2])
		case len(open) == 0 || open[len(open)-1] != g[2]:
			open = append(open, "/"+g[2])
		default:
			open = open[:len(open)-1]
		}
		return ""
	})
	if len(open) > 0 {
		return fmt.Errorf("tags are not closed in order: %v", open)
	}
	if strings.ContainsAny(plain, "<>") {
		return fmt.Errorf("a < or > is not escaped: %q", plain)
	}
	if bare := entity.ReplaceAllString(plain, ""); strings.Contains(bare, "&") {
		return fmt.Errorf("a & is not escaped: %q", plain)
	}
	units := len(utf16.Encode([]rune(html.UnescapeString(plain))))
	if units > 4096 || strings.TrimSpace(plain) == "" {
		return fmt.Errorf("%d units of text", units)
	}
	return nil
}

var (
	tag    = regexp.MustCompile(`<(/?)(b|i|a)(?: href="[^"<>]*")?>`)
	entity = regexp.MustCompile(`&(?:lt|gt|amp|quot|#[0-9]+);`)
)

func TestAcceptable(t *testing.T) {
	for text, good := range map[string]bool{
		"<b>x</b> &lt;&#34;": true, `<a href="https://x/?a&amp;b">y</a>`: true, strings.Repeat("😀", 2048): true,
		"": false, "<b></b>": false, "<b>x": false, "<b><i>x</b></i>": false, "x</b>": false, "a < b": false, "a & b": false, "&nbsp;": false, "<u>x</u>": false,
		strings.Repeat("x", 4097): false, strings.Repeat("😀", 2049): false, "\xff": false,
	} {
		if err := acceptable(text); (err == nil) != good {
			t.Errorf("%.40q: %v", text, err)
		}
	}
}

// sent is a message that a chat got.
type sent struct {
	chat, text string
	at         time.Time
}

// telegram is a server that takes messages as Telegram does, and refuses what Telegram refuses.
type telegram struct {
	*httptest.Server
	t        testing.TB
	mu       sync.Mutex
	news     *sync.Cond
	messages []sent
	failures int // so many messages are answered with a 500; guarded by mu
	failed   int
	refused  []error
}

func newTelegram(t testing.TB) *telegram {
	tg := &telegram{t: t}
	tg.news = sync.NewCond(&tg.mu)
	tg.Server = httptest.NewServer(tg)
	t.Cleanup(tg.Close)
	return tg
}

func (tg *telegram) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var m struct {
		Chat  json.Number `json:"chat_id"`
		Text  string      `json:"text"`
		Parse string      `json:"parse_mode"`
	}
	tg.mu.Lock()
	defer tg.mu.Unlock()
	defer tg.news.Broadcast()
	answer := func(code int, description string) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		fmt.Fprintf(w, `{"ok":%t,"error_code":%d,"description":%q,"result":{"message_id":1,"date":1,"chat":{"id":1,"type":"channel"}}}`, code == 200, code, description)
	}
	if err := json.NewDecoder(r.Body).Decode(&m); err != nil || r.URL.Path != "/bot"+testToken+"/sendMessage" || m.Parse != "HTML" {
		tg.refused = append(tg.refused, fmt.Errorf("%s with mode %q: %w", r.URL.Path, m.Parse, err))
		answer(400, "Bad Request")
		return
	}
	if tg.failures > 0 {
		tg.failures--
		tg.failed++
		answer(500, "Internal Server Error")
		return
	}
	if err := acceptable(m.Text); err != nil {
		tg.refused = append(tg.refused, fmt.Errorf("%w:\n%s", err, m.Text))
		answer(400, "Bad Request: can't parse entities")
		return
	}
	tg.messages = append(tg.messages, sent{m.Chat.String(), m.Text, time.Now()})
	answer(200, "")
}

// wait returns the messages once there are n, in the order of arrival.
func (tg *telegram) wait(n int) []sent {
	tg.t.Helper()
	late := false // guarded by mu
	timer := time.AfterFunc(2*time.Minute, func() {
		tg.mu.Lock()
		defer tg.mu.Unlock()
		late = true
		tg.news.Broadcast()
	})
	defer timer.Stop()
	tg.mu.Lock()
	defer tg.mu.Unlock()
	for len(tg.messages) < n && !late {
		tg.news.Wait()
	}
	if len(tg.messages) < n {
		tg.t.Fatalf("%d of %d messages came in two minutes; refused: %v", len(tg.messages), n, tg.refused)
	}
	return slices.Clone(tg.messages)
}

// chats returns how many messages each chat got that contain a text.
func (tg *telegram) chats(text string) map[string]int {
	tg.mu.Lock()
	defer tg.mu.Unlock()
	counts := map[string]int{}
	for _, m := range tg.messages {
		if strings.Contains(m.text, text) {
			counts[m.chat]++
		}
	}
	return counts
}

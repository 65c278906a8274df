package producers

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"shitpost-alpha/lake/realdata"
)

const canary = "canary-0123456789"

// server answers with the handlers in turn, the last one for ever.
func server(t *testing.T, handlers ...http.HandlerFunc) (url string, asked func() int) {
	t.Helper()
	n := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := handlers[min(n, len(handlers)-1)]
		n++
		h(w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL, func() int { return n }
}

func answer(status int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func cut(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "1000")
	_, _ = io.WriteString(w, `{"half":`)
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// quick returns a client that notes its pauses instead of pausing.
func quick(pauses *[]time.Duration) *Client {
	return &Client{Sleep: func(_ context.Context, d time.Duration) error {
		*pauses = append(*pauses, d)
		return nil
	}}
}

const cloudflare = `<!DOCTYPE html><html><head><title>Access denied | truthsocial.com used Cloudflare to restrict access</title>`

func TestGetJSON(t *testing.T) {
	ok := answer(200, `{"ok":true}`, "Content-Type", "text/plain")
	for _, c := range []struct {
		name     string
		handlers []http.HandlerFunc
		class    Class // "" for success
		asked    int
		message  string
	}{
		{"text/plain", []http.HandlerFunc{ok}, "", 1, ""},
		{"byte order mark", []http.HandlerFunc{answer(200, "\ufeff"+`{"ok":true}`)}, "", 1, ""},
		{"429 then fine", []http.HandlerFunc{answer(429, "", "Retry-After", "3"), ok}, "", 2, ""},
		{"503 twice", []http.HandlerFunc{answer(503, "busy"), answer(500, "oops"), ok}, "", 3, ""},
		{"always 503", []http.HandlerFunc{answer(503, "busy")}, Server, 5, "busy"},
		{"cut body", []http.HandlerFunc{cut, ok}, "", 2, ""},
		{"always cut", []http.HandlerFunc{cut}, Network, 5, "cut off"},
		{"web page then fine", []http.HandlerFunc{answer(200, "<html><title>Down &amp; out</title>"), ok}, "", 2, ""},
		{"always a web page", []http.HandlerFunc{answer(200, "<html><title>Down &amp; out</title>")}, BadBody, 5, `a web page, "Down & out"`},
		{"Cloudflare", []http.HandlerFunc{answer(403, cloudflare)}, Blocked, 1, "Cloudflare"},
		{"Cloudflare with 200", []http.HandlerFunc{answer(200, cloudflare)}, Blocked, 1, "Cloudflare"},
		{"half a document", []http.HandlerFunc{answer(200, `{"a":[1,`)}, BadBody, 5, ""},
		{"nothing", []http.HandlerFunc{answer(200, ``)}, BadBody, 5, "an empty answer"},
		{"404", []http.HandlerFunc{answer(404, `{"error":"Record not found"}`)}, NotFound, 1, "Record not found"},
		{"401", []http.HandlerFunc{answer(401, `no`)}, Auth, 1, ""},
		{"402", []http.HandlerFunc{answer(402, `out of credits`)}, Auth, 1, "out of credits"},
		{"400", []http.HandlerFunc{answer(400, `no`)}, Refused, 1, ""},
		{"comes back too late", []http.HandlerFunc{answer(429, "", "Retry-After", "3600"), ok}, RateLimited, 1, "1h0m0s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			url, asked := server(t, c.handlers...)
			var pauses []time.Duration
			r, err := quick(&pauses).GetJSON(t.Context(), url+"/x", nil)
			switch {
			case c.class == "" && (err != nil || string(r.Body) != `{"ok":true}`):
				t.Errorf("answer %v, error %v", r, err)
			case c.class != "" && (ClassOf(err) != c.class || !strings.Contains(err.Error(), c.message)):
				t.Errorf("error %v, want class %s and %q", err, c.class, c.message)
			}
			if asked() != c.asked || len(pauses) != c.asked-1 {
				t.Errorf("asked %d times with %d pauses, want %d", asked(), len(pauses), c.asked)
			}
		})
	}
}

func TestPauses(t *testing.T) {
	url, _ := server(t, answer(429, "", "Retry-After", "7"), answer(503, ""), answer(503, ""), answer(503, ""), answer(200, "{}"))
	var pauses []time.Duration
	c := quick(&pauses)
	c.Backoff = time.Second
	if _, err := c.Get(t.Context(), url, nil); err != nil {
		t.Fatal(err)
	}
	if len(pauses) != 4 || pauses[0] != 7*time.Second {
		t.Fatalf("pauses %v", pauses)
	}
	for i, bound := range []time.Duration{0, 2 * time.Second, 4 * time.Second, 8 * time.Second} {
		if i > 0 && (pauses[i] <= 0 || pauses[i] > bound) {
			t.Errorf("pause %d is %s, want up to %s", i+1, pauses[i], bound)
		}
	}
}

func TestParseRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, c := range []struct {
		header []string
		want   time.Duration
	}{
		{nil, 0},
		{[]string{"Retry-After", "12"}, 12 * time.Second},
		{[]string{"Retry-After", "0.5"}, 500 * time.Millisecond},
		{[]string{"Retry-After", "Fri, 02 Jan 2026 03:05:05 GMT"}, time.Minute},
		{[]string{"Retry-After", "Fri, 02 Jan 2020 03:05:05 GMT"}, 0},
		{[]string{"Retry-After", "-5"}, 0},
		{[]string{"Retry-After", "soon"}, 0},
		{[]string{"Retry-After", "999999"}, 24 * time.Hour},
		{[]string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "2026-01-02T03:09:05.000000Z"}, 5 * time.Minute},
		{[]string{"X-RateLimit-Remaining", "9", "X-RateLimit-Reset", "2026-01-02T03:09:05.000000Z"}, 0},
	} {
		h := http.Header{}
		for i := 0; i+1 < len(c.header); i += 2 {
			h.Set(c.header[i], c.header[i+1])
		}
		if got := ParseRetryAfter(h, now); got != c.want {
			t.Errorf("%v: %s, want %s", c.header, got, c.want)
		}
	}
}

func FuzzParseRetryAfter(f *testing.F) {
	for _, s := range []string{"12", "Fri, 02 Jan 2026 03:05:05 GMT", "-1", "1e308", "NaN", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if d := ParseRetryAfter(http.Header{"Retry-After": {s}}, time.Unix(1_767_000_000, 0)); d < 0 || d > 24*time.Hour {
			t.Errorf("%q: %s", s, d)
		}
	})
}

func FuzzClassifyBody(f *testing.F) {
	for _, s := range []string{"", "<", cloudflare, "\ufeff<html>", "{", "\xff"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if class, message := classifyBody(body); class == "" || message == "" && len(bytes.TrimSpace(body)) > 0 && bytes.ContainsAny(body, "abc") || len([]rune(message)) > 300 || strings.ContainsAny(message, "\n\r") {
			t.Errorf("%q: %s %q", body, class, message)
		}
	})
}

// The refusals that were seen in the wild are told apart.
func TestRecordedRefusals(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(realdata.Path(t), "wire", "error_bodies.json"))
	if err != nil {
		t.Fatal(err)
	}
	var seen []struct {
		Service string
		Status  int
		Headers map[string]string
		Body    string
	}
	if err := json.Unmarshal(data, &seen); err != nil {
		t.Fatal(err)
	}
	want := map[int]Class{404: NotFound, 429: RateLimited, 402: Auth, 403: Blocked}
	checked := 0
	for _, s := range seen {
		if s.Status == 200 {
			continue // Stooq's texts: its source tells them apart
		}
		url, _ := server(t, answer(s.Status, s.Body))
		var pauses []time.Duration
		_, err := quick(&pauses).GetJSON(t.Context(), url, nil)
		var e *Error
		if !errors.As(err, &e) || e.Class != want[s.Status] || e.Status != s.Status || string(e.Body) != s.Body {
			t.Errorf("%s: %v", s.Service, err)
		}
		checked++
	}
	if checked != 6 {
		t.Errorf("%d refusals were checked, want 6", checked)
	}
}

// Whatever fails, and wherever the server repeats what it was sent, no key is in an error or a log.
func TestSecrets(t *testing.T) {
	echo := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(status)
			fmt.Fprintf(w, "bad key %s at %s", r.Header.Get("X-Api-Key")+r.Header.Get("Authorization"), r.URL)
		}
	}
	var log bytes.Buffer
	for _, h := range []http.HandlerFunc{echo(401), echo(500), echo(200), echo(429), cut, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }} {
		url, _ := server(t, h)
		var pauses []time.Duration
		c := quick(&pauses)
		c.Log = slog.New(slog.NewTextHandler(&log, nil))
		host := strings.TrimPrefix(url, "http://")
		for _, address := range []string{url, "http://user:" + canary + "@" + host + "/p?api_key=" + canary, "http://127.0.0.1:1/?token=" + canary, "http://" + canary + "\x7f"} {
			_, err := c.GetJSON(t.Context(), address, http.Header{"X-Api-Key": {canary}, "Authorization": {"Bearer " + canary}})
			if err == nil || strings.Contains(err.Error(), canary) {
				t.Errorf("error %v", err)
			}
		}
	}
	if strings.Contains(log.String(), canary) || log.Len() == 0 {
		t.Errorf("log:\n%s", log.String())
	}
}

// Credentials do not follow a redirect to another host.
func TestRedirect(t *testing.T) {
	var got http.Header
	other, _ := server(t, func(w http.ResponseWriter, r *http.Request) { got = r.Header; answer(200, "{}")(w, r) })
	url, _ := server(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other, http.StatusFound) })
	if _, err := new(Client).GetJSON(t.Context(), url, http.Header{"X-Api-Key": {canary}, "Accept": {"x"}}); err != nil {
		t.Fatal(err)
	}
	if got.Get("X-Api-Key") != "" || got.Get("Accept") != "x" {
		t.Errorf("the other host was sent %v", got)
	}
}

func TestLongAnswer(t *testing.T) {
	url, asked := server(t, answer(200, strings.Repeat("x", 5000)))
	c := &Client{MaxBody: 5000}
	if r, err := c.Get(t.Context(), url, nil); err != nil || len(r.Body) != 5000 {
		t.Errorf("5000 bytes: %v", err)
	}
	c.MaxBody = 4999
	if _, err := c.Get(t.Context(), url, nil); ClassOf(err) != BadBody || asked() != 2 {
		t.Errorf("5000 bytes of 4999: %v, asked %d times", err, asked())
	}
}

func TestBudget(t *testing.T) {
	url, asked := server(t, answer(200, "{}"))
	now := time.Date(2026, 1, 2, 22, 0, 0, 0, time.UTC)
	c := &Client{Budget: &Budget{PerDay: 3}, Now: func() time.Time { return now }}
	for range 3 {
		if _, err := c.Get(t.Context(), url, nil); err != nil {
			t.Fatal(err)
		}
	}
	_, err := c.Get(t.Context(), url, nil)
	if !errors.Is(err, ErrBudget) || ClassOf(err) != OverBudget || RetryAfter(err) != 2*time.Hour || asked() != 3 {
		t.Errorf("error %v, asked %d times", err, asked())
	}
	again := &Budget{PerDay: 3}
	again.Load(c.Budget.Note())
	if err := again.Spend(now); !errors.Is(err, ErrBudget) {
		t.Errorf("after a restart: %v", err)
	}
	for _, note := range []string{"", "nonsense", "2026-01-02", "2026-01-01 2", "2026-01-02 -4", "2026-01-02 1"} {
		again.Load(note)
	}
	if got := again.Note(); got != "2026-01-02 3" {
		t.Errorf("note %q", got)
	}
	now = now.Add(2 * time.Hour)
	if err := again.Spend(now); err != nil || again.Note() != "2026-01-03 1" {
		t.Errorf("the next day: %v, %q", err, again.Note())
	}
	if err := again.Spend(now.Add(-24 * time.Hour)); err != nil || again.Note() != "2026-01-03 2" {
		t.Errorf("a clock set back: %v, %q", err, again.Note())
	}
}

// A stream that stands still is given up.
func TestOpenStandsStill(t *testing.T) {
	url, _ := server(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "begin")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	c := &Client{TryTimeout: 50 * time.Millisecond}
	resp, err := c.Open(t.Context(), url, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if string(body) != "begin" || ClassOf(err) != Timeout {
		t.Errorf("read %q, error %v", body, err)
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	url, _ := server(t, func(http.ResponseWriter, *http.Request) { cancel(); panic(http.ErrAbortHandler) })
	c := &Client{}
	if _, err := c.Get(ctx, url, nil); err == nil || ctx.Err() == nil {
		t.Errorf("error %v", err)
	}
}

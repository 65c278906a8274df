package pricestest

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/producers"
)

// Server answers every request alike, and notes what was asked.
type Server struct {
	URL string

	mu    sync.Mutex
	asked []string // paths with their queries; guarded by mu
}

// Serve starts a Server for the time of the test.
func Serve(t testing.TB, status int, body string) *Server {
	t.Helper()
	s := &Server{}
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.asked = append(s.asked, r.URL.RequestURI())
		s.mu.Unlock()
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body)) // the client may have gone
	}))
	t.Cleanup(h.Close)
	s.URL = h.URL
	return s
}

// Asked returns what was asked so far.
func (s *Server) Asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.asked...)
}

// Canned is a transport that answers every request with these bytes and status 200, without a network.
type Canned string

// RoundTrip implements http.RoundTripper.
func (c Canned) RoundTrip(req *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(string(c))), Request: req}, nil
}

// Client returns a client that does not wait between its two tries.
func Client() *producers.Client {
	return &producers.Client{Tries: 2, Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }}
}

// Kinds sorts drafts by kind, each sealed and checked as the lake does.
func Kinds(t testing.TB, drafts []event.Price) map[event.Kind][]event.Price {
	t.Helper()
	out := map[event.Kind][]event.Price{}
	for _, e := range drafts {
		event.Seal(&e, "")
		if err := event.Check(&e); err != nil {
			t.Errorf("draft refused: %v", err)
		}
		out[e.Kind] = append(out[e.Kind], e)
	}
	return out
}

// Clock returns a clock that stands at an RFC 3339 time.
func Clock(t testing.TB, s string) func() time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return func() time.Time { return at }
}

// Refusal is one of the recorded refusals in wire/error_bodies.json.
type Refusal struct {
	Service string `json:"service"`
	Status  int    `json:"status"`
	Body    string `json:"body"`
}

// Refusals returns the recorded refusals of a service.
func Refusals(t testing.TB, service string) []Refusal {
	t.Helper()
	var all, out []Refusal
	if err := json.Unmarshal(Read(t, "wire/error_bodies.json"), &all); err != nil {
		t.Fatal(err)
	}
	for _, r := range all {
		if r.Service == service {
			out = append(out, r)
		}
	}
	if len(out) == 0 {
		t.Fatalf("no recorded refusal of %q", service)
	}
	return out
}

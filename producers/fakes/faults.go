package fakes

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Kind names a misbehaviour.
type Kind string

// Misbehaviour of every endpoint.
const (
	Slow       Kind = "slow"       // answers after Latency
	Limited    Kind = "limited"    // 429 with RetryAfter, as this service says it
	Down       Kind = "down"       // Status, 503 when zero
	Reset      Kind = "reset"      // closes the connection without an answer
	Cut        Kind = "cut"        // closes it in the middle of the body
	WrongType  Kind = "wrong_type" // the right body as text/html
	Malformed  Kind = "malformed"  // half a body with a matching length
	Hostile    Kind = "hostile"    // a body that means harm: deep nesting, wrong types, bytes that are no text
	Page       Kind = "page"       // a web page with status 200
	Cloudflare Kind = "cloudflare" // 403 with Cloudflare's page
	NoAnswer   Kind = "no_answer"  // nothing until the client gives up
)

// Misbehaviour of the timelines (ScrapeCreators, TruthSocial).
const (
	EmptyPage  Kind = "empty_page"  // a page without posts
	RepeatPage Kind = "repeat_page" // the first page, whatever was asked for
	Shuffled   Kind = "shuffled"    // the right page, ids out of order
	Changing   Kind = "changing"    // a new post appears on top before each page
	Refusal    Kind = "refusal"     // 200 with an error in the body (ScrapeCreators), 402
)

// Misbehaviour of the model and of the price sources.
const (
	NoSchema    Kind = "no_schema"    // 400: this server knows no response_format
	BadAnswer   Kind = "bad_answer"   // 200 whose content is no valid answer (HostileAnswer)
	BadKey      Kind = "bad_key"      // 401 in OpenAI's form
	NoCredit    Kind = "no_credit"    // 429 insufficient_quota in OpenAI's form
	RefusesPost Kind = "refuses_post" // 200 with a refusal instead of content
	Unknown     Kind = "unknown"      // the symbol does not exist
	NoRows      Kind = "no_rows"      // a chart without timestamps, CSV without rows
	Gaps        Kind = "gaps"         // null prices in some rows
	Repeated    Kind = "repeated"     // a day stands twice
	HitsLimit   Kind = "hits_limit"   // Stooq's "Exceeded the daily hits limit", status 200
)

// Fault is a misbehaviour that is switched on.
type Fault struct {
	Kind Kind
	// P is the probability per request; 0 means always. Times is how often at most; 0 no limit.
	P     float64
	Times int
	// Status is for Down, Latency for Slow, RetryAfter for Limited and Down: the header's value.
	Status     int
	Latency    time.Duration
	RetryAfter string
}

type fault struct {
	Fault
	left int // -1: any number
}

// Fault adds faults to an endpoint. Of those that hit a request the first added is used.
func (s *Server) Fault(e Endpoint, faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range faults {
		left := f.Times
		if left == 0 {
			left = -1
		}
		s.faults[e] = append(s.faults[e], &fault{f, left})
	}
}

// Common returns the faults that every endpoint knows, each with probability p.
func Common(p float64) []Fault {
	return []Fault{
		{Kind: Limited, P: p, RetryAfter: "1"}, {Kind: Down, P: p}, {Kind: Reset, P: p}, {Kind: Cut, P: p},
		{Kind: WrongType, P: p}, {Kind: Malformed, P: p}, {Kind: Page, P: p}, {Kind: Slow, P: p, Latency: 50 * time.Millisecond},
	}
}

// Heal takes all faults away.
func (s *Server) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.faults)
}

func (s *Server) choose(e Endpoint) fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.faults[e] {
		if f.left == 0 || f.P > 0 && s.rng.Float64() >= f.P {
			continue
		}
		if f.left > 0 {
			f.left--
		}
		return *f
	}
	return fault{}
}

// check refuses what controlFault was sent and nobody would notice.
func (s *Server) check(e Endpoint, f Fault) error {
	if !slices.Contains(Endpoints(), e) {
		return fmt.Errorf("endpoint %q: there are %v", e, Endpoints())
	}
	kinds := []Kind{Slow, Limited, Down, Reset, Cut, WrongType, Malformed, Hostile, Page, Cloudflare, NoAnswer,
		EmptyPage, RepeatPage, Shuffled, Changing, Refusal, NoSchema, BadAnswer, BadKey, NoCredit, RefusesPost,
		Unknown, NoRows, Gaps, Repeated, HitsLimit}
	if !slices.Contains(kinds, f.Kind) {
		return fmt.Errorf("kind %q: there are %v", f.Kind, kinds)
	}
	if f.P < 0 || f.P > 1 || f.Times < 0 {
		return errors.New("p must be in 0..1, times 0 or more")
	}
	return nil
}

func (f *fault) status() int {
	switch f.Kind {
	case Limited:
		return http.StatusTooManyRequests
	case Down:
		if f.Status != 0 {
			return f.Status
		}
		return http.StatusServiceUnavailable
	case Page:
		return http.StatusOK
	case Cloudflare:
		return http.StatusForbidden
	}
	return 0
}

// before does what needs no answer of the service, and calls note first; false when the request is
// done with.
func (f *fault) before(w http.ResponseWriter, r *http.Request, note func()) bool {
	switch f.Kind {
	case Slow:
		pause(r.Context(), f.Latency)
		return true
	case NoAnswer:
		note()
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	case Reset:
		note()
		panic(http.ErrAbortHandler)
	case Limited, Down, Page, Cloudflare:
		note()
	default:
		return true
	}
	if f.RetryAfter != "" {
		w.Header().Set("Retry-After", f.RetryAfter)
	}
	body := map[Kind]string{
		Limited:    `{"error":"Too many requests"}`,
		Down:       "<html><head><title>502 Bad Gateway</title></head><body>upstream</body></html>",
		Page:       "<!DOCTYPE html><html><head><title>Down for maintenance</title></head><body>Back soon.</body></html>",
		Cloudflare: "<!DOCTYPE html>\n<html class=\"no-js\" lang=\"en-US\">\n<head>\n<title>Access denied | truthsocial.com used Cloudflare to restrict access</title>\n<meta charset=\"UTF-8\" /></head></html>",
	}[f.Kind]
	if f.Kind == Limited && strings.HasPrefix(r.URL.Path, "/v8/") {
		body = "Edge: Too Many Requests"
	}
	if f.Kind == Limited && strings.HasSuffix(r.URL.Path, "/completions") {
		body = `{"error":{"message":"Rate limit reached for requests","type":"requests","param":null,"code":"rate_limit_exceeded"}}`
	}
	if body[0] == '<' {
		w.Header().Set("Content-Type", "text/html; charset=UTF-8")
	} else {
		w.Header().Set("Content-Type", "application/json")
	}
	w.WriteHeader(f.status())
	_, _ = w.Write([]byte(body)) // the client may have gone
	return false
}

// after spoils the answer.
func (f *fault) after(e Endpoint, out *reply, rng *rand.Rand) {
	switch f.Kind {
	case WrongType:
		out.header.Set("Content-Type", "text/html; charset=utf-8")
	case Malformed:
		out.body.Truncate(out.body.Len() / 2)
	case Hostile:
		out.body.Reset()
		out.body.WriteString(hostileBody(e, rng))
	}
}

// hostileBody draws a body that no parser may fall over.
func hostileBody(e Endpoint, rng *rand.Rand) string {
	bodies := []string{
		strings.Repeat("[", 100_000),
		strings.Repeat(`{"posts":`, 50_000),
		`null`, `0`, `"posts"`, `[]`, `{}`, `[null]`, `[[]]`, "\x00\xff\xfe", "",
		`{"success":"yes","posts":{"0":{}}}`,
		`{"success":true,"posts":[{"id":-1},{"id":1e400},{"id":"999999999999999999999999"},{"id":{"a":1}}]}`,
		`[{"id":"\u0000"},{"id":"114000000000000000","created_at":"never"},7,null,"x",[{}]]`,
		`{"chart":{"result":[{"timestamp":[1,2,3],"indicators":{"quote":[{"open":[1]}]}}],"error":null}}`,
		`{"choices":[]}`, `{"choices":[{"message":{"content":null}}]}`,
		"Date,Open,High,Low,Close,Volume\n2025-13-45,NaN,Inf,-1,1e999,x\n",
	}
	return bodies[rng.IntN(len(bodies))]
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

package producers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Class is the kind of a failure: what metrics count, and what decides whether to try again.
type Class string

// The classes.
const (
	RateLimited Class = "rate_limited" // 429
	Timeout     Class = "timeout"      // no answer in time
	Network     Class = "network"      // no connection, or one that was cut
	Server      Class = "server"       // 5xx
	Auth        Class = "auth"         // 401, 402, 403: the key is wrong or its credit is used up
	Blocked     Class = "blocked"      // a Cloudflare page stands in front
	NotFound    Class = "not_found"    // 404, 410
	Refused     Class = "refused"      // any other 4xx, or a request that cannot be sent
	BadBody     Class = "bad_body"     // an answer that is not what was asked for
	OverBudget  Class = "budget"       // not sent: the day's budget is used up
	Stopped     Class = "stopped"      // the context ended
	Other       Class = "other"        // no failure of a request
)

// Error is a request that failed. It holds nothing secret.
type Error struct {
	Class  Class
	Host   string
	Path   string
	Status int // 0: there was no answer
	// Message is what the answer says, in one short line.
	Message string
	// Body is the beginning of the answer as it came, for whoever must tell one refusal from
	// another. It may hold what the request held: never print it.
	Body []byte
	// RetryAfter is how long the server asks to wait; 0 when it does not say.
	RetryAfter time.Duration
	Err        error
}

// Error names host and path, status, class and message.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Host != "" {
		fmt.Fprintf(&b, "get %s%s: ", e.Host, e.Path)
	}
	b.WriteString(string(e.Class))
	if e.Status != 0 {
		fmt.Fprintf(&b, " (HTTP %d)", e.Status)
	}
	if e.Message != "" {
		b.WriteString(": " + e.Message)
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	if e.RetryAfter > 0 {
		fmt.Fprintf(&b, ", retry after %s", e.RetryAfter.Round(time.Second))
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Temporary reports whether the same request may succeed later today.
func (e *Error) Temporary() bool {
	switch e.Class {
	case RateLimited, Timeout, Network, Server, BadBody:
		return !errors.Is(e.Err, errTooLong)
	}
	return false
}

// ClassOf returns the class of the first request's failure in err; Stopped when a context ended,
// Other when it is none.
func ClassOf(err error) Class {
	var e *Error
	switch {
	case errors.As(err, &e):
		return e.Class
	case errors.Is(err, context.Canceled):
		return Stopped
	case errors.Is(err, context.DeadlineExceeded):
		return Timeout
	}
	return Other
}

// RetryAfter returns how long the first request's failure in err asks to wait, 0 when it does not say.
func RetryAfter(err error) time.Duration {
	var e *Error
	if errors.As(err, &e) {
		return e.RetryAfter
	}
	return 0
}

// describe makes an *Error of any failure of the request, without what is secret in it.
func describe(req *http.Request, err error) *Error {
	var known *Error
	if !errors.As(err, &known) {
		return wrapError(req, err)
	}
	e := *known
	e.Host, e.Path = req.URL.Host, req.URL.Path
	e.Message = redact(e.Message, secretsOf(req))
	return &e
}

// wrapError classifies a failure below HTTP. Only the innermost cause is kept: the wrappers of
// net/http show the whole address.
func wrapError(req *http.Request, err error) *Error {
	class := Network
	var timeout net.Error
	switch {
	case errors.Is(err, errTooLong):
		class = BadBody
	case errors.Is(err, context.Canceled):
		class = Stopped
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		class = Timeout
	case errors.Is(err, io.ErrUnexpectedEOF):
		err = fmt.Errorf("the answer was cut off: %w", io.ErrUnexpectedEOF)
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return &Error{Class: class, Host: req.URL.Host, Path: req.URL.Path, Err: &safeError{redact(err.Error(), secretsOf(req)), err}}
}

// safeError shows a text without secrets and unwraps to what it was made of.
type safeError struct {
	text string
	err  error
}

func (e *safeError) Error() string { return e.text }
func (e *safeError) Unwrap() error { return e.err }

// ParseRetryAfter reads Retry-After, in seconds or as an HTTP date, or X-RateLimit-Reset as
// Mastodon servers send it (ISO 8601). It returns 0 when there is neither or it lies in the past,
// and at most a day.
func ParseRetryAfter(h http.Header, now time.Time) time.Duration {
	wait := time.Duration(0)
	if s := strings.TrimSpace(h.Get("Retry-After")); s != "" {
		if n, err := strconv.ParseFloat(s, 64); err == nil && n >= 0 && n < 1e9 {
			wait = time.Duration(n * float64(time.Second))
		} else if at, err := http.ParseTime(s); err == nil {
			wait = at.Sub(now)
		}
	} else if at, err := time.Parse(time.RFC3339Nano, h.Get("X-RateLimit-Reset")); err == nil && h.Get("X-RateLimit-Remaining") == "0" {
		wait = at.Sub(now)
	}
	return min(max(wait, 0), 24*time.Hour)
}

var pageTitle = regexp.MustCompile(`(?is)<title[^>]*>(.{0,300}?)</title>`)

// classifyBody says what an answer is that should be JSON, and a short line about it.
func classifyBody(body []byte) (Class, string) {
	start := bytes.TrimLeft(body, "\ufeff \t\r\n")
	if len(start) == 0 {
		return BadBody, "an empty answer"
	}
	if start[0] != '<' {
		return BadBody, brief(string(start))
	}
	title := ""
	if m := pageTitle.FindSubmatch(body); m != nil {
		title = ", " + strconv.Quote(brief(html.UnescapeString(string(m[1]))))
	}
	if lower := bytes.ToLower(body); bytes.Contains(lower, []byte("cloudflare")) || bytes.Contains(lower, []byte("cf-ray")) || bytes.Contains(lower, []byte("just a moment")) {
		return Blocked, "a Cloudflare page" + title + ": this address is not let through"
	}
	return BadBody, "a web page" + title
}

// brief returns text as one line of at most 200 characters.
func brief(text string) string {
	line := strings.Join(strings.Fields(strings.ToValidUTF8(text, "�")), " ")
	if r := []rune(line); len(r) > 200 {
		return string(r[:200]) + "…"
	}
	return line
}

// secretsOf returns the values in a request that must not be shown.
func secretsOf(req *http.Request) []string {
	var out []string
	add := func(v string) {
		if len(v) >= 4 {
			out = append(out, v)
		}
	}
	for name, values := range req.Header {
		if !isSecretHeader(name) {
			continue
		}
		for _, v := range values {
			add(v)
			if _, token, ok := strings.Cut(v, " "); ok {
				add(token)
			}
		}
	}
	if password, ok := req.URL.User.Password(); ok {
		add(password)
	}
	for name, values := range req.URL.Query() {
		if isSecretName(name) {
			for _, v := range values {
				add(v)
				add(url.QueryEscape(v))
			}
		}
	}
	return out
}

func isSecretHeader(name string) bool {
	name = strings.ToLower(name)
	return name == "authorization" || name == "proxy-authorization" || name == "cookie" || isSecretName(name)
}

func isSecretName(name string) bool {
	name = strings.ToLower(name)
	for _, part := range []string{"key", "token", "secret", "signature", "password", "credential"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}

func redact(text string, secrets []string) string {
	for _, s := range secrets {
		text = strings.ReplaceAll(text, s, "[secret]")
	}
	return text
}

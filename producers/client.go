package producers

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Client asks other people's servers politely: at most so many requests a second and host, at most
// so many a day, tried again with exponential backoff and full jitter after what may pass (429, 5xx,
// lost connections, cut bodies), as Retry-After asks. Its errors are *Error: they name host, path
// and class, never a header's value or a query. The zero value works; fields must not be changed
// after the first request. It is safe for concurrent use.
type Client struct {
	// HTTP sends; nil is a client of its own with a timeout of 60 s until the headers.
	HTTP *http.Client
	// UserAgent is sent with every request; some servers refuse those without.
	UserAgent string
	// Rate is how many requests a second one host is sent at most, 0 without limit; Burst how many
	// may go at once, 1 when zero.
	Rate  rate.Limit
	Burst int
	// Tries is how often a request is sent at most; 5 when zero.
	Tries int
	// Backoff is the longest pause after the first failure (1 s when zero); it doubles up to
	// MaxPause (2 min when zero). A Retry-After longer than MaxPause is not waited for: it is in
	// the error, and the loop waits.
	Backoff, MaxPause time.Duration
	// TryTimeout ends one try with its body; 60 s when zero. Open is not limited by it.
	TryTimeout time.Duration
	// MaxBody is how long an answer may be, in bytes; 32 MB when zero.
	MaxBody int64
	// Budget limits the requests of a UTC day, nil does not.
	Budget *Budget
	// Metrics counts the requests; nil for none.
	Metrics *Metrics
	// Log is told of every try that failed and is repeated; nil for none.
	Log *slog.Logger
	// Now is the clock; time.Now when nil. Sleep pauses; a timer when nil.
	Now   func() time.Time
	Sleep func(ctx context.Context, d time.Duration) error

	mu       sync.Mutex
	limiters map[string]*rate.Limiter // by host; guarded by mu
}

// Response is a whole answer.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// Get returns the answer to a GET, whole: status 2xx or 304, everything else is an *Error. header
// may be nil.
func (c *Client) Get(ctx context.Context, rawURL string, header http.Header) (*Response, error) {
	return c.get(ctx, rawURL, header, func(*Response) error { return nil })
}

// GetJSON is Get for an answer that must be one JSON document, whatever its content type says. A
// web page or a damaged document instead of it is asked for again, and in the end an *Error of class
// Blocked or BadBody.
func (c *Client) GetJSON(ctx context.Context, rawURL string, header http.Header) (*Response, error) {
	return c.get(ctx, rawURL, header, func(r *Response) error {
		r.Body = bytes.TrimPrefix(r.Body, []byte("\ufeff")) // some servers put a byte order mark in front
		if r.Status == http.StatusNotModified || json.Valid(r.Body) {
			return nil
		}
		class, message := classifyBody(r.Body)
		return &Error{Class: class, Status: r.Status, Message: message}
	})
}

func (c *Client) get(ctx context.Context, rawURL string, header http.Header, check func(*Response) error) (*Response, error) {
	var out *Response
	err := c.retry(ctx, rawURL, header, func(req *http.Request) error {
		ctx, cancel := context.WithTimeout(req.Context(), or(c.TryTimeout, time.Minute))
		defer cancel()
		resp, err := c.try(req.WithContext(ctx))
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return wrapError(req, err)
		}
		out = &Response{Status: resp.StatusCode, Header: resp.Header, Body: body}
		return check(out)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Open is Get for long answers: the body is a stream, to be closed by the caller. A body that is cut
// off, or that stands still for TryTimeout, is its reader's error and is not asked for again.
func (c *Client) Open(ctx context.Context, rawURL string, header http.Header) (*http.Response, error) {
	var out *http.Response
	err := c.retry(ctx, rawURL, header, func(req *http.Request) (err error) {
		ctx, cancel := context.WithCancelCause(req.Context())
		timer := time.AfterFunc(or(c.TryTimeout, time.Minute), func() { cancel(context.DeadlineExceeded) })
		if out, err = c.try(req.WithContext(ctx)); err != nil {
			timer.Stop()
			cancel(nil)
			return err
		}
		out.Body = &watchedBody{out.Body, req, timer, or(c.TryTimeout, time.Minute), ctx, cancel}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Do sends one request once: it waits for the host's rate, spends the budget and counts. Every
// answer is returned, as http.Client does, with a body that fails after MaxBody bytes. It fits
// clients that bring their own retries.
func (c *Client) Do(req *http.Request) (*http.Response, error) {
	if err := c.wait(req); err != nil {
		return nil, err
	}
	if c.UserAgent != "" && req.Header.Get("User-Agent") == "" {
		req = req.Clone(req.Context())
		req.Header.Set("User-Agent", c.UserAgent)
	}
	resp, err := c.http().Do(req)
	if err != nil {
		e := wrapError(req, err)
		c.Metrics.Request(req.URL.Host, string(e.Class))
		return nil, e
	}
	c.Metrics.Request(req.URL.Host, strconv.Itoa(resp.StatusCode))
	resp.Body = &limitedBody{ReadCloser: resp.Body, left: or(c.MaxBody, 32<<20)}
	return resp, nil
}

// retry builds and sends the request until it succeeds, fails for good, or the tries are used up.
func (c *Client) retry(ctx context.Context, rawURL string, header http.Header, send func(*http.Request) error) error {
	tries := or(c.Tries, 5)
	for try := 1; ; try++ {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, rawURL, nil)
		if err != nil {
			return &Error{Class: Refused, Message: "the address is not valid"} // err would show it, keys and all
		}
		if header != nil {
			req.Header = header.Clone()
		}
		err = send(req)
		if err == nil {
			return nil
		}
		e := describe(req, err)
		pause := c.pause(try, e)
		if ctx.Err() != nil || !e.Temporary() || try >= tries || e.RetryAfter > or(c.MaxPause, 2*time.Minute) {
			return e
		}
		if c.Log != nil {
			c.Log.Warn("request failed, trying again", "host", e.Host, "path", e.Path, "class", e.Class, "status", e.Status, "try", try, "retry_in", pause.String())
		}
		if err := c.sleep(ctx, pause); err != nil {
			return e
		}
	}
}

// try sends once and makes an *Error of every answer but 2xx and 304.
func (c *Client) try(req *http.Request) (*http.Response, error) {
	resp, err := c.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode/100 == 2 || resp.StatusCode == http.StatusNotModified {
		return resp, nil
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10)) // it is for the message only
	return nil, c.statusError(resp, body)
}

func (c *Client) statusError(resp *http.Response, body []byte) *Error {
	page, message := classifyBody(body)
	class := Refused
	switch s := resp.StatusCode; {
	case s == http.StatusTooManyRequests:
		class = RateLimited
	case page == Blocked:
		class = Blocked
	case s == http.StatusRequestTimeout || s == http.StatusGatewayTimeout:
		class = Timeout
	case s >= 500:
		class = Server
	case s == http.StatusUnauthorized || s == http.StatusForbidden || s == http.StatusPaymentRequired:
		class = Auth
	case s == http.StatusNotFound || s == http.StatusGone:
		class = NotFound
	}
	return &Error{Class: class, Status: resp.StatusCode, Message: message, Body: bytes.Clone(body),
		RetryAfter: ParseRetryAfter(resp.Header, c.now())}
}

func (c *Client) wait(req *http.Request) error {
	if c.Budget != nil {
		if err := c.Budget.Spend(c.now()); err != nil {
			return describe(req, err)
		}
	}
	if c.Rate == 0 {
		return nil
	}
	c.mu.Lock()
	limiter := c.limiters[req.URL.Host]
	if limiter == nil {
		if c.limiters == nil {
			c.limiters = map[string]*rate.Limiter{}
		}
		limiter = rate.NewLimiter(c.Rate, or(c.Burst, 1))
		c.limiters[req.URL.Host] = limiter
	}
	c.mu.Unlock()
	if err := limiter.Wait(req.Context()); err != nil {
		return wrapError(req, err)
	}
	return nil
}

// pause is how long to wait after the given try: what the server asks, else a random part of a bound
// that doubles ("full jitter": clients that failed together do not come back together).
func (c *Client) pause(try int, e *Error) time.Duration {
	if e.RetryAfter > 0 {
		return e.RetryAfter
	}
	bound := or(c.MaxPause, 2*time.Minute)
	if d := or(c.Backoff, time.Second) << min(try-1, 20); d > 0 && d < bound {
		bound = d
	}
	return time.Duration(rand.Int64N(int64(bound)) + 1)
}

func (c *Client) sleep(ctx context.Context, d time.Duration) error {
	if c.Sleep != nil {
		return c.Sleep(ctx, d)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

func (c *Client) now() time.Time {
	if c.Now != nil {
		return c.Now()
	}
	return time.Now()
}

func (c *Client) http() *http.Client {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.HTTP == nil {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.ResponseHeaderTimeout = time.Minute
		c.HTTP = &http.Client{Transport: transport, CheckRedirect: dropSecrets}
	}
	return c.HTTP
}

// dropSecrets follows up to five redirects; to another host it takes no credentials along, of which
// net/http itself knows only the standard ones.
func dropSecrets(req *http.Request, via []*http.Request) error {
	if len(via) >= 5 {
		return errors.New("stopped after 5 redirects")
	}
	if req.URL.Host != via[0].URL.Host {
		for name := range req.Header {
			if isSecretHeader(name) {
				req.Header.Del(name)
			}
		}
	}
	return nil
}

// errTooLong ends an answer of more than MaxBody bytes.
var errTooLong = errors.New("the answer is too long")

type limitedBody struct {
	io.ReadCloser
	left int64
}

func (b *limitedBody) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, errTooLong
	}
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return n, errTooLong
	}
	return n, err
}

// watchedBody gives up when nothing arrives for a while.
type watchedBody struct {
	io.ReadCloser
	req    *http.Request
	timer  *time.Timer
	idle   time.Duration
	ctx    context.Context // of the request
	cancel context.CancelCauseFunc
}

func (b *watchedBody) Read(p []byte) (int, error) {
	b.timer.Reset(b.idle)
	n, err := b.ReadCloser.Read(p)
	switch {
	case err == nil || err == io.EOF:
		return n, err
	case b.ctx.Err() != nil:
		err = context.Cause(b.ctx)
	}
	return n, wrapError(b.req, err)
}

func (b *watchedBody) Close() error {
	b.timer.Stop()
	b.cancel(nil)
	return b.ReadCloser.Close()
}

func or[T comparable](v, fallback T) T {
	var zero T
	if v == zero {
		return fallback
	}
	return v
}

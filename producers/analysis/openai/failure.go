package openai

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"shitpost-alpha/producers"
	"shitpost-alpha/producers/analysis"
)

// maxBody is how many bytes of a response are read: an answer has a few thousand.
const maxBody = 4 << 20

// exchange is one request and what came back of it. It is the HTTP client of one call, because the
// library keeps neither the body nor the headers of a failure.
type exchange struct {
	client *producers.Client
	key    string
	now    func() time.Time

	sent   bool // a connection was made, so the request may have arrived
	status int  // 0: no response
	header http.Header
	body   []byte
	long   bool // the body has more than maxBody bytes, and is cut
	took   time.Duration
	err    error // of sending and reading
}

func (m *Model) exchange() *exchange {
	return &exchange{client: m.client, key: m.o.Key, now: m.o.Now}
}

// Do implements goopenai.HTTPDoer. It reads the body whole and takes our own key out of it: a server
// that repeats the key in an error would bring it into logs and the lake.
func (x *exchange) Do(req *http.Request) (*http.Response, error) {
	began := x.now()
	defer func() { x.took = x.now().Sub(began) }()
	resp, err := x.client.Do(req)
	if err != nil {
		var dial *net.OpError
		x.sent = !(errors.As(err, &dial) && dial.Op == "dial")
		x.err = err
		return nil, err
	}
	defer resp.Body.Close()
	x.sent = true
	x.body, x.err = io.ReadAll(resp.Body)
	x.long = len(x.body) > maxBody
	if x.key != "" {
		x.body = bytes.ReplaceAll(x.body, []byte(x.key), []byte("[key]"))
	}
	if x.err != nil {
		return nil, x.err
	}
	x.status, x.header = resp.StatusCode, resp.Header
	resp.Body = io.NopCloser(bytes.NewReader(x.body))
	return resp, nil
}

// refusesOutput says that the server refused the request because of the form of output it asks for.
func (x *exchange) refusesOutput() bool {
	switch x.status {
	case http.StatusBadRequest, http.StatusUnprocessableEntity, http.StatusNotImplemented, http.StatusUnsupportedMediaType:
	default:
		return false
	}
	body := string(bytes.ToLower(x.body))
	for _, word := range []string{"response_format", "json_schema", "json_object", "structured output"} {
		if strings.Contains(body, word) {
			return true
		}
	}
	return false
}

func failed(class analysis.Class, format string, args ...any) *analysis.Failure {
	return &analysis.Failure{Class: class, Err: fmt.Errorf(format, args...)}
}

// failure classifies what is no response with status 200 and a JSON body (domain.md 2.3). An end of
// ctx is returned as it is: the service was told to stop.
func (m *Model) failure(ctx context.Context, x *exchange, err error) error {
	if ctx.Err() != nil && err != nil {
		return fmt.Errorf("ask %s: %w", m.o.Model, ctx.Err())
	}
	if x.status == 0 {
		return m.lost(x, err)
	}
	message := m.redact(serverMessage(x.body))
	wait := producers.ParseRetryAfter(x.header, m.o.Now())
	f := failed(analysis.Refused, "HTTP %d: %s", x.status, message)
	switch s := x.status; {
	case s == http.StatusOK && (!utf8.Valid(x.body) || !json.Valid(x.body)):
		return failed(analysis.BadOutput, "the response is no JSON: %s", message)
	case s == http.StatusOK && err != nil:
		return failed(analysis.BadOutput, "the response is not of the chat API's form: %s", m.redact(err.Error()))
	case s == http.StatusOK:
		return nil
	case s == http.StatusTooManyRequests && outOfCredit(x.body):
		f.Class = analysis.Budget
		f.Err = fmt.Errorf("the provider's quota is used up, look at its billing page: %w", f.Err)
	case s == http.StatusTooManyRequests:
		f.Class = analysis.RateLimited
	case s == http.StatusUnauthorized || s == http.StatusForbidden || s == http.StatusPaymentRequired:
		f.Class = analysis.Auth
	case s == http.StatusNotFound || s == http.StatusMethodNotAllowed || s < 400:
		f.Class = analysis.Auth // no post can help that: the base URL or the model is wrong for this key
		f.Err = fmt.Errorf("is the base URL right, and the model there for this key? %w", f.Err)
	case s == http.StatusBadRequest && refusesSettings(x.body):
		f.Class = analysis.Auth // nor this: every post would be refused
		f.Err = fmt.Errorf("the model does not take a setting of the request: %w", f.Err)
	case s == http.StatusRequestTimeout || s == http.StatusGatewayTimeout:
		f.Class = analysis.Timeout
	case s >= 500 || s == http.StatusConflict || s == http.StatusTooEarly:
		f.Class = analysis.Server
	}
	f.RetryAfter = wait
	return f
}

// lost classifies a request to which no whole response came.
func (m *Model) lost(x *exchange, err error) error {
	if x.err == nil {
		return failed(analysis.Auth, "the library does not ask this model: %s", m.redact(fmt.Sprint(err)))
	}
	message := m.redact(x.err.Error())
	var e *producers.Error
	var timeout net.Error
	switch {
	case errors.Is(x.err, context.DeadlineExceeded), errors.As(x.err, &timeout) && timeout.Timeout(),
		errors.As(x.err, &e) && e.Class == producers.Timeout:
		return failed(analysis.Timeout, "no answer within %s", m.o.Timeout)
	case x.long:
		return failed(analysis.BadOutput, "the response has more than %d bytes", maxBody)
	}
	return failed(analysis.Server, "%s", message)
}

// serverMessage returns what an error says, from OpenAI's form of it or from the body's beginning.
func serverMessage(body []byte) string {
	var e struct {
		Error struct {
			Message string `json:"message"`
			Code    any    `json:"code"`
		} `json:"error"`
	}
	if json.Unmarshal(body, &e) == nil && e.Error.Message != "" {
		return e.Error.Message
	}
	return string(body[:min(len(body), 300)])
}

// outOfCredit tells a spent quota, which lasts until somebody pays, from a limit per minute.
func outOfCredit(body []byte) bool {
	return bytes.Contains(body, []byte("insufficient_quota")) || bytes.Contains(body, []byte("billing_hard_limit"))
}

// refusesSettings tells a refusal of what all requests have in common from one of a post.
func refusesSettings(body []byte) bool {
	for _, word := range []string{"unsupported_parameter", "unsupported_value", "unknown_parameter", "model_not_found", "invalid_model"} {
		if bytes.Contains(body, []byte(word)) {
			return true
		}
	}
	return false
}

// redact takes the key out of a message; it may stand there in another form than in the body.
func (m *Model) redact(message string) string {
	if m.o.Key != "" {
		message = strings.ReplaceAll(message, m.o.Key, "[key]")
	}
	return message
}

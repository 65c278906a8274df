package faulty

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"testing"
)

// Proxy stands before an S3 server and goes wrong as its rule says.
type Proxy struct {
	counter
	// URL is where the proxy listens.
	URL string

	upstream *url.URL
	stopped  chan struct{} // ends what hangs
}

// StartProxy runs a proxy before the server at the URL upstream until the test ends.
func StartProxy(t testing.TB, upstream string) *Proxy {
	t.Helper()
	u, err := url.Parse(upstream)
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{upstream: u, stopped: make(chan struct{})}
	server := httptest.NewServer(p)
	p.URL = server.URL
	t.Cleanup(func() {
		close(p.stopped)
		server.Close()
	})
	return p
}

// HTTPFaults returns what can go wrong with an S3 server, besides what Faults names.
func HTTPFaults() []Fault {
	const all = "GET PUT LIST DELETE"
	return []Fault{
		{Name: "request lost", Verbs: all},
		{Name: "reply lost", Verbs: "PUT DELETE", Lands: true},
		{Name: "409", Verbs: "PUT", Status: 409, Code: "ConditionalRequestConflict"},
		{Name: "412 though nobody was first", Verbs: "PUT", Status: 412, Code: "PreconditionFailed"},
		{Name: "412 though done", Verbs: "PUT", Lands: true, Status: 412, Code: "PreconditionFailed"},
		{Name: "500", Verbs: all, Status: 500, Code: "InternalError"},
		{Name: "500 though done", Verbs: "PUT DELETE", Lands: true, Status: 500, Code: "InternalError"},
		{Name: "503 SlowDown", Verbs: all, Status: 503, Code: "SlowDown"},
		{Name: "timeout", Verbs: all, Hang: true},
		{Name: "timeout though done", Verbs: "PUT DELETE", Lands: true, Hang: true},
		{Name: "body truncated", Verbs: "GET LIST", Lands: true, Cut: true},
		{Name: "disk full", Verbs: "PUT", Status: 507, Code: "InsufficientStorage"},
		{Name: "403", Verbs: "PUT", Status: 403, Code: "AccessDenied"},
	}
}

// ServeHTTP passes the request on, or does with it what the rule says.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	verb, key := describe(r)
	f := p.ask(verb, key)
	if f == nil {
		p.forward(w, r)
		return
	}
	var reply *httptest.ResponseRecorder
	if f.Lands {
		reply = httptest.NewRecorder()
		p.forward(reply, r)
	}
	switch {
	case f.Hang:
		_, _ = io.Copy(io.Discard, r.Body) // or the server does not notice that the client is gone
		select {
		case <-r.Context().Done():
		case <-p.stopped:
		}
		panic(http.ErrAbortHandler)
	case f.Status != 0:
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(f.Status)
		fmt.Fprintf(w, "<Error><Code>%s</Code><Message>%s</Message></Error>", f.Code, f.Name)
	case f.Cut:
		cut(w, reply)
	default:
		panic(http.ErrAbortHandler) // closes the connection without an answer
	}
}

// cut promises the whole body and sends half of it.
func cut(w http.ResponseWriter, reply *httptest.ResponseRecorder) {
	body := reply.Body.Bytes()
	for k, v := range reply.Header() {
		w.Header()[k] = v
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)+1))
	w.WriteHeader(reply.Code)
	_, _ = io.Copy(w, bytes.NewReader(body[:len(body)/2]))
	if flusher, ok := w.(http.Flusher); ok {
		flusher.Flush()
	}
	panic(http.ErrAbortHandler)
}

func (p *Proxy) forward(w http.ResponseWriter, r *http.Request) {
	proxy := httputil.ReverseProxy{
		Rewrite: func(pr *httputil.ProxyRequest) {
			pr.SetURL(p.upstream)
			pr.Out.Host = pr.In.Host // it is part of the signature
		},
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	proxy.ServeHTTP(w, r)
}

// describe names what the request asks of an S3 server that is addressed by paths.
func describe(r *http.Request) (verb, key string) {
	_, key, _ = strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if r.Method == http.MethodGet && r.URL.Query().Has("list-type") {
		return "LIST", r.URL.Query().Get("prefix")
	}
	return r.Method, key
}

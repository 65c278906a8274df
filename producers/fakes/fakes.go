// Package fakes speaks the five services that the producers ask, over real HTTP, from files and
// seeded randomness, and can be told to misbehave. Tests and the soak run against it; nothing in it
// leaves the machine.
//
//	ScrapeCreators   GET  /v1/truthsocial/user/posts?user_id=…&limit=…&next_max_id=…   base URL …/v1
//	Truth Social     GET  /api/v1/accounts/{id}/statuses?limit=…&max_id=…              base URL …
//	archive          GET  /archive/truth_archive.json (ETag, Last-Modified)
//	OpenAI           POST /v1/chat/completions                                         base URL …/v1
//	Yahoo            GET  /v8/finance/chart/{symbol}?period1=…&period2=…&interval=1d   base URL …
//	Stooq            GET  /q/d/l/?s=spy.us&d1=…&d2=…&i=d                               base URL …
//
// A Server is the http.Handler and the control over it: Fault switches misbehaviour on per endpoint,
// Calls tells what was asked, Timeline holds the posts, Market the prices, Model the answers.
// POST /_control/fault?endpoint=…&kind=…&p=…&times=… and DELETE /_control/fault do the same for
// processes; GET /_control/calls counts. Wire shapes follow domain.md 1.1 and 3 and recorded answers.
package fakes

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Endpoint names one of the services.
type Endpoint string

// The endpoints.
const (
	ScrapeCreators Endpoint = "scrapecreators"
	TruthSocial    Endpoint = "truthsocial"
	Archive        Endpoint = "archive"
	OpenAI         Endpoint = "openai"
	Yahoo          Endpoint = "yahoo"
	Stooq          Endpoint = "stooq"
)

// Endpoints returns all endpoints.
func Endpoints() []Endpoint {
	return []Endpoint{ScrapeCreators, TruthSocial, Archive, OpenAI, Yahoo, Stooq}
}

// Options of a Server. The zero value serves made-up posts and prices.
type Options struct {
	// Seed of everything that is drawn.
	Seed uint64
	// Now is the clock: no post and no bar is shown before its time. time.Now when nil.
	Now func() time.Time
	// Posts are JSON files of posts (array or JSON lines; id, created_at, content or text); without
	// them MadeUp posts are drawn, ending at the start, 30 minutes apart.
	Posts  []string
	MadeUp int
	// Prices are CSV files date,ticker,open,high,low,close,adj_close,volume.
	Prices []string
	// Symbols are made up: a seeded walk from 2024-01-02 on, where no file has them.
	Symbols []string
	// ScrapeKey and OpenAIKey, if set, are the only keys that are let in.
	ScrapeKey, OpenAIKey string
}

// Call is one request that was received.
type Call struct {
	Endpoint Endpoint
	At       time.Time
	Path     string
	Query    string
	Header   http.Header
	Body     []byte
	// Status is what was answered, 0 when the connection was cut without an answer.
	Status int
	// Fault is the misbehaviour that was chosen, "" for none.
	Fault Kind
}

// Server is all fakes in one. It is safe for concurrent use.
type Server struct {
	Timeline *Timeline
	Market   *Market
	Model    *Model

	now func() time.Time
	mux *http.ServeMux

	mu     sync.Mutex
	rng    *rand.Rand            // guarded by mu
	faults map[Endpoint][]*fault // guarded by mu
	calls  []Call                // guarded by mu
	notify []notice              // guarded by mu
}

// New reads the files and returns the server. Its errors name the file.
func New(o Options) (*Server, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	timeline, err := newTimeline(o)
	if err != nil {
		return nil, err
	}
	market, err := newMarket(o)
	if err != nil {
		return nil, err
	}
	s := &Server{
		Timeline: timeline, Market: market, Model: newModel(o), now: o.Now, mux: http.NewServeMux(),
		rng: rand.New(rand.NewPCG(o.Seed, 1)), faults: map[Endpoint][]*fault{},
	}
	s.handle("GET /v1/truthsocial/user/posts", ScrapeCreators, timeline.scrapeCreators)
	s.handle("GET /api/v1/accounts/{id}/statuses", TruthSocial, timeline.truthSocial)
	s.handle("GET /archive/{file}", Archive, timeline.archive)
	s.handle("GET /data/truth-social/{file}", Archive, timeline.archive)
	s.handle("POST /v1/chat/completions", OpenAI, s.Model.complete)
	s.handle("GET /v8/finance/chart/{symbol}", Yahoo, market.chart)
	s.handle("GET /q/d/l/", Stooq, market.stooq)
	s.mux.HandleFunc("POST /_control/fault", s.controlFault)
	s.mux.HandleFunc("DELETE /_control/fault", func(http.ResponseWriter, *http.Request) { s.Heal() })
	s.mux.HandleFunc("GET /_control/calls", func(w http.ResponseWriter, _ *http.Request) {
		out := map[Endpoint]int{}
		for _, e := range Endpoints() {
			out[e] = s.Count(e)
		}
		writeJSON(w, http.StatusOK, out)
	})
	return s, nil
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// Calls returns the requests to an endpoint, in the order of their arrival.
func (s *Server) Calls(e Endpoint) []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Call
	for _, c := range s.calls {
		if c.Endpoint == e {
			out = append(out, c)
		}
	}
	return out
}

// Count returns how many requests an endpoint received.
func (s *Server) Count(e Endpoint) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, c := range s.calls {
		if c.Endpoint == e {
			n++
		}
	}
	return n
}

// notice is a function to be called when an endpoint has received so many requests.
type notice struct {
	endpoint Endpoint
	after    int
	call     func()
}

// Notify calls f once, when the endpoint has received n requests in all.
func (s *Server) Notify(e Endpoint, n int, f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notify = append(s.notify, notice{e, n, f})
	s.notice()
}

// notice calls what is due. mu is held.
func (s *Server) notice() {
	counts := map[Endpoint]int{}
	for _, c := range s.calls {
		counts[c.Endpoint]++
	}
	s.notify = slices.DeleteFunc(s.notify, func(n notice) bool {
		due := counts[n.endpoint] >= n.after
		if due {
			n.call()
		}
		return due
	})
}

func (s *Server) note(c Call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, c)
	if len(s.notify) > 0 {
		s.notice()
	}
}

// Forget forgets the calls.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = nil
}

// reply is an answer before it is sent: status, header and whole body.
type reply struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *reply) Header() http.Header         { return r.header }
func (r *reply) WriteHeader(status int)      { r.status = status }
func (r *reply) Write(b []byte) (int, error) { return r.body.Write(b) }

// serve answers a request; faults that change what is shown are in on.
type serve func(w http.ResponseWriter, r *http.Request, on Kind)

// handle runs h behind the faults of the endpoint, and notes the call.
func (s *Server) handle(pattern string, e Endpoint, h serve) {
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(io.LimitReader(r.Body, 64<<20)) // a cut request is answered as far as it came
		r.Body = io.NopCloser(bytes.NewReader(body))
		f := s.choose(e)
		call := Call{Endpoint: e, At: s.now(), Path: r.URL.Path, Query: r.URL.RawQuery, Header: r.Header.Clone(), Body: body, Fault: f.Kind}
		if !f.before(w, r, func() { call.Status = f.status(); s.note(call) }) {
			return
		}
		out := &reply{header: http.Header{}, status: http.StatusOK}
		h(out, r, f.Kind)
		s.mu.Lock()
		seed := s.rng.Uint64()
		s.mu.Unlock()
		f.after(e, out, rand.New(rand.NewPCG(seed, 2)))
		for name, values := range out.header {
			w.Header()[name] = values
		}
		w.Header().Set("Content-Length", strconv.Itoa(out.body.Len()))
		if f.Kind == Cut {
			call.Status = 0
		} else {
			call.Status = out.status
		}
		s.note(call) // before the answer: whoever has it may count
		w.WriteHeader(out.status)
		if f.Kind == Cut {
			_, _ = w.Write(out.body.Bytes()[:out.body.Len()/2])
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler) // the way to cut a connection
		}
		_, _ = w.Write(out.body.Bytes()) // the client may have gone
	})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
	}
	w.WriteHeader(status)
	_, _ = w.Write(data) // into memory, or the client has gone
}

func (s *Server) controlFault(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	f := Fault{Kind: Kind(q.Get("kind")), RetryAfter: q.Get("retry_after")}
	f.P, _ = strconv.ParseFloat(q.Get("p"), 64)
	f.Times, _ = strconv.Atoi(q.Get("times"))
	f.Status, _ = strconv.Atoi(q.Get("status"))
	f.Latency, _ = time.ParseDuration(q.Get("latency"))
	endpoint := Endpoint(q.Get("endpoint"))
	if err := s.check(endpoint, f); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.Fault(endpoint, f)
	fmt.Fprintf(w, "%s: %s\n", endpoint, f.Kind)
}

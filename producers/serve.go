package producers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Handler returns the pages of the services of one process:
//
//	/healthz  200 while the loops go on
//	/readyz   200 when every last step succeeded and no Ready says anything else; 503 with the reasons
//	/metrics  Prometheus text of all of them
//
// The state of one service is a JSON object, that of several an object with a list of them. One
// without a Step is no loop of ours: what its Ready says is its state.
func Handler(services ...*Service) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) {
		writeStates(r.Context(), w, services, false)
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 10*time.Second)
		defer cancel()
		writeStates(ctx, w, services, true)
	})
	var all []*Metrics
	for _, s := range services {
		if s.Metrics != nil && !slices.Contains(all, s.Metrics) {
			all = append(all, s.Metrics)
		}
	}
	if len(all) > 0 {
		mux.Handle("GET /metrics", metricsHandler(all...))
	}
	return mux
}

// writeStates writes the states as JSON; strict asks each Ready and makes everything but readiness a 503.
func writeStates(ctx context.Context, w http.ResponseWriter, services []*Service, strict bool) {
	all := struct {
		Ready    bool    `json:"ready"`
		Services []state `json:"services"`
	}{Ready: true}
	for _, s := range services {
		var unreachable error
		if s.Ready != nil && (strict || s.Step == nil) {
			unreachable = s.Ready(ctx)
		}
		st := s.health.state(s.Name, unreachable)
		if s.Step == nil {
			st = stateOf(s.Name, unreachable)
		}
		all.Services, all.Ready = append(all.Services, st), all.Ready && st.Ready
	}
	w.Header().Set("Content-Type", "application/json")
	if strict && !all.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	out := any(all)
	if len(all.Services) == 1 {
		out = all.Services[0]
	}
	_ = json.NewEncoder(w).Encode(out) // whoever asked has gone
}

// health is how the last step ended.
type health struct {
	mu     sync.Mutex
	steps  int
	at, ok time.Time // of the last step, of the last one that succeeded
	err    error
}

func (h *health) note(at time.Time, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.steps++
	h.at, h.err = at, err
	if err == nil {
		h.ok = at
	}
}

// state is what is told of a service.
type state struct {
	Producer string    `json:"producer"`
	Ready    bool      `json:"ready"`
	Steps    int       `json:"steps"`
	LastStep time.Time `json:"last_step,omitzero"`
	LastOK   time.Time `json:"last_ok,omitzero"`
	Error    string    `json:"error,omitempty"`
}

func stateOf(name string, err error) state {
	s := state{Producer: name, Ready: err == nil}
	if err != nil {
		s.Error = err.Error()
	}
	return s
}

func (h *health) state(name string, unreachable error) state {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := state{Producer: name, Ready: h.steps > 0 && h.err == nil && unreachable == nil, Steps: h.steps, LastStep: h.at, LastOK: h.ok}
	if err := errors.Join(h.err, unreachable); err != nil {
		out.Error = err.Error()
	} else if h.steps == 0 {
		out.Error = "the first step has not ended"
	}
	return out
}

// Pages are served at an address while something runs.
type Pages struct {
	// Listen is the address; "" is none.
	Listen  string
	Handler http.Handler
	// Listening, if set, is told the address once connections are accepted.
	Listening func(net.Addr)
	Log       *slog.Logger
}

// While serves until run returns, and returns its error. An address that cannot be listened at is an
// error before run begins.
func (s Pages) While(ctx context.Context, run func(context.Context) error) error {
	if s.Listen == "" {
		return run(ctx)
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", s.Listen)
	if err != nil {
		return fmt.Errorf("listen at %s (--listen): %w", s.Listen, err)
	}
	server := &http.Server{Handler: s.Handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	s.Log.Info("listening", "address", listener.Addr().String())
	if s.Listening != nil {
		s.Listening(listener.Addr())
	}
	runErr := run(ctx)
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := server.Shutdown(stop); err != nil {
		_ = server.Close() // whoever still reads is cut off
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		runErr = errors.Join(runErr, fmt.Errorf("serve %s: %w", s.Listen, err))
	}
	return runErr
}

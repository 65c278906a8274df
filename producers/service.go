package producers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"shitpost-alpha/lake/cli"
)

// Serving holds the flags about the HTTP server. Embed it in a grammar.
type Serving struct {
	Listen string         `env:"LISTEN" placeholder:"ADDR" help:"Serve /healthz, /readyz and /metrics at this address, such as :9101. Not with --once. Default: do not."`
	Health cli.HealthFlag `placeholder:"ADDR" help:"Ask the service that listens at this address whether it lives, and exit: 0 yes, 1 no."`
}

// Service is a Loop that can be looked at over HTTP while it runs.
type Service struct {
	Loop
	// Listen is the address of the HTTP server; "" is none, and none with Once.
	Listen string
	// Listening, if set, is told the address once the server accepts connections.
	Listening func(net.Addr)
	// Ready, if set, asks at each /readyz whether what the service needs can be reached.
	Ready   func(ctx context.Context) error
	Metrics *Metrics
	// Now is the clock; time.Now when nil.
	Now func() time.Time

	health health
}

// Run runs the loop until ctx ends, and the HTTP server beside it:
//
//	/healthz  200 while the loop goes on
//	/readyz   200 when the last step succeeded and Ready says nothing else; 503 with the reason
//	/metrics  Prometheus text
//
// An address that cannot be listened at is an error before the first step.
func (s *Service) Run(ctx context.Context) error {
	if s.Now == nil {
		s.Now = time.Now
	}
	step := s.Step
	loop := s.Loop
	loop.Step = func(ctx context.Context) (int, error) {
		began := s.Now()
		n, err := step(ctx)
		if ctx.Err() == nil {
			s.Metrics.Step(s.Now().Sub(began), err)
			s.health.note(s.Now(), err)
		}
		return n, err
	}
	if s.Listen == "" || s.Once {
		return Run(ctx, loop)
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", s.Listen)
	if err != nil {
		return fmt.Errorf("listen at %s (--listen): %w", s.Listen, err)
	}
	server := &http.Server{Handler: s.Handler(), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	s.Log.Info("listening", "producer", s.Name, "address", listener.Addr().String())
	if s.Listening != nil {
		s.Listening(listener.Addr())
	}
	loopErr := Run(ctx, loop)
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := server.Shutdown(stop); err != nil {
		_ = server.Close() // whoever still reads is cut off
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		loopErr = errors.Join(loopErr, fmt.Errorf("serve %s: %w", s.Listen, err))
	}
	return loopErr
}

// Handler returns the three pages of Run.
func (s *Service) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		s.health.write(w, s.Name, nil, false)
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		var err error
		if s.Ready != nil {
			ctx, cancel := context.WithTimeout(r.Context(), 10*time.Second)
			defer cancel()
			err = s.Ready(ctx)
		}
		s.health.write(w, s.Name, err, true)
	})
	if s.Metrics != nil {
		mux.Handle("GET /metrics", s.Metrics.Handler())
	}
	return mux
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

// write answers with the state as JSON; strict makes everything but health a 503.
func (h *health) write(w http.ResponseWriter, name string, unreachable error, strict bool) {
	h.mu.Lock()
	out := struct {
		Producer string    `json:"producer"`
		Ready    bool      `json:"ready"`
		Steps    int       `json:"steps"`
		LastStep time.Time `json:"last_step,omitzero"`
		LastOK   time.Time `json:"last_ok,omitzero"`
		Error    string    `json:"error,omitempty"`
	}{Producer: name, Ready: h.steps > 0 && h.err == nil && unreachable == nil, Steps: h.steps, LastStep: h.at, LastOK: h.ok}
	if err := errors.Join(h.err, unreachable); err != nil {
		out.Error = err.Error()
	} else if h.steps == 0 {
		out.Error = "the first step has not ended"
	}
	h.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if strict && !out.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(out) // whoever asked has gone
}

// Problems collects everything that is wrong with a configuration, so that it is said at once.
type Problems struct{ errs []error }

// Add notes err unless it is nil.
func (p *Problems) Add(err error) {
	if err != nil {
		p.errs = append(p.errs, err)
	}
}

// Require notes a problem unless ok.
func (p *Problems) Require(ok bool, format string, args ...any) {
	if !ok {
		p.errs = append(p.errs, fmt.Errorf(format, args...))
	}
}

// Err returns all problems under the sentinel (cli.ErrUsage), nil when there are none.
func (p *Problems) Err(sentinel error) error {
	if err := errors.Join(p.errs...); err != nil {
		return fmt.Errorf("%w: %w", sentinel, err)
	}
	return nil
}

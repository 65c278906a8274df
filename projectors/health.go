package projectors

import (
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Health is what a projector tells of itself while it works. It is safe for concurrent use; its methods
// bear a nil receiver, so a projector works the same without it.
type Health struct {
	now      func() time.Time
	registry *prometheus.Registry
	applied  *prometheus.CounterVec
	letters  prometheus.Counter
	next     *prometheus.GaugeVec
	failures prometheus.Counter
	builds   *prometheus.CounterVec
	seconds  prometheus.Gauge
	rows     prometheus.Gauge

	mu       sync.Mutex
	upToDate time.Time // when the projector last had nothing left to apply; guarded by mu
	err      error     // why the last step failed; guarded by mu
}

// NewHealth returns the health of a projector that has not begun.
func NewHealth(now func() time.Time) *Health {
	h := &Health{now: now, registry: prometheus.NewRegistry(),
		applied:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "events_applied_total", Help: "Events applied from the tail of a stream."}, []string{"stream"}),
		letters:  prometheus.NewCounter(prometheus.CounterOpts{Name: "dead_letters_total", Help: "Events of the tail that could not be applied."}),
		next:     prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "stream_next_version", Help: "Version of a stream that is read next."}, []string{"stream"}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{Name: "step_failures_total", Help: "Steps that failed and were tried again."}),
		builds:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "rebuilds_total", Help: "Rebuilds by how they ended."}, []string{"state"}),
		seconds:  prometheus.NewGauge(prometheus.GaugeOpts{Name: "last_rebuild_seconds", Help: "Time that the last finished rebuild took."}),
		rows:     prometheus.NewGauge(prometheus.GaugeOpts{Name: "last_rebuild_rows", Help: "Rows that the last finished rebuild wrote."}),
	}
	h.registry.MustRegister(h.applied, h.letters, h.next, h.failures, h.builds, h.seconds, h.rows,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "ready", Help: "1 when the projector was up to date at the end of its last step."}, func() float64 {
			if h.state().Ready {
				return 1
			}
			return 0
		}),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return h
}

// Handler serves /healthz (the process lives), /readyz (503 until the read model is up to date, and after a failed
// step) and /metrics.
func (h *Health) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { h.write(w, false) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { h.write(w, true) })
	mux.Handle("GET /metrics", promhttp.HandlerFor(h.registry, promhttp.HandlerOpts{}))
	return mux
}

type state struct {
	Ready    bool      `json:"ready"`
	UpToDate time.Time `json:"up_to_date,omitzero"` // when there was last nothing left to apply, UTC
	Error    string    `json:"error,omitempty"`
}

func (h *Health) state() state {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := state{Ready: h.err == nil && !h.upToDate.IsZero(), UpToDate: h.upToDate.UTC()}
	switch {
	case h.err != nil:
		s.Error = h.err.Error()
	case h.upToDate.IsZero():
		s.UpToDate, s.Error = time.Time{}, "the first step has not ended"
	}
	return s
}

// write answers with the state as JSON; strict makes everything but readiness a 503.
func (h *Health) write(w http.ResponseWriter, strict bool) {
	s := h.state()
	w.Header().Set("Content-Type", "application/json")
	if strict && !s.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(s) // whoever asked has gone
}

// step notes how a step ended: up to date, or with an error that will be tried again.
func (h *Health) step(err error) {
	if h == nil {
		return
	}
	if err != nil {
		h.failures.Inc()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err = err; err == nil {
		h.upToDate = h.now()
	}
}

func (h *Health) advanced(stream string, next int64, n *news) {
	if h == nil {
		return
	}
	h.next.WithLabelValues(stream).Set(float64(next))
	h.applied.WithLabelValues(stream).Add(float64(n.events))
	h.letters.Add(float64(len(n.deadLetters)))
}

func (h *Health) built(b *Build, err error) {
	if h == nil {
		return
	}
	if err != nil {
		h.builds.WithLabelValues("failed").Inc()
		return
	}
	h.builds.WithLabelValues("done").Inc()
	h.seconds.Set(b.Seconds)
	h.rows.Set(float64(b.Rows))
}

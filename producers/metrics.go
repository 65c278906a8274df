package producers

import (
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics is what a producer counts, in a registry of its own. All methods bear a nil receiver and
// are safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry
	appended *prometheus.CounterVec
	steps    prometheus.Histogram
	errors   *prometheus.CounterVec
	queue    prometheus.Gauge
	cost     prometheus.Counter
	requests *prometheus.CounterVec
	newest   *age
}

// NewMetrics returns the metrics of the named producer, which is the label "producer" of each.
func NewMetrics(producer string, now func() time.Time) *Metrics {
	labels := prometheus.Labels{"producer": producer}
	counter := func(name, help string, of ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help, ConstLabels: labels}, of)
	}
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		appended: counter("events_appended_total", "Events appended to the lake, by kind.", "kind"),
		steps: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "step_duration_seconds", Help: "Duration of a step.", ConstLabels: labels,
			Buckets: prometheus.ExponentialBuckets(0.01, 4, 9)}),
		errors:   counter("errors_total", "Failed steps, by class.", "class"),
		queue:    prometheus.NewGauge(prometheus.GaugeOpts{Name: "queue_length", Help: "Work that is known and not done.", ConstLabels: labels}),
		cost:     prometheus.NewCounter(prometheus.CounterOpts{Name: "cost_dollars_total", Help: "Dollars spent since the start.", ConstLabels: labels}),
		requests: counter("requests_total", "Requests to other servers by host and by status, or class where there was no answer.", "host", "code"),
		newest:   &age{now: now, desc: prometheus.NewDesc("newest_event_age_seconds", "Age of the newest event that this producer knows.", nil, labels)},
	}
	m.registry.MustRegister(m.appended, m.steps, m.errors, m.queue, m.cost, m.requests, m.newest)
	return m
}

// metricsHandler serves the metrics of all, and those of the process, in the Prometheus text format.
func metricsHandler(all ...*Metrics) http.Handler {
	process := prometheus.NewRegistry()
	process.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	gather := prometheus.Gatherers{process}
	for _, m := range all {
		gather = append(gather, m.registry)
	}
	return promhttp.HandlerFor(gather, promhttp.HandlerOpts{})
}

// Appended counts n events of a kind that were appended.
func (m *Metrics) Appended(kind string, n int) {
	if m != nil && n > 0 {
		m.appended.WithLabelValues(kind).Add(float64(n))
	}
}

// Step notes that a step took d and ended with err.
func (m *Metrics) Step(d time.Duration, err error) {
	if m == nil {
		return
	}
	m.steps.Observe(d.Seconds())
	if err != nil {
		m.errors.WithLabelValues(string(ClassOf(err))).Inc()
	}
}

// Failed counts a failure that did not end its step.
func (m *Metrics) Failed(class Class) {
	if m != nil {
		m.errors.WithLabelValues(string(class)).Inc()
	}
}

// Queue notes how much work is known and not done.
func (m *Metrics) Queue(n int) {
	if m != nil {
		m.queue.Set(float64(n))
	}
}

// Cost counts dollars that were spent.
func (m *Metrics) Cost(dollars float64) {
	if m != nil && dollars > 0 {
		m.cost.Add(dollars)
	}
}

// Request counts a request to a host; code is the status, or the class where there was no answer.
func (m *Metrics) Request(host, code string) {
	if m != nil {
		m.requests.WithLabelValues(host, code).Inc()
	}
}

// Newest notes that an event of that time is known.
func (m *Metrics) Newest(at time.Time) {
	if m != nil {
		m.newest.set(at)
	}
}

// age is a gauge that is missing, not zero or NaN, until there is something to tell the age of.
type age struct {
	now  func() time.Time
	desc *prometheus.Desc
	mu   sync.Mutex
	at   time.Time // guarded by mu
}

func (a *age) set(at time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if at.After(a.at) {
		a.at = at
	}
}

// Describe implements prometheus.Collector.
func (a *age) Describe(ch chan<- *prometheus.Desc) { ch <- a.desc }

// Collect implements prometheus.Collector.
func (a *age) Collect(ch chan<- prometheus.Metric) {
	a.mu.Lock()
	at := a.at
	a.mu.Unlock()
	if !at.IsZero() {
		ch <- prometheus.MustNewConstMetric(a.desc, prometheus.GaugeValue, a.now().Sub(at).Seconds())
	}
}

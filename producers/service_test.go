package producers

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestService(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	steps, results, address := make(chan struct{}), make(chan error), make(chan net.Addr, 1)
	m := NewMetrics("tester", time.Now)
	unreachable := error(nil)
	s := &Service{
		Loop: Loop{Name: "tester", Every: time.Millisecond, Log: slog.New(slog.DiscardHandler), Step: func(ctx context.Context) (int, error) {
			select {
			case steps <- struct{}{}:
				return 0, <-results
			case <-ctx.Done():
				return 0, ctx.Err()
			}
		}},
		Listen: "127.0.0.1:0", Listening: func(a net.Addr) { address <- a }, Metrics: m,
		Ready: func(context.Context) error { return unreachable },
	}
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	url := "http://" + (<-address).String()
	<-steps
	if code, body := get(t, url+"/readyz"); code != 503 || !strings.Contains(body, "first step has not ended") {
		t.Errorf("before the first step: %d %s", code, body)
	}
	results <- nil
	<-steps
	if code, body := get(t, url+"/readyz"); code != 200 || !json.Valid([]byte(body)) {
		t.Errorf("after a step: %d %s", code, body)
	}
	unreachable = errors.New("lake gone")
	if code, body := get(t, url+"/readyz"); code != 503 || !strings.Contains(body, "lake gone") {
		t.Errorf("without the lake: %d %s", code, body)
	}
	unreachable = nil
	results <- &Error{Class: Server, Host: "x", Status: 503}
	<-steps
	if code, body := get(t, url+"/readyz"); code != 503 || !strings.Contains(body, "HTTP 503") {
		t.Errorf("after a failure: %d %s", code, body)
	}
	if code, _ := get(t, url+"/healthz"); code != 200 {
		t.Errorf("healthz after a failure: %d", code)
	}
	m.Appended("post_observed", 3)
	m.Queue(4)
	m.Cost(0.25)
	m.Newest(time.Now())
	m.Request("host", "200")
	_, body := get(t, url+"/metrics")
	for _, want := range []string{
		`events_appended_total{kind="post_observed",producer="tester"} 3`, `errors_total{class="server",producer="tester"} 1`,
		`queue_length{producer="tester"} 4`, `cost_dollars_total{producer="tester"} 0.25`, `step_duration_seconds_count{producer="tester"} 2`,
		`requests_total{code="200",host="host",producer="tester"} 1`, `newest_event_age_seconds{producer="tester"}`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("metrics lack %s", want)
		}
	}
	go func() { results <- nil }()
	stop()
	if err := <-done; err != nil {
		t.Errorf("stopped: %v", err)
	}
}

// Nobody listens with Once; a taken address is an error before any work.
func TestServiceListen(t *testing.T) {
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	steps := 0
	s := Service{Loop: Loop{Name: "x", Once: true, Log: slog.New(slog.DiscardHandler), Step: func(context.Context) (int, error) { steps++; return 0, nil }}, Listen: taken.Addr().String()}
	if err := s.Run(t.Context()); err != nil || steps != 1 {
		t.Errorf("once: %v, %d steps", err, steps)
	}
	s.Once = false
	if err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "--listen") || steps != 1 {
		t.Errorf("taken: %v, %d steps", err, steps)
	}
}

func TestNoMetrics(t *testing.T) {
	var m *Metrics
	m.Appended("x", 1)
	m.Step(time.Second, errors.New("x"))
	m.Failed(Server)
	m.Queue(1)
	m.Cost(1)
	m.Request("h", "200")
	m.Newest(time.Now())
}

// An error that says when to come back is obeyed; others are backed off from.
func TestLoopPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		var at []time.Duration
		began := time.Now()
		err := Run(ctx, Loop{Name: "x", Every: time.Minute, Log: slog.New(slog.DiscardHandler), Step: func(context.Context) (int, error) {
			at = append(at, time.Since(began))
			switch len(at) {
			case 1, 2:
				return 0, errors.New("plain")
			case 3:
				return 0, &Error{Class: OverBudget, RetryAfter: 3 * time.Hour}
			case 4:
				return 0, nil
			}
			stop()
			return 0, nil
		}})
		if err != nil || len(at) != 5 || at[1] != time.Second || at[2] != 3*time.Second || at[3] != 3*time.Hour+3*time.Second {
			t.Errorf("error %v, steps at %v", err, at)
		}
		if last := at[4] - at[3]; last < time.Minute || last > 66*time.Second {
			t.Errorf("the pause after success was %s", last)
		}
	})
}

func TestProblems(t *testing.T) {
	var p Problems
	usage := errors.New("usage")
	if p.Add(nil); p.Err(usage) != nil {
		t.Error("no problem is an error")
	}
	p.Require(true, "never")
	p.Require(false, "--a %d is wrong", 7)
	p.Add(errors.New("--b is missing"))
	if err := p.Err(usage); !errors.Is(err, usage) || !strings.Contains(err.Error(), "--a 7 is wrong") || !strings.Contains(err.Error(), "--b is missing") {
		t.Errorf("error %v", err)
	}
}

// News end the pause after an error, but no sooner than ten seconds after it, however many there are
// that the failing step did not read; where the error says when to come back they do not.
func TestNewsAfterAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		var at []time.Duration
		began := time.Now()
		unread := func(context.Context) error { return nil }
		err := Run(ctx, Loop{Name: "x", Every: time.Hour, Wait: unread, Log: slog.New(slog.DiscardHandler), Step: func(context.Context) (int, error) {
			at = append(at, time.Since(began))
			switch len(at) {
			case 6:
				return 0, &Error{Class: RateLimited, RetryAfter: time.Minute}
			case 7:
				stop()
			}
			return 0, errors.New("plain")
		}})
		// 1, 2, 4 and 8 s of backoff; of the 16 s after the fifth ten; then the minute asked for.
		want := []time.Duration{0, time.Second, 3 * time.Second, 7 * time.Second, 15 * time.Second, 25 * time.Second, 85 * time.Second}
		if err != nil || !slices.Equal(at, want) {
			t.Errorf("error %v, steps at %v, want %v", err, at, want)
		}
	})
}

// Several services at one address: ready when all are, and the metrics of all on one page.
func TestHandlerOfSeveral(t *testing.T) {
	one, two := NewMetrics("one", time.Now), NewMetrics("two", time.Now)
	step := func(context.Context) (int, error) { return 0, nil }
	a, b, c := &Service{Loop: Loop{Name: "one", Step: step}, Metrics: one}, &Service{Loop: Loop{Name: "two", Step: step}, Metrics: two}, &Service{Loop: Loop{Name: "two", Step: step}, Metrics: two}
	foreign := error(nil)
	server := httptest.NewServer(Handler(a, b, c, &Service{Loop: Loop{Name: "foreign"}, Ready: func(context.Context) error { return foreign }}))
	defer server.Close()
	for _, s := range []*Service{a, b} {
		s.health.note(time.Now(), nil)
	}
	if code, body := get(t, server.URL+"/readyz"); code != 503 || !strings.Contains(body, `"ready":false`) || !strings.Contains(body, `"producer":"one","ready":true`) {
		t.Errorf("before the last has begun: %d %s", code, body)
	}
	c.health.note(time.Now(), nil)
	if code, body := get(t, server.URL+"/readyz"); code != 200 || !strings.HasPrefix(body, `{"ready":true,"services":[`) {
		t.Errorf("when all have: %d %s", code, body)
	}
	b.health.note(time.Now(), errors.New("broken"))
	if code, body := get(t, server.URL+"/readyz"); code != 503 || !strings.Contains(body, "broken") {
		t.Errorf("when one fails: %d %s", code, body)
	}
	b.health.note(time.Now(), nil)
	foreign = errors.New("the other is behind")
	if code, body := get(t, server.URL+"/readyz"); code != 503 || !strings.Contains(body, "the other is behind") {
		t.Errorf("when another's loop fails: %d %s", code, body)
	}
	one.Queue(3)
	two.Queue(4)
	code, body := get(t, server.URL+"/metrics")
	for _, want := range []string{`queue_length{producer="one"} 3`, `queue_length{producer="two"} 4`, "go_goroutines"} {
		if code != 200 || strings.Count(body, want) == 0 {
			t.Errorf("metrics, status %d, lack %s", code, want)
		}
	}
}

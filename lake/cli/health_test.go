package cli

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestHealthFlagAsksTheService(t *testing.T) {
	status := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/healthz" {
			t.Errorf("asked for %s", r.URL.Path)
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte("the last step failed"))
	}))
	address := strings.TrimPrefix(server.URL, "http://")
	ask := func(address string) (bool, error) {
		var g struct{ Health HealthFlag }
		var out bytes.Buffer
		_, done, err := Parse(&g, "x", "", []string{"--health=" + address}, &out, &out)
		return done, err
	}
	if done, err := ask(address); !done || err != nil {
		t.Errorf("a healthy service: done %v, %v", done, err)
	}
	if done, err := ask(address[strings.Index(address, ":"):]); !done || err != nil {
		t.Errorf("without a host: done %v, %v", done, err)
	}
	status = http.StatusServiceUnavailable
	if _, err := ask(address); !errors.Is(err, ErrUnhealthy) || errors.Is(err, ErrUsage) || !strings.Contains(err.Error(), "the last step failed") {
		t.Errorf("a sick service: %v", err)
	}
	server.Close()
	if _, err := ask(address); !errors.Is(err, ErrUnhealthy) {
		t.Errorf("no service: %v", err)
	}
	if _, err := ask("nonsense"); !errors.Is(err, ErrUsage) {
		t.Errorf("no address: %v", err)
	}
}

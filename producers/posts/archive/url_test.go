package archive

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/producers"
	"shitpost-alpha/producers/fakes"
)

func TestURL(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	fake, err := fakes.New(fakes.Options{Now: func() time.Time { return now }, MadeUp: 500})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(fake)
	defer server.Close()
	address := "http://user:canary-pass@" + strings.TrimPrefix(server.URL, "http://") + "/archive/truth_archive.json?key=canary-key"
	s := &Source{Paths: []string{address}, Client: &producers.Client{Backoff: time.Nanosecond}}
	read := func() (n int, err error) {
		err = s.Read(t.Context(), func(p event.Post) error {
			if p.Kind != event.PostObserved || p.Source != "archive:truth_archive.json" {
				t.Errorf("draft %s of %s: %s", p.Kind, p.Source, p.RejectedDetail)
			}
			n++
			return nil
		})
		return n, err
	}
	if n, err := read(); n != 500 || err != nil {
		t.Errorf("read %d, %v", n, err)
	}
	if n, err := read(); n != 500 || err != nil {
		t.Errorf("not recorded, so all again: read %d, %v", n, err)
	}
	s.Committed()
	if n, err := read(); n != 0 || err != nil {
		t.Errorf("not changed: read %d, %v", n, err)
	}
	calls := fake.Calls(fakes.Archive)
	if last := calls[len(calls)-1]; last.Status != 304 || last.Header.Get("If-None-Match") == "" {
		t.Errorf("the last call was answered %d", last.Status)
	}
	fake.Timeline.Add(now.Add(-time.Minute), "new")
	if n, err := read(); n != 501 || err != nil {
		t.Errorf("changed: read %d, %v", n, err)
	}
	for kind, want := range map[fakes.Kind]string{fakes.Cut: "", fakes.Malformed: "cut off", fakes.Cloudflare: "Cloudflare", fakes.Page: "HTML", fakes.Down: "503"} {
		fake.Heal()
		fake.Fault(fakes.Archive, fakes.Fault{Kind: kind})
		_, err := read()
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", kind, err)
		}
		s.Committed() // must not keep the validators of what was not read whole
	}
	fake.Heal()
	if n, err := read(); n != 501 || err != nil {
		t.Errorf("healed: read %d, %v", n, err)
	}
}

func TestURLStops(t *testing.T) {
	fake, err := fakes.New(fakes.Options{MadeUp: 5})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(fake)
	defer server.Close()
	stop := errors.New("stop")
	s := &Source{Paths: []string{server.URL + "/archive/a.json"}, Client: &producers.Client{}}
	if err := s.Read(t.Context(), func(event.Post) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("error %v", err)
	}
	if s.Committed(); len(s.read) != 0 {
		t.Error("an unfinished reading counts as recorded")
	}
}

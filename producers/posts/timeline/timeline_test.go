package timeline

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/producers"
	"shitpost-alpha/producers/fakes"
)

func start(t *testing.T, posts int) (*fakes.Server, string) {
	t.Helper()
	f, err := fakes.New(fakes.Options{MadeUp: posts, ScrapeKey: "canary-key"})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	return f, s.URL
}

// Both show every post once, newest first, under their own names.
func TestRead(t *testing.T) {
	f, url := start(t, 95)
	for name, s := range map[string]*Source{
		"scrapecreators": ScrapeCreators(&producers.Client{}, url+"/v1/", "canary-key"), "truthsocial": TruthSocial(&producers.Client{}, url),
	} {
		var got []string
		err := s.Read(t.Context(), func(p event.Post) error {
			if p.Kind != event.PostObserved || p.Source != name || p.Text == "" {
				t.Errorf("draft %s of %s: %s", p.Kind, p.Source, p.RejectedDetail)
			}
			got = append(got, p.PostID)
			return nil
		})
		posts := f.Timeline.Posts()
		if err != nil || len(got) != 95 || got[0] != posts[0].ID || got[94] != posts[94].ID || s.Name() != name || !s.Live() {
			t.Errorf("%s: %d posts, error %v", name, len(got), err)
		}
		stop := errors.New("stop")
		if err := s.Read(t.Context(), func(event.Post) error { return stop }); !errors.Is(err, stop) {
			t.Errorf("%s stopped: %v", name, err)
		}
	}
}

// A refusal in the body has its class, and no key in its text.
func TestRefusals(t *testing.T) {
	f, url := start(t, 5)
	for _, c := range []struct {
		key   string
		kind  fakes.Kind
		class producers.Class
	}{
		{"canary-wrong", "", producers.Auth}, {"canary-key", fakes.Refusal, producers.Auth}, {"canary-key", fakes.Cloudflare, producers.Blocked}, {"canary-key", fakes.Page, producers.BadBody},
	} {
		f.Heal()
		if c.kind != "" {
			f.Fault(fakes.ScrapeCreators, fakes.Fault{Kind: c.kind})
		}
		_, err := ScrapeCreators(&producers.Client{Tries: 1}, url+"/v1", c.key).Page(t.Context(), 0)
		if producers.ClassOf(err) != c.class || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", c.kind, err)
		}
	}
	f.Heal()
	f.Fault(fakes.TruthSocial, fakes.Fault{Kind: fakes.RepeatPage})
	if err := TruthSocial(&producers.Client{}, url).Read(t.Context(), func(event.Post) error { return nil }); err == nil {
		t.Error("a timeline that repeats its first page for ever was read to its end")
	}
}

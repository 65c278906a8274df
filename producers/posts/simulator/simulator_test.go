package simulator

import (
	"context"
	"errors"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"shitpost-alpha/lake/event"
)

var start = time.Date(2025, 3, 1, 5, 0, 0, 0, time.UTC) // midnight in New York

// timeline returns what the simulator shows of a seed between two instants.
func timeline(t rapid.TB, seed uint64, from, to time.Time) []event.Post {
	t.Helper()
	s := &Source{Seed: seed, From: from, Now: func() time.Time { return to }}
	var out []event.Post
	if err := s.Read(context.Background(), func(p event.Post) error { out = append(out, p); return nil }); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestDeterministic(t *testing.T) {
	to := start.AddDate(0, 0, 20)
	a, b := timeline(t, 7, start, to), timeline(t, 7, start, to)
	if len(a) == 0 || !reflect.DeepEqual(a, b) {
		t.Errorf("two readings differ: %d and %d posts", len(a), len(b))
	}
	if c := timeline(t, 8, start, to); reflect.DeepEqual(a, c) {
		t.Error("another seed shows the same posts")
	}
}

// What was shown stays, whenever it is read again: a longer range begins with the shorter one.
func TestPrefix(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "seed")
		from := start.Add(time.Duration(rapid.IntRange(0, 400*24*60).Draw(t, "from")) * time.Minute)
		to := from.Add(time.Duration(rapid.IntRange(0, 4*24*60).Draw(t, "to")) * time.Minute)
		later := to.Add(time.Duration(rapid.IntRange(0, 2*24*60).Draw(t, "later")) * time.Minute)
		short, long := timeline(t, seed, from, to), timeline(t, seed, from, later)
		if len(short) > len(long) || len(short) > 0 && !reflect.DeepEqual(short, long[:len(short)]) {
			t.Fatalf("%d posts until %v are no prefix of %d until %v", len(short), to, len(long), later)
		}
		// A later start leaves out the older posts and changes nothing else.
		mid := from.Add(to.Sub(from) / 2)
		var want []event.Post
		for _, p := range long {
			if !p.PublishedAt.Before(mid) {
				want = append(want, p)
			}
		}
		if got := timeline(t, seed, mid, later); !reflect.DeepEqual(got, want) {
			t.Fatalf("from %v there are %d posts, want %d", mid, len(got), len(want))
		}
	})
}

func TestPosts(t *testing.T) {
	to := start.AddDate(0, 0, 365)
	posts := timeline(t, 1, start, to)
	var last uint64
	var shown time.Time
	seen := map[string]event.Post{}
	edits := 0
	for _, p := range posts {
		event.Seal(&p, "")
		if err := event.Check(&p); err != nil {
			t.Fatal(err)
		}
		if !p.Synthetic || p.Source != Name || p.PublishedAt.Before(start) || p.PublishedAt.After(to) || p.EditedAt.After(to) {
			t.Fatalf("post %s: synthetic %v, source %q, published %v, edited %v", p.PostID, p.Synthetic, p.Source, p.PublishedAt, p.EditedAt)
		}
		if strings.ContainsAny(p.Text, "{}<>") {
			t.Fatalf("a slot is left open in %q", p.Text)
		}
		at := p.PublishedAt
		if old, ok := seen[p.PostID]; ok {
			edits++
			at = p.EditedAt
			if p.Text == old.Text || !p.EditedAt.After(p.PublishedAt) {
				t.Fatalf("edit of %s at %v says %q, before %q", p.PostID, p.EditedAt, p.Text, old.Text)
			}
		} else {
			id, _ := strconv.ParseUint(p.PostID, 10, 63)
			if id <= last {
				t.Fatalf("id %d does not ascend after %d", id, last)
			}
			last = id
		}
		if at.Before(shown) {
			t.Fatalf("post %s at %v comes after %v", p.PostID, at, shown)
		}
		seen[p.PostID], shown = p, at
	}
	if edits < 50 || edits > 500 {
		t.Errorf("%d edits of %d posts", edits, len(seen))
	}
}

// The mix is what everything downstream needs to be exercised.
func TestMix(t *testing.T) {
	newYork, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	posts := timeline(t, 3, start, start.In(newYork).AddDate(0, 0, 200)) // whole days
	days := map[string]int{}
	n := map[string]int{}
	longest := 0
	for i := range posts {
		p := &posts[i]
		if !p.EditedAt.IsZero() {
			continue
		}
		local := p.PublishedAt.In(newYork)
		days[local.Format(time.DateOnly)]++
		count := func(what string, yes bool) {
			if yes {
				n[what]++
			}
		}
		count("all", true)
		count("repost", p.IsRepost())
		count("repost by id", p.ReblogID != "")
		count("quote", p.QuoteID != "" && !p.IsRepost())
		count("empty", p.Text == "")
		count("empty without media", p.Text == "" && len(p.MediaURLs) == 0)
		count("link only", strings.HasPrefix(p.Text, "https://") && !strings.Contains(p.Text, " "))
		count("tiny", p.Text != "" && len(p.Text) < 12)
		count("tariff", strings.Contains(strings.ToLower(p.Text), "tariff"))
		count("company", containsAny(p.Text, companies))
		count("country", containsAny(p.Text, countries))
		count("denial", strings.Contains(p.Text, "NOT in trouble") || strings.Contains(p.Text, "not true") || strings.Contains(p.Text, "No tariffs"))
		count("morning or evening", local.Hour() >= 6 && local.Hour() < 10 || local.Hour() >= 19)
		count("small hours", local.Hour() >= 3 && local.Hour() < 6)
		longest = max(longest, len(p.Text))
	}
	for day, posts := range days {
		if posts < 14 || posts > 40 {
			t.Errorf("%d posts on %s", posts, day)
		}
	}
	share := func(what string, low, high float64) {
		if got := float64(n[what]) / float64(n["all"]); got < low || got > high {
			t.Errorf("%s: %.3f of all, want %.2f to %.2f", what, got, low, high)
		}
	}
	share("repost", 0.10, 0.14)
	share("repost by id", 0.04, 0.08)
	share("quote", 0.02, 0.06)
	share("empty", 0.06, 0.10)
	share("empty without media", 0, 0)
	share("link only", 0.03, 0.07)
	share("tiny", 0.01, 0.05)
	share("tariff", 0.10, 0.40)
	share("company", 0.25, 0.60)
	share("country", 0.20, 0.60)
	share("denial", 0.02, 0.20)
	share("morning or evening", 0.60, 0.85)
	share("small hours", 0, 0.02)
	if longest < 200 || longest > 1500 {
		t.Errorf("the longest text has %d bytes", longest)
	}
}

func containsAny(s string, words []string) bool {
	for _, w := range words {
		if strings.Contains(s, w) {
			return true
		}
	}
	return false
}

func TestEnd(t *testing.T) {
	now := start.AddDate(0, 0, 10)
	s := &Source{Seed: 1, From: start, To: start.AddDate(0, 0, 2), Now: func() time.Time { return now }}
	var newest time.Time
	if err := s.Read(context.Background(), func(p event.Post) error { newest = p.PublishedAt; return nil }); err != nil {
		t.Fatal(err)
	}
	if s.Live() || newest.After(s.To) || newest.Before(start) {
		t.Errorf("live %v, newest post %v; want an end at %v", s.Live(), newest, s.To)
	}
	if s.To = (time.Time{}); !s.Live() {
		t.Error("without an end the timeline is live")
	}
	stop := errors.New("stop")
	if err := s.Read(context.Background(), func(event.Post) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("error %v, want that of yield", err)
	}
	s.From = time.Time{}
	if err := s.Read(context.Background(), nil); err == nil {
		t.Error("no error without a start")
	}
}

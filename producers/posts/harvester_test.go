package posts

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/realdata"
	"shitpost-alpha/producers/posts/archive"
	"shitpost-alpha/producers/posts/record"
	"shitpost-alpha/producers/posts/simulator"
)

func step(t testing.TB, h *Harvester) int {
	t.Helper()
	n, err := h.Step(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

var noon = time.Date(2025, 6, 2, 12, 0, 0, 0, time.UTC)

// A real archive is recorded once, however often it is read and by whom.
func TestHarvestTwice(t *testing.T) {
	folder := t.TempDir()
	paths := []string{filepath.Join(realdata.Path(t), "posts"), filepath.Join(realdata.Path(t), "wire", "cnn")}
	h := New(openLake(t, folder).Posts, &archive.Source{Paths: paths})
	first := step(t, h)
	// 47,496 rows; of the export's 3,440 own ones 165 say again what another said, 570 are rejected.
	want := map[event.Kind]int{event.PostObserved: 46761, event.RecordRejected: 570, event.WindowRead: 10}
	events := all(t, openLake(t, folder))
	if got := kinds(events); !maps.Equal(got, want) || first != len(events) {
		t.Errorf("appended %d events: %v, want %v", first, got, want)
	}
	if n := step(t, h); n != 0 {
		t.Errorf("the second run appended %d events", n)
	}
	if n := step(t, New(openLake(t, folder).Posts, &archive.Source{Paths: paths})); n != 0 {
		t.Errorf("another harvester appended %d events", n)
	}
	read, known := 0, 0
	for _, r := range h.Reports() {
		read, known = read+r.Read, known+r.Known
		if r.New+r.Versions+r.NewRejected != 0 {
			t.Errorf("%s: %+v", r.Source, r)
		}
	}
	if read != 47496 || known != read {
		t.Errorf("read %d documents, of which %d known", read, known)
	}
}

func TestReport(t *testing.T) {
	folder := t.TempDir()
	h := New(openLake(t, folder).Posts, &archive.Source{Paths: []string{filepath.Join(realdata.Path(t), "posts", "apify_export_2024-03_2024-09.csv")}})
	h.DryRun = true
	if n := step(t, h); n != 0 {
		t.Errorf("a dry run appended %d events", n)
	}
	if _, err := os.Stat(filepath.Join(folder, "posts")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a dry run made the table: %v", err)
	}
	dry := *h.Reports()[0]
	h = New(openLake(t, folder).Posts, h.Sources...)
	step(t, h)
	got := *h.Reports()[0]
	if got.Read != 4010 || got.New != 3214 || got.Versions != 61 || got.Known != 165 || got.ClockOff != 3440 || got.NewRejected != 570 ||
		!maps.Equal(got.Rejected, map[string]int{"other account": 570}) {
		t.Errorf("report %+v", got)
	}
	if fmt.Sprint(dry) != fmt.Sprint(got) {
		t.Errorf("the dry run reported %+v, the run %+v", dry, got)
	}
	var table bytes.Buffer
	if err := WriteTable(&table, h.Reports()); err != nil || !strings.Contains(table.String(), "570 other account") || !strings.Contains(table.String(), "4010") {
		t.Errorf("table, error %v:\n%s", err, table.String())
	}
	for _, e := range all(t, openLake(t, folder)) {
		if e.Kind == event.WindowRead {
			if e.WindowComplete || e.WindowPosts != 3440 || !e.WindowFrom.Equal(got.Oldest) || !e.WindowTo.Equal(got.Newest) || e.Key != e.Source {
				t.Errorf("window %+v", e)
			}
		}
	}
}

// Killed anywhere, and taken up again: the same set of events as in one go.
func TestKilled(t *testing.T) {
	path := filepath.Join(realdata.Path(t), "posts")
	sources := func() []Source {
		return []Source{
			&archive.Source{Paths: []string{filepath.Join(path, "apify_export_2024-03_2024-09.csv"), filepath.Join(path, "with_cards_2025-06-22_2025-07-01.json")}},
			&simulator.Source{Seed: 1, From: noon.AddDate(0, 0, -30), To: noon, Now: func() time.Time { return noon }},
		}
	}
	whole := openLake(t, t.TempDir())
	step(t, New(whole.Posts, sources()...))
	want := facts(all(t, whole))
	rng := rand.New(rand.NewPCG(1, 2))
	killed := openLake(t, t.TempDir())
	for range 12 {
		ctx, kill := context.WithCancel(t.Context())
		after := 1 + rng.IntN(4900)
		h := New(killed.Posts)
		h.batchPosts = 1 + rng.IntN(2000)
		for _, s := range sources() {
			h.Sources = append(h.Sources, &killer{Source: s, after: &after, kill: kill})
		}
		if _, err := h.Step(ctx); err == nil || !errors.Is(err, context.Canceled) {
			t.Errorf("killed after %d more: error %v", after, err)
		}
		kill()
	}
	step(t, New(killed.Posts, sources()...))
	if got := facts(all(t, killed)); !slices.Equal(got, want) {
		t.Errorf("%d events after the kills, %d without", len(got), len(want))
	}
}

// killer ends the context after so many drafts, of all sources together.
type killer struct {
	Source
	after *int
	kill  func()
}

func (k *killer) Read(ctx context.Context, yield func(event.Post) error) error {
	return k.Source.Read(ctx, func(p event.Post) error {
		if *k.after--; *k.after == 0 {
			k.kill()
		}
		return yield(p)
	})
}

// Two harvesters at once record each fact once.
func TestTwoAtOnce(t *testing.T) {
	folder := t.TempDir()
	var wait sync.WaitGroup
	for i := range 2 {
		wait.Go(func() {
			h := New(openLake(t, folder).Posts, &archive.Source{Paths: []string{filepath.Join(realdata.Path(t), "posts", "apify_export_2024-03_2024-09.csv")}})
			h.batchPosts = 300 + 50*i
			if _, err := h.Step(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if got := kinds(all(t, openLake(t, folder))); got[event.PostObserved] != 3275 || got[event.RecordRejected] != 570 || got[event.WindowRead] == 0 {
		t.Errorf("recorded %v", got)
	}
}

// A changed text is a version of the post, in the same file only; both versions in one file stay two.
func TestVersions(t *testing.T) {
	l := openLake(t, t.TempDir())
	a, b := &list{name: "a"}, &list{name: "b"}
	h := New(l.Posts, a, b)
	a.posts = []event.Post{post("a", noon, "one")}
	b.posts = []event.Post{post("b", noon, "one, differently")}
	step(t, h)
	if r := h.Reports(); r[0].New != 1 || r[1].New != 1 || r[1].Versions != 0 {
		t.Errorf("first run: %+v %+v", r[0], r[1])
	}
	a.posts = []event.Post{post("a", noon, "one"), post("a", noon, "two"), post("a", noon, "one")}
	step(t, h)
	if r := h.Reports()[0]; r.New != 0 || r.Versions != 1 || r.Known != 2 {
		t.Errorf("second run: %+v", r)
	}
	if n := step(t, h); n != 0 {
		t.Errorf("third run appended %d events", n)
	}
	for _, e := range all(t, l) {
		if e.Kind == event.PostObserved && e.Text == "two" && e.Supersedes == "" {
			t.Error("the version does not name what it supersedes")
		}
	}
}

// A rejected document is recorded once, even when its place in the file changes.
func TestRejectedOnce(t *testing.T) {
	src := &list{name: "a", posts: []event.Post{record.Rejected(record.Origin{Source: "a", Place: "f row 1"}, record.NoID, "no id", []byte("x"))}}
	l := openLake(t, t.TempDir())
	h := New(l.Posts, src)
	if n := step(t, h); n != 1 {
		t.Errorf("appended %d events, want the rejection", n)
	}
	src.posts = []event.Post{record.Rejected(record.Origin{Source: "a", Place: "f row 2"}, record.NoID, "no id", []byte("x")), post("a", noon, "one")}
	step(t, h)
	if got := kinds(all(t, l)); got[event.RecordRejected] != 1 || got[event.PostObserved] != 1 {
		t.Errorf("recorded %v", got)
	}
	for _, e := range all(t, l) {
		if e.Kind == event.RecordRejected && (e.RejectedReason != record.NoID || e.Payload != "x" || e.OccurredAt.IsZero()) {
			t.Errorf("rejection %+v", e)
		}
	}
}

// A live source says each hour that it was read; an archive only when there was something new.
func TestWindows(t *testing.T) {
	l := openLake(t, t.TempDir())
	now := noon
	live := &list{name: "live", live: true, posts: []event.Post{post("live", noon.Add(-2*time.Hour), "one")}}
	file := &list{name: "file", posts: []event.Post{post("file", noon.Add(-2*time.Hour), "one")}}
	h := New(l.Posts, live, file)
	h.Now = func() time.Time { return now }
	for _, c := range []struct {
		minutes, appended int
		why               string
	}{
		{0, 4, "two posts, two windows"}, {5, 0, "nothing new"}, {54, 0, "not yet an hour"}, {1, 1, "an hour of silence"}, {59, 0, "not yet again"}, {1, 1, "another hour"},
	} {
		now = now.Add(time.Duration(c.minutes) * time.Minute)
		if n := step(t, h); n != c.appended {
			t.Errorf("at %s: appended %d, want %d: %s", now.Format(time.TimeOnly), n, c.appended, c.why)
		}
	}
	// A failed reading is no silence, and no complete window either.
	now = now.Add(2 * time.Hour)
	live.err = errors.New("source down")
	if n, err := h.Step(t.Context()); n != 0 || !errors.Is(err, live.err) {
		t.Errorf("failed reading: appended %d, error %v", n, err)
	}
	live.posts = append(live.posts, post("live", noon, "two"))
	if n, err := h.Step(t.Context()); n != 2 || !errors.Is(err, live.err) {
		t.Errorf("failed reading with news: appended %d, error %v", n, err)
	}
	complete := 0
	for _, e := range all(t, l) {
		if e.Kind == event.WindowRead && e.WindowComplete {
			complete++
			if e.Source != "live" {
				t.Errorf("window of %s is complete", e.Source)
			}
		}
	}
	if complete != 3 {
		t.Errorf("%d complete windows, want 3", complete)
	}
}

func TestRangeAndLimit(t *testing.T) {
	l := openLake(t, t.TempDir())
	src := &list{name: "a"}
	for i := range 10 {
		src.posts = append(src.posts, post("a", noon.AddDate(0, 0, i), fmt.Sprint("text ", i)))
	}
	h := New(l.Posts, src)
	h.From, h.To = noon.AddDate(0, 0, 2), noon.AddDate(0, 0, 8)
	h.Limit, h.batchPosts = 4, 3
	for _, want := range []int{4, 2, 0} {
		step(t, h)
		if r := h.Reports()[0]; r.New != want {
			t.Errorf("recorded %d posts, want %d: %+v", r.New, want, r)
		}
	}
	if r := h.Reports()[0]; r.OutsideRange != 4 || r.Read != 10 || r.Known != 6 {
		t.Errorf("report %+v", r)
	}
	for _, e := range all(t, l) {
		if e.Kind == event.PostObserved && (e.PublishedAt.Before(h.From) || !e.PublishedAt.Before(h.To)) {
			t.Errorf("recorded %v", e.PublishedAt)
		}
	}
}

// One source that fails does not keep the other from being recorded.
func TestFailingSource(t *testing.T) {
	l := openLake(t, t.TempDir())
	bad := &list{name: "bad", err: errors.New("bad file")}
	h := New(l.Posts, bad, &list{name: "good", posts: []event.Post{post("good", noon, "one")}})
	n, err := h.Step(t.Context())
	if n != 2 || !errors.Is(err, bad.err) || !strings.Contains(err.Error(), "harvest bad") {
		t.Errorf("appended %d, error %v", n, err)
	}
}

// The simulator is recorded as its time goes on, and marked as what it is.
func TestSimulatorGoesOn(t *testing.T) {
	l := openLake(t, t.TempDir())
	now := noon
	clock := func() time.Time { return now }
	h := New(l.Posts, &simulator.Source{Seed: 1, From: noon.AddDate(0, 0, -3), Now: clock})
	h.Now = clock
	first := step(t, h)
	now = now.Add(24 * time.Hour)
	if more := step(t, h); more < 10 || more >= first {
		t.Errorf("a day later %d more events, %d at first", more, first)
	}
	for _, e := range all(t, l) {
		if !e.Synthetic || e.Source != "simulator" {
			t.Errorf("%s of %s is not marked synthetic", e.Kind, e.Source)
		}
	}
}

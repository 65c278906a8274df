package analysis_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/objects"
	"shitpost-alpha/producers/analysis"
)

// readCounter counts what is read from a store.
type readCounter struct {
	objects.Memory
	gets, bytes atomic.Int64
}

func (c *readCounter) Get(ctx context.Context, key string) ([]byte, objects.Info, error) {
	data, info, err := c.Memory.Get(ctx, key)
	c.gets.Add(1)
	c.bytes.Add(int64(len(data)))
	return data, info, err
}

func (c *readCounter) GetRange(ctx context.Context, key string, offset, length int64) ([]byte, error) {
	data, err := c.Memory.GetRange(ctx, key, offset, length)
	c.gets.Add(1)
	c.bytes.Add(int64(len(data)))
	return data, err
}

// writer returns what makes up n words of a vocabulary of 4,000, the usual ones often, and what drafts
// the ith post with a payload like a real one's.
func writer() (words func(n int) string, draft func(i int) event.Post) {
	rng := rand.New(rand.NewPCG(3, 4))
	words = func(n int) string { // of a vocabulary of 4,000, the usual ones often
		var b strings.Builder
		for range n {
			k := int(4000 * rng.Float64() * rng.Float64() * rng.Float64())
			fmt.Fprintf(&b, "%s ", event.Hash(fmt.Sprint(k))[:2+k%7])
		}
		return b.String()
	}
	draft = func(i int) event.Post {
		p := post(i*20-28_000*20+300_000, "scrapecreators", words(30))
		p.SetPayload(fmt.Appendf(nil, `{"id":%q,"content":"<p>%s</p>","account":{"id":"107780257626128497","note":%q},"replies_count":%d,"card":{"title":%q,"image":"https://static/%s/%s.jpg"}}`,
			p.PostID, p.Text, strings.Repeat("The account's own note. ", 40), rng.IntN(9000), words(12), event.Hash(p.PostID), event.Hash(p.Text)))
		return p
	}
	return words, draft
}

// TestOnceReadsLittle: a run on an empty machine at the user's size, 28,000 posts with payloads and
// 3,000 verdicts, maintained as a lake is and then with ten posts in commits of their own, reads little
// of it, and answers what is open.
func TestOnceReadsLittle(t *testing.T) {
	store := &readCounter{}
	now := launch().AddDate(1, 0, 0)
	l := lake.New(store, "memory", lake.Options{Producer: "test@1", Now: func() time.Time { return now }})
	words, draft := writer()
	rec := lake.NewRecorder(l.Posts, nil)
	put := func(from, to int) {
		t.Helper()
		var drafts []event.Post
		for i := from; i < to; i++ {
			drafts = append(drafts, draft(i))
		}
		if n, err := rec.Record(t.Context(), func() ([]event.Post, error) { return drafts, nil }); err != nil || n != to-from {
			t.Fatalf("recorded %d posts, %v", n, err)
		}
	}
	for i := range 7 {
		put(i*4000, (i+1)*4000)
	}
	open := func(l *lake.Lake, model analysis.Model, limit int) *analysis.Analyzer {
		c := analysis.Config{Analyzer: "llm", Provider: "p", Model: "m", PromptVersion: "v1"}
		return analysis.New(l, analysis.Options{Model: model, Config: c, Backfill: true, Limit: limit, Now: func() time.Time { return now }, Log: quiet()})
	}
	model := modelFunc(func(analysis.Input) (analysis.Answer, error) {
		return analysis.Answer{Confidence: 0.5, Thesis: words(20), Raw: []byte(words(60))}, nil
	})
	if n, err := open(l, model, 3000).Step(t.Context()); err != nil || n != 3000 {
		t.Fatalf("the first verdicts: %d, %v", n, err)
	}
	for _, compact := range []func() error{
		func() error { _, err := l.Posts.Compact(t.Context(), lake.CompactOptions{MinFiles: 2}); return err },
		func() error {
			_, err := l.Predictions.Compact(t.Context(), lake.CompactOptions{MinFiles: 2})
			return err
		},
		func() error { _, err := l.Posts.Checkpoint(t.Context()); return err },
		func() error { _, err := l.Predictions.Checkpoint(t.Context()); return err },
	} {
		if err := compact(); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 10 {
		put(28_000+i, 28_001+i)
	}
	stat, err := l.Posts.Stat(t.Context(), -1)
	if err != nil {
		t.Fatal(err)
	}
	store.gets.Store(0)
	store.bytes.Store(0)
	cold := lake.New(store, "memory", lake.Options{Producer: "test@1", Now: func() time.Time { return now }})
	a := open(cold, model, 10)
	if n, err := a.Step(t.Context()); err != nil || n != 10 {
		t.Errorf("appended %d, %v", n, err)
	}
	if r := a.Report(); r.Posts != 28_010 || r.Completed != 3010 {
		t.Errorf("report %+v", r)
	}
	t.Logf("%d requests, %.1f MB of the %.1f MB that stream posts has", store.gets.Load(), float64(store.bytes.Load())/1e6, float64(stat.Bytes)/1e6)
	if store.bytes.Load() > 10<<20 {
		t.Errorf("read %d bytes", store.bytes.Load())
	}
}

package projectors

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/readmodel/readmodeltest"
)

// realLake returns a lake of real posts and bars, in commits of the size that producers make, with
// predictions on the first posts; and how many events there are.
func realLake(t testing.TB, posts []event.Post, predictions int, bars []event.Price) (*lake.Lake, int) {
	t.Helper()
	l := openLake(t)
	symbols := []string{"SPY", "AAPL", "TSLA", "XOM", "BTC-USD", "NVDA", "LMT", "NONE"}
	answered := answers(posts[:predictions], symbols, rand.New(rand.NewPCG(1, 1)))
	for i := 0; i < len(posts); i += 500 {
		appendAll(t, l.Posts, posts[i:min(i+500, len(posts))]...)
	}
	for i := 0; i < len(answered); i += 100 {
		appendAll(t, l.Predictions, answered[i:min(i+100, len(answered))]...)
	}
	for i := 0; i < len(bars); i += 500 {
		appendAll(t, l.Prices, bars[i:min(i+500, len(bars))]...)
	}
	return l, len(posts) + len(answered) + len(bars)
}

// Real posts and bars: the tail and the rebuild come to the same tables.
func TestRealData(t *testing.T) {
	posts := realPosts(t, 1500)
	l, _ := realLake(t, posts, 600, realBars(t, "SPY", "AAPL", "TSLA", "XOM", "BTC-USD", "NVDA", "LMT"))
	url, db := readmodeltest.Open(t)
	p := open(t, openLake(t), url)
	once(t, p) // an empty read model, so that what follows is a tail
	p = open(t, l, url)
	if err := p.load(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := p.catchUp(context.Background()); err != nil {
		t.Fatal(err)
	}
	found := checkVerified(t, p)
	if _, err := p.Rebuild(context.Background(), false); err != nil {
		t.Fatal(err)
	}
	after, err := Hashes(context.Background(), db, "readmodel", true)
	if err != nil {
		t.Fatal(err)
	}
	for i := range after {
		if after[i] != found[i].TableHash {
			t.Errorf("after the rebuild %v, before it %v", after[i], found[i].TableHash)
		}
	}
	var builds, evaluated, shown int
	scan(t, db, "SELECT (SELECT count(*) FROM ops.builds), evaluated, posts FROM readmodel.pipeline", &builds, &evaluated, &shown)
	if builds != 2 || evaluated < 4_000 || shown != len(posts) {
		t.Errorf("%d builds, %d outcomes evaluated, %d posts; want 2, at least 4000, %d", builds, evaluated, shown, len(posts))
	}
}

// All real posts, 2,500 predictions and all real bars of 68 symbols, by the tail and by a rebuild.
func BenchmarkProject(b *testing.B) {
	l, events := realLake(b, realPosts(b, -1), 2500, realBars(b))
	for b.Loop() {
		url, db := readmodeltest.Open(b)
		once(b, open(b, openLake(b), url))
		p := open(b, l, url)
		if err := p.load(context.Background()); err != nil {
			b.Fatal(err)
		}
		begun := time.Now()
		if err := p.catchUp(context.Background()); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(events)/time.Since(begun).Seconds(), "tailed_events/s")
		build, err := p.Rebuild(context.Background(), false)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(build.Rows)/build.Seconds, "rebuilt_rows/s")
		b.ReportMetric(build.Seconds, "rebuild_s")
		db.Close(context.Background())
	}
}

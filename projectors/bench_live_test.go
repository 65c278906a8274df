package projectors

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/readmodel"
	"shitpost-alpha/readmodel/readmodeltest"
)

// benchUserSize: a rebuild of a lake as large as the user's, process start to its end.
func benchUserSize(t *testing.T, binary string) {
	folder := t.TempDir()
	mix{posts: 28_000, predictions: 3_000, symbols: 190, days: 600}.write(t, folder, true)
	url, _ := readmodeltest.Open(t)
	var took, peaks []float64
	for range 5 {
		r := rebuildBy(t, binary, folder, url)
		took, peaks = append(took, r.seconds), append(peaks, r.peakMB)
	}
	figure("rebuild_user_size", medianOf(took), "s, process start to end", medianOf(took)/3, "3 s")
	figure("rebuild_user_size_peak", slices.Max(peaks), "MB of process memory", slices.Max(peaks)/512, "512 MB")
}

// warm returns a projector of a lake whose read model was just built.
func warm(t *testing.T, folder, url string) (*lake.Lake, *Projector) {
	t.Helper()
	l, err := lake.Open(t.Context(), folder, lake.Options{Producer: "bench@1"})
	if err != nil {
		t.Fatal(err)
	}
	p := open(t, l, url)
	if err := p.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return l, p
}

// newPosts are posts that the mix does not hold.
func newPosts(round, n int) []event.Post {
	var out []event.Post
	for i := range n {
		at := time.Date(2026, 1, 5, 12, 0, round*1000+i, 0, time.UTC)
		out = append(out, observed(postID(at), "archive:bench.csv", fmt.Sprintf("News %d of round %d about tariffs", i, round)))
	}
	return out
}

// apply100 returns the median of how long 100 new events take, half of them posts, the rest predictions, corrected
// bars and their outcomes, with a warm projector.
func apply100(t *testing.T, folder, url string) float64 {
	t.Helper()
	l, p := warm(t, folder, url)
	var took []float64
	for round := range 7 {
		posts := newPosts(round, 50)
		var answers []event.Prediction
		for i := range 30 {
			answers = append(answers, answer(&posts[i], "gpt", 0.8, event.Asset{Symbol: "S00001", Sentiment: event.Bullish}))
		}
		var bars []event.Price
		for i := range 20 {
			bars = append(bars, bar("S00001", event.NewDate(2026, 1, 6)+event.Date(i), "yahoo", 100+float64(round), 101, event.NewDate(2026, 2, 20), ""))
		}
		appendAll(t, l.Posts, posts...)
		appendAll(t, l.Predictions, answers...)
		appendAll(t, l.Prices, bars...)
		begun := time.Now()
		if err := p.catchUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		if round >= 2 { // warm
			took = append(took, time.Since(begun).Seconds())
		}
	}
	return medianOf(took)
}

// visible returns the 95th percentile of the time from an append to its row, with everything local.
func visible(t *testing.T, folder, url string) float64 {
	t.Helper()
	l, p := warm(t, folder, url)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	execSQL(t, conn, "LISTEN "+readmodel.Channel)
	var took []float64
	for round := range 100 {
		post := newPosts(1000+round, 1)[0]
		begun := time.Now()
		appendAll(t, l.Posts, post)
		for seen := false; !seen; {
			if _, err := conn.WaitForNotification(ctx); err != nil {
				t.Fatal(err)
			}
			if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM readmodel.posts WHERE post_id = $1)", post.PostID).Scan(&seen); err != nil {
				t.Fatal(err)
			}
		}
		took = append(took, time.Since(begun).Seconds())
	}
	slices.Sort(took)
	return took[95]
}

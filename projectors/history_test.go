package projectors

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/readmodel/readmodeltest"
)

// facts are what the histories below tell: chains of events, each chain in its own order (a bar and then
// its correction, a failure and then the answer). Between chains there is no order.
type facts struct {
	posts       [][]event.Post
	predictions [][]event.Prediction
	prices      [][]event.Price
}

// after seals e as the successor of the last event of a chain.
func after[E event.Event](chain []E, e E) []E {
	event.Seal(&e, event.EnvelopeOf(&chain[len(chain)-1]).EventID)
	return append(chain, e)
}

func makeFacts(t *testing.T, seed uint64) (f facts) {
	t.Helper()
	rng := rand.New(rand.NewPCG(7, seed))
	posts := realPosts(t, 40)
	f.addPosts(posts)
	f.addPredictions(posts, rng)
	f.addPrices(realBars(t, "SPY", "AAPL", "TSLA", "BTC-USD"), rng)
	f.posts = append(f.posts, takeBack(f.posts, rng, "posts"))
	f.predictions = append(f.predictions, takeBack(f.predictions, rng, "predictions"))
	f.prices = append(f.prices, takeBack(f.prices, rng, "prices"))
	return f
}

// takeBack retracts some events, which may happen before they are told.
func takeBack[E event.Event](chains [][]E, rng *rand.Rand, key string) []E {
	var e E
	v := event.EnvelopeOf(&e)
	for range 3 {
		chain := chains[rng.IntN(len(chains))]
		event.RetractionOf(&e).RetractedEvents = append(event.RetractionOf(&e).RetractedEvents, event.EnvelopeOf(&chain[rng.IntN(len(chain))]).EventID)
	}
	v.Kind, v.Key, v.Source, v.OccurredAt = event.Retracted, key, "operator", time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	event.Seal(&e, "")
	return []E{e}
}

func (f *facts) addPosts(posts []event.Post) {
	for i, p := range posts {
		chain := []event.Post{p}
		if i%5 == 1 {
			edited := p
			edited.Text += " (edited)"
			chain = after(chain, edited)
			chain = after(chain, p) // and back
		}
		if i%7 == 2 {
			chain = after(chain, postNote(event.PostDeleted, p.PostID, p.Source, "", p.PublishedAt.Add(time.Hour)))
		}
		if i%14 == 2 {
			chain = after(chain, p) // seen again
		}
		f.posts = append(f.posts, chain)
		if i%3 == 0 {
			f.posts = append(f.posts, []event.Post{observed(p.PostID, "truthsocial", p.Text+"\n")})
		}
		if i%10 == 4 {
			f.posts = append(f.posts, []event.Post{postNote(event.PostRedacted, p.PostID, "operator", "", p.PublishedAt.Add(2*time.Hour))})
		}
	}
	window := event.Post{WindowFrom: posts[0].PublishedAt, WindowTo: posts[39].PublishedAt, WindowComplete: true, WindowPosts: 40, MissingIDs: []string{"1", "2"}}
	window.Kind, window.Key, window.Source, window.OccurredAt = event.WindowRead, "window", "truthsocial", posts[39].PublishedAt
	event.Seal(&window, "")
	rejected := event.Post{}
	rejected.Kind, rejected.Key, rejected.Source, rejected.OccurredAt = event.RecordRejected, "row 7", "archive:x", posts[0].PublishedAt
	rejected.RejectedReason, rejected.RejectedDetail = "other account", "row 7 is of \x00 another account"
	rejected.SetPayload([]byte("{\"id\":\"\xff\x00\"}"))
	event.Seal(&rejected, "")
	f.posts = append(f.posts, []event.Post{window}, []event.Post{rejected})
}

func (f *facts) addPredictions(posts []event.Post, rng *rand.Rand) {
	symbols := []string{"SPY", "AAPL", "TSLA", "BTC-USD", "NONE"}
	for i := range posts {
		p := &posts[i]
		switch i % 4 {
		case 0:
			f.predictions = append(f.predictions, []event.Prediction{bypassed(p, "Retruth")})
		case 1:
			fails := failed(p, "gpt", "timeout", 1, false, "")
			given := failed(p, "gpt", "server", 5, true, fails.EventID)
			chain := []event.Prediction{fails, given}
			if i%8 == 1 {
				chain = append(chain, requeued(given, fails.EventID, given.EventID))
				chain = after(chain, answer(p, "gpt", 0.7, event.Asset{Symbol: "AAPL", Sentiment: event.Bullish}))
			}
			f.predictions = append(f.predictions, chain)
		default:
			first := answer(p, "gpt", float64(rng.IntN(100))/100, event.Asset{Symbol: symbols[i%5], Sentiment: []string{event.Bearish, event.Bullish, event.Neutral}[rng.IntN(3)], Rationale: "nul \x00 and \xff"}, event.Asset{Symbol: symbols[(i+1)%5]})
			again := answer(p, "gpt", 0.2, event.Asset{Symbol: "XOM", Sentiment: event.Bullish})
			f.predictions = append(f.predictions, after([]event.Prediction{first}, again),
				[]event.Prediction{answer(p, "grok", 0.5, event.Asset{Symbol: symbols[(i+2)%5], Sentiment: event.Neutral})})
		}
	}
}

func (f *facts) addPrices(bars []event.Price, rng *rand.Rand) {
	for _, b := range bars {
		if b.SessionDate < event.NewDate(2024, 10, 25) || b.SessionDate > event.NewDate(2024, 12, 20) {
			continue
		}
		chain := []event.Price{b}
		if rng.IntN(6) == 0 {
			corrected := b
			close := *b.Close * 1.01
			high := max(*b.High, close)
			corrected.Close, corrected.High = &close, &high
			chain = after(chain, corrected)
			if rng.IntN(2) == 0 {
				chain = after(chain, b)
			}
		}
		f.prices = append(f.prices, chain)
		if rng.IntN(3) == 0 {
			f.prices = append(f.prices, []event.Price{bar(b.Symbol, b.SessionDate, "yahoo", *b.Open*1.001, *b.Close*1.002, b.SessionDate, "")})
		}
	}
	for _, symbol := range []string{"TSLA", "SPY"} { // discovered at any time, one of them corrected afterwards
		day := event.NewDate(2024, 10, 28) + event.Date(rng.IntN(40))
		chain := []event.Price{split(symbol, day, float64(2+rng.IntN(9)))}
		if rng.IntN(2) == 0 {
			chain = after(chain, split(symbol, day, 0.5))
		}
		f.prices = append(f.prices, chain)
	}
	f.prices = append(f.prices, []event.Price{split("AAPL", event.NewDate(2024, 11, 14), 4)},
		[]event.Price{unknown("NONE", event.NewDate(2024, 11, 20).Time())}, []event.Price{unknown("TSLA", event.NewDate(2024, 11, 20).Time())})
}

// teller appends the chains of one stream in a random order that keeps each chain's own.
type teller[E event.Event] struct {
	stream *lake.Stream[E]
	chains [][]E
	told   []E
}

// tell appends a batch of what is left, with what was told before among it, and reports whether there
// was any.
func (w *teller[E]) tell(t *testing.T, rng *rand.Rand) bool {
	t.Helper()
	var batch []E
	for size := 1 + rng.IntN(60); size > 0 && len(w.chains) > 0; size-- {
		i := rng.IntN(len(w.chains))
		batch = append(batch, w.chains[i][0])
		if w.chains[i] = w.chains[i][1:]; len(w.chains[i]) == 0 {
			w.chains[i] = w.chains[len(w.chains)-1]
			w.chains = w.chains[:len(w.chains)-1]
		}
		if len(w.told) > 0 && rng.IntN(8) == 0 {
			batch = append(batch, w.told[rng.IntN(len(w.told))])
		}
	}
	if len(batch) == 0 {
		return false
	}
	w.told = append(w.told, batch...)
	appendAll(t, w.stream, batch...)
	return true
}

func newTeller[E event.Event](s *lake.Stream[E], chains [][]E) *teller[E] {
	return &teller[E]{stream: s, chains: append([][]E(nil), chains...)}
}

// compactAll rewrites the files of every stream that has more than one.
func compactAll(t *testing.T, l *lake.Lake) {
	t.Helper()
	ctx := context.Background()
	_, err1 := l.Posts.Compact(ctx, lake.CompactOptions{})
	_, err2 := l.Predictions.Compact(ctx, lake.CompactOptions{})
	_, err3 := l.Prices.Compact(ctx, lake.CompactOptions{})
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
}

// history tells the facts in a random order, in random batches, with repetitions and compactions among them, to
// projectors that come and go. It checks that the tables are those of a replay, before and after the lake is compacted,
// and returns their hashes without what derives from recording time.
func history(t *testing.T, f facts, rng *rand.Rand) []TableHash {
	t.Helper()
	url, db := readmodeltest.Open(t)
	l := openLake(t)
	posts, predictions, prices := newTeller(l.Posts, f.posts), newTeller(l.Predictions, f.predictions), newTeller(l.Prices, f.prices)
	p := open(t, l, url)
	for more := true; more; {
		switch rng.IntN(3) {
		case 0:
			more = posts.tell(t, rng) || len(predictions.chains)+len(prices.chains) > 0
		case 1:
			more = predictions.tell(t, rng) || len(posts.chains)+len(prices.chains) > 0
		default:
			more = prices.tell(t, rng) || len(posts.chains)+len(predictions.chains) > 0
		}
		switch rng.IntN(12) {
		case 0:
			p = open(t, l, url)
			once(t, p)
		case 1, 2, 3:
			once(t, p)
		case 4:
			compactAll(t, l)
		}
	}
	once(t, p)
	incremental := checkVerified(t, p)
	compactAll(t, l)
	checkVerified(t, p)
	if _, err := p.Rebuild(context.Background(), false); err != nil {
		t.Fatal(err)
	}
	replayed, err := Hashes(context.Background(), db, "readmodel", true)
	if err != nil {
		t.Fatal(err)
	}
	for i := range replayed {
		if replayed[i] != incremental[i].TableHash && replayed[i].Table != "positions" { // compaction made versions of its own
			t.Errorf("the replay of the compacted lake has %+v, the tail %+v", replayed[i], incremental[i].TableHash)
		}
	}
	hashes, err := Hashes(context.Background(), db, "readmodel", false)
	if err != nil {
		t.Fatal(err)
	}
	return hashes
}

// The same facts, told in any order, in any batches, with repetitions, to projectors that come and go:
// the tables are those of a rebuild, and apart from recording time they are the same in every history.
func TestHistories(t *testing.T) {
	for set := range uint64(either(2, 20)) {
		f := makeFacts(t, set)
		var first []TableHash
		for seed := range uint64(2) {
			t.Run(fmt.Sprintf("facts %d order %d", set, seed), func(t *testing.T) {
				hashes := history(t, f, rand.New(rand.NewPCG(seed, set)))
				if first == nil {
					first = hashes
				}
				for i := range hashes {
					if hashes[i] != first[i] {
						t.Errorf("this history has %+v, the first %+v", hashes[i], first[i])
					}
					if hashes[i].Rows == 0 && hashes[i].Table != "dead_letters" {
						t.Errorf("table %s is empty: the facts do not test it", hashes[i].Table)
					}
				}
			})
		}
	}
}

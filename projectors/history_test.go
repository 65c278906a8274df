package projectors

import (
	"context"
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

func makeFacts(t *testing.T) (f facts) {
	t.Helper()
	posts := realPosts(t, 40)
	f.addPosts(posts)
	f.addPredictions(posts)
	f.addPrices(realBars(t, "SPY", "AAPL", "TSLA", "BTC-USD"), rand.New(rand.NewPCG(7, 7)))
	return f
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

func (f *facts) addPredictions(posts []event.Post) {
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
			first := answer(p, "gpt", 0.9, event.Asset{Symbol: symbols[i%5], Sentiment: event.Bearish, Rationale: "nul \x00 and \xff"}, event.Asset{Symbol: symbols[(i+1)%5]})
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

// The same facts, told in any order, in any batches, with repetitions, to projectors that come and go:
// the tables are those of a rebuild, and apart from recording time they are the same in every history.
func TestHistories(t *testing.T) {
	f := makeFacts(t)
	var first []TableHash
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 1))
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
				switch rng.IntN(5) {
				case 0:
					p = open(t, l, url)
					once(t, p)
				case 1, 2:
					once(t, p)
				}
			}
			once(t, p)
			checkVerified(t, p)
			hashes, err := Hashes(context.Background(), db, "readmodel", false)
			if err != nil {
				t.Fatal(err)
			}
			if first == nil {
				first = hashes
			}
			for i := range hashes {
				if hashes[i] != first[i] {
					t.Errorf("history %d has %+v, history 0 %+v", seed, hashes[i], first[i])
				}
				if hashes[i].Rows == 0 && hashes[i].Table != "retractions" && hashes[i].Table != "dead_letters" {
					t.Errorf("table %s is empty: the facts do not test it", hashes[i].Table)
				}
			}
		})
	}
}

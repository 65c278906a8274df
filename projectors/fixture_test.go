package projectors

import (
	"context"
	"encoding/csv"
	"log/slog"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/realdata"
	"shitpost-alpha/readmodel/readmodeltest"
)

func TestMain(m *testing.M) {
	if folder := os.Getenv("PROJECTOR_OF"); folder != "" {
		os.Exit(child(folder, os.Getenv("PROJECTOR_URL"), os.Getenv("PROJECTOR_REBUILD") != ""))
	}
	os.Exit(readmodeltest.Main(m))
}

func readCSV(t testing.TB, name string) [][]string {
	t.Helper()
	f, err := os.Open(realdata.Path(t, name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.FieldsPerRecord = -1
	records, err := r.ReadAll()
	if err != nil {
		t.Fatalf("read %s: %v", name, err)
	}
	return records[1:]
}

// realPosts returns the first n posts of the real text posts as sealed events.
func realPosts(t testing.TB, n int) []event.Post {
	t.Helper()
	var out []event.Post
	for _, r := range readCSV(t, "posts/text_posts_2024-11_2026-01.csv") {
		if len(out) == n {
			break
		}
		at, err := event.PublishedAt(r[0])
		if err != nil {
			t.Fatal(err)
		}
		e := observed(r[0], "archive:text_posts.csv", r[2])
		e.URL = r[3]
		e.PublishedAt, e.OccurredAt = at, at
		out = append(out, e)
	}
	return out
}

// observed returns a sealed post_observed.
func observed(id, source, text string) event.Post {
	at, err := event.PublishedAt(id)
	if err != nil {
		panic(err)
	}
	e := event.Post{PostID: id, PublishedAt: at, Text: text}
	e.Kind, e.Key, e.Source, e.OccurredAt = event.PostObserved, id, source, at
	event.Seal(&e, "")
	return e
}

// postNote returns a sealed post_deleted or post_redacted.
func postNote(kind event.Kind, id, source, supersedes string, at time.Time) event.Post {
	e := event.Post{PostID: id}
	e.Kind, e.Key, e.Source, e.OccurredAt = kind, id, source, at
	event.Seal(&e, supersedes)
	return e
}

// postID returns the id of a post published at t.
func postID(t time.Time) string { return strconv.FormatInt(t.UnixMilli()<<16, 10) }

// answer returns a sealed prediction_made on a post, by a model.
func answer(post *event.Post, model string, confidence float64, assets ...event.Asset) event.Prediction {
	e := event.Prediction{PostID: post.PostID, PublishedAt: post.PublishedAt, Analyzer: "llm", Provider: "openai", Model: model, PromptVersion: "v1",
		Assets: assets, Confidence: &confidence, Thesis: "because"}
	e.PredictionID = event.PredictionID(e.PostID, e.Analyzer, e.Provider, e.Model, e.PromptVersion)
	e.Kind, e.Key, e.Source, e.OccurredAt = event.PredictionMade, e.PredictionID, "openai", post.PublishedAt.Add(2*time.Minute)
	cost := int64(1200)
	e.CostMicros = &cost
	event.Seal(&e, "")
	return e
}

func bypassed(post *event.Post, reason string) event.Prediction {
	e := event.Prediction{PostID: post.PostID, PublishedAt: post.PublishedAt, PredictionID: event.BypassID(post.PostID), BypassReason: reason}
	e.Kind, e.Key, e.Source, e.OccurredAt = event.PostBypassed, e.PredictionID, "rules", post.PublishedAt.Add(time.Minute)
	event.Seal(&e, "")
	return e
}

func failed(post *event.Post, model, class string, attempt int32, terminal bool, supersedes string) event.Prediction {
	e := event.Prediction{PostID: post.PostID, PublishedAt: post.PublishedAt, Analyzer: "llm", Provider: "openai", Model: model, PromptVersion: "v1",
		FailureClass: class, FailureMessage: "it said " + class, Attempt: attempt, Terminal: terminal}
	e.PredictionID = event.PredictionID(e.PostID, e.Analyzer, e.Provider, e.Model, e.PromptVersion)
	e.Kind, e.Key, e.Source, e.OccurredAt = event.AnalysisFailed, e.PredictionID, "openai", post.PublishedAt.Add(time.Duration(attempt)*time.Minute)
	event.Seal(&e, supersedes)
	return e
}

func requeued(of event.Prediction, cancels ...string) event.Prediction {
	e := event.Prediction{PredictionID: of.PredictionID, PostID: of.PostID, PublishedAt: of.PublishedAt, Requeues: cancels}
	e.Kind, e.Key, e.Source, e.OccurredAt = event.AnalysisRequeued, e.PredictionID, "operator", of.OccurredAt.Add(time.Hour)
	event.Seal(&e, of.EventID)
	return e
}

// bar returns a sealed split-adjusted bar.
func bar(symbol string, d event.Date, source string, open, closes float64, through event.Date, supersedes string) event.Price {
	high, low := max(open, closes), min(open, closes)
	e := event.Price{Symbol: symbol, SessionDate: d, Interval: "1d", Open: &open, High: &high, Low: &low, Close: &closes,
		Adjustment: event.AdjustedSplit, AdjustedThrough: through, FetchID: "fetch-" + source, FetchedAt: through.Time(), Currency: "USD"}
	e.Kind, e.Key, e.Source, e.OccurredAt = event.BarRecorded, symbol, source, d.Time().Add(21*time.Hour)
	event.Seal(&e, supersedes)
	return e
}

func split(symbol string, d event.Date, ratio float64) event.Price {
	e := event.Price{Symbol: symbol, SessionDate: d, Ratio: ratio}
	e.Kind, e.Key, e.Source, e.OccurredAt = event.SplitRecorded, symbol, "yahoo", d.Time().Add(14*time.Hour)
	event.Seal(&e, "")
	return e
}

func unknown(symbol string, at time.Time) event.Price {
	e := event.Price{Symbol: symbol, AskedSources: []string{"yahoo", "stooq"}}
	e.Kind, e.Key, e.Source, e.OccurredAt = event.SymbolUnknown, symbol, "pricer", at
	event.Seal(&e, "")
	return e
}

// realBars returns the real bars of the symbols (all when none is named) as sealed events.
func realBars(t testing.TB, symbols ...string) []event.Price {
	t.Helper()
	want := map[string]bool{}
	for _, s := range symbols {
		want[s] = true
	}
	asOf, _ := event.ParseDate("2026-08-22")
	var out []event.Price
	for _, r := range readCSV(t, "prices/yf_daily_68tickers_2024-07_2026-03.csv") {
		if len(want) > 0 && !want[r[1]] {
			continue
		}
		d, err := event.ParseDate(r[0])
		if err != nil {
			t.Fatal(err)
		}
		var v [6]float64
		for i := range v {
			if v[i], err = strconv.ParseFloat(r[2+i], 64); err != nil {
				t.Fatal(err)
			}
		}
		e := event.Price{Symbol: r[1], SessionDate: d, Interval: "1d", Open: &v[0], High: &v[1], Low: &v[2], Close: &v[3], AdjClose: &v[4], Volume: &v[5],
			Adjustment: event.AdjustedSplit, AdjustedThrough: asOf, FetchID: "yf", FetchedAt: asOf.Time(), Currency: "USD"}
		*e.High, *e.Low = max(v[1], v[0], v[3]), min(v[2], v[0], v[3])
		e.Kind, e.Key, e.Source, e.OccurredAt = event.BarRecorded, r[1], "file:yf.csv", d.Time().Add(21*time.Hour)
		event.Seal(&e, "")
		out = append(out, e)
	}
	return out
}

// answers returns predictions on the posts: three in four answered with one or two of the symbols, the
// rest bypassed.
func answers(posts []event.Post, symbols []string, rng *rand.Rand) []event.Prediction {
	sentiments := []string{event.Bullish, event.Bearish, event.Neutral, ""}
	var out []event.Prediction
	for i := range posts {
		if i%4 == 3 {
			out = append(out, bypassed(&posts[i], "Retruth"))
			continue
		}
		assets := []event.Asset{{Symbol: symbols[rng.IntN(len(symbols))], Sentiment: sentiments[rng.IntN(4)], Rationale: "r"}}
		if s := symbols[rng.IntN(len(symbols))]; s != assets[0].Symbol {
			assets = append(assets, event.Asset{Symbol: s, Sentiment: sentiments[rng.IntN(3)]})
		}
		out = append(out, answer(&posts[i], "gpt", float64(rng.IntN(100))/100, assets...))
	}
	return out
}

// openLake returns a lake in a fresh folder, whose clock the test sets.
func openLake(t testing.TB) *lake.Lake {
	t.Helper()
	l, err := lake.Open(context.Background(), t.TempDir(), lake.Options{Producer: "test@1"})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func appendAll[E event.Event](t testing.TB, s *lake.Stream[E], events ...E) {
	t.Helper()
	head, err := s.Head(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for len(events) > 0 {
		n := min(len(events), 20_000)
		if head, err = s.Append(context.Background(), head, events[:n]); err != nil {
			t.Fatal(err)
		}
		events = events[n:]
	}
}

// open returns a projector of the lake on the database.
func open(t testing.TB, l *lake.Lake, url string) *Projector {
	t.Helper()
	p := New(Options{Lake: l, DatabaseURL: url, Producer: "projector@test", Log: slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelWarn}))})
	t.Cleanup(func() { p.Close(context.Background()) })
	return p
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(b []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}

func once(t testing.TB, p *Projector) {
	t.Helper()
	if err := p.Once(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// checkVerified fails unless the live tables are what the lake says.
func checkVerified(t testing.TB, p *Projector) []Comparison {
	t.Helper()
	found, err := p.Verify(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range found {
		if !c.OK() {
			t.Error(c)
		}
	}
	return found
}

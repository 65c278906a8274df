package rows_test

import (
	"errors"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/market"
	"shitpost-alpha/projectors/outcomes"
	"shitpost-alpha/projectors/rows"
)

var t0 = time.Date(2025, 3, 3, 12, 0, 0, 0, time.UTC)

// stamped gives an event its place in a history: recorded n microseconds after the begin.
func stamped[E event.Event](e E, n int) E {
	v := event.EnvelopeOf(&e)
	v.RecordedAt, v.BatchID, v.Producer = t0.Add(time.Duration(n)*time.Microsecond), "batch "+strconv.Itoa(n/3), "test@1"
	return e
}

// history draws events of a few subjects in commit order, some of them twice.
func history[E event.Event](t *rapid.T, draw func(t *rapid.T) E) []E {
	var list []E
	heads := map[string]string{}
	for i := range rapid.IntRange(1, 25).Draw(t, "events") {
		if len(list) > 0 && rapid.IntRange(0, 5).Draw(t, "again") == 0 {
			list = append(list, stamped(list[rapid.IntRange(0, len(list)-1).Draw(t, "which")], i))
			continue
		}
		e := draw(t)
		event.Seal(&e, heads[event.SubjectOf(&e)])
		heads[event.SubjectOf(&e)] = event.EnvelopeOf(&e).EventID
		list = append(list, stamped(e, i))
	}
	return list
}

// batches cuts a history into batches, in order.
func batches[E any](t *rapid.T, list []E) [][]E {
	var out [][]E
	for len(list) > 0 {
		n := rapid.IntRange(1, len(list)).Draw(t, "batch")
		out, list = append(out, list[:n]), list[n:]
	}
	return out
}

func shuffled[E any](t *rapid.T, list []E) []E { return rapid.Permutation(list).Draw(t, "order") }

func drawPost(t *rapid.T) event.Post {
	at := t0.Add(time.Duration(rapid.IntRange(0, 2).Draw(t, "post")) * time.Hour)
	id := strconv.FormatInt(at.UnixMilli()<<16, 10)
	e := event.Post{PostID: id, PublishedAt: at}
	e.Kind, e.Key, e.OccurredAt = event.PostObserved, id, at
	e.Source = rapid.SampledFrom([]string{"truthsocial", "archive:a", "archive:b", "simulator"}).Draw(t, "source")
	switch rapid.IntRange(0, 6).Draw(t, "kind") {
	case 0:
		e.Kind, e.OccurredAt = event.PostDeleted, at.Add(time.Hour)
	case 1:
		e.Kind, e.OccurredAt, e.Source = event.PostRedacted, at.Add(2*time.Hour), "operator"
	default:
		e.Text = rapid.SampledFrom([]string{"", "a", "RT @b", "c\x00"}).Draw(t, "text")
		e.TextMissing = e.Source == "archive:a"
	}
	return e
}

// Posts follow from the set of their events: any order and any repetition gives what batch after batch
// gives.
func TestDerivePostsIsAFunctionOfTheSet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		events := history(t, drawPost)
		var facts []rows.PostVersion
		for i := range events {
			facts = append(facts, rows.VersionOf(&events[i]))
		}
		wantVersions, wantPosts := rows.DerivePosts(nil, slices.Clone(facts))
		versions, posts := rows.DerivePosts(nil, shuffled(t, slices.Concat(facts, facts)))
		if !reflect.DeepEqual(versions, wantVersions) || !reflect.DeepEqual(posts, wantPosts) {
			t.Fatalf("in another order: %+v %+v, want %+v %+v", versions, posts, wantVersions, wantPosts)
		}
		var known []rows.PostVersion
		for _, b := range batches(t, facts) {
			known, posts = rows.DerivePosts(known, slices.Clone(b))
		}
		if !reflect.DeepEqual(known, wantVersions) || !reflect.DeepEqual(posts, wantPosts) {
			t.Fatalf("batch by batch: %+v %+v, want %+v %+v", known, posts, wantVersions, wantPosts)
		}
	})
}

func TestDerivePredictionsIsAFunctionOfTheSet(t *testing.T) {
	cal := market.NYSE()
	draw := func(t *rapid.T) event.Prediction {
		e := event.Prediction{PostID: "1", PublishedAt: t0, Analyzer: "llm", Model: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "model")}
		e.PredictionID = event.PredictionID("1", "llm", "", e.Model, "")
		e.Source, e.OccurredAt = "x", t0.Add(time.Minute)
		switch rapid.IntRange(0, 3).Draw(t, "kind") {
		case 0:
			confidence := float64(rapid.IntRange(0, 10).Draw(t, "confidence")) / 10
			e.Kind, e.Confidence, e.Assets = event.PredictionMade, &confidence, []event.Asset{{Symbol: "SPY", Sentiment: event.Bullish}}
		case 1:
			e.Kind, e.Analyzer, e.Model, e.BypassReason = event.PostBypassed, "", "", rapid.SampledFrom([]string{"Retruth", "Test content"}).Draw(t, "reason")
			e.PredictionID = event.BypassID("1")
		case 2:
			e.Kind, e.FailureClass, e.Attempt, e.Terminal = event.AnalysisFailed, "timeout", rapid.Int32Range(1, 5).Draw(t, "attempt"), rapid.Bool().Draw(t, "terminal")
		default:
			e.Kind, e.Requeues = event.AnalysisRequeued, []string{"none"}
		}
		e.Key = e.PredictionID
		return e
	}
	rapid.Check(t, func(t *rapid.T) {
		events := history(t, draw)
		var facts []rows.Attempt
		for i := range events {
			facts = append(facts, rows.AttemptOf(&events[i]))
		}
		type result struct {
			a []rows.Attempt
			p []rows.Prediction
			c []rows.Call
		}
		derive := func(known, news []rows.Attempt) result {
			a, p, c, err := rows.DerivePredictions(known, slices.Clone(news), "llm//a", cal)
			if err != nil {
				t.Fatal(err)
			}
			return result{a, p, c}
		}
		want := derive(nil, facts)
		if got := derive(nil, shuffled(t, slices.Concat(facts, facts))); !reflect.DeepEqual(got, want) {
			t.Fatalf("in another order: %+v, want %+v", got, want)
		}
		var got result
		for _, b := range batches(t, facts) {
			got = derive(got.a, b)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("batch by batch: %+v, want %+v", got, want)
		}
	})
}

func TestDerivePricesIsAFunctionOfTheSet(t *testing.T) {
	draw := func(t *rapid.T) event.Price {
		e := event.Price{Symbol: rapid.SampledFrom([]string{"A", "B"}).Draw(t, "symbol"), SessionDate: 20_000 + event.Date(rapid.IntRange(0, 1).Draw(t, "day"))}
		e.Key, e.Source, e.OccurredAt = e.Symbol, rapid.SampledFrom([]string{"yahoo", "stooq"}).Draw(t, "source"), t0
		switch rapid.IntRange(0, 5).Draw(t, "kind") {
		case 0:
			e.Kind, e.Ratio = event.SplitRecorded, float64(rapid.IntRange(2, 4).Draw(t, "ratio"))
		case 1:
			e.Kind, e.AskedSources, e.SessionDate = event.SymbolUnknown, []string{"yahoo"}, 0
			e.OccurredAt = t0.Add(time.Duration(rapid.IntRange(0, 3).Draw(t, "asked")) * time.Hour)
		default:
			price := float64(rapid.IntRange(1, 4).Draw(t, "price"))
			e.Kind, e.Interval, e.Open, e.High, e.Low, e.Close = event.BarRecorded, "1d", &price, &price, &price, &price
			e.Adjustment, e.AdjustedThrough, e.FetchID = event.AdjustedSplit, e.SessionDate, "f"
		}
		return e
	}
	facts := func(events []event.Price) (p rows.Prices) {
		for i := range events {
			p.Add(&events[i])
		}
		return p
	}
	rapid.Check(t, func(t *rapid.T) {
		events := history(t, draw)
		want := rows.DerivePrices(rows.Prices{}, facts(events))
		if got := rows.DerivePrices(rows.Prices{}, facts(shuffled(t, slices.Concat(events, events)))); !reflect.DeepEqual(got, want) {
			t.Fatalf("in another order: %+v, want %+v", got, want)
		}
		var got rows.Prices
		for _, b := range batches(t, events) {
			got = rows.DerivePrices(got, facts(b))
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("batch by batch: %+v, want %+v", got, want)
		}
	})
}

// An event that comes again counts with its first recording: it does not make an old fact the newest.
func TestRepetitionIsNoNews(t *testing.T) {
	id := strconv.FormatInt(t0.UnixMilli()<<16, 10)
	var versions []rows.PostVersion
	var prices rows.Prices
	var events []string
	for i, say := range []string{"old", "new", "old"} {
		post := event.Post{PostID: id, PublishedAt: t0, Text: say}
		post.Kind, post.Key, post.Source, post.OccurredAt = event.PostObserved, id, "archive", t0
		event.Seal(&post, map[string]string{"new": "x"}[say])
		post = stamped(post, i)
		versions = append(versions, rows.VersionOf(&post))

		price := map[string]float64{"old": 1, "new": 2}[say]
		b := event.Price{Symbol: "A", SessionDate: 20_000, Interval: "1d", Open: &price, High: &price, Low: &price, Close: &price, Adjustment: event.AdjustedNone}
		b.Kind, b.Key, b.Source, b.OccurredAt = event.BarRecorded, "A", "yahoo", t0
		event.Seal(&b, map[string]string{"new": "x"}[say])
		b = stamped(b, i)
		prices.Add(&b)
		events = append(events, b.EventID)
	}
	if _, posts := rows.DerivePosts(nil, versions); posts[0].Text != "new" || posts[0].Versions != 2 || !posts[0].FirstRecordedAt.Equal(t0) {
		t.Errorf("post is %+v, want the new text, two versions, first recorded at %s", posts[0], t0)
	}
	got := rows.DerivePrices(rows.Prices{}, prices).Bars
	if len(got) != 1 || got[0].Close != 2 || !slices.Equal(got[0].Superseded, events[:1]) || !got[0].FirstRecordedAt.Equal(t0) {
		t.Errorf("bars are %+v, want one that closes at 2 and supersedes %s", got, events[0])
	}
}

// Which source's version is shown (domain.md 1.2).
func TestChoiceOfSource(t *testing.T) {
	id := strconv.FormatInt(t0.UnixMilli()<<16, 10)
	version := func(source, text string, missing bool) rows.PostVersion {
		e := event.Post{PostID: id, PublishedAt: t0, Text: text, TextMissing: missing}
		e.Kind, e.Key, e.Source, e.OccurredAt = event.PostObserved, id, source, t0
		event.Seal(&e, "")
		e = stamped(e, len(source))
		return rows.VersionOf(&e)
	}
	cases := []struct {
		versions []rows.PostVersion
		want     string
	}{
		{[]rows.PostVersion{version("simulator", "a", false), version("legacy-s3", "b", false)}, "legacy-s3"},
		{[]rows.PostVersion{version("legacy-s3", "a", false), version("archive:x", "b", false)}, "archive:x"},
		{[]rows.PostVersion{version("archive:x", "a", false), version("truthsocial", "b", false)}, "truthsocial"},
		{[]rows.PostVersion{version("truthsocial", "a", false), version("scrapecreators", "b", false)}, "scrapecreators"},
		{[]rows.PostVersion{version("archive:a", "", true), version("archive:b", "b", false)}, "archive:b"},
		{[]rows.PostVersion{version("archive:b", "b", false), version("archive:a", "a", false)}, "archive:a"},
		{[]rows.PostVersion{version("archive:a", "", true), version("simulator", "b", false)}, "archive:a"},
		{[]rows.PostVersion{version("elsewhere", "a", false), version("simulator", "b", false)}, "simulator"},
	}
	for _, c := range cases {
		_, posts := rows.DerivePosts(nil, c.versions)
		if len(posts) != 1 || posts[0].Source != c.want || posts[0].Sources != 2 {
			t.Errorf("of %s and %s: %+v, want %s", c.versions[0].Source, c.versions[1].Source, posts, c.want)
		}
	}
}

func TestCheck(t *testing.T) {
	id := strconv.FormatInt(t0.UnixMilli()<<16, 10)
	good := event.Post{PostID: id, PublishedAt: t0, Text: "\x00 is mended"}
	good.Kind, good.Key, good.Source, good.OccurredAt = event.PostObserved, id, "archive", t0
	event.Seal(&good, "")
	good = stamped(good, 1)
	if err := rows.Check(&good); err != nil {
		t.Errorf("a good post: %v", err)
	}
	for want, spoil := range map[string]func(e *event.Post){
		"U+0000":       func(e *event.Post) { e.Source = "a\x00" },
		"UTF-8":        func(e *event.Post) { e.ReblogID = "\xff" },
		"bytes":        func(e *event.Post) { e.Source = strings.Repeat("x", 501) },
		"years":        func(e *event.Post) { e.EditedAt = time.Date(12000, 1, 1, 0, 0, 0, 0, time.UTC) },
		"recorded_at":  func(e *event.Post) { e.RecordedAt = time.Time{} },
		"unknown kind": func(e *event.Post) { e.Kind = "post_liked" },
	} {
		e := good
		spoil(&e)
		err := rows.Check(&e)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("a post with a bad %s: %v", want, err)
		}
		letter := rows.DeadLetterOf(&e, &rows.Position{Version: 3, Row: 4}, errors.Join(err))
		if letter.DeadLetterID == "" || *letter.Version != 3 || *letter.Row != 4 || letter.Stream != event.Posts {
			t.Errorf("dead letter %+v", letter)
		}
	}
}

// Window holds every session that an outcome of a post can need, and Published is its converse.
func TestWindowHoldsAllSessions(t *testing.T) {
	cal := market.NYSE()
	s := rows.Scorer{Calendar: cal, Settings: outcomes.DefaultSettings()}
	rapid.Check(t, func(t *rapid.T) {
		at := time.Date(2021, 11, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(rapid.IntRange(0, 6*366*24*60).Draw(t, "minute")) * time.Minute)
		from, through := s.Window(at)
		for _, symbol := range []string{"SPY", "BTC-USD", "ES=F"} {
			for _, basis := range market.Bases() {
				for _, n := range market.Horizons() {
					span, ok := cal.Span(symbol, basis, at, n)
					if !ok {
						continue
					}
					if span.Base < from || span.Target > through {
						t.Fatalf("a post at %s needs %s to %s, its window is %s to %s", at, span.Base, span.Target, from, through)
					}
					for _, d := range []event.Date{span.Base, span.Base + 1, span.Target} {
						if after, before := s.Published(d, d); at.Before(after) || at.After(before) {
							t.Fatalf("the bar of %s matters to a post at %s, Published says from %s to %s", d, at, after, before)
						}
					}
				}
			}
		}
	})
}

package interop

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"shitpost-alpha/lake/event"
)

// texts are what a reader may stumble over: quotes, control characters, what sorts one way as UTF-8
// and another as UTF-16, and strings longer than the statistics keep.
func texts() []string {
	return []string{"plain", "it's \"quoted\"", `back\slash \n`, "tab\tline\nreturn\r", "nul\x00inside", "Ünïcode — “quotes”", "日本語のテキスト",
		"👨‍👩‍👧 🇺🇸 🚀", "\uffee before \U00010000", "\U00010000 after \uffee", strings.Repeat("x", 40), strings.Repeat("é", 33),
		strings.Repeat("\U0010ffff", 40), strings.Repeat("z", 31) + "\uffff\uffff\uffff", "%", "_", "NaN", "null", "1e5", " lead and trail ", "<p>&amp;</p>"}
}

// draw makes valid events of random content.
type draw struct{ *rand.Rand }

func (r draw) text() string { t := texts(); return t[r.IntN(len(t))] }

func (r draw) texts() (out []string) {
	for range r.IntN(4) {
		out = append(out, r.text())
	}
	return out
}

// time is between 1950 and 2050, to the microsecond.
func (r draw) time() time.Time {
	return time.UnixMicro(r.Int64N(3_155_760_000_000_000) - 631_152_000_000_000).UTC()
}

func (r draw) long() *int64 {
	if r.IntN(3) == 0 {
		return nil
	}
	n := []int64{0, -1, r.Int64N(1e6), 1 << 53}[r.IntN(4)]
	return &n
}

func (r draw) double() float64 {
	return []float64{r.Float64(), 1e-300, 1e300, 0.1, 12345.678}[r.IntN(5)]
}

func (r draw) envelope(kind event.Kind, key string) event.Envelope {
	v := event.Envelope{Kind: kind, Key: key, Source: "source " + r.text(), OccurredAt: r.time(), Synthetic: r.IntN(2) == 0}
	if r.IntN(2) == 0 {
		v.CausationID = event.Hash(strconv.FormatUint(r.Uint64(), 16))
	}
	switch r.IntN(4) {
	case 0:
		v.SetPayload([]byte(`{"text":"` + r.text() + `"}`))
	case 1:
		v.SetPayload([]byte{0xff, 0xfe, byte(r.IntN(256))})
	}
	return v
}

// common fills in one of the kinds that all streams have; ids are events that may be retracted.
func common[E event.Event](r draw, e *E, ids []string) {
	if len(ids) > 0 && r.IntN(2) == 0 {
		*event.EnvelopeOf(e) = r.envelope(event.Retracted, "retraction "+r.text())
		event.RetractionOf(e).RetractedEvents = []string{ids[r.IntN(len(ids))], ids[r.IntN(len(ids))]}
		return
	}
	*event.EnvelopeOf(e) = r.envelope(event.RecordRejected, r.text())
	*event.RejectionOf(e) = event.Rejection{RejectedReason: r.text(), RejectedDetail: r.text()}
}

// one returns a sealed event.
func one[E event.Event](r draw, ids []string) E {
	var e E
	if r.IntN(8) == 0 {
		common(r, &e, ids)
	} else {
		switch e := any(&e).(type) {
		case *event.Post:
			*e = r.post()
		case *event.Prediction:
			*e = r.prediction()
		case *event.Price:
			*e = r.price()
		}
	}
	event.Seal(&e, "")
	if err := event.Check(&e); err != nil {
		panic(fmt.Sprintf("the generator made a bad event: %v", err))
	}
	return e
}

func (r draw) post() event.Post {
	if r.IntN(6) == 0 {
		from := r.time()
		return event.Post{Envelope: r.envelope(event.WindowRead, r.text()), WindowFrom: from, WindowTo: from.Add(time.Hour),
			WindowComplete: true, WindowPosts: r.Int64N(100), MissingIDs: r.texts()}
	}
	id := strconv.FormatInt(time.Date(2022+r.IntN(5), 1, 1+r.IntN(365), 0, 0, 0, r.IntN(1e9), time.UTC).UnixMilli()<<16+r.Int64N(1<<16), 10)
	at, err := event.PublishedAt(id)
	if err != nil {
		panic(err)
	}
	verified := r.IntN(2) == 0
	p := event.Post{Envelope: r.envelope(event.PostObserved, id), PostID: id, PublishedAt: at, SourceCreatedAt: r.time(), Text: r.text(), HTML: r.text(),
		TextRepaired: verified, URL: r.text(), Replies: r.long(), Favourites: r.long(), AccountVerified: &verified, MediaURLs: r.texts(), Tags: r.texts()}
	p.OccurredAt = at
	return p
}

func (r draw) prediction() event.Prediction {
	id := r.text() + strconv.FormatUint(r.Uint64(), 36)
	p := event.Prediction{Envelope: r.envelope(event.PredictionMade, id), PredictionID: id, PostID: r.text(), PublishedAt: r.time()}
	if r.IntN(5) == 0 {
		p.Kind, p.FailureClass, p.FailureMessage, p.Attempt, p.Terminal = event.AnalysisFailed, "server", r.text(), 1+r.Int32N(9), r.IntN(2) == 0
		return p
	}
	confidence, temperature := r.Float64(), r.double()
	p.Analyzer, p.Thesis, p.Confidence, p.Temperature, p.TokensIn, p.CostMicros = "llm", r.text(), &confidence, &temperature, r.long(), r.long()
	for i := range r.IntN(4) {
		p.Assets = append(p.Assets, event.Asset{Symbol: fmt.Sprint(r.text(), i), Sentiment: []string{"", event.Bullish, event.Bearish}[r.IntN(3)], Rationale: r.text()})
		p.Dropped = append(p.Dropped, event.Drop{Symbol: r.text(), Reason: r.text()})
	}
	return p
}

func (r draw) price() event.Price {
	symbol := r.text()
	d := event.NewDate(1950+r.IntN(100), 1, 3+r.IntN(360)) // never 1970-01-01, which means none, nor the day before
	p := event.Price{Envelope: r.envelope(event.SymbolUnknown, symbol), Symbol: symbol, AskedSources: append(r.texts(), "yahoo")}
	switch r.IntN(6) {
	case 0:
	case 1:
		p.Kind, p.SessionDate, p.Ratio = event.SplitRecorded, d, 0.1+r.double()
	default:
		p.Kind, p.AskedSources = event.BarRecorded, nil
		low := 0.01 + r.Float64()
		high, volume := low*2, float64(r.Int64N(1e9))
		p.Open, p.High, p.Low, p.Close, p.Volume = &low, &high, &low, &high, &volume
		p.SessionDate, p.Interval, p.AdjustedThrough, p.FetchID, p.Adjustment = d, "1d", d+1, r.text(), event.AdjustedSplit
		p.SourceRank, p.FetchedAt = r.Int32N(3), r.time()
	}
	return p
}

// summed returns the integer column of E that readers sum up, and its value.
func summed[E event.Event](e *E) (name string, value int64) {
	switch e := any(e).(type) {
	case *event.Post:
		if e.Favourites != nil {
			value = *e.Favourites
		}
		return "favourites", value
	case *event.Prediction:
		if e.TokensIn != nil {
			value = *e.TokensIn
		}
		return "tokens_in", value
	case *event.Price:
		if e.Volume != nil {
			value = int64(*e.Volume)
		}
		return "volume", value
	}
	panic("unreachable: Event is closed")
}

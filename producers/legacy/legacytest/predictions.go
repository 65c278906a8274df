package legacytest

import (
	"math"
	"time"

	"shitpost-alpha/lake/event"
)

// Prediction is a row of predictions. Fate is what an import makes of it.
type Prediction struct {
	ID                 int
	PostID             string
	Newer              bool // signal_id instead of shitpost_id
	Assets, Impact     string
	Confidence         float64 // NaN for null
	Status, Comment    string
	Provider, Model    string
	At                 time.Time
	Fate               string
	assets, sentiments []string
	way                way
	published          time.Time
}

// Outcome is a row of prediction_outcomes. Prices and returns are NaN for null, in the order of the
// horizons 1, 3, 7, 30. Reasons is, per horizon, why it differs from what is right; "" where it does not.
type Outcome struct {
	PredictionID      int
	Symbol, Sentiment string
	Date              event.Date
	Confidence, Base  float64
	Prices, Returns   [4]float64
	Correct           [4]string // true, false or "" for null
	Reasons           [4]string
}

// way is how the old system came to an outcome.
type way int

const (
	rightly way = iota
	byCalendarDays
	fromAnalysisTime
	withFirstSentiment
	tooEarly
	neverFilled
	asPercent
	neverCorrected
	ways
)

func (s *System) makePredictions() {
	bypassed := map[string]bool{}
	predicted := map[string]bool{}
	for i := range s.size.Predictions {
		post := s.Posts[(i*s.size.Posts/s.size.Predictions+s.rng.IntN(3))%(s.size.Posts*9/10)]
		p := Prediction{ID: i + 1, PostID: post.ID, published: post.Published, Newer: post.Newer, Provider: "openai", Model: "gpt-4o-mini",
			Confidence: math.Round(s.rng.Float64()*100) / 100, At: post.Published.Add(time.Duration(1+s.rng.IntN(300)) * time.Second), Fate: "accepted"}
		if i%2 == 0 {
			s.bypass(i, &p, bypassed, predicted)
		} else {
			s.answer(&p)
			s.spoilAnswer(i, &p)
			if p.Fate == "accepted" {
				predicted[p.PostID] = true
			}
			s.score(&p)
		}
		s.Predictions = append(s.Predictions, p)
	}
}

// bypass makes the row of a post that no model was asked about.
func (s *System) bypass(i int, p *Prediction, bypassed, predicted map[string]bool) {
	reasons := []string{"no_text", "retruth", "url_only", "symbols_only", "media_only", "unanalyzable_content",
		"No text content", "Retruth", "Test content", "Text too short", "Insufficient words"}
	p.Status, p.Comment, p.Assets, p.Confidence = "bypassed", reasons[i/2%len(reasons)], "[]", math.NaN()
	switch {
	case i%50 == 10:
		p.Comment, p.Fate = "the dog ate it", "unknown status"
	case bypassed[p.PostID] || predicted[p.PostID]:
		p.Fate = "post already has a verdict"
	default:
		bypassed[p.PostID] = true
	}
}

// answer makes the row of a post that a model was asked about.
func (s *System) answer(p *Prediction) {
	p.Status = "completed"
	p.way = way(s.rng.IntN(int(ways)))
	from := s.sound
	switch s.rng.IntN(10) {
	case 7:
		from, p.way = s.gappy, rightly
	case 8:
		from, p.way = s.hasty, rightly
	case 9:
		from, p.way = []string{"BTC-USD"}, rightly
	}
	first, place := s.rng.IntN(3), s.rng.IntN(len(from))
	for k := range 1 + s.rng.IntN(3) {
		symbol := from[(place+k)%len(from)]
		if k > 0 && symbol == p.assets[0] {
			break
		}
		p.assets = append(p.assets, symbol)
		p.sentiments = append(p.sentiments, []string{"bullish", "bearish", "neutral"}[(first+k)%3])
	}
	p.write()
	if p.way == fromAnalysisTime {
		p.At = p.At.AddDate(0, 0, 3+s.rng.IntN(9))
	}
}

// write renders assets and market_impact.
func (p *Prediction) write() {
	impact := map[string]string{}
	for k, symbol := range p.assets {
		impact[symbol] = p.sentiments[k]
	}
	p.Assets, p.Impact = mustJSON(p.assets), mustJSON(impact)
}

// spoilAnswer gives a row a defect, in turn.
func (s *System) spoilAnswer(i int, p *Prediction) {
	switch i / 2 % 30 {
	case 1:
		p.Assets, p.Fate = `"AAPL and MSFT"`, "bad assets"
	case 3:
		p.Impact, p.Fate = `{"`+p.assets[0]+`":"to the moon"}`, "bad assets"
	case 6:
		p.Confidence, p.Fate = 1.7, "bad confidence"
	case 11:
		p.Confidence, p.Fate = math.NaN(), "bad confidence"
	case 13:
		p.Status, p.Comment, p.Fate = "error", "timeout", "no verdict"
	case 16:
		p.Status, p.Fate = "pending", "no verdict"
	case 18:
		p.PostID, p.Fate = "not-an-id", "bad id"
	case 21: // FB was renamed, and its sentiment lost on the way
		p.assets, p.sentiments, p.way = []string{"META"}, []string{"bearish"}, rightly
		p.Assets, p.Impact = `["META"]`, `{"FB":"bearish"}`
	case 23: // a word that is no ticker
		p.assets, p.sentiments, p.way = []string{"TARIFF", "SPY"}, []string{"bearish", "bullish"}, rightly
		p.write()
	case 26:
		p.Status, p.Fate = "half done", "unknown status"
	}
}

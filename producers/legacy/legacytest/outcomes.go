package legacytest

import (
	"math"

	"shitpost-alpha/lake/event"
)

// Reasons of an outcome's difference, as projector compare-legacy names them.
const (
	StalePrice     = "stale price"
	CalendarDays   = "calendar days"
	AnalysisAnchor = "analysis-time anchor"
	WrongSentiment = "wrong sentiment"
	BarInProgress  = "bar in progress"
	TooEarly       = "too early"
	NeverFilled    = "never filled"
	WeekendBar     = "weekend bar"
	NotASymbol     = "not a symbol"
	NotImported    = "prediction not imported"
	OtherScale     = "percent as fraction"
)

var horizons = [4]int{1, 3, 7, 30} // of a row's four prices. Lookup table, never changed.

// priceOn is how the old system found a price: that day's bar, or the last of 14 days before.
func (s *System) priceOn(symbol string, d event.Date) (float64, event.Date) {
	for back := range event.Date(15) {
		if p := s.bars[symbol][d-back]; p != nil {
			return p.Close, p.Date
		}
	}
	return math.NaN(), 0
}

// score makes the outcome rows of a completed prediction, in the way that the old system came to them.
func (s *System) score(p *Prediction) {
	if p.Status != "completed" {
		return
	}
	for k, symbol := range p.assets {
		o := Outcome{PredictionID: p.ID, Symbol: symbol, Sentiment: p.sentiments[k], Date: event.DateOf(p.published), Confidence: p.Confidence}
		if math.IsNaN(o.Confidence) {
			o.Confidence = 0
		}
		if p.way == fromAnalysisTime {
			o.Date = event.DateOf(p.At)
		}
		if p.way == withFirstSentiment {
			o.Sentiment = p.sentiments[0]
		}
		if p.Impact == `{"FB":"bearish"}` {
			o.Sentiment = ""
		}
		s.fill(&o, p)
		for i := range horizons {
			o.Reasons[i] = s.reason(&o, p, i, p.sentiments[k])
			o.Correct[i] = correct(o.Sentiment, o.Returns[i])
		}
		if p.way == asPercent {
			for i := range horizons {
				o.Returns[i] /= 100
			}
		}
		s.Outcomes = append(s.Outcomes, o)
	}
}

func (s *System) fill(o *Outcome, p *Prediction) {
	o.Base, _ = s.priceOn(o.Symbol, o.Date)
	anchor, _ := s.cal.OnOrAfter(o.Date)
	for i, n := range horizons {
		target, _ := s.cal.Add(anchor.Date, n)
		day := target.Date
		switch {
		case p.way == byCalendarDays:
			day = o.Date + event.Date(n)
		case p.way == tooEarly && n == 1:
			before, _ := s.cal.Add(target.Date, -1)
			day = min(before.Date, o.Date)
		}
		o.Prices[i], _ = s.priceOn(o.Symbol, day)
		if bar := s.bars[o.Symbol][day]; p.way == neverCorrected && n == 1 && bar != nil { // as it stood at noon
			o.Prices[i] = cents(bar.Low + 0.37*(bar.High-bar.Low))
		}
		if p.way == neverFilled && n >= 7 {
			o.Prices[i] = math.NaN()
		}
		o.Returns[i] = (o.Prices[i] - o.Base) / o.Base * 100
	}
}

// reason says why horizon i is not what is right (domain.md 4, basis legacy), "" when it is.
func (s *System) reason(o *Outcome, p *Prediction, i int, sentiment string) string {
	if p.Fate != "accepted" {
		return NotImported
	}
	if o.Symbol == "TARIFF" {
		return NotASymbol
	}
	span, _ := s.cal.Span(o.Symbol, "legacy", p.published, horizons[i])
	base, target := s.closeOf(o.Symbol, span.Base), s.closeOf(o.Symbol, span.Target)
	near := 0.0002 + 0.02/o.Base // what prices of four decimals cannot tell apart
	same := math.Abs((target-base)/base*100-o.Returns[i]) <= near
	unknown := math.IsNaN(base) || math.IsNaN(target)
	switch {
	case unknown && math.IsNaN(o.Returns[i]):
		return ""
	case same && p.way == asPercent && math.Abs(o.Returns[i]*0.99) > near:
		return OtherScale
	case same && o.Sentiment != sentiment:
		return WrongSentiment
	case same:
		return ""
	case p.way == byCalendarDays:
		return CalendarDays
	case p.way == fromAnalysisTime:
		return AnalysisAnchor
	case p.way == tooEarly:
		return TooEarly
	case p.way == neverCorrected:
		return BarInProgress
	case p.way == neverFilled:
		return NeverFilled
	case o.Symbol == "BTC-USD":
		return WeekendBar
	case o.Symbol[0] == 'P':
		return BarInProgress
	}
	return StalePrice
}

// closeOf is the close of exactly that session, NaN where there is none or it was in progress.
func (s *System) closeOf(symbol string, d event.Date) float64 {
	p := s.bars[symbol][d]
	if p == nil || p.Fault != "" {
		return math.NaN()
	}
	return p.Close
}

func correct(sentiment string, ret float64) string {
	if sentiment == "" || math.IsNaN(ret) {
		return ""
	}
	ok := map[string]bool{"bullish": ret > 0.5, "bearish": ret < -0.5, "neutral": math.Abs(ret) <= 0.5}[sentiment]
	return mustJSON(ok)
}

package rows

import (
	"sync"
	"time"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/market"
	"shitpost-alpha/projectors/outcomes"
)

// Score is an outcome that metrics count, with all that they filter and group by.
type Score struct {
	PredictionID    string     `db:"prediction_id"`
	Symbol          string     `db:"symbol"`
	Basis           string     `db:"basis"`
	Horizon         int        `db:"horizon"`
	TargetSession   event.Date `db:"target_session"`
	PublishedAt     time.Time  `db:"published_at"`
	ReturnMicros    int64      `db:"return_micros"`
	AbnormalMicros  *int64     `db:"abnormal_micros"`
	PnlMicros       int64      `db:"pnl_micros"`
	Confidence      *float64   `db:"confidence"`
	Correct         bool       `db:"correct"`
	CorrectAbnormal *bool      `db:"correct_abnormal"`
	Move            int        `db:"move"`
	Sentiment       string     `db:"sentiment"`
	Origin          string     `db:"origin"`
	IsPrimary       bool       `db:"is_primary"`
	Synthetic       bool       `db:"synthetic"`
	PostID          string     `db:"post_id"`
	Weekday         int        `db:"weekday"`
	Phase           string     `db:"phase"`
	Analyzer        string     `db:"analyzer"`
	Provider        string     `db:"provider"`
	Model           string     `db:"model"`
	PromptVersion   string     `db:"prompt_version"`
	PredictedAt     time.Time  `db:"predicted_at"`
}

// scoresOf appends to out those of a call's outcomes that metrics count: evaluated, and of a call that has a
// sentiment (domain.md 5). p is the call's prediction.
func (s Scorer) scoresOf(out []Score, c *Call, p *Prediction, list []Outcome) []Score {
	band := outcomes.Micro(s.Settings.Band)
	weekday, phase := Phase(s.Calendar, c.PublishedAt)
	for i := range list {
		o := &list[i]
		if o.Correct == nil || o.ReturnPct == nil || o.Pnl == nil {
			continue
		}
		row := Score{PredictionID: o.PredictionID, Symbol: o.Symbol, Basis: o.Basis, Horizon: o.Horizon, TargetSession: o.TargetSession,
			PublishedAt: c.PublishedAt, ReturnMicros: outcomes.Micro(float64(*o.ReturnPct)), PnlMicros: outcomes.Micro(float64(*o.Pnl)),
			Confidence: c.Confidence, Correct: *o.Correct, CorrectAbnormal: o.CorrectAbnormal, Sentiment: c.Sentiment, Origin: c.Origin,
			IsPrimary: p.IsPrimary, Synthetic: p.Synthetic, PostID: c.PostID, Weekday: weekday, Phase: phase, Analyzer: p.Analyzer,
			Provider: p.Provider, Model: p.Model, PromptVersion: p.PromptVersion, PredictedAt: c.PredictedAt}
		if o.AbnormalPct != nil {
			abnormal := outcomes.Micro(float64(*o.AbnormalPct))
			row.AbnormalMicros = &abnormal
		}
		switch {
		case row.ReturnMicros > band:
			row.Move = 1
		case row.ReturnMicros < -band:
			row.Move = -1
		}
		out = append(out, row)
	}
	return out
}

// Market phases.
const (
	PhasePre     = "pre"
	PhaseRegular = "regular"
	PhasePost    = "post"
	PhaseClosed  = "closed"
)

// newYork is read once: its rules are linked into the binary by package market.
var newYork = sync.OnceValue(func() *time.Location {
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		panic("load time zone America/New_York: " + err.Error()) // market.NYSE would have failed before
	}
	return zone
})

// Phase returns the weekday in New York, 1 (Monday) to 7, and the market phase at t (domain.md 5): pre
// from 04:00, regular between open and close, post until 20:00, closed otherwise and on days without a
// session.
func Phase(cal *market.Calendar, t time.Time) (weekday int, phase string) {
	local := t.In(newYork())
	weekday = (int(local.Weekday())+6)%7 + 1
	session, ok := cal.Session(event.NewDate(local.Year(), local.Month(), local.Day()))
	switch {
	case !ok || local.Hour() < 4 || local.Hour() >= 20:
		return weekday, PhaseClosed
	case t.Before(session.Open):
		return weekday, PhasePre
	case t.Before(session.Close):
		return weekday, PhaseRegular
	}
	return weekday, PhasePost
}

// Producer is who appended to a stream, and when last.
type Producer struct {
	Stream         string    `db:"stream"`
	Producer       string    `db:"producer,keep"`
	LastRecordedAt time.Time `db:"last_recorded_at"`
	LastEventID    string    `db:"last_event_id"`
}

// ProducerOf returns the row that an event alone makes. A name that no index can hold is cut.
func ProducerOf[E event.Event](e *E) Producer {
	v := event.EnvelopeOf(e)
	name := v.Producer
	for i := range name {
		if i > maxID-4 {
			name = name[:i]
			break
		}
	}
	return Producer{Stream: event.StreamOf[E](), Producer: name, LastRecordedAt: v.RecordedAt, LastEventID: v.EventID}
}

// Newer reports whether p is of a newer event than q.
func (p *Producer) Newer(q *Producer) bool {
	return later(p.LastRecordedAt, p.LastEventID, q.LastRecordedAt, q.LastEventID)
}

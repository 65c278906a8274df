package projectors

import (
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"shitpost-alpha/projectors/rows"
)

// ledger keeps the calls of all predictions until the prices of their symbols come by, in some 150 bytes
// each: a rebuild has to remember nothing else of what it has written.
type ledger struct {
	predictions []entry
	configs     []configuration
	known       map[configuration]int32 // places in configs
	calls       map[string][]callEntry  // by symbol
	words       []string                // sentiments and origins
	total       int
}

// configuration is who answered.
type configuration struct{ analyzer, provider, model, promptVersion string }

// entry is what outcomes and scores need of a prediction.
type entry struct {
	predictionID, postID   string
	published, predicted   int64   // µs since 1970
	confidence             float64 // NaN: none
	config                 int32
	isPrimary, isSynthetic bool
}

// callEntry is a call: the place of its prediction, and of its sentiment and origin in words.
type callEntry struct {
	prediction        int32
	sentiment, origin uint8
}

func newLedger() *ledger {
	return &ledger{known: map[configuration]int32{}, calls: map[string][]callEntry{}}
}

// word returns the place of one of the few sentiments and origins.
func (l *ledger) word(s string) uint8 {
	i := slices.Index(l.words, s)
	if i < 0 {
		i = len(l.words)
		l.words = append(l.words, strings.Clone(s))
	}
	return uint8(i)
}

// add takes predictions and their calls, which follow each other in the same order.
func (l *ledger) add(predictions []rows.Prediction, calls []rows.Call) {
	for i := range predictions {
		p := &predictions[i]
		if p.Calls == 0 {
			continue
		}
		first := &calls[0]
		e := entry{predictionID: strings.Clone(p.PredictionID), postID: strings.Clone(p.PostID), published: p.PublishedAt.UnixMicro(),
			predicted: first.PredictedAt.UnixMicro(), confidence: math.NaN(), isPrimary: p.IsPrimary, isSynthetic: p.Synthetic}
		if p.Confidence != nil {
			e.confidence = *p.Confidence
		}
		e.config = l.config(configuration{p.Analyzer, p.Provider, p.Model, p.PromptVersion})
		for _, c := range calls[:p.Calls] {
			symbol := c.Symbol
			if l.calls[symbol] == nil {
				symbol = strings.Clone(symbol)
			}
			l.calls[symbol] = append(l.calls[symbol], callEntry{int32(len(l.predictions)), l.word(c.Sentiment), l.word(c.Origin)})
		}
		l.predictions = append(l.predictions, e)
		l.total += p.Calls
		calls = calls[p.Calls:]
	}
}

func (l *ledger) config(c configuration) int32 {
	i, ok := l.known[c]
	if !ok {
		c = configuration{strings.Clone(c.analyzer), strings.Clone(c.provider), strings.Clone(c.model), strings.Clone(c.promptVersion)}
		i = int32(len(l.configs))
		l.configs = append(l.configs, c)
		l.known[c] = i
	}
	return i
}

// symbols returns those of which there are calls left, sorted.
func (l *ledger) symbols() []string { return slices.Sorted(maps.Keys(l.calls)) }

// take yields the calls of a symbol with their predictions, part by part, and forgets them. Of calls and
// predictions only what outcomes and scores follow from is set.
func (l *ledger) take(symbol string, yield func([]rows.Call, map[string]*rows.Prediction) error) error {
	list := l.calls[symbol]
	delete(l.calls, symbol)
	for part := range slices.Chunk(list, scoredCalls) {
		calls, predictions := make([]rows.Call, len(part)), make(map[string]*rows.Prediction, len(part))
		for i, c := range part {
			e := &l.predictions[c.prediction]
			var confidence *float64
			if !math.IsNaN(e.confidence) {
				confidence = &e.confidence
			}
			calls[i] = rows.Call{PredictionID: e.predictionID, Symbol: symbol, Sentiment: l.words[c.sentiment], PostID: e.postID,
				PublishedAt: time.UnixMicro(e.published).UTC(), Confidence: confidence, Origin: l.words[c.origin],
				PredictedAt: time.UnixMicro(e.predicted).UTC()}
			of := l.configs[e.config]
			predictions[e.predictionID] = &rows.Prediction{PredictionID: e.predictionID, IsPrimary: e.isPrimary, Origin: rows.Origin{Synthetic: e.isSynthetic},
				Config: rows.Config{Analyzer: of.analyzer, Provider: of.provider, Model: of.model, PromptVersion: of.promptVersion}}
		}
		if err := yield(calls, predictions); err != nil {
			return err
		}
	}
	return nil
}

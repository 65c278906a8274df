package legacy

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/producers/analysis"
)

// Analyzer and RulesVersion of what is imported. The prompt version names the row: legacy:17.
const (
	Analyzer     = "llm"
	RulesVersion = "legacy"
	promptPrefix = "legacy:"
	unknownModel = "unknown"
)

// bypassReasons lead from every reason that some version of the old system wrote to ours (domain.md
// 2.2). Keys are lower case with blanks for underscores. Lookup table, never changed.
var bypassReasons = map[string]string{
	"no text": analysis.NoText, "no text content": analysis.NoText, "media only": analysis.NoText,
	"retruth": analysis.Retruth, "repost": analysis.Retruth,
	"test content": analysis.TestContent, "text too short": analysis.TooShort,
	"insufficient words": analysis.InsufficientWords, "url only": analysis.InsufficientWords,
	"symbols only": analysis.InsufficientWords, "unanalyzable content": analysis.InsufficientWords,
}

// prediction judges a row of table predictions: prediction_made, post_bypassed, or a rejection.
func (f *facts) prediction(r *row) decision[event.Prediction] {
	refuse := func(reason, why string) decision[event.Prediction] {
		return decision[event.Prediction]{draft: rejected[event.Prediction](r, reason, why)}
	}
	postID := r.text("signal_id", "shitpost_id")
	published, err := event.PublishedAt(postID)
	if err != nil {
		return refuse(BadPostID, err.Error())
	}
	status := strings.ToLower(r.text("analysis_status"))
	if status == "" { // the oldest form has no status
		status = "completed"
		if r.text("bypass_reason") != "" {
			status = "bypassed"
		}
	}
	d := event.Prediction{PostID: postID, PublishedAt: published, RulesVersion: RulesVersion}
	d.Source, d.CausationID = Source, f.observed[postID]
	d.SetPayload(r.doc)
	if d.OccurredAt, err = r.time("analysis_timestamp", "created_at"); err != nil {
		return refuse(NoTime, err.Error())
	}
	switch status {
	case "completed":
		if reason, why := complete(&d, r); reason != "" {
			return refuse(reason, why)
		}
		f.predicted[postID] = true
	case "bypassed":
		old := r.text("analysis_comment", "bypass_reason")
		reason, ok := bypassReasons[strings.TrimSpace(strings.ReplaceAll(strings.ToLower(old), "_", " "))]
		if !ok {
			return refuse(BadStatus, fmt.Sprintf("bypass reason %q is not known", old))
		}
		if f.decided(postID, r.key()) {
			return decision[event.Prediction]{covered: PostDecided}
		}
		f.bypassed[postID], f.imported[postID] = r.key(), true
		d.Kind, d.PredictionID, d.BypassReason = event.PostBypassed, event.BypassID(postID), reason
	case "error", "pending":
		return refuse(NoVerdict, fmt.Sprintf("its status is %s: %s", status, r.text("analysis_comment")))
	default:
		return refuse(BadStatus, fmt.Sprintf("status %q is not known", status))
	}
	d.Key = d.PredictionID
	return decision[event.Prediction]{draft: d}
}

// decided says whether a bypass of the post says nothing new: a bypass stands already, of another row
// or not imported at all, or a prediction came before it.
func (f *facts) decided(postID, key string) bool {
	by, bypassed := f.bypassed[postID]
	if bypassed {
		return !f.imported[postID] || by != "" && by != key
	}
	return f.predicted[postID]
}

// complete fills in the answer of a completed row, or says why it is none.
func complete(d *event.Prediction, r *row) (reason, why string) {
	d.Kind, d.Analyzer = event.PredictionMade, Analyzer
	d.Provider, d.Model = r.text("llm_provider"), r.text("llm_model")
	if d.Model == "" {
		d.Model = unknownModel
	}
	d.PromptVersion = promptPrefix + r.text("id")
	d.PredictionID = event.PredictionID(d.PostID, d.Analyzer, d.Provider, d.Model, d.PromptVersion)
	confidence, ok := r.number("confidence")
	if !ok || !(confidence >= 0 && confidence <= 1) {
		return BadConfidence, fmt.Sprintf("confidence %q is not in 0..1", r.text("confidence"))
	}
	named, err := assetsOf(r)
	if err != nil {
		return BadAssets, err.Error()
	}
	d.Confidence, d.Thesis = &confidence, r.text("thesis", "reasoning")
	d.Assets, d.Dropped = analysis.Symbols(named)
	return "", ""
}

// assetsOf reads the calls of a row. Each asset has its own sentiment or none: never another's. Where
// the old system renamed a ticker and lost its sentiment on the way (FB in market_impact, META in
// assets), the sentiment moves along.
func assetsOf(r *row) ([]event.Asset, error) {
	var symbols []string
	if err := json.Unmarshal(r.json("assets"), &symbols); err != nil {
		return nil, fmt.Errorf("assets are no list of tickers: %w", err)
	}
	impact, err := impactOf(r)
	if err != nil {
		return nil, err
	}
	all := strings.ToLower(r.text("sentiment")) // of the oldest form: one for the whole row
	assets := make([]event.Asset, 0, len(symbols))
	for _, symbol := range symbols {
		a := event.Asset{Symbol: symbol, Sentiment: cmp.Or(impact[symbol], impact[renamed(symbol)])}
		if _, newer := r.cells["market_impact"]; !newer {
			a.Sentiment = all
		}
		assets = append(assets, a)
	}
	return assets, nil
}

// impactOf returns the sentiments of market_impact, by name and by what the rules make of the name.
func impactOf(r *row) (map[string]string, error) {
	doc := r.json("market_impact")
	if doc == nil {
		return nil, nil
	}
	var read map[string]*string
	if err := json.Unmarshal(doc, &read); err != nil {
		return nil, fmt.Errorf("market_impact is no map of tickers to sentiments: %w", err)
	}
	impact := map[string]string{}
	for _, symbol := range slices.Sorted(maps.Keys(read)) { // sorted: two names may become one
		if read[symbol] == nil {
			continue
		}
		said := strings.ToLower(strings.TrimSpace(*read[symbol]))
		switch said {
		case event.Bullish, event.Bearish, event.Neutral:
		default:
			return nil, fmt.Errorf("the sentiment of %s is %q", symbol, *read[symbol])
		}
		for _, name := range []string{symbol, renamed(symbol)} {
			if _, taken := impact[name]; !taken || name == symbol {
				impact[name] = said
			}
		}
	}
	return impact, nil
}

// renamed returns the symbol that the rules make of a name, the name itself where they drop it.
func renamed(name string) string {
	if assets, _ := analysis.Symbols([]event.Asset{{Symbol: name}}); len(assets) == 1 {
		return assets[0].Symbol
	}
	return name
}

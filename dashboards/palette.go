package dashboards

import "github.com/grafana/grafana-foundation-sdk/go/dashboard"

// The colours, each with one meaning on every dashboard. They are those of Okabe and Ito ("Color
// Universal Design", 2008), which the colour-blind can tell apart; words and arrows say the same.
const (
	colorBullish  = "#0072B2"
	colorBearish  = "#E69F00"
	colorNeutral  = "#707070" // neutral, not scored, too few rows, nothing to say
	colorGood     = "#009E73" // right, gain, as it should be
	colorBad      = "#D55E00" // wrong, loss, broken
	colorCaution  = "#CC79A7" // waiting, getting late
	colorBaseline = "#56B4E9" // what a figure is compared with
	colorPlain    = "text"    // Grafana's own text colour
)

// palette lists the colours that carry a meaning.
func palette() map[string]string {
	return map[string]string{"bullish": colorBullish, "bearish": colorBearish, "neutral": colorNeutral, "good": colorGood,
		"bad": colorBad, "caution": colorCaution, "baseline": colorBaseline}
}

// minRows is the number of evaluated rows under which a figure is greyed (domain.md 5).
const minRows = 30

// word is how a value is written, and its colour.
type word struct{ value, text, color string }

// words is a mapping of values to words, in the order given.
func words(all ...word) props {
	options := map[string]any{}
	for i, w := range all {
		options[w.value] = map[string]any{"text": w.text, "color": w.color, "index": i}
	}
	return props{{Id: "mappings", Value: []map[string]any{{"type": "value", "options": options}}}, colored()}
}

func sentiments() props {
	return words(word{"bullish", "▲ bullish", colorBullish}, word{"bearish", "▼ bearish", colorBearish},
		word{"neutral", "◆ neutral", colorNeutral}, word{"none", "– none", colorNeutral}, word{"mixed", "◇ mixed", colorNeutral})
}

func verdicts() props {
	return words(word{"right", "✓ right", colorGood}, word{"wrong", "✗ wrong", colorBad}, word{"not scored", "– not scored", colorNeutral})
}

// statuses are those of posts, analyses, outcomes, prices and builds: a word never means two things.
func statuses() props {
	return words(word{"completed", "✓ completed", colorGood}, word{"bypassed", "» bypassed", colorNeutral}, word{"failed", "✗ failed", colorBad},
		word{"retrying", "↻ retrying", colorCaution}, word{"waiting", "… waiting", colorCaution}, word{"none", "… waiting", colorCaution},
		word{"before_launch", "– before launch", colorNeutral}, word{"withdrawn", "– withdrawn", colorNeutral},
		word{"evaluated", "✓ evaluated", colorGood}, word{"pending", "… pending", colorNeutral}, word{"awaiting_price", "… awaiting price", colorCaution},
		word{"no_bar", "✗ no bar", colorBad}, word{"unpriceable", "✗ unpriceable", colorBad}, word{"suspect", "✗ suspect", colorBad},
		word{"outside_calendar", "– outside calendar", colorNeutral}, word{"priced", "✓ priced", colorGood},
		word{"done", "✓ done", colorGood}, word{"running", "… running", colorCaution}, word{"crashed", "✗ crashed", colorBad})
}

// step begins a colour at a value.
type step struct {
	from  float64
	color string
}

// steps are thresholds: base below the first of them.
func steps(base string, all ...step) props {
	list := []map[string]any{{"color": base, "value": nil}}
	for _, s := range all {
		list = append(list, map[string]any{"color": s.color, "value": s.from})
	}
	return props{{Id: "thresholds", Value: map[string]any{"mode": "absolute", "steps": list}}}
}

// signed colours losses, gains and, between minus band and band, neither.
func signed(band float64) props {
	return steps(colorBad, step{-band, colorNeutral}, step{band, colorGood})
}

func plainThresholds() *dashboard.ThresholdsConfigBuilder {
	return dashboard.NewThresholdsConfigBuilder().Mode(dashboard.ThresholdsModeAbsolute).Steps([]dashboard.Threshold{{Color: colorPlain}})
}

package analysis

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"shitpost-alpha/lake/event"
)

// assetsOf reads "AAPL|bullish,ba|bearish,TSLA", the last one without a sentiment.
func assetsOf(s string) (out []event.Asset) {
	for part := range strings.SplitSeq(s, ",") {
		if part == "" {
			continue
		}
		symbol, sentiment, _ := strings.Cut(part, "|")
		out = append(out, event.Asset{Symbol: symbol, Sentiment: sentiment, Rationale: "because " + symbol})
	}
	return out
}

func TestSymbols(t *testing.T) {
	eleven := "A1,A2,A3,A4,A5,A6,A7,A8,A9,A10,A11|bearish"
	for _, c := range []struct{ named, want, drops string }{
		{"", "", ""},
		{"aapl|bullish, Ba |bearish", "AAPL|bullish BA|bearish", ""},
		{"AAPL|bullish,aapl|bearish,TSLA|neutral,Aapl", "AAPL|bullish TSLA|neutral", "AAPL|bearish|duplicate AAPL||duplicate"},
		{"$TSLA|bullish,^GSPC|bearish,CL=F|neutral,7203.T", "TSLA|bullish ^GSPC|bearish CL=F|neutral 7203.T|", ""},
		// Aliases: the sentiment moves along, none is borrowed, and the first one stands.
		{"RTN|bullish,FB|bearish,RDS.A|neutral,CBS,AKS|bullish,BRK.B|bearish", "RTX|bullish META|bearish SHEL|neutral PARA| CLF|bullish BRK-B|bearish", ""},
		{"BTC|bullish,ETH|bearish,sol|neutral,XRP|bullish,DOGE|bearish,DWAC|bullish", "BTC-USD|bullish ETH-USD|bearish SOL-USD|neutral XRP-USD|bullish DOGE-USD|bearish DJT|bullish", ""},
		{"FB|bullish,META|bearish", "META|bullish", "META|bearish|duplicate"},
		{"META|bearish,fb|bullish", "META|bearish", "FB|bullish|duplicate"},
		{"RDS.A|bullish,RDS.B|bearish", "SHEL|bullish", "RDS.B|bearish|duplicate"},
		{"FB,META|bearish", "META|", "META|bearish|duplicate"},
		// Dropped.
		{"tariff|bearish,GOLD|bullish,NEWSMAX,SPY|bullish", "SPY|bullish", "TARIFF|bearish|concept GOLD|bullish|concept NEWSMAX||concept"},
		{"TWTR|bullish,ptr,SNP,KOL,OIL|bearish", "", "TWTR|bullish|delisted PTR||delisted SNP||delisted KOL||delisted OIL|bearish|delisted"},
		{" |bullish,Apple Inc|bearish,A--B,-,AAPL;DROP,THISISFARTOOLONGFORASYMBOL", "", "|bullish|malformed APPLE INC|bearish|malformed A--B||malformed -||malformed AAPL;DROP||malformed THISISFARTOOLONGFORASYMBOL||malformed"},
		{eleven, "A1| A2| A3| A4| A5| A6| A7| A8| A9| A10|", "A11|bearish|over limit"},
	} {
		assets, drops := Symbols(assetsOf(c.named))
		var got, dropped []string
		for _, a := range assets {
			got = append(got, a.Symbol+"|"+a.Sentiment)
			if a.Rationale != "because "+a.Named {
				t.Errorf("%q: asset %+v lost its name or rationale", c.named, a)
			}
		}
		for _, d := range drops {
			dropped = append(dropped, d.Symbol+"|"+d.Sentiment+"|"+d.Reason)
		}
		if g, d := strings.Join(got, " "), strings.Join(dropped, " "); g != c.want || d != c.drops {
			t.Errorf("%q:\n got %q, dropped %q\nwant %q, dropped %q", c.named, g, d, c.want, c.drops)
		}
	}
}

// TestEveryConceptIsDropped spells the list of domain.md 2.4 out once more.
func TestEveryConceptIsDropped(t *testing.T) {
	const words = "DEFENSE CRYPTO ECONOMY TARIFF GDP CPI FED IPO ESG NEWSMAX NATO CEO GOLD STEEL COAL SILVER CORN " +
		"GAS TAX USA NEWS WIN WAR VOTE JOBS NICE FAST REAL TRUE HOPE BEAR BULL"
	for _, w := range strings.Fields(words) {
		if assets, drops := Symbols([]event.Asset{{Symbol: w}}); len(assets) != 0 || drops[0].Reason != Concept {
			t.Errorf("%s: %v, %v; want it dropped as a concept", w, assets, drops)
		}
	}
}

// TestSymbolsProperties: nothing is lost, every symbol stands once, and doing it again changes nothing.
func TestSymbolsProperties(t *testing.T) {
	name := rapid.OneOf(rapid.SampledFrom([]string{"aapl", "FB", "META", "GOLD", "TWTR", "BTC", "btc-usd", " ", "no symbol"}), rapid.String())
	sentiment := rapid.SampledFrom([]string{"", event.Bullish, event.Bearish, event.Neutral})
	rapid.Check(t, func(t *rapid.T) {
		var named []event.Asset
		for i := range rapid.IntRange(0, 15).Draw(t, "n") {
			named = append(named, event.Asset{Symbol: name.Draw(t, fmt.Sprint("name", i)), Sentiment: sentiment.Draw(t, fmt.Sprint("sentiment", i))})
		}
		before := slices.Clone(named)
		assets, drops := Symbols(named)
		if !reflect.DeepEqual(named, before) {
			t.Fatal("the input was changed")
		}
		if len(assets)+len(drops) != len(named) || len(assets) > MaxAssets {
			t.Fatalf("%d assets and %d drops of %d", len(assets), len(drops), len(named))
		}
		seen := map[string]bool{}
		for _, a := range assets {
			if seen[a.Symbol] || !symbolPattern.MatchString(a.Symbol) {
				t.Fatalf("asset %+v", a)
			}
			seen[a.Symbol] = true
		}
		for _, d := range drops {
			if !slices.Contains(DropReasons(), d.Reason) {
				t.Fatalf("reason %q is not documented", d.Reason)
			}
		}
		again, more := Symbols(assets)
		if len(more) > 0 || len(again) != len(assets) {
			t.Fatalf("again: %v, dropped %v", again, more)
		}
	})
}

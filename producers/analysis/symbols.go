package analysis

import (
	"regexp"
	"strings"

	"shitpost-alpha/lake/event"
)

// Reasons why the symbol rules drop an asset (domain.md 2.4).
const (
	// Concept is a word that names an idea and no ticker: TARIFF, GDP, GOLD.
	Concept = "concept"
	// Delisted is a ticker that no longer trades and has no successor: TWTR, KOL.
	Delisted = "delisted"
	// Duplicate is a symbol that an earlier asset of the answer already names.
	Duplicate = "duplicate"
	// Malformed is nothing that could be a symbol: empty, a sentence, a stray character.
	Malformed = "malformed"
	// OverLimit is an asset beyond the first MaxAssets.
	OverLimit = "over limit"
)

// DropReasons lists the reasons for which Symbols drops an asset.
func DropReasons() []string { return []string{Concept, Delisted, Duplicate, Malformed, OverLimit} }

// symbolPattern: a ticker as Yahoo writes it, such as AAPL, BRK-B, BTC-USD, ^GSPC, CL=F, 7203.T.
var symbolPattern = regexp.MustCompile(`^\^?[A-Z0-9]{1,10}([.-][A-Z0-9]{1,6})*(=[FX])?$`)

// concepts are words that models name and that are no tickers. Lookup table, never changed.
var concepts = wordSet(`DEFENSE CRYPTO ECONOMY TARIFF GDP CPI FED IPO ESG NEWSMAX NATO CEO GOLD STEEL COAL SILVER
	CORN GAS TAX USA NEWS WIN WAR VOTE JOBS NICE FAST REAL TRUE HOPE BEAR BULL`)

// delisted have no replacement. Lookup table, never changed.
var delisted = wordSet("TWTR PTR SNP KOL OIL")

// aliases lead from a name to the symbol that prices are found under. Lookup table, never changed.
var aliases = map[string]string{
	"RTN": "RTX", "FB": "META", "RDS.A": "SHEL", "RDS.B": "SHEL", "CBS": "PARA", "AKS": "CLF", "BRK.B": "BRK-B",
	"BTC": "BTC-USD", "ETH": "ETH-USD", "SOL": "SOL-USD", "XRP": "XRP-USD", "DOGE": "DOGE-USD", "DWAC": "DJT",
}

func wordSet(words string) map[string]bool {
	set := map[string]bool{}
	for _, w := range strings.Fields(words) {
		set[w] = true
	}
	return set
}

// maxSymbol is how many bytes of a name are kept: a model may answer with a whole sentence.
const maxSymbol = 64

// clean trims and upper-cases a name; the $ of a cashtag is no part of a symbol.
func clean(name string) string {
	if len(name) > maxSymbol {
		name = name[:maxSymbol]
	}
	symbol := strings.ToUpper(strings.TrimFunc(strings.ToValidUTF8(name, ""), event.IsBlank))
	return strings.TrimPrefix(symbol, "$")
}

// Symbols applies the symbol rules to an answer's assets: trimmed, upper case, aliases replaced
// with their sentiment moving along, each symbol once in the order of first mention. What it
// takes out is returned with the reason. An asset keeps its own sentiment, also when it has none.
func Symbols(named []event.Asset) (assets []event.Asset, drops []event.Drop) {
	taken := map[string]bool{}
	for _, a := range named {
		symbol := clean(a.Symbol)
		drop := func(reason string) {
			drops = append(drops, event.Drop{Symbol: symbol, Sentiment: a.Sentiment, Reason: reason})
		}
		target, aliased := aliases[symbol]
		if !aliased {
			target = symbol
		}
		switch {
		case concepts[symbol]:
			drop(Concept)
		case delisted[symbol]:
			drop(Delisted)
		case !symbolPattern.MatchString(symbol):
			drop(Malformed)
		case taken[target]:
			drop(Duplicate)
		case len(assets) == MaxAssets:
			drop(OverLimit)
		default:
			taken[target] = true
			a.Named, a.Symbol = a.Symbol, target
			assets = append(assets, a)
		}
	}
	return assets, drops
}

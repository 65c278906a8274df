package rules

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/realdata"
	"shitpost-alpha/producers/analysis"
)

// realTexts returns the texts of the recorded posts.
func realTexts(t testing.TB) []string {
	t.Helper()
	doc, err := os.ReadFile(filepath.Join(realdata.Path(t), "posts", "text_posts_2024-11_2026-01.csv"))
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(string(doc), "\ufeff"))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, row := range rows[1:] {
		texts = append(texts, row[2])
	}
	return texts
}

func TestRealPosts(t *testing.T) {
	a := newAnalyzer(t)
	bypassed, bins, symbols, sentiments := map[string]int{}, [10]int{}, map[string]int{}, map[string]int{}
	analysed, withCalls, calls := 0, 0, 0
	texts := realTexts(t)
	for _, text := range texts {
		p := event.Post{Text: text}
		if reason := analysis.Bypass(&p); reason != "" {
			bypassed[reason]++
			continue
		}
		analysed++
		out := answer(t, a, p.OwnText())
		draft(t, a, text, out)
		if len(out.Assets) > 0 {
			withCalls++
			bins[min(9, int(out.Confidence*10))]++
		}
		for _, c := range out.Assets {
			calls++
			symbols[c.Symbol]++
			sentiments[c.Sentiment]++
		}
	}
	t.Logf("%d posts, bypassed %v, analysed %d, of these with calls %d", len(texts), bypassed, analysed, withCalls)
	t.Logf("%d calls %v on %d symbols, posts by tenth of confidence %v", calls, sentiments, len(symbols), bins)
	if len(texts) != 5474 {
		t.Errorf("%d posts, want 5474", len(texts))
	}
	if calls < 500 || len(symbols) < 50 || sentiments[event.Bullish] < 100 || sentiments[event.Bearish] < 100 {
		t.Errorf("%d calls %v on %d symbols: want at least 500 on 50, both ways", calls, sentiments, len(symbols))
	}
	low, mid, high := 0, 0, 0 // the bins of domain.md 5
	for i, n := range bins {
		switch {
		case i < 6:
			low += n
		case i < 7:
			mid += n
		default:
			high += n
		}
	}
	if low < 50 || mid < 50 || high < 50 {
		t.Errorf("confidence is not spread: %d low, %d middle, %d high", low, mid, high)
	}
}

// TestVersionNamesLexicon: a lexicon with another hash gives other answers, so it needs another
// Version, and this test its hash.
func TestVersionNamesLexicon(t *testing.T) {
	if c := newAnalyzer(t).Config(); c.PromptVersion != "rules-1" || c.PromptHash != lexiconHash {
		t.Errorf("lexicon %s under version %s: raise Version when released answers change, and set lexiconHash", c.PromptHash, c.PromptVersion)
	}
}

const lexiconHash = "ec939565834cab9577d09187678e00ab"

func BenchmarkAnalyze(b *testing.B) {
	a := newAnalyzer(b)
	texts := realTexts(b)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		answer(b, a, texts[i%len(texts)])
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "posts/s")
}

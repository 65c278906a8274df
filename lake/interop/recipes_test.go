package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/event"
)

// TestRecipes runs the recipes of docs/readers.md, each a block marked with its language and the
// reader that it needs, and compares what they print.
func TestRecipes(t *testing.T) {
	in := installed(t)
	text, err := os.ReadFile(filepath.Join(root(t), "docs", "readers.md"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	want := recipeLake(t, filepath.Join(dir, "lake"))
	recipes := regexp.MustCompile("(?s)```(python|sql) ([a-z]+)\n(.*?)\n```").FindAllStringSubmatch(string(text), -1)
	if len(recipes) < 6 {
		t.Fatalf("docs/readers.md has %d recipes", len(recipes))
	}
	for _, r := range recipes {
		t.Run(r[2], func(t *testing.T) {
			if !in.has(t, r[2]) {
				return
			}
			file := filepath.Join(t.TempDir(), "recipe")
			if err := os.WriteFile(file, []byte(r[3]), 0o644); err != nil {
				t.Fatal(err)
			}
			cmd, stderr := in.command(t, dir, "recipe.py", r[1]+" "+r[2], file)
			cmd.Env = append(cmd.Env, "LAKE="+filepath.Join(dir, "lake"))
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("%v\n%s", err, stderr)
			}
			if got := strings.ReplaceAll(strings.TrimSpace(string(out)), `"`, ""); got != want {
				t.Errorf("prints\n%s\nwant\n%s", got, want)
			}
			t.Logf("RUN: the recipe for %s %s", r[2], in.lines[r[2]][0])
		})
	}
}

// recipeLake makes a small lake and returns what every recipe must print.
func recipeLake(t *testing.T, dir string) string {
	l, err := lake.Open(t.Context(), dir, lake.Options{Producer: "test@1"})
	if err != nil {
		t.Fatal(err)
	}
	var predictions []event.Prediction
	for i, symbols := range [][]string{{"SPY", "FXI"}, {}, {"SPY"}, {"OLD"}} {
		at := time.Date(2025, 1, i, 0, 0, 0, 0, time.UTC).AddDate(0, 0, 1) // the first is the very beginning of 2025
		if i == 3 {
			at = time.Date(2024, 12, 31, 23, 59, 59, 999_999_000, time.UTC)
		}
		confidence := 0.5
		p := event.Prediction{Envelope: event.Envelope{Kind: event.PredictionMade, Key: fmt.Sprint("p", i), Source: "rules", OccurredAt: at},
			PredictionID: fmt.Sprint("p", i), PostID: "1", PublishedAt: at, Analyzer: "rules", Confidence: &confidence}
		for _, s := range symbols {
			p.Assets = append(p.Assets, event.Asset{Symbol: s, Sentiment: event.Bullish})
		}
		predictions = append(predictions, p)
	}
	var prices []event.Price
	for i, symbol := range []string{"SPY", "SPY", "QQQ"} {
		d := event.NewDate(2025, time.March, 10+i)
		price := 500.25 + float64(i)
		prices = append(prices, event.Price{Envelope: event.Envelope{Kind: event.BarRecorded, Key: symbol, Source: "simulator", OccurredAt: d.Time().Add(20 * time.Hour)},
			Symbol: symbol, SessionDate: d, Interval: "1d", Open: &price, High: &price, Low: &price, Close: &price, Currency: "USD",
			Adjustment: event.AdjustedSplit, AdjustedThrough: d, FetchID: "1"})
	}
	record(t, l.Predictions, predictions)
	record(t, l.Prices, prices)
	return "FXI,1\nSPY,2\n2025-03-11,501.25"
}

func record[E event.Event](t *testing.T, s *lake.Stream[E], drafts []E) {
	t.Helper()
	// One commit each, so that readers have several files to go through.
	for _, d := range drafts {
		n, err := lake.NewRecorder(s, lake.View[E](nil)).Record(t.Context(), func() ([]E, error) { return []E{d}, nil })
		if err != nil || n != 1 {
			t.Fatalf("record: %d, %v", n, err)
		}
	}
}

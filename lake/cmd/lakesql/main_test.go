package main

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/objects/s3/s3test"
)

// fill records a few facts of every stream, with a correction and a retraction.
func fill(t *testing.T, url string) {
	t.Helper()
	l, err := lake.Open(t.Context(), url, lake.Options{Producer: "test@1"})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2025, 1, 8, 21, 0, 0, 0, time.UTC)
	bar := func(close float64) event.Price {
		high := close + 1
		return event.Price{Envelope: event.Envelope{Kind: event.BarRecorded, Key: "AAPL", Source: "file:a.csv", OccurredAt: at}, Symbol: "AAPL",
			SessionDate: event.NewDate(2025, time.January, 8), Interval: "1d", Open: &close, High: &high, Low: &close, Close: &close,
			Adjustment: event.AdjustedNone, AdjustedThrough: event.NewDate(2025, time.January, 8), FetchID: "a"}
	}
	r := lake.NewRecorder(l.Prices, nil)
	for _, close := range []float64{240, 242.5, 999} {
		record(t, r, bar(close))
	}
	c, err := l.Prices.Read(t.Context(), 3)
	if err != nil {
		t.Fatal(err)
	}
	wrong := event.Price{Envelope: event.Envelope{Kind: event.Retracted, Key: "wrong", Source: "operator", OccurredAt: at}}
	wrong.RetractedEvents = []string{c.Events[0].EventID}
	record(t, r, wrong)
	conf := 0.5
	id := event.PredictionID("113796110000000000", "rules", "builtin", "m", "v")
	p := event.Prediction{Envelope: event.Envelope{Kind: event.PredictionMade, Key: id, Source: "rules", OccurredAt: at}, PredictionID: id,
		PostID: "113796110000000000", PublishedAt: at, Analyzer: "rules", Confidence: &conf,
		Assets: []event.Asset{{Symbol: "AAPL", Sentiment: event.Bullish}, {Symbol: "SPY"}}}
	record(t, lake.NewRecorder(l.Predictions, nil), p)
}

func ask(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out, errs bytes.Buffer
	err := run(t.Context(), append([]string{"--cache", t.TempDir()}, args...), &out, &errs)
	return out.String(), err
}

func TestQueries(t *testing.T) {
	server := s3test.Start(t)
	server.Setenv(t)
	for name, url := range map[string]string{"folder": t.TempDir(), "s3": "s3://" + server.Bucket + "/sql"} {
		fill(t, url)
		for _, c := range []struct{ sql, want string }{
			{"SELECT count(*) AS n FROM events_prices", "n\n4\n"},
			{"SELECT symbol, close, session_date FROM prices", "symbol,close,session_date\nAAPL,242.5,2025-01-08\n"},
			{"SELECT date_trunc('day', occurred_at) AS day FROM prices", "day\n2025-01-08\n"},
			{"SELECT occurred_at FROM prices", "occurred_at\n2025-01-08 21:00:00\n"},
			{"SELECT a.symbol, a.sentiment FROM (SELECT unnest(assets) AS a FROM predictions) ORDER BY 1", "symbol,sentiment\nAAPL,bullish\nSPY,\n"},
			{"SELECT count(*) AS n, max(text) AS t FROM posts", "n,t\n0,\n"},
		} {
			t.Run(name+"/"+c.sql, func(t *testing.T) {
				if got, err := ask(t, "--lake", url, "--format", "csv", c.sql); err != nil || got != c.want {
					t.Errorf("got %q, %v; want %q", got, err, c.want)
				}
			})
		}
	}
}

func TestFormatsAndErrors(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir)
	if got, err := ask(t, "--lake", dir, "SELECT symbol, NULL AS x FROM prices"); err != nil || got != "symbol     x\nAAPL    NULL\n" {
		t.Errorf("table: %q, %v", got, err)
	}
	if got, err := ask(t, "--lake", dir, "--json", "SELECT symbol, close FROM prices"); err != nil || got != "{\"symbol\":\"AAPL\",\"close\":242.5}\n" {
		t.Errorf("jsonl: %q, %v", got, err)
	}
	if _, err := ask(t, "--lake", dir, "SELECT nonsense FROM prices"); err == nil || !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("a wrong column: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := run(ctx, []string{"--lake", dir, "--cache", dir, "SELECT 1"}, &bytes.Buffer{}, &bytes.Buffer{}); err == nil {
		t.Error("an ended context was ignored")
	}
}

func TestExtensionsStayOff(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir)
	_, err := ask(t, "--lake", dir, "SELECT * FROM read_parquet('s3://bucket/x')")
	if err == nil || strings.Contains(fmt.Sprint(err), "http://") {
		t.Errorf("reading S3 from SQL: %v; want a plain refusal, not a download", err)
	}
}

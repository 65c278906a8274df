package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/cli"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/producers/prices"
	"shitpost-alpha/producers/prices/pricestest"
)

func predict(t *testing.T, folder string, symbols ...string) {
	t.Helper()
	l, err := lake.Open(context.Background(), folder, lake.Options{})
	if err != nil {
		t.Fatal(err)
	}
	confidence := 0.7
	at := time.Date(2025, 6, 2, 14, 0, 0, 0, time.UTC)
	p := event.Prediction{PredictionID: "p", PostID: "114613500000000000", PublishedAt: at, Analyzer: "rules", Confidence: &confidence}
	p.Kind, p.Key, p.Source, p.OccurredAt = event.PredictionMade, "p", "rules", at
	for _, s := range symbols {
		p.Assets = append(p.Assets, event.Asset{Symbol: s})
	}
	if _, err := lake.NewRecorder(l.Predictions, nil).Record(context.Background(), func() ([]event.Prediction, error) { return []event.Prediction{p}, nil }); err != nil {
		t.Fatal(err)
	}
}

func once(t *testing.T, args ...string) prices.Report {
	t.Helper()
	var out, logs bytes.Buffer
	if err := run(context.Background(), append(args, "--json"), &out, &logs); err != nil {
		t.Fatalf("%v\n%s", err, logs.String())
	}
	var r prices.Report
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	return r
}

func TestOnce(t *testing.T) {
	folder := t.TempDir()
	predict(t, folder, "NVDA", "XLE")
	files := pricestest.Path(t, "prices")
	dry := once(t, "--lake", folder, "--path", files, "--dry-run")
	real := once(t, "--lake", folder, "--path", files, "--once")
	if dry != real || real.Bars == 0 || real.Splits != 1 || real.Symbols != 3 {
		t.Errorf("dry run %+v, real run %+v", dry, real)
	}
	if again := once(t, "--lake", folder, "--path", files, "--once"); again.Appended != 0 {
		t.Errorf("the second run appended %+v", again)
	}
	var out, logs bytes.Buffer
	if err := run(context.Background(), []string{"--lake", folder, "--once", "--seed", "3"}, &out, &logs); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(out.String(), "3 symbols needed, 3 asked for, 0 failed; recorded ") {
		t.Errorf("printed %q", out.String())
	}
}

// TestService runs until it is stopped, and is woken by a prediction.
func TestService(t *testing.T) {
	folder := t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, []string{"--lake", folder, "--every", "1h", "--poll", "1s"}, &bytes.Buffer{}, &bytes.Buffer{})
	}()
	predict(t, folder, "NVDA")
	l, err := lake.Open(ctx, folder, lake.Options{Poll: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Prices.Wait(ctx, 1); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("a stop is no error: %v", err)
	}
}

func TestUsage(t *testing.T) {
	cases := []struct {
		args []string
		says []string
	}{
		{[]string{"--source", "files"}, []string{"--path"}},
		{[]string{"--source", "simulator", "--path", "x"}, []string{"--source files"}},
		{[]string{"--source", "bloomberg"}, []string{"yahoo", "files", "simulator"}},
		{[]string{"--source", "simulator", "--source", "simulator", "--every", "0s"}, []string{"twice", "longer than 0"}},
		{[]string{"--path", "gone"}, []string{"gone"}},
		{[]string{"--lake", "ftp://x", "--once"}, []string{"ftp://x"}},
		{[]string{"--lake", "ftp://x", "--path", "gone", "--yahoo-url", "query1", "--stooq-url", "ftp://y", "--rate", "0", "--every=-1s", "--poll", "0s", "--max-requests-per-day=-1"},
			[]string{"ftp://x", "gone", "--yahoo-url", "--stooq-url", "--rate", "--every", "--poll", "--max-requests-per-day"}},
		{[]string{"--listen", "nowhere:port", "--lake", "LAKE"}, []string{"nowhere:port", "--listen"}},
	}
	for _, c := range cases {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			for i := range c.args {
				c.args[i] = strings.Replace(c.args[i], "LAKE", t.TempDir(), 1)
			}
			err := run(context.Background(), c.args, &bytes.Buffer{}, &bytes.Buffer{})
			if err == nil || !errors.Is(err, cli.ErrUsage) && !strings.Contains(err.Error(), "listen") {
				t.Fatalf("error %v, want a usage error", err)
			}
			for _, s := range c.says {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("%q does not name %q", err, s)
				}
			}
		})
	}
}

// TestLinks: the pricer needs the lake and its sources, nothing else.
func TestLinks(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, banned := range []string{"jackc/pgx", "duckdb", "go-openai", "grafana-foundation-sdk"} {
		if strings.Contains(string(out), banned) {
			t.Errorf("the pricer links %s", banned)
		}
	}
}

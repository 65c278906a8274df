package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/peterh/liner"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/query"
)

// typist types lines; each may have something happen before the next is asked for.
type typist struct {
	lines   []string
	history []string
	prompts []string
	before  func(line int) // is called before a line is given
}

func (k *typist) Prompt(prompt string) (string, error) {
	k.prompts = append(k.prompts, prompt)
	if k.before != nil {
		k.before(len(k.prompts))
	}
	if len(k.lines) == 0 {
		return "", io.EOF
	}
	line := k.lines[0]
	k.lines = k.lines[1:]
	if line == "^C" {
		return "", liner.ErrPromptAborted
	}
	return line, nil
}

func (k *typist) AppendHistory(line string) { k.history = append(k.history, line) }

// typed runs the shell over a lake and returns what it printed.
func typed(t *testing.T, url string, interrupts <-chan os.Signal, k *typist) (out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	s := &session{grammar: grammar{Format: "csv", Null: "NULL"}, stdout: &stdout, stderr: &stderr}
	l, err := lake.Open(t.Context(), url, lake.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	if s.db, err = query.Open(t.Context(), l, query.Options{Dir: t.TempDir()}); err != nil {
		t.Fatal(err)
	}
	defer s.db.Close()
	if err := s.shell(t.Context(), k, interrupts); err != nil {
		t.Fatal(err)
	}
	return stdout.String(), stderr.String()
}

func TestShell(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir)
	k := &typist{lines: []string{
		"SELECT 'one", "line; two' AS a;", "", "SELECT 1 AS b; SELECT 2 AS c; SELECT", "^C",
		"SELECT nonsense FROM prices;", ".tables", ".schema prices", ".schema nothing", ".mode jsonl", ".mode parquet", "SELECT 3 AS d;", ".help", ".what",
		".refresh", "CREATE TABLE mine AS SELECT symbol FROM prices; SELECT count(*) AS n FROM mine;", ".quit", "SELECT 'never';"}}
	out, errs := typed(t, dir, nil, k)
	for _, want := range []string{"a\n\"one\nline; two'", "b\n1\n", "c\n2\n", "events_prices       all events", "column_name,column_type\nsymbol,VARCHAR\n", "{\"d\":3}\n", ".refresh       see", "{\"n\":1}\n"} {
		want = strings.Replace(want, "two'", "two", 1)
		if !strings.Contains(out, want) {
			t.Errorf("the shell did not print %q:\n%s", want, out)
		}
	}
	for _, want := range []string{"nonsense", "which? .tables", "want .mode table", "no command .what", "(1 rows, "} {
		if !strings.Contains(errs, want) {
			t.Errorf("standard error lacks %q:\n%s", want, errs)
		}
	}
	if strings.Contains(out, "never") {
		t.Error("the shell went on after .quit")
	}
	if k.history[0] != "SELECT 'one line; two' AS a;" || k.prompts[1] != "  ... " || k.prompts[2] != "lake> " {
		t.Errorf("history %q, prompts %q", k.history, k.prompts)
	}
}

// TestInterruptEndsTheStatement: Ctrl-C ends a statement that would run for ages, and the shell goes on.
func TestInterruptEndsTheStatement(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir)
	interrupts, enough, ended := make(chan os.Signal), make(chan struct{}), make(chan struct{})
	go func() { // the first statement is interrupted, whenever it comes to listen
		defer close(ended)
		for {
			select {
			case interrupts <- os.Interrupt:
			case <-enough:
				return
			}
		}
	}()
	k := &typist{lines: []string{"SELECT count(*) FROM range(100000000000000) a;", "SELECT 'goes on' AS s;"}}
	k.before = func(line int) {
		if line == 2 {
			close(enough)
			<-ended
		}
	}
	out, errs := typed(t, dir, interrupts, k)
	if !strings.Contains(errs, "interrupted") || !strings.Contains(out, "goes on") {
		t.Errorf("printed %q and %q", out, errs)
	}
}

// TestCancel: a statement that would run for ages ends with its context, in every format.
func TestCancel(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir)
	for _, format := range query.Formats() {
		ctx, cancel := context.WithCancel(t.Context())
		out := &canceller{cancel: cancel}
		l, err := lake.Open(ctx, dir, lake.Options{ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		db, err := query.Open(ctx, l, query.Options{Dir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		go cancel()
		if _, err := db.Write(ctx, out, "SELECT count(*) AS n FROM range(100000000000000)", query.Output{Format: format}); err == nil || ctx.Err() == nil {
			t.Errorf("%s: %v", format, err)
		}
		db.Close()
	}
}

type canceller struct{ cancel func() }

func (c *canceller) Write(p []byte) (int, error) { return len(p), nil }

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/peterh/liner"

	"shitpost-alpha/lake/query"
)

const shellHelp = `Statements end with a semicolon and may have several lines. Ctrl-C ends a running one.
.tables        the names there are
.schema NAME   the columns of one of them
.mode FORMAT   table, csv or jsonl
.full          cut cells to the width of the terminal, or not
.refresh       see the newest events; else they are those of the first look
.help  .quit`

// lineReader reads what is typed. io.EOF ends the shell, liner.ErrPromptAborted (Ctrl-C) the statement.
type lineReader interface {
	Prompt(prompt string) (string, error)
	AppendHistory(line string)
}

// interact runs the shell on the terminal. Its history is kept in the cache folder.
func (s *session) interact(ctx context.Context, url string) error {
	in := liner.NewLiner()
	defer in.Close()
	in.SetCtrlCAborts(true)
	in.SetMultiLineMode(true)
	in.SetWordCompleter(complete)
	history := filepath.Join(s.Cache, "history")
	if f, err := os.Open(history); err == nil {
		_, _ = in.ReadHistory(f) // without its history the shell works too
		f.Close()
	}
	defer func() {
		if f, err := os.OpenFile(history, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600); err == nil {
			_, _ = in.WriteHistory(f)
			f.Close()
		}
	}()
	terminated := make(chan os.Signal, 1)
	signal.Notify(terminated, syscall.SIGTERM)
	go func() {
		<-terminated
		in.Close() // gives the terminal back
		os.Exit(128 + int(syscall.SIGTERM))
	}()
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, os.Interrupt)
	defer signal.Stop(interrupts)
	fmt.Fprintf(s.stdout, "%s\nType .help for help.\n", url)
	// An interrupt ends a statement here and not the program, so not this context either.
	return s.shell(context.WithoutCancel(ctx), in, interrupts)
}

// complete offers the names of the views.
func complete(line string, pos int) (head string, completions []string, tail string) {
	start := strings.LastIndexAny(line[:pos], " \t(,") + 1
	for _, v := range query.Views() {
		if strings.HasPrefix(v.Name, strings.ToLower(line[start:pos])) {
			completions = append(completions, v.Name)
		}
	}
	return line[:start], completions, line[pos:]
}

// shell reads and runs statements until the input ends. An error of a statement is printed.
func (s *session) shell(ctx context.Context, in lineReader, interrupts <-chan os.Signal) error {
	pending := ""
	for {
		prompt := "lake> "
		if pending != "" {
			prompt = "  ... "
		}
		line, err := in.Prompt(prompt)
		switch {
		case errors.Is(err, io.EOF):
			fmt.Fprintln(s.stdout)
			return nil
		case errors.Is(err, liner.ErrPromptAborted):
			pending = ""
			continue
		case err != nil:
			return fmt.Errorf("read line: %w", err)
		}
		if strings.TrimSpace(line) == "" {
			continue
		}
		if pending == "" && strings.HasPrefix(strings.TrimSpace(line), ".") {
			in.AppendHistory(line)
			if s.dot(ctx, strings.Fields(strings.TrimRight(line, "; \t"))) {
				return nil
			}
			continue
		}
		var statements []string
		statements, rest := query.Split(strings.TrimLeft(pending+"\n"+line, "\n"))
		if len(statements) > 0 {
			in.AppendHistory(strings.Join(strings.Fields(strings.Join(statements, "; ")), " ") + ";")
		}
		pending = rest
		for _, statement := range statements {
			if !s.runTyped(ctx, statement, interrupts) {
				pending = ""
				break
			}
		}
	}
}

// runTyped runs one statement of the shell and reports whether it went well.
func (s *session) runTyped(ctx context.Context, statement string, interrupts <-chan os.Signal) bool {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	select {
	case <-interrupts: // of an earlier time
	default:
	}
	go func() {
		select {
		case <-interrupts:
			cancel()
		case <-ctx.Done():
		}
	}()
	started := time.Now()
	n, err := s.write(ctx, s.stdout, statement)
	if errors.Is(err, context.Canceled) {
		err = errors.New("interrupted")
	}
	if err != nil {
		fmt.Fprintln(s.stderr, err)
		return false
	}
	fmt.Fprintf(s.stderr, "(%d rows, %.3f s)\n", n, time.Since(started).Seconds())
	return true
}

// dot runs one of the shell's own commands and reports whether it ends the shell.
func (s *session) dot(ctx context.Context, words []string) (quit bool) {
	argument := ""
	if len(words) > 1 {
		argument = words[1]
	}
	switch words[0] {
	case ".quit", ".exit":
		return true
	case ".help":
		fmt.Fprintln(s.stdout, shellHelp)
	case ".tables":
		for _, v := range query.Views() {
			fmt.Fprintf(s.stdout, "%-19s %s\n", v.Name, v.Says)
		}
	case ".schema":
		if !slices.ContainsFunc(query.Views(), func(v query.View) bool { return v.Name == argument }) {
			fmt.Fprintln(s.stderr, "which? .tables lists the names")
			return false
		}
		s.runTyped(ctx, "SELECT column_name, column_type FROM (DESCRIBE "+argument+")", nil)
	case ".mode":
		if !slices.Contains([]string{"table", "csv", "jsonl"}, argument) {
			fmt.Fprintln(s.stderr, "want .mode table, csv or jsonl")
			return false
		}
		s.Format = argument
	case ".full":
		s.Full = !s.Full
	case ".refresh":
		if err := s.db.Refresh(ctx); err != nil {
			fmt.Fprintln(s.stderr, err)
		}
	default:
		fmt.Fprintf(s.stderr, "no command %s: .help lists them\n", words[0])
	}
	return false
}

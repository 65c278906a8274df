package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/term"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/cli"
	"shitpost-alpha/lake/query"
	"shitpost-alpha/projectors/outcomes"
)

// session is one run of the command.
type session struct {
	grammar
	stdout, stderr io.Writer
	db             *query.DB
}

func (s *session) run(ctx context.Context) error {
	if s.JSON {
		s.Format = "jsonl"
	}
	asOf, err := lake.ParseAsOf(s.AsOf)
	if err != nil {
		return fmt.Errorf("%w: --%w", cli.ErrUsage, err)
	}
	if s.SQL != "" && s.File != "" {
		return fmt.Errorf("%w: both a statement and --file: give one", cli.ErrUsage)
	}
	script, interactive, err := s.script()
	if err != nil {
		return err
	}
	if s.Cache == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			dir = os.TempDir()
		}
		s.Cache = filepath.Join(dir, "shitpost-alpha", "lake")
	}
	l, err := lake.Open(ctx, s.Lake, lake.Options{ReadOnly: true, CacheDir: s.Cache, CacheBytes: int64(s.CacheBytes)})
	if err != nil {
		return fmt.Errorf("%w: %w", cli.ErrUsage, err)
	}
	table := outcomesTable{dir: s.Cache, settings: outcomes.Settings{Band: s.Band, Benchmark: s.Benchmark, SourceOrder: s.SourceOrder}}
	s.db, err = query.Open(ctx, l, query.Options{Dir: s.Cache, AsOf: asOf, Outcomes: table.file})
	if err != nil {
		return err
	}
	defer s.db.Close()
	if interactive {
		return s.interact(ctx, l.URL)
	}
	return s.execute(ctx, script)
}

// script returns the statements to run; interactive is true when they are to be typed.
func (s *session) script() (text string, interactive bool, err error) {
	switch {
	case s.SQL != "":
		return s.SQL, false, nil
	case s.File == "" && term.IsTerminal(int(os.Stdin.Fd())):
		return "", true, nil
	case s.File == "" || s.File == "-":
		b, err := io.ReadAll(os.Stdin)
		return string(b), false, err
	}
	b, err := os.ReadFile(s.File)
	if err != nil {
		return "", false, fmt.Errorf("%w: %w", cli.ErrUsage, err)
	}
	return string(b), false, nil
}

// execute runs a script, statement by statement, and stops at the first that fails.
func (s *session) execute(ctx context.Context, script string) (err error) {
	statements, rest := query.Split(script)
	if rest != "" {
		statements = append(statements, rest)
	}
	if len(statements) == 0 {
		return fmt.Errorf("%w: no statement given", cli.ErrUsage)
	}
	if len(statements) > 1 && (s.Format == "arrow" || s.Format == "parquet") {
		return fmt.Errorf("%w: %s holds the result of one statement, not of %d", cli.ErrUsage, s.Format, len(statements))
	}
	out := s.stdout
	if s.Output != "" {
		// The file gets its name when it is whole: a failed query leaves the old one as it was.
		f, tempErr := os.CreateTemp(filepath.Dir(s.Output), ".lakesql-*")
		if tempErr != nil {
			return fmt.Errorf("%w: --output: %w", cli.ErrUsage, tempErr)
		}
		defer func() {
			if err = errors.Join(err, f.Chmod(0o644), f.Close()); err == nil {
				err = os.Rename(f.Name(), s.Output)
			} else {
				os.Remove(f.Name())
			}
		}()
		out = f
	}
	for i, statement := range statements {
		if i > 0 && s.Format == "table" {
			fmt.Fprintln(out)
		}
		if _, err := s.write(ctx, out, statement); err != nil {
			return err
		}
	}
	return nil
}

// write runs one statement and writes its result.
func (s *session) write(ctx context.Context, out io.Writer, statement string) (int, error) {
	o := query.Output{Format: s.Format, Null: s.Null, Full: s.Full}
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		if o.Width, _, _ = term.GetSize(int(f.Fd())); o.Format == "arrow" || o.Format == "parquet" {
			return 0, fmt.Errorf("%w: %s is not for terminals: say -o FILE", cli.ErrUsage, o.Format)
		}
	}
	if o.Format == "csv" && o.Null == "NULL" {
		o.Null = ""
	}
	buffered := bufio.NewWriterSize(out, 1<<16)
	n, err := s.db.Write(ctx, buffered, statement, o)
	return n, errors.Join(err, buffered.Flush())
}

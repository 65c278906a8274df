package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/term"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/cli"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/scan"
)

type exportCmd struct {
	Stream     string       `arg:"" help:"posts, predictions or prices."`
	Format     string       `enum:"arrow,parquet,csv,jsonl" default:"jsonl" help:"arrow (IPC stream), parquet, csv or jsonl."`
	Columns    []string     `placeholder:"NAME" help:"Columns, in this order; all of them when not given."`
	Kind       []event.Kind `placeholder:"KIND" help:"Only events of these kinds."`
	Key        []string     `placeholder:"KEY" help:"Only events about these keys."`
	From       string       `placeholder:"TIME" help:"Only what occurred at or after this day or time, UTC."`
	To         string       `placeholder:"TIME" help:"Only what occurred before it."`
	Retracted  bool         `help:"What was retracted too."`
	AsOf       string       `name:"as-of" placeholder:"VERSION|TIME" help:"The stream at an earlier version or time (2025-06-30T14:00, UTC)."`
	Ordered    bool         `help:"In the order of key and time; else in any order, which is faster."`
	Out        string       `short:"o" placeholder:"FILE" help:"Write to a file, which appears when it is whole; by default to standard output."`
	Cache      string       `name:"cache" env:"LAKE_CACHE" placeholder:"DIR" help:"Folder for files fetched from a bucket; without it nothing is kept."`
	CacheBytes cli.Size     `name:"cache-bytes" env:"LAKE_CACHE_BYTES" default:"2GB" placeholder:"SIZE" help:"How large it may grow."`
}

// Run is called by the command line.
func (c *exportCmd) Run(e *environment) error {
	o := scan.Options{Columns: c.Columns, Kinds: c.Kind, Keys: c.Key, Retracted: c.Retracted, Ordered: c.Ordered}
	var err error
	if o.From, err = instant("from", c.From); err != nil {
		return err
	}
	if o.To, err = instant("to", c.To); err != nil {
		return err
	}
	l, err := lake.Open(e.ctx, e.url, lake.Options{ReadOnly: true, CacheDir: c.Cache, CacheBytes: int64(c.CacheBytes)})
	if err != nil {
		return err
	}
	switch c.Stream {
	case event.Posts:
		return export(e, l.Posts, c, o)
	case event.Predictions:
		return export(e, l.Predictions, c, o)
	case event.Prices:
		return export(e, l.Prices, c, o)
	}
	_, err = e.stream(l, c.Stream)
	return err
}

func export[E event.Event](e *environment, s *lake.Stream[E], c *exportCmd, o scan.Options) error {
	at, err := lake.ParseAsOf(c.AsOf)
	if err != nil {
		return fmt.Errorf("%w: --%w", cli.ErrUsage, err)
	}
	snap, err := s.SnapshotAsOf(e.ctx, at)
	if err != nil {
		return err
	}
	if snap.Version < 0 {
		return fmt.Errorf("export %s: the stream does not exist yet, or did not at that time: lake ls %s lists its versions", s.Name(), s.Name())
	}
	plan, err := scan.New(snap, o)
	if err != nil {
		return fmt.Errorf("%w: %w", cli.ErrUsage, err)
	}
	write := func(w io.Writer) error {
		stage := "export " + s.Name()
		rows, err := plan.Export(e.ctx, w, c.Format, func(done, total int) { e.progress.Report(stage, done, total) })
		if err == nil {
			e.progress.Report(stage, int(rows), int(rows))
		}
		return err
	}
	if c.Out != "" {
		return writeFile(c.Out, write)
	}
	if f, ok := e.stdout.(*os.File); ok && (c.Format == "arrow" || c.Format == "parquet") && term.IsTerminal(int(f.Fd())) {
		return fmt.Errorf("%w: %s is not for terminals: say --out FILE", cli.ErrUsage, c.Format)
	}
	return write(e.stdout)
}

// writeFile has write fill a file, which gets its name when it is whole: where that fails, an older
// file stays as it was.
func writeFile(path string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".export-*")
	if err != nil {
		return fmt.Errorf("%w: --out: %w", cli.ErrUsage, err)
	}
	if err = errors.Join(write(f), f.Chmod(0o644), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// instant reads a day or a time of a flag, UTC unless it says otherwise; "" is none.
func instant(flag, s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.DateOnly, "2006-01-02T15:04", time.RFC3339Nano} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%w: --%s %q: want 2025-06-30 or 2025-06-30T14:00", cli.ErrUsage, flag, s)
}

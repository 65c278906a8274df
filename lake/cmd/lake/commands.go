package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/cli"
	"shitpost-alpha/lake/delta"
	"shitpost-alpha/lake/event"
)

// stream is what the commands ask of a stream whatever its events.
type stream interface {
	lake.Table
	Versions(ctx context.Context, from int64, f func(lake.Version) error) error
}

func (e *environment) stream(l *lake.Lake, name string) (stream, error) {
	switch name {
	case event.Posts:
		return l.Posts, nil
	case event.Predictions:
		return l.Predictions, nil
	case event.Prices:
		return l.Prices, nil
	}
	return nil, fmt.Errorf("%w: no stream %q: there are %s", cli.ErrUsage, name, strings.Join(lake.Names(), ", "))
}

// line prints v as a JSON line.
func (e *environment) line(v any) error {
	enc := json.NewEncoder(e.stdout)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

func (e *environment) table(header string) *tabwriter.Writer {
	w := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, header)
	return w
}

type lsCmd struct {
	Stream string `arg:"" optional:"" help:"posts, predictions or prices."`
}

func (c *lsCmd) Run(e *environment) error {
	l, err := e.open()
	if err != nil {
		return err
	}
	if c.Stream != "" {
		return c.versions(e, l)
	}
	w := e.table("STREAM\tVERSION\tFILES\tROWS\tBYTES\tNEWEST")
	for _, t := range l.Tables() {
		st, err := t.Stat(e.ctx, -1)
		if err != nil {
			return err
		}
		if e.json {
			if err := e.line(st); err != nil {
				return err
			}
			continue
		}
		if st.Version < 0 {
			fmt.Fprintf(w, "%s\t-\t0\t0\t0\tnot created yet\n", st.Stream)
			continue
		}
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%s\n", st.Stream, st.Version, st.Files, st.Rows, st.Bytes, micros(st.NewestUS))
	}
	if e.json {
		return nil
	}
	return w.Flush()
}

func (c *lsCmd) versions(e *environment, l *lake.Lake) error {
	s, err := e.stream(l, c.Stream)
	if err != nil {
		return err
	}
	w := e.table("VERSION\tTIME\tOPERATION\tPRODUCER\tROWS\tBYTES\tFILE")
	err = s.Versions(e.ctx, 0, func(v lake.Version) error {
		if e.json {
			return e.line(v)
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%d\t%d\t%s\n", v.Version, v.Time.Format(time.RFC3339), v.Operation, v.Producer, v.Rows, v.Bytes, v.File)
		return nil
	})
	if err != nil || e.json {
		return err
	}
	return w.Flush()
}

func micros(us int64) string {
	if us == 0 {
		return "-"
	}
	return time.UnixMicro(us).UTC().Format(time.RFC3339)
}

type catCmd struct {
	Stream  string `arg:"" help:"posts, predictions or prices."`
	Kind    string `help:"Only events of this kind."`
	Key     string `help:"Only events about this post id, prediction id or symbol."`
	From    int64  `help:"First version. With --from or --to events come version by version, else as they lie in the newest."`
	To      int64  `default:"-1" help:"Last version; -1 is the newest."`
	Limit   int    `help:"Stop after so many events; 0 means all."`
	Payload bool   `help:"Print the source documents too."`
}

func (c *catCmd) Run(e *environment) error {
	l, err := e.open()
	if err != nil {
		return err
	}
	switch c.Stream {
	case event.Posts:
		return cat(e, l.Posts, c)
	case event.Predictions:
		return cat(e, l.Predictions, c)
	case event.Prices:
		return cat(e, l.Prices, c)
	}
	_, err = e.stream(l, c.Stream)
	return err
}

// cat prints all events of the newest version or, where versions are named, those that they brought.
func cat[E event.Event](e *environment, s *lake.Stream[E], c *catCmd) error {
	if c.From <= 0 && c.To < 0 {
		return c.all(e, func(yield func(printable, error) bool) { snapshotRows(e.ctx, s, yield) })
	}
	return c.all(e, func(yield func(printable, error) bool) { versionRows(e.ctx, s, c.From, c.To, yield) })
}

// printable is an event to be printed: its envelope, and all of it as JSON.
type printable struct {
	envelope *event.Envelope
	json     func() ([]byte, error)
}

// all prints the events that pass the filters.
func (c *catCmd) all(e *environment, rows iter.Seq2[printable, error]) error {
	printed := 0
	for row, err := range rows {
		if err != nil {
			return err
		}
		if c.Kind != "" && string(row.envelope.Kind) != c.Kind || c.Key != "" && row.envelope.Key != c.Key {
			continue
		}
		if !c.Payload {
			row.envelope.Payload = ""
		}
		line, err := row.json()
		if err != nil {
			return err
		}
		if _, err := e.stdout.Write(append(line, '\n')); err != nil {
			return err
		}
		if printed++; printed == c.Limit {
			return nil
		}
	}
	return nil
}

// snapshotRows yields the events of the newest version in the order in which their files came.
func snapshotRows[E event.Event](ctx context.Context, s *lake.Stream[E], yield func(printable, error) bool) {
	snap, err := s.Snapshot(ctx, -1)
	if err != nil {
		yield(printable{}, err)
		return
	}
	slices.SortStableFunc(snap.Files, func(a, b *delta.Add) int { return cmp.Compare(a.ModificationTime, b.ModificationTime) })
	for events, err := range snap.Batches(ctx) {
		if err != nil {
			yield(printable{}, err)
			return
		}
		if !yieldRows(events, yield) {
			return
		}
	}
}

// versionRows yields the events of the versions from..to, to -1 meaning the newest.
func versionRows[E event.Event](ctx context.Context, s *lake.Stream[E], from, to int64, yield func(printable, error) bool) {
	for v := max(from, 0); to < 0 || v <= to; v++ {
		commit, err := s.Read(ctx, v)
		if errors.Is(err, lake.ErrNoVersion) {
			return
		}
		if err != nil {
			yield(printable{}, err)
			return
		}
		if !yieldRows(commit.Events, yield) {
			return
		}
	}
}

func yieldRows[E event.Event](events []E, yield func(printable, error) bool) bool {
	for i := range events {
		row := printable{event.EnvelopeOf(&events[i]), func() ([]byte, error) { return lake.JSON(&events[i]) }}
		if !yield(row, nil) {
			return false
		}
	}
	return true
}

type statCmd struct{}

func (*statCmd) Run(e *environment) error {
	l, err := e.open()
	if err != nil {
		return err
	}
	w := e.table("STREAM\tKIND\tEVENTS\tSYNTHETIC\tFIRST\tLAST")
	for _, stream := range []struct {
		name  string
		kinds func() (map[event.Kind]lake.KindStat, error)
	}{
		{event.Posts, func() (map[event.Kind]lake.KindStat, error) { return kindsOf(e.ctx, l.Posts) }},
		{event.Predictions, func() (map[event.Kind]lake.KindStat, error) { return kindsOf(e.ctx, l.Predictions) }},
		{event.Prices, func() (map[event.Kind]lake.KindStat, error) { return kindsOf(e.ctx, l.Prices) }},
	} {
		stats, err := stream.kinds()
		if err != nil {
			return err
		}
		if err := printKinds(e, w, stream.name, stats); err != nil {
			return err
		}
	}
	if e.json {
		return nil
	}
	return w.Flush()
}

func kindsOf[E event.Event](ctx context.Context, s *lake.Stream[E]) (map[event.Kind]lake.KindStat, error) {
	snap, err := s.Snapshot(ctx, -1)
	if err != nil {
		return nil, err
	}
	return snap.Kinds(ctx)
}

func printKinds(e *environment, w io.Writer, name string, stats map[event.Kind]lake.KindStat) error {
	var kinds []event.Kind
	for k := range stats {
		kinds = append(kinds, k)
	}
	slices.Sort(kinds)
	for _, k := range kinds {
		s := stats[k]
		if e.json {
			if err := e.line(struct {
				Stream string     `json:"stream"`
				Kind   event.Kind `json:"kind"`
				lake.KindStat
			}{name, k, s}); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%s\t%s\n", name, k, s.Events, s.Synthetic, s.First.Format(time.RFC3339), s.Last.Format(time.RFC3339))
	}
	return nil
}

type verifyCmd struct{}

func (*verifyCmd) Run(e *environment) error {
	l, err := e.open()
	if err != nil {
		return err
	}
	problems, versions := 0, int64(0)
	for _, t := range l.Tables() {
		v, err := t.Verify(e.ctx, func(done, total int) { e.progress.Report("verify "+t.Name(), done, total) })
		if err != nil {
			return err
		}
		problems += len(v.Problems)
		versions += v.Version + 1
		if e.json {
			if err := e.line(v); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintln(e.stdout, v)
		for _, p := range v.Problems {
			fmt.Fprintln(e.stdout, "  "+p)
		}
		for _, o := range v.Orphans {
			fmt.Fprintln(e.stdout, "  orphan (harmless): "+o)
		}
	}
	if problems > 0 {
		return fmt.Errorf("verify %s: %d problems", l.URL, problems)
	}
	if versions == 0 {
		return fmt.Errorf("verify %s: there is no lake here", l.URL)
	}
	return nil
}

type copyCmd struct {
	Src string `arg:"" help:"Lake to copy."`
	Dst string `arg:"" help:"Where to copy it."`
}

func (c *copyCmd) Run(e *environment) error {
	src, err := lake.Open(e.ctx, c.Src, lake.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	dst, err := lake.Open(e.ctx, c.Dst, lake.Options{})
	if err != nil {
		return err
	}
	reports, err := lake.Copy(e.ctx, src, dst, func(name string, done, total int) { e.progress.Report("copy "+name, done, total) })
	for _, r := range reports {
		if e.json {
			if err := e.line(r); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(e.stdout, "%-12s versions=%d copied=%d already_there=%d bytes=%d\n", r.Stream, r.Versions, r.Copied, r.Present, r.Bytes)
	}
	return err
}

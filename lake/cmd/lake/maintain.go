package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/cli"
	"shitpost-alpha/lake/event"
)

// producer is who the commands that write say they are.
const producer = "operator@1"

// openToWrite opens the lake for the commands that change it.
func (e *environment) openToWrite(o lake.Options) (*lake.Lake, error) {
	o.Producer = producer
	return lake.Open(e.ctx, e.url, o)
}

// keeper is a stream whose files can be looked after, whatever its events.
type keeper interface {
	Name() string
	Compact(ctx context.Context, o lake.CompactOptions) (lake.Compaction, error)
	Checkpoint(ctx context.Context) (int64, error)
	Vacuum(ctx context.Context, o lake.VacuumOptions) (lake.Vacuumed, error)
}

// keepers returns the streams of a new handle on the lake: the one named, or all.
func (e *environment) keepers(name string) ([]keeper, error) {
	l, err := e.openToWrite(lake.Options{})
	if err != nil {
		return nil, err
	}
	if name != "" {
		if _, err := e.stream(l, name); err != nil {
			return nil, err
		}
	}
	var out []keeper
	for _, k := range []keeper{l.Posts, l.Predictions, l.Prices} {
		if name == "" || k.Name() == name {
			out = append(out, k)
		}
	}
	return out, nil
}

type compactCmd struct {
	Stream string `help:"Only this stream."`
	Small  int64  `default:"8388608" help:"Take files of fewer bytes."`
}

func (c *compactCmd) Run(e *environment) error {
	streams, err := e.keepers(c.Stream)
	if err != nil {
		return err
	}
	for _, s := range streams {
		r, err := s.Compact(e.ctx, lake.CompactOptions{Small: c.Small})
		if err != nil {
			return err
		}
		if e.json {
			err = e.line(r)
		} else {
			_, err = fmt.Fprintf(e.stdout, "%-12s files=%d→%d rows=%d bytes=%d→%d commits=%d\n", r.Stream, r.FilesIn, r.FilesOut, r.Rows, r.BytesIn, r.BytesOut, r.Commits)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

type checkpointCmd struct {
	Stream string `help:"Only this stream."`
}

func (c *checkpointCmd) Run(e *environment) error {
	streams, err := e.keepers(c.Stream)
	if err != nil {
		return err
	}
	for _, s := range streams {
		version, err := s.Checkpoint(e.ctx)
		if err != nil {
			return err
		}
		switch {
		case e.json:
			err = e.line(map[string]any{"stream": s.Name(), "checkpoint": version})
		case version < 0:
			_, err = fmt.Fprintf(e.stdout, "%-12s not created yet\n", s.Name())
		default:
			_, err = fmt.Fprintf(e.stdout, "%-12s checkpoint of version %d\n", s.Name(), version)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

type vacuumCmd struct {
	Stream string        `help:"Only this stream."`
	Grace  time.Duration `default:"24h" help:"Files that were never committed must be this old."`
	Yes    bool          `help:"Delete what is found."`
}

func (c *vacuumCmd) Run(e *environment) error {
	streams, err := e.keepers(c.Stream)
	if err != nil {
		return err
	}
	total := 0
	for _, s := range streams {
		r, err := s.Vacuum(e.ctx, lake.VacuumOptions{Delete: c.Yes, Grace: c.Grace})
		if err != nil {
			return err
		}
		total += len(r.Orphans) + len(r.Retired) + len(r.Checkpoints) + len(r.Temporary)
		if e.json {
			if err := e.line(r); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(e.stdout, "%-12s orphans=%d retired=%d checkpoints=%d temporary=%d bytes=%d too_young=%d\n", r.Stream, len(r.Orphans), len(r.Retired), len(r.Checkpoints), len(r.Temporary), r.Bytes, r.Kept)
		for what, names := range map[string][]string{"orphan": r.Orphans, "retired": r.Retired, "checkpoint": r.Checkpoints, "temporary": r.Temporary} {
			for _, name := range names {
				fmt.Fprintf(e.stdout, "  %s %s\n", what, name)
			}
		}
	}
	if !e.json && total > 0 && !c.Yes {
		fmt.Fprintln(e.stdout, "Nothing was deleted; --yes deletes these files.")
	}
	return nil
}

type maintainCmd struct {
	Every     time.Duration `env:"MAINTAIN_EVERY" default:"1h" help:"Pause between rounds."`
	Once      bool          `help:"One round only."`
	KeepFiles bool          `name:"keep-files" env:"MAINTAIN_KEEP_FILES" help:"Delete nothing: for one who has no right to."`
	cli.Logging
}

func (c *maintainCmd) Run(e *environment) error {
	if c.Every < time.Second {
		return fmt.Errorf("%w: --every %s: at least a second", cli.ErrUsage, c.Every)
	}
	l, err := e.openToWrite(lake.Options{Log: c.Logger(e.stderr)})
	if err != nil {
		return err
	}
	o := lake.MaintainOptions{KeepFiles: c.KeepFiles}
	if !c.Once {
		return l.MaintainEvery(e.ctx, c.Every, o)
	}
	rounds, err := l.Maintain(e.ctx, o)
	if e.json {
		for _, r := range rounds {
			if err := e.line(r); err != nil {
				return err
			}
		}
	}
	return err
}

// retracter is a stream from which events can be taken back, whatever they are.
type retracter interface {
	Retractables(ctx context.Context, r lake.Retraction) ([]lake.Retractable, error)
	Retract(ctx context.Context, r lake.Retraction) ([]lake.Retractable, error)
}

type retractCmd struct {
	Stream string   `arg:"" help:"posts, predictions or prices."`
	Event  []string `xor:"what" help:"Ids of the events to take back."`
	Batch  string   `xor:"what" help:"Batch id of the commit to take back; lake ls STREAM --json shows them."`
	Reason string   `required:"" help:"Why; kept with the retraction."`
	Yes    bool     `help:"Do it. It cannot be undone, and every read model is built again."`
}

func (c *retractCmd) Run(e *environment) error {
	l, err := e.openToWrite(lake.Options{})
	if err != nil {
		return err
	}
	if _, err := e.stream(l, c.Stream); err != nil {
		return err
	}
	streams := map[string]retracter{event.Posts: l.Posts, event.Predictions: l.Predictions, event.Prices: l.Prices}
	what := lake.Retraction{Events: c.Event, Batch: strings.TrimSpace(c.Batch), Reason: c.Reason}
	do := streams[c.Stream].Retractables
	if c.Yes {
		do = streams[c.Stream].Retract
	}
	taken, err := do(e.ctx, what)
	if err != nil {
		return err
	}
	for _, t := range taken {
		if e.json {
			if err := e.line(t); err != nil {
				return err
			}
			continue
		}
		note := ""
		if t.Already {
			note = " (was taken back before)"
		}
		fmt.Fprintf(e.stdout, "%s %s %s from %s, recorded %s%s\n", t.EventID, t.Kind, t.Key, t.Source, t.RecordedAt.Format(time.RFC3339), note)
	}
	switch {
	case e.json:
	case !c.Yes:
		fmt.Fprintf(e.stdout, "Nothing was written; --yes takes these %d events back.\n", len(taken))
	case len(taken) == 0:
		fmt.Fprintln(e.stdout, "All of it was taken back before.")
	default:
		fmt.Fprintf(e.stdout, "Took %d events back.\n", len(taken))
	}
	return nil
}

type redactCmd struct {
	PostID string `arg:"" help:"The post."`
	Yes    bool   `help:"Do it. It cannot be undone, and foreign streaming readers must be restarted."`
	Now    bool   `help:"Delete the old files at once; snapshots of earlier versions break. Without it they go after the table's retention."`
}

func (c *redactCmd) Run(e *environment) error {
	if !c.Yes {
		return fmt.Errorf("%w: redacting post %s takes its text out of the lake for good: add --yes", cli.ErrUsage, c.PostID)
	}
	l, err := e.openToWrite(lake.Options{})
	if err != nil {
		return err
	}
	r, err := l.Redact(e.ctx, c.PostID, c.Now)
	if err != nil {
		return err
	}
	if e.json {
		return e.line(r)
	}
	_, err = fmt.Fprintf(e.stdout, "post %s: %d events appended, %d rows blanked in %d files, %d old files deleted\n", r.PostID, r.Appended, r.Rows, r.Files, r.Deleted)
	return err
}

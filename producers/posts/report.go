package posts

import (
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"shitpost-alpha/lake/event"
)

// Report is what one step found in one source of events.
type Report struct {
	Source string `json:"source"`
	Read   int    `json:"read"` // documents, all of them
	// New posts and Versions (posts of this source whose text or media changed) were recorded; Known
	// documents say what the lake knows already. In a dry run, what would have been.
	New      int `json:"new"`
	Versions int `json:"versions"`
	Known    int `json:"known"`
	// Deleted posts were shown before and are no longer.
	Deleted int `json:"deleted"`
	// OutsideRange are posts before From or after To.
	OutsideRange int `json:"outside_range"`
	// Rejected counts documents by reason, known ones too; NewRejected those that were recorded now.
	Rejected    map[string]int `json:"rejected"`
	NewRejected int            `json:"new_rejected"`
	// Repaired texts came double-encoded. TextMissing posts are of a source without texts. ClockOff
	// posts have a source time more than an hour from the time in their id, which is the one used.
	Repaired    int `json:"repaired"`
	TextMissing int `json:"text_missing"`
	ClockOff    int `json:"clock_off"`
	// Oldest and Newest are times of publication, UTC; zero without posts.
	Oldest time.Time `json:"oldest,omitzero"`
	Newest time.Time `json:"newest,omitzero"`

	posts     int // post_observed in range
	synthetic bool
}

// observe counts a draft that is in range.
func (r *Report) observe(e *event.Post) {
	r.synthetic = e.Synthetic
	if e.Kind == event.RecordRejected {
		r.Rejected[e.RejectedReason]++
		return
	}
	r.posts++
	if r.Oldest.IsZero() || e.PublishedAt.Before(r.Oldest) {
		r.Oldest = e.PublishedAt
	}
	if e.PublishedAt.After(r.Newest) {
		r.Newest = e.PublishedAt
	}
	if e.TextRepaired {
		r.Repaired++
	}
	if e.TextMissing {
		r.TextMissing++
	}
	if off := e.SourceCreatedAt.Sub(e.PublishedAt).Abs(); !e.SourceCreatedAt.IsZero() && off > clockTolerance {
		r.ClockOff++
	}
}

func (r *Report) add(t tally) {
	r.New += t.New
	r.Versions += t.Versions
	r.Known += t.Known
	r.NewRejected += t.NewRejected
}

// log says what was new, and nothing when nothing was.
func (r *Report) log(log *slog.Logger) {
	if r.New+r.Versions+r.NewRejected+r.Deleted == 0 {
		return
	}
	log.Info("source harvested", "source", r.Source, "read", r.Read, "new", r.New, "versions", r.Versions,
		"known", r.Known, "deleted", r.Deleted, "rejected", r.rejections(), "repaired", r.Repaired, "clock_off", r.ClockOff)
}

// rejections returns the rejected counts as "570 other account, 2 no id".
func (r *Report) rejections() string {
	var parts []string
	for _, reason := range slices.Sorted(maps.Keys(r.Rejected)) {
		parts = append(parts, fmt.Sprintf("%d %s", r.Rejected[reason], reason))
	}
	return strings.Join(parts, ", ")
}

// WriteTable prints reports as a table for people.
func WriteTable(w io.Writer, reports []*Report) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "read\tnew\tversions\tknown\tdeleted\tout of range\trepaired\ttext missing\tclock off\t  source\trejected\t")
	for _, r := range reports {
		fmt.Fprintf(t, "%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t  %s\t%s\t\n", r.Read, r.New, r.Versions, r.Known, r.Deleted,
			r.OutsideRange, r.Repaired, r.TextMissing, r.ClockOff, r.Source, r.rejections())
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("print report: %w", err)
	}
	return nil
}

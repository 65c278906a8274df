package legacy

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/event"
)

// Why a row is covered: there is nothing to record, because something else says it.
const (
	// SamePost: the raw lake, or a row before, has the post with the same text and media.
	SamePost = "same post already there"
	// PostDecided: the post has a prediction or a bypass already; a bypass is one per post.
	PostDecided = "post already has a verdict"
)

// Reasons of rejection, beside those of package record and format.
const (
	Invalid       = "invalid"
	Duplicate     = "duplicate row"
	NoVerdict     = "no verdict"     // a row of status error or pending: nothing was found out
	BadStatus     = "unknown status" // a status, or a reason of a bypass, that no version wrote
	BadAssets     = "bad assets"     // no JSON array of tickers, or a sentiment that is none
	BadConfidence = "bad confidence" // missing or not 0..1
	NoTime        = "no time"
	BadPostID     = "bad id"
	InProgress    = "bar in progress" // fetched before its session was over
)

// Report is what an import did and found.
type Report struct {
	DryRun bool     `json:"dry_run"`
	Tables []*Table `json:"tables"`
	// Rejected lists every row that could not be taken; the lake keeps them as record_rejected.
	Rejected []RejectedRow `json:"rejected"`
}

// RejectedRow is a row that could not be taken.
type RejectedRow struct {
	Table  string `json:"table"`
	Key    string `json:"key"`
	Reason string `json:"reason"`
	Detail string `json:"detail"`
}

// Table counts what became of the rows of one table, or of the documents of the raw lake.
type Table struct {
	Name string `json:"table"`
	URL  string `json:"url,omitempty"`
	Rows int    `json:"rows"`
	// Accepted rows are facts in the lake; Covered ones, by reason, say what is there already, and
	// Rejected ones, by reason, could not be taken.
	Accepted int            `json:"accepted"`
	Covered  map[string]int `json:"covered"`
	Rejected map[string]int `json:"rejected"`
	// Appended is how many events this run added; the others were there.
	Appended int `json:"appended"`
	// Missing events should be in the lake and were not found when it was read again.
	Missing int `json:"missing"`
	// Unexplained is Rows less all of the above, and Missing: it should be 0.
	Unexplained int `json:"unexplained"`

	stream string
	wanted map[[16]byte]bool // subjects of the events that the rows must have led to
}

// Unexplained returns how many rows of all tables are not accounted for.
func (r *Report) Unexplained() int {
	n := 0
	for _, t := range r.Tables {
		n += t.Unexplained
	}
	return n
}

func (r *Report) table(name, url string) *Table {
	t := &Table{Name: name, URL: url, Covered: map[string]int{}, Rejected: map[string]int{}, wanted: map[[16]byte]bool{}}
	r.Tables = append(r.Tables, t)
	return t
}

func (r *Report) reject(t *Table, key string, why *event.Rejection) {
	t.Rejected[why.RejectedReason]++
	r.Rejected = append(r.Rejected, RejectedRow{Table: t.Name, Key: key, Reason: why.RejectedReason, Detail: why.RejectedDetail})
}

func (t *Table) cover(why string) { t.Covered[why]++ }

// want notes that the draft's fact must be in the lake; false when an earlier row said so.
func (t *Table) want(draft *event.Post) bool { return want(t, draft) }

func want[E event.Event](t *Table, draft *E) bool {
	t.stream = event.StreamOf[E]()
	subject := subjectOf(draft)
	if t.wanted[subject] {
		return false
	}
	t.wanted[subject] = true
	return true
}

func subjectOf[E event.Event](e *E) (d [16]byte) {
	copy(d[:], decode(event.Hash(event.SubjectOf(e))))
	return d
}

func decode(hash string) []byte {
	b, err := hex.DecodeString(hash)
	if err != nil {
		panic("decode " + hash + ": " + err.Error()) // event.Hash writes hex digits
	}
	return b
}

// reconcile reads the lake from its begin and counts, table by table, what should be there and is not.
func (im *Importer) reconcile(ctx context.Context, r *Report) error {
	left := map[string]map[[16]byte]bool{}
	for _, t := range r.Tables {
		if left[t.stream] == nil {
			left[t.stream] = map[[16]byte]bool{}
		}
		maps.Copy(left[t.stream], t.wanted)
	}
	if err := strike(ctx, im.Lake.Posts, left[event.Posts]); err != nil {
		return err
	}
	if err := strike(ctx, im.Lake.Predictions, left[event.Predictions]); err != nil {
		return err
	}
	if err := strike(ctx, im.Lake.Prices, left[event.Prices]); err != nil {
		return err
	}
	for _, t := range r.Tables {
		for subject := range t.wanted {
			if left[t.stream][subject] {
				t.Missing++
			}
		}
		t.Unexplained = t.Rows - t.Accepted - sum(t.Covered) - sum(t.Rejected) + t.Missing
	}
	return nil
}

func sum(counts map[string]int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}

// strike removes the subjects of all events of the stream from left.
func strike[E event.Event](ctx context.Context, s *lake.Stream[E], left map[[16]byte]bool) error {
	if len(left) == 0 {
		return nil
	}
	_, err := lake.Follow(s, lake.View[E](striker[E]{left})).CatchUp(ctx)
	return err
}

type striker[E event.Event] struct{ left map[[16]byte]bool }

// Reset implements lake.View; what was struck stays so, as each fact is recorded anew after a retraction.
func (striker[E]) Reset() {}

// Apply implements lake.View.
func (s striker[E]) Apply(e *E) { delete(s.left, subjectOf(e)) }

// WriteText writes the rejected rows, and then one line per table.
func (r *Report) WriteText(w io.Writer) error {
	for _, x := range r.Rejected {
		fmt.Fprintf(w, "rejected %s: %s: %s\n", x.Key, x.Reason, x.Detail)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "rows\taccepted\tcovered\trejected\tappended\tunexplained\t  table\twhy\t")
	for _, x := range r.Tables {
		fmt.Fprintf(t, "%d\t%d\t%d\t%d\t%d\t%d\t  %s\t%s\t\n", x.Rows, x.Accepted, sum(x.Covered), sum(x.Rejected), x.Appended, x.Unexplained,
			x.Name, strings.Join(append(counts(x.Covered), counts(x.Rejected)...), ", "))
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("print report: %w", err)
	}
	if r.DryRun {
		_, err := fmt.Fprintln(w, "dry run: nothing was written, and the lake was not compared with the tables")
		return err
	}
	return nil
}

func counts(m map[string]int) (out []string) {
	for _, name := range slices.Sorted(maps.Keys(m)) {
		out = append(out, fmt.Sprintf("%d %s", m[name], name))
	}
	return out
}

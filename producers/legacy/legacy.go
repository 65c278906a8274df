// Package legacy imports what the Python system left: its raw lake in a bucket and its Postgres, both
// table generations (domain.md 7), as events of this lake. Nothing of it is changed or made up.
//
// An Importer reads the raw lake with package posts/legacy and then one old table after the other, all
// of Postgres in one snapshot. What one row says is decided by pure functions: a draft of an event, or
// that another row or the raw lake says the same already (covered), or why it cannot be taken, which is
// an event too (record_rejected). A lake.Recorder appends what the lake does not have, so a second run
// appends nothing and a run that was killed is simply repeated. In the end the lake is read again and
// compared with what the rows said: Unexplained is how many rows are in none of these classes, or whose
// event is not there.
//
// Outcomes are not imported, since they are computed here: projector compare-legacy compares them.
package legacy

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/market"
	"shitpost-alpha/lake/objects"
	"shitpost-alpha/producers"
	"shitpost-alpha/producers/posts"
	raw "shitpost-alpha/producers/posts/legacy"
)

// Source is the source of imported predictions and prices. Posts of the tables have raw.Name, a colon
// and the table.
const Source = "legacy"

// Importer imports one Python system. Its Run may be killed at any point and repeated.
type Importer struct {
	Lake *lake.Lake
	// Raw holds the raw lake; nil for none. RawURL is its name in reports.
	Raw    objects.Store
	RawURL string
	// Database is the old Postgres, read in one read-only transaction; nil for none.
	Database *pgx.Conn
	// DryRun compares and reports, and appends nothing.
	DryRun   bool
	Progress producers.Progress
	Now      func() time.Time
	Log      *slog.Logger

	calendar *market.Calendar
	facts    *facts
}

// Run imports everything and returns what became of it. With an error the report holds what was done
// until then.
func (im *Importer) Run(ctx context.Context) (*Report, error) {
	im.calendar, im.facts = market.NYSE(), newFacts()
	r := &Report{DryRun: im.DryRun, Rejected: []RejectedRow{}}
	if im.Raw != nil {
		if err := im.rawLake(ctx, r); err != nil {
			return r, fmt.Errorf("import raw lake: %w", err)
		}
	}
	if im.Database != nil {
		if err := im.tables(ctx, r); err != nil {
			return r, fmt.Errorf("import database: %w", err)
		}
	}
	if im.DryRun {
		return r, nil
	}
	if err := im.reconcile(ctx, r); err != nil {
		return r, fmt.Errorf("reconcile import: %w", err)
	}
	return r, nil
}

// rawLake has the harvester read the bucket, and notes which events that must have led to.
func (im *Importer) rawLake(ctx context.Context, r *Report) error {
	t := r.table(raw.Name, im.RawURL)
	src := &watched{Source: &raw.Source{Store: im.Raw, Progress: im.Progress}, see: func(draft *event.Post) {
		t.Rows++
		im.facts.run.see(draft)
		switch {
		case draft.Kind == event.RecordRejected:
			r.reject(t, draft.Key, &draft.Rejection)
			t.want(draft)
		case t.want(draft):
			t.Accepted++
		default:
			t.cover(SamePost)
		}
	}}
	h := posts.New(im.Lake.Posts, src)
	h.Now, h.Log, h.DryRun = im.Now, im.Log, im.DryRun
	n, err := h.Step(ctx)
	for _, found := range h.Reports() { // the window that was read is an event beside the rows'
		t.Appended += found.New + found.Versions + found.NewRejected
	}
	im.Log.Info("raw lake imported", "source", raw.Name, "documents", t.Rows, "appended", n)
	return err
}

// watched shows what a source yields to see as well.
type watched struct {
	*raw.Source
	see func(*event.Post)
}

// Read implements posts.Source.
func (w *watched) Read(ctx context.Context, yield func(event.Post) error) error {
	return w.Source.Read(ctx, func(draft event.Post) error {
		w.see(&draft)
		return yield(draft)
	})
}

// tables imports the old Postgres in one snapshot of it.
func (im *Importer) tables(ctx context.Context, r *Report) error {
	return pgx.BeginTxFunc(ctx, im.Database, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		present, err := findTables(ctx, tx)
		if err != nil {
			return err
		}
		post := newImport(im, im.Lake.Posts, &postsView{facts: im.facts}, im.facts.post)
		prediction := newImport(im, im.Lake.Predictions, &predictionsView{facts: im.facts}, im.facts.prediction)
		price := newImport(im, im.Lake.Prices, nil, func(r *row) decision[event.Price] { return priceOf(r, im.calendar) })
		for _, old := range oldTables {
			columns := present[old.name]
			if columns == nil {
				continue
			}
			switch old.stream {
			case event.Posts:
				err = post.table(ctx, tx, old, columns, r)
			case event.Predictions:
				err = prediction.table(ctx, tx, old, columns, r)
			case event.Prices:
				err = price.table(ctx, tx, old, columns, r)
			}
			if err != nil {
				return fmt.Errorf("table %s: %w", old.name, err)
			}
		}
		return nil
	})
}

// decision is what one row says: a draft, or that it is covered by what else there is.
type decision[E event.Event] struct {
	draft   E
	covered string // why there is nothing to record; empty with a draft
}

// tableImport imports tables into one stream.
type tableImport[E event.Event] struct {
	im     *Importer
	rec    *lake.Recorder[E]
	decide func(*row) decision[E]
}

func newImport[E event.Event](im *Importer, s *lake.Stream[E], view lake.View[E], decide func(*row) decision[E]) *tableImport[E] {
	return &tableImport[E]{im: im, rec: lake.NewRecorder(s, view), decide: decide}
}

// What one append tries to add at most.
const (
	batchRows  = 10_000
	batchBytes = 16 << 20
)

// table imports one table, in the order of its key.
func (t *tableImport[E]) table(ctx context.Context, tx pgx.Tx, old oldTable, columns []string, r *Report) error {
	if err := t.rec.CatchUp(ctx); err != nil {
		return err
	}
	total, err := countRows(ctx, tx, old)
	if err != nil {
		return err
	}
	rep := r.table(old.name, "")
	rep.Rows = total
	var batch []E
	size, done := 0, 0
	flush := func() error {
		n, err := t.append(ctx, batch)
		rep.Appended += n
		batch, size = batch[:0], 0
		t.im.Progress.Report(old.name, done, total)
		return err
	}
	err = eachRow(ctx, tx, old, columns, func(row *row) error {
		done++
		d := t.decide(row)
		if d.covered != "" {
			rep.cover(d.covered)
			return nil
		}
		if draft, keep := t.settle(rep, r, row, d.draft); keep {
			batch = append(batch, draft)
			size += len(event.EnvelopeOf(&draft).Payload)
		}
		if len(batch) < batchRows && size < batchBytes {
			return nil
		}
		return flush()
	})
	if err != nil {
		return err
	}
	if err := flush(); err != nil {
		return err
	}
	t.im.Log.Info("table imported", "table", old.name, "rows", total, "appended", rep.Appended)
	return nil
}

// settle counts a draft. A fact that event.Check would refuse becomes its rejection here, where the row
// is known; a second row about the same subject is rejected, too, unless it says the same.
func (t *tableImport[E]) settle(rep *Table, r *Report, row *row, draft E) (E, bool) {
	v := event.EnvelopeOf(&draft)
	if v.Kind != event.RecordRejected {
		sealed := draft
		event.Seal(&sealed, "")
		if err := event.Check(&sealed); err != nil {
			draft = rejected[E](row, Invalid, err.Error())
		}
	}
	if v = event.EnvelopeOf(&draft); v.Kind != event.RecordRejected && !want(rep, &draft) {
		draft = rejected[E](row, Duplicate, "an earlier row of this table is about the same")
	}
	v = event.EnvelopeOf(&draft)
	if v.Kind != event.RecordRejected {
		rep.Accepted++
		return draft, true
	}
	if v.OccurredAt.IsZero() {
		v.OccurredAt = t.im.Now()
	}
	want(rep, &draft)
	r.reject(rep, v.Key, event.RejectionOf(&draft))
	return draft, true
}

// append records the batch and returns how much of it was new. Its append is the commit: what a crash
// leaves undone is found again by the next run.
func (t *tableImport[E]) append(ctx context.Context, batch []E) (int, error) {
	if t.im.DryRun {
		return len(t.rec.New(batch)), nil
	}
	return t.rec.Record(ctx, func() ([]E, error) { return batch, nil })
}

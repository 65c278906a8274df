package lake

import (
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"shitpost-alpha/lake/delta"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/objects"
)

// TestRecorderNeedsNoDataFile: a recorder without a view learns from the log alone what one that reads
// the files learns, whatever was appended, corrected and retracted.
func TestRecorderNeedsNoDataFile(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		ctx := t.Context()
		store := &counting{Store: &objects.Memory{}}
		writer, reads := recorderOn(store), NewRecorder(open(t, store).Prices, View[event.Price](&collector{}))
		first := []event.Price{bar("FIRST", 1, 1)}
		_, err := writer.Record(ctx, func() ([]event.Price, error) { return first, nil })
		must(t, err)
		knows := recorderOn(store)
		must(t, knows.CatchUp(ctx))
		store.requests = nil
		whole := 0 // commits whose events the log does not name
		for range rapid.IntRange(1, 4).Draw(rt, "commits") {
			var drafts []event.Price
			for range rapid.SampledFrom([]int{1, 1, 2, 2, 3, 3, 5, 5, maxIdentities, maxIdentities + 1}).Draw(rt, "events") {
				drafts = append(drafts, bar(fmt.Sprint("S", rapid.IntRange(0, 3).Draw(rt, "symbol")), 1+len(drafts)/2, float64(rapid.IntRange(1, 3).Draw(rt, "close"))))
			}
			if rapid.IntRange(0, 5).Draw(rt, "retract") == 0 {
				r := event.Price{Envelope: event.Envelope{Kind: event.Retracted, Key: fmt.Sprint(whole), Source: "operator", OccurredAt: time.Unix(1e9, 0)}}
				r.RetractedEvents = []string{hexOf(writer)}
				drafts = append(drafts, r)
			}
			n, err := writer.Record(ctx, func() ([]event.Price, error) { return drafts, nil })
			must(t, err)
			if n > maxIdentities || n > 0 && drafts[len(drafts)-1].Kind == event.Retracted {
				whole++
			}
		}
		store.requests = nil
		must(t, knows.CatchUp(ctx))
		if whole == 0 && strings.Contains(fmt.Sprint(store.requests), ".parquet") {
			rt.Fatalf("it read a data file: %q", store.requests)
		}
		must(t, reads.CatchUp(ctx))
		must(t, writer.CatchUp(ctx))
		if !maps.Equal(knows.heads.byID, reads.heads.byID) || !maps.Equal(writer.heads.byID, reads.heads.byID) {
			rt.Fatalf("it knows %d subjects, one that reads the files %d, the writer %d, or they differ", len(knows.heads.byID), len(reads.heads.byID), len(writer.heads.byID))
		}
	})
}

// hexOf returns the id of some event that the recorder knows.
func hexOf(r *Recorder[event.Price]) string {
	least := ""
	for _, h := range r.heads.byID {
		if id := fmt.Sprintf("%x", h.event); least == "" || id < least {
			least = id
		}
	}
	return least
}

// TestIdentitiesOfOtherCommits: what does not say it in full is read from the file.
func TestIdentitiesOfOtherCommits(t *testing.T) {
	store := &objects.Memory{}
	r := recorderOn(store)
	record(t, r, bar("A", 1, 1), bar("B", 1, 1))
	whole, ok := r.stream.table.Recent(1)
	if !ok {
		t.Fatal("the commit is forgotten")
	}
	ids, batch, ok := identitiesOf(whole)
	c, err := open(t, store).Prices.Read(t.Context(), 1)
	must(t, err)
	if !ok || len(ids) != 2 || batch != c.Events[0].BatchID {
		t.Fatalf("the log names %d events of batch %q", len(ids), batch)
	}
	for i := range ids {
		if want := identityOf(&c.Events[i]); !reflect.DeepEqual(ids[i], want) {
			t.Errorf("row %d is %+v in the log, %+v in the file", i, ids[i], want)
		}
	}
	for name, spoil := range map[string]func(*delta.CommitInfo, *delta.Add) []delta.Action{
		"no tag":    func(c *delta.CommitInfo, _ *delta.Add) []delta.Action { c.Tags = nil; return nil },
		"no base64": func(c *delta.CommitInfo, _ *delta.Add) []delta.Action { c.Tags[tagEvents] = "?"; return nil },
		"half an event": func(c *delta.CommitInfo, _ *delta.Add) []delta.Action {
			c.Tags[tagEvents] = c.Tags[tagEvents][:88]
			return nil
		},
		"another count": func(_ *delta.CommitInfo, a *delta.Add) []delta.Action { a.Stats = `{"numRecords":3}`; return nil },
		"no statistics": func(_ *delta.CommitInfo, a *delta.Add) []delta.Action { a.Stats = ""; return nil },
		"no time":       func(_ *delta.CommitInfo, a *delta.Add) []delta.Action { a.Tags = nil; return nil },
		"a rewrite":     func(_ *delta.CommitInfo, a *delta.Add) []delta.Action { a.Tags[tagRewrite] = "x"; return nil },
		"no news":       func(_ *delta.CommitInfo, a *delta.Add) []delta.Action { a.DataChange = false; return nil },
		"another file too": func(*delta.CommitInfo, *delta.Add) []delta.Action {
			return []delta.Action{{Add: &delta.Add{Path: "x"}}}
		},
		"a removal too": func(*delta.CommitInfo, *delta.Add) []delta.Action {
			return []delta.Action{{Remove: &delta.Remove{Path: "x"}}}
		},
	} {
		info, add := *whole[0].CommitInfo, *whole[1].Add
		info.Tags, add.Tags = maps.Clone(info.Tags), maps.Clone(add.Tags)
		more := spoil(&info, &add)
		if _, _, ok := identitiesOf(append([]delta.Action{{CommitInfo: &info}, {Add: &add}}, more...)); ok {
			t.Errorf("%s: taken all the same", name)
		}
	}
}

// TestForeignRestore: another program took events away again. A follower forgets what it had of them,
// a recorder records them anew, and who reads version by version is told.
func TestForeignRestore(t *testing.T) {
	store := &objects.Memory{}
	r := recorderOn(store)
	record(t, r, bar("A", 1, 10))
	record(t, r, bar("A", 1, 11))
	c := &collector{}
	f := Follow(open(t, store).Prices, View[event.Price](c))
	_, err := f.CatchUp(t.Context())
	must(t, err)
	second, _ := r.stream.table.Recent(2)
	foreign := delta.NewTable(store, event.Prices)
	_, err = foreign.Refresh(t.Context())
	must(t, err)
	must(t, foreign.Commit(t.Context(), 3, []delta.Action{{CommitInfo: &delta.CommitInfo{TxnID: "theirs", Operation: "RESTORE"}},
		{Remove: &delta.Remove{Path: second[len(second)-1].Add.Path, DataChange: true}}}))
	if _, err := open(t, store).Prices.Read(t.Context(), 3); err == nil || !strings.Contains(err.Error(), "RESTORE") || !strings.Contains(err.Error(), "rebuild") {
		t.Errorf("reading the version: %v", err)
	}
	if n, err := f.CatchUp(t.Context()); err != nil || n != 1 || c.resets != 2 || len(c.seen) != 1 {
		t.Errorf("the follower sees %d events after %d resets (%d, %v); want what is left, folded again", len(c.seen), c.resets, n, err)
	}
	must(t, r.CatchUp(t.Context()))
	if n := record(t, r, bar("A", 1, 11)); n != 1 {
		t.Errorf("what is gone is found again, and %d events are appended", n)
	}
	if n := record(t, r, bar("A", 1, 11)); n != 0 {
		t.Errorf("and once more: %d", n)
	}
}

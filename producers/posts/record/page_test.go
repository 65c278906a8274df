package record

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/realdata"
)

func recorded(t testing.TB, path ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(append([]string{realdata.Path(t), "wire"}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// Recorded statuses of the API are taken, each with its own bytes as the payload.
func TestRecordedPage(t *testing.T) {
	body := recorded(t, "truthsocial", "statuses_array_2026-04-22.json")
	page, err := ParsePage("truthsocial", body)
	if err != nil || len(page.Drafts) != 5 || len(page.IDs) != 5 {
		t.Fatalf("%d drafts, error %v", len(page.Drafts), err)
	}
	for i, d := range page.Drafts {
		if d.Kind != event.PostObserved || d.PostID != fmt.Sprint(page.IDs[i]) || d.Source != "truthsocial" || !strings.Contains(string(body), d.Payload) || d.Text == "" && len(d.MediaURLs) == 0 {
			t.Errorf("post %d: %s %q", i, d.Kind, d.RejectedDetail)
		}
	}
	for name, reason := range map[string]string{
		"status_108742189401812078.json": "", "status_109867113754520597.json": "", "status_109967811792793526.json": "", "status_114433942825461076.json": "",
		"status_115864791948135518_other_account.json": OtherAccount,
	} {
		doc := recorded(t, "truthsocial", name)
		page, err := ParsePage("scrapecreators", []byte(`{"success":true,"credits_remaining":5,"posts":[`+string(doc)+`],"next_max_id":"114308258545250117"}`))
		if err != nil || len(page.Drafts) != 1 || page.Drafts[0].RejectedReason != reason || page.Next != 114308258545250117 {
			t.Errorf("%s: %v, %+v", name, err, page.Drafts)
		}
	}
}

func TestParsePage(t *testing.T) {
	for _, c := range []struct {
		body  string
		err   error
		posts int
		says  string
	}{
		{`{"success":true,"posts":[]}`, nil, 0, ""},
		{`[]`, nil, 0, ""},
		{"\ufeff []", nil, 0, ""},
		{`[null, 7, {"id":"x"}, {"id":true}]`, nil, 4, ""},
		{`{"success":false,"message":"out of credits"}`, ErrRefusal, 0, "out of credits"},
		{`{"success":false,"posts":[]}`, ErrRefusal, 0, "does not say why"},
		{`{"error":"Too many requests"}`, ErrRefusal, 0, "Too many requests"},
		{`{"success":true}`, ErrShape, 0, ""},
		{`{"success":true,"posts":null}`, ErrShape, 0, ""},
		{`{"posts":{"0":{}}}`, ErrShape, 0, ""},
		{`{"success":"yes","posts":[]}`, ErrShape, 0, ""},
		{`null`, ErrShape, 0, ""}, {`7`, ErrShape, 0, ""}, {``, ErrShape, 0, ""}, {`[`, ErrShape, 0, ""}, {`<html>`, ErrShape, 0, ""},
	} {
		page, err := ParsePage("s", []byte(c.body))
		if !errors.Is(err, c.err) || (err == nil) != (c.err == nil) || len(page.Drafts) != c.posts || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %d posts, error %v", c.body, len(page.Drafts), err)
		}
		for _, d := range page.Drafts {
			if d.Kind != event.RecordRejected {
				t.Errorf("%s: %s", c.body, d.Kind)
			}
		}
	}
}

func TestAfter(t *testing.T) {
	for _, c := range []struct {
		ids    []uint64
		pinned []int
		next   uint64
		cursor uint64
		want   uint64
	}{
		{[]uint64{9, 8, 7}, nil, 0, 0, 7},
		{[]uint64{9, 8, 7}, nil, 7, 0, 7},
		{[]uint64{9, 8, 7}, nil, 3, 0, 7}, // a cursor below the page would leave a hole
		{[]uint64{9, 7, 8}, nil, 0, 0, 8},
		{[]uint64{9, 8, 7}, nil, 0, 9, 7},
		{[]uint64{9, 8, 7}, nil, 0, 8, 7},
		{[]uint64{9, 8, 7}, nil, 0, 7, 0}, // a repetition
		{[]uint64{9, 8, 7}, nil, 7, 7, 0},
		{[]uint64{1, 9, 8}, []int{0}, 0, 0, 8},
		{[]uint64{9, 8, 1}, []int{2}, 0, 0, 8},
		{[]uint64{0, 9, 0}, nil, 0, 0, 9},
		{nil, nil, 5, 0, 0},
	} {
		p := Page{IDs: c.ids, Pinned: make([]bool, len(c.ids)), Next: c.next}
		for _, i := range c.pinned {
			p.Pinned[i] = true
		}
		if got := p.After(c.cursor); got != c.want {
			t.Errorf("page %v (pinned %v, next %d) below %d: %d, want %d", c.ids, c.pinned, c.next, c.cursor, got, c.want)
		}
	}
}

// Whatever is sent: no panic, one draft per element, each fit for the lake, and a cursor that goes
// down.
func FuzzParsePage(f *testing.F) {
	for _, name := range []string{"statuses_array_2026-04-22.json", "status_109867113754520597.json"} {
		f.Add(recorded(f, "truthsocial", name), uint64(0))
	}
	f.Add([]byte(`{"success":true,"posts":[{"id":"114308258545250117","created_at":"2025-04-09T13:37:00Z","content":"<p>x</p>"}],"next_max_id":1}`), uint64(114308258545250118))
	f.Add([]byte(`[{"id":1e400},{"id":-1},[],"x",null]`), uint64(5))
	f.Add([]byte(`{"success":false,"message":["\ud800"]}`), uint64(5))
	f.Fuzz(func(t *testing.T, body []byte, cursor uint64) {
		page, err := ParsePage("scrapecreators", body)
		if err != nil {
			return
		}
		if len(page.Drafts) != len(page.IDs) || len(page.IDs) != len(page.Pinned) {
			t.Fatalf("%d drafts, %d ids", len(page.Drafts), len(page.IDs))
		}
		if next := page.After(cursor); next != 0 && (cursor != 0 && next >= cursor || len(page.IDs) == 0 || next < slices.Min(page.IDs)) {
			t.Errorf("the cursor after %d is %d", cursor, next)
		}
		for _, d := range page.Drafts {
			if d.OccurredAt.IsZero() {
				d.OccurredAt = d.PublishedAt.AddDate(2000, 0, 0) // the harvester says when
			}
			event.Seal(&d, "")
			if err := event.Check(&d); err != nil {
				t.Errorf("draft: %v", err)
			}
		}
	})
}

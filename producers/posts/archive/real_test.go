package archive

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/realdata"
	"shitpost-alpha/producers/posts/plain"
	"shitpost-alpha/producers/posts/record"
)

// readReal returns what a recorded file gives.
func readReal(t *testing.T, path ...string) (posts, rejected []event.Post) {
	t.Helper()
	file := filepath.Join(append([]string{realdata.Path(t)}, path...)...)
	err := (&Source{Paths: []string{file}}).Read(context.Background(), func(p event.Post) error {
		if p.Kind == event.RecordRejected {
			rejected = append(rejected, p)
			return nil
		}
		posts = append(posts, p)
		event.Seal(&p, "")
		return event.Check(&p)
	})
	if err != nil {
		t.Fatal(err)
	}
	return posts, rejected
}

// Every recorded file, by exact counts: distinct ids, and how many posts have this or that.
func TestRealFiles(t *testing.T) {
	type counts struct{ posts, rejected, ids, noText, missing, repaired, clockOff, media, reposts, html int }
	cases := []struct {
		folder, name string
		want         counts
	}{
		{"posts", "text_posts_2024-11_2026-01.csv", counts{posts: 5474, ids: 5474, reposts: 358}},
		{"posts", "osch_posts_2025-01_2025-10.jsonl", counts{posts: 5028, ids: 5028, noText: 1133, repaired: 1431, reposts: 288}},
		{"posts", "apify_export_2024-03_2024-09.csv", counts{posts: 3440, rejected: 570, ids: 3214, noText: 645, clockOff: 3440, media: 1471}},
		{"posts", "metadata_only_2022-02_2026-01.csv", counts{posts: 31092, ids: 31092, noText: 31092, missing: 31092}},
		{"posts", "cnn_shape_html_2025-10-25_31.json", counts{posts: 140, ids: 140, noText: 22, media: 43, reposts: 13, html: 140}},
		{"posts", "cnn_shape_html_2025-10-25_31.csv", counts{posts: 140, ids: 140, noText: 22, media: 43, reposts: 13, html: 140}},
		{"posts", "cnn_shape_html_2025-10-25_31.backfill.jsonl", counts{posts: 140, ids: 140, noText: 22, media: 43, reposts: 13, html: 140}},
		{"posts", "with_cards_2025-06-22_2025-07-01.json", counts{posts: 211, ids: 211, noText: 49, media: 97, reposts: 4, html: 8}},
		{"posts", "market_hours_et_2025-01_2025-10.csv", counts{posts: 1255, ids: 1255, reposts: 32}},
		{"wire/truthsocial", "statuses_array_2026-04-22.json", counts{posts: 5, ids: 5, media: 1, html: 5}},
		{"wire/truthsocial", "status_108742189401812078.json", counts{posts: 1, ids: 1, html: 1}},
		{"wire/truthsocial", "status_109867113754520597.json", counts{posts: 1, ids: 1, reposts: 1, html: 1}},
		{"wire/truthsocial", "status_109967811792793526.json", counts{posts: 1, ids: 1, noText: 1, media: 1, html: 1}},
		{"wire/truthsocial", "status_114433942825461076.json", counts{posts: 1, ids: 1, html: 1}},
		{"wire/truthsocial", "status_115864791948135518_other_account.json", counts{rejected: 1}},
		{"wire/cnn", "truth_archive_excerpt_2026-01-09.json", counts{posts: 6, ids: 6, noText: 1, repaired: 2, media: 2, html: 1}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			posts, rejected := readReal(t, c.folder, c.name)
			got := counts{posts: len(posts), rejected: len(rejected)}
			ids := map[string]bool{}
			for i := range posts {
				p := &posts[i]
				ids[p.PostID] = true
				add := func(n *int, yes bool) {
					if yes {
						*n++
					}
				}
				add(&got.noText, strings.TrimSpace(p.Text) == "")
				add(&got.missing, p.TextMissing)
				add(&got.repaired, p.TextRepaired)
				add(&got.clockOff, p.SourceCreatedAt.Sub(p.PublishedAt).Abs() > time.Hour)
				add(&got.media, len(p.MediaURLs) > 0)
				add(&got.reposts, p.IsRepost())
				add(&got.html, p.HTML != "")
				if plain.IsHTML(p.Text) {
					t.Errorf("%s: markup is left in %q", p.PostID, p.Text)
				}
			}
			got.ids = len(ids)
			if got != c.want {
				t.Errorf("\n got %+v\nwant %+v", got, c.want)
			}
		})
	}
}

// byID returns the posts of a recorded file by id; of two versions the first.
func byID(t *testing.T, path ...string) map[string]event.Post {
	t.Helper()
	posts, _ := readReal(t, path...)
	out := map[string]event.Post{}
	for _, p := range posts {
		if _, ok := out[p.PostID]; !ok {
			out[p.PostID] = p
		}
	}
	return out
}

// The three renderings of one archive say the same.
func TestRealRenderingsAgree(t *testing.T) {
	json := byID(t, "posts", "cnn_shape_html_2025-10-25_31.json")
	for _, name := range []string{"cnn_shape_html_2025-10-25_31.csv", "cnn_shape_html_2025-10-25_31.backfill.jsonl"} {
		for id, p := range byID(t, "posts", name) {
			if want := json[id]; event.ContentHashOf(&p) != event.ContentHashOf(&want) {
				t.Errorf("%s %s: %q %v, want %q %v", name, id, p.Text, p.MediaURLs, want.Text, want.MediaURLs)
			}
		}
	}
}

// The double encoding of the osch file is undone: where the clean file has the same post, the texts
// agree but for white space, and no trace of it is left anywhere.
func TestRealRepair(t *testing.T) {
	clean := byID(t, "posts", "text_posts_2024-11_2026-01.csv")
	squeeze := func(s string) string {
		return strings.Join(strings.FieldsFunc(s, event.IsBlank), "")
	}
	compared, same := 0, 0
	for id, p := range byID(t, "posts", "osch_posts_2025-01_2025-10.jsonl") {
		if _, more := plain.Repair(p.Text); more || strings.ContainsFunc(p.Text, func(r rune) bool { return r >= 0x80 && r < 0xa0 }) {
			t.Errorf("%s is still double-encoded: %q", id, p.Text)
		}
		if want, ok := clean[id]; ok && p.TextRepaired {
			compared++
			if squeeze(p.Text) == squeeze(want.Text) {
				same++
			}
		}
	}
	// The other four: two quotes whose address the clean file leaves out, and two that end with an
	// eagle whose last byte was trimmed away before it was double-encoded.
	if compared != 1361 || same != 1357 {
		t.Errorf("%d repaired posts are in the clean file, %d with the same text; want 1361 and 1357", compared, same)
	}
}

// The export's clock is three hours ahead; the id puts it right.
func TestRealClock(t *testing.T) {
	posts, rejected := readReal(t, "posts", "apify_export_2024-03_2024-09.csv")
	for _, p := range posts {
		if off := p.SourceCreatedAt.Sub(p.PublishedAt).Round(time.Minute * 10); off != 3*time.Hour {
			t.Errorf("%s: the source's time is off by %v", p.PostID, off)
		}
	}
	for _, p := range rejected {
		if p.RejectedReason != record.OtherAccount {
			t.Errorf("rejected for %q: %s", p.RejectedReason, p.RejectedDetail)
		}
	}
	first := posts[0]
	if first.PostID != "113228257305399126" || first.Text != "9/30/24 | VALDOSTA, GEORGIA" || *first.Replies != 1800 || *first.Reblogs != 6240 || *first.Favourites != 22900 {
		t.Errorf("first post: %s %q %d %d %d", first.PostID, first.Text, *first.Replies, *first.Reblogs, *first.Favourites)
	}
}

// Columns that only the API's own objects have.
func TestRealStatus(t *testing.T) {
	p := byID(t, "wire/truthsocial", "status_109867113754520597.json")["109867113754520597"]
	if p.ReblogID != "109864160311151506" || p.AccountID != event.AuthorID || *p.AccountFollowers != 12949245 || p.Language != "" ||
		p.Text != "RT @BonginoReport His latest spin is all BS 👇 \nhttps://bongino.com/james-clappers-latest-lie-contradicted-by-prior-statements" {
		t.Errorf("reblog: %s %s %d %q", p.ReblogID, p.AccountID, *p.AccountFollowers, p.Text)
	}
	p = byID(t, "wire/truthsocial", "status_109967811792793526.json")["109967811792793526"]
	if len(p.MediaURLs) != 1 || p.CardTitle != "Video upload for 109967811792793526" || p.Text != "" || *p.Upvotes != 9178 || *p.Downvotes != 0 {
		t.Errorf("media: %v %q %q %d", p.MediaURLs, p.CardTitle, p.Text, *p.Upvotes)
	}
	p = byID(t, "wire/truthsocial", "statuses_array_2026-04-22.json")["116444507618729432"]
	if !strings.HasPrefix(p.Text, "STATEMENT OF PRESIDENT DONALD J. TRUMP:\nBased on") || p.Language != "en" || p.AccountVerified == nil || !*p.AccountVerified {
		t.Errorf("status of 2026: %q %q", p.Text, p.Language)
	}
}

// An account is no post, and other recorded answers are none: they are refused by name.
func TestRealForeignFiles(t *testing.T) {
	for _, path := range []string{"wire/truthsocial/account_107780257626128497.json", "wire/yahoo/chart_AAPL.json", "wire/error_bodies.json", "prices/splits.csv", "prices/stooq/gld.us.txt"} {
		file := filepath.Join(realdata.Path(t), path)
		err := (&Source{Paths: []string{file}}).Read(context.Background(), func(p event.Post) error {
			t.Errorf("%s yields %s %q", path, p.Kind, p.RejectedDetail)
			return nil
		})
		if err == nil || !strings.Contains(err.Error(), filepath.Base(path)) || !strings.Contains(err.Error(), "no known format") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

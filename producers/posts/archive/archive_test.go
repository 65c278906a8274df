package archive

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/producers/posts/record"
)

// harvest reads a file of these bytes and returns its posts, its rejections and the error.
func harvest(t testing.TB, name string, data []byte) (posts, rejected []event.Post, err error) {
	t.Helper()
	err = read(name, bytes.NewReader(data), func(p event.Post) error {
		if p.Kind == event.RecordRejected {
			rejected = append(rejected, p)
		} else {
			posts = append(posts, p)
		}
		return nil
	})
	return posts, rejected, err
}

func gzipped(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

const (
	idA, idB, idC = "115470116607441456", "115470031277654302", "115469944413927501"
	at            = "2025-10-31T18:09:12.335Z"
)

func object(id, text string) string {
	return fmt.Sprintf(`{"id":"%s","created_at":"%s","content":"%s","url":"https://truthsocial.com/@realDonaldTrump/%s","media":[]}`, id, at, text, id)
}

// One fact, in every form it may have: the same posts come out.
func TestForms(t *testing.T) {
	a, b := object(idA, "one"), object(idB, "two, three")
	csv := "id,created_at,content,media\r\n" + idA + "," + at + ",one,\r\n" + idB + "," + at + ",\"two, three\",\r\n"
	forms := map[string]string{
		"array":             "[" + a + "," + b + "]",
		"indented array":    "\ufeff[\n  " + a + ",\n  " + b + "\n]\n",
		"lines":             a + "\n" + b + "\n",
		"lines, CRLF":       a + "\r\n\r\n" + b,
		"objects":           strings.ReplaceAll(a, ",\"", ",\n\"") + "\n" + strings.ReplaceAll(b, ",\"", ",\n\""),
		"page":              `{"success":true,"posts":[` + a + "," + b + `],"next_max_id":"1"}`,
		"indented page":     "{\n\"success\":true,\n\"posts\":[" + a + ",\n" + b + "]}",
		"pages, one a line": `{"success":true,"posts":[` + a + `]}` + "\n" + `{"success":true,"posts":[` + b + `]}` + "\n" + `{"success":true,"posts":[]}`,
		"pages in an array": `[{"posts":[` + a + `]},{"posts":[` + b + `]}]`,
		"CSV":               csv,
		"CSV with a mark":   "\ufeff" + csv,
		"CSV, LF":           strings.ReplaceAll(csv, "\r\n", "\n"),
		"CSV, no last EOL":  strings.TrimSuffix(csv, "\r\n"),
		"CSV, blank lines":  "\n\n" + strings.ReplaceAll(csv, "\r\n", "\r\n\r\n"),
		"CSV, semicolons":   "id;created_at;content;media\n" + idA + ";" + at + ";one;\n" + idB + ";" + at + ";two, three;\n",
		"CSV, tabs":         "id\tcreated_at\tcontent\tmedia\n" + idA + "\t" + at + "\tone\t\n" + idB + "\t" + at + "\ttwo, three\t\n",
	}
	for name, form := range forms {
		for _, zip := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/gzip=%v", name, zip), func(t *testing.T) {
				data := []byte(form)
				if zip {
					data = gzipped(t, data)
				}
				posts, rejected, err := harvest(t, "f.dat", data)
				if err != nil || len(rejected) != 0 || len(posts) != 2 {
					t.Fatalf("%d posts, %d rejected, error %v; want 2 posts", len(posts), len(rejected), err)
				}
				if posts[0].PostID != idA || posts[0].Text != "one" || posts[1].PostID != idB || posts[1].Text != "two, three" {
					t.Errorf("got %s %q and %s %q", posts[0].PostID, posts[0].Text, posts[1].PostID, posts[1].Text)
				}
				if posts[0].Source != "archive:f.dat" || !strings.Contains(form, posts[1].Payload) || !strings.Contains(posts[1].Payload, "two, three") {
					t.Errorf("source %q, payload %q", posts[0].Source, posts[1].Payload)
				}
			})
		}
	}
}

// A damaged file: what is good before the damage (and after it, where rows can be told apart) is
// taken, and the damage is named with file and place.
func TestDefects(t *testing.T) {
	a, b, c := object(idA, "one"), object(idB, "two"), object(idC, "three")
	header := "id,created_at,content\n"
	row := func(id string) string { return id + "," + at + ",x\n" }
	cases := []struct {
		name, data      string
		posts, rejected int
		detail          string // in the first rejection
		err             string // in the error, "" for none
	}{
		{"array cut in an object", "[" + a + "," + b[:40], 1, 0, "", "element 2"},
		{"array cut between objects", "[" + a + "," + b + ",", 2, 0, "", "cut off"},
		{"array not closed", "[" + a + "," + b, 2, 0, "", "does not end"},
		{"array garbled", "[" + a + ",{\"id\":]," + b + "]", 1, 0, "", "element 2"},
		{"something after the array", "[" + a + "] x", 1, 0, "", "byte"},
		{"two arrays", "[" + a + "][" + b + "]", 1, 0, "", "follows the array"},
		{"row without id in an array", "[" + a + `,{"created_at":"` + at + `","content":"x"},` + b + "]", 2, 1, "f.dat element 2: it has no id", ""},
		{"a number in an array", "[" + a + ",7," + b + "]", 2, 1, "f.dat element 2: it is no JSON object", ""},
		{"damaged first line", "{\"id\":\n" + a + "\n" + b + "\n", 2, 1, "f.dat line 1: it is no JSON object", ""},
		{"damaged line", a + "\n" + b[:50] + "\n\n" + c + "\n", 2, 1, "f.dat line 2: it is no JSON object", ""},
		{"object cut", strings.ReplaceAll(a, ",\"", ",\n\"") + "\n{\"id\":\n\"12", 1, 0, "", "object 2"},
		{"bad post in a page", `{"posts":[` + a + `,{"id":"x","text":""}]}`, 1, 1, "f.dat line 1 post 2: post id", ""},
		{"CSV row cut", header + row(idA) + idB + "," + at, 1, 1, "f.dat row 2: 2 fields instead of 3", ""},
		{"CSV row too long", header + row(idA) + idB + "," + at + ",x,y\n" + row(idC), 2, 1, "f.dat row 2: 4 fields instead of 3", ""},
		{"CSV cut in a quote", header + row(idA) + idB + "," + at + ",\"never", 1, 1, "f.dat row 2: it cannot be parsed", ""},
		{"CSV stray quote", header + idA + "," + at + ",say \"x\" y\n" + row(idB), 1, 1, "f.dat row 1: it cannot be parsed", ""},
		{"CSV bad time", header + idA + ",soon,x\n" + row(idB), 1, 1, "f.dat row 1: post " + idA, ""},
		{"CSV header only", header, 0, 0, "", ""},
		{"empty array", "[]", 0, 0, "", ""},
		{"empty page", `{"success":true,"posts":[]}`, 0, 0, "", ""},
		{"empty", " \n", 0, 0, "", "empty"},
		{"web page", "<!DOCTYPE html><title>403</title>", 0, 0, "", "HTML"},
		{"zip", "PK\x03\x04....", 0, 0, "", "zip"},
		{"Parquet", "PAR1....", 0, 0, "", "Parquet"},
		{"UTF-16", "\xff\xfei\x00d\x00", 0, 0, "", "UTF-16"},
		{"binary", "\x01\x02\x00\x03", 0, 0, "", "binary"},
		{"prose", "Dear reader,\nthis is no archive.\n", 0, 0, "", "neither JSON nor a CSV file of posts"},
		{"prices", "date,open,high,low,close,volume\n2025-01-02,1,2,1,2,9\n", 0, 0, "", "none of its fields is a text"},
		{"JSON of something else", `{"chart":{"result":[]}}`, 0, 0, "", "chart"},
		{"array of something else", `[1,2,3]`, 0, 0, "", "element 1 is no JSON object"},
		{"bad gzip", "\x1f\x8bxx", 0, 0, "", "gzip"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			posts, rejected, err := harvest(t, "f.dat", []byte(c.data))
			if len(posts) != c.posts || len(rejected) != c.rejected {
				t.Errorf("%d posts and %d rejected, want %d and %d (error %v)", len(posts), len(rejected), c.posts, c.rejected, err)
			}
			if len(rejected) > 0 && !strings.HasPrefix(rejected[0].RejectedDetail, c.detail) {
				t.Errorf("detail %q, want %q", rejected[0].RejectedDetail, c.detail)
			}
			if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("error %v, want %q in it", err, c.err)
			}
		})
	}
}

func TestTruncatedGzip(t *testing.T) {
	var lines strings.Builder
	for i := range 2000 {
		lines.WriteString(object(fmt.Sprint(115470116607441456+i*7919), fmt.Sprint("text ", i*i*31)) + "\n")
	}
	data := gzipped(t, []byte(lines.String()))
	posts, _, err := harvest(t, "f.gz", data[:len(data)/2])
	if err == nil || !strings.Contains(err.Error(), "unexpected EOF") {
		t.Errorf("error %v, want one that says that the file is cut", err)
	}
	if len(posts) < 500 || len(posts) > 1500 {
		t.Errorf("%d posts of half a file of 2000", len(posts))
	}
}

// An unclosed quote or bracket must not fill the memory.
func TestEndlessRecord(t *testing.T) {
	endless := bytes.Repeat([]byte("x"), maxRecord+3*peekSize)
	for name, prefix := range map[string]string{
		"CSV": "id,created_at,content\n" + idA + "," + at + ",\"", "array": `[{"id":"`, "object": "{\"id\":\n\"", "line": object(idA, "one") + "\n{\"id\":\"",
	} {
		_, _, err := harvest(t, "f.dat", append([]byte(prefix), endless...))
		if !errors.Is(err, errTooLong) {
			t.Errorf("%s: error %v, want %v", name, err, errTooLong)
		}
	}
}

// A folder is read whole and in order; a file that cannot be read is named, and does not keep the
// others back.
func TestPaths(t *testing.T) {
	dir := t.TempDir()
	write := func(name, data string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("b.json", object(idB, "b"))
	write("a.csv", "no posts\n")
	write("c/d.jsonl", object(idC, "c"))
	write(".hidden", object(idA, "hidden"))
	write("e.json", "["+object(idA, "e")+","+object(idB, "cut")[:20])
	stages := map[string]bool{}
	s := &Source{Paths: []string{dir, filepath.Join(dir, "missing")}, Progress: func(stage string, done, total int) { stages[stage] = done == total }}
	var got []string
	err := s.Read(context.Background(), func(p event.Post) error {
		got = append(got, p.Source+" "+p.Text)
		return nil
	})
	if want := "archive:b.json b,archive:d.jsonl c,archive:e.json e"; strings.Join(got, ",") != want {
		t.Errorf("got %v, want %s", got, want)
	}
	for _, name := range []string{"a.csv", "e.json", "missing"} {
		if err == nil || !strings.Contains(err.Error(), filepath.Join(dir, name)) {
			t.Errorf("error does not name %s: %v", name, err)
		}
	}
	if !stages["b.json"] || !stages["d.jsonl"] {
		t.Errorf("progress ended for %v only", stages)
	}
	if err := (&Source{Paths: []string{t.TempDir()}}).Read(context.Background(), nil); err == nil || !strings.Contains(err.Error(), "no files") {
		t.Errorf("empty folder: %v", err)
	}
}

// The error of yield stops everything at once.
func TestStop(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f.json")
	if err := os.WriteFile(path, []byte("["+object(idA, "a")+","+object(idB, "b")+"]"), 0o644); err != nil {
		t.Fatal(err)
	}
	stop := errors.New("stop")
	n := 0
	err := (&Source{Paths: []string{path, path}}).Read(context.Background(), func(event.Post) error { n++; return stop })
	if n != 1 || !errors.Is(err, stop) {
		t.Errorf("%d drafts, error %v", n, err)
	}
}

func FuzzArchive(f *testing.F) {
	f.Add([]byte("[" + object(idA, "a") + "," + object(idB, "b") + "]"))
	f.Add([]byte(object(idA, "a") + "\n{\n" + object(idB, "b")))
	f.Add([]byte(`{"success":true,"posts":[` + object(idA, "a") + `]}`))
	f.Add([]byte("\ufeffid,created_at,content\r\n" + idA + "," + at + ",\"a\r\n\"\"b\"\"\"\r\n"))
	f.Add([]byte("post_date;post_url;status_text;image_urls/0\n;;\";\n"))
	f.Add(gzipped(f, []byte(object(idA, "a"))))
	f.Fuzz(func(t *testing.T, data []byte) {
		posts, rejected, _ := harvest(t, "f", data)
		for _, p := range posts {
			event.Seal(&p, "")
			if err := event.Check(&p); err != nil {
				t.Errorf("invalid post: %v", err)
			}
		}
		for _, p := range append(posts, rejected...) {
			doc, err := p.PayloadBytes()
			if err != nil || !bytes.HasPrefix(data, []byte{0x1f, 0x8b}) && !bytes.Contains(data, doc) {
				t.Errorf("payload %q is not in the file (%v)", doc, err)
			}
		}
		for _, p := range rejected {
			if p.RejectedReason == "" || !strings.HasPrefix(p.RejectedDetail, "f ") || p.RejectedReason == record.NoID && strings.Contains(p.RejectedDetail, "\n") {
				t.Errorf("rejection %q: %q", p.RejectedReason, p.RejectedDetail)
			}
		}
	})
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"golang.org/x/net/html"

	"shitpost-alpha/dashboards"
	"shitpost-alpha/dashboards/viewer"
	"shitpost-alpha/readmodel/readmodeltest"
)

var figures = flag.String("figures", "", "folder for pictures of the dashboards in the light viewer (with -heavy)")

// realRange is from the first of the real data to now, when they were recorded.
const realRange = "?from=2024-11-01&to=now"

// emptyOnRealData are the panels that have nothing to show there, and why.
func emptyOnRealData() map[string]string {
	const one, free, fine = "there is one analyzer, the rules", "the rules cost nothing", "nothing failed"
	return map[string]string{
		"models/Two models on the same posts": one, "models/Where they disagree": one, "models/Cost by day and model": free,
		"models/Failures by class": fine, "pipeline/Dead letters and rejected input": fine,
	}
}

// addresses are those of all dashboards at the time of the real data; that of a post is of the newest
// one whose call was evaluated.
func addresses(t *testing.T, databaseURL string) map[string]string {
	t.Helper()
	var post string
	err := readmodeltest.Connect(t, databaseURL).QueryRow(t.Context(), `SELECT post_id FROM readmodel.outcomes_status
		WHERE is_primary AND status = 'evaluated' AND horizon = 7 ORDER BY published_at DESC, post_id LIMIT 1`).Scan(&post)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, name := range dashboards.Names() {
		all[name] = "/d/" + name + realRange
	}
	all["post"] += "&var-post=" + post
	return all
}

// serveViewer serves all dashboards over a read model.
func serveViewer(t *testing.T, databaseURL string) *httptest.Server {
	t.Helper()
	all, err := viewer.Generated()
	if err != nil {
		t.Fatal(err)
	}
	v, err := viewer.New(t.Context(), viewer.Options{Dashboards: all, DatabaseURL: databaseURL, Now: time.Now, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), LocalOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(v.Handler())
	t.Cleanup(func() {
		server.Close()
		v.Close()
	})
	return server
}

// viewed is what the tests look at of a dashboard's page.
type viewed struct {
	failed, empty []string // panels, by title
	links         []string // to dashboards
	panels        int
}

func look(t *testing.T, address string) viewed {
	t.Helper()
	resp, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(resp.Body)
		t.Fatalf("%s: %s\n%s", address, resp.Status, regexp.MustCompile(`<p class="failure".*`).Find(body))
	}
	doc, err := html.Parse(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var p viewed
	for n := range doc.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		attribute := map[string]string{}
		for _, a := range n.Attr {
			attribute[a.Key] = a.Val
		}
		if strings.HasPrefix(attribute["href"], "/d/") {
			p.links = append(p.links, attribute["href"])
		}
		if kind, ok := attribute["data-kind"]; ok {
			p.panels++
			title := kind
			for h := range n.Descendants() {
				if h.Data == "h3" && h.FirstChild != nil {
					title = h.FirstChild.Data
				}
			}
			if _, failed := attribute["data-error"]; failed {
				p.failed = append(p.failed, title+": "+words(n))
			}
			if _, empty := attribute["data-empty"]; empty {
				p.empty = append(p.empty, title)
			}
		}
	}
	return p
}

func words(n *html.Node) string {
	var all []string
	for c := range n.Descendants() {
		if c.Type == html.TextNode {
			all = append(all, strings.TrimSpace(c.Data))
		}
	}
	return strings.Join(all, " ")
}

// checkViewer opens every dashboard on real data: no panel fails, none is empty that should have
// rows, and no link from one dashboard to another is refused there.
func checkViewer(t *testing.T, databaseURL string) {
	t.Helper()
	server := serveViewer(t, databaseURL)
	seen := map[string]bool{}
	for name, address := range addresses(t, databaseURL) {
		p := look(t, server.URL+address)
		if p.panels == 0 {
			t.Errorf("dashboard %s has no panels", name)
		}
		for _, f := range p.failed {
			t.Errorf("dashboard %s: %s", name, f)
		}
		for _, e := range p.empty {
			if emptyOnRealData()[name+"/"+e] == "" {
				t.Errorf("dashboard %s: panel %s is empty", name, e)
			}
		}
		for _, l := range p.links { // one of each kind: to a dashboard with these variables
			u, err := url.Parse(l)
			if err != nil {
				t.Fatal(err)
			}
			var keys []string
			for key := range u.Query() {
				keys = append(keys, key)
			}
			slices.Sort(keys)
			if kind := fmt.Sprint(u.Path, keys); !seen[kind] {
				seen[kind] = true
				look(t, server.URL+l)
			}
		}
	}
}

// TestDemoShowsTheDashboards: a demo that keeps running prints where they are, and ends with them.
func TestDemoShowsTheDashboards(t *testing.T) {
	databaseURL, _ := readmodeltest.Open(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, stdout := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := run(ctx, []string{"demo", "--keep-running", "--json", "--days", "10", "--dir", t.TempDir(), "--database", databaseURL, "--log-level", "error"}, stdout, io.Discard)
		stdout.Close()
		done <- err
	}()
	var s Summary
	if err := json.NewDecoder(out).Decode(&s); err != nil {
		t.Fatalf("no summary: %v, %v", err, <-done)
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	if p := look(t, s.ViewerURL); p.panels == 0 || len(p.failed) > 0 {
		t.Errorf("at %s: %+v", s.ViewerURL, p)
	}
	cancel()
	if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
	if _, err := http.Get(s.ViewerURL); err == nil {
		t.Error("the dashboards outlive the demo")
	}
}

// screen is a device to look with.
type screen struct {
	name          string
	width, height int64
	mobile        bool
}

// TestHeavyViewerInChromium opens every dashboard on the real data in a real browser, on a desk and
// on a phone: no error on the console, nothing refused by the page's own policy, no panel failed or
// empty, no text over another, nothing wider than the screen. With -figures it keeps the pictures.
func TestHeavyViewerInChromium(t *testing.T) {
	if !*heavy {
		t.Skip("heavy: run by make test-full")
	}
	browser := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil && browser == "" {
			browser = path
		}
	}
	if browser == "" {
		t.Fatal("no Chromium found: apt-get install chromium")
	}
	databaseURL, _ := readmodeltest.Open(t)
	alphaDemo(t, append([]string{"--dir", t.TempDir(), "--database", databaseURL}, realFiles(t)...)...)
	server := serveViewer(t, databaseURL)
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.ExecPath(browser), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()))
	allocator, stop := chromedp.NewExecAllocator(t.Context(), options...)
	defer stop()
	for _, s := range []screen{{"desktop", 1280, 1600, false}, {"phone", 390, 1600, true}} {
		for name, address := range addresses(t, databaseURL) {
			t.Run(name+"-"+s.name, func(t *testing.T) {
				lookInBrowser(t, allocator, s, server.URL+address, name)
			})
		}
	}
}

// findings is what a script in the page measures.
type findings struct {
	Failed, Empty, Overlaps, Wide, Small []string
	Panels, Drawings                     int
}

// measure looks for what one would see with one's eyes. Two texts of a chart lie over each other if
// they share more than a fifth of the smaller one.
const measure = `(() => {
  const title = p => (p.querySelector('h3') || {firstChild: {textContent: p.id}}).firstChild.textContent.trim();
  const out = {Failed: [], Empty: [], Overlaps: [], Wide: [], Small: [], Panels: 0, Drawings: 0};
  for (const p of document.querySelectorAll('.panel')) {
    out.Panels++;
    if ('error' in p.dataset) out.Failed.push(title(p) + ': ' + p.innerText);
    if ('empty' in p.dataset) out.Empty.push(title(p));
    const box = p.getBoundingClientRect();
    if (box.right > innerWidth + 1 || box.width < 40) out.Wide.push(title(p) + ' ' + Math.round(box.left) + '-' + Math.round(box.right));
    for (const svg of p.querySelectorAll('.chart svg')) {
      if (svg.getClientRects().length === 0) continue;
      out.Drawings++;
      const texts = [...svg.querySelectorAll('text')].filter(x => x.textContent !== '●').map(x => ({t: x.textContent, r: x.getBoundingClientRect()}));
      for (let i = 0; i < texts.length; i++) {
        const a = texts[i].r;
        if (a.height < 8) out.Small.push(title(p) + ': ' + texts[i].t + ' ' + a.height);
        if (a.left < box.left - 2 || a.right > box.right + 2) out.Wide.push(title(p) + ': ' + texts[i].t);
        for (let j = i + 1; j < texts.length; j++) {
          const b = texts[j].r;
          const w = Math.min(a.right, b.right) - Math.max(a.left, b.left), h = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
          if (w > 0 && h > 0 && w * h > 0.2 * Math.min(a.width * a.height, b.width * b.height)) out.Overlaps.push(title(p) + ': ' + texts[i].t + ' / ' + texts[j].t);
        }
      }
    }
  }
  if (document.documentElement.scrollWidth > innerWidth + 1) out.Wide.push('the page is ' + document.documentElement.scrollWidth + ' wide');
  return out;
})()`

func lookInBrowser(t *testing.T, allocator context.Context, s screen, address, name string) {
	said := &complaints{}
	tab, cancel := chromedp.NewContext(allocator, chromedp.WithListener(said.hear))
	defer cancel()
	var size []chromedp.EmulateViewportOption
	if s.mobile {
		size = append(size, chromedp.EmulateMobile, chromedp.EmulatePortrait)
	}
	if err := chromedp.Do(tab, chromedp.EmulateViewport(s.width, s.height, size...)); err != nil {
		t.Fatal(err)
	}
	if err := chromedp.Do(tab, chromedp.Navigate(address)); err != nil {
		t.Fatal(err)
	}
	f, err := chromedp.Run(tab, chromedp.Evaluate[findings](measure))
	if err != nil {
		t.Fatal(err)
	}
	shot, err := chromedp.Run(tab, chromedp.CaptureScreenshot())
	if err != nil {
		t.Fatal(err)
	}
	for what, found := range map[string][]string{"complained": said.list(), "failed": f.Failed, "text over text": f.Overlaps, "too wide": f.Wide, "too small": f.Small} {
		for _, one := range found {
			t.Errorf("%s: %s", what, one)
		}
	}
	for _, e := range f.Empty {
		if emptyOnRealData()[name+"/"+e] == "" {
			t.Errorf("panel %s is empty", e)
		}
	}
	if f.Panels == 0 {
		t.Error("no panels on the page")
	}
	keep(t, shot, name+"-"+s.name+".png")
}

// complaints are what the browser said against a page.
type complaints struct {
	mu  sync.Mutex
	all []string // guarded by mu
}

func (c *complaints) hear(event any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch e := event.(type) {
	case *log.EventEntryAdded:
		c.all = append(c.all, fmt.Sprint(e.Entry.Level, " ", e.Entry.Text, " ", e.Entry.URL))
	case *runtime.EventExceptionThrown:
		c.all = append(c.all, e.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		c.all = append(c.all, fmt.Sprint("console: ", e.Type))
	case *network.EventLoadingFailed:
		c.all = append(c.all, "not loaded: "+e.ErrorText)
	case *network.EventResponseReceived:
		if e.Response.Status >= 400 {
			c.all = append(c.all, fmt.Sprint(e.Response.Status, " ", e.Response.URL))
		}
	}
}

func (c *complaints) list() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.all)
}

// keep writes a picture into the folder of -figures, with the 256 colours it has most of, so that it
// is small enough to be in the repository.
func keep(t *testing.T, shot []byte, name string) {
	t.Helper()
	if *figures == "" {
		return
	}
	full, err := png.Decode(bytes.NewReader(shot))
	if err != nil {
		t.Fatal(err)
	}
	few := image.NewPaletted(full.Bounds(), commonColors(full, 256))
	draw.Draw(few, few.Bounds(), full, full.Bounds().Min, draw.Src)
	var out bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, few); err != nil {
		t.Fatal(err)
	}
	if out.Len() > 150_000 {
		t.Errorf("picture %s has %d bytes, more than 150,000", name, out.Len())
	}
	if err := os.WriteFile(filepath.Join(*figures, name), out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

func commonColors(img image.Image, most int) color.Palette {
	count := map[color.RGBA]int{}
	b := img.Bounds()
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			r, g, bl, _ := img.At(x, y).RGBA()
			// the five upper bits: neighbours in colour count together
			count[color.RGBA{uint8(r>>8) &^ 7, uint8(g>>8) &^ 7, uint8(bl>>8) &^ 7, 255}]++
		}
	}
	var all []color.RGBA
	for c := range count {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b color.RGBA) int {
		if n := count[b] - count[a]; n != 0 {
			return n
		}
		return int(a.R)<<16 + int(a.G)<<8 + int(a.B) - int(b.R)<<16 - int(b.G)<<8 - int(b.B)
	})
	palette := color.Palette{color.RGBA{255, 255, 255, 255}}
	for _, c := range all[:min(len(all), most-1)] {
		palette = append(palette, color.RGBA{c.R | 4, c.G | 4, c.B | 4, 255})
	}
	return palette
}

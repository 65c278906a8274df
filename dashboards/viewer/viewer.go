// Package viewer shows Grafana's dashboards to those who have no Grafana yet: pages of HTML and SVG
// made on the server from the very JSON that Grafana gets, and from the read model through the role
// that may only read. A page is a function of (dashboard, variables and time range of the address,
// read model). Addresses are Grafana's (/d/uid?var-name=value&from=now-7d&to=now), so that links work
// in both. It draws stat, table, time series, bar and candlestick panels; of every other kind it
// shows the numbers and says so. It has no JavaScript. Start with New.
package viewer

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"shitpost-alpha/dashboards/macro"
	"shitpost-alpha/readmodel"
)

//go:embed page.html style.css
var files embed.FS

// Options of a Viewer. All are needed but LocalOnly.
type Options struct {
	Dashboards  [][]byte // Grafana's dashboard JSON; the first is the front page
	DatabaseURL string   // postgres://…, a role that is grafana or may become it
	Now         func() time.Time
	Log         *slog.Logger

	// LocalOnly refuses requests that name another host than this machine, so that no page of the
	// web can read the dashboards through a name that it lets point here.
	LocalOnly bool
}

// Viewer answers requests for dashboards. Close it when it is no longer used.
type Viewer struct {
	dashboards []*dashboard
	byUID      map[string]*dashboard
	db         asker
	now        func() time.Time
	log        *slog.Logger
	page       *template.Template
	style      []byte
	localOnly  bool
}

// pageTimeout bounds what one request may cost the database.
const pageTimeout = 30 * time.Second

// New reads the dashboards. It does not connect yet. Errors: a dashboard that cannot be read, a
// database URL that is none.
func New(ctx context.Context, o Options) (*Viewer, error) {
	v := &Viewer{byUID: map[string]*dashboard{}, now: o.Now, log: o.Log, localOnly: o.LocalOnly}
	for _, raw := range o.Dashboards {
		d, err := parse(raw)
		if err != nil {
			return nil, err
		}
		if _, err := location(d.Timezone); err != nil {
			return nil, err
		}
		v.dashboards, v.byUID[d.UID] = append(v.dashboards, d), d
	}
	if len(v.dashboards) == 0 {
		return nil, errors.New("make viewer: there are no dashboards")
	}
	var err error
	if v.page, err = template.ParseFS(files, "page.html"); err != nil {
		return nil, fmt.Errorf("read page template: %w", err)
	}
	if v.style, err = files.ReadFile("style.css"); err != nil {
		return nil, fmt.Errorf("read style: %w", err)
	}
	v.db, err = openDatabase(ctx, o.DatabaseURL)
	return v, err
}

// Close ends the connections.
func (v *Viewer) Close() { v.db.close() }

// Ping says whether the read model can be read as role grafana.
func (v *Viewer) Ping(ctx context.Context) error {
	_, err := v.db.query(ctx, "SELECT 1 FROM "+readmodel.Schema+".posts LIMIT 1")
	return err
}

// Handler serves the dashboards below /d/; /healthz, 200 while the process lives; and /readyz, 200
// when the read model can be read.
func (v *Viewer) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/d/"+v.dashboards[0].UID, http.StatusFound)
	})
	mux.HandleFunc("GET /d/{uid}", v.serve)
	mux.HandleFunc("GET /d/{uid}/{slug}", v.serve)
	mux.HandleFunc("GET /style.css", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/css; charset=utf-8")
		_, _ = w.Write(v.style) // the reader has gone: nobody to tell
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 3*time.Second)
		defer cancel()
		if err := v.Ping(ctx); err != nil {
			http.Error(w, "read model: "+problem(err), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	return v.guarded(mux)
}

// guarded sets the headers that keep a page to itself. Charts carry style attributes, which is all
// that the policy lets in beside our own style sheet.
func (v *Viewer) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; style-src-attr 'unsafe-inline'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if v.localOnly && !local(r.Host) {
			http.Error(w, "this viewer answers to localhost alone: start it with --listen to serve others", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func local(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = host
	}
	if name == "localhost" {
		return true
	}
	ip := net.ParseIP(trimBrackets(name))
	return ip != nil && ip.IsLoopback()
}

func trimBrackets(s string) string {
	if len(s) > 2 && s[0] == '[' && s[len(s)-1] == ']' {
		return s[1 : len(s)-1]
	}
	return s
}

// serve writes one dashboard.
func (v *Viewer) serve(w http.ResponseWriter, r *http.Request) {
	d, ok := v.byUID[r.PathValue("uid")]
	if !ok {
		v.fail(w, r, nil, http.StatusNotFound, "There is no dashboard "+shown(r.PathValue("uid"))+".")
		return
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		v.fail(w, r, d, http.StatusBadRequest, "The address cannot be read.")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), pageTimeout)
	defer cancel()
	page, err := v.build(ctx, d, query)
	switch {
	case errors.Is(err, errRefused):
		v.fail(w, r, d, http.StatusBadRequest, err.Error())
	case err != nil:
		v.log.ErrorContext(ctx, "dashboard failed", "dashboard", d.UID, "error", err)
		v.fail(w, r, d, http.StatusInternalServerError, "The page could not be made: see the viewer's log.")
	default:
		v.write(w, r, http.StatusOK, page)
	}
}

func (v *Viewer) fail(w http.ResponseWriter, r *http.Request, d *dashboard, status int, words string) {
	p := &page{Title: http.StatusText(status), Failure: words, Status: status}
	for _, other := range v.dashboards {
		p.Dashboards = append(p.Dashboards, anchor{Title: other.Title, URL: "/d/" + other.UID})
	}
	if d != nil {
		p.UID = d.UID
	}
	v.write(w, r, status, p)
}

func (v *Viewer) write(w http.ResponseWriter, r *http.Request, status int, p *page) {
	var out bytes.Buffer
	if err := v.page.Execute(&out, p); err != nil {
		v.log.ErrorContext(r.Context(), "page failed", "error", err)
		http.Error(w, "the page could not be written: see the viewer's log", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(out.Bytes()) // the reader has gone: nobody to tell
}

// page is what the template gets.
type page struct {
	Status      int
	Failure     string
	UID         string
	Title       string
	Description string
	Dashboards  []anchor
	Here        int // of Dashboards: this one
	Fields      []choice
	Kept        []kept // choices without a field
	Times       timeRange
	Ranges      []option
	Shown       string // the time range in words
	Sections    []section
	Took        string
}

type kept struct{ Name, Value string }

// section is the panels under one heading.
type section struct {
	Title  string
	Panels []view
}

// build asks everything that the page needs, panels at the same time.
func (v *Viewer) build(ctx context.Context, d *dashboard, query url.Values) (*page, error) {
	began := v.now()
	loc, err := location(d.Timezone)
	if err != nil {
		return nil, err
	}
	times, err := parseRange(one(query, "from", d.Time.From), one(query, "to", d.Time.To), began, loc)
	if err != nil {
		return nil, fmt.Errorf("%w: time range: %w", errRefused, err)
	}
	cs, err := choose(ctx, d.Templating.List, query, func(ctx context.Context, sql string, soFar choices) (frame, error) {
		return v.run(ctx, sql, macro.Env{From: times.From, To: times.To, Interval: time.Minute, Variables: soFar.sql()})
	})
	if err != nil {
		return nil, err
	}
	s := scope{choices: cs, times: times, targets: v.byUID, page: d}
	views := make([]view, len(d.Panels))
	var group errgroup.Group
	group.SetLimit(poolSize)
	for i, p := range d.Panels {
		group.Go(func() error {
			views[i] = v.render(ctx, p, s, loc)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	out := &page{UID: d.UID, Title: d.Title, Description: d.Description, Dashboards: s.dashboards(v.dashboards), Times: times,
		Here: slices.Index(v.dashboards, d), Ranges: ranges(times), Sections: sections(views),
		Shown: fmt.Sprintf("%s to %s %s", times.From.In(loc).Format("2006-01-02 15:04"), times.To.In(loc).Format("2006-01-02 15:04"), loc),
		Took:  v.now().Sub(began).Round(time.Millisecond).String()}
	for _, c := range cs {
		if c.Hide == 2 || c.Type == "datasource" || c.Type == "constant" {
			if c.Type != "datasource" && c.Type != "constant" {
				for _, value := range c.Values {
					out.Kept = append(out.Kept, kept{"var-" + c.Name, value})
				}
			}
			continue
		}
		out.Fields = append(out.Fields, c)
	}
	return out, nil
}

func one(query url.Values, key, otherwise string) string {
	if query.Has(key) {
		return query.Get(key)
	}
	return otherwise
}

// ranges are the time ranges that one can go to with one click.
func ranges(now timeRange) []option {
	all := []option{{"7 days", "now-7d"}, {"30 days", "now-30d"}, {"90 days", "now-90d"}, {"1 year", "now-1y"}, {"2 years", "now-2y"}, {"5 years", "now-5y"}}
	if now.RawTo != "now" || !slices.ContainsFunc(all, func(o option) bool { return o.Value == now.RawFrom }) {
		all = append(all, option{now.RawFrom, now.RawFrom})
	}
	return all
}

// sections puts panels under the rows before them.
func sections(views []view) []section {
	all := []section{{}}
	for _, p := range views {
		if p.Type == "row" {
			all = append(all, section{Title: p.Title})
			continue
		}
		all[len(all)-1].Panels = append(all[len(all)-1].Panels, p)
	}
	return slices.DeleteFunc(all, func(s section) bool { return len(s.Panels) == 0 })
}

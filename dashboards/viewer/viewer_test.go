package viewer

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"shitpost-alpha/readmodel"
	"shitpost-alpha/readmodel/readmodeltest"
)

func TestMain(m *testing.M) { os.Exit(readmodeltest.Main(m)) }

// panelJSON is a panel of a kind with one statement and what else it has.
func panelJSON(id int, kind, format, sql, more string) string {
	return fmt.Sprintf(`{"id":%d,"type":%q,"title":"%s %d of $horizon","description":"how","gridPos":{"h":6,"w":12,"x":0,"y":0},"targets":[{"refId":"A","format":%q,"rawSql":%q}]%s}`,
		id, kind, kind, id, format, sql, more)
}

func dashboardJSON(panels ...string) []byte {
	return []byte(`{"uid":"one","title":"One","timezone":"utc","time":{"from":"now-7d","to":"now"},"templating":{"list":` + someVariables + `},
		"annotations":{"list":[{"name":"posts","enable":true,"iconColor":"orange","filter":{"exclude":false,"ids":[5]},
			"target":{"rawSql":"SELECT now() - interval '1 day' AS time, 'said <b>' AS text, 'bullish' AS tags"}}]},
		"links":[{"title":"source","type":"link","url":"https://example.org/"},{"title":"evil","type":"link","url":"javascript:alert(1)"}],
		"panels":[` + strings.Join(panels, ",") + `]}`)
}

var twoDashboards = []byte(`{"uid":"two","title":"Two","time":{"from":"now-30d","to":"now"},"templating":{"list":[{"name":"horizon","type":"custom","query":"1,3,7,30"},{"name":"post","type":"textbox","query":""}]},"panels":[]}`)

// open makes a viewer of the panels over a database that has the read model's roles, and nothing in it.
func open(t *testing.T, panels ...string) (*Viewer, http.Handler) {
	t.Helper()
	databaseURL, conn := readmodeltest.Open(t)
	for _, sql := range []string{readmodel.RolesSQL(), "CREATE TABLE secret (v int); CREATE TABLE given (v int); GRANT SELECT, INSERT ON given TO grafana; GRANT USAGE ON SCHEMA public TO grafana"} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	v, err := New(t.Context(), Options{Dashboards: [][]byte{dashboardJSON(panels...), twoDashboards}, DatabaseURL: databaseURL,
		Now: func() time.Time { return time.Now() }, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), LocalOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v, v.Handler()
}

func get(t testing.TB, h http.Handler, path string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Host, r.URL = "localhost:9180", &url.URL{}
	r.URL.Path, r.URL.RawQuery, _ = strings.Cut(path, "?")
	h.ServeHTTP(w, r)
	return w
}

// panelOf cuts one panel out of a page.
func panelOf(t *testing.T, body string, id int) string {
	t.Helper()
	_, after, ok := strings.Cut(body, fmt.Sprintf(`id="panel-%d"`, id))
	if !ok {
		t.Fatalf("no panel %d in\n%s", id, body)
	}
	inner, _, _ := strings.Cut(after, "</section>")
	return inner
}

func TestKindsOfPanels(t *testing.T) {
	const series = `SELECT now() - n * interval '1 day' AS "time", n::numeric / 3 AS "value" FROM generate_series(1, 50) n ORDER BY 1`
	_, h := open(t,
		panelJSON(1, "stat", "table", `SELECT 43.04 AS "Accuracy", 'words' AS "Word"`, `,"fieldConfig":{"defaults":{"unit":"percent","decimals":1,"thresholds":{"steps":[{"color":"#112233","value":null}]}}}`),
		panelJSON(2, "table", "table", `SELECT 'O''X <i>' AS "Symbol", 'p1' AS "id", 0.655::float8 AS "Confidence", NULL::int AS "Nothing", 'https://truthsocial.com/@x/1' AS "Source"`,
			`,"fieldConfig":{"defaults":{"noValue":"–"},"overrides":[{"matcher":{"id":"byName","options":"Symbol"},"properties":[{"id":"links","value":[{"title":"open ${__value.text}","url":"/d/two/two?var-post=${__data.fields[\"id\"]:percentencode}&${__url_time_range}&${horizon:queryparam}&${origin:queryparam}"}]}]},
			{"matcher":{"id":"byName","options":"id"},"properties":[{"id":"custom.hidden","value":true}]},
			{"matcher":{"id":"byName","options":"Confidence"},"properties":[{"id":"unit","value":"percentunit"},{"id":"decimals","value":0}]}]}`),
		panelJSON(3, "timeseries", "time_series", series, `,"fieldConfig":{"defaults":{"unit":"currencyUSD"}}`),
		panelJSON(4, "barchart", "table", `SELECT 'Mon' AS "day", 3 AS "n" UNION ALL SELECT 'Tue', -2`, `,"options":{"xField":"day"}`),
		panelJSON(5, "candlestick", "table", `SELECT now() - n * interval '1 day' AS "time", 2.0 AS open, 4.0 AS high, 1.0 AS low, 3.0 AS close FROM generate_series(1, 20) n ORDER BY 1`, ""),
		panelJSON(6, "heatmap", "table", `SELECT 1 AS a, 2 AS b`, `,"transformations":[{"id":"merge","options":{}}]`),
		panelJSON(7, "timeseries", "time_series", series+" LIMIT 0", `,"fieldConfig":{"defaults":{"noValue":"no call is evaluated yet"}}`),
		`{"id":8,"type":"row","title":"More","panels":[{"id":9,"type":"text","title":"Help","options":{"content":"**Not** advice <script>alert(1)</script>\n\nReally."}}]}`,
	)
	w := get(t, h, "/d/one/any-slug?var-horizon=30&var-origin=live")
	body := w.Body.String()
	if w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, body)
	}
	for id, want := range map[int][]string{
		1: {"stat 1 of 30", "Accuracy", "43.0%", "color:#112233", "<summary>What this is"},
		2: {"O&#39;X &lt;i&gt;", `title="open O&#39;X &lt;i&gt;"`, "66%", "–", `href="/d/two?from=now-7d&amp;to=now&amp;var-horizon=30&amp;var-post=p1"`, `href="https://truthsocial.com/@x/1" title="https://truthsocial.com/@x/1" rel="noopener noreferrer"`},
		3: {"<svg", "$10", "chart narrow"},
		4: {"<svg", "Mon", "Tue"},
		5: {"<svg", "annotations: 1", "said &lt;b&gt;", "bullish", "●"},
		6: {"Grafana draws this as heatmap", "transformation merge", "<td class=\"right\"><div>1</div></td>"},
		7: {"data-empty", "no call is evaluated yet"},
		9: {"Not advice alert(1)", "Really."},
	} {
		p := panelOf(t, body, id)
		for _, part := range want {
			if !strings.Contains(p, part) {
				t.Errorf("panel %d lacks %q:\n%s", id, part, p)
			}
		}
		if strings.Contains(p, "data-error") || strings.Contains(p, "<script") {
			t.Errorf("panel %d: %s", id, p)
		}
	}
	for _, want := range []string{"Light viewer", "<h2>More</h2>", `href="https://example.org/"`, `<option value="30" selected>`, `<option value="live" selected>`} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(body, "javascript:") || strings.Contains(panelOf(t, body, 2), ">p1<") {
		t.Error("a link that runs code, or a hidden column, is on the page")
	}
}

// A panel that fails says why in words and SQLSTATE; the others are drawn.
func TestPanelsThatFail(t *testing.T) {
	v, h := open(t,
		panelJSON(1, "stat", "table", `SELECT 1 AS n`, ""),
		panelJSON(2, "table", "table", `SELECT v FROM public.secret`, ""),
		panelJSON(3, "table", "table", `INSERT INTO public.given VALUES (1) RETURNING v`, ""),
		panelJSON(4, "table", "table", `SELECT * FROM readmodel.nothing`, ""),
		panelJSON(5, "table", "table", `SELECT pg_sleep(600)`, ""),
		panelJSON(6, "table", "table", `SELECT ${missing:sqlstring}`, ""),
		panelJSON(7, "table", "table", `SELECT 1/(${horizon:sqlstring}::int - 7)`, ""),
		panelJSON(8, "timeseries", "table", `SELECT 'NaN'::float8 AS "v", 'Infinity'::float8 AS "w", now() AS "time"`, ""),
		panelJSON(9, "table", "table", `SELECT current_user AS "user", session_user <> current_user AS "became", current_setting('transaction_read_only') AS "ro"`, ""),
	)
	v.db.(*database).timeout = 20 * time.Millisecond // for the one that never ends; the others that it may hit are not looked at
	slow := panelOf(t, get(t, h, "/d/one").Body.String(), 5)
	if !strings.Contains(slow, "SQLSTATE 57014") {
		t.Errorf("a statement without end: %s", slow)
	}
	v.db.(*database).timeout = time.Minute
	v.byUID["one"].Panels = append(v.byUID["one"].Panels[:4], v.byUID["one"].Panels[5:]...)
	body := get(t, h, "/d/one").Body.String()
	for id, want := range map[int]string{1: `<span class="value">1</span>`, 2: "SQLSTATE 42501", 3: "SQLSTATE 25006", 4: "SQLSTATE 42P01", 6: "no such variable", 7: "SQLSTATE 22012", 8: "data-empty", 9: "><div>grafana</div></td>"} {
		if p := panelOf(t, body, id); !strings.Contains(p, want) {
			t.Errorf("panel %d lacks %q: %s", id, want, p)
		}
	}
	if strings.Contains(body, "NaN") || strings.Contains(body, "goroutine") || strings.Contains(body, "postgres://") {
		t.Error("the page shows NaN, a stack or the database's address")
	}
}

func TestDatabaseThatIsDown(t *testing.T) {
	v, err := New(t.Context(), Options{Dashboards: [][]byte{dashboardJSON(panelJSON(1, "stat", "table", "SELECT 1", ""))}, DatabaseURL: "postgres://grafana:secret@127.0.0.1:1/none",
		Now: time.Now, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	w := get(t, v.Handler(), "/d/one")
	if body := w.Body.String(); w.Code != http.StatusOK || !strings.Contains(body, "could not be asked") || strings.Contains(body, "127.0.0.1") || strings.Contains(body, "secret") {
		t.Errorf("%d %s", w.Code, body)
	}
	if w := get(t, v.Handler(), "/readyz"); w.Code != http.StatusServiceUnavailable {
		t.Errorf("/readyz is %d", w.Code)
	}
	if w := get(t, v.Handler(), "/healthz"); w.Code != http.StatusOK {
		t.Errorf("/healthz is %d", w.Code)
	}
	if _, err := New(t.Context(), Options{Dashboards: [][]byte{twoDashboards}, DatabaseURL: "postgres://u:hunter2@h:port/x"}); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a URL that is none: %v", err)
	}
}

func TestRequestsRefused(t *testing.T) {
	_, h := open(t, panelJSON(1, "stat", "table", "SELECT 1", ""))
	for path, want := range map[string]int{
		"/": http.StatusFound, "/d/one": 200, "/d/one?from=now-30d&to=now-1d": 200, "/d/nope": 404, "/etc/passwd": 404, "/d/one/../../x": 307,
		"/d/one?var-horizon=8": 400, "/d/one?var-nope=1": 400, "/d/one?from=yesterday": 400, "/d/one?from=now&to=now-1h": 400,
		"/d/one?x=<script>": 400, "/d/one?a=%zz": 400, "/d/one?a;b": 400, "/d/one?var-symbol=x": 400, "/d/one?var-horizon=7;DROP": 400,
	} {
		w := get(t, h, path)
		if w.Code != want {
			t.Errorf("%s answers %d, want %d", path, w.Code, want)
		}
		if policy := w.Header().Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none'") || strings.Contains(policy, "script-src") {
			t.Errorf("%s has the policy %q", path, policy)
		}
		if strings.Contains(w.Body.String(), "<script") {
			t.Errorf("%s: a script on the page", path)
		}
	}
	for host, want := range map[string]int{"evil.example": 403, "localhost": 302, "127.0.0.1:9180": 302, "[::1]:9180": 302, "127.0.0.1.evil.example": 403, "": 403} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Host = host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("host %q answers %d, want %d", host, w.Code, want)
		}
	}
	r := httptest.NewRequest(http.MethodPost, "/d/one", nil)
	r.Host = "localhost"
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST answers %d", w.Code)
	}
}

func TestDashboardsThatCannotBeShown(t *testing.T) {
	for raw, want := range map[string]string{
		`{`: "read dashboard", `{"title":"x"}`: "no uid", `{"uid":"x","timezone":"Mars/Olympus"}`: "time zone",
		`{"uid":"x","templating":{"list":[{"name":"f","type":"adhoc"}]}}`: "type adhoc",
	} {
		if _, err := New(t.Context(), Options{Dashboards: [][]byte{[]byte(raw)}, DatabaseURL: "postgres://h/d"}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", raw, err, want)
		}
	}
	if _, err := New(t.Context(), Options{DatabaseURL: "postgres://h/d"}); err == nil {
		t.Error("a viewer of nothing")
	}
}

func TestServeStops(t *testing.T) {
	v, _ := open(t, panelJSON(1, "stat", "table", "SELECT 1", ""))
	l, local, err := Listen(t.Context(), "127.0.0.1:0")
	if err != nil || !local {
		t.Fatalf("local %v, %v", local, err)
	}
	if _, _, err := Listen(t.Context(), l.Addr().String()); err == nil {
		t.Error("an address that is taken was taken again")
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- v.Serve(ctx, l) }()
	resp, err := http.Get("http://" + l.Addr().String() + "/healthz")
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%v %v", resp, err)
	}
	resp.Body.Close()
	cancel()
	if err := <-done; err != nil {
		t.Errorf("stopped with %v", err)
	}
}

// answers is a database that keeps the statements it is asked.
type answers struct{ asked []string }

func (a *answers) query(_ context.Context, sql string) (frame, error) {
	a.asked = append(a.asked, sql)
	return frame{Rows: 2, Fields: []*field{{Name: "time", Kind: moment, Values: []any{noon, noon.Add(time.Hour)}}, {Name: "symbol", Kind: text, Values: []any{"SPY", "O'X"}}, numbers("n", 1.0, 2.0)}}, nil
}

func (a *answers) close() {}

var literal = regexp.MustCompile(`'(?:[^']|'')*'`)

// FuzzAddress sends any path and query: the answer is a page or a refusal that is well-formed and
// has no script, and what reaches the database differs from the dashboard's own SQL in quoted
// literals alone.
func FuzzAddress(f *testing.F) {
	for _, s := range []string{"", "var-horizon=7", "var-search=' OR 1=1 --", "var-search=$__timeFilter(x)", "var-search=${horizon:sqlstring}", "var-search=\\'", "var-symbol=O%27X", "from=now-1d&to=now", "a=%zz", "var-search=<script>", "var-origin=live&var-origin=retrospective"} {
		f.Add("one", s)
	}
	const sql = `SELECT 1 WHERE a = ${search:sqlstring} AND h = ${horizon:sqlstring}::int AND o IN (${origin:sqlstring}) AND $__timeFilter(t)`
	v, err := New(f.Context(), Options{Dashboards: [][]byte{dashboardJSON(panelJSON(1, "table", "table", sql, ""), panelJSON(2, "timeseries", "table", sql, "")), twoDashboards}, DatabaseURL: "postgres://h/d",
		Now: func() time.Time { return noon }, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		f.Fatal(err)
	}
	v.Close()
	f.Fuzz(func(t *testing.T, uid, query string) {
		db := &answers{}
		one := *v
		one.db = serial{db, make(chan struct{}, 1)}
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.URL.RawQuery = query
		r.SetPathValue("uid", uid)
		one.serve(w, r)
		if w.Code != http.StatusOK && w.Code != http.StatusBadRequest && w.Code != http.StatusNotFound {
			t.Fatalf("%q ?%q answers %d", uid, query, w.Code)
		}
		z := html.NewTokenizer(w.Body)
		for kind := z.Next(); kind != html.ErrorToken; kind = z.Next() {
			token := z.Token()
			if token.Data == "script" && kind != html.TextToken {
				t.Fatalf("?%q puts a script on the page", query)
			}
			for _, a := range token.Attr {
				if strings.HasPrefix(a.Key, "on") || a.Key == "href" && strings.HasPrefix(strings.ToLower(strings.TrimSpace(a.Val)), "javascript:") {
					t.Fatalf("?%q puts %s=%q on the page", query, a.Key, a.Val)
				}
			}
		}
		for _, asked := range db.asked {
			bare := strings.ReplaceAll(literal.ReplaceAllString(asked, "?"), "?,?", "?")
			if bare != "SELECT 1 WHERE a = ? AND h = ?::int AND o IN (?) AND t BETWEEN ? AND ?" && bare != "SELECT ? AS symbol" {
				t.Fatalf("?%q asked %s", query, asked)
			}
		}
	})
}

// serial lets one ask at a time.
type serial struct {
	asker
	turn chan struct{}
}

func (s serial) query(ctx context.Context, sql string) (frame, error) {
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	return s.asker.query(ctx, sql)
}

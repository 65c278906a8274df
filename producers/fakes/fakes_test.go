package fakes

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/realdata"
)

func start(t *testing.T, o Options) (*Server, string) {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return s, server.URL
}

func ask(t *testing.T, method, url, body string, header ...string) (int, []byte, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	req.Close = true // net/http repeats a GET by itself on a connection that it had used before
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	return resp.StatusCode, data, err
}

// Real posts page by page: every one once, newest first, in both shapes.
func TestTimelinePages(t *testing.T) {
	_, url := start(t, Options{Posts: []string{filepath.Join(realdata.Path(t), "posts", "cnn_shape_html_2025-10-25_31.json")}, ScrapeKey: "k"})
	count := 0
	for cursor := ""; ; {
		code, body, err := ask(t, "GET", url+"/v1/truthsocial/user/posts?user_id="+event.AuthorID+"&limit=20&next_max_id="+cursor, "", "x-api-key", "k")
		var page struct {
			Success bool     `json:"success"`
			Posts   []Status `json:"posts"`
			Next    string   `json:"next_max_id"`
		}
		if err != nil || code != 200 || json.Unmarshal(body, &page) != nil || !page.Success {
			t.Fatalf("%d %s %v", code, body, err)
		}
		if len(page.Posts) == 0 {
			break
		}
		count += len(page.Posts)
		cursor = page.Next
	}
	if count != 140 {
		t.Errorf("%d posts, want 140", count)
	}
	if code, body, _ := ask(t, "GET", url+"/api/v1/accounts/"+event.AuthorID+"/statuses?limit=40", ""); code != 200 || body[0] != '[' {
		t.Errorf("statuses: %d", code)
	}
	if code, _, _ := ask(t, "GET", url+"/v1/truthsocial/user/posts?user_id="+event.AuthorID, "", "x-api-key", "wrong"); code != 401 {
		t.Errorf("a wrong key: %d", code)
	}
}

// The chart of a file's symbol shows its rows, and no bar that has not begun.
func TestChart(t *testing.T) {
	now := time.Date(2025, 6, 10, 15, 0, 0, 0, time.UTC) // Tuesday, in session
	s, url := start(t, Options{Now: func() time.Time { return now }, Prices: []string{filepath.Join(realdata.Path(t), "prices", "yf_daily_68tickers_2024-07_2026-03.csv")}, Symbols: []string{"MADEUP"}})
	type answer struct {
		Chart struct {
			Result []struct {
				Timestamp []int64
				Events    struct {
					Splits map[string]struct{ Numerator float64 }
				}
				Indicators struct{ Quote []map[string][]*float64 }
			}
			Error map[string]string
		}
	}
	chart := func(symbol string) (a answer, code int) {
		code, body, err := ask(t, "GET", url+"/v8/finance/chart/"+symbol+"?period1=1748736000&period2=1893456000&interval=1d", "")
		if err != nil || json.Unmarshal(body, &a) != nil {
			t.Fatalf("%s: %v %s", symbol, err, body)
		}
		return a, code
	}
	a, _ := chart("AAPL")
	if r := a.Chart.Result[0]; len(r.Timestamp) != 7 || len(r.Indicators.Quote[0]["close"]) != 7 || time.Unix(r.Timestamp[6], 0).UTC() != time.Date(2025, 6, 10, 13, 30, 0, 0, time.UTC) {
		t.Errorf("AAPL: %+v", r)
	}
	before := *a.Chart.Result[0].Indicators.Quote[0]["close"][0]
	date, _ := event.ParseDate("2025-06-09")
	s.Market.Split("AAPL", date, 4)
	a, _ = chart("AAPL")
	if r := a.Chart.Result[0]; *r.Indicators.Quote[0]["close"][0] != before/4 || len(r.Events.Splits) != 1 {
		t.Errorf("after a split: %v, %v", *r.Indicators.Quote[0]["close"][0], r.Events)
	}
	if a, code := chart("NOSUCH"); code != 404 || a.Chart.Error["code"] != "Not Found" {
		t.Errorf("unknown: %d %v", code, a.Chart.Error)
	}
	if a, _ := chart("MADEUP"); len(a.Chart.Result[0].Timestamp) != 7 {
		t.Errorf("made up: %d bars", len(a.Chart.Result[0].Timestamp))
	}
	code, body, _ := ask(t, "GET", url+"/q/d/l/?s=madeup.us&d1=20250601&d2=20250609&i=d", "")
	if code != 200 || !strings.HasPrefix(string(body), "Date,Open,High,Low,Close,Volume\r\n2025-06-02,") || bytes.Count(body, []byte("\r\n")) != 7 {
		t.Errorf("stooq: %d %s", code, body)
	}
	if _, body, _ := ask(t, "GET", url+"/q/d/l/?s=nosuch.us&i=d", ""); string(body) != "No data" {
		t.Errorf("stooq unknown: %s", body)
	}
}

func TestModel(t *testing.T) {
	s, url := start(t, Options{OpenAIKey: "k"})
	const request = `{"model":"m","messages":[{"role":"system","content":"s"},{"role":"user","content":"post"}],"response_format":{"type":"json_schema"}}`
	complete := func(key string) (int, string) {
		code, body, err := ask(t, "POST", url+"/v1/chat/completions", request, "Authorization", "Bearer "+key)
		if err != nil || !json.Valid(body) {
			t.Fatalf("%v %s", err, body)
		}
		return code, string(body)
	}
	s.Model.Answer(func(user string) string { return "saw " + user })
	if code, body := complete("k"); code != 200 || !strings.Contains(body, `"content":"saw post"`) || !strings.Contains(body, `"prompt_tokens"`) {
		t.Errorf("%d %s", code, body)
	}
	for _, c := range []struct {
		kind Kind
		code int
		says string
	}{
		{BadKey, 401, "invalid_api_key"}, {NoCredit, 429, "insufficient_quota"}, {NoSchema, 400, "response_format"}, {Limited, 429, "rate_limit_exceeded"}, {RefusesPost, 200, `"refusal":"I'm sorry`},
	} {
		s.Heal()
		s.Fault(OpenAI, Fault{Kind: c.kind})
		if code, body := complete("k"); code != c.code || !strings.Contains(body, c.says) {
			t.Errorf("%s: %d %s", c.kind, code, body)
		}
	}
	s.Heal()
	if code, _ := complete("wrong"); code != 401 {
		t.Errorf("a wrong key: %d", code)
	}
	s.Model.Answer(nil)
	if code, body := complete("k"); code != 200 || !strings.Contains(body, "confidence") {
		t.Errorf("drawn: %d %s", code, body)
	}
	if n := len(s.Calls(OpenAI)); n != 8 || string(s.Calls(OpenAI)[0].Body) != request {
		t.Errorf("%d calls", n)
	}
}

// Each fault does what it says, as often as it says.
func TestFaults(t *testing.T) {
	s, url := start(t, Options{MadeUp: 50})
	page := url + "/api/v1/accounts/" + event.AuthorID + "/statuses"
	for _, c := range []struct {
		fault Fault
		code  int // 0: the connection breaks
		valid bool
	}{
		{Fault{Kind: Limited, RetryAfter: "9"}, 429, true}, {Fault{Kind: Down}, 503, false}, {Fault{Kind: Down, Status: 500}, 500, false},
		{Fault{Kind: Reset}, 0, false}, {Fault{Kind: Cut}, 0, false}, {Fault{Kind: WrongType}, 200, true}, {Fault{Kind: Malformed}, 200, false},
		{Fault{Kind: Page}, 200, false}, {Fault{Kind: Cloudflare}, 403, false}, {Fault{Kind: EmptyPage}, 200, true}, {Fault{Kind: Slow, Latency: time.Millisecond}, 200, true},
	} {
		c.fault.Times = 1
		s.Fault(TruthSocial, c.fault)
		code, body, err := ask(t, "GET", page, "")
		if c.code == 0 && err == nil || c.code != 0 && (err != nil || code != c.code || json.Valid(body) != c.valid) {
			t.Errorf("%s: %d %v", c.fault.Kind, code, err)
		}
		if code, body, err := ask(t, "GET", page, ""); err != nil || code != 200 || !json.Valid(body) {
			t.Errorf("after %s: %d %v", c.fault.Kind, code, err)
		}
	}
	if n := s.Count(TruthSocial); n != 22 {
		t.Errorf("%d calls", n)
	}
}

func TestControl(t *testing.T) {
	s, url := start(t, Options{MadeUp: 5})
	page := url + "/api/v1/accounts/" + event.AuthorID + "/statuses"
	if code, _, _ := ask(t, "POST", url+"/_control/fault?endpoint=truthsocial&kind=down&times=1&status=502", ""); code != 200 {
		t.Errorf("set: %d", code)
	}
	if code, _, _ := ask(t, "GET", page, ""); code != 502 {
		t.Errorf("with the fault: %d", code)
	}
	for _, q := range []string{"endpoint=x&kind=down", "endpoint=yahoo&kind=x", "endpoint=yahoo&kind=down&p=7"} {
		if code, _, _ := ask(t, "POST", url+"/_control/fault?"+q, ""); code != 400 {
			t.Errorf("%s: %d", q, code)
		}
	}
	s.Fault(TruthSocial, Fault{Kind: Down})
	if code, _, _ := ask(t, "DELETE", url+"/_control/fault", ""); code != 200 {
		t.Errorf("heal: %d", code)
	}
	if code, _, _ := ask(t, "GET", page, ""); code != 200 {
		t.Errorf("healed: %d", code)
	}
	if _, body, _ := ask(t, "GET", url+"/_control/calls", ""); !strings.Contains(string(body), `"truthsocial":2`) {
		t.Errorf("calls %s", body)
	}
}

// The same seed draws the same hostile answers, and each kind of them comes up.
func TestHostileAnswers(t *testing.T) {
	seen := map[string]bool{}
	a, b := rand.New(rand.NewPCG(1, 1)), rand.New(rand.NewPCG(1, 1))
	for range 300 {
		answer := HostileAnswer(a)
		if answer != HostileAnswer(b) {
			t.Fatal("the seed does not decide")
		}
		seen[answer[:min(len(answer), 60)]] = true
	}
	if len(seen) < 24 {
		t.Errorf("%d different answers", len(seen))
	}
}

func TestBadFiles(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.json")
	if err := os.WriteFile(bad, []byte("a,b\n1,2\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, o := range []Options{{Posts: []string{bad}}, {Prices: []string{bad}}, {Posts: []string{bad + "x"}}} {
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), "bad.json") {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

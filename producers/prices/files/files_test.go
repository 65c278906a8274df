package files_test

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/market"
	"shitpost-alpha/producers/prices"
	"shitpost-alpha/producers/prices/files"
	"shitpost-alpha/producers/prices/pricestest"
)

var day = pricestest.Date

func clock(s string) func() time.Time {
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	return func() time.Time { return at }
}

func openReal(t *testing.T) *files.Source {
	t.Helper()
	s, err := files.Open([]string{pricestest.Path(t, "prices")}, market.NYSE(), clock("2026-11-24T12:00:00Z"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// ask returns the drafts by kind, each sealed and checked as the lake would.
func ask(t *testing.T, s prices.Source, symbol, from, to string) map[event.Kind][]event.Price {
	t.Helper()
	drafts, err := s.Bars(context.Background(), symbol, day(t, from), day(t, to))
	if err != nil {
		t.Fatal(err)
	}
	out := map[event.Kind][]event.Price{}
	for _, e := range drafts {
		event.Seal(&e, "")
		if err := event.Check(&e); err != nil {
			t.Error(err)
		}
		out[e.Kind] = append(out[e.Kind], e)
	}
	return out
}

func bySource(events []event.Price) map[string][]event.Price {
	out := map[string][]event.Price{}
	for _, e := range events {
		out[e.Source] = append(out[e.Source], e)
	}
	return out
}

func TestRealFolder(t *testing.T) {
	s := openReal(t)
	infos := s.Infos()
	bars := 0
	for i, f := range infos {
		bars += f.Bars
		if int(f.Rank) != i || f.Rejected != 0 {
			t.Errorf("%s: rank %d at place %d, %d rows rejected", f.Origin, f.Rank, i, f.Rejected)
		}
	}
	// 30,052 + 11 × 1,064 + 2 × 1,330 + 12 × 1,006 + 817 + 816 + 2 × 1,064 + 4,180: the README's table.
	if len(infos) != 32 || bars != 64429 {
		t.Errorf("%d files with %d bars, want 32 (splits.csv among them) and 64429", len(infos), bars)
	}
	if len(s.Symbols()) != 87 {
		t.Errorf("%d symbols: %v", len(s.Symbols()), s.Symbols())
	}
	for _, name := range []string{"BTC-USD", "ETH-USD", "^GSPC", "^VIX", "DX-Y.NYB", "CL=F", "QQQ", "GLD"} {
		if !slices.Contains(s.Symbols(), name) {
			t.Errorf("no symbol %s", name)
		}
	}
	for _, name := range []string{"BTCUSD", "SPX", "QQQ.US"} {
		if slices.Contains(s.Symbols(), name) {
			t.Errorf("symbol %s was not renamed", name)
		}
	}
	if !slices.IsSorted(s.Origins()) || !slices.Contains(s.Origins(), "file:splits.csv") {
		t.Errorf("origins %v", s.Origins())
	}
}

// TestEveryFileContributes: three files know XLE or WMT, each on its own basis.
func TestEveryFileContributes(t *testing.T) {
	s := openReal(t)
	got := ask(t, s, "XLE", "2025-12-04", "2025-12-05")
	bars := bySource(got[event.BarRecorded])
	plain, adjusted := bars["file:XLE.csv"], bars["file:yf_daily_68tickers_2024-07_2026-03.csv"]
	if len(bars) != 2 || len(plain) != 2 || len(adjusted) != 2 {
		t.Fatalf("bars by source: %v", bars)
	}
	if r := *plain[0].Close / *adjusted[0].Close; math.Abs(r-2) > 0.01 {
		t.Errorf("the day before the split the unadjusted close is %v times the adjusted, want 2", r)
	}
	a := adjusted[0]
	if a.Adjustment != event.AdjustedSplit || a.AdjustedThrough != day(t, "2026-08-22") || a.SourceRank != 0 ||
		a.FetchID != "yf_daily_68tickers_2024-07_2026-03.csv@2026-08-22" || a.Currency != "USD" || a.AdjClose == nil || a.Synthetic {
		t.Errorf("adjusted bar %+v", a)
	}
	p := plain[0]
	if p.Adjustment != event.AdjustedNone || p.AdjustedThrough != day(t, "2025-12-04") || p.SourceRank == 0 || p.AdjClose != nil {
		t.Errorf("unadjusted bar %+v", p)
	}
	if want := time.Date(2025, 12, 4, 21, 0, 0, 0, time.UTC); !p.OccurredAt.Equal(want) {
		t.Errorf("the bar occurred at %v, want its close, %v", p.OccurredAt, want)
	}
	splits := got[event.SplitRecorded]
	if len(splits) != 1 || splits[0].Ratio != 2 || splits[0].SessionDate != day(t, "2025-12-05") || splits[0].Source != "file:splits.csv" ||
		!splits[0].OccurredAt.Equal(time.Date(2025, 12, 5, 14, 30, 0, 0, time.UTC)) {
		t.Errorf("splits %+v", splits)
	}
	wmt := bySource(ask(t, s, "WMT", "2025-01-02", "2025-01-02")[event.BarRecorded])["file:WMT.csv"]
	if len(wmt) != 1 || wmt[0].Adjustment != event.AdjustedDividend || wmt[0].AdjustedThrough != day(t, "2026-01-06") || wmt[0].FetchID != "WMT.csv@2026-01-06" {
		t.Errorf("dividend-adjusted bar %+v", wmt)
	}
	btc := bySource(ask(t, s, "BTC-USD", "2025-01-03", "2025-01-06")[event.BarRecorded])["file:BTCUSD.csv"]
	if len(btc) != 4 || !btc[1].OccurredAt.Equal(day(t, "2025-01-05").Time()) {
		t.Errorf("want 4 bars, weekend too, each closing at the next midnight UTC: %+v", btc)
	}
}

func TestUnknown(t *testing.T) {
	_, err := openReal(t).Bars(context.Background(), "TWTR", day(t, "2025-01-02"), day(t, "2025-01-10"))
	if !errors.Is(err, prices.ErrUnknown) || !strings.Contains(err.Error(), "TWTR") {
		t.Errorf("error %v", err)
	}
}

// TestInProgress: a bar is taken 20 minutes after its close and not a moment earlier, and one that was
// in progress when its file was made never.
func TestInProgress(t *testing.T) {
	real := pricestest.Path(t, "prices/yf_daily_68tickers_2024-07_2026-03.csv")
	cases := []struct {
		symbol, now, newest string
	}{
		{"AAPL", "2025-01-07T21:19:59Z", "2025-01-06"},
		{"AAPL", "2025-01-07T21:20:00Z", "2025-01-07"},
		{"AAPL", "2025-11-28T18:19:00Z", "2025-11-26"}, // the day after Thanksgiving closes at 13:00
		{"AAPL", "2025-11-28T18:20:00Z", "2025-11-28"},
		{"BTC-USD", "2025-01-05T00:19:00Z", "2025-01-03"}, // a Saturday's bar
		{"BTC-USD", "2025-01-05T00:20:00Z", "2025-01-04"},
	}
	for _, c := range cases {
		s, err := files.Open([]string{real}, market.NYSE(), clock(c.now))
		if err != nil {
			t.Fatal(err)
		}
		bars := ask(t, s, c.symbol, "2024-12-01", "2026-03-31")[event.BarRecorded]
		if got := bars[len(bars)-1].SessionDate.String(); got != c.newest {
			t.Errorf("%s at %s: newest bar %s, want %s", c.symbol, c.now, got, c.newest)
		}
	}
	halfDay := strings.ReplaceAll(string(pricestest.Read(t, "wire/yahoo/chart_GS_2023-10.json")), "1696881602", "1696870000")
	folder := write(t, map[string]string{"gs.json": halfDay})
	s := open(t, folder)
	if bars := ask(t, s, "GS", "2023-10-01", "2023-10-31")[event.BarRecorded]; len(bars) != 5 || bars[4].SessionDate != day(t, "2023-10-06") {
		t.Errorf("a chart taken at 16:46 UTC of 2023-10-09 gives %d bars, want 5, to the day before", len(bars))
	}
}

func write(t *testing.T, contents map[string]string) string {
	t.Helper()
	folder := t.TempDir()
	for name, text := range contents {
		path := filepath.Join(folder, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

func open(t *testing.T, paths ...string) *files.Source {
	t.Helper()
	s, err := files.Open(paths, market.NYSE(), clock("2026-11-24T12:00:00Z"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const (
	head = "date,ticker,open,high,low,close,volume\n"
	row  = "2025-01-02,A,10,11,9,10,100\n"
)

func TestSourcesJSON(t *testing.T) {
	folder := write(t, map[string]string{
		"sources.json": `{"sources":[
			{"files":"deep/*/b.csv","adjusted":"dividend","as_of":"2025-06-30","symbols":{"a":"B-USD"}},
			{"files":"a.csv","adjusted":"none","note":"x"}],"splits":"deep/s.csv"}`,
		"a.csv":                head + row,
		"deep/s.csv":           "symbol,effective_date,ratio\nA,2025-03-03,4\nA,2027-03-03,2\n",
		"deep/er/b.csv":        head + row,
		"deep/er/still/so.csv": head + row,
		"README.md":            "not a price file",
		".hidden/x.csv":        "nonsense",
	})
	type told struct {
		origin, asOf string
		adjusted     event.Adjustment
	}
	cases := []struct {
		name  string
		paths []string
		want  []told
	}{
		{"folder", []string{""}, []told{
			{"file:b.csv", "2025-06-30", "dividend"}, {"file:a.csv", "2025-01-02", "none"}, // in the order of sources.json
			{"file:so.csv", "2025-01-02", "split"}, {"file:s.csv", "", "split"}}}, // then what it does not name, by path
		{"single file, two levels below", []string{"deep/er/b.csv"}, []told{{"file:b.csv", "2025-06-30", "dividend"}, {"file:s.csv", "", "split"}}},
		{"single file, three levels below", []string{"deep/er/still/so.csv"}, []told{{"file:so.csv", "2025-01-02", "split"}}},
		{"given order", []string{"a.csv", "deep/er/b.csv", "a.csv"}, []told{
			{"file:a.csv", "2025-01-02", "none"}, {"file:b.csv", "2025-06-30", "dividend"}, {"file:s.csv", "", "split"}}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var paths []string
			for _, p := range c.paths {
				paths = append(paths, filepath.Join(folder, filepath.FromSlash(p)))
			}
			var got []told
			for i, f := range open(t, paths...).Infos() {
				got = append(got, told{f.Origin, f.AsOf.String(), f.Adjustment})
				if int(f.Rank) != i {
					t.Errorf("%s has rank %d, want %d", f.Origin, f.Rank, i)
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %v\nwant %v", got, c.want)
			}
		})
	}
	s := open(t, folder)
	if !slices.Equal(s.Symbols(), []string{"A", "B-USD"}) {
		t.Errorf("symbols %v", s.Symbols())
	}
	if splits := ask(t, s, "A", "2025-01-01", "2025-01-31")[event.SplitRecorded]; len(splits) != 1 || splits[0].Ratio != 4 {
		t.Errorf("splits %v: want the one that has happened", splits)
	}
}

func TestOpenRefuses(t *testing.T) {
	cases := []struct {
		name  string
		files map[string]string
		says  []string
	}{
		{"same base name", map[string]string{"a/x.csv": head + row, "b/x.csv": head + row}, []string{"a/x.csv", "b/x.csv", "rename"}},
		{"unknown shape", map[string]string{"a.csv": head + row, "notes.txt": "buy low"}, []string{"notes.txt", "not a price file", "out of the folder"}},
		{"no good row", map[string]string{"a.csv": head + "2025-01-02,A,10,9,11,10,1\n"}, []string{"a.csv", "not one bar", "row 2"}},
		{"empty folder", map[string]string{"README.md": ""}, []string{"no .csv, .txt or .json"}},
		{"as_of too early", map[string]string{"a.csv": head + row, "sources.json": `{"sources":[{"files":"*.csv","adjusted":"split","as_of":"2025-01-01"}]}`}, []string{"a.csv", "as_of 2025-01-01", "2025-01-02"}},
		{"bad adjusted", map[string]string{"a.csv": head + row, "sources.json": `{"sources":[{"files":"*.csv","adjusted":"maybe"}]}`}, []string{"sources.json", "maybe", "none, split or dividend"}},
		{"mistyped key", map[string]string{"a.csv": head + row, "sources.json": `{"sources":[{"files":"*.csv","ajusted":"none"}]}`}, []string{"sources.json", "ajusted"}},
		{"bad pattern", map[string]string{"a.csv": head + row, "sources.json": `{"sources":[{"files":"[","adjusted":"none"}]}`}, []string{"sources.json", "pattern"}},
		{"bad date", map[string]string{"a.csv": head + row, "sources.json": `{"sources":[{"files":"*","as_of":"yesterday"}]}`}, []string{"sources.json", "yesterday"}},
		{"two to one name", map[string]string{"a.csv": head + row + "2025-01-02,B,10,11,9,10,100\n", "sources.json": `{"sources":[{"files":"*","symbols":{"a":"B"}}]}`}, []string{"a.csv", "named B"}},
		{"missing splits", map[string]string{"a.csv": head + row, "sources.json": `{"splits":"gone.csv"}`}, []string{"gone.csv"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := files.Open([]string{write(t, c.files)}, market.NYSE(), clock("2026-11-24T12:00:00Z"))
			if err == nil {
				t.Fatal("was taken")
			}
			for _, s := range c.says {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("%q does not name %q", err, s)
				}
			}
		})
	}
	if _, err := files.Open([]string{filepath.Join(t.TempDir(), "gone")}, market.NYSE(), clock("2026-11-24T12:00:00Z")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a path that is not there: %v", err)
	}
}

// TestRejectedRows: a bad row comes as an event that names file, row and reason and holds the row; the
// good rows beside it come too, and asking again gives the same events.
func TestRejectedRows(t *testing.T) {
	bad, nameless := "2025-01-03,A,10,9,11,10,100", "2025-01-03,,1,1,1,1,1"
	folder := write(t, map[string]string{"a.csv": head + row + bad + "\n" + nameless + "\n2025-01-06,A,10,11,9,10,100\n2025-01-06,B,1,1,1,1,1\n"})
	s := open(t, folder)
	got := ask(t, s, "A", "2025-01-01", "2025-01-31")
	rejected := got[event.RecordRejected]
	if len(got[event.BarRecorded]) != 2 || len(rejected) != 2 {
		t.Fatalf("%d bars and %d rejects, want 2 and 2", len(got[event.BarRecorded]), len(rejected))
	}
	r := rejected[0]
	if r.Key != "a.csv row 3" || r.Symbol != "A" || r.Source != "file:a.csv" || r.RejectedReason != "impossible bar" ||
		!strings.HasPrefix(r.RejectedDetail, "a.csv row 3: high 9 is below") || r.Payload != bad {
		t.Errorf("rejected as %+v", r)
	}
	if rejected[1].Payload != nameless || rejected[1].Symbol != "" {
		t.Errorf("the row without symbol: %+v", rejected[1])
	}
	if again := ask(t, open(t, folder), "A", "2025-01-01", "2025-01-31")[event.RecordRejected]; again[0].EventID != r.EventID {
		t.Error("a second reading rejects the row as another event")
	}
	other := ask(t, s, "B", "2025-01-01", "2025-01-31")[event.RecordRejected]
	if len(other) != 1 || other[0].EventID != rejected[1].EventID {
		t.Errorf("the row without symbol must come with B as the same event: %+v", other)
	}
	if outside := ask(t, s, "A", "2025-01-06", "2025-01-31"); len(outside[event.RecordRejected]) != 1 || len(outside[event.BarRecorded]) != 1 {
		t.Errorf("from the 6th on: %v", outside)
	}
}

func FuzzSourcesJSON(f *testing.F) {
	f.Add([]byte(`{"sources":[{"files":"*.csv","adjusted":"none","as_of":"2026-03-31","symbols":{"a":"B"}}],"splits":"s.csv"}`))
	f.Add([]byte(`{"sources":[{"files":"["}]}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, data []byte) {
		folder := t.TempDir()
		for name, text := range map[string]string{"sources.json": string(data), "a.csv": head + row} {
			if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		s, err := files.Open([]string{filepath.Join(folder, "a.csv")}, market.NYSE(), clock("2026-11-24T12:00:00Z"))
		if err == nil && len(s.Symbols()) != 1 {
			t.Errorf("symbols %v", s.Symbols())
		}
	})
}

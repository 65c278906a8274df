package market

import (
	"bufio"
	"encoding/json"
	"maps"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/rickar/cal/v2"
	"pgregory.net/rapid"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/realdata"
)

func date(s string) event.Date {
	d, err := event.ParseDate(s)
	if err != nil {
		panic(err)
	}
	return d
}

// ny reads a New York clock time, "2006-01-02 15:04:05.000".
func ny(s string) time.Time {
	t, err := time.ParseInLocation("2006-01-02 15:04:05.999999999", s, newYork())
	if err != nil {
		panic(err)
	}
	return t
}

func utc(s string) time.Time {
	t, err := time.Parse("2006-01-02 15:04:05.999999999", s)
	if err != nil {
		panic(err)
	}
	return t
}

// TestPublishedSchedule compares with the exchange's published closures and early closes.
func TestPublishedSchedule(t *testing.T) {
	doc, err := os.ReadFile(realdata.Path(t, "calendar/nyse_2022_2027.json"))
	if err != nil {
		t.Fatal(err)
	}
	type day struct {
		Date event.Date `json:"date"`
	}
	var published struct {
		FullClosures []day `json:"full_closures"`
		EarlyCloses  []day `json:"early_closes"`
	}
	if err := json.Unmarshal(doc, &published); err != nil {
		t.Fatal(err)
	}
	wantClosed, wantEarly := map[event.Date]bool{}, map[event.Date]bool{}
	for _, d := range published.FullClosures {
		wantClosed[d.Date] = true
	}
	for _, d := range published.EarlyCloses {
		wantEarly[d.Date] = true
	}
	if len(wantClosed) < 50 || len(wantEarly) < 10 {
		t.Fatalf("the file holds %d closures and %d early closes: too few to mean anything", len(wantClosed), len(wantEarly))
	}
	c := NYSE()
	closed, early := map[event.Date]bool{}, map[event.Date]bool{}
	for d := c.First(); d <= c.Last(); d++ {
		s, ok := c.Session(d)
		if w := d.Weekday(); w == time.Saturday || w == time.Sunday {
			if ok {
				t.Errorf("%s, a %s, is a session", d, w)
			}
			continue
		}
		switch {
		case !ok:
			closed[d] = true
		case s.Early:
			early[d] = true
		}
	}
	if !maps.Equal(closed, wantClosed) {
		t.Errorf("closures are %v, published are %v", sorted(closed), sorted(wantClosed))
	}
	if !maps.Equal(early, wantEarly) {
		t.Errorf("early closes are %v, published are %v", sorted(early), sorted(wantEarly))
	}
	t.Logf("%d sessions, %d closures, %d early closes", len(c.Sessions()), len(closed), len(early))
}

func sorted(set map[event.Date]bool) []event.Date { return slices.Sorted(maps.Keys(set)) }

// TestObservedTradingDays compares with the days on which SPY and AAPL really traded.
func TestObservedTradingDays(t *testing.T) {
	f, err := os.Open(realdata.Path(t, "calendar/nyse_trading_days_observed_2022-01_2026-03.txt"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var want []event.Date
	for lines := bufio.NewScanner(f); lines.Scan(); {
		want = append(want, date(lines.Text()))
	}
	if len(want) < 1000 {
		t.Fatalf("the file holds %d days: too few to mean anything", len(want))
	}
	var got []event.Date
	for _, s := range NYSE().Sessions() {
		if s.Date <= want[len(want)-1] {
			got = append(got, s.Date)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("%d sessions up to %s, %d observed, and they differ", len(got), want[len(want)-1], len(want))
	}
}

// TestOlderRules: the years before the calendar's show two rules that its own years never touch.
func TestOlderRules(t *testing.T) {
	c := newCalendar(newYork(), 2021, 2022)
	for _, d := range []string{
		"2021-12-31", // New Year's Day 2022 was a Saturday
		"2021-06-18", // the first Juneteenth, which the exchange did not keep
	} {
		if _, ok := c.Session(date(d)); !ok {
			t.Errorf("%s is no session, but the exchange was open", d)
		}
	}
}

// TestMachineZone: cal computes in the machine's zone, and the holidays must not depend on it.
func TestMachineZone(t *testing.T) {
	want := NYSE().Sessions()
	local := cal.DefaultLoc // the machine's zone
	defer func() { cal.DefaultLoc = local }()
	for _, name := range []string{"Pacific/Kiritimati", "Pacific/Pago_Pago", "Asia/Beirut", "America/Havana"} {
		loc, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		cal.DefaultLoc = loc
		if !slices.Equal(NYSE().Sessions(), want) {
			t.Errorf("the sessions differ on a machine in %s", name)
		}
	}
}

func TestBar(t *testing.T) {
	for _, tt := range []struct{ name, symbol, date, opens, closes string }{
		{"share in winter", "AAPL", "2025-01-08", "2025-01-08 14:30:00", "2025-01-08 21:00:00"},
		{"share in summer", "AAPL", "2025-07-02", "2025-07-02 13:30:00", "2025-07-02 20:00:00"},
		{"index", "^GSPC", "2025-07-02", "2025-07-02 13:30:00", "2025-07-02 20:00:00"},
		{"share on an early close", "SPY", "2025-07-03", "2025-07-03 13:30:00", "2025-07-03 17:00:00"},
		{"share on a Saturday", "SPY", "2025-07-05", "2025-07-05 13:30:00", "2025-07-05 20:00:00"},
		{"share outside the calendar", "SPY", "2031-01-06", "2031-01-06 14:30:00", "2031-01-06 21:00:00"},
		{"day before clocks go forward", "SPY", "2025-03-07", "2025-03-07 14:30:00", "2025-03-07 21:00:00"},
		{"day after clocks went forward", "SPY", "2025-03-10", "2025-03-10 13:30:00", "2025-03-10 20:00:00"},
		{"day after clocks went back", "SPY", "2025-11-03", "2025-11-03 14:30:00", "2025-11-03 21:00:00"},
		{"crypto", "BTC-USD", "2025-07-02", "2025-07-02 00:00:00", "2025-07-03 00:00:00"},
		{"crypto as clocks go forward", "BTC-USD", "2025-03-09", "2025-03-09 00:00:00", "2025-03-10 00:00:00"},
		{"future in summer", "CL=F", "2025-07-02", "2025-07-01 22:00:00", "2025-07-02 21:00:00"},
		{"future on an early close", "CL=F", "2025-07-03", "2025-07-02 22:00:00", "2025-07-03 21:00:00"},
		{"future on a Monday", "GC=F", "2025-07-07", "2025-07-06 22:00:00", "2025-07-07 21:00:00"},
		{"currency over clocks going forward", "EURUSD=X", "2025-03-09", "2025-03-08 23:00:00", "2025-03-09 21:00:00"},
		{"currency over clocks going back", "EURUSD=X", "2025-11-02", "2025-11-01 22:00:00", "2025-11-02 22:00:00"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			opens, closes := NYSE().Bar(tt.symbol, date(tt.date))
			if !opens.Equal(utc(tt.opens)) || !closes.Equal(utc(tt.closes)) {
				t.Errorf("bar is %s to %s, want %s to %s", opens, closes, tt.opens, tt.closes)
			}
			if opens.Location() != time.UTC || closes.Location() != time.UTC {
				t.Errorf("bar is in %s and %s, want UTC", opens.Location(), closes.Location())
			}
		})
	}
}

func TestNeighbours(t *testing.T) {
	c := NYSE()
	for _, tt := range []struct{ day, before, after string }{
		{"2022-01-01", "", "2022-01-03"},           // before the first session
		{"2022-01-03", "2022-01-03", "2022-01-03"}, // the first session
		{"2025-01-09", "2025-01-08", "2025-01-10"}, // one-off closure
		{"2025-07-05", "2025-07-03", "2025-07-07"}, // a long weekend
		{"2025-07-03", "2025-07-03", "2025-07-03"},
		{"2027-12-31", "2027-12-31", "2027-12-31"}, // New Year's Day 2028 is a Saturday: no closure
		{"2021-12-31", "", ""},
		{"2028-01-01", "", ""},
		{"0001-01-01", "", ""},
		{"9999-12-31", "", ""},
	} {
		before, okBefore := c.OnOrBefore(date(tt.day))
		after, okAfter := c.OnOrAfter(date(tt.day))
		if before.Date.String() != tt.before || okBefore != (tt.before != "") {
			t.Errorf("OnOrBefore(%s) is %s, %v, want %q", tt.day, before.Date, okBefore, tt.before)
		}
		if after.Date.String() != tt.after || okAfter != (tt.after != "") {
			t.Errorf("OnOrAfter(%s) is %s, %v, want %q", tt.day, after.Date, okAfter, tt.after)
		}
	}
}

func TestAdd(t *testing.T) {
	c := NYSE()
	for _, tt := range []struct {
		day  string
		n    int
		want string
	}{
		{"2025-07-03", 1, "2025-07-07"},
		{"2025-07-07", -1, "2025-07-03"},
		{"2025-07-03", 0, "2025-07-03"},
		{"2025-01-08", 1, "2025-01-10"},
		{"2025-07-05", 1, ""}, // no session
		{"2022-01-03", -1, ""},
		{"2027-12-30", 1, "2027-12-31"},
		{"2027-12-30", 2, ""},
		{"2027-12-30", int(^uint(0) >> 1), ""},
		{"2028-01-03", 0, ""},
	} {
		if got, ok := c.Add(date(tt.day), tt.n); got.Date.String() != tt.want || ok != (tt.want != "") {
			t.Errorf("Add(%s, %d) is %s, %v, want %q", tt.day, tt.n, got.Date, ok, tt.want)
		}
	}
}

func TestLastFinal(t *testing.T) {
	c := NYSE()
	for _, tt := range []struct {
		name, symbol string
		now          time.Time
		want         string
	}{
		{"during a session", "SPY", ny("2025-07-02 15:59:00"), "2025-07-01"},
		{"closed, not yet final", "SPY", ny("2025-07-02 16:19:59.999"), "2025-07-01"},
		{"final to the moment", "SPY", ny("2025-07-02 16:20:00"), "2025-07-02"},
		{"early close, final", "SPY", ny("2025-07-03 13:20:00"), "2025-07-03"},
		{"weekend", "SPY", ny("2025-07-06 12:00:00"), "2025-07-03"},
		{"crypto at Friday 20:19 New York", "BTC-USD", ny("2025-07-11 20:19:00"), "2025-07-10"},
		{"crypto at Friday 20:20 New York", "BTC-USD", ny("2025-07-11 20:20:00"), "2025-07-11"},
		{"crypto on Sunday: weekend bars are no sessions", "BTC-USD", ny("2025-07-13 22:00:00"), "2025-07-11"},
		{"future at 17:19", "CL=F", ny("2025-07-02 17:19:00"), "2025-07-01"},
		{"future at 17:20", "CL=F", ny("2025-07-02 17:20:00"), "2025-07-02"},
		{"before the first session", "SPY", ny("2022-01-03 16:00:00"), ""},
		{"years after the end", "SPY", ny("2030-07-02 16:00:00"), "2027-12-31"},
	} {
		if got, ok := c.LastFinal(tt.symbol, tt.now); got.String() != tt.want || ok != (tt.want != "") {
			t.Errorf("%s: %s, %v, want %q", tt.name, got, ok, tt.want)
		}
	}
}

// TestCalendarAgreesWithItself: the index arithmetic against a plain search over the sessions.
func TestCalendarAgreesWithItself(t *testing.T) {
	c := NYSE()
	rapid.Check(t, func(t *rapid.T) {
		d := event.Date(rapid.Int32Range(int32(c.First()), int32(c.Last())).Draw(t, "day"))
		before, after := event.Date(0), event.Date(0)
		for _, s := range c.Sessions() {
			if s.Date <= d {
				before = s.Date
			}
			if s.Date >= d && after == 0 {
				after = s.Date
			}
		}
		gotBefore, _ := c.OnOrBefore(d)
		gotAfter, _ := c.OnOrAfter(d)
		if gotBefore.Date != before || gotAfter.Date != after {
			t.Fatalf("%s: neighbours %s and %s, want %s and %s", d, gotBefore.Date, gotAfter.Date, before, after)
		}
		if s, ok := c.Session(d); ok != (before == after) || ok && s.Date != d {
			t.Fatalf("%s: session %s, %v", d, s.Date, ok)
		}
		n := rapid.IntRange(-40, 40).Draw(t, "n")
		if to, ok := c.Add(before, n); ok {
			if back, ok := c.Add(to.Date, -n); !ok || back.Date != before {
				t.Fatalf("%s + %d - %d is %s", before, n, n, back.Date)
			}
		}
	})
}

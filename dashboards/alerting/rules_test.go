package alerting

import (
	"strings"
	"testing"
	"time"
)

func newYork(t testing.TB, clock string) time.Time {
	t.Helper()
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	at, err := time.ParseInLocation("2006-01-02 15:04", clock, zone)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func ofKind(alerts []alert, kind string) (out []alert) {
	for _, a := range alerts {
		if a.Labels["kind"] == kind {
			out = append(out, a)
		}
	}
	return out
}

func TestEmptyReadModel(t *testing.T) {
	db, g := model(t)
	file := build(t, everyone())
	alerts := g.evaluate(file, time.Time{})
	if len(alerts) != 1 || alerts[0].Labels["problem"] != "read_model_empty" {
		t.Errorf("an unfilled read model tells %v", alerts)
	}
	execute(t, db, "INSERT INTO positions VALUES ('posts', 't', 0), ('predictions', 't', 0), ('prices', 't', 0)")
	if alerts := g.evaluate(file, time.Time{}); len(alerts) != 0 {
		t.Errorf("an empty lake tells %v", alerts)
	}
}

// Only live calls of the primary analyzer on a real post under 24 hours old are told, in the words of the version
// that was analysed.
func TestNewCall(t *testing.T) {
	db, g := model(t)
	at := newYork(t, "2025-03-07 12:00")
	base := said{at: at.Add(-time.Hour), calls: [][2]string{{"DJT", "bullish"}, {"XLE", "bearish"}, {"SPY", ""}}, confidence: 0.714, text: "Oil\n\n is <booming> & \"great\"",
		thesis: "more 'oil'", url: "https://truthsocial.com/@realDonaldTrump/1"}
	id := tell(t, db, base)
	vary := func(hours float64, change func(*said)) {
		s := base
		s.at = at.Add(-time.Duration(hours * float64(time.Hour)))
		change(&s)
		tell(t, db, s)
	}
	vary(2, func(s *said) { s.origin = "retrospective" })
	vary(3, func(s *said) { s.origin = "imported" })
	vary(4, func(s *said) { s.secondary = true })
	vary(5, func(s *said) { s.synthetic = true })
	vary(24.01, func(*said) {})
	vary(-1, func(*said) {}) // not yet published at that time
	vary(6, func(s *said) { s.calls = nil })
	file := build(t, everyone())
	alerts := ofKind(g.evaluate(file, at), NewCall)
	if len(alerts) != 1 || alerts[0].Labels["prediction_id"] != id {
		t.Fatalf("got %v", alerts)
	}
	const want = `<b>▲ DJT bullish, ▼ XLE bearish, ◆ SPY without sentiment</b>
Confidence 71 %

Oil is &lt;booming&gt; &amp; &#34;great&#34;

<i>more &#39;oil&#39;</i>

<a href="https://truthsocial.com/@realDonaldTrump/1">Post</a> of Fri 07 Mar 2025 11:00 New York
Not financial advice.`
	if got := message(t, alerts[0]); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	// An edit, new counters and another analyzer's opinion change nothing; a takedown ends it.
	execute(t, db, "UPDATE posts SET text = 'edited', versions = 2, replies = 5, is_deleted = true")
	if again := ofKind(g.evaluate(file, at.Add(22*time.Hour)), NewCall); len(again) != 2 || again[0].identity() != alerts[0].identity() && again[1].identity() != alerts[0].identity() {
		t.Errorf("after an edit: %v", again)
	}
	execute(t, db, "UPDATE posts SET is_redacted = true")
	if got := ofKind(g.evaluate(file, at), NewCall); len(got) != 0 {
		t.Errorf("a redacted post is told: %v", got)
	}
	// An answer that came a day late is not told, though it may be live: on a weekend.
	vary(30, func(s *said) { s.after = 25 * time.Hour })
	if got := ofKind(g.evaluate(file, at), NewCall); len(got) != 0 {
		t.Errorf("a late answer is told: %v", got)
	}
}

// Each subscriber has the rows that its filters leave, and the numbers decide as numbers.
func TestFilters(t *testing.T) {
	db, g := model(t)
	at := newYork(t, "2025-03-07 12:00")
	tell(t, db, said{at: at.Add(-1 * time.Hour), calls: [][2]string{{"DJT", "bullish"}, {"XLE", "bearish"}}, confidence: 0.7, text: "one"})
	tell(t, db, said{at: at.Add(-2 * time.Hour), calls: [][2]string{{"DJT", "bearish"}}, confidence: 0.65, text: "two"})
	tell(t, db, said{at: at.Add(-3 * time.Hour), calls: [][2]string{{"BTC-USD", "neutral"}, {"SPY", ""}}, confidence: 0.09, text: "three"})
	for want, s := range map[string]Subscriber{
		"one two three": {},
		"one":           {MinimumConfidence: 0.7},
		"one two":       {Assets: []string{"DJT", "TSLA"}},
		"three":         {Assets: []string{"SPY"}},
		"two":           {Assets: []string{"DJT"}, Sentiments: []string{"bearish"}},
		"one three":     {Sentiments: []string{"bullish", "neutral"}},
		"":              {Assets: []string{"SPY"}, Sentiments: []string{"bullish", "bearish", "neutral"}},
		"one two ":      {MinimumConfidence: 0.1},
	} {
		s.Name, s.ChatID, s.BotToken, s.Kinds = "a", "1", defaultToken, []string{NewCall}
		got := map[string]bool{}
		for _, a := range g.evaluate(build(t, s), at) {
			got[a.Labels["text"]] = true
		}
		for _, text := range []string{"one", "two", "three"} {
			if got[text] != strings.Contains(want, text) {
				t.Errorf("%+v is told %v, want %q", s, got, want)
			}
		}
	}
	// Two subscribers have a row each.
	both := build(t, Subscriber{Name: "a", Kinds: []string{NewCall}, MinimumConfidence: 0.7}, Subscriber{Name: "b", Kinds: []string{NewCall}})
	var names []string
	for _, a := range g.evaluate(both, at) {
		names = append(names, a.Labels["subscriber"])
	}
	if len(names) != 4 || strings.Count(strings.Join(names, ""), "b") != 3 {
		t.Errorf("rows are of %v", names)
	}
}

func TestFollowUp(t *testing.T) {
	db, g := model(t)
	file := build(t, everyone())
	post := newYork(t, "2025-03-05 12:00")
	id := tell(t, db, said{at: post, calls: [][2]string{{"DJT", "bullish"}, {"XLE", "bearish"}, {"SPY", ""}}, confidence: 0.8, text: "Hi"})
	late := tell(t, db, said{at: post.Add(-time.Hour), calls: [][2]string{{"DJT", "bullish"}}, confidence: 0.8, text: "Hi", origin: "retrospective"})
	priced := newYork(t, "2025-03-06 16:30")
	price(t, db, id, "DJT", 1, "2025-03-06", 1.256, true, priced)
	price(t, db, id, "XLE", 1, "2025-03-06", 0, false, priced)
	price(t, db, id, "SPY", 1, "2025-03-06", -0.004, false, priced)
	price(t, db, late, "DJT", 1, "2025-03-06", 1, true, priced)
	price(t, db, id, "DJT", 3, "2025-03-10", 5, true, priced) // no horizon that is told
	price(t, db, id, "DJT", 7, "2025-02-28", 5, true, priced) // a price that comes days late is no news
	alerts := ofKind(g.evaluate(file, priced.Add(time.Minute)), FollowUp)
	if len(alerts) != 3 {
		t.Fatalf("got %v", alerts)
	}
	said := map[string]string{}
	for _, a := range alerts {
		said[a.Labels["symbol"]] = message(t, a)
	}
	const want = `<b>DJT bullish: right</b>
+1.26 % after 1 session, from the open of 2025-03-05 to the close of 2025-03-06. Confidence was 80 %.

Hi

<a href="https://truthsocial.com/@realDonaldTrump/`
	if !strings.HasPrefix(said["DJT"], want) || !strings.HasPrefix(said["XLE"], "<b>XLE bearish: wrong</b>\n+0.00 % after 1") || !strings.HasPrefix(said["SPY"], "<b>SPY without sentiment: not scored</b>\n-0.00 % after") {
		t.Errorf("got %v", said)
	}
	// A corrected price is the same alert with another value.
	before := alerts[0].identity()
	execute(t, db, "UPDATE outcomes SET return_pct = return_pct + 0.1")
	if again := ofKind(g.evaluate(file, priced.Add(23*time.Hour)), FollowUp); len(again) != 3 || again[0].identity() != before || again[0].value == alerts[0].value {
		t.Errorf("after a correction: %v", again)
	}
	if gone := ofKind(g.evaluate(file, priced.Add(24*time.Hour)), FollowUp); len(gone) != 0 {
		t.Errorf("after the window: %v", gone)
	}
}

// The briefing is there from 08:30 in New York of every session and no other day, on both sides of a change of
// clocks, says what was known then, and is one row from then on.
func TestDailyBriefing(t *testing.T) {
	db, g := model(t)
	file := build(t, everyone())
	caughtUp(t, db, newYork(t, "2025-12-31 00:00"))
	// A call every day at noon, so that there is always something to tell.
	for at := newYork(t, "2025-02-24 12:00"); at.Before(newYork(t, "2025-11-10 00:00")); at = at.AddDate(0, 0, 1) {
		tell(t, db, said{at: at, calls: [][2]string{{"DJT", "bullish"}}, confidence: 0.8, text: "Hi"})
	}
	for _, c := range []struct{ at, session, calls string }{
		{"2025-03-07 08:29", "2025-03-06", "1 on 1 post: DJT bullish 80 %"}, // Friday, still Thursday's
		{"2025-03-07 08:30", "2025-03-07", "1 on 1 post: DJT bullish 80 %"}, // 13:30 UTC
		{"2025-03-08 08:29", "2025-03-07", "1 on 1 post: DJT bullish 80 %"},
		{"2025-03-08 08:30", "", ""},                                                                             // a Saturday
		{"2025-03-09 12:00", "", ""},                                                                             // the Sunday on which clocks change
		{"2025-03-10 08:29", "", ""},                                                                             // 12:29 UTC
		{"2025-03-10 08:30", "2025-03-10", "3 on 3 posts: DJT bullish 80 %, DJT bullish 80 %, DJT bullish 80 %"}, // 12:30 UTC
		{"2025-10-31 08:30", "2025-10-31", "1 on 1 post: DJT bullish 80 %"},                                      // 12:30 UTC
		{"2025-11-03 08:29", "", ""},
		{"2025-11-03 08:30", "2025-11-03", "3 on 3 posts: DJT bullish 80 %, DJT bullish 80 %, DJT bullish 80 %"}, // 13:30 UTC
	} {
		alerts := ofKind(g.evaluate(file, newYork(t, c.at)), DailyBriefing)
		if c.session == "" && len(alerts) > 0 || c.session != "" && (len(alerts) != 1 || alerts[0].Labels["session"] != c.session || alerts[0].Labels["calls"] != c.calls || alerts[0].Labels["opens"] != "09:30 New York") {
			t.Errorf("at %s: %v, want session %s", c.at, alerts, c.session)
		}
	}
}

// What comes later does not change a briefing, and it waits for a projector that is behind.
func TestDailyBriefingStands(t *testing.T) {
	db, g := model(t)
	file := build(t, everyone())
	at := newYork(t, "2025-03-07 08:30")
	id := tell(t, db, said{at: at.Add(-30 * time.Hour), calls: [][2]string{{"DJT", "bullish"}, {"XLE", "bearish"}}, confidence: 0.8, text: "Hi"})
	tell(t, db, said{at: at.Add(-time.Hour), calls: [][2]string{{"TSLA", "neutral"}}, confidence: 0.9, text: "Hi"})
	price(t, db, id, "DJT", 1, "2025-03-06", 2, true, newYork(t, "2025-03-06 16:25"))
	price(t, db, id, "XLE", 1, "2025-03-06", 3, false, newYork(t, "2025-03-06 16:25"))
	price(t, db, id, "DJT", 7, "2025-03-07", 0, false, newYork(t, "2025-03-07 16:25"))
	caughtUp(t, db, at.Add(time.Minute))
	if early := ofKind(g.evaluate(file, at.Add(time.Minute)), DailyBriefing); len(early) != 0 {
		t.Errorf("the projector is not known to be up to date, and it is told: %v", early)
	}
	caughtUp(t, db, at.Add(3*time.Minute))
	first := ofKind(g.evaluate(file, at.Add(3*time.Minute)), DailyBriefing)
	if len(first) != 1 {
		t.Fatalf("got %v", first)
	}
	const want = `<b>Before the open of 2025-03-07</b> at 09:30 New York
New calls: 1 on 1 post: TSLA neutral 90 %
Evaluated since the last briefing: 1 of 2 right, P&amp;L -10.00 $
Due at the close: 1: DJT after 7
Not financial advice.`
	if got := message(t, first[0]); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	tell(t, db, said{at: at.Add(10 * time.Minute), calls: [][2]string{{"NEW", "neutral"}}, confidence: 0.9, text: "Hi"})
	caughtUp(t, db, at.Add(20*time.Hour))
	for _, later := range []time.Duration{20 * time.Minute, 9 * time.Hour, 24*time.Hour - time.Second} {
		if again := ofKind(g.evaluate(file, at.Add(later)), DailyBriefing); len(again) != 1 || again[0].identity() != first[0].identity() {
			t.Errorf("%s later it is %v", later, again)
		}
	}
}

func TestWeeklyScorecard(t *testing.T) {
	db, g := model(t)
	file := build(t, everyone())
	caughtUp(t, db, newYork(t, "2025-12-31 00:00"))
	id := tell(t, db, said{at: newYork(t, "2025-03-03 12:00"), calls: [][2]string{{"DJT", "bullish"}, {"XLE", "bearish"}}, confidence: 0.8, text: "Hi"})
	price(t, db, id, "DJT", 1, "2025-03-04", 2, true, newYork(t, "2025-03-04 16:25"))
	price(t, db, id, "XLE", 1, "2025-03-04", 3.456, false, newYork(t, "2025-03-04 16:25"))
	price(t, db, id, "DJT", 7, "2025-03-12", -1, false, newYork(t, "2025-03-12 16:25")) // next week's
	for at, want := range map[string]string{
		"2025-03-08 08:59": "", "2025-03-08 09:00": "2025-03-03", "2025-03-09 09:59": "2025-03-03", "2025-03-09 10:00": "", // clocks change that night: 24 hours end at 10:00
		"2025-03-12 12:00": "", "2025-03-15 08:59": "", "2025-03-15 09:00": "2025-03-10", "2025-03-16 08:59": "2025-03-10", "2025-03-16 09:00": "", "2025-03-22 09:00": "",
	} {
		alerts := ofKind(g.evaluate(file, newYork(t, at)), WeeklyScorecard)
		if want == "" && len(alerts) > 0 || want != "" && (len(alerts) != 1 || alerts[0].Labels["week"] != want) {
			t.Errorf("at %s: %v, want the week %q", at, alerts, want)
		}
	}
	// Wilson of 1 in 2: 9.453 to 90.547.
	const want = `<b>Week of 2025-03-03</b>
New calls: 2 on 1 post
After 1 session: 1 of 2 right (50.0 %, 95 % interval 9.5 to 90.5 %), P&amp;L -14.56 $
After 7 sessions: none
Best: DJT bullish +2.00 % after 1
Worst: XLE bearish +3.46 % after 1
Not financial advice.`
	if got := message(t, ofKind(g.evaluate(file, newYork(t, "2025-03-08 12:00")), WeeklyScorecard)[0]); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

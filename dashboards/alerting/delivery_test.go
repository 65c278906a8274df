package alerting

import (
	"cmp"
	"encoding/binary"
	"encoding/csv"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"shitpost-alpha/lake/realdata"
)

// nastiest returns the n real posts that are hardest to send: by how long they are once escaped.
func nastiest(t testing.TB, n int) []string {
	t.Helper()
	f, err := os.Open(realdata.Path(t, "posts/text_posts_2024-11_2026-01.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.FieldsPerRecord = -1
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, row := range rows[1:] {
		texts = append(texts, row[2])
	}
	special := func(s string) int {
		return len(s) + 20*strings.Count(s, "<") + 20*strings.Count(s, "&") + 5*strings.Count(s, `"`) + 5*strings.Count(s, "'") + 50*strings.Count(s, "😀")
	}
	slices.SortStableFunc(texts, func(a, b string) int { return cmp.Compare(special(b), special(a)) })
	return texts[:n]
}

// tellNasty inserts predictions on hard texts, and returns how many messages of them each of the example's chats is to get.
func tellNasty(t testing.TB, db *pgx.Conn, now time.Time) map[string]int {
	t.Helper()
	texts := nastiest(t, 12)
	texts = append(texts, `</b></i></a><b>"'&lt;&amp;'"<script>`+strings.Repeat("&", 5000), strings.Repeat("😀<", 3000), "\u200b\ufeff \n\tRTL \u202e and <\u2028>")
	want := map[string]int{}
	for i, text := range texts {
		s := said{at: now.Add(-time.Duration(i+1) * time.Minute), after: time.Second, calls: [][2]string{{"DJT", "bearish"}, {"XLE", "bullish"}}, confidence: 0.75, text: text, thesis: text}
		switch i % 3 {
		case 1:
			s.confidence = 0.5 // for desk alone
		case 2:
			s.calls = [][2]string{{"XLE", "bearish"}, {"DJT", "bullish"}} // for alice alone
		}
		if i%3 != 1 {
			want["7"]++
		}
		if i%3 != 2 {
			want["-1001234567890"]++
		}
		tell(t, db, s)
	}
	return want
}

// Rules, rows, Alertmanager and Telegram end to end: every row is one message in the chats that want it, also when
// Telegram fails for a while; evaluating again, and a restart, repeat none.
func TestDelivery(t *testing.T) {
	t.Parallel() // it mostly waits
	db, g := model(t)
	execute(t, db, "INSERT INTO positions VALUES ('posts', 't', 0)")
	subscribers := example(t)
	subscribers[0].Quiet = nil // TestQuietHours has them
	file := build(t, subscribers...)
	tg := newTelegram(t)
	am := newAlertmanager(t, file, tg)
	now := time.Now()
	want := tellNasty(t, db, now)
	total := want["7"] + want["-1001234567890"]
	tg.failures = 3
	am.start()
	rows := g.evaluate(file, time.Now())
	if len(rows) != total {
		t.Fatalf("%d rows, want %d", len(rows), total)
	}
	am.push(rows)
	tg.wait(total)
	for range 3 {
		am.push(g.evaluate(file, time.Now()))
		am.settle(total)
	}
	if got := tg.chats(""); !maps.Equal(got, want) || tg.failed != 3 || len(tg.refused) > 0 {
		t.Fatalf("chats got %v, want %v; %d failed; refused: %v", got, want, tg.failed, tg.refused)
	}

	// One more row is one more message in each chat that wants it; a problem goes to the operator alone.
	id := tell(t, db, said{at: now.Add(-time.Second), after: time.Millisecond, calls: [][2]string{{"DJT", "bearish"}}, confidence: 0.9, text: "one more"})
	price(t, db, id, "DJT", 1, now.Format(time.DateOnly), -2.5, true, now)
	execute(t, db, "UPDATE outcomes SET due_at = $1", now)
	caughtUp(t, db, now.Add(-time.Hour))
	rows = g.evaluate(file, time.Now())
	am.push(rows)
	tg.wait(total + 5)
	am.settle(len(rows))
	for text, chats := range map[string]map[string]int{
		"DJT bearish</b>\nConfidence 90 %\n\none more": {"7": 1, "-1001234567890": 1},
		"DJT bearish: right</b>\n-2.50 % after 1":      {"7": 1, "-1001234567890": 1},
		"<b>pipeline stale</b>: projector":             {"8": 1},
	} {
		if got := tg.chats(text); !maps.Equal(got, chats) {
			t.Errorf("%q came to %v, want %v", text, got, chats)
		}
	}

	total += 5
	checkRestarts(t, db, g, file, am, tg, len(rows), total, now)
}

// checkRestarts: a clean restart repeats none of the total messages that so many rows have led to. After a kill what was
// sent since the last flush may come again; nothing older does, and nothing is lost.
func checkRestarts(t *testing.T, db *pgx.Conn, g grafana, file File, am *alertmanager, tg *telegram, rows, total int, now time.Time) {
	t.Helper()
	am.stop(syscall.SIGTERM)
	am.start()
	am.push(g.evaluate(file, time.Now()))
	am.settle(rows)
	if got := tg.wait(total); len(got) != total {
		t.Errorf("after a restart there are %d messages, want %d: %v", len(got), total, got[total:])
	}

	tell(t, db, said{at: now.Add(-100 * time.Millisecond), after: time.Millisecond, calls: [][2]string{{"DJT", "bearish"}}, confidence: 0.5, text: "before the kill"})
	am.push(g.evaluate(file, time.Now()))
	tg.wait(total + 1)
	am.stop(syscall.SIGKILL)
	am.start()
	am.push(g.evaluate(file, time.Now()))
	am.settle(rows + 1)
	again := tg.wait(total + 1)[total:]
	for _, m := range again {
		if !strings.Contains(m.text, "before the kill") {
			t.Errorf("repeated after a kill: %s", m.text)
		}
	}
	if len(again) > 2 {
		t.Errorf("%d messages for one row and one kill", len(again))
	}
}

// zoneFile is a time zone (RFC 8536, version 1) with one offset before each transition and another after the last.
func zoneFile(offsets []time.Duration, transitions []time.Time) []byte {
	out := append([]byte("TZif"), make([]byte, 16)...)
	for _, n := range []int{0, 0, 0, len(transitions), len(offsets), 4} {
		out = binary.BigEndian.AppendUint32(out, uint32(n))
	}
	for _, at := range transitions {
		out = binary.BigEndian.AppendUint32(out, uint32(at.Unix()))
	}
	for i := range transitions {
		out = append(out, byte(i+1))
	}
	for _, o := range offsets {
		out = append(binary.BigEndian.AppendUint32(out, uint32(int32(o/time.Second))), 0, 0)
	}
	return append(out, "TST\x00"...)
}

// Quiet hours until 07:00 over two changes of clocks, in a zone made so that they happen around now. At the first,
// 20 minutes ago, the clock went back from 07:10 to 06:10: it is quiet again. At the second it goes from 06:30 to
// 07:30: quiet ends there, and what waited is sent.
func TestQuietHours(t *testing.T) {
	t.Parallel() // it mostly waits
	db, g := model(t)
	execute(t, db, "INSERT INTO positions VALUES ('posts', 't', 0)")
	subscribers := []Subscriber{
		{Name: "sleeper", ChatID: "7", BotToken: defaultToken, Kinds: []string{NewCall}, Quiet: &QuietHours{"22:00", "07:00", "America/New_York"}},
		{Name: "awake", ChatID: "9", BotToken: defaultToken, Kinds: []string{NewCall}}}
	file := build(t, subscribers...)
	tell(t, db, said{at: time.Now().Add(-time.Minute), after: time.Second, calls: [][2]string{{"DJT", "bullish"}}, confidence: 1, text: "hush"})
	for lead := 8 * time.Second; ; lead *= 2 { // a machine that is too slow for one lead gets a longer one
		forward := time.Now().Add(lead).Truncate(time.Second)
		day := time.Duration(forward.Unix()%86400) * time.Second
		standard := 6*time.Hour + 30*time.Minute - day // the clock shows 06:30 when it is put forward
		tg := newTelegram(t)
		am := newAlertmanager(t, file, tg)
		am.zones = t.TempDir()
		if err := os.Mkdir(filepath.Join(am.zones, "America"), 0o755); err != nil {
			t.Fatal(err)
		}
		zone := zoneFile([]time.Duration{standard + time.Hour, standard, standard + time.Hour}, []time.Time{forward.Add(-20 * time.Minute), forward})
		if err := os.WriteFile(filepath.Join(am.zones, "America", "New_York"), zone, 0o644); err != nil {
			t.Fatal(err)
		}
		checkZone(t, zone, forward)
		am.start()
		am.push(g.evaluate(file, time.Now()))
		if !time.Now().Before(forward.Add(-2 * time.Second)) {
			am.stop(syscall.SIGKILL)
			continue
		}
		got := tg.wait(2)
		am.settle(2)
		am.stop(syscall.SIGTERM)
		if len(tg.wait(2)) != 2 || got[0].chat != "9" || got[1].chat != "7" || got[1].at.Before(forward) {
			t.Errorf("clocks went forward at %s; messages: %v", forward, got)
		}
		return
	}
}

// checkZone makes sure that the zone is what TestQuietHours says.
func checkZone(t testing.TB, raw []byte, forward time.Time) {
	t.Helper()
	zone, err := time.LoadLocationFromTZData("test", raw)
	if err != nil {
		t.Fatal(err)
	}
	var clocks []string
	for _, d := range []time.Duration{-20*time.Minute - time.Second, -20 * time.Minute, -time.Second, 0} {
		clocks = append(clocks, forward.Add(d).In(zone).Format("15:04:05"))
	}
	if got := fmt.Sprint(clocks); got != "[07:09:59 06:10:00 06:29:59 07:30:00]" {
		t.Fatalf("the zone's clocks show %s", got)
	}
}

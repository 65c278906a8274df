package alerting

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
	"pgregory.net/rapid"
)

// example returns the documented example's subscribers.
func example(t testing.TB) []Subscriber {
	t.Helper()
	list, err := ReadSubscribers("../subscribers.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestExample(t *testing.T) {
	want := []Subscriber{
		{Name: "alice", ChatID: "${TELEGRAM_CHAT_ID}", BotToken: defaultToken, MinimumConfidence: 0.7, Kinds: []string{NewCall, FollowUp, DailyBriefing, WeeklyScorecard},
			Quiet: &QuietHours{"22:00", "07:00", "America/New_York"}},
		{Name: "desk", ChatID: "-1001234567890", BotToken: defaultToken, Thread: "17", Assets: []string{"DJT", "TSLA", "BTC-USD"}, Sentiments: []string{"bearish"}, Kinds: []string{NewCall, FollowUp}},
		{Name: "operator", ChatID: "@shitpost_alpha_operations", BotToken: "${TELEGRAM_OPERATIONS_TOKEN}", Kinds: []string{Operations}},
	}
	if got := example(t); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	if got := strings.Join(Variables(want), " "); got != "TELEGRAM_BOT_TOKEN TELEGRAM_CHAT_ID TELEGRAM_OPERATIONS_TOKEN" {
		t.Errorf("variables are %s", got)
	}
}

func TestProblemsHaveTheirLine(t *testing.T) {
	const one = "subscribers:\n  - name: a\n    chat_id: 1\n"
	for content, want := range map[string]string{
		"":                               "s.yaml:1: the file is empty",
		"subscribers: [\n":               "s.yaml: line",
		"chats: []\n":                    "s.yaml:1: chats is no key of the file: there are subscribers",
		"subscribers: []":                "s.yaml:1: subscribers must be a list with at least one entry",
		"- a\n":                          "s.yaml:1: the file must be written as key: value lines",
		"subscribers:\n  - chat_id: 1\n": "s.yaml:2: a subscriber needs name",
		"subscribers:\n  - name: a\n":    "s.yaml:2: a subscriber needs chat_id",
		"subscribers:\n  - name: A b\n    chat_id: 1\n":                  `s.yaml:2: name: "A b" is not`,
		one + "  - name: a\n    chat_id: 2\n":                            "s.yaml:4: the name a is taken by line 2",
		one + "    chat_id: 2\n":                                         "s.yaml:4: chat_id stands twice",
		"subscribers:\n  - name: a\n    chat_id: t.me/x\n":               `s.yaml:3: chat_id: "t.me/x" is not a chat's number`,
		one + "    bot_token: 123456:secretsecret\n":                     "s.yaml:4: bot_token: a token must not stand in this file",
		one + "    bot_token: ${1}\n":                                    "s.yaml:4: bot_token: a token must not stand in this file",
		one + "    minimum_confidence: 70\n":                             "s.yaml:4: minimum_confidence: 70 is not from 0 to 1: for 70 % write 0.7",
		one + "    minimum_confidence: -1\n":                             `s.yaml:4: minimum_confidence: "-1" is not a number from 0 to 1`,
		one + "    minimum_confidence: NaN\n":                            `s.yaml:4: minimum_confidence: "NaN" is not a number`,
		one + "    assets: DJT\n":                                        "s.yaml:4: assets must be a list",
		one + "    assets:\n      - DJT\n      - djt\n":                  `s.yaml:6: assets: "djt" is no symbol`,
		one + "    assets: [DJT, DJT]\n":                                 "s.yaml:4: assets: DJT stands twice",
		one + "    assets: [\"D'T\"]\n":                                  `s.yaml:4: assets: "D'T" is no symbol`,
		one + "    sentiments: [up]\n":                                   `s.yaml:4: sentiments: "up" is none of bullish, bearish, neutral`,
		one + "    kinds: [all]\n":                                       `s.yaml:4: kinds: "all" is none of new_call`,
		one + "    kinds: &k [new_call]\n":                               "s.yaml:4: kinds: anchors are not supported",
		one + "    thread: x\n":                                          `s.yaml:4: thread: "x" is not the number of a topic`,
		one + "    quiet: {}\n":                                          "s.yaml:4: quiet is no key of a subscriber",
		one + "    quiet_hours: {from: \"22:00\"}\n":                     "s.yaml:4: quiet_hours needs to",
		one + "    quiet_hours: {from: 25:00, to: \"07:00\", zone: UTC}": `s.yaml:4: quiet_hours.from: "25:00" is not a time`,
		one + "    quiet_hours:\n      from: \"22:00\"\n      to: \"07:00\"\n      zone: New York\n": `s.yaml:7: quiet_hours.zone: "New York" is no time zone`,
		one + "    quiet_hours: {from: \"07:00\", to: \"07:00\", zone: UTC}":                         "s.yaml:4: quiet_hours from 07:00 to 07:00: they must be between a minute and 20 hours",
		one + "    quiet_hours: {from: \"07:00\", to: \"06:00\", zone: UTC}":                         "s.yaml:4: quiet_hours from 07:00 to 06:00",
	} {
		_, err := ParseSubscribers("s.yaml", []byte(content))
		if !errors.Is(err, ErrSubscribers) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q\n got %v\nwant %s", content, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "secretsecret") {
			t.Errorf("the error tells the token: %v", err)
		}
	}
	_, err := ParseSubscribers("s.yaml", []byte(one+"    thread: x\n    minimum_confidence: 70\n"))
	if err == nil || !strings.Contains(err.Error(), "s.yaml:4") || !strings.Contains(err.Error(), "s.yaml:5") {
		t.Errorf("not all problems are reported: %v", err)
	}
	if _, err := ReadSubscribers("/nowhere/s.yaml"); !errors.Is(err, ErrSubscribers) || !strings.Contains(err.Error(), "/nowhere/s.yaml") {
		t.Errorf("a missing file: %v", err)
	}
}

// drawSubscribers makes up a valid file's content.
func drawSubscribers(t *rapid.T) []Subscriber {
	symbols := []string{"DJT", "BTC-USD", "^GSPC", "ES=F", "BRK-B", "0700.HK", "TRUE"}
	var list []Subscriber
	for _, name := range rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z0-9]{1,9}(-[a-z0-9]{1,9}){0,2}`), 1, 5, rapid.ID[string]).Draw(t, "names") {
		s := Subscriber{Name: name, BotToken: "${" + rapid.StringMatching(`[A-Z][A-Z0-9_]{0,20}`).Draw(t, "token") + "}",
			ChatID:            rapid.StringMatching(`-?[1-9][0-9]{0,15}|@[A-Za-z][A-Za-z0-9_]{4,20}|\$\{[A-Z]{1,9}\}`).Draw(t, "chat"),
			MinimumConfidence: float64(rapid.IntRange(0, 1000).Draw(t, "confidence")) / 1000,
			Assets:            rapid.SliceOfNDistinct(rapid.SampledFrom(symbols), 0, 4, rapid.ID[string]).Draw(t, "assets"),
			Sentiments:        rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"bullish", "bearish", "neutral"}), 0, 3, rapid.ID[string]).Draw(t, "sentiments"),
			Kinds:             rapid.SliceOfNDistinct(rapid.SampledFrom(Kinds()), 1, 5, rapid.ID[string]).Draw(t, "kinds")}
		if long := rapid.IntRange(0, 20*60).Draw(t, "quiet"); long > 0 {
			from := rapid.IntRange(0, 24*60-1).Draw(t, "from")
			s.Quiet = &QuietHours{clock(from), clock((from + long) % (24 * 60)), rapid.SampledFrom([]string{"America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "UTC"}).Draw(t, "zone")}
		}
		list = append(list, s)
	}
	return list
}

// written is the file's form of a subscriber.
func written(s Subscriber) map[string]any {
	m := map[string]any{"name": s.Name, "chat_id": s.ChatID, "bot_token": s.BotToken, "minimum_confidence": s.MinimumConfidence, "kinds": s.Kinds}
	if len(s.Assets) > 0 {
		m["assets"] = s.Assets
	}
	if len(s.Sentiments) > 0 {
		m["sentiments"] = s.Sentiments
	}
	if s.Quiet != nil {
		m["quiet_hours"] = map[string]string{"from": s.Quiet.From, "to": s.Quiet.To, "zone": s.Quiet.Zone}
	}
	return m
}

// What is written is what is read, and whatever is read renders to a file that passes its own check.
func TestEveryValidFileRenders(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawSubscribers(t)
		var entries []any
		for i, s := range want {
			entries = append(entries, written(s))
			want[i].Assets, want[i].Sentiments = emptyIsNil(s.Assets), emptyIsNil(s.Sentiments)
		}
		raw, err := yaml.Marshal(map[string]any{"subscribers": entries})
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseSubscribers("s.yaml", raw)
		if err != nil {
			t.Fatalf("%v\n%s", err, raw)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("got %+v\nwant %+v", got, want)
		}
		if _, err := Render(got, options); err != nil {
			t.Fatal(err)
		}
	})
}

func emptyIsNil(list []string) []string {
	if len(list) == 0 {
		return nil
	}
	return list
}

// No content makes the parser fail in another way than with an error of its kind.
func FuzzSubscribers(f *testing.F) {
	f.Add("subscribers:\n  - name: a\n    chat_id: 1\n    quiet_hours: {from: \"22:00\", to: \"07:00\", zone: UTC}\n")
	f.Add("subscribers:\n  - {name: a, chat_id: '@abcde', kinds: [operations], assets: [A]}\n")
	f.Add("a: &a [*a]")
	f.Add("? {a: b}\n: c")
	f.Fuzz(func(t *testing.T, content string) {
		list, err := ParseSubscribers("s.yaml", []byte(content))
		if err != nil {
			if !errors.Is(err, ErrSubscribers) {
				t.Fatalf("%v", err)
			}
			return
		}
		if _, err := Render(list, options); err != nil {
			t.Fatalf("%q was taken, and then: %v", content, err)
		}
	})
}

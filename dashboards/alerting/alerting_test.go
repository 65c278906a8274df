package alerting

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	sdk "github.com/grafana/grafana-foundation-sdk/go/alerting"
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/cog/variants"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write the golden files")

var options = Options{Folder: "Shitpost Alpha", DailyBudget: 1}

func clock(minute int) string { return fmt.Sprintf("%02d:%02d", minute/60, minute%60) }

func rendered(t testing.TB, subscribers []Subscriber) []byte {
	t.Helper()
	raw, err := Render(subscribers, options)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// The files as Grafana gets them, to be read in a review.
func TestGolden(t *testing.T) {
	for name, subscribers := range map[string][]Subscriber{"example": example(t), "nobody": nil} {
		raw := rendered(t, subscribers)
		if again := rendered(t, subscribers); !bytes.Equal(raw, again) {
			t.Errorf("%s renders differently each time", name)
		}
		path := filepath.Join("testdata", "golden", name+".json")
		if *update {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, raw, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(raw, want) {
			t.Errorf("%s is not what the golden file says (go test ./dashboards/alerting -run Golden -update):\n%s", name, raw)
		}
	}
}

// Without subscribers Grafana's own policies stay, and the rules of an earlier file go.
func TestNobody(t *testing.T) {
	file, err := Build(nil, options)
	if err != nil {
		t.Fatal(err)
	}
	if len(file.Groups)+len(file.ContactPoints)+len(file.Policies)+len(file.Templates)+len(file.MuteTimes) != 0 || len(file.DeleteRules) != 6 {
		t.Errorf("got %+v", file)
	}
	// One who wants new calls alone has that rule, and no other.
	file, err = Build([]Subscriber{{Name: "a", ChatID: "1", BotToken: defaultToken, Kinds: []string{NewCall}}}, options)
	if err != nil {
		t.Fatal(err)
	}
	if len(file.Groups) != 1 || len(file.Groups[0].Rules) != 1 || file.Groups[0].Rules[0].UID != "shitpost-new-call" || len(file.DeleteRules) != 5 {
		t.Errorf("got %+v", file)
	}
}

// The SDK's strict decoders are the judge of keys and types of what the file shares with the API.
func TestStrictDecode(t *testing.T) {
	plugins.RegisterDefaultPlugins()
	strict := func(raw []byte) (variants.Dataquery, error) {
		var q query
		d := json.NewDecoder(bytes.NewReader(raw))
		d.DisallowUnknownFields()
		if err := d.Decode(&q); err != nil {
			return nil, err
		}
		return q, nil
	}
	cog.NewRuntime().RegisterDataqueryVariant(variants.DataqueryConfig{Identifier: PluginID, DataqueryUnmarshaler: strict, StrictDataqueryUnmarshaler: strict})
	var file struct {
		Groups   []struct{ Rules []map[string]any }
		Policies []map[string]any
	}
	if err := json.Unmarshal(rendered(t, example(t)), &file); err != nil {
		t.Fatal(err)
	}
	rules := 0
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			rules++
			r["folderUID"], r["orgID"], r["ruleGroup"] = "f", 1, "g" // which the file has on the group
			raw, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			var rule sdk.Rule
			if err := rule.UnmarshalJSONStrict(raw); err != nil {
				t.Errorf("rule %s: %v", r["uid"], err)
				continue
			}
			if _, ok := rule.Data[0].Model.(query); !ok || len(rule.Data) != 2 {
				t.Errorf("rule %s asks by %T", r["uid"], rule.Data[0].Model)
			}
		}
	}
	if rules != 6 || len(file.Policies) != 1 {
		t.Fatalf("%d rules, %d policies", rules, len(file.Policies))
	}
	delete(file.Policies[0], "orgId")
	raw, err := json.Marshal(file.Policies[0])
	if err != nil {
		t.Fatal(err)
	}
	var policy sdk.NotificationPolicy
	if err := policy.UnmarshalJSONStrict(raw); err != nil {
		t.Error(err)
	}
}

// Check finds what is broken, one thing at a time.
func TestCheckFindsWhatIsWrong(t *testing.T) {
	good := string(rendered(t, example(t)))
	for _, c := range []struct{ old, new, want string }{
		{`"orgId"`, `"orgID2"`, "unknown field"},
		{`"interval": "30s"`, `"interval": "15s"`, "no multiple of 10s"},
		{`"uid": "shitpost-follow-up"`, `"uid": "shitpost-new-call"`, "taken"},
		{`"condition": "C"`, `"condition": "B"`, "is no refId"},
		{`"for": "5m"`, `"for": "5 minutes"`, "for:"},
		{`"noDataState": "OK"`, `"noDataState": "NoData"`, "when there are no rows"},
		{`"execErrState": "KeepLast"`, `"execErrState": "Error"`, "told again after an outage"},
		{`"kind": "new_call"`, `"kind": "${HOME}"`, "fill in what follows"},
		{`$values.A.Value`, `${VALUE}`, "fill in the"},
		{`now()`, `$__timeFrom()`, "no variables"},
		{`a.* FROM`, `a.* -- all\n FROM`, "comments"},
		{`"format": "table"`, `"format": "time_series"`, "not a table"},
		{`"from": 600`, `"from": 0`, "time range is empty"},
		{`${TELEGRAM_BOT_TOKEN}`, `123:abc`, "no reference"},
		{`"chatid": "-1001234567890"`, `"chatid": ""`, "neither a number"},
		{`"parse_mode": "HTML"`, `"parse_mode": "Markdown"`, "written in HTML"},
		{`"receiver": "telegram desk"`, `"receiver": "nobody"`, "no contact point"},
		{`"quiet alice"`, `"other"`, "no mute timing"}, // the policy's, which stands before the mute timing
		{`"end_time": "24:00"`, `"end_time": "21:00"`, "no span of one day"},
		{`America/New_York"`, `New York"`, "no time zone"},
		{`{{ range .Alerts -}}`, `{{ range }}`, "missing value for range"},
		{`\"shitpost.message\"`, `\"other\"`, "does not define"},
		{`"..."`, `"alertname"`, "group by all labels"},
	} {
		broken := strings.Replace(good, c.old, c.new, 1)
		if c.want == "does not define" { // the template's own name, not its use
			i := strings.Index(good, `"template": `)
			broken = good[:i] + strings.Replace(good[i:], `\"shitpost.message\"`, `\"other\"`, 1)
			broken = strings.Replace(broken, `"name": "shitpost.message"`, `"name": "x"`, 1)
		}
		if broken == good {
			t.Errorf("%s is not in the file", c.old)
		}
		if err := Check([]byte(broken)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s for %s: %v, want %s", c.new, c.old, err, c.want)
		}
	}
}

// muted says as Alertmanager does (its package timeinterval) whether a moment lies in a mute timing.
func muted(m MuteTime, at time.Time) bool {
	for _, i := range m.TimeIntervals {
		zone, err := time.LoadLocation(i.Location)
		if err != nil {
			panic(err)
		}
		now := at.In(zone).Format("15:04")
		for _, c := range i.Times {
			if c.Start <= now && now < c.End {
				return true
			}
		}
	}
	return false
}

// At every moment of a year, in zones that change their clocks by an hour, by half an hour and not at all, the
// mute timing is silent exactly while the subscriber's clock is within the quiet hours.
func TestQuietHoursFollowTheZone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSubscribers(t)[0]
		if s.Quiet == nil {
			return
		}
		zone, err := time.LoadLocation(s.Quiet.Zone)
		if err != nil {
			t.Fatal(err)
		}
		m := muteTime(s)
		from, to := minutes(s.Quiet.From), minutes(s.Quiet.To)
		// Around each change of clocks of 2025, and at any moment.
		moments := []time.Time{time.Date(2025, 3, 9, 7, 0, 0, 0, time.UTC), time.Date(2025, 11, 2, 6, 0, 0, 0, time.UTC), time.Date(2025, 3, 30, 1, 0, 0, 0, time.UTC),
			time.Date(2025, 10, 26, 1, 0, 0, 0, time.UTC), time.Date(2025, 4, 5, 15, 0, 0, 0, time.UTC), time.Date(2025, 10, 4, 15, 30, 0, 0, time.UTC),
			time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(rapid.IntRange(0, 365*24*60).Draw(t, "minute")) * time.Minute)}
		for _, moment := range moments {
			for at := moment.Add(-3 * time.Hour); at.Before(moment.Add(3 * time.Hour)); at = at.Add(7 * time.Minute) {
				local := at.In(zone)
				minute := local.Hour()*60 + local.Minute()
				quiet := from <= minute && minute < to
				if from > to {
					quiet = minute >= from || minute < to
				}
				if muted(m, at) != quiet {
					t.Fatalf("%s to %s: at %s muted is %t", s.Quiet.From, s.Quiet.To, local, !quiet)
				}
			}
		}
	})
}

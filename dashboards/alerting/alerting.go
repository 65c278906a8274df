// Package alerting describes Grafana's alerts over the read model as Go code: the rules, and where
// their messages go. It renders them to one file that Grafana provisions itself from.
//
// A rule's SQL calls a function of readmodel/alerts.sql; every row it returns is an alert of its own,
// and its text columns are the alert's labels. Each subscriber of the subscribers file has a row of
// its own, filtered in SQL, a contact point (a Telegram chat), a route that its rows take, and a mute
// timing for its quiet hours. Alerts are grouped by all labels, so a row is a message, and a message
// is repeated only when labels change or Grafana was killed before it noted that it was sent. Nothing
// here talks to Grafana, to Telegram or to a database. Start with ReadSubscribers and Render.
package alerting

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"

	sdk "github.com/grafana/grafana-foundation-sdk/go/alerting"
)

// FileName is where the file belongs in Grafana's provisioning folder.
const FileName = "alerting/alerting.json"

// orgID is Grafana's first organisation, the only one that it is provisioned for.
const orgID = 1

// messageTemplate makes the text of a message. It is written for Telegram's HTML.
//
//go:embed message.tmpl
var messageTemplate string

// messageName is the template's name; messageCall is how a contact point asks for it.
const (
	messageName = "shitpost.message"
	messageCall = `{{ template "` + messageName + `" . }}`
)

// File is Grafana's provisioning file for alerting, apiVersion 1 (its manual, "Provision alerting
// resources"). The SDK's types have the shape of Grafana's HTTP API, which differs.
type File struct {
	APIVersion    int            `json:"apiVersion"`
	Groups        []Group        `json:"groups,omitempty"`
	DeleteRules   []DeleteRule   `json:"deleteRules,omitempty"`
	ContactPoints []ContactPoint `json:"contactPoints,omitempty"`
	Policies      []Policy       `json:"policies,omitempty"`
	Templates     []Template     `json:"templates,omitempty"`
	MuteTimes     []MuteTime     `json:"muteTimes,omitempty"`
}

// Group is rules that are evaluated together, every Interval, in a folder given by its title.
type Group struct {
	OrgID    int    `json:"orgId"`
	Name     string `json:"name"`
	Folder   string `json:"folder"`
	Interval string `json:"interval"`
	Rules    []Rule `json:"rules"`
}

// Rule is the SDK's rule without what the file has on the group.
type Rule struct {
	UID          string               `json:"uid"`
	Title        string               `json:"title"`
	Condition    string               `json:"condition"`
	Data         []Query              `json:"data"`
	For          string               `json:"for"`
	NoDataState  sdk.RuleNoDataState  `json:"noDataState"`
	ExecErrState sdk.RuleExecErrState `json:"execErrState"`
	Annotations  map[string]string    `json:"annotations,omitempty"`
	Labels       map[string]string    `json:"labels,omitempty"`
	IsPaused     bool                 `json:"isPaused"`
}

// Query is a statement or an expression of a rule; the time range is in seconds before now.
type Query struct {
	RefID             string          `json:"refId"`
	DatasourceUID     string          `json:"datasourceUid"`
	RelativeTimeRange TimeRange       `json:"relativeTimeRange"`
	Model             json.RawMessage `json:"model"`
}

// TimeRange is from so many seconds before now to so many.
type TimeRange struct {
	From int `json:"from"`
	To   int `json:"to"`
}

// DeleteRule names a rule that earlier files had.
type DeleteRule struct {
	OrgID int    `json:"orgId"`
	UID   string `json:"uid"`
}

// ContactPoint is a name and the chats behind it, here one.
type ContactPoint struct {
	OrgID     int        `json:"orgId"`
	Name      string     `json:"name"`
	Receivers []Receiver `json:"receivers"`
}

// Receiver is a Telegram chat.
type Receiver struct {
	UID                   string               `json:"uid"`
	Type                  sdk.ContactPointType `json:"type"`
	DisableResolveMessage bool                 `json:"disableResolveMessage"`
	Settings              TelegramSettings     `json:"settings"`
}

// TelegramSettings are those of Grafana's Telegram contact point. BotToken and ChatID may refer to
// Grafana's environment as ${VARIABLE}.
type TelegramSettings struct {
	BotToken             string `json:"bottoken"`
	ChatID               string `json:"chatid"`
	MessageThreadID      string `json:"message_thread_id,omitempty"`
	Message              string `json:"message"`
	ParseMode            string `json:"parse_mode"`
	DisableWebPreview    bool   `json:"disable_web_page_preview"`
	DisableNotifications bool   `json:"disable_notifications"`
}

// Policy is the whole tree of notification policies; Grafana replaces the organisation's by it.
type Policy struct {
	OrgID int `json:"orgId"`
	sdk.NotificationPolicy
}

// Template is a named text template.
type Template struct {
	OrgID    int    `json:"orgId"`
	Name     string `json:"name"`
	Template string `json:"template"`
}

// MuteTime is when a route is silent.
type MuteTime struct {
	OrgID         int            `json:"orgId"`
	Name          string         `json:"name"`
	TimeIntervals []TimeInterval `json:"time_intervals"`
}

// TimeInterval is spans of every day, on the clocks of Location.
type TimeInterval struct {
	Times    []Clocks `json:"times"`
	Location string   `json:"location"`
}

// Clocks is a span of a day from Start up to End, HH:MM; End may be 24:00.
type Clocks struct {
	Start string `json:"start_time"`
	End   string `json:"end_time"`
}

// Options are what the rules need to know besides the subscribers.
type Options struct {
	Folder      string  // title of the folder of the rules
	DailyBudget float64 // dollars that the analyzer may spend on a UTC day
}

// Build makes the file for the subscribers. Without any it holds no contact point and no policy, so
// that Grafana keeps its own, and takes back the rules of an earlier file.
func Build(subscribers []Subscriber, o Options) (File, error) {
	file := File{APIVersion: 1}
	wanted := map[string]bool{}
	for _, r := range rules(subscribers, o) {
		if len(r.statements) == 0 {
			continue
		}
		built, err := r.build()
		if err != nil {
			return file, err
		}
		wanted[r.uid] = true
		if len(file.Groups) == 0 || file.Groups[len(file.Groups)-1].Name != r.group {
			file.Groups = append(file.Groups, Group{OrgID: orgID, Name: r.group, Folder: o.Folder, Interval: interval})
		}
		last := &file.Groups[len(file.Groups)-1]
		last.Rules = append(last.Rules, built)
	}
	for _, r := range rules(nil, o) {
		if !wanted[r.uid] {
			file.DeleteRules = append(file.DeleteRules, DeleteRule{orgID, r.uid})
		}
	}
	if len(subscribers) == 0 {
		return file, nil
	}
	tree, err := policy(subscribers)
	if err != nil {
		return file, err
	}
	file.Policies = []Policy{{orgID, tree}}
	file.Templates = []Template{{orgID, messageName, messageTemplate}}
	for _, s := range subscribers {
		file.ContactPoints = append(file.ContactPoints, contactPoint(s))
		if s.Quiet != nil {
			file.MuteTimes = append(file.MuteTimes, muteTime(s))
		}
	}
	return file, nil
}

// Render returns the file's JSON, the same bytes every time, after Check has found nothing in it.
func Render(subscribers []Subscriber, o Options) ([]byte, error) {
	file, err := Build(subscribers, o)
	if err != nil {
		return nil, err
	}
	raw, err := encode(file)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, raw, "", "  "); err != nil {
		return nil, fmt.Errorf("encode alerting: %w", err)
	}
	if err := Check(out.Bytes()); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// encode writes JSON in which <, > and & stand as they are.
func encode(v any) (json.RawMessage, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, fmt.Errorf("encode alerting: %w", err)
	}
	return out.Bytes(), nil
}

package alerting

import (
	"fmt"
	"slices"

	sdk "github.com/grafana/grafana-foundation-sdk/go/alerting"
	"github.com/grafana/grafana-foundation-sdk/go/cog"
)

// How messages are sent. Each alert is a group of its own; a failed message is tried again after
// groupInterval, and a message that stands is repeated after repeatInterval: longer than any window
// of rows (24 hours), and as long as Grafana keeps its log of what was sent, so only a problem that
// lasts for five days is told again.
const (
	groupWait      = "1s"
	groupInterval  = "1m"
	repeatInterval = "120h"
)

func contactName(s Subscriber) string { return "telegram " + s.Name }

func muteName(s Subscriber) string { return "quiet " + s.Name }

func contactPoint(s Subscriber) ContactPoint {
	return ContactPoint{OrgID: orgID, Name: contactName(s), Receivers: []Receiver{{
		UID: "telegram-" + s.Name, Type: sdk.ContactPointTypeTelegram, DisableResolveMessage: true, Settings: TelegramSettings{
			BotToken: s.BotToken, ChatID: s.ChatID, MessageThreadID: s.Thread, Message: messageCall, ParseMode: "HTML", DisableWebPreview: true}}}}
}

// muteTime writes quiet hours that go past midnight as two spans.
func muteTime(s Subscriber) MuteTime {
	q := *s.Quiet
	times := []Clocks{{q.From, q.To}}
	if minutes(q.From) > minutes(q.To) {
		times = []Clocks{{q.From, "24:00"}}
		if minutes(q.To) > 0 {
			times = append(times, Clocks{"00:00", q.To})
		}
	}
	return MuteTime{OrgID: orgID, Name: muteName(s), TimeIntervals: []TimeInterval{{Times: times, Location: q.Zone}}}
}

// policy is the tree: rows about calls name their subscriber; problems go to all who want them. What
// matches no route is none of our rules' (Grafana has one tree for all), and goes to the first
// subscriber of operations, or the first of all.
func policy(subscribers []Subscriber) (sdk.NotificationPolicy, error) {
	var routes []cog.Builder[sdk.NotificationPolicy]
	route := func(s Subscriber, label, value string) *sdk.NotificationPolicyBuilder {
		r := sdk.NewNotificationPolicyBuilder().Receiver(contactName(s)).ObjectMatchers(sdk.ObjectMatchers{{label, "=", value}})
		if s.Quiet != nil {
			r = r.MuteTimeIntervals([]string{muteName(s)})
		}
		return r
	}
	fallback := subscribers[0]
	for _, s := range slices.Backward(subscribers) {
		if slices.Contains(s.Kinds, Operations) {
			fallback = s
		}
	}
	for _, s := range subscribers {
		routes = append(routes, route(s, "subscriber", s.Name))
		if slices.Contains(s.Kinds, Operations) {
			routes = append(routes, route(s, "kind", Operations).Continue(true))
		}
	}
	tree, err := sdk.NewNotificationPolicyBuilder().Receiver(contactName(fallback)).GroupBy([]string{"..."}).
		GroupWait(groupWait).GroupInterval(groupInterval).RepeatInterval(repeatInterval).Routes(routes).Build()
	if err != nil {
		return tree, fmt.Errorf("build notification policy: %w", err)
	}
	return tree, nil
}

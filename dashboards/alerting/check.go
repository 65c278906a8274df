package alerting

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"text/template"
	"time"

	sdk "github.com/grafana/grafana-foundation-sdk/go/alerting"
)

// Check says everything in a rendered file that Grafana would refuse, or would take and do something
// else with: it drops keys that it does not know, fills in $NAME from its environment, and reports a
// rule whose rows are no alerts only when it runs.
func Check(raw []byte) error {
	var file File
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&file); err != nil {
		return fmt.Errorf("decode alerting: %w", err)
	}
	c := &checker{uids: map[string]bool{}, receivers: map[string]bool{}, mutes: map[string]bool{}}
	if file.APIVersion != 1 {
		c.fail("apiVersion is %d, not 1", file.APIVersion)
	}
	for _, g := range file.Groups {
		c.group(g)
	}
	for _, p := range file.ContactPoints {
		c.contactPoint(p)
	}
	for _, m := range file.MuteTimes {
		c.muteTime(m)
	}
	c.templates(file.Templates)
	for _, p := range file.Policies {
		if !slices.Equal(p.GroupBy, []string{"..."}) || p.GroupWait == nil || p.GroupInterval == nil || p.RepeatInterval == nil {
			c.fail("the policy must group by all labels and say when it sends")
		}
		c.route(p.NotificationPolicy)
	}
	if len(file.ContactPoints) > 0 && len(file.Policies) != 1 {
		c.fail("there are %d policies for %d contact points, want one tree", len(file.Policies), len(file.ContactPoints))
	}
	return errors.Join(c.problems...)
}

type checker struct {
	uids, receivers, mutes map[string]bool
	problems               []error
}

func (c *checker) fail(format string, args ...any) {
	c.problems = append(c.problems, fmt.Errorf("check alerting: "+format, args...))
}

// uid must be new and at most 40 characters long.
func (c *checker) uid(uid string) {
	if uid == "" || len(uid) > 40 || c.uids[uid] {
		c.fail("uid %q is empty, longer than 40 characters or taken", uid)
	}
	c.uids[uid] = true
}

func (c *checker) group(g Group) {
	if d, err := time.ParseDuration(g.Interval); err != nil || d <= 0 || d%(10*time.Second) != 0 {
		c.fail("group %s: interval %q is no multiple of 10s", g.Name, g.Interval)
	}
	if g.Name == "" || g.Folder == "" || g.OrgID != orgID || len(g.Rules) == 0 {
		c.fail("group %q needs a name, a folder, organisation 1 and rules", g.Name)
	}
	for _, r := range g.Rules {
		c.rule(r)
	}
}

func (c *checker) rule(r Rule) {
	c.uid(r.UID)
	refs := map[string]bool{}
	for _, q := range r.Data {
		if q.RefID == "" || refs[q.RefID] {
			c.fail("rule %s: refId %q is empty or taken", r.UID, q.RefID)
		}
		refs[q.RefID] = true
		c.query(r.UID, q)
	}
	if !refs[r.Condition] {
		c.fail("rule %s: its condition %q is no refId", r.UID, r.Condition)
	}
	if _, err := time.ParseDuration(r.For); err != nil {
		c.fail("rule %s: for: %v", r.UID, err)
	}
	if r.NoDataState != sdk.RuleNoDataStateOK || r.ExecErrState != sdk.RuleExecErrStateKeepLast && r.ExecErrState != sdk.RuleExecErrStateAlerting {
		c.fail("rule %s: it would alert when there are no rows, or be told again after an outage", r.UID)
	}
	for _, text := range r.Labels {
		if strings.Contains(strings.ReplaceAll(text, "$$", ""), "$") || text == "" {
			c.fail("rule %s: label %q is empty, or Grafana would fill in what follows its $", r.UID, text)
		}
	}
	for _, text := range r.Annotations {
		if strings.Contains(text, "${") {
			c.fail("rule %s: Grafana would fill in the ${…} of annotation %q", r.UID, text)
		}
	}
}

func (c *checker) query(uid string, q Query) {
	if q.DatasourceUID == expressionUID {
		return
	}
	var model struct {
		RefID, Format, RawSQL string
		Datasource            struct{ UID, Type string }
	}
	if err := json.Unmarshal(q.Model, &model); err != nil {
		c.fail("rule %s: query %s: %v", uid, q.RefID, err)
		return
	}
	if model.RefID != q.RefID || model.Format != "table" || q.DatasourceUID != DataSourceUID || model.Datasource.UID != DataSourceUID || model.Datasource.Type != PluginID {
		c.fail("rule %s: query %s is not a table from %s", uid, q.RefID, DataSourceUID)
	}
	if q.RelativeTimeRange.From <= q.RelativeTimeRange.To {
		c.fail("rule %s: query %s: its time range is empty", uid, q.RefID)
	}
	for _, bad := range []string{"--", "/*", ";", "$"} {
		if strings.Contains(model.RawSQL, bad) {
			c.fail("rule %s: its statement contains %q: rules know no variables, and comments and second statements are not for Grafana", uid, bad)
		}
	}
}

func (c *checker) contactPoint(p ContactPoint) {
	if p.Name == "" || c.receivers[p.Name] || len(p.Receivers) == 0 {
		c.fail("contact point %q has no name, no receivers, or its name is taken", p.Name)
	}
	c.receivers[p.Name] = true
	for _, r := range p.Receivers {
		c.uid(r.UID)
		if !referenceForm.MatchString(r.Settings.BotToken) {
			c.fail("contact point %s: its token is no reference to Grafana's environment", p.Name)
		}
		if !chatForm.MatchString(r.Settings.ChatID) && !referenceForm.MatchString(r.Settings.ChatID) {
			c.fail("contact point %s: its chat is neither a number, a channel nor a reference", p.Name)
		}
		if r.Type != sdk.ContactPointTypeTelegram || !r.DisableResolveMessage || r.Settings.ParseMode != "HTML" || strings.Contains(r.Settings.Message, "$") {
			c.fail("contact point %s: it must be a Telegram chat, written in HTML, not told of ends, with no $ in its message", p.Name)
		}
	}
}

var spanForm = regexp.MustCompile(`^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$`)

func (c *checker) muteTime(m MuteTime) {
	if m.Name == "" || c.mutes[m.Name] || len(m.TimeIntervals) == 0 {
		c.fail("mute timing %q has no name, no spans, or its name is taken", m.Name)
	}
	c.mutes[m.Name] = true
	for _, i := range m.TimeIntervals {
		if _, err := time.LoadLocation(i.Location); err != nil || i.Location == "" {
			c.fail("mute timing %s: %q is no time zone", m.Name, i.Location)
		}
		for _, t := range i.Times {
			if !spanForm.MatchString(t.Start) || !spanForm.MatchString(t.End) || t.Start >= t.End {
				c.fail("mute timing %s: %s to %s is no span of one day", m.Name, t.Start, t.End)
			}
		}
	}
}

func (c *checker) templates(list []Template) {
	for _, t := range list {
		parsed, err := template.New(t.Name).Funcs(functions()).Parse(t.Template)
		if err != nil {
			c.fail("template %s: %v", t.Name, err)
		} else if parsed.Lookup(messageName) == nil {
			c.fail("template %s does not define %s", t.Name, messageName)
		}
	}
}

func (c *checker) route(p sdk.NotificationPolicy) {
	if p.Receiver == nil || !c.receivers[*p.Receiver] {
		c.fail("a route goes to no contact point of the file")
	}
	for _, m := range p.MuteTimeIntervals {
		if !c.mutes[m] {
			c.fail("a route is silent at %q, which is no mute timing of the file", m)
		}
	}
	for _, inner := range p.Routes {
		if inner.ObjectMatchers == nil || len(*inner.ObjectMatchers) == 0 {
			c.fail("a route matches everything")
		}
		c.route(inner)
	}
}

// functions are those of Alertmanager's templates (its documentation, "Notification template reference"),
// which Grafana has too; only their names and types matter here.
func functions() template.FuncMap {
	text := func(s string) string { return s }
	return template.FuncMap{"toUpper": text, "toLower": text, "title": text, "trimSpace": text, "safeHtml": text,
		"join":         func(separator string, list []string) string { return strings.Join(list, separator) },
		"match":        regexp.MatchString,
		"reReplaceAll": func(pattern, by, text string) string { return regexp.MustCompile(pattern).ReplaceAllString(text, by) },
		"stringSlice":  func(list ...string) []string { return list }}
}

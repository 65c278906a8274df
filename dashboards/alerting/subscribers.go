package alerting

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // zones of quiet hours are checked where no zone files are, too

	"gopkg.in/yaml.v3"
)

// ErrSubscribers marks errors that lie in the subscribers file.
var ErrSubscribers = errors.New("subscribers file")

// Kinds of messages.
const (
	NewCall         = "new_call"         // a prediction with at least one call
	FollowUp        = "follow_up"        // horizon 1 or 7 of a call was evaluated
	DailyBriefing   = "daily_briefing"   // before the open of every session
	WeeklyScorecard = "weekly_scorecard" // on Saturday
	Operations      = "operations"       // the pipeline has a problem
)

// Kinds lists all kinds, in the order in which they are documented.
func Kinds() []string {
	return []string{NewCall, FollowUp, DailyBriefing, WeeklyScorecard, Operations}
}

// Subscriber is one chat and what it wants to be told. What narrows calls (MinimumConfidence, Assets,
// Sentiments) applies to every kind but Operations.
type Subscriber struct {
	Name              string // letters, digits and dashes: names routes, contact point and mute timing
	ChatID            string // a number (groups have negative ones), @channel, or ${VARIABLE}
	BotToken          string // always ${VARIABLE}: the token itself is in no file
	Thread            string // topic of a group, a number; empty: none
	MinimumConfidence float64
	Assets            []string // empty: all
	Sentiments        []string // empty: all
	Kinds             []string
	Quiet             *QuietHours
}

// QuietHours are the hours of a day in which nothing is sent; what came up is sent when they end.
type QuietHours struct {
	From, To string // HH:MM on the clocks of Zone; To may lie on the next day
	Zone     string // IANA time zone
}

// defaultToken is the variable that holds the bot's token where a subscriber names none.
const defaultToken = "${TELEGRAM_BOT_TOKEN}"

// quietAtMost is the longest quiet time: a message waits in a window of 24 hours and would be lost.
const quietAtMost = 20 * time.Hour

// ReadSubscribers reads the file at path. Errors: ErrSubscribers, each problem with its line.
func ReadSubscribers(path string) ([]Subscriber, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read %w: %w", ErrSubscribers, err)
	}
	return ParseSubscribers(path, raw)
}

// ParseSubscribers reads the file's content; name is what errors call it. All problems are reported
// together, one a line, as name:line: what, and what to write instead.
func ParseSubscribers(name string, raw []byte) ([]Subscriber, error) {
	p := &parser{name: name, names: map[string]int{}}
	var doc yaml.Node
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		return nil, fmt.Errorf("%w: %s: %s", ErrSubscribers, name, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	var list []Subscriber
	if len(doc.Content) == 0 {
		p.fail(1, "the file is empty: write a list named subscribers")
	} else {
		list = p.file(doc.Content[0])
	}
	if len(p.problems) > 0 {
		return nil, fmt.Errorf("%w: %w", ErrSubscribers, errors.Join(p.problems...))
	}
	return list, nil
}

type parser struct {
	name     string
	names    map[string]int // subscriber to its line
	problems []error
}

func (p *parser) fail(line int, format string, args ...any) {
	p.problems = append(p.problems, fmt.Errorf("%s:%d: %s", p.name, line, fmt.Sprintf(format, args...)))
}

// fields calls set for every key of a mapping, and reports keys that set does not know or that come twice.
func (p *parser) fields(n *yaml.Node, what string, known []string, set func(key string, v *yaml.Node)) (seen map[string]bool) {
	seen = map[string]bool{}
	if n.Kind != yaml.MappingNode {
		p.fail(n.Line, "%s must be written as key: value lines", what)
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, v := n.Content[i], n.Content[i+1]
		switch {
		case v.Kind == yaml.AliasNode || v.Anchor != "":
			p.fail(v.Line, "%s: anchors are not supported: write the value out", key.Value)
		case seen[key.Value]:
			p.fail(key.Line, "%s stands twice", key.Value)
		case !slices.Contains(known, key.Value):
			p.fail(key.Line, "%s is no key of %s: there are %s", key.Value, what, strings.Join(known, ", "))
		default:
			set(key.Value, v)
		}
		seen[key.Value] = true
	}
	return seen
}

// need reports the keys of a mapping that are missing; seen is nil where it was none.
func (p *parser) need(seen map[string]bool, line int, what string, keys ...string) {
	for _, key := range keys {
		if seen != nil && !seen[key] {
			p.fail(line, "%s needs %s", what, key)
		}
	}
}

func (p *parser) file(n *yaml.Node) (list []Subscriber) {
	seen := p.fields(n, "the file", []string{"subscribers"}, func(_ string, v *yaml.Node) {
		if v.Kind != yaml.SequenceNode || len(v.Content) == 0 {
			p.fail(v.Line, "subscribers must be a list with at least one entry; leave the file away to send nothing")
			return
		}
		for _, entry := range v.Content {
			list = append(list, p.subscriber(entry))
		}
	})
	p.need(seen, n.Line, "the file", "subscribers")
	return list
}

var (
	nameForm      = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	chatForm      = regexp.MustCompile(`^(-?[1-9][0-9]{0,18}|@[A-Za-z][A-Za-z0-9_]{4,31})$`)
	referenceForm = regexp.MustCompile(`^\$\{([A-Z][A-Z0-9_]*)\}$`)
	symbolForm    = regexp.MustCompile(`^\^?[A-Z0-9]+([.=-][A-Z0-9]+)*$`) // none ends an SQL literal or begins a comment
	clockForm     = regexp.MustCompile(`^([01][0-9]|2[0-3]):[0-5][0-9]$`)
)

func (p *parser) subscriber(n *yaml.Node) Subscriber {
	s := Subscriber{BotToken: defaultToken, Kinds: []string{NewCall, FollowUp}}
	known := []string{"name", "chat_id", "bot_token", "thread", "minimum_confidence", "assets", "sentiments", "kinds", "quiet_hours"}
	seen := p.fields(n, "a subscriber", known, func(key string, v *yaml.Node) {
		switch key {
		case "name":
			s.Name = p.text(key, v, nameForm, "made of small letters and digits, with single dashes between them")
			if len(s.Name) > 30 { // contact points have it in their uid, of at most 40
				p.fail(v.Line, "the name %s is longer than 30 characters", s.Name)
			}
			if first := p.names[s.Name]; first > 0 && s.Name != "" {
				p.fail(v.Line, "the name %s is taken by line %d", s.Name, first)
			}
			p.names[s.Name] = v.Line
		case "chat_id":
			s.ChatID = p.chat(v)
		case "bot_token":
			s.BotToken = p.token(v)
		case "thread":
			s.Thread = p.thread(v)
		case "minimum_confidence":
			s.MinimumConfidence = p.confidence(v)
		case "assets":
			s.Assets = p.list(key, v, nil, symbolForm)
		case "sentiments":
			s.Sentiments = p.list(key, v, []string{"bullish", "bearish", "neutral"}, nil)
		case "kinds":
			s.Kinds = p.list(key, v, Kinds(), nil)
		case "quiet_hours":
			s.Quiet = p.quiet(v)
		}
	})
	p.need(seen, n.Line, "a subscriber", "name", "chat_id")
	return s
}

// text returns the value of a scalar that has the form.
func (p *parser) text(key string, v *yaml.Node, form *regexp.Regexp, want string) string {
	if v.Kind != yaml.ScalarNode || !form.MatchString(v.Value) {
		p.fail(v.Line, "%s: %q is not %s", key, v.Value, want)
		return ""
	}
	return v.Value
}

func (p *parser) chat(v *yaml.Node) string {
	if v.Kind == yaml.ScalarNode && referenceForm.MatchString(v.Value) {
		return v.Value
	}
	return p.text("chat_id", v, chatForm, "a chat's number (negative for a group), @channel, or ${VARIABLE}")
}

// token takes references only, and does not repeat in the error what may be a secret.
func (p *parser) token(v *yaml.Node) string {
	if v.Kind != yaml.ScalarNode || !referenceForm.MatchString(v.Value) {
		p.fail(v.Line, "bot_token: a token must not stand in this file: write ${VARIABLE} and set that variable for Grafana")
		return ""
	}
	return v.Value
}

func (p *parser) thread(v *yaml.Node) string {
	if n, err := strconv.ParseInt(v.Value, 10, 32); v.Kind != yaml.ScalarNode || err != nil || n <= 0 {
		p.fail(v.Line, "thread: %q is not the number of a topic", v.Value)
		return ""
	}
	return v.Value
}

func (p *parser) confidence(v *yaml.Node) float64 {
	f, err := strconv.ParseFloat(v.Value, 64)
	switch {
	case v.Kind != yaml.ScalarNode || err != nil || !(f >= 0):
		p.fail(v.Line, "minimum_confidence: %q is not a number from 0 to 1", v.Value)
	case f > 1 && f <= 100:
		p.fail(v.Line, "minimum_confidence: %s is not from 0 to 1: for %s %% write %g", v.Value, v.Value, f/100)
	case f > 1:
		p.fail(v.Line, "minimum_confidence: %s is not from 0 to 1", v.Value)
	default:
		return f
	}
	return 0
}

// list returns the values of a sequence, each one of the given ones or of the form.
func (p *parser) list(key string, v *yaml.Node, of []string, form *regexp.Regexp) (values []string) {
	if v.Kind != yaml.SequenceNode || len(v.Content) == 0 {
		p.fail(v.Line, "%s must be a list such as [A, B]; leave it away for the default", key)
		return nil
	}
	for _, n := range v.Content {
		switch {
		case n.Kind != yaml.ScalarNode || n.ShortTag() == "!!bool" && of == nil:
			p.fail(n.Line, "%s: %q is not a text: put it in quotes", key, n.Value)
		case of != nil && !slices.Contains(of, n.Value):
			p.fail(n.Line, "%s: %q is none of %s", key, n.Value, strings.Join(of, ", "))
		case form != nil && !form.MatchString(n.Value):
			p.fail(n.Line, "%s: %q is no symbol: they are written in capitals, such as DJT or BTC-USD", key, n.Value)
		case slices.Contains(values, n.Value):
			p.fail(n.Line, "%s: %s stands twice", key, n.Value)
		default:
			values = append(values, n.Value)
		}
	}
	return values
}

func (p *parser) quiet(v *yaml.Node) *QuietHours {
	var q QuietHours
	seen := p.fields(v, "quiet_hours", []string{"from", "to", "zone"}, func(key string, v *yaml.Node) {
		switch key {
		case "from":
			q.From = p.text("quiet_hours.from", v, clockForm, `a time such as "22:00", in quotes`)
		case "to":
			q.To = p.text("quiet_hours.to", v, clockForm, `a time such as "07:00", in quotes`)
		case "zone":
			if _, err := time.LoadLocation(v.Value); err != nil || v.Value == "" || v.Value == "Local" || v.Kind != yaml.ScalarNode {
				p.fail(v.Line, "quiet_hours.zone: %q is no time zone: write one such as America/New_York", v.Value)
				return
			}
			q.Zone = v.Value
		}
	})
	p.need(seen, v.Line, "quiet_hours", "from", "to", "zone")
	if q.From == "" || q.To == "" || q.Zone == "" {
		return nil // said already
	}
	from, to := minutes(q.From), minutes(q.To)
	if long := time.Duration((to-from+24*60)%(24*60)) * time.Minute; long == 0 || long > quietAtMost {
		p.fail(v.Line, "quiet_hours from %s to %s: they must be between a minute and %g hours long, since a message waits no longer than 24", q.From, q.To, quietAtMost.Hours())
		return nil
	}
	return &q
}

// minutes returns the minutes since midnight of HH:MM.
func minutes(clock string) int {
	h, _ := strconv.Atoi(clock[:2]) // clockForm has seen it
	m, _ := strconv.Atoi(clock[3:])
	return 60*h + m
}

// Variables lists the variables that Grafana's environment must hold for the subscribers, sorted. An
// unset token keeps Grafana from starting.
func Variables(subscribers []Subscriber) []string {
	var names []string
	for _, s := range subscribers {
		for _, value := range []string{s.BotToken, s.ChatID} {
			if m := referenceForm.FindStringSubmatch(value); m != nil {
				names = append(names, m[1])
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

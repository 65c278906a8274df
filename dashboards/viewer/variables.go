package viewer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// errRefused marks what an address asks for and must not have: answered with 400.
var errRefused = errors.New("refused")

// allValue is what Grafana's addresses say for the choice All.
const allValue = "$__all"

// macroSign begins Grafana's macros. They are expanded after the variables, inside quotes too, where
// their own quotes would end a literal: so no value may hold one.
const macroSign = "$__"

// longestText bounds what is typed into a text variable, in bytes.
const longestText = 200

// variable is one of Grafana's dashboard variables.
type variable struct {
	Name       string          `json:"name"`
	Type       string          `json:"type"` // query, custom, textbox, constant, interval, datasource
	Label      string          `json:"label"`
	Hide       int             `json:"hide"` // 2: no field of its own
	Query      json.RawMessage `json:"query"`
	Multi      bool            `json:"multi"`
	IncludeAll bool            `json:"includeAll"`
	AllValue   string          `json:"allValue"`
	Regex      string          `json:"regex"`
	Sort       int             `json:"sort"`
	Current    struct {
		Value oneOrMany `json:"value"`
	} `json:"current"`
}

// oneOrMany is a string or a list of them.
type oneOrMany []string

func (o *oneOrMany) UnmarshalJSON(raw []byte) error {
	var one string
	if err := json.Unmarshal(raw, &one); err == nil {
		*o = nil
		if one != "" {
			*o = oneOrMany{one}
		}
		return nil
	}
	var many []string
	if err := json.Unmarshal(raw, &many); err != nil {
		return err
	}
	*o = many
	return nil
}

func (v variable) known() bool {
	return slices.Contains([]string{"query", "custom", "textbox", "constant", "interval", "datasource"}, v.Type)
}

// text is the query as a string: options, SQL or the value, by type.
func (v variable) text() string {
	var s string
	if json.Unmarshal(v.Query, &s) == nil {
		return s
	}
	var m struct{ RawSQL, Query string }
	_ = json.Unmarshal(v.Query, &m) // anything else has no text
	return m.RawSQL + m.Query
}

// choice is a variable with its options and what is chosen of them.
type choice struct {
	variable
	Options []option
	Values  []string // as the address has them: allValue stands for All
	Problem string   // why the options could not be read
}

type option struct{ Text, Value string }

// All says whether the choice is All.
func (c choice) All() bool { return len(c.Values) == 1 && c.Values[0] == allValue }

// Chosen says whether the option is chosen.
func (c choice) Chosen(value string) bool { return slices.Contains(c.Values, value) }

// sqlValues are the values that stand in a statement. All is every option, or the variable's own
// value for it.
func (c choice) sqlValues() []string {
	if !c.All() {
		return c.Values
	}
	if c.AllValue != "" {
		return []string{c.AllValue}
	}
	var all []string
	for _, o := range c.Options {
		all = append(all, o.Value)
	}
	if all == nil {
		return []string{""} // an empty list is no SQL
	}
	return all
}

// words is the choice as text: for titles.
func (c choice) words() string {
	if c.All() {
		return "All"
	}
	var texts []string
	for _, v := range c.Values {
		text := v
		for _, o := range c.Options {
			if o.Value == v {
				text = o.Text
			}
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, " + ")
}

type choices []choice

func (cs choices) get(name string) (choice, bool) {
	for _, c := range cs {
		if c.Name == name {
			return c, true
		}
	}
	return choice{}, false
}

// sql are the values by name, as package macro wants them.
func (cs choices) sql() map[string][]string {
	all := map[string][]string{}
	for _, c := range cs {
		all[c.Name] = c.sqlValues()
	}
	return all
}

// rowsOf runs the SQL of a query variable, given the choices made so far.
type rowsOf func(ctx context.Context, sql string, soFar choices) (frame, error)

// choose finds the options of all variables and what the address chose of them. A variable may
// depend on those before it. Errors wrap errRefused where the address names an unknown variable, or
// a value that is none of the options.
func choose(ctx context.Context, variables []variable, query url.Values, rows rowsOf) (choices, error) {
	if err := checkNames(variables, query); err != nil {
		return nil, err
	}
	var all choices
	for _, v := range variables {
		c := choice{variable: v}
		var err error
		if c.Options, err = v.options(ctx, rows, all); err != nil {
			c.Problem = problem(err)
		}
		asked, given := query["var-"+v.Name]
		switch {
		case !given || c.Problem != "" && v.Type == "query":
			c.Values = c.initial()
		default:
			if c.Values, err = c.accept(asked); err != nil {
				return nil, err
			}
		}
		all = append(all, c)
	}
	return all, nil
}

func checkNames(variables []variable, query url.Values) error {
	for key := range query {
		name, ok := strings.CutPrefix(key, "var-")
		if !ok {
			if !slices.Contains([]string{"from", "to", "timezone", "orgId", "refresh", "viewPanel", "kiosk"}, key) {
				return fmt.Errorf("%w: the address has a parameter %s that the viewer does not know", errRefused, shown(key))
			}
			continue
		}
		if !slices.ContainsFunc(variables, func(v variable) bool { return v.Name == name }) {
			return fmt.Errorf("%w: the dashboard has no variable %s", errRefused, shown(name))
		}
	}
	return nil
}

// options lists what can be chosen.
func (v variable) options(ctx context.Context, rows rowsOf, soFar choices) ([]option, error) {
	switch v.Type {
	case "custom", "interval":
		return split(v.text()), nil
	case "constant", "textbox", "datasource":
		return nil, nil
	}
	f, err := rows(ctx, v.text(), soFar)
	if err != nil {
		return nil, err
	}
	all, err := optionsOf(f, v.Regex)
	order(all, v.Sort)
	return all, err
}

// split reads the options of a custom variable: values, or "text : value", divided by commas; \, is
// a comma.
func split(s string) []option {
	var all []option
	const comma = "\x00"
	for part := range strings.SplitSeq(strings.ReplaceAll(s, `\,`, comma), ",") {
		part = strings.TrimSpace(strings.ReplaceAll(part, comma, ","))
		text, value, paired := strings.Cut(part, " : ")
		if !paired {
			value = text
		}
		if part != "" {
			all = append(all, option{strings.TrimSpace(text), strings.TrimSpace(value)})
		}
	}
	return all
}

// optionsOf takes columns __text and __value, else every value of every column.
func optionsOf(f frame, regex string) ([]option, error) {
	keep, err := optionFilter(regex)
	if err != nil {
		return nil, err
	}
	var all []option
	seen := map[string]bool{}
	take := func(text, value string) {
		if !seen[value] && keep(text) && !strings.Contains(value, macroSign) {
			seen[value] = true
			all = append(all, option{text, value})
		}
	}
	texts, values := f.field("__text"), f.field("__value")
	if texts != nil && values != nil {
		for i := range f.Rows {
			take(plain(texts.Values[i]), plain(values.Values[i]))
		}
		return all, nil
	}
	for _, c := range f.Fields {
		for _, v := range c.Values {
			if v != nil {
				take(plain(v), plain(v))
			}
		}
	}
	return all, nil
}

func optionFilter(regex string) (func(string) bool, error) {
	if regex == "" {
		return func(string) bool { return true }, nil
	}
	re, err := slashed(regex)
	if err != nil {
		return nil, err
	}
	return re.MatchString, nil
}

// slashed compiles an expression that may be written /like this/i.
func slashed(s string) (*regexp.Regexp, error) {
	if rest, ok := strings.CutPrefix(s, "/"); ok {
		if i := strings.LastIndex(rest, "/"); i >= 0 {
			s = rest[:i]
			if strings.Contains(rest[i:], "i") {
				s = "(?i)" + s
			}
		}
	}
	re, err := regexp.Compile(s)
	if err != nil {
		return nil, fmt.Errorf("read regular expression: %w", err)
	}
	return re, nil
}

// order sorts as Grafana's number says: 0 not, odd upwards, even downwards, by text as it is (1, 2),
// as a number (3, 4) or without regard to case (5, 6).
func order(all []option, how int) {
	if how < 1 || how > 6 {
		return
	}
	slices.SortStableFunc(all, func(a, b option) int {
		c := strings.Compare(a.Text, b.Text)
		switch (how + 1) / 2 {
		case 2:
			c = compareNumbers(a.Text, b.Text)
		case 3:
			c = strings.Compare(strings.ToLower(a.Text), strings.ToLower(b.Text))
		}
		if how%2 == 0 {
			c = -c
		}
		return c
	})
}

// initial is what is chosen where the address says nothing: the dashboard's choice if there is such
// an option, else All if there is that, else the first option.
func (c choice) initial() []string {
	if values, err := c.accept(c.Current.Value); err == nil && len(values) > 0 {
		return values
	}
	switch {
	case c.Type == "textbox" || c.Type == "constant" || c.Type == "datasource":
		return []string{c.text()}
	case c.IncludeAll:
		return []string{allValue}
	case len(c.Options) > 0:
		return []string{c.Options[0].Value}
	}
	return []string{""}
}

// accept checks values that came from outside. Only a text variable takes what nobody offered.
func (c choice) accept(asked []string) ([]string, error) {
	for _, a := range asked {
		if !utf8.ValidString(a) || strings.ContainsFunc(a, unicode.IsControl) {
			return nil, fmt.Errorf("%w: variable %s has a value with characters that are no text", errRefused, c.Name)
		}
		if strings.Contains(a, macroSign) && a != allValue {
			return nil, fmt.Errorf("%w: variable %s has a value with a macro (%s)", errRefused, c.Name, macroSign)
		}
	}
	if len(asked) > 1 && !c.Multi {
		return nil, fmt.Errorf("%w: variable %s takes one value, not %d", errRefused, c.Name, len(asked))
	}
	if c.Type == "textbox" && !slices.Contains(asked, allValue) {
		if len(asked) == 1 && len(asked[0]) > longestText {
			return nil, fmt.Errorf("%w: variable %s takes at most %d bytes", errRefused, c.Name, longestText)
		}
		return asked, nil
	}
	if c.IncludeAll && slices.Contains(asked, allValue) {
		return []string{allValue}, nil
	}
	if (c.Type == "constant" || c.Type == "datasource") && len(asked) == 1 && asked[0] == c.text() {
		return asked, nil
	}
	if c.Type == "query" && len(c.Options) == 0 && len(asked) == 1 && asked[0] == "" {
		return asked, nil // what our own links hold where there is nothing to choose from
	}
	for _, a := range asked {
		if !slices.ContainsFunc(c.Options, func(o option) bool { return o.Value == a }) {
			return nil, fmt.Errorf("%w: variable %s has no option %s", errRefused, c.Name, shown(a))
		}
	}
	return asked, nil
}

// shown quotes what somebody sent, cut short.
func shown(s string) string {
	if len(s) > 60 {
		s = strings.ToValidUTF8(s[:60], "") + "…"
	}
	return fmt.Sprintf("%q", s)
}

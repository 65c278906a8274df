package viewer

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// variablesOf reads the variables of a dashboard's JSON.
func variablesOf(t interface {
	Helper()
	Fatal(...any)
}, raw string) []variable {
	t.Helper()
	var list []variable
	if err := json.Unmarshal([]byte(raw), &list); err != nil {
		t.Fatal(err)
	}
	return list
}

const someVariables = `[
{"name":"horizon","type":"custom","query":"1,3,7,30","current":{"value":"7"}},
{"name":"origin","type":"custom","query":"live,retrospective","multi":true,"includeAll":true,"current":{"value":["$__all"]}},
{"name":"basis","type":"custom","query":"next open : next_open,legacy\\, old : legacy","current":{"value":"next_open"}},
{"name":"symbol","type":"query","query":"SELECT 'SPY' AS symbol","sort":1,"includeAll":true,"allValue":"*","current":{}},
{"name":"search","type":"textbox","query":"","current":{"value":""}},
{"name":"source","type":"datasource","query":"grafana-postgresql-datasource","current":{}}]`

func symbols(context.Context, string, choices) (frame, error) {
	return frame{Rows: 3, Fields: []*field{{Name: "symbol", Kind: text, Values: []any{"SPY", "O'X", "BTC-USD"}}}}, nil
}

func TestChoose(t *testing.T) {
	variables := variablesOf(t, someVariables)
	all := map[string][]string{"horizon": {"7"}, "origin": {"live", "retrospective"}, "basis": {"next_open"}, "symbol": {"*"}, "search": {""}, "source": {"grafana-postgresql-datasource"}}
	for query, changes := range map[string]map[string][]string{
		"":                                  {},
		"from=now-7d&to=now":                {},
		"var-horizon=30":                    {"horizon": {"30"}},
		"var-origin=live":                   {"origin": {"live"}},
		"var-origin=%24__all":               {},
		"var-origin=$__all&var-origin=live": {}, // All beside others is All
		"var-origin=live&var-origin=retrospective": {"origin": {"live", "retrospective"}},
		"var-basis=legacy":                         {"basis": {"legacy"}},
		"var-symbol=O%27X":                         {"symbol": {"O'X"}},
		"var-search=it%27s%3B--":                   {"search": {"it's;--"}},
		"var-source=grafana-postgresql-datasource": {},
	} {
		values, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		got, err := choose(t.Context(), variables, values, symbols)
		if err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		want := maps.Clone(all)
		maps.Copy(want, changes)
		if !maps.EqualFunc(got.sql(), want, slices.Equal) {
			t.Errorf("%s chooses %v, want %v", query, got.sql(), want)
		}
	}
}

func TestChooseRefuses(t *testing.T) {
	variables := variablesOf(t, someVariables)
	for query, want := range map[string]string{
		"var-nope=1":                             `no variable "nope"`,
		"var-horizon=2":                          `horizon has no option "2"`,
		"var-horizon=":                           "no option",
		"var-horizon=7&var-horizon=30":           "one value",
		"var-horizon=%24__all":                   "no option",
		"var-horizon=7'%20OR%20'1'='1":           "no option",
		"var-origin=live&var-origin=x":           `no option "x"`,
		"var-basis=next%20open":                  "no option", // the text is not the value
		"var-symbol=O'X'":                        "no option",
		"var-search=" + strings.Repeat("a", 201): "at most 200",
		"var-search=%00":                         "no text",
		"var-search=%ff":                         "no text",
		"var-source=other":                       "no option",
		"var-search=%24__timeFrom()":             "a macro",
		"var-search=%24__all":                    "no option",
		"horizon=7":                              "does not know",
		"%3Cscript%3E=1":                         "does not know",
	} {
		values, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		got, err := choose(t.Context(), variables, values, symbols)
		if !errors.Is(err, errRefused) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: chose %v, %v; want it refused with %q", query, got, err, want)
		}
	}
}

// A value that nobody offered never gets into a statement, whichever variable it is meant for.
func TestOnlyOfferedValues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		variables := variablesOf(t, someVariables)
		name := rapid.SampledFrom([]string{"horizon", "origin", "basis", "symbol", "source"}).Draw(t, "name")
		values := rapid.SliceOfN(rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"7", "live", "legacy", "SPY", "O'X", "$__all"})), 1, 3).Draw(t, "values")
		got, err := choose(context.Background(), variables, url.Values{"var-" + name: values}, symbols)
		if err != nil {
			if !errors.Is(err, errRefused) {
				t.Fatalf("%q: %v", values, err)
			}
			return
		}
		c, _ := got.get(name)
		for _, v := range c.sqlValues() {
			offered := slices.ContainsFunc(c.Options, func(o option) bool { return o.Value == v })
			if !offered && !(c.All() && v == c.AllValue) && v != c.text() {
				t.Fatalf("variable %s has value %q", name, v)
			}
		}
	})
}

func TestOptionsThatFailAreShown(t *testing.T) {
	got, err := choose(t.Context(), variablesOf(t, someVariables), url.Values{"var-symbol": {"SPY"}}, func(context.Context, string, choices) (frame, error) {
		return frame{}, errors.New("dial tcp 10.0.0.1: secret")
	})
	if err != nil {
		t.Fatal(err)
	}
	c, _ := got.get("symbol")
	if c.Problem == "" || strings.Contains(c.Problem, "10.0.0.1") {
		t.Errorf("the problem is %q", c.Problem)
	}
}

func TestOptionsOf(t *testing.T) {
	named := frame{Rows: 2, Fields: []*field{{Name: "__value", Kind: text, Values: []any{"1", "2"}}, {Name: "__text", Kind: text, Values: []any{"one", "two"}}}}
	if got, err := optionsOf(named, ""); err != nil || !slices.Equal(got, []option{{"one", "1"}, {"two", "2"}}) {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := optionsOf(named, "/TW/i"); err != nil || !slices.Equal(got, []option{{"two", "2"}}) {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := optionsOf(named, "("); err == nil {
		t.Error("a broken expression was taken")
	}
	numbers := []option{{"10", "10"}, {"9", "9"}, {"x", "x"}}
	order(numbers, 3)
	if numbers[0].Text != "9" || numbers[2].Text != "x" {
		t.Errorf("in order of number: %v", numbers)
	}
}

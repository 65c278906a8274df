package viewer

import (
	"encoding/json"
	"testing"
	"time"
)

func of(t *testing.T, config string) *field {
	t.Helper()
	f := &field{Name: "x", Kind: number}
	if err := json.Unmarshal([]byte(config), &f.fieldOptions); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestShow(t *testing.T) {
	day := time.Date(2025, 12, 31, 23, 30, 0, 0, time.UTC)
	for _, c := range []struct {
		config string
		v      any
		want   string
	}{
		{`{}`, 1234.0, "1234"},
		{`{}`, 12.3456, "12.3"},
		{`{}`, 1.23456, "1.23"},
		{`{}`, 0.0123, "0.0123"},
		{`{}`, -0.00001, "-0.0000100"},
		{`{"decimals":0}`, -0.4, "0"},
		{`{"unit":"percent","decimals":1}`, 43.04, "43.0%"},
		{`{"unit":"percentunit","decimals":0}`, 0.655, "66%"},
		{`{"unit":"currencyUSD"}`, -1746.65, "-$1.75K"},
		{`{"unit":"currencyUSD","decimals":2}`, 12.0, "$12.00"},
		{`{"unit":"currency:€"}`, 2e6, "€2M"},
		{`{"unit":"short"}`, 23424.0, "23.4 K"},
		{`{"unit":"locale"}`, 1234567.0, "1,234,567"},
		{`{"unit":"s"}`, 0.0, "0 s"},
		{`{"unit":"s"}`, 90.0, "1.50 mins"},
		{`{"unit":"ms"}`, 2500.0, "2.50 s"},
		{`{"unit":"s","decimals":1}`, 0.25, "250.0 ms"},
		{`{"unit":"d"}`, 14.0, "2 weeks"},
		{`{"unit":"bytes"}`, 1536.0, "1.50 KiB"},
		{`{"unit":"decbytes"}`, 0.0, "0 B"},
		{`{"unit":"suffix: bp"}`, 5.0, "5 bp"},
		{`{"unit":"prefix:#"}`, 5.0, "#5"},
		{`{"unit":"reqps"}`, 5.0, "5 req/s"},
		{`{"unit":"dateTimeAsIso"}`, 1735689600000.0, "2025-01-01 00:00:00"},
		{`{"unit":"bool_yes_no"}`, 1.0, "Yes"},
		{`{"unit":"parsec"}`, 2.0, "2 parsec"},
		{`{}`, day, "2025-12-31 23:30:00"},
		{`{"unit":"time:YYYY-MM-DD"}`, day, "2025-12-31"},
		{`{"noValue":"none yet"}`, nil, "none yet"},
		{`{}`, true, "true"},
		{`{"mappings":[{"type":"value","options":{"live":{"text":"in time","color":"green"}}}]}`, "live", "in time"},
		{`{"mappings":[{"type":"value","options":{"true":{"text":"right"}}}]}`, true, "right"},
		{`{"mappings":[{"type":"range","options":{"from":1,"to":2,"result":{"text":"some"}}}]}`, 1.5, "some"},
		{`{"mappings":[{"type":"range","options":{"from":null,"to":2,"result":{"text":"few"}}}]}`, 3.0, "3"},
		{`{"mappings":[{"type":"regex","options":{"pattern":"/^rules@(.*)/","result":{"text":"rules $1"}}}]}`, "rules@2", "rules 2"},
		{`{"mappings":[{"type":"special","options":{"match":"null","result":{"text":"not yet"}}}]}`, nil, "not yet"},
	} {
		if got, _ := of(t, c.config).show(c.v, time.UTC); got != c.want {
			t.Errorf("%s shows %v as %q, want %q", c.config, c.v, got, c.want)
		}
	}
}

func TestColorOf(t *testing.T) {
	const steps = `"thresholds":{"mode":"absolute","steps":[{"color":"#808080","value":null},{"color":"green","value":30}]}`
	for _, c := range []struct {
		config string
		v      any
		want   string
	}{
		{`{` + steps + `}`, 29.9, "#808080"},
		{`{` + steps + `}`, 30.0, "#73BF69"},
		{`{` + steps + `}`, "text", "#808080"},
		{`{"thresholds":{"mode":"percentage","steps":[{"color":"red","value":null},{"color":"blue","value":50}]}}`, 60.0, "#5794F2"},
		{`{"color":{"mode":"fixed","fixedColor":"#abc"}}`, 1.0, "#AABBCC"},
		{`{"color":{"mode":"continuous-blues"}}`, 100.0, "#1F60C4"},
		{`{"color":{"mode":"continuous-blues"}}`, 0.0, "#FFFFFF"},
		{`{"color":{"mode":"palette-classic"}}`, 1.0, ""},
		{`{"mappings":[{"type":"value","options":{"1":{"color":"purple"}}}]}`, 1.0, "#B877D9"},
	} {
		if got := of(t, c.config).colorOf(c.v, 0, 100); got != c.want {
			t.Errorf("%s colours %v %q, want %q", c.config, c.v, got, c.want)
		}
	}
}

// Whatever stands in the JSON, a colour is #RRGGBB or nothing: it is written into style attributes.
func FuzzCSS(f *testing.F) {
	for _, s := range []string{"red", "#abc", "rgb(1, 2, 300)", "rgba(1,2,3,0.5)", "transparent", "red;background:url(x)", "#12345\n6"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c := css(s)
		if c == "" {
			return
		}
		if len(c) != 7 || !hexColor.MatchString(c) {
			t.Errorf("%q became %q", s, c)
		}
		if r := readable(c); r != "#000000" && r != "#FFFFFF" {
			t.Errorf("%q is written in %q", c, r)
		}
	})
}

package viewer

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// fieldOptions are how a column's values are shown.
type fieldOptions struct {
	Unit        string       `json:"unit"`
	Decimals    *int         `json:"decimals"`
	Min         *float64     `json:"min"`
	Max         *float64     `json:"max"`
	DisplayName string       `json:"displayName"`
	NoValue     string       `json:"noValue"`
	Mappings    []mapping    `json:"mappings"`
	Thresholds  thresholds   `json:"thresholds"`
	Color       fieldColor   `json:"color"`
	Links       []link       `json:"links"`
	Custom      customConfig `json:"custom"`
}

type fieldColor struct {
	Mode       string `json:"mode"`
	FixedColor string `json:"fixedColor"`
}

type thresholds struct {
	Mode  string `json:"mode"` // absolute or percentage
	Steps []struct {
		Color string   `json:"color"`
		Value *float64 `json:"value"` // nil: from minus infinity
	} `json:"steps"`
}

// customConfig is what the drawn panel kinds have beside the common options.
type customConfig struct {
	Width             int             `json:"width"`
	Align             string          `json:"align"`
	Hidden            bool            `json:"hidden"`
	WrapText          bool            `json:"wrapText"`
	CellOptions       cellOptions     `json:"cellOptions"`
	AxisPlacement     string          `json:"axisPlacement"`
	AxisLabel         string          `json:"axisLabel"`
	DrawStyle         string          `json:"drawStyle"`
	LineInterpolation string          `json:"lineInterpolation"`
	LineWidth         *float64        `json:"lineWidth"`
	FillOpacity       float64         `json:"fillOpacity"`
	SpanNulls         json.RawMessage `json:"spanNulls"`
	Stacking          struct {
		Mode string `json:"mode"`
	} `json:"stacking"`
	HideFrom struct {
		Viz bool `json:"viz"`
	} `json:"hideFrom"`
}

type cellOptions struct {
	Type string `json:"type"`
	Mode string `json:"mode"`
}

// mapping replaces values by words and colours.
type mapping struct {
	Type    string          `json:"type"` // value, range, regex, special
	Options json.RawMessage `json:"options"`
}

type mapped struct {
	Text  string `json:"text"`
	Color string `json:"color"`
}

// configure gives every field its options: the panel's defaults, then the overrides that match it,
// in order. What an override says wrongly is left out, as Grafana does.
func (c fieldConfig) configure(f frame) error {
	for _, x := range f.Fields {
		var o fieldOptions
		if len(c.Defaults) > 0 {
			if err := json.Unmarshal(c.Defaults, &o); err != nil {
				return fmt.Errorf("read field options: %w", err)
			}
		}
		for _, over := range c.Overrides {
			if !over.matches(x, f) {
				continue
			}
			for _, p := range over.Properties {
				if err := o.set(p.ID, p.Value); err != nil {
					return fmt.Errorf("read field option %s of %s: %w", p.ID, x.Name, err)
				}
			}
		}
		x.fieldOptions = o
	}
	return nil
}

func (o override) matches(x *field, f frame) bool {
	var name string
	_ = json.Unmarshal(o.Matcher.Options, &name) // "" where it is not a string
	switch o.Matcher.ID {
	case "byName":
		return x.Name == name
	case "byRegexp":
		re, err := slashed(name)
		return err == nil && re.MatchString(x.Name)
	case "byType":
		return string(x.Kind) == name
	case "byFrameRefID":
		return f.RefID == name
	case "byNames":
		var names struct {
			Mode  string
			Names []string
		}
		_ = json.Unmarshal(o.Matcher.Options, &names)
		return slices.Contains(names.Names, x.Name) != (names.Mode == "exclude")
	}
	return false
}

// set puts one property where it belongs; custom.a.b is a path.
func (o *fieldOptions) set(id string, value json.RawMessage) error {
	path := strings.Split(id, ".")
	doc := value
	for i := len(path) - 1; i >= 0; i-- {
		raw, err := json.Marshal(map[string]json.RawMessage{path[i]: doc})
		if err != nil {
			return err
		}
		doc = raw
	}
	switch path[0] { // decoding adds to what is there: lists and structs of their own begin anew
	case "mappings":
		o.Mappings = nil
	case "thresholds":
		o.Thresholds = thresholds{}
	case "links":
		o.Links = nil
	case "color":
		o.Color = fieldColor{}
	}
	return json.Unmarshal(doc, o)
}

// title is the name that a reader sees.
func (f *field) title() string {
	if f.DisplayName != "" {
		return f.DisplayName
	}
	return f.Name
}

// hidden says whether the field is there for links alone.
func (f *field) hidden() bool { return f.Custom.Hidden || f.Custom.HideFrom.Viz }

// mapped finds the words and colour that replace a value.
func (f *field) mapped(v any) (mapped, bool) {
	for _, m := range f.Mappings {
		if to, ok := m.apply(v); ok {
			return to, true
		}
	}
	return mapped{}, false
}

func (m mapping) apply(v any) (mapped, bool) {
	switch m.Type {
	case "value":
		var byValue map[string]mapped
		if json.Unmarshal(m.Options, &byValue) != nil || v == nil {
			return mapped{}, false
		}
		to, ok := byValue[plain(v)]
		return to, ok
	case "range":
		var o struct {
			From, To *float64
			Result   mapped
		}
		n, isNumber := v.(float64)
		if json.Unmarshal(m.Options, &o) != nil || !isNumber {
			return mapped{}, false
		}
		return o.Result, (o.From == nil || n >= *o.From) && (o.To == nil || n <= *o.To)
	case "regex":
		var o struct {
			Pattern string
			Result  mapped
		}
		if json.Unmarshal(m.Options, &o) != nil || v == nil {
			return mapped{}, false
		}
		re, err := slashed(o.Pattern)
		if err != nil || !re.MatchString(plain(v)) {
			return mapped{}, false
		}
		if o.Result.Text != "" {
			o.Result.Text = re.ReplaceAllString(plain(v), o.Result.Text)
		}
		return o.Result, true
	case "special":
		var o struct {
			Match  string
			Result mapped
		}
		if json.Unmarshal(m.Options, &o) != nil {
			return mapped{}, false
		}
		switch o.Match {
		case "null", "null+nan":
			return o.Result, v == nil
		case "true", "false":
			return o.Result, plain(v) == o.Match
		case "empty":
			return o.Result, v == ""
		}
	}
	return mapped{}, false
}

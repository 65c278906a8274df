package viewer

import (
	"encoding/json"
	"errors"
	"fmt"
)

// dashboard is what the viewer reads of Grafana's dashboard JSON (schema version 42). Keys that are
// not here have no meaning without Grafana's own screen.
type dashboard struct {
	UID         string  `json:"uid"`
	Title       string  `json:"title"`
	Description string  `json:"description"`
	Timezone    string  `json:"timezone"` // "", browser, utc or an IANA name
	Links       []link  `json:"links"`
	Panels      []panel `json:"panels"`
	Time        struct {
		From string `json:"from"`
		To   string `json:"to"`
	} `json:"time"`
	Templating struct {
		List []variable `json:"list"`
	} `json:"templating"`
	Annotations struct {
		List []annotation `json:"list"`
	} `json:"annotations"`
}

// panel is a panel or, with Type row, a heading over the panels that follow. A collapsed row holds
// its panels itself.
type panel struct {
	ID              int              `json:"id"`
	Type            string           `json:"type"`
	Title           string           `json:"title"`
	Description     string           `json:"description"`
	GridPos         gridPos          `json:"gridPos"`
	Targets         []target         `json:"targets"`
	Options         options          `json:"options"`
	FieldConfig     fieldConfig      `json:"fieldConfig"`
	Transformations []transformation `json:"transformations"`
	Links           []link           `json:"links"`
	Interval        string           `json:"interval"`
	MaxDataPoints   float64          `json:"maxDataPoints"`
	TimeFrom        string           `json:"timeFrom"` // a time range of its own, such as 7d
	TimeShift       string           `json:"timeShift"`
	Repeat          string           `json:"repeat"`
	Panels          []panel          `json:"panels"`
}

// gridPos is in 24 columns, and rows of 30 pixels with 8 between them.
type gridPos struct{ H, W, X, Y int }

type target struct {
	RefID  string `json:"refId"`
	Format string `json:"format"` // table or time_series
	RawSQL string `json:"rawSql"`
	Hide   bool   `json:"hide"`
}

// options are those of the panel kinds that are drawn; a kind has some of them.
type options struct {
	XField        string            `json:"xField"`
	Orientation   string            `json:"orientation"`
	Stacking      string            `json:"stacking"`
	ColorByField  string            `json:"colorByField"`
	Fields        map[string]string `json:"fields"` // of a candlestick: open, high, low, close, volume
	Mode          string            `json:"mode"`
	Colors        map[string]string `json:"colors"` // of a candlestick: up, down, flat
	Content       string            `json:"content"`
	TextMode      string            `json:"textMode"`
	ColorMode     string            `json:"colorMode"`
	GraphMode     string            `json:"graphMode"`
	ReduceOptions struct {
		Calcs  []string `json:"calcs"`
		Fields string   `json:"fields"`
		Values bool     `json:"values"`
		Limit  int      `json:"limit"`
	} `json:"reduceOptions"`
	SortBy []struct {
		DisplayName string `json:"displayName"`
		Desc        bool   `json:"desc"`
	} `json:"sortBy"`
	Legend struct {
		ShowLegend *bool `json:"showLegend"`
	} `json:"legend"`
}

type fieldConfig struct {
	Defaults  json.RawMessage `json:"defaults"` // a fieldOptions, decoded anew for every field
	Overrides []override      `json:"overrides"`
}

type override struct {
	Matcher struct {
		ID      string          `json:"id"`
		Options json.RawMessage `json:"options"`
	} `json:"matcher"`
	Properties []struct {
		ID    string          `json:"id"`
		Value json.RawMessage `json:"value"`
	} `json:"properties"`
}

type transformation struct {
	ID       string          `json:"id"`
	Disabled bool            `json:"disabled"`
	Options  json.RawMessage `json:"options"`
}

// link goes to an address (of a dashboard, a panel, a field) or to dashboards by their tags.
type link struct {
	Title       string   `json:"title"`
	Type        string   `json:"type"` // link or dashboards; empty for panels and fields
	URL         string   `json:"url"`
	Tags        []string `json:"tags"`
	IncludeVars bool     `json:"includeVars"`
	KeepTime    bool     `json:"keepTime"`
	TargetBlank bool     `json:"targetBlank"`
}

type annotation struct {
	Name      string `json:"name"`
	Enable    bool   `json:"enable"`
	IconColor string `json:"iconColor"`
	Target    target `json:"target"`
	Filter    *struct {
		Exclude bool  `json:"exclude"`
		IDs     []int `json:"ids"`
	} `json:"filter"`
}

// on says whether the annotation is drawn on the panel.
func (a annotation) on(p panel) bool {
	if !a.Enable || a.Target.RawSQL == "" {
		return false
	}
	if a.Filter == nil {
		return true
	}
	for _, id := range a.Filter.IDs {
		if id == p.ID {
			return !a.Filter.Exclude
		}
	}
	return a.Filter.Exclude
}

// parse reads a dashboard and refuses one that cannot be addressed.
func parse(raw []byte) (*dashboard, error) {
	var d dashboard
	if err := json.Unmarshal(raw, &d); err != nil {
		return nil, fmt.Errorf("read dashboard: %w", err)
	}
	if d.UID == "" {
		return nil, errors.New("read dashboard: it has no uid")
	}
	for _, v := range d.Templating.List {
		if !v.known() {
			return nil, fmt.Errorf("read dashboard %s: variable %s is of type %s, which the viewer does not know", d.UID, v.Name, v.Type)
		}
	}
	d.Panels = flatten(d.Panels)
	return &d, nil
}

// flatten puts the panels of collapsed rows behind their rows, and in reading order.
func flatten(panels []panel) []panel {
	var all []panel
	for _, p := range panels {
		inner := p.Panels
		p.Panels = nil
		all = append(all, p)
		all = append(all, flatten(inner)...)
	}
	return all
}

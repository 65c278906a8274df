package dashboards

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// Lint says what is wrong with the dashboards as they are rendered; nothing is good. It finds what neither
// the SDK nor Grafana complains of and a reader would meet: a variable that does not exist or is not
// quoted, panels on each other, a link to nowhere, a panel that does not say what it shows or why it is
// empty. Errors are those of building.
func Lint() ([]string, error) {
	var all []string
	seen := map[string]bool{}
	for _, d := range definitions() {
		name := d.name
		raw, err := Render(name)
		if err != nil {
			return nil, err
		}
		if err := strict(d); err != nil {
			all = append(all, name+": "+err.Error())
		}
		for _, p := range lint(name, raw) {
			all = append(all, name+": "+p)
		}
		if seen[name] || len(name) > 40 {
			all = append(all, name+": the uid is taken or longer than 40 characters")
		}
		seen[name] = true
	}
	return all, nil
}

// strict has the SDK decode what it made, which refuses keys and types that Grafana does not have, before
// encode sets right what the SDK itself gets wrong.
func strict(d definition) error {
	plugins.RegisterDefaultPlugins()
	cog.NewRuntime().RegisterDataqueryVariant(decoder())
	built, err := build(d)
	if err != nil {
		return err
	}
	raw, err := json.Marshal(built)
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	var back dashboard.Dashboard
	if err := back.UnmarshalJSONStrict(raw); err != nil {
		return fmt.Errorf("decode strictly: %w", err)
	}
	for _, p := range back.Panels {
		for _, q := range p.Panel.Targets {
			if _, ok := q.(target); !ok {
				return fmt.Errorf("panel %s: a query came back as %T", *p.Panel.Title, q)
			}
		}
	}
	return nil
}

// linted is what the linter reads of a dashboard.
type linted struct {
	UID, Title, Description, Timezone string
	Tags                              []string
	Panels                            []lintedPanel
	Templating                        struct{ List []lintedVariable }
	Annotations                       struct{ List []lintedAnnotation }
}

type lintedPanel struct {
	ID                       int
	Title, Type, Description string
	GridPos                  struct{ X, Y, W, H int }
	Datasource               struct{ UID string }
	Options                  map[string]any
	Targets                  []lintedTarget
	FieldConfig              struct {
		Defaults  struct{ NoValue string }
		Overrides []json.RawMessage
	}
}

type lintedTarget struct {
	RefID, RawSQL string
	Datasource    struct{ UID, Type string }
}

type lintedVariable struct {
	Name, Type, Label string
	Query             json.RawMessage
	Datasource        *struct{ UID string }
}

type lintedAnnotation struct {
	Name, IconColor string
	Target          lintedTarget
	Filter          struct{ IDs []int }
}

func lint(name string, raw []byte) []string {
	var d linted
	if err := json.Unmarshal(raw, &d); err != nil {
		return []string{err.Error()}
	}
	l := &linter{variables: map[string]bool{}}
	if d.UID != name || d.Title == "" || d.Description == "" || d.Timezone != "utc" || !slices.Contains(d.Tags, tag) {
		l.add("uid, title, description, time zone or tag is missing or wrong")
	}
	for _, v := range d.Templating.List {
		l.variable(v)
	}
	for _, needed := range []string{varHorizon, varBasis, varModel, varOrigin, varSentiment, varConfidence} {
		if !l.variables[needed] {
			l.add("variable %s is missing", needed)
		}
	}
	if !l.variables[varAsset] && !l.variables["symbol"] {
		l.add("there is no variable for the asset")
	}
	l.layout(d.Panels)
	ids := map[int]bool{}
	for _, p := range d.Panels {
		if p.ID == 0 || ids[p.ID] {
			l.add("panel %q: id %d is missing or taken", p.Title, p.ID)
		}
		ids[p.ID] = true
		l.panel(p)
	}
	for _, a := range d.Annotations.List {
		l.sql("annotation "+a.Name, a.Target)
		l.color("annotation "+a.Name, a.IconColor)
		for _, id := range a.Filter.IDs {
			if !ids[id] {
				l.add("annotation %s is for panel %d, which is not there", a.Name, id)
			}
		}
	}
	l.text(string(raw))
	return l.found
}

type linter struct {
	found     []string
	variables map[string]bool
}

func (l *linter) add(format string, args ...any) {
	l.found = append(l.found, fmt.Sprintf(format, args...))
}

func (l *linter) variable(v lintedVariable) {
	if v.Name == "" || v.Label == "" || l.variables[v.Name] {
		l.add("variable %q has no name or label, or its name is taken", v.Name)
	}
	if v.Type == "query" {
		var sql string
		if json.Unmarshal(v.Query, &sql) != nil || v.Datasource == nil {
			l.add("variable %s has no SQL or no data source", v.Name)
			return
		}
		t := lintedTarget{RefID: "variable", RawSQL: sql}
		t.Datasource.UID, t.Datasource.Type = v.Datasource.UID, pluginID
		l.sql("variable "+v.Name, t) // it may use those before it alone
	}
	l.variables[v.Name] = true
}

func (l *linter) layout(panels []lintedPanel) {
	taken := map[[2]int]string{}
	for _, p := range panels {
		g := p.GridPos
		if g.X+g.W > 24 || g.W < 6 || g.H < 4 {
			l.add("panel %q is %d wide and %d high at %d: it must be at least 6 by 4 within 24 columns", p.Title, g.W, g.H, g.X)
		}
		for x := g.X; x < g.X+g.W; x++ {
			for y := g.Y; y < g.Y+g.H; y++ {
				if other, ok := taken[[2]int{x, y}]; ok {
					l.add("panel %q lies on %q", p.Title, other)
					return
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
	}
}

func (l *linter) panel(p lintedPanel) {
	if p.Title == "" || len(p.Description) < 20 || p.FieldConfig.Defaults.NoValue == "" || len(p.Targets) == 0 {
		l.add("panel %q has no title, no description that says what it shows, no words for having nothing, or no query", p.Title)
	}
	if p.Datasource.UID != dataSourceUID {
		l.add("panel %q has another data source", p.Title)
	}
	refs := map[string]bool{}
	for _, t := range p.Targets {
		if refs[t.RefID] {
			l.add("panel %q: refId %s is taken", p.Title, t.RefID)
		}
		refs[t.RefID] = true
		l.sql("panel "+p.Title, t)
	}
	l.emptyOptions(p.Title, p.Options)
}

// emptyOptions finds empty strings: the SDK writes them for enums that were not set, and Grafana has no
// such value.
func (l *linter) emptyOptions(path string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for key, inner := range v {
			l.emptyOptions(path+"."+key, inner)
		}
	case []any:
		for _, inner := range v {
			l.emptyOptions(path, inner)
		}
	case string:
		if v == "" {
			l.add("option %s is an empty string", path)
		}
	}
}

var (
	// Grafana's own expression for variables, and the functions of its data source.
	variableReference = regexp.MustCompile(`\$\{(\w+)(?:\.[^:}]+)?(?::([^}]+))?\}|\[\[(\w+)(?::(\w+))?\]\]|\$([a-zA-Z_]\w*)`)
	tableReference    = regexp.MustCompile(`(?i)\b(?:from|join)\s+(?:lateral\s+)?([a-z_][a-z_0-9.]*)`)
	withReference     = regexp.MustCompile(`(?i)(?:\bwith|,)\s+([a-z_]+) as (?:materialized )?\(`)
	writing           = regexp.MustCompile(`(?i)\b(?:insert|update|delete|drop|alter|create|grant|truncate|copy|set|call|do)\s`)
)

func (l *linter) sql(where string, t lintedTarget) {
	if t.RefID == "" || t.RawSQL == "" || t.Datasource.UID != dataSourceUID || t.Datasource.Type != pluginID {
		l.add("%s has no refId, no SQL or another data source", where)
	}
	for _, m := range variableReference.FindAllStringSubmatch(t.RawSQL, -1) {
		name, format := m[1]+m[3]+m[5], m[2]+m[4]
		switch {
		case strings.HasPrefix(name, "__"):
		case !l.variables[name]:
			l.add("%s: there is no variable %s", where, name)
		case format != "sqlstring":
			l.add("%s: %s is not quoted: write ${%s:sqlstring}", where, m[0], name)
		}
	}
	for _, bad := range []string{"--", "/*", ";", "now'"} {
		if strings.Contains(t.RawSQL, bad) {
			l.add("%s: SQL with %s: Grafana expands macros in comments, and sends several statements as one", where, bad)
		}
	}
	if m := writing.FindString(t.RawSQL); m != "" {
		l.add("%s: SQL that begins to write: %s", where, m)
	}
	own := []string{"unnest", "generate_series"}
	for _, m := range withReference.FindAllStringSubmatch(t.RawSQL, -1) {
		own = append(own, m[1])
	}
	for _, m := range tableReference.FindAllStringSubmatchIndex(t.RawSQL, -1) {
		name := t.RawSQL[m[2]:m[3]]
		extracted := regexp.MustCompile(`(?i)(?:extract\(epoch|substring\([^()]*|distinct)\s+$`).MatchString(t.RawSQL[:m[0]]) // FROM of an expression
		if !extracted && !strings.EqualFold(name, "lateral") && !strings.HasPrefix(name, "readmodel.") && !strings.HasPrefix(name, "ops.") && !slices.Contains(own, name) {
			l.add("%s reads %s, which is not of the read model", where, name)
		}
	}
}

func (l *linter) color(where, color string) {
	if color == colorPlain {
		return
	}
	for _, known := range palette() {
		if color == known {
			return
		}
	}
	l.add("%s: colour %s is not of the palette", where, color)
}

// text checks what stands anywhere in the JSON: colours, and links to dashboards and their variables.
func (l *linter) text(raw string) {
	for _, m := range regexp.MustCompile(`"(?:color|fixedColor|up|down|flat)": "([^"]+)"`).FindAllStringSubmatch(raw, -1) {
		l.color("field", m[1])
	}
	for _, m := range regexp.MustCompile(`"url": "/d/([\w-]+)\?([^"]*)"`).FindAllStringSubmatch(raw, -1) {
		choices, err := Choices(m[1])
		if err != nil {
			l.add("a link leads to dashboard %s, which is not there", m[1])
			continue
		}
		for _, v := range regexp.MustCompile(`var-(\w+)=|\$\{(\w+):queryparam\}`).FindAllStringSubmatch(m[2], -1) {
			if !slices.ContainsFunc(choices, func(c Choice) bool { return c.Name == v[1]+v[2] }) {
				l.add("a link gives dashboard %s a variable %s that it does not have", m[1], v[1]+v[2])
			}
			if v[2] != "" && !l.variables[v[2]] {
				l.add("a link passes on a variable %s that is not here", v[2])
			}
		}
	}
	for _, m := range regexp.MustCompile(`"title": "([^"]*)"`).FindAllStringSubmatch(raw, -1) {
		for _, v := range variableReference.FindAllStringSubmatch(m[1], -1) {
			if name := v[1] + v[3] + v[5]; !l.variables[name] && name != "__value" {
				l.add("title %q names a variable that is not here", m[1])
			}
		}
	}
}

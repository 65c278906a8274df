package dashboards

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"gopkg.in/yaml.v3"
)

func rendered(t *testing.T, name string) []byte {
	t.Helper()
	raw, err := Render(name)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestRenderIsDeterministic(t *testing.T) {
	for _, name := range Names() {
		if !bytes.Equal(rendered(t, name), rendered(t, name)) {
			t.Errorf("%s renders differently each time", name)
		}
	}
	if _, err := Render("nope"); !errors.Is(err, ErrUnknown) || !strings.Contains(err.Error(), "overview") {
		t.Errorf("error does not say what there is: %v", err)
	}
}

// The SDK's strict decoder is the judge of keys and types, before encode sets right what the SDK
// itself gets wrong; it must find our own query type.
func TestStrictRoundTrip(t *testing.T) {
	plugins.RegisterDefaultPlugins()
	cog.NewRuntime().RegisterDataqueryVariant(decoder())
	for _, definition := range definitions() {
		name := definition.name
		built, err := build(definition)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := json.Marshal(built)
		if err != nil {
			t.Fatal(err)
		}
		var d dashboard.Dashboard
		if err := d.UnmarshalJSONStrict(raw); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, p := range d.Panels {
			for _, q := range p.Panel.Targets {
				if _, ok := q.(target); !ok {
					t.Errorf("%s: a query came back as %T", *p.Panel.Title, q)
				}
			}
		}
	}
}

// grafana is what Grafana itself reads of a dashboard.
type grafana struct {
	UID    string
	Panels []struct {
		ID      int
		Title   string
		Type    string
		GridPos struct{ X, Y, W, H int }
		Options map[string]any
		Targets []struct {
			RefID      string
			Datasource struct{ UID, Type string }
		}
	}
	Templating  struct{ List []struct{ Name string } }
	Annotations struct {
		List []struct{ Filter struct{ IDs []int } }
	}
}

func TestLayout(t *testing.T) {
	uids := map[string]bool{}
	for _, name := range Names() {
		var d grafana
		if err := json.Unmarshal(rendered(t, name), &d); err != nil {
			t.Fatal(err)
		}
		if d.UID != name || len(d.UID) > 40 || uids[d.UID] {
			t.Errorf("uid %q of %s is too long, taken, or another name", d.UID, name)
		}
		uids[d.UID] = true
		ids := map[int]bool{}
		taken := map[[2]int]string{}
		for _, p := range d.Panels {
			if p.ID == 0 || ids[p.ID] {
				t.Errorf("%s: id %d is missing or taken", p.Title, p.ID)
			}
			ids[p.ID] = true
			for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
				for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
					if other, ok := taken[[2]int{x, y}]; ok || x >= 24 {
						t.Fatalf("%s lies on %q or beyond 24 columns", p.Title, other)
					}
					taken[[2]int{x, y}] = p.Title
				}
			}
			for _, q := range p.Targets {
				if q.RefID == "" || q.Datasource.UID != dataSourceUID || q.Datasource.Type != pluginID {
					t.Errorf("%s: bad target %+v", p.Title, q)
				}
			}
			emptyOptions(t, p.Title, p.Options)
		}
		for _, a := range d.Annotations.List {
			for _, id := range a.Filter.IDs {
				if !ids[id] {
					t.Errorf("an annotation is for panel %d, which is not there", id)
				}
			}
		}
	}
}

// emptyOptions refuses empty strings in options: the SDK writes them for enums that were not set,
// and Grafana has no such value.
func emptyOptions(t *testing.T, path string, v any) {
	t.Helper()
	switch v := v.(type) {
	case map[string]any:
		for key, inner := range v {
			emptyOptions(t, path+"."+key, inner)
		}
	case []any:
		for _, inner := range v {
			emptyOptions(t, path, inner)
		}
	case string:
		if v == "" {
			t.Errorf("%s is an empty string", path)
		}
	}
}

// Every variable that a query names exists, is quoted, and no query reads more than the read model.
func TestQueries(t *testing.T) {
	queries, err := Queries()
	if err != nil {
		t.Fatal(err)
	}
	if len(queries) != 6 { // four panels, one variable, one annotation
		t.Errorf("%d queries", len(queries))
	}
	variables := map[string]bool{}
	for _, name := range Names() {
		var d grafana
		if err := json.Unmarshal(rendered(t, name), &d); err != nil {
			t.Fatal(err)
		}
		for _, v := range d.Templating.List {
			variables[v.Name] = true
		}
	}
	reference := regexp.MustCompile(`\$\{(\w+)(:\w+)?\}|\$([a-zA-Z]\w*)`)
	table := regexp.MustCompile(`(?i)\b(?:from|join)\s+([a-z_.]+)`)
	for _, q := range queries {
		for _, m := range reference.FindAllStringSubmatch(q.SQL, -1) {
			if m[2] != ":sqlstring" || !variables[m[1]] {
				t.Errorf("%s: %s is no quoted variable of the dashboard", q.Name, m[0])
			}
		}
		if strings.Contains(q.SQL, "--") || strings.Contains(q.SQL, ";") {
			t.Errorf("%s: a comment or a second statement", q.Name)
		}
		for _, m := range table.FindAllStringSubmatch(q.SQL, -1) {
			if !strings.HasPrefix(m[1], "readmodel.") && m[1] != "chosen" && m[1] != "LATERAL" {
				t.Errorf("%s reads %s", q.Name, m[1])
			}
		}
	}
}

// Grafana reads the YAML leniently: a wrong key would be dropped without a word.
func TestProvisioning(t *testing.T) {
	files, err := Files("/mnt/a \"folder\": x")
	if err != nil {
		t.Fatal(err)
	}
	var source struct {
		APIVersion  int `yaml:"apiVersion"`
		Prune       bool
		Datasources []struct {
			Name, UID, Type, Access, URL, User string
			OrgID                              int  `yaml:"orgId"`
			IsDefault                          bool `yaml:"isDefault"`
			Editable                           bool
			SecureJSONData                     map[string]string `yaml:"secureJsonData"`
			JSONData                           map[string]any    `yaml:"jsonData"`
		}
	}
	var provider struct {
		APIVersion int `yaml:"apiVersion"`
		Providers  []struct {
			Name, Type, Folder    string
			OrgID                 int    `yaml:"orgId"`
			FolderUID             string `yaml:"folderUid"`
			DisableDeletion       bool   `yaml:"disableDeletion"`
			AllowUIUpdates        bool   `yaml:"allowUiUpdates"`
			UpdateIntervalSeconds int    `yaml:"updateIntervalSeconds"`
			Options               map[string]string
		}
	}
	for path, into := range map[string]any{"provisioning/datasources/readmodel.yaml": &source, "provisioning/dashboards/generated.yaml": &provider} {
		decoder := yaml.NewDecoder(bytes.NewReader(find(t, files, path)))
		decoder.KnownFields(true)
		if err := decoder.Decode(into); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
	}
	s := source.Datasources[0]
	if s.UID != dataSourceUID || s.Type != pluginID || s.JSONData["database"] == nil || s.SecureJSONData["password"] != "${GRAFANA_DB_PASSWORD}" {
		t.Errorf("data source is %+v", s)
	}
	if got := provider.Providers[0].Options["path"]; got != "/mnt/a \"folder\": x/dashboards" {
		t.Errorf("provider reads %q", got)
	}
	named := map[string]bool{}
	for _, m := range regexp.MustCompile(`\$\{(\w+)\}`).FindAllStringSubmatch(dataSourceYAML, -1) {
		named[m[1]] = true
	}
	for _, v := range Variables() {
		if !named[v.Name] {
			t.Errorf("%s is listed but not used", v.Name)
		}
		delete(named, v.Name)
	}
	if len(named) > 0 {
		t.Errorf("used but not listed: %v", named)
	}
	if _, err := Files("relative"); err == nil {
		t.Error("a relative folder was taken")
	}
}

func find(t *testing.T, files []File, path string) []byte {
	t.Helper()
	for _, f := range files {
		if f.Path == path {
			return f.Data
		}
	}
	t.Fatalf("no file %s", path)
	return nil
}

func TestWriteReplaces(t *testing.T) {
	dir := t.TempDir()
	files, err := Files(dir)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := Write(dir, files); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range files {
		raw, err := os.ReadFile(filepath.Join(dir, f.Path))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(raw, f.Data) {
			t.Errorf("%s differs", f.Path)
		}
	}
}

// The renderer must not grow into a service.
func TestLinksLittle(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "./cmd/dashboards").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, banned := range []string{"jackc/pgx", "duckdb", "openai", "aws-sdk-go", "parquet", "embedded-postgres"} {
		if strings.Contains(string(out), banned) {
			t.Errorf("dashboards links %s", banned)
		}
	}
}

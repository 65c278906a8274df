package dashboards

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

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
		decoder := yaml.NewDecoder(bytes.NewReader(fileAt(t, files, path)))
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

func fileAt(t *testing.T, files []File, path string) []byte {
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

// The command must not grow into a service of another kind, and the dashboards themselves need no database.
func TestLinksLittle(t *testing.T) {
	for of, banned := range map[string][]string{"./cmd/dashboards": {"duckdb", "openai", "aws-sdk-go", "parquet", "embedded-postgres"}, ".": {"jackc/pgx"}} {
		out, err := exec.Command("go", "list", "-deps", of).Output()
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range banned {
			if strings.Contains(string(out), b) {
				t.Errorf("%s links %s", of, b)
			}
		}
	}
}

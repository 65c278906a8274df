// Package dashboards describes Grafana's dashboards over the read model as Go code and renders them
// to the files that Grafana provisions itself from: the data source, the dashboard provider and one
// JSON file per dashboard. Nothing here talks to Grafana or to a database. Each panel stands beside
// its SQL, which reads schema readmodel alone; Queries lists all of it, and package macro expands
// it for tests. Rendered for Grafana 12.3. Start with Files.
package dashboards

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// ErrUnknown is returned for a dashboard name that does not exist.
var ErrUnknown = errors.New("unknown dashboard")

// definition is a dashboard under the name that its file and its uid have.
type definition struct {
	name  string
	build func() *dashboard.DashboardBuilder
}

func definitions() []definition {
	return []definition{{"overview", overview}}
}

// Names lists the dashboards, in the order in which they are rendered.
func Names() []string {
	var names []string
	for _, d := range definitions() {
		names = append(names, d.name)
	}
	return names
}

// Render returns the JSON of one dashboard, the same bytes every time. Errors: ErrUnknown.
func Render(name string) ([]byte, error) {
	for _, d := range definitions() {
		if d.name == name {
			built, err := build(d)
			if err != nil {
				return nil, err
			}
			return encode(built)
		}
	}
	return nil, fmt.Errorf("%w %q: there is %q", ErrUnknown, name, Names())
}

func build(d definition) (dashboard.Dashboard, error) {
	built, err := d.build().Uid(d.name).Build()
	if err != nil {
		return built, fmt.Errorf("build dashboard %s: %w", d.name, err)
	}
	return built, nil
}

// encode renders a dashboard as JSON with sorted keys, after setting right what the SDK (v0.0.12)
// gets wrong: it keeps panel ids of annotation filters as bytes, which become base64, and it writes
// the footer of tables where Grafana 12.2 and newer no longer has it (grafana/grafana#102948).
func encode(d dashboard.Dashboard) ([]byte, error) {
	raw, err := json.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("encode dashboard: %w", err)
	}
	var tree map[string]any
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	if err := decoder.Decode(&tree); err != nil {
		return nil, fmt.Errorf("encode dashboard: %w", err)
	}
	for i, a := range d.Annotations.List {
		if a.Filter == nil {
			continue
		}
		list := tree["annotations"].(map[string]any)["list"].([]any) // it has an element i
		ids := []int{}
		for _, id := range a.Filter.Ids {
			ids = append(ids, int(id))
		}
		list[i].(map[string]any)["filter"].(map[string]any)["ids"] = ids
	}
	for _, p := range tree["panels"].([]any) { // every dashboard has some
		if options, ok := p.(map[string]any)["options"].(map[string]any); ok && p.(map[string]any)["type"] == "table" {
			delete(options, "footer")
		}
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(tree); err != nil {
		return nil, fmt.Errorf("encode dashboard: %w", err)
	}
	return out.Bytes(), nil
}

// File is one file of the provisioning tree.
type File struct {
	Path string // relative to the tree's root, with slashes
	Data []byte
}

// Files renders the whole tree. mountedAt is the absolute folder at which Grafana sees the tree's
// root; GF_PATHS_PROVISIONING must name mountedAt/provisioning.
func Files(mountedAt string) ([]File, error) {
	if !filepath.IsAbs(mountedAt) {
		return nil, fmt.Errorf("render dashboards: %q is not an absolute folder", mountedAt)
	}
	files := []File{
		{"provisioning/datasources/readmodel.yaml", []byte(dataSourceYAML)},
		{"provisioning/dashboards/generated.yaml", providerYAML(mountedAt + "/dashboards")},
	}
	for _, name := range Names() {
		raw, err := Render(name)
		if err != nil {
			return nil, err
		}
		files = append(files, File{"dashboards/" + name + ".json", raw})
	}
	return files, nil
}

// Write puts the files below dir. Each is replaced by a rename, so Grafana, which watches the
// folder, never reads a half; a crash leaves some files new, some old and one with suffix .tmp.
func Write(dir string, files []File) error {
	for _, f := range files {
		path := filepath.Join(dir, filepath.FromSlash(f.Path))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("write %s: %w", f.Path, err)
		}
		if err := os.WriteFile(path+".tmp", f.Data, fs.FileMode(0o644)); err != nil {
			return fmt.Errorf("write %s: %w", f.Path, err)
		}
		if err := os.Rename(path+".tmp", path); err != nil {
			return fmt.Errorf("write %s: %w", f.Path, err)
		}
	}
	return nil
}

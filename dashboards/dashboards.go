// Package dashboards describes Grafana's dashboards over the read model as Go code and renders them
// to the files that Grafana provisions itself from: the data source, the dashboard provider and one
// JSON file per dashboard. Nothing here talks to Grafana or to a database. Each dashboard is a file;
// each panel stands beside its SQL, which reads schemas readmodel and ops alone. What they share is in
// variables.go (the choices of a reader, and the SQL that they mean), panels.go (kinds of panels, how
// columns are shown), palette.go (what colours and words mean) and links.go. Rendered for Grafana 12.3.
//
// Start with Files. Render gives one dashboard, Queries and Choices all SQL and all variables, Lint says
// what is wrong; package macro expands the SQL as Grafana does, package check runs it on a database.
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
	return []definition{{"overview", overview}, {"signals", signals}, {"post", post}, {"asset", asset},
		{"performance", performance}, {"models", models}, {"pipeline", pipeline}}
}

// Names lists the dashboards, in the order in which they are rendered.
func Names() []string {
	var names []string
	for _, d := range definitions() {
		names = append(names, d.name)
	}
	return names
}

func find(name string) (definition, error) {
	for _, d := range definitions() {
		if d.name == name {
			return d, nil
		}
	}
	return definition{}, fmt.Errorf("%w %q: there is %q", ErrUnknown, name, Names())
}

// Render returns the JSON of one dashboard as Grafana reads it (its schema version 42): panels with kind,
// title, description, place, units, thresholds, links and SQL, variables with their queries and defaults.
// It is the same bytes every time, and all that a viewer needs. Errors: ErrUnknown.
func Render(name string) ([]byte, error) {
	d, err := find(name)
	if err != nil {
		return nil, err
	}
	built, err := build(d)
	if err != nil {
		return nil, err
	}
	return encode(built)
}

func build(d definition) (dashboard.Dashboard, error) {
	built, err := d.build().Uid(d.name).Build()
	if err != nil {
		return built, fmt.Errorf("build dashboard %s: %w", d.name, err)
	}
	place(built.Panels)
	return built, nil
}

// place puts the panels from left to right and below each other, in 24 columns. Panels side by side are as
// high as the highest of them: the SDK's own placing leaves holes, and begins a wide panel in mid-row.
func place(panels []dashboard.PanelOrRowPanel) {
	var row []*dashboard.GridPos
	x, y, high := uint32(0), uint32(0), uint32(0)
	closeRow := func() {
		for _, p := range row {
			p.H = high
		}
		x, y, high, row = 0, y+high, 0, nil
	}
	for _, p := range panels {
		if p.Panel == nil || p.Panel.GridPos == nil {
			continue
		}
		at := p.Panel.GridPos
		if x+at.W > 24 {
			closeRow()
		}
		at.X, at.Y = x, y
		x, high, row = x+at.W, max(high, at.H), append(row, at)
	}
	closeRow()
}

// encode renders a dashboard as JSON with sorted keys.
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
	correct(d, tree)
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(tree); err != nil {
		return nil, fmt.Errorf("encode dashboard: %w", err)
	}
	return out.Bytes(), nil
}

// correct sets right what the SDK (v0.0.12) gets wrong: it keeps panel ids of annotation filters as
// bytes, which become base64; it writes the footer of tables where Grafana 12.2 and newer no longer has
// it (grafana/grafana#102948); and it puts links and annotations into a menu, since that is the only
// value of their placement, where without one they stand in sight; and it gives every kind of variable
// what only intervals have.
func correct(d dashboard.Dashboard, tree map[string]any) {
	for i, a := range d.Annotations.List {
		entry := tree["annotations"].(map[string]any)["list"].([]any)[i].(map[string]any) // as in d
		delete(entry, "placement")
		if a.Filter == nil {
			continue
		}
		ids := []int{}
		for _, id := range a.Filter.Ids {
			ids = append(ids, int(id))
		}
		entry["filter"].(map[string]any)["ids"] = ids
	}
	for _, l := range tree["links"].([]any) { // every dashboard has one
		delete(l.(map[string]any), "placement")
	}
	for _, v := range tree["templating"].(map[string]any)["list"].([]any) {
		for _, key := range []string{"auto", "auto_min", "auto_count"} {
			delete(v.(map[string]any), key)
		}
	}
	for _, p := range tree["panels"].([]any) { // every dashboard has some
		if options, ok := p.(map[string]any)["options"].(map[string]any); ok && p.(map[string]any)["type"] == "table" {
			delete(options, "footer")
		}
	}
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

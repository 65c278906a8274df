package dashboards

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var schemaDir = flag.String("grafana-schema", "", "folder with @grafana/schema and typescript installed by npm: check the dashboards against Grafana's own types")

// configurations are Grafana's types of the options, and of the custom part of the fields, of each kind of panel.
func configurations() map[string][2]string {
	return map[string][2]string{"table": {"TablePanelCfg", ""}, "stat": {"StatPanelCfg", ""}, "timeseries": {"TimeSeriesPanelCfg", "FieldConfig"},
		"barchart": {"BarChartPanelCfg", "FieldConfig"}, "candlestick": {"CandlestickPanelCfg", "FieldConfig"}}
}

// literals makes of Grafana's enums the strings that stand in JSON.
const literals = "type L<T> = T extends string ? `${T}` : T extends number | boolean | null | undefined ? T : T extends (infer U)[] ? L<U>[] : T extends object ? { [K in keyof T]: L<T[K]> } : T;\n"

// typeScript is a program that compiles if the dashboards are of Grafana's types.
func typeScript(t *testing.T, name string, raw []byte) string {
	t.Helper()
	var d map[string]any
	if err := json.Unmarshal(raw, &d); err != nil {
		t.Fatal(err)
	}
	const schema = "@grafana/schema/dist/types"
	var b strings.Builder
	fmt.Fprintf(&b, "import type { Dashboard, VariableModel, AnnotationQuery, FieldConfig } from '%s/raw/dashboard/x/dashboard_types.gen.js';\nimport type { TableFieldOptions } from '%s/common/common.gen.js';\n", schema, schema)
	for kind, c := range configurations() {
		names := "Options as O_" + kind
		if c[1] != "" {
			names += ", " + c[1] + " as F_" + kind
		}
		fmt.Fprintf(&b, "import type { %s } from '%s/raw/composable/%s/panelcfg/x/%s_types.gen.js';\n", names, schema, kind, c[0])
	}
	b.WriteString("type F_table = TableFieldOptions;\ntype F_stat = {};\n" + literals)
	encode := func(v any) string {
		out, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	for i, p := range d["panels"].([]any) {
		p := p.(map[string]any)
		kind := p["type"].(string)
		if _, ok := configurations()[kind]; !ok {
			t.Fatalf("%s: no type for panels of kind %s", name, kind)
		}
		field := p["fieldConfig"].(map[string]any)
		fmt.Fprintf(&b, "const options%d: Partial<L<O_%s>> = %s;\n", i, kind, encode(p["options"]))
		defaults := field["defaults"].(map[string]any)
		if custom, ok := defaults["custom"]; ok {
			fmt.Fprintf(&b, "const custom%d: Partial<L<F_%s>> = %s;\n", i, kind, encode(custom))
			delete(defaults, "custom")
		}
		fmt.Fprintf(&b, "const defaults%d: Partial<L<FieldConfig>> = %s;\n", i, encode(defaults))
		for j, o := range field["overrides"].([]any) {
			plain, custom := map[string]any{}, map[string]any{}
			for _, property := range o.(map[string]any)["properties"].([]any) {
				property := property.(map[string]any)
				if id, ok := strings.CutPrefix(property["id"].(string), "custom."); ok {
					custom[id] = property["value"]
				} else {
					plain[property["id"].(string)] = property["value"]
				}
			}
			fmt.Fprintf(&b, "const override%d_%d: Partial<L<FieldConfig>> = %s;\n", i, j, encode(plain))
			if kind != "stat" { // its cells' options have no effect and no type
				fmt.Fprintf(&b, "const overrideCustom%d_%d: Partial<L<F_%s>> = %s;\n", i, j, kind, encode(custom))
			}
		}
	}
	for i, v := range d["templating"].(map[string]any)["list"].([]any) {
		fmt.Fprintf(&b, "const variable%d: Partial<L<VariableModel>> = %s;\n", i, encode(v))
	}
	if list, ok := d["annotations"].(map[string]any)["list"].([]any); ok {
		for i, a := range list {
			delete(a.(map[string]any), "target") // a query of a data source: of no type that Grafana publishes
			fmt.Fprintf(&b, "const annotation%d: Partial<L<AnnotationQuery>> = %s;\n", i, encode(a))
		}
	}
	for _, key := range []string{"panels", "templating", "annotations"} {
		delete(d, key)
	}
	fmt.Fprintf(&b, "const dashboard: L<Omit<Dashboard, 'panels' | 'templating' | 'annotations'>> = %s;\nexport {};\n", encode(d))
	return b.String()
}

// TestGrafanaTypes has the TypeScript compiler check all dashboards against @grafana/schema, and then that it
// refuses a wrong one. It needs npm's packages: make grafana-types.
func TestGrafanaTypes(t *testing.T) {
	if *schemaDir == "" {
		t.Skip("NOT CHECKED against Grafana's own types: run make grafana-types, which needs npm")
	}
	compile := func(programs map[string]string) (string, error) {
		args := []string{"--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext", "--moduleResolution", "nodenext"}
		for name, program := range programs {
			path := filepath.Join(*schemaDir, name+".ts")
			if err := os.WriteFile(path, []byte(program), 0o644); err != nil {
				t.Fatal(err)
			}
			defer os.Remove(path)
			args = append(args, name+".ts")
		}
		command := exec.Command(filepath.Join(*schemaDir, "node_modules", ".bin", "tsc"), args...)
		command.Dir = *schemaDir
		out, err := command.CombinedOutput()
		return string(out), err
	}
	programs := map[string]string{}
	for _, name := range Names() {
		programs[name] = typeScript(t, name, rendered(t, name))
	}
	if out, err := compile(programs); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	wrong := map[string]string{}
	for old, bad := range map[string]string{`"orientation": "auto"`: `"orientation": "sideways"`, `"cellHeight": "sm"`: `"cellHeight": "tiny"`, `"type": "color-text"`: `"type": "colour-text"`, `"graphTooltip": 1`: `"graphTooltip": "one"`} {
		raw := strings.ReplaceAll(string(rendered(t, "overview")), old, bad)
		wrong[fmt.Sprint("wrong", len(wrong))] = typeScript(t, "wrong", []byte(raw))
	}
	out, _ := compile(wrong)
	for name := range wrong {
		if !strings.Contains(out, name+".ts(") {
			t.Errorf("%s is taken: %s", name, out)
		}
	}
}

package main

import (
	"os/exec"
	"strings"
	"testing"
)

// TestBinariesLinkOnlyWhatTheyMay keeps the binaries small and the services apart: a producer that
// could reach Postgres would one day depend on it.
func TestBinariesLinkOnlyWhatTheyMay(t *testing.T) {
	const (
		pgx, duckdb, openai, grafana, aws = "jackc/pgx", "go-duckdb", "go-openai", "grafana-foundation-sdk", "aws-sdk-go"
		readmodel, projectors, producers  = "shitpost-alpha/readmodel", "shitpost-alpha/projectors", "shitpost-alpha/producers"
		dashboards, lake                  = "shitpost-alpha/dashboards", "shitpost-alpha/lake"
		arrow                             = "apache/arrow" // 20 MB, for lake export and lakesql alone
	)
	for binary, banned := range map[string][]string{
		"./producers/cmd/harvester":   {pgx, duckdb, openai, grafana, readmodel, projectors, dashboards, arrow},
		"./producers/cmd/analyzer":    {pgx, duckdb, grafana, readmodel, projectors, dashboards, arrow},
		"./producers/cmd/pricer":      {pgx, duckdb, openai, grafana, readmodel, projectors, dashboards, arrow},
		"./producers/cmd/import":      {duckdb, openai, grafana, readmodel, projectors, dashboards, arrow},
		"./projectors/cmd/projector":  {duckdb, openai, grafana, producers, dashboards, arrow},
		"./dashboards/cmd/dashboards": {aws, openai, duckdb, producers, projectors, lake + "/objects", arrow},
		".":                           {duckdb, arrow},
		"./lake/cmd/lake":             {pgx, duckdb, openai, grafana, readmodel, projectors, producers, dashboards},
		"./lake/cmd/lakesql":          {pgx, openai, grafana, producers, dashboards},
	} {
		for _, dep := range deps(t, binary) {
			for _, b := range banned {
				if strings.Contains(dep, b) {
					t.Errorf("%s links %s", binary, dep)
				}
			}
		}
	}
}

// TestPackagesMeetWhereTheyMay: producers and projectors meet only in the lake, projectors and
// dashboards only in the read model; event and readmodel need nothing but the standard library.
func TestPackagesMeetWhereTheyMay(t *testing.T) {
	const us = "shitpost-alpha/"
	for pattern, banned := range map[string][]string{
		"./lake/...":       {us + "producers", us + "projectors", us + "readmodel", us + "dashboards"},
		"./producers/...":  {us + "projectors", us + "readmodel", us + "dashboards"},
		"./projectors/...": {us + "producers", us + "dashboards"},
		"./readmodel/...":  {us + "lake", us + "producers", us + "projectors", us + "dashboards"},
		"./dashboards/...": {us + "producers", us + "projectors"},
	} {
		for _, pkg := range goList(t, "{{if not .ForTest}}{{.ImportPath}}{{end}}", pattern) {
			if strings.Contains(pkg, "/cmd/") {
				continue // mains wire across folders
			}
			for _, imp := range goList(t, `{{join .Imports "\n"}}`, pkg) {
				for _, b := range banned {
					if strings.HasPrefix(imp, b) {
						t.Errorf("%s imports %s", pkg, imp)
					}
				}
			}
		}
	}
	for _, pkg := range []string{"./lake/event", "./readmodel"} {
		for _, dep := range goList(t, "{{if not .Standard}}{{.ImportPath}}{{end}}", "-deps", pkg) {
			if !strings.HasSuffix(pkg, strings.TrimPrefix(dep, "shitpost-alpha")) {
				t.Errorf("%s needs %s, which is not in the standard library", pkg, dep)
			}
		}
	}
}

func deps(t *testing.T, pkg string) []string { return goList(t, "{{.ImportPath}}", "-deps", pkg) }

func goList(t *testing.T, format string, args ...string) []string {
	t.Helper()
	out, err := exec.Command("go", append([]string{"list", "-f", format}, args...)...).Output()
	if err != nil {
		t.Fatalf("go list %v: %v", args, err)
	}
	var lines []string
	for _, l := range strings.Split(string(out), "\n") {
		if l != "" {
			lines = append(lines, l)
		}
	}
	if len(lines) == 0 && format == "{{.ImportPath}}" {
		t.Fatalf("go list %v printed nothing", args)
	}
	return lines
}

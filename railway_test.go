package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// railwayFile is what we use of Railway's "config as code" (its reference, railway.schema.json).
type railwayFile struct {
	Schema string `json:"$schema"`
	Build  struct {
		Builder        string   `json:"builder"`
		DockerfilePath string   `json:"dockerfilePath"`
		WatchPatterns  []string `json:"watchPatterns"`
	} `json:"build"`
	Deploy struct {
		StartCommand       string `json:"startCommand"`
		HealthcheckPath    string `json:"healthcheckPath"`
		HealthcheckTimeout int    `json:"healthcheckTimeout"`
		RestartPolicyType  string `json:"restartPolicyType"`
		CronSchedule       string `json:"cronSchedule"`
	} `json:"deploy"`
}

// Every service that runs on its own has a railway.json beside its main, and each says only what
// exists. Railway itself was never asked.
func TestRailwayFiles(t *testing.T) {
	binaries := helps(t)
	files, err := filepath.Glob("*/cmd/*/railway.json")
	if err != nil || len(files) < 6 {
		t.Fatalf("only %v: %v", files, err)
	}
	for _, name := range append(files, "railway.json") {
		var f railwayFile
		d := json.NewDecoder(bytes.NewReader([]byte(read(t, name))))
		d.DisallowUnknownFields()
		if err := d.Decode(&f); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		checkRailway(t, name, f, binaries)
	}
}

func checkRailway(t *testing.T, name string, f railwayFile, binaries map[string]string) {
	t.Helper()
	if f.Build.Builder != "DOCKERFILE" || !isFile(f.Build.DockerfilePath) {
		t.Errorf("%s: builds with %s from %s", name, f.Build.Builder, f.Build.DockerfilePath)
	}
	for _, pattern := range f.Build.WatchPatterns {
		if _, err := os.Stat(strings.TrimSuffix(pattern, "/**")); err != nil {
			t.Errorf("%s: watches %s, which is not there", name, pattern)
		}
	}
	cron, stays := f.Deploy.CronSchedule != "", f.Deploy.RestartPolicyType == "ALWAYS"
	if cron == stays || cron && f.Deploy.RestartPolicyType != "NEVER" {
		t.Errorf("%s: schedule %q and restart policy %s do not go together", name, f.Deploy.CronSchedule, f.Deploy.RestartPolicyType)
	}
	if cron && !regexp.MustCompile(`^(\d+|\*/([5-9]|[1-9]\d)) (\S+ ){3}\S+$`).MatchString(f.Deploy.CronSchedule) {
		t.Errorf("%s: schedule %q: Railway takes five fields and at most one run in five minutes", name, f.Deploy.CronSchedule)
	}
	if f.Deploy.StartCommand == "" { // Grafana's own image
		if f.Build.DockerfilePath != "dashboards/Dockerfile" {
			t.Errorf("%s: no start command", name)
		}
		return
	}
	words := strings.Fields(f.Deploy.StartCommand)
	binary := filepath.Base(filepath.Dir(name))
	if name == "railway.json" {
		binary = "alpha"
	}
	if words[0] != binary || !strings.Contains(after(read(t, "Dockerfile"), " AS services\n"), "/out/"+binary+" ") {
		t.Errorf("%s starts %s, which the last image does not hold or is another's", name, words[0])
	}
	checkCommand(t, name, binary, words[1:], binaries[binary])
	if once := strings.Contains(f.Deploy.StartCommand, "--once"); once != cron {
		t.Errorf("%s: schedule %q with %q", name, f.Deploy.CronSchedule, f.Deploy.StartCommand)
	}
	if f.Deploy.HealthcheckPath != "" && (f.Deploy.HealthcheckPath != "/healthz" || !strings.Contains(f.Deploy.StartCommand, "--listen=:8080")) {
		t.Errorf("%s: asks %s of %q", name, f.Deploy.HealthcheckPath, f.Deploy.StartCommand)
	}
}

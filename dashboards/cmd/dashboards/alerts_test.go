package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"shitpost-alpha/dashboards/alerting"
	"shitpost-alpha/lake/cli"
)

const example = "../../subscribers.example.yaml"

func TestRenderAlerts(t *testing.T) {
	dir := t.TempDir()
	_, stderr, err := call(t, "render", "--out", dir, "--subscribers", example, "--daily-budget", "2.5")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"TELEGRAM_BOT_TOKEN", "TELEGRAM_CHAT_ID", "TELEGRAM_OPERATIONS_TOKEN"} {
		if !strings.Contains(stderr, name) {
			t.Errorf("variable %s is not named:\n%s", name, stderr)
		}
	}
	raw, err := os.ReadFile(filepath.Join(dir, "provisioning", "alerting", "alerting.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := alerting.Check(raw); err != nil || !strings.Contains(string(raw), "operations_alerts(now(), 2.5)") {
		t.Errorf("%v\n%s", err, raw)
	}
	stdout, _, err := call(t, "render", "--stdout", "alerting", "--subscribers", example, "--daily-budget", "2.5")
	if err != nil || stdout != string(raw) {
		t.Errorf("--stdout alerting differs from the file: %v", err)
	}
	// The rules ask the data source that the other file makes, and lie in the folder of the dashboards.
	var sources struct {
		Datasources []struct{ UID, Type string }
	}
	source, err := os.ReadFile(filepath.Join(dir, "provisioning", "datasources", "readmodel.yaml"))
	if err == nil {
		err = yaml.Unmarshal(source, &sources)
	}
	var file alerting.File
	if err == nil {
		err = json.Unmarshal(raw, &file)
	}
	if err != nil || sources.Datasources[0].UID != alerting.DataSourceUID || sources.Datasources[0].Type != alerting.PluginID {
		t.Errorf("rules ask %s of %s, the data source is %+v, %v", alerting.DataSourceUID, alerting.PluginID, sources, err)
	}
	provider, err := os.ReadFile(filepath.Join(dir, "provisioning", "dashboards", "generated.yaml"))
	if err != nil || !strings.Contains(string(provider), "folder: "+file.Groups[0].Folder+"\n") {
		t.Errorf("rules are in folder %q, dashboards are not: %v\n%s", file.Groups[0].Folder, err, provider)
	}
	// Nobody to tell: the same file takes the rules back.
	if _, _, err := call(t, "render", "--out", dir); err != nil {
		t.Fatal(err)
	}
	if raw, err = os.ReadFile(filepath.Join(dir, "provisioning", "alerting", "alerting.json")); err != nil || !strings.Contains(string(raw), "deleteRules") || strings.Contains(string(raw), "policies") {
		t.Errorf("%v\n%s", err, raw)
	}
}

func TestBadSubscribers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.yaml")
	if err := os.WriteFile(path, []byte("subscribers:\n  - name: a\n    chat_id: 1\n    minimum_confidence: 70\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, _, err := call(t, "render", "--out", t.TempDir(), "--subscribers", path)
	if !errors.Is(err, cli.ErrUsage) || !strings.Contains(err.Error(), "s.yaml:4: minimum_confidence") {
		t.Errorf("got %v", err)
	}
	if _, _, err := call(t, "render", "--out", t.TempDir(), "--daily-budget", "0"); !errors.Is(err, cli.ErrUsage) {
		t.Errorf("a budget of nothing: %v", err)
	}
}

// Compose hands Grafana what the example refers to.
func TestComposeKnowsTheVariables(t *testing.T) {
	subscribers, err := alerting.ReadSubscribers(example)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile("../../../compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var compose struct {
		Services map[string]struct{ Environment map[string]*string }
	}
	if err := yaml.Unmarshal(raw, &compose); err != nil {
		t.Fatal(err)
	}
	for _, name := range alerting.Variables(subscribers) {
		if _, ok := compose.Services["grafana"].Environment[name]; !ok {
			t.Errorf("Grafana is not told %s", name)
		}
	}
}

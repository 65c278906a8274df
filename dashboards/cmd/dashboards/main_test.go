package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"shitpost-alpha/lake/cli"
)

func call(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, errOut bytes.Buffer
	err = run(t.Context(), args, &out, &errOut)
	return out.String(), errOut.String(), err
}

func TestRenderOut(t *testing.T) {
	dir := t.TempDir()
	if _, stderr, err := call(t, "render", "--out", dir, "--mounted-at", "/grafana"); err != nil || !strings.Contains(stderr, "GRAFANA_DB_PASSWORD") {
		t.Fatalf("%v\n%s", err, stderr)
	}
	provider, err := os.ReadFile(filepath.Join(dir, "provisioning", "dashboards", "generated.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(provider), `"/grafana/dashboards"`) {
		t.Errorf("the provider does not look where Grafana sees the files:\n%s", provider)
	}
	written, err := os.ReadFile(filepath.Join(dir, "dashboards", "overview.json"))
	if err != nil {
		t.Fatal(err)
	}
	stdout, _, err := call(t, "render", "--stdout", "overview")
	if err != nil || stdout != string(written) {
		t.Errorf("--stdout differs from the file: %v", err)
	}
}

func TestList(t *testing.T) {
	stdout, _, err := call(t, "list", "--json")
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Dashboards []string
		Variables  []struct{ Name string }
	}
	if err := json.Unmarshal([]byte(stdout), &got); err != nil {
		t.Fatal(err)
	}
	if strings.Join(got.Dashboards, " ") != "overview signals post asset performance models pipeline" || len(got.Variables) != 5 {
		t.Errorf("list is %s", stdout)
	}
	if stdout, _, err := call(t, "list"); err != nil || !strings.HasPrefix(stdout, "overview\n") {
		t.Errorf("list is %q, %v", stdout, err)
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{{}, {"render"}, {"render", "--stdout", "nope"}, {"render", "--out", t.TempDir(), "--mounted-at", "relative"}, {"nope"}} {
		if _, _, err := call(t, args...); !errors.Is(err, cli.ErrUsage) {
			t.Errorf("%v: %v is no usage error", args, err)
		}
	}
}

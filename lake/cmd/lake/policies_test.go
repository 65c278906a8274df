package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"shitpost-alpha/docs/policies"
	"shitpost-alpha/lake/objects/s3/s3test"
)

// TestPoliciesMakeAGateway does what compose.yaml does: it writes the users, starts the gateway on
// them, sets the policy, and then lets every service's own key try what the service needs.
func TestPoliciesMakeAGateway(t *testing.T) {
	lake := func(args ...string) (string, error) {
		var out bytes.Buffer
		err := run(t.Context(), append([]string{"--lake", "s3://fresh/some/prefix"}, args...), &out, &out)
		return out.String(), err
	}
	dir := t.TempDir()
	users := filepath.Join(dir, "users.json")
	if _, err := lake("policies", "accounts", "--out", users); err == nil || !strings.Contains(err.Error(), "--pricer-secret") {
		t.Errorf("accounts without secrets: %v", err)
	}
	for _, s := range policies.Services() {
		t.Setenv("S3_"+strings.ToUpper(s)+"_SECRET", s+"-password")
	}
	if out, err := lake("policies", "accounts", "--out", users); err != nil || strings.Contains(out, "-password") {
		t.Fatalf("accounts: %v\n%s", err, out)
	}
	t.Setenv("VGW_IAM_DIR", dir)
	t.Setenv("VGW_META_SIDECAR", t.TempDir())
	s3test.Start(t).Setenv(t)
	for range 2 { // compose does it at every start
		if out, err := lake("policies", "put", "--create"); err != nil {
			t.Fatalf("put: %v\n%s", err, out)
		}
	}
	for service, needs := range map[string]string{
		"harvester": "harvester", "analyzer": "analyzer", "pricer": "pricer", "projector": "projector", "reader": "projector", "maintain": "maintain",
	} {
		t.Setenv("AWS_ACCESS_KEY_ID", service)
		t.Setenv("AWS_SECRET_ACCESS_KEY", service+"-password")
		if out, err := lake("doctor", "--service", needs); err != nil {
			t.Errorf("%s: %v\n%s", service, err, out)
		}
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "reader")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "reader-password")
	if _, err := lake("policies", "put"); err == nil {
		t.Error("a reader set the policy")
	}
	if _, err := lake("policies", "show", "nobody"); err == nil || !strings.Contains(err.Error(), `no policy "nobody"`) {
		t.Errorf("show nobody: %v", err)
	}
}

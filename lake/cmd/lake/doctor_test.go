package main

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/cli"
)

func TestDoctor(t *testing.T) {
	dir := newLake(t)
	out := must(t, "--lake", dir, "doctor", "--service", "harvester")
	if !strings.Contains(out, "exactly one won") || strings.Contains(out, "missing") {
		t.Errorf("doctor says:\n%s", out)
	}
	probes := map[string]lake.Verdict{}
	for line := range strings.Lines(must(t, "--lake", dir, "--json", "doctor")) {
		var f lake.Finding
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		probes[f.Place+" "+f.Probe] = f.Verdict
	}
	if probes["posts if-none-match"] != lake.Fine || probes["_leases if-match"] != lake.Fine {
		t.Errorf("probes %v", probes)
	}
	if out := must(t, "--lake", dir, "verify"); !strings.Contains(out, "orphans=0") {
		t.Errorf("verify after the doctor:\n%s", out)
	}
}

func TestDoctorFails(t *testing.T) {
	out, err := lakeCmd(t, "--lake", "/dev/null/lake", "doctor", "--service", "pricer")
	if err == nil || errors.Is(err, cli.ErrUsage) || !strings.Contains(out, "missing") || !strings.Contains(out, "what to do") {
		t.Errorf("doctor of a place that cannot be: %v\n%s", err, out)
	}
	if _, err := lakeCmd(t, "doctor", "--service", "barber"); !errors.Is(err, cli.ErrUsage) {
		t.Errorf("a service that is none: %v", err)
	}
}

package main

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestCheck: the files alone, then an empty read model, of which every panel without a count has no row.
func TestCheck(t *testing.T) {
	stdout, _, err := call(t, "check", "--subscribers", example)
	if err != nil || !strings.Contains(stdout, "7 dashboards and the alerts, 0 problems") {
		t.Errorf("%v\n%s", err, stdout)
	}
	stdout, _, err = call(t, "check", "--json", "--database", emptyModel(t))
	if err != nil {
		t.Fatalf("%v\n%s", err, stdout)
	}
	var got report
	if err := json.Unmarshal([]byte(stdout), &got); err != nil {
		t.Fatal(err)
	}
	if got.Dashboards != 7 || len(got.Problems) > 0 || got.Database.Answers != 10*got.Database.Statements || len(got.Database.Empty) < 40 || len(got.Database.Slowest) != 5 {
		t.Errorf("report is %s", stdout)
	}
}

// TestCheckFinds: what cannot be read at all is an error that names it.
func TestCheckFinds(t *testing.T) {
	if _, _, err := call(t, "check", "--database", "postgres://127.0.0.1:1/none"); err == nil || strings.Contains(err.Error(), "problems") {
		t.Errorf("a database that is not there: %v", err)
	}
	if _, _, err := call(t, "check", "--subscribers", "nowhere.yaml"); err == nil {
		t.Error("a file of subscribers that is not there was taken")
	}
}

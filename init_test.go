package main

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"shitpost-alpha/lake/cli"
)

func TestInitWritesWhatAShellCanRead(t *testing.T) {
	out := filepath.Join(t.TempDir(), ".env")
	alpha := func(args ...string) error {
		var b bytes.Buffer
		return run(t.Context(), append([]string{"init", "--out", out}, args...), &b, &b)
	}
	const nasty = `a b$HOME"\x#y`
	if err := alpha("--set", "LAKE_URL=s3://b/p", "--set", "OPENAI_API_KEY="+nasty); err != nil {
		t.Fatal(err)
	}
	shell := exec.Command("sh", "-c", `set -a; . "$0"; printf '%s|%s|%s' "$LAKE_URL" "$OPENAI_API_KEY" "$LAKE_POLL"`, out)
	shell.Env = []string{"PATH=" + os.Getenv("PATH")}
	if said, err := shell.Output(); err != nil || string(said) != "s3://b/p|"+nasty+"|" {
		t.Errorf("the shell reads %q, %v", said, err)
	}
	if st, err := os.Stat(out); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("others may read it: %v, %v", st.Mode(), err)
	}
	before, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{}, {"--force", "--set", "NO_SUCH=1"}, {"--force", "--set", "LAKE_URL=it's"}} {
		if err := alpha(args...); !errors.Is(err, cli.ErrUsage) {
			t.Errorf("init %v: %v", args, err)
		}
	}
	if after, err := os.ReadFile(out); err != nil || !bytes.Equal(before, after) {
		t.Error("a refused init changed the file")
	}
	if err := alpha("--force"); err != nil {
		t.Fatal(err)
	}
	if after, err := os.ReadFile(out); err != nil || string(after) != envExample {
		t.Error("without questions it is not the example")
	}
	for _, q := range questions() {
		if q.variable != "TELEGRAM_BOT_TOKEN" && !known(q.variable) {
			t.Errorf("init asks for %s, which .env.example does not explain", q.variable)
		}
	}
}

func TestDoctorSaysWhatIsMissing(t *testing.T) {
	wrong := serveStatus(t, 401)
	env := map[string]string{
		"LAKE_URL": filepath.Join(t.TempDir(), "lake"), "DATABASE_URL": "postgres://nobody@127.0.0.1:1/none", "POSTS_SOURCE": "scrapecreators",
		"ANALYZER": "llm", "OPENAI_API_KEY": "canary-key", "OPENAI_BASE_URL": wrong, "PRICE_SOURCE": "yahoo", "YAHOO_BASE_URL": "http://127.0.0.1:1",
		"DASHBOARDS_OUT": t.TempDir(), "SCRAPECREATORS_API_KEY": "",
	}
	for k, v := range env {
		t.Setenv(k, v)
	}
	var b bytes.Buffer
	err := run(t.Context(), []string{"doctor"}, &b, &b)
	if err == nil || !strings.Contains(err.Error(), "5 things are missing or wrong") {
		t.Errorf("doctor: %v", err)
	}
	for _, want := range []string{
		"lake       store            fine", "postgres   connect          missing", "set SCRAPECREATORS_API_KEY", "the key is refused (401)",
		"prices     yahoo            missing", "clock      time             fine", "calendar   sessions         fine", "dashboards render --out",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("it does not say %q:\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), "canary-key") {
		t.Error("it prints a secret")
	}
	for k, v := range map[string]string{"DATABASE_URL": "", "POSTS_SOURCE": "", "ANALYZER": "rules", "PRICE_SOURCE": "", "DASHBOARDS_OUT": filepath.Join(t.TempDir(), "none")} {
		t.Setenv(k, v)
	}
	b.Reset()
	if err := run(t.Context(), []string{"doctor", "--json"}, &b, &b); err != nil {
		t.Errorf("doctor on nothing but defaults: %v\n%s", err, b.String())
	}
}

// serveStatus answers everything with a status and returns its URL.
func serveStatus(t *testing.T, status int) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
	t.Cleanup(s.Close)
	return s.URL
}

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"shitpost-alpha/dashboards"
	"shitpost-alpha/lake/cli"
	"shitpost-alpha/readmodel"
	"shitpost-alpha/readmodel/readmodeltest"
)

func TestMain(m *testing.M) { os.Exit(readmodeltest.Main(m)) }

// emptyModel is a database with the read model's tables and nothing in them.
func emptyModel(t *testing.T) string {
	t.Helper()
	databaseURL, db := readmodeltest.Open(t)
	for _, sql := range []string{readmodel.RolesSQL(), readmodel.OpsSQL(), "CREATE SCHEMA " + readmodel.Schema + "; SET search_path = " + readmodel.Schema,
		readmodel.TablesSQL(), readmodel.IndexesSQL(), readmodel.ViewsSQL(), readmodel.GrantsSQL()} {
		if _, err := db.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%.60s: %v", sql, err)
		}
	}
	return databaseURL
}

// TestServe: every dashboard is a page, over a read model with nothing in it too, and a signal ends it.
func TestServe(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	database := emptyModel(t)
	out, stderr := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, []string{"serve", "--database", database, "--listen", "127.0.0.1:0"}, io.Discard, stderr)
		stderr.Close()
	}()
	lines := bufio.NewScanner(out)
	address := ""
	for address == "" && lines.Scan() {
		address = regexp.MustCompile(`http://127\.0\.0\.1:\d+/`).FindString(lines.Text())
	}
	go func() { _, _ = io.Copy(io.Discard, out) }() // its log
	if address == "" {
		t.Fatalf("it printed no address: %v", <-done)
	}
	for _, name := range dashboards.Names() {
		resp, err := http.Get(address + "d/" + name)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(body), "Light viewer") {
			t.Errorf("%s: %s, %v", name, resp.Status, err)
		}
		if found := regexp.MustCompile(`data-error>[\s\S]{0,400}`).FindString(string(body)); found != "" {
			t.Errorf("%s has a panel in error: %s", name, found)
		}
	}
	if err := run(t.Context(), []string{"serve", "--health", strings.Trim(strings.TrimPrefix(address, "http:"), "/")}, io.Discard, io.Discard); err != nil {
		t.Errorf("--health: %v", err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("stopped with %v", err)
	}
}

func TestServeUsage(t *testing.T) {
	for _, args := range [][]string{{"serve"}, {"serve", "--database", "postgres://h/d", "--listen", "nowhere"}, {"serve", "--database", "://secret"}} {
		_, _, err := call(t, args...)
		if !errors.Is(err, cli.ErrUsage) || strings.Contains(fmt.Sprint(err), "secret") {
			t.Errorf("%v: %v", args, err)
		}
	}
}

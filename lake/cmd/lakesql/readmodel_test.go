package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"shitpost-alpha/projectors"
	"shitpost-alpha/readmodel/readmodeltest"
)

// TestEqualsReadModel: posts, predictions, calls, prices and outcomes say what the read model's tables
// of the same events say, row for row and column for column.
func TestEqualsReadModel(t *testing.T) {
	dir := t.TempDir()
	l := demoLake(t, dir)
	databaseURL, conn := readmodeltest.Open(t)
	if err := projectors.New(projectors.Options{Lake: l, DatabaseURL: databaseURL}).Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		view, table string
		key         []string
		// but are the columns that only one of the two has, or has in another form.
		but []string
	}{
		{"posts", "posts", []string{"post_id"}, nil},
		{"predictions", "predictions", []string{"prediction_id"}, []string{"assets", "dropped", "is_primary"}},
		{"calls", "calls", []string{"prediction_id", "symbol"}, []string{"origin", "analyzer", "provider", "model", "prompt_version", "source", "synthetic"}},
		{"prices", "bars", []string{"symbol", "session_date", "interval", "source"}, []string{"superseded"}},
		{"outcomes", "outcomes", []string{"prediction_id", "symbol", "basis", "horizon"}, []string{"sentiment", "origin", "post_id", "published_at", "confidence"}},
	} {
		t.Run(c.view, func(t *testing.T) {
			out, err := ask(t, "--lake", dir, "--json", "SELECT * FROM "+c.view)
			if err != nil {
				t.Fatal(err)
			}
			have := keyed(t, strings.Split(strings.TrimSpace(out), "\n"), c.key, c.but)
			rows, err := conn.Query(t.Context(), "SELECT to_jsonb(t)::text FROM readmodel."+c.table+" t")
			if err != nil {
				t.Fatal(err)
			}
			var lines []string
			for rows.Next() {
				var line string
				if err := rows.Scan(&line); err != nil {
					t.Fatal(err)
				}
				lines = append(lines, line)
			}
			want := keyed(t, lines, c.key, c.but)
			if len(want) < 100 || len(have) != len(want) {
				t.Errorf("%d rows, the read model has %d", len(have), len(want))
			}
			wrong := 0
			for _, key := range slices.Sorted(maps.Keys(want)) {
				if reflect.DeepEqual(have[key], want[key]) {
					continue
				}
				if wrong++; wrong <= 3 {
					for column, v := range want[key] {
						if h := have[key][column]; !reflect.DeepEqual(h, v) {
							t.Errorf("%s: %s is %v, in the read model %v", key, column, h, v)
						}
					}
				}
			}
			if wrong > 0 {
				t.Errorf("%d rows differ", wrong)
			}
		})
	}
}

// keyed reads JSON objects by key, times as instants and without some columns.
func keyed(t *testing.T, lines, key, but []string) map[string]map[string]any {
	t.Helper()
	out := map[string]map[string]any{}
	for _, line := range lines {
		row := map[string]any{}
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		for column, v := range row {
			if slices.Contains(but, column) {
				delete(row, column)
			} else if s, ok := v.(string); ok {
				if at, err := time.Parse(time.RFC3339Nano, s); err == nil {
					row[column] = at.UTC()
				}
			}
		}
		name := ""
		for _, k := range key {
			name += fmt.Sprint(row[k], " ")
		}
		out[name] = row
	}
	return out
}

package lake

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"shitpost-alpha/lake/event"
)

// TestFormatNamesEveryColumn compares FORMAT.md with the event structs: every column stands there
// with its Delta type, and no other.
func TestFormatNamesEveryColumn(t *testing.T) {
	doc, err := os.ReadFile("FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(doc), "\n"); n > 200 {
		t.Errorf("FORMAT.md has %d lines: keep it short", n)
	}
	common := documented(t, string(doc), "All streams")
	for stream, schema := range map[string]string{
		event.Posts: schemaString[event.Post](), event.Predictions: schemaString[event.Prediction](), event.Prices: schemaString[event.Price](),
	} {
		says := documented(t, string(doc), stream)
		for column, kind := range common {
			says[column] = kind
		}
		var have struct {
			Fields []struct {
				Name string `json:"name"`
				Type any    `json:"type"`
			} `json:"fields"`
		}
		if err := json.Unmarshal([]byte(schema), &have); err != nil {
			t.Fatal(err)
		}
		for _, f := range have.Fields {
			if says[f.Name] != typeName(f.Type) {
				t.Errorf("%s: column %s is %s, FORMAT.md says %q", stream, f.Name, typeName(f.Type), says[f.Name])
			}
			delete(says, f.Name)
		}
		if len(says) > 0 {
			t.Errorf("%s: FORMAT.md names columns that are not there: %v", stream, says)
		}
	}
	for _, kind := range []event.Kind{event.PostObserved, event.PostDeleted, event.PostRedacted, event.WindowRead, event.PredictionMade, event.PostBypassed,
		event.AnalysisFailed, event.AnalysisRequeued, event.BarRecorded, event.SplitRecorded, event.SymbolUnknown, event.RecordRejected, event.Retracted} {
		if !strings.Contains(string(doc), "\n| "+string(kind)+" | ") {
			t.Errorf("FORMAT.md lacks the kind %s", kind)
		}
	}
}

// documented returns the columns of the section under a heading, with their types.
func documented(t *testing.T, doc, heading string) map[string]string {
	t.Helper()
	_, section, ok := strings.Cut(doc, "\n### "+heading+"\n")
	if !ok {
		t.Fatalf("FORMAT.md has no section %q", heading)
	}
	section, _, _ = strings.Cut(section, "\n#")
	out := map[string]string{}
	for line := range strings.Lines(section) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 || !strings.Contains(cells[1], "`") {
			continue
		}
		bare := regexp.MustCompile(`\([^)]*\)`).ReplaceAllString(cells[1], "")
		names := regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(bare, -1)
		types := splitTypes(strings.TrimSpace(cells[2]))
		for i, name := range names {
			if len(types) != 1 && len(types) != len(names) {
				t.Fatalf("%d columns, %d types: %s", len(names), len(types), line)
			}
			out[name[1]] = types[min(i, len(types)-1)]
		}
	}
	return out
}

// splitTypes splits at the commas that are not within brackets.
func splitTypes(s string) (out []string) {
	depth, start := 0, 0
	for i, r := range s {
		switch r {
		case '<':
			depth++
		case '>':
			depth--
		case ',':
			if depth == 0 {
				out, start = append(out, strings.TrimSpace(s[start:i])), i+1
			}
		}
	}
	return append(out, strings.TrimSpace(s[start:]))
}

// typeName renders a type of a Delta schema as FORMAT.md writes it.
func typeName(kind any) string {
	v, ok := kind.(map[string]any)
	if !ok {
		return fmt.Sprint(kind)
	}
	if v["type"] == "array" {
		return "array<" + typeName(v["elementType"]) + ">"
	}
	var fields []string
	for _, f := range v["fields"].([]any) {
		field := f.(map[string]any)
		fields = append(fields, fmt.Sprint(field["name"], " ", typeName(field["type"])))
	}
	return "struct<" + strings.Join(fields, ", ") + ">"
}

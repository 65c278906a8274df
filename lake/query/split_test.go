package query

import (
	"slices"
	"strings"
	"testing"
)

func TestSplit(t *testing.T) {
	for _, c := range []struct {
		script string
		want   []string
		rest   string
	}{
		{"", nil, ""},
		{"SELECT 1", nil, "SELECT 1"},
		{"SELECT 1; SELECT 2 ;\n", []string{"SELECT 1", "SELECT 2"}, ""},
		{"SELECT ';' ; SELECT \"a;b\"", []string{"SELECT ';'"}, "SELECT \"a;b\""},
		{"SELECT 'it''s; fine';", []string{"SELECT 'it''s; fine'"}, ""},
		{"-- a; comment\nSELECT 1; -- the end", []string{"-- a; comment\nSELECT 1"}, ""},
		{"SELECT /* ; */ 1;;;", []string{"SELECT /* ; */ 1"}, ""},
		{"SELECT $$a;b$$, $t$;$$;$t$;", []string{"SELECT $$a;b$$, $t$;$$;$t$"}, ""},
		{"SELECT $1;", []string{"SELECT $1"}, ""},
		{"SELECT 'open; still", nil, "SELECT 'open; still"},
		{"/* open ; ", nil, "/* open ;"},
		{"/* closed */", nil, ""},
	} {
		if got, rest := Split(c.script); !slices.Equal(got, c.want) || rest != c.rest {
			t.Errorf("%q: %q and %q, want %q and %q", c.script, got, rest, c.want, c.rest)
		}
	}
}

// FuzzSplit: no statement is empty, every word of the script is kept, and typing it line by line, as the
// shell does, cuts it in the same places.
func FuzzSplit(f *testing.F) {
	for _, s := range []string{"\v;\x80", "SELECT 1; SELECT ';' -- x;\n;", "$a$;$a$;/*;*/;", "'\n;';\";\";", "/*", "$$;"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, script string) {
		statements, rest := Split(script)
		kept := 0
		for _, s := range append(slices.Clone(statements), rest) {
			at := strings.Index(script[kept:], s)
			if at < 0 || s == "" && s != rest {
				t.Fatalf("%q: statement %q is empty or not in its place", script, s)
			}
			kept += at + len(s)
		}
		var typed []string
		pending := ""
		for _, line := range strings.SplitAfter(script, "\n") {
			var more []string
			more, pending = Split(pending + line)
			typed = append(typed, more...)
			if strings.HasSuffix(line, "\n") && pending != "" {
				pending += "\n"
			}
		}
		// Outside quotes and comments white space means nothing, and a shell does not keep that at a line's end.
		words := func(a, b string) bool { return slices.Equal(strings.Fields(a), strings.Fields(b)) }
		if !strings.ContainsAny(script, "'\"$/-") && !slices.EqualFunc(typed, statements, words) {
			t.Fatalf("%q: typed line by line %q, as a whole %q", script, typed, statements)
		}
	})
}

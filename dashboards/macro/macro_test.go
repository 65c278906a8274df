package macro

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func env() Env {
	from := time.Date(2025, 4, 12, 18, 0, 0, 0, time.UTC)
	return Env{From: from, To: from.Add(5 * time.Minute), Interval: 90 * time.Second,
		Variables: map[string][]string{"many": {"x", "o'y"}, "one": {"it's"}, "n": {"7"}}}
}

func TestExpand(t *testing.T) {
	for in, want := range map[string]string{
		"WHERE $__timeFilter(c)":                 "WHERE c BETWEEN '2025-04-12T18:00:00Z' AND '2025-04-12T18:05:00Z'",
		"a < $__timeTo() AND a >= $__timeFrom()": "a < '2025-04-12T18:05:00Z' AND a >= '2025-04-12T18:00:00Z'",
		"GROUP BY $__timeGroup(c , '5m')":        "GROUP BY floor(extract(epoch from c)/300)*300",
		"$__timeGroupAlias(c,$__interval)":       `floor(extract(epoch from c)/60)*60 AS "time"`,
		"SELECT $__timeGroup(c,'5m'), v":         `SELECT floor(extract(epoch from c)/300)*300 AS "time", v`,
		"$__timeGroup(c,'12d')":                  "floor(extract(epoch from c)/1.0368e+06)*1.0368e+06",
		"$__timeGroup(c,'2w')":                   "floor(extract(epoch from c)/1.2096e+06)*1.2096e+06",
		"$__timeGroup(c,'500ms')":                "floor(extract(epoch from c)/0.5)*0.5",
		"$__interval_ms":                         "90000",
		"a IN (${many:sqlstring})":               "a IN ('x','o''y')",
		"s = ${one:sqlstring}":                   "s = 'it''s'",
		"h = ${n:sqlstring}::int":                "h = '7'::int",
		"no macro, $1 and a regexp '^a$'":        "no macro, $1 and a regexp '^a$'",
	} {
		if got, err := env().Expand(in); err != nil || got != want {
			t.Errorf("%s\n got %s\nwant %s (%v)", in, got, want, err)
		}
	}
}

func TestExpandRefuses(t *testing.T) {
	for in, want := range map[string]string{
		"$__nope(x)":            "unknown macro",
		"$__timeFilter":         "left over",
		"${missing:sqlstring}":  "no such variable",
		"s = $one":              "only ${name:sqlstring}",
		"s = '${one}'":          "only ${name:sqlstring}",
		"h = ${n:raw}":          "only ${name:sqlstring}",
		"h = [[n]]":             "only ${name:sqlstring}",
		"$__timeGroup(c)":       "needs a column and an interval",
		"$__timeGroup(c,'1M')":  "none of ms",
		"$__timeGroup(c,'1y')":  "none of ms",
		"$__timeGroup(c,'h')":   "whole number",
		"$__timeGroup(c,'-1h')": "whole number",
	} {
		if got, err := env().Expand(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %q, %v; wanted an error with %q", in, got, err, want)
		}
	}
}

// Whatever a variable holds, it stays inside its literal.
func TestValuesStayQuoted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.String().Draw(t, "value")
		if strings.Contains(value, "$") {
			value = strings.ReplaceAll(value, "$", "")
		}
		e := env()
		e.Variables = map[string][]string{"v": {value}}
		got, err := e.Expand("${v:sqlstring}")
		if err != nil {
			t.Fatal(err)
		}
		inner, ok := strings.CutPrefix(got, "'")
		inner, ok2 := strings.CutSuffix(inner, "'")
		if !ok || !ok2 || strings.ReplaceAll(inner, "''", "'") != value || strings.Contains(strings.ReplaceAll(inner, "''", ""), "'") {
			t.Fatalf("%q became %s", value, got)
		}
	})
}

// Any statement is expanded or refused with an error that says so, and what is expanded has no macro left.
func FuzzExpand(f *testing.F) {
	for _, sql := range []string{"$__timeFilter(c)", "${many:sqlstring}", "$__timeGroup(c,'5m'),", "$__timeGroup(", "${one", "[[n]]", "$__interval_ms$__interval", "$$__timeTo()"} {
		f.Add(sql)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		got, err := env().Expand(sql)
		if err == nil && strings.Contains(got, "$__") {
			t.Fatalf("%q became %q", sql, got)
		}
	})
}

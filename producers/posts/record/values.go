package record

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"shitpost-alpha/producers/posts/plain"
)

// thousands is a number written with groups of three digits: 1,234,567.
var thousands = regexp.MustCompile(`^\d{1,3}(?:[.,]\d{3})+$`)

// decimal is a number with at most one decimal point or comma.
var decimal = regexp.MustCompile(`^\d{1,15}(?:[.,]\d{1,9})?$`)

// ParseCount reads a counter as sources write it: 1234, "1,234", "14,9k", "7,61k", "1.2M", 12.0.
// A comma is a decimal point before k, m or b, and groups digits without them. A fraction that
// the suffix does not make whole is cut.
func ParseCount(s string) (int64, error) {
	if n, err := strconv.ParseUint(s, 10, 63); err == nil && len(s) <= 15 {
		return int64(n), nil // as nearly all are
	}
	digits := strings.ToLower(strings.Join(strings.Fields(s), ""))
	scale := int64(1)
	for suffix, factor := range map[string]int64{"k": 1e3, "m": 1e6, "b": 1e9} {
		if cut, ok := strings.CutSuffix(digits, suffix); ok {
			digits, scale = cut, factor
			break
		}
	}
	switch {
	case scale == 1 && thousands.MatchString(digits):
		digits = strings.NewReplacer(".", "", ",", "").Replace(digits)
	case decimal.MatchString(digits):
		digits = strings.Replace(digits, ",", ".", 1)
	default:
		return 0, fmt.Errorf("parse count %q: want digits such as 1234, 1,234 or 1.2k", s)
	}
	exact, ok := new(big.Rat).SetString(digits)
	if !ok {
		return 0, fmt.Errorf("parse count %q: want a number", s)
	}
	exact.Mul(exact, new(big.Rat).SetInt64(scale))
	whole := new(big.Int).Quo(exact.Num(), exact.Denom())
	if !whole.IsInt64() {
		return 0, fmt.Errorf("parse count %q: too large", s)
	}
	return whole.Int64(), nil
}

// layouts are the ways in which sources write a time, the zoned ones first.
var layouts = []string{
	time.RFC3339Nano,
	"2006-01-02 15:04:05.999999999Z07:00",
	"2006-01-02T15:04:05.999999999Z0700",
	"2006-01-02 15:04:05 -0700 MST",
	"2006-01-02 15:04:05 MST",
	time.RFC1123Z,
	time.RFC1123,
	time.RubyDate,
	"2006-01-02T15:04:05.999999999",
	"2006-01-02 15:04:05.999999999",
	"2006-01-02T15:04",
	"2006-01-02 15:04",
	time.DateOnly,
}

// ParseTime reads a time as sources write it and returns it in UTC, to the microsecond. A time
// without a zone is read as UTC; a bare number is seconds or milliseconds since 1970.
func ParseTime(s string) (time.Time, error) {
	s = strings.TrimSpace(s)
	for _, layout := range layouts {
		if t, err := time.Parse(layout, s); err == nil {
			return plausible(s, t)
		}
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		if n >= 1e11 {
			return plausible(s, time.UnixMilli(n))
		}
		return plausible(s, time.Unix(n, 0))
	}
	return time.Time{}, fmt.Errorf("parse time %q: want a form such as 2025-01-31T14:05:00Z", s)
}

func plausible(s string, t time.Time) (time.Time, error) {
	t = t.UTC().Truncate(time.Microsecond)
	if t.Year() < 2000 || t.Year() > 2100 {
		return time.Time{}, fmt.Errorf("parse time %q: the year is not between 2000 and 2100", s)
	}
	return t, nil
}

// listSeparator stands between the parts of a list in one CSV field.
var listSeparator = regexp.MustCompile(`\s*[,|]\s*`)

// fields is a source document by lower-case name. Values are those of encoding/json with numbers as
// json.Number; a CSV row has strings only.
type fields map[string]any

// str returns the first of the named fields that holds text or a number, trimmed; empty if none.
func (f fields) str(names ...string) string {
	for _, name := range names {
		if s := clean(f[name]); s != "" {
			return s
		}
	}
	return ""
}

// raw returns the first of the named fields that holds any text, as it is.
func (f fields) raw(names ...string) string {
	for _, name := range names {
		if s := text(f[name]); strings.TrimSpace(s) != "" {
			return s
		}
	}
	return ""
}

// has reports whether the document has one of the fields at all, whatever its value.
func (f fields) has(names ...string) bool {
	for _, name := range names {
		if _, ok := f[name]; ok {
			return true
		}
	}
	return false
}

// count returns the first of the named counters that can be read, nil when there is none: a
// counter is not worth a post.
func (f fields) count(names ...string) *int64 {
	for _, name := range names {
		s := text(f[name])
		if s == "" {
			continue
		}
		if n, err := ParseCount(s); err == nil {
			return &n
		}
	}
	return nil
}

// flag returns a yes or no, nil when the field holds neither.
func (f fields) flag(name string) *bool {
	switch v := f[name].(type) {
	case bool:
		return &v
	case string:
		if b, err := strconv.ParseBool(v); err == nil {
			return &b
		}
	}
	return nil
}

// object returns the named field as a document of its own, empty when it is none.
func (f fields) object(name string) fields {
	m, _ := f[name].(map[string]any)
	return lower(m)
}

// list returns the strings of the first named field that is a list: of strings, of objects that
// have one of the keys, or (in CSV) a text with a JSON list or with parts between commas.
func (f fields) list(keys []string, names ...string) []string {
	var out []string
	for _, name := range names {
		for _, v := range items(f[name]) {
			s := clean(v)
			if m, ok := v.(map[string]any); ok {
				s = lower(m).str(keys...)
			}
			if s != "" {
				out = append(out, s)
			}
		}
		if len(out) > 0 {
			return out
		}
	}
	return nil
}

func items(v any) []any {
	s, ok := v.(string)
	if !ok {
		list, _ := v.([]any)
		return list
	}
	var list []any
	if strings.HasPrefix(strings.TrimSpace(s), "[") && json.Unmarshal([]byte(s), &list) == nil {
		return list
	}
	for _, part := range listSeparator.Split(s, -1) {
		list = append(list, part)
	}
	return list
}

func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	}
	return ""
}

// clean returns a text or number trimmed and as valid UTF-8.
func clean(v any) string {
	s, _ := plain.UTF8(text(v))
	return strings.TrimSpace(s)
}

func lower(m map[string]any) fields {
	if isLower(m) {
		return m
	}
	out := make(fields, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) { // sorted: two names may differ in case alone
		name := strings.ToLower(strings.TrimSpace(k))
		if _, taken := out[name]; !taken {
			out[name] = m[k]
		}
	}
	return out
}

// isLower reports whether all names are as lower makes them.
func isLower(m map[string]any) bool {
	for k := range m {
		for _, c := range []byte(k) {
			if c >= 'A' && c <= 'Z' || c <= ' ' || c >= 0x80 {
				return false
			}
		}
	}
	return true
}

package viewer

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// scope is what words and addresses of a panel may refer to.
type scope struct {
	choices choices
	times   timeRange
	targets map[string]*dashboard // by uid
	page    *dashboard
}

var reference = regexp.MustCompile(`\$\{([\w.]+)(?:\[(?:"([^"]+)"|'([^']+)')\])?(?:\.text|\.numeric)?(?::(\w+))?\}|\$(\w+)`)

// words replaces variables by their texts, for titles and descriptions.
func (s scope) words(in string) string {
	return reference.ReplaceAllStringFunc(in, func(m string) string {
		parts := reference.FindStringSubmatch(m)
		if c, ok := s.choices.get(parts[1] + parts[5]); ok {
			return c.words()
		}
		return m
	})
}

// anchor is a link as the page has it.
type anchor struct {
	Title, URL string
	Outside    bool
}

// address makes a link's address of its template: variables, the time range and, for a table's
// cell, the row's values, all escaped for an address. Addresses to places that are neither a
// dashboard of ours nor http are left out: the second result is false.
func (s scope) address(l link, f frame, row int, value any) (anchor, bool) {
	raw := reference.ReplaceAllStringFunc(l.URL, func(m string) string {
		parts := reference.FindStringSubmatch(m)
		name := parts[1] + parts[5]
		if replaced, ok := s.row(name, parts[2]+parts[3], parts[4], f, row, value); ok {
			return replaced
		}
		switch name {
		case "__url_time_range":
			return "from=" + url.QueryEscape(s.times.RawFrom) + "&to=" + url.QueryEscape(s.times.RawTo)
		case "__all_variables":
			return s.variables(nil).Encode()
		case "__from":
			return plain(s.times.From)
		case "__to":
			return plain(s.times.To)
		}
		c, ok := s.choices.get(name)
		switch {
		case !ok:
			return ""
		case parts[4] == "queryparam":
			return url.Values{"var-" + c.Name: c.Values}.Encode()
		}
		return url.QueryEscape(strings.Join(c.Values, ","))
	})
	l.Title = strings.NewReplacer("${__value.text}", plain(value), "${__value.raw}", plain(value)).Replace(l.Title)
	return s.checked(l, raw)
}

// row is what a cell's link may take from its row.
func (s scope) row(name, key, format string, f frame, row int, value any) (string, bool) {
	escape := url.QueryEscape
	if format == "raw" {
		escape = func(v string) string { return v } // a whole address; checked below
	}
	switch {
	case name == "__value.raw" || name == "__value.text" || name == "__value":
		return escape(plain(value)), true
	case strings.HasPrefix(name, "__data.fields"):
		column := strings.TrimPrefix(strings.TrimPrefix(name, "__data.fields"), ".") + key
		column = strings.TrimSuffix(strings.TrimSuffix(column, ".text"), ".numeric")
		if c := f.field(column); c != nil && row < len(c.Values) {
			return escape(plain(c.Values[row])), true
		}
		return "", true
	}
	return "", false
}

// checked lets addresses of our dashboards and of the web through, and takes from the former what
// the target does not know.
func (s scope) checked(l link, raw string) (anchor, bool) {
	a := anchor{Title: s.words(l.Title)}
	u, err := url.Parse(raw)
	if err != nil {
		return a, false
	}
	if u.Scheme == "" && u.Host == "" && strings.HasPrefix(u.Path, "/d/") {
		uid, _, _ := strings.Cut(strings.TrimPrefix(u.Path, "/d/"), "/")
		target, ok := s.targets[uid]
		if !ok {
			return a, false
		}
		query := u.Query()
		if l.IncludeVars {
			query = merge(query, s.variables(target))
		}
		if l.KeepTime && !query.Has("from") {
			query.Set("from", s.times.RawFrom)
			query.Set("to", s.times.RawTo)
		}
		a.URL = "/d/" + uid + "?" + known(query, target).Encode()
		return a, true
	}
	a.URL, a.Outside = u.String(), true
	return a, (u.Scheme == "https" || u.Scheme == "http") && u.Host != ""
}

// variables are the choices as an address has them; of those that the target knows, if one is given.
func (s scope) variables(target *dashboard) url.Values {
	query := url.Values{}
	for _, c := range s.choices {
		if c.Type != "datasource" && c.Type != "constant" {
			query["var-"+c.Name] = c.Values
		}
	}
	if target != nil {
		return known(query, target)
	}
	return query
}

func known(query url.Values, target *dashboard) url.Values {
	for key := range query {
		name, isVariable := strings.CutPrefix(key, "var-")
		if isVariable && !slices.ContainsFunc(target.Templating.List, func(v variable) bool { return v.Name == name }) {
			query.Del(key)
		}
	}
	return query
}

func merge(first, second url.Values) url.Values {
	for key, values := range second {
		if !first.Has(key) {
			first[key] = values
		}
	}
	return first
}

// dashboards lists the dashboard's links to others, and one to each that has none, so that no page
// is a dead end.
func (s scope) dashboards(order []*dashboard) []anchor {
	var all []anchor
	for _, d := range order {
		query := s.variables(d)
		query.Set("from", s.times.RawFrom)
		query.Set("to", s.times.RawTo)
		all = append(all, anchor{Title: d.Title, URL: "/d/" + d.UID + "?" + query.Encode()})
	}
	for _, l := range s.page.Links {
		if l.Type != "link" {
			continue // by tags: all of ours are listed above
		}
		if a, ok := s.address(l, frame{}, 0, nil); ok && a.Outside {
			all = append(all, a)
		}
	}
	return all
}

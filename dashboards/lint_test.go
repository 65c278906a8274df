package dashboards

import (
	"bytes"
	"flag"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

var update = flag.Bool("update", false, "write testdata/golden anew")

func TestLint(t *testing.T) {
	problems, err := Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Error(p)
	}
}

// TestLintFinds breaks a dashboard in every way that the linter is there for.
func TestLintFinds(t *testing.T) {
	raw := string(rendered(t, "overview"))
	for _, c := range []struct{ old, new, want string }{
		{`"uid": "overview"`, `"uid": "other"`, "uid"},
		{`"id": 5,`, `"id": 1,`, "id 1 is missing or taken"},
		{`"x": 12`, `"x": 13`, "within 24 columns"},
		{`"y": 4`, `"y": 3`, "lies on"},
		{`${horizon:sqlstring}`, `${horizont:sqlstring}`, "no variable horizont"},
		{`${horizon:sqlstring}`, `$horizon`, "not quoted"},
		{`${horizon:sqlstring}`, `${horizon:raw}`, "not quoted"},
		{`${horizon:sqlstring}`, `[[horizon]]`, "not quoted"},
		{`FROM readmodel.figures`, `FROM pg_catalog.figures`, "reads pg_catalog.figures"},
		{`FROM readmodel.figures`, `-- \nFROM readmodel.figures`, "SQL with --"},
		{`FROM readmodel.figures`, `; FROM readmodel.figures`, "SQL with ;"},
		{`FROM readmodel.figures`, `DELETE FROM readmodel.figures`, "begins to write"},
		{`"refId": "A"`, `"refId": ""`, "no refId"},
		{`"uid": "readmodel"`, `"uid": "elsewhere"`, "another data source"},
		{`"orientation": "auto"`, `"orientation": ""`, "is an empty string"},
		{`"description": "Accuracy =`, `"description": "", "ignored": "Accuracy =`, "no description"},
		{`"noValue": "none yet"`, `"noValue": ""`, "no words"},
		{`"fixedColor": "#009E73"`, `"fixedColor": "green"`, "not of the palette"},
		{`/d/post?var-post=`, `/d/posts?var-post=`, "dashboard posts, which is not there"},
		{`/d/post?var-post=`, `/d/post?var-id=`, "a variable id"},
		{`"title": "Equity curve"`, `"title": "Equity curve of $symbol"`, "not here"},
		{`"name": "basis"`, `"name": "base"`, "variable basis is missing"},
	} {
		if !strings.Contains(raw, c.old) {
			t.Errorf("there is no %s to break", c.old)
			continue
		}
		found := strings.Join(lint("overview", []byte(strings.Replace(raw, c.old, c.new, 1))), "\n")
		if !strings.Contains(found, c.want) {
			t.Errorf("%s made %s: the linter says %q, not %q", c.old, c.new, found, c.want)
		}
	}
}

// TestGolden keeps what is rendered where a review sees it change, as YAML, in which SQL has lines:
// go test ./dashboards -run Golden -update.
func TestGolden(t *testing.T) {
	for _, name := range Names() {
		path := filepath.Join("testdata", "golden", name+".yaml")
		var tree any
		if err := yaml.Unmarshal(rendered(t, name), &tree); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		encoder := yaml.NewEncoder(&out)
		encoder.SetIndent(1)
		if err := encoder.Encode(tree); err != nil {
			t.Fatal(err)
		}
		got := out.Bytes()
		if *update {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not %s: look at the difference, then write it anew with -update", name, path)
		}
	}
}

// TestPalette: all colours of a meaning differ for normal sight and for the three kinds of colour-blindness,
// by the simulation of Machado, Oliveira and Fernandes (IEEE TVCG 15, 2009, severity 1.0) and the distance
// CIE76 in CIELAB, where about 2.3 is just noticeable.
func TestPalette(t *testing.T) {
	sights := map[string][3][3]float64{
		"normal sight": {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}},
		"protanopia":   {{0.152286, 1.052583, -0.204868}, {0.114503, 0.786281, 0.099216}, {-0.003882, -0.048116, 1.051998}},
		"deuteranopia": {{0.367322, 0.860646, -0.227968}, {0.280085, 0.672501, 0.047413}, {-0.011820, 0.042940, 0.968881}},
		"tritanopia":   {{1.255528, -0.076749, -0.178779}, {-0.078411, 0.930809, 0.147602}, {0.004733, 0.691367, 0.303900}},
	}
	for sight, m := range sights {
		for a, hexA := range palette() {
			for b, hexB := range palette() {
				if a < b {
					if d := distance(seen(hexA, m), seen(hexB, m)); d < 10 {
						t.Errorf("%s: %s and %s differ by %.1f", sight, a, b, d)
					}
				}
			}
		}
	}
	m := sights["deuteranopia"]
	if d := distance(seen("#E02F44", m), seen("#877A30", m)); d > 30 {
		t.Errorf("the simulation sees a red and an olive, which such a person confuses, %.1f apart", d)
	}
}

// seen is a colour as such a person sees it, in linear RGB.
func seen(hex string, m [3][3]float64) (out [3]float64) {
	var linear [3]float64
	for i := range linear {
		n, _ := strconv.ParseUint(hex[1+2*i:3+2*i], 16, 8) // of the palette
		v := float64(n) / 255
		if linear[i] = v / 12.92; v > 0.04045 {
			linear[i] = math.Pow((v+0.055)/1.055, 2.4)
		}
	}
	for i := range out {
		for j := range linear {
			out[i] += m[i][j] * linear[j]
		}
		out[i] = min(1, max(0, out[i]))
	}
	return out
}

// distance is CIE76 under D65.
func distance(a, b [3]float64) float64 {
	x, y := lab(a), lab(b)
	return math.Sqrt((x[0]-y[0])*(x[0]-y[0]) + (x[1]-y[1])*(x[1]-y[1]) + (x[2]-y[2])*(x[2]-y[2]))
}

func lab(c [3]float64) [3]float64 {
	f := func(v float64) float64 {
		if v > 216.0/24389 {
			return math.Cbrt(v)
		}
		return (24389.0/27*v + 16) / 116
	}
	x := f((0.4124564*c[0] + 0.3575761*c[1] + 0.1804375*c[2]) / 0.95047)
	y := f(0.2126729*c[0] + 0.7151522*c[1] + 0.0721750*c[2])
	z := f((0.0193339*c[0] + 0.1191920*c[1] + 0.9503041*c[2]) / 1.08883)
	return [3]float64{116*y - 16, 500 * (x - y), 200 * (y - z)}
}

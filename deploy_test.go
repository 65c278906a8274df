package main

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"shitpost-alpha/dashboards"
)

// No container engine runs in the tests, so this is what they can say of compose.yaml, Dockerfile
// and .env.example: that they name binaries, commands, flags and variables that exist.

// service is what the tests look at of a service of compose.yaml.
type service struct {
	Build       struct{ Target string }
	Image       string
	Command     []string
	Environment map[string]*string
	DependsOn   map[string]struct{ Condition string } `yaml:"depends_on"`
	Restart     string
	Volumes     []string
	Healthcheck struct{ Test []string }
}

type composeFile struct {
	Services map[string]service
	Volumes  map[string]any
}

func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func read(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(root(t), name))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func compose(t *testing.T) composeFile {
	t.Helper()
	var c composeFile
	if err := yaml.Unmarshal([]byte(read(t, "compose.yaml")), &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// helps builds the binaries that the Dockerfile builds without cgo, by the packages it names, and
// returns what each says to --help, its commands included.
func helps(t *testing.T) map[string]string {
	t.Helper()
	packages := slices.Sorted(maps.Keys(found(read(t, "Dockerfile"), `(\./\w+/cmd/\w+)`)))
	if len(packages) < 7 {
		t.Fatalf("the Dockerfile builds only %v", packages)
	}
	packages = slices.DeleteFunc(packages, func(p string) bool { return strings.HasSuffix(p, "lakesql") })

	packages = append(packages, ".") // alpha
	bin := t.TempDir()
	cmd := exec.Command("go", append([]string{"build", "-ldflags=-s -w", "-o", bin + "/"}, packages...)...)
	cmd.Dir, cmd.Env = root(t), append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %v: %v\n%s", packages, err, out)
	}
	all := map[string]string{}
	for _, p := range packages {
		name, bin := filepath.Base(p), filepath.Join(bin, filepath.Base(p))
		if p == "." {
			name, bin = "alpha", filepath.Join(bin, "shitpost-alpha") // named by the module
		}
		text := help(t, bin)
		for _, m := range regexp.MustCompile(`(?m)^  ([a-z-]+(?: [a-z-]+)*)(?:  .*| [[<].*)?$`).FindAllStringSubmatch(after(text, "Commands:"), -1) {
			text += "\ncommand " + m[1] + "\n" + help(t, bin, strings.Fields(m[1])...)
		}
		all[name] = text
	}
	return all
}

func isFile(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.Mode().IsRegular()
}

func help(t *testing.T, bin string, args ...string) string {
	t.Helper()
	out, err := exec.Command(bin, append(args, "--help")...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v --help: %v\n%s", bin, args, err, out)
	}
	return string(out)
}

func after(text, mark string) string {
	_, rest, _ := strings.Cut(text, mark)
	return rest
}

// found returns the first groups of all matches.
func found(text, pattern string) map[string]bool {
	set := map[string]bool{}
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		set[m[1]] = true
	}
	return set
}

func TestDeploymentNamesWhatExists(t *testing.T) {
	binaries := helps(t) // which takes a while
	t.Run("compose.yaml", func(t *testing.T) { checkCompose(t, compose(t), binaries) })
	t.Run(".env.example", func(t *testing.T) { checkEnvExample(t, binaries) })
}

func checkCompose(t *testing.T, c composeFile, binaries map[string]string) {
	used := map[string]bool{}
	for name, s := range c.Services {
		for other, d := range s.DependsOn {
			target, ok := c.Services[other]
			if !ok {
				t.Errorf("%s depends on %s, which is not there", name, other)
			}
			if d.Condition == "service_healthy" && target.Healthcheck.Test == nil {
				t.Errorf("%s waits for the health of %s, which has no check", name, other)
			}
			if d.Condition == "service_completed_successfully" && target.Restart != "" {
				t.Errorf("%s waits for the end of %s, which is restarted", name, other)
			}
		}
		for _, v := range s.Volumes {
			volume, _, _ := strings.Cut(v, ":")
			if _, ok := c.Volumes[volume]; !ok && !strings.HasPrefix(v, "${INPUT_DIR:-./") && !isFile(filepath.Join(root(t), volume)) {
				t.Errorf("%s mounts %s, which is no volume and no file", name, v)
			}
		}
		if s.Build.Target != "" {
			used[s.Build.Target] = true
			checkOwn(t, name, s, binaries)
		} else if !regexp.MustCompile(`^[\w/]+:v?\d+`).MatchString(s.Image) {
			t.Errorf("%s: image %q is not pinned", name, s.Image)
		}
	}
	for name := range binaries {
		if !used[name] {
			t.Errorf("binary %s is built but not used", name)
		}
	}
	for _, v := range dashboards.Variables() {
		if c.Services["grafana"].Environment[v.Name] == nil {
			t.Errorf("grafana is not told %s", v.Name)
		}
	}
}

// checkOwn checks a service that runs one of our binaries.
func checkOwn(t *testing.T, name string, s service, binaries map[string]string) {
	t.Helper()
	binary := s.Build.Target
	text, ok := binaries[binary]
	if !ok || s.Image != "shitpost-alpha/"+binary || !strings.Contains(read(t, "Dockerfile"), " AS "+binary+"\n") {
		t.Errorf("%s: no binary and stage %q, or image %q of another name", name, binary, s.Image)
		return
	}
	checkCommand(t, name, binary, s.Command, text)
	if check := s.Healthcheck.Test; len(check) > 0 {
		if len(check) < 3 || check[0] != "CMD" || check[1] != binary {
			t.Errorf("%s cannot check its health with %v", name, check)
			return
		}
		checkCommand(t, name, binary, check[2:], text)
	} else if s.Restart != "" {
		t.Errorf("%s stays up and has no health check", name)
	}
	shared := []string{"XDG_CACHE_HOME", "LOG_LEVEL", "LOG_FORMAT", "LAKE_POLL", "LAKE_URL"} // given to all, read by most
	for variable := range s.Environment {
		if !strings.Contains(text, "$"+variable) && !strings.HasPrefix(variable, "AWS_") && !slices.Contains(shared, variable) {
			t.Errorf("%s does not know %s", name, variable)
		}
	}
}

// checkCommand checks that a binary, by what it says of itself, has the command and flags in args.
func checkCommand(t *testing.T, name, binary string, args []string, text string) {
	t.Helper()
	var words []string
	for i, arg := range args {
		flag, value, joined := strings.Cut(arg, "=")
		switch {
		case !strings.HasPrefix(arg, "-") && (i == 0 || !strings.HasPrefix(args[i-1], "--")):
			words = append(words, arg)
		case joined && value == "", strings.HasPrefix(arg, "--") && !strings.Contains(text, flag+"=") && !strings.Contains(text, flag+" "):
			t.Errorf("%s: %s has no flag %s", name, binary, arg)
		}
	}
	if len(words) > 0 && !strings.Contains(text, "\ncommand "+strings.Join(words, " ")+"\n") {
		t.Errorf("%s: %s has no command %v", name, binary, words)
	}
}

// .env.example explains every variable that a binary or compose.yaml reads, and no other.
func checkEnvExample(t *testing.T, binaries map[string]string) {
	explained := found(read(t, ".env.example"), `(?m)^#?([A-Z][A-Z0-9_]+)=`)
	known := map[string]bool{"LAKE_CACHE": true, "LAKE_CACHE_BYTES": true, "LAKE_PG_BIN": true, "LAKE_PG_SEARCH": true} // lakesql (cgo), localpg
	for _, text := range binaries {
		maps.Copy(known, found(text, `\(\$([A-Z][A-Z0-9_]+)\)`))
	}
	yaml := read(t, "compose.yaml")
	maps.Copy(known, found(yaml, `[^$]\$\{([A-Z0-9_]+)`))
	maps.Copy(known, found(yaml, `(?m)^ +([A-Z][A-Z0-9_]+):$`)) // passed on
	for _, v := range dashboards.Variables() {
		known[v.Name] = true
	}
	for name := range known {
		if !explained[name] {
			t.Errorf("%s is not in .env.example", name)
		}
	}
	for name := range explained {
		if !known[name] && !strings.HasPrefix(name, "AWS_") {
			t.Errorf("%s is in .env.example, but nothing reads it", name)
		}
	}
	if active := found(read(t, ".env.example"), `(?m)^([A-Z].*)$`); len(active) > 0 {
		t.Errorf("not commented out: %v", active)
	}
}

// Every stage that the Dockerfile copies from exists, and every target starts its own binary as an
// ordinary user.
func TestDockerfile(t *testing.T) {
	text := read(t, "Dockerfile")
	stages := found(text, `(?m)^FROM \S+ AS (\S+)`)
	for from := range found(text, `--from=(\S+)`) {
		if !stages[from] {
			t.Errorf("copies from %s, which is no stage", from)
		}
	}
	for name := range found(text, `(?m)^ENTRYPOINT \["(\w+)"\]`) {
		section := after(text, " AS "+name+"\n")
		section, _, _ = strings.Cut(section, "\nFROM ")
		if !strings.Contains(section, "/out/"+name+" /usr/local/bin/"+name) {
			t.Errorf("stage %s does not hold its binary", name)
		}
		ordinary := strings.Contains(section, "\nUSER nonroot") || regexp.MustCompile(`(?m)^FROM static AS `+name+`$`).MatchString(text)
		if !ordinary {
			t.Errorf("stage %s runs as root", name)
		}
	}
	if !strings.Contains(text, "distroless/static-debian12:nonroot AS static") {
		t.Error("the static images run as root")
	}
}

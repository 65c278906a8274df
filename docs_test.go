package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"shitpost-alpha/lake/objects"
	"shitpost-alpha/producers/legacy/legacytest"
	"shitpost-alpha/readmodel/readmodeltest"
)

// pages returns the pages that people read, by their paths from the root.
func pages(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, pattern := range []string{"README.md", "docs/*.md", "docs/*/*.md", "lake/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, found...)
	}
	if len(all) < 12 {
		t.Fatalf("only %v", all)
	}
	return all
}

// TestDocsLinks: every relative link of every page leads to a file, and its anchor to a heading; every
// page of docs is reached from the README.
func TestDocsLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	leads := map[string][]string{}
	for _, page := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(withoutCode(read(t, page)), -1) {
			if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
				continue
			}
			file, anchor, _ := strings.Cut(m[1], "#")
			target := page
			if file != "" {
				target = filepath.Join(filepath.Dir(page), file)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: link %s: %v", page, m[1], err)
				continue
			}
			leads[page] = append(leads[page], target)
			if anchor != "" && !slices.Contains(anchors(read(t, target)), anchor) {
				t.Errorf("%s: link %s: no such heading", page, m[1])
			}
		}
	}
	reached := map[string]bool{}
	for todo := []string{"README.md"}; len(todo) > 0; todo = todo[1:] {
		if !reached[todo[0]] {
			reached[todo[0]] = true
			todo = append(todo, leads[todo[0]]...)
		}
	}
	for _, page := range pages(t) {
		if strings.HasPrefix(page, "docs/") && !reached[page] && !reached[filepath.Dir(page)] {
			t.Errorf("%s cannot be reached from the README", page)
		}
	}
}

var fence = regexp.MustCompile("(?ms)^```([^\n]*)\n(.*?)^```[ \t]*$") // a code block: its info line and its text

func withoutCode(text string) string { return fence.ReplaceAllString(text, "") }

// anchors returns the names of the headings, as GitHub makes them.
func anchors(text string) (out []string) {
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(withoutCode(text), -1) {
		name := strings.ToLower(strings.ReplaceAll(strings.TrimSpace(m[1]), " ", "-"))
		out = append(out, regexp.MustCompile(`[^\p{L}\p{N}_-]`).ReplaceAllString(name, ""))
	}
	return out
}

// built returns a folder with every binary of the repository, and what each says to --help, its commands
// included.
func built(t *testing.T) (bin string, says map[string]string) {
	t.Helper()
	bin, says = t.TempDir(), map[string]string{}
	packages, err := filepath.Glob("*/cmd/*")
	if err != nil || len(packages) < 9 {
		t.Fatalf("only %v: %v", packages, err)
	}
	for _, p := range append(packages, ".") {
		name, cgo := filepath.Base(p), "0"
		switch name {
		case ".":
			name = "alpha"
		case "lakesql":
			cgo = "1"
		}
		cmd := exec.Command("go", "build", "-ldflags=-s -w", "-o", filepath.Join(bin, name), "./"+p)
		cmd.Env = append(os.Environ(), "CGO_ENABLED="+cgo)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", p, err, out)
		}
		text := help(t, filepath.Join(bin, name))
		for _, m := range regexp.MustCompile(`(?m)^  ([a-z-]+(?: [a-z-]+)*)(?:  .*| [[<].*)?$`).FindAllStringSubmatch(after(text, "Commands:"), -1) {
			text += "\ncommand " + m[1] + "\n" + help(t, filepath.Join(bin, name), strings.Fields(m[1])...)
		}
		says[name] = text
	}
	return bin, says
}

// TestDocs: every command, flag, variable and make target that a page names exists, and every code block
// that is marked as one to be run is run.
func TestDocs(t *testing.T) {
	bin, says := built(t)
	t.Run("names", func(t *testing.T) {
		for _, page := range pages(t) {
			for _, wrong := range wrongNames(t, read(t, page), says) {
				t.Errorf("%s: there is no %s", page, wrong)
			}
		}
		for _, bad := range []string{"`bin/lake frobnicate`", "`bin/lakesql --nosuch`", "`--never-there`", "`NEVER_THERE`", "`make nonsense`",
			"```sh\nbin/projector rebuild --bend 1\n```\n", "```\nbin/analyzer --modell x\n```\n", "`lake vacuum --yess`", "`lake --lake x --json frobnicate`"} {
			if len(wrongNames(t, bad, says)) == 0 {
				t.Errorf("%s is not found to be wrong", bad)
			}
		}
	})
	t.Run("blocks", func(t *testing.T) { runBlocks(t, bin) })
}

// foreign are programs whose flags and commands are not ours to check, and words that begin their lines.
var foreign = regexp.MustCompile(`^(sudo |\w+=\S+ )*(docker|spark-submit|psql|aws|curl|git|go|sed|for|apt-get|pip|python|duckdb|\s*--conf|\s*--packages)\b`)

var (
	flagName     = regexp.MustCompile(`(?:^|[\s"(])(--[a-z][a-z0-9-]+)`)
	variableName = regexp.MustCompile(`\$?\b([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)\b`)
	makeTarget   = regexp.MustCompile("(?:^|[\\s`(])make ([a-z][a-z-]+)")
	command      = regexp.MustCompile(`(?:^|[\s;|&(/])(harvester|analyzer|pricer|import|projector|lakesql|lake|dashboards|alpha|fakes)\b((?: [^|;&#]*)?)`)
)

// wrongNames returns what the code of a page names and what does not exist: make targets, variables,
// and commands and flags of our binaries, which say what there is.
func wrongNames(t *testing.T, text string, says map[string]string) (wrong []string) {
	t.Helper()
	every := ""
	for _, s := range says {
		every += s
	}
	makefile := read(t, "Makefile")
	known := found(read(t, ".env.example")+read(t, "compose.yaml")+makefile, `\b([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)\b`)
	for _, name := range []string{"TEST_DATABASE_URL", "SHARED_DATA", "LAKE_BUCKET", "LAKE_PREFIX", "LAKE_MAINTENANCE_ARN", "BYTE_ARRAY"} {
		known[name] = true // of tests, placeholders of policies, of Parquet
	}
	for _, line := range code(text) {
		for _, m := range makeTarget.FindAllStringSubmatch(line, -1) {
			if !strings.Contains(makefile, "\n"+m[1]+":") {
				wrong = append(wrong, line+": make "+m[1])
			}
		}
		if foreign.MatchString(line) {
			continue
		}
		for _, m := range variableName.FindAllStringSubmatch(line, -1) {
			if name := m[1]; !known[name] && !strings.HasPrefix(name, "AWS_") && !strings.HasPrefix(name, "GF_") {
				wrong = append(wrong, line+": "+name)
			}
		}
		line, _, _ = strings.Cut(line, " # ")
		calls := command.FindAllStringSubmatch(line, -1)
		for _, m := range calls {
			for _, name := range wrongCall(m[1], strings.Fields(m[2]), says[m[1]]) {
				wrong = append(wrong, line+": "+m[1]+" "+name)
			}
		}
		for _, m := range flagName.FindAllStringSubmatch(line, -1) {
			if len(calls) == 0 && !hasFlag(every, m[1]) {
				wrong = append(wrong, line+": "+m[1])
			}
		}
	}
	return wrong
}

// wrongCall returns the command and the flags of one call that the binary does not have.
func wrongCall(binary string, args []string, help string) (wrong []string) {
	word, rest := regexp.MustCompile(`^[a-z][a-z-]*$`), args
	for len(rest) > 0 && strings.HasPrefix(rest[0], "--") { // flags before the command, with their values
		takes := strings.Contains(help, rest[0]+"=")
		if rest = rest[1:]; takes && len(rest) > 0 {
			rest = rest[1:]
		}
	}
	if strings.Contains(help, "\ncommand ") && len(rest) > 0 && word.MatchString(rest[0]) &&
		!strings.Contains(help, "\ncommand "+rest[0]+"\n") && !strings.Contains(help, "\ncommand "+rest[0]+" ") {
		wrong = append(wrong, rest[0])
	}
	for _, arg := range args {
		flag, _, _ := strings.Cut(strings.Trim(arg, `"'.,;:)`), "=")
		if strings.HasPrefix(flag, "--") && len(flag) > 2 && !hasFlag(help, flag) {
			wrong = append(wrong, flag)
		}
	}
	return wrong
}

// calling is a line that begins with a binary of ours.
var calling = regexp.MustCompile(`^([A-Z_]+=\S+ )*bin/\w`)

func hasFlag(help, flag string) bool {
	return regexp.MustCompile(regexp.QuoteMeta(flag) + `[=\s\[,.;:)]`).MatchString(help)
}

// code returns what stands in code spans, and the lines of shell blocks and of blocks without a language.
func code(text string) (lines []string) {
	for _, m := range fence.FindAllStringSubmatch(text, -1) {
		if info := strings.Fields(m[1]); len(info) == 0 || info[0] == "sh" {
			for _, line := range strings.Split(strings.ReplaceAll(m[2], "\\\n", " "), "\n") {
				line = strings.TrimSpace(line)
				if len(info) > 0 || calling.MatchString(line) { // without a language it may be a drawing or an output
					lines = append(lines, line)
				}
			}
		}
	}
	for _, m := range regexp.MustCompile("`([^`\n]+)`").FindAllStringSubmatch(withoutCode(text), -1) {
		lines = append(lines, m[1])
	}
	return lines
}

// runBlocks runs the blocks marked "sh run" of every page in the order of the page, in a folder of its
// own with the binaries, the docs and a finished demo; of the migration guide against a Python system.
func runBlocks(t *testing.T, bin string) {
	var withBlocks []string
	for _, page := range pages(t) {
		if len(runnable(read(t, page))) > 0 {
			withBlocks = append(withBlocks, page)
		}
	}
	if len(withBlocks) < 5 {
		t.Errorf("only %v have blocks to be run", withBlocks)
	}
	demoDatabase, _ := readmodeltest.Open(t)
	dir := t.TempDir()
	for name, to := range map[string]string{"bin": bin, "docs": filepath.Join(root(t), "docs")} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	sh(t, dir, []string{"DATABASE_URL=" + demoDatabase}, "bin/alpha demo --dir data/demo --days 40")
	for _, page := range withBlocks {
		t.Run(page, func(t *testing.T) {
			env := []string{"DATABASE_URL=" + demoDatabase}
			if page == "docs/migration.md" {
				env = legacyEnv(t, dir)
			}
			for _, block := range runnable(read(t, page)) {
				sh(t, dir, env, block)
			}
		})
	}
}

func runnable(text string) (blocks []string) {
	for _, m := range fence.FindAllStringSubmatch(text, -1) {
		if m[1] == "sh run" {
			blocks = append(blocks, m[2])
		}
	}
	return blocks
}

// legacyEnv makes a Python system, an empty lake and an empty database, and returns where they are.
func legacyEnv(t *testing.T, dir string) []string {
	t.Helper()
	sys := legacytest.Make(8, legacytest.Small())
	old, db := readmodeltest.Open(t)
	if err := sys.WriteDatabase(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	bucket := filepath.Join(dir, "old-bucket")
	if err := sys.WriteRaw(t.Context(), objects.NewFolder(bucket)); err != nil {
		t.Fatal(err)
	}
	ours, _ := readmodeltest.Open(t)
	return []string{"LEGACY_URL=" + bucket, "LEGACY_DATABASE_URL=" + old, "LAKE_URL=" + filepath.Join(dir, "new-lake"), "DATABASE_URL=" + ours}
}

// sh runs a script, which must succeed, and shows what it printed when it does not.
func sh(t *testing.T, dir string, env []string, script string) {
	t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "sh", "-eu", "-c", script)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s\n%s", err, script, fmt.Sprintf("%.4000s", out))
	}
}

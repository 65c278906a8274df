package interop

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"shitpost-alpha/lake/event"
)

var (
	interop  = flag.Bool("interop", false, "ask the foreign readers that lake/interop/install.sh installed")
	required = flag.String("interop-require", "chdb", "with -interop: the readers that must be there, separated by commas")
	seed     = flag.Uint64("interop-seed", 0, "seed of the histories; 0 draws one")
	steps    = flag.Int("interop-steps", 14, "steps of each history")
)

// reader is a foreign program that answers a plan.
type reader struct {
	name   string
	needs  string // its line in readers.tsv
	script []string
	every  int  // of so many versions one, and the newest
	plain  bool // only the newest version, of tables whose schema never grew
}

func readers() []reader {
	return []reader{
		{name: "chdb, delta-kernel", needs: "chdb", script: []string{"read_chdb.py", "kernel"}},
		{name: "chdb, its own parser", needs: "chdb", script: []string{"read_chdb.py", "old"}, plain: true},
		{name: "delta-rs", needs: "deltalake", script: []string{"read_deltalake.py"}},
		{name: "polars", needs: "polars", script: []string{"read_polars.py"}},
		{name: "duckdb, file list", needs: "duckdb", script: []string{"read_duckdb.py"}},
		{name: "spark", needs: "spark", script: []string{"read_spark.py"}, every: 5},
	}
}

// installation is what install.sh left.
type installation struct {
	dir     string
	lines   map[string][2]string // reader: version, reason
	leftOut []string
}

// installed returns the installation, or skips the test and says what that leaves out.
func installed(t *testing.T) installation {
	t.Helper()
	if !*interop {
		t.Skip("LEFT OUT: the foreign readers (ClickHouse, delta-rs, Polars, DuckDB, Spark) were not asked: `make interop` installs and asks them")
	}
	in := installation{dir: filepath.Join(root(t), ".cache", "interop"), lines: map[string][2]string{}}
	data, err := os.ReadFile(filepath.Join(in.dir, "readers.tsv"))
	if err != nil {
		t.Fatalf("no foreign reader is installed: run lake/interop/install.sh first: %v", err)
	}
	for line := range strings.Lines(string(data)) {
		if f := strings.Split(strings.TrimSuffix(line, "\n"), "\t"); len(f) == 3 {
			in.lines[f[0]] = [2]string{f[1], f[2]}
		}
	}
	return in
}

// has reports whether a reader is there; where it is not, says why, and fails if it is required.
func (in *installation) has(t *testing.T, name string) bool {
	t.Helper()
	line, ok := in.lines[name]
	if ok && line[0] != "-" {
		return true
	}
	reason := line[1]
	if !ok {
		reason = "install.sh was not asked for it"
	}
	if slices.Contains(strings.Split(*required, ","), name) {
		t.Errorf("%s is required and not there: %s", name, reason)
	}
	t.Logf("NOT RUN: %s: %s", name, reason)
	return false
}

func root(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above the test's folder")
		}
	}
}

// command returns a script of readers/ run in dir.
func (in *installation) command(t *testing.T, dir string, args ...string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	args[0] = filepath.Join(root(t), "lake", "interop", "readers", args[0])
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute) // a reader that hangs is an answer too
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, filepath.Join(in.dir, "venv", "bin", "python"), args...)
	cmd.Dir = dir
	cmd.WaitDelay = 10 * time.Second                                                   // Spark's Java holds the pipes a little longer than its Python
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1", "TZ=America/New_York", // no reader may depend on the machine's zone
		"INTEROP_JARS="+filepath.Join(in.dir, "jars"), "INTEROP_TEMP="+t.TempDir(), "SPARK_LOCAL_IP=127.0.0.1")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	return cmd, &stderr
}

// reply is one line of a reader.
type reply struct {
	Table   string `json:"table"`
	Version int64  `json:"version"`
	Rows    int    `json:"rows"`
	Hash    string `json:"hash"`
	Sum     int64  `json:"sum"`
	Counts  []int  `json:"counts"`
	Error   string `json:"error"`
}

// part is what of the plan the reader can answer, or answer in good time.
func (r reader) part(plan []table) (out []table) {
	for _, tb := range plan {
		if r.plain && tb.grown {
			continue
		}
		head := len(tb.Versions) - 1
		tb.Versions = slices.DeleteFunc(slices.Clone(tb.Versions), func(v version) bool {
			return r.plain && !v.Head || r.every > 0 && (int64(head)-v.Version)%int64(r.every) != 0
		})
		for i := range tb.Versions {
			if r.every > 0 && !tb.Versions[i].Head {
				tb.Versions[i].Questions = []question{}
			}
		}
		out = append(out, tb)
	}
	return out
}

// ask runs a reader over the plan and compares its answers with the model's.
func (in *installation) ask(t *testing.T, r reader, dir string, plan []table) {
	t.Helper()
	plan = r.part(plan)
	file := filepath.Join(t.TempDir(), "plan.json")
	data, err := json.Marshal(plan)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, data, 0o644); err != nil {
		t.Fatal(err)
	}
	started := time.Now()
	cmd, stderr := in.command(t, dir, slices.Insert(slices.Clone(r.script), 1, file)...)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", r.name, err, stderr)
	}
	replies := map[string]reply{}
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		var a reply
		if err := json.Unmarshal(lines.Bytes(), &a); err != nil {
			t.Fatalf("%s says %q: %v", r.name, lines.Text(), err)
		}
		replies[fmt.Sprint(a.Table, a.Version)] = a
	}
	versions, questions := 0, 0
	for _, tb := range plan {
		for _, v := range tb.Versions {
			a, ok := replies[fmt.Sprint(tb.Name, v.Version)]
			versions, questions = versions+1, questions+len(v.Questions)
			if !ok {
				t.Errorf("%s did not answer %s version %d", r.name, tb.Name, v.Version)
				continue
			}
			compare(t, r, tb, v, a)
		}
	}
	t.Logf("RUN: %s %s: %d tables, %d versions, %d filters in %s", r.name, in.lines[r.needs][0], len(plan), versions, questions, time.Since(started).Round(100*time.Millisecond))
}

// compare holds an answer against the model. A version whose files a vacuum took must be answered
// with an error or in full, never with fewer rows.
func compare(t *testing.T, r reader, tb table, v version, a reply) {
	t.Helper()
	if a.Error != "" {
		if !v.lost {
			t.Errorf("%s: %s version %d: %s", r.name, tb.Name, v.Version, a.Error)
		}
		return
	}
	if a.Rows != v.rows || a.Hash != v.hash || a.Sum != v.sum {
		t.Errorf("%s: %s version %d: rows %d, hash %s, sum of %s %d; want %d, %s, %d", r.name, tb.Name, v.Version, a.Rows, a.Hash, tb.Sum, a.Sum, v.rows, v.hash, v.sum)
	}
	for i, q := range v.Questions {
		if i >= len(a.Counts) || a.Counts[i] != q.rows {
			t.Errorf("%s: %s version %d: rows where %s %s %q: %v; want %d", r.name, tb.Name, v.Version, q.Column, q.Op, fmt.Sprint(q.Value), a.Counts, q.rows)
		}
	}
}

// drawSeed returns the seed and prints it, so that a failure can be run again.
func drawSeed(t *testing.T) uint64 {
	s := *seed
	if s == 0 {
		s = uint64(time.Now().UnixNano())
	}
	t.Logf("seed: -interop-seed=%d", s)
	return s
}

func planned[E event.Event](t *testing.T, seed uint64, i, steps int) table {
	h := newHistory[E](t, seed+uint64(i))
	h.live([]age{unchanged, grown, newer}[i%3], steps)
	return h.plan(fmt.Sprintf("%s-%d", h.name(), i))
}

// histories makes n tables of each stream.
func histories(t *testing.T, n, steps int) (plan []table) {
	s := drawSeed(t)
	for i := range n {
		plan = append(plan, planned[event.Post](t, s, i, steps), planned[event.Prediction](t, s, i, steps), planned[event.Price](t, s, i, steps))
	}
	return plan
}

// TestOwn: the histories are what our own reader reads, at every version.
func TestOwn(t *testing.T) { histories(t, 3, 4) }

// TestForeign: what foreign readers read is what was written, at every version.
func TestForeign(t *testing.T) {
	in := installed(t)
	plan := histories(t, 3, *steps)
	for _, r := range readers() {
		t.Run(strings.NewReplacer(", ", "-", " ", "-").Replace(r.name), func(t *testing.T) {
			if in.has(t, r.needs) {
				in.ask(t, r, commonRoot(plan), plan)
			}
		})
	}
}

// commonRoot returns the folder that holds all tables: ClickHouse reads only below where it runs.
func commonRoot(plan []table) string {
	dir := plan[0].Path
	for _, tb := range plan {
		for !strings.HasPrefix(tb.Path, dir+"/") {
			dir = filepath.Dir(dir)
		}
	}
	return dir
}

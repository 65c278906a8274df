package main

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"shitpost-alpha/lake/realdata"
	"shitpost-alpha/projectors"
	"shitpost-alpha/readmodel"
	"shitpost-alpha/readmodel/readmodeltest"
)

var heavy = flag.Bool("heavy", false, "run the heavy tests, as make test-full does")

// binaries builds the four services and alpha, as a user gets them, and returns their folder.
func binaries(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, pkg := range map[string]string{"harvester": "./producers/cmd/harvester", "analyzer": "./producers/cmd/analyzer",
		"pricer": "./producers/cmd/pricer", "projector": "./projectors/cmd/projector", "alpha": "."} {
		build := exec.Command("go", "build", "-o", filepath.Join(dir, name), pkg)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", name, err, out)
		}
	}
	return dir
}

// pipeline is four processes on one lake and one database.
type pipeline struct {
	bin, lake, database string
	posts               string
	prices              []string
}

func newPipeline(t *testing.T, bin string) (pipeline, *pgx.Conn) {
	database, conn := readmodeltest.Open(t)
	return pipeline{bin: bin, lake: filepath.Join(t.TempDir(), "lake"), database: database,
		posts:  realdata.Path(t, "posts/text_posts_2024-11_2026-01.csv"),
		prices: []string{realdata.Path(t, "prices/yf_daily_68tickers_2024-07_2026-03.csv"), realdata.Path(t, "prices/etf_crypto")}}, conn
}

func (p pipeline) command(name string, once bool) *exec.Cmd {
	args := map[string][]string{
		"harvester": {"--path", p.posts}, "analyzer": {"--backfill"}, "projector": {"run"},
		"pricer": {"--path", p.prices[0], "--path", p.prices[1]},
	}[name]
	args = append(args, "--poll", "20ms")
	if once {
		args = append(args, "--once")
	} else if name != "projector" {
		args = append(args, "--every", "100ms")
	}
	cmd := exec.Command(filepath.Join(p.bin, name), args...)
	cmd.Env = append(os.Environ(), "LAKE_URL="+p.lake, "DATABASE_URL="+p.database)
	return cmd
}

// finish runs every service once, in the order of the data.
func (p pipeline) finish(t *testing.T) {
	t.Helper()
	for _, name := range []string{"harvester", "analyzer", "pricer", "projector"} {
		if out, err := p.command(name, true).CombinedOutput(); err != nil {
			t.Fatalf("%s --once: %v\n%s", name, err, out)
		}
	}
}

// hashes are those of all tables, over the columns that do not derive from recording time.
func hashes(t *testing.T, conn *pgx.Conn) []projectors.TableHash {
	t.Helper()
	h, err := projectors.Hashes(t.Context(), conn, readmodel.Schema, false)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// testRestarts starts, stops and kills the four services at random and wants the read model of one
// undisturbed pass in the end.
func testRestarts(t *testing.T, stops int, seed uint64) {
	bin := binaries(t)
	calm, calmDB := newPipeline(t, bin)
	calm.finish(t)
	want := hashes(t, calmDB)

	wild, wildDB := newPipeline(t, bin)
	rng := rand.New(rand.NewPCG(seed, 1))
	names := []string{"pricer", "projector", "analyzer", "harvester"}
	running := map[string]*exec.Cmd{}
	output := map[string]*bytes.Buffer{}
	start := func(name string) {
		cmd := wild.command(name, false)
		output[name] = &bytes.Buffer{}
		cmd.Stdout, cmd.Stderr = output[name], output[name]
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		running[name] = cmd
	}
	for _, name := range names {
		start(name)
	}
	for i := range stops {
		// The moment of a stop is what is random here; there is nothing to wait for.
		time.Sleep(time.Duration(rng.IntN(250)) * time.Millisecond)
		name := names[rng.IntN(len(names))]
		cmd := running[name]
		if rng.IntN(4) == 0 {
			if err := cmd.Process.Signal(os.Interrupt); err != nil {
				t.Fatalf("stop %d: %s had ended by itself: %v\n%s", i, name, err, output[name])
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("stop %d: %s asked to stop: %v\n%s", i, name, err, output[name])
			}
		} else {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatalf("stop %d: %s had ended by itself: %v\n%s", i, name, err, output[name])
			}
			_ = cmd.Wait()
		}
		start(name)
	}
	for _, name := range names {
		_ = running[name].Process.Kill()
		_ = running[name].Wait()
	}
	wild.finish(t)
	got := hashes(t, wildDB)
	for i := range want {
		if !reflect.DeepEqual(got[i], want[i]) && want[i].Table != readmodel.Positions {
			t.Errorf("seed %d: after %d stops %+v, undisturbed %+v", seed, stops, got[i], want[i])
		}
	}
	if len(want) < 10 || fmt.Sprint(want[0].Rows) != "5474" {
		t.Errorf("the undisturbed pass has %+v", want[0])
	}
}

func TestFourProcessesUnderRestarts(t *testing.T) { testRestarts(t, 25, 1) }

// TestHeavyRestarts is the same, longer, with another seed each time.
func TestHeavyRestarts(t *testing.T) {
	if !*heavy {
		t.Skip("heavy: run by make test-full")
	}
	for range 3 {
		testRestarts(t, 150, rand.Uint64())
	}
}

package lake

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/objects"
)

var heavy = flag.Bool("heavy", false, "run the heavy tests, as make test-full does")

// killed is the environment variable that makes this binary a process to be killed: what it does, the
// lake's folder, and a name of its own.
const killed = "LAKE_TEST_KILLED"

// TestKilledProcess is no test: it is the process that the tests below kill. It says on its standard
// output what it has done, line by line, and does it until it is killed.
func TestKilledProcess(t *testing.T) {
	role, rest, ok := strings.Cut(os.Getenv(killed), " ")
	if !ok {
		return
	}
	name, folder, _ := strings.Cut(rest, " ")
	ctx := context.Background()
	later := time.Duration(0)
	if role == "vacuum" {
		later = 100 * 24 * time.Hour // all that was replaced may go
	}
	l := New(objects.NewFolder(folder), "test", Options{Producer: role + "@1", Now: func() time.Time { return time.Now().Add(later) }})
	r := NewRecorder(l.Prices, nil)
	for i := 0; ; i++ {
		var err error
		done := fmt.Sprintf("%s-%d", name, i)
		switch role {
		case "append":
			_, err = r.Record(ctx, func() ([]event.Price, error) { return []event.Price{bar(done, 1, 1), bar(done, 2, 1)}, nil })
		case "maintain":
			_, err = l.Prices.maintain(ctx, MaintainOptions{Compact: CompactOptions{MinFiles: 2}, CheckpointEvery: 2, KeepFiles: true})
		case "vacuum":
			_, err = l.Prices.Vacuum(ctx, VacuumOptions{Delete: true})
		}
		if err != nil {
			t.Fatalf("%s %s: %v", role, done, err)
		}
		fmt.Printf("done %s\n", done)
	}
}

// victims runs processes of one role and kills each after it has said that it did a few things: at
// whatever point of the next it is by then. It returns all that they said they did.
func victims(t *testing.T, folder, role string, kills int, seed uint64) (done []string) {
	rng := rand.New(rand.NewPCG(seed, uint64(len(role))))
	for k := range kills {
		cmd := exec.Command(os.Args[0], "-test.run", "^TestKilledProcess$")
		cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %s%dX%d %s", killed, role, strings.ToUpper(role[:1]), seed%1000, k, folder))
		var stderr strings.Builder
		cmd.Stderr = &stderr
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Error(err)
			return done
		}
		left, spin := 1+rng.IntN(3), rng.IntN(200_000)
		lines := bufio.NewScanner(out)
		for lines.Scan() { // what it said before it died counts too
			what, ok := strings.CutPrefix(lines.Text(), "done ")
			if !ok {
				t.Errorf("%s ended by itself: %s %s", role, lines.Text(), &stderr)
				break
			}
			done = append(done, what)
			if left--; left == 0 {
				for range spin { // a moment that no signal marks
				}
				_ = cmd.Process.Kill()
			}
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	return done
}

// testKills lets appenders and maintainers be killed side by side, then those that sweep: whatever was
// acknowledged is there once, nothing is doubled, and what is there is whole.
func testKills(t *testing.T, appends, maintains, sweeps int, seed uint64) {
	folder := t.TempDir()
	record(t, recorderOn(objects.NewFolder(folder)), bar("FIRST", 1, 1))
	var wg sync.WaitGroup
	said := make([][]string, 2)
	for i := range said {
		wg.Go(func() { said[i] = victims(t, folder, "append", appends/2, seed+uint64(i)) })
	}
	wg.Go(func() { victims(t, folder, "maintain", maintains, seed) })
	wg.Wait()
	check := func(when string) {
		s := open(t, objects.NewFolder(folder)).Prices
		v := clean(t, s)
		if v.Duplicates != 0 {
			t.Errorf("seed %d, %s: %d events are doubled", seed, when, v.Duplicates)
		}
		have := map[string]int{}
		for _, e := range everything(t, s) {
			have[e.Key]++
		}
		for _, done := range append(said[0], said[1]...) {
			if have[done] != 2 {
				t.Errorf("seed %d, %s: of %s, which was acknowledged, %d of 2 events are there", seed, when, done, have[done])
			}
		}
		t.Logf("%s: %d acknowledged commits, version %d, %d files, %d orphans", when, len(said[0])+len(said[1]), v.Version, v.Files, len(v.Orphans))
	}
	check("after the appenders")
	victims(t, folder, "vacuum", sweeps, seed)
	check("after the sweepers")
	s := open(t, objects.NewFolder(folder)).Prices
	if _, err := s.Compact(t.Context(), CompactOptions{}); err != nil {
		t.Error(err)
	}
	check("after one more compaction")
}

// TestKills kills fifty appenders and twenty maintainers of a lake.
func TestKills(t *testing.T) { testKills(t, 50, 15, 5, 1) }

// TestHeavyKills kills a thousand, each time with other seeds.
func TestHeavyKills(t *testing.T) {
	if !*heavy {
		t.Skip("heavy: run by make test-full")
	}
	testKills(t, 600, 300, 100, rand.Uint64N(1<<32))
}

package main

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/market"
	"shitpost-alpha/producers/fakes"
	"shitpost-alpha/producers/prices"
)

// fleet is producers as processes of their own, on one lake, against the fakes.
type fleet struct {
	t           *testing.T
	bin, lake   string
	fake        *fakes.Server
	url         string
	concurrency int // of each analyzer's calls
	said        bytes.Buffer
}

// symbols of the fleet's market, but for SPY.
func symbols() []string {
	out := []string{"NVDA", "AAPL", "BTC-USD"}
	for i := range 26 {
		out = append(out, "Q"+string(rune('A'+i)))
	}
	return out
}

// newFleet starts the fakes with posts that were made up, 30 minutes apart until now. The model names
// one symbol per post, always the same, and none for every fifth.
func newFleet(t *testing.T, posts int) *fleet {
	f := &fleet{t: t, bin: binaries(t), lake: filepath.Join(t.TempDir(), "lake"), concurrency: 2}
	f.fake, f.url = outside(t, fakes.Options{Seed: 5, MadeUp: posts, Symbols: append(symbols(), "SPY")})
	named := symbols()
	f.fake.Model.Answer(func(user string) string {
		h := fnv.New32a()
		h.Write([]byte(user))
		n := int(h.Sum32() >> 3)
		if n%5 == 0 {
			return `{"assets":[],"confidence":0.5,"thesis":"nothing moves"}`
		}
		return fmt.Sprintf(`{"assets":[{"symbol":%q,"sentiment":"bearish","rationale":"r"}],"confidence":0.5,"thesis":"t"}`, named[n%len(named)])
	})
	return f
}

// command is a producer with short pauses, so that there is always something to be killed in.
func (f *fleet) command(name string, more ...string) *exec.Cmd {
	args := map[string][]string{
		"harvester": {"--source", "scrapecreators", "--scrapecreators-base-url", f.url + "/v1", "--max-requests-per-second", "0", "--max-requests-per-day", "0", "--every", "50ms"},
		"analyzer": {"--analyzer", "llm", "--base-url", f.url + "/v1", "--provider", "fake", "--backfill", "--retry-pause", "0s", "--daily-budget", "1000",
			"--requests-per-minute", "0", "--tokens-per-minute", "0", "--concurrency", strconv.Itoa(f.concurrency), "--every", "100ms"},
		"pricer": {"--source", "yahoo,stooq", "--yahoo-url", f.url, "--stooq-url", f.url, "--rate", "1000", "--every", "100ms"},
	}[name]
	cmd := exec.Command(filepath.Join(f.bin, name), append(append(args, "--poll", "50ms"), more...)...)
	cmd.Env = append(os.Environ(), "LAKE_URL="+f.lake, "LEASE_TTL=1s", "GOMAXPROCS=1")
	return cmd
}

func (f *fleet) start(name string) *running {
	r := &running{cmd: f.command(name)}
	r.cmd.Stdout, r.cmd.Stderr = &r.said, &r.said
	if err := r.cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	return r
}

// running is a producer at work.
type running struct {
	cmd  *exec.Cmd
	said bytes.Buffer // until it has ended: only its own
}

// end kills the process, or asks it to stop, and notes what it said.
func (f *fleet) end(r *running, sig os.Signal) {
	f.t.Helper()
	if err := r.cmd.Process.Signal(sig); err != nil {
		f.t.Fatalf("%v had ended by itself: %v\n%s", r.cmd.Args[0], err, r.said.String())
	}
	err := r.cmd.Wait()
	status, _ := r.cmd.ProcessState.Sys().(syscall.WaitStatus)
	early := status.Signaled() && r.said.Len() == 0 // it had not begun to listen to signals
	if sig != os.Kill && err != nil && !early {
		f.t.Errorf("%v asked to stop: %v\n%s", r.cmd.Args[0], err, r.said.String())
	}
	f.said.Write(r.said.Bytes())
}

// finish heals the fakes and runs each producer once. On a machine that is too busy to renew a lease of
// a second in time, the analyzer stops and says so; then it is run again, as cron would.
func (f *fleet) finish() {
	f.t.Helper()
	f.fake.Heal()
	for _, name := range []string{"harvester", "analyzer", "pricer"} {
		for tries := 1; ; tries++ {
			out, err := f.command(name, "--once").CombinedOutput()
			f.said.Write(out)
			if err == nil {
				break
			}
			if tries == 20 || !bytes.Contains(out, []byte("lease lost")) {
				f.t.Fatalf("%s --once: %v\n%s", name, err, out)
			}
		}
	}
}

// testKills kills and restarts the three producers at random while every outside service misbehaves and
// new posts come, then looks whether everything is there, once.
func testKills(t *testing.T, kills int, seed uint64) {
	f := newFleet(t, 60)
	for _, e := range []fakes.Endpoint{fakes.ScrapeCreators, fakes.OpenAI, fakes.Yahoo, fakes.Stooq} {
		f.fake.Fault(e, fakes.Common(0.01)...)
	}
	f.fake.Fault(fakes.ScrapeCreators, fakes.Fault{Kind: fakes.RepeatPage, P: 0.02}, fakes.Fault{Kind: fakes.Changing, P: 0.02}, fakes.Fault{Kind: fakes.Shuffled, P: 0.02})
	f.fake.Fault(fakes.OpenAI, fakes.Fault{Kind: fakes.BadAnswer, P: 0.05}, fakes.Fault{Kind: fakes.Slow, P: 1, Latency: 100 * time.Millisecond})
	f.fake.Fault(fakes.Yahoo, fakes.Fault{Kind: fakes.Slow, P: 1, Latency: 30 * time.Millisecond})
	f.fake.Fault(fakes.Stooq, fakes.Fault{Kind: fakes.HitsLimit, P: 0.2})
	rng := rand.New(rand.NewPCG(seed, 2))
	names := []string{"harvester", "analyzer", "pricer"}
	all := map[string]*running{}
	for _, name := range names {
		all[name] = f.start(name)
	}
	ofAnalyzer := 0
	for i := range kills {
		// The moment of a kill is what is random here; there is nothing to wait for.
		time.Sleep(time.Duration(rng.IntN(900)) * time.Millisecond)
		if i%2 == 0 {
			f.fake.Timeline.Add(time.Now(), fmt.Sprintf("<p>Post number %d about tariffs on everything</p>", i))
		}
		name, sig := names[rng.IntN(len(names))], os.Signal(os.Kill)
		if rng.IntN(5) == 0 {
			sig = os.Interrupt
		} else if name == "analyzer" {
			ofAnalyzer++
		}
		f.end(all[name], sig)
		all[name] = f.start(name)
	}
	for _, name := range names {
		f.end(all[name], os.Kill)
	}
	ofAnalyzer++
	f.finish()
	l := openLake(t, f.lake)
	f.checkPosts(l)
	paid, failures, analysed := f.checkAnalyses(l)
	bars := f.checkBars(l)
	if paid > analysed+failures+ofAnalyzer*f.concurrency {
		t.Errorf("seed %d: %d paid calls for %d posts, %d recorded failures and at most %d calls in flight at %d kills", seed, paid, analysed, failures, ofAnalyzer*f.concurrency, ofAnalyzer)
	}
	checkOnce(t, l)
	noCanary(t, f.lake, f.said.String())
	t.Logf("seed %d: %d kills, %d of them of the analyzer; %d posts asked about, %d recorded failures, %d paid calls: %d paid again because they were in flight; %d bars needed and there; %d requests to the scraper, %d to Yahoo, %d to Stooq",
		seed, kills, ofAnalyzer, analysed, failures, paid, max(0, paid-analysed-failures), bars, f.fake.Count(fakes.ScrapeCreators), f.fake.Count(fakes.Yahoo), f.fake.Count(fakes.Stooq))
}

// checkPosts: every post of the source is in the lake.
func (f *fleet) checkPosts(l *lake.Lake) {
	f.t.Helper()
	have := map[string]bool{}
	for _, e := range events(f.t, l.Posts) {
		switch e.Kind {
		case event.PostObserved:
			have[e.PostID] = true
		case event.PostDeleted:
			f.t.Errorf("post %s is called deleted; no post was", e.PostID)
		}
	}
	for _, p := range f.fake.Timeline.Posts() {
		if !have[p.ID] {
			f.t.Errorf("post %s of the source is not in the lake", p.ID)
		}
	}
}

// checkAnalyses: every post has exactly one terminal event. It returns how many calls the model
// answered, all of which are paid for, whatever became of the answer on its way; how many failures
// were recorded; and how many posts a model was asked about.
func (f *fleet) checkAnalyses(l *lake.Lake) (paid, failures, asked int) {
	f.t.Helper()
	terminal := map[string]int{}
	for _, e := range events(f.t, l.Predictions) {
		if e.Kind == event.PredictionMade || e.Kind == event.PostBypassed || e.Kind == event.AnalysisFailed && e.Terminal {
			terminal[e.PostID]++
		}
		if e.Kind == event.AnalysisFailed {
			failures++
		}
		if e.CausationID == "" {
			f.t.Errorf("%s of post %s has no cause", e.Kind, e.PostID)
		}
		if e.Kind == event.PredictionMade || e.Kind == event.AnalysisFailed && e.Terminal {
			asked++
		}
	}
	for _, p := range f.fake.Timeline.Posts() {
		if n := terminal[p.ID]; n != 1 {
			f.t.Errorf("post %s has %d terminal events", p.ID, n)
		}
	}
	for _, c := range f.fake.Calls(fakes.OpenAI) {
		if c.Status == 200 {
			paid++
		}
	}
	return paid, failures, asked
}

// checkBars: of every symbol that was named, and of SPY, every session that is needed and that the
// market has is there, from one source at least. It returns how many that are.
func (f *fleet) checkBars(l *lake.Lake) (needed int) {
	f.t.Helper()
	calendar, now := market.NYSE(), time.Now()
	type at struct {
		symbol string
		date   event.Date
	}
	have := map[at]bool{}
	for _, e := range events(f.t, l.Prices) {
		switch e.Kind {
		case event.BarRecorded:
			have[at{e.Symbol, e.SessionDate}] = true
		case event.SymbolUnknown:
			f.t.Errorf("%s is called unknown", e.Symbol)
		}
		if e.CausationID == "" && e.Kind != event.RecordRejected {
			f.t.Errorf("%s %s %s has no cause", e.Kind, e.Symbol, e.SessionDate)
		}
	}
	var calls []prices.Call
	for _, e := range events(f.t, l.Predictions) {
		for _, a := range e.Assets {
			calls = append(calls, prices.Call{EventID: e.EventID, Symbol: a.Symbol, PublishedAt: e.PublishedAt})
		}
	}
	for symbol, need := range prices.Needs(calls, calendar, now) {
		for _, b := range f.fake.Market.Bars(symbol) {
			for _, in := range need.Intervals {
				if _, session := calendar.Session(b.Date); !session || b.Date < in.From || b.Date > in.To {
					continue
				}
				if needed++; !have[at{symbol, b.Date}] {
					f.t.Errorf("the bar of %s on %s is needed and not in the lake", symbol, b.Date)
				}
			}
		}
	}
	if needed == 0 {
		f.t.Error("no bar was needed: this shows nothing")
	}
	return needed
}

// checkOnce: the tables are whole, and no fact stands in them twice.
func checkOnce(t *testing.T, l *lake.Lake) {
	t.Helper()
	for _, table := range l.Tables() {
		checkTable(t, table)
	}
}

func checkTable(t *testing.T, table lake.Table) {
	t.Helper()
	if v, err := table.Verify(t.Context(), nil); err != nil || !v.OK() || v.Duplicates != 0 || v.Rows == 0 {
		t.Errorf("lake verify: %v %v, %v", v, v.Problems, err)
	}
}

func TestProducersUnderKills(t *testing.T) { testKills(t, 20, 1) }

// TestHeavyProducersUnderKills is the same with 500 kills, and another seed each time.
func TestHeavyProducersUnderKills(t *testing.T) {
	if !*heavy {
		t.Skip("heavy: run by make test-full")
	}
	testKills(t, 500, rand.Uint64())
}

// testTwoAnalyzers runs two analyzers at once while posts come; now and then the one at work is asked
// to stop, and the other takes over. No post is paid for twice.
func testTwoAnalyzers(t *testing.T, posts int, handover int, until time.Duration) {
	f := newFleet(t, 0)
	var mu sync.Mutex
	asked := map[string]int{}
	answered := make(chan struct{}, 1<<20)
	f.fake.Model.Answer(func(user string) string {
		mu.Lock()
		_, rest, _ := strings.Cut(user, "Post number ")
		number, _, _ := strings.Cut(rest, " ")
		asked[number]++
		mu.Unlock()
		answered <- struct{}{}
		return `{"assets":[],"confidence":0.5,"thesis":"t"}`
	})
	f.fake.Fault(fakes.OpenAI, fakes.Fault{Kind: fakes.Slow, P: 0.5, Latency: 20 * time.Millisecond})
	l, err := lake.Open(t.Context(), f.lake, lake.Options{Producer: "test@1"})
	if err != nil {
		t.Fatal(err)
	}
	rec := lake.NewRecorder[event.Post](l.Posts, nil)
	began := time.Now()
	two := []*running{f.start("analyzer"), f.start("analyzer")}
	n, handovers := 0, 0
	for n < posts || time.Since(began) < until {
		at := time.Now().UTC().Truncate(time.Millisecond)
		id := strconv.FormatInt(at.UnixMilli()<<16+int64(n%65536), 10)
		p := event.Post{Envelope: event.Envelope{Kind: event.PostObserved, Key: id, Source: "truthsocial", OccurredAt: at}, PostID: id, PublishedAt: at,
			Text: fmt.Sprintf("Post number %d is about tariffs", n)}
		if k, err := rec.Record(t.Context(), func() ([]event.Post, error) { return []event.Post{p}, nil }); err != nil || k != 1 {
			t.Fatalf("record post %d: %d, %v", n, k, err)
		}
		n++
		<-answered // so both are never idle for long, and the test is as fast as they are
		if n%handover == 0 {
			f.end(two[handovers%2], syscall.SIGTERM)
			two[handovers%2] = f.start("analyzer")
			handovers++
		}
	}
	for _, r := range two {
		f.end(r, os.Interrupt)
	}
	if out, err := f.command("analyzer", "--once").CombinedOutput(); err != nil {
		t.Errorf("analyzer --once: %v\n%s", err, out)
	}
	made := map[string]int{}
	for _, e := range events(t, openLake(t, f.lake).Predictions) {
		made[e.PostID]++
	}
	mu.Lock()
	defer mu.Unlock()
	for number, times := range asked {
		if times != 1 {
			t.Errorf("post number %s was paid for %d times", number, times)
		}
	}
	if len(asked) != n || len(made) != n || f.fake.Count(fakes.OpenAI) != n {
		t.Errorf("%d posts, %d asked about in %d calls, %d predicted", n, len(asked), f.fake.Count(fakes.OpenAI), len(made))
	}
	checkTable(t, l.Predictions)
	t.Logf("two analyzers for %s: %d posts, %d calls, %d hand-overs", time.Since(began).Round(time.Second), n, f.fake.Count(fakes.OpenAI), handovers)
}

func TestTwoAnalyzersPayOnce(t *testing.T) { testTwoAnalyzers(t, 40, 8, 0) }

// TestHeavyTwoAnalyzers is the same for ten minutes.
func TestHeavyTwoAnalyzers(t *testing.T) {
	if !*heavy {
		t.Skip("heavy: run by make test-full")
	}
	testTwoAnalyzers(t, 0, 100, 10*time.Minute)
}

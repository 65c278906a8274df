package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"shitpost-alpha/lake/cli"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/objects/faulty"
	"shitpost-alpha/lake/objects/s3/s3test"
	"shitpost-alpha/producers/fakes"
	"shitpost-alpha/readmodel/readmodeltest"
)

var (
	soakMinutes = flag.Float64("soak-minutes", 0, "how long TestSoak runs")
	soakReport  = flag.String("soak-report", "", "file for its report, as JSON")
)

// soak is the whole system under everything that can go wrong at once.
type soak struct {
	*fleet
	database string
	conn     *pgx.Conn
	proxy    *faulty.Proxy
	alerts   map[string]int
	report   soakFigures
}

// soakFigures are what the report says.
type soakFigures struct {
	Version     string  `json:"version"`
	Minutes     float64 `json:"minutes"`
	Kills       int     `json:"kills"`
	Stops       int     `json:"stops"`
	Connections int     `json:"postgres_connections_cut"`
	StoreFaults int     `json:"s3_requests_gone_wrong"`
	Posts       int     `json:"posts"`
	Asked       int     `json:"posts_asked_about"`
	Failures    int     `json:"recorded_failures"`
	Paid        int     `json:"paid_calls"`
	Bars        int     `json:"bars_needed_and_there"`
	LiveCalls   int     `json:"predictions_that_alert"`
	Alerted     int     `json:"alerts_raised"`
	Problems    int     `json:"problems"`
}

// TestSoak: posts come while every outside service and the S3 server misbehave, Postgres
// connections are cut, and alpha is killed or stopped every few seconds. In the end nothing is missing,
// nothing is there twice, nothing was paid twice, and the read model is what a replay gives.
func TestSoak(t *testing.T) {
	if *soakMinutes <= 0 {
		t.Skip("runs with -soak-minutes: make soak, make test-full")
	}
	s := newSoak(t)
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 3))
	s.calm() // the first run of all: how far back a lake without any post begins is no matter of this test
	s.goWrong(rng)
	began, until := time.Now(), time.Now().Add(time.Duration(*soakMinutes*float64(time.Minute)))
	running := s.startAlpha()
	inFlight := 0
	for round := 0; time.Now().Before(until); round++ {
		s.posts(rng, round)
		s.watch(time.Duration(500+rng.IntN(3000)) * time.Millisecond)
		sig := os.Signal(os.Kill)
		if rng.IntN(4) == 0 {
			sig = syscall.SIGTERM
			s.report.Stops++
		} else {
			s.report.Kills++
			inFlight += s.concurrency
		}
		s.end(running, sig)
		if rng.IntN(4) == 0 {
			s.cutConnections()
		}
		running = s.startAlpha()
	}
	s.watch(2 * time.Second)
	s.end(running, os.Kill)
	inFlight += s.concurrency
	s.report.Minutes = time.Since(began).Minutes()
	s.finishAlpha()
	s.check(inFlight)
	t.Logf("seed %d: %+v", seed, s.report)
	s.write()
}

func newSoak(t *testing.T) *soak {
	s := &soak{alerts: map[string]int{}, report: soakFigures{Version: cli.Version()}}
	server := s3test.Start(t)
	server.Setenv(t)
	s.proxy = faulty.StartProxy(t, server.Endpoint)
	t.Setenv("AWS_ENDPOINT_URL_S3", s.proxy.URL)
	s.fleet = newFleet(t, 60)
	s.lake = "s3://" + server.Bucket + "/soak"
	s.database, s.conn = readmodeltest.Open(t)
	return s
}

// goWrong lets every service misbehave now and then, the S3 server too.
func (s *soak) goWrong(rng *rand.Rand) {
	for _, e := range []fakes.Endpoint{fakes.ScrapeCreators, fakes.OpenAI, fakes.Yahoo, fakes.Stooq} {
		s.fake.Fault(e, fakes.Common(0.01)...)
	}
	s.fake.Fault(fakes.OpenAI, fakes.Fault{Kind: fakes.BadAnswer, P: 0.05}, fakes.Fault{Kind: fakes.Slow, P: 1, Latency: 30 * time.Millisecond})
	s.fake.Fault(fakes.Stooq, fakes.Fault{Kind: fakes.HitsLimit, P: 0.2})
	var quick []faulty.Fault
	for _, f := range append(faulty.Faults(), faulty.HTTPFaults()...) {
		if !f.Hang {
			quick = append(quick, f)
		}
	}
	var mu sync.Mutex // the rule is asked by many requests at once
	s.proxy.Set(func(r faulty.Request) *faulty.Fault {
		mu.Lock()
		defer mu.Unlock()
		f := quick[rng.IntN(len(quick))]
		if rng.IntN(100) > 0 || !f.For(r.Verb) {
			return nil
		}
		s.report.StoreFaults++
		return &f
	})
}

// startAlpha starts alpha.
func (s *soak) startAlpha(more ...string) *running {
	r := &running{cmd: s.alpha(more...)}
	r.cmd.Stdout, r.cmd.Stderr = &r.said, &r.said
	if err := r.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	return r
}

func (s *soak) alpha(more ...string) *exec.Cmd {
	args := append([]string{"run", "--database", s.database, "--log-format", "json", "--maintain-every", "10s"}, realSources(s.url)...)
	args = append(args, "--poll", "200ms", "--harvest-every", "200ms", "--analyze-every", "200ms", "--price-every", "500ms", "--analyze-backfill",
		"--analyze-retry-pause", "0s", "--analyze-daily-budget", "1000", "--analyze-requests-per-minute", "0", "--analyze-tokens-per-minute", "0",
		"--analyze-concurrency", fmt.Sprint(s.concurrency))
	cmd := exec.Command(filepath.Join(s.bin, "alpha"), append(args, more...)...)
	cmd.Env = append(os.Environ(), "LAKE_URL="+s.lake, "LEASE_TTL=1s")
	return cmd
}

// posts puts some on the timeline.
func (s *soak) posts(rng *rand.Rand, round int) {
	for i := range 1 + rng.IntN(3) {
		s.fake.Timeline.Add(time.Now(), fmt.Sprintf("<p>Post %d of round %d about tariffs on everything</p>", i, round))
	}
}

// watch does for a while what Grafana does once a minute: it asks for what there is to alert of.
func (s *soak) watch(d time.Duration) {
	over := time.After(d)
	for {
		select {
		case <-over:
			return
		case <-time.After(200 * time.Millisecond): // the interval of a poll, nothing that is waited for
		}
		rows, err := s.conn.Query(s.t.Context(), "SELECT prediction_id FROM readmodel.new_call_alerts($1)", time.Now())
		if err != nil {
			continue // no read model yet, or the connection was cut
		}
		ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err == nil {
			for _, id := range ids {
				s.alerts[id]++
			}
		} else if s.conn.IsClosed() {
			s.conn = readmodeltest.Connect(s.t, s.database)
		}
	}
}

// cutConnections ends all connections of the database but ours.
func (s *soak) cutConnections() {
	if _, err := s.conn.Exec(s.t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`); err != nil {
		s.t.Fatal(err)
	}
	s.report.Connections++
}

// finishAlpha heals everything and runs alpha until there is nothing left to do.
func (s *soak) finishAlpha() {
	s.fake.Heal()
	s.proxy.Set(nil)
	s.calm()
	s.calm() // prices what the first predicted
	s.watch(time.Second)
}

// calm runs alpha once. A lease that a killed one left behind is waited for.
func (s *soak) calm() {
	s.t.Helper()
	for try := 0; ; try++ {
		out, err := s.alpha("--once").CombinedOutput()
		s.said.Write(out)
		if err == nil {
			return
		}
		if try == 5 || !strings.Contains(string(out), "lease") {
			s.t.Fatalf("alpha run --once: %v\n%s", err, out)
		}
	}
}

// check looks whether every invariant holds.
func (s *soak) check(inFlight int) {
	l := openLake(s.t, s.lake)
	s.checkPosts(l)
	paid, failures, asked := s.checkAnalyses(l)
	s.report.Paid, s.report.Failures, s.report.Asked = paid, failures, asked
	if paid > asked+failures+inFlight {
		s.t.Errorf("%d paid calls for %d posts, %d recorded failures and at most %d calls in flight at kills", paid, asked, failures, inFlight)
	}
	s.report.Posts, s.report.Bars = len(s.fake.Timeline.Posts()), s.checkBars(l)
	checkOnce(s.t, l)
	checkReplay(s.t, l, s.database)
	for _, e := range events(s.t, l.Predictions) {
		live := e.Kind == event.PredictionMade && len(e.Assets) > 0 && e.OccurredAt.Sub(e.PublishedAt) < 24*time.Hour && time.Now().Sub(e.PublishedAt) < 23*time.Hour
		if !live {
			continue
		}
		if s.report.LiveCalls++; s.alerts[e.EventID] == 0 && s.isLive(e.EventID) {
			s.t.Errorf("prediction %s of post %s was never alerted of", e.EventID, e.PostID)
		}
	}
	s.report.Alerted = len(s.alerts)
	if s.report.Alerted == 0 || s.report.StoreFaults == 0 || strings.Contains(s.said.String(), canary) {
		s.t.Errorf("%d alerts, %d faults of the store, or a key in what was said", s.report.Alerted, s.report.StoreFaults)
	}
}

// isLive asks the read model whether the call could have been acted on; only then it alerts.
func (s *soak) isLive(predictionID string) (live bool) {
	if err := s.conn.QueryRow(s.t.Context(), `SELECT EXISTS (SELECT FROM readmodel.calls WHERE prediction_id = $1 AND origin = 'live')`, predictionID).Scan(&live); err != nil {
		s.t.Fatal(err)
	}
	return live
}

func (s *soak) write() {
	if s.t.Failed() {
		s.report.Problems = 1
	}
	if *soakReport == "" {
		return
	}
	text, err := json.MarshalIndent(s.report, "", "  ")
	if err == nil {
		err = os.WriteFile(*soakReport, append(text, '\n'), 0o600)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

package lake

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/sync/errgroup"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/objects"
	"shitpost-alpha/lake/objects/faulty"
	"shitpost-alpha/lake/objects/s3"
	"shitpost-alpha/lake/objects/s3/s3test"
)

// task is something that a process does to a lake and that a fault may break off at any request.
type task struct {
	name string
	// prepare makes the lake that the task finds.
	prepare func(t *testing.T, store objects.Store)
	// start begins a process; what it returns does the task, and is called again when it failed.
	// clean is the same store without faults, for others who work at the same time.
	start func(broken, clean objects.Store) func(context.Context) error
}

// setting is a place where tasks are tried: a store, the same store as a process with faults sees
// it, and the switch for the faults.
type setting struct {
	clean, broken objects.Store
	set           func(faulty.Rule)
	seen          func() []faulty.Request
}

func recordBars(r *Recorder[event.Price], drafts ...event.Price) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := r.Record(ctx, func() ([]event.Price, error) { return slices.Clone(drafts), nil })
		return err
	}
}

func prepareBars(t *testing.T, store objects.Store) {
	t.Helper()
	r := NewRecorder(open(t, store).Prices, nil)
	record(t, r, bar("A", 1, 10), bar("A", 2, 11))
	record(t, r, bar("A", 2, 12))
}

// recorderOn returns a recorder of a process of its own.
func recorderOn(store objects.Store) *Recorder[event.Price] {
	return NewRecorder(New(store, "test", Options{Producer: "test@1"}).Prices, nil)
}

func appendTasks() []task {
	return []task{
		{"first append", func(*testing.T, objects.Store) {}, func(broken, _ objects.Store) func(context.Context) error {
			return recordBars(recorderOn(broken), bar("A", 1, 10), bar("B", 1, 11))
		}},
		{"append", prepareBars, func(broken, _ objects.Store) func(context.Context) error {
			return recordBars(recorderOn(broken), bar("A", 2, 11), bar("A", 3, 13), bar("B", 1, 20))
		}},
		{"append beside another writer", prepareBars, func(broken, clean objects.Store) func(context.Context) error {
			r, rival := recorderOn(broken), recorderOn(clean)
			return func(ctx context.Context) error {
				_, err := r.Record(ctx, func() ([]event.Price, error) {
					// Between the look and the append; every time anew finds what it did already.
					err := recordBars(rival, bar("A", 3, 13), bar("C", 1, 30))(ctx)
					return []event.Price{bar("A", 3, 13), bar("B", 1, 20)}, err
				})
				return err
			}
		}},
	}
}

// eventsOf returns the ids of the live events of the prices by what they say.
func eventsOf(t *testing.T, store objects.Store) map[string]string {
	t.Helper()
	out := map[string]string{}
	snap, err := open(t, store).Prices.Snapshot(t.Context(), -1)
	if err != nil {
		t.Fatal(err)
	}
	for events, err := range snap.Batches(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		for i := range events {
			e := &events[i]
			if old, twice := out[e.EventID]; twice {
				t.Errorf("event %s stands twice: %s", e.EventID, old)
			}
			out[e.EventID] = fmt.Sprintf("%s %s %s %v", e.Kind, e.Key, e.SessionDate, e.Close != nil && *e.Close > 0)
		}
	}
	return out
}

func wantClean(t *testing.T, store objects.Store, when string) {
	t.Helper()
	v, err := open(t, store).Prices.Verify(t.Context(), nil)
	if err != nil || !v.OK() || v.Duplicates != 0 {
		t.Fatalf("%s: verify: %+v, %v", when, v, err)
	}
}

// try runs the task under the rule, and then without it: in between the lake must be clean, and in
// the end hold exactly what it holds when nothing ever went wrong. It returns the error of the first run.
func (k task) try(t *testing.T, s setting, rule faulty.Rule, want map[string]string) (first error) {
	t.Helper()
	k.prepare(t, s.clean)
	run := k.start(s.broken, s.clean)
	s.set(rule)
	first = run(t.Context())
	s.set(nil)
	wantClean(t, s.clean, "after the fault")
	if err := run(t.Context()); err != nil {
		t.Fatalf("the fault is gone, and the same process cannot go on: %v (before: %v)", err, first)
	}
	if err := k.start(s.clean, s.clean)(t.Context()); err != nil {
		t.Fatalf("a new process: %v", err)
	}
	wantClean(t, s.clean, "in the end")
	if got := eventsOf(t, s.clean); !maps.Equal(got, want) {
		t.Errorf("events differ from those without faults (first try: %v)\n got %v\nwant %v", first, got, want)
	}
	return first
}

// every tries the task with every fault at every one of its requests, once and from there on; cheaply
// is from there on at commits only, where the task does not just end with the first error.
func (k task) every(t *testing.T, faults []faulty.Fault, cheaply bool, newSetting func(*testing.T) setting) {
	s := newSetting(t)
	k.prepare(t, s.clean)
	run := k.start(s.broken, s.clean)
	s.set(nil)
	if err := run(t.Context()); err != nil {
		t.Fatal(err)
	}
	steps, want := s.seen(), eventsOf(t, s.clean)
	if len(steps) < 2 {
		t.Fatalf("the task made the requests %v: nothing to break", steps)
	}
	var atOnce errgroup.Group // most of a trial is waiting, more so than t.Parallel allows for
	atOnce.SetLimit(24)
	defer atOnce.Wait()
	for _, step := range steps {
		for _, f := range faults {
			if !f.For(step.Verb) {
				continue
			}
			rules := map[string]faulty.Rule{"once": faulty.Once(step.N, f)}
			if !cheaply || step.Verb == "PUT" && strings.HasSuffix(step.Key, ".json") {
				rules["from there on"] = faulty.From(step.N, f)
			}
			for how, rule := range rules {
				atOnce.Go(func() error {
					t.Run(fmt.Sprintf("%s %s %s", step, f.Name, how), func(t *testing.T) { k.try(t, newSetting(t), rule, want) })
					return nil
				})
			}
		}
	}
}

func onStore(store func(*testing.T) objects.Store) func(*testing.T) setting {
	return func(t *testing.T) setting {
		clean := store(t)
		broken := faulty.NewStore(clean)
		return setting{clean, broken, broken.Set, broken.Seen}
	}
}

func TestFaultsOnMemory(t *testing.T) {
	for _, k := range appendTasks() {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			k.every(t, faulty.Faults(), false, onStore(func(*testing.T) objects.Store { return &objects.Memory{} }))
		})
	}
}

func TestFaultsOnFolder(t *testing.T) {
	for _, k := range append(appendTasks(), maintenanceTasks()...) {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			k.every(t, faulty.Faults(), true, onStore(func(t *testing.T) objects.Store { return objects.NewFolder(t.TempDir()) }))
		})
	}
}

// patience is an HTTP client that waits for so many nanoseconds.
type patience struct {
	atomic.Int64
	transport http.Transport
}

func (p *patience) Do(r *http.Request) (*http.Response, error) {
	return (&http.Client{Transport: &p.transport, Timeout: time.Duration(p.Load())}).Do(r)
}

// clientAt returns a client of the server as a process has it that reaches it at another address.
func clientAt(server *s3test.Server, endpoint string, patient *patience) *awss3.Client {
	return server.ClientAt(endpoint, func(o *awss3.Options) {
		o.HTTPClient = patient
		o.Retryer = retry.NewStandard(func(r *retry.StandardOptions) {
			r.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return time.Millisecond, nil })
			r.RateLimiter = noLimit{}
		})
	})
}

// noLimit lets the SDK retry as often as it would in a process that had no faults before.
type noLimit struct{}

func (noLimit) GetToken(context.Context, uint) (func() error, error) {
	return func() error { return nil }, nil
}
func (noLimit) AddTokens(uint) error { return nil }

func TestFaultsOnS3(t *testing.T) {
	server := s3test.Start(t)
	var n atomic.Int64
	newSetting := func(t *testing.T) setting {
		proxy := faulty.StartProxy(t, server.Endpoint)
		prefix := fmt.Sprintf("faults/%d", n.Add(1))
		patient := &patience{}
		t.Cleanup(patient.transport.CloseIdleConnections)
		return setting{s3.New(server.Client, server.Bucket, prefix), s3.New(clientAt(server, proxy.URL, patient), server.Bucket, prefix), func(rule faulty.Rule) {
			patient.Store(int64(30 * time.Second))
			if rule != nil {
				patient.Store(int64(150 * time.Millisecond)) // some faults are that no answer comes
			}
			proxy.Set(rule)
		}, proxy.Seen}
	}
	for _, k := range []task{appendTasks()[0], appendTasks()[2], maintenanceTasks()[0]} {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			k.every(t, faulty.HTTPFaults(), true, newSetting)
		})
	}
}

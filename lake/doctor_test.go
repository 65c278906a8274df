package lake

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"shitpost-alpha/lake/objects"
	"shitpost-alpha/lake/objects/s3"
	"shitpost-alpha/lake/objects/s3/s3test"
)

// forgetful decides conditions by a look before the write, as stores did that were later mended: all
// who look before the first writes win.
type forgetful struct {
	objects.Memory
	look sync.WaitGroup // of so many who race
}

func (s *forgetful) Put(ctx context.Context, key string, data []byte, cond objects.Condition) (objects.Info, error) {
	if !strings.Contains(key, "if-none-match") {
		return s.Memory.Put(ctx, key, data, cond)
	}
	s.look.Done()
	s.look.Wait()
	return s.Memory.Put(ctx, key, data, objects.Always())
}

func verdicts(findings []Finding) map[string]Verdict {
	out := map[string]Verdict{}
	for _, f := range findings {
		out[f.Place+" "+f.Probe] = f.Verdict
	}
	return out
}

func TestDoctorFindsAGoodStoreFine(t *testing.T) {
	server := s3test.Start(t)
	for name, store := range map[string]objects.Store{
		"memory": &objects.Memory{}, "folder": objects.NewFolder(t.TempDir()), "s3": s3.New(server.Client, server.Bucket, "doctor"),
	} {
		t.Run(name, func(t *testing.T) {
			record(t, NewRecorder(open(t, store).Prices, nil), bar("A", 1, 10))
			before := keysOf(t, store)
			for service, want := range map[string]int{"all": 23, "harvester": 7, "analyzer": 10, "pricer": 8, "projector": 3, "maintain": 21} {
				findings := examine(t, open(t, store), service)
				for _, f := range findings {
					if !f.OK() {
						t.Errorf("%s: %+v", service, f)
					}
				}
				if len(findings) != want {
					t.Errorf("%s: %d probes, want %d: %v", service, len(findings), want, verdicts(findings))
				}
			}
			if after := keysOf(t, store); fmt.Sprint(after) != fmt.Sprint(before) {
				t.Errorf("the doctor left %q, there was %q", after, before)
			}
		})
	}
}

func TestDoctorFindsWhatIsWrong(t *testing.T) {
	racy := &forgetful{}
	racy.look.Add(racers)
	for _, c := range []struct {
		name  string
		store objects.Store
		off   time.Duration
		want  map[string]Verdict
	}{
		{"conditions ignored", &ignorant{}, 0, map[string]Verdict{"posts if-none-match": Wrong}},
		{"conditions decided too early", racy, 0, map[string]Verdict{"posts if-none-match": Wrong}},
		{"clock", withClock{&objects.Memory{}}, -time.Hour, map[string]Verdict{"posts clock": Wrong}},
		{"clock a little off", withClock{&objects.Memory{}}, time.Minute, map[string]Verdict{}},
		{"stale listing", unlisted{&objects.Memory{}}, 0, map[string]Verdict{"posts list": Wrong}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := New(c.store, "test", Options{Now: func() time.Time { return time.Now().Add(c.off) }})
			got := verdicts(examine(t, l, "harvester"))
			maps.DeleteFunc(got, func(_ string, v Verdict) bool { return v == Fine || v == Note })
			if !maps.Equal(got, c.want) {
				t.Errorf("the doctor found %v, want %v", got, c.want)
			}
		})
	}
}

// withClock says what time it is, as a server does.
type withClock struct{ objects.Store }

func (s withClock) Put(ctx context.Context, key string, data []byte, cond objects.Condition) (objects.Info, error) {
	info, err := s.Store.Put(ctx, key, data, cond)
	info.Clock = time.Now()
	return info, err
}

// unlisted never shows what was put.
type unlisted struct{ objects.Store }

func (unlisted) List(context.Context, string, string) iter.Seq2[objects.Info, error] {
	return func(func(objects.Info, error) bool) {}
}

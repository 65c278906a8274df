package lake

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/objects"
	"shitpost-alpha/lake/objects/faulty"
	"shitpost-alpha/lake/objects/s3"
	"shitpost-alpha/lake/objects/s3/s3test"
)

// TestFaultsOnTheNetwork breaks the connections themselves, wherever in a request that happens to be.
func TestFaultsOnTheNetwork(t *testing.T) {
	server := s3test.Start(t)
	api := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	toxics := map[string]string{
		"reset when it answers":  `{"name":"x","type":"reset_peer","stream":"downstream","attributes":{"timeout":0}}`,
		"reset when asked":       `{"name":"x","type":"reset_peer","stream":"upstream","attributes":{"timeout":0}}`,
		"silence":                `{"name":"x","type":"timeout","stream":"downstream","attributes":{"timeout":0}}`,
		"answer of 100 bytes":    `{"name":"x","type":"limit_data","stream":"downstream","attributes":{"bytes":100}}`,
		"question of 1400 bytes": `{"name":"x","type":"limit_data","stream":"upstream","attributes":{"bytes":1400}}`,
		"slow and in pieces":     `{"name":"x","type":"slicer","stream":"downstream","attributes":{"average_size":64,"size_variation":32,"delay":100}}`,
		"every third one resets": `{"name":"x","type":"reset_peer","stream":"downstream","toxicity":0.3,"attributes":{"timeout":0}}`,
	}
	var n atomic.Int64
	newSetting := func(t *testing.T, toxic string) setting {
		proxy := toxiproxy.NewProxy(api, t.Name(), "127.0.0.1:0", strings.TrimPrefix(server.Endpoint, "http://"))
		if err := proxy.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(proxy.Stop)
		prefix := fmt.Sprintf("toxic/%d", n.Add(1))
		patient := &patience{}
		patient.Store(int64(30 * time.Second))
		// Healed is a way around the proxy: to take a toxic from a connection that it holds up can block
		// toxiproxy for ever.
		var healed atomic.Bool
		healed.Store(true)
		patient.transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			if healed.Load() {
				address = strings.TrimPrefix(server.Endpoint, "http://")
			}
			return (&net.Dialer{}).DialContext(ctx, network, address)
		}
		return setting{clean: s3.New(server.Client, server.Bucket, prefix), broken: s3.New(clientAt(server, "http://"+proxy.Listen, patient), server.Bucket, prefix),
			set: func(rule faulty.Rule) {
				patient.transport.CloseIdleConnections()
				healed.Store(rule == nil)
				if rule == nil {
					patient.Store(int64(30 * time.Second))
					return
				}
				patient.Store(int64(200 * time.Millisecond))
				if _, err := proxy.Toxics.AddToxicJson(strings.NewReader(toxic)); err != nil {
					t.Error(err)
				}
			}}
	}
	anything := func(faulty.Request) *faulty.Fault { return nil }
	for _, k := range appendTasks() {
		s := newSetting(t, "")
		k.prepare(t, s.clean)
		if err := k.start(s.broken, s.clean)(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := eventsOf(t, s.clean)
		for name, toxic := range toxics {
			t.Run(k.name+"/"+name, func(t *testing.T) {
				t.Parallel()
				err := k.try(t, newSetting(t, toxic), anything, want)
				if passable := strings.HasPrefix(name, "slow") || strings.HasPrefix(name, "every third"); !passable && err == nil {
					t.Error("nothing went wrong: this test tests nothing")
				}
			})
		}
	}
}

// TestClockJumps moves the writer's clock while it appends, and back. What is refused for its clock
// is not written; what is written keeps the order; and when the clock is right, all goes on.
func TestClockJumps(t *testing.T) {
	server := s3test.Start(t)
	stores := map[string]func(*testing.T) objects.Store{
		"memory": func(*testing.T) objects.Store { return &objects.Memory{} },
		"folder": func(t *testing.T) objects.Store { return objects.NewFolder(t.TempDir()) },
		"s3": func(t *testing.T) objects.Store {
			return s3.New(server.Client, server.Bucket, strings.ReplaceAll(t.Name(), "/", "-"))
		},
	}
	for kind, newStore := range stores {
		for _, jump := range []time.Duration{-3 * time.Hour, -time.Minute, time.Minute, 3 * time.Hour} {
			for _, at := range []string{"before", "data file", "commit"} {
				t.Run(fmt.Sprintf("%s/%s/%s", kind, jump, at), func(t *testing.T) { tryClockJump(t, newStore(t), kind == "s3", jump, at) })
			}
		}
	}
}

func tryClockJump(t *testing.T, clean objects.Store, hasClock bool, jump time.Duration, at string) {
	var off atomic.Int64
	broken := faulty.NewStore(clean)
	l := New(broken, "test", Options{Now: func() time.Time { return time.Now().Add(time.Duration(off.Load())) }})
	r := NewRecorder(l.Prices, nil)
	record(t, r, bar("A", 1, 10))
	broken.Set(func(req faulty.Request) *faulty.Fault {
		if at == "data file" && strings.HasSuffix(req.Key, ".parquet") || at == "commit" && strings.HasSuffix(req.Key, ".json") && req.Verb == "PUT" {
			off.Store(int64(jump))
		}
		return nil
	})
	if at == "before" {
		off.Store(int64(jump))
	}
	_, err := r.Record(t.Context(), func() ([]event.Price, error) { return []event.Price{bar("A", 2, 11)}, nil })
	if err != nil && !errors.Is(err, ErrClock) {
		t.Errorf("the clock jumped by %s: %v, want ErrClock or none", jump, err)
	}
	if far := jump.Abs() > MaxClockSkew; at == "before" && hasClock && far != (err != nil) {
		t.Errorf("the clock was %s off the store's: %v", jump, err)
	}
	wantClean(t, clean, "after the jump")
	// The clock is right again. Where it was hours ahead and no other clock said so, what was written
	// then must first be in the past.
	off.Store(0)
	broken.Set(nil)
	if jump > MaxClockSkew && !hasClock {
		off.Store(int64(jump))
	}
	record(t, r, bar("A", 2, 11), bar("A", 3, 12))
	wantClean(t, clean, "in the end")
	quiet := &objects.Memory{}
	record(t, NewRecorder(open(t, quiet).Prices, nil), bar("A", 1, 10), bar("A", 2, 11), bar("A", 3, 12))
	if got, want := eventsOf(t, clean), eventsOf(t, quiet); !maps.Equal(got, want) {
		t.Errorf("events %v, want %v", got, want)
	}
	wantOrdered(t, open(t, clean).Prices)
}

// wantOrdered: recorded_at grows from event to event along the versions.
func wantOrdered(t *testing.T, s *Stream[event.Price]) {
	t.Helper()
	var last time.Time
	for v := int64(1); ; v++ {
		c, err := s.Read(t.Context(), v)
		if errors.Is(err, ErrNoVersion) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range c.Events {
			if !e.RecordedAt.After(last) {
				t.Errorf("version %d: recorded at %v, not after %v", v, e.RecordedAt, last)
			}
			last = e.RecordedAt
		}
	}
}

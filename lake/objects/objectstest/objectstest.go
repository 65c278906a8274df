// Package objectstest is the contract of objects.Store as a test suite, run against every store.
package objectstest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"shitpost-alpha/lake/objects"
)

// Test checks the contract. open returns an empty store.
func Test(t *testing.T, open func(*testing.T) objects.Store) {
	for name, test := range map[string]func(*testing.T, objects.Store){
		"GetMissing":     testGetMissing,
		"PutGet":         testPutGet,
		"IfAbsent":       testIfAbsent,
		"IfMatch":        testIfMatch,
		"RaceIfAbsent":   testRaceIfAbsent,
		"RaceIfMatch":    testRaceIfMatch,
		"List":           testList,
		"Delete":         testDelete,
		"BadKeys":        testBadKeys,
		"Empty and big":  testSizes,
		"ContextEnded":   testContextEnded,
		"OverwriteWhole": testOverwriteWhole,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

func put(t *testing.T, s objects.Store, key, data string, c objects.Condition) objects.Info {
	t.Helper()
	info, err := s.Put(t.Context(), key, []byte(data), c)
	if err != nil {
		t.Fatalf("put %q: %v", key, err)
	}
	return info
}

func wantBody(t *testing.T, s objects.Store, key, want string) objects.Info {
	t.Helper()
	data, info, err := s.Get(t.Context(), key)
	if err != nil || string(data) != want || info.Size != int64(len(want)) {
		t.Fatalf("get %q = %d bytes %q, size %d, error %v; want %q", key, len(data), data[:min(len(data), 40)], info.Size, err, want[:min(len(want), 40)])
	}
	return info
}

func testGetMissing(t *testing.T, s objects.Store) {
	if _, _, err := s.Get(t.Context(), "a/b"); !errors.Is(err, objects.ErrNotFound) {
		t.Errorf("get missing: %v, want ErrNotFound", err)
	}
	put(t, s, "a", "file", objects.Always())
	if _, _, err := s.Get(t.Context(), "z/b"); !errors.Is(err, objects.ErrNotFound) {
		t.Errorf("get below nothing: %v, want ErrNotFound", err)
	}
}

func testPutGet(t *testing.T, s objects.Store) {
	put(t, s, "x/_delta_log/0.json", "one\ntwo", objects.Always())
	wantBody(t, s, "x/_delta_log/0.json", "one\ntwo")
}

func testIfAbsent(t *testing.T, s objects.Store) {
	put(t, s, "k", "first", objects.IfAbsent())
	for _, body := range []string{"second", "first"} {
		if _, err := s.Put(t.Context(), "k", []byte(body), objects.IfAbsent()); !errors.Is(err, objects.ErrPrecondition) {
			t.Errorf("put over a taken key: %v, want ErrPrecondition", err)
		}
	}
	wantBody(t, s, "k", "first")
}

func testIfMatch(t *testing.T, s objects.Store) {
	if _, err := s.Put(t.Context(), "k", []byte("x"), objects.IfMatch(`"d41d8cd98f00b204e9800998ecf8427e"`)); !errors.Is(err, objects.ErrPrecondition) {
		t.Errorf("match on a missing key: %v, want ErrPrecondition", err)
	}
	first := put(t, s, "k", "one", objects.Always())
	second := put(t, s, "k", "two", objects.IfMatch(first.ETag))
	if _, err := s.Put(t.Context(), "k", []byte("three"), objects.IfMatch(first.ETag)); !errors.Is(err, objects.ErrPrecondition) {
		t.Errorf("match on an old ETag: %v, want ErrPrecondition", err)
	}
	if got := wantBody(t, s, "k", "two"); got.ETag != second.ETag {
		t.Errorf("get says ETag %s, put said %s", got.ETag, second.ETag)
	}
}

func testRaceIfAbsent(t *testing.T, s objects.Store) {
	for round := range 10 {
		key := fmt.Sprintf("race/%d", round)
		winners := race(t, 16, func(i int) error {
			_, err := s.Put(t.Context(), key, []byte(fmt.Sprint("writer ", i)), objects.IfAbsent())
			return err
		})
		if len(winners) != 1 {
			t.Fatalf("round %d: writers %v won, want exactly one", round, winners)
		}
		wantBody(t, s, key, fmt.Sprint("writer ", winners[0]))
	}
}

func testRaceIfMatch(t *testing.T, s objects.Store) {
	info := put(t, s, "lease", "start", objects.Always())
	for round := range 10 {
		winners := race(t, 16, func(i int) error {
			_, err := s.Put(t.Context(), "lease", []byte(fmt.Sprint(round, " writer ", i)), objects.IfMatch(info.ETag))
			return err
		})
		if len(winners) != 1 {
			t.Fatalf("round %d: writers %v won, want exactly one", round, winners)
		}
		info = wantBody(t, s, "lease", fmt.Sprint(round, " writer ", winners[0]))
	}
}

// race runs f by n goroutines at once and returns those that succeeded; every other one must have
// lost to the condition.
func race(t *testing.T, n int, f func(int) error) (winners []int) {
	t.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			err := f(i)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				winners = append(winners, i)
			} else if !errors.Is(err, objects.ErrPrecondition) {
				t.Errorf("writer %d: %v, want ErrPrecondition", i, err)
			}
		})
	}
	close(start)
	wg.Wait()
	return winners
}

func testList(t *testing.T, s objects.Store) {
	keys := []string{"a/1", "a/2", "a/sub/3", "a-b", "a.b/x", "b/1", "a/10"}
	for _, k := range keys {
		put(t, s, k, "body of "+k, objects.Always())
	}
	slices.Sort(keys)
	for _, c := range []struct{ prefix, after string }{
		{"", ""}, {"a/", ""}, {"a/", "a/1"}, {"a/", "a/15"}, {"a/s", ""}, {"a", ""}, {"nothing/", ""}, {"", "a/2"}, {"b/", "z"},
	} {
		var want, got []string
		for _, k := range keys {
			if strings.HasPrefix(k, c.prefix) && k > c.after {
				want = append(want, k)
			}
		}
		for info, err := range s.List(t.Context(), c.prefix, c.after) {
			if err != nil {
				t.Fatalf("list %+v: %v", c, err)
			}
			got = append(got, info.Key)
			if info.Size != int64(len("body of "+info.Key)) {
				t.Errorf("list says %q has %d bytes", info.Key, info.Size)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("list %+v = %q, want %q", c, got, want)
		}
	}
	for range s.List(t.Context(), "", "") {
		break // stopping early is allowed
	}
}

func testDelete(t *testing.T, s objects.Store) {
	put(t, s, "k", "x", objects.Always())
	for range 2 {
		if err := s.Delete(t.Context(), "k"); err != nil {
			t.Fatalf("delete: %v", err)
		}
	}
	if _, _, err := s.Get(t.Context(), "k"); !errors.Is(err, objects.ErrNotFound) {
		t.Errorf("get after delete: %v", err)
	}
	put(t, s, "k", "again", objects.IfAbsent())
}

func testBadKeys(t *testing.T, s objects.Store) {
	for _, key := range []string{"", "/", "/abs", "../up", "a/../b", "a//b", "a/", ".", "a/./b", "a\\b", "a\nb"} {
		if _, err := s.Put(t.Context(), key, nil, objects.Always()); err == nil {
			t.Errorf("put %q was taken", key)
		}
		if _, _, err := s.Get(t.Context(), key); err == nil || errors.Is(err, objects.ErrNotFound) {
			t.Errorf("get %q: %v, want a refusal of the key", key, err)
		}
	}
}

func testSizes(t *testing.T, s objects.Store) {
	put(t, s, "empty", "", objects.IfAbsent())
	wantBody(t, s, "empty", "")
	big := bytes.Repeat([]byte("0123456789abcdef"), 1<<18) // 4 MiB
	put(t, s, "big", string(big), objects.Always())
	wantBody(t, s, "big", string(big))
}

func testContextEnded(t *testing.T, s objects.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Put(ctx, "k", []byte("x"), objects.Always()); !errors.Is(err, context.Canceled) {
		t.Errorf("put with an ended context: %v", err)
	}
	if _, _, err := s.Get(ctx, "k"); !errors.Is(err, context.Canceled) {
		t.Errorf("get with an ended context: %v", err)
	}
}

// testOverwriteWhole: a reader beside a writer sees one of the two bodies, never a mix.
func testOverwriteWhole(t *testing.T, s objects.Store) {
	bodies := []string{strings.Repeat("a", 200_000), strings.Repeat("b", 100_000)}
	put(t, s, "k", bodies[0], objects.Always())
	var wg sync.WaitGroup
	stop := make(chan struct{})
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				put(t, s, "k", bodies[i%2], objects.Always())
			}
		}
	})
	for range 50 {
		data, _, err := s.Get(t.Context(), "k")
		if err != nil || string(data) != bodies[0] && string(data) != bodies[1] {
			t.Errorf("read %d bytes, error %v: not one of the two bodies", len(data), err)
		}
	}
	close(stop)
	wg.Wait()
}

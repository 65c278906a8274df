package lake

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/objects"
	"shitpost-alpha/lake/objects/s3"
	"shitpost-alpha/lake/objects/s3/s3test"
)

// TestThirtyTwoWriters: thirty-two processes append to one stream at once, each facts of its own and
// all of them one fact in common. Every commit takes a version, without gaps, and every fact is there
// once.
func TestThirtyTwoWriters(t *testing.T) {
	const writers, facts = 32, 3
	server := s3test.Start(t)
	beside := server.Beside(t)
	folder := t.TempDir()
	for name, store := range map[string]func(writer int) objects.Store{
		"folder": func(int) objects.Store { return objects.NewFolder(folder) },
		"s3":     func(int) objects.Store { return s3.New(server.Client, server.Bucket, "one") },
		"two gateways on one folder": func(writer int) objects.Store {
			if writer%2 == 0 {
				return s3.New(server.Client, server.Bucket, "two")
			}
			return s3.New(beside.Client, beside.Bucket, "two")
		},
	} {
		t.Run(name, func(t *testing.T) {
			commits := make([]int, writers)
			var wg sync.WaitGroup
			for w := range writers {
				wg.Go(func() {
					r := recorderOn(store(w))
					for i := range facts {
						n, err := r.Record(context.Background(), func() ([]event.Price, error) {
							return []event.Price{bar("SAME", i+1, 1), bar(fmt.Sprintf("W%d", w), i+1, 1)}, nil
						})
						if err != nil {
							t.Errorf("writer %d: %v", w, err)
						}
						if n > 0 {
							commits[w]++
						}
					}
				})
			}
			wg.Wait()
			s := open(t, store(0)).Prices
			head, err := s.Head(t.Context())
			if want := int64(sum(commits)); err != nil || head != want {
				t.Errorf("the newest version is %d (%v) after %d commits", head, err, want)
			}
			if v := clean(t, s); v.Rows != facts*(writers+1) || v.Duplicates != 0 {
				t.Errorf("verify: %+v; want %d rows", v, facts*(writers+1))
			}
		})
	}
}

package lake

import (
	"context"
	"fmt"
	"testing"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/objects"
)

// BenchmarkCompact compacts commits of the given size and reports rows and MB of input a second.
func BenchmarkCompact(b *testing.B) {
	for _, c := range []struct{ commits, rows int }{{500, 20}, {40, 10_000}} {
		b.Run(fmt.Sprintf("commits=%d/rows=%d", c.commits, c.commits*c.rows), func(b *testing.B) {
			store := &objects.Memory{}
			s := open(b, store).Prices
			for n := range c.commits {
				events := make([]event.Price, c.rows)
				for i := range events {
					events[i] = bar(fmt.Sprint("S", i%400), 1+(n*c.rows+i)/400, 10+float64(i%97))
					event.Seal(&events[i], "")
				}
				head := int64(n)
				if n == 0 {
					head = -1
				}
				if _, err := s.Append(context.Background(), head, events); err != nil {
					b.Fatal(err)
				}
			}
			b.ResetTimer()
			var bytes, rows int64
			for b.Loop() {
				b.StopTimer()
				l := open(b, store.Clone())
				b.StartTimer()
				done, err := l.Prices.Compact(context.Background(), CompactOptions{Small: groupBytes})
				if err != nil || done.Rows != int64(c.commits*c.rows) {
					b.Fatal(done, err)
				}
				bytes, rows = bytes+done.BytesIn, rows+done.Rows
			}
			b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
			b.ReportMetric(float64(bytes)/1e6/b.Elapsed().Seconds(), "MB/s")
		})
	}
}

package interop

import (
	"encoding/json"
	"testing"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/objects/s3/s3test"
)

// TestForeignS3: readers that speak S3 themselves read a lake in a bucket.
func TestForeignS3(t *testing.T) {
	in := installed(t)
	server := s3test.Start(t)
	server.Setenv(t)
	l, err := lake.Open(t.Context(), "s3://"+server.Bucket+"/some/prefix", lake.Options{Producer: "test@1"})
	if err != nil {
		t.Fatal(err)
	}
	r := draw{newRand(drawSeed(t))}
	var drafts []event.Price
	for range 9 {
		drafts = append(drafts, one[event.Price](r, nil))
	}
	rows := 0
	for _, d := range drafts {
		n, err := lake.NewRecorder(l.Prices, lake.View[event.Price](nil)).Record(t.Context(), func() ([]event.Price, error) { return []event.Price{d}, nil })
		if err != nil {
			t.Fatal(err)
		}
		rows += n
	}
	for _, step := range []func() error{
		func() error { _, err := l.Prices.Compact(t.Context(), lake.CompactOptions{}); return err },
		func() error { _, err := l.Prices.Checkpoint(t.Context()); return err },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"deltalake", "polars", "chdb"} {
		t.Run(name, func(t *testing.T) {
			if !in.has(t, name) {
				return
			}
			cmd, stderr := in.command(t, t.TempDir(), "read_s3.py", name, server.Bucket, "some/prefix/prices")
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("%v\n%s", err, stderr)
			}
			var got struct{ Rows int }
			if err := json.Unmarshal(out, &got); err != nil || got.Rows != rows {
				t.Errorf("%s says %q, %v; want %d rows", name, out, err, rows)
			}
			t.Logf("RUN: %s %s on S3", name, in.lines[name][0])
		})
	}
}

package s3_test

import (
	"testing"

	"shitpost-alpha/lake/objects/objectstest"
	"shitpost-alpha/lake/objects/s3"
	"shitpost-alpha/lake/objects/s3/s3test"
)

func TestRanges(t *testing.T) {
	server := s3test.Start(t)
	objectstest.Ranges(t, s3.New(server.Client, server.Bucket, "ranges"))
}

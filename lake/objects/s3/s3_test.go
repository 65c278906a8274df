package s3_test

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"shitpost-alpha/lake/objects"
	"shitpost-alpha/lake/objects/objectstest"
	"shitpost-alpha/lake/objects/s3"
	"shitpost-alpha/lake/objects/s3/s3test"
)

func TestVersitygw(t *testing.T) {
	server := s3test.Start(t)
	var n atomic.Int64
	objectstest.Test(t, func(*testing.T) objects.Store {
		return s3.New(server.Client, server.Bucket, fmt.Sprintf("prefix/%d/", n.Add(1)))
	})
}

func TestOpenFromEnvironment(t *testing.T) {
	server := s3test.Start(t)
	server.Setenv(t)
	s, err := s3.Open(t.Context(), server.Bucket, "")
	if err != nil {
		t.Fatal(err)
	}
	info, err := s.Put(t.Context(), "k", []byte("x"), objects.IfAbsent())
	if err != nil {
		t.Fatal(err)
	}
	if info.Clock.IsZero() {
		t.Error("the reply's Date was not read: the lake could not tell a wrong clock")
	}
}

func TestClearErrors(t *testing.T) {
	server := s3test.Start(t)
	server.Setenv(t)
	missing, err := s3.Open(t.Context(), "no-such-bucket", "")
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = missing.Get(t.Context(), "k")
	if err == nil || errors.Is(err, objects.ErrNotFound) || !strings.Contains(err.Error(), "does not exist") {
		t.Errorf("get from a missing bucket: %v; it must not look like a missing object", err)
	}
	t.Setenv("AWS_SECRET_ACCESS_KEY", "canary-wrong-secret")
	wrong, err := s3.Open(t.Context(), server.Bucket, "")
	if err != nil {
		t.Fatal(err)
	}
	_, err = wrong.Put(t.Context(), "k", []byte("x"), objects.Always())
	if err == nil || !strings.Contains(err.Error(), "AWS_SECRET_ACCESS_KEY") || strings.Contains(err.Error(), "canary-wrong-secret") {
		t.Errorf("put with a wrong secret: %v; want the way out and not the secret", err)
	}
}

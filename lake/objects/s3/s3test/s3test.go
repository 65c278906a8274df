// Package s3test starts a real S3 server, versitygw, for tests.
package s3test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Server is a running versitygw with one bucket.
type Server struct {
	Endpoint string // http://127.0.0.1:port
	Bucket   string
	Client   *s3.Client
	key      string
	secret   string
	dir      string
}

// Start runs a server on an empty folder until the test ends. The binary is $VERSITYGW, or
// .cache/bin/versitygw below the module's root, or the one on the PATH.
func Start(t testing.TB) *Server {
	t.Helper()
	s := start(t, t.TempDir())
	if _, err := s.Client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &s.Bucket}); err != nil {
		t.Fatalf("create bucket: %v", err)
	}
	return s
}

// Beside starts a second server on the same folder and bucket, as behind a load balancer.
func (s *Server) Beside(t testing.TB) *Server {
	t.Helper()
	return start(t, s.dir)
}

func start(t testing.TB, dir string) *Server {
	t.Helper()
	bin, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Bucket: "lake", key: "testkey", secret: "testsecret", dir: dir}
	address := freeAddress(t)
	s.Endpoint = "http://" + address
	cmd := exec.Command(bin, "--port", address, "--quiet", "--health", "/health", "posix", dir)
	cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+s.key, "ROOT_SECRET_KEY="+s.secret)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var stderr logWriter
	cmd.Stdout, cmd.Stderr = &stderr, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatalf("start versitygw: %v", err)
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // its folder is thrown away
		<-exited
	})
	waitReady(t, s.Endpoint+"/health", exited, &stderr)
	s.Client = s.ClientAt(s.Endpoint, nil)
	return s
}

// Env returns the environment that makes this server the S3 of a process.
func (s *Server) Env() map[string]string {
	return map[string]string{
		"AWS_ENDPOINT_URL_S3": s.Endpoint, "AWS_ACCESS_KEY_ID": s.key, "AWS_SECRET_ACCESS_KEY": s.secret, "AWS_REGION": "us-east-1",
	}
}

// ClientAt returns a client of its own that reaches the server at another address, a proxy's, with
// options that change may alter.
func (s *Server) ClientAt(endpoint string, change func(*s3.Options)) *s3.Client {
	o := s3.Options{
		BaseEndpoint: &endpoint, Region: "us-east-1", UsePathStyle: true,
		Credentials:                credentials.NewStaticCredentialsProvider(s.key, s.secret, ""),
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenSupported,
	}
	if change != nil {
		change(&o)
	}
	return s3.New(o)
}

// Setenv makes this server the S3 of the test's own process.
func (s *Server) Setenv(t *testing.T) {
	for k, v := range s.Env() {
		t.Setenv(k, v)
	}
}

func binary() (string, error) {
	if bin := os.Getenv("VERSITYGW"); bin != "" {
		return bin, nil
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if bin := filepath.Join(dir, ".cache", "bin", "versitygw"); isFile(bin) {
			return bin, nil
		}
	}
	if bin, err := exec.LookPath("versitygw"); err == nil {
		return bin, nil
	}
	return "", errors.New("no versitygw found for the S3 tests: run `make tools`, or name one in VERSITYGW")
}

func isFile(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.Mode().IsRegular()
}

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("find a free port: %v", err)
	}
	defer l.Close()
	return l.Addr().String()
}

func waitReady(t testing.TB, url string, exited <-chan error, log *logWriter) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case err := <-exited:
			t.Fatalf("versitygw ended: %v\n%s", err, log)
		case <-ctx.Done():
			t.Fatalf("versitygw is not ready after 30 s\n%s", log)
		case <-time.After(20 * time.Millisecond): // there is no signal to wait for
		}
	}
}

// logWriter keeps the last of what the server said.
type logWriter struct{ tail []byte }

func (w *logWriter) Write(p []byte) (int, error) {
	w.tail = append(w.tail, p...)
	if len(w.tail) > 4096 {
		w.tail = w.tail[len(w.tail)-4096:]
	}
	return len(p), nil
}

func (w *logWriter) String() string { return fmt.Sprintf("%s", w.tail) }

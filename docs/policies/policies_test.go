package policies

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/objects"
	"shitpost-alpha/lake/objects/s3"
)

const (
	bucket = "lake"
	prefix = "some/prefix"
)

// server runs versitygw with a user for each service, and the policies of all of them as the
// bucket's one. It returns the lake's store as a user sees it; "root" may do everything.
func server(t *testing.T) func(user string) objects.Store {
	t.Helper()
	iam := t.TempDir()
	accounts := map[string]any{}
	for _, s := range Services() {
		accounts[s] = map[string]any{"access": s, "secret": s + "-secret", "role": "user", "userID": os.Getuid(), "groupID": os.Getgid()}
	}
	users, err := json.Marshal(map[string]any{"accessAccounts": accounts})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(iam, "users.json"), users, 0o600); err != nil {
		t.Fatal(err)
	}
	// The sidecar, because a policy of this size does not fit into an extended attribute of a folder.
	endpoint := start(t, "--iam-dir", iam, "posix", "--sidecar", t.TempDir(), t.TempDir())
	client := func(user string) *awss3.Client {
		return awss3.New(awss3.Options{BaseEndpoint: &endpoint, Region: "us-east-1", UsePathStyle: true, RetryMaxAttempts: 1,
			RequestChecksumCalculation: aws.RequestChecksumCalculationWhenSupported,
			Credentials:                credentials.NewStaticCredentialsProvider(user, user+"-secret", "")})
	}
	root := client("root")
	if _, err := root.CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: aws.String(bucket)}); err != nil {
		t.Fatal(err)
	}
	together, err := Together(Place{Bucket: bucket, Prefix: prefix})
	if err != nil {
		t.Fatal(err)
	}
	policy, err := json.Marshal(together)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := root.PutBucketPolicy(t.Context(), &awss3.PutBucketPolicyInput{Bucket: aws.String(bucket), Policy: aws.String(string(policy))}); err != nil {
		t.Fatalf("versitygw does not take the policies: %v\n%s", err, policy)
	}
	return func(user string) objects.Store { return s3.New(client(user), bucket, prefix) }
}

// start runs versitygw until the test ends and returns its URL.
func start(t *testing.T, args ...string) string {
	t.Helper()
	bin := os.Getenv("VERSITYGW")
	if bin == "" {
		bin = filepath.Join("..", "..", ".cache", "bin", "versitygw")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	cmd := exec.CommandContext(ctx, bin, append([]string{"--port", address, "--quiet", "--health", "/health"}, args...)...)
	cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY=root", "ROOT_SECRET_KEY=root-secret")
	if err := cmd.Start(); err != nil {
		t.Fatalf("start versitygw: %v: run `make tools`, or name one in VERSITYGW", err)
	}
	t.Cleanup(func() {
		cancel() // kills it; its folders are thrown away
		_ = cmd.Wait()
	})
	for try := 0; ; try++ {
		resp, err := http.Get("http://" + address + "/health")
		if err == nil {
			resp.Body.Close()
			return "http://" + address
		}
		if try == 500 {
			t.Fatalf("versitygw is not ready: %v", err)
		}
		time.Sleep(20 * time.Millisecond) // there is no signal to wait for
	}
}

// TestServicesHaveWhatTheyNeed: the doctor, as each service, finds nothing in its way.
func TestServicesHaveWhatTheyNeed(t *testing.T) {
	as := server(t)
	for _, s := range Services() {
		t.Run(s, func(t *testing.T) {
			service := s
			if s == "reader" {
				service = "projector"
			}
			needs, err := lake.NeedsOf(service)
			if err != nil {
				t.Fatal(err)
			}
			l := lake.New(as(s), "test", lake.Options{})
			if err := l.Examine(t.Context(), needs, func(f lake.Finding) {
				if f.Verdict != lake.Fine { // a note would be a right too many
					t.Errorf("%+v", f)
				}
			}); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestServicesWorkTogether: each appends to its stream with its own rights, all are read.
func TestServicesWorkTogether(t *testing.T) {
	as := server(t)
	posts := lake.NewRecorder(lake.New(as("harvester"), "test", lake.Options{}).Posts, nil)
	if n, err := posts.Record(t.Context(), func() ([]event.Post, error) {
		const id = "113796110000000000"
		at, err := event.PublishedAt(id)
		return []event.Post{{Envelope: event.Envelope{Kind: event.PostObserved, Key: id, Source: "archive:x.csv", OccurredAt: at}, PostID: id, PublishedAt: at, Text: "x"}}, err
	}); err != nil || n != 1 {
		t.Fatalf("the harvester appended %d posts: %v", n, err)
	}
	prices := lake.NewRecorder(lake.New(as("pricer"), "test", lake.Options{}).Prices, nil)
	if n, err := prices.Record(t.Context(), func() ([]event.Price, error) {
		day := event.NewDate(2025, time.January, 2)
		return []event.Price{{Envelope: event.Envelope{Kind: event.SplitRecorded, Key: "A", Source: "simulator", OccurredAt: day.Time()}, Symbol: "A", SessionDate: day, Ratio: 2}}, nil
	}); err != nil || n != 1 {
		t.Fatalf("the pricer appended %d splits: %v", n, err)
	}
	for _, user := range []string{"projector", "reader", "maintain"} {
		for _, table := range lake.New(as(user), "test", lake.Options{ReadOnly: true}).Tables() {
			if v, err := table.Verify(t.Context(), nil); err != nil || !v.OK() {
				t.Errorf("%s reads %s: %+v, %v", user, table.Name(), v, err)
			}
		}
	}
}

// TestNobodyHasMore: what a service does not need is refused.
func TestNobodyHasMore(t *testing.T) {
	as := server(t)
	places := []string{"posts/", "predictions/", "prices/", "_leases/", ""}
	log := "posts/_delta_log/00000000000000000000.json"
	for _, key := range append(slices.Clone(places), "outside/") {
		if _, err := as("root").Put(t.Context(), key+"there", []byte("x"), objects.Always()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := as("root").Put(t.Context(), log, []byte("x"), objects.Always()); err != nil {
		t.Fatal(err)
	}
	may := map[string]map[string][]string{ // places by service and verb
		"harvester": {"get": {"posts/"}, "put": {"posts/"}},
		"analyzer":  {"get": {"posts/", "predictions/", "_leases/"}, "put": {"predictions/", "_leases/"}},
		"pricer":    {"get": {"predictions/", "prices/"}, "put": {"prices/"}},
		"projector": {"get": {"posts/", "predictions/", "prices/"}},
		"reader":    {"get": {"posts/", "predictions/", "prices/"}},
		"maintain":  {"get": places[:4], "put": places[:3], "delete": places[:4]},
	}
	for _, s := range Services() {
		store := as(s)
		for _, place := range places {
			_, _, get := store.Get(t.Context(), place+"there")
			_, put := store.Put(t.Context(), place+"new-"+s, []byte("x"), objects.Always())
			remove := store.Delete(t.Context(), place+"new-"+s)
			for verb, err := range map[string]error{"get": get, "put": put, "delete": remove} {
				if want := slices.Contains(may[s][verb], place); want != (err == nil) {
					t.Errorf("%s may %s in %q: %v, want %v (%v)", s, verb, place, err == nil, want, err)
				}
			}
			if list := listed(t, store, place); list != slices.Contains(may[s]["get"], place) {
				t.Errorf("%s may list %q: %v", s, place, list)
			}
		}
		if err := store.Delete(t.Context(), log); err == nil {
			t.Errorf("%s deleted an entry of the log", s)
		}
	}
}

func listed(t *testing.T, s objects.Store, place string) bool {
	t.Helper()
	for _, err := range s.List(t.Context(), place, "") {
		if err != nil {
			return false
		}
	}
	return true
}

// TestLogEntriesAreNeverOverwritten tries that statement of bucket.json. A server that does not know
// its condition key must say so rather than take it and not enforce it.
func TestLogEntriesAreNeverOverwritten(t *testing.T) {
	endpoint := start(t, "posix", t.TempDir())
	client := awss3.New(awss3.Options{BaseEndpoint: &endpoint, Region: "us-east-1", UsePathStyle: true, RetryMaxAttempts: 1,
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenSupported,
		Credentials:                credentials.NewStaticCredentialsProvider("root", "root-secret", "")})
	if _, err := client.CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: aws.String(bucket)}); err != nil {
		t.Fatal(err)
	}
	wide, err := Of("bucket", Place{Bucket: bucket, Prefix: prefix, Maintenance: "maintain"})
	if err != nil {
		t.Fatal(err)
	}
	statement := wide.Statement[0]
	policy, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": []any{statement}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.PutBucketPolicy(t.Context(), &awss3.PutBucketPolicyInput{Bucket: aws.String(bucket), Policy: aws.String(string(policy))}); err != nil {
		if statement["Sid"] != "LogEntriesAreNeverOverwritten" || !strings.Contains(err.Error(), "condition key") {
			t.Fatalf("%s: %v", statement["Sid"], err)
		}
		t.Logf("untried, this server refuses the statement: %v", err)
		return
	}
	store := s3.New(client, bucket, prefix)
	const entry = "posts/_delta_log/00000000000000000000.json"
	if _, err := store.Put(t.Context(), entry, []byte("x"), objects.Always()); err == nil {
		t.Error("a log entry was written without a condition")
	}
	if _, err := store.Put(t.Context(), entry, []byte("x"), objects.IfAbsent()); err != nil {
		t.Errorf("a log entry was not written under If-None-Match: %v", err)
	}
}

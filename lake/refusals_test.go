package lake

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/parquet-go/parquet-go"

	"shitpost-alpha/lake/delta"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/objects"
	"shitpost-alpha/lake/objects/s3/s3test"
)

// spoiled returns a store with a lake of one bar, changed by f.
func spoiled(t *testing.T, f func(m *objects.Memory)) objects.Store {
	t.Helper()
	m := &objects.Memory{}
	record(t, NewRecorder(open(t, m).Prices, nil), bar("A", 1, 10))
	f(m)
	return m
}

// rewrite replaces one object by what f makes of it.
func rewrite(t *testing.T, m *objects.Memory, key string, f func(string) string) {
	t.Helper()
	data, _, err := m.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	putObject(t, m, key, f(string(data)))
}

func putObject(t *testing.T, s objects.Store, key, body string) {
	t.Helper()
	if _, err := s.Put(t.Context(), key, []byte(body), objects.Always()); err != nil {
		t.Fatal(err)
	}
}

func replacer(old, with string) func(string) string {
	return func(s string) string { return strings.Replace(s, old, with, 1) }
}

// TestRefusals: whoever meets one of these is told in one sentence, and nothing is written.
func TestRefusals(t *testing.T) {
	first := delta.CommitKey(event.Prices, 0)
	second := delta.CommitKey(event.Prices, 1)
	foreign := func(m *objects.Memory) {
		putObject(t, m, first, `{"protocol":{"minReaderVersion":1,"minWriterVersion":2}}
{"metaData":{"id":"x","format":{"provider":"parquet","options":{}},"schemaString":"{\"type\":\"struct\",\"fields\":[{\"name\":\"id\",\"type\":\"long\",\"nullable\":true,\"metadata\":{}}]}","partitionColumns":[],"configuration":{}}}`)
	}
	for _, c := range []struct {
		name  string
		store objects.Store
		is    error
		says  string
		reads bool // it can be read all the same
	}{
		{"a folder with other files", func() objects.Store {
			m := &objects.Memory{}
			putObject(t, m, "prices/holiday/beach.jpg", "x")
			return m
		}(), ErrNotLake, "beach.jpg", true},
		{"a Delta table of other columns", func() objects.Store { m := &objects.Memory{}; foreign(m); return m }(), ErrNotLake, `"event_id"`, false},
		{"a higher reader", spoiled(t, func(m *objects.Memory) {
			rewrite(t, m, first, replacer(`"minReaderVersion":1`, `"minReaderVersion":2`))
		}), delta.ErrProtocol, "reader version 2", false},
		{"a reader feature", spoiled(t, func(m *objects.Memory) {
			rewrite(t, m, first, replacer(`"minReaderVersion":1`, `"readerFeatures":["deletionVectors"],"minReaderVersion":3`))
		}), delta.ErrProtocol, "deletionVectors", false},
		{"a higher writer", spoiled(t, func(m *objects.Memory) {
			rewrite(t, m, first, replacer(`"minWriterVersion":2`, `"minWriterVersion":5`))
		}), delta.ErrProtocol, "writer version 5", true},
		{"a writer feature", spoiled(t, func(m *objects.Memory) {
			rewrite(t, m, first, replacer(`"minWriterVersion":2`, `"minWriterVersion":7,"writerFeatures":["rowTracking"]`))
		}), delta.ErrProtocol, "rowTracking", true},
		{"schema drift", spoiled(t, func(m *objects.Memory) {
			rewrite(t, m, first, replacer(`{\"name\":\"close\",\"type\":\"double\"`, `{\"name\":\"close\",\"type\":\"string\"`))
		}), ErrSchemaDrift, `"close"`, true},
		{"a path that leaves the table", spoiled(t, func(m *objects.Memory) {
			rewrite(t, m, second, replacer(`"path":"`, `"path":"../posts/`))
		}), nil, "not inside the table", false},
		{"an absolute path", spoiled(t, func(m *objects.Memory) {
			rewrite(t, m, second, replacer(`"path":"`, `"path":"file:///etc/`))
		}), nil, "not inside the table", false},
		{"half a log entry", spoiled(t, func(m *objects.Memory) {
			rewrite(t, m, second, func(s string) string { return s[:len(s)-20] })
		}), nil, "version 1", false},
		{"a store that ignores If-None-Match", &ignorant{}, ErrStore, "If-None-Match", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := keysOf(t, c.store)
			l := open(t, c.store)
			_, err := NewRecorder(l.Prices, nil).Record(t.Context(), func() ([]event.Price, error) { return []event.Price{bar("A", 2, 11)}, nil })
			wantSentence(t, err, c.is, c.says)
			for _, key := range keysOf(t, c.store)[len(before):] {
				if !strings.Contains(key, "/_probe") && !strings.HasSuffix(key, ".parquet") {
					t.Errorf("%s was written", key)
				}
			}
			_, err = Follow(open(t, c.store).Prices, View[event.Price](&collector{})).CatchUp(t.Context())
			if c.reads != (err == nil) {
				t.Errorf("reading: %v", err)
			}
			if !c.reads {
				wantSentence(t, err, c.is, c.says)
			}
		})
	}
}

func wantSentence(t *testing.T, err, is error, says string) {
	t.Helper()
	if err == nil || is != nil && !errors.Is(err, is) || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "\n") {
		t.Errorf("error %v; want a sentence with %q, being %v", err, says, is)
	}
}

// keysOf lists the objects of a store, those that are new in later calls at the end.
func keysOf(t *testing.T, s objects.Store) (keys []string) {
	t.Helper()
	for info, err := range s.List(t.Context(), "", "") {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, info.Key)
	}
	return keys
}

// TestForeignDataFile: a table of ours to which another program added a file of its own.
func TestForeignDataFile(t *testing.T) {
	type row struct {
		ID int64 `parquet:"id"`
	}
	store := spoiled(t, func(m *objects.Memory) {
		state, err := delta.NewTable(m, event.Prices).At(t.Context(), -1)
		if err != nil {
			t.Fatal(err)
		}
		putObject(t, m, "prices/"+state.Live()[0].Path, string(parquetOf(t, []row{{1}})))
		rewrite(t, m, delta.CommitKey(event.Prices, 1), replacer(`"sha256":"`, `"other":"`))
	})
	_, err := Follow(open(t, store).Prices, View[event.Price](&collector{})).CatchUp(t.Context())
	wantSentence(t, err, ErrNotLake, "event_id")
}

func TestS3Refusals(t *testing.T) {
	server := s3test.Start(t)
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nowhere := "http://" + nobody.Addr().String()
	nobody.Close()
	for _, c := range []struct{ name, url, key, value, says string }{
		{"no such bucket", "s3://no-such-bucket/lake", "", "", "create the bucket"},
		{"wrong key", "s3://" + server.Bucket + "/lake", "AWS_ACCESS_KEY_ID", "nobody", "AWS_ACCESS_KEY_ID"},
		{"wrong secret", "s3://" + server.Bucket + "/lake", "AWS_SECRET_ACCESS_KEY", "canary", "AWS_SECRET_ACCESS_KEY"},
		{"nobody there", "s3://" + server.Bucket + "/lake", "AWS_ENDPOINT_URL_S3", nowhere, "AWS_ENDPOINT_URL_S3"},
		{"wrong region", "s3://" + server.Bucket + "/lake", "AWS_REGION", "mars-north-1", "AWS_REGION"},
	} {
		t.Run(c.name, func(t *testing.T) {
			server.Setenv(t)
			if c.key != "" {
				t.Setenv(c.key, c.value)
			}
			l, err := Open(t.Context(), c.url, Options{})
			if err != nil {
				t.Fatal(err)
			}
			_, err = NewRecorder(l.Posts, nil).Record(t.Context(), func() ([]event.Post, error) { return nil, nil })
			if err == nil || errors.Is(err, objects.ErrNotFound) || strings.Contains(err.Error(), "canary") {
				t.Errorf("reading: %v; want an error that is no empty lake and tells no secret", err)
			}
			findings := examine(t, l, "harvester")
			if len(findings) != 1 || findings[0].OK() || !strings.Contains(findings[0].Remedy, c.says) {
				t.Errorf("the doctor found %+v; want one thing, with %q as the way out", findings, c.says)
			}
		})
	}
}

func examine(t *testing.T, l *Lake, service string) (out []Finding) {
	t.Helper()
	needs, err := NeedsOf(service)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Examine(t.Context(), needs, func(f Finding) { out = append(out, f) }); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestReadOnlyFolder runs itself again as a user who may read the folder and not write it: the
// rights of a folder do not bind root.
func TestReadOnlyFolder(t *testing.T) {
	const variable = "LAKE_TEST_READ_ONLY"
	if dir := os.Getenv(variable); dir != "" {
		l, err := Open(t.Context(), dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = NewRecorder(l.Prices, nil).Record(t.Context(), func() ([]event.Price, error) { return []event.Price{bar("A", 2, 11)}, nil })
		wantSentence(t, err, os.ErrPermission, "permission denied")
		if n := len(everything(t, l.Prices)); n != 1 {
			t.Errorf("%d events can be read, want 1", n)
		}
		for _, f := range examine(t, l, "pricer") {
			if f.Probe == "put" && (f.OK() || !strings.Contains(f.Remedy, "let this user write")) {
				t.Errorf("the doctor found %+v", f)
			}
		}
		return
	}
	dir := t.TempDir()
	for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	record(t, NewRecorder(open(t, objects.NewFolder(dir)).Prices, nil), bar("A", 1, 10))
	if err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			err = os.Chmod(path, 0o555)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = filepath.WalkDir(dir, func(path string, _ os.DirEntry, _ error) error { return os.Chmod(path, 0o755) })
	})
	wantChildPass(t, "TestReadOnlyFolder", variable+"="+dir)
}

// wantChildPass runs one test of this binary in a process of a user who is not root.
func wantChildPass(t *testing.T, test, env string) {
	t.Helper()
	self := filepath.Join(t.TempDir(), "lake.test")
	binary, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(self, binary, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Dir(self), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), self, "-test.run", "^"+test+"$")
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), env)
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("as user %s: %v\n%s", strconv.Itoa(nobody), err, out)
	}
}

const nobody = 65534

func parquetOf[T any](t *testing.T, rows []T) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := parquet.Write(&b, rows); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
